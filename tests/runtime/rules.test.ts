/**
 * The rules of lists against the oracle, on random graphs in random orders; and twelve ways of getting them wrong,
 * each of which has to be noticed.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as advance from '../../runtime/graph/advance.ts';
import { storedExpression } from '../../runtime/graph/expression.ts';
import { reachFrom } from '../../runtime/graph/expression-types.ts';
import { analyseFrames } from '../../runtime/graph/frames.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { planOf } from '../../runtime/graph/plan.ts';
import { type Coverage, coverageOf, dice, randomWorld } from './graphs.ts';
import { judge, type World } from './oracle.ts';
import { difference, type Rules, simulate } from './simulate.ts';

const RULES: Rules = { ...advance, planOf };
const root = path.resolve(import.meta.dirname, '../..');
const mutants = path.join(root, 'dist', `mutants-${process.pid}`);

function disagreement(rules: Rules, seed: number, order: number): string | undefined {
  const world = randomWorld(seed);
  try {
    return difference(judge(world), simulate(rules, world, order));
  } catch (error) {
    return String(error);
  }
}

describe('on random graphs', () => {
  test('the rules come to what the oracle says, whatever the order of the workers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0 }), fc.integer({ min: 0 }), (seed, order) => {
        expect(disagreement(RULES, seed, order)).toBeUndefined();
      }),
      { numRuns: 3000, seed: 20261123 },
    );
  });

  test('the generator really makes the hard situations', () => {
    const seeds = Array.from({ length: 1000 }, (_, index) => index * 7919);
    const found: Partial<Record<keyof Coverage, number>> = {};
    for (const seed of seeds) {
      for (const [name, is] of Object.entries(coverageOf(randomWorld(seed))) as [keyof Coverage, boolean][]) {
        if (is) found[name] = (found[name] ?? 0) + 1;
      }
    }
    const percent = (name: keyof Coverage) => (100 * (found[name] ?? 0)) / seeds.length;
    console.log(
      `coverage of ${seeds.length} graphs: ${Object.keys(found)
        .map((name) => `${name} ${percent(name as keyof Coverage).toFixed(1)} %`)
        .join(', ')}`,
    );
    expect(percent('two nested maps')).toBeGreaterThanOrEqual(20);
    expect(percent('a skip inside a map')).toBeGreaterThanOrEqual(20);
    expect(percent('a failing member before a gather')).toBeGreaterThanOrEqual(20);
    expect(percent('an empty list')).toBeGreaterThanOrEqual(10);
    expect(percent('two lists of one origin')).toBeGreaterThanOrEqual(10);
  });

  test('a run rebuilt from its settled steps goes on where it was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0 }), fc.integer({ min: 0 }), (seed, order) => {
        const world = randomWorld(seed);
        const plan = planOf(world.graph, world.catalogue);
        const whole = [...judge(world).steps.entries()].map(([key, step]) => {
          const [node, at] = key.split('@') as [string, string];
          return {
            node,
            path: at === '' ? [] : at.split('.').map(Number),
            settled: {
              state: step.state === 'succeeded' ? ('done' as const) : step.state,
              cause: step.state === 'blocked' ? step.cause : null,
              outputs:
                step.state === 'succeeded'
                  ? Object.fromEntries(
                      Object.entries(step.outputs).map(([k, v]) => [k, Array.isArray(v) ? v.length : null]),
                    )
                  : {},
            },
          };
        });
        // Forget one step and everything that may depend on it: that step is due again, and nothing that was kept.
        const forgotten = whole[order % whole.length]!;
        const gone = advance.dependentsOf(plan, forgotten.node, forgotten.path);
        const isGone = (step: { node: string; path: number[] }) =>
          gone.some((place) => place.node === step.node && advance.isWithin(step.path, place.prefix));
        const kept = whole.filter((step) => step !== forgotten && !isGone(step));
        const { due } = advance.rebuild(plan, kept);
        const again = { node: forgotten.node, path: forgotten.path };
        expect(due).toContainEqual(again);
        // the places named may be a little more than depends on it; what is due at once is among them
        for (const step of due)
          if (advance.stepKey(step.node, step.path) !== advance.stepKey(again.node, again.path))
            expect(isGone(step)).toBe(true);
      }),
      { numRuns: 1000, seed: 7 },
    );
  });

  test('what settings take is settled before a step, nothing hangs, and no node gets other lists', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.integer({ min: 0 }), fc.integer({ min: 0 }), (seed, order) => {
        const world = randomWorld(seed);
        const { frames } = simulate(RULES, world, order);
        const graph = takingAtRandom(world, order);
        const decide: Rules['decide'] = (plan, node, path, lookup) => {
          for (const take of plan.nodes[node]!.takes ?? []) {
            expect(lookup(take.node, path.slice(0, take.depth)), `${take.node} before ${node}`).toBeDefined();
            taken++;
          }
          return advance.decide(plan, node, path, lookup);
        };
        const came = simulate({ ...RULES, decide }, { ...world, graph }, order);
        expect([...came.frames].sort()).toEqual([...frames].sort());
        for (const [node, frame] of came.frames) {
          let paths: number[][] = [[]];
          for (const text of frame) {
            const origin = text.slice(0, text.lastIndexOf('.'));
            paths = paths.flatMap((path) => {
              const made = came.steps.get(advance.stepKey(origin, path));
              const list = made?.state === 'succeeded' ? made.outputs[text.slice(origin.length + 1)] : undefined;
              return Array.isArray(list) ? list.map((_, index) => [...path, index]) : [];
            });
          }
          for (const path of paths) expect(came.steps.has(advance.stepKey(node, path)), node).toBe(true);
        }
      }),
      { numRuns: 1000, seed: 11 },
    );
    expect(taken).toBeGreaterThan(1_000);
  });
});

/** The world's graph with settings that take from whatever they can reach. */
function takingAtRandom({ graph, catalogue }: World, seed: number): Graph {
  const die = dice(seed);
  let taking = graph;
  for (const { id } of graph.nodes) {
    const reach = reachFrom(taking, analyseFrames(taking, catalogue), id);
    if (reach.length === 0 || die.chance(0.4)) continue;
    const text = Array.from({ length: 1 + die.below(2) }, () => die.pick(reach))
      .map(({ from, node, port }) => `${from}.${node}.${port}`)
      .join(' == ');
    const config = { taken: storedExpression(text) } as Graph['nodes'][number]['config'];
    taking = { ...taking, nodes: taking.nodes.map((node) => (node.id === id ? { ...node, config } : node)) };
  }
  return taking;
}

