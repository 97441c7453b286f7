/**
 * Pipelines that call each other: what one takes (its Called node) and gives (its Return node), and which others a graph calls.
 * A call names a version that was published before it, so no chain of calls is without end; that a pipeline is in none of its
 * own calls is checked where it is started and published. Pure.
 */
import * as z from 'zod';
import type { ManifestJson, PortJson, PortType } from '../../nodes/contract.ts';
import type { Frames } from './frames.ts';
import type { Graph, GraphNode, Problem } from './graph.ts';
import type { NodeManifests } from './resolve.ts';

export type CallPort = { name: string; title: string; type: PortType; list: boolean; optional: boolean };
/** `called` and `returns`: ids of the nodes; a pipeline that has no Called cannot be called. */
export type Interface = { called: string; returns: string | null; inputs: CallPort[]; outputs: CallPort[] };
export type Call = {
  node: string;
  name: string;
  /** Null: none is chosen. */
  target: { pipelineId: string; name: string; version: number; inputs: CallPort[]; outputs: CallPort[] } | null;
};

/** How deep calls may lie in one another. */
export const DEEPEST_CALL = 8;

export function isCalled(manifest: ManifestJson | undefined): boolean {
  return manifest?.shape === 'trigger' && manifest.trigger?.kind === 'called';
}

/** Undefined: it has nothing that could be called. */
export function interfaceOf(graph: Graph, manifests: NodeManifests): Interface | undefined {
  const called = graph.nodes.find(({ id }) => isCalled(manifests.get(id)));
  if (!called) return undefined;
  const returns = graph.nodes.find(({ id }) => manifests.get(id)?.shape === 'return');
  return {
    called: called.id,
    returns: returns?.id ?? null,
    inputs: portsOf(manifests.get(called.id)!.outputs),
    outputs: returns ? portsOf(manifests.get(returns.id)!.inputs) : [],
  };
}

export function callsOf(graph: Graph, manifests: NodeManifests): Call[] {
  return graph.nodes
    .filter(({ id }) => manifests.get(id)?.shape === 'call-pipeline')
    .map((node) => ({ node: node.id, name: node.name, target: targetOf(node) }));
}

const Target = z.object({
  pipeline: z.string(),
  name: z.string(),
  version: z.number(),
  inputs: z.array(z.looseObject({ name: z.string(), type: z.string() })),
  outputs: z.array(z.looseObject({ name: z.string(), type: z.string() })),
});

function targetOf({ config }: Pick<GraphNode, 'config'>): Call['target'] {
  const parsed = Target.safeParse(config.call);
  if (!parsed.success) return null;
  const { pipeline: pipelineId, name, version, inputs, outputs } = parsed.data;
  return { pipelineId, name, version, inputs: inputs.map(whole), outputs: outputs.map(whole) };
}

function whole(port: { name: string; type: string; [more: string]: unknown }): CallPort {
  return {
    name: port.name,
    title: typeof port.title === 'string' ? port.title : '',
    type: port.type as PortType,
    list: port.list === true,
    optional: port.optional === true,
  };
}

/** Whether what a call was drawn with still fits: each value that is given is taken, all that is needed given, as is what comes back. */
export function fits(target: { inputs: CallPort[]; outputs: CallPort[] }, now: Interface): boolean {
  const same = (a: CallPort | undefined, b: CallPort) => a?.type === b.type && a.list === b.list;
  const named = (ports: CallPort[], name: string) => ports.find((port) => port.name === name);
  return (
    target.inputs.every((port) => same(named(now.inputs, port.name), port)) &&
    now.inputs.every((port) => port.optional || named(target.inputs, port.name)) &&
    target.outputs.every((port) => same(named(now.outputs, port.name), port))
  );
}

/** What the two ends of a pipeline that is called must keep to. */
export function callProblems(graph: Graph, frames: Frames): Problem[] {
  const ends = (is: (manifest: ManifestJson | undefined) => boolean) =>
    graph.nodes.filter(({ id }) => is(frames.manifests.get(id)));
  const called = ends(isCalled);
  const returns = ends((manifest) => manifest?.shape === 'return');
  const twice = (nodes: GraphNode[], what: string): Problem[] =>
    nodes.slice(1, 2).map((node) => ({
      severity: 'error',
      code: 'CALL_END_TWICE',
      message: `There are two of ${what}: ${nodes[0]!.name} and ${node.name}.`,
      hint: 'Put all values into one of them, and take the other away.',
      node: node.id,
    }));
  return [
    ...twice(called, 'what this pipeline is called with'),
    ...twice(returns, 'what this pipeline returns'),
    ...returns
      .filter(({ id }) => (frames.nodes.get(id)?.length ?? 0) > 0)
      .map(
        (node): Problem => ({
          severity: 'error',
          code: 'RETURN_IN_LIST',
          message: `${node.name} would return once for each item of a list.`,
          hint: 'Make its value a list, or gather the items with Collect.',
          node: node.id,
        }),
      ),
  ];
}

function portsOf(ports: Record<string, PortJson>): CallPort[] {
  return Object.entries(ports).map(([name, { title, type, list, optional }]) => ({
    name,
    title: title ?? '',
    type,
    list,
    optional,
  }));
}
