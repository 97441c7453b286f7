/**
 * The person of the interview stands left, stands right and walks across in recordings whose positions are known; the
 * real detector looks, the node decides the path, and the crop is judged against the truth. Then a clip is cut from the
 * real picture and looked at.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CropKey, TrackResult } from '../../nodes/contract.ts';
import { cropAt, cropPath, cropSize } from '../../nodes/video/clip/crop.ts';
import { mediaCapability } from '../../runtime/capabilities/media/media.ts';
import { openTrial, type Trial } from '../../runtime/capabilities/media/trial.ts';
import { HEIGHT, middleAt, standing, WIDTH } from './derived.ts';

const SECONDS = 9;
const media = mediaCapability();
let trial: Trial;
beforeAll(async () => {
  trial = await openTrial();
});
afterAll(() => trial[Symbol.asyncDispose]());

const frames = Array.from({ length: SECONDS * 30 }, (_, index) => index / 30);

async function pathOf(name: string, left: string): Promise<{ track: TrackResult; keys: CropKey[] }> {
  const file = await standing(path.join(trial.folder, `${name}.mp4`), left, SECONDS);
  const asset = await trial.add(file);
  await rm(file);
  const track = await trial.call<TrackResult>(media, 'track', { asset, start: 0, end: SECONDS });
  const found = cropPath(track, cropSize({ width: WIDTH, height: HEIGHT }, { width: 9, height: 16 }), SECONDS);
  return { track, keys: found!.keys };
}

/** The share of frames, half a second and more away from cuts, in which the crop is where the person is. */
function followed(keys: CropKey[], cuts: number[], truth: (time: number) => number): number {
  const judged = frames.filter((time) => cuts.every((cut) => Math.abs(cut - time) > 0.5));
  expect(judged.length).toBeGreaterThan(60);
  return judged.filter((time) => Math.abs(cropAt(keys, time).x - truth(time)) <= WIDTH * 0.08).length / judged.length;
}

function begins(keys: CropKey[], cuts: number[]): number[] {
  const moving = frames.map(
    (time, index) => index > 0 && Math.abs(cropAt(keys, time).x - cropAt(keys, frames[index - 1]!).x) > 0.3,
  );
  return frames.filter(
    (time, index) => moving[index] && !moving[index - 1] && cuts.every((cut) => Math.abs(cut - time) > 0.1),
  );
}

describe('the crop follows the person', () => {
  test.each([
    ['left', 10],
    ['right', 390],
  ])('who stands %s, and rests with them', async (name, left) => {
    const { track, keys } = await pathOf(name, String(left));
    expect(track.samples.length).toBeGreaterThan(SECONDS * 2);
    expect(followed(keys, track.cuts, () => middleAt(left))).toBeGreaterThanOrEqual(0.95);
    const moves = begins(keys, track.cuts);
    for (const [index, time] of moves.entries())
      if (index > 0) expect(time - moves[index - 1]!).toBeGreaterThanOrEqual(2);
    expect(moves.length).toBeLessThanOrEqual(SECONDS / 2);
  });

  test('who walks across', async () => {
    const left = (time: number) => 10 + Math.min(380, Math.max(0, (time - 2) * 76));
    const { track, keys } = await pathOf('walking', '10+clip((t-2)*76,0,380)');
    expect(followed(keys, track.cuts, (time) => middleAt(left(time)))).toBeGreaterThanOrEqual(0.95);
  });
});

test('the cuts of the interview are found where they are', async () => {
  const { track } = await pathOf('cuts', '200');
  // cuts of interview.mp4 at 26.267, 28.667 and 31.567 s
  for (const cut of [2.267, 4.667, 7.567]) expect(track.cuts.some((each) => Math.abs(each - cut) < 0.07)).toBe(true);
});
