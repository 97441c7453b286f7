/** Runs with the real ffmpeg: cancelling while it works, counted in /proc, and what of it is used again. */
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assetRows } from '../../db/assets.ts';
import { cancelRun } from '../../db/runs.ts';
import { localStore } from '../../runtime/assets.ts';
import { mediaCapability } from '../../runtime/capabilities/media/media.ts';
import { tree } from '../support/product.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

const TALK = path.resolve(import.meta.dirname, '../../templates/sample/talk.mp4');

let bench: Bench;
let asset: string;
beforeAll(async () => {
  bench = await openBench({ idle: true });
  const copy = path.join(bench.folder, 'talk.mp4');
  copyFileSync(TALK, copy);
  const store = localStore(path.join(bench.folder, 'assets'), assetRows(bench.database.db('app'), bench.workspaceId));
  ({ asset } = await store.putFile(copy, { kind: 'video', mime: 'video/mp4', name: 'talk.mp4' }));
  await bench.worker({ capabilities: [mediaCapability()] });
});
afterAll(() => bench.close());

/** Encoders of this process, by what they read. */
const encoders = () => tree(process.pid).filter((each) => /ffmpeg/.test(each.command) && /in\.bin/.test(each.command));
const encoding = () => encoders().filter((each) => /scale=/.test(each.command));

test('a run that is cancelled while ffmpeg encodes ends within 2 s, and ffmpeg with it', async () => {
  const runId = await bench.start(graphOf([`film { "asset": "${asset}", "seconds": 140 }`], []));
  for (let waited = 0; encoding().length === 0 && waited < 30_000; waited += 25) await sleep(25);
  await sleep(700); // well inside the work
  expect(encoding()).toHaveLength(1);
  const began = performance.now();
  expect(await bench.inside((tx) => cancelRun(tx, runId, 'Cancelled by a test.'))).toBe(true);
  while (encoders().length > 0 && performance.now() - began < 10_000) await sleep(10);
  expect(encoders()).toEqual([]);
  expect(performance.now() - began).toBeLessThan(2_000);
  expect((await bench.look(runId)).run.state).toBe('cancelled');
  while (bench.workers()[0]!.held() > 0 && performance.now() - began < 10_000) await sleep(10);
  expect(performance.now() - began).toBeLessThan(2_000);
  // the worker goes on with other work
  const next = await bench.ended(
    await bench.start(graphOf([`film { "asset": "${asset}", "seconds": 0.5 }`], [])),
    40_000,
  );
  expect(next.run.state).toBe('succeeded');
}, 90_000);

test('what ffmpeg made is used again, and made again for a run with a nonce', async () => {
  const memos = () => bench.inside((tx) => tx.selectFrom('memo').select('key').execute()).then((rows) => rows.length);
  const film = async (more?: { nonce: string }) => {
    const runId = await bench.start(graphOf([`film { "asset": "${asset}", "seconds": 0.4 }`], []), more);
    return bench.ended(runId, 40_000);
  };
  const before = await memos();
  await film();
  const first = await memos();
  expect(first).toBe(before + 1);
  await film();
  expect(await memos()).toBe(first);
  await film({ nonce: 'a' });
  expect(await memos()).toBe(first + 1);
}, 90_000);