/** Ways to get the rules wrong: a replacement in one file of runtime/graph. */
const MUTANTS: { name: string; file: string; from: string; to: string }[] = [
  {
    name: 'a wrong prefix: broadcasts are read at the whole path',
    file: 'advance.ts',
    from: 'const here = path.slice(0, source.depth);',
    to: 'const here = path.slice(0, source.depth + 1);',
  },
  {
    name: 'a gather reads the members of the first list instead of its own',
    file: 'advance.ts',
    from: 'const above = path.slice(0, source.depth - 1);',
    to: 'const above = path.slice(0, source.depth - 1).map(() => 0);',
  },
  {
    name: 'a map takes its member by the outermost index',
    file: 'advance.ts',
    from: 'const index = path[source.depth];',
    to: 'const index = path[0];',
  },
  {
    name: 'a gather renumbers after a hole',
    file: 'advance.ts',
    from: 'const member = emitted(from, source.port, [...above, index], lookup);',
    to: 'const member = emitted(from, source.port, [...above, parts.length], lookup);',
  },
  {
    name: 'a failed member is left out silently',
    file: 'advance.ts',
    from: "if (member.kind === 'failed' && !source.leaveOutFailed) return member;",
    to: '',
  },
  {
    name: 'leaving out failed members is ignored',
    file: 'advance.ts',
    from: "if (member.kind === 'failed' && !source.leaveOutFailed) return member;",
    to: "if (member.kind === 'failed') return member;",
  },
  {
    name: 'what is blocked says that it was skipped',
    file: 'advance.ts',
    from: "else if (arrival.kind === 'failed') return { kind: 'block', cause: arrival.cause };",
    to: '',
  },
  {
    name: 'the last cause is named instead of the first',
    file: 'advance.ts',
    from: "return { kind: 'failed', cause: step.cause ?? stepKey(node.id, path) };",
    to: "return { kind: 'failed', cause: stepKey(node.id, path) };",
  },
  {
    name: 'siblings are counted as arrivals of one wire',
    file: 'advance.ts',
    from: 'known.count += token.count;',
    to: '',
  },
  {
    name: 'an empty list never finishes its gather',
    file: 'advance.ts',
    from: "send({ kind: 'g', node: other.id, path, count: 0, length: length ?? 0, spread: null });",
    to: "if (length !== 0) send({ kind: 'g', node: other.id, path, count: 0, length: length ?? 0, spread: null });",
  },
  {
    name: 'an absent list gathers to an empty one',
    file: 'advance.ts',
    from: "const list = emitted(plan.nodes[source.origin.node]!, source.origin.port, above, lookup);\n    if (list.kind !== 'present') return list;",
    to: "const list = emitted(plan.nodes[source.origin.node]!, source.origin.port, above, lookup);\n    if (list.kind !== 'present') return { kind: 'present', parts: [] };",
  },
  {
    name: 'an optional input that is absent skips the node',
    file: 'advance.ts',
    from: 'else if (input.optional) continue;',
    to: '',
  },
  {
    name: 'a handled failure still blocks',
    file: 'advance.ts',
    from: "if (!node.errorIsWired) return { kind: 'failed', cause: stepKey(node.id, path) };",
    to: "if (!node.errorIsWired || port !== ERROR_PORT) return { kind: 'failed', cause: stepKey(node.id, path) };",
  },
  {
    name: 'a gather drops every level instead of one',
    file: 'frames.ts',
    from: "if (how === 'gather') return source.slice(0, -1);",
    to: "if (how === 'gather') return [];",
  },
];

