/**
 * A step that runs another pipeline: starts a run of it once, sleeps until that has ended, and goes on with what it returned.
 * The start and the falling asleep are one commit, so no worker that dies leaves one without the other. Tried again, or given other
 * values, the same run goes on: what it has made and sent stays.
 *
 * Errors (all for a person): CALL_GONE, CALL_CIRCLE, CALL_TOO_DEEP, CALL_NOT_READY, CALL_CHANGED, CALL_FAILED, CALL_CANCELLED.
 */
import { type AdvanceRules, retrySteps } from '../db/again.ts';
import {
  awaitChild,
  type Child,
  callersOf,
  childOf,
  firstFailure,
  giveAgain,
  inheritance,
  isPipelineThere,
  returnedBy,
} from '../db/children.ts';
import type { Database } from '../db/connect.ts';
import type { StepKey, StepLease } from '../db/journal.ts';
import { pipelineVersion } from '../db/pipelines.ts';
import { startRun } from '../db/runs.ts';
import type { StoredValue } from '../db/values.ts';
import { inWorkspace, type WorkspaceTx } from '../db/workspace.ts';
import type { ErrorJson } from '../nodes/contract.ts';
import type { Catalogue } from './catalogue.ts';
import { dependentsOf, isTrouble, rebuild } from './graph/advance.ts';
import { type Call, DEEPEST_CALL, fits, type Interface, interfaceOf } from './graph/calls.ts';
import { Graph } from './graph/graph.ts';
import { withoutPins } from './graph/pins.ts';
import type { Plan } from './graph/plan.ts';
import { resolveNodes } from './graph/resolve.ts';
import { type InstalledTypes, type RunTrigger, startOf } from './graph/triggers.ts';
import { manifestsIn } from './graph/types.ts';
import { typesOf } from './plugins.ts';

type Target = NonNullable<Call['target']>;
export type CallingStep = {
  db: Database;
  catalogue: Catalogue;
  workspaceId: string;
  key: StepKey;
  lease: StepLease & { worker: string };
  target: Target;
  /** What arrived, by port. */
  given: Record<string, StoredValue>;
};
export type CallEnd =
  | { kind: 'returned'; outputs: Record<string, StoredValue>; run: number }
  | { kind: 'failed'; error: ErrorJson }
  | { kind: 'asleep' }
  | { kind: 'lost' };

const RULES = { dependentsOf, rebuild, isTrouble } as AdvanceRules<Plan>;
/** A child that ends while its caller falls asleep is looked at again. */
const LOOKS = 5;

export async function callPipeline(step: CallingStep): Promise<CallEnd> {
  for (let look = 0; look < LOOKS; look++) {
    const end = await inWorkspace(step.db, step.workspaceId, (tx) => lookAtChild(tx, step));
    if (end !== 'again') return end;
  }
  return { kind: 'lost' };
}

async function lookAtChild(tx: WorkspaceTx, step: CallingStep): Promise<CallEnd | 'again'> {
  const { target } = step;
  const child = await childOf(tx, step.key, step.lease);
  if (child === undefined) return { kind: 'lost' };
  const sleep = async ({ id, number }: { id: string; number: number }): Promise<CallEnd | 'again'> => {
    const why = `Waits for run ${number} of ${target.name}.`;
    return (await awaitChild(tx, step.key, step.lease, { id, why })) ? { kind: 'asleep' } : 'again';
  };
  if (child === null) {
    const begun = await begin(tx, step);
    return 'code' in begun ? { kind: 'failed', error: begun } : sleep(begun);
  }
  // it goes by its own graph, whatever has become of the pipeline since
  const graph = Graph.parse(child.graph);
  const ends = interfaceOf(graph, resolveNodes(graph, manifestsIn(await typesOf(tx, step.catalogue))));
  if (!isSame(child.given, step.given) && ends) {
    await giveAgain(tx, { runId: child.id, node: ends.called }, step.given, RULES);
    return sleep(child);
  }
  if (child.state === 'running') return sleep(child);
  if (child.state === 'succeeded' || child.state === 'stopped') {
    return { kind: 'returned', outputs: await returnedBy(tx, child.id, ends?.returns ?? null), run: child.number };
  }
  if (child.isOld && (await retrySteps(tx, { runId: child.id }, RULES)).ok) return sleep(child);
  return { kind: 'failed', error: await failureOf(tx, step, child, graph) };
}

