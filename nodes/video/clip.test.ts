import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CropKey, TrackResult, Word } from '../contract.ts';
import { fakeCtx } from '../testing.ts';
import { cropAt, cropPath, cropSize, layCaptions, lineLength, manifest, wordsWithin } from './clip.ts';

const WIDTH = 1280;
const CROP = { width: 404, height: 720 };

/** A track as the detector would give it: three sights a second, a little off, some missing. */
function trackOf(
  truth: (time: number) => number,
  duration: number,
  options: { cuts?: number[]; noise?: number; missing?: number } = {},
): TrackResult {
  let seed = 7;
  const random = () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
  const times = [
    ...Array.from({ length: Math.floor(duration * 3) + 1 }, (_, index) => index / 3),
    ...(options.cuts ?? []),
  ].sort((a, b) => a - b);
  const samples = times
    .filter((time) => time < duration && (options.cuts?.includes(time) || random() >= (options.missing ?? 0)))
    .map((time) => ({
      time,
      x: truth(time) / WIDTH + (random() - 0.5) * (options.noise ?? 0.02),
      y: 0.2,
      size: 0.7,
      confidence: 0.8,
    }));
  return { width: WIDTH, height: 720, samples, cuts: options.cuts ?? [], detector: 'test' };
}

const frames = (duration: number) => Array.from({ length: Math.floor(duration * 30) }, (_, index) => index / 30);

/** The share of frames, away from cuts, in which the crop's middle is within 8 % of the width of the person's. */
function followed(keys: CropKey[], truth: (time: number) => number, duration: number, cuts: number[] = []): number {
  const judged = frames(duration).filter((time) => cuts.every((cut) => Math.abs(cut - time) > 0.5));
  return judged.filter((time) => Math.abs(cropAt(keys, time).x - truth(time)) <= WIDTH * 0.08).length / judged.length;
}

/** Begins of movement. */
function movesOf(keys: CropKey[], duration: number): number[] {
  const begins: number[] = [];
  let wasMoving = false;
  const all = frames(duration);
  for (let at = 1; at < all.length; at++) {
    const isMoving = Math.abs(cropAt(keys, all[at]!).x - cropAt(keys, all[at - 1]!).x) > 0.3;
    if (isMoving && !wasMoving) begins.push(all[at]!);
    wasMoving = isMoving;
  }
  return begins;
}

