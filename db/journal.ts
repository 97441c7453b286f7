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

/** Notes that a call has begun. */
export async function openCall(
  tx: WorkspaceTx,
  step: StepKey,
  call: { key: string; requestDigest: string },
): Promise<void> {
  await tx
    .insertInto('call')
    .values({ ...at(step), key: call.key, request_digest: call.requestDigest, state: 'open' })
    .onConflict((conflict) => conflict.columns(['run_id', 'node', 'path', 'key']).doNothing())
    .execute();
}

/** Commits a reply before anybody sees it. */
export async function journalReply(
  tx: WorkspaceTx,
  step: StepKey,
  call: { key: string; requestDigest: string; reply: unknown },
): Promise<void> {
  await tx
    .insertInto('call')
    .values({
      ...at(step),
      key: call.key,
      request_digest: call.requestDigest,
      state: 'answered',
      reply: JSON.stringify(call.reply),
    })
    .onConflict((conflict) =>
      conflict
        .columns(['run_id', 'node', 'path', 'key'])
        .doUpdateSet({ state: 'answered', reply: JSON.stringify(call.reply) }),
    )
    .execute();
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
