/**
 * What a run will take, from what earlier runs took: for each node a line through its last runs, over the seconds of
 * their recordings. The line is Theil and Sen's (the median of all slopes), so one odd run moves nothing. Pure.
 */
import type { ManifestJson } from '../../nodes/contract.ts';

/** What one node took in an earlier run; `made` of its `steps` were not reused. */
type Taken = {
  steps: number;
  made: number;
  seconds: number;
  calls: number;
  posts: number;
  accounts: string[];
  /** In runs that it called, by node type. */
  below?: Readonly<Record<string, { made: number; calls: number }>>;
};
/** `size`: seconds of the run's recordings. `busy`: seconds in which anything was worked on. */
type Earlier = { size: number | null; busy: number; nodes: Readonly<Record<string, Taken>> };

/** What is known of a node before the run: how many of its steps are there already, and how many there are in all. */
export type Ahead = { node: string; reused: number; total: number | null; isRehearsed: boolean };
export type Money = { currency: string; minor: number };
export type Estimate = {
  /** From start to end; null where no earlier run says anything. */
  seconds: number | null;
  calls: number;
  posts: number;
  accounts: number;
  /** Where node types state a price. */
  money: Money[];
  quota: { name: string; units: number }[];
  /** Earlier runs it rests on. */
  basedOn: number;
  /** Nodes that will run and of which nothing is known yet. */
  unknown: string[];
};

export function estimate(
  ahead: readonly Ahead[],
  earlier: readonly Earlier[],
  size: number | null,
  /** By node id; what runs that are called do, by node type. */
  manifests: ReadonlyMap<string, ManifestJson>,
  types: ReadonlyMap<string, ManifestJson> = new Map(),
): Estimate {
  const sum = { work: 0, calls: 0, posts: 0 };
  const accounts = new Set<string>();
  const money = new Map<string, number>();
  const quota = new Map<string, number>();
  const unknown: string[] = [];
  for (const { node, reused, total, isRehearsed } of ahead) {
    if (total !== null && total <= reused) continue;
    const manifest = manifests.get(node);
    const known = earlier.flatMap(({ size: at, nodes }) => (nodes[node] ? [{ at, ...nodes[node] }] : []));
    const worked = known.filter(({ made }) => made > 0);
    if (worked.length === 0) {
      // what sends or asks nothing and is small needs no history
      if (manifest?.weight === 'heavy' || manifest?.effect !== 'pure' || known.length === 0) unknown.push(node);
      continue;
    }
    const steps =
      total ??
      Math.round(
        at(
          known.map((run) => [run.at, run.steps]),
          size,
          false,
        ),
      );
    const runs = Math.max(0, steps - reused);
    const isAlone = worked.every((run) => run.steps <= 1);
    const each = (of: (run: Taken) => number, scales: boolean) =>
      at(
        worked.map((run) => [run.at, of(run) / run.made]),
        size,
        scales,
      );
    // an item of a list takes as long as other items; what has no list takes the longer, the longer the recording
    const scales = takesRecordings(manifest);
    const seconds = isAlone ? each((run) => run.seconds, scales) : median(worked.map((run) => run.seconds / run.made));
    sum.work += runs * seconds;
    if (!isRehearsed) {
      const calls = Math.round(runs * each((run) => run.calls, false));
      const posts = Math.round(runs * each((run) => run.posts, false));
      sum.calls += calls;
      sum.posts += posts;
      if (posts > 0) for (const account of worked.flatMap((run) => run.accounts)) accounts.add(account);
      const pay = (cost: ManifestJson['cost'], of: { steps: number; calls: number }) => {
        const units = cost ? unitsOf(cost.per, { ...of, size }) : 0;
        if (cost?.money)
          money.set(cost.money.currency, (money.get(cost.money.currency) ?? 0) + units * cost.money.minor);
        if (cost?.quota) quota.set(cost.quota.name, (quota.get(cost.quota.name) ?? 0) + units * cost.quota.units);
      };
      pay(manifest?.cost, { steps: runs, calls });
      for (const type of new Set(worked.flatMap((run) => Object.keys(run.below ?? {})))) {
        const often = (what: 'made' | 'calls') =>
          Math.round(runs * each((run) => run.below?.[type]?.[what] ?? 0, false));
        pay(types.get(type)?.cost, { steps: often('made'), calls: often('calls') });
      }
    }
  }
  return {
    seconds: earlier.length === 0 ? null : sum.work * besides(earlier),
    calls: sum.calls,
    posts: sum.posts,
    accounts: accounts.size,
    // in the same order before a run and after it
    money: [...money].sort(byName).map(([currency, minor]) => ({ currency, minor: Math.ceil(minor) })),
    quota: [...quota].sort(byName).map(([name, units]) => ({ name, units: Math.ceil(units) })),
    basedOn: earlier.length,
    unknown,
  };
}

const byName = ([a]: readonly [string, number], [b]: readonly [string, number]) => (a < b ? -1 : 1);

function unitsOf(per: 'step' | 'call' | 'minute', of: { steps: number; calls: number; size: number | null }): number {
  if (per === 'minute') return of.steps === 0 ? 0 : (of.size ?? 0) / 60;
  return per === 'call' ? of.calls : of.steps;
}

/** How long runs were busy for each second of work in them: less than 1 where steps go on side by side. */
function besides(earlier: readonly Earlier[]): number {
  const shares = earlier.flatMap(({ busy, nodes }) => {
    const work = Object.values(nodes).reduce((total, { seconds }) => total + seconds, 0);
    return work > 0 && busy > 0 ? [busy / work] : [];
  });
  return shares.length === 0 ? 1 : median(shares);
}

/** Whether a longer recording means more work, where no run tells yet. */
function takesRecordings(manifest: ManifestJson | undefined): boolean {
  if (!manifest) return false;
  const isMedia = Object.values(manifest.inputs).some(({ type }) =>
    ['media', 'video', 'audio', 'transcript'].includes(type),
  );
  return isMedia || manifest.weight === 'heavy';
}

/** The value at `size` on the line through the points. All of one size: as there, or in proportion where it `scales`. */
export function at(
  points: readonly (readonly [size: number | null, value: number])[],
  size: number | null,
  scales: boolean,
): number {
  const values = points.map(([, value]) => value);
  const sized = points.flatMap(([own, value]) => (own === null ? [] : [[own, value] as const]));
  if (size === null || sized.length === 0) return median(values);
  const slopes = sized.flatMap(([a, x], one) =>
    sized.slice(one + 1).flatMap(([b, y]) => (Math.abs(a - b) > Math.max(a, b) * 0.02 ? [(y - x) / (b - a)] : [])),
  );
  if (slopes.length === 0) {
    if (!scales) return median(values);
    return median(sized.map(([own, value]) => (own > 0 ? (value * size) / own : value)));
  }
  const slope = Math.max(0, median(slopes));
  const base = median(sized.map(([own, value]) => value - slope * own));
  const line = Math.max(0, base + slope * size);
  const sizes = sized.map(([own]) => own);
  if (size >= Math.min(...sizes) && size <= Math.max(...sizes)) return line;
  // far from what was seen a small error of the slope is a large one: never more than in proportion, nor less than as there
  const steady = median(values);
  const proportional = median(sized.map(([own, value]) => (own > 0 ? (value * size) / own : value)));
  return Math.min(Math.max(line, Math.min(steady, proportional)), Math.max(steady, proportional));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
