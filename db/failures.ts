/** What has failed for good: the failed steps of runs, a row for each node of a run, until they are tried again or put aside. */
import { sql } from 'kysely';
import type { ErrorRow } from './steps.ts';
import type { WorkspaceTx } from './workspace.ts';

export type Failure = {
  runId: string;
  number: number;
  pipelineId: string;
  pipelineName: string;
  brandId: string;
  node: string;
  nodeName: string;
  /** Failed items of the node. */
  count: number;
  error: ErrorRow;
  at: Date;
};
export type FailureFilter = { brandIds: readonly string[]; pipelineId?: string; code?: string; before?: number };

/** Runs that are looked through for one page. */
const RUNS = 50;

/** What a failed step leaves open: not what the pipeline itself handles, nor what was put aside. */
const OPEN = sql`
  s.state = 'failed' and not coalesce((r.plan -> 'nodes' -> s.node ->> 'errorIsWired')::boolean, false)
  and (r.put_aside_at is null or s.ended_at > r.put_aside_at)`;

function runsIn(filter: FailureFilter) {
  return sql`
    run r where r.state in ('running', 'problems', 'failed') and r.brand_id = any(${[...filter.brandIds]}::uuid[])
      and (${filter.pipelineId ?? null}::uuid is null or r.pipeline_id = ${filter.pipelineId ?? null}::uuid)
      and (${filter.before ?? null}::int is null or r.number < ${filter.before ?? null}::int)
      and exists (select from step s
                   where s.run_id = r.id and ${OPEN}
                     and (${filter.code ?? null}::text is null or s.error ->> 'code' = ${filter.code ?? null}))`;
}

/** Of the newest runs first. `next`: `before` of the page after. */
export async function listFailures(
  tx: WorkspaceTx,
  filter: FailureFilter,
): Promise<{ items: Failure[]; next: number | null }> {
  const { rows: runs } = await sql<{ id: string; number: number }>`
    select r.id, r.number from ${runsIn(filter)} order by r.number desc limit ${RUNS + 1}`.execute(tx);
  const page = runs.slice(0, RUNS);
  const { rows: items } = await sql<Failure>`
    select r.id as "runId", r.number, r.pipeline_id as "pipelineId", p.name as "pipelineName", r.brand_id as "brandId", s.node,
           coalesce(r.plan -> 'nodes' -> s.node ->> 'name', s.node) as "nodeName", count(*)::int as count,
           (array_agg(s.error order by s.path))[1] as error, max(s.ended_at) as at
      from run r join pipeline p on p.id = r.pipeline_id join step s on s.run_id = r.id
     where r.id = any(${page.map(({ id }) => id)}::uuid[]) and ${OPEN}
       and (${filter.code ?? null}::text is null or s.error ->> 'code' = ${filter.code ?? null})
     group by r.id, r.number, r.pipeline_id, p.name, r.brand_id, r.plan, s.node
     order by r.number desc, max(s.ended_at)`.execute(tx);
  return { items, next: runs.length > RUNS ? page.at(-1)!.number : null };
}

/** How many runs have something that failed for good; counting stops at 100. */
export async function countFailures(tx: WorkspaceTx, brandIds: readonly string[]): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from (select from ${runsIn({ brandIds })} order by r.number desc limit 100) f`.execute(
    tx,
  );
  return rows[0]!.count;
}

/** Takes what failed so far in these runs off the list. Gives back how many runs that were. */
export async function putAside(
  tx: WorkspaceTx,
  runIds: readonly string[],
  brandIds: readonly string[],
): Promise<number> {
  const { numAffectedRows } = await sql`
    update run set put_aside_at = clock_timestamp()
     where id = any(${[...runIds]}::uuid[]) and brand_id = any(${[...brandIds]}::uuid[])`.execute(tx);
  return Number(numAffectedRows ?? 0n);
}
