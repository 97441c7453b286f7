/** How often a connection is asked, counted on the wire: workers together, services that ask to wait, promised turns. */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cancelRun } from '../../db/runs.ts';
import { holdBack, listBuckets, type RateLimit, setRate, takeTurn } from '../../db/turns.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { startOpenAi } from '../../emulators/openai.ts';
import { type Emulator, startEmulator } from '../../emulators/support.ts';
import { aiCapability } from '../../runtime/capabilities/ai.ts';
import type { CapabilityError } from '../../runtime/capabilities/capability.ts';
import { createFetcher } from '../../runtime/fetch.ts';
import { turnsOf } from '../../runtime/turns.ts';
import { localScope } from '../speech/scope.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

/** What the test node declares. */
const LIMIT = { requests: 20, seconds: 2 };

let service: Emulator<object>;
let bench: Bench;
beforeAll(async () => {
  service = await startEmulator({
    name: 'limited',
    realOrigin: 'https://limited.test',
    fresh: () => ({}),
    routes: () => [
      { method: 'GET', path: '/things/{text}', answer: () => ({ status: 200, json: {} }) },
      { method: 'POST', path: '/things', answer: () => ({ status: 200, json: {} }) },
    ],
    notFound: () => ({ status: 404, json: {} }),
  });
  bench = await openBench({ egress: new Map([[service.realOrigin, service.origin]]) });
  await bench.worker();
});
afterEach(async () => {
  service.reset();
  await bench.inside((tx) => setRate(tx, 'limited.test', null));
});
afterAll(async () => {
  await bench.close();
  await service.close();
});

const asking = (count: number, tell = '') =>
  graphOf(
    [`numbers { "count": ${count}, "prefix": "${randomUUID()}-" }`, `tell ${tell}`],
    ['numbers.items > tell.text'],
  );
/** The most requests that came within any stretch of the limit, but for what a request may take on its way. */
function mostAtATime(seconds = LIMIT.seconds - 0.2): number {
  const at = service.requests.map((request) => request.at).sort((a, b) => a - b);
  return Math.max(...at.map((from) => at.filter((each) => each >= from && each < from + seconds * 1000).length));
}

test('two workers together ask no more often than the limit, no attempt is lost by waiting, and each waits with a reason', async () => {
  const runId = await bench.start(asking(40));
  await bench.until(runId, ({ nodes }) => (nodes[1]?.counts.waiting ?? 0) > 3);
  expect((await bench.steps(runId, 'tell')).map(({ reason }) => reason)).toContain(
    "limited.test is asked 600 times a minute at most; this one's turn comes.",
  );
  const ended = await bench.ended(runId);
  expect(ended.nodes[1]!.counts).toMatchObject({ total: 40, done: 40 });
  expect((await bench.steps(runId, 'tell')).map(({ attempt }) => attempt)).toEqual(Array(40).fill(1));
  expect(service.requests).toHaveLength(40);
  expect(mostAtATime()).toBeLessThanOrEqual(LIMIT.requests);
  // and the limit is made use of
  const [first, last] = [service.requests[0]!.at, service.requests.at(-1)!.at];
  expect(last - first).toBeLessThan(9_000);
});

test('what is sent takes its turn too, before anything is noted as being on its way', async () => {
  const runId = await bench.start(asking(30, '{ "tells": true }'));
  const states = new Set<string>();
  const ended = await bench.until(runId, ({ run, nodes }) => {
    if ((nodes[1]?.counts.waiting ?? 0) > 0) states.add('waiting');
    return run.state !== 'running';
  });
  expect(ended.nodes[1]!.counts).toMatchObject({ done: 30 });
  expect([...states]).toEqual(['waiting']);
  expect(service.requests.map(({ method }) => method)).toEqual(Array(30).fill('POST'));
  expect(new Set(service.requests.map(({ json }) => JSON.stringify(json))).size).toBe(30);
  expect(mostAtATime()).toBeLessThanOrEqual(LIMIT.requests);
});

test('a service that asks to wait is asked by nobody until then', async () => {
  service.faults.add({ path: '/things/*', kind: 'status', status: 429, headers: { 'retry-after': '3' } });
  const runId = await bench.start(asking(12));
  const ended = await bench.ended(runId);
  expect(ended.nodes[1]!.counts).toMatchObject({ done: 12 });
  const attempts = (await bench.steps(runId, 'tell')).map(({ attempt }) => attempt);
  expect(attempts.filter((attempt) => attempt > 1)).toHaveLength(1);
  const { at } = service.requests.find(({ status }) => status === 429)!;
  const early = service.requests.filter((request) => request.at > at + 300 && request.at < at + 2_900);
  expect(early).toEqual([]);
});

test('a limit that a person has set counts, and a cancelled run leaves the way free', async () => {
  await bench.inside((tx) => setRate(tx, 'limited.test', 10));
  const stuck = await bench.start(asking(30));
  await bench.until(stuck, ({ nodes }) => (nodes[1]?.counts.waiting ?? 0) > 20);
  expect(service.requests.length).toBeLessThanOrEqual(2);
  await bench.inside((tx) => cancelRun(tx, stuck, 'Enough.'));
  await bench.inside((tx) => setRate(tx, 'limited.test', null));
  const next = await bench.ended(await bench.start(asking(2)));
  expect(next.nodes[1]!.counts).toMatchObject({ done: 2 });
});

