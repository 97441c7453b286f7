/** Pipelines that call each other, as the workspace has them: which can be called, and whether the calls of a graph can be kept. */
import * as z from 'zod';
import { isPipelineThere } from '../db/children.ts';
import { pipelineVersion, publishedVersions } from '../db/pipelines.ts';
import type { WorkspaceTx } from '../db/workspace.ts';
import { PORT_TYPES, type PortType } from '../nodes/contract.ts';
import { type Call, callsOf, DEEPEST_CALL, fits, type Interface, interfaceOf } from '../runtime/graph/calls.ts';
import { Graph, type Problem } from '../runtime/graph/graph.ts';
import { resolveNodes } from '../runtime/graph/resolve.ts';
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

type Reading = { ends: Interface | undefined; calls: Call[]; sends: boolean };
/** All that a version comes to call, how deep they lie in one another, itself included, and whether any of them publishes. */
type Reach = { pipelines: ReadonlySet<string>; depth: number; sends: boolean };

/** Versions of pipelines, each read once. */
function versionsIn(tx: WorkspaceTx, manifests: Manifests) {
  const read = new Map<string, Promise<Reading | undefined>>();
  const reached = new Map<string, Promise<Reach>>();
  const keyOf = (pipelineId: string, version: number) => `${pipelineId}/${version}`;
  const readingOf = (stored: unknown): Reading => {
    const graph = Graph.parse(stored);
    const own = resolveNodes(graph, manifests);
    const sends = graph.nodes.some(({ type }) => manifests.get(type)?.effect === 'writes-external');
    return { ends: interfaceOf(graph, own), calls: callsOf(graph, own), sends };
  };
  async function look(pipelineId: string, version: number): Promise<Reach> {
    const reading = await versions.reading(pipelineId, version);
    const pipelines = new Set<string>();
    let deepest = 0;
    let sends = reading?.sends === true;
    for (const { target } of reading?.calls ?? []) {
      if (!target) continue;
      const below = await versions.reach(target.pipelineId, target.version);
      deepest = Math.max(deepest, below.depth);
      sends ||= below.sends;
      for (const id of [target.pipelineId, ...below.pipelines]) pipelines.add(id);
    }
    return { pipelines, depth: deepest + 1, sends };
  }
  const versions = {
    /** One that the caller has. */
    take(pipelineId: string, version: number, graph: unknown): Reading {
      const reading = readingOf(graph);
      read.set(keyOf(pipelineId, version), Promise.resolve(reading));
      return reading;
    },
    reading(pipelineId: string, version: number): Promise<Reading | undefined> {
      const key = keyOf(pipelineId, version);
      const found =
        read.get(key) ?? pipelineVersion(tx, pipelineId, version).then((saved) => saved && readingOf(saved.graph));
      read.set(key, found);
      return found;
    },
    /** A version calls only versions that were there before it, so this ends. */
    reach(pipelineId: string, version: number): Promise<Reach> {
      const key = keyOf(pipelineId, version);
      const found = reached.get(key) ?? look(pipelineId, version);
      reached.set(key, found);
      return found;
    },
  };
  return versions;
}

/** By name; only those that would not come to call `own`. */
export async function callables(tx: WorkspaceTx, manifests: Manifests, own: string): Promise<Callable[]> {
  const versions = versionsIn(tx, manifests);
  const published = (await publishedVersions(tx)).map((row) => ({
    ...row,
    ends: versions.take(row.pipelineId, row.version, row.graph).ends,
  }));
  const found: Callable[] = [];
  for (const { pipelineId, name, version, ends } of published) {
    if (!ends || pipelineId === own) continue;
    const { pipelines, depth } = await versions.reach(pipelineId, version);
    if (pipelines.has(own) || depth >= DEEPEST_CALL) continue;
    found.push({ pipelineId, name, version, inputs: ends.inputs, outputs: ends.outputs });
  }
  return found;
}

/**
 * The calls of a graph of pipeline `own`: what keeps them from being made, each an error beside its node, and which of its nodes
 * call something that publishes.
 */
export async function lookAtCalls(
  tx: WorkspaceTx,
  manifests: Manifests,
  own: { pipelineId: string; graph: Graph },
): Promise<{ problems: Problem[]; sending: ReadonlySet<string> }> {
  const problems: Problem[] = [];
  const sending = new Set<string>();
  const versions = versionsIn(tx, manifests);
  for (const { node, name, target } of callsOf(own.graph, resolveNodes(own.graph, manifests))) {
    if (!target) continue; // its settings say it
    const say = (code: string, message: string, hint: string) =>
      problems.push({ severity: 'error', code, message: `${name}: ${message}`, hint, node });
    const callee = `${target.name}, version ${target.version},`;
    const isThere = await isPipelineThere(tx, target.pipelineId);
    const ends = isThere ? (await versions.reading(target.pipelineId, target.version))?.ends : undefined;
    if (!ends) {
      say('CALL_GONE', `${callee} is not in this workspace.`, 'Choose another pipeline, or take the node away.');
      continue;
    }
    if (!fits(target, ends)) {
      say('CALL_CHANGED', `${callee} takes or gives something else.`, 'Choose the pipeline again.');
      continue;
    }
    const { pipelines, depth, sends } = await versions.reach(target.pipelineId, target.version);
    if (sends) sending.add(node);
    if (target.pipelineId === own.pipelineId || pipelines.has(own.pipelineId)) {
      say('CALL_CIRCLE', `${callee} would come to call this pipeline again.`, 'Choose another pipeline.');
    } else if (depth >= DEEPEST_CALL) {
      say('CALL_TOO_DEEP', `${callee} calls too many others.`, `At most ${DEEPEST_CALL} may lie in one another.`);
    }
  }
  return { problems, sending };
}
