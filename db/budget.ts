/** What a run may take, what it has taken so far, and a higher limit for it. */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

export type SoFar = {
  budget: unknown;
  /** Seconds of its recordings. */
  size: number | null;
  /** `askers`: of its steps, those that have asked for something, ended or not. */
  nodes: Record<string, { made: number; seconds: number; calls: number; askers: number }>;
  /** Other steps that are allowed and go on. */
  going: { node: string; seconds: number; asked: boolean }[];
};

/**
 * Lets one step of a run at a time find out whether it may begin; `decide` gives back whether it may. All is read at one
 * instant, so that a step which asks meanwhile is counted once: as one that will ask, or as one that has.
 */
export async function withinBudget(
  tx: WorkspaceTx,
  step: { runId: string; strand: number; idle: readonly string[] },
  decide: (soFar: SoFar) => boolean,
): Promise<void> {
  await sql`select pg_advisory_xact_lock(7268415, hashtext(${step.runId}))`.execute(tx);
  const { rows } = await sql<SoFar>`
    with settled as (
      select node, began_at, count(*)::int as made, extract(epoch from max(ended_at) - began_at)::float8 as seconds
        from step
       where run_id = ${step.runId} and reused_run is null
         and (state = 'done' or state = 'failed' and error ->> 'code' <> 'BUDGET_REACHED')
       group by 1, 2),
    asks as (
      select node, path from call where run_id = ${step.runId} and (key like 'ai.%' or key like 'http.%')
      union all
      select node, path from effect where run_id = ${step.runId}),
    nodes as (
      select n.node,
             coalesce((select sum(made) from settled s where s.node = n.node), 0)::int as made,
             case when n.node = any(${[...step.idle]}::text[]) then 0
                  else coalesce((select sum(seconds) from settled s where s.node = n.node), 0) end as seconds,
             (select count(*) from asks a where a.node = n.node)::int as calls,
             (select count(distinct path) from asks a where a.node = n.node)::int as askers
        from (select node from settled union select node from asks) n),
    going as (
      select s.node, coalesce(extract(epoch from clock_timestamp() - s.leased_at), 0)::float8 as seconds,
             exists (select from asks a where a.node = s.node and a.path[1:cardinality(s.prefix)] = s.prefix
                      and (s.lo is null or a.path[cardinality(s.prefix) + 1] between s.lo and s.hi)) as asked
        from strand s
       where s.run_id = ${step.runId} and s.id <> ${step.strand} and s.state = 'leased' and s.allowed_at is not null)
    select r.graph -> 'limits' -> 'budget' as budget,
           (select sum((a.facts ->> 'duration')::float8) from asset a
             where a.sha256 in (
               select m[1] from regexp_matches((r.graph -> 'nodes')::text || coalesce((r.trigger -> 'event')::text, ''), '[0-9a-f]{64}', 'g') m)) as size,
           coalesce((select jsonb_object_agg(node, to_jsonb(nodes) - 'node') from nodes), '{}') as nodes,
           coalesce((select jsonb_agg(to_jsonb(going)) from going), '[]') as going
      from run r where r.id = ${step.runId}`.execute(tx);
  if (!rows[0] || !decide(rows[0])) return;
  await sql`update strand set allowed_at = clock_timestamp() where id = ${step.strand} and run_id = ${step.runId}`.execute(
    tx,
  );
}

/** False where the run has no budget. */
export async function raiseBudget(tx: WorkspaceTx, runId: string, budget: unknown): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update run set graph = jsonb_set(graph, '{limits,budget}', ${JSON.stringify(budget)}::jsonb)
     where id = ${runId} and graph -> 'limits' ? 'budget'`.execute(tx);
  return (numAffectedRows ?? 0n) > 0n;
}
