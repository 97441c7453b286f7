/**
 * The asset store: bytes named by SHA-256, one row per workspace, an opaque storage key on disk.
 *
 * Bytes are written to a temporary file first, hashed while they pass, then renamed into place; a row in `asset`
 * makes them visible. Nothing outside this file knows where they lie.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Asset } from '../nodes/contract.ts';

/** What the store asks of the database: one workspace's asset rows. Implemented in `db/assets.ts`. */
export type AssetRows = {
  find(sha256: string): Promise<{ storageKey: string; asset: Asset } | undefined>;
  /** Adds the row, or gives back the one already there (and its storage key). */
  add(row: { storageKey: string; asset: Asset; madeFrom: string[] }): Promise<{ storageKey: string; asset: Asset }>;
};

export type AssetFacts = Omit<Asset, 'asset' | 'bytes'>;

/** One workspace's view of the store. */
export type AssetStore = {
  /** The asset's row, or undefined where this workspace has no such asset. */
  find(sha256: string): Promise<Asset | undefined>;
  /** Absolute path of the bytes, for reading only. Throws `ASSET_MISSING`. */
  path(sha256: string): Promise<string>;
  read(sha256: string, range?: { start: number; end: number }): Promise<Readable>;
  /** Takes over a finished file on the same machine (moved, not copied, where possible). */
  putFile(file: string, facts: AssetFacts, madeFrom?: string[]): Promise<Asset>;
  putBytes(bytes: Uint8Array, facts: AssetFacts, madeFrom?: string[]): Promise<Asset>;
  /** A fresh empty folder for one job; removed by its disposer. */
  jobFolder(): Promise<{ path: string } & AsyncDisposable>;
};

export class AssetMissing extends Error {
  readonly code = 'ASSET_MISSING';
  constructor(sha256: string) {
    super(`The asset ${sha256.slice(0, 12)} is not in this workspace's store.`);
  }
}

async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The local folder store. `root` holds `objects/` (two-level fan-out) and `jobs/` (swept at start). */
export function localStore(root: string, rows: AssetRows): AssetStore {
  const objectPath = (key: string) => path.join(root, 'objects', key.slice(0, 2), key);

  async function putFile(file: string, facts: AssetFacts, madeFrom: string[] = []): Promise<Asset> {
    const [sha256, { size }] = await Promise.all([sha256OfFile(file), stat(file)]);
    const known = await rows.find(sha256);
    if (known) {
      await rm(file, { force: true });
      return { ...known.asset, ...facts, asset: sha256, bytes: size };
    }
    const key = randomBytes(20).toString('hex');
    const target = objectPath(key);
    await mkdir(path.dirname(target), { recursive: true });
    await moveDurably(file, target);
    const asset: Asset = { ...facts, asset: sha256, bytes: size };
    const row = await rows.add({ storageKey: key, asset, madeFrom });
    if (row.storageKey !== key) await rm(target, { force: true }); // somebody else was first
    return asset;
  }

  return {
    async find(sha256) {
      return (await rows.find(sha256))?.asset;
    },
    async path(sha256) {
      const row = await rows.find(sha256);
      if (!row) throw new AssetMissing(sha256);
      return objectPath(row.storageKey);
    },
    async read(sha256, range) {
      const row = await rows.find(sha256);
      if (!row) throw new AssetMissing(sha256);
      return createReadStream(objectPath(row.storageKey), range);
    },
    putFile,
    async putBytes(bytes, facts, madeFrom) {
      const file = path.join(root, 'jobs', `bytes-${randomBytes(12).toString('hex')}`);
      await mkdir(path.dirname(file), { recursive: true });
      const handle = await open(file, 'wx');
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      return putFile(file, facts, madeFrom);
    },
    async jobFolder() {
      const folder = path.join(root, 'jobs', `job-${randomBytes(12).toString('hex')}`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
    },
  };
}

/** Renames, or copies where the file lies on another file system; the bytes are on disk before the name is. */
async function moveDurably(from: string, to: string): Promise<void> {
  const handle = await open(from, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const partial = `${to}.part`;
    await pipeline(createReadStream(from), createWriteStream(partial, { flush: true }));
    await rename(partial, to);
    await rm(from, { force: true });
  }
}
