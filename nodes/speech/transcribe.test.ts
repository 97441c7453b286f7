import { expect, test } from 'vitest';
import { type EngineInfo, type MediaAsset, NodeError, type Transcript } from '../contract.ts';
import { fakeCtx } from '../testing.ts';
import { joinParts, manifest } from './transcribe.ts';

const recording: MediaAsset = { asset: 'a'.repeat(64), kind: 'audio', mime: 'audio/wav', bytes: 10, duration: 60 };
const engine = (id: string, available: boolean, more: Partial<EngineInfo> = {}): EngineInfo => ({
  id,
  label: id,
  available,
  goesTo: 'this machine',
  missing: available ? null : `Install ${id}.`,
  ...more,
});
const transcript = (start = 0, id = 'draft'): Transcript => ({
  language: 'en',
  duration: 60,
  words: [{ text: 'Hi', start, end: start + 1, speaker: 's1' }],
  speakers: [{ id: 's1', name: 'Jane' }],
  turns: [{ start, end: start + 1, speaker: 's1' }],
  speech: [{ start, end: start + 1 }],
  engine: { id, label: id },
});

test('what came with the recording is used before any engine, even where a key exists, and costs nothing', async () => {
  const ctx = fakeCtx(manifest);
  const { transcript: made } = await ctx.execute({ recording, attached: transcript(0, 'attached') });
  expect(ctx.calls).toEqual([]);
  expect(made.engine.note).toBe('No engine was needed and nothing was paid.');
});

test('captions of another cut lose what lies beyond the end, and it is said', async () => {
  const attached = {
    ...transcript(),
    words: [
      { text: 'in', start: 1, end: 2 },
      { text: 'out', start: 70, end: 71 },
    ],
  };
  const { transcript: made } = await fakeCtx(manifest).execute({ recording, attached });
  expect(made.words.map((word) => word.text)).toEqual(['in']);
  expect(made.engine.note).toMatch(/1 words lie beyond/);
});

test('auto takes the first engine there is', async () => {
  const ctx = fakeCtx(manifest, {
    replies: [
      [engine('assemblyai', false), engine('openai', true), engine('draft', true)],
      { parts: [{ start: 0, end: 60 }] },
      transcript(0, 'openai'),
    ],
  });
  const { transcript: made } = await ctx.execute({ recording });
  expect(made.engine.id).toBe('openai');
  expect(ctx.calls.at(-1)?.args).toEqual({ engine: 'openai', asset: recording.asset });
});

test('a service with jobs is asked in three recorded steps', async () => {
  const ctx = fakeCtx(manifest, {
    config: { engine: 'assemblyai', language: 'en', names: ['Digium'] },
    replies: [
      [engine('assemblyai', true, { jobs: true })],
      { source: 'https://cdn/1' },
      { job: 'j1' },
      transcript(),
      { erased: true },
    ],
  });
  await ctx.execute({ recording });
  expect(ctx.calls.map((call) => call.method)).toEqual(['engines', 'upload', 'submit', 'transcribe', 'forget']);
  expect(ctx.calls[2]?.args).toEqual({
    engine: 'assemblyai',
    language: 'en',
    names: ['Digium'],
    source: 'https://cdn/1',
  });
  expect(ctx.calls[3]?.args).toMatchObject({ job: 'j1' });
});

test('a job that failed at the service is ordered again; what cannot be erased loses no words', async () => {
  const failed = new NodeError('SERVICE_JOB_FAILED', 'Server error.', { retry: 'later' });
  const ctx = fakeCtx(manifest, {
    config: { engine: 'assemblyai' },
    replies: [
      [engine('assemblyai', true, { jobs: true })],
      { source: 'u' },
      { job: 'j1' },
      failed,
      { job: 'j2' },
      transcript(),
      new NodeError('SERVICE_UNREACHABLE', 'No answer.'),
    ],
  });
  await expect(ctx.execute({ recording })).resolves.toHaveProperty('transcript');
  expect(ctx.lines.join(' ')).toMatch(/Ordered again.*not erased/);
});

test('a long recording is made in parts and joined in order; speakers of parts are not mixed up', async () => {
  const ctx = fakeCtx(manifest, {
    config: { engine: 'openai' },
    replies: [
      [engine('openai', true)],
      {
        parts: [
          { start: 0, end: 30 },
          { start: 30, end: 60 },
        ],
      },
      transcript(1),
      transcript(31),
    ],
  });
  const { transcript: made } = await ctx.execute({ recording });
  expect(made.words.map((word) => [word.start, word.speaker])).toEqual([
    [1, 'p1-s1'],
    [31, 'p2-s1'],
  ]);
  expect(made.speakers.map((speaker) => speaker.name)).toEqual(['Jane (part 1)', 'Jane (part 2)']);
  expect(ctx.calls.at(-1)?.args).toMatchObject({ start: 30, end: 60 });
});

test('with no engine at all there is still speech, and what is missing is said', async () => {
  const ctx = fakeCtx(manifest, {
    replies: [[engine('assemblyai', false), engine('draft', false)], [{ start: 1, end: 4 }]],
  });
  const { transcript: made } = await ctx.execute({ recording });
  expect(made).toMatchObject({ words: [], speech: [{ start: 1, end: 4 }], engine: { id: 'speech-only' } });
  expect(made.engine.note).toContain('Install draft.');
});

test.each([
  [{ engine: 'attached' as const }, recording, [], 'ATTACHED_MISSING'],
  [{ engine: 'local' as const }, recording, [[engine('local', false)]], 'ENGINE_MISSING'],
  [{}, { ...recording, kind: 'video' as const, hasSound: false }, [], 'NO_SOUND'],
])('what cannot be done says so: %o', async (config, asset, replies, code) => {
  await expect(fakeCtx(manifest, { config, replies }).execute({ recording: asset })).rejects.toMatchObject({ code });
});

test('one part stays as it is', () => {
  expect(joinParts([transcript()], recording)).toEqual(transcript());
});

test('the example on the help page is what the node does', async () => {
  const { inputs, outputs } = manifest.example as { inputs: { recording: MediaAsset }; outputs: unknown };
  await expect(fakeCtx(manifest).execute(inputs)).resolves.toEqual(outputs);
});
