import { expect, test } from 'vitest';
import { fakeCtx } from '../testing.ts';
import { level, manifest } from './clean.ts';

const recording = { asset: 'a'.repeat(64), kind: 'video' as const, mime: 'video/mp4', bytes: 10, duration: 60 };
const cleaned = {
  asset: { ...recording, asset: 'b'.repeat(64), duration: 60 },
  before: { integrated: -17.5, truePeak: -5, range: 3 },
  after: { integrated: -14, truePeak: -1.2, range: 3 },
  linear: true,
  note: null,
};

test('treatments that can hurt are off until somebody turns them on', async () => {
  const ctx = fakeCtx(manifest, { replies: [cleaned] });
  await ctx.execute({ recording });
  expect(ctx.calls[0]?.args).toEqual({
    asset: recording.asset,
    highPass: 0,
    denoise: 0,
    gate: null,
    trimSilence: null,
    loudness: { integrated: -14, truePeak: -1, range: 11 },
  });
  expect(ctx.facts.loudness).toBe('−17.5 → −14.0 LUFS');
});

test('every preset asks for its own target, and off asks for none', async () => {
  for (const [target, integrated] of [
    ['podcast', -16],
    ['broadcast', -23],
    ['own', -19],
  ] as const) {
    const ctx = fakeCtx(manifest, { config: { target, level: -19 }, replies: [cleaned] });
    await ctx.execute({ recording });
    expect(ctx.calls[0]?.args).toMatchObject({ loudness: { integrated } });
  }
  const ctx = fakeCtx(manifest, { config: { target: 'off' }, replies: [cleaned] });
  await ctx.execute({ recording });
  expect(ctx.calls[0]?.args).toMatchObject({ loudness: null });
});

test('it says when one gain for all was not possible', async () => {
  const note = 'One gain for all was not possible: peaks would have reached 1.2 dBTP, -1 are allowed.';
  const ctx = fakeCtx(manifest, { replies: [{ ...cleaned, linear: false, note }] });
  await ctx.execute({ recording });
  expect(ctx.facts.note).toBe(note);
});

test('it says how much shorter the recording became', async () => {
  const shorter = { ...cleaned, asset: { ...cleaned.asset, duration: 51.25 } };
  const ctx = fakeCtx(manifest, { config: { trimSilence: 0.5 }, replies: [shorter] });
  await ctx.execute({ recording });
  expect(ctx.facts['shortened by']).toBe('8.8 s');
});

test('a recording without sound is refused before anything is computed', async () => {
  const ctx = fakeCtx(manifest, {});
  await expect(ctx.execute({ recording: { ...recording, hasSound: false } })).rejects.toMatchObject({
    code: 'MEDIA_NO_SOUND',
  });
  expect(ctx.calls).toEqual([]);
});

test('silence is named, not shown as a number', () => {
  expect(level({ integrated: null, truePeak: null, range: null })).toBe('silence');
});
