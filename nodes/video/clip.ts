/**
 * Cuts a segment out of a recording and makes it a finished short: reframed so that the person stays in the picture,
 * captions burned in, sound at its target.
 *
 * The path of the crop is decided here, purely, from where the person was seen: it rests while the person rests, glides
 * along when they walk, and jumps only where the picture cuts. Captions are laid out here too: at most two lines of the
 * style's length. Cutting, drawing and encoding are the media capability's.
 * Times are seconds of the recording in the segment, and seconds from the clip's start everywhere else.
 */
import * as z from 'zod';
import {
  type CaptionCue,
  type Clip,
  type CropKey,
  defineManifest,
  NodeError,
  port,
  type Run,
  type TrackResult,
  type TrackSample,
  type Word,
} from '../contract.ts';

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

// ---------------------------------------------------------------- the path of the crop

/** A person who stays within this share of the width to either side is at rest. */
const REST = 0.035;
/** Seconds a person stays somewhere before that counts as rest. */
const REST_SECONDS = 1;
/** Simplification of a walk, as a share of the width. */
const SMOOTH = 0.012;
/** Seconds of a glide between two resting places. */
const GLIDE = 0.6;

export type CropPath = { keys: CropKey[]; moves: number; seen: number };
type Spot = { time: number; x: number };
type Piece = { from: number; to: number; x: number; rests: boolean };

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};

/** One wrong sight between two that agree is overruled by them. */
function withoutOutliers(spots: readonly Spot[]): Spot[] {
  return spots.map((spot, index) => {
    const [before, after] = [spots[index - 1], spots[index + 1]];
    return before && after ? { time: spot.time, x: median([before.x, spot.x, after.x]) } : spot;
  });
}

/** Rests as long as they can be, and single moving sights between them. */
function restsAndMoves(spots: readonly Spot[], width: number): Piece[] {
  const pieces: Piece[] = [];
  const room = 2 * REST * width;
  for (let at = 0; at < spots.length; ) {
    let [low, high] = [spots[at]!.x, spots[at]!.x];
    let end = at;
    while (end + 1 < spots.length) {
      const { x } = spots[end + 1]!;
      if (Math.max(high, x) - Math.min(low, x) > room) break;
      [low, high] = [Math.min(low, x), Math.max(high, x)];
      end++;
    }
    const isWhole = at === 0 && end === spots.length - 1;
    if (isWhole || spots[end]!.time - spots[at]!.time >= REST_SECONDS) {
      const middle = median(spots.slice(at, end + 1).map((spot) => spot.x));
      // the median, as long as nobody is farther from it than rest allows
      const x = Math.min(Math.max(middle, high - REST * width), low + REST * width);
      pieces.push({ from: spots[at]!.time, to: spots[end]!.time, x, rests: true });
      at = end + 1;
    } else {
      pieces.push({ from: spots[at]!.time, to: spots[at]!.time, x: spots[at]!.x, rests: false });
      at++;
    }
  }
  return pieces;
}

/** Drops sights of a walk that lie on the straight line between their neighbours (Ramer, Douglas and Peucker). */
function straighten(points: readonly Spot[], tolerance: number): Spot[] {
  if (points.length < 3) return [...points];
  const [first, last] = [points[0]!, points.at(-1)!];
  let worst = 0;
  let farthest = 0;
  for (let index = 1; index < points.length - 1; index++) {
    const point = points[index]!;
    const on = first.x + ((last.x - first.x) * (point.time - first.time)) / Math.max(1e-6, last.time - first.time);
    const off = Math.abs(point.x - on);
    if (off > farthest) [worst, farthest] = [index, off];
  }
  if (farthest <= tolerance) return [first, last];
  return [
    ...straighten(points.slice(0, worst + 1), tolerance).slice(0, -1),
    ...straighten(points.slice(worst), tolerance),
  ];
}

