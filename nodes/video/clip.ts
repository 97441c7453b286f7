/**
 * Cuts a segment out of a recording and makes it a finished short: reframed so that the person stays in the picture,
 * captions burned in, sound at its target.
 *
 * Where the crop lies over time is decided here (`clip/crop.ts`), and so is how captions are laid out (`clip/cues.ts`).
 * Cutting, drawing and encoding are the media capability's.
 * Times are seconds of the recording in the segment, and seconds from the clip's start everywhere else.
 */
import * as z from 'zod';
import {
  type Clip,
  type CropKey,
  type Ctx,
  defineManifest,
  type MediaFacts,
  NodeError,
  port,
  type Run,
} from '../contract.ts';
import { cropPath, cropSize } from './clip/crop.ts';
import { layCaptions, lineLength, type Style, wordsWithin } from './clip/cues.ts';

const SIZES = {
  '9:16': { width: 1080, height: 1920 },
  '4:5': { width: 1080, height: 1350 },
  '1:1': { width: 1080, height: 1080 },
  '16:9': { width: 1920, height: 1080 },
} as const;
const TARGETS = {
  social: { integrated: -14, truePeak: -1, range: 11 },
  podcast: { integrated: -16, truePeak: -1, range: 11 },
  broadcast: { integrated: -23, truePeak: -1, range: 15 },
} as const;
const TEXT_SIZES = { small: 1, medium: 1.5, large: 2 } as const;

