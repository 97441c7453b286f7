/** Pipelines that call each other, as the workspace has them: which can be called, and whether the calls of a graph can be kept. */
import * as z from 'zod';
import { isPipelineThere } from '../db/children.ts';
import { pipelineVersion, publishedVersions } from '../db/pipelines.ts';
import type { WorkspaceTx } from '../db/workspace.ts';
import { PORT_TYPES, type PortType } from '../nodes/contract.ts';
import { type Call, callsOf, DEEPEST_CALL, fits, interfaceOf } from '../runtime/graph/calls.ts';
import { Graph, type Problem } from '../runtime/graph/graph.ts';
import { type NodeManifests, resolveNodes } from '../runtime/graph/resolve.ts';
import type { Manifests } from './run-view.ts';

const CallPort = z.object({
  name: z.string(),
  title: z.string(),
  type: z.enum(Object.keys(PORT_TYPES) as [PortType, ...PortType[]]),
  list: z.boolean(),
  optional: z.boolean(),
});
export const Callable = z.object({
  pipelineId: z.string(),
  name: z.string(),
  version: z.number(),
  inputs: z.array(CallPort),
  outputs: z.array(CallPort),
});
type Callable = z.infer<typeof Callable>;

/** By name; only those that would not come to call `own`. */
export async function callables(tx: WorkspaceTx, manifests: Manifests, own: string): Promise<Callable[]> {
  const found: Callable[] = [];
  const known = new Map<string, Promise<Reach>>();
  for (const row of await publishedVersions(tx)) {
    const graph = Graph.parse(row.graph);
    const ends = interfaceOf(graph, resolveNodes(graph, manifests));
    if (!ends || row.pipelineId === own) continue;
    const { pipelines, depth } = await reachOf(tx, manifests, row.pipelineId, row.version, known);
    if (pipelines.has(own) || depth >= DEEPEST_CALL) continue;
    const { pipelineId, name, version } = row;
    found.push({ pipelineId, name, version, inputs: ends.inputs, outputs: ends.outputs });
  }
  return found;
}

/** What keeps the calls of a graph of pipeline `own` from being made; each is an error beside its node. */
export async function unkeptCalls(
  tx: WorkspaceTx,
  manifests: Manifests,
  own: { pipelineId: string; graph: Graph; manifests: NodeManifests },
): Promise<Problem[]> {
  const problems: Problem[] = [];
  const known = new Map<string, Promise<Reach>>();
  for (const { node, name, target } of callsOf(own.graph, own.manifests)) {
    if (!target) continue; // its settings say it
    const say = (code: string, message: string, hint: string) =>
      problems.push({ severity: 'error', code, message: `${name}: ${message}`, hint, node });
    const callee = `${target.name}, version ${target.version},`;
    const isThere = await isPipelineThere(tx, target.pipelineId);
    const ends = isThere ? await endsOf(tx, manifests, target) : undefined;
    if (!ends) {
      say('CALL_GONE', `${callee} is not in this workspace.`, 'Choose another pipeline, or take the node away.');
      continue;
    }
    if (!fits(target, ends)) {
      say('CALL_CHANGED', `${callee} takes or gives something else.`, 'Choose the pipeline again.');
      continue;
    }
    const { pipelines, depth } = await reachOf(tx, manifests, target.pipelineId, target.version, known);
    if (target.pipelineId === own.pipelineId || pipelines.has(own.pipelineId)) {
      say('CALL_CIRCLE', `${callee} would come to call this pipeline again.`, 'Choose another pipeline.');
    } else if (depth >= DEEPEST_CALL) {
      say('CALL_TOO_DEEP', `${callee} calls too many others.`, `At most ${DEEPEST_CALL} may lie in one another.`);
    }
  }
  return problems;
}

async function endsOf(tx: WorkspaceTx, manifests: Manifests, { pipelineId, version }: NonNullable<Call['target']>) {
  const saved = await pipelineVersion(tx, pipelineId, version);
  if (!saved) return undefined;
  const graph = Graph.parse(saved.graph);
  return interfaceOf(graph, resolveNodes(graph, manifests));
}

/** Which nodes of a graph call something that publishes. */
export async function sendingCalls(tx: WorkspaceTx, manifests: Manifests, graph: Graph): Promise<ReadonlySet<string>> {
  const known = new Map<string, Promise<Reach>>();
  const sending = new Set<string>();
  for (const { node, target } of callsOf(graph, resolveNodes(graph, manifests))) {
    if (target && (await reachOf(tx, manifests, target.pipelineId, target.version, known)).sends) sending.add(node);
  }
  return sending;
}

/** All that a version comes to call, how deep they lie in one another, itself included, and whether any of them publishes. */
type Reach = { pipelines: ReadonlySet<string>; depth: number; sends: boolean };

function reachOf(
  tx: WorkspaceTx,
  manifests: Manifests,
  pipelineId: string,
  version: number,
  known: Map<string, Promise<Reach>>,
): Promise<Reach> {
  const key = `${pipelineId}/${version}`;
  const made = known.get(key) ?? look();
  known.set(key, made);
  return made;

  // a version calls only versions that were there before it, so this ends
  async function look(): Promise<Reach> {
    const saved = await pipelineVersion(tx, pipelineId, version);
    if (!saved) return { pipelines: new Set(), depth: 1, sends: false };
    const graph = Graph.parse(saved.graph);
    const pipelines = new Set<string>();
    let deepest = 0;
    let sends = graph.nodes.some(({ type }) => manifests.get(type)?.effect === 'writes-external');
    for (const { target } of callsOf(graph, resolveNodes(graph, manifests))) {
      if (!target) continue;
      const below = await reachOf(tx, manifests, target.pipelineId, target.version, known);
      deepest = Math.max(deepest, below.depth);
      sends ||= below.sends;
      for (const id of [target.pipelineId, ...below.pipelines]) pipelines.add(id);
    }
    return { pipelines, depth: deepest + 1, sends };
  }
}
