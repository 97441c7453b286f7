/**
 * A step's scope without a database, for tests and benches of engines: an asset store in a temporary folder whose rows
 * live in memory. Nothing of the product is replaced but the rows.
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Asset, BrandKit, ManifestJson } from '../../nodes/contract.ts';
import { type AssetFacts, localStore } from '../../runtime/assets.ts';
import type { StepScope } from '../../runtime/capabilities/capability.ts';
import { NO_TURNS } from '../../runtime/turns.ts';

export type LocalScope = StepScope & {
  notes: string[];
  /** Takes a copy of a file into the store. */
  keep(file: string, facts: AssetFacts): Promise<Asset>;
} & AsyncDisposable;

export async function localScope(more: Partial<StepScope> = {}): Promise<LocalScope> {
  const root = await mkdtemp(path.join(tmpdir(), 'spliceboard-scope-'));
  const rows = new Map<string, { storageKey: string; asset: Asset }>();
  const assets = localStore(root, {
    async find(sha256) {
      return rows.get(sha256);
    },
    async again(sha256) {
      return rows.get(sha256);
    },
    async add(row) {
      rows.set(row.asset.asset, row);
      return row;
    },
  });
  const notes: string[] = [];
  return {
    workspaceId: '00000000-0000-4000-8000-000000000001',
    brandId: '00000000-0000-4000-8000-000000000002',
    runId: '00000000-0000-4000-8000-000000000003',
    stepId: '00000000-0000-4000-8000-000000000004',
    nodeId: 'node',
    path: [],
    attempt: 1,
    now: '2026-01-15T09:00:00.000Z',
    manifest: {} as ManifestJson,
    brand: {} as BrandKit,
    assets,
    signal: new AbortController().signal,
    turns: NO_TURNS,
    progress(_fraction, note) {
      if (note) notes.push(note);
    },
    log(message) {
      notes.push(message);
    },
    ...more,
    notes,
    async keep(file, facts) {
      const copy = path.join(root, `copy-${path.basename(file)}`);
      await copyFile(file, copy);
      return assets.putFile(copy, facts);
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}
