/**
 * Parts of a run done again: retries and corrections. What becomes undone is worked out by the pure rules that the
 * caller hands in (`runtime/graph/advance.ts`), under the run's lock.
 */
import { sql } from 'kysely';
import { reopenRefused } from './journal.ts';
import { addStrands } from './runs.ts';
import type { StoredValue } from './values.ts';
import type { WorkspaceTx } from './workspace.ts';

type SettledRow = {
  state: 'done' | 'failed' | 'blocked' | 'skipped';
  cause: string | null;
  outputs: Record<string, number | null>;
};
/** The pure rules (`runtime/graph/advance.ts`), as the run's plan has them. */
export type AdvanceRules<Plan> = {
  dependentsOf(plan: Plan, node: string, path: readonly number[]): { node: string; prefix: number[] }[];
  rebuild(
    plan: Plan,
    settled: Iterable<{ node: string; path: readonly number[]; settled: SettledRow }>,
  ): {
    counters: {
      rows: ReadonlyMap<
        string,
        { kind: string; node: string; path: readonly number[]; left: number; length: number | null }
      >;
    };
    due: { node: string; path: readonly number[] }[];
  };
  isTrouble(node: never, state: SettledRow['state']): boolean;
};

export type Again = { ok: true } | { ok: false; reason: string };

/** Forgets failed or cancelled steps and everything that depends on them; the same run goes on from there. */
export async function retrySteps<Plan>(
  tx: WorkspaceTx,
  step: { runId: string; nodeId?: string; path?: readonly number[] },
  rules: AdvanceRules<Plan>,
): Promise<Again> {
  const run = await lockRun(tx, step.runId);
  if (!run) return { ok: false, reason: 'This run is not here.' };
  let query = tx
    .selectFrom('step')
    .select(['node', 'path'])
    .where('run_id', '=', step.runId)
    .where('state', 'in', ['failed', 'cancelled']);
  if (step.nodeId !== undefined) query = query.where('node', '=', step.nodeId);
  if (step.path !== undefined) query = query.where('path', '=', sql<number[]>`${[...step.path]}::int[]`);
  const targets = await query.execute();
  if (targets.length === 0) return { ok: false, reason: 'There is nothing here that failed.' };
  for (const target of targets) {
    await forget(tx, step.runId, rules.dependentsOf(run.plan as Plan, target.node, target.path));
    // what nobody answered in time is asked again
    await tx
      .deleteFrom('wait')
      .where('run_id', '=', step.runId)
      .where('node', '=', target.node)
      .where('path', '=', sql<number[]>`${target.path}::int[]`)
      .where('state', '=', 'expired')
      .execute();
    await reopenRefused(tx, { runId: step.runId, node: target.node, path: target.path });
    await tx
      .deleteFrom('step')
      .where('run_id', '=', step.runId)
      .where('node', '=', target.node)
      .where('path', '=', sql<number[]>`${target.path}::int[]`)
      .execute();
  }
  await goOn(tx, step.runId, run.plan as Plan, rules);
  return { ok: true };
}

/**
 * Puts a person's value in the place of a finished step's output; what follows is made again, nothing else.
 * `output` is the value as stored (`storeValue`). Kept for later runs while the node makes the same.
 */
export async function setOverride<Plan>(
  tx: WorkspaceTx,
  override: {
    runId: string;
    nodeId: string;
    path: readonly number[];
    port: string;
    output: StoredValue;
    value: unknown;
    by: string | null;
  },
  rules: AdvanceRules<Plan>,
): Promise<Again> {
  const found = await lockOutput(tx, override);
  if (!found) return { ok: false, reason: 'This step has not finished, so there is nothing to correct yet.' };
  const { run, outputs, made } = found;
  const original = made[override.port] ?? outputs[override.port]!;
  const key = {
    pipeline_id: run.pipelineId,
    brand_id: run.brandId,
    node: override.nodeId,
    path: [...override.path],
    port: override.port,
  };
  await tx
    .insertInto('override')
    .values({ ...key, source_digest: original.digest, value: JSON.stringify(override.value), by_user: override.by })
    .onConflict((conflict) =>
      conflict
        .columns(['pipeline_id', 'brand_id', 'node', 'path', 'port', 'source_digest'])
        .doUpdateSet({ value: JSON.stringify(override.value), by_user: override.by, at: new Date() }),
    )
    .execute();
  await changeOutput(
    tx,
    override,
    { ...outputs, [override.port]: override.output },
    { ...made, [override.port]: original },
  );
  await forget(tx, override.runId, rules.dependentsOf(run.plan as Plan, override.nodeId, override.path));
  await goOn(tx, override.runId, run.plan as Plan, rules);
  return { ok: true };
}