/** The path through one shot, which begins at `start` and ends before `end`. */
function shotKeys(
  spots: readonly Spot[],
  start: number,
  end: number,
  width: number,
): { keys: { time: number; x: number; ease: CropKey['ease'] }[]; moves: number } {
  const pieces = restsAndMoves(withoutOutliers(spots), width);
  const keys: { time: number; x: number; ease: CropKey['ease'] }[] = [];
  let moves = 0;
  for (let at = 0; at < pieces.length; at++) {
    const piece = pieces[at]!;
    const [before, after] = [pieces[at - 1], pieces[at + 1]];
    if (piece.rests) {
      // a glide between two rests lies around the moment the person went from one to the other
      const leave = after?.rests ? Math.max(piece.from, (piece.to + after.from) / 2 - GLIDE / 2) : piece.to;
      const arrive = before?.rests ? Math.min(piece.to, (before.to + piece.from) / 2 + GLIDE / 2) : piece.from;
      keys.push({ time: before ? arrive : start, x: piece.x, ease: 'hold' });
      if (after) {
        keys.push({ time: Math.max(leave, before ? arrive : start), x: piece.x, ease: 'linear' });
        moves++;
      }
      continue;
    }
    let last = at;
    while (pieces[last + 1] && !pieces[last + 1]!.rests) last++;
    const walk = pieces.slice(at, last + 1).map(({ from, x }) => ({ time: from, x }));
    const ends = [
      ...(before ? [{ time: before.to, x: before.x }] : []),
      ...walk,
      ...(pieces[last + 1] ? [{ time: pieces[last + 1]!.from, x: pieces[last + 1]!.x }] : []),
    ];
    const line = straighten(ends, SMOOTH * width).filter((point) => walk.some((each) => each.time === point.time));
    if (!before) {
      moves++;
      if (walk[0]!.time > start) keys.push({ time: start, x: walk[0]!.x, ease: 'hold' });
    }
    for (const point of line) keys.push({ ...point, ease: 'linear' });
    at = last;
  }
  const final = keys.at(-1);
  if (final) final.ease = 'hold'; // never glides across a cut
  const tidy = keys
    .filter((key, index) => index === 0 || key.time > keys[index - 1]!.time || key.ease === 'linear')
    .filter((key) => key.time < end);
  return { keys: tidy, moves };
}

/**
 * Where the middle of the crop is over time, or null where nobody was seen. Sideways the crop follows; up and down it
 * takes one place a shot. It never leaves the picture.
 */
export function cropPath(
  track: TrackResult,
  crop: { width: number; height: number },
  duration: number,
): CropPath | null {
  const { width, height } = track;
  if (track.samples.length === 0) return null;
  const cuts = track.cuts.filter(
    (cut, index) => cut > 0.05 && cut < duration - 0.05 && (index === 0 || cut - track.cuts[index - 1]! > 0.08),
  );
  const borders = [0, ...cuts, duration];
  const insideX = (x: number) => Math.min(width - crop.width / 2, Math.max(crop.width / 2, x));
  const insideY = (y: number) => Math.min(height - crop.height / 2, Math.max(crop.height / 2, y));
  const shots = borders.slice(0, -1).map((start, index) => {
    const end = borders[index + 1]!;
    return { start, end, samples: track.samples.filter(({ time }) => time >= start - 0.01 && time < end - 0.01) };
  });
  // heads belong in the upper third
  const upright = (samples: readonly TrackSample[]) =>
    insideY(median(samples.map(({ y }) => y * height)) + crop.height * 0.17);
  const keys: CropKey[] = [];
  let moves = 0;
  let last: { x: number; y: number } | null = null;
  for (const { start, end, samples } of shots) {
    if (samples.length === 0) {
      const next = shots.find((shot) => shot.start > start && shot.samples.length > 0)?.samples[0];
      const place =
        last ?? (next ? { x: insideX(next.x * width), y: upright([next]) } : { x: width / 2, y: height / 2 });
      keys.push({ time: start, ...place, ease: 'hold' });
      continue;
    }
    const y = upright(samples);
    const shot = shotKeys(
      samples.map((sample) => ({ time: sample.time, x: sample.x * width })),
      start,
      end,
      width,
    );
    for (const key of shot.keys) keys.push({ time: key.time, x: insideX(key.x), y, ease: key.ease });
    moves += shot.moves;
    last = { x: keys.at(-1)!.x, y };
  }
  const round = (value: number) => Math.round(value * 100) / 100;
  return {
    keys: keys.map((key) => ({
      time: Math.round(key.time * 1000) / 1000,
      x: round(key.x),
      y: round(key.y),
      ease: key.ease,
    })),
    moves,
    seen: track.samples.length,
  };
}

