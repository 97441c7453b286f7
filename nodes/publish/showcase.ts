/**
 * Publishes to the built-in destination: a public page of the brand with player, captions, transcript and clips.
 * The same recording and clips again are the same page: its address stays, its content is renewed.
 */
import * as z from 'zod';
import {
  type Captions,
  type Clip,
  defineManifest,
  type ImageAsset,
  type InputsOf,
  type Lookup,
  NodeError,
  port,
  type Run,
  type Simulate,
  unexpectedReply,
} from '../contract.ts';

const HOST = 'showcase.spliceboard.internal';

export const manifest = defineManifest({
  id: 'publish.showcase',
  version: '1.0.0',
  title: 'Showcase',
  help: "Puts the clips on your brand's public page, with captions, transcript and a feed to follow.",
  icon: 'send',
  family: 'publish',
  aliases: ['publish', 'page', 'site', 'rss', 'feed', 'share'],
  shape: 'step',
  effect: 'writes-external',
  inputs: {
    clips: port.clip.list({ title: 'Clips' }),
    captions: port.captions.optionalList({ title: 'Captions' }),
    thumbnails: port.image.optionalList({ title: 'Thumbnails' }),
    recording: port.media.optional({ title: 'Recording', help: 'The whole recording, with its own player.' }),
    transcript: port.transcript.optional({ title: 'Transcript' }),
  },
  outputs: { post: port.post({ title: 'Page' }) },
  config: z.strictObject({
    title: z.string().max(200).default('').meta({ title: 'Title', help: "Empty: the best clip's title." }),
    summary: z.string().max(2000).default('').meta({ title: 'Summary', 'x-widget': 'textarea' }),
    visibility: z.enum(['public', 'unlisted']).default('public').meta({
      title: 'Visibility',
      help: 'unlisted: only people with the address see it; it is in no list and no feed.',
    }),
  }),
  capabilities: {
    brand: ['name'],
    http: [
      { method: 'PUT', host: HOST, path: '/pages/{key}', why: 'to publish the page' },
      { method: 'GET', host: HOST, path: '/pages/{key}', why: 'to find out whether it was published' },
    ],
  },
  fields: ['visibility'],
  example: {
    config: { title: 'Ask what you can do' },
    inputs: {
      clips: [
        {
          id: '0.000-10.000',
          video: {
            asset: 'c'.repeat(64),
            kind: 'video',
            mime: 'video/mp4',
            bytes: 1000,
            width: 1080,
            height: 1920,
            duration: 10,
          },
          segment: {
            id: '0.000-10.000',
            title: 'Ask what you can do',
            start: 0,
            end: 10,
            summary: 'A famous sentence.',
            score: 0.9,
            why: 'A whole thought.',
            quotes: [],
            topics: [],
          },
          language: 'en',
          words: [],
          speakers: [],
          aspect: '9:16',
          captions: 'marker',
          framing: 'Follows the speaker.',
        },
      ],
    },
    replies: [
      {
        status: 200,
        headers: {},
        body: {
          id: 'p1',
          url: 'https://example.org/b/brand/ask',
          title: 'Ask what you can do',
          publishedAt: '2026-11-22T10:00:00.000Z',
        },
      },
    ],
    outputs: {
      post: {
        platform: 'showcase',
        id: 'p1',
        url: 'https://example.org/b/brand/ask',
        title: 'Ask what you can do',
        publishedAt: '2026-11-22T10:00:00.000Z',
      },
    },
  },
});

type Inputs = InputsOf<(typeof manifest)['inputs']>;
const Published = z.object({ id: z.string(), url: z.string(), title: z.string(), publishedAt: z.string() });

