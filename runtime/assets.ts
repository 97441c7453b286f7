/**
 * The asset store: bytes named by SHA-256, one row per workspace, an opaque storage key.
 *
 * Bytes are hashed and put into place first; then a row in `asset` makes them visible. Where they lie is known to the
 * `Objects` alone: a folder (here), or an S3-compatible store (s3-objects.ts). The environment chooses (`objectsFrom`).
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Asset } from '../nodes/contract.ts';

/** What the store asks of the database: one workspace's asset rows. Implemented in `db/assets.ts`. */
export type AssetRows = {
  find(sha256: string): Promise<{ storageKey: string; asset: Asset } | undefined>;
  /** As `find`, for who is about to refer to it: a sweep leaves it alone. */
  again(sha256: string): Promise<{ storageKey: string; asset: Asset } | undefined>;
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

/** Where bytes lie. Tells nobody apart: whoever asks has found the key in a row of its workspace. */
export type Objects = {
  /** Takes over a finished file whose digest is known, and gives back the key of its bytes. */
  put(file: string, facts: { sha256: string; bytes: number }): Promise<string>;
  read(key: string, sha256: string, range?: { start: number; end: number }): Promise<Readable>;
  /** A local file with these bytes, for reading only. */
  path(key: string, sha256: string): Promise<string>;
  remove(key: string): Promise<void>;
  /** A folder of this machine, on the file system where files are taken over cheaply. */
  readonly jobs: string;
  /** Resolves where objects can be kept; else throws the sentence that says why not. */
  check(): Promise<void>;
};

export class AssetMissing extends Error {
  readonly code = 'ASSET_MISSING';
  constructor(sha256: string) {
    super(`The asset ${sha256.slice(0, 12)} is not in this workspace's store.`);
  }
}

/** The store cannot be used as it is set; `message` is the one sentence to show. */
export class StoreError extends Error {
  override name = 'StoreError';
}

/** The store's bytes are not those that were put there, or are gone. */
export class AssetDamaged extends Error {
  readonly code = 'ASSET_DAMAGED';
  constructor(sha256: string, what: string, options?: ErrorOptions) {
    super(
      `The bytes of the asset ${sha256.slice(0, 12)} ${what}. Restore them from a backup, or upload it again.`,
      options,
    );
  }
}

async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Keys of the folder hold no slash; those of an S3-compatible store do. */
export const isLocalKey = (key: string) => !key.includes('/');

/** A folder on this machine: `objects/` (two-level fan-out) and `jobs/` (swept at start). */
export function localObjects(root: string): Objects {
  const objectPath = (key: string) => path.join(root, 'objects', key.slice(0, 2), key);
  async function find(key: string, sha256: string): Promise<string> {
    if (!isLocalKey(key)) {
      throw new AssetDamaged(sha256, 'lie in an S3-compatible store, and SPLICEBOARD_S3_BUCKET is not set');
    }
    const file = objectPath(key);
    await access(file).catch((cause: unknown) => {
      throw new AssetDamaged(sha256, 'are gone from the data folder', { cause });
    });
    return file;
  }
  return {
    jobs: path.join(root, 'jobs'),
    async put(file) {
      const key = randomBytes(20).toString('hex');
      await mkdir(path.dirname(objectPath(key)), { recursive: true });
      await moveDurably(file, objectPath(key));
      return key;
    },
    path: find,
    read: async (key, sha256, range) => createReadStream(await find(key, sha256), range),
    remove: (key) => rm(objectPath(key), { force: true }),
    check: () => Promise.resolve(),
  };
}

/**
 * Where the environment says: an S3-compatible store where SPLICEBOARD_S3_BUCKET is set, else the folder `root`. Files
 * that were put into the folder before stay readable from it.
 */
export async function objectsFrom(root: string, environment: NodeJS.ProcessEnv): Promise<Objects> {
  const folder = localObjects(root);
  if (!environment.SPLICEBOARD_S3_BUCKET) return folder;
  const { s3Objects, s3SettingsFrom } = await import('./s3-objects.ts'); // the client takes 0.2 s to load
  const settings = s3SettingsFrom(environment);
  const s3 = s3Objects(root, settings);
  const of = (key: string) => (isLocalKey(key) ? folder : s3);
  return {
    ...s3,
    read: (key, sha256, range) => of(key).read(key, sha256, range),
    path: (key, sha256) => of(key).path(key, sha256),
    remove: (key) => of(key).remove(key),
  };
}

/** One workspace's view of `objects`, through its rows. */
export function assetStore(objects: Objects, rows: AssetRows): AssetStore {
  async function keyOf(sha256: string): Promise<string> {
    const row = await rows.find(sha256);
    if (!row) throw new AssetMissing(sha256);
    return row.storageKey;
  }

  async function putFile(file: string, facts: AssetFacts, madeFrom: string[] = []): Promise<Asset> {
    const [sha256, { size }] = await Promise.all([sha256OfFile(file), stat(file)]);
    const known = await rows.again(sha256);
    if (known) {
      await rm(file, { force: true });
      return { ...known.asset, ...facts, asset: sha256, bytes: size };
    }
    const key = await objects.put(file, { sha256, bytes: size });
    const asset: Asset = { ...facts, asset: sha256, bytes: size };
    const row = await rows.add({ storageKey: key, asset, madeFrom });
    if (row.storageKey !== key) await objects.remove(key); // somebody else was first
    return asset;
  }

  return {
    async find(sha256) {
      return (await rows.find(sha256))?.asset;
    },
    path: async (sha256) => objects.path(await keyOf(sha256), sha256),
    read: async (sha256, range) => objects.read(await keyOf(sha256), sha256, range),
    putFile,
    async putBytes(bytes, facts, madeFrom) {
      await mkdir(objects.jobs, { recursive: true });
      const file = path.join(objects.jobs, `bytes-${randomBytes(12).toString('hex')}`);
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
      const folder = path.join(objects.jobs, `job-${randomBytes(12).toString('hex')}`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
    },
  };
}

/** A store in a folder of this machine. */
export const localStore = (root: string, rows: AssetRows): AssetStore => assetStore(localObjects(root), rows);

/** Renames, or copies where the file lies on another file system; the bytes are on disk before the name is. */
export async function moveDurably(from: string, to: string): Promise<void> {
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
