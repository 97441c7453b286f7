/**
 * Runs for screens: start, look, cancel, try again, correct. What a retry or a correction makes undone is worked out by
 * the pure rules that the caller hands in (`runtime/graph/advance.ts`), under the run's lock.
 */
import { sql } from 'kysely';
import type { StoredValue } from './values.ts';
import type { WorkspaceTx } from './workspace.ts';

export type RunState = 'running' | 'succeeded' | 'problems' | 'cancelled' | 'stopped' | 'failed';
export type StartRun = {
  pipelineId: string;
  /** null: the draft */
  version: number | null;
  brandId: string;
  graph: unknown;
  plan: unknown;
  /** node type → { version, digest } */
  pins: unknown;
  kit: unknown;
  /** Steps that wait for nothing. */
  first: readonly { node: string; path: readonly number[] }[];
  /** Nodes whose stored results are not used. */
  afresh?: readonly string[];
  dryRun?: boolean;
  nonce?: string | null;
  startedBy: string | null;
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
      afresh: [...(run.afresh ?? [])],
      dry_run: run.dryRun === true,
      nonce: run.nonce ?? null,
      started_by: run.startedBy,
    }))
    .returning(['id', 'number'])
    .executeTakeFirstOrThrow();
  await addStrands(tx, row.id, run.first);
  return { runId: row.id, number: row.number };
}

/** Adds strands, counts them as open and wakes their lanes; a run that has none is over at once. */
async function addStrands(
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
};

/** Newest first. `cursor` is the `next` of the page before. */
export async function listRuns(
  tx: WorkspaceTx,
  filter: {
    pipelineId?: string;
    brandId?: string;
    brandIds?: string[];
    state?: RunState;
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
    })),
    next: rows.length > limit ? String(page.at(-1)!.number) : null,
  };
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

// ---------------------------------------------------------------- looking

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
};
export type NodeRow = {
  nodeId: string;
  state: 'idle' | 'queued' | 'running' | 'waiting' | 'done' | 'reused' | 'failed' | 'blocked' | 'skipped' | 'cancelled';
  counts: {
    total: number | null;
    done: number;
    failed: number;
    skipped: number;
    blocked: number;
    running: number;
    waiting: number;
    queued: number;
    cancelled: number;
    reused: number;
  };
  progress: number | null;
  etaMs: number | null;
  note: string | null;
  reason: string | null;
  error: ErrorRow | null;
  facts: Fact[];
  elapsedMs: number | null;
  /** The first finished steps, in path order, for the preview. */
  samples: { path: number[]; outputs: Record<string, StoredValue> }[];
};
export type RunSnapshot = {
  run: RunListing & { graph: unknown; plan: unknown };
  progress: number;
  etaMs: number | null;
  summary: string;
  nodes: NodeRow[];
};

/** How many finished steps of a node are read for its preview. */
const SAMPLES = 8;

type PlanShape = { order: string[]; nodes: Record<string, { name: string; frame: { node: string; port: string }[] }> };
type Counted = {
  node: string;
  done: number;
  reused: number;
  failed: number;
  blocked: number;
  skipped: number;
  cancelled: number;
  began: Date | null;
  ended: Date | null;
};
type Live = {
  node: string;
  queued: number;
  running: number;
  waiting: number;
  progress: number | null;
  note: string | null;
  reason: string | null;
  began: Date | null;
};

