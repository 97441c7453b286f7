/**
 * Runs a sherpa-onnx model in a child of its own (engine.ts): `start` with what to load, 16 kHz samples in pieces, then
 * for speech one `decode` a piece of speech, for diarization one `end`. Times are seconds from the first sample.
 */
import { Socket } from 'node:net';
import { receive, send } from '../capabilities/media/wire.ts';

type Recognizer = {
  createStream(): { acceptWaveform(wave: { samples: Float32Array; sampleRate: number }): void };
  decode(stream: unknown): void;
  getResult(stream: unknown): { text: string; tokens?: string[]; timestamps?: number[]; lang?: string };
};
type Diarizer = { process(samples: Float32Array): { start: number; end: number; speaker: number }[] };
type Sherpa = {
  OfflineRecognizer: new (config: unknown) => Recognizer;
  OfflineSpeakerDiarization: new (config: unknown) => Diarizer;
};
export type LocalRequest =
  | { start: { sherpa: string; recognizer?: unknown; diarizer?: unknown } }
  | { samples: true }
  | { decode: { start: number; end: number } }
  | { end: true };

const RATE = 16_000;
const socket = new Socket({ fd: 3, readable: true, writable: true });
let recognizer: Recognizer | undefined;
let diarizer: Diarizer | undefined;
let samples = new Float32Array(0);
let held = 0;

function answer(request: LocalRequest, bytes: Buffer): unknown {
  if ('start' in request) {
    const { sherpa: entry, recognizer: speech, diarizer: voices } = request.start;
    // by its path, at run time: it is native code with libraries beside it
    const sherpa = process.getBuiltinModule('module').createRequire(entry)(entry) as Sherpa;
    if (speech) recognizer = new sherpa.OfflineRecognizer(speech);
    if (voices) diarizer = new sherpa.OfflineSpeakerDiarization(voices);
    return {};
  }
  if ('samples' in request) {
    const fresh = new Float32Array(Uint8Array.from(bytes).buffer);
    if (held + fresh.length > samples.length) {
      const larger = new Float32Array(Math.max(held + fresh.length, samples.length * 2));
      larger.set(samples.subarray(0, held));
      samples = larger;
    }
    samples.set(fresh, held);
    held += fresh.length;
    return {};
  }
  if ('decode' in request) {
    if (!recognizer) throw new Error('no recogniser was started');
    const { start, end } = request.decode;
    const stream = recognizer.createStream();
    const part = samples.slice(Math.round(start * RATE), Math.min(held, Math.round(end * RATE)));
    stream.acceptWaveform({ samples: part, sampleRate: RATE });
    recognizer.decode(stream);
    const { text, tokens = [], timestamps = [], lang } = recognizer.getResult(stream);
    return { text, tokens, timestamps, lang };
  }
  if (!diarizer) throw new Error('no diarizer was started');
  return { turns: diarizer.process(samples.subarray(0, held)) };
}

receive(
  socket,
  ({ header, bytes }) => {
    try {
      send(socket, answer(header as LocalRequest, bytes));
    } catch (error) {
      send(socket, {
        error: { code: 'ENGINE_FAILED', message: `The local model failed: ${(error as Error).message}` },
      });
    }
  },
  () => process.exit(1),
);