/** Takes a correction back: the node's own output stands again and what follows is made from it. */
export async function clearOverride<Plan>(
  tx: WorkspaceTx,
  override: { runId: string; nodeId: string; path: readonly number[]; port: string },
  rules: AdvanceRules<Plan>,
): Promise<Again> {
  const found = await lockOutput(tx, override);
  const original = found?.made[override.port];
  if (!found || !original) return { ok: false, reason: 'There is no correction here.' };
  await tx
    .deleteFrom('override')
    .where('pipeline_id', '=', found.run.pipelineId)
    .where('brand_id', '=', found.run.brandId)
    .where('node', '=', override.nodeId)
    .where('path', '=', sql<number[]>`${[...override.path]}::int[]`)
    .where('port', '=', override.port)
    .execute();
  const { [override.port]: _taken, ...made } = found.made;
  await changeOutput(tx, override, { ...found.outputs, [override.port]: original }, made);
  await forget(tx, override.runId, rules.dependentsOf(found.run.plan as Plan, override.nodeId, override.path));
  await goOn(tx, override.runId, found.run.plan as Plan, rules);
  return { ok: true };
}

/** What a run was started with has changed: its first step of this node and what follows are made again. */
export async function changeStart<Plan>(
  tx: WorkspaceTx,
  start: { runId: string; node: string },
  rules: AdvanceRules<Plan>,
): Promise<void> {
  const run = await lockRun(tx, start.runId);
  if (!run) return;
  const plan = run.plan as Plan;
  await forget(tx, start.runId, [{ node: start.node, prefix: [] }, ...rules.dependentsOf(plan, start.node, [])]);
  await goOn(tx, start.runId, plan, rules);
}

async function lockRun(tx: WorkspaceTx, runId: string) {
  const row = await tx
    .selectFrom('run')
    .select(['plan', 'state', 'pipeline_id', 'brand_id'])
    .where('id', '=', runId)
    .forUpdate()
    .executeTakeFirst();
  return row && { plan: row.plan, state: row.state, pipelineId: row.pipeline_id, brandId: row.brand_id };
}

async function lockOutput(
  tx: WorkspaceTx,
  at: { runId: string; nodeId: string; path: readonly number[]; port: string },
) {
  const run = await lockRun(tx, at.runId);
  if (!run) return undefined;
  const row = await tx
    .selectFrom('step')
    .select(['outputs', 'made'])
    .where('run_id', '=', at.runId)
    .where('node', '=', at.nodeId)
    .where('path', '=', sql<number[]>`${[...at.path]}::int[]`)
    .where('state', '=', 'done')
    .executeTakeFirst();
  const outputs = row?.outputs as Record<string, StoredValue> | undefined;
  if (!row || !outputs || !Object.hasOwn(outputs, at.port)) return undefined;
  return { run, outputs, made: row.made as Record<string, StoredValue> };
}

async function changeOutput(
  tx: WorkspaceTx,
  at: { runId: string; nodeId: string; path: readonly number[] },
  outputs: Record<string, StoredValue>,
  made: Record<string, StoredValue>,
): Promise<void> {
  await tx
    .updateTable('step')
    .set({
      outputs: JSON.stringify(outputs),
      made: JSON.stringify(made),
      reason: Object.keys(made).length > 0 ? 'Corrected by a person.' : null,
    })
    .where('run_id', '=', at.runId)
    .where('node', '=', at.nodeId)
    .where('path', '=', sql<number[]>`${[...at.path]}::int[]`)
    .execute();
}

/**
 * Removes steps and strands at these places, the strands first: a worker that writes under one of them is waited for, and
 * what it wrote (calls, a question) goes with the rest; after that it finds its lease gone.
 */
