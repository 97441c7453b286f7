/** Runs as wholes: start, cancel, list. What a run looks like is in run-view.ts, doing parts of it again in again.ts. */
import { sql } from 'kysely';
import { type CarryOver, carryOver } from './carry.ts';
import { digestOf } from './values.ts';
import type { WorkspaceTx } from './workspace.ts';

export type RunState = 'running' | 'succeeded' | 'problems' | 'cancelled' | 'stopped' | 'failed';
export type StartRun = {
  pipelineId: string;
  /** null: the draft */
  version: number | null;
  brandId: string;
  graph: unknown;
  /** The graph has limits. */
  isLimited?: boolean;
  plan: unknown;
  /** node type → { version, digest } */
  pins: unknown;
  kit: unknown;
  /** Steps that wait for nothing. */
  first: readonly { node: string; path: readonly number[] }[];
  /** What an earlier run has settled, taken over as it is; `first` is what is due then. */
  carry?: CarryOver | null;
  /** Nodes whose stored results are not used. */
  afresh?: readonly string[];
  dryRun?: boolean;
  nonce?: string | null;
  /** What its trigger is given: { node, kind, event, sample }. */
  trigger?: unknown;
  startedBy: string | null;
  /** The kind of trigger that starts it; null: a person does. */
  startedHow?: string | null;
  /** The step that calls it. */
  parent?: { runId: string; node: string; path: readonly number[] };
};

/** The run, its first strands and their wake-up, in the caller's transaction. */
export async function startRun(tx: WorkspaceTx, run: StartRun): Promise<{ runId: string; number: number }> {
  await sql`select pg_advisory_xact_lock(7268413, hashtext(app_workspace_id()::text))`.execute(tx); // numbers without holes or twins
  const row = await tx
    .insertInto('run')
    .values((eb) => ({
      number: eb.selectFrom('run').select(sql<number>`coalesce(max(number), 0) + 1`.as('next')),
      pipeline_id: run.pipelineId,
      version: run.version,
      brand_id: run.brandId,
      graph: JSON.stringify(run.graph),
      plan: JSON.stringify(run.plan),
      pins: JSON.stringify(run.pins),
      kit: JSON.stringify(run.kit),
      plan_key: sql`run_plan_key(${digestOf([run.graph, run.plan, run.pins])}, ${JSON.stringify(run.kit)}::jsonb)`,
      afresh: [...(run.afresh ?? [])],
      dry_run: run.dryRun === true,
      nonce: run.nonce ?? null,
      trigger: run.trigger === undefined || run.trigger === null ? null : JSON.stringify(run.trigger),
      started_by: run.startedBy,
      started_how: run.startedHow ?? null,
      parent_run: run.parent?.runId ?? null,
      parent_node: run.parent?.node ?? null,
      parent_path: run.parent ? [...run.parent.path] : null,
    }))
    .returning(['id', 'number'])
    .executeTakeFirstOrThrow();
  if (run.isLimited) await sql`select ledger_rank(${row.id})`.execute(tx);
  if (run.carry) await carryOver(tx, row.id, run.carry);
  await addStrands(tx, row.id, run.first);
  if (run.isLimited) await sql`select ledger_hold(${row.id})`.execute(tx);
  return { runId: row.id, number: row.number };
}

/** Adds strands, counts them as open and wakes their lanes; a run that has none is over at once. */
export async function addStrands(
  tx: WorkspaceTx,
  runId: string,
  due: readonly { node: string; path: readonly number[] }[],
): Promise<void> {
  const { rows } = await sql<{ lanes: Record<string, number> }>`
    select ledger_add_strands(${runId}, ${JSON.stringify(due)}) as lanes`.execute(tx);
  for (const lane of Object.keys(rows[0]!.lanes)) await sql`select door.wake(${lane})`.execute(tx);
  await sql`
    update run set open = s.open, state = case when s.open > 0 then 'running' when troubles > 0 then 'problems' else 'succeeded' end,
                   ended_at = case when s.open > 0 then null else clock_timestamp() end
      from (select count(*)::int as open from strand where run_id = ${runId}) s
     where id = ${runId}`.execute(tx);
}

/** False where the run had ended already. Workers hear of it at once and stop within 2 s. */
export async function cancelRun(tx: WorkspaceTx, runId: string, why: string): Promise<boolean> {
  const { rows } = await sql<{ done: boolean }>`select ledger_cancel(${runId}, ${why}) as done`.execute(tx);
  return rows[0]!.done;
}

export type RunListing = {
  id: string;
  number: number;
  pipelineId: string;
  pipelineName: string;
  brandId: string;
  version: number | null;
  state: RunState;
  dryRun: boolean;
  startedAt: string;
  endedAt: string | null;
  startedBy: string | null;
  /** The kind of trigger that started it; null: a person did. */
  startedHow: string | null;
};

