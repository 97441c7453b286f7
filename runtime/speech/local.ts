/**
 * The local engine: sherpa-onnx with a model that lies on this machine. Nothing leaves it.
 *
 * Speech is cut at pauses into pieces of at most 28 s (what Whisper hears at once); Parakeet gives times a token, Whisper
 * and Moonshine none, so their words are spread over the piece and the result says so. Diarization is pyannote's
 * segmentation with speaker embeddings and fast clustering.
 * Source: sherpa-onnx-node 1.13.8. Errors: ENGINE_FAILED, MODEL_BROKEN.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Transcript, Turn } from '../../nodes/contract.ts';
import { CapabilityError, type StepScope } from '../capabilities/capability.ts';
import { type Engine, startEngine } from '../capabilities/media/engine.ts';
import type { Model } from './catalogue.ts';
import type { LocalRequest } from './local-child.ts';
import { eachSamples, type Stretch } from './sound.ts';
import { buildTranscript, type Piece, type SpokenWord } from './transcript.ts';

const require = createRequire(import.meta.url);
/** Whisper hears 30 s; a little is left for its padding. */
const LONGEST_PIECE = 28;
const MEMORY_BYTES = 4 * 1024 ** 3;
const REQUEST_MS = 30 * 60_000;
const THREADS = 2;
/** Distance above which two voices are two people; sherpa-onnx's own default. */
const CLUSTER_THRESHOLD = 0.5;

/** Where the native library is, or why it is not. */
export function sherpaParts(): { entry: string; folders: string[] } | { missing: string } {
  try {
    const entry = require.resolve('sherpa-onnx-node');
    const platform = process.platform === 'win32' ? 'win' : process.platform;
    const native = path.dirname(require.resolve(`sherpa-onnx-${platform}-${process.arch}/package.json`));
    return { entry, folders: [path.dirname(entry), native] };
  } catch {
    return { missing: `sherpa-onnx has no build for ${process.platform} on ${process.arch}.` };
  }
}

async function startLocal(
  folder: string,
  config: { recognizer?: unknown; diarizer?: unknown },
  signal: AbortSignal,
): Promise<Engine> {
  const parts = sherpaParts();
  if ('missing' in parts)
    throw new CapabilityError('ENGINE_MISSING', parts.missing, { hint: 'Choose another engine.', retry: 'person' });
  const engine = await startEngine({
    entry: new URL('./local-child.ts', import.meta.url),
    reads: [...parts.folders, folder],
    memoryBytes: MEMORY_BYTES,
    timeoutMs: REQUEST_MS,
  });
  try {
    await engine.request({ start: { sherpa: parts.entry, ...config } } satisfies LocalRequest, undefined, signal);
    return engine;
  } catch (error) {
    engine.close();
    signal.throwIfAborted();
    throw new CapabilityError(
      'MODEL_BROKEN',
      `The model in ${path.basename(folder)} could not be loaded: ${(error as Error).message}`,
      {
        hint: 'Remove it under Settings, Speech, and install it again.',
        retry: 'person',
        cause: error,
      },
    );
  }
}

/** What sherpa-onnx is told for each kind of model. */
export function recognizerConfig(model: Model, folder: string, language: string | undefined) {
  const at = (name: string) => path.join(folder, model.files.find((file) => file.name.includes(name))!.name);
  const common = { numThreads: THREADS, provider: 'cpu', debug: 0 };
  const modelConfig = {
    whisper: () => ({
      whisper: {
        encoder: at('encoder'),
        decoder: at('decoder'),
        language: model.languages === 'en' ? 'en' : (language?.split('-')[0] ?? ''),
        task: 'transcribe',
        tailPaddings: -1,
      },
      tokens: at('tokens'),
    }),
    moonshine: () => ({
      moonshine: {
        preprocessor: at('preprocess'),
        encoder: at('encode.'),
        uncachedDecoder: at('uncached_decode'),
        cachedDecoder: path.join(folder, 'cached_decode.int8.onnx'),
      },
      tokens: at('tokens'),
    }),
    parakeet: () => ({
      transducer: { encoder: at('encoder'), decoder: at('decoder'), joiner: at('joiner') },
      tokens: at('tokens'),
      modelType: 'nemo_transducer',
    }),
    pyannote: () => {
      throw new Error(`${model.id} writes no words.`);
    },
  }[model.kind]();
  return {
    featConfig: { sampleRate: 16_000, featureDim: 80 },
    modelConfig: { ...common, ...modelConfig },
    decodingMethod: 'greedy_search',
  };
}

export function diarizerConfig(model: Model, folder: string, speakers: number | undefined) {
  const at = (name: string) => path.join(folder, model.files.find((file) => file.name.startsWith(name))!.name);
  const common = { numThreads: THREADS, provider: 'cpu', debug: 0 };
  return {
    segmentation: { pyannote: { model: at('segmentation') }, ...common },
    embedding: { model: at('embedding'), ...common },
    clustering: { numClusters: speakers ?? -1, threshold: CLUSTER_THRESHOLD },
    minDurationOn: 0.2,
    minDurationOff: 0.5,
  };
}

/** Pieces of speech of at most 28 s, cut where the pause is longest; a monologue without pauses is cut by the clock. */
export function decodePieces(speech: Turn[], longest = LONGEST_PIECE): { start: number; end: number }[] {
  const pieces: { start: number; end: number }[] = [];
  for (const turn of speech) {
    const last = pieces.at(-1);
    if (last && turn.end - last.start <= longest && turn.start - last.end < 1.5) {
      last.end = turn.end;
      continue;
    }
    const parts = Math.ceil((turn.end - turn.start) / longest);
    const size = (turn.end - turn.start) / parts;
    for (let part = 0; part < parts; part++)
      pieces.push({ start: turn.start + part * size, end: turn.start + (part + 1) * size });
  }
  return pieces;
}

