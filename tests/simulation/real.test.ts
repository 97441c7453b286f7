/** The same random worlds on a real ledger with real workers. The long form is `npm run simulate -- --real N`. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Count } from './judging.ts';
import { eaten } from './nodes/sim/act/script.ts';
import { openReal, type Real, runSeeds } from './real.ts';
import { moodOf, randomWorld, type SimNode, type SimWorld } from './worlds.ts';

const COUNTS: Count[] = [
  'maps',
  'depth 2',
  'gathers',
  'skips',
  'blocks',
  'joins',
  'early joins',
  'time-outs',
  'waits',
  'answers',
  'expiries',
  'routes and filters',
  'cancels',
  'continued',
  'attempts',
  'retries',
  'overrides',
  'stops',
];

let real: Real;
beforeAll(async () => {
  real = await openReal();
});
afterAll(() => real.close());

test('what a service refused is asked again when a person tries the step again', async () => {
  const ask: SimNode = {
    id: 'n0',
    doing: { kind: 'ask', policy: { attempts: 1 } },
    inputs: {},
    outputs: { out: false },
    isFailing: false,
  };
  const world = (seed: number): SimWorld => ({
    seed,
    nodes: [ask],
    edges: [],
    deeds: [{ at: 9, kind: 'retry', dice: 0 }],
  });
  const refused = Array.from({ length: 100 }, (_, seed) => world(seed)).find(
    (each) => moodOf(each, ask, eaten({}), 1, false) === 'never',
  )!;
  const { fault, counts } = await real.run(refused);
  expect(fault).toBeUndefined();
  expect(counts).toMatchObject({ retries: 1 });
});

test('random worlds on the real ledger come to what the oracle says', async () => {
  const { faults, covered } = await runSeeds(
    real,
    Array.from({ length: 40 }, (_, index) => randomWorld(index + 1)),
    8,
  );
  expect(faults).toEqual([]);
  for (const name of COUNTS) expect(covered[name], name).toBeGreaterThan(0);
});
