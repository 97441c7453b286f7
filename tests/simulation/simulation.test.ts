/**
 * The runtime's rules in virtual time against the oracle: random worlds with maps, joins, waits, cancels, retries and
 * corrections; and ways of getting the rules wrong, each of which has to be noticed.
 */
import { expect, describe as group, test } from 'vitest';
import type { Rules } from './machine.ts';
import { describe, faultIn, isSound, RULES, shrink, simulateSeeds } from './run.ts';
import { randomWorld } from './worlds.ts';

const SEEDS = 1_500;

test('whatever happens in whatever order, a run comes to what the oracle says, and everything does happen', () => {
  const { seed, fault, covered } = simulateSeeds(RULES, 1, SEEDS);
  expect(fault, `seed ${seed}`).toBeUndefined();
  expect(Object.keys(covered)).toHaveLength(18);
  for (const [name, count] of Object.entries(covered)) expect(count, name).toBeGreaterThan(0);
});

test('one world comes to what the oracle says under many schedules', () => {
  for (let seed = 1; seed <= 20; seed++) {
    for (let order = 1; order <= 20; order++) {
      expect(faultIn(RULES, randomWorld(seed), order).fault, `seed ${seed}, order ${order}`).toBeUndefined();
    }
  }
});

test('the product would run each of the worlds', () => {
  for (let seed = 1; seed <= 200; seed++) expect(isSound(randomWorld(seed)), `seed ${seed}`).toBe(true);
});

/** Ways to get the rules wrong. */
const MUTANTS: Record<string, Partial<Rules>> = {
  'a token is lost': {
    tokensOf: (...given) => RULES.tokensOf(...given).filter((_, index) => index !== 1),
  },
  'a token is sent twice': {
    tokensOf: (...given) =>
      RULES.tokensOf(...given).flatMap((token, index) => (index === 1 ? [token, token] : [token])),
  },
  'what has no input runs instead of being skipped': {
    decide: (...given) => {
      const decision = RULES.decide(...given);
      return decision.kind === 'skip' ? { kind: 'run', inputs: {} } : decision;
    },
  },
  'a failure upstream skips instead of blocking': {
    decide: (...given) => {
      const decision = RULES.decide(...given);
      return decision.kind === 'block' ? { kind: 'skip', because: '' } : decision;
    },
  },
  'a retry makes settled steps again that have nothing to do with it': {
    dependentsOf: (plan, node, path) => [...RULES.dependentsOf(plan, node, path), { node: plan.order[0]!, prefix: [] }],
  },
  'a correction does not reach a gather': {
    dependentsOf: (plan, node, path) =>
      RULES.dependentsOf(plan, node, path).filter(({ prefix }) => path.length === 0 || prefix.length > 0),
  },
  'a run that goes on again forgets a step that is due': {
    rebuild: (...given) => {
      const { counters, due } = RULES.rebuild(...given);
      return { counters, due: due.slice(1) };
    },
  },
  'a join does not see that its time is over': {
    joinMove: (config, now) => RULES.joinMove({ ...config, amount: null }, now),
  },
  'a join goes on before its time is over': {
    joinMove: (config, now) =>
      RULES.joinMove({ ...config, amount: config.amount === null ? null : config.amount / 2 }, now),
  },
  'a join waits for all where the first would do': {
    joinMove: (config, now) => RULES.joinMove({ ...config, until: 'all' }, now),
  },
  'a cancel lets one strand begin': {
    endedStrands: (strands) => strands.slice(1),
  },
  'a policy gives one attempt more': {
    verdictOn: (error, of) => RULES.verdictOn(error, { ...of, attempt: of.attempt - 1 }),
  },
  'a retry that is due is not waited for': {
    verdictOn: (error, of) => {
      const verdict = RULES.verdictOn(error, of);
      return verdict.kind === 'retry' ? { ...verdict, afterMs: verdict.afterMs / 4 } : verdict;
    },
  },
  'a failure that nobody handles is no problem of the run': {
    isTrouble: (node, state) => state === 'blocked' && RULES.isTrouble(node, state),
  },
};

group('a mistake in the rules is noticed:', () => {
  for (const [name, mutant] of Object.entries(MUTANTS)) {
    test(name, () => {
      expect(simulateSeeds({ ...RULES, ...mutant }, 1, 500).fault).toBeDefined();
    });
  }
});

test('a failing world is made small enough to read', () => {
  const rules = { ...RULES, ...MUTANTS['a correction does not reach a gather'] };
  const { seed } = simulateSeeds(rules, 1, 500);
  const fails = (world: ReturnType<typeof randomWorld>) => faultIn(rules, world).fault !== undefined;
  const world = randomWorld(seed!);
  const smallest = shrink(world, fails);
  expect(fails(smallest)).toBe(true);
  expect(smallest.nodes.length).toBeLessThanOrEqual(4);
  expect(smallest.deeds).toHaveLength(1);
  expect(describe(smallest)).toMatch(/correct$/);
});
