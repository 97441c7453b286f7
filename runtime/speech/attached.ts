/**
 * Reads captions and transcripts that came with a recording: SRT, WebVTT (voice tags and karaoke times too), TTML with
 * media times, and JSON of the usual shapes (ours, sentences with words, Whisper, AssemblyAI).
 *
 * The text is anybody's: nothing in it is run, everything is bounded (20,000 cues, 200,000 words). Where a file knows
 * only when a cue is on screen, word times are spread over the cue by length, and the engine's note says so.
 * Sources: W3C WebVTT (2019), SubRip as ffmpeg writes it, W3C TTML2 timing (clock and offset times), OpenAI
 * `verbose_json`, AssemblyAI transcript object; read 2026-11. Error: ATTACHED_UNREADABLE.
 */
import * as z from 'zod';
import { Transcript } from '../../nodes/contract.ts';
import { CapabilityError } from '../capabilities/capability.ts';
import { buildTranscript, joinSpeech, type Piece } from './transcript.ts';

const MAX_CUES = 20_000;
const MAX_WORDS = 200_000;

export type AttachedInput = { text: string; name: string; duration: number; language?: string };

/** `name` is the file's name (or track's): for its language (`talk.de.srt`) and for messages. */
export function parseAttached(input: AttachedInput): Transcript {
  const text = input.text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  const head = text.trimStart();
  if (/^[[{]/.test(head)) return fromJson(head, input);
  const language = input.language ?? languageOf(input.name);
  if (/^</.test(head)) return fromCues(ttmlCues(head), 'TTML', { ...input, language: ttmlLanguage(head) ?? language });
  return head.startsWith('WEBVTT')
    ? fromCues(vttCues(head), 'WebVTT', { ...input, language: vttLanguage(head) ?? language })
    : fromCues(srtCues(head), 'SRT', { ...input, language });
}

function unreadable(name: string, why: string): CapabilityError {
  return new CapabilityError('ATTACHED_UNREADABLE', `${name} could not be read as captions or a transcript: ${why}`, {
    hint: 'Export it again as SRT, WebVTT or JSON, or choose another engine.',
  });
}

const engine = (kind: string, note?: string): Transcript['engine'] => ({
  id: 'attached',
  label: `Attached ${kind}`,
  ...(note ? { note } : {}),
});

/** `talk.de.srt` and `talk.pt-BR.vtt` carry their language. */
function languageOf(name: string): string | undefined {
  return /\.([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?)\.[a-z]+$/.exec(name)?.[1];
}

// ---------------------------------------------------------------- cue formats

type CueText = Piece & { timed: boolean };

function fromCues(cues: CueText[], kind: string, input: AttachedInput): Transcript {
  const spoken = cues.filter((cue) => cue.text !== '' && cue.end > cue.start);
  if (spoken.length === 0) throw unreadable(input.name, 'no cue with a time and a text was found.');
  const spread = spoken.some((cue) => !cue.timed);
  const note = spread ? 'It has times per caption only: word times inside a caption are spread by length.' : undefined;
  return buildTranscript(withoutRepeats(spoken), {
    language: input.language ?? 'und',
    duration: input.duration,
    engine: engine(kind, note),
  });
}

/** Rolling captions repeat the line before: what a cue repeats from the last one is dropped. */
function withoutRepeats(cues: CueText[]): CueText[] {
  const kept: CueText[] = [];
  for (const cue of cues.slice(0, MAX_CUES)) {
    const last = kept.at(-1);
    if (last && cue.start <= last.end + 0.1 && cue.text === last.text && cue.speaker === last.speaker) {
      last.end = Math.max(last.end, cue.end);
    } else kept.push({ ...cue });
  }
  return kept;
}

const CLOCK = /(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[,.](\d{1,6}))?/;

/** `01:02:03.450`, `02:03,45` → seconds; NaN where it is none. */
function clock(text: string): number {
  const found = CLOCK.exec(text);
  if (!found) return Number.NaN;
  return Number(found[1] ?? 0) * 3600 + Number(found[2]) * 60 + Number(found[3]) + Number(`0.${found[4] ?? '0'}`);
}

const ENTITIES: Record<string, string> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  lrm: '',
  rlm: '',
};
const decodeEntities = (text: string) =>
  text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]+);/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return ENTITIES[name.toLowerCase()] ?? whole;
    const code = name[1]?.toLowerCase() === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
  });
