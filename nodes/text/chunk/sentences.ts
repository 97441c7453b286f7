/**
 * The sentences of a transcript, or its turns of speech where no words are known.
 * Milliseconds, so that a recording moved by a second has its sentences moved by a second and nothing else changes.
 */
import type { Transcript } from '../../contract.ts';

/** Milliseconds; `text` is empty where only voice activity is known. */
export type Sentence = { start: number; end: number; text: string; speaker: string | undefined };

/** A pause this long ends a sentence whatever the punctuation says. */
const LONG_PAUSE = 1200;
/** Where an engine writes no punctuation, a pause this long stands for a full stop. */
const DRAFT_PAUSE = 350;
const LONGEST_SENTENCE = 30_000;
const ABBREVIATION = /^(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|approx|No|Nr|bzw|z\.B|ca)\.$/;
const STOP = /[.!?…。！？]["'”’)\]]*$/;

export const ms = (seconds: number) => Math.round(seconds * 1000);

export function splitSentences(transcript: Pick<Transcript, 'words' | 'speech'>): Sentence[] {
  const { words } = transcript;
  if (words.length === 0) {
    return transcript.speech
      .map((turn) => ({ start: ms(turn.start), end: ms(turn.end), text: '', speaker: turn.speaker }))
      .filter((turn) => turn.end > turn.start);
  }
  const stops = words.filter((word) => STOP.test(word.text)).length;
  const punctuated = stops * 50 >= words.length;
  const sentences: Sentence[] = [];
  let from = 0;
  for (let index = 0; index < words.length; index++) {
    const [word, next] = [words[index]!, words[index + 1]];
    const pause = next ? ms(next.start) - ms(word.end) : Number.POSITIVE_INFINITY;
    const stopped = STOP.test(word.text) && !(ABBREVIATION.test(word.text) && pause < 250);
    const turned = next && word.speaker !== next.speaker && next.speaker !== undefined;
    const ended = stopped || turned || pause >= LONG_PAUSE || (!punctuated && pause >= DRAFT_PAUSE);
    if (!ended && next) continue;
    pushWithin(sentences, words.slice(from, index + 1));
    from = index + 1;
  }
  return sentences;
}

/** A sentence without end is cut at its longest pauses. */
function pushWithin(sentences: Sentence[], words: Transcript['words']): void {
  const [first, last] = [words[0]!, words.at(-1)!];
  if (ms(last.end) - ms(first.start) > LONGEST_SENTENCE && words.length > 3) {
    let at = 1;
    for (let index = 1; index < words.length; index++) {
      if (pauseBefore(words, index) > pauseBefore(words, at)) at = index;
    }
    pushWithin(sentences, words.slice(0, at));
    pushWithin(sentences, words.slice(at));
    return;
  }
  sentences.push({
    start: ms(first.start),
    end: Math.max(ms(first.start), ...words.map((word) => ms(word.end))),
    text: words.map((word) => word.text).join(' '),
    speaker: first.speaker,
  });
}
const pauseBefore = (words: Transcript['words'], index: number) => ms(words[index]!.start) - ms(words[index - 1]!.end);

/** Where a run of sentences lies, in seconds. */
export const timesOf = (inside: Sentence[]) => ({ start: inside[0]!.start / 1000, end: inside.at(-1)!.end / 1000 });
