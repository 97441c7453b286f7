/**
 * A graph turned into what a run needs to know about each node: where its inputs come from, who takes its outputs, and
 * how many things must arrive before a step can be decided. Plain JSON, stored with the run, so that a run keeps the
 * plan it began with. Pure.
 */
import type { ManifestJson, PortType } from '../../nodes/contract.ts';
import { expressionsIn, type Reference, referenceKey, type Tree, treeOf, usesNow, usesOf } from './expression.ts';
import type { Catalogue } from './flow.ts';
import { analyseFrames, type Frame, type How } from './frames.ts';
import { ERROR_PORT, type Graph, type GraphEdge, type Pin } from './graph.ts';
import { holds } from './pins.ts';
import { inputPort, outputPort } from './resolve.ts';

/** What a worker takes: `light`, `media`, or the tag that the node asks for. */
export type Lane = string;

export type PlanSource = {
  edge: string;
  node: string;
  port: string;
  how: How;
  /** Length of the source's frame. */
  depth: number;
  /** For a gather inside a map: the origin whose members are gathered. */
  origin: { node: string; port: string } | null;
  leaveOutFailed: boolean;
  convert: [from: PortType, to: PortType] | null;
};
export type PlanInput = { port: string; list: boolean; optional: boolean; sources: PlanSource[] };
export type PlanTarget = { port: string; node: string; how: How };
/** Rows of the ledger to read before a step: one step at the path cut to `depth`, or all members of a list. */
export type PlanRead = { node: string; kind: 'step' | 'members'; depth: number };

/** What expressions in the settings take: at the step's path cut to `depth`. */
export type PlanTake = Reference & { depth: number };

export type PlanNode = {
  id: string;
  name: string;
  type: string;
  lane: Lane;
  /** Light and pure: many items may be claimed as one range. */
  ranged: boolean;
  /**
   * A join that does not wait for all its branches: due with the first arrival, then it waits by itself, for the first
   * that has something, or until its time is over. Absent: it is due when all have come.
   */
  early?: 'first' | 'time';
  frame: { node: string; port: string }[];
  /** In the order the manifest declares them: the first failing one names the cause. */
  inputs: PlanInput[];
  /** Output port → whether it makes a list. */
  outputs: Record<string, boolean>;
  errorIsWired: boolean;
  /** Fixed outputs, taken in the place of running. */
  pinned?: Pin['outputs'];
  targets: PlanTarget[];
  /** Nodes that lie within a list of this node, with the depth at which they do. */
  within: { node: string; port: string; depth: number }[];
  /** Arrivals needed at each depth 0 … frame.length; see advance.ts. */
  needs: number[];
  /** Whether arrivals at this depth or above gate the depth below. */
  gated: boolean[];
  /** Nodes that gather this node's members, with how many wires each. */
  gathers: { node: string; count: number }[];
  reads: PlanRead[];
  /** Absent where no setting holds an expression that takes from other nodes. */
  takes?: PlanTake[];
  /** Whether one of them asks for the instant of the run. */
  takesNow?: boolean;
};
/** `payers`: of a run that is called, the runs above it that have a budget, the nearest first. */
export type Plan = { order: string[]; nodes: Record<string, PlanNode>; payers?: string[] };

/** The graph must be without problems of severity `error`; nodes on a circle are left out. */
export function planOf(graph: Graph, catalogue: Catalogue): Plan {
  const frames = analyseFrames(graph, catalogue);
  const plan: Plan = { order: frames.order, nodes: {} };
  const manifestOf = (id: string) => frames.manifests.get(id);
  const edges = graph.edges.filter((edge) => frames.edges.has(edge.id));

  for (const id of frames.order) {
    const node = graph.nodes.find((each) => each.id === id)!;
    const manifest = manifestOf(id);
    const frame = frames.nodes.get(id)!.map(originOf);
    const arriving = edges.filter((edge) => edge.to.node === id);
    const leaving = edges.filter((edge) => edge.from.node === id);
    const takes = takesOf(node.config, frames.nodes);
    const { needs, gated } = needsOf(frame.length, [
      ...arriving.map((edge) => frames.edges.get(edge.id)!.frame.length),
      // what is taken without a wire is waited for all the same
      ...unwired(takes, arriving).map(({ depth }) => depth),
    ]);
    const pinned = node.pin && manifest && holds(node.pin, manifest) ? node.pin.outputs : undefined;
    const early = manifest?.shape === 'join' && !pinned ? earlyOf(node.config) : undefined;
    const inputs = Object.entries(manifest?.inputs ?? {}).map(
      ([port, declared]): PlanInput => ({
        port,
        list: declared.list,
        optional: declared.optional,
        sources: arriving
          .filter((edge) => edge.to.port === port)
          .map((edge) =>
            sourceOf(
              edge,
              frames.nodes.get(edge.from.node)!,
              frames.edges.get(edge.id)!.how,
              manifestOf(edge.from.node),
              manifest,
            ),
          ),
      }),
    );
    plan.nodes[id] = {
      id,
      name: node.name,
      type: node.type,
      lane: pinned
        ? 'light'
        : (node.policy?.tag ?? manifest?.tag ?? (manifest?.weight === 'heavy' ? 'media' : 'light')),
      ranged:
        pinned !== undefined ||
        (manifest?.weight !== 'heavy' &&
          manifest?.effect === 'pure' &&
          manifest.shape !== 'stop' && // the first that ends the run gives up the others
          manifest.shape !== 'call-pipeline' &&
          node.policy === undefined &&
          !early),
      ...(early ? { early } : {}),
      ...(pinned ? { pinned } : {}),
      frame,
      inputs,
      outputs: Object.fromEntries(
        Object.entries(manifest?.outputs ?? {}).map(([port, declared]) => [port, declared.list]),
      ),
      errorIsWired: leaving.some((edge) => edge.from.port === ERROR_PORT),
      targets: leaving.map((edge) => ({
        port: edge.from.port,
        node: edge.to.node,
        how: frames.edges.get(edge.id)!.how,
      })),
      within: [],
      needs,
      gated,
      gathers: [],
      reads: readsOf(inputs, takes),
      ...(takes.length > 0 ? { takes } : {}),
      ...(treesOf(node.config).some(usesNow) ? { takesNow: true } : {}),
    };
  }
  for (const node of Object.values(plan.nodes)) {
    const arriving = edges.filter((edge) => edge.to.node === node.id);
    for (const take of unwired(node.takes ?? [], arriving)) {
      plan.nodes[take.node]!.targets.push({ port: take.port, node: node.id, how: 'same' });
    }
    for (const [depth, origin] of node.frame.entries()) {
      plan.nodes[origin.node]?.within.push({ node: node.id, port: origin.port, depth });
    }
    if (node.frame.length === 0) continue;
    for (const target of node.targets) {
      if (target.how !== 'gather') continue;
      const known = node.gathers.find((gather) => gather.node === target.node);
      if (known) known.count++;
      else node.gathers.push({ node: target.node, count: 1 });
    }
  }
  return plan;
}

