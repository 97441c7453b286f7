/** Steps of a run as bars on a time axis: where each begins, which row of its node it stands in, where ticks go. Pure. */

export type Span = { start: number; end: number; row: number };
const MOST_ROWS = 3;

/**
 * Rows for spans that overlap, each in the first row that is free; those beyond the third row share it.
 * Milliseconds; the order of the result is that of the input.
 */
export function pack(spans: readonly { start: number; end: number }[]): Span[] {
  const rows: number[] = [];
  const order = spans.map((_span, place) => place).sort((one, other) => spans[one]!.start - spans[other]!.start);
  const packed: Span[] = [];
  for (const place of order) {
    const { start, end } = spans[place]!;
    let row = rows.findIndex((free) => free <= start);
    if (row < 0) row = rows.length;
    if (row >= MOST_ROWS) row = MOST_ROWS - 1;
    rows[row] = Math.max(rows[row] ?? 0, end);
    packed[place] = { start, end, row };
  }
  return packed;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

/** Ticks in seconds from 0 up to `lengthMs`: round steps, at most `most` of them. */
export function ticks(lengthMs: number, most = 6): number[] {
  const seconds = Math.max(1, lengthMs / 1000);
  const step = STEPS.find((each) => seconds / each <= most) ?? Math.ceil(seconds / most / 86_400) * 86_400;
  const found: number[] = [];
  for (let at = 0; at <= seconds; at += step) found.push(at);
  return found;
}