const plain = (text: string) =>
  decodeEntities(text.replace(/<[^>]*>/g, '').replace(/\{\\[^}]*\}/g, ''))
    .replace(/\s+/g, ' ')
    .trim();

/** `JANE: Hello` and `- Hello` at the start of a cue. Only names in capitals or followed by a colon and a space. */
function speakerPrefix(text: string): { speaker?: string; text: string } {
  const named = /^(?:>>\s*)?\[?(\p{Lu}[\p{L}\p{M}'.-]*(?: \p{Lu}[\p{L}\p{M}'.-]*){0,3})\]?:\s+(?=\S)/u.exec(text);
  if (named) return { speaker: named[1], text: text.slice(named[0].length) };
  return { text: text.replace(/^(?:>>|[-–—])\s*/, '') };
}

/** Blocks of `[number] / times / text lines`; a missing number or an extra blank line does no harm. */
function srtCues(text: string): CueText[] {
  const cues: CueText[] = [];
  const lines = text.split('\n');
  let current: { start: number; end: number; lines: string[] } | null = null;
  const finish = () => {
    if (!current) return;
    const said = speakerPrefix(plain(current.lines.join(' ')));
    cues.push({ start: current.start, end: current.end, timed: false, ...said });
    current = null;
  };
  for (const [index, line] of lines.entries()) {
    const [from, to] = line.split('-->');
    if (to !== undefined && from !== undefined && !Number.isNaN(clock(from))) {
      finish();
      current = { start: clock(from), end: clock(to), lines: [] };
    } else if (current !== null) {
      const isNextNumber = /^\d+$/.test(line.trim()) && lines[index + 1]?.includes('-->');
      if (!isNextNumber) (current as { lines: string[] }).lines.push(line);
    }
    if (cues.length > MAX_CUES) break;
  }
  finish();
  return cues;
}

function vttCues(text: string): CueText[] {
  const cues: CueText[] = [];
  for (const block of text.split(/\n{2,}/)) {
    const lines = block.split('\n');
    const at = lines.findIndex((line) => line.includes('-->'));
    if (at < 0 || at > 1 || cues.length > MAX_CUES) continue;
    const [from = '', to = ''] = lines[at]!.split('-->');
    const [start, end] = [clock(from), clock(to)];
    if (Number.isNaN(start) || Number.isNaN(end)) continue;
    cues.push(...vttVoices(lines.slice(at + 1).join('\n'), start, end));
  }
  return cues;
}

/** One cue may hold several voices: `<v Jane>Hello</v> <v Tom>Hi`. Karaoke times split it into words. */
function vttVoices(payload: string, start: number, end: number): CueText[] {
  const voices = payload.split(/<v(?:\.[^\s>]*)?(?:\s+([^>]*))?>/);
  const said: { speaker?: string; body: string }[] = [];
  if (plain(voices[0] ?? '')) said.push({ body: voices[0]! });
  for (let index = 1; index < voices.length; index += 2) {
    const body = voices[index + 1] ?? '';
    if (plain(body)) said.push({ ...(voices[index] ? { speaker: decodeEntities(voices[index]!).trim() } : {}), body });
  }
  return said.map(({ speaker, body }) => {
    const named = speaker ? { speaker, text: plain(body) } : speakerPrefix(plain(body));
    const timed = karaoke(body, start, end);
    return { start, end, ...named, timed: timed !== undefined, ...(timed ? { words: timed } : {}) };
  });
}

