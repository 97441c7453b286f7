/**
 * Turns what is said into words with times. `auto` takes, best first: what came with the recording, AssemblyAI, OpenAI,
 * a local model, the draft engine; with none of these it still finds where somebody speaks, and says what is missing.
 * The result always names its engine and what that engine could not say.
 */
import * as z from 'zod';
import {
  type Ctx,
  defineManifest,
  type EngineInfo,
  type MediaAsset,
  NodeError,
  port,
  type Run,
  type Speaker,
  type Transcript,
} from '../contract.ts';

export const ENGINES = ['auto', 'attached', 'assemblyai', 'openai', 'local', 'draft'] as const;
const NINETY_DAYS = 90 * 86_400;

export const manifest = defineManifest({
  id: 'speech.transcribe',
  version: '1.0.0',
  title: 'Transcribe',
  help: 'Writes down what is said, word by word with times. Takes the best engine this workspace has and says which one it was.',
  icon: 'captions',
  family: 'sound',
  aliases: ['speech to text', 'transcript', 'subtitles', 'words', 'whisper', 'assemblyai', 'asr'],
  shape: 'step',
  effect: 'reads-external',
  weight: 'heavy',
  reuseForSeconds: NINETY_DAYS,
  inputs: {
    recording: port.media({ title: 'Recording' }),
    attached: port.transcript.optional({ title: 'Captions', help: 'Used instead of an engine where present.' }),
  },
  outputs: { transcript: port.transcript({ title: 'Transcript' }) },
  config: z.strictObject({
    engine: z.enum(ENGINES).default('auto').meta({
      title: 'Engine',
      help: 'auto: captions that came along, else AssemblyAI, OpenAI, a local model, the draft engine: the first one there is.',
      'x-widget': 'engine',
    }),
    language: z
      .string()
      .max(35)
      .regex(/^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$/, 'Write a language code such as en or pt-BR.')
      .default('')
      .meta({ title: 'Language', help: 'A code such as en, de or pt-BR. Empty: the engine finds out.' }),
    names: z
      .array(z.string().min(1).max(60))
      .max(100)
      .default([])
      .meta({ title: 'Names and terms', help: 'Words the engine should know: people, products, places.' }),
  }),
  capabilities: { media: ['speech'], ai: ['engines', 'plan', 'upload', 'submit', 'transcribe', 'forget'] },
  fields: ['engine', 'language'],
  limits: { wallSeconds: 6 * 3600, attempts: 6 },
  example: {
    config: {},
    inputs: {
      recording: { asset: 'a'.repeat(64), kind: 'audio', mime: 'audio/flac', bytes: 1_152_693, duration: 11 },
      attached: {
        language: 'en',
        duration: 11,
        words: [{ text: 'Ask', start: 3.2, end: 3.6 }],
        speakers: [],
        turns: [],
        speech: [{ start: 3.2, end: 3.6 }],
        engine: { id: 'attached', label: 'Attached SRT' },
      },
    },
    outputs: {
      transcript: {
        language: 'en',
        duration: 11,
        words: [{ text: 'Ask', start: 3.2, end: 3.6 }],
        speakers: [],
        turns: [],
        speech: [{ start: 3.2, end: 3.6 }],
        engine: { id: 'attached', label: 'Attached SRT', note: 'No engine was needed and nothing was paid.' },
      },
    },
  },
});

export const run: Run<typeof manifest> = async (ctx, { recording, attached }) => {
  const transcript = await transcribe(ctx, recording, attached);
  ctx.fact('Engine', transcript.engine.label);
  ctx.fact('Words', String(transcript.words.length));
  if (transcript.speakers.length > 0) ctx.fact('Speakers', String(transcript.speakers.length));
  return { transcript };
};

type Context = Ctx<{ engine: (typeof ENGINES)[number]; language: string; names: string[] }>;

async function transcribe(ctx: Context, recording: MediaAsset, attached: Transcript | undefined): Promise<Transcript> {
  const wanted = ctx.config.engine;
  if (attached && (wanted === 'auto' || wanted === 'attached')) return fromAttached(attached, recording);
  if (wanted === 'attached') {
    throw new NodeError('ATTACHED_MISSING', 'No captions and no transcript came with this recording.', {
      hint: 'Upload an SRT, WebVTT or JSON file with the same name, connect Captions, or choose another engine.',
    });
  }
  if (recording.kind === 'video' && recording.hasSound === false) {
    throw new NodeError('NO_SOUND', `${recording.name ?? 'The recording'} has no sound track.`, {
      hint: 'Choose a recording with sound, or attach captions.',
    });
  }
  const engines = await ctx.ai.engines({ task: 'transcribe' });
  const engine = engines.find((one) => (wanted === 'auto' ? one.available : one.id === wanted));
  if (engine?.available) return throughEngine(ctx, recording, engine);
  if (wanted === 'auto') return speechOnly(ctx, recording, engines);
  throw new NodeError('ENGINE_MISSING', `${engine?.label ?? wanted} cannot be used here yet.`, {
    hint: engine?.missing ?? 'Choose another engine.',
    retry: 'person',
  });
}