test('a service that says it is too much is left alone by every worker, and its turn is taken before it is asked', async () => {
  const openai = await startOpenAi();
  const fetcher = createFetcher({ egress: new Map([[openai.realOrigin, openai.origin]]) });
  await using local = await localScope();
  const runId = await bench.start(asking(1));
  const ai = aiCapability({
    fetcher,
    keys: async () => ({ openai: { key: 'sk-test-1' } }),
    models: path.join(import.meta.dirname, 'no-models-here'),
    speech: async () => [],
  });
  const schema = { type: 'object', additionalProperties: false, required: [], properties: {} };
  const order = { system: 's', prompt: 'p', name: 'n', schema };
  const pauses: number[] = [];
  const ask = (holder: string) => {
    const turns = turnsOf({
      db: bench.database.db('app'),
      workspaceId: bench.workspaceId,
      runId,
      signal: new AbortController().signal,
      pause: (afterMs) => pauses.push(afterMs),
    })(holder);
    return ai.methods.json!.act({ ...local, turns }, order).then(
      () => 'answered',
      (error: CapabilityError) => error.error.code,
    );
  };
  try {
    openai.faults.add({ path: '/v1/*', kind: 'status', status: 429, headers: { 'retry-after': '60' }, body: {} });
    expect(await ask('first')).toBe('SERVICE_BUSY');
    const asked = openai.requests.length;
    expect(await ask('second')).toBe('STEP_PAUSED');
    expect(openai.requests).toHaveLength(asked);
    expect(pauses).toHaveLength(1);
    expect(pauses[0]).toBeGreaterThan(55_000);
    await bench.inside((tx) => setRate(tx, 'openai', 1));
    expect(await ask('third')).toBe('answered');
    expect(await ask('fourth')).toBe('STEP_PAUSED');
    expect(openai.requests).toHaveLength(asked + 1);
  } finally {
    await fetcher.close();
    await openai.close();
  }
});

describe('turns', () => {
  let runId: string;
  beforeAll(async () => {
    runId = await bench.start(asking(1));
    await bench.ended(runId);
  });
  const take = (connection: string, holder: string, limit: RateLimit | null, shared = false) =>
    bench.inside((tx) => takeTurn(tx, { connection: { name: connection, shared }, runId, holder, limit }));

  test('a promised turn is found by who asks for it again, and given once', async () => {
    const limit = { requests: 60, seconds: 30 };
    for (let i = 0; i < 6; i++) expect(await take('promise', `burst ${i}`, limit)).toMatchObject({ waitMs: 0 });
    const promised = await take('promise', 'late', limit);
    expect(promised.waitMs).toBeGreaterThan(0);
    for (const deadline = Date.now() + 5_000; (await take('promise', 'late', limit)).waitMs > 0; ) {
      expect(Date.now()).toBeLessThan(deadline);
    }
    // others who come meanwhile have not moved it, and the next one is another's
    await take('promise', 'other', limit);
    const again = await take('promise', 'late', limit);
    const third = await take('promise', 'late too', limit);
    expect(third.waitMs).toBeGreaterThan(again.waitMs);
  });

  test('little is promised ahead: who would wait for longer is told when to ask again', async () => {
    const limit = { requests: 6, seconds: 60 };
    const waits: number[] = [];
    for (let i = 0; i < 40; i++) waits.push((await take('far', `holder ${i}`, limit)).waitMs);
    expect(waits[0]).toBe(0);
    const promises = await bench.inside((tx) =>
      tx.selectFrom('bucket_turn').select('holder').where('connection', '=', 'far').execute(),
    );
    expect(promises.length).toBeGreaterThan(0);
    expect(promises.length).toBeLessThanOrEqual(3);
    expect(Math.max(...waits)).toBeLessThan(60_000);
  });

  test('workspaces are counted apart, but for a key that the installation shares', async () => {
    const other = await bench.database.workspace();
    const limit = { requests: 1, seconds: 3_600 };
    const elsewhere = (connection: string, shared: boolean) =>
      inWorkspace(bench.database.db('app'), other.workspaceId, (tx) =>
        takeTurn(tx, { connection: { name: connection, shared }, runId: randomUUID(), holder: 'h', limit }),
      );
    expect((await take('own', 'h', limit)).waitMs).toBe(0);
    expect((await elsewhere('own', false)).waitMs).toBe(0);
    expect((await take('ours', 'h', limit, true)).waitMs).toBe(0);
    expect((await elsewhere('ours', true)).waitMs).toBeGreaterThan(1_000_000);
    expect((await bench.inside((tx) => listBuckets(tx))).map(({ connection }) => connection)).not.toContain('ours');
  });

  test('without a limit nothing waits until the other side asks to, and a person can have it asked again at once', async () => {
    expect(await take('free', 'a', null)).toEqual({ waitMs: 0, most: null, isHeld: false });
    await bench.inside((tx) => holdBack(tx, { name: 'free' }, 3_600));
    const held = await take('free', 'a', null);
    expect(held).toMatchObject({ most: null, isHeld: true });
    expect(held.waitMs).toBeGreaterThan(3_500_000);
    await bench.inside((tx) => holdBack(tx, { name: 'free' }, 1)); // an earlier end changes nothing
    expect((await take('free', 'b', null)).isHeld).toBe(true);
    await bench.inside((tx) => setRate(tx, 'free', null));
    expect((await take('free', 'a', null)).waitMs).toBe(0);
  });
});
