/**
 * Makes caption files from words with times: SRT and WebVTT that can be read.
 *
 * Lines break where language allows, at most two, the lower one the longer; a caption stays long enough to be read and
 * never over 7 s; two frames lie between neighbours. Where somebody speaks faster than the reading speed, a caption may
 * lag behind by up to 1.5 s; what is faster still is kept word for word, and the node says how many those are.
 * Sources: Netflix Timed Text Style Guide, General and English; BBC Subtitle Guidelines; W3C WebVTT (read 2026-11).
 * Seconds; characters count as Unicode code points.
 */
import * as z from 'zod';
import { type Captions, defineManifest, port, type Run, type Transcript, type Word } from '../contract.ts';

const PRESETS = {
  standard: { line: 42, cps: 20 },
  children: { line: 42, cps: 17 },
  broadcast: { line: 37, cps: 17 },
  shorts: { line: 20, cps: 20 },
} as const;

export const manifest = defineManifest({
  id: 'text.captions',
  version: '1.0.0',
  title: 'Captions',
  help: 'Makes SRT and WebVTT files that keep to reading speed and line rules. Takes a transcript, or a clip for its words. Without words there are no captions, and what follows goes on.',
  icon: 'captions',
  family: 'shape',
  aliases: ['subtitles', 'srt', 'vtt', 'webvtt', 'closed captions', 'cc', 'accessibility'],
  shape: 'step',
  effect: 'pure',
  inputs: {
    transcript: port.transcript({
      title: 'Words',
      help: 'A transcript, or a clip: its words count from its own start.',
    }),
  },
  outputs: { captions: port.captions.optional({ title: 'Captions' }) },
  config: z.strictObject({
    rules: z.enum(['standard', 'children', 'broadcast', 'shorts', 'own']).default('standard').meta({
      title: 'Rules',
      help: 'standard: 42 characters a line, 20 a second (Netflix). children: 17 a second. broadcast: 37 and 17 (BBC). shorts: 20 characters a line.',
    }),
    line: z.number().int().min(10).max(60).default(42).meta({
      title: 'Line length',
      help: 'Only where Rules is “own”.',
      unit: 'characters',
      slider: true,
      group: 'Own rules',
    }),
    speed: z.number().min(8).max(30).default(20).meta({
      title: 'Reading speed',
      help: 'Only where Rules is “own”.',
      unit: 'characters/s',
      slider: true,
      group: 'Own rules',
    }),
  }),
  capabilities: {},
  fields: ['rules'],
  example: {
    inputs: {
      transcript: {
        language: 'en',
        duration: 4,
        words: [
          { text: 'Ask', start: 0.2, end: 0.5 },
          { text: 'what', start: 0.5, end: 0.8 },
          { text: 'you', start: 0.8, end: 1.1 },
          { text: 'can', start: 1.1, end: 1.4 },
          { text: 'do.', start: 1.4, end: 2 },
        ],
        speakers: [],
        turns: [],
        speech: [{ start: 0.2, end: 2 }],
        engine: { id: 'attached', label: 'Attached' },
      },
    },
    outputs: {
      captions: {
        language: 'en',
        cues: [{ start: 0.2, end: 2, lines: ['Ask what you can do.'] }],
        srt: '1\n00:00:00,200 --> 00:00:02,000\nAsk what you can do.\n',
        vtt: 'WEBVTT\n\n00:00:00.200 --> 00:00:02.000\nAsk what you can do.\n',
      },
    },
  },
});

type Cue = Captions['cues'][number];

export type Rules = {
  /** characters a line */
  line: number;
  /** characters a second */
  cps: number;
};
export const SHORTEST = 5 / 6;
export const LONGEST = 7;
/** Two frames at 24 a second. */
export const GAP = 0.084;
const LAG = 1.5;
/** A pause that ends a caption. */
const PAUSE = 1.2;

const count = (text: string) => [...text].length;

