/** SIGTERM drains a worker: what runs may end, what takes too long is handed back as if it had never begun. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, graphOf, openBench } from './bench.ts';
import { marks } from './marks.ts';

let bench: Bench;
const children: ChildProcess[] = [];
beforeAll(async () => {
  bench = await openBench({ idle: true });
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await bench.close();
});

function spawnWorker(stepMs: number, drainMs: number): ChildProcess & { ended: Promise<number | null> } {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'kill-worker.ts')], {
    env: {
      ...process.env,
      TEST_URL: bench.database.url,
      TEST_FOLDER: bench.folder,
      TEST_MS: String(stepMs),
      TEST_DRAIN_MS: String(drainMs),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  return Object.assign(child, { ended: new Promise<number | null>((resolve) => child.once('exit', resolve)) });
}
const GRAPH = graphOf(
  ['numbers { "count": 1 }', 'work', 'shout', 'join'],
  ['numbers.items > work.text', 'work.text > shout.text', 'shout.text > join.texts'],
);
const lines = (label: string) => marks(path.join(bench.folder, 'marks')).filter((line) => line.includes(label));
async function begun(label: string): Promise<void> {
  for (let waited = 0; lines(label).length === 0 && waited < 20_000; waited += 10) await sleep(10);
}
const labelled = (label: string) => ({
  ...GRAPH,
  nodes: GRAPH.nodes.map((node) => (node.id === 'work' ? { ...node, config: { label } } : node)),
});

test('a step that ends within the time is written by the worker that drains, and nothing after it is begun', async () => {
  const runId = await bench.start(labelled('ends'));
  const worker = spawnWorker(1_500, 10_000);
  await begun('ends');
  worker.kill('SIGTERM');
  expect(await worker.ended).toBe(0);
  expect(lines('ends')).toEqual(['begin ends/1/0', 'end ends/1/0']);
  expect((await bench.steps(runId, 'work')).map(({ state, attempt }) => ({ state, attempt }))).toEqual([
    { state: 'done', attempt: 1 },
  ]);
  expect((await bench.look(runId)).run.state).toBe('running');
  expect((await bench.steps(runId, 'shout')).map(({ state }) => state)).toEqual(['queued']);
  const next = spawnWorker(10, 1_000);
  expect((await bench.ended(runId, 30_000)).run.state).toBe('succeeded');
  next.kill('SIGTERM');
  expect(await next.ended).toBe(0);
  expect(lines('ends')).toHaveLength(2);
}, 60_000);

test('a step that takes longer is handed back at once, without an attempt or a death counted', async () => {
  const runId = await bench.start(labelled('long'));
  const worker = spawnWorker(120_000, 500);
  await begun('long');
  const since = performance.now();
  worker.kill('SIGTERM');
  expect(await worker.ended).toBe(0);
  expect(performance.now() - since).toBeLessThan(5_000);
  const { rows } = await bench.database.admin.query(
    'select node, state, attempts, deaths, worker from strand where run_id = $1',
    [runId],
  );
  expect(rows).toEqual([{ node: 'work', state: 'ready', attempts: 0, deaths: 0, worker: null }]);
  const next = spawnWorker(10, 1_000);
  expect((await bench.ended(runId, 30_000)).run.state).toBe('succeeded');
  expect((await bench.steps(runId, 'work'))[0]!.attempt).toBe(1);
  next.kill('SIGTERM');
  expect(await next.ended).toBe(0);
}, 60_000);
