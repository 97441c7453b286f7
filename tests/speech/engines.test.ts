/** Engines on this machine, on real sound: the basic diarizer, the draft engine, and how a local model is loaded. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Turn } from '../../nodes/contract.ts';
import { findFfmpeg } from '../../runtime/capabilities/media/ffmpeg.ts';
import { speech } from '../../runtime/capabilities/media/voice.ts';
import { MODELS, modelById } from '../../runtime/speech/catalogue.ts';
import { diarizationErrorRate, readRttm } from '../../runtime/speech/der.ts';
import { findDraft, readLine, transcribeDraft } from '../../runtime/speech/draft.ts';
import {
  decodePieces,
  diarizeBasicEngine,
  recognizerConfig,
  sherpaParts,
  transcribeLocal,
  wordsFromTokens,
} from '../../runtime/speech/local.ts';
import { type LocalScope, localScope } from './scope.ts';

const FIXTURES = path.join(import.meta.dirname, '../fixtures');
const draft = await findDraft();
let scope: LocalScope;
beforeAll(async () => {
  scope = await localScope();
});
afterAll(() => scope[Symbol.asyncDispose]());

describe('the basic diarizer', () => {
  test.each([
    ['interview.mp4', 'interview.rttm', 0.12, 4],
    ['two-speakers.wav', 'two-speakers.rttm', 0.12, 2],
  ])('%s: an error rate below 12 %%, and the right number of people', async (file, reference, limit, people) => {
    const asset = await scope.keep(path.join(FIXTURES, file), { kind: 'audio', mime: 'audio/wav' });
    const where = await speech(await findFfmpeg(), scope, asset.asset);
    const turns = await diarizeBasicEngine(scope, { asset: asset.asset, speech: where });
    const { rate } = diarizationErrorRate(readRttm(await readFile(path.join(FIXTURES, reference), 'utf8')), turns);
    expect(rate).toBeLessThan(limit);
    expect(new Set(turns.map((turn) => turn.speaker)).size).toBe(people);
  });

  test('silence has no speakers, and a cancel ends it', async () => {
    const asset = await scope.keep(path.join(FIXTURES, 'jfk.flac'), { kind: 'audio', mime: 'audio/flac' });
    await expect(diarizeBasicEngine(scope, { asset: asset.asset, speech: [] })).resolves.toEqual([]);
    const stop = new AbortController();
    stop.abort(new Error('cancelled'));
    await expect(
      diarizeBasicEngine({ ...scope, signal: stop.signal }, { asset: asset.asset, speech: [{ start: 0, end: 10 }] }),
    ).rejects.toThrow();
  });
});

describe('the error rate', () => {
  const reference: Turn[] = [
    { start: 0, end: 10, speaker: 'a' },
    { start: 10, end: 20, speaker: 'b' },
  ];
  test('does not depend on what speakers are called', () => {
    expect(
      diarizationErrorRate(
        reference,
        reference.map((turn) => ({ ...turn, speaker: turn.speaker === 'a' ? 'b' : 'x' })),
      ).rate,
    ).toBe(0);
  });
  test('counts what is missed, made up and mixed up', () => {
    expect(diarizationErrorRate(reference, [], 0)).toMatchObject({ rate: 1, missed: 1 });
    expect(diarizationErrorRate(reference, [{ start: 0, end: 20, speaker: 'a' }], 0)).toMatchObject({
      rate: 0.5,
      confused: 0.5,
    });
    expect(
      diarizationErrorRate(reference, [...reference, { start: 20, end: 25, speaker: 'a' }], 0).falseAlarm,
    ).toBeCloseTo(0.25, 5);
  });
  test('counts overlap once a speaker and forgives borders', () => {
    const both: Turn[] = [
      { start: 0, end: 10, speaker: 'a' },
      { start: 5, end: 10, speaker: 'b' },
    ];
    expect(diarizationErrorRate(both, [{ start: 0, end: 10, speaker: 'x' }], 0).rate).toBeCloseTo(1 / 3, 5);
    expect(
      diarizationErrorRate(reference, [
        { start: 0.2, end: 10.2, speaker: 'a' },
        { start: 10.2, end: 20.2, speaker: 'b' },
      ]).rate,
    ).toBe(0);
  });
});

describe('the draft engine', () => {
  test('its lines: words with times, never noises', () => {
    expect(readLine('installed 14.590 15.190 0.993421')).toEqual({
      text: 'installed',
      start: 14.59,
      end: 15.19,
      confidence: 0.993421,
    });
    expect(readLine('read(2) 9.740 9.840 0.001447')?.text).toBe('read');
    for (const line of [
      '<sil> 1.280 1.320 0.618873',
      '[SPEECH] 2.2 2.3 0.4',
      '++NOISE++ 2.2 2.3 0.4',
      'and i got my outback',
      '',
    ])
      expect(readLine(line)).toBeUndefined();
  });

  test.skipIf(!draft)('writes down clear speech with times that fit (pocketsphinx is installed)', async () => {
    const asset = await scope.keep(path.join(import.meta.dirname, '../../templates/sample/talk.mp4'), {
      kind: 'video',
      mime: 'video/mp4',
    });
    const transcript = await transcribeDraft(scope, {
      asset: asset.asset,
      duration: 147.73,
      stretch: { start: 13, end: 20 },
    });
    const said = transcript.words.map((word) => word.text);
    for (const word of ['successfully', 'installed', 'executed', 'asterisk']) expect(said).toContain(word);
    expect(transcript.words.find((word) => word.text === 'installed')!.start).toBeCloseTo(14.6, 0);
    expect(transcript.engine.note).toMatch(/rough draft/);
  });

  test.skipIf(!draft)('ends within a second when it is cancelled', async () => {
    const asset = await scope.keep(path.join(FIXTURES, 'interview.mp4'), { kind: 'video', mime: 'video/mp4' });
    const stop = new AbortController();
    const running = transcribeDraft({ ...scope, signal: stop.signal }, { asset: asset.asset, duration: 73 });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const at = performance.now();
    stop.abort(new Error('cancelled'));
    await expect(running).rejects.toThrow();
    expect(performance.now() - at).toBeLessThan(1000);
  });
});

describe('the local engine', () => {
  test('every model of the catalogue has a publisher, a licence, a pinned digest and what sherpa-onnx needs', () => {
    for (const model of MODELS) {
      expect(model.licence).not.toBe('');
      for (const file of model.files) {
        expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
        expect(file.url).toMatch(/^https:\/\//);
        expect(file.bytes).toBeGreaterThan(1000);
      }
      if (model.task === 'transcribe')
        expect(JSON.stringify(recognizerConfig(model, '/m', 'de-DE'))).not.toContain('undefined');
    }
    expect(recognizerConfig(modelById('moonshine-base')!, '/m', undefined).modelConfig).toMatchObject({
      moonshine: {
        preprocessor: '/m/preprocess.onnx',
        encoder: '/m/encode.int8.onnx',
        uncachedDecoder: '/m/uncached_decode.int8.onnx',
        cachedDecoder: '/m/cached_decode.int8.onnx',
      },
    });
  });

  test('speech is cut at pauses into what a model hears at once', () => {
    expect(
      decodePieces([
        { start: 0, end: 10 },
        { start: 10.5, end: 20 },
        { start: 21, end: 35 },
        { start: 40, end: 110 },
      ]),
    ).toEqual([
      { start: 0, end: 20 },
      { start: 21, end: 35 },
      { start: 40, end: 40 + 70 / 3 },
      { start: 40 + 70 / 3, end: 40 + 140 / 3 },
      { start: 40 + 140 / 3, end: 110 },
    ]);
  });

  test('tokens with times become words', () => {
    expect(
      wordsFromTokens(['\u2581Hel', 'lo', '\u2581you', '.'], [0.1, 0.3, 0.8, 1], 10, 12)?.map((word) => [
        word.text,
        word.start,
      ]),
    ).toEqual([
      ['Hello', 10.1],
      ['you.', 10.8],
    ]);
    expect(wordsFromTokens(['a'], [], 0, 1)).toBeUndefined();
  });

  test.skipIf('missing' in sherpaParts())(
    'the native library loads here, and a broken model is named instead of crashing the worker',
    async () => {
      const folder = path.join(await (await scope.assets.jobFolder()).path, 'whisper-base');
      await mkdir(folder);
      const model = modelById('whisper-base')!;
      for (const file of model.files)
        await writeFile(path.join(folder, file.name), file.name.endsWith('.txt') ? 'a 0\nb 1\n' : 'this is no model');
      const asset = await scope.keep(path.join(FIXTURES, 'jfk.flac'), { kind: 'audio', mime: 'audio/flac' });
      await expect(
        transcribeLocal(scope, { asset: asset.asset, model, folder, speech: [{ start: 0, end: 10 }], duration: 11 }),
      ).rejects.toMatchObject({
        error: {
          code: 'MODEL_BROKEN',
          retry: 'person',
          message: expect.stringMatching(/helper process ended|protobuf|onnx/i),
        },
      });
    },
  );
});
