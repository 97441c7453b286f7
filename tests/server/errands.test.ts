/** What a worker finds out about a recording: its facts and its wave, or that it is none after all; and who goes on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findAsset } from '../../db/assets.ts';
import { endErrand, getErrand, sendErrand, takeErrand, touchErrand, waveOf } from '../../db/errands.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import { mediaCapability } from '../../runtime/capabilities/media/media.ts';
import { carryErrand, startErrands } from '../../runtime/errands.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const TALK = readFileSync(path.resolve(import.meta.dirname, '../../templates/sample/talk.mp4'));

const JFK = path.resolve(import.meta.dirname, '../fixtures/jfk.flac');

const gone = (child: ChildProcess) =>
  new Promise<void>((resolve) =>
    (child.exitCode ?? child.signalCode) ? resolve() : child.once('exit', () => resolve()),
  );

let server: TestServer;
let workspaceId: string;
beforeAll(async () => {
  server = await startTestServer();
  ({ workspaceId } = await server.database.workspace('Errands'));
});
afterAll(() => server?.close());

const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(server.services.db, workspaceId, work);

const media = mediaCapability();
const options = () => ({
  kinds: ['inspect' as const],
  db: server.services.db,
  assetsDir: path.join(server.dataDir, 'assets'),
  capabilities: new Map([[media.name, media]]),
  log: () => {},
});
const untouched = () =>
  server.database.admin.query(
    `update errand set touched_at = clock_timestamp() - interval '6 s' where state = 'running'`,
  );

async function carried(bytes: Uint8Array) {
  const store = server.services.storeFor(workspaceId);
  const { asset } = await store.putBytes(bytes, { kind: 'video', mime: 'video/mp4', name: 'talk.mp4' });
  const send = () => inside((tx) => sendErrand(tx, workspaceId, { kind: 'inspect', input: { asset }, by: null }));
  const errandId = await send();
  expect(await send()).toBe(errandId); // asked for twice while it waits, it is done once
  const lease = (await takeErrand(server.services.db))!;
  expect(lease).toEqual({ workspaceId, errandId, attempt: 1 });
  expect(await takeErrand(server.services.db)).toBeUndefined(); // held
  await carryErrand(options(), lease, AbortSignal.timeout(60_000));
  return inside(async (tx) => ({
    errand: await getErrand(tx, errandId),
    asset: (await findAsset(tx, asset))?.asset,
    wave: await waveOf(tx, asset),
  }));
}

test('a recording gets its facts and its wave', async () => {
  const { errand, asset, wave } = await carried(TALK);
  expect(errand!.state).toBe('done');
  expect(asset).toMatchObject({ kind: 'video', width: 1280, height: 720, hasSound: true, name: 'talk.mp4' });
  expect(asset!.duration).toBeCloseTo(147.7, 0);
  expect(wave).toHaveLength(800);
  expect(Math.max(...wave!)).toBeGreaterThan(0.2);
  expect(Math.max(...wave!)).toBeLessThanOrEqual(1);
});

test('what is no whole recording stays as it was uploaded, and the errand says why', async () => {
  const { errand, asset, wave } = await carried(TALK.subarray(0, 20_000));
  expect(errand).toMatchObject({ state: 'failed', error: { code: expect.stringMatching(/^MEDIA_/) } });
  expect(asset).toMatchObject({ kind: 'video', name: 'talk.mp4' });
  expect(asset!.duration).toBeUndefined();
  expect(wave).toBeUndefined();
});

test('one whose worker is silent is taken by another, whose word then counts, and given up after three', async () => {
  const store = server.services.storeFor(workspaceId);
  const { asset } = await store.putBytes(TALK.subarray(0, 30_000), { kind: 'video', mime: 'video/mp4' });
  const errandId = await inside((tx) => sendErrand(tx, workspaceId, { kind: 'inspect', input: { asset }, by: null }));
  const first = (await takeErrand(server.services.db))!;
  expect(await inside((tx) => touchErrand(tx, first))).toBe(true);
  await untouched();
  const second = (await takeErrand(server.services.db))!;
  expect(second).toEqual({ ...first, attempt: 2 });
  expect(await inside((tx) => touchErrand(tx, first))).toBe(false);
  expect(await inside((tx) => endErrand(tx, first, { state: 'done' }))).toBe(false);
  expect((await inside((tx) => getErrand(tx, errandId)))!.state).toBe('running');
  await untouched();
  await takeErrand(server.services.db);
  await untouched();
  const fourth = (await takeErrand(server.services.db))!;
  await carryErrand(options(), fourth, AbortSignal.timeout(60_000));
  expect(await inside((tx) => getErrand(tx, errandId))).toMatchObject({
    state: 'failed',
    error: { code: 'ERRAND_GIVEN_UP' },
  });
});

test('what a worker had in hand when it was killed goes on in the next one within 15 s', async () => {
  const store = server.services.storeFor(workspaceId);
  const { asset } = await store.putBytes(readFileSync(JFK), { kind: 'audio', mime: 'audio/flac', name: 'jfk.flac' });
  const errandId = await inside((tx) => sendErrand(tx, workspaceId, { kind: 'inspect', input: { asset }, by: null }));
  const marks = path.join(server.dataDir, 'errand-marks');
  const worker = spawn(process.execPath, [path.join(import.meta.dirname, 'errand-worker.ts')], {
    env: { ...process.env, TEST_URL: server.database.url, TEST_ASSETS: options().assetsDir, TEST_MARKS: marks },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (let waited = 0; !existsSync(marks) && waited < 20_000; waited += 20) await sleep(20);
  await sleep(1_200); // a touch later it is still held
  expect(await takeErrand(server.services.db)).toBeUndefined();
  worker.kill('SIGKILL');
  await gone(worker);
  const killedAt = performance.now();
  const next = await startErrands({ ...options(), url: server.database.url });
  try {
    const state = async () => (await inside((tx) => getErrand(tx, errandId)))!.state;
    await expect.poll(state, { timeout: 15_000, interval: 50 }).toBe('done');
    expect(performance.now() - killedAt).toBeLessThan(15_000);
    expect(await inside((tx) => waveOf(tx, asset))).toHaveLength(800);
  } finally {
    await next.stop();
  }
});

test('a worker that stops gives back what it has in hand, and it is begun again at once', async () => {
  const store = server.services.storeFor(workspaceId);
  const { asset } = await store.putBytes(TALK.subarray(0, 40_000), { kind: 'video', mime: 'video/mp4' });
  await inside((tx) => sendErrand(tx, workspaceId, { kind: 'inspect', input: { asset }, by: null }));
  const lease = (await takeErrand(server.services.db))!;
  await carryErrand(options(), lease, AbortSignal.abort());
  expect(await takeErrand(server.services.db)).toEqual(lease); // its attempt does not count
  await carryErrand(options(), lease, AbortSignal.timeout(60_000));
});

test('the wave of what a node made is measured when it is looked at, and its facts stay as they were', async () => {
  const { token } = await server.member(workspaceId, 'sponsor-viewer');
  const store = server.services.storeFor(workspaceId);
  const bytes = readFileSync(path.resolve(import.meta.dirname, '../fixtures/two-speakers.wav'));
  const facts = { kind: 'audio', mime: 'audio/wav', name: 'clean.wav', duration: 1 } as const;
  const made = await store.putBytes(bytes, facts, ['0'.repeat(64)]);
  const wave = () =>
    fetch(`${server.url}/media/${workspaceId}/${made.asset}/peaks?bins=100`, {
      headers: { authorization: `Bearer ${token}` },
    });
  const errands = await startErrands({ ...options(), url: server.database.url });
  try {
    const reply = await wave();
    expect(reply.status).toBe(200);
    const { peaks } = (await reply.json()) as { peaks: number[] };
    expect(peaks).toHaveLength(100);
    expect(Math.max(...peaks)).toBeGreaterThan(0.2);
    expect(await store.find(made.asset)).toEqual(made);
  } finally {
    await errands.stop();
  }
  // a picture has none, and nobody is sent to look for it
  const still = await store.putBytes(new Uint8Array(10), { kind: 'image', mime: 'image/png' });
  const none = await fetch(`${server.url}/media/${workspaceId}/${still.asset}/peaks`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(none.status).toBe(404);
  expect(await takeErrand(server.services.db)).toBeUndefined();
});