/** Words beyond the recording's end belong to another cut of it. */
function fromAttached(attached: Transcript, recording: MediaAsset): Transcript {
  const duration = recording.duration ?? attached.duration;
  const words = attached.words.filter((word) => word.start < duration);
  const lost = attached.words.length - words.length;
  const notes = [
    'No engine was needed and nothing was paid.',
    attached.engine.note,
    lost > 0 ? `${lost} words lie beyond the recording's end and were left out: do these captions belong to it?` : null,
  ];
  return {
    ...attached,
    duration,
    words,
    turns: attached.turns.filter((turn) => turn.start < duration),
    speech: attached.speech.filter((turn) => turn.start < duration),
    engine: { ...attached.engine, note: notes.filter(Boolean).join(' ') },
  };
}

async function throughEngine(ctx: Context, recording: MediaAsset, engine: EngineInfo): Promise<Transcript> {
  const { language, names } = ctx.config;
  const options = {
    engine: engine.id,
    ...(language ? { language } : {}),
    ...(names.length > 0 ? { names } : {}),
  };
  ctx.progress(0, `${engine.label}: the sound goes to ${engine.goesTo}.`);
  if (engine.jobs) return throughJobs(ctx, recording, options);
  const { parts } = await ctx.ai.plan({ engine: engine.id, asset: recording.asset });
  const pieces: Transcript[] = [];
  for (const [index, part] of parts.entries()) {
    pieces.push(await ctx.ai.transcribe({ ...options, asset: recording.asset, ...(parts.length > 1 ? part : {}) }));
    ctx.progress((index + 1) / parts.length, parts.length > 1 ? `Part ${index + 1} of ${parts.length}.` : undefined);
  }
  return joinParts(pieces, recording);
}

/** How often a job that failed at the service is ordered again. */
const ORDERS = 3;

/** Recorded step by step: after a crash the same job is asked for again, and nothing is paid twice. */
async function throughJobs(
  ctx: Context,
  recording: MediaAsset,
  options: { engine: string; language?: string; names?: string[] },
): Promise<Transcript> {
  const { engine } = options;
  const { source } = await ctx.ai.upload({ engine, asset: recording.asset });
  for (let order = 1; ; order++) {
    ctx.progress(0.3, 'Waiting for the transcript.');
    const { job } = await ctx.ai.submit({ ...options, source });
    try {
      const transcript = await ctx.ai.transcribe({ ...options, asset: recording.asset, job });
      await forget(ctx, engine, job);
      return transcript;
    } catch (error) {
      if ((error as Partial<NodeError>).code !== 'SERVICE_JOB_FAILED' || order === ORDERS) throw error;
      ctx.log(`${(error as Error).message} Ordered again.`);
    }
  }
}

/** The words are here already: a service that does not answer now must not lose them. */
async function forget(ctx: Context, engine: string, job: string): Promise<void> {
  try {
    const { erased } = await ctx.ai.forget({ engine, job });
    ctx.log(
      erased ? 'The service has erased the sound and the transcript.' : 'The service keeps the transcript, as set.',
    );
  } catch (error) {
    ctx.log(`The service has not erased the transcript: ${(error as Error).message}`);
  }
}

/** The parts' times already count from the recording's start; their speakers are not known to be the same people. */
export function joinParts(pieces: Transcript[], recording: { duration?: number | undefined }): Transcript {
  const [first] = pieces;
  if (!first) throw new NodeError('ENGINE_GAVE_NOTHING', 'The engine gave no transcript.', { retry: 'later' });
  if (pieces.length === 1) return first;
  const speakers: Speaker[] = [];
  const renamed = pieces.map((piece, index) => {
    const id = (speaker: string) => `p${index + 1}-${speaker}`.slice(0, 80);
    speakers.push(
      ...piece.speakers.map((speaker) => ({ id: id(speaker.id), name: `${speaker.name} (part ${index + 1})` })),
    );
    const turn = <T extends { speaker?: string | undefined }>(one: T): T =>
      one.speaker ? { ...one, speaker: id(one.speaker) } : one;
    return { ...piece, words: piece.words.map(turn), turns: piece.turns.map(turn) };
  });
  const note = [first.engine.note, `Made in ${pieces.length} parts, cut in silences.`].filter(Boolean).join(' ');
  return {
    language: first.language,
    duration: recording.duration ?? Math.max(...pieces.map((piece) => piece.duration)),
    words: renamed.flatMap((piece) => piece.words),
    speakers,
    turns: renamed.flatMap((piece) => piece.turns),
    speech: pieces.flatMap((piece) => piece.speech),
    engine: { ...first.engine, note },
  };
}

/** No engine at all: where somebody speaks is still known, and what would give words is said. */
async function speechOnly(ctx: Context, recording: MediaAsset, engines: EngineInfo[]): Promise<Transcript> {
  const speech = await ctx.media.speech({ asset: recording.asset });
  const ways = engines.flatMap((engine) => (engine.missing ? [engine.missing] : []));
  const note = `No engine could write the words; pauses are known, so segments and clips without captions can still be made. ${ways.join(' ')}`;
  ctx.log(note);
  return {
    language: ctx.config.language || 'und',
    duration: recording.duration ?? speech.at(-1)?.end ?? 0,
    words: [],
    speakers: [],
    turns: [],
    speech,
    engine: { id: 'speech-only', label: 'Voice activity only', note: note.trim() },
  };
}
