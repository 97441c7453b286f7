/**
 * Drives a random world through the pure rules alone, in a random order of settling, as workers would, and compares
 * what became of every step with the oracle. `rules` lets a test put a broken rule in the place of a good one.
 */
import {
  Counters,
  decide,
  firstSteps,
  isTrouble,
  type Part,
  type Settled,
  type StepAt,
  stepKey,
  tokensOf,
} from '../../runtime/graph/advance.ts';
import { type Plan, planOf } from '../../runtime/graph/plan.ts';
import { dice } from './graphs.ts';
import { judge, type World } from './oracle.ts';

export type Rules = {
  planOf: typeof planOf;
  tokensOf: typeof tokensOf;
  decide: typeof decide;
  Counters: typeof Counters;
  isTrouble: typeof isTrouble;
};
export const RULES: Rules = { planOf, tokensOf, decide, Counters, isTrouble };

type Done = { state: Settled['state']; cause: string | null; inputs: Record<string, string | string[]>; outputs: Record<string, string | string[]> };

/** Differences between the rules and the oracle, as sentences; empty where they agree. */
export function differences(world: World, seed: number, rules: Rules = RULES): string[] {
  const die = dice(seed);
  const plan: Plan = rules.planOf(world.graph, world.catalogue);
  const counters = new rules.Counters(plan);
  const ledger = new Map<string, Done>();
  const settledOf = (key: string): Settled | undefined => {
    const done = ledger.get(key);
    return done && { state: done.state, cause: done.cause, outputs: lengths(done.outputs) };
  };
  const valueOf = (part: Part): string => {
    const made = ledger.get(stepKey(part.node, part.path))!;
    if (made.state === 'failed') return `error of ${stepKey(part.node, part.path)}`;
    const value = made.outputs[part.port]!;
    return part.index === null ? (value as string) : (value as string[])[part.index]!;
  };
  const found: string[] = [];
  const due: StepAt[] = firstSteps(plan);
  let troubles = 0;
  while (due.length > 0) {
    const [step] = due.splice(die.below(due.length), 1) as [StepAt];
    const key = stepKey(step.node, step.path);
    if (ledger.has(key)) {
      found.push(`${key} was due twice`);
      break;
    }
    const decision = rules.decide(plan, step.node, step.path, (node, path) => settledOf(stepKey(node, path)));
    let done: Done;
    if (decision.kind === 'skip') done = { state: 'skipped', cause: null, inputs: {}, outputs: {} };
    else if (decision.kind === 'block') done = { state: 'blocked', cause: decision.cause, inputs: {}, outputs: {} };
    else {
      const inputs: Record<string, string | string[]> = {};
      for (const input of plan.nodes[step.node]!.inputs) {
        const parts = decision.inputs[input.port];
        if (!parts) continue;
        // a whole list that passes unchanged is one part; gathered members are one part each
        const values = parts.flatMap((part) => valueOf(part));
        inputs[input.port] = input.list ? values : values[0]!;
      }
      const outcome = world.outcome(step.node, step.path, inputs);
      done =
        outcome.kind === 'ok'
          ? { state: 'done', cause: null, inputs, outputs: outcome.outputs }
          : { state: 'failed', cause: null, inputs, outputs: {} };
    }
    ledger.set(key, done);
    if (rules.isTrouble(plan.nodes[step.node]!, done.state)) troubles++;
    due.push(...counters.send(rules.tokensOf(plan, step.node, step.path, settledOf(key)!)));
  }

  const verdict = judge(world);
  const inWords = (state: string) => (state === 'succeeded' ? 'done' : state);
  for (const [key, expected] of verdict.steps) {
    const got = ledger.get(key);
    if (!got) found.push(`${key} should be ${expected.state} and has no step`);
    else if (got.state !== inWords(expected.state)) found.push(`${key} should be ${expected.state} and is ${got.state}`);
    else if (expected.state === 'blocked' && got.cause !== expected.cause) found.push(`${key} is blocked by ${expected.cause}, not ${got.cause}`);
    else if ('inputs' in expected && JSON.stringify(sorted(got.inputs)) !== JSON.stringify(sorted(expected.inputs))) {
      found.push(`${key} got ${JSON.stringify(got.inputs)} instead of ${JSON.stringify(expected.inputs)}`);
    }
  }
  for (const key of ledger.keys()) if (!verdict.steps.has(key)) found.push(`${key} should not be a step`);
  if ((troubles > 0) !== (verdict.run !== 'succeeded')) found.push(`the run should be ${verdict.run}`);
  return found;
}

export function lengths(outputs: Record<string, string | string[]>): Record<string, number | null> {
  return Object.fromEntries(Object.entries(outputs).map(([port, value]) => [port, Array.isArray(value) ? value.length : null]));
}

function sorted(record: Record<string, unknown>): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}
