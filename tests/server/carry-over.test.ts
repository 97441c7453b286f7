/** A part of a pipeline run with what an earlier run has settled: nothing before it runs or is sent again. */
import { rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import type { Operation } from '../../runtime/graph/operations.ts';
import { graphOf, TEST_NODES } from '../runtime/bench.ts';
import { posts, postsHost } from '../runtime/marks.ts';
import { openScene } from '../triggers/scene.ts';

let scene: Awaited<ReturnType<typeof openScene>>;
let file: string;
beforeAll(async () => {
  file = path.join(os.tmpdir(), `spliceboard-carry-${process.pid}`);
  scene = await openScene({
    nodes: TEST_NODES,
    capabilities: (fetcher) => [httpCapability({ fetcher })],
    internalHosts: [postsHost(file)],
  });
});
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  rmSync(file, { force: true });
});

const create = async (graph: Graph) =>
  (await scene.call<{ id: string }>('pipelines.create', 'mutation', { name: 'Carried', graph })).id;
type Started = { runId: string; number: number };
const wantedOf = (pipelineId: string, more: object) => ({ pipelineId, brandId: scene.brandId, ...more });
async function run(pipelineId: string, more: object = {}): Promise<Started & { state: string }> {
  const started = await scene.call<Started>('runs.start', 'mutation', wantedOf(pipelineId, more));
  return { ...started, state: await scene.ended(started.runId) };
}
const onFrom = (of: Started, from: string, more: object = {}) => ({ again: of.runId, from, carryOver: true, ...more });
async function edit(pipelineId: string, baseRevision: number, ...operations: Operation[]): Promise<void> {
  await scene.call('pipelines.edit', 'mutation', { pipelineId, baseRevision, clientId: 't', operations });
}
/** node → steps: where each was taken from, in order of their items; null: made in this run. */
async function origins(runId: string): Promise<Record<string, (number | null)[]>> {
  const { rows } = await scene.admin.query(
    'select node, array_agg(reused_number order by path) as from from step where run_id = $1 group by 1',
    [runId],
  );
  return Object.fromEntries(rows.map((row) => [row.node, row.from]));
}
const outputsOf = async (runId: string, node: string) =>
  (
    await scene.admin.query('select outputs, reason, state from step where run_id = $1 and node = $2 order by path', [
      runId,
      node,
    ])
  ).rows as { outputs: Record<string, { value: unknown }>; reason: string | null; state: string }[];

const WIRES = ['numbers.items > ask.text', 'ask.text > post.text', 'post.url > shout.text', 'shout.text > join.texts'];
const board = (ask = '', shout = '') => graphOf(['numbers', `ask ${ask}`, 'post', `shout ${shout}`, 'join'], WIRES);

test('exactly the chosen node and what follows runs; what was sent before stands as it was and is not sent again', async () => {
  const pipelineId = await create(board());
  const first = await run(pipelineId);
  const sent = posts(file).length;
  const wanted = onFrom(first, 'shout');
  const ahead = await scene.call<{ nodes: { nodeId: string; runs: number; takenFrom: number | null }[] }>(
    'runs.preview',
    'query',
    wantedOf(pipelineId, wanted),
  );
  const n = first.number;
  expect(ahead.nodes.map(({ nodeId, runs, takenFrom }) => [nodeId, runs, takenFrom])).toEqual([
    ['numbers', 0, n],
    ['ask', 0, n],
    ['post', 0, n],
    ['shout', 3, null],
    ['join', 1, null],
  ]);
  const second = await run(pipelineId, wanted);
  expect(second.state).toBe('succeeded');
  expect(await origins(second.runId)).toEqual({
    numbers: [n],
    ask: [n, n, n],
    post: [n, n, n],
    shout: [null, null, null],
    join: [null],
  });
  expect(posts(file)).toHaveLength(sent);
  const before = await outputsOf(first.runId, 'post');
  expect((await outputsOf(second.runId, 'post')).map(({ outputs }) => outputs)).toEqual(
    before.map(({ outputs }) => outputs),
  );
  expect((await outputsOf(second.runId, 'post'))[0]!.reason).toBe(`Taken from run ${n}.`);
  expect(await outputsOf(second.runId, 'join')).toMatchObject([
    { outputs: (await outputsOf(first.runId, 'join'))[0]!.outputs },
  ]);
  const third = await run(pipelineId, onFrom(second, 'shout', { only: 'shout' }));
  expect(await origins(third.runId)).toMatchObject({ post: Array(3).fill(second.number), shout: [null, null, null] });
  expect(await origins(third.runId)).not.toHaveProperty('join');
}, 40_000);