/** The page's key: what it is about, not how it looks. A new caption colour is the same page. */
export function keyOf({ clips, recording }: Pick<Inputs, 'clips' | 'recording'>): string {
  const about = recording ? recording.asset : clips.map((clip) => clip.segment.id).join('|');
  return `${recording ? 'r' : 'c'}-${recording ? about.slice(0, 40) : hash(`${clips[0]?.source?.asset ?? clips[0]?.video.of ?? ''}|${about}`)}`;
}

/** FNV-1a, 2 × 32 bits: a short name, nothing to rely on for secrecy. */
function hash(text: string): string {
  const half = (seed: number) => {
    let value = seed;
    for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619) >>> 0;
    return value.toString(16).padStart(8, '0');
  };
  return half(2166136261) + half(3141592653);
}

function pageOf(config: { title: string; summary: string; visibility: string }, inputs: Inputs) {
  const best = [...inputs.clips].sort((a, b) => b.segment.score - a.segment.score)[0];
  const title = config.title.trim() || best?.segment.title || inputs.recording?.name || 'Untitled';
  const captionsOf = byOrigin<Captions>(inputs.captions);
  const thumbnailOf = byOrigin<z.infer<typeof ImageAsset>>(inputs.thumbnails);
  return {
    title,
    summary: config.summary.trim() || best?.segment.summary || '',
    visibility: config.visibility,
    recording: inputs.recording ?? null,
    transcript: inputs.transcript ?? null,
    clips: [...inputs.clips]
      .sort((a, b) => a.segment.start - b.segment.start)
      .map((clip: Clip) => ({
        clip,
        captions: captionsOf.get(clip.id) ?? null,
        thumbnail: thumbnailOf.get(clip.id) ?? null,
      })),
  };
}

function byOrigin<T extends { of?: string | undefined }>(list: readonly T[] | undefined): Map<string, T> {
  return new Map((list ?? []).flatMap((item) => (item.of === undefined ? [] : [[item.of, item] as const])));
}

export const run: Run<typeof manifest> = async (ctx, inputs) => {
  if (inputs.clips.length === 0 && !inputs.recording) {
    throw new NodeError('NOTHING_TO_PUBLISH', 'There is no clip and no recording to publish.', {
      hint: 'Look at Chunk: it found no segment.',
    });
  }
  const page = pageOf(ctx.config, inputs);
  const reply = await ctx.effect('page', { method: 'PUT', host: HOST, path: `/pages/${keyOf(inputs)}`, json: page });
  if (reply.status === 422) {
    const why = z.object({ error: z.string() }).safeParse(reply.body).data?.error ?? 'it does not fit';
    throw new NodeError('PAGE_REFUSED', `The page was refused: ${why}`.slice(0, 500), {
      hint: 'Run the steps before it again.',
    });
  }
  if (reply.status !== 200) throw unexpectedReply(reply);
  const { id, url, title, publishedAt } = Published.parse(reply.body);
  ctx.fact('Clips', String(page.clips.length));
  ctx.fact('Visibility', ctx.config.visibility);
  return { post: { platform: 'showcase', id, url, title, publishedAt } };
};

export const lookup: Lookup<typeof manifest> = async (ctx, effect) => {
  const reply = await ctx.http({ method: 'GET', host: HOST, path: effect.request.path });
  if (reply.status === 404) return { state: 'absent' };
  if (reply.status !== 200) return { state: 'unknown', why: `The page answered with status ${reply.status}.` };
  const { id, url } = Published.parse(reply.body);
  return { state: 'confirmed', handle: id, evidence: url, reply };
};

export const simulate: Simulate<typeof manifest> = (ctx, inputs) => {
  const page = pageOf(ctx.config, inputs);
  return {
    would: `Publish "${page.title}" with ${page.clips.length} ${page.clips.length === 1 ? 'clip' : 'clips'}, ${page.visibility}.`,
    outputs: {
      post: {
        platform: 'showcase',
        id: 'simulated',
        url: 'https://example.invalid/not-published',
        title: page.title,
        publishedAt: ctx.now,
        simulated: true,
      },
    },
  };
};
