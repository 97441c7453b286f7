import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { embed, stopEmbedding } from '../../runtime/language/embed.ts';
import { parseAttached } from '../../runtime/speech/attached.ts';
import type { Segment, Transcript } from '../contract.ts';
import { fakeCtx } from '../testing.ts';
import { snapChosen } from './chunk/chat.ts';
import { chunkLocally } from './chunk/local.ts';
import { splitSentences } from './chunk/sentences.ts';
import { manifest } from './chunk.ts';

afterAll(stopEmbedding);

const file = path.join(import.meta.dirname, '../../templates/sample/talk.transcript.json');
const sample = parseAttached({ text: readFileSync(file, 'utf8'), name: 'talk.transcript.json', duration: 147.73 });
const limits = { least: 3, most: 7, minSeconds: 12, maxSeconds: 60 };
const embedReply = ({ texts }: { texts: string[] }) => embed(texts);

const moved = (transcript: Transcript, by: number): Transcript => ({
  ...transcript,
  duration: transcript.duration + by,
  words: transcript.words.map((word) => ({ ...word, start: word.start + by, end: word.end + by })),
  speech: transcript.speech.map((turn) => ({ ...turn, start: turn.start + by, end: turn.end + by })),
});
const words = (text: string, pause = 0.05): Transcript['words'] => {
  let at = 0;
  return text.split(' ').map((one) => {
    const word = { text: one, start: at, end: at + 0.3 };
    at += 0.3 + pause;
    return word;
  });
};
const texts = (text: string, pause?: number) =>
  splitSentences({ words: words(text, pause), speech: [] }).map((one) => one.text);

test('the sample gives three to seven segments on sentence borders, within the range of lengths, none overlapping', async () => {
  const ctx = fakeCtx(manifest, { config: { engine: 'local' }, replies: [embedReply] });
  const { segments } = await ctx.execute({ transcript: sample });
  const starts = new Set(splitSentences(sample).map((one) => one.start / 1000));
  const ends = new Set(splitSentences(sample).map((one) => one.end / 1000));
  expect(segments.length).toBeGreaterThanOrEqual(3);
  expect(segments.length).toBeLessThanOrEqual(7);
  for (const [index, segment] of segments.entries()) {
    expect(starts).toContain(segment.start);
    expect(ends).toContain(segment.end);
    expect(segment.end - segment.start).toBeGreaterThanOrEqual(12);
    expect(segment.end - segment.start).toBeLessThanOrEqual(60);
    if (index > 0) expect(segment.start).toBeGreaterThanOrEqual(segments[index - 1]!.end);
  }
  expect(new Set(segments.map((segment) => segment.title)).size).toBe(segments.length);
});

