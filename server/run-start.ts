/** What a run is started from, and the look ahead at it: what is reused, what is made, and what that will take. */
import * as z from 'zod';
import { hasAssets } from '../db/assets.ts';
import { getBrand } from '../db/brands.ts';
import { type CarryOver, earlierRun, settledSteps } from '../db/carry.ts';
import { beginningOf, endedRuns, estimateOf, recordedSeconds, taken } from '../db/forecast.ts';
import { getPipeline, pipelineVersion } from '../db/pipelines.ts';
import { runSnapshot } from '../db/run-view.ts';
import { lastEvents } from '../db/triggers.ts';
import { loadValue, type StoredValue } from '../db/values.ts';
import type { WorkspaceTx } from '../db/workspace.ts';
import type { BrandKit } from '../nodes/contract.ts';
import { dependentsOf, type StepAt, stepKey } from '../runtime/graph/advance.ts';
import { carriedOver, unchangedIn } from '../runtime/graph/carry.ts';
import { type Ahead, estimate } from '../runtime/graph/estimate.ts';
import { expressionsIn } from '../runtime/graph/expression.ts';
import { Graph, type Problem as GraphProblem } from '../runtime/graph/graph.ts';
import { withoutPins } from '../runtime/graph/pins.ts';
import type { Plan } from '../runtime/graph/plan.ts';
import { prepareRun } from '../runtime/graph/prepare.ts';
import { resolveNodes } from '../runtime/graph/resolve.ts';
import { type InstalledTypes, type RunTrigger, sampleFor, triggersOf } from '../runtime/graph/triggers.ts';
import { lookAtCalls } from './calls.ts';
import type { Services } from './deps.ts';
import { assetsIn, countsOf, type Foreseen, foresee, type Outcome } from './foresee.ts';
import { notFound, Problem } from './problem.ts';
import type { Manifests } from './run-view.ts';
import { type Member, requireBrand } from './trpc.ts';

export const RunWanted = z.object({
  pipelineId: z.uuid(),
  brandId: z.uuid(),
  version: z.union([z.number().int().positive(), z.enum(['draft', 'latest'])]).default('draft'),
  inputs: z.record(z.string().max(40), z.json()).default({}),
  set: z
    .array(z.object({ node: z.string().max(80), field: z.string().max(60), value: z.json() }))
    .max(200)
    .default([]),
  dryRun: z.boolean().default(false),
  /** Runs this node and what it needs. */
  only: z.string().max(40).optional(),
  /** Makes this node and what follows it anew, whatever is stored. */
  from: z.string().max(40).optional(),
  /** With the inputs and the trigger's event of this earlier run of the pipeline, where nothing else is given. */
  again: z.uuid().optional(),
  /** What comes before the part is taken from the earlier run as it settled it: nothing of it runs or is sent. */
  carryOver: z.boolean().default(false),
  /** Benches only: nothing stored is used and nothing of it is found later. */
  nonce: z.string().max(80).optional(),
  /** Of several triggers, the one whose event it begins with; the Manual one or the first where absent. */
  trigger: z.string().max(40).optional(),
});
type RunWanted = z.infer<typeof RunWanted>;

export const Expected = z.object({
  seconds: z.number().nullable(),
  calls: z.number(),
  posts: z.number(),
  accounts: z.number(),
  money: z.array(z.object({ currency: z.string(), minor: z.number() })),
  quota: z.array(z.object({ name: z.string(), units: z.number() })),
});
export const RunAhead = z.object({
  nodes: z.array(
    z.object({
      nodeId: z.string(),
      name: z.string(),
      reused: z.number(),
      /** Of its steps; null where the number is not known yet. */
      runs: z.number().nullable(),
      /** Would send something, and only says what. */
      isRehearsed: z.boolean(),
      /** Quicker to run again than to look up. */
      isCheap: z.boolean(),
      /** Fixed in the draft: does not run. */
      isPinned: z.boolean(),
      /** The run it is taken from as it is. */
      takenFrom: z.number().nullable(),
    }),
  ),
  /** Nodes of which nothing is made. */
  reused: z.number(),
  runs: z.number(),
  estimate: Expected.extend({
    /** Earlier runs it rests on. */
    basedOn: z.number(),
    /** Names of nodes that nothing is known about yet. */
    unknown: z.array(z.string()),
  }),
  /** Settings of the earlier run that the version has no place for. */
  dropped: z.array(z.string()),
});
type RunAhead = z.infer<typeof RunAhead>;

