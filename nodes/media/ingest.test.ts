import { expect, test } from 'vitest';
import type { Asset, Transcript } from '../contract.ts';
import { NodeError } from '../contract.ts';
import { fakeCtx } from '../testing.ts';
import { manifest } from './ingest.ts';

const id = 'a'.repeat(64);
const film: Asset = {
  asset: id,
  kind: 'video',
  mime: 'video/mp4',
  bytes: 1000,
  name: 'talk.mp4',
  duration: 147.7,
  hasSound: true,
};
const sidecar = (mime: string, name: string): Asset => ({ asset: 'b'.repeat(64), kind: 'text', mime, bytes: 10, name });
const transcript: Transcript = {
  language: 'en',
  duration: 147.7,
  words: [{ text: 'Hi', start: 0, end: 1 }],
  speakers: [],
  turns: [],
  speech: [{ start: 0, end: 1 }],
  engine: { id: 'attached', label: 'Attached SRT' },
};
const config = { recording: { asset: id } };

test('a film with captions of the same name brings both, and words with times win over captions', async () => {
  const ctx = fakeCtx(manifest, {
    config,
    replies: [
      {
        asset: film,
        sidecars: [sidecar('application/x-subrip', 'talk.srt'), sidecar('application/json', 'talk.json')],
      },
      '{}',
      transcript,
    ],
  });
  await expect(ctx.execute({})).resolves.toEqual({ recording: film, attached: transcript });
  expect(ctx.calls.at(-1)?.args).toEqual({ text: '{}', name: 'talk.json', duration: 147.7 });
  expect(ctx.facts).toMatchObject({ Length: '2:27', Captions: '1 words' });
});

test('captions that cannot be read are named and do not stop the recording; the next ones are tried', async () => {
  const broken = new NodeError('ATTACHED_UNREADABLE', 'talk.vtt could not be read');
  const ctx = fakeCtx(manifest, {
    config,
    replies: [
      { asset: film, sidecars: [sidecar('text/vtt', 'talk.vtt')] },
      'WEBVTT',
      broken,
      [{ language: 'de', vtt: 'WEBVTT 2' }],
      transcript,
    ],
  });
  await expect(ctx.execute({})).resolves.toHaveProperty('attached');
  expect(ctx.lines[0]).toContain('talk.vtt');
  expect(ctx.calls.at(-1)?.args).toMatchObject({ text: 'WEBVTT 2', language: 'de' });
});

test('an address is loaded first; a text file comes out as text', async () => {
  const text: Asset = { asset: id, kind: 'text', mime: 'text/markdown', bytes: 20, name: 'notes.md' };
  const ctx = fakeCtx(manifest, {
    config: { recording: { url: 'https://example.com/notes.md' } },
    replies: [text, { asset: text, sidecars: [] }, '# Hello world'],
  });
  await expect(ctx.execute({})).resolves.toEqual({ text: '# Hello world' });
});

test.each([
  ['nothing chosen', {}, [], 'RECORDING_MISSING'],
  [
    'a PDF',
    config,
    [{ asset: { asset: id, kind: 'file', mime: 'application/pdf', bytes: 5 }, sidecars: [] }],
    'NOT_MEDIA',
  ],
  [
    'a picture',
    config,
    [{ asset: { asset: id, kind: 'image', mime: 'image/png', bytes: 5 }, sidecars: [] }],
    'NOT_MEDIA',
  ],
  ['an empty film', config, [{ asset: { ...film, duration: 0 }, sidecars: [] }], 'NOT_MEDIA'],
  [
    'too many bytes',
    { ...config, maxSize: 1 },
    [{ asset: { ...film, bytes: 2 * 1024 ** 3 }, sidecars: [] }],
    'RECORDING_TOO_LARGE',
  ],
])('%s is refused in words', async (_name, wrong, replies, code) => {
  await expect(fakeCtx(manifest, { config: wrong, replies }).execute({})).rejects.toMatchObject({ code });
});

test('an address must be written whole', () => {
  expect(() => fakeCtx(manifest, { config: { recording: { url: 'file:///etc/passwd' } } })).toThrow(/whole address/);
});

test('the example on the help page is what the node does', async () => {
  const { config, replies, outputs } = manifest.example;
  await expect(fakeCtx(manifest, { config, replies }).execute({})).resolves.toEqual(outputs);
});