test('no word of title, quotes, topics or summary was invented', async () => {
  const segments = chunkLocally(
    splitSentences(sample),
    limits,
    await embed(splitSentences(sample).map((one) => one.text)),
  );
  const spoken = (segment: Segment) =>
    sample.words
      .filter((word) => word.start >= segment.start - 0.001 && word.end <= segment.end + 0.001)
      .map((word) => word.text)
      .join(' ')
      .toLowerCase();
  for (const segment of segments) {
    const said = spoken(segment);
    for (const quote of segment.quotes) expect(said).toContain(quote.toLowerCase());
    for (const text of [segment.title, segment.summary, ...segment.topics]) {
      for (const word of text
        .toLowerCase()
        .split(/[^a-z0-9']+/)
        .filter(Boolean))
        expect(said).toContain(word);
    }
    expect(segment.why).toMatch(/sentence/);
  }
});

test('moving the recording by a second moves the cuts by a second and changes nothing else', async () => {
  const vectors = await embed(splitSentences(sample).map((one) => one.text));
  const before = chunkLocally(splitSentences(sample), limits, vectors);
  const after = chunkLocally(splitSentences(moved(sample, 1)), limits, vectors);
  const back = (value: number) => Math.round((value - 1) * 1000) / 1000;
  expect(after.map((segment) => ({ ...segment, start: back(segment.start), end: back(segment.end) }))).toEqual(before);
  expect(chunkLocally(splitSentences(sample), limits, vectors)).toEqual(before);
});

test('without words it goes by the pauses between speech', async () => {
  const speech = [
    { start: 0, end: 8 },
    { start: 8.3, end: 16 },
    { start: 19, end: 27 },
    { start: 27.2, end: 34 },
    { start: 38, end: 53 },
  ];
  const transcript = { ...sample, words: [], speech, duration: 55 };
  const ctx = fakeCtx(manifest, { config: { engine: 'local', minSeconds: 12 } });
  const { segments } = await ctx.execute({ transcript });
  expect(segments.map((segment) => [segment.start, segment.end])).toEqual([
    [0, 16],
    [19, 34],
    [38, 53],
  ]);
  expect(segments[0]).toMatchObject({ title: 'Part 1', quotes: [], summary: '' });
  expect(ctx.calls).toEqual([]);
});

test('abbreviations, initials and addresses end no sentence; pauses do where an engine writes no full stops', () => {
  expect(texts('Dr. Smith met John F. Kennedy at www.example.com. He paid 3.5 euros.')).toEqual([
    'Dr. Smith met John F. Kennedy at www.example.com.',
    'He paid 3.5 euros.',
  ]);
  expect(texts('and so my fellow', 0.4)).toHaveLength(4);
});

test('a change of speaker ends a sentence', () => {
  const two = words('yes I think so no you do not').map((word, index) => ({
    ...word,
    speaker: index < 4 ? 's1' : 's2',
  }));
  expect(splitSentences({ words: two, speech: [] }).map((one) => one.speaker)).toEqual(['s1', 's2']);
});

test('where the sentence model is absent, shared words do; other languages never ask it', async () => {
  const failed = Object.assign(new Error('The sentence model failed.'), { code: 'EMBED_FAILED' });
  const ctx = fakeCtx(manifest, { config: { engine: 'local' }, replies: [failed] });
  await expect(ctx.execute({ transcript: sample })).resolves.toHaveProperty('segments');
  expect(ctx.lines[0]).toMatch(/Shared words/);
  const german = fakeCtx(manifest, { config: { engine: 'local' } });
  await german.execute({ transcript: { ...sample, language: 'de' } });
  expect(german.calls).toEqual([]);
});

const openai = [{ id: 'openai', label: 'OpenAI', available: true, goesTo: 'OpenAI', missing: null }];
const choice = (more: object) => ({
  first: 0,
  last: 2,
  title: 'A title',
  summary: 'S.',
  score: 0.9,
  why: 'Because.',
  quotes: [],
  topics: [],
  ...more,
});

test("a chat model's choice is snapped to sentences; invented quotes and impossible parts are dropped", async () => {
  const answer = {
    segments: [
      choice({ first: 0, last: 3, quotes: ['ask what you can do for your country', 'I never said that'] }),
      choice({ first: 2, last: 4, title: 'overlaps', score: 0.5 }),
      choice({ first: 900, last: 901, score: 1 }),
      choice({ first: 9, last: 9, title: 'grows', score: 0.4 }),
    ],
  };
  const ctx = fakeCtx(manifest, { config: { model: 'm', minSeconds: 14 }, replies: [openai, answer] });
  const { segments } = await ctx.execute({ transcript: sample });
  expect(segments.map((segment) => segment.title)).toEqual(['A title', 'grows']);
  expect(segments[0]!.quotes).toEqual(['ask what you can do for your country']);
  expect(segments[1]!.end - segments[1]!.start).toBeGreaterThanOrEqual(14);
  expect(ctx.calls[1]?.args).toMatchObject({ model: 'm', name: 'segments' });
});

test('auto without a key is the local engine; openai without a key asks for one', async () => {
  const none = [{ ...openai[0]!, available: false, missing: 'Set a key in Settings.' }];
  const auto = fakeCtx(manifest, { replies: [none, embedReply] });
  await expect(auto.execute({ transcript: sample })).resolves.toHaveProperty('segments');
  const asked = fakeCtx(manifest, { config: { engine: 'openai' }, replies: [none] });
  await expect(asked.execute({ transcript: sample })).rejects.toMatchObject({
    code: 'ENGINE_MISSING',
    hint: 'Set a key in Settings.',
  });
});

test.each([
  ['silence', { ...sample, words: [], speech: [] }, {}, [], 'NOTHING_SAID'],
  ['too short a range', sample, { minSeconds: 600, maxSeconds: 900 }, [embedReply], 'NO_SEGMENT_FITS'],
  [
    'another shape than asked for',
    sample,
    { engine: 'openai' as const },
    [openai, { parts: [] }],
    'MODEL_ANSWER_UNUSABLE',
  ],
])('%s is said in words', async (_name, transcript, config, replies, code) => {
  const ctx = fakeCtx(manifest, { config: { engine: 'local', ...config }, replies });
  await expect(ctx.execute({ transcript })).rejects.toMatchObject({ code });
});

test('a part that is too long loses sentences at its end', () => {
  const sentences = splitSentences(sample);
  const [segment] = snapChosen([choice({ first: 1, last: 15 })], sentences, { ...limits, maxSeconds: 30 });
  expect(segment!.start).toBe(sentences[1]!.start / 1000);
  expect(segment!.end - segment!.start).toBeLessThanOrEqual(30);
});

test('the example on the help page gives what it says', async () => {
  const { config, inputs, replies } = manifest.example as {
    config: never;
    inputs: { transcript: Transcript };
    replies: unknown[];
  };
  const { segments } = await fakeCtx(manifest, { config, replies }).execute(inputs);
  expect(segments).toHaveLength(1);
  expect(segments[0]).toMatchObject({ start: 1, end: 5.4 });
});

test.each([
  [{ least: 5, most: 2 }, 'most', 'Must not be below "At least".'],
  [{ minSeconds: 60, maxSeconds: 60 }, 'maxSeconds', 'Must be longer than "Shortest".'],
])('settings that contradict one another are told beside the second of them: %j', (config, field, message) => {
  const { error } = manifest.config.safeParse(config);
  expect(error?.issues).toMatchObject([{ path: [field], message }]);
});
