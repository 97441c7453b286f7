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
  /** The newest wait that the step has not been given the answer of. */
  wait: { kind: WaitKind; state: WaitRow['state']; until: Date | null } | null;
  /** Its newest act that is not over. */
  effect: { state: EffectState; host: string | null; sendBy: Date | null; nextCheckAt: Date | null } | null;
};
/** The whole run, and who works. */
export type RunFacts = {
  state: RunState;
  isHeld: boolean;
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
  wait_kind: WaitKind | null;
  wait_state: WaitRow['state'];
  wait_until: Date | null;
  effect_state: EffectState | null;
  effect_host: string | null;
  send_by: Date | null;
  next_check_at: Date | null;
};

const FACTS = sql`
  s.node, s.path, s.state, s.lane, s.reason, s.progress, s.note, s.attempts, s.deaths, s.leased_at,
  case when isfinite(s.not_before) then s.not_before end as not_before, s.worker,
  w.name as worker_name, w.beat_at > clock_timestamp() - interval '4 seconds' as worker_lives,
  u.run_id as making_run, u.run_number as making_number,
  q.kind as wait_kind, q.state as wait_state, q.until as wait_until,
  e.state as effect_state, e.request ->> 'host' as effect_host, e.send_by, e.next_check_at`;
const AROUND = sql`
  left join worker w on w.id = s.worker
  left join reuse u on u.workspace_id = s.workspace_id and u.key = s.waits_for and u.state = 'making'
  left join lateral (
    select kind, state, until from wait
     where run_id = s.run_id and node = s.node and path = s.path and not taken order by created_at desc limit 1) q on true
  left join lateral (
    select state, request, send_by, next_check_at from effect
     where run_id = s.run_id and node = s.node and path = s.path and state in ('intended', 'sending', 'unknown')
     order by created_at desc limit 1) e on true`;

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

export async function runFacts(tx: WorkspaceTx, runId: string): Promise<RunFacts | undefined> {
  const { rows } = await sql<{
    state: RunState;
    is_held: boolean;
    at_once: number | null;
    ahead: { id: string; number: number } | null;
    lanes: RunFacts['lanes'] | null;
    now: Date;
  }>`
    select r.state, r.is_held, r.at_once, clock_timestamp() as now,
           case when r.is_held then (
             select jsonb_build_object('id', o.id, 'number', o.number) from run o
              where o.gate = r.gate and o.state = 'running' and not o.is_held order by o.number limit 1) end as ahead,
           case when r.state = 'running' then (
             select jsonb_agg(jsonb_build_object('lane', l.lane, 'places', l.places, 'taken', coalesce(t.taken, 0)))
               from (select tag as lane, case when bool_and(facts -> 'slots' ? tag) then sum((facts -> 'slots' ->> tag)::int) end as places
                       from worker cross join lateral unnest(tags) as tag
                      where beat_at > clock_timestamp() - interval '4 seconds' group by tag) l
               left join door.taken() t on t.lane = l.lane) end as lanes
      from run r where r.id = ${runId}`.execute(tx);
  const row = rows[0];
  if (!row) return undefined;
  const { state, ahead, now, lanes } = row;
  return { state, isHeld: row.is_held, atOnce: row.at_once, ahead, lanes: lanes ?? [], now };
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
    making: row.making_run === null ? null : { runId: row.making_run, runNumber: row.making_number! },
    wait: row.wait_kind && { kind: row.wait_kind, state: row.wait_state, until: row.wait_until },
    effect: row.effect_state && {
      state: row.effect_state,
      host: row.effect_host,
      sendBy: row.send_by,
      nextCheckAt: row.next_check_at,
    },
  };
}
