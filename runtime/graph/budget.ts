/**
 * Whether a step may begin under the run's budget: what is used, what other steps that go on are about to use, and what
 * this step is expected to use, against each limit. Pure.
 */
import type { ErrorJson, ManifestJson } from '../../nodes/contract.ts';
import type { Budget } from './graph.ts';

type Taken = { made: number; seconds: number; calls: number; askers: number };
type SoFar = {
  nodes: Readonly<Record<string, Taken>>;
  size: number | null;
  going: readonly { node: string; seconds: number; asked: boolean }[];
};

/** Whether its steps ask services for something or send something. */
export function isMetered(manifest: ManifestJson | undefined): boolean {
  const { effect, capabilities, cost } = manifest ?? {};
  return effect === 'writes-external' || (capabilities?.http ?? capabilities?.ai ?? cost) !== undefined;
}

/** Null: it may begin. */
export function overBudget(
  budget: Budget,
  soFar: SoFar,
  /** `payer`: whose budget it is, as a sentence begins. */
  step: { node: string; name: string; isRehearsed: boolean; payer?: string },
  manifests: ReadonlyMap<string, ManifestJson>,
): ErrorJson | null {
  const each = (node: string) => {
    const known = soFar.nodes[node];
    const isAsking = isMetered(manifests.get(node)) && !(node === step.node && step.isRehearsed);
    const calls = known && known.askers > 0 ? known.calls / known.askers : 1;
    return {
      calls: isAsking ? Math.max(1, Math.ceil(calls)) : 0,
      seconds: known && known.made > 0 ? known.seconds / known.made : 0,
    };
  };
  const own = each(step.node);
  const waiting = soFar.going.filter(({ asked }) => !asked);

  if (budget.calls !== undefined) {
    const used =
      sum(Object.values(soFar.nodes).map(({ calls }) => calls)) + sum(waiting.map(({ node }) => each(node).calls));
    if (own.calls > 0 && used + own.calls > budget.calls)
      return refusal(step, `${budget.calls} calls`, `${used} are used`, `${own.calls} more`);
  }
  if (budget.minutes !== undefined) {
    const used =
      sum(Object.values(soFar.nodes).map(({ seconds }) => seconds)) + sum(soFar.going.map(({ seconds }) => seconds));
    const isOver = used >= budget.minutes * 60 || used + own.seconds > budget.minutes * 60;
    if (isOver)
      return refusal(
        step,
        `${budget.minutes} minutes of work`,
        `${minutes(used)} are used`,
        own.seconds > 0 ? `about ${minutes(own.seconds)} more` : 'some of it',
      );
  }
  const { money } = budget;
  if (money !== undefined) {
    const priceOf = (node: string, taken: { steps: number; calls: number }): number => {
      const cost = manifests.get(node)?.cost;
      if (cost?.money?.currency !== money.currency) return 0;
      const units = { step: taken.steps, call: taken.calls, minute: taken.steps > 0 ? (soFar.size ?? 0) / 60 : 0 };
      return units[cost.per] * cost.money.minor;
    };
    const used =
      sum(Object.entries(soFar.nodes).map(([node, { made, calls }]) => priceOf(node, { steps: made, calls }))) +
      sum(waiting.map(({ node }) => priceOf(node, { steps: 1, calls: each(node).calls })));
    const hasPaid = (soFar.nodes[step.node]?.made ?? 0) > 0 && manifests.get(step.node)?.cost?.per === 'minute';
    const more = step.isRehearsed || hasPaid ? 0 : priceOf(step.node, { steps: 1, calls: own.calls });
    if (more > 0 && used + more > money.minor)
      return refusal(
        step,
        price(money.minor, money.currency),
        `${price(used, money.currency)} is used`,
        `${price(more, money.currency)} more`,
      );
  }
  return null;
}

function refusal(
  { name, payer = 'This run' }: { name: string; payer?: string },
  limit: string,
  used: string,
  more: string,
): ErrorJson {
  return {
    code: 'BUDGET_REACHED',
    message: `${payer} may use ${limit}; ${used}, and ${name} needs ${more}.`,
    hint: 'Raise its budget under Continue: what is done stays, and it goes on from here.',
    retry: 'person',
  };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const minutes = (seconds: number) => `${(seconds / 60).toFixed(seconds < 600 ? 1 : 0)} min`;
const price = (minor: number, currency: string) => `${(minor / 100).toFixed(2)} ${currency}`;
