/**
 * The lists that values lie within, worked out from the graph alone.
 *
 *   origin   an output port that makes a list, as `node.port`
 *   frame    the origins a value lies within, outermost first; a node has one step per index tuple of its frame
 *   how      what a wire does: `same` rank as it is, `map` a list into single items, `gather` items into a list
 *
 * A node's frame is the longest among its inputs; each other must be a prefix of it and is broadcast. Alignment is by
 * item path, so holes (skips, filters, routes) renumber nothing.
 */
import type { ManifestJson, PortJson } from '../../nodes/contract.ts';
import { type Catalogue, flowOrder } from './flow.ts';
import type { Graph, GraphEdge } from './graph.ts';
import { inputPort, type NodeManifests, outputPort, resolveNodes } from './resolve.ts';

export type How = 'same' | 'map' | 'gather';
export type Frame = readonly string[];

export function howOf(from: PortJson, to: PortJson): How {
  if (from.list === to.list) return 'same';
  return from.list ? 'map' : 'gather';
}

/** The frame that arrives over a wire. */
export function frameOver(source: Frame, how: How, origin: string): Frame {
  if (how === 'map') return [...source, origin];
  if (how === 'gather') return source.slice(0, -1);
  return source;
}

function isPrefix(short: Frame, long: Frame): boolean {
  return short.every((origin, depth) => origin === long[depth]);
}

/** The list that an output makes. All lists of a Pair are one list: they have the same length and the same places. */
export function listOrigin(manifest: ManifestJson | undefined, node: string, port: string): string {
  if (manifest?.shape !== 'pair') return `${node}.${port}`;
  return `${node}.${Object.keys(manifest.outputs).find((name) => manifest.outputs[name]!.list) ?? port}`;
}

export type Frames = {
  /** Node id → its manifest with the ports it really has. */
  manifests: NodeManifests;
  /** Node id → its frame. Nodes on a cycle are missing. */
  nodes: Map<string, Frame>;
  /** Edge id → what it does and the frame that arrives. Edges with an unknown end are missing. */
  edges: Map<string, { how: How; frame: Frame }>;
  /** Nodes whose inputs come from lists that do not belong together, with the two edges that show it. */
  conflicts: { node: string; edges: [string, string] }[];
  /** Node ids, each after everything it takes from. Nodes on a cycle are missing. */
  order: string[];
};

/** Everything about lists that follows from the graph. Total: a broken graph gives what can be said of it. */
export function analyseFrames(graph: Graph, catalogue: Catalogue): Frames {
  const manifests = resolveNodes(graph, catalogue);
  const into = new Map<string, GraphEdge[]>(graph.nodes.map((node) => [node.id, []]));
  for (const edge of graph.edges) into.get(edge.to.node)?.push(edge);

  const result: Frames = { manifests, nodes: new Map(), edges: new Map(), conflicts: [], order: flowOrder(graph) };
  for (const id of result.order) {
    let longest: { edge: string | null; frame: Frame } = { edge: null, frame: [] };
    const arriving: { edge: string; frame: Frame }[] = [];
    for (const edge of into.get(id) ?? []) {
      const from = outputPort(manifests.get(edge.from.node), edge.from.port);
      const to = inputPort(manifests.get(id), edge.to.port);
      const source = result.nodes.get(edge.from.node);
      if (!from || !to || !source) continue;
      const how = howOf(from, to);
      const frame = frameOver(source, how, listOrigin(manifests.get(edge.from.node), edge.from.node, edge.from.port));
      result.edges.set(edge.id, { how, frame });
      arriving.push({ edge: edge.id, frame });
      if (longest.edge === null || frame.length > longest.frame.length) longest = { edge: edge.id, frame };
    }
    for (const { edge, frame } of arriving) {
      if (longest.edge !== null && !isPrefix(frame, longest.frame)) {
        result.conflicts.push({ node: id, edges: [longest.edge, edge] });
      }
    }
    result.nodes.set(id, longest.frame);
  }
  return result;
}

/** Node id → frame. */
export function framesOf(graph: Graph, catalogue: Catalogue): Map<string, Frame> {
  return analyseFrames(graph, catalogue).nodes;
}
