/** What one run takes over from an earlier one: its settled steps, as they are. */
import { sql } from 'kysely';
import type { StoredValue } from './values.ts';
import type { WorkspaceTx } from './workspace.ts';

export type EarlierRun = {
  number: number;
  state: string;
  brandId: string;
  isDry: boolean;
  isCleared: boolean;
  graph: unknown;
  pins: unknown;
};
export type SettledStep = {
  node: string;
  path: number[];
  state: 'done' | 'failed' | 'blocked' | 'skipped';
  cause: string | null;
  outputs: Record<string, StoredValue>;
};

/** The run, held as it is until the transaction ends. */
export async function earlierRun(tx: WorkspaceTx, runId: string): Promise<EarlierRun | undefined> {
  const row = await tx
    .selectFrom('run')
    .select(['number', 'state', 'brand_id', 'dry_run', 'pruned_at', 'graph', 'pins'])
    .where('id', '=', runId)
    .forShare()
    .executeTakeFirst();
  return (
    row && {
      number: row.number,
      state: row.state,
      brandId: row.brand_id,
      isDry: row.dry_run,
      isCleared: row.pruned_at !== null,
      graph: row.graph,
      pins: row.pins,
    }
  );
}

export async function settledSteps(tx: WorkspaceTx, runId: string, nodes: readonly string[]): Promise<SettledStep[]> {
  const { rows } = await sql<SettledStep>`
    select node, path, state, cause, outputs from step
     where run_id = ${runId} and node = any(${[...nodes]}::text[]) and state in ('done', 'failed', 'blocked', 'skipped')
     order by node, path`.execute(tx);
  return rows;
}

export type CarryOver = {
  runId: string;
  number: number;
  nodes: readonly string[];
  /** Of what is to come, as the steps taken over leave them. */
  counters: readonly { kind: string; node: string; path: readonly number[]; left: number; length: number | null }[];
  /** Steps taken over that leave the run with a problem. */
  troubles: number;
};

/** Copies the steps into a run that has just been written down, in the caller's transaction. */
export async function carryOver(tx: WorkspaceTx, runId: string, from: CarryOver): Promise<void> {
  const taken = `Taken from run ${from.number}.`;
  await sql`
    insert into step (run_id, node, path, state, attempt, inputs, outputs, made, error, cause, reason, facts,
                      reused_run, reused_number, began_at, ended_at)
    select ${runId}, node, path, state, attempt, inputs, outputs, made, error, cause,
           ${taken} || case when reason is null or reason ~ '^(Taken|Reused) from ' then '' else ' ' || reason end, facts,
           ${from.runId}, ${from.number}, clock_timestamp(), clock_timestamp()
      from step
     where run_id = ${from.runId} and node = any(${[...from.nodes]}::text[])
       and state in ('done', 'failed', 'blocked', 'skipped')`.execute(tx);
  await sql`
    insert into counter (run_id, kind, node, path, "left", length)
    select ${runId}, kind, node, path, "left", length
      from jsonb_to_recordset(${JSON.stringify(from.counters)})
        as c (kind text, node text, path int[], "left" int, length int)`.execute(tx);
  await tx.updateTable('run').set({ troubles: from.troubles }).where('id', '=', runId).execute();
}
