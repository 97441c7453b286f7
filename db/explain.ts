/** What the explanation of a step is made from, beyond its own row: who holds it, what it sleeps for, who else is at it. */
import { sql } from 'kysely';
import type { EffectState } from './effects.ts';
import type { RunState } from './runs.ts';
import type { WaitKind, WaitRow } from './waits.ts';
import type { WorkspaceTx } from './workspace.ts';

export type StrandFacts = {
  state: 'ready' | 'leased' | 'waiting';
  lane: string;
  reason: string | null;
  progress: number | null;
  note: string | null;
  attempts: number;
  deaths: number;
  /** When its holder took it. */
  leasedAt: Date | null;
  /** Null: until somebody wakes it. */
  notBefore: Date | null;
  /** Of one that is leased. `isAlive`: it beat within the last 4 s. */
  worker: { name: string; isAlive: boolean } | null;
  /** The run that is making what this one waits for. */
  making: { runId: string; runNumber: number } | null;
  /** The run that it has called and that goes on. */
  child: { runId: string; runNumber: number; startedAt: Date } | null;
  /** The newest wait that the step has not been given the answer of. */
  wait: {
    kind: WaitKind;
    state: WaitRow['state'];
    until: Date | null;
    /** When who may answer is told again, where that lies ahead. */
    remindAt: Date | null;
  } | null;
  /** Its newest act that is not over. */
  effect: { state: EffectState; host: string | null; sendBy: Date | null; nextCheckAt: Date | null } | null;
};
/** The whole run, and who works. */
export type RunFacts = {
  state: RunState;
  isHeld: boolean;
  /** When its steps were taken away by the workspace's retention. */
  prunedAt: Date | null;
  /** Of its pipeline's limit. */
  atOnce: number | null;
  /** The oldest run that a held one waits for. */
  ahead: { id: string; number: number } | null;
  /** What living workers take, with their places; null where they do not say how many. */
  lanes: { lane: string; places: number | null; taken: number }[];
  now: Date;
};
/** Facts of strands by `node@path`; a range stands there once for each of its items. */
export type StrandsFacts = ReadonlyMap<string, StrandFacts>;

type Selected = {
  node: string;
  path: number[];
  state: StrandFacts['state'];
  lane: string;
  reason: string | null;
  progress: number | null;
  note: string | null;
  attempts: number;
  deaths: number;
  leased_at: Date | null;
  not_before: Date | number | null;
  worker: string | null;
  worker_name: string | null;
  worker_lives: boolean | null;
  making_run: string | null;
  making_number: number | null;
  child_run: string | null;
  child_number: number | null;
  child_started: Date | null;
  wait_kind: WaitKind | null;
  wait_state: WaitRow['state'];
  wait_until: Date | null;
  wait_remind: Date | null;
  effect_state: EffectState | null;
  effect_host: string | null;
  send_by: Date | null;
  next_check_at: Date | null;
};

const FACTS = sql`
  s.node, s.path, s.state, s.lane, s.reason, s.progress, s.note, s.attempts, s.deaths, s.leased_at,
  case when isfinite(s.not_before) then s.not_before end as not_before, s.worker,
  w.name as worker_name, w.beat_at > clock_timestamp() - interval '4 seconds' as worker_lives,
  u.run_id as making_run, u.run_number as making_number, c.id as child_run, c.number as child_number, c.started_at as child_started,
  q.kind as wait_kind, q.state as wait_state, q.until as wait_until,
  case when q.notify_at > clock_timestamp() then q.notify_at end as wait_remind,
  e.state as effect_state, e.request ->> 'host' as effect_host, e.send_by, e.next_check_at`;
const AROUND = sql`
  left join worker w on w.id = s.worker
  left join reuse u on u.workspace_id = s.workspace_id and u.key = s.waits_for and u.state = 'making'
  left join run c on c.parent_run = s.run_id and c.parent_node = s.node and c.parent_path = s.path and c.state = 'running'
  left join lateral (
    select kind, state, until, notify_at from wait
     where run_id = s.run_id and node = s.node and path = s.path and not taken order by created_at desc limit 1) q on true
  left join lateral (
    select state, request, send_by, next_check_at from effect
     where run_id = s.run_id and node = s.node and path = s.path and state in ('intended', 'sending', 'unknown')
     order by created_at desc limit 1) e on true`;

