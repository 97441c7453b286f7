/** What a run's view draws: each node's state, counts, progress and first results, and a line about the whole. */
import { sql } from 'kysely';
import { type RunFacts, runFacts, type StrandFacts, strandOfEach } from './explain.ts';
import type { RunListing, RunState } from './runs.ts';
import { type ErrorRow, type Fact, type StepFacts, stepFacts } from './steps.ts';
import type { StoredValue } from './values.ts';
import type { WorkspaceTx } from './workspace.ts';

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
  /** What its state is explained by: one step that is not settled, else one that is, else the nodes it waits for. */
  strand: StrandFacts | null;
  step: StepFacts | null;
  before: string[];
  isEmpty: boolean;
  error: ErrorRow | null;
  facts: Fact[];
  elapsedMs: number | null;
  /** The first finished steps, in path order, for the preview. */
  samples: { path: number[]; outputs: Record<string, StoredValue> }[];
};
export type RunSnapshot = {
  run: RunListing & { graph: unknown; plan: unknown };
  facts: RunFacts;
  progress: number;
  etaMs: number | null;
  summary: string;
  nodes: NodeRow[];
};

/** How many finished steps of a node are read for its preview. */
const SAMPLES = 8;

type PlanShape = {
  order: string[];
  nodes: Record<string, { name: string; frame: { node: string; port: string }[]; reads?: { node: string }[] }>;
};
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
  began: Date | null;
};
type Sampled = {
  node: string;
  path: number[];
  state: string;
  outputs: unknown;
  facts: unknown;
  error: unknown;
  reason: string | null;
  cause: string | null;
  made: unknown;
  reused_run: string | null;
  reused_number: number | null;
};

/** Everything a run's view draws, in seven reads; undefined where this workspace has no such run. */
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
      'run.started_how',
      'run.graph',
      'run.plan',
    ])
    .where('run.id', '=', runId)
    .executeTakeFirst();
  if (!run) return undefined;
  const plan = run.plan as PlanShape;
  const [counted, live, sampled, lists, facts, strands] = [
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
             min(leased_at) filter (where state = 'leased') as began
        from strand where run_id = ${runId} group by node`.execute(tx),
    await sql<Sampled>`
      select s.* from unnest(${plan.order}::text[]) as n (id)
       cross join lateral (
         (select node, path, state, outputs, facts, null::jsonb as error, reason, null as cause, made, reused_run, reused_number
            from step where run_id = ${runId} and node = n.id and state = 'done' order by path limit ${SAMPLES})
         union all
         (select node, path, state, '{}', facts, error, reason, cause, '{}', null, null
            from step where run_id = ${runId} and node = n.id and state in ('failed', 'blocked', 'skipped', 'cancelled')
           order by state = 'failed' desc, state = 'blocked' desc, path limit 1)) s`.execute(tx),
    await sql<{ node: string; port: string; length: number }>`
      select s.node, o.key as port, sum((o.value ->> 'count')::int)::int as length
        from step s cross join lateral jsonb_each(s.outputs) o
       where s.run_id = ${runId} and s.state = 'done' and o.value ->> 'count' is not null group by 1, 2`.execute(tx),
    (await runFacts(tx, runId))!,
    run.state === 'running' ? await strandOfEach(tx, runId) : new Map<string, StrandFacts>(),
  ];
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
      strand: strands.get(id) ?? null,
      before: beforeOf(plan, id, byId),
      problem: own.find((row) => row.state !== 'done'),
      samples: own.filter((row) => row.state === 'done'),
      origin: byId.get(plan.nodes[id]!.frame.at(-1)?.node ?? ''),
      now: facts.now,
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
      startedHow: run.started_how,
      graph: run.graph,
      plan: run.plan,
    },
    facts,
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
  strand: StrandFacts | null;
  before: string[];
  problem: Sampled | undefined;
  samples: Sampled[];
  origin: NodeRow | undefined;
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
  return {
    nodeId: at.id,
    state,
    counts,
    progress: progress === null ? null : Math.min(1, Math.max(0, progress)),
    etaMs,
    note: live?.note ?? null,
    strand: at.strand,
    step: tellingStep(at, state),
    before: at.before,
    isEmpty: at.total === 0,
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

/** The settled step that says most of a node in this state; null where none does. */
function tellingStep({ problem, samples, origin }: NodeSources, state: NodeRow['state']): StepFacts | null {
  switch (state) {
    case 'failed':
    case 'blocked':
    case 'skipped':
    case 'cancelled':
      if (problem?.state === state) return stepFacts(problem);
      if (state !== 'blocked') return null;
      return { ...stepFacts({ state }), cause: origin?.nodeId ?? null };
    case 'done':
    case 'reused': {
      const sample = samples.find(({ reason }) => reason !== null) ?? samples[0];
      return sample ? stepFacts(sample) : null;
    }
    case 'idle':
    case 'queued':
    case 'running':
    case 'waiting':
      return null;
    default:
      return state satisfies never;
  }
}

/** Names of the nodes that this one reads from and that are not done. */
function beforeOf(plan: PlanShape, id: string, byId: Map<string, NodeRow>): string[] {
  const { reads = [], frame } = plan.nodes[id]!;
  const names = new Set<string>();
  for (const { node } of [...reads, ...frame]) {
    const state = byId.get(node)?.state;
    if (state === 'idle' || state === 'queued' || state === 'running' || state === 'waiting')
      names.add(plan.nodes[node]?.name ?? node);
  }
  return [...names];
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
