/** A template's graph with a recording put where it asks for one. Pure. */
import type { Graph } from '../../runtime/graph/graph.ts';

/** Fills the input named `recording`; a graph without one is given back as it is. */
export function withRecording(graph: Graph, asset: string | null): Graph {
  const input = graph.inputs.find(({ name }) => name === 'recording');
  if (!input || asset === null) return graph;
  return {
    ...graph,
    nodes: graph.nodes.map((node) =>
      node.id === input.node ? { ...node, config: { ...node.config, [input.field]: { asset } } } : node,
    ),
  };
}
