/** One contract for both stores: the folder and the S3-compatible one, each on real rows. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assetRows } from '../db/assets.ts';
import { type TestDatabase, testDatabase } from '../tests/support/database.ts';
import { startS3, type TestS3 } from '../tests/support/s3.ts';
import { type AssetStore, assetStore, localObjects, type Objects, objectsFrom } from './assets.ts';
import { sweepCache } from './s3-objects.ts';

const VIDEO = { kind: 'video', mime: 'video/mp4', name: 'talk.mp4' } as const;
/** Three parts of an upload. */
const LARGE_BYTES = 40 * 1024 ** 2;

let database: TestDatabase;
let s3: TestS3;
let folder: string;
beforeAll(async () => {
  [database, s3] = await Promise.all([testDatabase(), startS3()]);
  folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-assets-'));
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
const root = () => mkdtempSync(path.join(folder, 'root-'));
const rowsOf = (workspaceId: string) => assetRows(database.db('app'), workspaceId);
const onS3 = (at: string) => objectsFrom(at, s3.environment);

describe.each([
  { name: 'the folder', open: (at: string): Promise<Objects> => Promise.resolve(localObjects(at)) },
  { name: 'the S3-compatible store', open: onS3 },
])('$name', ({ open }) => {
  async function fresh(): Promise<{ store: AssetStore; workspaceId: string; at: string; objects: Objects }> {
    const at = root();
    const { workspaceId } = await database.workspace();
    const objects = await open(at);
    return { store: assetStore(objects, rowsOf(workspaceId)), workspaceId, at, objects };
  }

  test('what was put is found, read whole, read in part and given as a file', async () => {
    const { store } = await fresh();
    const bytes = randomBytes(100_000);
    const asset = await store.putBytes(bytes, VIDEO);
    expect(asset).toEqual({ ...VIDEO, asset: sha256Of(bytes), bytes: bytes.length });
    expect(await store.find(asset.asset)).toEqual(asset);
    expect(await bytesOf(await store.read(asset.asset))).toEqual(bytes);
    expect(await bytesOf(await store.read(asset.asset, { start: 10, end: 19 }))).toEqual(bytes.subarray(10, 20));
    expect(readFileSync(await store.path(asset.asset))).toEqual(bytes);
  });

  test('a file of many parts arrives as it was, and is gone from where it lay', async () => {
    const { store, at } = await fresh();
    const file = path.join(at, 'large.mp4');
    const bytes = randomBytes(LARGE_BYTES + 77);
    writeFileSync(file, bytes);
    const asset = await store.putFile(file, VIDEO);
    expect(existsSync(file)).toBe(false);
    expect(sha256Of(await bytesOf(await store.read(asset.asset)))).toBe(asset.asset);
    expect(sha256Of(readFileSync(await store.path(asset.asset)))).toBe(asset.asset);
  });

  test('an empty file is kept like any other', async () => {
    const { store } = await fresh();
    const asset = await store.putBytes(new Uint8Array(), VIDEO);
    expect(asset.bytes).toBe(0);
    expect(statSync(await store.path(asset.asset)).size).toBe(0);
  });

  test('another workspace does not see it, and its own copy has a key of its own', async () => {
    const [one, other] = [await fresh(), await fresh()];
    const bytes = randomBytes(1_000);
    const { asset } = await one.store.putBytes(bytes, VIDEO);
    await expect(other.store.path(asset)).rejects.toMatchObject({ code: 'ASSET_MISSING' });
    await expect(other.store.read(asset)).rejects.toMatchObject({ code: 'ASSET_MISSING' });
    await other.store.putBytes(bytes, VIDEO);
    const keys = await Promise.all([one, other].map((each) => rowsOf(each.workspaceId).find(asset)));
    expect(keys[0]!.storageKey).not.toBe(keys[1]!.storageKey);
  });

  test('of two puts of one content at once one set of bytes is left, and can be read', async () => {
    const { store, workspaceId, objects } = await fresh();
    const bytes = randomBytes(5_000);
    const puts = await Promise.all([1, 2, 3].map(() => store.putBytes(bytes, VIDEO)));
    expect(new Set(puts.map(({ asset }) => asset)).size).toBe(1);
    const row = await rowsOf(workspaceId).find(puts[0]!.asset);
    expect(await bytesOf(await objects.read(row!.storageKey, puts[0]!.asset))).toEqual(bytes);
  });

  test('bytes that are gone are named, not a broken stream', async () => {
    const { store, workspaceId, objects, at } = await fresh();
    const { asset } = await store.putBytes(randomBytes(100), VIDEO);
    await objects.remove((await rowsOf(workspaceId).find(asset))!.storageKey);
    rmSync(path.join(at, 'cache'), { recursive: true, force: true });
    await expect(store.path(asset)).rejects.toMatchObject({ code: 'ASSET_DAMAGED' });
    await expect(store.read(asset)).rejects.toMatchObject({ code: 'ASSET_DAMAGED' });
  });

  test('a job folder is new, empty and gone afterwards', async () => {
    const { store } = await fresh();
    let at: string;
    {
      await using job = await store.jobFolder();
      at = job.path;
      expect(readdirSync(at)).toEqual([]);
      writeFileSync(path.join(at, 'x'), 'x');
    }
    expect(existsSync(at)).toBe(false);
  });

  test('a put that is killed leaves nothing visible, and can be done again', async () => {
    const { store, workspaceId, at } = await fresh();
    const file = path.join(at, 'killed.mp4');
    const bytes = randomBytes(LARGE_BYTES);
    writeFileSync(file, bytes);
    const before = (await s3.objects()).length;
    const child: ChildProcess = spawn(process.execPath, [path.resolve('tests/support/put-file.ts')], {
      env: {
        ...process.env,
        ...(open === onS3 ? s3.environment : {}),
        TEST_URL: database.url,
        TEST_FOLDER: at,
        TEST_WORKSPACE: workspaceId,
        TEST_FILE: file,
      },
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (open === onS3) {
      await new Promise<void>((resolve) => {
        s3.on = (_method, address) => address.includes('partNumber=3') && resolve();
      });
      s3.on = () => {};
    } else await new Promise((resolve) => setTimeout(resolve, 150)); // while it loads, hashes or moves
    child.kill('SIGKILL');
    await ended;
    expect(await store.find(sha256Of(bytes))).toBeUndefined();
    expect((await s3.objects()).length).toBe(before);
    writeFileSync(file, bytes);
    const asset = await store.putFile(file, VIDEO);
    expect(sha256Of(await bytesOf(await store.read(asset.asset)))).toBe(asset.asset);
  });
});

test('another machine plays a part without fetching the whole, and copies it once for ffmpeg', async () => {
  const { workspaceId } = await database.workspace();
  const bytes = randomBytes(300_000);
  const { asset } = await assetStore(await onS3(root()), rowsOf(workspaceId)).putBytes(bytes, VIDEO);
  const elsewhere = root();
  const other = assetStore(await onS3(elsewhere), rowsOf(workspaceId));
  expect(await bytesOf(await other.read(asset, { start: 1_000, end: 1_999 }))).toEqual(bytes.subarray(1_000, 2_000));
  expect(await bytesOf(await other.read(asset))).toEqual(bytes);
  expect(existsSync(path.join(elsewhere, 'cache'))).toBe(false);
  let asked = 0;
  s3.on = () => asked++;
  const files = await Promise.all([other.path(asset), other.path(asset), other.path(asset)]);
  s3.on = () => {};
  expect([new Set(files).size, asked]).toEqual([1, 1]);
  expect(readFileSync(files[0]!)).toEqual(bytes);
});

test('a key in the bucket names its content', async () => {
  const { workspaceId } = await database.workspace();
  const store = assetStore(await onS3(root()), rowsOf(workspaceId));
  const { asset } = await store.putBytes(randomBytes(100), VIDEO);
  const keys = (await s3.objects()).map(({ key }) => key).filter((key) => key.includes(asset));
  expect(keys).toEqual([expect.stringMatching(new RegExp(`^objects/${asset.slice(0, 2)}/${asset}\\.[0-9a-f]{16}$`))]);
});

test('what was changed in the bucket is refused on another machine, and no copy of it is kept', async () => {
  const { workspaceId } = await database.workspace();
  const { asset } = await assetStore(await onS3(root()), rowsOf(workspaceId)).putBytes(Buffer.from('as it was'), VIDEO);
  const stored = readdirSync(s3.folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.includes(asset) && readFileSync(path.join(s3.folder, name), 'utf8') === 'as it was',
  );
  expect(stored).toHaveLength(1);
  writeFileSync(path.join(s3.folder, stored[0]!), 'as it is!');
  const elsewhere = root();
  const other = assetStore(await onS3(elsewhere), rowsOf(workspaceId));
  await expect(other.path(asset)).rejects.toMatchObject({ code: 'ASSET_DAMAGED' });
  await expect(bytesOf(await other.read(asset))).rejects.toMatchObject({ code: 'ASSET_DAMAGED' });
  expect(existsSync(path.join(elsewhere, 'cache', asset.slice(0, 2), asset))).toBe(false);
  expect(readdirSync(path.join(elsewhere, 'jobs'))).toEqual([]);
});

test('files of the folder stay readable after the bucket was set, and the other way round says what is missing', async () => {
  const at = root();
  const { workspaceId } = await database.workspace();
  const before = await assetStore(localObjects(at), rowsOf(workspaceId)).putBytes(Buffer.from('old'), VIDEO);
  const store = assetStore(await onS3(at), rowsOf(workspaceId));
  expect(await bytesOf(await store.read(before.asset))).toEqual(Buffer.from('old'));
  const after = await store.putBytes(Buffer.from('new'), VIDEO);
  const folderAlone = assetStore(localObjects(at), rowsOf(workspaceId));
  await expect(folderAlone.path(after.asset)).rejects.toThrow('SPLICEBOARD_S3_BUCKET is not set');
});

test('a bucket that is not there, refused keys and a dead address are each said in a sentence', async () => {
  const checkWith = async (change: Record<string, string>) =>
    (await objectsFrom(root(), { ...s3.environment, ...change })).check();
  await expect(checkWith({})).resolves.toBeUndefined();
  await expect(checkWith({ SPLICEBOARD_S3_BUCKET: 'nowhere' })).rejects.toThrow('there is no such bucket');
  await expect(checkWith({ SPLICEBOARD_S3_ACCESS_KEY: 'wrong' })).rejects.toThrow('it refused the keys');
  await expect(checkWith({ SPLICEBOARD_S3_ENDPOINT: 'http://127.0.0.1:1' })).rejects.toThrow('it does not answer');
  await expect(checkWith({ SPLICEBOARD_S3_ENDPOINT: 'nothing' })).rejects.toThrow('not an address');
  await expect(checkWith({ SPLICEBOARD_S3_SECRET_KEY: '' })).rejects.toThrow('or neither');
}, 30_000);

test('copies that were used longest ago go first, and those in use stay', async () => {
  const at = root();
  for (const [name, minutes] of [
    ['old', 60],
    ['middle', 30],
    ['young', 1],
  ] as const) {
    writeFileSync(path.join(at, name), Buffer.alloc(100));
    const used = new Date(Date.now() - minutes * 60_000);
    utimesSync(path.join(at, name), used, used);
  }
  await sweepCache(at, 250, 10 * 60_000);
  expect(readdirSync(at).sort()).toEqual(['middle', 'young']);
  await sweepCache(at, 0, 10 * 60_000);
  expect(readdirSync(at)).toEqual(['young']);
});
