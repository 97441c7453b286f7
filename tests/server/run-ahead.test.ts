/** The look ahead at a run: what it says is reused, made and taken, against what the run then does. */
import { rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { addAsset } from '../../db/assets.ts';
import { inWorkspace } from '../../db/workspace.ts';
import type { ManifestJson } from '../../nodes/contract.ts';
import { type Capability, method } from '../../runtime/capabilities/capability.ts';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import { at, estimate } from '../../runtime/graph/estimate.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { graphOf, TEST_NODES } from '../runtime/bench.ts';
import { posts, postsHost } from '../runtime/marks.ts';
import { openScene } from '../triggers/scene.ts';

let scene: Awaited<ReturnType<typeof openScene>>;
let file: string;
const lengths = new Map<string, number>();
/** Of a second of a recording. */
const MS = 15;

/** Takes as long as the recording is, shortened. */
const listening: Capability = {
  name: 'media',
  declared: (manifest, name) => (manifest.capabilities.media ?? []).includes(name),
  methods: {
    waveform: method({
      input: z.strictObject({ asset: z.string(), bins: z.number() }),
      record: 'pass',
      async act(scope, { asset }) {
        await sleep((lengths.get(asset) ?? 0) * MS, undefined, { signal: scope.signal });
        return [lengths.get(asset) ?? 0];
      },
    }),
  },
};

beforeAll(async () => {
  file = path.join(os.tmpdir(), `spliceboard-posts-${process.pid}`);
  scene = await openScene({
    nodes: TEST_NODES,
    capabilities: (fetcher) => [listening, httpCapability({ fetcher })],
    internalHosts: [postsHost(file)],
  });
});
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  rmSync(file, { force: true });
});

type Ahead = {
  nodes: { nodeId: string; reused: number; runs: number | null; isRehearsed: boolean }[];
  reused: number;
  runs: number;
  estimate: {
    seconds: number | null;
    calls: number;
    posts: number;
    accounts: number;
    money: { currency: string; minor: number }[];
    quota: { name: string; units: number }[];
    basedOn: number;
    unknown: string[];
  };
  dropped: string[];
};
let recordings = 0;
async function recording(seconds: number): Promise<string> {
  recordings += 1;
  const sha256 = recordings.toString(16).padStart(6, 'a').padEnd(64, '0');
  lengths.set(sha256, seconds);
  const asset = { asset: sha256, kind: 'audio' as const, mime: 'audio/wav', bytes: 1, duration: seconds };
  await inWorkspace(scene.db, scene.workspaceId, (tx) => addAsset(tx, { storageKey: sha256, asset, madeFrom: [] }));
  return sha256;
}
const create = async (graph: Graph) =>
  (await scene.call<{ id: string }>('pipelines.create', 'mutation', { name: 'Ahead', graph })).id;
const asked = (pipelineId: string, more: object = {}) => ({ pipelineId, brandId: scene.brandId, ...more });
const preview = (pipelineId: string, more: object = {}) =>
  scene.call<Ahead>('runs.preview', 'query', asked(pipelineId, more));
const start = (pipelineId: string, more: object = {}) =>
  scene.call<{ runId: string; number: number }>('runs.start', 'mutation', asked(pipelineId, more));
async function run(pipelineId: string, more: object = {}): Promise<string> {
  const { runId } = await start(pipelineId, more);
  await scene.ended(runId);
  return runId;
}
/** As the preview puts it: what the ledger has made and reused. */
async function counted(runId: string): Promise<Record<string, [reused: number, runs: number]>> {
  const { rows } = await scene.admin.query(
    `select node, count(*) filter (where reused_run is not null)::int as reused, count(*) filter (where reused_run is null)::int as runs
       from step where run_id = $1 and state = 'done' group by 1 order by 1`,
    [runId],
  );
  return Object.fromEntries(rows.map((row) => [row.node, [row.reused, row.runs]]));
}
const foretold = ({ nodes }: Ahead) =>
  Object.fromEntries(nodes.map(({ nodeId, reused, runs }) => [nodeId, [reused, runs]]));

const WIRES = ['listen.items > ask.text', 'ask.text > shout.text', 'shout.text > join.texts', 'shout.text > post.text'];
const board = (sha256: string, shout = '') =>
  graphOf([`listen { "recording": "${sha256}" }`, 'ask', `shout ${shout}`, 'join', 'post'], WIRES);

