/** Pins: fixed outputs in a draft, which its runs take instead of running the node, and which stay in that draft. */
import { rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unreferenced } from '../../db/storage.ts';
import { digestOf } from '../../db/values.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import type { Graph, Pin } from '../../runtime/graph/graph.ts';
import type { Operation } from '../../runtime/graph/operations.ts';
import { graphOf, TEST_NODES } from '../runtime/bench.ts';
import { posts, postsHost } from '../runtime/marks.ts';
import { openScene } from '../triggers/scene.ts';

let scene: Awaited<ReturnType<typeof openScene>>;
let file: string;
beforeAll(async () => {
  file = path.join(os.tmpdir(), `spliceboard-pins-${process.pid}`);
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
  (await scene.call<{ id: string }>('pipelines.create', 'mutation', { name: 'Pinned', graph })).id;
const get = (pipelineId: string) =>
  scene.call<{ graph: Graph; revision: number; problems: { code: string; message: string }[] }>(
    'pipelines.get',
    'query',
    { pipelineId },
  );
const makePin = (pipelineId: string, node: string, source: object) =>
  scene.call<{ pin: Pin }>('pipelines.pin', 'mutation', { pipelineId, node, source });
async function edit(pipelineId: string, ...operations: Operation[]): Promise<void> {
  const { revision } = await get(pipelineId);
  await scene.call('pipelines.edit', 'mutation', { pipelineId, baseRevision: revision, clientId: 't', operations });
}
async function pin(pipelineId: string, node: string, source: object): Promise<Pin> {
  const made = await makePin(pipelineId, node, source);
  await edit(pipelineId, { op: 'setPin', node, pin: made.pin });
  return made.pin;
}
const wantedOf = (pipelineId: string, more: object = {}) => ({ pipelineId, brandId: scene.brandId, ...more });
async function run(pipelineId: string, more: object = {}): Promise<string> {
  const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', wantedOf(pipelineId, more));
  await scene.ended(runId);
  return runId;
}
const outputOf = async (runId: string, node: string) => (await scene.step(runId, node)).outputs;
const CHAIN = ['numbers.items > shout.text', 'shout.text > join.texts'];
const chain = (shout = '') => graphOf(['numbers', `shout ${shout}`, 'join'], CHAIN);

test('a run of the draft takes a pinned list instead of running the node, and what follows is of it', async () => {
  const pipelineId = await create(chain());
  await run(pipelineId);
  await pin(pipelineId, 'numbers', { values: { items: ['a', 'b'] } });
  const ahead = await scene.call<{ nodes: { nodeId: string; isPinned: boolean; runs: number | null }[] }>(
    'runs.preview',
    'query',
    wantedOf(pipelineId),
  );
  expect(ahead.nodes.map(({ nodeId, isPinned, runs }) => [nodeId, isPinned, runs])).toEqual([
    ['numbers', true, 0],
    ['shout', false, 2],
    ['join', false, 1],
  ]);
  const runId = await run(pipelineId);
  expect(await scene.step(runId, 'numbers')).toMatchObject({ state: 'done', reason: 'Pinned: not run.' });
  expect(await outputOf(runId, 'join')).toEqual({ text: 'a!,b!' });
  const view = await scene.call<{ nodes: { nodeId: string; reason: string | null }[] }>('runs.get', 'query', { runId });
  expect(view.nodes.find(({ nodeId }) => nodeId === 'numbers')!.reason).toBe('Pinned: not run.');
  await edit(pipelineId, { op: 'setPin', node: 'numbers', pin: null });
  expect(await outputOf(await run(pipelineId), 'join')).toEqual({ text: '1!,2!,3!' });
});

test('what follows is reused by the value that is pinned, never by what the node made before', async () => {
  const pipelineId = await create(graphOf(['numbers { "prefix": "k" }', 'shout', 'join'], CHAIN));
  await run(pipelineId);
  const same = await pin(pipelineId, 'numbers', { values: { items: ['k1', 'k2', 'k3'] } });
  const alike = await run(pipelineId);
  expect((await scene.step(alike, 'join')).reason).toMatch(/^Reused from run/);
  await pin(pipelineId, 'numbers', { values: { items: ['k1', 'other'] } });
  expect(await outputOf(await run(pipelineId), 'join')).toEqual({ text: 'k1!,other!' });
  expect(same.outputs.items!.digest).toBe(digestOf(['k1', 'k2', 'k3']));
});

test('a pinned node in a list gives the same for every item, also where what comes before it fails', async () => {
  const graph = graphOf(
    ['numbers', 'first:shout { "failOn": "2" }', 'shout', 'join'],
    ['numbers.items > first.text', 'first.text > shout.text', 'shout.text > join.texts'],
  );
  const pipelineId = await create(graph);
  await pin(pipelineId, 'shout', { values: { text: 'fixed' } });
  const runId = await run(pipelineId);
  expect(await outputOf(runId, 'join')).toEqual({ text: 'fixed,fixed,fixed' });
});

test('a pinned node that publishes sends nothing, and is no hindrance to running a part', async () => {
  const graph = graphOf(
    ['numbers { "count": 1 }', 'post', 'shout'],
    ['numbers.items > post.text', 'post.url > shout.text'],
  );
  const pipelineId = await create(graph);
  const first = await run(pipelineId);
  const sent = posts(file).length;
  await pin(pipelineId, 'post', { runId: first, path: [0] });
  const second = await run(pipelineId);
  await run(pipelineId, { from: 'shout' });
  expect(posts(file)).toHaveLength(sent);
  const { rows } = await scene.admin.query('select count(*)::int as n from effect where run_id <> $1', [first]);
  expect(rows[0].n).toBe(0);
  expect(await outputOf(second, 'shout')).toEqual(await outputOf(first, 'shout'));
});

test('what is published, copied, exported and imported carries no pin; the draft keeps it', async () => {
  const pipelineId = await create(chain());
  await pin(pipelineId, 'numbers', { values: { items: ['secret'] } });
  const { graph, revision } = await get(pipelineId);
  await scene.call('pipelines.publish', 'mutation', { pipelineId, revision });
  const version = await scene.call<{ graph: Graph }>('pipelines.version', 'query', { pipelineId, number: 1 });
  const exported = await scene.call<{ json: string }>('pipelines.export', 'query', { pipelineId });
  const copy = await scene.call<{ id: string }>('pipelines.duplicate', 'mutation', { pipelineId });
  const made = await create(graph);
  const imported = await scene.call<{ id: string }>('pipelines.import', 'mutation', {
    json: JSON.stringify({ name: 'In', graph }),
  });
  const list = await scene.call<{ id: string; graph: Graph }[]>('pipelines.list', 'query', {});
  for (const [where, text] of Object.entries({
    version: JSON.stringify(version),
    exported: exported.json,
    copy: JSON.stringify((await get(copy.id)).graph),
    made: JSON.stringify((await get(made)).graph),
    imported: JSON.stringify((await get(imported.id)).graph),
    list: JSON.stringify(list),
  }))
    expect({ where, has: text.includes('secret') }).toEqual({ where, has: false });
  expect(await outputOf(await run(pipelineId, { version: 1 }), 'join')).toEqual({ text: '1!,2!,3!' });
  expect(await outputOf(await run(pipelineId), 'join')).toEqual({ text: 'secret!' });
  // not even where one stands in a version
  await scene.admin.query('update pipeline_version set graph = $2 where pipeline_id = $1', [pipelineId, graph]);
  expect(await outputOf(await run(pipelineId, { version: 1 }), 'join')).toEqual({ text: '1!,2!,3!' });
});

test('a pin for other ports than the node has is stale: said in a sentence, and not used', async () => {
  const pipelineId = await create(chain());
  const made = await pin(pipelineId, 'numbers', { values: { items: ['a'] } });
  const before = { ...made, ports: { items: { type: 'text', list: false } } };
  const single = { items: { digest: digestOf('a'), bytes: 3, count: null, value: 'a' } };
  await edit(pipelineId, { op: 'setPin', node: 'numbers', pin: { ...before, outputs: single } });
  const { problems } = await get(pipelineId);
  expect(problems).toContainEqual(
    expect.objectContaining({
      code: 'PIN_STALE',
      severity: 'warning',
      message: 'The pin of numbers is not used: what the node gives has changed since.',
    }),
  );
  expect(await outputOf(await run(pipelineId), 'join')).toEqual({ text: '1!,2!,3!' });
});

test('a pin must be what it says, fit its port, and speak of this workspace’s files only', async () => {
  const pipelineId = await create(chain());
  const { pin: good } = await makePin(pipelineId, 'numbers', { values: { items: ['a'] } });
  const set = (outputs: Pin['outputs'], ports = good.ports) =>
    edit(pipelineId, { op: 'setPin', node: 'numbers', pin: { ports, outputs } });
  const invalid = { code: 'PIN_INVALID' };
  await expect(makePin(pipelineId, 'numbers', { values: { items: [1] } })).rejects.toMatchObject(invalid);
  await expect(makePin(pipelineId, 'numbers', { values: {} })).rejects.toMatchObject(invalid);
  await expect(makePin(pipelineId, 'numbers', { values: { items: [], no: 1 } })).rejects.toMatchObject(invalid);
  const stored = good.outputs.items!;
  await expect(set({ items: { ...stored, value: ['b'] } })).rejects.toMatchObject(invalid);
  await expect(set({ items: { ...stored, asset: 'e'.repeat(64) } })).rejects.toMatchObject(invalid);
  const { workspaceId: elsewhere } = await scene.server.database.workspace('Elsewhere');
  await scene.admin.query(
    `insert into asset (workspace_id, sha256, storage_key, kind, bytes, facts)
     values ($1, $2, 'x', 'image', 1, '{}')`,
    [elsewhere, 'd'.repeat(64)],
  );
  const media = { asset: 'd'.repeat(64), bytes: 1, kind: 'image', mime: 'image/png' };
  const ports = { items: { type: 'image', list: false } };
  const foreign = { digest: digestOf(media), bytes: JSON.stringify(media).length, count: null, value: media };
  await expect(set({ items: foreign }, ports)).rejects.toMatchObject(invalid);
  await scene.admin.query('update asset set workspace_id = $1 where sha256 = $2', [scene.workspaceId, media.asset]);
  await set({ items: foreign }, ports); // the same, once it is this workspace's
  await expect(pin(pipelineId, 'numbers', { values: { items: ['a'] } })).resolves.toBeDefined();
});

test('only a run of this pipeline can be pinned from, and only what was made in it', async () => {
  const [one, other] = [await create(chain('{ "failOn": "2" }')), await create(chain())];
  const runId = await run(one);
  await expect(makePin(other, 'numbers', { runId, path: [] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(makePin(one, 'shout', { runId, path: [1] })).rejects.toMatchObject({ code: 'PIN_NOT_MADE' });
  expect((await makePin(one, 'shout', { runId, path: [2] })).pin.outputs.text!.value).toBe('3!');
});

test('a long value that is pinned is kept as long as it is, and read by the run', async () => {
  const items = Array.from({ length: 400 }, (_, index) => `${index} ${'long '.repeat(10)}`);
  const pipelineId = await create(chain());
  const made = await pin(pipelineId, 'numbers', { values: { items } });
  const { asset } = made.outputs.items!;
  expect(asset).toMatch(/^[0-9a-f]{64}$/);
  await scene.admin.query(`update asset set touched_at = now() - interval '2 days'`);
  const loose = () => inWorkspace(scene.db, scene.workspaceId, (tx) => unreferenced(tx, 500));
  expect(await loose()).not.toContain(asset);
  const runId = await run(pipelineId);
  const { rows } = await scene.admin.query(
    `select outputs -> 'text' ->> 'digest' as digest from step where run_id = $1 and node = 'join'`,
    [runId],
  );
  expect(rows[0].digest).toBe(digestOf(items.map((each) => `${each}!`).join(',')));
});
