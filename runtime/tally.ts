/** Counts the steps that a worker has settled, by node type and end, with how long each took. Pure but for the counting. */
import { BUCKETS, type TallyRow } from '../db/metrics.ts';

export type Tally = {
  add(type: string, state: string, seconds: number): void;
  /** What was counted since the last time. */
  take(): TallyRow[];
  /** Puts back what could not be written. */
  keep(rows: readonly TallyRow[]): void;
};

export function createTally(): Tally {
  let rows = new Map<string, TallyRow>();
  const rowOf = (type: string, state: string) => {
    const key = `${type} ${state}`;
    const row = rows.get(key) ?? { type, state, count: 0, seconds: 0, buckets: BUCKETS.map(() => 0) };
    rows.set(key, row);
    return row;
  };
  return {
    add(type, state, seconds) {
      const row = rowOf(type, state);
      row.count += 1;
      row.seconds += seconds;
      for (const [index, end] of BUCKETS.entries()) if (seconds <= end) row.buckets[index]! += 1;
    },
    take() {
      const taken = [...rows.values()];
      rows = new Map();
      return taken;
    },
    keep(taken) {
      for (const each of taken) {
        const row = rowOf(each.type, each.state);
        row.count += each.count;
        row.seconds += each.seconds;
        for (const [index, count] of each.buckets.entries()) row.buckets[index]! += count;
      }
    },
  };
}
