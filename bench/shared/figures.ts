/** Figures of a bench and what is said of them. Apart from main.ts, which waits for the bench it loads. */
export type Figure = { name: string; unit: string; values: number[] };

/** Median, 90th percentile (nearest rank) and least of the values. */
export function summary({ name, unit, values }: Figure) {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? 0;
  const half = sorted.length / 2;
  const median = sorted.length % 2 === 0 ? ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2 : rank(0.5);
  return { name, unit, median: round(median), p90: round(rank(0.9)), min: round(sorted[0] ?? 0), runs: sorted.length };
}
export const round = (value: number) => Math.round(value * 10_000) / 10_000;
