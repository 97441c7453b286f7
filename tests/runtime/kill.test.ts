/**
 * Workers killed with -9 at random moments: steps go on in the next one within 15 s, finished steps never run again and
 * nothing is posted twice. Counted outside the product, by a mark in a file for every call that really acts.
 * Five kills by default; SPLICEBOARD_KILLS=40 for the whole number.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, graphOf, openBench } from './bench.ts';
import { dice } from './graphs.ts';
import { marks, posts } from './marks.ts';

const KILLS = Number(process.env.SPLICEBOARD_KILLS ?? 5);
const SEED = Number(process.env.SPLICEBOARD_SEED ?? 41);

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ idle: true });
});
afterAll(() => bench.close());

function spawnWorker(): ChildProcess {
  return spawn(process.execPath, [path.join(import.meta.dirname, 'kill-worker.ts')], {
    env: { ...process.env, TEST_URL: bench.database.url, TEST_FOLDER: bench.folder, TEST_MS: '80' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

const gone = (child: ChildProcess) =>
  new Promise<void>((resolve) =>
    (child.exitCode ?? child.signalCode) ? resolve() : child.once('exit', () => resolve()),
  );

test(
  `over ${KILLS} kills at random moments, finished steps never run again and the run ends`,
  async () => {
    const die = dice(SEED);
    const items = KILLS * 4;
    const graph = graphOf(
      [`numbers { "count": ${items} }`, 'work { "calls": 2 }', 'shout', 'join', 'post'],
      ['numbers.items > work.text', 'work.text > shout.text', 'shout.text > join.texts', 'join.text > post.text'],
    );
    const runId = await bench.start(graph);
    const file = path.join(bench.folder, 'marks');
    const begun = (step: number[]) =>
      marks(file).filter((line) => line.startsWith(`begin work/${step[0]! + 1}/`)).length;
    const finished = new Map<string, { path: number[]; calls: number }>();
    const recoveries: number[] = [];
    let killedAt: number | undefined;
    let known = 0;

    for (let kill = 0; kill < KILLS; kill++) {
      const worker = spawnWorker();
      for (let waited = 0; marks(file).length === known && waited < 20_000; waited += 10) await sleep(10);
      if (killedAt !== undefined && marks(file).length > known) recoveries.push(performance.now() - killedAt);
      await sleep(die.below(350));
      worker.kill('SIGKILL');
      killedAt = performance.now();
      await gone(worker);
      known = marks(file).length;
      for (const step of await bench.steps(runId, 'work')) {
        const key = step.path.join();
        if (step.state === 'done' && !finished.has(key))
          finished.set(key, { path: step.path, calls: begun(step.path) });
      }
    }
    const last = spawnWorker();
    const ended = await bench.ended(runId, 60_000).finally(() => last.kill('SIGTERM'));
    last.kill('SIGKILL');
    await gone(last);

    expect(ended.run.state).toBe('succeeded');
    expect(finished.size).toBeGreaterThan(0);
    for (const { path: at, calls } of finished.values()) expect([at, begun(at)]).toEqual([at, calls]);
    // what was in hand at a kill may begin once more; nothing begins more often than it was interrupted
    for (let item = 0; item < items; item++) expect(begun([item])).toBeLessThanOrEqual(2 + KILLS);
    expect(posts(path.join(bench.folder, 'posts'))).toHaveLength(1);
    for (const ms of recoveries) expect(ms).toBeLessThan(15_000);
    const { rows } = await bench.database.admin.query('select count(*)::int as left from strand');
    expect(rows).toEqual([{ left: 0 }]);
  },
  60_000 + KILLS * 10_000,
);

test('an effect that was being sent when its worker was killed is looked up, and posted once', async () => {
  const graph = graphOf(['numbers { "count": 6, "prefix": "cut " }', 'post'], ['numbers.items > post.text']);
  const file = path.join(bench.folder, 'posts');
  const before = posts(file).length;
  const runId = await bench.start(graph);
  const worker = spawnWorker();
  for (let waited = 0; posts(file).length === before && waited < 20_000; waited += 2) await sleep(2);
  worker.kill('SIGKILL');
  await gone(worker);
  const last = spawnWorker();
  const ended = await bench.ended(runId, 60_000).finally(() => last.kill('SIGKILL'));
  await gone(last);
  expect(ended.run.state).toBe('succeeded');
  const texts = posts(file)
    .slice(before)
    .map((post) => post.text);
  expect(texts.sort()).toEqual(['cut 1', 'cut 2', 'cut 3', 'cut 4', 'cut 5', 'cut 6']);
}, 90_000);
