/**
 * In which order values flow through a graph, and the node types it is drawn with. A node comes after what is wired into
 * it and after what expressions in its settings take from. Pure.
 */
import type { ManifestJson } from '../../nodes/contract.ts';
import { expressionsIn, treeOf, usesOf } from './expression.ts';
import type { Graph } from './graph.ts';

/** Every installed node type. */
export type Catalogue = ReadonlyMap<string, ManifestJson> | readonly ManifestJson[];

export function manifestsById(catalogue: Catalogue): ReadonlyMap<string, ManifestJson> {
  return Array.isArray(catalogue)
    ? new Map((catalogue as readonly ManifestJson[]).map((manifest) => [manifest.id, manifest]))
    : (catalogue as ReadonlyMap<string, ManifestJson>);
}

type Link = { from: string; to: string };

/**
 * Which node waits for which: over wires, and over what expressions take. Of these the ones that would close a circle
 * are left out; they are a problem of their setting, not of the nodes around it.
 */
export function linksOf(graph: Graph): Link[] {
  const links = graph.edges.map((edge): Link => ({ from: edge.from.node, to: edge.to.node }));
  const ids = new Set(graph.nodes.map((node) => node.id));
  for (const { id: to, config } of graph.nodes) {
    for (const from of takenFrom(config)) {
      if (from === to || !ids.has(from) || links.some((link) => link.from === from && link.to === to)) continue;
      if (!after(links, to).has(from)) links.push({ from, to });
    }
  }
  return links;
}

/** Nodes that expressions in a setting take from. */
function takenFrom(config: unknown): Set<string> {
  return new Set(
    expressionsIn(config).flatMap(({ stored }) => {
      const reading = treeOf(stored);
      return reading.ok ? usesOf(reading.tree).map((use) => use.node) : [];
    }),
  );
}

/** Node ids so that each comes after everything it takes from; among equals the graph's own order. */
export function flowOrder(graph: Graph): string[] {
  const left = new Map<string, number>(graph.nodes.map((node) => [node.id, 0]));
  const out = new Map<string, string[]>();
  for (const { from, to } of linksOf(graph)) {
    if (!left.has(from) || !left.has(to)) continue;
    left.set(to, left.get(to)! + 1);
    out.set(from, [...(out.get(from) ?? []), to]);
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
  return after(linksOf(graph), start);
}

/** Everything that `end` takes from, directly or not, nearest first, without `end` itself. */
export function upstreamOf(graph: Graph, end: string): Set<string> {
  return after(
    linksOf(graph).map(({ from, to }) => ({ from: to, to: from })),
    end,
  );
}

/** Nearest first. */
function after(links: readonly Link[], start: string): Set<string> {
  const found = new Set<string>();
  const walk = [start];
  for (const id of walk) {
    for (const { from, to } of links) {
      if (from !== id || found.has(to)) continue;
      found.add(to);
      walk.push(to);
    }
  }
  return found;
}
