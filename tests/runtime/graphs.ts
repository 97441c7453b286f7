/**
 * Random graphs that obey the rules of wires, with scripted outcomes, and a report of what they cover.
 * Everything follows from one integer, so a failing seed is a whole counterexample.
 */
import type { ManifestJson, PortJson } from '../../nodes/contract.ts';
import { ERROR_PORT, type Graph, type GraphEdge } from '../../runtime/graph/graph.ts';
import { judge, type Outcome, type Verdict, type World } from './oracle.ts';

/** mulberry32: small, seeded, good enough to choose graphs with. */
export function dice(seed: number) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    below: (n: number) => Math.floor(next() * n),
    chance: (p: number) => next() < p,
    pick: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!,
  };
}

/** A number in [0, 1) that depends only on the text. */
function share(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 2246822519);
  hash ^= hash >>> 13;
  return (hash >>> 0) / 4294967296;
}

const portOf = (list: boolean, optional: boolean): PortJson => ({
  type: 'text',
  list,
  optional,
  title: null,
  help: null,
});

function manifestOf(id: string, inputs: Record<string, PortJson>, outputs: Record<string, PortJson>): ManifestJson {
  return {
    id,
    version: '1.0.0',
    title: id,
    help: '',
    icon: 'puzzle',
    family: 'other',
    aliases: [],
    shape: 'step',
    effect: 'pure',
    weight: 'light',
    reuseForSeconds: 0,
    inputs,
    outputs,
    config: { type: 'object', properties: {}, additionalProperties: true },
    capabilities: {},
    fields: [],
    example: { inputs: {} },
    exports: ['run'],
  };
}

type Source = { node: string; port: string; list: boolean; frame: string[] };

export type Generated = World & { seed: number };

/** 5 to 15 nodes. Lists have 0 to 4 members; failures and left-out outputs are commoner inside maps. */
export function randomWorld(seed: number): Generated {
  const die = dice(seed);
  const nodes: Graph['nodes'] = [];
  const edges: GraphEdge[] = [];
  const catalogue: ManifestJson[] = [];
  const sources: Source[] = [];
  const lastFrames = new Map<string, string[]>();
  const failing = new Set<string>();
  const count = 5 + die.below(11);

  for (let i = 0; i < count; i++) {
    const id = `n${i}`;
    const inputs: Record<string, PortJson> = {};
    let frame: string[] = [];
    if (i > 0 && !die.chance(0.04)) {
      const wanted = 1 + (die.chance(0.45) ? 1 : 0) + (die.chance(0.15) ? 1 : 0);
      for (let p = 0; p < wanted; p++) {
        const name = `in${p}`;
        const fits: { source: Source; list: boolean; frame: string[] }[] = [];
        // recent sources first: long chains, and so deep frames
        const pool = die.chance(0.6) ? sources.slice(-4) : sources;
        for (const source of pool) {
          for (const list of [false, true]) {
            const arrives =
              source.list === list
                ? source.frame
                : source.list
                  ? [...source.frame, `${source.node}.${source.port}`]
                  : source.frame.slice(0, -1);
            if (arrives.length > 3) continue;
            const [short, long] = arrives.length < frame.length ? [arrives, frame] : [frame, arrives];
            if (short.every((origin, depth) => origin === long[depth])) {
              fits.push({ source, list, frame: arrives });
              if (source.list !== list && (source.list || source.frame.length > 0)) {
                for (let weight = 0; weight < 3; weight++) fits.push({ source, list, frame: arrives }); // maps, gathers
              }
            }
          }
        }
        if (fits.length === 0) continue;
        const chosen = die.pick(fits);
        inputs[name] = portOf(chosen.list, die.chance(0.2));
        if (chosen.frame.length > frame.length) frame = chosen.frame;
        const edge = (source: Source): GraphEdge => ({
          id: `e${edges.length}`,
          from: { node: source.node, port: source.port },
          to: { node: id, port: name },
          ...(chosen.list && !source.list && die.chance(0.2) ? { leaveOutFailed: true } : {}),
        });
        edges.push(edge(chosen.source));
        if (chosen.list && die.chance(0.25)) {
          const second = fits.filter(
            (fit) =>
              fit.list && fit.source !== chosen.source && fit.frame.every((origin, depth) => origin === frame[depth]),
          );
          if (second.length > 0) edges.push(edge(die.pick(second).source));
        }
      }
    }
    const outputs: Record<string, PortJson> = { out: portOf(die.chance(0.42), false) };
    if (die.chance(0.3)) outputs.also = portOf(die.chance(0.5), false);
    const type = `test.${id}`;
    catalogue.push(manifestOf(type, inputs, outputs));
    nodes.push({ id, type, version: '1.0.0', name: id, position: { x: i * 240, y: 0 }, config: {} });
    lastFrames.set(id, frame);
    if (die.chance(frame.length > 0 ? 0.5 : 0.1)) failing.add(id);
    for (const [port, declared] of Object.entries(outputs))
      sources.push({ node: id, port, list: declared.list, frame });
    if (die.chance(0.08)) sources.push({ node: id, port: ERROR_PORT, list: false, frame });
  }

  const outcome = (node: string, path: readonly number[], given: Record<string, string | string[]>): Outcome => {
    const at = `${seed}/${node}/${path.join('.')}`;
    if (failing.has(node) && share(`${at}/fails`) < 0.35) return { kind: 'fail' };
    const manifest = catalogue.find((entry) => entry.id === `test.${node}`)!;
    const eaten = Object.entries(given)
      .map(([name, value]) => `${name}=${Array.isArray(value) ? `[${value.join(',')}]` : value}`)
      .join(';');
    const tag = `${node}@${path.join('.')}{${share(eaten).toString(36).slice(2, 10)}}`;
    const made: Record<string, string | string[]> = {};
    for (const [port, declared] of Object.entries(manifest.outputs)) {
      if (share(`${at}/${port}/absent`) < (path.length > 0 ? 0.27 : 0.03)) continue;
      const length = Math.floor(share(`${at}/${port}/length`) * 4.2);
      made[port] = declared.list ? Array.from({ length }, (_, index) => `${tag}.${port}#${index}`) : `${tag}.${port}`;
    }
    return { kind: 'ok', outputs: made };
  };
  return {
    seed,
    graph: { format: 1, nodes, edges, inputs: [], sections: [], notes: [] },
    catalogue,
    outcome,
  };
}