describe('a mistake in the rules is noticed', () => {
  beforeAll(() => {
    for (const [index] of MUTANTS.entries()) {
      const folder = path.join(mutants, String(index), 'runtime', 'graph');
      mkdirSync(folder, { recursive: true });
      for (const file of readdirSync(path.join(root, 'runtime/graph'))) {
        if (!file.endsWith('.test.ts')) cpSync(path.join(root, 'runtime/graph', file), path.join(folder, file));
      }
      cpSync(path.join(root, 'nodes/contract.ts'), path.join(mutants, String(index), 'nodes/contract.ts'));
    }
  });
  afterAll(() => rmSync(mutants, { recursive: true, force: true }));

  for (const [index, mutant] of MUTANTS.entries()) {
    test(mutant.name, async () => {
      const folder = path.join(mutants, String(index), 'runtime', 'graph');
      const source = readFileSync(path.join(folder, mutant.file), 'utf8');
      expect(source.split(mutant.from).length, 'the line this mutant changes is there once').toBe(2);
      writeFileSync(
        path.join(folder, mutant.file),
        source.replace(mutant.from, () => mutant.to),
      );
      const rules: Rules = {
        ...(await import(/* @vite-ignore */ path.join(folder, 'advance.ts'))),
        planOf: (await import(/* @vite-ignore */ path.join(folder, 'plan.ts'))).planOf,
      };
      const seeds = Array.from({ length: 1500 }, (_, seed) => seed);
      expect(seeds.some((seed) => disagreement(rules, seed, seed) !== undefined)).toBe(true);
    });
  }
});