/** What living workers take, with their places, and how many of those are taken. */
const LANES = sql`(
             select jsonb_agg(jsonb_build_object('lane', l.lane, 'places', l.places, 'taken', coalesce(t.taken, 0)))
               from (select tag as lane, case when bool_and(facts -> 'slots' ? tag) then sum((facts -> 'slots' ->> tag)::int) end as places
                       from worker cross join lateral unnest(tags) as tag
                      where beat_at > clock_timestamp() - interval '4 seconds' group by tag) l
               left join door.taken() t on t.lane = l.lane)`;

/** Of the steps of a node that are not settled, at these paths. */
export async function strandsAt(
  tx: WorkspaceTx,
  runId: string,
  nodeId: string,
  paths: readonly (readonly number[])[],
): Promise<StrandsFacts> {
  if (paths.length === 0) return new Map();
  const { rows } = await sql<Selected>`
    with s as (
      select strand.*, case when lo is null then prefix else prefix || i end as path
        from strand left join lateral generate_series(lo, hi) i on lo is not null
       where run_id = ${runId} and node = ${nodeId})
    select ${FACTS} from s ${AROUND}
     where array_to_string(s.path, '.') = any (${paths.map((path) => path.join('.'))}::text[])`.execute(tx);
  return new Map(rows.map((row) => [`${row.node}@${row.path.join('.')}`, factsOf(row)]));
}

/** Of one step of each node that has some: one that is at work before one that sleeps before one that waits its turn. */
export async function strandOfEach(tx: WorkspaceTx, runId: string): Promise<ReadonlyMap<string, StrandFacts>> {
  const { rows } = await sql<Selected>`
    with s as (
      select distinct on (node) strand.*, case when lo is null then prefix else prefix || lo end as path
        from strand where run_id = ${runId}
       order by node, case state when 'leased' then 0 when 'waiting' then 1 else 2 end, id)
    select ${FACTS} from s ${AROUND}`.execute(tx);
  return new Map(rows.map((row) => [row.node, factsOf(row)]));
}

/** A step that does not go on by itself at once, for the page of operators. */
export type Stuck = {
  runId: string;
  runNumber: number;
  pipelineId: string;
  pipelineName: string;
  brandId: string;
  brandName: string;
  nodeId: string;
  nodeName: string;
  path: number[];
  /** So many of the node in this state. */
  count: number;
  since: Date;
  strand: StrandFacts;
  run: RunFacts;
};

/** How long a step may be ready, and at work, before it stands among them. */
const READY_LONG = `interval '1 minute'`;
const WORK_LONG = `interval '15 minutes'`;