test('without an earlier run, a node or the right brand it is refused in a sentence, and so is one that goes on', async () => {
  const pipelineId = await create(board());
  const first = await run(pipelineId, { dryRun: true });
  const refused = (more: object) => expect(run(pipelineId, more)).rejects;
  await refused({ from: 'shout', carryOver: true }).toMatchObject({ code: 'RUN_CARRY_UNKNOWN' });
  await refused({ again: first.runId, carryOver: true }).toMatchObject({ code: 'RUN_CARRY_UNKNOWN' });
  // what a rehearsal says is nothing to publish with
  await refused(onFrom(first, 'shout')).toThrow('was without publishing: post sent nothing');
  expect((await run(pipelineId, onFrom(first, 'shout', { dryRun: true }))).state).toBe('succeeded');
  const { rows } = await scene.admin.query(
    `insert into brand (workspace_id, name, slug, kit) select workspace_id, 'Other', 'other', kit from brand where id = $1 returning id`,
    [scene.brandId],
  );
  await refused({ ...onFrom(first, 'shout', { dryRun: true }), brandId: rows[0].id }).toMatchObject({
    code: 'RUN_CARRY_BRAND',
  });
  await scene.admin.query(`update run set state = 'running' where id = $1`, [first.runId]);
  await refused(onFrom(first, 'shout', { dryRun: true })).toThrow('is still going on');
  await scene.admin.query(`update run set state = 'succeeded', pruned_at = now() where id = $1`, [first.runId]);
  await refused(onFrom(first, 'shout', { dryRun: true })).toThrow('was cleared away');
}, 40_000);

test('where something before it failed or was cancelled there is nothing to take, unless failed items are left out', async () => {
  const failing = await create(board('{ "failOn": "2" }'));
  const first = await run(failing);
  expect(first.state).toBe('problems');
  await expect(run(failing, onFrom(first, 'join'))).rejects.toThrow(`ask failed in run ${first.number}`);
  await expect(run(failing, onFrom(first, 'shout'))).rejects.toMatchObject({ code: 'RUN_CARRY_UNSETTLED' });

  const graph = graphOf(
    ['numbers', 'shout { "failOn": "2" }', 'join', 'last:shout'],
    ['numbers.items > shout.text', 'shout.text > join.texts leaving out failed', 'join.text > last.text'],
  );
  const lenient = await create(graph);
  const partly = await run(lenient);
  const again = await run(lenient, onFrom(partly, 'join'));
  expect(again.state).toBe('problems'); // as the run it was taken from
  expect((await outputsOf(again.runId, 'shout')).map(({ state }) => state)).toEqual(['done', 'failed', 'done']);
  expect((await outputsOf(again.runId, 'join'))[0]!.outputs).toMatchObject({ text: { value: '1!,3!' } });

  const cut = await run(lenient);
  await scene.admin.query(`update step set state = 'cancelled' where run_id = $1 and node = 'shout' and path = '{1}'`, [
    cut.runId,
  ]);
  await expect(run(lenient, onFrom(cut, 'join'))).rejects.toThrow(`shout was not finished in run ${cut.number}`);
}, 40_000);