type Version = { graph: Graph; ends: Interface; types: InstalledTypes };

async function versionOf(tx: WorkspaceTx, { target, catalogue }: CallingStep): Promise<Version | ErrorJson> {
  const isThere = await isPipelineThere(tx, target.pipelineId);
  const saved = isThere ? await pipelineVersion(tx, target.pipelineId, target.version) : undefined;
  if (!saved) {
    return refusal('CALL_GONE', `${target.name} is not here any more, or has no version ${target.version}.`, CHOOSE);
  }
  const graph = withoutPins(Graph.parse(saved.graph));
  const types = await typesOf(tx, catalogue, saved.pins);
  const ends = interfaceOf(graph, resolveNodes(graph, manifestsIn(types)));
  return ends && fits(target, ends)
    ? { graph, ends, types }
    : refusal('CALL_CHANGED', `Version ${target.version} of ${target.name} takes or gives something else.`, CHOOSE);
}

async function begin(tx: WorkspaceTx, step: CallingStep): Promise<{ id: string; number: number } | ErrorJson> {
  const { target, key, given } = step;
  const version = await versionOf(tx, step);
  if ('code' in version) return version;
  const { graph, ends, types } = version;
  const callers = await callersOf(tx, key.runId);
  if (callers.includes(target.pipelineId)) {
    return refusal(
      'CALL_CIRCLE',
      `${target.name} would call itself.`,
      'Choose another pipeline, or end the circle there.',
    );
  }
  if (callers.length >= DEEPEST_CALL) {
    const message = `${target.name} would be the ${callers.length + 1}th pipeline called from within another.`;
    return refusal('CALL_TOO_DEEP', message, `At most ${DEEPEST_CALL} may lie in one another.`);
  }
  const started = startOf(graph, types);
  if (!started.ok) {
    const { message, hint } = started.problems[0]!;
    return refusal('CALL_NOT_READY', `${target.name} cannot be run: ${message}`, hint);
  }
  const heir = await inheritance(tx, key.runId);
  const trigger: RunTrigger = { node: ends.called, kind: 'called', event: { outputs: given }, sample: null };
  const { runId, number } = await startRun(tx, {
    ...started.start,
    ...(heir.payers.length > 0 ? { plan: { ...started.start.plan, payers: heir.payers } } : {}),
    pipelineId: target.pipelineId,
    version: target.version,
    isLimited: started.start.graph.limits !== undefined,
    brandId: heir.brandId,
    kit: heir.kit,
    dryRun: heir.dryRun,
    nonce: heir.nonce,
    startedBy: heir.startedBy,
    startedHow: 'called',
    trigger,
    parent: key,
  });
  return { id: runId, number };
}

async function failureOf(tx: WorkspaceTx, { target }: CallingStep, child: Child, graph: Graph): Promise<ErrorJson> {
  const name = `Run ${child.number} of ${target.name}`;
  if (child.state === 'cancelled') {
    return refusal('CALL_CANCELLED', `${name} was cancelled.`, 'Retry: it goes on from where it was.');
  }
  const first = await firstFailure(tx, child.id);
  const where = graph.nodes.find(({ id }) => id === first?.node)?.name;
  const what = first ? `: ${where ?? first.node}: ${first.error.message}` : '.';
  return refusal(
    'CALL_FAILED',
    `${name} ended with problems${what}`,
    'Open it and see to what failed; then retry here.',
  );
}

const CHOOSE = 'Choose the pipeline again in the settings, and publish.';

function refusal(code: string, message: string, hint: string | null): ErrorJson {
  return { code, message: message.slice(0, 1_900), hint, retry: 'person' };
}

/** By content: what was stored once is stored the same. */
function isSame(a: Record<string, StoredValue>, b: Record<string, StoredValue>): boolean {
  const digests = (of: Record<string, StoredValue>) =>
    Object.entries(of)
      .map(([port, { digest }]) => `${port} ${digest}`)
      .sort()
      .join();
  return digests(a) === digests(b);
}