/** Literals only: what an expression gives is not known before a run. */
function earlyOf(config: Record<string, unknown>): PlanNode['early'] {
  if (config.until === 'first') return 'first';
  return typeof config.amount === 'number' ? 'time' : undefined;
}

export function originOf(text: string): { node: string; port: string } {
  const at = text.lastIndexOf('.');
  return { node: text.slice(0, at), port: text.slice(at + 1) };
}

/** `arrivals`: the depth at which each wire into the node arrives. */
function needsOf(depth: number, arrivals: number[]): { needs: number[]; gated: boolean[] } {
  const needs: number[] = [];
  const gated: boolean[] = [];
  for (let level = 0; level <= depth; level++) {
    const here = arrivals.filter((arrival) => arrival === level).length;
    const isBelowGate = level > 0 && gated[level - 1] === true;
    gated.push(here > 0 || isBelowGate);
    const own = here + (isBelowGate ? 1 : 0);
    // above the items: what arrives here, the gate above, and the length of the list that opens the next depth
    needs.push(level === depth ? own : own > 0 ? own + 1 : 0);
  }
  return { needs, gated };
}

function sourceOf(
  edge: GraphEdge,
  frame: Frame,
  how: How,
  from: ManifestJson | undefined,
  to: ManifestJson | undefined,
): PlanSource {
  const output = outputPort(from, edge.from.port)!.type;
  const input = inputPort(to, edge.to.port)!.type;
  const last = frame.at(-1);
  return {
    edge: edge.id,
    node: edge.from.node,
    port: edge.from.port,
    how,
    depth: frame.length,
    origin: how === 'gather' && last !== undefined ? originOf(last) : null,
    leaveOutFailed: edge.leaveOutFailed === true,
    convert: output === input || output === 'any' || input === 'any' ? null : [output, input],
  };
}

function treesOf(config: unknown): Tree[] {
  return expressionsIn(config).flatMap(({ stored }) => {
    const reading = treeOf(stored);
    return reading.ok ? [reading.tree] : [];
  });
}

function takesOf(config: unknown, frames: ReadonlyMap<string, Frame>): PlanTake[] {
  const takes = new Map<string, PlanTake>();
  for (const { from, node, port } of treesOf(config).flatMap(usesOf)) {
    const frame = frames.get(node);
    if (frame) takes.set(referenceKey({ from, node, port }), { from, node, port, depth: frame.length });
  }
  return [...takes.values()];
}

/** One for each node that is taken from and not wired in. */
function unwired(takes: readonly PlanTake[], arriving: readonly GraphEdge[]): PlanTake[] {
  const wired = new Set(arriving.map((edge) => edge.from.node));
  return takes.filter(
    (take, at) => !wired.has(take.node) && takes.findIndex((other) => other.node === take.node) === at,
  );
}

function readsOf(inputs: PlanInput[], takes: PlanTake[]): PlanRead[] {
  const reads = new Map<string, PlanRead>();
  const add = (read: PlanRead) => reads.set(`${read.kind} ${read.depth} ${read.node}`, read);
  for (const source of inputs.flatMap((input) => input.sources)) {
    if (source.origin) {
      add({ node: source.node, kind: 'members', depth: source.depth });
      add({ node: source.origin.node, kind: 'step', depth: source.depth - 1 });
    } else add({ node: source.node, kind: 'step', depth: source.depth });
  }
  for (const { node, depth } of takes) add({ node, kind: 'step', depth });
  return [...reads.values()];
}