test('what is foretold is what then happens: nothing, all, from here, one node, another setting', async () => {
  const pipelineId = await create(board(await recording(30)));
  const fresh = await preview(pipelineId);
  expect(foretold(fresh)).toEqual({
    listen: [0, 1],
    ask: [0, null],
    shout: [0, null],
    join: [0, 1],
    post: [0, null],
  });
  expect(fresh.estimate).toMatchObject({ seconds: null, basedOn: 0 });
  await run(pipelineId);

  const all = await preview(pipelineId);
  expect(foretold(all)).toEqual(await counted(await run(pipelineId)));
  expect(foretold(all)).toEqual({ listen: [1, 0], ask: [3, 0], shout: [3, 0], join: [1, 0], post: [0, 3] });
  expect([all.reused, all.runs]).toEqual([4, 1]);

  const from = await preview(pipelineId, { from: 'shout' });
  expect(foretold(from)).toEqual({ listen: [1, 0], ask: [3, 0], shout: [0, 3], join: [0, 1], post: [0, 3] });
  expect(await counted(await run(pipelineId, { from: 'shout' }))).toEqual(foretold(from));

  const only = await preview(pipelineId, { only: 'ask', from: 'ask' });
  expect(foretold(only)).toEqual({ listen: [1, 0], ask: [0, 3] });
  expect(await counted(await run(pipelineId, { only: 'ask', from: 'ask' }))).toEqual(foretold(only));

  const set = { set: [{ node: 'shout', field: 'mark', value: '?' }] };
  const other = await preview(pipelineId, set);
  expect(foretold(other)).toEqual({ listen: [1, 0], ask: [3, 0], shout: [0, 3], join: [0, 1], post: [0, 3] });
  expect(await counted(await run(pipelineId, set))).toEqual(foretold(other));
}, 40_000);

test('without publishing nothing is sent, each effect node says what it would have done, and nothing is expected of it', async () => {
  const pipelineId = await create(board(await recording(20)));
  await run(pipelineId);
  const sent = posts(file).length;
  const ahead = await preview(pipelineId, { dryRun: true });
  expect(ahead.nodes.find(({ nodeId }) => nodeId === 'post')).toMatchObject({ runs: 2, isRehearsed: true });
  expect(ahead.estimate).toMatchObject({ posts: 0, accounts: 0 });
  const runId = await run(pipelineId, { dryRun: true });
  expect(posts(file).length).toBe(sent);
  const view = await scene.call<{ nodes: { nodeId: string; reason: string | null }[] }>('runs.get', 'query', { runId });
  expect(view.nodes.find(({ nodeId }) => nodeId === 'post')!.reason).toMatch(/^Post \d+ characters\.$/);
}, 30_000);

test('a part of a pipeline never publishes what is no part of it', async () => {
  const wires = ['listen.items > ask.text', 'ask.text > post.text', 'post.url > shout.text'];
  const graph = graphOf([`listen { "recording": "${await recording(30)}" }`, 'ask', 'post', 'shout'], wires);
  const pipelineId = await create(graph);
  await run(pipelineId);
  const before = posts(file).length;
  for (const part of [{ from: 'shout' }, { only: 'shout' }]) {
    await expect(start(pipelineId, part)).rejects.toThrow('post would publish again');
    await expect(preview(pipelineId, part)).rejects.toThrow('post would publish again');
    await run(pipelineId, { ...part, dryRun: true });
  }
  expect(posts(file)).toHaveLength(before);
  await run(pipelineId, { from: 'post' });
  expect(posts(file).length).toBeGreaterThan(before);
});

test('what a called pipeline sends and costs is foretold of the one that calls it, and a part never makes it send again', async () => {
  const values = JSON.stringify({ values: [{ name: 'text', title: 'Text', type: 'text' }] });
  const inner = graphOf(
    [`called:trigger.called ${values}`, 'ask', 'post', `ret:flow.return ${values}`],
    ['called.text > ask.text', 'ask.text > post.text', 'post.url > ret.text'],
  );
  const innerId = await create(inner);
  await scene.call('pipelines.publish', 'mutation', { pipelineId: innerId, revision: 0 });
  const ports = [{ name: 'text', title: 'Text', type: 'text' }];
  const call = JSON.stringify({
    call: { pipeline: innerId, name: 'Inner', version: 1, inputs: ports, outputs: ports },
  });
  const graph = graphOf(
    [`listen { "recording": "${await recording(30)}" }`, `sub:flow.call ${call}`, 'shout'],
    ['listen.items > sub.text', 'sub.text > shout.text'],
  );
  const pipelineId = await create(graph);
  const first = await run(pipelineId);
  const cost = await scene.call<Record<'taken', Ahead['estimate']>>('runs.cost', 'query', { runId: first });
  const quota = [
    { name: 'minutes heard', units: 1 },
    { name: 'questions', units: 9 },
  ];
  const used = { posts: 3, accounts: 1, calls: 6, quota };
  expect(cost.taken).toMatchObject(used);
  const again = await preview(pipelineId, { nonce: 'again' });
  expect(again.estimate).toMatchObject({ ...used, unknown: [] });
  await expect(start(pipelineId, { from: 'shout' })).rejects.toThrow('sub would publish again');
  const rehearsed = await preview(pipelineId, { dryRun: true });
  expect(rehearsed.nodes.find(({ nodeId }) => nodeId === 'sub')).toMatchObject({ runs: 3, isRehearsed: true });
  expect(rehearsed.estimate).toMatchObject({ posts: 0, accounts: 0 });
}, 30_000);