async function forget(tx: WorkspaceTx, runId: string, places: { node: string; prefix: number[] }[]): Promise<void> {
  // what these steps have called does not go on for nobody; called again, it goes on from where it was
  await sql`
    select ledger_cancel(c.id, format('A step of run %s, which called this, is made again.', r.number))
      from run c join run r on r.id = c.parent_run
      join jsonb_to_recordset(${JSON.stringify(places)}) as p (node text, prefix int[])
        on c.parent_node = p.node and c.parent_path[1:cardinality(p.prefix)] = p.prefix
     where c.parent_run = ${runId} and c.state = 'running'`.execute(tx);
  const { rows } = await sql<{ id: number }>`
    delete from strand s using jsonb_to_recordset(${JSON.stringify(places)}) as p (node text, prefix int[])
     where s.run_id = ${runId} and s.node = p.node
       and case when cardinality(p.prefix) <= cardinality(s.prefix) then s.prefix[1:cardinality(p.prefix)] = p.prefix
                else p.prefix[1:cardinality(s.prefix)] = s.prefix and s.lo is not null and p.prefix[cardinality(s.prefix) + 1] between s.lo and s.hi end
    returning s.id`.execute(tx);
  await sql`
    with places as (select node, prefix from jsonb_to_recordset(${JSON.stringify(places)}) as p (node text, prefix int[])),
    steps as (
      delete from step s using places p
       where s.run_id = ${runId} and s.node = p.node and s.path[1:cardinality(p.prefix)] = p.prefix),
    asked as (
      delete from wait w using places p
       where w.run_id = ${runId} and w.node = p.node and w.path[1:cardinality(p.prefix)] = p.prefix)
    delete from call c using places p
     where c.run_id = ${runId} and c.node = p.node and c.path[1:cardinality(p.prefix)] = p.prefix`.execute(tx);
  const strands = rows.map((row) => row.id);
  if (strands.length === 0) return;
  await sql`
    with gone as (delete from reuse where strand = any(${strands}) and state = 'making' returning key)
    update strand set state = 'ready', waits_for = null, not_before = '-infinity', reason = null
     where waits_for in (select key from gone)`.execute(tx);
}

/** Works out all counters again from what is settled and adds strands for what is due and not held by one. */
async function goOn<Plan>(tx: WorkspaceTx, runId: string, plan: Plan, rules: AdvanceRules<Plan>): Promise<void> {
  const steps = await sql<{
    node: string;
    path: number[];
    state: SettledRow['state'];
    cause: string | null;
    outputs: Record<string, number | null>;
  }>`
    select node, path, state, cause,
           coalesce((select jsonb_object_agg(key, value -> 'count') from jsonb_each(outputs)), '{}') as outputs
      from step where run_id = ${runId} and state in ('done', 'failed', 'blocked', 'skipped')`.execute(tx);
  const settled = steps.rows.map((row) => ({
    node: row.node,
    path: row.path,
    settled: { state: row.state, cause: row.cause, outputs: row.outputs },
  }));
  const { counters, due } = rules.rebuild(plan, settled);
  const nodes = (plan as { nodes: Record<string, unknown> }).nodes;
  const troubles = settled.filter((step) => rules.isTrouble(nodes[step.node] as never, step.settled.state)).length;
  const strands = await sql<{ node: string; prefix: number[]; lo: number | null; hi: number | null }>`
    select node, prefix, lo, hi from strand where run_id = ${runId}`.execute(tx);
  const isHeld = (step: { node: string; path: readonly number[] }) =>
    strands.rows.some(
      (strand) =>
        strand.node === step.node &&
        (strand.lo === null
          ? step.path.length === strand.prefix.length
          : step.path.length === strand.prefix.length + 1 &&
            step.path.at(-1)! >= strand.lo &&
            step.path.at(-1)! <= strand.hi!) &&
        strand.prefix.every((index, depth) => index === step.path[depth]),
    );
  await tx.deleteFrom('counter').where('run_id', '=', runId).execute();
  await tx.deleteFrom('step').where('run_id', '=', runId).where('state', '=', 'cancelled').execute();
  await sql`
    insert into counter (run_id, kind, node, path, "left", length)
    select ${runId}, kind, node, path, "left", length
      from jsonb_to_recordset(${JSON.stringify([...counters.rows.values()])})
        as c (kind text, node text, path int[], "left" int, length int)`.execute(tx);
  await tx.updateTable('run').set({ troubles, state: 'running', ended_at: null }).where('id', '=', runId).execute();
  await addStrands(
    tx,
    runId,
    due.filter((step) => !isHeld(step)),
  );
}