/** One of each node of a run and state, the longest first; at most 100. `brandIds` null: all of the workspace. */
export async function listStuck(tx: WorkspaceTx, brandIds: readonly string[] | null): Promise<Stuck[]> {
  const { rows } = await sql<
    Selected & {
      run_id: string;
      number: number;
      pipeline_id: string;
      pipeline_name: string;
      brand_id: string;
      brand_name: string;
      node_name: string | null;
      count: number;
      since: Date;
      is_held: boolean;
      at_once: number | null;
      ahead: RunFacts['ahead'];
    }
  >`
    with s as (
      select * from (
        select distinct on (t.run_id, t.node, t.state) t.*, case when t.lo is null then t.prefix else t.prefix || t.lo end as path,
               sum(coalesce(t.hi - t.lo, 0) + 1) over (partition by t.run_id, t.node, t.state)::int as count
          from strand t left join worker w on w.id = t.worker
         where (${brandIds === null} or t.brand_id = any (${[...(brandIds ?? [])]}::uuid[]))
           and (t.state = 'waiting' or (t.state = 'ready' and t.fair_at < clock_timestamp() - ${sql.raw(READY_LONG)})
             or (t.state = 'leased' and (t.leased_at < clock_timestamp() - ${sql.raw(WORK_LONG)}
                                         or w.beat_at is null or w.beat_at < clock_timestamp() - interval '4 seconds')))
         order by t.run_id, t.node, t.state, t.created_at) each_node
       order by created_at limit 100)
    select ${FACTS}, s.run_id, s.count, coalesce(s.leased_at, s.created_at) as since, r.number, r.pipeline_id, p.name as pipeline_name,
           r.brand_id, b.name as brand_name, r.plan -> 'nodes' -> s.node ->> 'name' as node_name, r.is_held, r.at_once,
           case when r.is_held then (
             select jsonb_build_object('id', o.id, 'number', o.number) from run o
              where o.gate = r.gate and o.state = 'running' and not o.is_held order by o.number limit 1) end as ahead
      from s ${AROUND} join run r on r.id = s.run_id join pipeline p on p.id = r.pipeline_id join brand b on b.id = r.brand_id
     where r.state = 'running' order by since`.execute(tx);
  const { lanes, now } = await laneFacts(tx);
  return rows.map((row) => ({
    ...{ runId: row.run_id, runNumber: row.number, pipelineId: row.pipeline_id, pipelineName: row.pipeline_name },
    ...{ brandId: row.brand_id, brandName: row.brand_name, nodeId: row.node, nodeName: row.node_name ?? row.node },
    ...{ path: row.path, count: row.count, since: row.since, strand: factsOf(row) },
    run: { state: 'running', isHeld: row.is_held, prunedAt: null, atOnce: row.at_once, ahead: row.ahead, lanes, now },
  }));
}

async function laneFacts(tx: WorkspaceTx): Promise<Pick<RunFacts, 'lanes' | 'now'>> {
  const { rows } = await sql<{ lanes: RunFacts['lanes'] | null; now: Date }>`
    select ${LANES} as lanes, clock_timestamp() as now`.execute(tx);
  return { lanes: rows[0]!.lanes ?? [], now: rows[0]!.now };
}

export async function runFacts(tx: WorkspaceTx, runId: string): Promise<RunFacts | undefined> {
  const { rows } = await sql<{
    state: RunState;
    is_held: boolean;
    at_once: number | null;
    ahead: { id: string; number: number } | null;
    pruned_at: Date | null;
    lanes: RunFacts['lanes'] | null;
    now: Date;
  }>`
    select r.state, r.is_held, r.at_once, r.pruned_at, clock_timestamp() as now,
           case when r.is_held then (
             select jsonb_build_object('id', o.id, 'number', o.number) from run o
              where o.gate = r.gate and o.state = 'running' and not o.is_held order by o.number limit 1) end as ahead,
           case when r.state = 'running' then ${LANES} end as lanes
      from run r where r.id = ${runId}`.execute(tx);
  const row = rows[0];
  if (!row) return undefined;
  const { state, ahead, now, lanes } = row;
  return { state, isHeld: row.is_held, prunedAt: row.pruned_at, atOnce: row.at_once, ahead, lanes: lanes ?? [], now };
}

function factsOf(row: Selected): StrandFacts {
  return {
    state: row.state,
    lane: row.lane,
    reason: row.reason,
    progress: row.progress,
    note: row.note,
    attempts: row.attempts,
    deaths: row.deaths,
    leasedAt: row.leased_at,
    notBefore: row.not_before instanceof Date ? row.not_before : null,
    worker: row.worker === null ? null : { name: row.worker_name ?? 'unknown', isAlive: row.worker_lives === true },
    child:
      row.child_run === null
        ? null
        : { runId: row.child_run, runNumber: row.child_number!, startedAt: row.child_started! },
    making: row.making_run === null ? null : { runId: row.making_run, runNumber: row.making_number! },
    wait: row.wait_kind && {
      kind: row.wait_kind,
      state: row.wait_state,
      until: row.wait_until,
      remindAt: row.wait_remind,
    },
    effect: row.effect_state && {
      state: row.effect_state,
      host: row.effect_host,
      sendBy: row.send_by,
      nextCheckAt: row.next_check_at,
    },
  };
}
