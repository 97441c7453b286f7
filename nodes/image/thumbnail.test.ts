import { describe, expect, test } from 'vitest';
import { fakeCtx } from '../testing.ts';
import { manifest, numberOf, shortTitle } from './thumbnail.ts';

test('a title taken from a segment has at most five words and does not end on one that leans on the next', () => {
  expect(shortTitle('Ask not what your country can do for you')).toBe('Ask not what your country');
  expect(shortTitle('The robot on the line and the other one')).toBe('The robot on the line');
  expect(shortTitle('What they all said to the press')).toBe('What they all said');
});

test('the number of a title is shown with what it counts, else the length of the clip', () => {
  expect(numberOf('10 seconds that still open a talk', 30)).toEqual({
    value: '10',
    counts: 'seconds that still open a talk',
  });
  expect(numberOf('We grew 40% in a year', 30)).toEqual({ value: '40%', counts: 'We grew in a year' });
  expect(numberOf('Ask what you can do', 29.6)).toEqual({ value: '30', counts: 'seconds: Ask what you can do' });
});

describe('the node', () => {
  const segment = {
    id: 's1',
    title: 'Ask what you can do',
    start: 62,
    end: 72,
    summary: '',
    score: 1,
    why: '',
    quotes: [],
    topics: [],
  };
  const clip = {
    id: 's1',
    video: { asset: 'c'.repeat(64), kind: 'video' as const, mime: 'video/mp4', bytes: 1, duration: 10 },
    segment,
    language: 'en',
    words: [{ text: 'Ask', start: 0, end: 1, speaker: 'b' }],
    speakers: [
      { id: 'a', name: 'Ann' },
      { id: 'b', name: 'Ben' },
    ],
    aspect: '9:16' as const,
    captions: 'marker',
    framing: '',
    source: { asset: 'a'.repeat(64), start: 62, end: 72 },
  };
  const still = {
    asset: { asset: 'd'.repeat(64), kind: 'image', mime: 'image/jpeg', bytes: 1, width: 1280, height: 720 },
    time: 64,
    sharpness: 1,
    exposure: 1,
    faces: [],
    score: 1,
  };
  const measured = (args: { text: string }) => {
    const wrapped = args.text.split('\n');
    return { width: 0, height: 0, lines: wrapped.length, wrapped, widths: wrapped.map((line) => line.length * 500) };
  };
  const drawn = { asset: 'e'.repeat(64), kind: 'image', mime: 'image/jpeg', bytes: 1, width: 1280, height: 720 };

  test('takes its still from the recording, where no captions are burned in', async () => {
    const ctx = fakeCtx(manifest, {
      config: { sizes: ['wide', 'square'] },
      replies: [[still], measured, measured, drawn, drawn],
    });
    const { thumbnail, sizes } = await ctx.execute({ clip });
    expect(ctx.calls[0]).toMatchObject({ method: 'frames', args: { asset: 'a'.repeat(64), start: 62, end: 72 } });
    expect(thumbnail.of).toBe('s1');
    expect(sizes).toHaveLength(2);
    expect(JSON.stringify(ctx.calls[3]?.args)).toContain(`asset:${'d'.repeat(64)}`);
  });

  test('names who speaks most, and without words the brand', async () => {
    for (const [words, name] of [
      [clip.words, 'Ben'],
      [[], 'Test brand'],
    ] as const) {
      const ctx = fakeCtx(manifest, {
        config: { template: 'split', sizes: ['wide'] },
        replies: [[still], measured, measured, drawn],
      });
      await ctx.execute({ clip: { ...clip, words: [...words] } });
      expect(JSON.stringify(ctx.calls[3]?.args)).toContain(`"children":"${name}"`);
    }
  });

  test('a recording without picture gets a thumbnail on the brand’s colours', async () => {
    const noPicture = Object.assign(new Error('none'), { code: 'MEDIA_NO_PICTURE' });
    const ctx = fakeCtx(manifest, { config: { sizes: ['wide'] }, replies: [noPicture, measured, measured, drawn] });
    await expect(ctx.execute({ clip })).resolves.toMatchObject({ thumbnail: { of: 's1' } });
    expect(JSON.stringify(ctx.calls[3]?.args)).not.toContain('asset:');
  });

  test('another failure is not hidden', async () => {
    const ctx = fakeCtx(manifest, { replies: [Object.assign(new Error('full'), { code: 'DISK_FULL' })] });
    await expect(ctx.execute({ clip })).rejects.toMatchObject({ code: 'DISK_FULL' });
  });
});
