/**
 * Turns at connections: how often each is asked, counted for all workers together (migrations/0069_turns.sql), what a
 * person has set for it, and until when the other side wants to be left alone.
 */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

/** At most so many requests in any stretch of so many seconds. */
export type RateLimit = { requests: number; seconds: number };
/** `shared`: it belongs to the installation, and is counted for all workspaces together. */
export type ConnectionName = { name: string; shared?: boolean };

/** What services take by the documents of the smallest paying account, where nobody has set another limit. */
export const SERVICE_LIMITS = {
  openai: { requests: 500, seconds: 60 },
  assemblyai: { requests: 600, seconds: 60 },
} as const satisfies Record<string, RateLimit>;

export type Turn = {
  /** 0: go. Else ask again then, under the same holder. */
  waitMs: number;
  /** Requests in a minute by which it was counted; null: without a limit. */
  most: number | null;
  /** The other side asked to wait. */
  isHeld: boolean;
};

/** `holder` names one request of the run: a turn that was promised to it is found again by it. */
export async function takeTurn(
  tx: WorkspaceTx,
  at: { connection: ConnectionName; runId: string; holder: string; limit: RateLimit | null },
): Promise<Turn> {
  const { connection, runId, holder, limit } = at;
  const { rows } = await sql<{ wait_ms: number; most: number | null; is_held: boolean }>`
    select wait_ms, most, is_held from door.take_turn(${connection.name}, ${connection.shared ?? false}, ${runId}, ${holder},
      ${limit?.requests ?? null}::real, ${limit?.seconds ?? null}::real)`.execute(tx);
  const row = rows[0]!;
  return { waitMs: row.wait_ms, most: row.most, isHeld: row.is_held };
}

export async function holdBack(tx: WorkspaceTx, connection: ConnectionName, seconds: number): Promise<void> {
  await sql`select door.hold_back(${connection.name}, ${connection.shared ?? false}, ${seconds}::real)`.execute(tx);
}

export type Bucket = { connection: string; perMinute: number | null; heldUntil: string | null };

/** The workspace's own, by name. */
export async function listBuckets(tx: WorkspaceTx): Promise<Bucket[]> {
  const rows = await tx
    .selectFrom('bucket')
    .select(['connection', 'per_minute', sql<Date | null>`nullif(greatest(held_until, now()), now())`.as('held_until')])
    .orderBy('connection')
    .execute();
  return rows.map((row) => ({
    connection: row.connection,
    perMinute: row.per_minute,
    heldUntil: row.held_until?.toISOString() ?? null,
  }));
}

/** A person's own limit, null for the usual one; and what is held back is asked again at once. */
export async function setRate(tx: WorkspaceTx, connection: string, perMinute: number | null): Promise<void> {
  await sql`
    insert into bucket (workspace_id, connection, per_minute) values (app_workspace_id(), ${connection}, ${perMinute}::real)
    on conflict (coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'), connection) do update
      set per_minute = excluded.per_minute, full_at = '-infinity', used_at = '-infinity', held_until = '-infinity'`.execute(
    tx,
  );
}
