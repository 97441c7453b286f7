/** What the emulators hold to, so that a connector's test against them means something. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type AaiState, startAssemblyAi } from './assemblyai.ts';
import { type OpenAiState, startOpenAi } from './openai.ts';
import type { Emulator } from './support.ts';

let openai: Emulator<OpenAiState>;
let assembly: Emulator<AaiState>;
beforeAll(async () => {
  [openai, assembly] = await Promise.all([startOpenAi(), startAssemblyAi()]);
});
afterEach(() => {
  openai.reset();
  assembly.reset();
});
afterAll(() => Promise.all([openai.close(), assembly.close()]));

const aai = (path: string, init: RequestInit = {}) =>
  fetch(assembly.origin + path, {
    ...init,
    headers: { authorization: 'aai-key-1', ...(init.headers as Record<string, string>) },
  });
const oai = (path: string, body?: unknown) =>
  fetch(openai.origin + path, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { authorization: 'Bearer sk-test-1', 'content-type': 'application/json' },
  });
const order = (params: object) =>
  aai('/v2/transcript', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
  });

test.each([
  ['Bearer before the key', () => aai('/v2/transcript', { headers: { authorization: 'Bearer aai-key-1' } }), 401],
  ['an unknown path', () => aai('/v2/transcripts'), 404],
  [
    'an upload as JSON',
    () => aai('/v2/upload', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }),
    422,
  ],
  ['an unknown parameter', () => order({ audio_url: 'https://x/a.mp3', speaker_label: true }), 400],
  [
    'both ways to say how many speakers',
    () => order({ audio_url: 'https://x/a.mp3', speaker_labels: true, speakers_expected: 2, speaker_options: {} }),
    400,
  ],
  ['an unknown id', () => aai('/v2/transcript/nothing'), 400],
])('AssemblyAI refuses %s in its own words', async (_name, ask, status) => {
  const reply = await ask();
  expect(reply.status).toBe(status);
  expect(await reply.json()).toEqual({ error: expect.any(String) });
});

test('embeddings come as little-endian base64 where asked, with their index', async () => {
  const reply = await oai('/v1/embeddings', {
    model: 'text-embedding-3-small',
    input: ['a b', 'c'],
    encoding_format: 'base64',
  });
  const { data } = (await reply.json()) as { data: { index: number; embedding: string }[] };
  const bytes = Buffer.from(data[1]!.embedding, 'base64');
  expect(bytes.length).toBe(1536 * 4);
  const length = Math.hypot(...Array.from({ length: 1536 }, (_, at) => bytes.readFloatLE(at * 4)));
  expect(length).toBeCloseTo(1, 5);
  expect(data.map((one) => one.index)).toEqual([0, 1]);
});

test.each([
  [
    'a schema with an optional property',
    { type: 'object', additionalProperties: false, required: [], properties: { a: { type: 'string' } } },
  ],
  ['a schema open to more', { type: 'object', required: ['a'], properties: { a: { type: 'string' } } }],
])('OpenAI refuses %s in strict mode', async (_name, schema) => {
  const reply = await oai('/v1/chat/completions', {
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: 'x' }],
    response_format: { type: 'json_schema', json_schema: { name: 'a', strict: true, schema } },
  });
  expect(reply.status).toBe(400);
  expect(await reply.json()).toMatchObject({
    error: { type: 'invalid_request_error', message: expect.stringMatching(/required to/) },
  });
});

test('OpenAI refuses a file it cannot know by its name, and word times with another model than whisper-1', async () => {
  const send = (name: string, model: string) => {
    const form = new FormData();
    form.set('file', new File(['x'], name));
    form.set('model', model);
    form.set('response_format', 'verbose_json');
    return fetch(`${openai.origin}/v1/audio/transcriptions`, {
      method: 'POST',
      body: form,
      headers: { authorization: 'Bearer sk-test-1' },
    });
  };
  expect((await send('a.exe', 'whisper-1')).status).toBe(400);
  expect((await send('a.wav', 'gpt-4o-transcribe')).status).toBe(400);
  expect((await send('a.wav', 'whisper-1')).status).toBe(200);
});

test('faults happen as planned: a committed order whose answer is lost exists', async () => {
  assembly.faults.add({ method: 'POST', path: '/v2/transcript', kind: 'commit-then-drop', skip: 1 });
  expect((await order({ audio_url: 'https://x/a.mp3' })).status).toBe(200);
  await expect(order({ audio_url: 'https://x/b.mp3' })).rejects.toThrow();
  expect(assembly.state.jobs.size).toBe(2);
  expect(assembly.requests.map((request) => request.status)).toEqual([200, null]);
});

test('another process sets faults, moves the clock and reads the record', async () => {
  const control = (path: string, body?: unknown) =>
    fetch(
      `${openai.origin}/__emulator/${path}`,
      body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) },
    );
  await control('faults', { path: '/v1/models', kind: 'status', status: 503 });
  const before = openai.clock.now();
  await control('clock', { advanceMs: 3_600_000 });
  expect(openai.clock.now() - before).toBeGreaterThanOrEqual(3_600_000);
  expect((await oai('/v1/models')).status).toBe(503);
  expect((await oai('/v1/models')).status).toBe(200);
  const record = (await (await control('requests')).json()) as { path: string }[];
  expect(record.map((one) => one.path)).toEqual(['/v1/models', '/v1/models']);
});
