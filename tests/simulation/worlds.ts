/**
 * Random worlds: a pipeline of the product's flow nodes and of nodes that follow a script, with what people do to its run.
 * A world is plain data and follows from one integer; it can be made smaller and is a world still (shrink.ts).
 *
 * A sub-pipeline is a node of one more kind: a `Doing` here, its manifest in `MANIFESTS`, what it makes in `makes`.
 */
import { type ManifestJson, manifestJson, type PortJson } from '../../nodes/contract.ts';
import { manifest as approve } from '../../nodes/flow/approve.ts';
import { manifest as delay } from '../../nodes/flow/delay.ts';
import { manifest as filter } from '../../nodes/flow/filter.ts';
import { manifest as join } from '../../nodes/flow/join.ts';
import { manifest as route } from '../../nodes/flow/route.ts';
import { manifest as stop } from '../../nodes/flow/stop.ts';
import { EMPTY_GRAPH, ERROR_PORT, type Graph, type GraphEdge, type Policy } from '../../runtime/graph/graph.ts';
import { dice } from '../runtime/graphs.ts';
import { act, eaten, type Given, type Script, share } from './nodes/sim/act/script.ts';

export type Doing =
  | { kind: 'act' | 'stop' }
  /** May fail for a while, or until a person tries it again. */
  | { kind: 'ask'; policy: Policy & { attempts: number } }
  | { kind: 'filter' | 'route'; letter: string }
  | { kind: 'delay'; seconds: number }
  /** `seconds` null: it never expires, and is surely answered. */
  | { kind: 'approve'; seconds: number | null; expired: '' | 'approved' | 'rejected' }
  | { kind: 'join'; until: 'all' | 'first'; seconds: number | null };
export type SimNode = {
  id: string;
  doing: Doing;
  inputs: Record<string, { list: boolean; optional: boolean }>;
  outputs: Record<string, boolean>;
  isFailing: boolean;
};
/** What a person does to the run, seconds after it began; `dice` chooses to what. */
export type Deed = { at: number; kind: 'cancel' | 'retry' | 'retry one' | 'correct' | 'take back'; dice: number };
export type SimWorld = { seed: number; nodes: SimNode[]; edges: GraphEdge[]; deeds: Deed[] };

const JOIN_PORTS = ['first', 'second', 'third', 'fourth'];

type Source = { node: string; port: string; list: boolean; frame: string[] };