/** The crop's middle at one moment: what the picture shows (a glide is a little softer at its ends). */
export function cropAt(keys: readonly CropKey[], time: number): { x: number; y: number } {
  let at = 0;
  while (at + 1 < keys.length && keys[at + 1]!.time <= time + 0.0005) at++;
  const [key, next] = [keys[at]!, keys[at + 1]];
  if (!next || key.ease === 'hold' || next.time <= key.time) return { x: key.x, y: key.y };
  const share = Math.min(1, Math.max(0, (time - key.time) / (next.time - key.time)));
  return { x: key.x + (next.x - key.x) * share, y: key.y + (next.y - key.y) * share };
}

/** The largest window of the wanted shape inside the picture, in whole even pixels. */
export function cropSize(
  source: { width: number; height: number },
  target: { width: number; height: number },
): { width: number; height: number } {
  const shape = target.width / target.height;
  const even = (value: number) => Math.max(16, Math.floor(value / 2) * 2);
  return source.width / source.height > shape
    ? { width: even(source.height * shape), height: even(source.height) }
    : { width: even(source.width), height: even(source.width / shape) };
}

// ---------------------------------------------------------------- captions

type Style = 'marker' | 'plain' | 'box' | 'stack';
/** Characters that fit a line of the safe area at size 1, 1.5 and 2, upright. */
const LINE: Record<Style, Record<keyof typeof TEXT_SIZES, number>> = {
  marker: { small: 20, medium: 16, large: 12 },
  plain: { small: 20, medium: 20, large: 15 },
  box: { small: 24, medium: 22, large: 18 },
  stack: { small: 14, medium: 11, large: 8 },
};
/** Other shapes have wider lines. */
const WIDER = { '9:16': 1, '4:5': 1.12, '1:1': 1.12, '16:9': 1.8 } as const;

export function lineLength(style: Style, size: keyof typeof TEXT_SIZES, aspect: keyof typeof SIZES): number {
  return Math.round(LINE[style][size] * WIDER[aspect]);
}

