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

// ---------------------------------------------------------------- effects

export type EffectState = 'intended' | 'sending' | 'accepted' | 'confirmed' | 'refused' | 'unknown' | 'absent';
export type EffectRow = {
  id: string;
  key: string;
  name: string;
  state: EffectState;
  attempt: number;
  token: number | null;
  sendBy: Date | null;
  handle: string | null;
  evidence: unknown;
  request: unknown;
  contentDigest: string;
  checks: number;
  nextCheckAt: Date | null;
  sentAt: Date | null;
};

const EFFECT_COLUMNS = [
  'id',
  'key',
  'name',
  'state',
  'attempt',
  'token',
  'send_by',
  'handle',
  'evidence',
  'request',
  'content_digest',
  'checks',
  'next_check_at',
  'sent_at',
] as const;

type EffectSelected = {
  id: string;
  key: string;
  name: string;
  state: string;
  attempt: number;
  token: number | null;
  send_by: Date | null;
  handle: string | null;
  evidence: unknown;
  request: unknown;
  content_digest: string;
  checks: number;
  next_check_at: Date | null;
  sent_at: Date | null;
};
const effectOf = (row: EffectSelected): EffectRow => ({
  id: row.id,
  key: row.key,
  name: row.name,
  state: row.state as EffectState,
  attempt: row.attempt,
  token: row.token,
  sendBy: row.send_by,
  handle: row.handle,
  evidence: row.evidence,
  request: row.request,
  contentDigest: row.content_digest,
  checks: row.checks,
  nextCheckAt: row.next_check_at,
  sentAt: row.sent_at,
});

/** Records the intent, or gives back what is known of it already. */
export async function intendEffect(
  tx: WorkspaceTx,
  effect: StepKey & {
    key: string;
    brandId: string;
    connection: string | null;
    name: string;
    kind: string;
    request: unknown;
    contentDigest: string;
  },
): Promise<EffectRow> {
  await tx
    .insertInto('effect')
    .values({
      ...at(effect),
      key: effect.key,
      brand_id: effect.brandId,
      connection: effect.connection,
      name: effect.name,
      kind: effect.kind,
      request: JSON.stringify(effect.request),
      content_digest: effect.contentDigest,
    })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'key']).doNothing())
    .execute();
  const row = await tx
    .selectFrom('effect')
    .select(EFFECT_COLUMNS)
    .where('key', '=', effect.key)
    .forUpdate()
    .executeTakeFirstOrThrow();
  return effectOf(row);
}

/** Committed with the fencing token before the first byte. `sendBy` is by the database's clock. */
export async function beginSending(
  tx: WorkspaceTx,
  effectId: string,
  by: { token: number; withinMs: number; request: unknown; contentDigest: string },
): Promise<void> {
  await tx
    .updateTable('effect')
    .set({
      state: 'sending',
      attempt: sql<number>`attempt + 1`,
      token: by.token,
      send_by: sql<Date>`clock_timestamp() + make_interval(secs => ${by.withinMs / 1000})`,
      sent_at: sql<Date>`clock_timestamp()`,
      request: JSON.stringify(by.request),
      content_digest: by.contentDigest,
    })
    .where('id', '=', effectId)
    .execute();
}

export async function moveEffect(
  tx: WorkspaceTx,
  effectId: string,
  to: { state: EffectState; handle?: string | null; evidence?: unknown; nextCheckAt?: Date | null; checked?: boolean },
): Promise<void> {
  await tx
    .updateTable('effect')
    .set({
      state: to.state,
      ...(to.handle !== undefined ? { handle: to.handle } : {}),
      ...(to.evidence !== undefined ? { evidence: JSON.stringify(to.evidence) } : {}),
      ...(to.nextCheckAt !== undefined ? { next_check_at: to.nextCheckAt } : {}),
      ...(to.checked ? { checks: sql<number>`checks + 1` } : {}),
    })
    .where('id', '=', effectId)
    .execute();
}

/** A person says what a look-up could not: it happened, it did not, or it is to be sent again. */
export async function decideEffect(
  tx: WorkspaceTx,
  effectId: string,
  decision: { happened: boolean; by: string; evidence?: unknown },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('effect')
    .set({
      state: decision.happened ? 'confirmed' : 'absent',
      decided_by: decision.by,
      decided_at: new Date(),
      evidence: JSON.stringify(decision.evidence ?? { decidedBy: decision.by }),
    })
    .where('id', '=', effectId)
    .where('state', '=', 'unknown')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