describe('the crop', () => {
  test.each([
    ['left', 330],
    ['middle', 640],
    ['right', 960],
  ])('stays still while the person stands %s', (_, place) => {
    const path = cropPath(
      trackOf(() => place, 20, { noise: 0.05 }),
      CROP,
      20,
    )!;
    expect(followed(path.keys, () => place, 20)).toBe(1);
    expect(movesOf(path.keys, 20)).toEqual([]);
  });

  test('follows someone who walks across, and rests when they do', () => {
    const truth = (time: number) => Math.min(1000, Math.max(280, 280 + (time - 4) * 180));
    const path = cropPath(trackOf(truth, 16, { missing: 0.1 }), CROP, 16)!;
    expect(followed(path.keys, truth, 16)).toBeGreaterThanOrEqual(0.95);
    expect(movesOf(path.keys, 3.5)).toEqual([]);
    expect(
      movesOf(
        path.keys.map((key) => ({ ...key, time: key.time - 9 })),
        6,
      ),
    ).toEqual([]);
  });

  test('jumps at once where the picture cuts, and never glides over a cut', () => {
    const cuts = [2, 4.5, 9];
    const places = [300, 900, 500, 980];
    const truth = (time: number) => places[cuts.filter((cut) => cut <= time).length]!;
    const path = cropPath(trackOf(truth, 12, { cuts }), CROP, 12)!;
    for (const cut of cuts) {
      expect(Math.abs(cropAt(path.keys, cut).x - truth(cut))).toBeLessThan(WIDTH * 0.05);
      expect(Math.abs(cropAt(path.keys, cut - 1 / 30).x - truth(cut - 1 / 30))).toBeLessThan(WIDTH * 0.05);
    }
    expect(path.moves).toBe(0);
  });

  test('follows and rests, wherever the person goes', () => {
    const journey = fc.record({
      stops: fc.array(
        fc.record({ x: fc.integer({ min: 260, max: 1020 }), stays: fc.double({ min: 2.5, max: 6, noNaN: true }) }),
        { minLength: 1, maxLength: 4 },
      ),
      speed: fc.integer({ min: 90, max: 420 }),
      missing: fc.double({ min: 0, max: 0.2, noNaN: true }),
    });
    fc.assert(
      fc.property(journey, ({ stops, speed, missing }) => {
        const marks: { time: number; x: number }[] = [];
        const rests: [number, number][] = [];
        let at = 0;
        for (const [index, stop] of stops.entries()) {
          if (index > 0) at += Math.abs(stop.x - stops[index - 1]!.x) / speed;
          marks.push({ time: at, x: stop.x });
          rests.push([at, at + stop.stays]);
          at += stop.stays;
          marks.push({ time: at, x: stop.x });
        }
        const truth = (time: number) => {
          const next = marks.findIndex((mark) => mark.time > time);
          if (next <= 0) return next === 0 ? marks[0]!.x : marks.at(-1)!.x;
          const [a, b] = [marks[next - 1]!, marks[next]!];
          return a.x + ((b.x - a.x) * (time - a.time)) / Math.max(1e-9, b.time - a.time);
        };
        const path = cropPath(trackOf(truth, at, { missing }), CROP, at)!;
        expect(followed(path.keys, truth, at)).toBeGreaterThanOrEqual(0.95);
        const begins = movesOf(path.keys, at);
        for (const [from, to] of rests) {
          const within = begins.filter((time) => time > from + 0.5 && time < to - 0.5);
          for (const [index, time] of within.entries())
            if (index > 0) expect(time - within[index - 1]!).toBeGreaterThanOrEqual(2);
        }
        for (const { x, y } of frames(at).map((time) => cropAt(path.keys, time))) {
          expect(x).toBeGreaterThanOrEqual(CROP.width / 2);
          expect(x).toBeLessThanOrEqual(WIDTH - CROP.width / 2);
          expect(y).toBe(360);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('one wrong sight moves nothing', () => {
    const track = trackOf(() => 500, 10, { noise: 0 });
    track.samples[12]!.x = 0.9;
    expect(movesOf(cropPath(track, CROP, 10)!.keys, 10)).toEqual([]);
  });

  test('a shot in which nobody is seen keeps the place of the one before', () => {
    const track = trackOf((time) => (time < 3 ? 400 : 900), 6, { cuts: [3] });
    track.samples = track.samples.filter((sample) => sample.time < 3);
    expect(Math.abs(cropAt(cropPath(track, CROP, 6)!.keys, 5).x - 400)).toBeLessThan(WIDTH * 0.03);
  });

  test('nobody seen at all is said as such', () => {
    expect(cropPath({ width: WIDTH, height: 720, samples: [], cuts: [], detector: 'test' }, CROP, 5)).toBeNull();
  });

  test('is the largest window of the wanted shape', () => {
    expect(cropSize({ width: 1280, height: 720 }, { width: 1080, height: 1920 })).toEqual({ width: 404, height: 720 });
    expect(cropSize({ width: 1080, height: 1920 }, { width: 1920, height: 1080 })).toEqual({
      width: 1080,
      height: 606,
    });
  });
});

const spoken = (text: string): Word[] =>
  text.split(' ').map((word, index) => ({ text: word, start: index * 0.4, end: index * 0.4 + 0.35 }));

describe('captions', () => {
  test('have at most two lines of the wanted length and keep every word in order', () => {
    const word = fc.stringMatching(/^[a-zA-Zäß']{1,14}[.,!?]?$/);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 60 }), fc.integer({ min: 8, max: 30 }), (texts, line) => {
        const words = spoken(texts.join(' '));
        const cues = layCaptions(words, line, 100);
        for (const cue of cues) {
          expect(cue.lines.length).toBeLessThanOrEqual(2);
          for (const each of cue.lines) {
            const length = each.map((part) => part.text).join(' ').length;
            if (each.length > 1) expect(length).toBeLessThanOrEqual(line);
          }
        }
        expect(cues.flatMap((cue) => cue.lines.flat().map((part) => part.text))).toEqual(texts);
        for (const [index, cue] of cues.entries())
          if (index > 0) expect(cue.start).toBeGreaterThanOrEqual(cues[index - 1]!.end - 0.051);
      }),
    );
  });

  test('share a sentence out evenly instead of leaving its last word alone', () => {
    const cues = layCaptions(spoken('ask not what your country can do for you but what you can do'), 16, 60);
    const sizes = cues.map((cue) => cue.lines.flat().length);
    expect(Math.min(...sizes)).toBeGreaterThan(1);
  });

  test('begin anew where somebody pauses or another speaks', () => {
    const words = spoken('one two three four');
    words[2]!.start += 2;
    words[2]!.end += 2;
    words[3] = { ...words[3]!, start: words[2]!.end, end: words[2]!.end + 0.3, speaker: 'b' };
    expect(layCaptions(words, 30, 60)).toHaveLength(3);
  });

  test('large text has shorter lines, wide pictures longer ones', () => {
    expect(lineLength('marker', 'large', '9:16')).toBeLessThan(lineLength('marker', 'small', '9:16'));
    expect(lineLength('plain', 'medium', '16:9')).toBeGreaterThan(lineLength('plain', 'medium', '9:16'));
  });
});

test('words are counted from the segment’s start and only its own are taken', () => {
  const words = [
    { text: 'before', start: 8, end: 9 },
    { text: ' edge ', start: 9.9, end: 10.4 },
    { text: 'in', start: 11, end: 11.5 },
    { text: 'after', start: 14.1, end: 15 },
  ];
  expect(wordsWithin(words, 10, 14)).toEqual([
    { text: 'edge', start: 0, end: 0.4 },
    { text: 'in', start: 1, end: 1.5 },
  ]);
});

describe('the node', () => {
  const recording = { asset: 'a'.repeat(64), kind: 'video' as const, mime: 'video/mp4', bytes: 1, duration: 30 };
  const segment = { id: 's1', title: 'T', start: 5, end: 9, summary: '', score: 1, why: '', quotes: [], topics: [] };
  const facts = {
    kind: 'video',
    format: 'mov',
    duration: 30,
    bytes: 1,
    video: { codec: 'h264', width: 1280, height: 720, rate: 30, rotation: 0 },
    audio: { codec: 'aac', channels: 2, sampleRate: 48000 },
    subtitles: 0,
  };
  const made = {
    asset: {
      asset: 'b'.repeat(64),
      kind: 'video',
      mime: 'video/mp4',
      bytes: 2,
      width: 1080,
      height: 1920,
      duration: 4,
    },
    loudness: {
      before: { integrated: -20, truePeak: -6, range: 2 },
      after: { integrated: -14, truePeak: -1.4, range: 2 },
      linear: false,
    },
  };
  const words = {
    language: 'en',
    duration: 30,
    words: [{ text: 'Hello.', start: 6, end: 6.5 }],
    speakers: [],
    turns: [],
    speech: [],
    engine: { id: 'x', label: 'x' },
  };

  test('asks for the brand’s style, colours and fonts', async () => {
    const ctx = fakeCtx(manifest, { config: { reframe: 'center' }, replies: [facts, made] });
    const { clip } = await ctx.execute({ recording, segment, transcript: words });
    expect(ctx.calls[1]?.args).toMatchObject({
      start: 5,
      end: 9,
      width: 1080,
      height: 1920,
      crop: { width: 404, height: 720, keys: [{ time: 0, x: 640, y: 360, ease: 'hold' }] },
      captions: {
        style: 'marker',
        colors: { primary: '#5b3df5' },
        fonts: { display: 'Bricolage Grotesque' },
        highlight: true,
      },
      loudness: { integrated: -14 },
    });
    expect(clip).toMatchObject({
      id: 's1',
      video: { of: 's1' },
      words: [{ text: 'Hello.', start: 1, end: 1.5 }],
      source: { start: 5, end: 9 },
    });
    expect(ctx.facts.loudness).toBe('−20.0 → −14.0 LUFS');
  });

  test('shows the whole picture on a blurred one where nobody is found, and says so', async () => {
    const track = { width: 1280, height: 720, samples: [], cuts: [], detector: 'MoveNet' };
    const ctx = fakeCtx(manifest, { replies: [facts, track, made] });
    const { clip } = await ctx.execute({ recording, segment, transcript: words });
    expect(ctx.calls[2]?.args).toMatchObject({ crop: null });
    expect(clip.framing).toMatch(/Nobody was found \(MoveNet\)/);
  });

  test('a recording already in shape is neither tracked nor cropped', async () => {
    const upright = { ...facts, video: { ...facts.video, width: 1080, height: 1920 } };
    const ctx = fakeCtx(manifest, { replies: [upright, made] });
    await ctx.execute({ recording, segment });
    expect(ctx.calls.map((call) => call.method)).toEqual(['probe', 'clip']);
    expect(ctx.calls[1]?.args).toMatchObject({ crop: { width: 1080, height: 1920 }, captions: null });
  });

  test('sound alone becomes a clip with a drawn picture', async () => {
    const ctx = fakeCtx(manifest, { replies: [{ ...facts, kind: 'audio', video: null }, made] });
    const { clip } = await ctx.execute({
      recording: { ...recording, kind: 'audio', mime: 'audio/mpeg' },
      segment,
      transcript: words,
    });
    expect(ctx.calls[1]?.args).toMatchObject({ crop: null });
    expect(clip.framing).toMatch(/waveform/);
  });

  test('a segment behind the end of the recording is refused in words', async () => {
    const ctx = fakeCtx(manifest, { replies: [facts] });
    await expect(ctx.execute({ recording, segment: { ...segment, start: 40, end: 50 } })).rejects.toMatchObject({
      code: 'CLIP_OUT_OF_RANGE',
    });
  });
});