export async function transcribeLocal(
  scope: StepScope,
  order: {
    asset: string;
    model: Model;
    folder: string;
    speech: Turn[];
    duration: number;
    language?: string;
    stretch?: Stretch;
  },
): Promise<Transcript> {
  const { model, stretch = {} } = order;
  const offset = stretch.start ?? 0;
  scope.progress(0.02, `Loading ${model.label}.`);
  const engine = await startLocal(
    order.folder,
    { recognizer: recognizerConfig(model, order.folder, order.language) },
    scope.signal,
  );
  try {
    await eachSamples(
      scope,
      order.asset,
      async (bytes) => void (await engine.request({ samples: true }, bytes, scope.signal)),
      stretch,
    );
    const inside = order.speech.filter(
      (turn) => turn.end > offset && turn.start < (stretch.end ?? Number.POSITIVE_INFINITY),
    );
    const cuts = decodePieces(
      inside.map((turn) => ({ start: Math.max(0, turn.start - offset), end: turn.end - offset })),
    );
    const pieces: Piece[] = [];
    let timed = true;
    let language = order.language ?? (model.languages === 'en' ? 'en' : 'und');
    for (const [index, cut] of cuts.entries()) {
      const request: LocalRequest = { decode: { start: Math.max(0, cut.start - 0.1), end: cut.end + 0.2 } };
      const { text, tokens, timestamps, lang } = (await engine.request(request, undefined, scope.signal)).header as {
        text: string;
        tokens: string[];
        timestamps: number[];
        lang?: string;
      };
      const from = Math.max(0, cut.start - 0.1) + offset;
      const words = wordsFromTokens(tokens, timestamps, from, cut.end + offset);
      timed &&= words !== undefined || text.trim() === '';
      if (language === 'und' && lang) language = lang.replace(/[<>|]/g, '') || 'und';
      if (text.trim())
        pieces.push({
          start: cut.start + offset,
          end: cut.end + offset,
          text: text.trim(),
          ...(words ? { words } : {}),
        });
      scope.progress(0.05 + (0.95 * (index + 1)) / cuts.length, `Heard ${Math.round(cut.end / 60)} min.`);
    }
    const notes = [
      'Made on this machine.',
      timed ? null : 'This model gives no word times: they are spread between pauses.',
      'It names no speakers: connect Diarize for that.',
    ];
    return buildTranscript(pieces, {
      language,
      duration: order.duration,
      engine: { id: 'local', label: model.label, note: notes.filter((note) => note !== null).join(' ') },
    });
  } finally {
    engine.close();
  }
}

/** Tokens that begin with a space (or `▁`) begin a word; each has the time at which it was heard. */
export function wordsFromTokens(
  tokens: string[],
  timestamps: number[],
  offset: number,
  end: number,
): SpokenWord[] | undefined {
  if (tokens.length === 0 || timestamps.length !== tokens.length) return undefined;
  const words: SpokenWord[] = [];
  for (const [index, token] of tokens.entries()) {
    const begins = /^[ \u2581]/.test(token);
    const text = token.replace(/^[ \u2581]+/, '');
    const at = offset + timestamps[index]!;
    const last = words.at(-1);
    if (begins || !last) {
      if (last) last.end = Math.min(Math.max(last.end, last.start + 0.05), at);
      words.push({ text, start: at, end: at + 0.08 });
    } else {
      last.text += text;
      last.end = at + 0.08;
    }
  }
  // a word lasts until the next one begins, or half a second where a pause follows
  for (const [index, word] of words.entries()) {
    word.end = Math.max(word.end, Math.min(words[index + 1]?.start ?? end, word.end + 0.3));
  }
  return words.filter((word) => word.text !== '');
}

export async function diarizeLocal(
  scope: StepScope,
  order: { asset: string; model: Model; folder: string; speakers?: number },
): Promise<Turn[]> {
  scope.progress(0.02, `Loading ${order.model.label}.`);
  const engine = await startLocal(
    order.folder,
    { diarizer: diarizerConfig(order.model, order.folder, order.speakers) },
    scope.signal,
  );
  try {
    await eachSamples(
      scope,
      order.asset,
      async (bytes) => void (await engine.request({ samples: true }, bytes, scope.signal)),
    );
    scope.progress(0.2, 'Telling the voices apart.');
    const { turns } = (await engine.request({ end: true }, undefined, scope.signal)).header as {
      turns: { start: number; end: number; speaker: number }[];
    };
    return turns.map((turn) => ({ start: turn.start, end: turn.end, speaker: `s${turn.speaker + 1}` }));
  } finally {
    engine.close();
  }
}

export async function diarizeBasicEngine(
  scope: StepScope,
  order: { asset: string; speech: Turn[]; speakers?: number },
): Promise<Turn[]> {
  const engine = await startEngine({
    entry: new URL('./basic-child.ts', import.meta.url),
    memoryBytes: 1536 * 1024 ** 2,
    timeoutMs: REQUEST_MS,
  });
  try {
    await eachSamples(
      scope,
      order.asset,
      async (bytes) => void (await engine.request({ samples: true }, bytes, scope.signal)),
    );
    scope.progress(0.2, 'Telling the voices apart.');
    const reply = await engine.request(
      { end: { speech: order.speech, ...(order.speakers ? { speakers: order.speakers } : {}) } },
      undefined,
      scope.signal,
    );
    return (reply.header as { turns: Turn[] }).turns;
  } finally {
    engine.close();
  }
}
