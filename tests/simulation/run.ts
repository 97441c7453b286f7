/** Runs one world and says what is wrong with it; makes a failing world smaller. */
import * as advance from '../../runtime/graph/advance.ts';
import { analyseFrames } from '../../runtime/graph/frames.ts';
import { joinMove } from '../../runtime/graph/join.ts';
import { planOf } from '../../runtime/graph/plan.ts';
import { strandsOf } from '../../runtime/graph/strands.ts';
import { problems } from '../../runtime/graph/validate.ts';
import { verdictOn } from '../../runtime/settle.ts';
import { type Count, countsOf, faultOf } from './judging.ts';
import { carry, type Rules } from './machine.ts';
import { catalogueOf, graphOf, randomWorld, type SimNode, type SimWorld } from './worlds.ts';

export const RULES: Rules = { ...advance, planOf, strandsOf, verdictOn, joinMove, endedStrands: (strands) => strands };

/** `order` chooses among the schedules of one world. */
export function faultIn(rules: Rules, world: SimWorld, order = 0): { fault?: string; counts?: Record<Count, number> } {
  try {
    const { came, events } = carry(rules, world, order);
    const fault = faultOf(world, came, events);
    return fault === undefined ? { counts: countsOf(world, came, events) } : { fault };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}

/** The first seed of these that fails, or what all of them covered. */
export function simulateSeeds(rules: Rules, from: number, count: number) {
  const covered: Partial<Record<Count, number>> = {};
  for (let seed = from; seed < from + count; seed++) {
    const { fault, counts } = faultIn(rules, randomWorld(seed));
    if (fault !== undefined) return { seed, fault, covered };
    for (const [name, n] of Object.entries(counts!) as [Count, number][]) covered[name] = (covered[name] ?? 0) + n;
  }
  return { covered };
}

/** The smallest world that still fails, found by leaving out what can be left out; its fault may be another one. */
export function shrink(world: SimWorld, failsStill: (world: SimWorld) => boolean): SimWorld {
  let smallest = world;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const smaller of smallerThan(smallest)) {
      if (!isSound(smaller) || !failsStill(smaller)) continue;
      smallest = smaller;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

function* smallerThan(world: SimWorld): Generator<SimWorld> {
  for (const node of [...world.nodes].reverse()) yield withoutNodes(world, new Set([node.id]));
  for (const edge of world.edges) {
    const isLast = !world.edges.some(
      (other) => other !== edge && other.to.node === edge.to.node && other.to.port === edge.to.port,
    );
    yield {
      ...world,
      edges: world.edges.filter((other) => other !== edge),
      nodes: world.nodes.map((node): SimNode => {
        if (node.id !== edge.to.node || !isLast || node.doing.kind === 'join') return node;
        const { [edge.to.port]: _, ...inputs } = node.inputs;
        return { ...node, inputs };
      }),
    };
  }
  for (const deed of world.deeds) yield { ...world, deeds: world.deeds.filter((other) => other !== deed) };
  for (const node of world.nodes) {
    const change = (to: Partial<SimNode>) => ({
      ...world,
      nodes: world.nodes.map((other) => (other === node ? { ...node, ...to } : other)),
    });
    if (node.isFailing) yield change({ isFailing: false });
    if (node.doing.kind === 'ask') yield change({ doing: { kind: 'act' } });
  }
}

/** Without these nodes, their wires, and the ports that nothing is wired to any more. */
function withoutNodes(world: SimWorld, gone: ReadonlySet<string>): SimWorld {
  const edges = world.edges.filter(({ from, to }) => !gone.has(from.node) && !gone.has(to.node));
  return {
    ...world,
    edges,
    nodes: world.nodes
      .filter(({ id }) => !gone.has(id))
      .map((node): SimNode => {
        if (node.doing.kind !== 'act' && node.doing.kind !== 'ask') return node;
        const isWired = (port: string) => edges.some(({ to }) => to.node === node.id && to.port === port);
        const inputs = Object.fromEntries(Object.entries(node.inputs).filter(([port]) => isWired(port)));
        return { ...node, inputs };
      }),
  };
}

/** Whether the product would run it. */
export function isSound(world: SimWorld): boolean {
  const [graph, catalogue] = [graphOf(world), catalogueOf(world)];
  return (
    world.nodes.length > 0 &&
    analyseFrames(graph, catalogue).conflicts.length === 0 &&
    problems(graph, catalogue, { ready: true }).every(({ severity }) => severity !== 'error')
  );
}

/** A world as a person reads it. */
export function describe(world: SimWorld): string {
  const nodes = world.nodes.map(({ id, doing, outputs, inputs, isFailing }) => {
    const { kind, ...how } = doing;
    const ports = (all: string[]) => all.join(' ');
    const ins = ports(Object.entries(inputs).map(([n, p]) => `${n}${p.list ? '[]' : ''}${p.optional ? '?' : ''}`));
    const outs = ports(Object.entries(outputs).map(([n, list]) => `${n}${list ? '[]' : ''}`));
    const more = Object.keys(how).length > 0 ? ` ${JSON.stringify(how)}` : '';
    return `  ${id}: ${kind}${more} (${ins}) → (${outs})${isFailing ? ', fails on some' : ''}`;
  });
  const edges = world.edges.map(
    ({ from, to, leaveOutFailed }) =>
      `  ${from.node}.${from.port} > ${to.node}.${to.port}${leaveOutFailed ? ' leaving out failed' : ''}`,
  );
  const deeds = world.deeds.map(({ at, kind }) => `  at ${at.toFixed(2)} s: ${kind}`);
  return [...nodes, ...edges, ...deeds].join('\n');
}