/** Everything a run's view draws, in four reads; undefined where this workspace has no such run. */
export async function runSnapshot(tx: WorkspaceTx, runId: string): Promise<RunSnapshot | undefined> {
  const run = await tx
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
      'run.graph',
      'run.plan',
    ])
    .where('run.id', '=', runId)
    .executeTakeFirst();
  if (!run) return undefined;
  const plan = run.plan as PlanShape;
  const [counted, live, sampled, lists, clock] = [
    await sql<Counted>`
      select node, count(*) filter (where state = 'done' and reused_run is null)::int as done,
             count(*) filter (where state = 'done' and reused_run is not null)::int as reused,
             count(*) filter (where state = 'failed')::int as failed, count(*) filter (where state = 'blocked')::int as blocked,
             count(*) filter (where state = 'skipped')::int as skipped, count(*) filter (where state = 'cancelled')::int as cancelled,
             min(began_at) as began, max(ended_at) as ended
        from step where run_id = ${runId} group by node`.execute(tx),
    await sql<Live>`
      select node,
             coalesce(sum(coalesce(hi - lo, 0) + 1) filter (where state = 'ready'), 0)::int as queued,
             coalesce(sum(coalesce(hi - lo, 0) + 1) filter (where state = 'leased'), 0)::int as running,
             coalesce(sum(coalesce(hi - lo, 0) + 1) filter (where state = 'waiting'), 0)::int as waiting,
             sum(progress) filter (where state = 'leased') as progress,
             (array_agg(note order by id) filter (where note is not null))[1] as note,
             (array_agg(reason order by id) filter (where reason is not null))[1] as reason,
             min(leased_at) filter (where state = 'leased') as began
        from strand where run_id = ${runId} group by node`.execute(tx),
    await sql<{
      node: string;
      path: number[];
      state: string;
      outputs: unknown;
      facts: unknown;
      error: unknown;
      reason: string | null;
      cause: string | null;
    }>`
      select s.* from unnest(${plan.order}::text[]) as n (id)
       cross join lateral (
         (select node, path, state, outputs, facts, null::jsonb as error, reason, null as cause
            from step where run_id = ${runId} and node = n.id and state = 'done' order by path limit ${SAMPLES})
         union all
         (select node, path, state, '{}', facts, error, reason, cause
            from step where run_id = ${runId} and node = n.id and state in ('failed', 'blocked', 'skipped', 'cancelled')
           order by state = 'failed' desc, state = 'blocked' desc, path limit 1)) s`.execute(tx),
    await sql<{ node: string; port: string; length: number }>`
      select s.node, o.key as port, sum((o.value ->> 'count')::int)::int as length
        from step s cross join lateral jsonb_each(s.outputs) o
       where s.run_id = ${runId} and s.state = 'done' and o.value ->> 'count' is not null group by 1, 2`.execute(tx),
    await sql<{ now: Date }>`select clock_timestamp() as now`.execute(tx),
  ];
  const now = clock.rows[0]!.now;
  const settledOf = new Map(counted.rows.map((row) => [row.node, row]));
  const liveOf = new Map(live.rows.map((row) => [row.node, row]));
  const lengthOf = new Map(lists.rows.map((row) => [`${row.node}.${row.port}`, row.length]));
  const state = run.state as RunState;

  const nodes: NodeRow[] = [];
  const byId = new Map<string, NodeRow>();
  for (const id of plan.order) {
    const own = sampled.rows.filter((row) => row.node === id);
    const node = nodeRow({
      id,
      state,
      total: totalOf(plan, id, byId, lengthOf),
      settled: settledOf.get(id),
      live: liveOf.get(id),
      problem: own.find((row) => row.state !== 'done'),
      samples: own.filter((row) => row.state === 'done'),
      origin: byId.get(plan.nodes[id]!.frame.at(-1)?.node ?? ''),
      plan,
      now,
    });
    nodes.push(node);
    byId.set(id, node);
  }
  const progress = overall(nodes, state);
  const etas = nodes.flatMap((node) => (node.etaMs === null ? [] : [node.etaMs]));
  return {
    run: {
      id: run.id,
      number: run.number,
      pipelineId: run.pipeline_id,
      pipelineName: run.name,
      brandId: run.brand_id,
      version: run.version,
      state,
      dryRun: run.dry_run,
      startedAt: run.started_at.toISOString(),
      endedAt: run.ended_at?.toISOString() ?? null,
      startedBy: run.started_by,
      graph: run.graph,
      plan: run.plan,
    },
    progress,
    etaMs: state === 'running' && etas.length > 0 ? Math.max(...etas) : null,
    summary: summaryOf(nodes, state, plan),
    nodes,
  };
}

/** How many steps a node will have, as far as its lists are known. */
function totalOf(
  plan: PlanShape,
  id: string,
  before: Map<string, NodeRow>,
  lengths: Map<string, number>,
): number | null {
  const { frame } = plan.nodes[id]!;
  const last = frame.at(-1);
  if (!last) return 1;
  const origin = before.get(last.node);
  if (!origin || origin.counts.total === null) return null;
  const { done, reused, failed, skipped, blocked, cancelled, total } = origin.counts;
  if (done + reused + failed + skipped + blocked + cancelled < total) return null;
  return lengths.get(`${last.node}.${last.port}`) ?? 0;
}

