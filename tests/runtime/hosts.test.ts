/** Two workers that share no folder, only the database and an S3-compatible store, carry one run together. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assetRows } from '../../db/assets.ts';
import { assetStore, objectsFrom } from '../../runtime/assets.ts';
import { startS3, type TestS3 } from '../support/s3.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { marks } from './marks.ts';

let bench: Bench;
let s3: TestS3;
beforeAll(async () => {
  [bench, s3] = await Promise.all([openBench({ idle: true }), startS3()]);
});
afterAll(async () => {
  await bench.close();
  await s3[Symbol.asyncDispose]();
});

function spawnWorker(folder: string): ChildProcess {
  return spawn(process.execPath, [path.join(import.meta.dirname, 'kill-worker.ts')], {
    env: { ...process.env, ...s3.environment, TEST_URL: bench.database.url, TEST_FOLDER: folder, TEST_MS: '150' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
const gone = (child: ChildProcess) => new Promise<void>((resolve) => child.once('exit', () => resolve()));

test('each host takes its part of a run, and each reads what the other stored', async () => {
  const hosts = ['one', 'two'].map((name) => mkdtempSync(path.join(bench.folder, `${name}-`)));
  for (const host of hosts) mkdirSync(path.join(host, 'assets'));
  const workers = hosts.map(spawnWorker);
  const ends = workers.map(gone);
  try {
    const items = 24;
    // 24 texts of a kilobyte: the list is longer than a row takes, so it lies in the store
    const graph = graphOf(
      [`numbers { "count": ${items}, "prefix": "${'long '.repeat(200)}" }`, 'work', 'shout', 'join'],
      ['numbers.items > work.text', 'work.text > shout.text', 'shout.text > join.texts'],
    );
    await expect
      .poll(async () => (await bench.database.admin.query('select from worker')).rowCount, { timeout: 20_000 })
      .toBe(2);
    const runId = await bench.start(graph);
    const ended = await bench.ended(runId, 60_000);
    expect(ended.run.state).toBe('succeeded');
    const parts = hosts.map((host) => marks(path.join(host, 'marks')).filter((line) => line.startsWith('end ')).length);
    expect(Math.min(...parts)).toBeGreaterThan(0);
    expect(parts[0]! + parts[1]!).toBe(items);
    for (const host of hosts) {
      expect(existsSync(path.join(host, 'assets', 'objects'))).toBe(false);
      expect(readdirSync(path.join(host, 'assets', 'cache')).length).toBeGreaterThan(0);
    }
    // a third host, which has carried nothing, reads the end of it
    const third = await objectsFrom(path.join(bench.folder, 'third'), s3.environment);
    const rows = assetRows(bench.database.db('app'), bench.workspaceId, { internal: true });
    const { asset } = (await bench.steps(runId, 'join'))[0]!.outputs.text!;
    const chunks: Buffer[] = [];
    for await (const chunk of await assetStore(third, rows).read(asset!)) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).length).toBeGreaterThan(100);
  } finally {
    for (const worker of workers) worker.kill('SIGTERM');
    for (const worker of workers) worker.kill('SIGKILL');
    await Promise.all(ends);
  }
}, 90_000);
