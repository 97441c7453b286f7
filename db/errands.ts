/**
 * Errands: what a workspace asks a worker to do outside of runs. The rows are the truth and the queue is a wake-up only:
 * whoever takes an errand touches it each second, and one that nobody touched for 5 s is taken by another worker.
 */
import { sql } from 'kysely';
import type { Database } from './connect.ts';
import type { WorkspaceTx } from './workspace.ts';

/** `inspect`: a look at a recording. `plugin`: a packed plugin is checked. `connection`: something is done with an account. */
export type ErrandKind = 'inspect' | 'plugin' | 'connection';
export type Errand = {
  id: string;
  kind: ErrandKind;
  input: unknown;
  state: 'queued' | 'running' | 'done' | 'failed';
  error: unknown;
  result: unknown;
};

/** One that is asked for again while it is open is the same errand. */
export async function sendErrand(
  tx: WorkspaceTx,
  workspaceId: string,
  errand: { kind: ErrandKind; input: unknown; by: string | null },
): Promise<string> {
  const input = JSON.stringify(errand.input);
  const open = await tx
    .selectFrom('errand')
    .select('id')
    .where('kind', '=', errand.kind)
    .where(sql<boolean>`input = ${input}::jsonb`)
    .where('state', 'in', ['queued', 'running'])
    .where('created_at', '>', new Date(Date.now() - 6 * 3600_000))
    .executeTakeFirst();
  if (open) return open.id;
  const { id } = await tx
    .insertInto('errand')
    .values({ kind: errand.kind, input, by_user: errand.by })
    .returning('id')
    .executeTakeFirstOrThrow();
  await sql`select door.send_errand(${workspaceId}, ${id})`.execute(tx);
  return id;
}

export async function getErrand(tx: WorkspaceTx, id: string): Promise<Errand | undefined> {
  const row = await tx
    .selectFrom('errand')
    .select(['id', 'kind', 'input', 'state', 'error', 'result'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { ...row, kind: row.kind as ErrandKind, state: row.state as Errand['state'] };
}

/** A worker's hold on an errand. `attempt` counts from 1 and is its fence. */
export type ErrandLease = { workspaceId: string; errandId: string; attempt: number };

/** Takes the oldest of these kinds that waits or whose holder is gone. */
export async function takeErrand(
  db: Database,
  kinds: readonly ErrandKind[] = ['inspect', 'plugin'],
): Promise<ErrandLease | undefined> {
  const { rows } = await sql<{ workspace_id: string; errand_id: string; attempt: number }>`
    select * from door.take_errand(${[...kinds]}::text[])`.execute(db);
  const row = rows[0];
  return row && { workspaceId: row.workspace_id, errandId: row.errand_id, attempt: row.attempt };
}

/** False: it is somebody else's by now. */
export async function touchErrand(tx: WorkspaceTx, lease: ErrandLease): Promise<boolean> {
  const { numUpdatedRows } = await held(tx, lease).set({ touched_at: sql<Date>`clock_timestamp()` }).executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Ends it. False: it is somebody else's by now, and nothing was written. */
export async function endErrand(
  tx: WorkspaceTx,
  lease: ErrandLease,
  end: { state: 'done'; result?: unknown } | { state: 'failed'; error: unknown },
): Promise<boolean> {
  const error = end.state === 'failed' ? JSON.stringify(end.error) : null;
  const result = end.state === 'done' && end.result !== undefined ? JSON.stringify(end.result) : null;
  const { numUpdatedRows } = await held(tx, lease)
    .set({ state: end.state, error, result, ended_at: new Date() })
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Gives it back as it was, for whoever comes next. */
export async function releaseErrand(tx: WorkspaceTx, lease: ErrandLease): Promise<void> {
  await held(tx, lease)
    .set({ state: 'queued', attempts: lease.attempt - 1, touched_at: null })
    .execute();
}

function held(tx: WorkspaceTx, { errandId, attempt }: ErrandLease) {
  return tx
    .updateTable('errand')
    .where('id', '=', errandId)
    .where('state', '=', 'running')
    .where('attempts', '=', attempt);
}

/** The newest of a kind about the same. */
export async function latestErrand(tx: WorkspaceTx, kind: ErrandKind, input: unknown): Promise<Errand | undefined> {
  const row = await tx
    .selectFrom('errand')
    .select(['id', 'kind', 'input', 'state', 'error', 'result'])
    .where('kind', '=', kind)
    .where(sql<boolean>`input = ${JSON.stringify(input)}::jsonb`)
    .orderBy('created_at', 'desc')
    .executeTakeFirst();
  return row && { ...row, kind: row.kind as ErrandKind, state: row.state as Errand['state'] };
}

/**
 * What a look at a recording found: its wave, and its facts as they travel on wires. What a node made keeps the facts it
 * was made with: later runs compare them.
 */
export async function keepInspection(
  tx: WorkspaceTx,
  sha256: string,
  found: { facts: Record<string, unknown>; peaks: number[] },
): Promise<void> {
  await sql`
    update asset set facts = facts || ${JSON.stringify(found.facts)}::jsonb,
                     kind = coalesce(${(found.facts.kind as string | undefined) ?? null}, kind)
     where sha256 = ${sha256} and made_from = '{}'`.execute(tx);
  if (found.peaks.length === 0) return;
  await tx
    .insertInto('asset_wave')
    .values({ sha256, peaks: found.peaks })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'sha256']).doUpdateSet({ peaks: found.peaks }))
    .execute();
}

export async function waveOf(tx: WorkspaceTx, sha256: string): Promise<number[] | undefined> {
  return (await tx.selectFrom('asset_wave').select('peaks').where('sha256', '=', sha256).executeTakeFirst())?.peaks;
}
