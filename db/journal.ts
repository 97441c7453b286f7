/**
 * What a step's calls leave behind: journaled replies, memoised operations, a node's small store, and the ledger of
 * visible acts. State machine of an effect: migrations/0006_calls_and_effects.sql.
 */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

export type StepKey = { runId: string; node: string; path: readonly number[] };
const at = (step: StepKey) => ({ run_id: step.runId, node: step.node, path: [...step.path] });
const pathArray = (path: readonly number[]) => sql<number[]>`${[...path]}::int[]`;

export type JournaledCall = {
  key: string;
  requestDigest: string;
  state: 'open' | 'answered';
  handle: string | null;
  reply: unknown;
};

export async function journalOf(tx: WorkspaceTx, step: StepKey): Promise<JournaledCall[]> {
  const rows = await tx
    .selectFrom('call')
    .select(['key', 'request_digest', 'state', 'handle', 'reply'])
    .where('run_id', '=', step.runId)
    .where('node', '=', step.node)
    .where('path', '=', pathArray(step.path))
    .execute();
  return rows.map((row) => ({
    key: row.key,
    requestDigest: row.request_digest,
    state: row.state as 'open' | 'answered',
    handle: row.handle,
    reply: row.reply,
  }));
}

/** The lease under which a step writes. */
export type StepLease = { strand: number; token: number };

/**
 * Whether the lease is current; if so, its strand stays until the commit: whoever makes the step again takes the strand away
 * first, and so finds what was written here. The run before the strand, as everybody locks them.
 */
export async function holdsStep(tx: WorkspaceTx, step: StepKey, lease: StepLease): Promise<boolean> {
  await tx.selectFrom('run').select('id').where('id', '=', step.runId).forKeyShare().execute();
  const held = await tx
    .selectFrom('strand')
    .select('id')
    .where('id', '=', lease.strand)
    .where('token', '=', lease.token)
    .where('state', '=', 'leased')
    .forKeyShare()
    .executeTakeFirst();
  return held !== undefined;
}

/** Notes that a call has begun. False: the lease is lost, and nothing is noted. */
export async function openCall(
  tx: WorkspaceTx,
  step: StepKey,
  lease: StepLease,
  call: { key: string; requestDigest: string },
): Promise<boolean> {
  if (!(await holdsStep(tx, step, lease))) return false;
  await tx
    .insertInto('call')
    .values({ ...at(step), key: call.key, request_digest: call.requestDigest, state: 'open' })
    .onConflict((conflict) => conflict.columns(['run_id', 'node', 'path', 'key']).doNothing())
    .execute();
  return true;
}

/** Commits a reply before anybody sees it; nothing where the step was given up meanwhile. */
export async function journalReply(
  tx: WorkspaceTx,
  step: StepKey,
  call: { key: string; reply: unknown },
): Promise<void> {
  await tx
    .updateTable('call')
    .set({ state: 'answered', reply: JSON.stringify(call.reply) })
    .where('run_id', '=', step.runId)
    .where('node', '=', step.node)
    .where('path', '=', pathArray(step.path))
    .where('key', '=', call.key)
    .execute();
}

/**
 * What a service refused is asked anew: something has changed there. What it answered well, and what was asked before that,
 * stays as it was answered: the step is taken through the same way up to there.
 */
export async function reopenRefused(tx: WorkspaceTx, step: StepKey): Promise<void> {
  await sql`
    with calls as (
      select key, at, state = 'answered' and key like 'http.%' and reply -> 'status' >= '400'::jsonb as is_refused
        from call where run_id = ${step.runId} and node = ${step.node} and path = ${pathArray(step.path)})
    update call c set state = 'open', reply = null from calls
     where c.run_id = ${step.runId} and c.node = ${step.node} and c.path = ${pathArray(step.path)} and c.key = calls.key
       and calls.is_refused and not exists (select from calls later where later.at > calls.at and not later.is_refused)`.execute(
    tx,
  );
}

export async function findMemo(tx: WorkspaceTx, key: string): Promise<{ reply: unknown } | undefined> {
  return tx.selectFrom('memo').select('reply').where('key', '=', key).executeTakeFirst();
}

export async function keepMemo(tx: WorkspaceTx, key: string, reply: unknown): Promise<void> {
  await tx
    .insertInto('memo')
    .values({ key, reply: JSON.stringify(reply) })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'key']).doNothing())
    .execute();
}

type StoreKey = { pipelineId: string; brandId: string; node: string; key: string };

export async function readNodeStore(tx: WorkspaceTx, key: StoreKey): Promise<unknown> {
  const row = await tx
    .selectFrom('node_store')
    .select('value')
    .where('pipeline_id', '=', key.pipelineId)
    .where('brand_id', '=', key.brandId)
    .where('node', '=', key.node)
    .where('key', '=', key.key)
    .executeTakeFirst();
  return row?.value ?? null;
}

export async function writeNodeStore(tx: WorkspaceTx, key: StoreKey, value: unknown): Promise<void> {
  const row = {
    pipeline_id: key.pipelineId,
    brand_id: key.brandId,
    node: key.node,
    key: key.key,
    value: JSON.stringify(value),
  };
  await tx
    .insertInto('node_store')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['pipeline_id', 'brand_id', 'node', 'key']).doUpdateSet({ value: row.value, at: new Date() }),
    )
    .execute();
}
