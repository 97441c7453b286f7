/**
 * Speech and language services on the wire: the real SDKs against emulators, reached by the operator's map only.
 */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type AaiState, DEFAULT_RESULT, startAssemblyAi } from '../../emulators/assemblyai.ts';
import { DEFAULT_SPEECH, type OpenAiState, startOpenAi } from '../../emulators/openai.ts';
import type { Emulator } from '../../emulators/support.ts';
import type { Asset } from '../../nodes/contract.ts';
import { type Ai, aiCapability } from '../../runtime/capabilities/ai.ts';
import { createFetcher, type Fetcher } from '../../runtime/fetch.ts';
import type { ServiceKeys } from '../../runtime/speech/service.ts';
import { type LocalScope, localScope } from './scope.ts';

let openai: Emulator<OpenAiState>;
let assembly: Emulator<AaiState>;
let fetcher: Fetcher;
let scope: LocalScope;
let asset: Asset;
let keys: ServiceKeys;
let ai: Ai;

const KEYS: ServiceKeys = { openai: { key: 'sk-test-1' }, assemblyai: { key: 'aai-key-1' } };

beforeAll(async () => {
  [openai, assembly, scope] = await Promise.all([startOpenAi(), startAssemblyAi(), localScope()]);
  fetcher = createFetcher({
    egress: new Map([
      [openai.realOrigin, openai.origin],
      [assembly.realOrigin, assembly.origin],
    ]),
  });
  asset = await scope.keep(path.join(import.meta.dirname, '../fixtures/jfk.flac'), {
    kind: 'audio',
    mime: 'audio/flac',
    duration: 11,
  });
  keys = KEYS;
  ai = aiCapability({
    fetcher,
    keys: async () => keys,
    models: path.join(import.meta.dirname, 'no-models-here'),
    speech: async () => [{ start: 0.3, end: 10.5 }],
    pollMs: 20,
  });
});
afterEach(() => {
  openai.reset();
  assembly.reset();
  keys = KEYS;
});
afterAll(async () => {
  await Promise.all([fetcher.close(), openai.close(), assembly.close()]);
  await scope[Symbol.asyncDispose]();
});

const call = <T>(name: string, input: unknown, more: Partial<LocalScope> = {}) =>
  ai.methods[name]!.act({ ...scope, ...more }, input) as Promise<T>;
const error = (code: string, retry: string, more: object = {}) =>
  expect.objectContaining({ error: expect.objectContaining({ code, retry, ...more }) });
const order = { engine: 'openai' };
const chat = {
  system: 's',
  prompt: 'p',
  name: 'segments',
  schema: { type: 'object', additionalProperties: false, required: ['a'], properties: { a: { type: 'number' } } },
};

