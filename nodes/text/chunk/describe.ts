/** Title, summary, quotes and topics of a piece, all of them said in it. */
import type { Segment } from '../../contract.ts';
import type { Sentence } from './sentences.ts';
import { bare, contentWords, LEANS, rarityAmong, stem, tells } from './words.ts';

export type Phrases = { topics(text: string): string[]; weight(text: string): number };

/** What is said more in one place than elsewhere, by how rare a word is among the sentences. */
export function phrasesAmong(sentences: Sentence[]): Phrases {
  const rarity = rarityAmong(sentences.map((sentence) => sentence.text));
  return {
    weight: (text) => {
      const words = contentWords(text);
      return words.reduce((sum, word) => sum + rarity(word), 0) / Math.sqrt(words.length + 2);
    },
    topics: (text) => {
      const runs = new Map<string, { shown: string; score: number }>();
      let current: string[] = [];
      const finish = () => {
        const run = current.slice(0, 3);
        current = [];
        if (run.length === 0) return;
        const shown = run.map((word) => word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '')).join(' ');
        const key = run.map((word) => stem(bare(word))).join(' ');
        const score = run.reduce((sum, word) => sum + rarity(stem(bare(word))), 0) / Math.sqrt(run.length);
        const before = runs.get(key);
        runs.set(key, { shown: before?.shown ?? shown, score: (before?.score ?? 0) + score });
      };
      for (const word of text.split(/\s+/)) {
        if (tells(bare(word))) current.push(word);
        else finish();
        if (/[.,;:!?]["')]*$/.test(word)) finish();
      }
      finish();
      return [...runs.values()]
        .sort((a, b) => b.score - a.score || (a.shown < b.shown ? -1 : 1))
        .slice(0, 5)
        .map((run) => run.shown.slice(0, 100));
    },
  };
}

type Words = Pick<Segment, 'title' | 'summary' | 'quotes' | 'topics'>;

export function describe(inside: Sentence[], phrases: Phrases, index: number): Words {
  const text = inside
    .map((sentence) => sentence.text)
    .join(' ')
    .trim();
  if (text === '') return { title: `Part ${index + 1}`, summary: '', quotes: [], topics: [] };
  const byWeight = inside
    .map((sentence, place) => ({
      sentence,
      place,
      weight: phrases.weight(sentence.text) - (LEANS.test(sentence.text) ? 0.5 : 0),
    }))
    .sort((a, b) => b.weight - a.weight || a.place - b.place);
  const summary = byWeight
    .slice(0, 2)
    .sort((a, b) => a.place - b.place)
    .map((one) => one.sentence.text)
    .join(' ');
  const quotes = byWeight
    .filter((one) => one.sentence.text.length <= 240 && one.sentence.text.split(' ').length >= 4)
    .slice(0, 2)
    .map((one) => one.sentence.text);
  return {
    title: titleOf(inside, phrases, index),
    summary: shorten(summary, 600),
    quotes: quotes.map((quote) => shorten(quote, 500)),
    topics: phrases.topics(text),
  };
}

const TITLE_LENGTH = 64;

/** The heaviest clause of at most 64 characters, early ones first; never a word that was not said. */
function titleOf(inside: Sentence[], phrases: Phrases, index: number): string {
  const clauses = inside.flatMap((sentence, place) =>
    sentence.text
      .split(/(?<=[,;:.!?…])\s+/)
      .map((clause) =>
        clause.replace(/^(?:and|but|so|or|well|now|then|because|also)[, ]+/i, '').replace(/[\s,;:.…]+$/, ''),
      )
      .filter((clause) => clause.split(' ').length >= 3)
      .map((clause) => ({
        clause,
        weight:
          phrases.weight(clause) * (place === 0 ? 1.25 : 1) * Math.min(1, clause.split(' ').length / 6) -
          (LEANS.test(clause) ? 1 : 0),
      })),
  );
  const fitting = clauses.filter(({ clause }) => clause.length <= TITLE_LENGTH);
  const [chosen] = (fitting.length > 0 ? fitting : clauses).sort((a, b) => b.weight - a.weight);
  const text = shorten(chosen?.clause ?? inside[0]?.text ?? '', TITLE_LENGTH);
  return text === '' ? `Part ${index + 1}` : text[0]!.toUpperCase() + text.slice(1);
}

/** Cut at a word, with an ellipsis where something is missing. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const cut = text.slice(0, limit - 1);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), limit / 2)).replace(/[\s,;:]+$/, '')}…`;
}