/** Words after which a line should not end: they belong to what follows. English, German, French, Spanish, Italian. */
const LEANING = new Set(
  (
    'a an the this that these those my your his her its our their and or but nor so to of in on at by for with from as is are was were be not no very ' +
    'der die das den dem des ein eine einen einem einer eines und oder aber zu von mit im am auf für bei ' +
    'le la les un une du de et ou à au aux en dans el los las una unos unas y o del al con por para il lo gli uno i e di da nel'
  ).split(' '),
);
const leans = (word: string) => LEANING.has(word.toLowerCase());
const endsSentence = (word: string) => /[.!?…]["'”’»)]*$/.test(word);
const endsClause = (word: string) => /[,;:–—]["'”’»)]*$/.test(word);

/** The best way to set words on one or two lines, or null where they do not fit. */
export function setLines(words: readonly string[], line: number): string[] | null {
  const whole = words.join(' ');
  if (count(whole) <= line) return [whole];
  let best: { lines: string[]; cost: number } | null = null;
  for (let at = 1; at < words.length; at++) {
    const [above, below] = [words.slice(0, at).join(' '), words.slice(at).join(' ')];
    const [upper, lower] = [count(above), count(below)];
    if (upper > line || lower > line) continue;
    const last = words[at - 1]!;
    const cost =
      Math.abs(upper - lower) +
      (upper > lower ? 6 : 0) + // the lower line is the longer one
      (leans(last) ? 40 : 0) +
      (endsClause(last) || endsSentence(last) ? -12 : 0);
    if (!best || cost < best.cost) best = { lines: [above, below], cost };
  }
  return best?.lines ?? null;
}

/** A word too long for any line is cut into pieces that fit, so that nothing runs out of the picture. */
function fitWords(words: readonly Word[], line: number): Word[] {
  return words.flatMap((word) => {
    const text = word.text.replace(/\s+/g, ' ').trim();
    if (!text) return [];
    const letters = [...text];
    if (letters.length <= line) return [{ ...word, text }];
    const size = line - 1;
    const total = Math.ceil(letters.length / size);
    const share = (word.end - word.start) / total;
    return Array.from({ length: total }, (_, index) => ({
      ...word,
      text: letters.slice(index * size, (index + 1) * size).join('') + (index < total - 1 ? '-' : ''),
      start: word.start + index * share,
      end: word.start + (index + 1) * share,
    }));
  });
}

/** Words that make one caption each: within two lines and 7 s, ending where speech or language ends. */
function group(words: readonly Word[], line: number): Word[][] {
  const groups: Word[][] = [];
  let current: Word[] = [];
  const fits = (candidate: readonly Word[]) =>
    setLines(
      candidate.map((word) => word.text),
      line,
    ) !== null && candidate.at(-1)!.end - candidate[0]!.start <= LONGEST;
  for (const word of words) {
    const last = current.at(-1);
    if (last) {
      const isNewSpeaker = word.speaker !== undefined && last.speaker !== undefined && word.speaker !== last.speaker;
      const text = current.map((each) => each.text).join(' ');
      const isSentence = endsSentence(last.text) && count(text) >= line / 2;
      if (isNewSpeaker || isSentence || word.start - last.end > PAUSE) {
        groups.push(current);
        current = [];
      } else if (!fits([...current, word])) {
        const keep = breakPoint(current);
        groups.push(current.slice(0, keep));
        current = current.slice(keep);
        if (current.length > 0 && !fits([...current, word])) {
          groups.push(current);
          current = [];
        }
      }
    }
    current.push(word);
  }
  if (current.length > 0) groups.push(current);
  return groups;
}

/** Where a full caption is best cut: after a clause in its second half, else not behind a leaning word. */
function breakPoint(words: readonly Word[]): number {
  for (let at = words.length; at > words.length / 2; at--) {
    const { text } = words[at - 1]!;
    if (endsClause(text) || endsSentence(text)) return at;
  }
  let at = words.length;
  while (at > words.length / 2 && leans(words[at - 1]!.text)) at--;
  return Math.max(1, at);
}

const round = (value: number) => Math.round(value * 1000) / 1000;

/** Cues that obey the rules, and how many are faster to speak than to read. `until` is the end of the recording. */
export function makeCues(words: readonly Word[], rules: Rules, until: number): { cues: Cue[]; tooFast: number } {
  const sorted = [...words].sort((a, b) => a.start - b.start);
  const groups = group(fitWords(sorted, rules.line), rules.line);
  const cues: Cue[] = [];
  let tooFast = 0;
  for (const [index, members] of groups.entries()) {
    const texts = members.map((word) => word.text);
    const lines = setLines(texts, rules.line) ?? [texts.join(' ')];
    const length = count(lines.join(' '));
    const previous = cues.at(-1);
    const start = Math.max(members[0]!.start, previous ? previous.end + GAP : 0);
    const next = groups[index + 1]?.[0];
    const spokenEnd = Math.max(start, ...members.map((word) => word.end));
    // what reading wants, what speech takes; the next caption may be made to wait a little, not for ever
    const wanted = Math.max(spokenEnd, start + SHORTEST, start + length / rules.cps);
    const latest = next ? Math.max(next.start + LAG - GAP, start + 0.1) : Math.max(until, start + SHORTEST);
    const end = Math.min(wanted, latest, start + LONGEST);
    if (length / (end - start) > rules.cps + 0.01) tooFast++;
    cues.push({ start: round(start), end: round(Math.max(end, start + 0.05)), lines });
  }
  return { cues, tooFast };
}

// ---------------------------------------------------------------- the two files

function clock(seconds: number, mark: ',' | '.'): string {
  const ms = Math.round(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  return `${two(hours)}:${two(minutes)}:${two(rest)}${mark}${String(ms % 1000).padStart(3, '0')}`;
}

/** An empty line ends a cue and an arrow begins one, so neither may stand in its text. */
const plain = (line: string) => line.replace(/\s+/g, ' ').trim().replaceAll('-->', '→');
const joined = (lines: readonly string[], each: (line: string) => string) => lines.map(each).filter(Boolean).join('\n');

export function printSrt(cues: readonly Cue[]): string {
  return cues
    .map(
      ({ start, end, lines }, index) =>
        `${index + 1}\n${clock(start, ',')} --> ${clock(end, ',')}\n${joined(lines, plain)}\n`,
    )
    .join('\n');
}

const escapeVtt = (line: string) =>
  plain(line).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export function printVtt(cues: readonly Cue[]): string {
  const blocks = cues.map(
    ({ start, end, lines }) => `${clock(start, '.')} --> ${clock(end, '.')}\n${joined(lines, escapeVtt)}\n`,
  );
  return ['WEBVTT\n', ...blocks].join('\n');
}

export function makeCaptions(transcript: Transcript, rules: Rules): { captions: Captions; tooFast: number } {
  const { cues, tooFast } = makeCues(transcript.words, rules, transcript.duration);
  const captions: Captions = { language: transcript.language, cues, srt: printSrt(cues), vtt: printVtt(cues) };
  return { captions: transcript.of === undefined ? captions : { of: transcript.of, ...captions }, tooFast };
}

export const run: Run<typeof manifest> = (ctx, { transcript }) => {
  const { rules, line, speed } = ctx.config;
  const made = makeCaptions(transcript, rules === 'own' ? { line, cps: speed } : PRESETS[rules]);
  if (made.captions.cues.length === 0) {
    ctx.fact('captions', 'none: no words');
    ctx.log('There are no words, so there are no captions. Choose an engine in Transcribe, or upload captions.');
    return {};
  }
  ctx.fact('captions', `${made.captions.cues.length}`);
  if (made.tooFast > 0) ctx.fact('faster than reading', `${made.tooFast} of ${made.captions.cues.length}`);
  return { captions: made.captions };
};
