/**
 * Sets a text into a box: the largest size at which it fits, in lines of even length. Works on word widths that were
 * measured once, in ems, so it is plain arithmetic and nothing can run out of its box.
 */
import type { RenderCapability } from '../../contract.ts';

/** Word widths in ems, of one font and weight. */
export type Metrics = { word: Map<string, number>; space: number };
/** No line is broken while words are measured: pixels. */
const BEYOND = 20_000;

/** Widths of all words, and of a space, in one call. */
export async function measure(
  render: Pick<RenderCapability, 'measure'>,
  texts: readonly string[],
  font: string,
  weight: number,
): Promise<Metrics> {
  const all = [...new Set(texts.flatMap(words))];
  const size = 1000;
  const { widths } = await render.measure({
    text: ['n n', 'nn', ...all].join('\n'),
    font,
    weight,
    size,
    maxWidth: BEYOND,
    lineHeight: 1,
  });
  return {
    space: (widths[0]! - widths[1]!) / size,
    word: new Map(all.map((word, index) => [word, widths[index + 2]! / size])),
  };
}

export type Line = { text: string; width: number };
export const words = (text: string) => text.split(/\s+/u).filter(Boolean);

/** Breaks words into lines of at most `room` ems, as even as the number of lines allows; null where a word is too wide. */
export function breakLines(text: string, metrics: Metrics, room: number): Line[] | null {
  const all = words(text);
  const widthOf = (part: readonly string[]) =>
    part.reduce((sum, word) => sum + (metrics.word.get(word) ?? 0), metrics.space * Math.max(0, part.length - 1));
  const fill = (limit: number): string[][] | null => {
    const lines: string[][] = [];
    for (const word of all) {
      const line = lines.at(-1);
      if (line && widthOf([...line, word]) <= limit) line.push(word);
      else if (widthOf([word]) <= limit) lines.push([word]);
      else return null;
    }
    return lines;
  };
  const fewest = fill(room);
  if (!fewest) return null;
  let best = fewest;
  for (let limit = room * 0.97; limit > room * 0.4; limit *= 0.97) {
    const lines = fill(limit);
    if (!lines || lines.length > fewest.length) break;
    best = lines;
  }
  return best.map((line) => ({ text: line.join(' '), width: widthOf(line) }));
}

export type Fitted = { lines: Line[]; size: number; pitch: number; width: number; height: number };

/** The largest size at which the text fits its box. Below `smallest` the last words are left out. */
export function fitText(
  text: string,
  metrics: Metrics,
  box: { width: number; height: number; most: number; smallest: number; lines: number; lineHeight: number },
): Fitted {
  let shown = text;
  for (;;) {
    let best: (Fitted & { worth: number }) | null = null;
    for (let size = box.most; size >= box.smallest && (!best || size > best.size * 0.72); size *= 0.96) {
      const lines = breakLines(shown, metrics, box.width / size);
      const pitch = size * box.lineHeight;
      if (!lines || lines.length > box.lines || lines.length * pitch > box.height) continue;
      const widest = Math.max(...lines.map((line) => line.width));
      // rather a little smaller than with one short word alone on a line
      const shortest = Math.min(...lines.map((line) => line.width));
      const worth = size * (0.7 + 0.3 * Math.min(1, (shortest / widest) * 1.4));
      if (!best || worth > best.worth) {
        best = { lines, size, pitch, width: widest * size, height: lines.length * pitch, worth };
      }
    }
    if (best) return { lines: best.lines, size: best.size, pitch: best.pitch, width: best.width, height: best.height };
    const fewer = words(shown).slice(0, -1);
    if (fewer.length === 0) break;
    shown = fewer.join(' ');
  }
  // one word that is too wide at any size we like is made as small as it must be
  const [first] = words(text);
  const width = metrics.word.get(first ?? '') ?? 1;
  const size = Math.min(box.smallest, box.width / Math.max(width, 0.1), box.height / box.lineHeight);
  return {
    lines: [{ text: first ?? '', width }],
    size,
    pitch: size * box.lineHeight,
    width: width * size,
    height: size * box.lineHeight,
  };
}
