/**
 * Finds the self-contained pieces of a recording: each begins and ends on a sentence border and keeps to a range of
 * lengths.
 *
 *   local    `chunk/local.ts`: where the subject changes (`chunk/borders.ts`), then the best set of pieces
 *            (`chunk/spans.ts`); titles, quotes and topics are taken from what was said (`chunk/describe.ts`)
 *   openai   `chunk/chat.ts`: a chat model chooses sentences by number
 *
 * Time is counted in whole milliseconds and only as differences: a recording moved by a second has its cuts moved by a
 * second, and nothing else changes.
 */
import * as z from 'zod';
import { type Ctx, defineManifest, NodeError, port, type Run, type Transcript } from '../contract.ts';
import { withChat } from './chunk/chat.ts';
import { chunkLocally } from './chunk/local.ts';
import { type Sentence, splitSentences } from './chunk/sentences.ts';

const NINETY_DAYS = 90 * 86_400;

export const manifest = defineManifest({
  id: 'text.chunk',
  version: '1.0.0',
  title: 'Chunk',
  help: 'Finds the pieces that stand on their own: each begins and ends with a sentence. Without a key by a local engine; with OpenAI or a compatible server by a chat model.',
  icon: 'scissors',
  family: 'shape',
  aliases: ['segments', 'highlights', 'chapters', 'split', 'moments', 'clips', 'topics'],
  shape: 'step',
  effect: 'reads-external',
  reuseForSeconds: NINETY_DAYS,
  inputs: { transcript: port.transcript({ title: 'Transcript' }) },
  outputs: { segments: port.segment.list({ title: 'Segments' }) },
  config: z
    .strictObject({
      least: z.number().int().min(1).max(20).default(3).meta({ title: 'At least', unit: 'segments', slider: true }),
      most: z
        .number()
        .int()
        .min(1)
        .max(20)
        .default(7)
        .meta({ title: 'At most', unit: 'segments', slider: true, notBelow: 'least' }),
      minSeconds: z
        .number()
        .min(2)
        .max(600)
        .default(8)
        .meta({ title: 'Shortest', help: 'No segment is shorter.', unit: 's', slider: true }),
      maxSeconds: z
        .number()
        .min(5)
        .max(900)
        .default(60)
        .meta({ title: 'Longest', help: 'No segment is longer.', unit: 's', slider: true, above: 'minSeconds' }),
      engine: z.enum(['auto', 'local', 'openai']).default('auto').meta({
        title: 'Engine',
        help: 'auto: OpenAI or a compatible server where a key is set, else the local engine.',
        'x-widget': 'engine',
      }),
      model: z.string().max(100).default('').meta({
        title: 'Model',
        help: "For OpenAI or a compatible server. Empty: the server's usual one.",
        group: 'OpenAI',
      }),
      wish: z
        .string()
        .max(500)
        .default('')
        .meta({ title: 'What to look for', help: 'In your words; only a chat model reads it.', group: 'OpenAI' }),
    })
    .refine((config) => config.least <= config.most, { path: ['most'], message: 'Must not be below "At least".' })
    .refine((config) => config.minSeconds < config.maxSeconds, {
      path: ['maxSeconds'],
      message: 'Must be longer than "Shortest".',
    }),
  capabilities: { ai: ['engines', 'embed', 'json'] },
  fields: ['least', 'most', 'minSeconds', 'maxSeconds'],
  limits: { activeSeconds: 60 },
  example: {
    config: { engine: 'local', least: 1, most: 1, minSeconds: 2, maxSeconds: 20 },
    inputs: {
      transcript: {
        language: 'en',
        duration: 12,
        words: [
          { text: 'Bees', start: 1, end: 1.5 },
          { text: 'dance', start: 1.5, end: 2 },
          { text: 'on', start: 2, end: 2.2 },
          { text: 'the', start: 2.2, end: 2.4 },
          { text: 'comb.', start: 2.4, end: 3 },
          { text: 'The', start: 3.4, end: 3.6 },
          { text: 'angle', start: 3.6, end: 4 },
          { text: 'tells', start: 4, end: 4.4 },
          { text: 'the', start: 4.4, end: 4.6 },
          { text: 'direction.', start: 4.6, end: 5.4 },
        ],
        speakers: [],
        turns: [],
        speech: [{ start: 1, end: 5.4 }],
        engine: { id: 'attached', label: 'Attached SRT' },
      },
    },
    replies: [
      [
        [1, 0],
        [1, 0],
      ],
    ],
    expects: 'one segment from 1 to 5.4 whose quotes are among the words',
  },
});

type Config = z.output<typeof manifest.config>;

export const run: Run<typeof manifest> = async (ctx, { transcript }) => {
  const sentences = splitSentences(transcript);
  if (sentences.length === 0) {
    throw new NodeError('NOTHING_SAID', 'Nobody speaks in this recording, so there is nothing to cut.', {
      hint: 'Check that the recording has sound, or add captions.',
    });
  }
  const chat = await chatEngine(ctx);
  const segments = chat
    ? await withChat(ctx, transcript, sentences)
    : chunkLocally(sentences, ctx.config, await vectorsOf(ctx, transcript, sentences));
  ctx.fact('Engine', chat ? 'Chat model' : transcript.words.length > 0 ? 'Local' : 'Local, by pauses alone');
  ctx.fact('Segments', String(segments.length));
  if (segments.length < ctx.config.least) {
    ctx.log(
      `Only ${segments.length} of at least ${ctx.config.least} segments fit between ${ctx.config.minSeconds} and ${ctx.config.maxSeconds} s.`,
    );
  }
  if (segments.length === 0) {
    throw new NodeError(
      'NO_SEGMENT_FITS',
      `No piece of ${ctx.config.minSeconds} to ${ctx.config.maxSeconds} s begins and ends with a sentence.`,
      {
        hint: 'Lower "Shortest" or raise "Longest".',
      },
    );
  }
  return { segments };
};

async function chatEngine(ctx: Ctx<Config>): Promise<boolean> {
  if (ctx.config.engine === 'local') return false;
  const engines = await ctx.ai.engines({ task: 'json' });
  const engine = engines.find((one) => one.id === 'openai');
  if (engine?.available) return true;
  if (ctx.config.engine === 'auto') return false;
  throw new NodeError('ENGINE_MISSING', 'No chat model can be used here yet.', {
    hint: engine?.missing ?? 'Set a key for OpenAI or a compatible server in Settings, or choose the local engine.',
    retry: 'person',
  });
}

/** Texts a call: what comes back must stay small on its way through the wall. */
const EMBED_BATCH = 128;

/** The local vectors know English; other languages, and a machine without the model, go by shared words. */
async function vectorsOf(
  ctx: Ctx<Config>,
  transcript: Transcript,
  sentences: Sentence[],
): Promise<number[][] | undefined> {
  if (transcript.words.length === 0 || !/^(en|und)\b/i.test(transcript.language)) return undefined;
  const vectors: number[][] = [];
  try {
    for (let at = 0; at < sentences.length; at += EMBED_BATCH) {
      vectors.push(...(await ctx.ai.embed({ texts: sentences.slice(at, at + EMBED_BATCH).map(({ text }) => text) })));
      ctx.progress(Math.min(0.9, (at + EMBED_BATCH) / sentences.length), 'Comparing sentences.');
    }
  } catch (error) {
    if ((error as Partial<NodeError>).code !== 'EMBED_FAILED') throw error;
    ctx.log(`${(error as Error).message} Shared words are used instead.`);
    return undefined;
  }
  return vectors;
}
