/** Runs through the real ledger, queue, worker and sandbox. */

import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clearOverride, retrySteps, setOverride } from '../../db/again.ts';
import { decideEffect } from '../../db/effects.ts';
import { cancelRun } from '../../db/runs.ts';
import { storeValue } from '../../db/values.ts';
import * as advance from '../../runtime/graph/advance.ts';
import { TEST_KIT } from '../support/database.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { markingMedia, marks, posts, postsHost } from './marks.ts';

let bench: Bench;
let marked: string;
let posted: string;
const SLOTS = 2;
beforeAll(async () => {
  bench = await openBench({ idle: true });
  marked = path.join(bench.folder, 'marks');
  posted = path.join(bench.folder, 'posts');
  await bench.worker({
    slots: { media: SLOTS },
    capabilities: [markingMedia(marked, { ms: 40, failOnce: 'busy' })],
    internalHosts: [postsHost(posted, { loseAnswers: 1 })],
  });
});
afterAll(() => bench.close());

const THREE = ['numbers.items > shout.text', 'shout.text > join.texts'];
const three = (shout = '', numbers = '') => graphOf([`numbers ${numbers}`, `shout ${shout}`, 'join'], THREE);
const noValue = () => Promise.reject(new Error('nothing long here'));

test('a list maps, runs and gathers', async () => {
  const runId = await bench.start(three('{ "mark": "?" }'));
  const ended = await bench.ended(runId);
  expect(ended.run.state).toBe('succeeded');
  expect(await bench.value(runId, 'join', 'text')).toBe('1?,2?,3?');
  expect(bench.states(ended)).toEqual({ numbers: 'done', shout: 'done', join: 'done' });
  expect(ended.nodes[1]!.counts).toMatchObject({ total: 3, done: 3 });
});

test('an empty list is gathered as an empty list, and says so', async () => {
  const ended = await bench.ended(await bench.start(three('', '{ "count": 0 }')));
  expect(bench.states(ended)).toEqual({ numbers: 'done', shout: 'skipped', join: 'done' });
  expect(ended.nodes[1]!.reason).toBe('The list was empty.');
  expect(await bench.value(ended.run.id, 'join', 'text')).toBe('');
});

test('a failing member blocks what gathers it, by name, and the wire may leave it out', async () => {
  const blocked = await bench.ended(await bench.start(three('{ "failOn": "2" }')));
  expect(blocked.run.state).toBe('problems');
  expect(bench.states(blocked)).toEqual({ numbers: expect.any(String), shout: 'failed', join: 'blocked' });
  expect(blocked.nodes[1]!.error).toMatchObject({ code: 'SHOUT_REFUSED', hint: 'Say something else.' });
  expect(blocked.nodes[2]!.reason).toBe('Waits for shout, which failed.');
  const graph = graphOf(['numbers', 'shout { "failOn": "2" }', 'join'], [THREE[0]!, `${THREE[1]} leaving out failed`]);
  const ended = await bench.ended(await bench.start(graph));
  expect(await bench.value(ended.run.id, 'join', 'text')).toBe('1!,3!');
});

test('an absent member is left out of a gather and renumbers nothing', async () => {
  const ended = await bench.ended(await bench.start(three('{ "leaveOut": "2" }')));
  expect(await bench.value(ended.run.id, 'join', 'text')).toBe('1!,3!');
  expect((await bench.steps(ended.run.id, 'shout')).map((step) => step.path)).toEqual([[0], [1], [2]]);
});

test('a wired error output makes a failure a value', async () => {
  const graph = graphOf(
    ['numbers { "count": 1 }', 'shout { "failOn": "1" }', 'join', 'show:keep'],
    [...THREE, 'shout.error > show.value'],
  );
  const ended = await bench.ended(await bench.start(graph));
  expect(ended.run.state).toBe('succeeded');
  expect(await bench.value(ended.run.id, 'show', 'value', [0])).toMatchObject({ code: 'SHOUT_REFUSED' });
  expect(await bench.value(ended.run.id, 'join', 'text')).toBe('');
});

