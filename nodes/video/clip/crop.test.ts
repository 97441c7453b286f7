import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CropKey, TrackResult } from '../../contract.ts';
import { cropAt, cropPath, cropSize } from './crop.ts';

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
