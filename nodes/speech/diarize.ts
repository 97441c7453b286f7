/**
 * Says who speaks when, and gives each word its speaker; where people speak at once, a word keeps all of them.
 *
 * `auto`: speakers that the transcript already names (from captions or from the engine that wrote it), else AssemblyAI,
 * else a local model, else the basic engine. The result says which, and what that engine cannot tell.
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
  type Turn,
  type Word,
} from '../contract.ts';

const NINETY_DAYS = 90 * 86_400;

export const manifest = defineManifest({
  id: 'speech.diarize',
  version: '1.0.0',
  title: 'Diarize',
  help: 'Finds out who speaks when and names the speaker of each word. Speakers that captions already name are kept.',
  icon: 'users',
  family: 'sound',
  aliases: ['speakers', 'who speaks', 'voices', 'speaker labels'],
  shape: 'step',
  effect: 'reads-external',
  weight: 'heavy',
  reuseForSeconds: NINETY_DAYS,
  inputs: { recording: port.media({ title: 'Recording' }), transcript: port.transcript({ title: 'Transcript' }) },
  outputs: { transcript: port.transcript({ title: 'Transcript', help: 'With speakers.' }) },
  config: z.strictObject({
    engine: z.enum(['auto', 'attached', 'assemblyai', 'local', 'basic']).default('auto').meta({
      title: 'Engine',
      help: 'auto: speakers that are named already, else AssemblyAI, a local model, the basic engine: the first one there is.',
      'x-widget': 'engine',
    }),
    speakers: z.number().int().min(0).max(20).default(0).meta({
      title: 'Number of speakers',
      help: '0: the engine finds out. Telling it makes the result better.',
      slider: true,
    }),
  }),
  capabilities: { ai: ['engines', 'upload', 'submit', 'diarize', 'forget'] },
  fields: ['engine', 'speakers'],
  limits: { wallSeconds: 6 * 3600, attempts: 6 },
  example: {
    config: { engine: 'basic', speakers: 2 },
    inputs: {
      recording: { asset: 'a'.repeat(64), kind: 'audio', mime: 'audio/wav', bytes: 100, duration: 6 },
      transcript: {
        language: 'en',
        duration: 6,
        words: [
          { text: 'Hello?', start: 0, end: 1 },
          { text: 'Hi!', start: 2, end: 3 },
        ],
        speakers: [],
        turns: [],
        speech: [
          { start: 0, end: 1 },
          { start: 2, end: 3 },
        ],
        engine: { id: 'draft', label: 'Draft' },
      },
    },
    replies: [
      [{ id: 'basic', label: 'Basic', available: true, goesTo: 'this machine', missing: null }],
      [
        { start: 0, end: 1.2, speaker: 's1' },
        { start: 1.8, end: 3, speaker: 's2' },
      ],
    ],
    expects: 'the first word by Speaker 1, the second by Speaker 2',
  },
});

type Config = z.output<typeof manifest.config>;

export const run: Run<typeof manifest> = async (ctx, { recording, transcript }) => {
  const result = await diarize(ctx, recording, transcript);
  ctx.fact('Speakers', result.speakers.length > 0 ? String(result.speakers.length) : 'not told apart');
  const overlapping = result.words.filter((word) => (word.speakers?.length ?? 0) > 1).length;
  if (overlapping > 0) ctx.fact('Words spoken at once', String(overlapping));
  return { transcript: result };
};

async function diarize(ctx: Ctx<Config>, recording: MediaAsset, transcript: Transcript): Promise<Transcript> {
  const wanted = ctx.config.engine;
  const named = transcript.speakers.length > 0 && transcript.turns.length > 0;
  if (named && (wanted === 'auto' || wanted === 'attached')) {
    ctx.fact('Engine', transcript.engine.label);
    return withNote(transcript, 'The speakers are those it names itself; nobody was asked again.');
  }
  if (wanted === 'attached') {
    throw new NodeError('SPEAKERS_NOT_NAMED', 'The captions of this recording name no speakers.', {
      hint: 'Choose another engine.',
    });
  }
  if (ctx.config.speakers === 1)
    return assignSpeakers(transcript, [{ start: 0, end: transcript.duration, speaker: 's1' }]);
  const engines = await ctx.ai.engines({ task: 'diarize' });
  const engine = engines.find((one) => (wanted === 'auto' ? one.available : one.id === wanted));
  if (!engine?.available) return withoutEngine(ctx, transcript, engine, engines);
  ctx.fact('Engine', engine.label);
  ctx.progress(0, `${engine.label}: the sound goes to ${engine.goesTo}.`);
  const turns = await turnsFrom(ctx, recording, transcript, engine);
  if (turns.length === 0) return withNote(transcript, `${engine.label} heard nobody.`);
  return withNote(assignSpeakers(transcript, turns), NOTES[engine.id] ?? `Speakers by ${engine.label}.`);
}

const NOTES: Record<string, string> = {
  basic:
    'Speakers by the basic engine, which goes by the sound of voice and channel: voices that sound alike become one, and it cannot hear two people at once.',
};

function withoutEngine(
  ctx: Ctx<Config>,
  transcript: Transcript,
  engine: EngineInfo | undefined,
  engines: EngineInfo[],
): Transcript {
  if (ctx.config.engine !== 'auto') {
    throw new NodeError('ENGINE_MISSING', `${engine?.label ?? ctx.config.engine} cannot be used here yet.`, {
      hint: engine?.missing ?? 'Choose another engine.',
      retry: 'person',
    });
  }
  const ways = engines.flatMap((one) => (one.missing ? [one.missing] : [])).join(' ');
  return withNote(transcript, `Nothing here can tell speakers apart. ${ways}`);
}

async function turnsFrom(
  ctx: Ctx<Config>,
  recording: MediaAsset,
  transcript: Transcript,
  engine: EngineInfo,
): Promise<Turn[]> {
  const told = ctx.config.speakers > 0 ? { speakers: ctx.config.speakers } : {};
  const order = { engine: engine.id, asset: recording.asset, ...told };
  if (!engine.jobs)
    return ctx.ai.diarize({
      ...order,
      ...(transcript.speech.length > 0 && transcript.words.length === 0 ? { speech: transcript.speech } : {}),
    });
  const { source } = await ctx.ai.upload({ engine: engine.id, asset: recording.asset });
  const language = transcript.language === 'und' ? {} : { language: transcript.language };
  const { job } = await ctx.ai.submit({ engine: engine.id, source, ...language, ...told });
  const turns = await ctx.ai.diarize({ ...order, job });
  try {
    await ctx.ai.forget({ engine: engine.id, job });
  } catch (error) {
    ctx.log(`The service has not erased what it heard: ${(error as Error).message}`);
  }
  return turns;
}

const withNote = (transcript: Transcript, note: string): Transcript => ({
  ...transcript,
  engine: { ...transcript.engine, note: [transcript.engine.note, note].filter(Boolean).join(' ') },
});

// ---------------------------------------------------------------- words and turns

/** A word belongs to those who speak during at least this share of it. */
const SHARE = 0.35;
/** A word that no turn touches takes the nearest one within this many seconds. */
const NEAR = 1;
/** A lone word this short between two of somebody else is a border that was heard late. */
const BLIP = 0.4;