test('a thousand light items run in ranges', async () => {
  const prefix = randomUUID();
  const started = performance.now();
  const runId = await bench.start(three('', `{ "count": 1000, "prefix": "${prefix}-" }`));
  const ended = await bench.ended(runId, 30_000);
  expect(ended.nodes[1]!.counts).toMatchObject({ total: 1000, done: 1000 });
  expect(performance.now() - started).toBeLessThan(15_000);
});

test('what a few items of a long list are decided from is read without looking at the others', async () => {
  const { run } = await bench.ended(await bench.start(three('', '{ "count": 1000 }')), 30_000);
  const touched = await bench.inside(async (tx) => {
    // of this connection, with what is not yet counted elsewhere
    const count = async () =>
      (
        await sql<{ rows: number }>`
        select idx_tup_fetch::int as rows from pg_stat_xact_user_tables where relname = 'step'`.execute(tx)
      ).rows[0]!.rows;
    const before = await count();
    const read = await sql<{ items: number }>`
      select jsonb_array_length(ledger_inputs(${run.id}, '[{"kind":"step","node":"shout","depth":1}]', '{}', 500, 503)) as items`.execute(
      tx,
    );
    expect(read.rows).toEqual([{ items: 4 }]);
    return (await count()) - before;
  });
  expect(touched).toBeLessThan(20);
});

test('one item that kills its process fails alone, its neighbours in the range are done', async () => {
  const ended = await bench.ended(await bench.start(three('{ "crashOn": "5" }', '{ "count": 8 }')), 40_000);
  expect(ended.nodes[1]!.counts).toMatchObject({ done: 7, failed: 1 });
  const failed = (await bench.steps(ended.run.id, 'shout')).find((step) => step.state === 'failed');
  expect(failed).toMatchObject({ path: [4], error: { code: expect.stringMatching(/^SANDBOX_/) } });
}, 60_000);

test('one item of a range that may be tried again is tried again by itself', async () => {
  const ended = await bench.ended(await bench.start(three('{ "tireOn": "5" }', '{ "count": 8 }')));
  expect(ended.nodes[1]!.counts).toMatchObject({ done: 7, failed: 1 });
  const steps = await bench.steps(ended.run.id, 'shout');
  expect(steps.map((step) => step.attempt)).toEqual([1, 1, 1, 1, 2, 1, 1, 1]);
});

test('what fails for a while is tried again with a reason, and called once more only', async () => {
  const graph = graphOf(['numbers { "count": 1, "prefix": "busy" }', 'work'], ['numbers.items > work.text']);
  const runId = await bench.start(graph);
  const waiting = await bench.until(runId, (snapshot) => snapshot.nodes[1]!.state === 'waiting');
  expect(waiting.nodes[1]!.reason).toBe('Trying again: The machine was busy.');
  const ended = await bench.ended(runId);
  expect(ended.run.state).toBe('succeeded');
  expect(marks(marked).filter((line) => line === 'end work/busy1/0')).toHaveLength(1);
});

test('a cancelled run stops its heavy step within two seconds and sends nothing more', async () => {
  const slow = await bench.worker({ capabilities: [markingMedia(path.join(bench.folder, 'slow'), { ms: 30_000 })] });
  const graph = graphOf(['numbers { "count": 40, "prefix": "cancelled" }', 'work'], ['numbers.items > work.text']);
  const runId = await bench.start(graph);
  const file = path.join(bench.folder, 'slow');
  for (let waited = 0; marks(file).length === 0 && waited < 10_000; waited += 20) await sleep(20);
  const began = performance.now();
  expect(await bench.inside((tx) => cancelRun(tx, runId, 'Cancelled by a test.'))).toBe(true);
  for (; slow.held() > 0; await sleep(10)) expect(performance.now() - began).toBeLessThan(2_000);
  const after = await bench.look(runId);
  expect(after.run.state).toBe('cancelled');
  expect(after.nodes[1]!.state).toBe('cancelled');
  const seen = marks(marked).length + marks(file).length;
  await sleep(300);
  expect(marks(marked).length + marks(file).length).toBe(seen);
  await bench.stop(slow);
});

