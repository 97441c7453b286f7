/**
 * The values of one workspace: read from rows or from the asset store, kept for a while by digest, and taken apart into
 * members with digests of their own.
 */
import { readFile } from 'node:fs/promises';
import { assetRows } from '../db/assets.ts';
import type { Database } from '../db/connect.ts';
import { digestOf, loadValue, type StoredValue, storeValue } from '../db/values.ts';
import { type AssetStore, assetStore, type Objects } from './assets.ts';

export type Values = {
  load(stored: StoredValue): Promise<unknown>;
  /** One member of a list, with its own digest. */
  member(stored: StoredValue, index: number): Promise<{ value: unknown; digest: string }>;
  store(value: unknown, isList: boolean): Promise<StoredValue>;
};

/** Kept values may take this much, counted as canonical JSON. */
const KEPT_BYTES = 16 * 1024 * 1024;

export function workspaceStores(
  objects: Objects,
  db: Database,
  workspaceId: string,
): { assets: AssetStore; values: Values } {
  const internal = assetStore(objects, assetRows(db, workspaceId, { internal: true }));
  return { assets: assetStore(objects, assetRows(db, workspaceId)), values: createValues(internal) };
}

function createValues(internal: AssetStore): Values {
  const kept = new Map<string, { value: Promise<unknown>; bytes: number; members: Map<number, string> }>();
  let keptBytes = 0;

  const entry = (stored: StoredValue) => {
    const known = kept.get(stored.digest);
    if (known) {
      kept.delete(stored.digest); // to the young end
      kept.set(stored.digest, known);
      return known;
    }
    const made = {
      value: loadValue(stored, async (sha256) => readFile(await internal.path(sha256))),
      bytes: stored.bytes,
      members: new Map<number, string>(),
    };
    made.value.catch(() => {
      if (kept.delete(stored.digest)) keptBytes -= made.bytes;
    });
    kept.set(stored.digest, made);
    keptBytes += made.bytes;
    for (const [digest, old] of kept) {
      if (keptBytes <= KEPT_BYTES || digest === stored.digest) break;
      kept.delete(digest);
      keptBytes -= old.bytes;
    }
    return made;
  };

  return {
    load: (stored) => (stored.asset === undefined ? Promise.resolve(stored.value) : entry(stored).value),
    async member(stored, index) {
      const { value, members } = entry(stored);
      const item = ((await value) as unknown[])[index];
      const digest = members.get(index) ?? digestOf(item);
      members.set(index, digest);
      return { value: item, digest };
    },
    store: (value, isList) =>
      storeValue(value, isList, async (bytes) => {
        const asset = await internal.putBytes(bytes, { kind: 'file', mime: 'application/gzip', name: 'value.json.gz' });
        return asset.asset;
      }),
  };
}
