/** What a run may use, what it has used so far, and a higher limit for it. */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

export type SoFar = {
  number: number;
  budget: unknown;
  /** Seconds of its recordings. */
  size: number | null;
  /** `askers`: of its steps, those that have asked for something, ended or not. */
  nodes: Record<string, { made: number; seconds: number; calls: number; askers: number }>;
  /** Other steps that are allowed and go on. */
  going: { node: string; seconds: number; asked: boolean }[];
};

/**
 * What a run, and all that it has called, have used. Of one step of it at a time: whoever asks waits for those who asked before. All
 * is read at one instant, so that a step which asks meanwhile is counted once: as one that will ask, or as one that has.
 * Keys are node ids in the run `of` itself and `type:` and the node type in others; `idle` are keys of what mostly sleeps.
 */
export async function usedSoFar(
  tx: WorkspaceTx,
  payer: { runId: string; of: string; strand: number; idle: readonly string[] },
): Promise<SoFar | undefined> {
  await sql`select pg_advisory_xact_lock(7268415, hashtext(${payer.runId}))`.execute(tx);
  const { rows } = await sql<SoFar>`
    with recursive tree as (
      select id from run where id = ${payer.runId}
      union all
      select c.id from tree t join run c on c.parent_run = t.id),
    keyed as (
      select r.id as run_id, n ->> 'id' as node, case when r.id = ${payer.of} then n ->> 'id' else 'type:' || (n ->> 'type') end as key
        from tree t join run r on r.id = t.id cross join lateral jsonb_array_elements(r.graph -> 'nodes') n),
    settled as (
      select k.key as node, s.began_at, count(*)::int as made, extract(epoch from max(s.ended_at) - s.began_at)::float8 as seconds
        from step s join keyed k on k.run_id = s.run_id and k.node = s.node
       where s.reused_run is null and (s.state = 'done' or s.state = 'failed' and s.error ->> 'code' <> 'BUDGET_REACHED')
       group by k.key, s.run_id, s.began_at),
    asks as (
      select c.run_id, c.node as own, k.key as node, c.path from call c join keyed k on k.run_id = c.run_id and k.node = c.node
       where c.key like 'ai.%' or c.key like 'http.%'
      union all
      select e.run_id, e.node as own, k.key as node, e.path from effect e join keyed k on k.run_id = e.run_id and k.node = e.node),
    nodes as (
      select n.node,
             coalesce((select sum(made) from settled s where s.node = n.node), 0)::int as made,
             case when n.node = any(${[...payer.idle]}::text[]) then 0
                  else coalesce((select sum(seconds) from settled s where s.node = n.node), 0) end as seconds,
             (select count(*) from asks a where a.node = n.node)::int as calls,
             (select count(distinct (a.run_id, a.path)) from asks a where a.node = n.node)::int as askers
        from (select node from settled union select node from asks) n),
    going as (
      select k.key as node, coalesce(extract(epoch from clock_timestamp() - s.leased_at), 0)::float8 as seconds,
             exists (select from asks a where a.run_id = s.run_id and a.own = s.node and a.path[1:cardinality(s.prefix)] = s.prefix
                      and (s.lo is null or a.path[cardinality(s.prefix) + 1] between s.lo and s.hi)) as asked
        from strand s join keyed k on k.run_id = s.run_id and k.node = s.node
       where s.id <> ${payer.strand} and s.state = 'leased' and s.allowed_at is not null)
    select r.number, r.graph -> 'limits' -> 'budget' as budget,
           (select sum((a.facts ->> 'duration')::float8) from asset a
             where a.sha256 in (
               select m[1] from regexp_matches((r.graph -> 'nodes')::text || coalesce((r.trigger -> 'event')::text, ''), '[0-9a-f]{64}', 'g') m)) as size,
           coalesce((select jsonb_object_agg(node, to_jsonb(nodes) - 'node') from nodes), '{}') as nodes,
           coalesce((select jsonb_agg(to_jsonb(going)) from going), '[]') as going
      from run r where r.id = ${payer.runId}`.execute(tx);
  return rows[0];
}

/** A step that may begin counts from then on, asked or not. */
export async function allowStep(tx: WorkspaceTx, step: { runId: string; strand: number }): Promise<void> {
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
