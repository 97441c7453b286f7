/** Uploads under way: who began them, where, and what became of them. */
import { sql } from 'kysely';
import type { Database } from './connect.ts';
import type { WorkspaceTx } from './workspace.ts';

export async function uploadOwner(
  db: Database,
  id: string,
): Promise<{ workspaceId: string; userId: string } | undefined> {
  const { rows } = await sql<{ workspace_id: string; user_id: string }>`select * from door.upload(${id})`.execute(db);
  const row = rows[0];
  return row && { workspaceId: row.workspace_id, userId: row.user_id };
}

export async function beginUpload(
  tx: WorkspaceTx,
  upload: { id: string; userId: string; name: string; bytes: number },
): Promise<void> {
  await tx
    .insertInto('upload')
    .values({ id: upload.id, user_id: upload.userId, name: upload.name, bytes: upload.bytes })
    .execute();
}

export async function getUpload(
  tx: WorkspaceTx,
  id: string,
): Promise<{ name: string; bytes: number; asset: string | null } | undefined> {
  return tx.selectFrom('upload').select(['name', 'bytes', 'asset']).where('id', '=', id).executeTakeFirst();
}

export async function finishUpload(tx: WorkspaceTx, id: string, asset: string): Promise<void> {
  await tx.updateTable('upload').set({ asset }).where('id', '=', id).execute();
}

export async function removeUpload(tx: WorkspaceTx, id: string): Promise<void> {
  await tx.deleteFrom('upload').where('id', '=', id).execute();
}

/** Every upload of the installation, for clearing up: ids and times only. */
export async function allUploads(
  db: Database,
): Promise<{ workspaceId: string; id: string; createdAt: Date; isFinished: boolean }[]> {
  const { rows } = await sql<{ workspace_id: string; id: string; created_at: Date; is_finished: boolean }>`
    select * from door.uploads()`.execute(db);
  return rows.map((row) => ({
    workspaceId: row.workspace_id,
    id: row.id,
    createdAt: row.created_at,
    isFinished: row.is_finished,
  }));
}
