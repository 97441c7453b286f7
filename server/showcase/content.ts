/**
 * What a page shows, read from what was published. Pure.
 *
 *   lines     the transcript in sentences, with the speaker where it changes
 *   chapters  where clips begin in the recording
 *   mediaOf   which bytes stand behind a public name; anything else of the workspace has no name here
 *
 * Public names: `recording.mp4`, `captions.vtt`, `clip-3.mp4`, `clip-3.vtt`, `thumbnail-3.jpg`. Times are seconds.
 */
import * as z from 'zod';
import { Asset, Captions, Clip, MediaAsset, Transcript, type Word } from '../../nodes/contract.ts';

export const PageContent = z.object({
  title: z.string(),
  summary: z.string().default(''),
  recording: MediaAsset.nullish(),
  transcript: Transcript.nullish(),
  clips: z.array(z.object({ clip: Clip, captions: Captions.nullish(), thumbnail: Asset.nullish() })).default([]),
});
export type PageContent = z.infer<typeof PageContent>;

export type Line = { start: number; end: number; speaker: string | null; text: string };

/** Longest line of a transcript nobody punctuated. */
const LINE_SECONDS = 20;
const PAUSE_SECONDS = 1.5;

/** `speaker` is a name, and only where it differs from the line before. */
export function linesOf(transcript: Transcript): Line[] {
  const names = new Map(transcript.speakers.map((speaker) => [speaker.id, speaker.name]));
  const lines: (Line & { by: string | undefined })[] = [];
  let open: (Line & { by: string | undefined }) | undefined;
  let shown: string | undefined;
  for (const word of transcript.words) {
    const isNew =
      !open ||
      word.speaker !== open.by ||
      /[.!?…]["'”’)\]]*$/.test(open.text) ||
      word.start - open.end > PAUSE_SECONDS ||
      word.end - open.start > LINE_SECONDS;
    if (!isNew && open) {
      open.text += ` ${word.text}`;
      open.end = word.end;
      continue;
    }
    const isOther = word.speaker !== undefined && word.speaker !== shown;
    if (isOther) shown = word.speaker;
    open = {
      start: word.start,
      end: word.end,
      speaker: isOther ? (names.get(word.speaker!) ?? word.speaker!) : null,
      text: word.text,
      by: word.speaker,
    };
    lines.push(open);
  }
  return lines.map(({ by: _, ...line }) => line);
}

/** Names of those who speak, in order of first appearance. */
export function speakersOf(transcript: Transcript): string[] {
  const names = new Map(transcript.speakers.map((speaker) => [speaker.id, speaker.name]));
  return [
    ...new Set(transcript.words.flatMap((word) => (word.speaker ? [names.get(word.speaker) ?? word.speaker] : []))),
  ];
}

/** Starts of the clips within the recording, in order. */
export function chaptersOf(content: PageContent): { start: number; title: string }[] {
  const length = content.recording?.duration ?? 0;
  return content.clips
    .map(({ clip }) => ({ start: clip.segment.start, title: clip.segment.title }))
    .filter((chapter) => chapter.start > 0.5 && chapter.start < length)
    .sort((a, b) => a.start - b.start);
}

// ---------------------------------------------------------------- captions of the whole recording

const LINE_CHARACTERS = 42;
const CUE_SECONDS = 6;
const SHORTEST_SECONDS = 1;

/** WebVTT of a transcript: at most two lines of 42 characters and six seconds a cue, broken at sentences first. */
export function webVtt(transcript: Transcript): string {
  const cues: { start: number; end: number; words: Word[] }[] = [];
  for (const word of transcript.words) {
    const open = cues.at(-1);
    const last = open?.words.at(-1);
    const text = open ? `${open.words.map((each) => each.text).join(' ')} ${word.text}` : '';
    const isFull =
      !open ||
      !last ||
      wrap(text).length > 2 ||
      word.end - open.start > CUE_SECONDS ||
      word.start - last.end > PAUSE_SECONDS ||
      word.speaker !== last.speaker ||
      (/[.!?…]["'”’)\]]*$/.test(last.text) && last.end - open.start >= SHORTEST_SECONDS);
    if (isFull) cues.push({ start: word.start, end: word.end, words: [word] });
    else {
      open.words.push(word);
      open.end = word.end;
    }
  }
  const blocks = cues.map((cue, index) => {
    const next = cues[index + 1]?.start ?? Number.POSITIVE_INFINITY;
    const end = Math.max(cue.end, Math.min(next, cue.start + SHORTEST_SECONDS));
    const lines = wrap(cue.words.map((word) => word.text).join(' ')).map(vttText);
    return `${timestamp(cue.start)} --> ${timestamp(Math.max(end, cue.start + 0.1))}\n${lines.join('\n')}`;
  });
  return `WEBVTT\n\n${blocks.join('\n\n')}\n`;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= LINE_CHARACTERS)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Tags and arrows mean something in WebVTT; words do not. */
const vttText = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function timestamp(seconds: number): string {
  const ms = Math.round(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(ms / 3_600_000))}:${two(Math.floor(ms / 60_000) % 60)}:${two(Math.floor(ms / 1000) % 60)}.${String(ms % 1000).padStart(3, '0')}`;
}

// ---------------------------------------------------------------- public names

const EXTENSIONS: Record<string, string> = {
  'video/mp4': 'mp4',
  'video/webm': 'webm',
  'video/quicktime': 'mov',
  'video/x-matroska': 'mkv',
  'audio/mp4': 'm4a',
  'audio/mpeg': 'mp3',
  'audio/wav': 'wav',
  'audio/flac': 'flac',
  'audio/ogg': 'ogg',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
};
const named = (stem: string, asset: Asset) => `${stem}.${EXTENSIONS[asset.mime] ?? 'bin'}`;

export const recordingName = (content: PageContent) =>
  content.recording ? named('recording', content.recording) : null;
export const clipName = (content: PageContent, index: number) =>
  named(`clip-${index + 1}`, content.clips[index]!.clip.video);
export function thumbnailName(content: PageContent, index: number): string | null {
  const thumbnail = content.clips[index]?.thumbnail;
  return thumbnail ? named(`thumbnail-${index + 1}`, thumbnail) : null;
}

export type PublicMedia = { kind: 'asset'; asset: Asset } | { kind: 'captions'; text: string };

export function mediaOf(content: PageContent, name: string): PublicMedia | undefined {
  if (content.recording && name === recordingName(content)) return { kind: 'asset', asset: content.recording };
  if (name === 'captions.vtt') {
    return content.transcript ? { kind: 'captions', text: webVtt(content.transcript) } : undefined;
  }
  const match = /^(clip|thumbnail)-(\d{1,3})\.[a-z0-9]{2,4}$/.exec(name);
  const index = Number(match?.[2]) - 1;
  const item = content.clips[index];
  if (!match || !item) return undefined;
  if (name === `clip-${index + 1}.vtt`)
    return item.captions ? { kind: 'captions', text: item.captions.vtt } : undefined;
  if (match[1] === 'clip' && name === clipName(content, index)) return { kind: 'asset', asset: item.clip.video };
  if (item.thumbnail && name === thumbnailName(content, index)) return { kind: 'asset', asset: item.thumbnail };
  return undefined;
}