/** `Hello <00:01.200>there` → words with their own times; undefined where there are no such times. */
function karaoke(body: string, start: number, end: number): Piece['words'] {
  const parts = body.split(/<(\d[\d:.]*)>/);
  if (parts.length < 3) return undefined;
  const words: NonNullable<Piece['words']> = [];
  for (let index = 0; index < parts.length; index += 2) {
    const from = index === 0 ? start : clock(parts[index - 1]!);
    const to = index + 1 < parts.length ? clock(parts[index + 1]!) : end;
    const texts = plain(parts[index]!).split(' ').filter(Boolean);
    texts.forEach((text, place) => {
      const step = (to - from) / texts.length;
      words.push({ text, start: from + place * step, end: from + (place + 1) * step });
    });
  }
  return words.some((word) => Number.isNaN(word.start) || word.end < word.start) ? undefined : words;
}

const vttLanguage = (text: string) => /^WEBVTT[\s\S]{0,400}?\nLanguage:\s*([A-Za-z-]{2,35})/.exec(text)?.[1];
const ttmlLanguage = (text: string) => /<tt\b[^>]*\bxml:lang="([A-Za-z-]{2,35})"/.exec(text)?.[1];

/** `<p begin end|dur>` with clock or offset times; regions and styles say nothing about words. */
function ttmlCues(text: string): CueText[] {
  const rate = Number(/ttp:frameRate="(\d+)"/.exec(text)?.[1] ?? 30);
  const ticks = Number(/ttp:tickRate="(\d+)"/.exec(text)?.[1] ?? rate);
  const time = (value: string | undefined): number => {
    if (value === undefined) return Number.NaN;
    const offset = /^(\d+(?:\.\d+)?)(h|ms|m|s|f|t)$/.exec(value);
    if (offset) {
      const unit = { h: 3600, m: 60, s: 1, ms: 0.001, f: 1 / rate, t: 1 / ticks }[offset[2] as 'h'];
      return Number(offset[1]) * unit;
    }
    const frames = /^(\d+):(\d\d):(\d\d):(\d+)$/.exec(value);
    if (frames) return Number(frames[1]) * 3600 + Number(frames[2]) * 60 + Number(frames[3]) + Number(frames[4]) / rate;
    return clock(value);
  };
  const agents = new Map(
    [...text.matchAll(/<ttm:agent\b[^>]*xml:id="([^"]*)"[^>]*>([\s\S]*?)<\/ttm:agent>/g)].map((match) => [
      match[1]!,
      plain(match[2]!),
    ]),
  );
  const cues: CueText[] = [];
  for (const [, attributes = '', body = ''] of text.matchAll(/<(?:tt:)?p\b([^>]*)>([\s\S]*?)<\/(?:tt:)?p>/g)) {
    const attribute = (name: string) => new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1];
    const start = time(attribute('begin'));
    const end = attribute('end') === undefined ? start + time(attribute('dur')) : time(attribute('end'));
    if (Number.isNaN(start) || Number.isNaN(end)) continue;
    const agent = attribute('ttm:agent');
    const said = speakerPrefix(plain(body.replace(/<(?:tt:)?br\s*\/?>/g, ' ')));
    cues.push({ start, end, timed: false, ...said, ...(agent ? { speaker: agents.get(agent) || agent } : {}) });
    if (cues.length > MAX_CUES) break;
  }
  return cues;
}

// ---------------------------------------------------------------- JSON

const Time = z.number().nonnegative();
const JsonWord = z.object({
  text: z.string().optional(),
  word: z.string().optional(),
  start: Time,
  end: Time,
  confidence: z.number().nullish(),
  probability: z.number().nullish(),
  score: z.number().nullish(),
  speaker: z.union([z.string(), z.number()]).nullish(),
});
const JsonPiece = z.object({
  text: z.string(),
  start: Time,
  end: Time,
  speaker: z.union([z.string(), z.number()]).nullish(),
  words: z.array(JsonWord).nullish(),
});
const JsonFile = z.object({
  language: z.string().max(35).nullish(),
  language_code: z.string().max(35).nullish(),
  words: z.array(JsonWord).max(MAX_WORDS).nullish(),
  sentences: z.array(JsonPiece).max(MAX_CUES).nullish(),
  segments: z.array(JsonPiece).max(MAX_CUES).nullish(),
  utterances: z.array(JsonPiece).max(MAX_CUES).nullish(),
  cues: z.array(JsonPiece).max(MAX_CUES).nullish(),
  audio_duration: z.number().nullish(),
});

