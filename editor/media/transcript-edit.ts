/**
 * Corrections of a transcript: words, speakers' names, who says what. Each gives back a new transcript and leaves
 * times as they are. Also how a transcript is laid out for reading. Pure.
 */
import type { Speaker, Transcript, Turn, Word } from '../../nodes/contract.ts';

/** Below this an engine is unsure of a word, and the word is underlined. */
export const UNSURE = 0.6;
/** A pause of this many seconds starts a new paragraph. */
const PAUSE = 1.4;
const LONGEST_PARAGRAPH = 60;

export type Paragraph = {
  /** Index of the first word; `to` is after the last one. */
  from: number;
  to: number;
  speaker: string | undefined;
  start: number;
  /** Whether the speaker's name is shown above: the one before spoke last. */
  named: boolean;
};

const endsSentence = (word: Word) => /[.!?…]["'”’)]*$/.test(word.text);

/** Breaks at changes of speaker, long pauses, and sentence ends once a paragraph is long. */
export function paragraphs(words: readonly Word[]): Paragraph[] {
  const found: Paragraph[] = [];
  let from = 0;
  for (let index = 1; index <= words.length; index += 1) {
    const word = words[index];
    const before = words[index - 1];
    if (!before) break;
    const length = index - from;
    const breaks =
      !word ||
      word.speaker !== before.speaker ||
      word.start - before.end > PAUSE ||
      (endsSentence(before) && (length >= LONGEST_PARAGRAPH / 4 || word.start - before.end > PAUSE / 3)) ||
      length >= LONGEST_PARAGRAPH * 2;
    if (!breaks) continue;
    const last = found.at(-1);
    const first = words[from];
    found.push({
      from,
      to: index,
      speaker: before.speaker,
      start: first?.start ?? 0,
      named: before.speaker !== undefined && last?.speaker !== before.speaker,
    });
    from = index;
  }
  return found;
}

/** The word spoken at `time`, or the last one before it; -1 before the first. Words are in order of start. */
export function wordAt(words: readonly Word[], time: number): number {
  let low = 0;
  let high = words.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((words[middle]?.start ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Ends of sentences and beginnings of the next ones: where a cut sounds right. Seconds, in order. */
export function sentenceBorders(words: readonly Word[]): number[] {
  const borders = new Set<number>();
  words.forEach((word, index) => {
    const before = words[index - 1];
    if (!before || endsSentence(before)) borders.add(word.start);
    if (endsSentence(word) || index === words.length - 1) borders.add(word.end);
  });
  return [...borders].sort((one, other) => one - other);
}

/**
 * Word `index` says `text` instead. Nothing typed deletes the word; several words share its time by their length.
 * A word a person wrote is certain.
 */
export function editWord(transcript: Transcript, index: number, text: string): Transcript {
  const word = transcript.words[index];
  if (!word) return transcript;
  const parts = text.trim().split(/\s+/).filter(Boolean);
  if (parts.length === 1 && parts[0] === word.text) return transcript;
  const letters = parts.reduce((sum, part) => sum + part.length, 0);
  let at = word.start;
  const made = parts.map((part, place): Word => {
    const start = at;
    at =
      place === parts.length - 1
        ? word.end
        : Math.round((start + ((word.end - word.start) * part.length) / letters) * 1000) / 1000;
    return { ...word, text: part.slice(0, 200), start, end: at, confidence: 1 };
  });
  return { ...transcript, words: transcript.words.toSpliced(index, 1, ...made) };
}

/** The speaker's name everywhere. An empty name changes nothing; a name two speakers share joins them into one. */
export function renameSpeaker(transcript: Transcript, id: string, name: string): Transcript {
  const wanted = name.trim().slice(0, 120);
  const speaker = transcript.speakers.find((each) => each.id === id);
  if (!speaker || wanted === '' || wanted === speaker.name) return transcript;
  const same = transcript.speakers.find((each) => each.id !== id && each.name === wanted);
  if (same) return joinSpeakers(transcript, id, same.id);
  return {
    ...transcript,
    speakers: transcript.speakers.map((each) => (each.id === id ? { ...each, name: wanted } : each)),
  };
}

/** Everything `from` said was said by `to`; `from` is no speaker any more. */
function joinSpeakers(transcript: Transcript, from: string, to: string): Transcript {
  const swap = (id: string) => (id === from ? to : id);
  return {
    ...transcript,
    speakers: transcript.speakers.filter((each) => each.id !== from),
    words: transcript.words.map((word) =>
      word.speaker === from || word.speakers?.includes(from)
        ? {
            ...word,
            ...(word.speaker ? { speaker: swap(word.speaker) } : {}),
            ...(word.speakers ? { speakers: [...new Set(word.speakers.map(swap))] } : {}),
          }
        : word,
    ),
    turns: transcript.turns.map((turn) => (turn.speaker === from ? { ...turn, speaker: to } : turn)),
  };
}

/**
 * The words [from, to) were said by `speaker`. Turns inside those words' time change hands too, cut where they
 * reach beyond it.
 */
export function assignSpeaker(transcript: Transcript, from: number, to: number, speaker: string): Transcript {
  const first = transcript.words[from];
  const last = transcript.words[to - 1];
  if (!first || !last || !transcript.speakers.some((each) => each.id === speaker)) return transcript;
  const { start } = first;
  const { end } = last;
  const turns = transcript.turns.flatMap((turn): Turn[] => {
    if (turn.end <= start || turn.start >= end) return [turn];
    return [
      ...(turn.start < start ? [{ ...turn, end: start }] : []),
      { ...turn, start: Math.max(turn.start, start), end: Math.min(turn.end, end), speaker },
      ...(turn.end > end ? [{ ...turn, start: end }] : []),
    ];
  });
  return {
    ...transcript,
    words: transcript.words.map((word, index) => {
      if (index < from || index >= to) return word;
      const { speakers: _overlap, ...rest } = word;
      return { ...rest, speaker };
    }),
    turns,
  };
}

/** A further speaker named "Speaker 3" or the like, and its id. */
export function addSpeaker(transcript: Transcript): { transcript: Transcript; speaker: Speaker } {
  const ids = new Set(transcript.speakers.map(({ id }) => id));
  let number = transcript.speakers.length + 1;
  while (ids.has(`speaker-${number}`)) number += 1;
  const speaker = { id: `speaker-${number}`, name: `Speaker ${number}` };
  return { transcript: { ...transcript, speakers: [...transcript.speakers, speaker] }, speaker };
}

/** Who speaks when: the transcript's turns, or where nobody has diarized, runs of words with one speaker. */
export function lanes(transcript: Transcript): { speaker: Speaker; turns: Turn[]; share: number }[] {
  const turns = transcript.turns.length > 0 ? transcript.turns : wordTurns(transcript.words);
  const total = turns.reduce((sum, turn) => sum + (turn.end - turn.start), 0) || 1;
  return transcript.speakers.map((speaker) => {
    const own = turns.filter((turn) => turn.speaker === speaker.id);
    return { speaker, turns: own, share: own.reduce((sum, turn) => sum + (turn.end - turn.start), 0) / total };
  });
}

function wordTurns(words: readonly Word[]): Turn[] {
  const turns: Turn[] = [];
  for (const word of words) {
    if (word.speaker === undefined) continue;
    const last = turns.at(-1);
    if (last && last.speaker === word.speaker && word.start - last.end <= PAUSE) last.end = word.end;
    else turns.push({ start: word.start, end: word.end, speaker: word.speaker });
  }
  return turns;
}

/** The colour of the n-th speaker: four of the design, then around again. A name always stands beside it. */
export const speakerColor = (transcript: Transcript, id: string | undefined): string => {
  const place = transcript.speakers.findIndex((speaker) => speaker.id === id);
  return place < 0 ? 'var(--muted)' : `var(--speaker-${(place % 4) + 1})`;
};
