/** What a run may take, what it has taken so far, and a higher limit for it. */
import { sql } from 'kysely';
import { type NodeTaken, taken } from './forecast.ts';
import type { WorkspaceTx } from './workspace.ts';

export type SoFar = {
  budget: unknown;
  nodes: Record<string, NodeTaken>;
  /** Seconds of its recordings. */
  size: number | null;
  /** What is worked on and began earlier than the strand that asks. */
  before: { node: string; seconds: number; asked: boolean }[];
};

export async function soFar(tx: WorkspaceTx, runId: string, strand: number, idle: readonly string[]): Promise<SoFar> {
  const { rows: runs } = await sql<{ budget: unknown }>`
    select graph -> 'limits' -> 'budget' as budget from run where id = ${runId}`.execute(tx);
  const { rows: before } = await sql<SoFar['before'][number]>`
    select node, seconds, asked from ledger_before(${runId}, ${strand})`.execute(tx);
  const [run] = await taken(tx, [runId], idle);
  return { budget: runs[0]?.budget ?? null, nodes: run?.nodes ?? {}, size: run?.size ?? null, before };
}

/** False where the run has no budget. */
export async function raiseBudget(tx: WorkspaceTx, runId: string, budget: unknown): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update run set graph = jsonb_set(graph, '{limits,budget}', ${JSON.stringify(budget)}::jsonb)
     where id = ${runId} and graph -> 'limits' ? 'budget'`.execute(tx);
  return (numAffectedRows ?? 0n) > 0n;
}
