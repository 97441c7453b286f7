/** In which order values flow through a graph, and the node types it is drawn with. Pure. */
import type { ManifestJson } from '../../nodes/contract.ts';
import type { Graph } from './graph.ts';

/** Every installed node type. */
export type Catalogue = ReadonlyMap<string, ManifestJson> | readonly ManifestJson[];

export function manifestsById(catalogue: Catalogue): ReadonlyMap<string, ManifestJson> {
  return Array.isArray(catalogue)
    ? new Map((catalogue as readonly ManifestJson[]).map((manifest) => [manifest.id, manifest]))
    : (catalogue as ReadonlyMap<string, ManifestJson>);
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
