/**
 * Looks ahead at a run that has not begun: plays its plan through with the results that are kept, as far as they reach.
 * A step whose inputs are all known, and whose result for them is kept, is reused; so is known what follows from it. What
 * follows from something that is still to be made will run, and how often is known where the list is.
 */
import { hasAssets } from '../db/assets.ts';
import { earlierRuns, type MadeBefore, madeBefore } from '../db/forecast.ts';
import { canonicalJson, digestOf, type StoredValue } from '../db/values.ts';
import type { WorkspaceTx } from '../db/workspace.ts';
import type { BrandKit, ManifestJson } from '../nodes/contract.ts';
import {
  Counters,
  decide,
  firstSteps,
  type Part,
  type Settled,
  type StepAt,
  stepKey,
  tokensOf,
} from '../runtime/graph/advance.ts';
import { convert } from '../runtime/graph/convert.ts';
import { ERROR_PORT, Graph } from '../runtime/graph/graph.ts';
import type { Plan, PlanNode } from '../runtime/graph/plan.ts';
import { isReused, reuseForSeconds } from '../runtime/graph/reusable.ts';
import { workOut } from '../runtime/graph/settings.ts';
import type { InstalledTypes, RunTrigger } from '../runtime/graph/triggers.ts';

/** What becomes of one node: `total` null where it depends on what is still to be made. */
export type Foreseen = {
  node: string;
  reused: number;
  total: number | null;
  /** Fixed in the draft, or settled by an earlier run: of which nothing is looked up and nothing made. */
  given?: 'pinned' | 'taken';
};

export type Coming = {
  pipelineId: string;
  brandId: string;
  graph: Graph;
  plan: Plan;
  types: InstalledTypes;
  kit: BrandKit;
  afresh: readonly string[];
  nonce: string | null;
  trigger: RunTrigger | null;
  /** What is taken over from an earlier run, by step. */
  taken?: ReadonlyMap<string, Outcome>;
};

/** Steps that are looked at; what lies beyond counts as still to be made. */
const MOST_STEPS = 3_000;

export type Outcome = Settled & { stored: Record<string, StoredValue> };
type Input = { path: number[]; inputs: Record<string, { digest: string }[]>; text: string };

/** `read` gives a stored value, or undefined where it is too long to be looked at. */
export async function foresee(
  tx: WorkspaceTx,
  coming: Coming,
  read: (stored: StoredValue) => Promise<unknown>,
): Promise<Foreseen[]> {
  const { plan, graph } = coming;
  const earlier = coming.nonce === null ? await earlierRuns(tx, coming.pipelineId) : [];
  const graphs = new Map(earlier.map((run) => [run.id, Graph.safeParse(run.graph).data]));
  const outcomes = new Map<string, Outcome>();
  const counters = new Counters(plan);
  const due = new Map<string, number[][]>();
  const expect = (steps: readonly StepAt[]) => {
    for (const { node, path } of steps) due.set(node, [...(due.get(node) ?? []), path]);
  };
  const settle = (node: string, path: number[], outcome: Outcome) => {
    outcomes.set(stepKey(node, path), outcome);
    expect(counters.send(tokensOf(plan, node, path, outcome)));
  };
  expect(firstSteps(plan));
  let left = MOST_STEPS;
  const found: Foreseen[] = [];
  const totals = new Map<string, number | null>();

  for (const id of plan.order) {
    const node = plan.nodes[id]!;
    const type = coming.types.get(node.type)!;
    const paths = (due.get(id) ?? []).slice(0, left);
    left -= paths.length;
    let reused = 0;
    let passed = 0;
    let given: Foreseen['given'] = node.pinned ? 'pinned' : undefined;
    const open: Input[] = [];
    for (const path of paths) {
      const decision = decide(plan, id, path, (other, at) => outcomes.get(stepKey(other, at)));
      const before = coming.taken?.get(stepKey(id, path));
      if (before) {
        if (before.state === 'done') reused += 1;
        else passed += 1;
        settle(id, path, before);
        given = 'taken';
        continue;
      }
      const isOther = type.manifest.shape === 'trigger' && coming.trigger?.node !== id;
      if (node.pinned && decision.kind !== 'skip' && !isOther) {
        reused += 1;
        const stored = node.pinned as Record<string, StoredValue>;
        settle(id, path, { state: 'done', cause: null, outputs: countsOf(stored), stored });
        continue;
      }
      if (decision.kind === 'run' && !isOther) {
        const inputs =
          type.manifest.shape === 'trigger'
            ? { event: [{ digest: digestOf(coming.trigger?.event) }] }
            : await inputsOf(node, decision.inputs, outcomes, read);
        if (inputs) open.push({ path, inputs, text: canonicalJson(inputs) });
        continue;
      }
      passed += 1;
      const state = decision.kind === 'block' ? 'blocked' : 'skipped';
      const cause = decision.kind === 'block' ? decision.cause : null;
      settle(id, path, { state, cause, outputs: {}, stored: {} });
    }
    const isAfresh = coming.afresh.includes(id);
    const mayKnow = isReused(type.manifest) || (type.manifest.cheap === true && type.manifest.effect === 'pure');
    const own = configOf(graph, id, type.manifest, coming.kit, plan);
    if (mayKnow && !isAfresh && own !== null && open.length > 0) {
      const like = earlier.filter((run) => {
        const before = graphs.get(run.id);
        const same = before?.nodes.find((each) => each.id === id);
        if (!before || same?.pin || same?.type !== node.type || run.pins[node.type]?.digest !== type.behaviour)
          return false;
        const kit = type.manifest.capabilities.brand ?? [];
        const isSameKit = kit.every((part) => canonicalJson(run.kit[part]) === canonicalJson(coming.kit[part]));
        return (
          isSameKit &&
          leftOut(before, id) === leftOut(graph, id) &&
          configOf(before, id, type.manifest, run.kit as BrandKit, plan) === own
        );
      });
      const seconds = reuseForSeconds(type.manifest);
      const rows = await madeBefore(tx, {
        node: id,
        runIds: like.map((run) => run.id),
        inputs: [...new Set(open.map(({ text }) => text))],
        seconds,
      });
      const isMade = isReused(type.manifest);
      const byInputs = new Map<string, MadeBefore>();
      for (const row of rows) {
        const text = canonicalJson(row.inputs);
        if ((row.isKept || !isMade) && !byInputs.has(text)) byInputs.set(text, row);
      }
      const sameBrand = new Set(earlier.filter((run) => run.brandId === coming.brandId).map((run) => run.id));
      for (const { path, text } of open) {
        const row = byInputs.get(text);
        if (!row) continue;
        // a correction holds for the brand it was made for
        const stored = sameBrand.has(row.runId) ? row.outputs : row.own;
        if (isMade && !(await hasAssets(tx, assetsIn(stored)))) continue;
        if (isMade) reused += 1;
        settle(id, path, { state: 'done', cause: null, outputs: countsOf(stored), stored });
      }
    }
    const total = totalOf(node, plan, totals, outcomes);
    totals.set(id, total);
    // where its list is still to be made, it is as often as that is long, and never runs
    const most = total === null ? null : Math.max(0, total - passed);
    found.push({ node: id, reused, total: given && most === null ? reused : most, ...(given ? { given } : {}) });
  }
  return found;
}