/** Gives each word its speaker. People are numbered in the order in which they first speak. */
export function assignSpeakers(transcript: Transcript, found: Turn[]): Transcript {
  const ids = new Map<string, string>();
  const turns = [...found]
    .sort((a, b) => a.start - b.start || a.end - b.end)
    .map((turn) => {
      const voice = turn.speaker ?? '';
      if (!ids.has(voice)) ids.set(voice, `s${ids.size + 1}`);
      return { start: turn.start, end: turn.end, speaker: ids.get(voice)! };
    });
  const words = smoothed(transcript.words.map((word) => spokenBy(word, turns)));
  const speakers: Speaker[] = [...ids.values()].map((id) => ({ id, name: `Speaker ${id.slice(1)}` }));
  return { ...transcript, words, turns, speakers };
}

type NamedTurn = { start: number; end: number; speaker: string };

function spokenBy(word: Word, turns: NamedTurn[]): Word {
  const length = Math.max(0.01, word.end - word.start);
  const shares = new Map<string, number>();
  let nearest: { speaker: string; distance: number } | undefined;
  for (const turn of turns) {
    if (turn.start > word.end + NEAR) break;
    const shared = Math.min(word.end, turn.end) - Math.max(word.start, turn.start);
    if (shared > 0) shares.set(turn.speaker, (shares.get(turn.speaker) ?? 0) + shared / length);
    else if (!nearest || -shared < nearest.distance) nearest = { speaker: turn.speaker, distance: -shared };
  }
  const { speaker: _before, speakers: _all, ...bare } = word;
  const ranked = [...shares].sort((a, b) => b[1] - a[1]);
  const [most] = ranked;
  if (!most) return nearest && nearest.distance <= NEAR ? { ...bare, speaker: nearest.speaker } : bare;
  const together = ranked.filter(([, share]) => share >= SHARE).map(([speaker]) => speaker);
  return { ...bare, speaker: most[0], ...(together.length > 1 ? { speakers: together } : {}) };
}

function smoothed(words: Word[]): Word[] {
  return words.map((word, index) => {
    const [before, after] = [words[index - 1], words[index + 1]];
    const blip =
      before?.speaker !== undefined &&
      before.speaker === after?.speaker &&
      word.speaker !== before.speaker &&
      !word.speakers &&
      word.end - word.start < BLIP &&
      word.start - before.end < 0.2 &&
      after.start - word.end < 0.2;
    return blip ? { ...word, speaker: before.speaker } : word;
  });
}
