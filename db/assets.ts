/**
 * Asset rows: what a workspace has in its store. The bytes are `runtime/assets.ts`'s business.
 */
import { sql } from 'kysely';
import type { Database } from './connect.ts';
import { inWorkspace, type WorkspaceTx } from './workspace.ts';

/** The facts as they travel on wires: `Asset` of the contract. */
export type AssetRow = {
  asset: string;
  kind: 'video' | 'audio' | 'image' | 'text' | 'file';
  mime: string;
  bytes: number;
  name?: string;
  width?: number;
  height?: number;
  duration?: number;
  rate?: number;
  hasSound?: boolean;
  of?: string;
};
export type Stored = { storageKey: string; asset: AssetRow };

export async function findAsset(tx: WorkspaceTx, sha256: string): Promise<Stored | undefined> {
  const row = await tx
    .selectFrom('asset')
    .select(['storage_key', 'facts'])
    .where('sha256', '=', sha256)
    .executeTakeFirst();
  return row && { storageKey: row.storage_key, asset: row.facts as AssetRow };
}

/** Adds the row, or gives back the one already there. A long value of a step (`isInternal`) is never listed. */
export async function addAsset(
  tx: WorkspaceTx,
  row: { storageKey: string; asset: AssetRow; madeFrom: string[]; isInternal?: boolean; attribution?: string | null },
): Promise<Stored> {
  const added = await tx
    .insertInto('asset')
    .values({
      sha256: row.asset.asset,
      storage_key: row.storageKey,
      kind: row.asset.kind,
      bytes: row.asset.bytes,
      facts: JSON.stringify(row.asset),
      made_from: row.madeFrom,
      attribution: row.attribution ?? null,
      is_internal: row.isInternal === true,
    })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'sha256']).doNothing())
    .returning('storage_key')
    .executeTakeFirst();
  if (added) return { storageKey: row.storageKey, asset: row.asset };
  return (await touchAsset(tx, row.asset.asset))!;
}

/** Whoever has the same again may be about to refer to it. */
async function touchAsset(tx: WorkspaceTx, sha256: string): Promise<Stored | undefined> {
  const row = await tx
    .updateTable('asset')
    .set({ touched_at: sql<Date>`clock_timestamp()` })
    .where('sha256', '=', sha256)
    .returning(['storage_key', 'facts'])
    .executeTakeFirst();
  return row && { storageKey: row.storage_key, asset: row.facts as AssetRow };
}

/** A person brought it in: only people take it away. */
export async function markGiven(tx: WorkspaceTx, sha256: string): Promise<void> {
  await tx.updateTable('asset').set({ is_given: true }).where('sha256', '=', sha256).execute();
}

/** What `localStore` asks for, each in a transaction of its own. `internal` for the compressed values of steps. */
export function assetRows(db: Database, workspaceId: string, options: { internal?: boolean } = {}) {
  return {
    find: (sha256: string) => inWorkspace(db, workspaceId, (tx) => findAsset(tx, sha256)),
    again: (sha256: string) => inWorkspace(db, workspaceId, (tx) => touchAsset(tx, sha256)),
    add: (row: { storageKey: string; asset: AssetRow; madeFrom: string[] }) =>
      inWorkspace(db, workspaceId, (tx) => addAsset(tx, { ...row, isInternal: options.internal === true })),
  };
}

/** Newest first; `cursor` is the `next` of the page before. */
export async function listAssets(
  tx: WorkspaceTx,
  filter: { kind?: AssetRow['kind']; given?: boolean; query?: string; cursor?: string; limit?: number } = {},
): Promise<{ items: { asset: AssetRow; createdAt: string; attribution: string | null }[]; next: string | null }> {
  const limit = Math.min(filter.limit ?? 50, 200);
  let query = tx
    .selectFrom('asset')
    .select(['sha256', 'facts', 'created_at', 'attribution'])
    .where('is_internal', '=', false)
    .orderBy(sql`date_trunc('milliseconds', created_at)`, 'desc') // a cursor holds no more than that
    .orderBy('sha256', 'desc')
    .limit(limit + 1);
  if (filter.kind) query = query.where('kind', '=', filter.kind);
  if (filter.given) query = query.where(sql<boolean>`made_from = '{}'`); // people gave it: no run made it
  if (filter.query)
    query = query.where(sql<boolean>`facts ->> 'name' ilike ${`%${filter.query.replace(/[\\%_]/g, '\\$&')}%`}`);
  if (filter.cursor) {
    const [at, sha256] = filter.cursor.split('_') as [string, string | undefined];
    query = query.where(
      sql<boolean>`(date_trunc('milliseconds', created_at), sha256) < (${at}::timestamptz, ${sha256 ?? ''})`,
    );
  }
  const rows = await query.execute();
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map((row) => ({
      asset: row.facts as AssetRow,
      createdAt: row.created_at.toISOString(),
      attribution: row.attribution,
    })),
    next: rows.length > limit && last ? `${last.created_at.toISOString()}_${last.sha256}` : null,
  };
}

/** One asset as screens show it; undefined where this workspace has none. */
export async function assetFacts(
  tx: WorkspaceTx,
  sha256: string,
): Promise<{ asset: AssetRow; createdAt: string; attribution: string | null } | undefined> {
  const row = await tx
    .selectFrom('asset')
    .select(['facts', 'created_at', 'attribution'])
    .where('sha256', '=', sha256)
    .where('is_internal', '=', false)
    .executeTakeFirst();
  return row && { asset: row.facts as AssetRow, createdAt: row.created_at.toISOString(), attribution: row.attribution };
}

/** Whether all of these are still there. */
export async function hasAssets(tx: WorkspaceTx, sha256s: readonly string[]): Promise<boolean> {
  const wanted = [...new Set(sha256s)];
  if (wanted.length === 0) return true;
  const rows = await tx.selectFrom('asset').select('sha256').where('sha256', 'in', wanted).execute();
  return rows.length === wanted.length;
}

/** Takes the row away and gives back the storage key whose bytes may go; undefined where there was none. */
export async function removeAsset(tx: WorkspaceTx, sha256: string): Promise<string | undefined> {
  const row = await tx.deleteFrom('asset').where('sha256', '=', sha256).returning('storage_key').executeTakeFirst();
  return row?.storage_key;
}

export async function addSidecar(tx: WorkspaceTx, recording: string, sidecar: string, name: string): Promise<void> {
  await tx
    .insertInto('asset_sidecar')
    .values({ sha256: recording, sidecar, name })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'sha256', 'sidecar']).doUpdateSet({ name }))
    .execute();
}

/** What was given with a recording, newest first. */
export async function sidecarsOf(tx: WorkspaceTx, recording: string): Promise<AssetRow[]> {
  const rows = await tx
    .selectFrom('asset_sidecar')
    .innerJoin('asset', (join) =>
      join
        .onRef('asset.workspace_id', '=', 'asset_sidecar.workspace_id')
        .onRef('asset.sha256', '=', 'asset_sidecar.sidecar'),
    )
    .select(['asset.facts', 'asset_sidecar.name'])
    .where('asset_sidecar.sha256', '=', recording)
    .orderBy('asset_sidecar.created_at', 'desc')
    .execute();
  return rows.map((row) => ({ ...(row.facts as AssetRow), name: row.name }));
}
