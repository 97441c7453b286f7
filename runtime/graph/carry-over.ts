/**
 * How the nodes of a draft are carried over to another version of their plugin, or to a node type that replaces theirs: which
 * they are, and the operations that do it. Pure: what makes older settings into newer ones is foreign code, run elsewhere.
 */
import type { ManifestJson, Replaces } from '../../nodes/contract.ts';
import { resolveConfig } from './config.ts';
import type { Graph, GraphNode } from './graph.ts';
import type { Operation } from './operations.ts';

export type Use = { node: GraphNode; manifest: ManifestJson; replaces: Replaces | null };
export type Carried = Use & { config: Record<string, unknown> };
/** What a person reads of one node. `was` and `is` absent: not set. */
export type CarryReview = {
  node: string;
  name: string;
  from: string;
  to: string;
  fields: { field: string; was?: unknown; is?: unknown }[];
  problem: string | null;
};

/** Types that a package's nodes are, or are put in the place of. */
export function typesConcerned(manifests: readonly ManifestJson[]): string[] {
  return [...new Set(manifests.flatMap(({ id, replaces = [] }) => [id, ...replaces.map(({ type }) => type)]))];
}

const majorOf = (version: string) => version.split('.')[0];

/** The nodes of a draft that another major version, or another type, is put in the place of. */
export function usesToCarry(graph: Graph, manifests: readonly ManifestJson[]): Use[] {
  return graph.nodes.flatMap((node): Use[] => {
    const same = manifests.find(({ id }) => id === node.type);
    if (same) return majorOf(node.version) === majorOf(same.version) ? [] : [{ node, manifest: same, replaces: null }];
    for (const manifest of manifests) {
      const replaces = manifest.replaces?.find(({ type }) => type === node.type);
      if (replaces) return [{ node, manifest, replaces }];
    }
    return [];
  });
}

/** Settings under their new names; where the plugin has its own way, that is asked instead. */
export function renamedConfig(config: Record<string, unknown>, replaces: Replaces | null): Record<string, unknown> {
  const names = replaces?.config ?? {};
  return Object.fromEntries(
    Object.entries(config).map(([field, value]) => [Object.hasOwn(names, field) ? names[field]! : field, value]),
  );
}

export function carryOperations(graph: Graph, carried: readonly Carried[]): Operation[] {
  const operations: Operation[] = [];
  for (const { node, manifest, config } of carried) {
    operations.push({ op: 'setType', node: node.id, type: manifest.id, version: manifest.version });
    for (const { field, is } of changes(node.config, config)) {
      operations.push({ op: 'setConfig', node: node.id, field, ...(is === undefined ? {} : { value: is as never }) });
    }
  }
  const of = new Map(carried.map((each) => [each.node.id, each.replaces]));
  for (const [index, edge] of graph.edges.entries()) {
    const from = renamed(of.get(edge.from.node)?.outputs, edge.from.port);
    const to = renamed(of.get(edge.to.node)?.inputs, edge.to.port);
    if (from === edge.from.port && to === edge.to.port) continue;
    operations.push(
      { op: 'disconnect', edge: edge.id },
      {
        op: 'connect',
        edge: { ...edge, from: { ...edge.from, port: from }, to: { ...edge.to, port: to } },
        index,
      },
    );
  }
  const inputs = graph.inputs.map((input) => ({
    ...input,
    field: renamed(of.get(input.node)?.config, input.field),
  }));
  if (inputs.some(({ field }, at) => field !== graph.inputs[at]!.field)) operations.push({ op: 'setInputs', inputs });
  return operations;
}

export function reviewOf({ node, manifest, config }: Carried): CarryReview {
  const { problems } = resolveConfig(manifest.config, config, { later: true });
  return {
    node: node.id,
    name: node.name,
    from: `${node.type} ${node.version}`,
    to: `${manifest.id} ${manifest.version}`,
    fields: changes(node.config, config),
    problem: problems[0]?.message ?? null,
  };
}

const renamed = (names: Record<string, string> | undefined, name: string): string =>
  names && Object.hasOwn(names, name) ? names[name]! : name;

function changes(was: Record<string, unknown>, is: Record<string, unknown>): CarryReview['fields'] {
  const fields = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return fields
    .filter((field) => JSON.stringify(was[field]) !== JSON.stringify(is[field]))
    .map((field) => ({
      field,
      ...(was[field] === undefined ? {} : { was: was[field] }),
      ...(is[field] === undefined ? {} : { is: is[field] }),
    }));
}
