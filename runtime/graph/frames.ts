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
import { ERROR_PORT, type Graph, type GraphEdge } from './graph.ts';

export type Catalogue = ReadonlyMap<string, ManifestJson> | readonly ManifestJson[];
export type How = 'same' | 'map' | 'gather';
export type Frame = readonly string[];

/** What every node's error output carries. */
export const ERROR_OUTPUT: PortJson = { type: 'json', list: false, optional: true, title: 'Error', help: null };

export function manifestsById(catalogue: Catalogue): ReadonlyMap<string, ManifestJson> {
  return Array.isArray(catalogue)
    ? new Map((catalogue as readonly ManifestJson[]).map((manifest) => [manifest.id, manifest]))
    : (catalogue as ReadonlyMap<string, ManifestJson>);
}

export function outputPort(manifest: ManifestJson | undefined, port: string): PortJson | undefined {
  if (!manifest) return undefined;
  if (port === ERROR_PORT) return ERROR_OUTPUT;
  return Object.hasOwn(manifest.outputs, port) ? manifest.outputs[port] : undefined;
}

export function inputPort(manifest: ManifestJson | undefined, port: string): PortJson | undefined {
  return manifest && Object.hasOwn(manifest.inputs, port) ? manifest.inputs[port] : undefined;
}

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

export type Frames = {
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
  const manifests = manifestsById(catalogue);
  const types = new Map(graph.nodes.map((node) => [node.id, node.type]));
  const into = new Map<string, GraphEdge[]>(graph.nodes.map((node) => [node.id, []]));
  for (const edge of graph.edges) into.get(edge.to.node)?.push(edge);

  const result: Frames = { nodes: new Map(), edges: new Map(), conflicts: [], order: flowOrder(graph) };
  for (const id of result.order) {
    let longest: { edge: string | null; frame: Frame } = { edge: null, frame: [] };
    const arriving: { edge: string; frame: Frame }[] = [];
    for (const edge of into.get(id) ?? []) {
      const from = outputPort(manifests.get(types.get(edge.from.node) ?? ''), edge.from.port);
      const to = inputPort(manifests.get(types.get(id) ?? ''), edge.to.port);
      const source = result.nodes.get(edge.from.node);
      if (!from || !to || !source) continue;
      const how = howOf(from, to);
      const frame = frameOver(source, how, `${edge.from.node}.${edge.from.port}`);
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

/** Node ids so that each comes after everything it takes from; among equals the graph's own order. */
export function flowOrder(graph: Graph): string[] {
  const left = new Map<string, number>(graph.nodes.map((node) => [node.id, 0]));
  const out = new Map<string, string[]>();
  for (const edge of graph.edges) {
    if (!left.has(edge.from.node) || !left.has(edge.to.node)) continue;
    left.set(edge.to.node, left.get(edge.to.node)! + 1);
    out.set(edge.from.node, [...(out.get(edge.from.node) ?? []), edge.to.node]);
  }
  const order = graph.nodes.filter((node) => left.get(node.id) === 0).map((node) => node.id);
  for (let at = 0; at < order.length; at++) {
    for (const next of out.get(order[at]!) ?? []) {
      const remaining = left.get(next)! - 1;
      left.set(next, remaining);
      if (remaining === 0) order.push(next);
    }
  }
  return order;
}

/** Everything that takes from `start`, directly or not, without `start` itself. */
export function downstreamOf(graph: Graph, start: string): Set<string> {
  const found = new Set<string>();
  const walk = [start];
  for (let id = walk.pop(); id !== undefined; id = walk.pop()) {
    for (const edge of graph.edges) {
      if (edge.from.node === id && !found.has(edge.to.node)) {
        found.add(edge.to.node);
        walk.push(edge.to.node);
      }
    }
  }
  return found;
}
