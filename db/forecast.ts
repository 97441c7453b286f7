/** What earlier runs of a pipeline made, took and asked for: what the look ahead at a run is worked out from. */
import { sql } from 'kysely';
import type { StoredValue } from './values.ts';
import type { WorkspaceTx } from './workspace.ts';

export type EarlierRun = {
  id: string;
  number: number;
  brandId: string;
  graph: unknown;
  pins: Record<string, { version: string; digest?: string }>;
  kit: Record<string, unknown>;
};

/** The newest runs whose results another run may find. */
export async function earlierRuns(tx: WorkspaceTx, pipelineId: string, most = 20): Promise<EarlierRun[]> {
  const { rows } = await sql<EarlierRun>`
    select id, number, brand_id as "brandId", graph, pins, kit from run
     where pipeline_id = ${pipelineId} and nonce is null order by number desc limit ${most}`.execute(tx);
  return rows;
}

export type MadeBefore = {
  runId: string;
  inputs: Record<string, { digest: string }[]>;
  outputs: Record<string, StoredValue>;
  /** Without a person's corrections. */
  own: Record<string, StoredValue>;
  /** Another run may still use it. */
  isKept: boolean;
};

/** Steps of a node in these runs that had one of these inputs, the newest first. */
export async function madeBefore(
  tx: WorkspaceTx,
  wanted: { node: string; runIds: readonly string[]; inputs: readonly string[]; seconds: number | null },
): Promise<MadeBefore[]> {
  if (wanted.runIds.length === 0 || wanted.inputs.length === 0) return [];
  const { rows } = await sql<MadeBefore>`
    select s.run_id as "runId", s.inputs, s.outputs, s.outputs || s.made as own,
           exists (select from reuse u
                    where u.run_id = coalesce(s.reused_run, s.run_id) and u.state = 'made' and u.outputs = s.outputs || s.made
                      and (${wanted.seconds}::float8 is null
                           or u.made_at > clock_timestamp() - make_interval(secs => ${wanted.seconds}::float8))) as "isKept"
      from step s join run r on r.id = s.run_id
     where s.run_id = any(${[...wanted.runIds]}::uuid[]) and s.node = ${wanted.node} and s.state = 'done'
       and s.inputs = any(${[...wanted.inputs]}::text[]::jsonb[])
     order by r.number desc`.execute(tx);
  return rows;
}

/** Seconds of all recordings that a text (settings, an event) names; null where it names none. */
export async function recordedSeconds(tx: WorkspaceTx, text: string): Promise<number | null> {
  const named = [...new Set(text.match(/\b[0-9a-f]{64}\b/g) ?? [])];
  if (named.length === 0) return null;
  const { rows } = await sql<{ seconds: number | null }>`
    select sum((facts ->> 'duration')::float8) as seconds from asset where sha256 = any(${named}::text[])`.execute(tx);
  return rows[0]?.seconds ?? null;
}

/** What one node took in one run. Reused steps took nothing. */
export type NodeTaken = {
  /** All of its steps that were done. */
  steps: number;
  made: number;
  /** Of work; items that were worked on as one range count once. */
  seconds: number;
  calls: number;
  posts: number;
  accounts: string[];
  /** In runs that its steps have called, by node type; their calls, posts and accounts are in those above as well. */
  below?: Record<string, { made: number; calls: number }>;
};
export type RunTaken = {
  runId: string;
  /** Seconds of its recordings. */
  size: number | null;
  /** During which at least one step was worked on. */
  busy: number;
  nodes: Record<string, NodeTaken>;
};

/** The newest runs that ended well, of one brand where it has any. */
export async function endedRuns(tx: WorkspaceTx, of: { pipelineId: string; brandId: string }, most = 20) {
  const find = async (brandId: string | null) => {
    const { rows } = await sql<{ id: string }>`
      select id from run
       where pipeline_id = ${of.pipelineId} and (${brandId}::uuid is null or brand_id = ${brandId}::uuid)
         and state = 'succeeded' and not dry_run order by number desc limit ${most}`.execute(tx);
    return rows.map(({ id }) => id);
  };
  const own = await find(of.brandId);
  return own.length > 0 ? own : find(null);
}

/** Runs and all that they have called, under the run's own node. */
const treeOf = (ids: readonly string[]) => sql`
  tree as (
    select id as root, null::text as node, id from run where id = any(${[...ids]}::uuid[])
    union all
    select t.root, coalesce(t.node, r.parent_node), r.id from tree t join run r on r.parent_run = t.id)`;