test('by another version: what is unchanged is taken, what has changed runs, and an act that would be sent again is refused', async () => {
  const graph = graphOf(
    ['numbers', 'ask', 'shout', 'join'],
    ['numbers.items > ask.text', 'ask.text > shout.text', 'shout.text > join.texts'],
  );
  const pipelineId = await create(graph);
  const first = await run(pipelineId);
  const n = first.number;
  await edit(pipelineId, 0, { op: 'setConfig', node: 'shout', field: 'mark', value: '?' });
  const second = await run(pipelineId, onFrom(first, 'join'));
  expect(await origins(second.runId)).toEqual({
    numbers: [n],
    ask: [n, n, n],
    shout: [null, null, null],
    join: [null],
  });
  expect((await outputsOf(second.runId, 'join'))[0]!.outputs).toMatchObject({ text: { value: '1?,2?,3?' } });

  const sending = await create(board());
  const sent = await run(sending);
  const count = posts(file).length;
  await edit(sending, 0, { op: 'setConfig', node: 'ask', field: 'failOn', value: 'never' });
  await expect(run(sending, onFrom(sent, 'shout'))).rejects.toThrow('post would publish again');
  expect(posts(file)).toHaveLength(count);
}, 40_000);

test('what no key could bring back is taken all the same: a step is not asked for a second time', async () => {
  const pipelineId = await create(board());
  const first = await run(pipelineId, { nonce: 'of its own' });
  const { rows } = await scene.admin.query(`select count(*)::int as n from reuse where run_id = $1`, [first.runId]);
  const second = await run(pipelineId, onFrom(first, 'join', { nonce: 'of another' }));
  expect(rows[0].n).toBeGreaterThan(0);
  expect(await origins(second.runId)).toMatchObject({ ask: Array(3).fill(first.number), join: [null] });
  const calls = await scene.admin.query('select count(*)::int as n from call where run_id = $1', [second.runId]);
  expect(calls.rows[0].n).toBe(0);
}, 30_000);

test('a list of many is taken whole, and a run of nothing but what is taken ends at once', async () => {
  const graph = graphOf(
    ['numbers { "count": 200 }', 'shout', 'join'],
    ['numbers.items > shout.text', 'shout.text > join.texts'],
  );
  const pipelineId = await create(graph);
  const first = await run(pipelineId);
  const second = await run(pipelineId, onFrom(first, 'join'));
  expect((await origins(second.runId)).shout).toEqual(Array(200).fill(first.number));
  const none = await create(graphOf(['numbers { "count": 0 }', 'shout'], ['numbers.items > shout.text']));
  const empty = await run(none);
  expect((await run(none, onFrom(empty, 'shout'))).state).toBe('succeeded');
}, 40_000);

test('a person is not asked a second time, and code and waits before it do not run again', async () => {
  await using own = await openScene();
  const graph = graphOf(
    [
      'say:flow.code {"code":"return { at: Math.random() };","inputs":[]}',
      'ask:flow.approve {}',
      'after:flow.code {"code":"return input;"}',
    ],
    ['say.result > ask.item', 'ask.approved > after.input'],
  );
  const { id } = await own.call<{ id: string }>('pipelines.create', 'mutation', { name: 'Asked', graph });
  const wanted = { pipelineId: id, brandId: own.brandId };
  const first = await own.call<Started>('runs.start', 'mutation', wanted);
  const at = { runId: first.runId, nodeId: 'ask', path: [], name: 'review' };
  const decision = { outcome: 'approved', edits: {}, comment: '' };
  await expect
    .poll(() => own.call('waits.decide', 'mutation', { ...at, decision }).then(() => 'decided', String), {
      timeout: 15_000,
    })
    .toBe('decided');
  expect(await own.ended(first.runId)).toBe('succeeded');
  const second = await own.call<Started>('runs.start', 'mutation', { ...wanted, ...onFrom(first, 'after') });
  expect(await own.ended(second.runId)).toBe('succeeded');
  const said = `Taken from run ${first.number}.`;
  expect(await own.step(second.runId, 'say')).toMatchObject({ state: 'done', reason: said });
  expect(await own.step(second.runId, 'ask')).toMatchObject({ state: 'done', reason: said });
  expect((await own.step(second.runId, 'after'))!.outputs).toEqual((await own.step(first.runId, 'say'))!.outputs);
  const { rows } = await own.admin.query('select count(*)::int as n from wait where run_id = $1', [second.runId]);
  expect(rows[0].n).toBe(0);
}, 40_000);