/** Ids of the newest runs that a text means: by number alone where it is one. Each half reads an index and stops. */
function runsLike(text: string, cursor: string | undefined, limit: number) {
  const number = /^#?(\d{1,9})$/.exec(text)?.[1];
  if (number) return sql<string>`(select id from run where number = ${Number(number)})`;
  const before = cursor ? sql`and r.number < ${Number(cursor)}` : sql``;
  const words = text.match(/[\p{L}\p{N}_]+/gu) ?? [];
  const name = `%${text.replace(/[\\%_]/g, '\\$&')}%`;
  const query = words.map((word) => `${word}:*`).join(' & ');
  return sql<string>`(
    (select r.id from pipeline p join run r on r.workspace_id = p.workspace_id and r.pipeline_id = p.id
      where p.name ilike ${name} ${before} order by r.number desc limit ${limit + 1})
    union
    (select r.id from run r
      where r.id in (
        select s.run_id from step s
         where s.state = 'failed' and to_tsvector('simple', coalesce(s.error ->> 'code', '') || ' ' || coalesce(s.error ->> 'message', ''))
               @@ to_tsquery('simple', ${query}))
        ${before}
      order by r.number desc limit ${limit + 1}))`;
}

/** Newest first. `cursor` is the `next` of the page before. */
export async function listRuns(
  tx: WorkspaceTx,
  filter: {
    pipelineId?: string;
    brandId?: string;
    brandIds?: string[];
    state?: RunState;
    /** A run's number, words of its pipeline's name, or words of an error in it. */
    text?: string;
    cursor?: string;
    limit?: number;
  } = {},
): Promise<{ items: RunListing[]; next: string | null }> {
  const limit = Math.min(filter.limit ?? 50, 200);
  let query = tx
    .selectFrom('run')
    .innerJoin('pipeline', (join) =>
      join.onRef('pipeline.workspace_id', '=', 'run.workspace_id').onRef('pipeline.id', '=', 'run.pipeline_id'),
    )
    .select([
      'run.id',
      'run.number',
      'run.pipeline_id',
      'pipeline.name',
      'run.brand_id',
      'run.version',
      'run.state',
      'run.dry_run',
      'run.started_at',
      'run.ended_at',
      'run.started_by',
      'run.started_how',
    ])
    .orderBy('run.number', 'desc')
    .limit(limit + 1);
  if (filter.pipelineId) query = query.where('run.pipeline_id', '=', filter.pipelineId);
  if (filter.brandId) query = query.where('run.brand_id', '=', filter.brandId);
  if (filter.brandIds)
    query = query.where(
      'run.brand_id',
      'in',
      filter.brandIds.length > 0 ? filter.brandIds : ['00000000-0000-0000-0000-000000000000'],
    );
  if (filter.state) query = query.where('run.state', '=', filter.state);
  if (filter.cursor) query = query.where('run.number', '<', Number(filter.cursor));
  const found = filter.text?.trim();
  if (found) query = query.where('run.id', 'in', runsLike(found, filter.cursor, limit));
  const rows = await query.execute();
  const page = rows.slice(0, limit);
  return {
    items: page.map((row) => ({
      id: row.id,
      number: row.number,
      pipelineId: row.pipeline_id,
      pipelineName: row.name,
      brandId: row.brand_id,
      version: row.version,
      state: row.state as RunState,
      dryRun: row.dry_run,
      startedAt: row.started_at.toISOString(),
      endedAt: row.ended_at?.toISOString() ?? null,
      startedBy: row.started_by,
      startedHow: row.started_how,
    })),
    next: rows.length > limit ? String(page.at(-1)!.number) : null,
  };
}

/** When the run began, ISO 8601. */
export async function runInstant(tx: WorkspaceTx, runId: string): Promise<string> {
  const run = await tx.selectFrom('run').select('started_at').where('id', '=', runId).executeTakeFirstOrThrow();
  return run.started_at.toISOString();
}

/** The newest run of a pipeline for a brand, or undefined. */
export async function latestFor(tx: WorkspaceTx, pipelineId: string, brandId: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('run')
    .select('id')
    .where('pipeline_id', '=', pipelineId)
    .where('brand_id', '=', brandId)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

/** Which pipeline and brand a run belongs to: for checking rights before anything else is read. */
export async function runScope(
  tx: WorkspaceTx,
  runId: string,
): Promise<{ pipelineId: string; brandId: string; state: RunState } | undefined> {
  const row = await tx
    .selectFrom('run')
    .select(['pipeline_id', 'brand_id', 'state'])
    .where('id', '=', runId)
    .executeTakeFirst();
  return row && { pipelineId: row.pipeline_id, brandId: row.brand_id, state: row.state as RunState };
}

/** Which of these run numbers belong to one of the brands. */
export async function numbersWithin(
  tx: WorkspaceTx,
  numbers: readonly number[],
  brandIds: readonly string[],
): Promise<Set<number>> {
  if (numbers.length === 0) return new Set();
  const { rows } = await sql<{ number: number }>`
    select number from run where number = any(${[...numbers]}::int[]) and brand_id = any(${[...brandIds]}::uuid[])`.execute(
    tx,
  );
  return new Set(rows.map((row) => row.number));
}
