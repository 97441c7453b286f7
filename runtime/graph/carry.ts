/**
 * A part of a pipeline run with what an earlier run has settled: which nodes' steps are taken over as they are, and what
 * is due then. What has changed since runs again, and what follows from it. Pure.
 */
import { type Counters, isTrouble, rebuild, type Settled, type StepAt } from './advance.ts';
import { downstreamOf } from './flow.ts';
import type { Graph } from './graph.ts';
import type { Plan } from './plan.ts';

export type Kept = { node: string; path: number[]; settled: Settled };
export type CarriedOver =
  | { ok: true; counters: Counters; due: StepAt[]; troubles: number }
  | { ok: false; node: string; why: 'unfinished' | 'failed' };

/** Node type → what it does is told by. */
type Behaviours = Record<string, { digest: string }>;

/** Nodes of the graph beside the part that are as they were, and so is all that comes before them. */
export function unchangedIn(
  now: { graph: Graph; pins: Behaviours },
  before: { graph: Graph; pins: Behaviours },
  part: ReadonlySet<string>,
): Set<string> {
  const own = ({ graph, pins }: typeof now, id: string) => {
    const node = graph.nodes.find((each) => each.id === id);
    if (!node) return null;
    const into = graph.edges
      .filter((edge) => edge.to.node === id)
      .map(({ from, to, leaveOutFailed }) => [from.node, from.port, to.port, leaveOutFailed === true]);
    const { type, config, pin } = node;
    return sorted([type, pins[type]?.digest, config, into, pin?.outputs ?? null]);
  };
  const changed = now.graph.nodes.map(({ id }) => id).filter((id) => !part.has(id) && own(now, id) !== own(before, id));
  const again = new Set([...part, ...changed, ...changed.flatMap((id) => [...downstreamOf(now.graph, id)])]);
  return new Set(now.graph.nodes.map(({ id }) => id).filter((id) => !again.has(id)));
}

/** What is due once these are settled; or why what the rest needs is not there. */
export function carriedOver(plan: Plan, nodes: ReadonlySet<string>, kept: readonly Kept[]): CarriedOver {
  const { counters, due } = rebuild(plan, kept);
  const open = due.find(({ node }) => nodes.has(node));
  if (open) return { ok: false, node: open.node, why: 'unfinished' };
  const troubles = kept.filter(({ node, settled }) => isTrouble(plan.nodes[node]!, settled.state));
  const needed = new Set(
    plan.order
      .filter((id) => !nodes.has(id))
      .flatMap((id) => {
        const { inputs, takes = [] } = plan.nodes[id]!;
        const sources = inputs.flatMap((input) => input.sources).filter((source) => !source.leaveOutFailed);
        return [...sources, ...takes].map(({ node }) => node);
      }),
  );
  const stops = troubles.find(({ node }) => needed.has(node));
  if (stops) {
    const first = stops.settled.cause?.split('@')[0];
    return { ok: false, node: first !== undefined && plan.nodes[first] ? first : stops.node, why: 'failed' };
  }
  return { ok: true, counters, due, troubles: troubles.length };
}

/** JSON with its keys in order: the database gives them back in another one. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  );
}
