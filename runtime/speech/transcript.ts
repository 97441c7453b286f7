/**
 * Builds a `Transcript` from what an engine or a file says: words in order of time, speakers by number, turns, and
 * where there is speech at all. Pure; times are seconds.
 */
import type { Speaker, Transcript, Turn, Word } from '../../nodes/contract.ts';

/** A piece of speech as files and services give it: with words, or with text whose word times have to be guessed. */
export type Piece = {
  start: number;
  end: number;
  text: string;
  speaker?: string;
  words?: SpokenWord[];
};
export type SpokenWord = { text: string; start: number; end: number; confidence?: number; speaker?: string };

/** Pauses shorter than this belong to the speech around them, seconds. */
const SPEECH_GAP = 0.6;

export function buildTranscript(
  pieces: Piece[],
  about: { language: string; duration: number; engine: Transcript['engine']; speech?: Turn[] },
): Transcript {
  const names: string[] = [];
  const idOf = (name: string | undefined): string | undefined => {
    const trimmed = name?.trim().slice(0, 120);
    if (!trimmed) return undefined;
    if (!names.includes(trimmed)) names.push(trimmed);
    return `s${names.indexOf(trimmed) + 1}`;
  };
  const turns: Turn[] = [];
  const words: Word[] = [];
  for (const piece of [...pieces].sort((a, b) => a.start - b.start)) {
    const given = piece.words?.length ? piece.words : spreadWords(piece.text, piece.start, piece.end);
    for (const word of given) {
      const start = Math.max(0, word.start);
      const speaker = idOf(word.speaker ?? piece.speaker);
      words.push({
        text: word.text.slice(0, 200),
        start: seconds(start),
        end: seconds(Math.max(start, word.end)),
        ...(word.confidence === undefined ? {} : { confidence: Math.min(1, Math.max(0, word.confidence)) }),
        ...(speaker ? { speaker } : {}),
      });
    }
    const speaker = idOf(piece.speaker);
    if (speaker && piece.end > piece.start) {
      turns.push({ start: seconds(Math.max(0, piece.start)), end: seconds(piece.end), speaker });
    }
  }
  words.sort((a, b) => a.start - b.start || a.end - b.end);
  const speakers: Speaker[] = names.map((name, index) => ({ id: `s${index + 1}`, name: speakerName(name) }));
  return {
    language: about.language || 'und',
    duration: Math.max(about.duration, words.at(-1)?.end ?? 0),
    words,
    speakers,
    turns: turns.length > 0 ? joinTurns(turns) : joinTurns(words.filter((word) => word.speaker).map(turnOf)),
    speech: about.speech ?? joinSpeech(words),
    engine: about.engine,
  };
}

const turnOf = (word: Word): Turn => ({ start: word.start, end: word.end, speaker: word.speaker });
/** Milliseconds are finer than any engine. */
const seconds = (value: number) => Math.round(value * 1000) / 1000;
/** Services number their speakers; `A` alone says nothing to a person. */
const speakerName = (name: string) => (/^([A-Z]|\d{1,2})$/.test(name) ? `Speaker ${name}` : name);

/** Words of a cue that has only a start and an end: each gets time by its length, a syllable or so for the shortest. */
export function spreadWords(text: string, start: number, end: number): SpokenWord[] {
  const parts = text.split(/\s+/).filter(Boolean);
  const weights = parts.map((part) => part.length + 2);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let at = start;
  return parts.map((part, index) => {
    const begins = at;
    at += ((end - start) * weights[index]!) / total;
    return { text: part, start: begins, end: at };
  });
}

/** Neighbouring turns of one speaker become one where the pause between them is short. Overlaps stay. */
export function joinTurns(turns: Turn[], gap = 1): Turn[] {
  const joined: Turn[] = [];
  const last = new Map<string | undefined, Turn>();
  for (const turn of [...turns].sort((a, b) => a.start - b.start)) {
    const before = last.get(turn.speaker);
    const between = before && joined.at(-1) === before;
    if (before && between && turn.start - before.end <= gap) {
      before.end = Math.max(before.end, turn.end);
      continue;
    }
    const copy = { ...turn };
    joined.push(copy);
    last.set(turn.speaker, copy);
  }
  return joined;
}

/** Where there is speech, from words alone. */
export function joinSpeech(words: readonly { start: number; end: number }[]): Turn[] {
  const speech: Turn[] = [];
  for (const word of words) {
    const last = speech.at(-1);
    if (last && word.start - last.end <= SPEECH_GAP) last.end = Math.max(last.end, word.end);
    else speech.push({ start: word.start, end: word.end });
  }
  return speech;
}