const endsSentence = (text: string) => /[.!?…]["'”’)]*$/.test(text);
const lengthOf = (words: readonly Word[]) => words.reduce((sum, word) => sum + [...word.text].length + 1, -1);
const CAPTION_PAUSE = 0.7;
/** A caption stays this long after its last word, if nothing follows. */
const LINGER = 0.6;

/** One line, or the evenest two, or null where they do not fit. A word that is too long stands alone. */
function twoLines(words: readonly Word[], line: number): Word[][] | null {
  if (lengthOf(words) <= line || words.length === 1) return [[...words]];
  let best: { lines: Word[][]; cost: number } | null = null;
  for (let at = 1; at < words.length; at++) {
    const [above, below] = [words.slice(0, at), words.slice(at)];
    const [upper, lower] = [lengthOf(above), lengthOf(below)];
    if ((upper > line && above.length > 1) || (lower > line && below.length > 1)) continue;
    const cost = Math.abs(upper - lower) + (upper > lower ? 2 : 0);
    if (!best || cost < best.cost) best = { lines: [above, below], cost };
  }
  return best?.lines ?? null;
}

/** Captions to burn in: a phrase is shared out evenly, so that no word is left alone on the screen. */
export function layCaptions(words: readonly Word[], line: number, duration: number): CaptionCue[] {
  const phrases: Word[][] = [];
  for (const word of words) {
    const phrase = phrases.at(-1);
    const last = phrase?.at(-1);
    const isNew =
      !last ||
      endsSentence(last.text) ||
      word.start - last.end > CAPTION_PAUSE ||
      (word.speaker ?? '') !== (last.speaker ?? '');
    if (isNew) phrases.push([word]);
    else phrase!.push(word);
  }
  const groups: Word[][][] = [];
  for (const phrase of phrases) {
    const fill = (target: number): Word[][] => {
      const parts: Word[][] = [];
      for (const word of phrase) {
        const part = parts.at(-1);
        const isFull = !part || twoLines([...part, word], line) === null || lengthOf(part) >= target;
        if (isFull) parts.push([word]);
        else part.push(word);
      }
      return parts;
    };
    const fewest = fill(Number.POSITIVE_INFINITY);
    const shared = fewest.length > 1 ? fill(lengthOf(phrase) / fewest.length - line * 0.15) : fewest;
    for (const part of shared.length <= fewest.length + 1 ? shared : fewest)
      groups.push(twoLines(part, line) ?? [part]);
  }
  const round = (value: number) => Math.round(value * 1000) / 1000;
  return groups.map((lines, index) => {
    const last = lines.at(-1)!.at(-1)!;
    const next = groups[index + 1]?.[0]?.[0];
    const end = Math.min(
      duration,
      next ? (next.start - last.end < LINGER ? next.start : last.end + LINGER) : last.end + LINGER,
    );
    const start = lines[0]![0]!.start;
    return {
      start: round(start),
      end: round(Math.max(end, start + 0.05)),
      lines: lines.map((each) =>
        each.map((word) => ({ text: word.text, start: round(word.start), end: round(word.end) })),
      ),
    };
  });
}

/** The words of a segment, counted from its start. A word belongs where its middle lies. */
export function wordsWithin(words: readonly Word[], start: number, end: number): Word[] {
  return words
    .filter((word) => {
      const middle = (word.start + word.end) / 2;
      return middle >= start && middle < end && word.text.trim() !== '';
    })
    .map((word) => ({
      ...word,
      text: word.text.trim(),
      start: Math.round(Math.max(0, word.start - start) * 1000) / 1000,
      end: Math.round(Math.min(end - start, word.end - start) * 1000) / 1000,
    }));
}

// ---------------------------------------------------------------- run

/** Below this share of sights nobody is being followed: the whole picture is shown. */
const SEEN_ENOUGH = 0.25;
const SAMPLES_A_SECOND = 3;

export const run: Run<typeof manifest> = async (ctx, { recording, segment, transcript }) => {
  const { aspect, captions, highlight, textSize, colour, reframe, loudness } = ctx.config;
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

  let crop: { width: number; height: number; keys: CropKey[] } | null = null;
  let framing = 'Sound only: its waveform is drawn.';
  if (facts.video) {
    const source = { width: facts.video.width, height: facts.video.height };
    const window = cropSize(source, size);
    const middle: CropKey = { time: 0, x: source.width / 2, y: source.height / 2, ease: 'hold' };
    const fits = Math.abs(source.width / source.height - size.width / size.height) < 0.01;
    if (fits) {
      crop = { ...window, keys: [middle] };
      framing = 'Already in this shape.';
    } else if (reframe === 'center') {
      crop = { ...window, keys: [middle] };
      framing = 'The middle of the picture.';
    } else if (reframe === 'blur') {
      framing = 'The whole picture on a blurred one.';
    } else {
      const track = await ctx.media.track({ asset: recording.asset, start, end });
      const path =
        track.samples.length >= Math.max(1, duration * SAMPLES_A_SECOND * SEEN_ENOUGH)
          ? cropPath(track, window, duration)
          : null;
      if (path) {
        crop = { ...window, keys: path.keys };
        const jumps = track.cuts.length;
        framing = `Follows the person: ${path.moves} ${path.moves === 1 ? 'move' : 'moves'}, ${jumps} ${jumps === 1 ? 'cut' : 'cuts'} (${track.detector}).`;
      } else framing = `Nobody was found (${track.detector}): the whole picture on a blurred one.`;
    }
  }

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
