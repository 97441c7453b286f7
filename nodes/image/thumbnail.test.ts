import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fakeCtx } from '../testing.ts';
import { breakLines, contrast, fitText, type Metrics, manifest, numberOf, shortTitle, textOn } from './thumbnail.ts';

const metricsOf = (text: string): Metrics => ({
  space: 0.25,
  word: new Map(
    text
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => [word, [...word].length * 0.55]),
  ),
});

describe('a title', () => {
  test('never runs out of its box and never loses its first word', () => {
    const word = fc.stringMatching(/^[a-zA-Zß]{1,18}$/);
    const box = fc.record({
      width: fc.integer({ min: 200, max: 1000 }),
      height: fc.integer({ min: 60, max: 600 }),
      lines: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 16 }), box, (words, { width, height, lines }) => {
        const text = words.join(' ');
        const fitted = fitText(text, metricsOf(text), {
          width,
          height,
          lines,
          most: 116,
          smallest: 24,
          lineHeight: 1.1,
        });
        expect(fitted.lines.length).toBeLessThanOrEqual(lines);
        expect(fitted.width).toBeLessThanOrEqual(width + 0.01);
        expect(fitted.height).toBeLessThanOrEqual(height + 0.01);
        expect(`${text} `.startsWith(`${fitted.lines.map((line) => line.text).join(' ')} `)).toBe(true);
      }),
    );
  });

  test('has lines as even as their number allows', () => {
    const text = 'one two three four five six';
    const lines = breakLines(text, metricsOf(text), 9)!;
    expect(lines).toHaveLength(2);
    expect(Math.abs(lines[0]!.width - lines[1]!.width)).toBeLessThan(3);
  });

  test('taken from a segment has at most five words and does not end on one that leans on the next', () => {
    expect(shortTitle('Ask not what your country can do for you')).toBe('Ask not what your country');
    expect(shortTitle('The robot on the line and the other one')).toBe('The robot on the line');
    expect(shortTitle('What they all said to the press')).toBe('What they all said');
  });
});

test('the number of a title is shown with what it counts, else the length of the clip', () => {
  expect(numberOf('10 seconds that still open a talk', 30)).toEqual({
    value: '10',
    counts: 'seconds that still open a talk',
  });
  expect(numberOf('We grew 40% in a year', 30)).toEqual({ value: '40%', counts: 'We grew in a year' });
  expect(numberOf('Ask what you can do', 29.6)).toEqual({ value: '30', counts: 'seconds: Ask what you can do' });
});

test('text takes the first colour that reads on its ground, whatever the brand', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^#[0-9a-f]{6}$/), fc.stringMatching(/^#[0-9a-f]{6}$/), (ground, ink) => {
      expect(contrast(textOn(ground, '#ffffff', ink), ground)).toBeGreaterThanOrEqual(4.5);
    }),
  );
  expect(textOn('#ffd23f', '#ffffff', '#24180a')).toBe('#24180a');
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