export const manifest = defineManifest({
  id: 'video.clip',
  version: '1.0.0',
  title: 'Clip',
  help: 'Cuts a segment out, follows the person into the new shape, burns captions in with the brand’s fonts and colours, and brings the sound to its target.',
  icon: 'clapperboard',
  family: 'shape',
  aliases: ['short', 'reel', 'cut', 'reframe', 'crop', 'vertical', 'burn captions', 'tiktok'],
  shape: 'step',
  effect: 'pure',
  weight: 'heavy',
  inputs: {
    recording: port.media({ title: 'Recording' }),
    segment: port.segment({ title: 'Segment' }),
    transcript: port.transcript.optional({ title: 'Words', help: 'For the captions.' }),
  },
  outputs: { clip: port.clip({ title: 'Clip' }) },
  config: z.strictObject({
    aspect: z.enum(['9:16', '4:5', '1:1', '16:9']).default('9:16').meta({ title: 'Shape' }),
    captions: z.enum(['brand', 'marker', 'plain', 'box', 'stack', 'none']).default('brand').meta({
      title: 'Captions',
      help: 'brand: the style of the brand kit. marker: spoken words on a bar. plain: white on a gradient. box: white on black, the most readable. stack: few large words.',
    }),
    highlight: z
      .boolean()
      .default(true)
      .meta({ title: 'Highlight words as they are spoken', help: 'For marker and stack.' }),
    textSize: z.enum(['small', 'medium', 'large']).default('medium').meta({ title: 'Text size', group: 'Captions' }),
    colour: z
      .string()
      .regex(/^(brand|#[0-9a-fA-F]{6})$/, 'Choose a colour, or “brand”.')
      .default('brand')
      .meta({
        title: 'Caption colour',
        help: 'The brand’s, or one of your own.',
        'x-widget': 'brand-colour',
        group: 'Captions',
      }),
    reframe: z.enum(['auto', 'center', 'blur']).default('auto').meta({
      title: 'Reframe',
      help: 'auto: follows the person; where nobody is found the whole picture is shown on a blurred one. center: the middle. blur: always the whole picture.',
    }),
    loudness: z.enum(['social', 'podcast', 'broadcast', 'off']).default('social').meta({
      title: 'Loudness',
      help: 'social: −14 LUFS, podcast: −16, broadcast: −23. off: as it is.',
    }),
  }),
  capabilities: { media: ['probe', 'track', 'clip'], brand: ['colors', 'fonts', 'captions'] },
  fields: ['aspect', 'captions', 'reframe'],
  limits: { wallSeconds: 7200 },
  example: {
    config: { aspect: '9:16', captions: 'marker', reframe: 'center' },
    inputs: {
      recording: {
        asset: 'a'.repeat(64),
        kind: 'video',
        mime: 'video/mp4',
        bytes: 8_806_838,
        name: 'talk.mp4',
        duration: 60,
      },
      segment: {
        id: 'segment-1',
        title: 'Ask what you can do',
        start: 10,
        end: 14,
        summary: 'A call to serve.',
        score: 0.9,
        why: 'A complete thought.',
        quotes: [],
        topics: [],
      },
      transcript: {
        language: 'en',
        duration: 60,
        words: [
          { text: 'Ask', start: 10.2, end: 10.5 },
          { text: 'what', start: 10.5, end: 10.8 },
          { text: 'you', start: 10.8, end: 11.1 },
          { text: 'can', start: 11.1, end: 11.4 },
          { text: 'do.', start: 11.4, end: 12 },
        ],
        speakers: [],
        turns: [],
        speech: [],
        engine: { id: 'attached', label: 'Attached' },
      },
    },
    replies: [
      {
        kind: 'video',
        format: 'mov',
        duration: 60,
        bytes: 8_806_838,
        video: { codec: 'h264', width: 1280, height: 720, rate: 30, rotation: 0 },
        audio: { codec: 'aac', channels: 2, sampleRate: 48_000 },
        subtitles: 0,
      },
      {
        asset: {
          asset: 'c'.repeat(64),
          kind: 'video',
          mime: 'video/mp4',
          bytes: 2_400_000,
          name: 'talk 10-14 s.mp4',
          width: 1080,
          height: 1920,
          duration: 4,
          rate: 30,
          hasSound: true,
        },
        loudness: {
          before: { integrated: -17.8, truePeak: -6.1, range: 1.6 },
          after: { integrated: -14, truePeak: -2.3, range: 1.6 },
          linear: true,
        },
      },
    ],
    expects: 'A clip of 1080 × 1920 pixels and 4 s, with five words from 0.2 s on.',
  },
});

/** Below this share of sights nobody is being followed: the whole picture is shown. */
const SEEN_ENOUGH = 0.25;
const SAMPLES_A_SECOND = 3;

type Crop = { width: number; height: number; keys: CropKey[] };

/** The crop of a clip, null where the whole picture is shown or there is none, and how it came about in words. */
async function framed(
  ctx: Ctx<z.output<typeof manifest.config>>,
  asset: string,
  { start, end }: { start: number; end: number },
  video: MediaFacts['video'],
): Promise<{ crop: Crop | null; framing: string }> {
  if (!video) return { crop: null, framing: 'Sound only: its waveform is drawn.' };
  const size = SIZES[ctx.config.aspect];
  const window = cropSize(video, size);
  const middle: CropKey = { time: 0, x: video.width / 2, y: video.height / 2, ease: 'hold' };
  if (Math.abs(video.width / video.height - size.width / size.height) < 0.01)
    return { crop: { ...window, keys: [middle] }, framing: 'Already in this shape.' };
  if (ctx.config.reframe === 'center')
    return { crop: { ...window, keys: [middle] }, framing: 'The middle of the picture.' };
  if (ctx.config.reframe === 'blur') return { crop: null, framing: 'The whole picture on a blurred one.' };
  const track = await ctx.media.track({ asset, start, end });
  const isSeen = track.samples.length >= Math.max(1, (end - start) * SAMPLES_A_SECOND * SEEN_ENOUGH);
  const path = isSeen ? cropPath(track, window, end - start) : null;
  if (!path)
    return { crop: null, framing: `Nobody was found (${track.detector}): the whole picture on a blurred one.` };
  const jumps = track.cuts.length;
  return {
    crop: { ...window, keys: path.keys },
    framing: `Follows the person: ${path.moves} ${path.moves === 1 ? 'move' : 'moves'}, ${jumps} ${jumps === 1 ? 'cut' : 'cuts'} (${track.detector}).`,
  };
}

export const run: Run<typeof manifest> = async (ctx, { recording, segment, transcript }) => {
  const { aspect, captions, highlight, textSize, colour, loudness } = ctx.config;
  const facts = await ctx.media.probe({ asset: recording.asset });
  const start = Math.max(0, segment.start);
  const end = Math.min(segment.end, facts.duration);
  if (end - start < 0.2) {
    throw new NodeError(
      'CLIP_OUT_OF_RANGE',
      `“${segment.title}” lies outside the recording, which is ${facts.duration.toFixed(1)} s long.`,
      {
        hint: 'Move the segment’s start or end.',
      },
    );
  }
  const duration = end - start;
  const size = SIZES[aspect];

  const { crop, framing } = await framed(ctx, recording.asset, { start, end }, facts.video);

  const words = transcript ? wordsWithin(transcript.words, start, end) : [];
  const style: Style | null = captions === 'none' ? null : captions === 'brand' ? ctx.brand.captions.style : captions;
  const shown = style && words.length > 0 ? style : null;
  const { colors, fonts } = ctx.brand;
  const made = await ctx.media.clip({
    asset: recording.asset,
    start,
    end,
    ...size,
    crop,
    captions: shown
      ? {
          style: shown,
          cues: layCaptions(words, lineLength(shown, textSize, aspect), duration),
          colors: {
            primary: colour === 'brand' ? colors.primary : colour,
            light: colour === 'brand' ? colors.light : colour,
            ink: colors.ink,
          },
          fonts: { display: fonts.display, text: fonts.text },
          highlight,
          size: TEXT_SIZES[textSize],
        }
      : null,
    loudness: loudness === 'off' ? null : TARGETS[loudness],
  });
  if (made.asset.kind !== 'video')
    throw new NodeError('CLIP_NOT_VIDEO', 'The clip came back as something other than a video.');

  ctx.fact('framing', framing);
  if (made.loudness) {
    const show = (value: number | null) => (value === null ? 'silence' : value.toFixed(1).replace('-', '−'));
    const [before, after] = [made.loudness.before.integrated, made.loudness.after.integrated];
    ctx.fact('loudness', after === null ? 'silence' : `${show(before)} → ${show(after)} LUFS`);
    if (!made.loudness.linear) ctx.log('A limiter held the peaks of this clip.');
  }
  if (captions !== 'none' && words.length === 0) ctx.log('No words lie in this segment, so there are no captions.');

  const clip: Clip = {
    id: segment.id,
    video: { ...made.asset, kind: 'video', of: segment.id },
    segment: { ...segment, start, end },
    language: transcript?.language ?? 'und',
    words,
    speakers: transcript?.speakers ?? [],
    aspect,
    captions: shown ?? 'none',
    ...(made.loudness && loudness !== 'off'
      ? { loudness: { ...made.loudness, target: TARGETS[loudness].integrated } }
      : {}),
    framing,
    source: { asset: recording.asset, start, end },
  };
  return { clip };
};
