/** Errands: what a workspace asks a worker to do outside of runs. The queue carries ids only. */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

export type ErrandKind = 'inspect';
export type Errand = {
  id: string;
  kind: ErrandKind;
  input: unknown;
  state: 'queued' | 'running' | 'done' | 'failed';
  error: unknown;
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
    .select(['id', 'kind', 'input', 'state', 'error'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { ...row, kind: row.kind as ErrandKind, state: row.state as Errand['state'] };
}

export async function updateErrand(
  tx: WorkspaceTx,
  id: string,
  change: { state?: Errand['state']; error?: unknown },
): Promise<void> {
  await tx
    .updateTable('errand')
    .set({
      ...(change.state === undefined ? {} : { state: change.state }),
      ...(change.state === 'done' || change.state === 'failed' ? { ended_at: new Date() } : {}),
      ...(change.error === undefined ? {} : { error: JSON.stringify(change.error) }),
    })
    .where('id', '=', id)
    .execute();
}

/** What a look at a recording found: its facts as they travel on wires, and its wave. */
export async function keepInspection(
  tx: WorkspaceTx,
  sha256: string,
  found: { facts: Record<string, unknown>; peaks: number[] },
): Promise<void> {
  await sql`
    update asset set facts = facts || ${JSON.stringify(found.facts)}::jsonb,
                     kind = coalesce(${(found.facts.kind as string | undefined) ?? null}, kind)
     where sha256 = ${sha256}`.execute(tx);
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
