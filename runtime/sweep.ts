/**
 * Clears away what a workspace does not keep: old runs by its retention, then files that nothing kept refers to. Every six
 * hours for each workspace, soon after its retention was changed; one worker at a time, in small transactions, so that
 * nobody waits for it. What is interrupted goes on with the next turn.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Database } from '../db/connect.ts';
import {
  forgetGone,
  getRetention,
  goneKeys,
  keepNames,
  keepSwept,
  pruneReuse,
  pruneRuns,
  removeUnreferenced,
  type Swept,
  takeSweep,
  unreadValues,
  unreferenced,
} from '../db/storage.ts';
import { LONGEST_VALUE_BYTES } from '../db/values.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { Objects } from './assets.ts';
import { workspaceStores } from './values.ts';

export type SweepOptions = {
  db: Database;
  objects: Objects;
  log(line: string, details: Record<string, unknown>): void;
};

const LOOK_MS = 30_000;
const RUNS_AT_ONCE = 20;
const FILES_AT_ONCE = 200;
const FILES_A_TURN = 20_000;

export function startSweep(options: SweepOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let current: Promise<void> = Promise.resolve();
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    current = look(options, stopping.signal)
      .catch((error: unknown) => options.log('Clearing away failed.', { err: error })) // the next turn goes on
      .finally(() => {
        isBusy = false;
      });
  }, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await current;
    },
  };
}

async function look(options: SweepOptions, signal: AbortSignal): Promise<void> {
  await removeGone(options, signal);
  const workspaceId = await takeSweep(options.db);
  if (workspaceId === undefined) return;
  await sweepWorkspace(options, workspaceId, signal);
  await removeGone(options, signal);
}

/** Runs first: what they alone referred to goes in the same turn, a day after it was made. */
export async function sweepWorkspace(
  { db, objects, log }: SweepOptions,
  workspaceId: string,
  signal: AbortSignal,
): Promise<Swept> {
  const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(db, workspaceId, work);
  const retention = await inside((tx) => getRetention(tx));
  const swept: Swept = { runs: 0, assets: 0, bytes: 0 };
  for (let gone = -1; gone !== 0 && !signal.aborted; ) {
    gone = await inside((tx) => pruneRuns(tx, retention, RUNS_AT_ONCE));
    swept.runs += gone;
  }
  await inside((tx) => pruneReuse(tx, retention));
  const { assets } = workspaceStores(objects, db, workspaceId);
  for (let unread = ['']; unread.length > 0 && !signal.aborted; ) {
    unread = await inside((tx) => unreadValues(tx, FILES_AT_ONCE));
    for (const sha256 of unread) {
      const names = await digestsIn(assets, sha256);
      await inside((tx) => keepNames(tx, sha256, names));
    }
  }
  // one look through all rows, then many small deletions; what is left over goes with the next turn
  const found = await inside((tx) => unreferenced(tx, FILES_A_TURN));
  for (let at = 0; at < found.length && !signal.aborted; at += FILES_AT_ONCE) {
    const removed = await inside((tx) => removeUnreferenced(tx, found.slice(at, at + FILES_AT_ONCE)));
    swept.assets += removed.assets;
    swept.bytes += removed.bytes;
  }
  await inside((tx) => keepSwept(tx, swept));
  if (swept.runs + swept.assets > 0) log('Cleared away.', { workspaceId, ...swept });
  return swept;
}

/** What stands in a long value of a step. One that cannot be read names nothing, and its step says so when it is asked for. */
async function digestsIn(
  assets: { read(sha256: string): Promise<AsyncIterable<Buffer>> },
  sha256: string,
): Promise<string[]> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of await assets.read(sha256)) chunks.push(chunk);
    const json = await promisify(gunzip)(Buffer.concat(chunks), { maxOutputLength: LONGEST_VALUE_BYTES });
    return [...new Set(json.toString('utf8').match(/[0-9a-f]{64}/g) ?? [])];
  } catch (error) {
    if ((error as { code?: string }).code === 'ASSET_MISSING') return [];
    throw error;
  }
}

export async function removeGone({ db, objects }: SweepOptions, signal: AbortSignal): Promise<void> {
  for (let keys = ['']; keys.length > 0 && !signal.aborted; ) {
    keys = await goneKeys(db, FILES_AT_ONCE);
    for (const key of keys) await objects.remove(key); // removing twice is no fault
    await forgetGone(db, keys);
  }
}
