/** The same random worlds on a real ledger with real workers. The long form is `npm run simulate -- --real N`. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Count } from './judging.ts';
import { eaten } from './nodes/sim/act/script.ts';
import { openReal, type Real, runSeeds } from './real.ts';
import { moodOf, randomWorld, type SimNode, type SimWorld } from './worlds.ts';

/** Whatever the clock does; the virtual runs cover all. */
const COUNTS: Count[] = [
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
