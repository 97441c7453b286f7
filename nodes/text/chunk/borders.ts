/**
 * Where the subject changes: how good a place each beginning of a sentence is to cut, by sentence vectors and shared
 * words on both sides (as in Hearst's TextTiling, 1997), pauses and changes of speaker.
 */
import type { Sentence } from './sentences.ts';
import { contentWords, LEANS, rarityAmong } from './words.ts';

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let [dot, aa, bb] = [0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    dot += a[index]! * b[index]!;
    aa += a[index]! ** 2;
    bb += b[index]! ** 2;
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0;
};

/** Similarity of every pair of sentences in [0, 1]: vectors where there are some, and shared words in any language. */
export function similarities(sentences: Sentence[], vectors: number[][] | undefined): (i: number, j: number) => number {
  const counts = sentences.map((sentence) => contentWords(sentence.text));
  const rarity = rarityAmong(sentences.map((sentence) => sentence.text));
  const weights = counts.map((words) => new Map(words.map((word) => [word, rarity(word)])));
  const lengths = weights.map((map) => Math.sqrt([...map.values()].reduce((sum, weight) => sum + weight ** 2, 0)));
  const cache = new Map<number, number>();
  return (i, j) => {
    const key = i * sentences.length + j;
    const known = cache.get(key);
    if (known !== undefined) return known;
    let dot = 0;
    for (const [word, weight] of weights[i]!) dot += weight * (weights[j]!.get(word) ?? 0);
    const lexical = lengths[i]! > 0 && lengths[j]! > 0 ? dot / (lengths[i]! * lengths[j]!) : 0;
    const similar = vectors ? 0.75 * Math.max(0, cosine(vectors[i]!, vectors[j]!)) + 0.25 * lexical : lexical;
    cache.set(key, similar);
    return similar;
  };
}

/** Sentences on each side of a border that are compared. */
export const WINDOW = 4;
const CUE =
  /^(?:(?:ok(?:ay)?|so|now|alright|well|right)[, ]+)?(?:let's|let us|next|another|moving on|finally|first|second|third|my next|the next|on to|by the way|in order to|if you|to)\b/i;

export type Border = { strength: number; subject: number; pauseMs: number; turned: boolean };

/** For each sentence: how good a place its beginning is to cut, in [0, 1]. The first and the end are always 1. */
export function bordersOf(sentences: Sentence[], similar: (i: number, j: number) => number): Border[] {
  const count = sentences.length;
  const across = sentences.map((_, at) => {
    let [sum, weights] = [0, 0];
    for (let i = Math.max(0, at - WINDOW); i < at; i++) {
      for (let j = at; j < Math.min(count, at + WINDOW); j++) {
        const weight = 1 / (j - i); // near ones count more
        sum += weight * similar(i, j);
        weights += weight;
      }
    }
    return weights > 0 ? sum / weights : 0;
  });
  const depths = across.map((value, at) => {
    if (at === 0) return 0;
    let [left, right] = [value, value];
    for (let i = at - 1; i >= 1 && across[i]! >= left; i--) left = across[i]!;
    for (let i = at + 1; i < count && across[i]! >= right; i++) right = across[i]!;
    return left + right - 2 * value;
  });
  const deepest = Math.max(...depths, 0.05);
  const pauses = sentences.map((sentence, at) => (at === 0 ? 0 : Math.max(0, sentence.start - sentences[at - 1]!.end)));
  const usual = [...pauses.slice(1)].sort((a, b) => a - b)[Math.floor((count - 1) / 2)] ?? 0;
  const spoken = sentences.some((sentence) => sentence.text !== '');
  return sentences.map((sentence, at) => {
    const pauseMs = pauses[at]!;
    const turned = at > 0 && sentence.speaker !== undefined && sentence.speaker !== sentences[at - 1]!.speaker;
    if (at === 0) return { strength: 1, subject: 1, pauseMs, turned };
    const subject = depths[at]! / deepest;
    const pause = Math.min(1, Math.max(0, pauseMs - usual) / 1500);
    const cue = CUE.test(sentence.text) ? 0.12 : 0;
    const leans = LEANS.test(sentence.text) ? 0.25 : 0;
    const mixed = spoken ? 0.7 * subject + 0.3 * pause + (turned ? 0.2 : 0) + cue - leans : pause;
    return { strength: Math.min(1, Math.max(0, mixed)), subject, pauseMs, turned };
  });
}
