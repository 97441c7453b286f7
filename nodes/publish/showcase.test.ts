import { describe, expect, test } from 'vitest';
import type { Clip } from '../contract.ts';
import { fakeCtx } from '../testing.ts';
import { keyOf, manifest } from './showcase.ts';

const clip = (id: string, start: number, score: number, extra: Partial<Clip> = {}): Clip => ({
  id,
  video: { asset: 'c'.repeat(64), kind: 'video', mime: 'video/mp4', bytes: 1, duration: 10 },
  segment: {
    id,
    title: `Title ${id}`,
    start,
    end: start + 10,
    summary: `About ${id}`,
    score,
    why: '',
    quotes: [],
    topics: [],
  },
  language: 'en',
  words: [],
  speakers: [],
  aspect: '9:16',
  captions: 'marker',
  framing: '',
  ...extra,
});
const published = {
  body: { id: 'p1', url: 'https://example.org/b/x/y', title: 'Title b', publishedAt: '2026-01-15T09:00:00.000Z' },
};

test('each clip goes out with its own captions and thumbnail, in the order they are spoken', async () => {
  const ctx = fakeCtx(manifest, { replies: [published] });
  const captions = [{ of: 'a', language: 'en', cues: [], srt: '', vtt: 'WEBVTT\n' }];
  const thumbnails = [{ asset: 'd'.repeat(64), kind: 'image' as const, mime: 'image/jpeg', bytes: 1, of: 'b' }];
  const { post } = await ctx.execute({ clips: [clip('b', 20, 0.9), clip('a', 5, 0.5)], captions, thumbnails });
  const page = ctx.sent[0]?.json as { title: string; clips: { clip: Clip; captions: unknown; thumbnail: unknown }[] };
  expect(page.title).toBe('Title b');
  expect(page.clips.map((each) => [each.clip.id, each.captions !== null, each.thumbnail !== null])).toEqual([
    ['a', true, false],
    ['b', false, true],
  ]);
  expect(post).toMatchObject({ platform: 'showcase', id: 'p1', url: 'https://example.org/b/x/y' });
});

describe('publishing twice gives one page', () => {
  test('the key stays when clips look different, and differs for another recording', () => {
    const recording = { asset: 'a'.repeat(64), kind: 'video' as const, mime: 'video/mp4', bytes: 1 };
    const [one, two] = [
      clip('a', 5, 0.5),
      clip('a', 5, 0.5, { captions: 'box', video: { ...clip('a', 5, 0.5).video, asset: 'f'.repeat(64) } }),
    ];
    expect(keyOf({ clips: [one], recording })).toBe(keyOf({ clips: [two], recording }));
    expect(keyOf({ clips: [one] })).toBe(keyOf({ clips: [two] }));
    expect(keyOf({ clips: [one], recording })).not.toBe(
      keyOf({ clips: [one], recording: { ...recording, asset: 'b'.repeat(64) } }),
    );
    expect(keyOf({ clips: [one] })).not.toBe(keyOf({ clips: [clip('z', 9, 0.1)] }));
    const from = (asset: string) =>
      keyOf({ clips: [{ ...one, source: { asset: asset.repeat(64), start: 5, end: 15 } }] });
    expect(from('1')).not.toBe(from('2'));
    expect(keyOf({ clips: [one] })).toMatch(/^[a-z0-9-]+$/);
  });

  test('a lost answer is looked up, and the page is not sent again', async () => {
    const ctx = fakeCtx(manifest, { replies: ['lost', published] });
    await expect(ctx.execute({ clips: [clip('a', 5, 0.5)] })).resolves.toMatchObject({ post: { id: 'p1' } });
    expect(ctx.sent.map((request) => request.method)).toEqual(['PUT', 'GET']);
  });

  test('an answer that says it never arrived sends it again under the same key', async () => {
    const ctx = fakeCtx(manifest, { replies: ['lost', { status: 404 }, published] });
    await ctx.execute({ clips: [clip('a', 5, 0.5)] });
    expect(ctx.sent.map((request) => request.method)).toEqual(['PUT', 'GET', 'PUT']);
    expect(ctx.sent[2]?.path).toBe(ctx.sent[0]?.path);
  });
});

test('a refused page says why', async () => {
  const ctx = fakeCtx(manifest, { replies: [{ status: 422, body: { error: 'one of the clips is gone' } }] });
  await expect(ctx.execute({ clips: [clip('a', 5, 0.5)] })).rejects.toMatchObject({
    code: 'PAGE_REFUSED',
    message: expect.stringMatching(/one of the clips is gone/),
  });
});

test('a server in trouble is tried again later', async () => {
  const ctx = fakeCtx(manifest, { replies: [{ status: 503 }] });
  await expect(ctx.execute({ clips: [clip('a', 5, 0.5)] })).rejects.toMatchObject({ retry: 'later' });
});

test('with nothing to publish nothing is sent', async () => {
  const ctx = fakeCtx(manifest, {});
  await expect(ctx.execute({ clips: [] })).rejects.toMatchObject({ code: 'NOTHING_TO_PUBLISH' });
  expect(ctx.sent).toEqual([]);
});

test('a dry run sends nothing and says what it would do', async () => {
  const ctx = fakeCtx(manifest, { config: { visibility: 'unlisted' } });
  const { would, outputs } = await ctx.rehearse({ clips: [clip('a', 5, 0.5), clip('b', 20, 0.9)] });
  expect(would).toBe('Publish "Title b" with 2 clips, unlisted.');
  expect(outputs.post.simulated).toBe(true);
  expect(ctx.sent).toEqual([]);
});
