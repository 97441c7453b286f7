/**
 * The code of the safe conversions that wires show as a chip (`CONVERSIONS` in the contract). Pure and total on values
 * that fit the source type.
 */
import type { Captions, Clip, PortType, Transcript, Word } from '../../nodes/contract.ts';

/** Words joined to running text; a new paragraph where the speaker changes. */
export function wordsAsText(words: readonly Word[]): string {
  let text = '';
  let speaker: string | undefined;
  for (const [index, word] of words.entries()) {
    const isTurn = index > 0 && word.speaker !== undefined && word.speaker !== speaker;
    text += index === 0 ? word.text : `${isTurn ? '\n\n' : ' '}${word.text}`;
    speaker = word.speaker ?? speaker;
  }
  return text;
}

function clipAsTranscript(clip: Clip): Transcript {
  const duration = clip.video.duration ?? clip.segment.end - clip.segment.start;
  return {
    language: clip.language,
    duration,
    words: clip.words,
    speakers: clip.speakers,
    turns: [],
    speech: clip.words.length > 0 ? [{ start: clip.words[0]!.start, end: clip.words.at(-1)!.end }] : [],
    engine: { id: 'clip', label: 'The clip’s own words' },
    of: clip.id,
  };
}

const RULES: Partial<Record<`${PortType}>${PortType}`, (value: never) => unknown>> = {
  'video>media': (value: unknown) => value,
  'audio>media': (value: unknown) => value,
  'clip>video': (clip: Clip) => ({ ...clip.video, of: clip.id }),
  'clip>media': (clip: Clip) => ({ ...clip.video, of: clip.id }),
  'clip>transcript': clipAsTranscript,
  'clip>segment': (clip: Clip) => clip.segment,
  'transcript>text': (transcript: Transcript) => wordsAsText(transcript.words),
  'captions>text': (captions: Captions) => captions.srt,
  'number>text': String,
  'boolean>text': (value: boolean) => (value ? 'yes' : 'no'),
  'number>json': (value: unknown) => value,
  'boolean>json': (value: unknown) => value,
  'text>json': (value: unknown) => value,
  'metrics>json': (value: unknown) => value,
};

/** One value from type to type. Throws where there is no such conversion: the wire was checked before. */
export function convert(value: unknown, from: PortType, to: PortType): unknown {
  if (from === to) return value;
  const rule = RULES[`${from}>${to}`];
  if (!rule) throw new Error(`There is no conversion from ${from} to ${to}.`);
  return rule(value as never);
}