export type Coverage = {
  'two nested maps': boolean;
  'a skip inside a map': boolean;
  'a failing member before a gather': boolean;
  'an empty list': boolean;
  'two lists of one origin': boolean;
};

/** Which of the hard situations really arise in this world (not merely could). */
export function coverageOf(world: World, verdict: Verdict = judge(world)): Coverage {
  const list = [...verdict.steps.entries()].map(([key, step]) => {
    const [node, path] = key.split('@') as [string, string];
    return { node, path: path === '' ? [] : path.split('.').map(Number), step };
  });
  const manifests = new Map(world.catalogue.map((manifest) => [manifest.id, manifest]));
  const givesList = (edge: GraphEdge) =>
    edge.from.port !== ERROR_PORT && manifests.get(`test.${edge.from.node}`)!.outputs[edge.from.port]!.list;
  const wantsList = (edge: GraphEdge) => manifests.get(`test.${edge.to.node}`)!.inputs[edge.to.port]!.list;
  const ran = (node: string) => list.filter((entry) => entry.node === node);
  return {
    'two nested maps': list.some((entry) => entry.path.length >= 2),
    'a skip inside a map': list.some((entry) => entry.path.length >= 1 && entry.step.state === 'skipped'),
    'a failing member before a gather': world.graph.edges.some(
      (edge) =>
        wantsList(edge) &&
        !givesList(edge) &&
        verdict.frames.get(edge.from.node)!.length > 0 &&
        ran(edge.from.node).some(({ step }) => step.state === 'failed' || step.state === 'blocked'),
    ),
    'an empty list': list.some(
      ({ step }) =>
        step.state === 'succeeded' &&
        Object.values(step.outputs).some((value) => Array.isArray(value) && value.length === 0),
    ),
    // one node fed by two different wires that both lie within the same list
    'two lists of one origin': world.graph.nodes.some((node) => {
      const origins = world.graph.edges
        .filter((edge) => edge.to.node === node.id)
        .map((edge) => ({
          from: `${edge.from.node}.${edge.from.port}`,
          frame:
            givesList(edge) && !wantsList(edge)
              ? [...verdict.frames.get(edge.from.node)!, `${edge.from.node}.${edge.from.port}`]
              : verdict.frames.get(edge.from.node)!,
        }));
      return origins.some((a, i) =>
        origins.some((b, j) => j > i && a.from !== b.from && a.frame.some((origin) => b.frame.includes(origin))),
      );
    }),
  };
}