function fromJson(text: string, input: AttachedInput): Transcript {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw unreadable(input.name, 'it begins like JSON but is not.');
  }
  const ours = Transcript.safeParse(json);
  if (ours.success && ours.data.words.length > 0) {
    const { data } = ours;
    return {
      ...data,
      engine: engine('transcript', data.engine.note),
      speech: data.speech.length ? data.speech : joinSpeech(data.words),
    };
  }
  const parsed = JsonFile.safeParse(Array.isArray(json) ? { segments: json } : json);
  if (!parsed.success) throw unreadable(input.name, z.prettifyError(parsed.error).split('\n')[0] ?? 'unknown shape.');
  const file = parsed.data;
  const pieces = file.utterances ?? file.sentences ?? file.segments ?? file.cues ?? [];
  const words = file.words ?? pieces.flatMap((piece) => piece.words ?? []);
  if (words.length === 0 && pieces.length === 0) throw unreadable(input.name, 'it holds no words and no sentences.');
  // AssemblyAI counts milliseconds, everybody else seconds: only the recording's length can tell.
  const last = Math.max(0, ...words.slice(-5).map((word) => word.end), ...pieces.slice(-5).map((piece) => piece.end));
  const scale = file.audio_duration != null || last > Math.max(input.duration * 2, input.duration + 600) ? 0.001 : 1;
  const named = (speaker: string | number | null | undefined) => (speaker == null ? undefined : String(speaker));
  const mappedWords = words.map((word) => ({
    text: (word.text ?? word.word ?? '').trim(),
    start: word.start * scale,
    end: word.end * scale,
    confidence: word.confidence ?? word.probability ?? word.score ?? undefined,
    speaker: named(word.speaker),
  }));
  const mappedPieces: Piece[] = pieces.map((piece) => ({
    start: piece.start * scale,
    end: piece.end * scale,
    text: piece.text.trim(),
    speaker: named(piece.speaker),
  }));
  const language = file.language ?? file.language_code ?? input.language ?? languageOf(input.name) ?? 'und';
  return buildTranscript(mappedWords.length > 0 ? givePiecesWords(mappedPieces, mappedWords) : mappedPieces, {
    language: language.toLowerCase() === 'english' ? 'en' : language.replace('_', '-'),
    duration: input.duration,
    engine: engine(
      'transcript',
      mappedWords.length > 0 ? undefined : 'It has times per sentence only: word times are spread by length.',
    ),
  });
}

/** Each word goes to the piece its middle lies in, and takes that piece's speaker where it names none itself. */
function givePiecesWords(pieces: Piece[], words: NonNullable<Piece['words']>): Piece[] {
  const spoken = words.filter((word) => word.text !== '');
  if (pieces.length === 0) {
    return spoken.map((word) => ({
      start: word.start,
      end: word.end,
      text: word.text,
      speaker: word.speaker,
      words: [word],
    }));
  }
  const sorted = [...pieces]
    .sort((a, b) => a.start - b.start)
    .map((piece) => ({ ...piece, words: [] as NonNullable<Piece['words']> }));
  let at = 0;
  for (const word of [...spoken].sort((a, b) => a.start - b.start)) {
    const middle = (word.start + word.end) / 2;
    while (at + 1 < sorted.length && sorted[at + 1]!.start <= middle) at++;
    sorted[at]!.words.push(word);
  }
  return sorted.filter((piece) => piece.words.length > 0);
}
