import { expect, test } from 'vitest';
import { type EngineInfo, type MediaAsset, NodeError, type Transcript } from '../contract.ts';
import { fakeCtx } from '../testing.ts';
import { assignSpeakers, manifest } from './diarize.ts';

const recording: MediaAsset = { asset: 'a'.repeat(64), kind: 'audio', mime: 'audio/wav', bytes: 10, duration: 10 };
const engine = (id: string, available: boolean, more: Partial<EngineInfo> = {}): EngineInfo => ({
  id,
  label: id,
  available,
  goesTo: 'here',
  missing: available ? null : `Get ${id}.`,
  ...more,
});
const transcript: Transcript = {
  language: 'en',
  duration: 10,
  words: [0, 1, 2, 3, 4, 5].map((at) => ({ text: `w${at}`, start: at, end: at + 0.8 })),
  speakers: [],
  turns: [],
  speech: [{ start: 0, end: 6 }],
  engine: { id: 'draft', label: 'Draft' },
};
const turns = [
  { start: 0, end: 2.9, speaker: 'B' },
  { start: 2.4, end: 4, speaker: 'A' },
  { start: 4, end: 6, speaker: 'B' },
];

test('each word gets its speaker, numbered by who speaks first, and words spoken at once keep both', () => {
  const { words, speakers, turns: kept } = assignSpeakers(transcript, turns);
  expect(words.map((word) => word.speaker)).toEqual(['s1', 's1', 's1', 's2', 's1', 's1']);
  expect(words[2]?.speakers).toEqual(['s1', 's2']);
  expect(words[3]?.speakers).toBeUndefined();
  expect(speakers).toEqual([
    { id: 's1', name: 'Speaker 1' },
    { id: 's2', name: 'Speaker 2' },
  ]);
  expect(kept).toHaveLength(3);
});

test('a word in a gap takes the nearest turn, one far from everybody takes none, a blip is smoothed away', () => {
  const quick = {
    ...transcript,
    words: [
      { text: 'a', start: 0, end: 0.5 },
      { text: 'b', start: 0.55, end: 0.8 },
      { text: 'c', start: 0.85, end: 1.5 },
      { text: 'gap', start: 2, end: 2.3 },
      { text: 'far', start: 9, end: 9.5 },
    ],
  };
  const { words } = assignSpeakers(quick, [
    { start: 0, end: 0.52, speaker: 'x' },
    { start: 0.52, end: 0.83, speaker: 'y' },
    { start: 0.83, end: 1.6, speaker: 'x' },
  ]);
  expect(words.map((word) => word.speaker)).toEqual(['s1', 's1', 's1', 's1', undefined]);
});

test('speakers that the captions name are kept, without asking anybody', async () => {
  const named = {
    ...transcript,
    speakers: [{ id: 's1', name: 'Jane' }],
    turns: [{ start: 0, end: 6, speaker: 's1' }],
    engine: { id: 'attached', label: 'Attached SRT' },
  };
  const ctx = fakeCtx(manifest);
  const { transcript: made } = await ctx.execute({ recording, transcript: named });
  expect(made.speakers).toEqual(named.speakers);
  expect(ctx.calls).toEqual([]);
  expect(ctx.facts.Engine).toBe('Attached SRT');
});

test('auto takes the first engine there is and says what it cannot tell', async () => {
  const ctx = fakeCtx(manifest, {
    replies: [[engine('assemblyai', false), engine('local', false), engine('basic', true)], turns],
  });
  const { transcript: made } = await ctx.execute({ recording, transcript });
  expect(made.engine.note).toMatch(/sound alike become one/);
  expect(made.speakers).toHaveLength(2);
});

test('a service is asked in recorded steps with the number of speakers, and told to forget', async () => {
  const ctx = fakeCtx(manifest, {
    config: { speakers: 2 },
    replies: [
      [engine('assemblyai', true, { jobs: true })],
      { source: 'u' },
      { job: 'j' },
      turns,
      new NodeError('SERVICE_FAILED', 'No.'),
    ],
  });
  await ctx.execute({ recording, transcript });
  expect(ctx.calls.map((call) => call.method)).toEqual(['engines', 'upload', 'submit', 'diarize', 'forget']);
  expect(ctx.calls[2]?.args).toEqual({ engine: 'assemblyai', source: 'u', language: 'en', speakers: 2 });
  expect(ctx.lines[0]).toMatch(/not erased/);
});

test('where nothing can tell speakers apart the words pass through, and what is missing is said', async () => {
  const ctx = fakeCtx(manifest, { replies: [[engine('assemblyai', false), engine('local', false)]] });
  const { transcript: made } = await ctx.execute({ recording, transcript });
  expect(made.words).toEqual(transcript.words);
  expect(made.engine.note).toBe('Nothing here can tell speakers apart. Get assemblyai. Get local.');
});

test('one speaker needs no engine; a named engine that is absent asks for itself', async () => {
  const one = fakeCtx(manifest, { config: { speakers: 1 } });
  const { transcript: made } = await one.execute({ recording, transcript });
  expect(new Set(made.words.map((word) => word.speaker))).toEqual(new Set(['s1']));
  const ctx = fakeCtx(manifest, { config: { engine: 'local' }, replies: [[engine('local', false)]] });
  await expect(ctx.execute({ recording, transcript })).rejects.toMatchObject({
    code: 'ENGINE_MISSING',
    hint: 'Get local.',
  });
  await expect(
    fakeCtx(manifest, { config: { engine: 'attached' } }).execute({ recording, transcript }),
  ).rejects.toMatchObject({ code: 'SPEAKERS_NOT_NAMED' });
});

test('the example on the help page gives what it says', async () => {
  const { config, inputs, replies } = manifest.example as { config: never; inputs: never; replies: unknown[] };
  const { transcript: made } = await fakeCtx(manifest, { config, replies }).execute(inputs);
  expect(made.words.map((word) => word.speaker)).toEqual(['s1', 's2']);
});