test('a lost answer is looked up, and nothing is posted twice', async () => {
  const text = `once ${randomUUID()}`;
  const graph = graphOf([`numbers { "count": 1, "prefix": "${text} " }`, 'post'], ['numbers.items > post.text']);
  const ended = await bench.ended(await bench.start(graph), 30_000);
  expect(ended.run.state).toBe('succeeded');
  expect(posts(posted).filter((post) => post.text.startsWith(text))).toHaveLength(1);
  const { rows } = await bench.database.admin.query('select state, attempt, evidence from effect where run_id = $1', [
    ended.run.id,
  ]);
  expect(rows).toMatchObject([
    { state: 'confirmed', attempt: 1, evidence: { lookedUp: expect.stringContaining('https://posts.test/') } },
  ]);
}, 40_000);

test('a dry run says what it would do and posts nothing', async () => {
  const graph = graphOf(['numbers { "count": 1, "prefix": "dry " }', 'post'], ['numbers.items > post.text']);
  const ended = await bench.ended(await bench.start(graph, { dryRun: true }));
  expect(ended.nodes[1]!.reason).toBe('Post 5 characters.');
  expect(posts(posted).filter((post) => post.text.startsWith('dry'))).toEqual([]);
});

test('an effect takes no other way than its arrows', async () => {
  const { rows } = await bench.database.admin.query(`select id from effect where state = 'confirmed' limit 1`);
  await expect(
    bench.database.admin.query(`update effect set state = 'sending' where id = $1`, [rows[0].id]),
  ).rejects.toThrow(/does not go from confirmed to sending/);
});

test('a person decides what no look-up could say, once', async () => {
  const { rows } = await bench.database.admin.query<{ id: string }>(
    `insert into effect (workspace_id, key, brand_id, run_id, node, path, name, kind, request, content_digest, state)
     select workspace_id, key || 'unknown', brand_id, run_id, node, path, name, kind, request, content_digest, 'unknown'
       from effect where state = 'confirmed' limit 1 returning id`,
  );
  const decide = (happened: boolean) =>
    bench.inside((tx) => decideEffect(tx, rows[0]!.id, { happened, by: 'somebody' }));
  expect(await decide(true)).toBe(true);
  expect(await decide(false)).toBe(false);
  const { rows: after } = await bench.database.admin.query('select state, decided_by from effect where id = $1', [
    rows[0]!.id,
  ]);
  expect(after).toEqual([{ state: 'confirmed', decided_by: 'somebody' }]);
});

test('a correction stands in the place of an output: what follows is made again, nothing else', async () => {
  const graph = three('{ "mark": "~" }');
  const pipelineId = await bench.pipeline(graph);
  const runId = (await bench.ended(await bench.start(graph, { pipelineId }))).run.id;
  const before = await bench.steps(runId, 'shout');
  const value = 'corrected';
  const at = { runId, nodeId: 'shout', path: [1], port: 'text' };
  const output = await storeValue(value, false, noValue);
  expect(await bench.inside((tx) => setOverride(tx, { ...at, output, value, by: 'me' }, advance))).toEqual({
    ok: true,
  });
  await bench.ended(runId);
  expect(await bench.value(runId, 'join', 'text')).toBe('1~,corrected,3~');
  const after = await bench.steps(runId, 'shout');
  expect(after.map((step) => step.endedAt)).toEqual(before.map((step) => step.endedAt));
  expect(after[1]).toMatchObject({ overridden: ['text'], reason: 'Corrected by a person.' });

  // it stands in the next run too, as long as the node makes the same
  const again = await bench.ended(await bench.start(graph, { pipelineId }));
  expect(await bench.value(again.run.id, 'join', 'text')).toBe('1~,corrected,3~');
  const other = await bench.ended(
    await bench.start(graph, { pipelineId, set: [{ node: 'shout', field: 'mark', value: '^' }] }),
  );
  expect(await bench.value(other.run.id, 'join', 'text')).toBe('1^,2^,3^');
  expect((await bench.steps(other.run.id, 'shout'))[1]!.facts).toEqual([
    { name: 'correction', value: 'made for an earlier result; look again' },
  ]);

  expect(await bench.inside((tx) => clearOverride(tx, at, advance))).toEqual({ ok: true });
  await bench.ended(runId);
  expect(await bench.value(runId, 'join', 'text')).toBe('1~,2~,3~');
});

