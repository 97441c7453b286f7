/**
 * Runs a random world through the pure rules of `runtime/graph` as a worker would: one due step after the other, in an
 * order that a seeded scheduler chooses, with only settled steps to look at.
 */
import type * as Advance from '../../runtime/graph/advance.ts';
import type * as PlanModule from '../../runtime/graph/plan.ts';
import { dice } from './graphs.ts';
import type { Settled as Expected, World } from './oracle.ts';

export type Rules = Pick<typeof Advance, 'Counters' | 'decide' | 'firstSteps' | 'tokensOf' | 'isTrouble'> &
  Pick<typeof PlanModule, 'planOf'>;

export type Came = { frames: Map<string, string[]>; steps: Map<string, Expected>; run: string };

/** Throws where a step becomes due twice, or is decided before what it reads is settled. */
export function simulate(rules: Rules, world: World, order: number): Came {
  const die = dice(order);
  const plan = rules.planOf(world.graph, world.catalogue);
  const counters = new rules.Counters(plan);
  const settled = new Map<string, Advance.Settled>();
  const values = new Map<string, Record<string, string | string[]>>();
  const steps = new Map<string, Expected>();
  const seen = new Set<string>();
  const keyOf = (node: string, path: readonly number[]) => `${node}@${path.join('.')}`;
  const due = rules.firstSteps(plan);
  let troubled = false;

  while (due.length > 0) {
    const [step] = due.splice(die.below(due.length), 1);
    const key = keyOf(step!.node, step!.path);
    if (seen.has(key)) throw new Error(`${key} became due twice`);
    seen.add(key);
    const node = plan.nodes[step!.node]!;
    const decision = rules.decide(plan, step!.node, step!.path, (id, path) => settled.get(keyOf(id, path)));
    let outcome: Advance.Settled;
    if (decision.kind === 'skip') {
      outcome = { state: 'skipped', cause: null, outputs: {} };
      steps.set(key, { state: 'skipped' });
    } else if (decision.kind === 'block') {
      outcome = { state: 'blocked', cause: decision.cause, outputs: {} };
      steps.set(key, { state: 'blocked', cause: decision.cause });
    } else {
      const inputs: Record<string, string | string[]> = {};
      for (const input of node.inputs) {
        const parts = decision.inputs[input.port];
        if (!parts) continue;
        const fed = parts.map((part) => {
          const whole = values.get(keyOf(part.node, part.path))![part.port]!;
          return part.index === null ? whole : (whole as string[])[part.index]!;
        });
        inputs[input.port] = input.list ? fed.flat() : fed[0]!;
      }
      const result = world.outcome(step!.node, step!.path, inputs);
      if (result.kind === 'ok') {
        values.set(key, result.outputs);
        steps.set(key, { state: 'succeeded', inputs, outputs: result.outputs });
        outcome = {
          state: 'done',
          cause: null,
          outputs: Object.fromEntries(
            Object.entries(result.outputs).map(([port, value]) => [port, Array.isArray(value) ? value.length : null]),
          ),
        };
      } else {
        values.set(key, { error: `error of ${key}` });
        steps.set(key, { state: 'failed', inputs });
        outcome = { state: 'failed', cause: null, outputs: {} };
      }
    }
    settled.set(key, outcome);
    troubled ||= rules.isTrouble(node, outcome.state);
    due.push(...counters.send(rules.tokensOf(plan, step!.node, step!.path, outcome)));
  }
  const frames = new Map(plan.order.map((id) => [id, plan.nodes[id]!.frame.map((o) => `${o.node}.${o.port}`)]));
  return { frames, steps, run: troubled ? 'finished with problems' : 'succeeded' };
}

/** The first difference in words, or undefined where both agree. */
export function difference(expected: Came, came: Came): string | undefined {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, v) => (v && typeof v === 'object' && !Array.isArray(v) ? sorted(v) : v));
  for (const [node, frame] of expected.frames) {
    if (text(frame) !== text(came.frames.get(node)))
      return `frame of ${node}: ${text(frame)} / ${text(came.frames.get(node))}`;
  }
  for (const key of new Set([...expected.steps.keys(), ...came.steps.keys()])) {
    const [a, b] = [text(expected.steps.get(key)), text(came.steps.get(key))];
    if (a !== b) return `${key}: expected ${a}, came ${b}`;
  }
  return expected.run === came.run ? undefined : `run: expected ${expected.run}, came ${came.run}`;
}

function sorted(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
