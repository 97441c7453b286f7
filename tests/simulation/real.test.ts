/** The same random worlds on a real ledger with real workers. The long form is `npm run simulate -- --real N`. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Policy } from '../../runtime/graph/graph.ts';
import { eaten } from './nodes/sim/act/script.ts';
import { openReal, type Real, type RealCount, runSeeds } from './real.ts';
import { type Deed, moodOf, randomWorld, type SimNode, type SimWorld } from './worlds.ts';

/** Whatever the clock does; the virtual runs cover all. */
const COUNTS: RealCount[] = [
  'calls',
  'maps',
  'depth 2',
  'gathers',
  'joins',
  'early joins',
  'waits',
  'cancels',
  'retries',
  'overrides',
];

let real: Real;
beforeAll(async () => {
  real = await openReal();
});
afterAll(() => real.close());

/** One step that is refused for good, or at first only, and what is done about it. */
function refusedWorld(policy: Policy & { attempts: number }, isForGood: boolean, deeds: Deed[]): SimWorld {
  const ask: SimNode = {
    id: 'n0',
    doing: { kind: 'ask', policy },
    inputs: {},
    outputs: { out: false },
    isFailing: false,
  };
  const worlds = Array.from({ length: 200 }, (_, seed): SimWorld => ({ seed, nodes: [ask], edges: [], deeds }));
  const mood = (world: SimWorld, attempt: number) => moodOf(world, ask, eaten({}), attempt, false);
  return worlds.find((each) => mood(each, 1) === 'never' && (mood(each, 2) === 'never') === isForGood)!;
}

test('what a service refused is asked again when a person tries the step again', async () => {
  const { fault, counts } = await real.run(refusedWorld({ attempts: 1 }, true, [{ at: 9, kind: 'retry', dice: 0 }]));
  expect(fault).toBeUndefined();
  expect(counts).toMatchObject({ retries: 1 });
});

test('what a service refused is asked again where a policy tries again on all errors', async () => {
  const { fault, counts } = await real.run(refusedWorld({ attempts: 2, wait: 0, on: 'all' }, false, []));
  expect(fault).toBeUndefined();
  expect(counts).toMatchObject({ attempts: 1 });
});

test('random worlds on the real ledger come to what the oracle says', async () => {
  const { faults, covered } = await runSeeds(
    real,
    Array.from({ length: 30 }, (_, index) => randomWorld(index + 1)),
    8,
  );
  expect(faults).toEqual([]);
  for (const name of COUNTS) expect(covered[name], name).toBeGreaterThan(0);
});

/** Mistakes in the functions of the database: what is replaced in one of them. */
const MUTANTS: [name: string, mutant: { of: string; from: string; to: string }][] = [
  [
    'an end that leaves a strand',
    {
      of: 'ledger_end(uuid, text, text)',
      from: 'delete from strand where run_id = of_run;',
      to: 'delete from strand where run_id = of_run and id <> (select max(id) from strand where run_id = of_run);',
    },
  ],
  [
    'a gather that begins before its last member',
    { of: 'ledger_arrive(uuid, jsonb, jsonb)', from: 'if arrived."left" <> 0 then', to: 'if arrived."left" > 1 then' },
  ],
];

test.each(MUTANTS)('%s is noticed', async (_, { of, from, to }) => {
  const broken = await openReal({ longestMs: 6_000 });
  try {
    const { admin } = broken.bench.database;
    const { rows } = await admin.query<{ text: string }>('select pg_get_functiondef($1::regprocedure) as text', [of]);
    expect(rows[0]!.text.split(from)).toHaveLength(2);
    await admin.query(rows[0]!.text.replace(from, to));
    const worlds = Array.from({ length: 60 }, (_, index) => randomWorld(index + 1));
    expect((await runSeeds(broken, worlds, 8)).faults).not.toEqual([]);
  } finally {
    await broken.close();
  }
});
