/**
 * How well the local Chunk engine finds where one subject ends and the next begins: ten texts, each joined from four to
 * seven short talks (bench/data/chunk), against equal parts and against sentence borders drawn at random.
 *
 * WindowDiff (Pevzner and Hearst, 2002), in sentences, window half the mean length of a part: 0 is perfect, lower is
 * better. No pause, no speaker and no length gives a border away: every sentence is timed alike.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Word } from '../nodes/contract.ts';
import { chunkLocally } from '../nodes/text/chunk/local.ts';
import { type Sentence, splitSentences } from '../nodes/text/chunk/sentences.ts';
import { EMBEDDING_MODEL, embed, stopEmbedding } from '../runtime/language/embed.ts';
import type { Bench } from './main.ts';

const DATA = path.join(import.meta.dirname, 'data/chunk');
const TEXTS =
  `bees bread interest goalkeeper volcano interview piano sleep bridge kubernetes whales vaccine coffee chess glacier
  negotiation marathon tomatoes telescope cheese podcasting election batteries theatre language rain passwords knitting
  refugees robots`.split(/\s+/);
const CASES = 10;
const RANDOM_DRAWS = 200;
const WORD_SECONDS = 0.4;

type Case = { words: Word[]; sizes: number[] };

/** Which talks, and how many sentences of each: fixed, so that every run sees the same ten texts. */
export function joinedTexts(): Case[] {
  return Array.from({ length: CASES }, (_, index) => {
    const parts = 4 + (index % 4);
    const chosen = Array.from({ length: parts }, (_, part) => ({
      name: TEXTS[(index * 7 + part * 11) % TEXTS.length]!,
      sentences: 3 + ((index * 2 + part * part * 3 + part) % 5),
    }));
    const texts = chosen.map(({ name, sentences }) =>
      readFileSync(path.join(DATA, `${name}.txt`), 'utf8')
        .trim()
        .split(/(?<=[.!?])\s+/)
        .slice(0, sentences),
    );
    let at = 0;
    const words = texts.flat().flatMap((sentence) =>
      sentence.split(/\s+/).map((text) => {
        const word = { text, start: at, end: at + WORD_SECONDS };
        at += WORD_SECONDS + (/[.!?]$/.test(text) ? 0.4 : 0);
        return word;
      }),
    );
    return { words, sizes: texts.map((text) => text.length) };
  });
}

/** `true` at each sentence with which a new part begins, the first excepted. */
const bordersFrom = (starts: Set<number>, count: number) =>
  Array.from({ length: count }, (_, at) => at > 0 && starts.has(at));

export function windowDiff(reference: boolean[], guess: boolean[]): number {
  const parts = reference.filter(Boolean).length + 1;
  const window = Math.max(2, Math.round(reference.length / parts / 2));
  let [wrong, total] = [0, 0];
  for (let from = 0; from + window < reference.length; from++) {
    const count = (borders: boolean[]) => borders.slice(from + 1, from + window + 1).filter(Boolean).length;
    if (count(reference) !== count(guess)) wrong++;
    total++;
  }
  return total > 0 ? wrong / total : 0;
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** mulberry32: small, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const bench: Bench = {
  title: 'Chunk: where subjects change, ten joined texts (WindowDiff, lower is better)',
  async run({ say }) {
    const results: Record<'local' | 'lexical' | 'equal' | 'random', number[]> = {
      local: [],
      lexical: [],
      equal: [],
      random: [],
    };
    for (const [index, { words, sizes }] of joinedTexts().entries()) {
      const sentences = splitSentences({ words, speech: [] });
      const count = sentences.length;
      const expected = sizes.reduce((sum, size) => sum + size, 0);
      if (count !== expected) throw new Error(`Text ${index + 1}: ${count} sentences found, ${expected} joined.`);
      let at = 0;
      const reference = bordersFrom(
        new Set(
          sizes.map((size) => {
            at += size;
            return at - size;
          }),
        ),
        count,
      );
      const parts = sizes.length;
      const vectors = await embed(sentences.map((sentence) => sentence.text));
      results.local.push(windowDiff(reference, engineBorders(sentences, parts, vectors)));
      results.lexical.push(windowDiff(reference, engineBorders(sentences, parts, undefined)));
      results.equal.push(
        windowDiff(
          reference,
          bordersFrom(new Set(Array.from({ length: parts }, (_, part) => Math.round((part * count) / parts))), count),
        ),
      );
      const random = randomFrom(index + 1);
      results.random.push(
        mean(
          Array.from({ length: RANDOM_DRAWS }, () => {
            const starts = new Set<number>();
            while (starts.size < parts - 1) starts.add(1 + Math.floor(random() * (count - 1)));
            return windowDiff(reference, bordersFrom(starts, count));
          }),
        ),
      );
      say(
        `text ${index + 1}: ${parts} parts, ${count} sentences, local ${results.local.at(-1)!.toFixed(2)}, equal ${results.equal.at(-1)!.toFixed(2)}, random ${results.random.at(-1)!.toFixed(2)}`,
      );
    }
    stopEmbedding();
    const local = mean(results.local);
    return {
      figures: [
        { name: `local engine (${EMBEDDING_MODEL})`, unit: 'WindowDiff', values: results.local },
        { name: 'local engine, shared words only', unit: 'WindowDiff', values: results.lexical },
        { name: 'equal parts', unit: 'WindowDiff', values: results.equal },
        { name: 'random sentence borders', unit: 'WindowDiff', values: results.random },
      ],
      limits: [
        {
          name: 'mean, local against equal parts',
          value: local,
          limit: mean(results.equal),
          ok: local < mean(results.equal),
        },
        {
          name: 'mean, local against random borders',
          value: local,
          limit: mean(results.random),
          ok: local < mean(results.random),
        },
      ],
      notes: [
        'Shared words only is what other languages get; on parts of three to seven sentences it finds little. No limit is set.',
      ],
    };
  },
};

/** Where the engine's segments begin, as it is used in the product: that many pieces, any length. */
function engineBorders(sentences: Sentence[], parts: number, vectors: number[][] | undefined): boolean[] {
  const segments = chunkLocally(sentences, { least: parts, most: parts, minSeconds: 4, maxSeconds: 900 }, vectors);
  const starts = new Set(
    segments.map((segment) => sentences.findIndex((one) => one.start === Math.round(segment.start * 1000))),
  );
  return bordersFrom(starts, sentences.length);
}