test('what is paid in a called pipeline is in the estimate of its caller, by what its node types cost', () => {
  const cost = { per: 'call', money: { currency: 'USD', minor: 4 } };
  const types = new Map([['test.paid', { cost } as unknown as ManifestJson]]);
  const own = new Map([['sub', { effect: 'reads-external', inputs: {} } as unknown as ManifestJson]]);
  const took = { steps: 2, made: 2, seconds: 2, calls: 6, posts: 0, accounts: [] };
  const earlier = [{ size: null, busy: 2, nodes: { sub: { ...took, below: { 'test.paid': { made: 2, calls: 6 } } } } }];
  const ahead = [{ node: 'sub', reused: 0, total: 5, isRehearsed: false }];
  expect(estimate(ahead, earlier, null, own, types)).toMatchObject({
    ...{ calls: 15, money: [{ currency: 'USD', minor: 60 }] },
  });
});

test('of a quota the units of what will be asked are foretold, and none for what is reused', async () => {
  const pipelineId = await create(board(await recording(40)));
  const first = await preview(pipelineId);
  expect([first.estimate.quota, first.estimate.unknown.includes('ask')]).toEqual([[], true]); // nobody knows how much yet
  await run(pipelineId);
  expect((await preview(pipelineId)).estimate.quota).toEqual([]);
  const part = await preview(pipelineId, { from: 'ask' });
  expect(part.estimate.quota).toEqual([{ name: 'questions', units: 12 }]);
  const runId = await run(pipelineId, { from: 'ask' });
  const cost = await scene.call<Record<'expected' | 'taken', Ahead['estimate']>>('runs.cost', 'query', { runId });
  expect([cost.expected.quota, cost.taken.quota]).toEqual([part.estimate.quota, part.estimate.quota]);
  // a unit that is begun counts whole: 40 seconds are 4/3
  const all = await preview(pipelineId, { nonce: 'again' });
  expect(all.estimate.quota).toEqual([
    { name: 'minutes heard', units: 2 },
    { name: 'questions', units: 12 },
  ]);
  // asking is no publishing
  const rehearsed = await preview(pipelineId, { nonce: 'again', dryRun: true });
  expect(rehearsed.estimate).toMatchObject({ posts: 0, quota: all.estimate.quota });
}, 30_000);

test('what is paid for and what is used up stand in the same order before a run and after it', () => {
  const costs = [
    { per: 'step', quota: { name: 'tokens', units: 5 }, money: { currency: 'USD', minor: 1 } },
    { per: 'call', quota: { name: 'posts', units: 0.5 }, money: { currency: 'EUR', minor: 2 } },
  ];
  const manifests = new Map(
    ['one', 'two'].map((node, index) => [node, { inputs: {}, cost: costs[index] } as unknown as ManifestJson]),
  );
  const took = { steps: 1, made: 1, seconds: 1, calls: 3, posts: 0, accounts: [] };
  const earlier = [{ size: null, busy: 2, nodes: { one: took, two: took } }];
  for (const order of [
    ['one', 'two'],
    ['two', 'one'],
  ]) {
    const ahead = order.map((node) => ({ node, reused: 0, total: 1, isRehearsed: false }));
    expect(estimate(ahead, earlier, null, manifests)).toMatchObject({
      money: [
        { currency: 'EUR', minor: 6 },
        { currency: 'USD', minor: 1 },
      ],
      quota: [
        { name: 'posts', units: 2 },
        { name: 'tokens', units: 5 },
      ],
    });
  }
});

