/** Waits of steps: opened by the node that sleeps, answered from outside or by a person (migrations/0022_waits.sql). */
import { sql } from 'kysely';
import type pg from 'pg';
import { holdsStep, type StepKey, type StepLease } from './journal.ts';
import type { WorkspaceTx } from './workspace.ts';

export type WaitKind = 'time' | 'hook' | 'person';
export type WaitRow = {
  id: string;
  runId: string;
  runNumber: number;
  runState: string;
  pipelineId: string;
  pipelineName: string;
  brandId: string;
  node: string;
  path: number[];
  name: string;
  kind: WaitKind;
  state: 'open' | 'answered' | 'expired';
  until: string | null;
  request: unknown;
  answer: unknown;
  answeredBy: string | null;
  createdAt: string;
  answeredAt: string | null;
};

/** Opens a wait, or finds it as it is now; one whose time is over expires here. Undefined: the lease is lost. */
export async function openWait(
  tx: WorkspaceTx,
  step: StepKey,
  lease: StepLease,
  wait: { name: string; kind: WaitKind; until: Date | null; request: unknown },
): Promise<
  { state: WaitRow['state']; until: Date | null; answer: unknown; by: string | null; at: Date | null } | undefined
> {
  if (!(await holdsStep(tx, step, lease))) return undefined;
  await tx
    .insertInto('wait')
    .values({
      run_id: step.runId,
      node: step.node,
      path: [...step.path],
      name: wait.name,
      kind: wait.kind,
      until: wait.until,
      request: JSON.stringify(wait.request),
      notify_at: wait.kind === 'person' ? new Date() : null,
    })
    .onConflict((conflict) => conflict.columns(['run_id', 'node', 'path', 'name']).doNothing())
    .execute();
  const { rows } = await sql<{
    state: WaitRow['state'];
    until: Date | null;
    answer: unknown;
    answered_by: string | null;
    answered_at: Date | null;
  }>`
    update wait set taken = state <> 'open' or coalesce(until <= clock_timestamp(), false),
                    state = case when state = 'open' and until <= clock_timestamp() then 'expired' else state end
     where run_id = ${step.runId} and node = ${step.node} and path = ${[...step.path]}::int[] and name = ${wait.name}
    returning state, until, answer, answered_by, answered_at`.execute(tx);
  const row = rows[0]!;
  return { state: row.state, until: row.until, answer: row.answer, by: row.answered_by, at: row.answered_at };
}

/** `late`: it was answered, or its time was over. `over`: its run has ended. */
export async function answerWait(
  tx: WorkspaceTx,
  step: StepKey,
  answer: { name: string; kind: WaitKind; value: unknown; by: string | null },
): Promise<'answered' | 'late' | 'over'> {
  const { rows } = await sql<{ came: 'answered' | 'late' | 'over' }>`
    select ledger_answer(${step.runId}, ${step.node}, ${[...step.path]}::int[], ${answer.name}, ${answer.kind},
                         ${JSON.stringify(answer.value ?? null)}::jsonb, ${answer.by}) as came`.execute(tx);
  return rows[0]!.came;
}

const COLUMNS = sql`
  w.id, w.run_id as "runId", r.number as "runNumber", r.state as "runState", r.pipeline_id as "pipelineId", p.name as "pipelineName",
  r.brand_id as "brandId", w.node, w.path, w.name, w.kind, w.state, w.until, w.request, w.answer, w.answered_by as "answeredBy",
  w.created_at as "createdAt", w.answered_at as "answeredAt"`;
type Selected = Omit<WaitRow, 'until' | 'createdAt' | 'answeredAt'> & {
  until: Date | null;
  createdAt: Date;
  answeredAt: Date | null;
};
const shown = (row: Selected): WaitRow => ({
  ...row,
  until: row.until?.toISOString() ?? null,
  createdAt: row.createdAt.toISOString(),
  answeredAt: row.answeredAt?.toISOString() ?? null,
});

/** Open waits for people in runs of these brands, oldest first; at most 200. */
export async function openForPeople(tx: WorkspaceTx, brandIds: readonly string[]): Promise<WaitRow[]> {
  const { rows } = await sql<Selected>`
    select ${COLUMNS} from wait w join run r on r.id = w.run_id join pipeline p on p.id = r.pipeline_id
     where w.state = 'open' and w.kind = 'person' and r.state = 'running' and r.brand_id = any (${[...brandIds]}::uuid[])
     order by w.created_at limit 200`.execute(tx);
  return rows.map(shown);
}

export async function findWait(
  tx: WorkspaceTx,
  where: { id: string } | (StepKey & { name: string }),
): Promise<WaitRow | undefined> {
  const fits =
    'id' in where
      ? sql`w.id = ${where.id}`
      : sql`w.run_id = ${where.runId} and w.node = ${where.node} and w.path = ${[...where.path]}::int[] and w.name = ${where.name}`;
  const { rows } = await sql<Selected>`
    select ${COLUMNS} from wait w join run r on r.id = w.run_id join pipeline p on p.id = r.pipeline_id where ${fits}`.execute(
    tx,
  );
  return rows[0] && shown(rows[0]);
}

/** The workspace of a run, for links whose signature was checked. */
export async function workspaceOfRun(pool: pg.Pool, runId: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ workspace_id: string }>('select workspace_id from door.run($1)', [runId]);
  return rows[0]?.workspace_id;
}