/** `idle`: nodes that mostly sleep; the time they take is not work. */
export async function taken(
  tx: WorkspaceTx,
  runIds: readonly string[],
  idle: readonly string[] = [],
): Promise<RunTaken[]> {
  if (runIds.length === 0) return [];
  const ids = [...runIds];
  const { rows: runs } = await sql<{ runId: string; size: number | null; busy: number | null }>`
    select r.id as "runId",
           (select sum((a.facts ->> 'duration')::float8) from asset a
             where a.sha256 in (
               select m[1] from regexp_matches((r.graph -> 'nodes')::text || coalesce((r.trigger -> 'event')::text, ''), '[0-9a-f]{64}', 'g') m)) as size,
           (select sum(extract(epoch from upper(x) - lower(x)))::float8
              from (select unnest(range_agg(tstzrange(s.began_at, s.ended_at))) as x
                      from step s
                     where s.run_id = r.id and s.reused_run is null and s.state in ('done', 'failed') and s.ended_at > s.began_at
                       and s.node <> all(${[...idle]}::text[])) b) as busy
      from run r where r.id = any(${ids}::uuid[])`.execute(tx);
  const { rows: nodes } = await sql<{ runId: string; node: string; steps: number; made: number; seconds: number }>`
    select run_id as "runId", node, sum(steps)::int as steps, sum(made)::int as made, coalesce(sum(seconds), 0)::float8 as seconds
      from (select run_id, node, began_at, count(*) as steps, count(*) filter (where reused_run is null and reason is distinct from 'Pinned: not run.') as made,
                   extract(epoch from max(ended_at) filter (where reused_run is null) - began_at) as seconds
              from step
             where run_id = any(${ids}::uuid[]) and (state = 'done' or state = 'failed' and error ->> 'code' <> 'BUDGET_REACHED')
             group by 1, 2, 3) s
     group by 1, 2`.execute(tx);
  const { rows: asked } = await sql<{ runId: string; node: string; calls: number }>`
    with recursive ${treeOf(ids)}
    select t.root as "runId", coalesce(t.node, c.node) as node, count(*)::int as calls from tree t join call c on c.run_id = t.id
     where c.key like 'ai.%' or c.key like 'http.%' group by 1, 2`.execute(tx);
  const { rows: acts } = await sql<{ runId: string; node: string; posts: number; accounts: string[] }>`
    with recursive ${treeOf(ids)}
    select t.root as "runId", coalesce(t.node, e.node) as node, count(*)::int as posts,
           array_agg(distinct coalesce(e.connection, e.request ->> 'host', e.kind)) as accounts
      from tree t join effect e on e.run_id = t.id group by 1, 2`.execute(tx);
  const { rows: below } = await sql<{ runId: string; node: string; type: string; made: number; calls: number }>`
    with recursive ${treeOf(ids)}
    select t.root as "runId", t.node, n ->> 'type' as type,
           sum((select count(*) from step s where s.run_id = r.id and s.node = n ->> 'id' and s.state = 'done' and s.reused_run is null))::int as made,
           sum((select count(*) from call c where c.run_id = r.id and c.node = n ->> 'id' and (c.key like 'ai.%' or c.key like 'http.%'))
             + (select count(*) from effect e where e.run_id = r.id and e.node = n ->> 'id'))::int as calls
      from tree t join run r on r.id = t.id cross join lateral jsonb_array_elements(r.graph -> 'nodes') n
     where t.node is not null group by 1, 2, 3`.execute(tx);
  return runs.map(({ runId, size, busy }) => {
    const found: Record<string, NodeTaken> = {};
    for (const { node, steps, made, seconds } of nodes.filter((row) => row.runId === runId)) {
      const act = acts.find((row) => row.runId === runId && row.node === node);
      const calls = asked.find((row) => row.runId === runId && row.node === node)?.calls ?? 0;
      found[node] = {
        steps,
        made,
        seconds: idle.includes(node) ? 0 : seconds,
        calls: calls + (act?.posts ?? 0),
        posts: act?.posts ?? 0,
        accounts: act?.accounts ?? [],
      };
      const called = below.filter((row) => row.runId === runId && row.node === node);
      if (called.length > 0)
        found[node].below = Object.fromEntries(
          called.map(({ type, made, calls: asks }) => [type, { made, calls: asks }]),
        );
    }
    return { runId, size, busy: busy ?? 0, nodes: found };
  });
}

export async function keepEstimate(tx: WorkspaceTx, runId: string, estimate: unknown): Promise<void> {
  await tx
    .updateTable('run')
    .set({ estimate: JSON.stringify(estimate) })
    .where('id', '=', runId)
    .execute();
}

export async function estimateOf(tx: WorkspaceTx, runId: string): Promise<unknown> {
  const row = await tx.selectFrom('run').select('estimate').where('id', '=', runId).executeTakeFirst();
  return row?.estimate ?? null;
}

/** What `again` takes from a run. */
export async function beginningOf(tx: WorkspaceTx, runId: string) {
  const { rows } = await sql<{ pipelineId: string; brandId: string; graph: unknown; trigger: unknown }>`
    select pipeline_id as "pipelineId", brand_id as "brandId", graph, trigger from run where id = ${runId}`.execute(tx);
  return rows[0];
}
