/** What a worker finds out about an upload: its facts and its wave, or that it is no recording after all. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findAsset } from '../../db/assets.ts';
import { getErrand, sendErrand, waveOf } from '../../db/errands.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import { mediaCapability } from '../../runtime/capabilities/media/media.ts';
import { carryErrand } from '../../runtime/errands.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const TALK = readFileSync(path.resolve(import.meta.dirname, '../../templates/sample/talk.mp4'));

let server: TestServer;
let workspaceId: string;
beforeAll(async () => {
  server = await startTestServer();
  ({ workspaceId } = await server.database.workspace('Errands'));
});
afterAll(() => server?.close());

const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(server.services.db, workspaceId, work);

async function carried(bytes: Uint8Array) {
  const store = server.services.storeFor(workspaceId);
  const { asset } = await store.putBytes(bytes, { kind: 'video', mime: 'video/mp4', name: 'talk.mp4' });
  const send = () => inside((tx) => sendErrand(tx, workspaceId, { kind: 'inspect', input: { asset }, by: null }));
  const errandId = await send();
  expect(await send()).toBe(errandId); // asked for twice while it waits, it is done once
  const media = mediaCapability();
  const options = {
    db: server.services.db,
    assetsDir: path.join(server.dataDir, 'assets'),
    capabilities: new Map([[media.name, media]]),
    log: () => {},
  };
  await carryErrand(options, { workspaceId, errandId }, AbortSignal.timeout(60_000));
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