test('an earlier run is started again with its inputs by another version', async () => {
  const [one, two] = [await recording(10), await recording(20)];
  const graph: Graph = {
    ...board(one),
    inputs: [{ name: 'recording', title: 'Recording', node: 'listen', field: 'recording' }],
  };
  const pipelineId = await create(graph);
  await scene.call('pipelines.publish', 'mutation', { pipelineId, revision: 0 });
  const first = await run(pipelineId, { version: 1, inputs: { recording: two } });
  await scene.call('pipelines.edit', 'mutation', {
    pipelineId,
    baseRevision: 0,
    clientId: 't',
    operations: [{ op: 'setConfig', node: 'shout', field: 'mark', value: '…' }],
  });
  const ahead = await preview(pipelineId, { again: first, version: 'draft' });
  expect(foretold(ahead)).toMatchObject({ listen: [1, 0], ask: [2, 0], shout: [0, 2] });
  const again = await run(pipelineId, { again: first, version: 'draft' });
  expect(await counted(again)).toMatchObject({ listen: [1, 0], ask: [2, 0], shout: [0, 2], post: [0, 2] });
  await expect(preview(await create(board(one)), { again: first })).rejects.toMatchObject({ code: 'NOT_FOUND' });
}, 30_000);

test('going on from what failed keeps the rest, and says so before', async () => {
  const graph = graphOf(
    [`listen { "recording": "${await recording(30)}" }`, 'ask { "failOn": " 1" }', 'shout', 'join'],
    ['listen.items > ask.text', 'ask.text > shout.text', 'shout.text > join.texts'],
  );
  const runId = await run(await create(graph));
  const ahead = await scene.call<Ahead>('runs.previewRetry', 'query', { runId });
  expect(foretold(ahead)).toEqual({ listen: [1, 0], ask: [2, 1], shout: [2, 1], join: [0, 1] });
}, 30_000);

test('after three runs: for a recording twice as long the time within 30 %, calls, posts and accounts exactly', async () => {
  const graph = board('0'.repeat(64));
  graph.inputs = [{ name: 'recording', title: 'Recording', node: 'listen', field: 'recording' }];
  const pipelineId = await create(graph);
  for (const seconds of [40, 70, 60]) await run(pipelineId, { inputs: { recording: await recording(seconds) } });
  const inputs = { recording: await recording(120) };
  const { estimate: foreseen } = await preview(pipelineId, { inputs });
  expect(foreseen).toMatchObject({ posts: 12, accounts: 1, calls: 24, basedOn: 3, unknown: [] });
  expect(foreseen.money).toEqual([{ currency: 'USD', minor: 12 }]);
  const quota = [
    { name: 'minutes heard', units: 4 },
    { name: 'questions', units: 36 },
  ];
  expect(foreseen.quota).toEqual(quota);
  const runId = await run(pipelineId, { inputs });
  const cost = await scene.call<Record<'expected' | 'taken', Ahead['estimate']>>('runs.cost', 'query', { runId });
  expect(cost.expected).toMatchObject({ posts: 12, accounts: 1, calls: 24, quota, seconds: foreseen.seconds });
  expect(cost.taken).toMatchObject({
    posts: 12,
    accounts: 1,
    calls: 24,
    quota,
    money: [{ currency: 'USD', minor: 12 }],
  });
  expect(Math.abs(foreseen.seconds! / cost.taken.seconds! - 1)).toBeLessThan(0.3);
}, 40_000);

test('the line through the runs: steady, in proportion, with a base, and not moved by one odd run', () => {
  expect(
    at(
      [
        [10, 4],
        [20, 4],
        [30, 4],
      ],
      60,
      false,
    ),
  ).toBe(4);
  expect(
    at(
      [
        [10, 2],
        [10, 2],
        [10, 2],
      ],
      20,
      true,
    ),
  ).toBe(4);
  expect(
    at(
      [
        [10, 2],
        [10, 2],
        [10, 2],
      ],
      20,
      false,
    ),
  ).toBe(2);
  expect(
    at(
      [
        [10, 15],
        [20, 25],
        [30, 35],
      ],
      60,
      true,
    ),
  ).toBeCloseTo(65);
  expect(
    at(
      [
        [10, 15],
        [20, 25],
        [25, 900],
        [30, 35],
        [40, 45],
      ],
      60,
      true,
    ),
  ).toBeCloseTo(65, -1);
  expect(
    at(
      [
        [null, 3],
        [null, 5],
        [null, 4],
      ],
      null,
      true,
    ),
  ).toBe(4);
});