export function randomWorld(seed: number): SimWorld {
  const die = dice(seed);
  const nodes: SimNode[] = [];
  const edges: GraphEdge[] = [];
  const sources: Source[] = [];
  const tenths = (least: number, most: number) => (least + die.below(most - least + 1)) / 10;
  const wire = (source: Source, node: string, port: string, more: Partial<GraphEdge> = {}) =>
    edges.push({
      id: `e${edges.length}`,
      from: { node: source.node, port: source.port },
      to: { node, port },
      ...more,
    });
  const framed = (source: Source, list: boolean) =>
    source.list === list
      ? source.frame
      : source.list
        ? [...source.frame, `${source.node}.${source.port}`]
        : source.frame.slice(0, -1);
  const isTogether = (a: string[], b: string[]) => {
    const [short, long] = a.length < b.length ? [a, b] : [b, a];
    return short.every((origin, depth) => origin === long[depth]);
  };
  const fitting = (frame: string[], lists: boolean[], pool: Source[]) =>
    pool.flatMap((source) =>
      lists.flatMap((list) => {
        const arrives = framed(source, list);
        if (arrives.length > 2 || !isTogether(arrives, frame)) return [];
        const weight = source.list !== list && (source.list || source.frame.length > 0) ? 4 : 1; // maps, gathers
        return Array.from({ length: weight }, () => ({ source, list, frame: arrives }));
      }),
    );
  const isValue = (source: Source) => source.port !== ERROR_PORT; // an error is no text: only scripts take it

  const count = 5 + die.below(10);
  for (let i = 0; i < count; i++) {
    const id = `n${i}`;
    const roll = i === 0 ? 0 : die.next();
    const doing: Doing =
      roll < 0.4
        ? { kind: 'act' }
        : roll < 0.56
          ? {
              kind: 'ask',
              policy: {
                attempts: 1 + die.below(3),
                wait: die.pick([0, 0.1]),
                growth: die.pick(['double', 'same'] as const),
                on: die.pick(['temporary', 'all'] as const),
              },
            }
          : roll < 0.63
            ? { kind: 'filter', letter: die.pick([...'0123456789abcdefghijkl']) }
            : roll < 0.69
              ? { kind: 'route', letter: die.pick([...'0123456789abcdefghijkl']) }
              : roll < 0.76
                ? { kind: 'delay', seconds: tenths(1, 6) }
                : roll < 0.82
                  ? {
                      kind: 'approve',
                      seconds: die.chance(0.4) ? null : tenths(2, 8),
                      expired: die.pick(['', 'approved', 'rejected'] as const),
                    }
                  : roll < 0.97
                    ? {
                        kind: 'join',
                        until: die.pick(['all', 'first'] as const),
                        seconds: die.chance(0.5) ? null : tenths(2, 6),
                      }
                    : { kind: 'stop' };
    const node: SimNode = { id, doing, inputs: {}, outputs: {}, isFailing: false };
    let frame: string[] = [];
    const pool = die.chance(0.6) ? sources.slice(-5) : sources;
    switch (doing.kind) {
      case 'act':
      case 'ask': {
        const wanted = i === 0 ? 0 : 1 + (die.chance(0.4) ? 1 : 0) + (die.chance(0.15) ? 1 : 0);
        for (let p = 0; p < wanted; p++) {
          const fits = fitting(frame, [false, true], pool);
          if (fits.length === 0) continue;
          const chosen = die.pick(fits);
          const name = `in${p}`;
          node.inputs[name] = { list: chosen.list, optional: die.chance(0.2) };
          if (chosen.frame.length > frame.length) frame = chosen.frame;
          const leave = chosen.list && !chosen.source.list && die.chance(0.2);
          wire(chosen.source, id, name, leave ? { leaveOutFailed: true } : {});
          const { source } = chosen;
          const isRouted = nodes.find((each) => each.id === source.node)?.doing.kind === 'route';
          const other = sources.find((each) => each.node === source.node && each.port !== source.port && isValue(each));
          if (isRouted && other && die.chance(0.4)) wire(other, id, name);
          if (chosen.list && die.chance(0.25)) {
            const second = fits.filter(
              (fit) => fit.list && fit.source !== source && fit.frame.every((each, depth) => each === frame[depth]),
            );
            if (second.length > 0) wire(die.pick(second).source, id, name);
          }
        }
        node.outputs.out = die.chance(0.4);
        if (die.chance(0.25)) node.outputs.also = die.chance(0.5);
        node.isFailing = doing.kind === 'act' && die.chance(frame.length > 0 ? 0.35 : 0.08);
        break;
      }
      case 'join': {
        const branches = 2 + die.below(3);
        const taken = new Set<Source>();
        for (let p = 0; p < branches; p++) {
          const fits = fitting(frame, [false], pool.filter(isValue)).filter(({ source }) => !taken.has(source));
          if (fits.length === 0) continue;
          const chosen = die.pick(fits);
          taken.add(chosen.source);
          const name = JOIN_PORTS[p]!;
          node.inputs[name] = { list: false, optional: true };
          if (chosen.frame.length > frame.length) frame = chosen.frame;
          wire(chosen.source, id, name);
        }
        node.outputs = { item: false, items: true };
        break;
      }
      default: {
        const fits = fitting([], [false], pool.filter(isValue));
        const chosen = fits.length > 0 ? die.pick(fits) : undefined;
        if (!chosen) continue;
        frame = chosen.frame;
        const name = doing.kind === 'stop' ? 'when' : 'item';
        node.inputs[name] = { list: false, optional: false };
        wire(chosen.source, id, name);
        node.outputs = OUTPUTS[doing.kind]!;
        // an end that comes for certain ends most runs before anything happens in them
        if (doing.kind === 'stop' && chosen.frame.length === 0 && die.chance(0.5)) node.doing = { kind: 'act' };
      }
    }
    nodes.push(node);
    for (const [port, list] of Object.entries(node.outputs)) sources.push({ node: id, port, list, frame });
    if (doing.kind === 'ask' || node.isFailing) {
      if (die.chance(0.15)) sources.push({ node: id, port: ERROR_PORT, list: false, frame });
    }
  }
  return { seed, nodes, edges, deeds: randomDeeds(die) };
}

