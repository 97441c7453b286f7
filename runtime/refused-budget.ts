/** Whether a step may begin, where its run or one that called it has a budget. */
import { allowStep, usedSoFar } from '../db/budget.ts';
import type { Claimed } from '../db/ledger.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { ErrorJson } from '../nodes/contract.ts';
import { overBudget } from './graph/budget.ts';
import { Budget } from './graph/graph.ts';
import type { PlanNode } from './graph/plan.ts';
import type { RunPlan, StepHost } from './strand.ts';

/** Why it may not begin, or null. Budgets are read anew, as a person may have raised them. */
export async function refusedByBudget(
  host: Pick<StepHost, 'db' | 'catalogue'>,
  of: { claimed: Claimed; run: RunPlan; node: PlanNode },
  isRehearsed: boolean,
): Promise<ErrorJson | null> {
  const { graph, manifests, plan } = of.run;
  const payers = plan.payers ?? [];
  const own = of.claimed.run.id;
  if (!graph.limits?.budget && payers.length === 0) return null;
  // of what a called run has used only the node types are known
  const known = new Map(manifests);
  for (const { manifest } of of.run.plugins.values()) known.set(`type:${manifest.id}`, manifest);
  for (const manifest of host.catalogue.manifests) known.set(`type:${manifest.id}`, manifest);
  const idle = [...known].flatMap(([key, each]) =>
    each.capabilities.wait || each.shape === 'call-pipeline' ? [key] : [],
  );
  const strand = of.claimed.strand.id;
  return inWorkspace(host.db, of.claimed.run.workspaceId, async (tx) => {
    for (const runId of graph.limits?.budget ? [own, ...payers] : payers) {
      const used = await usedSoFar(tx, { runId, of: own, strand, idle });
      const budget = Budget.safeParse(used?.budget);
      if (!used || !budget.success) continue;
      const isOwn = runId === own;
      const payer = isOwn ? 'This run' : `Run ${used.number}, which called this,`;
      const refusal = overBudget(
        budget.data,
        used,
        { node: of.node.id, name: of.node.name, isRehearsed, payer },
        known,
      );
      if (refusal) return refusal;
    }
    await allowStep(tx, { runId: own, strand });
    return null;
  });
}