test('a failed step is retried in its own run, and what was done stays done', async () => {
  const graph = three('{ "failOn": "2", "mark": "*" }');
  const runId = (await bench.ended(await bench.start(graph))).run.id;
  const before = await bench.steps(runId, 'shout');
  await bench.database.admin.query(
    `update run set graph = jsonb_set(graph, '{nodes,1,config,failOn}', '""'), plan_key = null where id = $1`,
    [runId],
  );
  expect(await bench.inside((tx) => retrySteps(tx, { runId, nodeId: 'shout' }, advance))).toEqual({ ok: true });
  const ended = await bench.ended(runId);
  expect(ended.run.state).toBe('succeeded');
  const after = await bench.steps(runId, 'shout');
  expect(after[0]!.endedAt).toBe(before[0]!.endedAt);
  expect(await bench.value(runId, 'join', 'text')).toContain('1*');
});

test('a node that gives back what it has not declared fails with its name', async () => {
  const ended = await bench.ended(await bench.start(graphOf(['liar'], [])));
  expect(ended.nodes[0]!.error).toMatchObject({ code: 'NODE_BAD_OUTPUT', message: expect.stringContaining('liar') });
});

test('a long value lies compressed in the store and reaches the next node whole', async () => {
  const prefix = 'x'.repeat(900);
  const ended = await bench.ended(await bench.start(three('', `{ "count": 40, "prefix": "${prefix}" }`)));
  const step = (await bench.steps(ended.run.id, 'join'))[0]!;
  expect(step.outputs.text).toMatchObject({
    asset: expect.stringMatching(/^[0-9a-f]{64}$/),
    bytes: expect.any(Number),
  });
  expect(step.outputs.text!.bytes).toBeGreaterThan(36_000);
  expect(step.outputs.text!.value).toBeUndefined();
});

test('the kit reaches a node only as far as it declares it', async () => {
  const kit = { ...TEST_KIT, name: 'Secret name', colors: { ...TEST_KIT.colors, primary: '#123456' } };
  const graph = graphOf(['numbers { "count": 1, "prefix": "kit" }', 'work'], ['numbers.items > work.text']);
  const ended = await bench.ended(await bench.start(graph, { kit }));
  expect(await bench.value(ended.run.id, 'work', 'text', [0])).toBe('kit1 #123456');
});

test('a worker that loses its database connections begins again and the run ends', async () => {
  const prefix = randomUUID();
  const graph = graphOf([`numbers { "count": 12, "prefix": "${prefix} " }`, 'work'], ['numbers.items > work.text']);
  const runId = await bench.start(graph);
  const before = bench.workers()[0]!.id;
  for (let waited = 0; !marks(marked).some((line) => line.includes(prefix)) && waited < 10_000; waited += 10)
    await sleep(10);
  await bench.database.admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name in ('worker:app', 'queue:owner') and datname = current_database()`,
  );
  const ended = await bench.ended(runId, 30_000);
  expect(ended.run.state).toBe('succeeded');
  expect(bench.workers()[0]!.id).not.toBe(before);
  // the steps in hand, one in each slot, may begin again, even when the work was over and only its entry was cut off;
  // each of the others was called once
  const ends = marks(marked).filter((line) => line.startsWith('end') && line.includes(prefix));
  expect(new Set(ends).size).toBe(12);
  expect(ends.length).toBeLessThanOrEqual(12 + SLOTS);
}, 40_000);
