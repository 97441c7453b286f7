/** Steps of a run for screens and downloads: settled ones from their rows, the others from their strands. */
import { sql } from 'kysely';
import { type StrandFacts, strandsAt } from './explain.ts';
import type { StoredValue } from './values.ts';
import type { WorkspaceTx } from './workspace.ts';

export type ErrorRow = {
  code: string;
  message: string;
  hint: string | null;
  retry: 'never' | 'later' | 'person';
  notBefore?: string | null;
};
export type Fact = { name: string; value: string };
export type StepRow = {
  nodeId: string;
  path: number[];
  state: 'queued' | 'running' | 'waiting' | 'done' | 'reused' | 'failed' | 'blocked' | 'skipped' | 'cancelled';
  attempt: number;
  startedAt: string | null;
  endedAt: string | null;
  progress: number | null;
  note: string | null;
  etaMs: number | null;
  reason: string | null;
  error: ErrorRow | null;
  /** `node@path` whose failure blocks this one. */
  cause: string | null;
  facts: Fact[];
  inputs: Record<string, { digest: string }[]>;
  outputs: Record<string, StoredValue>;
  reused: { runId: string | null; runNumber: number | null } | null;
  /** Ports on which a person's correction stands. */
  overridden: string[];
  /** Of one that is not settled. */
  strand: StrandFacts | null;
};

/** What a settled step's state is explained by. */
export type StepFacts = {
  state: string;
  reason: string | null;
  cause: string | null;
  error: ErrorRow | null;
  isReused: boolean;
  reusedNumber: number | null;
  isCorrected: boolean;
};
export function stepFacts(row: {
  state: string;
  reason?: string | null;
  cause?: string | null;
  error?: unknown;
  made?: unknown;
  reused_run?: string | null;
  reused_number?: number | null;
}): StepFacts {
  return {
    state: row.state,
    reason: row.reason ?? null,
    cause: row.cause ?? null,
    error: (row.error ?? null) as ErrorRow | null,
    isReused: typeof row.reused_run === 'string',
    reusedNumber: row.reused_number ?? null,
    isCorrected: Object.keys(row.made ?? {}).length > 0,
  };
}

const STEP_COLUMNS = sql`
  node, path, state, attempt, began_at, ended_at, reason, error, cause, facts, inputs, outputs, made, reused_run, reused_number`;
type StepSelected = {
  node: string;
  path: number[];
  state: string;
  attempt: number;
  began_at: Date | null;
  ended_at: Date | null;
  reason: string | null;
  error: unknown;
  cause: string | null;
  facts: unknown;
  inputs: unknown;
  outputs: unknown;
  made: unknown;
  reused_run: string | null;
  reused_number: number | null;
  progress: number | null;
  note: string | null;
  now: Date;
};

/** One page of a node's steps in path order: settled ones from their rows, the others from their strands. */
export async function listSteps(
  tx: WorkspaceTx,
  runId: string,
  nodeId: string,
  options: { cursor?: string; limit?: number; path?: readonly number[] } = {},
): Promise<{ items: StepRow[]; next: string | null }> {
  const limit = Math.min(options.limit ?? 50, 200);
  const after = options.cursor ? options.cursor.split('.').filter(Boolean).map(Number) : null;
  const { rows } = await sql<StepSelected>`
    select *, clock_timestamp() as now from (
      select ${STEP_COLUMNS}, null::real as progress, null::text as note
        from step where run_id = ${runId} and node = ${nodeId}
      union all
      select node, case when lo is null then prefix else prefix || i end, case state when 'ready' then 'queued' when 'leased' then 'running' else state end,
             attempts, leased_at, null,
             reason, null, null, '[]', '{}', '{}', '{}', null, null, progress, note
        from strand left join lateral generate_series(lo, hi) i on lo is not null
       where run_id = ${runId} and node = ${nodeId}) both_kinds
     where (${after === null} or path > ${after ?? []}::int[])
       and (${options.path === undefined} or path = ${[...(options.path ?? [])]}::int[])
     order by path limit ${limit + 1}`.execute(tx);
  const page = rows.slice(0, limit);
  const live = page.filter(({ ended_at, state }) => ended_at === null && !SETTLED.has(state)).map(({ path }) => path);
  const strands = await strandsAt(tx, runId, nodeId, live);
  const items = page.map((row) => stepRow(row, strands.get(`${nodeId}@${row.path.join('.')}`) ?? null));
  return { items, next: rows.length > limit ? page.at(-1)!.path.join('.') : null };
}

export async function getStep(
  tx: WorkspaceTx,
  runId: string,
  nodeId: string,
  path: readonly number[],
): Promise<StepRow | undefined> {
  return (await listSteps(tx, runId, nodeId, { path, limit: 1 })).items[0];
}

const SETTLED: ReadonlySet<string> = new Set(['done', 'failed', 'blocked', 'skipped', 'cancelled']);

function stepRow(row: StepSelected, strand: StrandFacts | null): StepRow {
  const made = row.made as Record<string, StoredValue>;
  const isLive = row.state === 'running' || row.state === 'waiting' || row.state === 'queued';
  const elapsedMs = row.began_at ? row.now.getTime() - row.began_at.getTime() : null;
  return {
    nodeId: row.node,
    path: row.path,
    state: row.state === 'done' && row.reused_run !== null ? 'reused' : (row.state as StepRow['state']),
    attempt: row.attempt,
    startedAt: row.began_at?.toISOString() ?? null,
    endedAt: isLive ? null : (row.ended_at?.toISOString() ?? null),
    progress: row.progress,
    note: row.note,
    etaMs:
      row.progress !== null && row.progress > 0.03 && elapsedMs !== null
        ? Math.round((elapsedMs * (1 - row.progress)) / row.progress)
        : null,
    reason: row.reason,
    error: row.error as ErrorRow | null,
    cause: row.cause,
    facts: row.facts as Fact[],
    inputs: row.inputs as Record<string, { digest: string }[]>,
    outputs: row.outputs as Record<string, StoredValue>,
    reused: row.reused_run === null ? null : { runId: row.reused_run, runNumber: row.reused_number },
    overridden: Object.keys(made),
    strand,
  };
}

/** All finished steps with outputs, for a download. */
export async function finishedSteps(
  tx: WorkspaceTx,
  runId: string,
  nodeId?: string,
): Promise<{ nodeId: string; path: number[]; outputs: Record<string, StoredValue> }[]> {
  let query = tx
    .selectFrom('step')
    .select(['node', 'path', 'outputs'])
    .where('run_id', '=', runId)
    .where('state', '=', 'done')
    .orderBy('node')
    .orderBy('path');
  if (nodeId !== undefined) query = query.where('node', '=', nodeId);
  return (await query.execute()).map((row) => ({
    nodeId: row.node,
    path: row.path,
    outputs: row.outputs as Record<string, StoredValue>,
  }));
}
