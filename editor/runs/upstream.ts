/** Finds where a node's times come from: the nearest output before it that carries what is asked for. Pure. */
import type { PortType } from '../../nodes/contract.ts';
import type { Catalogue } from '../../runtime/graph/flow.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { outputPort, resolveNodes } from '../../runtime/graph/resolve.ts';

export type Source = { node: string; port: string; type: PortType };

/** Breadth first against the wires, so that a cleaned recording is found before the raw one. Lists do not count. */
export function nearestUpstream(
  graph: Graph,
  catalogue: Catalogue,
  start: string,
  types: readonly PortType[],
): Source | null {
  const manifests = resolveNodes(graph, catalogue);
  const seen = new Set([start]);
  let level = [start];
  while (level.length > 0) {
    const into = graph.edges.filter((edge) => level.includes(edge.to.node));
    for (const { from } of into) {
      const port = outputPort(manifests.get(from.node), from.port);
      if (port && !port.list && types.includes(port.type)) return { node: from.node, port: from.port, type: port.type };
    }
    level = [...new Set(into.map(({ from }) => from.node))].filter((node) => !seen.has(node));
    for (const node of level) seen.add(node);
  }
  return null;
}
