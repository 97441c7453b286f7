/** The best set of pieces between good borders, by dynamic programming. */
import { type Border, WINDOW } from './borders.ts';
import { ms, type Sentence } from './sentences.ts';
import { LEANS } from './words.ts';

export type Span = { first: number; last: number; score: number };
/** How many pieces are wanted, and how long each may be. */
export type Limits = { least: number; most: number; minSeconds: number; maxSeconds: number };

/** A piece more is worth it above this score. */
const WORTH = 0.42;

/**
 * The best pieces in order of time, none overlapping: as many as are worth it, between `least` and `most` where the
 * recording allows. Dynamic programming over (sentences seen, pieces taken).
 */
export function bestSpans(
  sentences: Sentence[],
  borders: Border[],
  similar: (i: number, j: number) => number,
  limits: Limits,
): Span[] {
  const count = sentences.length;
  const [shortest, longest] = [ms(limits.minSeconds), ms(limits.maxSeconds)];
  const strength = (at: number) => (at >= count ? 1 : borders[at]!.strength);
  const most = Math.min(limits.most, count);
  // best[k][at]: highest sum with k pieces among sentences before `at`; from[k][at]: the piece that ends there
  const best = Array.from({ length: most + 1 }, () => new Float64Array(count + 1).fill(Number.NEGATIVE_INFINITY));
  const from = Array.from({ length: most + 1 }, () => new Array<Span | undefined>(count + 1));
  best[0]!.fill(0);
  for (let end = 1; end <= count; end++) {
    for (let k = 1; k <= most; k++) best[k]![end] = best[k]![end - 1]!;
    let [inner, together, pairs, talk] = [0, 0, 0, 0];
    for (let start = end - 1; start >= 0; start--) {
      const length = sentences[end - 1]!.end - sentences[start]!.start;
      if (length > longest) break;
      talk += sentences[start]!.end - sentences[start]!.start;
      if (start + 1 < end) {
        inner = Math.max(inner, strength(start + 1));
        for (let other = start + 1; other < Math.min(end, start + 1 + WINDOW); other++) {
          together += similar(start, other);
          pairs++;
        }
      }
      if (length < shortest) continue;
      const score = spanScore({
        opens: strength(start),
        closes: strength(end),
        inner,
        together: pairs > 0 ? together / pairs : 0.3,
        density: talk / length,
        leans: LEANS.test(sentences[start]!.text),
        single: end - start === 1,
      });
      for (let k = 1; k <= most; k++) {
        const value = best[k - 1]![start]! + score - WORTH;
        if (value > best[k]![end]! + 1e-9) {
          best[k]![end] = value;
          from[k]![end] = { first: start, last: end - 1, score };
        }
      }
    }
  }
  let pieces = 0;
  for (let k = 1; k <= most; k++) {
    const possible = best[k]![count]! > Number.NEGATIVE_INFINITY;
    if (possible && (k <= limits.least || best[k]![count]! > best[pieces]![count]! + 1e-9)) pieces = k;
  }
  const spans: Span[] = [];
  for (let [k, at] = [pieces, count]; k > 0 && at > 0; ) {
    const span = from[k]![at];
    if (span === undefined || best[k]![at] === best[k]![at - 1]) {
      at--;
      continue;
    }
    spans.unshift(span);
    at = span.first;
    k--;
  }
  return spans;
}

function spanScore(of: {
  opens: number;
  closes: number;
  inner: number;
  together: number;
  density: number;
  leans: boolean;
  single: boolean;
}): number {
  const whole = 0.34 * of.opens + 0.34 * of.closes + 0.2 * (1 - of.inner) + 0.12 * Math.min(1, of.together * 2);
  const score = whole - (of.leans ? 0.12 : 0) - (of.single ? 0.05 : 0) - 0.2 * Math.max(0, 0.8 - of.density);
  return Math.min(1, Math.max(0, score));
}
