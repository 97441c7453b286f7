/** Captions to burn in: which words of a segment stand together, on at most two lines, and for how long. Seconds. */
import type { CaptionCue, Word } from '../../contract.ts';

export type Style = 'marker' | 'plain' | 'box' | 'stack';
type TextSize = 'small' | 'medium' | 'large';
/** Characters that fit a line of the safe area at size 1, 1.5 and 2, upright. */
const LINE: Record<Style, Record<TextSize, number>> = {
  marker: { small: 20, medium: 16, large: 12 },
  plain: { small: 20, medium: 20, large: 15 },
  box: { small: 24, medium: 22, large: 18 },
  stack: { small: 14, medium: 11, large: 8 },
};
/** Other shapes have wider lines. */
const WIDER = { '9:16': 1, '4:5': 1.12, '1:1': 1.12, '16:9': 1.8 } as const;

export function lineLength(style: Style, size: TextSize, aspect: keyof typeof WIDER): number {
  return Math.round(LINE[style][size] * WIDER[aspect]);
}

const endsSentence = (text: string) => /[.!?…]["'”’)]*$/.test(text);
const lengthOf = (words: readonly Word[]) => words.reduce((sum, word) => sum + [...word.text].length + 1, -1);
const CAPTION_PAUSE = 0.7;
/** A caption stays this long after its last word, if nothing follows. */
const LINGER = 0.6;

/** One line, or the evenest two, or null where they do not fit. A word that is too long stands alone. */
function twoLines(words: readonly Word[], line: number): Word[][] | null {
  if (lengthOf(words) <= line || words.length === 1) return [[...words]];
  let best: { lines: Word[][]; cost: number } | null = null;
  for (let at = 1; at < words.length; at++) {
    const [above, below] = [words.slice(0, at), words.slice(at)];
    const [upper, lower] = [lengthOf(above), lengthOf(below)];
    if ((upper > line && above.length > 1) || (lower > line && below.length > 1)) continue;
    const cost = Math.abs(upper - lower) + (upper > lower ? 2 : 0);
    if (!best || cost < best.cost) best = { lines: [above, below], cost };
  }
  return best?.lines ?? null;
}

/** Captions to burn in: a phrase is shared out evenly, so that no word is left alone on the screen. */
export function layCaptions(words: readonly Word[], line: number, duration: number): CaptionCue[] {
  const phrases: Word[][] = [];
  for (const word of words) {
    const phrase = phrases.at(-1);
    const last = phrase?.at(-1);
    const isNew =
      !last ||
      endsSentence(last.text) ||
      word.start - last.end > CAPTION_PAUSE ||
      (word.speaker ?? '') !== (last.speaker ?? '');
    if (isNew) phrases.push([word]);
    else phrase!.push(word);
  }
  const groups: Word[][][] = [];
  for (const phrase of phrases) {
    const fill = (target: number): Word[][] => {
      const parts: Word[][] = [];
      for (const word of phrase) {
        const part = parts.at(-1);
        const isFull = !part || twoLines([...part, word], line) === null || lengthOf(part) >= target;
        if (isFull) parts.push([word]);
        else part.push(word);
      }
      return parts;
    };
    const fewest = fill(Number.POSITIVE_INFINITY);
    const shared = fewest.length > 1 ? fill(lengthOf(phrase) / fewest.length - line * 0.15) : fewest;
    for (const part of shared.length <= fewest.length + 1 ? shared : fewest)
      groups.push(twoLines(part, line) ?? [part]);
  }
  const round = (value: number) => Math.round(value * 1000) / 1000;
  return groups.map((lines, index) => {
    const last = lines.at(-1)!.at(-1)!;
    const next = groups[index + 1]?.[0]?.[0];
    const end = Math.min(
      duration,
      next ? (next.start - last.end < LINGER ? next.start : last.end + LINGER) : last.end + LINGER,
    );
    const start = lines[0]![0]!.start;
    return {
      start: round(start),
      end: round(Math.max(end, start + 0.05)),
      lines: lines.map((each) =>
        each.map((word) => ({ text: word.text, start: round(word.start), end: round(word.end) })),
      ),
    };
  });
}

/** The words of a segment, counted from its start. A word belongs where its middle lies. */
export function wordsWithin(words: readonly Word[], start: number, end: number): Word[] {
  return words
    .filter((word) => {
      const middle = (word.start + word.end) / 2;
      return middle >= start && middle < end && word.text.trim() !== '';
    })
    .map((word) => ({
      ...word,
      text: word.text.trim(),
      start: Math.round(Math.max(0, word.start - start) * 1000) / 1000,
      end: Math.round(Math.min(end - start, word.end - start) * 1000) / 1000,
    }));
}