function nodeRow(at: {
  id: string;
  state: RunState;
  total: number | null;
  settled: Counted | undefined;
  live: Live | undefined;
  problem: { state: string; error: unknown; reason: string | null; cause: string | null } | undefined;
  samples: { path: number[]; outputs: unknown; facts: unknown; reason: string | null }[];
  origin: NodeRow | undefined;
  plan: PlanShape;
  now: Date;
}): NodeRow {
  const { settled, live } = at;
  const counts = {
    total: at.total,
    done: settled?.done ?? 0,
    reused: settled?.reused ?? 0,
    failed: settled?.failed ?? 0,
    skipped: settled?.skipped ?? 0,
    blocked: settled?.blocked ?? 0,
    cancelled: settled?.cancelled ?? 0,
    running: live?.running ?? 0,
    waiting: live?.waiting ?? 0,
    queued: live?.queued ?? 0,
  };
  const finished = counts.done + counts.reused + counts.failed + counts.skipped + counts.blocked + counts.cancelled;
  const state = stateOf(counts, finished, at.state, at.origin);
  const share = counts.total === null || counts.total === 0 ? null : (finished + (live?.progress ?? 0)) / counts.total;
  const isLive = state === 'running' || state === 'waiting';
  const progress = isLive ? (live?.progress === null && counts.total === 1 ? null : share) : null;
  const began = settled?.began ?? live?.began ?? null;
  const end = isLive || counts.queued > 0 ? at.now : (settled?.ended ?? null);
  const elapsedMs = began && end ? Math.max(0, end.getTime() - began.getTime()) : null;
  const etaMs =
    state === 'running' && progress !== null && progress > 0.03 && elapsedMs !== null
      ? Math.round((elapsedMs * (1 - progress)) / progress)
      : null;
  const reason = live?.reason ?? reasonOf(at, state);
  return {
    nodeId: at.id,
    state,
    counts,
    progress: progress === null ? null : Math.min(1, Math.max(0, progress)),
    etaMs,
    note: live?.note ?? null,
    reason,
    error: counts.failed > 0 ? ((at.problem?.error as ErrorRow | null) ?? null) : null,
    facts: counts.total === 1 || counts.total === null ? ((at.samples[0]?.facts as Fact[] | undefined) ?? []) : [],
    elapsedMs,
    samples: at.samples.map((sample) => ({
      path: sample.path,
      outputs: sample.outputs as Record<string, StoredValue>,
    })),
  };
}

type NodeSources = Parameters<typeof nodeRow>[0];

/** Why a node is in this state, in words; null where nothing needs saying. */
function reasonOf(at: NodeSources, state: NodeRow['state']): string | null {
  switch (state) {
    case 'blocked': {
      const cause = at.problem?.cause?.split('@')[0] ?? at.origin?.nodeId;
      return `Waits for ${at.plan.nodes[cause ?? '']?.name ?? 'another node'}, which failed.`;
    }
    case 'skipped':
      return at.problem?.reason ?? (at.total === 0 ? 'The list was empty.' : null);
    case 'failed':
    case 'cancelled':
      return at.problem?.reason ?? null;
    default:
      return at.samples.find((sample) => sample.reason !== null)?.reason ?? null;
  }
}

function stateOf(
  counts: NodeRow['counts'],
  finished: number,
  run: RunState,
  origin: NodeRow | undefined,
): NodeRow['state'] {
  if (counts.running > 0) return 'running';
  if (counts.waiting > 0) return 'waiting';
  if (counts.queued > 0) return 'queued';
  const isComplete = counts.total !== null && finished >= counts.total;
  if (!isComplete && run === 'running') return finished > 0 ? 'running' : 'idle';
  if (counts.failed > 0) return 'failed';
  if (counts.blocked > 0) return 'blocked';
  if (counts.cancelled > 0) return 'cancelled';
  if (counts.done > 0) return 'done';
  if (counts.reused > 0) return 'reused';
  if (counts.skipped > 0) return 'skipped';
  if (run === 'cancelled') return 'cancelled';
  if (origin?.state === 'failed' || origin?.state === 'blocked') return 'blocked';
  return run === 'running' && !isComplete ? 'idle' : 'skipped';
}

