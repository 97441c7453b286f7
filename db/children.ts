/** Runs that a step of another run has started, seen from that step (migrations/0064_children.sql). */
import { sql } from 'kysely';
import { type AdvanceRules, changeStart } from './again.ts';
import { holdsStep, type StepKey, type StepLease } from './journal.ts';
import type { RunState } from './runs.ts';
import type { ErrorRow } from './steps.ts';
import type { StoredValue } from './values.ts';
import type { WorkspaceTx } from './workspace.ts';

export type Child = {
  id: string;
  number: number;
  state: RunState;
  /** It ended before the calling step was due this time: what came of it then was told before. */
  isOld: boolean;
  /** What it was started with. */
  given: Record<string, StoredValue>;
  graph: unknown;
};

/** The step's child, or null; undefined: the lease is lost. Until the commit the lease stays, so that no second one is started. */
export async function childOf(tx: WorkspaceTx, step: StepKey, lease: StepLease): Promise<Child | null | undefined> {
  if (!(await holdsStep(tx, step, lease))) return undefined;
  const { rows } = await sql<Child>`
    select r.id, r.number, r.state, coalesce(r.ended_at < s.created_at, false) as "isOld",
           coalesce(r.trigger -> 'event' -> 'outputs', '{}') as given, r.graph
      from run r join strand s on s.id = ${lease.strand}
     where r.parent_run = ${step.runId} and r.parent_node = ${step.node} and r.parent_path = ${[...step.path]}::int[]`.execute(
    tx,
  );
  return rows[0] ?? null;
}

/** Pipelines of the run and of those that called it, the run's own first. */
export async function callersOf(tx: WorkspaceTx, runId: string): Promise<string[]> {
  const { rows } = await sql<{ pipeline_id: string }>`
    with recursive up as (
      select id, pipeline_id, parent_run, 0 as depth from run where id = ${runId}
      union all
      select r.id, r.pipeline_id, r.parent_run, up.depth + 1 from up join run r on r.id = up.parent_run where up.depth < 100)
    select pipeline_id from up order by depth`.execute(tx);
  return rows.map((row) => row.pipeline_id);
}

/** What a child inherits of its caller. */
export async function inheritance(
  tx: WorkspaceTx,
  runId: string,
): Promise<{
  brandId: string;
  kit: unknown;
  dryRun: boolean;
  nonce: string | null;
  startedBy: string | null;
  /** Itself, where it has a budget, and those above that it pays with. */
  payers: string[];
}> {
  const row = await tx
    .selectFrom('run')
    .select(['brand_id', 'kit', 'dry_run', 'nonce', 'started_by'])
    .select(sql<boolean>`coalesce(graph -> 'limits' ? 'budget', false)`.as('pays'))
    .select(sql<string[] | null>`plan -> 'payers'`.as('payers'))
    .where('id', '=', runId)
    .executeTakeFirstOrThrow();
  return {
    brandId: row.brand_id,
    kit: row.kit,
    dryRun: row.dry_run,
    nonce: row.nonce,
    startedBy: row.started_by,
    payers: [...(row.pays ? [runId] : []), ...(row.payers ?? [])],
  };
}

/** Not a removed one. */
export async function isPipelineThere(tx: WorkspaceTx, pipelineId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('pipeline')
    .select('id')
    .where('id', '=', pipelineId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

/** False: the child is not running any more, or the lease is lost. */
export async function awaitChild(
  tx: WorkspaceTx,
  step: StepKey,
  lease: StepLease & { worker: string },
  child: { id: string; why: string },
): Promise<boolean> {
  const { rows } = await sql<{ sleeps: boolean }>`
    select ledger_await_child(${step.runId}, ${child.id}, ${lease.strand}, ${lease.worker}, ${lease.token}, ${child.why}) as sleeps`.execute(
    tx,
  );
  return rows[0]!.sleeps;
}

/** What a run has returned, by port; empty where its Return has nothing. */
export async function returnedBy(
  tx: WorkspaceTx,
  runId: string,
  node: string | null,
): Promise<Record<string, StoredValue>> {
  if (node === null) return {};
  const row = await tx
    .selectFrom('step')
    .select('outputs')
    .where('run_id', '=', runId)
    .where('node', '=', node)
    .where('path', '=', sql<number[]>`'{}'::int[]`)
    .where('state', '=', 'done')
    .executeTakeFirst();
  return (row?.outputs ?? {}) as Record<string, StoredValue>;
}

/** The first step of a run that failed, and with what. */
export async function firstFailure(tx: WorkspaceTx, runId: string): Promise<{ node: string; error: ErrorRow } | null> {
  const row = await tx
    .selectFrom('step')
    .select(['node', 'error'])
    .where('run_id', '=', runId)
    .where('state', '=', 'failed')
    .orderBy('ended_at')
    .limit(1)
    .executeTakeFirst();
  return row ? { node: row.node, error: row.error as ErrorRow } : null;
}

/** Gives a child other values to start from; what it has made of the old ones is made again. */
export async function giveAgain<Plan>(
  tx: WorkspaceTx,
  child: { runId: string; node: string },
  outputs: Record<string, StoredValue>,
  rules: AdvanceRules<Plan>,
): Promise<void> {
  await sql`
    update run set trigger = jsonb_set(trigger, '{event,outputs}', ${JSON.stringify(outputs)}::jsonb) where id = ${child.runId}`.execute(
    tx,
  );
  await changeStart(tx, child, rules);
}

export type Linked = { runId: string; number: number; pipelineId: string; pipelineName: string; state: RunState };

/** Who called a run, and from which step. */
export async function callerOf(
  tx: WorkspaceTx,
  runId: string,
): Promise<(Linked & { nodeId: string; path: number[] }) | null> {
  const { rows } = await sql<Linked & { nodeId: string; path: number[] }>`
    select p.id as "runId", p.number, p.pipeline_id as "pipelineId", l.name as "pipelineName", p.state,
           c.parent_node as "nodeId", c.parent_path as path
      from run c join run p on p.id = c.parent_run join pipeline l on l.id = p.pipeline_id where c.id = ${runId}`.execute(
    tx,
  );
  return rows[0] ?? null;
}

/** The runs that steps of a node have started, in path order. */
export async function childrenOf(
  tx: WorkspaceTx,
  runId: string,
  nodeId: string,
): Promise<(Linked & { path: number[] })[]> {
  const { rows } = await sql<Linked & { path: number[] }>`
    select c.id as "runId", c.number, c.pipeline_id as "pipelineId", l.name as "pipelineName", c.state, c.parent_path as path
      from run c join pipeline l on l.id = c.pipeline_id
     where c.parent_run = ${runId} and c.parent_node = ${nodeId} order by c.parent_path limit 200`.execute(tx);
  return rows;
}