const OUTPUTS: Record<string, Record<string, boolean>> = {
  filter: { kept: false, rest: false },
  route: { way1: false, otherwise: false },
  delay: { item: false },
  approve: { approved: false, rejected: false },
  stop: {},
};

function randomDeeds(die: ReturnType<typeof dice>): Deed[] {
  const deeds: Deed[] = [];
  const some = die.below(5);
  for (let n = 0; n < some; n++) {
    const kind = die.pick(['retry', 'retry one', 'correct', 'correct', 'take back'] as const);
    deeds.push({ at: die.next() * 5, kind, dice: die.below(1e6) });
  }
  if (die.chance(0.25)) {
    const at = die.next() * 1.5;
    deeds.push({ at, kind: 'cancel', dice: 0 });
    if (die.chance(0.6)) deeds.push({ at: at + 0.2 + die.next(), kind: 'retry', dice: 0 });
  }
  return deeds.sort((a, b) => a.at - b.at);
}

// ---------------------------------------------------------------- as the product is given it

const jsonOf = (manifest: Parameters<typeof manifestJson>[0]) =>
  JSON.parse(manifestJson(manifest, ['run'])) as ManifestJson;
const MANIFESTS: Record<string, ManifestJson> = {
  approve: jsonOf(approve as never),
  delay: jsonOf(delay as never),
  filter: jsonOf(filter as never),
  join: jsonOf(join as never),
  route: jsonOf(route as never),
  stop: jsonOf(stop as never),
};

const SCRIPTED: ManifestJson = {
  ...MANIFESTS.delay!,
  shape: 'step',
  effect: 'reads-external',
  capabilities: {},
  config: { type: 'object', properties: {}, additionalProperties: true },
};

export const typeOf = (world: SimWorld, node: SimNode) =>
  node.doing.kind === 'act' || node.doing.kind === 'ask' ? `sim.w${world.seed}-${node.id}` : `flow.${node.doing.kind}`;

export const scriptOf = (world: SimWorld, node: SimNode): Script => ({
  name: `w${world.seed}${node.id}`,
  outputs: node.outputs,
  isFailing: node.isFailing,
  asks: node.doing.kind === 'ask',
});

function configOf(world: SimWorld, node: SimNode): Record<string, unknown> {
  const { doing } = node;
  const condition = (letter: string) => ({ field: '', test: 'contains', value: letter });
  switch (doing.kind) {
    case 'act':
    case 'ask':
      return { script: scriptOf(world, node) };
    case 'filter':
      return { conditions: [condition(doing.letter)] };
    case 'route':
      return { rules: [{ name: 'way1', title: 'One way', ...condition(doing.letter) }] };
    case 'delay':
      return { amount: doing.seconds / 60 };
    case 'approve':
      return { hours: doing.seconds === null ? null : doing.seconds / 3_600, expired: doing.expired };
    case 'join':
      return { until: doing.until, amount: doing.seconds, unit: 'seconds' };
    case 'stop':
      return {};
  }
}

export function graphOf(world: SimWorld): Graph {
  return {
    ...EMPTY_GRAPH,
    nodes: world.nodes.map((node, index) => ({
      id: node.id,
      type: typeOf(world, node),
      version: '1.0.0',
      name: node.id,
      position: { x: index * 240, y: 0 },
      config: configOf(world, node) as Graph['nodes'][number]['config'],
      ...(node.doing.kind === 'ask' ? { policy: node.doing.policy } : {}),
    })),
    edges: world.edges,
  };
}

const portOf = (list: boolean, optional: boolean): PortJson => ({
  type: 'any',
  list,
  optional,
  title: null,
  help: null,
});
const portsOf = (node: SimNode) => ({
  inputs: Object.fromEntries(
    Object.entries(node.inputs).map(([name, port]) => [name, portOf(port.list, port.optional)]),
  ),
  outputs: Object.fromEntries(Object.entries(node.outputs).map(([name, list]) => [name, portOf(list, true)])),
});