export const countsOf = (stored: Record<string, StoredValue>) =>
  Object.fromEntries(Object.entries(stored).map(([port, value]) => [port, value.count]));

/** How many steps a node has: as many as the lists it lies in are long, once all of them are known. */
function totalOf(
  node: PlanNode,
  plan: Plan,
  totals: ReadonlyMap<string, number | null>,
  outcomes: ReadonlyMap<string, Outcome>,
): number | null {
  const origin = node.frame.at(-1);
  if (!origin) return 1;
  const known = totals.get(origin.node);
  if (known === null || known === undefined) return null;
  const own = [...outcomes].filter(([key]) => key.startsWith(`${origin.node}@`)).map(([, outcome]) => outcome);
  if (own.length < known || !plan.nodes[origin.node]) return null;
  return own.reduce((total, { outputs }) => total + (outputs[origin.port] ?? 0), 0);
}

/** Digests of all that arrives, as the ledger writes them down; null where something of it is not known. */
async function inputsOf(
  node: PlanNode,
  parts: Record<string, Part[]>,
  outcomes: ReadonlyMap<string, Outcome>,
  read: (stored: StoredValue) => Promise<unknown>,
): Promise<Record<string, { digest: string }[]> | null> {
  const inputs: Record<string, { digest: string }[]> = {};
  for (const input of node.inputs) {
    const arriving = parts[input.port];
    if (!arriving) continue;
    const digests: { digest: string }[] = [];
    for (const part of arriving) {
      const stored = outcomes.get(stepKey(part.node, part.path))?.stored[part.port];
      if (part.port === ERROR_PORT || !stored) return null;
      const rule = part.source.convert;
      const isWhole = part.index === null && (stored.count === null || !input.list);
      if (isWhole && !rule) {
        digests.push({ digest: stored.digest });
        continue;
      }
      const value = await read(stored);
      if (value === undefined) return null;
      const members = isWhole
        ? [value]
        : part.index === null
          ? (value as unknown[])
          : [(value as unknown[])[part.index]];
      for (const member of members) digests.push({ digest: digestOf(rule ? convert(member, ...rule) : member) });
    }
    inputs[input.port] = digests;
  }
  return inputs;
}

/** The settings as a step would have them; null where they are worked out from what the run makes. */
function configOf(graph: Graph, id: string, manifest: ManifestJson, kit: BrandKit, plan: Plan): string | null {
  const node = plan.nodes[id]!;
  if ((node.takes ?? []).length > 0 || node.takesNow) return null;
  const config = graph.nodes.find((each) => each.id === id)?.config ?? {};
  const settings = workOut(
    manifest,
    config,
    { refs: new Map(), brand: kit, run: { now: '' }, path: [] },
    () => undefined,
  );
  return settings.ok ? canonicalJson(settings.config) : null;
}

const leftOut = (graph: Graph, id: string) =>
  graph.edges
    .filter((edge) => edge.to.node === id && edge.leaveOutFailed)
    .map((edge) => edge.to.port)
    .sort()
    .join();

/** The files that stored values speak of. */
export function assetsIn(outputs: Record<string, StoredValue>): string[] {
  return Object.values(outputs).flatMap((stored) => [
    ...(stored.asset ? [stored.asset] : []),
    ...[...JSON.stringify(stored.value ?? null).matchAll(/"asset":"([0-9a-f]{64})"/g)].map((match) => match[1]!),
  ]);
}
