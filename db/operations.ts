/** Figures of one workspace for those who run it, and who runs the installation. */
import { sql } from 'kysely';
import type { Database } from './connect.ts';
import type { WorkspaceTx } from './workspace.ts';

/** An owner of the workspace that had an owner first (migrations/0046_operator.sql). */
export async function isOperator(db: Database, userId: string): Promise<boolean> {
  const { rows } = await sql<{ is: boolean }>`select door.is_operator(${userId}) as is`.execute(db);
  return rows[0]!.is;
}

export type QueueRow = { lane: string; ready: number; working: number; asleep: number; lagSeconds: number | null };

/** What these brands have in the queue; null: all of the workspace. */
export async function queueOf(tx: WorkspaceTx, brandIds: readonly string[] | null): Promise<QueueRow[]> {
  const { rows } = await sql<QueueRow>`
    select lane, coalesce(sum(steps) filter (where state = 'ready'), 0)::int as ready,
           coalesce(sum(steps) filter (where state = 'leased'), 0)::int as working,
           coalesce(sum(steps) filter (where state = 'waiting'), 0)::int as asleep,
           greatest(0, extract(epoch from clock_timestamp() - min(fair_at) filter (where state = 'ready')))::float8 as "lagSeconds"
      from (select lane, state, fair_at, coalesce(hi - lo, 0) + 1 as steps from strand
             where ${brandIds === null} or brand_id = any (${[...(brandIds ?? [])]}::uuid[])) s
     group by lane order by lane`.execute(tx);
  return rows;
}

export type SlowNode = {
  pipelineId: string;
  pipelineName: string;
  nodeId: string;
  nodeName: string;
  runId: string;
  count: number;
  p50Seconds: number;
  p95Seconds: number;
};

/** Nodes whose steps took longest in runs of the last day. What was reused or waited for somebody does not count. */
export async function slowestNodes(tx: WorkspaceTx, brandIds: readonly string[] | null): Promise<SlowNode[]> {
  const { rows } = await sql<SlowNode>`
    with slow as (
      select r.pipeline_id, s.node, count(*)::int as count, max(r.number) as number,
             percentile_cont(0.5) within group (order by extract(epoch from s.ended_at - s.began_at)) as p50,
             percentile_cont(0.95) within group (order by extract(epoch from s.ended_at - s.began_at)) as p95
        from run r join step s on s.run_id = r.id
       where r.started_at > clock_timestamp() - interval '24 hours' and s.state = 'done' and s.reused_run is null and s.began_at is not null
         and (${brandIds === null} or r.brand_id = any (${[...(brandIds ?? [])]}::uuid[]))
         and not exists (select from wait w where w.run_id = s.run_id and w.node = s.node and w.path = s.path)
       group by 1, 2 order by p95 desc limit 10)
    select slow.pipeline_id as "pipelineId", p.name as "pipelineName", slow.node as "nodeId", r.id as "runId", slow.count,
           coalesce(r.plan -> 'nodes' -> slow.node ->> 'name', slow.node) as "nodeName",
           slow.p50::float8 as "p50Seconds", slow.p95::float8 as "p95Seconds"
      from slow join run r on r.number = slow.number join pipeline p on p.id = slow.pipeline_id
     order by slow.p95 desc`.execute(tx);
  return rows;
}