/** Longer values are not looked at before a run, and not shown. */
export const VALUE_BYTES = 8 * 1024 * 1024;

export async function manifestsOf(services: Services, tx: WorkspaceTx): Promise<Manifests> {
  return manifestsById(await services.nodeTypes.of(tx));
}
const manifestsById = (types: InstalledTypes): Manifests =>
  new Map([...types].map(([id, { manifest }]) => [id, manifest]));

export async function bytesOf(services: Services, workspaceId: string, sha256: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of await services.storeFor(workspaceId, { internal: true }).read(sha256)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What was asked for by a wrong name is the caller's mistake; the rest is the pipeline's. */
function notReady(problems: GraphProblem[]): Problem {
  const [first] = problems;
  const { code, message, hint } = first!;
  if (code.startsWith('RUN_')) return new Problem('BAD_REQUEST', code, message, hint === null ? {} : { hint });
  const isEmpty = code === 'PIPELINE_EMPTY';
  return new Problem('PRECONDITION_FAILED', isEmpty ? code : 'PIPELINE_NOT_READY', message, {
    ...(hint === null ? {} : { hint }),
    ...(isEmpty ? {} : { details: problems }),
  });
}

/** Everything a run is started with. Throws a `Problem` where it cannot be. */
export async function readied(services: Services, tx: WorkspaceTx, member: Member, input: RunWanted) {
  const brand = await getBrand(tx, input.brandId);
  if (!brand) throw notFound('This brand');
  const pipeline = await getPipeline(tx, input.pipelineId);
  if (!pipeline) throw notFound('This pipeline');
  const number =
    input.version === 'draft' ? null : input.version === 'latest' ? pipeline.publishedVersion : input.version;
  if (input.version === 'latest' && number === null) {
    throw new Problem('PRECONDITION_FAILED', 'NOT_PUBLISHED', `${pipeline.name} has no published version yet.`, {
      hint: 'Publish it, or run the draft.',
    });
  }
  const version = number === null ? undefined : await pipelineVersion(tx, pipeline.id, number);
  if (number !== null && !version) throw notFound(`Version ${number}`);
  const types = await services.nodeTypes.of(tx, version?.pins);
  const manifests = manifestsById(types);
  const saved = version ? withoutPins(Graph.parse(version.graph)) : Graph.parse(pipeline.graph);
  const before = input.again === undefined ? null : await earlierBeginning(tx, member, pipeline.id, input.again);
  const names = new Set(saved.inputs.map(({ name }) => name));
  const given = Object.fromEntries(Object.entries(before?.inputs ?? {}).filter(([name]) => names.has(name)));
  const inputs = { ...given, ...input.inputs };
  const prepared = prepareRun(saved, manifests, {
    inputs,
    set: input.set,
    ...(input.only === undefined ? {} : { only: input.only }),
    ...(input.from === undefined ? {} : { from: input.from }),
    carried: input.carryOver,
  });
  if (!prepared.ok) throw notReady(prepared.problems);
  const { graph, plan, afresh } = prepared;
  const calls = await lookAtCalls(tx, manifests, { pipelineId: pipeline.id, graph });
  if (calls.problems.length > 0) throw notReady(calls.problems);
  await requirePinned(tx, plan);
  const pins = Object.fromEntries(
    [...new Set(graph.nodes.map((node) => node.type))].map((type) => {
      const known = types.get(type)!;
      return [type, { version: known.manifest.version, digest: known.behaviour }];
    }),
  );
  const part = new Set(input.only === undefined ? afresh : [input.only]);
  const carried = input.carryOver ? await carry(tx, { graph, plan, pins }, part, input) : null;
  const sends = ({ id, type }: { id: string; type: string }) =>
    calls.sending.has(id) || types.get(type)?.manifest.effect === 'writes-external';
  if (!input.dryRun) {
    const own = [...part, ...(carried?.over.nodes ?? []), ...plan.order.filter((id) => plan.nodes[id]!.pinned)];
    refuseToSendAgain(graph, new Set(own), sends, input);
    if (carried?.isDry) refuseRehearsed(graph, carried.over, sends);
  }
  const first = carried?.due ?? prepared.first;
  const started = before?.trigger ?? null;
  const isThere = started !== null && triggersOf(graph, types).some(({ node }) => node === started.node);
  const last = await lastEvents(tx, { pipelineId: pipeline.id, brandId: brand.id });
  const trigger = isThere
    ? started
    : sampleFor(graph, types, {
        ...(input.trigger === undefined ? {} : { node: input.trigger }),
        inputs,
        now: new Date().toISOString(),
        last: (node) => last.get(node) as RunTrigger | undefined,
      });
  return {
    workspaceId: member.workspaceId,
    brand,
    pipeline,
    version: number,
    graph,
    plan,
    first,
    afresh,
    carried,
    pins,
    trigger,
    types,
    manifests,
    sends,
    dryRun: input.dryRun,
    nonce: input.nonce ?? null,
    dropped: Object.keys(before?.inputs ?? {}).filter((name) => !names.has(name)),
  };
}
type Readied = Awaited<ReturnType<typeof readied>>;

/** A part of a pipeline is asked for: what publishes and is no part of it would publish once more, in a run of its own. */
function refuseToSendAgain(
  graph: Graph,
  part: ReadonlySet<string>,
  sends: (node: { id: string; type: string }) => boolean,
  input: RunWanted,
): void {
  if (input.from === undefined && input.only === undefined) return;
  const again = graph.nodes.filter((node) => !part.has(node.id) && sends(node));
  if (again.length === 0) return;
  const names = again.map(({ name }) => name).join(', ');
  throw new Problem(
    'CONFLICT',
    'RUN_WOULD_SEND_AGAIN',
    `${names} would publish again, though not part of what you run.`,
    {
      hint: 'Go on from what failed in the earlier run, run everything, or run this without publishing.',
    },
  );
}

/** A file that a pin speaks of is kept while it is pinned; one that a person removed all the same is said now. */
async function requirePinned(tx: WorkspaceTx, plan: Plan): Promise<void> {
  for (const { name, pinned } of Object.values(plan.nodes)) {
    if (!pinned || (await hasAssets(tx, assetsIn(pinned as Record<string, StoredValue>)))) continue;
    throw new Problem('PRECONDITION_FAILED', 'PIN_GONE', `A file that is pinned in ${name} was removed.`, {
      hint: 'Take the pin away, or pin something else.',
    });
  }
}

type Now = { graph: Graph; plan: Plan; pins: Record<string, { digest: string }> };

/** What an earlier run has settled of what comes before the part; refused where the part could not run on it. */
async function carry(
  tx: WorkspaceTx,
  now: Now,
  part: ReadonlySet<string>,
  { again, brandId }: RunWanted,
): Promise<{ over: CarryOver; due: StepAt[]; isDry: boolean; outcomes: Map<string, Outcome> }> {
  const run = again === undefined || part.size === 0 ? undefined : await earlierRun(tx, again);
  if (!run) {
    throw new Problem('BAD_REQUEST', 'RUN_CARRY_UNKNOWN', 'A run to take from and a node to run are both needed.');
  }
  const { number } = run;
  const refuse = (code: string, message: string, hint: string) => new Problem('CONFLICT', code, message, { hint });
  if (run.brandId !== brandId)
    throw refuse('RUN_CARRY_BRAND', `Run ${number} was for another brand.`, 'Run it for the brand it was made for.');
  if (run.state === 'running')
    throw refuse('RUN_CARRY_RUNNING', `Run ${number} is still going on.`, 'Wait for its end, or cancel it.');
  if (run.isCleared)
    throw refuse(
      'RUN_CARRY_CLEARED',
      `What run ${number} made was cleared away.`,
      'Run everything, or a newer run on.',
    );
  const before = { graph: Graph.parse(run.graph), pins: run.pins as Now['pins'] };
  const nodes = unchangedIn(now, before, part);
  const rows = await settledSteps(tx, again!, [...nodes]);
  const kept = rows.map(({ node, path, state, cause, outputs }) => ({
    node,
    path,
    settled: { state, cause, outputs: countsOf(outputs), stored: outputs },
  }));
  const found = carriedOver(now.plan, nodes, kept);
  if (!found.ok) {
    const name = now.plan.nodes[found.node]!.name;
    throw refuse(
      'RUN_CARRY_UNSETTLED',
      found.why === 'failed'
        ? `${name} failed in run ${number}, so what follows it cannot be run on its own.`
        : `${name} was not finished in run ${number}, so there is nothing to take from it.`,
      `Go on with run ${number} from what failed, or run from ${name} on.`,
    );
  }
  const counters = [...found.counters.rows.values()];
  return {
    over: { runId: again!, number, nodes: [...nodes], counters, troubles: found.troubles },
    due: found.due,
    isDry: run.isDry,
    outcomes: new Map(kept.map(({ node, path, settled }) => [stepKey(node, path), settled])),
  };
}

/** What a rehearsal says it would have sent is nothing to publish with. */
function refuseRehearsed(
  graph: Graph,
  { nodes, number }: CarryOver,
  sends: (node: { id: string; type: string }) => boolean,
) {
  const names = graph.nodes.filter((node) => nodes.includes(node.id) && sends(node)).map(({ name }) => name);
  if (names.length === 0) return;
  throw new Problem(
    'CONFLICT',
    'RUN_CARRY_REHEARSED',
    `Run ${number} was without publishing: ${names.join(', ')} sent nothing that could be built on.`,
    { hint: 'Run this without publishing too, or run everything.' },
  );
}

/** What an earlier run of the pipeline was given: its graph holds each named input as it was filled in. */
async function earlierBeginning(tx: WorkspaceTx, member: Member, pipelineId: string, runId: string) {
  const run = await beginningOf(tx, runId);
  if (run?.pipelineId !== pipelineId) throw notFound('This run');
  requireBrand(member, run.brandId);
  const graph = Graph.parse(run.graph);
  const inputs = Object.fromEntries(
    graph.inputs.flatMap(({ name, node, field }) => {
      const value = graph.nodes.find(({ id }) => id === node)?.config[field];
      return value === undefined || expressionsIn(value).length > 0 ? [] : [[name, value]];
    }),
  );
  const trigger = run.trigger as RunTrigger | null;
  return { inputs, trigger: trigger && { ...trigger, sample: 'Started again, with the event of an earlier run.' } };
}

export async function lookAhead(services: Services, tx: WorkspaceTx, ready: Readied): Promise<RunAhead> {
  const values = new Map<string, Promise<unknown>>();
  const read = (stored: StoredValue): Promise<unknown> => {
    if (stored.bytes > VALUE_BYTES) return Promise.resolve(undefined);
    const known =
      values.get(stored.digest) ??
      loadValue(stored, (sha256) => bytesOf(services, ready.workspaceId, sha256)).catch(() => undefined); // removed meanwhile
    values.set(stored.digest, known);
    return known;
  };
  const found = await foresee(
    tx,
    {
      ...ready,
      pipelineId: ready.pipeline.id,
      brandId: ready.brand.id,
      kit: ready.brand.kit as BrandKit,
      ...(ready.carried ? { taken: ready.carried.outcomes } : {}),
    },
    read,
  );
  const ahead = found.map(({ node, reused, total, given }) => ({
    node,
    reused,
    total,
    given,
    isRehearsed: ready.dryRun && given === undefined && ready.sends(ready.plan.nodes[node]!),
  }));
  const { plan, graph, manifests } = ready;
  const size = await recordedSeconds(tx, JSON.stringify([graph.nodes, ready.trigger?.event ?? null]));
  return aheadOf(
    tx,
    { pipelineId: ready.pipeline.id, brandId: ready.brand.id, graph, plan, manifests, size, dropped: ready.dropped },
    ahead,
    ready.carried?.over.number ?? null,
  );
}

type AheadOf = {
  pipelineId: string;
  brandId: string;
  graph: Graph;
  plan: Plan;
  manifests: Manifests;
  size: number | null;
  dropped: string[];
};

async function aheadOf(
  tx: WorkspaceTx,
  of: AheadOf,
  ahead: (Ahead & Pick<Foreseen, 'given'>)[],
  takenFrom: number | null = null,
): Promise<RunAhead> {
  const own = resolveNodes(of.graph, of.manifests);
  const earlier = await taken(tx, await endedRuns(tx, of), sleepers(of.plan, of.manifests));
  const guess = estimate(ahead, earlier, of.size, own, of.manifests);
  const nodes = ahead.map(({ node, reused, total, isRehearsed, given }) => ({
    nodeId: node,
    name: of.plan.nodes[node]!.name,
    reused,
    runs: total === null ? null : Math.max(0, total - reused),
    isRehearsed,
    isCheap: own.get(node)?.cheap === true,
    isPinned: given === 'pinned',
    takenFrom: given === 'taken' ? takenFrom : null,
  }));
  return {
    nodes,
    reused: nodes.filter(({ runs, reused }) => runs === 0 && reused > 0).length,
    runs: nodes.filter(({ runs }) => runs !== 0).length,
    estimate: { ...guess, unknown: guess.unknown.map((id) => of.plan.nodes[id]!.name) },
    dropped: of.dropped,
  };
}

/** Nodes that sleep until a time, a call or a person: how long that takes is nobody's work. */
function sleepers(plan: Plan, manifests: Manifests): string[] {
  return plan.order.filter((id) => manifests.get(plan.nodes[id]!.type)?.capabilities.wait === true);
}

/** What stays of a run and what is made again where it goes on from what failed. */
export async function lookAtRetry(services: Services, tx: WorkspaceTx, runId: string): Promise<RunAhead> {
  const snapshot = await runSnapshot(tx, runId);
  if (!snapshot) throw notFound('This run');
  const plan = snapshot.run.plan as Plan;
  const graph = Graph.parse(snapshot.run.graph);
  const manifests = await manifestsOf(services, tx);
  const failed = snapshot.nodes.filter(({ counts }) => counts.failed + counts.cancelled > 0);
  const after = new Set(failed.flatMap(({ nodeId }) => dependentsOf(plan, nodeId, []).map(({ node }) => node)));
  const ahead = snapshot.nodes.map(({ nodeId, counts }): Ahead => {
    const kept = counts.done + counts.reused;
    const again = counts.failed + counts.cancelled;
    const isEffect = manifests.get(plan.nodes[nodeId]!.type)?.effect === 'writes-external';
    const isRehearsed = snapshot.run.dryRun && isEffect;
    const { total } = counts;
    // after an item that failed only what belongs to it is made again; what gathers all of them is made once more
    if (after.has(nodeId)) {
      const isWhole = plan.nodes[nodeId]!.frame.length === 0;
      return { node: nodeId, reused: isWhole ? 0 : kept, total: isWhole ? 1 : total, isRehearsed };
    }
    return { node: nodeId, reused: kept, total: kept + again, isRehearsed };
  });
  const size = await recordedSeconds(tx, JSON.stringify(graph.nodes));
  const { pipelineId, brandId } = snapshot.run;
  return aheadOf(tx, { pipelineId, brandId, graph, plan, manifests, size, dropped: [] }, ahead);
}

/** Expected and taken, in the same measures. A run that goes on has taken what it took so far. */
export async function costOf(services: Services, tx: WorkspaceTx, runId: string) {
  const expected = Expected.safeParse(await estimateOf(tx, runId));
  const beginning = await beginningOf(tx, runId);
  if (!beginning) throw notFound('This run');
  const graph = Graph.parse(beginning.graph);
  const manifests = await manifestsOf(services, tx);
  const idle = graph.nodes.flatMap(({ id, type }) => (manifests.get(type)?.capabilities.wait ? [id] : []));
  const [run] = await taken(tx, [runId], idle);
  if (!run) return { expected: expected.data ?? null, taken: null };
  // a run is like itself: the same sums, of what it took
  const ahead = Object.entries(run.nodes).map(([node, { steps, made }]) => ({
    node,
    reused: steps - made,
    total: steps,
    isRehearsed: false,
  }));
  const { calls, posts, accounts, money, quota } = estimate(
    ahead,
    [run],
    run.size,
    resolveNodes(graph, manifests),
    manifests,
  );
  return { expected: expected.data ?? null, taken: { seconds: run.busy, calls, posts, accounts, money, quota } };
}