function overall(nodes: NodeRow[], state: RunState): number {
  if (state !== 'running' || nodes.length === 0) return 1;
  const parts = nodes.map((node) => {
    const { total, done, reused, failed, skipped, blocked } = node.counts;
    if (node.progress !== null) return node.progress;
    return total === null || total === 0 ? 0 : (done + reused + failed + skipped + blocked) / total;
  });
  return parts.reduce((sum, part) => sum + part, 0) / nodes.length;
}

function summaryOf(nodes: NodeRow[], state: RunState, plan: PlanShape): string {
  const named = (which: NodeRow['state']) =>
    nodes.filter((node) => node.state === which).map((node) => plan.nodes[node.nodeId]!.name);
  const running = named('running');
  switch (state) {
    case 'running':
      return running.length > 0 ? `${running.slice(0, 2).join(' and ')} at work.` : 'Waiting for a worker.';
    case 'succeeded': {
      const reused = nodes.filter((node) => node.state === 'reused').length;
      return reused > 0 ? `Finished; ${reused} of ${nodes.length} nodes reused.` : 'Finished.';
    }
    case 'problems': {
      const failed = named('failed');
      return failed.length > 0 ? `Finished; ${failed.slice(0, 2).join(' and ')} failed.` : 'Finished with problems.';
    }
    case 'cancelled':
      return 'Cancelled.';
    default:
      return 'Stopped.';
  }
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
             attempts, leased_at, null, reason, null, null, '[]', '{}', '{}', '{}', null, null, progress, note
        from strand left join lateral generate_series(lo, hi) i on lo is not null
       where run_id = ${runId} and node = ${nodeId}) both_kinds
     where (${after === null} or path > ${after ?? []}::int[])
       and (${options.path === undefined} or path = ${[...(options.path ?? [])]}::int[])
     order by path limit ${limit + 1}`.execute(tx);
  const page = rows.slice(0, limit);
  return { items: page.map(stepRow), next: rows.length > limit ? page.at(-1)!.path.join('.') : null };
}

export async function getStep(
  tx: WorkspaceTx,
  runId: string,
  nodeId: string,
  path: readonly number[],
): Promise<StepRow | undefined> {
  return (await listSteps(tx, runId, nodeId, { path, limit: 1 })).items[0];
}

function stepRow(row: StepSelected): StepRow {
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

// ---------------------------------------------------------------- making again

type SettledRow = {
  state: 'done' | 'failed' | 'blocked' | 'skipped';
  cause: string | null;
  outputs: Record<string, number | null>;
};
/** The pure rules (`runtime/graph/advance.ts`), as the run's plan has them. */
export type AdvanceRules<Plan> = {
  dependentsOf(plan: Plan, node: string, path: readonly number[]): { node: string; prefix: number[] }[];
  rebuild(
    plan: Plan,
    settled: Iterable<{ node: string; path: readonly number[]; settled: SettledRow }>,
  ): {
    counters: {
      rows: ReadonlyMap<
        string,
        { kind: string; node: string; path: readonly number[]; left: number; length: number | null }
      >;
    };
    due: { node: string; path: readonly number[] }[];
  };
  isTrouble(node: never, state: SettledRow['state']): boolean;
};

export type Again = { ok: true } | { ok: false; reason: string };

/** Forgets failed or cancelled steps and everything that depends on them; the same run goes on from there. */
export async function retrySteps<Plan>(
  tx: WorkspaceTx,
  step: { runId: string; nodeId?: string; path?: readonly number[] },
  rules: AdvanceRules<Plan>,
): Promise<Again> {
  const run = await lockRun(tx, step.runId);
  if (!run) return { ok: false, reason: 'This run is not here.' };
  let query = tx
    .selectFrom('step')
    .select(['node', 'path'])
    .where('run_id', '=', step.runId)
    .where('state', 'in', ['failed', 'cancelled']);
  if (step.nodeId !== undefined) query = query.where('node', '=', step.nodeId);
  if (step.path !== undefined) query = query.where('path', '=', sql<number[]>`${[...step.path]}::int[]`);
  const targets = await query.execute();
  if (targets.length === 0) return { ok: false, reason: 'There is nothing here that failed.' };
  for (const target of targets) {
    await forget(tx, step.runId, rules.dependentsOf(run.plan as Plan, target.node, target.path));
    await tx
      .deleteFrom('step')
      .where('run_id', '=', step.runId)
      .where('node', '=', target.node)
      .where('path', '=', sql<number[]>`${target.path}::int[]`)
      .execute();
  }
  await goOn(tx, step.runId, run.plan as Plan, rules);
  return { ok: true };
}

/**
 * Puts a person's value in the place of a finished step's output; what follows is made again, nothing else.
 * `output` is the value as stored (`storeValue`). Kept for later runs while the node makes the same.
 */
export async function setOverride<Plan>(
  tx: WorkspaceTx,
  override: {
    runId: string;
    nodeId: string;
    path: readonly number[];
    port: string;
    output: StoredValue;
    value: unknown;
    by: string | null;
  },
  rules: AdvanceRules<Plan>,
): Promise<Again> {
  const found = await lockOutput(tx, override);
  if (!found) return { ok: false, reason: 'This step has not finished, so there is nothing to correct yet.' };
  const { run, outputs, made } = found;
  const original = made[override.port] ?? outputs[override.port]!;
  const key = {
    pipeline_id: run.pipelineId,
    brand_id: run.brandId,
    node: override.nodeId,
    path: [...override.path],
    port: override.port,
  };
  await tx
    .insertInto('override')
    .values({ ...key, source_digest: original.digest, value: JSON.stringify(override.value), by_user: override.by })
    .onConflict((conflict) =>
      conflict
        .columns(['pipeline_id', 'brand_id', 'node', 'path', 'port', 'source_digest'])
        .doUpdateSet({ value: JSON.stringify(override.value), by_user: override.by, at: new Date() }),
    )
    .execute();
  await changeOutput(
    tx,
    override,
    { ...outputs, [override.port]: override.output },
    { ...made, [override.port]: original },
  );
  await forget(tx, override.runId, rules.dependentsOf(run.plan as Plan, override.nodeId, override.path));
  await goOn(tx, override.runId, run.plan as Plan, rules);
  return { ok: true };
}

/** Takes a correction back: the node's own output stands again and what follows is made from it. */
export async function clearOverride<Plan>(
  tx: WorkspaceTx,
  override: { runId: string; nodeId: string; path: readonly number[]; port: string },
  rules: AdvanceRules<Plan>,
): Promise<Again> {
  const found = await lockOutput(tx, override);
  const original = found?.made[override.port];
  if (!found || !original) return { ok: false, reason: 'There is no correction here.' };
  await tx
    .deleteFrom('override')
    .where('pipeline_id', '=', found.run.pipelineId)
    .where('brand_id', '=', found.run.brandId)
    .where('node', '=', override.nodeId)
    .where('path', '=', sql<number[]>`${[...override.path]}::int[]`)
    .where('port', '=', override.port)
    .execute();
  const { [override.port]: _taken, ...made } = found.made;
  await changeOutput(tx, override, { ...found.outputs, [override.port]: original }, made);
  await forget(tx, override.runId, rules.dependentsOf(found.run.plan as Plan, override.nodeId, override.path));
  await goOn(tx, override.runId, found.run.plan as Plan, rules);
  return { ok: true };
}

async function lockRun(tx: WorkspaceTx, runId: string) {
  const row = await tx
    .selectFrom('run')
    .select(['plan', 'state', 'pipeline_id', 'brand_id'])
    .where('id', '=', runId)
    .forUpdate()
    .executeTakeFirst();
  return row && { plan: row.plan, state: row.state, pipelineId: row.pipeline_id, brandId: row.brand_id };
}

async function lockOutput(
  tx: WorkspaceTx,
  at: { runId: string; nodeId: string; path: readonly number[]; port: string },
) {
  const run = await lockRun(tx, at.runId);
  if (!run) return undefined;
  const row = await tx
    .selectFrom('step')
    .select(['outputs', 'made'])
    .where('run_id', '=', at.runId)
    .where('node', '=', at.nodeId)
    .where('path', '=', sql<number[]>`${[...at.path]}::int[]`)
    .where('state', '=', 'done')
    .executeTakeFirst();
  const outputs = row?.outputs as Record<string, StoredValue> | undefined;
  if (!row || !outputs || !Object.hasOwn(outputs, at.port)) return undefined;
  return { run, outputs, made: row.made as Record<string, StoredValue> };
}

async function changeOutput(
  tx: WorkspaceTx,
  at: { runId: string; nodeId: string; path: readonly number[] },
  outputs: Record<string, StoredValue>,
  made: Record<string, StoredValue>,
): Promise<void> {
  await tx
    .updateTable('step')
    .set({
      outputs: JSON.stringify(outputs),
      made: JSON.stringify(made),
      reason: Object.keys(made).length > 0 ? 'Corrected by a person.' : null,
    })
    .where('run_id', '=', at.runId)
    .where('node', '=', at.nodeId)
    .where('path', '=', sql<number[]>`${[...at.path]}::int[]`)
    .execute();
}

/** Removes steps and strands at these places; a worker that holds one finds its lease gone. */
async function forget(tx: WorkspaceTx, runId: string, places: { node: string; prefix: number[] }[]): Promise<void> {
  await sql`
    with places as (select node, prefix from jsonb_to_recordset(${JSON.stringify(places)}) as p (node text, prefix int[])),
    steps as (
      delete from step s using places p
       where s.run_id = ${runId} and s.node = p.node and s.path[1:cardinality(p.prefix)] = p.prefix
      returning s.node, s.path)
    delete from call c using steps s where c.run_id = ${runId} and c.node = s.node and c.path = s.path`.execute(tx);
  const { rows } = await sql<{ id: number }>`
    delete from strand s using jsonb_to_recordset(${JSON.stringify(places)}) as p (node text, prefix int[])
     where s.run_id = ${runId} and s.node = p.node
       and case when cardinality(p.prefix) <= cardinality(s.prefix) then s.prefix[1:cardinality(p.prefix)] = p.prefix
                else p.prefix[1:cardinality(s.prefix)] = s.prefix and s.lo is not null and p.prefix[cardinality(s.prefix) + 1] between s.lo and s.hi end
    returning s.id`.execute(tx);
  const strands = rows.map((row) => row.id);
  if (strands.length === 0) return;
  await sql`
    with gone as (delete from reuse where strand = any(${strands}) and state = 'making' returning key)
    update strand set state = 'ready', waits_for = null, not_before = '-infinity', reason = null
     where waits_for in (select key from gone)`.execute(tx);
}

/** Works out all counters again from what is settled and adds strands for what is due and not held by one. */
async function goOn<Plan>(tx: WorkspaceTx, runId: string, plan: Plan, rules: AdvanceRules<Plan>): Promise<void> {
  const steps = await sql<{
    node: string;
    path: number[];
    state: SettledRow['state'];
    cause: string | null;
    outputs: Record<string, number | null>;
  }>`
    select node, path, state, cause,
           coalesce((select jsonb_object_agg(key, value -> 'count') from jsonb_each(outputs)), '{}') as outputs
      from step where run_id = ${runId} and state in ('done', 'failed', 'blocked', 'skipped')`.execute(tx);
  const settled = steps.rows.map((row) => ({
    node: row.node,
    path: row.path,
    settled: { state: row.state, cause: row.cause, outputs: row.outputs },
  }));
  const { counters, due } = rules.rebuild(plan, settled);
  const nodes = (plan as { nodes: Record<string, unknown> }).nodes;
  const troubles = settled.filter((step) => rules.isTrouble(nodes[step.node] as never, step.settled.state)).length;
  const strands = await sql<{ node: string; prefix: number[]; lo: number | null; hi: number | null }>`
    select node, prefix, lo, hi from strand where run_id = ${runId}`.execute(tx);
  const isHeld = (step: { node: string; path: readonly number[] }) =>
    strands.rows.some(
      (strand) =>
        strand.node === step.node &&
        (strand.lo === null
          ? step.path.length === strand.prefix.length
          : step.path.length === strand.prefix.length + 1 &&
            step.path.at(-1)! >= strand.lo &&
            step.path.at(-1)! <= strand.hi!) &&
        strand.prefix.every((index, depth) => index === step.path[depth]),
    );
  await tx.deleteFrom('counter').where('run_id', '=', runId).execute();
  await tx.deleteFrom('step').where('run_id', '=', runId).where('state', '=', 'cancelled').execute();
  await sql`
    insert into counter (run_id, kind, node, path, "left", length)
    select ${runId}, kind, node, path, "left", length
      from jsonb_to_recordset(${JSON.stringify([...counters.rows.values()])})
        as c (kind text, node text, path int[], "left" int, length int)`.execute(tx);
  await tx.updateTable('run').set({ troubles, state: 'running', ended_at: null }).where('id', '=', runId).execute();
  await addStrands(
    tx,
    runId,
    due.filter((step) => !isHeld(step)),
  );
}
