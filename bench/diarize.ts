/**
 * Who speaks when in interview.mp4 (four people, one pair of them on a telephone and over each other): the error rate of
 * every engine that can run here, and of saying "one speaker" wherever there is speech. Absent engines are named.
 * NIST scoring, 0.25 s collar, overlap counted (runtime/speech/der.ts). Service engines need their key in the
 * environment and are paid.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Turn } from '../nodes/contract.ts';
import { aiCapability } from '../runtime/capabilities/ai.ts';
import { findFfmpeg } from '../runtime/capabilities/media/ffmpeg.ts';
import { speech } from '../runtime/capabilities/media/voice.ts';
import { createFetcher, egressFrom } from '../runtime/fetch.ts';
import { diarizationErrorRate, type ErrorRate, readRttm } from '../runtime/speech/der.ts';
import { modelFolder } from '../runtime/speech/install.ts';
import { keysFromEnvironment } from '../runtime/speech/keys.ts';
import { localScope } from '../tests/speech/scope.ts';
import type { Bench } from './main.ts';

const FIXTURES = path.join(import.meta.dirname, '../tests/fixtures');
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

export const bench: Bench = {
  title: 'Diarize: who speaks when in interview.mp4 (diarization error rate, lower is better)',
  async run({ say }) {
    const reference = readRttm(readFileSync(path.join(FIXTURES, 'interview.rttm'), 'utf8'));
    await using scope = await localScope();
    const asset = await scope.keep(path.join(FIXTURES, 'interview.mp4'), {
      kind: 'video',
      mime: 'video/mp4',
      duration: 73.28,
      hasSound: true,
    });
    const tools = await findFfmpeg();
    const where = await speech(tools, scope, asset.asset);
    const fetcher = createFetcher({ egress: egressFrom() });
    const ai = aiCapability({
      fetcher,
      keys: async () => keysFromEnvironment(),
      models: modelFolder(),
      speech: async () => where,
    });
    const figures: { name: string; unit: string; values: number[] }[] = [];
    const notes: string[] = [];
    const rates = new Map<string, ErrorRate>();
    const score = (name: string, turns: Turn[], took: number | null) => {
      const result = diarizationErrorRate(reference, turns);
      rates.set(name, result);
      figures.push({ name, unit: 'error rate', values: [result.rate] });
      const people = new Set(turns.map((turn) => turn.speaker)).size;
      say(
        `${name}: ${percent(result.rate)} (missed ${percent(result.missed)}, false ${percent(result.falseAlarm)}, confused ${percent(result.confused)}), ${people} speakers${took === null ? '' : `, ${(took / 1000).toFixed(1)} s`}`,
      );
    };

    score(
      'one speaker',
      where.map((turn) => ({ ...turn, speaker: 'one' })),
      null,
    );
    let ran = 0;
    try {
      for (const engine of await ai.enginesFor(scope, 'diarize')) {
        if (!engine.available) {
          notes.push(`absent: ${engine.label}. ${engine.missing ?? ''}`);
          continue;
        }
        for (const speakers of [undefined, 4]) {
          const began = performance.now();
          const turns = await ai.diarizeWith(scope, {
            engine: engine.id,
            asset: asset.asset,
            speech: where,
            ...(speakers ? { speakers } : {}),
          });
          score(`${engine.label}${speakers ? ', told there are 4' : ''}`, turns, performance.now() - began);
        }
        ran++;
      }
    } finally {
      await fetcher.close();
    }
    if (ran === 0) notes.push('No engine ran.');
    const one = rates.get('one speaker')!.rate;
    const best = Math.min(...[...rates].filter(([name]) => name !== 'one speaker').map(([, rate]) => rate.rate));
    return {
      figures,
      limits: ran === 0 ? [] : [{ name: 'best engine against one speaker', value: best, limit: one, ok: best < one }],
      notes,
      ok: ran > 0,
    };
  },
};
