/** What plugins in the making did, newest only (0070_plugins.sql, runtime/trial.ts). */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

/** `at` and `ms` in milliseconds, `at` from the beginning of the execution. */
export type TrialSaid =
  | { at: number; kind: 'log'; line: string }
  | {
      at: number;
      kind: 'call';
      what: string;
      ms: number;
      sentBytes: number;
      receivedBytes: number;
      /** Of an HTTP answer. */
      status: number | null;
      /** Of the error that it came to. */
      code: string | null;
      request?: unknown;
      reply?: unknown;
    };
export type TrialRow = Trial & { id: number; pipelineId: string; run: number };
export type Trial = {
  plugin: string;
  runId: string;
  type: string;
  /** Node and path, as in the ledger. */
  step: string;
  entry: string;
  attempt: number;
  /** More than one where items were computed together. */
  items: number;
  beganAt: Date;
  ms: number;
  /** Null where the sandbox could not tell any more. */
  cpuMs: number | null;
  heapBytes: number | null;
  /** An ErrorJson, or null. */
  error: unknown;
  said: TrialSaid[];
};

const MOST_KEPT = 200;

/** Nothing where the plugin or the run is gone by now. */
export async function keepTrial(tx: WorkspaceTx, row: Trial): Promise<void> {
  const { plugin, runId, type, step, entry, attempt, items, beganAt, ms, cpuMs, heapBytes } = row;
  const [error, said] = [row.error === null ? null : JSON.stringify(row.error), JSON.stringify(row.said)];
  await sql`
    insert into plugin_trial (plugin, run_id, type, step, entry, attempt, items, began_at, ms, cpu_ms, heap_bytes, error, said)
    select p.name, r.id, ${type}, ${step}, ${entry}, ${attempt}, ${items}, ${beganAt}::timestamptz, ${ms}, ${cpuMs}::float8,
           ${heapBytes}::bigint, ${error}::json, ${said}::json
      from plugin p, run r where p.name = ${plugin} and r.id = ${runId}`.execute(tx);
  await sql`
    delete from plugin_trial
     where plugin = ${plugin}
       and id <= (select id from plugin_trial where plugin = ${plugin} order by id desc offset ${MOST_KEPT} limit 1)`.execute(
    tx,
  );
}

/** The oldest first: those after `after`, or the last `limit`; of these brands only, where they are given. */
export async function listTrials(
  tx: WorkspaceTx,
  of: { plugin: string; after: number | null; limit: number; brandIds: readonly string[] | null },
): Promise<TrialRow[]> {
  const { plugin, after, limit, brandIds } = of;
  let query = tx
    .selectFrom('plugin_trial')
    .innerJoin('run', (join) =>
      join.onRef('run.workspace_id', '=', 'plugin_trial.workspace_id').onRef('run.id', '=', 'plugin_trial.run_id'),
    )
    .selectAll('plugin_trial')
    .select(['run.pipeline_id', 'run.number'])
    .where('plugin', '=', plugin)
    .limit(limit);
  if (brandIds !== null) query = query.where(sql<boolean>`run.brand_id = any(${[...brandIds]}::uuid[])`);
  query =
    after === null
      ? query.orderBy('plugin_trial.id', 'desc')
      : query.where('plugin_trial.id', '>', String(after)).orderBy('plugin_trial.id');
  const rows = (await query.execute()).map((row) => ({
    id: Number(row.id),
    plugin: row.plugin,
    runId: row.run_id,
    pipelineId: row.pipeline_id,
    run: row.number,
    type: row.type,
    step: row.step,
    entry: row.entry,
    attempt: row.attempt,
    items: row.items,
    beganAt: row.began_at,
    ms: row.ms,
    cpuMs: row.cpu_ms,
    heapBytes: row.heap_bytes === null ? null : Number(row.heap_bytes),
    error: row.error,
    said: row.said as TrialSaid[],
  }));
  return after === null ? rows.reverse() : rows;
}
