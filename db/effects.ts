/**
 * Visible acts in the outside world: their states (held by migrations/0006), what is known of each, and the list that
 * people look at. Only a person or evidence moves one that nobody knows the end of.
 */
import { sql } from 'kysely';
import type { StepKey } from './journal.ts';
import type { WorkspaceTx } from './workspace.ts';

export type EffectState = 'intended' | 'sending' | 'accepted' | 'confirmed' | 'refused' | 'unknown' | 'absent';
export type EffectRow = {
  id: string;
  key: string;
  name: string;
  state: EffectState;
  attempt: number;
  token: number | null;
  /** Milliseconds until its deadline by the database's clock when the row was read; null before the first attempt. */
  sendInMs: number | null;
  handle: string | null;
  evidence: unknown;
  request: unknown;
  contentDigest: string;
  /** The account that it was sent with. */
  connection: string | null;
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
  sql<number | null>`(extract(epoch from send_by - clock_timestamp()) * 1000)::float8`.as('send_in_ms'),
  'handle',
  'evidence',
  'request',
  'content_digest',
  'connection',
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
  send_in_ms: number | null;
  handle: string | null;
  evidence: unknown;
  request: unknown;
  content_digest: string;
  connection: string | null;
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
  sendInMs: row.send_in_ms,
  handle: row.handle,
  evidence: row.evidence,
  request: row.request,
  contentDigest: row.content_digest,
  connection: row.connection,
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
      run_id: effect.runId,
      node: effect.node,
      path: [...effect.path],
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
  by: { token: number; withinMs: number; request: unknown; contentDigest: string; connection: string | null },
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
      connection: by.connection,
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

export type EffectListing = {
  id: string;
  brandId: string;
  runId: string;
  runNumber: number;
  pipelineId: string;
  pipelineName: string;
  graph: unknown;
  node: string;
  path: number[];
  name: string;
  kind: string;
  state: EffectState;
  request: unknown;
  handle: string | null;
  evidence: unknown;
  checks: number;
  nextCheckAt: Date | null;
  decidedBy: string | null;
  decidedAt: Date | null;
  sentAt: Date | null;
  createdAt: Date;
};

/** Newest first, at most 100. `before`: the creation of the last one of the page before. */
export async function listEffects(
  tx: WorkspaceTx,
  filter: { brandIds: readonly string[]; state?: EffectState; before?: Date; id?: string },
): Promise<EffectListing[]> {
  const { rows } = await sql<EffectListing>`
    select e.id, e.brand_id as "brandId", e.run_id as "runId", r.number as "runNumber", r.pipeline_id as "pipelineId",
           p.name as "pipelineName", r.graph, e.node, e.path, e.name, e.kind, e.state, e.request, e.handle, e.evidence, e.checks,
           e.next_check_at as "nextCheckAt", e.decided_by as "decidedBy", e.decided_at as "decidedAt", e.sent_at as "sentAt",
           e.created_at as "createdAt"
      from effect e join run r on r.id = e.run_id join pipeline p on p.id = r.pipeline_id
     where e.brand_id = any (${[...filter.brandIds]}::uuid[])
       and (${filter.state ?? null}::text is null or e.state = ${filter.state ?? null})
       and (${filter.before ?? null}::timestamptz is null or e.created_at < ${filter.before ?? null})
       and (${filter.id ?? null}::uuid is null or e.id = ${filter.id ?? null})
     order by e.created_at desc limit 100`.execute(tx);
  return rows;
}