describe('AssemblyAI', () => {
  async function throughJobs() {
    const { source } = await call<{ source: string }>('upload', { engine: 'assemblyai', asset: asset.asset });
    const { job } = await call<{ job: string }>('submit', {
      engine: 'assemblyai',
      source,
      names: ['Digium'],
      speakers: 2,
    });
    return {
      source,
      job,
      transcript: await call<import('../../nodes/contract.ts').Transcript>('transcribe', {
        engine: 'assemblyai',
        asset: asset.asset,
        job,
      }),
    };
  }

  test('uploads the sound, orders, looks until it is done, and gives words in seconds with speakers', async () => {
    const { transcript } = await throughJobs();
    expect(transcript.words[0]).toEqual({ text: 'Hello', start: 0.2, end: 0.54, confidence: 0.97, speaker: 's1' });
    expect(transcript.speakers.map((speaker) => speaker.name)).toEqual(['Speaker A', 'Speaker B']);
    expect(transcript.turns).toHaveLength(2);
    expect(transcript).toMatchObject({ language: 'en', duration: 11, engine: { id: 'assemblyai' } });
    const [upload, submit, look] = assembly.requests;
    expect(upload).toMatchObject({ method: 'POST', path: '/v2/upload', status: 200 });
    expect(upload!.headers).toMatchObject({ authorization: 'aai-key-1', 'content-type': 'application/octet-stream' });
    expect(upload!.bytes).toBeGreaterThan(30_000);
    expect(submit!.json).toMatchObject({
      speaker_labels: true,
      speakers_expected: 2,
      keyterms_prompt: ['Digium'],
      language_detection: true,
    });
    expect(look!.path).toMatch(/^\/v2\/transcript\//);
  });

  test('has it erased afterwards, unless the workspace keeps it there', async () => {
    const { job } = await throughJobs();
    await expect(call('forget', { engine: 'assemblyai', job })).resolves.toEqual({ erased: true });
    expect(assembly.state.jobs.get(job)?.deleted).toBe(true);
    expect(assembly.state.uploads.size).toBe(0);
    keys = { assemblyai: { key: 'aai-key-1', keepAtService: true } };
    await expect(call('forget', { engine: 'assemblyai', job })).resolves.toEqual({ erased: false });
  });

  test('an order whose answer was lost is found again on the next attempt, and not paid twice', async () => {
    const { source } = await call<{ source: string }>('upload', { engine: 'assemblyai', asset: asset.asset });
    assembly.faults.add({ method: 'POST', path: '/v2/transcript', kind: 'commit-then-drop' });
    const submit = { engine: 'assemblyai', source };
    await expect(call('submit', submit)).rejects.toEqual(error('SERVICE_UNREACHABLE', 'later'));
    const { job } = await call<{ job: string }>('submit', submit, { attempt: 2 });
    expect([...assembly.state.jobs.keys()]).toEqual([job]);
  });

  test('a job that failed answers 200, and is still an error; its own fault may be ordered again', async () => {
    assembly.state.results = [{ error: 'Audio duration is too short.' }];
    await expect(throughJobs()).rejects.toEqual(error('SERVICE_JOB_REFUSED', 'never'));
    assembly.state.results = [{ error: 'Server error, developers have been alerted.' }];
    await expect(throughJobs()).rejects.toEqual(error('SERVICE_JOB_FAILED', 'later'));
  });

  test('looks that are lost or refused for a moment are repeated', async () => {
    assembly.faults.add(
      { method: 'GET', path: '/v2/transcript/*', kind: 'drop-before-read' },
      { method: 'GET', path: '/v2/transcript/*', kind: 'status', status: 503 },
      {
        method: 'GET',
        path: '/v2/transcript/*',
        kind: 'status',
        status: 429,
        headers: { 'retry-after': '1' },
        body: { error: 'Too many requests' },
      },
      { method: 'GET', path: '/v2/transcript/*', kind: 'slow', delayMs: 30 },
    );
    await expect(throughJobs()).resolves.toHaveProperty(
      'transcript.words.length',
      DEFAULT_RESULT && 'words' in DEFAULT_RESULT ? DEFAULT_RESULT.words.length : 0,
    );
  });

  test.each([
    ['a bad key', { key: 'wrong-key' }, [], 'SERVICE_KEY_REFUSED', 'person'],
    ['no credit', { key: 'aai-key-2' }, [], 'SERVICE_QUOTA', 'person'],
    [
      'too many requests',
      { key: 'aai-key-1' },
      [
        {
          path: '/v2/upload',
          kind: 'status' as const,
          status: 429,
          headers: { 'retry-after': '3600' },
          body: { error: 'Too many requests' },
        },
      ],
      'SERVICE_BUSY',
      'later',
    ],
    [
      'a fault of theirs',
      { key: 'aai-key-1' },
      [{ path: '/v2/upload', kind: 'status' as const, status: 502, body: 'Bad gateway' }],
      'SERVICE_FAILED',
      'later',
    ],
    [
      'a cut upload',
      { key: 'aai-key-1' },
      [{ path: '/v2/upload', kind: 'drop-mid-body' as const, afterBytes: 2000 }],
      'SERVICE_UNREACHABLE',
      'later',
    ],
  ])('%s is told apart', async (_name, key, faults, code, retry) => {
    keys = { assemblyai: key };
    assembly.state.withoutBalance.add('project-2');
    assembly.faults.add(...faults);
    await expect(throughJobs()).rejects.toEqual(error(code, retry));
  });

  test('another account cannot use the upload', async () => {
    const { source } = await call<{ source: string }>('upload', { engine: 'assemblyai', asset: asset.asset });
    keys = { assemblyai: { key: 'aai-key-2' } };
    await expect(call('submit', { engine: 'assemblyai', source })).rejects.toEqual(error('SERVICE_REFUSED', 'never'));
  });

  test('cancelling ends the waiting at once', async () => {
    assembly.state.pollsUntilDone = 10_000;
    const { source } = await call<{ source: string }>('upload', { engine: 'assemblyai', asset: asset.asset });
    const { job } = await call<{ job: string }>('submit', { engine: 'assemblyai', source });
    const stop = new AbortController();
    const waiting = call('transcribe', { engine: 'assemblyai', asset: asset.asset, job }, { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('cancelled')), 60);
    await expect(waiting).rejects.toThrow(/cancelled|aborted/i);
  });
});

describe('OpenAI', () => {
  test('sends a small file with the right form and joins word times with punctuation', async () => {
    const transcript = await call<import('../../nodes/contract.ts').Transcript>('transcribe', {
      ...order,
      asset: asset.asset,
      language: 'en-US',
      names: ['Kennedy'],
    });
    expect(transcript.words.map((word) => word.text)).toEqual(['Hello,', 'world.', "It's", 'a', 'test.']);
    expect(transcript.words[1]).toMatchObject({ start: 0.7, end: 1.5 });
    expect(transcript.engine).toMatchObject({
      id: 'openai',
      label: 'OpenAI whisper-1',
      note: expect.stringMatching(/no speakers/),
    });
    expect(openai.requests[0]!.headers.authorization).toBe('Bearer sk-test-1');
    expect(openai.state.files[0]).toMatchObject({
      name: 'sound.m4a',
      fields: {
        model: ['whisper-1'],
        language: ['en'],
        response_format: ['verbose_json'],
        'timestamp_granularities[]': ['word', 'segment'],
        prompt: ['Names and terms: Kennedy.'],
      },
    });
    expect(openai.state.files[0]!.bytes).toBeLessThan(200_000);
  });

  test('a part of a longer recording comes back with times of the whole', async () => {
    const transcript = await call<import('../../nodes/contract.ts').Transcript>('transcribe', {
      ...order,
      asset: asset.asset,
      start: 5,
      end: 9,
    });
    expect(transcript.words[0]?.start).toBe(5.1);
    expect(transcript.duration).toBe(11);
  });

  test('a server that gives no word times gets them spread, and it is said', async () => {
    openai.state.transcribe = () => ({ ...DEFAULT_SPEECH, language: 'german', words: [] });
    const transcript = await call<import('../../nodes/contract.ts').Transcript>('transcribe', {
      ...order,
      asset: asset.asset,
    });
    expect(transcript.language).toBe('de');
    expect(transcript.words.map((word) => word.text).join(' ')).toBe("Hello, world. It's a test.");
    expect(transcript.engine.note).toMatch(/spread by length/);
  });

  test('gives JSON that fits the schema, by the strict form', async () => {
    openai.state.chat = [{ content: { a: 1 } }];
    await expect(call('json', chat)).resolves.toEqual({ a: 1 });
    expect(openai.requests[0]!.json).toMatchObject({
      model: 'gpt-4o-mini',
      response_format: { type: 'json_schema', json_schema: { strict: true, name: 'segments' } },
    });
  });

  test('every fault is asked once: the SDK does not retry on its own', async () => {
    openai.faults.add({
      path: '/v1/chat/completions',
      kind: 'status',
      status: 500,
      times: 5,
      body: { error: { message: 'down' } },
    });
    await expect(call('json', chat)).rejects.toEqual(error('SERVICE_FAILED', 'later'));
    expect(openai.requests).toHaveLength(1);
  });

  test('Retry-After is handed on, so that nobody asks before', async () => {
    openai.faults.add({
      path: '/v1/chat/completions',
      kind: 'status',
      status: 429,
      headers: { 'retry-after': '3600' },
      body: { error: { message: 'Rate limit reached', code: 'rate_limit_exceeded' } },
    });
    const before = Date.now();
    const thrown = await call('json', chat).catch((one) => one as { error: { notBefore: string } });
    const { notBefore } = (thrown as { error: { notBefore: string } }).error;
    expect(Date.parse(notBefore) - before).toBeGreaterThan(3_590_000);
    expect(Date.parse(notBefore) - before).toBeLessThan(3_660_000);
  });

  test.each([
    ['a bad key', 'sk-wrong', [{ content: {} }], 'SERVICE_KEY_REFUSED', 'person'],
    ['no quota', 'sk-test-2', [{ content: {} }], 'SERVICE_QUOTA', 'person'],
    ['a refusal', 'sk-test-1', [{ refusal: 'I cannot help with that.' }], 'MODEL_REFUSED', 'never'],
    [
      'an answer that was cut',
      'sk-test-1',
      [{ content: '{"a":', finish_reason: 'length' }],
      'MODEL_ANSWER_CUT',
      'never',
    ],
    ['prose instead of JSON', 'sk-test-1', [{ content: 'Sure! Here you go' }], 'MODEL_ANSWER_UNUSABLE', 'never'],
  ])('%s is told apart', async (_name, key, answers, code, retry) => {
    keys = { openai: { key } };
    openai.state.withoutQuota.add('sk-test-2');
    openai.state.chat = answers;
    await expect(call('json', chat)).rejects.toEqual(error(code, retry));
    expect(JSON.stringify(await call('json', chat).catch((one) => (one as { error: unknown }).error))).not.toContain(
      key,
    );
  });

  test('an unknown model, a schema that is not strict, a cut connection', async () => {
    await expect(call('json', { ...chat, model: 'no-such' })).rejects.toEqual(error('SERVICE_NOT_FOUND', 'person'));
    const loose = { ...chat, schema: { type: 'object', properties: { a: { type: 'number' } } } };
    await expect(call('json', loose)).rejects.toEqual(error('SERVICE_REFUSED', 'never'));
    openai.faults.add({ path: '/v1/chat/completions', kind: 'commit-then-drop' });
    await expect(call('json', chat)).rejects.toEqual(error('SERVICE_UNREACHABLE', 'later'));
  });

  test('a compatible server in the own network is reached by the map alone', async () => {
    keys = { openai: { key: 'sk-test-1', baseUrl: `${openai.origin}/v1` } };
    await expect(call('json', chat)).rejects.toEqual(error('SERVICE_ADDRESS_REFUSED', 'person'));
    expect(openai.requests).toHaveLength(0);
    const [engine] = await ai.enginesFor(scope, 'json');
    expect(engine?.goesTo).toMatch(/^127\.0\.0\.1/);
  });
});

test('engines are named best first; what is absent says how to get it', async () => {
  keys = {};
  const engines = await ai.enginesFor(scope, 'transcribe');
  expect(engines.map((engine) => engine.id)).toEqual(['assemblyai', 'openai', 'local', 'draft']);
  for (const engine of engines) expect(engine.available || engine.missing).toBeTruthy();
  expect(engines[2]).toMatchObject({
    available: false,
    install: { from: 'huggingface.co', bytes: expect.any(Number) },
  });
  const diarizers = await ai.enginesFor(scope, 'diarize');
  expect(diarizers.map((engine) => engine.id)).toEqual(['assemblyai', 'local', 'basic']);
});

test('a step depends on the best engine of what its node may do: a better one makes it anew, one behind it does not', async () => {
  const best = (...declared: ('engines' | 'transcribe' | 'diarize' | 'json')[]) =>
    ai.methods.engines!.engine!({ ...scope, manifest: { ...scope.manifest, capabilities: { ai: declared } } });
  keys = {};
  const [words, speakers, chat] = [await best('transcribe'), await best('diarize'), await best('json')];
  keys = { openai: { key: 'sk-test-1' } };
  const withOpenAi = await best('engines', 'transcribe');
  expect(withOpenAi).toBe('openai:OpenAI');
  expect(withOpenAi).not.toBe(words);
  expect(await best('diarize')).toBe(speakers);
  expect(await best('json')).not.toBe(chat);
  keys = KEYS;
  expect(await best('transcribe')).toBe('assemblyai:AssemblyAI');
  keys = { assemblyai: KEYS.assemblyai! };
  expect(await best('transcribe')).toBe('assemblyai:AssemblyAI');
  expect(await best('diarize')).not.toBe(speakers);
});

test('a long recording is planned in parts that end in its longest pauses, a short one in one', async () => {
  const long = { ...scope, assets: { ...scope.assets, find: async () => ({ ...asset, duration: 7000 }) } };
  const pausing = aiCapability({
    fetcher,
    keys: async () => keys,
    models: '/nowhere',
    speech: async () => [
      { start: 0, end: 2800 },
      { start: 2806, end: 2990 },
      { start: 2991, end: 5700 },
      { start: 5704, end: 7000 },
    ],
  });
  await expect(pausing.methods.plan!.act(long, { engine: 'openai', asset: asset.asset })).resolves.toEqual({
    parts: [
      { start: 0, end: 2803 },
      { start: 2803, end: 5702 },
      { start: 5702, end: 7000 },
    ],
  });
  await expect(call('plan', { engine: 'openai', asset: asset.asset })).resolves.toEqual({
    parts: [{ start: 0, end: 11 }],
  });
});