/** `base`: the manifest of the scripted node, where it is really run. */
export function catalogueOf(world: SimWorld, base: ManifestJson = SCRIPTED): ManifestJson[] {
  const scripted = world.nodes
    .filter(({ doing }) => doing.kind === 'act' || doing.kind === 'ask')
    .map((node): ManifestJson => {
      const type = { ...base, id: typeOf(world, node), ...portsOf(node) };
      if (node.doing.kind === 'ask') return type;
      // every other one is looked up rather than computed again
      const isCheap = share(`${world.seed}/${node.id}/cheap`) < 0.6;
      return { ...type, effect: 'pure', capabilities: {}, ...(isCheap ? { cheap: true } : {}) };
    });
  return [...Object.values(MANIFESTS), ...scripted];
}

/** The same graph for the oracle: each node a type of its own, its ports as this file knows them. */
export function plainGraph(world: SimWorld): { graph: Graph; catalogue: ManifestJson[] } {
  const graph = graphOf(world);
  return {
    graph: { ...graph, nodes: graph.nodes.map((node) => ({ ...node, type: `plain.${node.id}` })) },
    catalogue: world.nodes.map((node) => ({ ...MANIFESTS.delay!, id: `plain.${node.id}`, ...portsOf(node) })),
  };
}

// ---------------------------------------------------------------- what nodes do

/** What the outside says when it is asked for the `attempt`th time about these inputs. */
export function moodOf(world: SimWorld, node: SimNode, given: string, attempt: number, isHealed: boolean) {
  if (isHealed) return 'well';
  const roll = share(`${world.seed}/${node.id}/${given}/mood`);
  if (roll < 0.5) return 'well';
  // a no that is taken back, for those that ask again all the same
  if (roll > 0.9) return attempt > 1 ? 'well' : 'never';
  if (roll > 0.78) return 'never';
  return attempt <= 1 + Math.floor((roll - 0.5) * 10) ? 'later' : 'well';
}

/** How an ask ends by itself, and after how many attempts. */
export function endOfAsking(
  world: SimWorld,
  node: SimNode,
  given: string,
  isHealed: boolean,
): { isWell: boolean; attempts: number } {
  const { policy } = node.doing as Extract<Doing, { kind: 'ask' }>;
  for (let attempt = 1; ; attempt++) {
    const mood = moodOf(world, node, given, attempt, isHealed);
    if (mood === 'well') return { isWell: true, attempts: attempt };
    const mayHelp = mood === 'later' || policy.on === 'all';
    if (attempt >= policy.attempts || !mayHelp) return { isWell: false, attempts: attempt };
  }
}

/** `decided`: of an Approve, the outcome that was chosen or taken; null: nobody did. Undefined: it fails. */
export function makes(
  world: SimWorld,
  node: SimNode,
  given: Given,
  choices: { isHealed(given: string): boolean; decided: string | null },
): Given | undefined {
  const { doing } = node;
  const item = given.item as string;
  switch (doing.kind) {
    case 'act':
      return act(scriptOf(world, node), given);
    case 'ask':
      return endOfAsking(world, node, eaten(given), choices.isHealed(eaten(given))).isWell
        ? act(scriptOf(world, node), given)
        : undefined;
    case 'filter':
      return item.toLowerCase().includes(doing.letter) ? { kept: item } : { rest: item };
    case 'route':
      return item.toLowerCase().includes(doing.letter) ? { way1: item } : { otherwise: item };
    case 'delay':
      return { item };
    case 'approve':
      return choices.decided === null ? undefined : { [choices.decided]: item };
    case 'join': {
      const items = JOIN_PORTS.flatMap((port) => (given[port] === undefined ? [] : [given[port] as string]));
      return { items, ...(items[0] === undefined ? {} : { item: items[0] }) };
    }
    case 'stop':
      return {};
  }
}

/** What a person will say to the `nth` question of this step, and how many seconds after it was asked; null: nothing. */
export function answerTo(world: SimWorld, node: SimNode, key: string, nth: number) {
  const { seconds } = node.doing as Extract<Doing, { kind: 'approve' }>;
  const at = `${world.seed}/${key}/${nth}`;
  const outcome = share(`${at}/outcome`) < 0.6 ? 'approved' : 'rejected';
  const afterSeconds = share(`${at}/after`) * 1.1;
  if (seconds !== null && share(`${at}/silent`) < 0.35) return null;
  return { outcome, afterSeconds };
}
