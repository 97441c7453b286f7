/** Figures for Prometheus: right, in its format, for the operator alone, and naming nobody. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readFigures } from '../../db/metrics.ts';
import { createTally } from '../../runtime/tally.ts';
import { exposition } from '../../server/metrics.ts';
import { type Bench, graphOf, openBench } from '../runtime/bench.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let bench: Bench;
let server: TestServer;
beforeAll(async () => {
  bench = await openBench();
  server = await startTestServer({ database: bench.database });
});
afterAll(async () => {
  await server?.close();
  await bench?.close();
});
afterEach(() => {
  delete process.env.SPLICEBOARD_METRICS_TOKEN;
});

const get = (headers: Record<string, string> = {}) =>
  fetch(`${server.url}/metrics`, { headers }).then(async (reply) => ({
    status: reply.status,
    text: await reply.text(),
  }));
const figures = () => readFigures(server.services.metricsPool);

/** Name and labels → value; refuses a line that Prometheus would not read. */
function parse(text: string): Map<string, number> {
  const found = new Map<string, number>();
  const typed = new Set<string>();
  for (const line of text.trimEnd().split('\n')) {
    const type = /^# TYPE ([a-z0-9_]+) (gauge|counter|histogram)$/.exec(line);
    if (type) typed.add(type[1]!);
    if (line.startsWith('#')) continue;
    const sample = /^([a-z0-9_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+-]+)$/.exec(line);
    expect(line).toEqual(sample ? line : 'a line of the format');
    expect([line, typed.has(sample![1]!.replace(/_(bucket|sum|count)$/, '')) || typed.has(sample![1]!)]).toEqual([
      line,
      true,
    ]);
    expect(found.has(`${sample![1]}${sample![2] ?? ''}`)).toBe(false);
    found.set(`${sample![1]}${sample![2] ?? ''}`, Number(sample![3]));
  }
  return found;
}

test('finished steps and runs are counted by what they came to, with how long they took', async () => {
  const graph = graphOf(
    ['numbers { "count": 3 }', 'shout { "failOn": "2" }', 'join'],
    ['numbers.items > shout.text', 'shout.text > join.texts'],
  );
  await bench.ended(await bench.start(graph, { nonce: randomUUID() }));
  await bench.ended(await bench.start(graphOf(['numbers { "count": 3 }'], [])));
  await bench.ended(await bench.start(graphOf(['numbers { "count": 3 }'], [])));
  for (let tries = 0; (await figures()).tally.length < 5 && tries < 80; tries++) await sleep(100);
  const found = parse((await get()).text);
  const steps = (type: string, state: string) =>
    found.get(`spliceboard_steps_total{type="test.${type}",state="${state}"}`);
  expect([steps('numbers', 'done'), steps('numbers', 'reused')]).toEqual([2, 1]);
  expect([steps('shout', 'done'), steps('shout', 'failed'), steps('join', 'blocked')]).toEqual([2, 1, 1]);
  const bucket = (le: string) =>
    found.get(`spliceboard_step_seconds_bucket{type="test.shout",state="done",le="${le}"}`)!;
  expect(bucket('+Inf')).toBe(2);
  expect(bucket('1800')).toBe(2);
  expect(bucket('0.005')).toBeLessThanOrEqual(bucket('0.5'));
  expect(found.get('spliceboard_runs_day{state="succeeded"}')).toBe(2);
  expect(found.get('spliceboard_runs_day{state="problems"}')).toBe(1);
  expect(found.get('spliceboard_workers')).toBe(1);
  expect(found.get('spliceboard_effects{state="unknown"}')).toBe(0);
  expect(found.get('spliceboard_database_bytes')).toBeGreaterThan(1e6);
  expect(found.get('spliceboard_queue_lag_seconds{lane="light"}')).toBe(0);
  const name = [...found.keys()].find((key) => key.startsWith('spliceboard_worker_slots{') && key.includes('"light"'));
  expect(found.get(name!)).toBeGreaterThan(1);
});

test('what waits is counted by lane, with the age of the oldest; an act of unknown end is counted however old', async () => {
  for (const worker of bench.workers()) await bench.stop(worker);
  const runId = await bench.start(graphOf(['numbers { "count": 3 }'], []), { nonce: randomUUID() });
  await bench.database.admin.query(`update strand set fair_at = now() - interval '90 seconds'`);
  await bench.database.admin.query(
    `insert into effect (workspace_id, key, brand_id, run_id, node, path, name, kind, request, content_digest, state, token, send_by, created_at)
     select workspace_id, 'k', brand_id, id, 'numbers', '{}', 'post', 'test', '{}', 'd', 'unknown', 1, now(), now() - interval '9 days'
       from run where id = $1`,
    [runId],
  );
  const found = parse(
    exposition(await figures(), { version: '1', memoryBytes: 1, cpuSeconds: 1, loopDelaySeconds: 0, diskFreeBytes: 1 }),
  );
  expect(found.get('spliceboard_queue_steps{lane="light",state="ready"}')).toBe(1);
  expect(found.get('spliceboard_queue_lag_seconds{lane="light"}')).toBeGreaterThan(89);
  expect(found.get('spliceboard_effects{state="unknown"}')).toBe(1);
  expect(found.get('spliceboard_workers')).toBe(0);
});

test('no workspace, brand, pipeline or run is named', async () => {
  const { text } = await get();
  const { rows } = await bench.database.admin.query<{ id: string }>(
    `select id::text from workspace union all select id::text from brand union all select id::text from run union all select id::text from pipeline`,
  );
  expect(rows.length).toBeGreaterThan(4);
  for (const { id } of rows) expect(text).not.toContain(id);
  await expect(server.services.metricsPool.query('select id from run')).rejects.toThrow(/permission denied/);
  await expect(server.services.metricsPool.query('select workspace_id from strand')).rejects.toThrow(
    /permission denied/,
  );
});

test('without a token they are for this machine alone; with one, for whoever has it', async () => {
  expect((await get()).status).toBe(200);
  for (const header of [{ 'x-forwarded-for': '10.0.0.1' }, { forwarded: 'for=10.0.0.1' }] as Record<string, string>[])
    expect((await get(header)).status).toBe(403);
  const answer = await server.app.inject({ url: '/metrics', headers: { host: 'board.example.org' } });
  expect(answer.statusCode).toBe(403);
  expect(answer.json()).toMatchObject({ problem: { code: 'METRICS_REFUSED' } });
  process.env.SPLICEBOARD_METRICS_TOKEN = 'a-long-token-of-the-operator';
  expect((await get()).status).toBe(403);
  expect((await get({ authorization: 'Bearer a-long-token' })).status).toBe(403);
  expect((await get({ authorization: 'Bearer a-long-token-of-the-operator' })).status).toBe(200);
});

test('what could not be written is counted the next time', () => {
  const tally = createTally();
  tally.add('a', 'done', 0.01);
  const taken = tally.take();
  tally.add('a', 'done', 3);
  tally.keep(taken);
  const [row] = tally.take();
  expect(row).toMatchObject({ count: 2, buckets: [0, 1, 1, 1, 1, 2, 2, 2, 2] });
  expect(row!.seconds).toBeCloseTo(3.01);
  expect(tally.take()).toEqual([]);
});
