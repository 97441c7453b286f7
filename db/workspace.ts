/**
 * The one way into a workspace's rows: a transaction that carries the workspace, and a type that only it makes.
 * A query function takes a `WorkspaceTx`, so a query outside a workspace does not compile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { Database } from './connect.ts';
import type { Tables } from './tables.ts';

declare const inside: unique symbol;
/** A transaction inside one workspace. Made by `inWorkspace` alone. */
export type WorkspaceTx = Transaction<Tables> & { readonly [inside]: true };

/** PostgreSQL ends one of two transactions that wait for each other. */
const DEADLOCK = '40P01';
const MOST_TRIES = 4;
/** Milliseconds at most before the next try: at once it can take its rows again before the other has got them. */
const PAUSE_MS = 50;

/**
 * Runs `work` in one transaction bound to `workspaceId`: rows of others are not there. Rolls back where it throws. One that
 * met a deadlock has done nothing, and runs again from its beginning.
 */
export async function inWorkspace<T>(
  db: Database,
  workspaceId: string,
  work: (tx: WorkspaceTx) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(async (tx) => {
        await sql`select set_config('app.workspace_id', ${workspaceId}, true)`.execute(tx);
        return work(tx as WorkspaceTx);
      });
    } catch (error) {
      if (attempt >= MOST_TRIES || (error as { code?: string }).code !== DEADLOCK) throw error;
    }
    await sleep(Math.random() * PAUSE_MS * attempt);
  }
}

/**
 * Runs `work` in a transaction that holds what `door` found, inside that workspace: nobody else finds it meanwhile.
 * False where there was nothing.
 */
export async function withHeld<Row extends { workspace_id: string }>(
  db: Database,
  door: RawBuilder<Row>,
  work: (tx: WorkspaceTx, row: Row) => Promise<void>,
): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    const row = (await door.execute(tx)).rows[0];
    if (!row) return false;
    await sql`select set_config('app.workspace_id', ${row.workspace_id}, true)`.execute(tx);
    await work(tx as WorkspaceTx, row);
    return true;
  });
}
