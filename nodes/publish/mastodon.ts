/**
 * Publishes one post to a Mastodon account, with a video or a picture where there is one, and gives back its address.
 * Source: docs.joinmastodon.org, methods "apps", "oauth", "accounts", "media" and "statuses", and "Rate limits" (read 2026-11).
 */
import * as z from 'zod';
import {
  type Ctx,
  defineManifest,
  type Lookup,
  type Metrics,
  NodeError,
  port,
  type Remove,
  type Run,
  type Simulate,
  unexpectedReply,
  type Validate,
  type WhoIs,
} from '../contract.ts';

/** What a server allows unless its operator says otherwise. */
const MOST_CHARACTERS = 500;
/** An address counts as so many, however long it is. */
const ADDRESS_CHARACTERS = 23;
const ALL_REQUESTS = { requests: 300, seconds: 300 };
const PAGE = 40;
const LONGEST_PROCESSING_LOOKS = 60;

export const manifest = defineManifest({
  id: 'publish.mastodon',
  version: '1.0.0',
  title: 'Publish to Mastodon',
  help: 'Posts a text to your account on any Mastodon server, with a video or a picture where you wire one in.',
  icon: 'message-circle',
  family: 'publish',
  aliases: ['toot', 'fediverse', 'status', 'social'],
  shape: 'step',
  effect: 'writes-external',
  inputs: {
    text: port.text.optional(),
    video: port.video.optional(),
    image: port.image.optional(),
  },
  outputs: { post: port.post() },
  config: z.strictObject({
    visibility: z
      .enum(['public', 'unlisted', 'private'])
      .default('public')
      .meta({ title: 'Who sees it', help: 'Unlisted: everybody, but not in public timelines. Private: followers.' }),
    description: z.string().max(1_500).default('').meta({
      title: 'Alt text',
      'x-widget': 'textarea',
      help: 'Read out to people who cannot see the picture or video.',
    }),
    account: z
      .string()
      .max(200)
      .default('')
      .meta({ title: 'Account', 'x-widget': 'account', help: 'Where the brand has several; else its only one.' }),
  }),
  fields: ['visibility'],
  connection: { platform: 'mastodon', scopes: ['read', 'write:statuses', 'write:media'] },
  platform: {
    title: 'Mastodon',
    server: { kind: 'asked', example: 'mastodon.social' },
    connect: {
      kind: 'oauth2',
      authorize: { path: '/oauth/authorize' },
      token: { path: '/oauth/token' },
      revoke: { path: '/oauth/revoke' },
      app: {
        from: 'server',
        register: { path: '/api/v1/apps' },
        as: 'form',
        fields: { client_name: '{name}', redirect_uris: '{redirect}', scopes: '{scopes}', website: '{site}' },
      },
      client: 'body',
      refresh: 'none',
    },
    post: {
      rules: {
        text: { most: MOST_CHARACTERS, counts: 'characters', linkCounts: ADDRESS_CHARACTERS },
        video: { mimes: ['video/mp4', 'video/webm', 'video/quicktime'], mostBytes: 99 * 1024 * 1024 },
        image: { mimes: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'], mostBytes: 16 * 1024 * 1024 },
      },
      oneOf: ['text', 'video', 'image'],
      policies: [{ text: 'A post can be deleted, not unseen: other servers may keep a copy.' }],
    },
  },
  capabilities: {
    http: [
      {
        method: 'GET',
        path: '/api/v1/accounts/verify_credentials',
        why: 'to see whose account it is',
        limit: ALL_REQUESTS,
      },
      {
        method: 'POST',
        path: '/api/v2/media',
        why: 'to upload the video or picture',
        limit: { requests: 30, seconds: 1_800, name: 'media' },
      },
      { method: 'GET', path: '/api/v1/media/{id}', why: 'to see whether it is ready', limit: ALL_REQUESTS },
      { method: 'POST', path: '/api/v1/statuses', why: 'to post', limit: ALL_REQUESTS },
      {
        method: 'GET',
        path: '/api/v1/accounts/{account}/statuses',
        why: 'to find out whether a post arrived',
        limit: ALL_REQUESTS,
      },
      { method: 'GET', path: '/api/v1/statuses/{id}', why: 'to see how a post does', limit: ALL_REQUESTS },
      {
        method: 'DELETE',
        path: '/api/v1/statuses/{id}',
        why: 'to delete a post when you say so',
        limit: { requests: 30, seconds: 1_800, name: 'delete' },
      },
    ],
    wait: true,
    why: { wait: 'while the server works on a video', account: 'to post as you' },
  },
  example: {
    config: { visibility: 'public' },
    inputs: { text: 'What Asterisk is, in thirteen seconds.' },
    replies: [
      {
        status: 200,
        headers: {},
        body: { id: '1', url: 'https://mastodon.example/@a/1', created_at: '2026-01-15T09:00:00.000Z' },
      },
    ],
    outputs: {
      post: {
        platform: 'mastodon',
        id: '1',
        url: 'https://mastodon.example/@a/1',
        title: 'What Asterisk is, in thirteen seconds.',
        publishedAt: '2026-01-15T09:00:00.000Z',
      },
    },
    lookups: [
      {
        name: 'status',
        request: { method: 'POST', path: '/api/v1/statuses', json: { status: 'Hello', visibility: 'public' } },
        replies: [
          {
            status: 200,
            headers: {},
            body: [
              {
                id: '1',
                url: 'https://mastodon.example/@a/1',
                created_at: '2026-01-15T09:00:01.000Z',
                content: '<p>Hello</p>',
                media_attachments: [],
              },
            ],
          },
        ],
        gives: 'confirmed',
      },
      {
        name: 'status',
        request: { method: 'POST', path: '/api/v1/statuses', json: { status: 'Hello', visibility: 'public' } },
        replies: [{ status: 200, headers: {}, body: [] }],
        gives: 'absent',
      },
    ],
  },
});

const Status = z.object({
  id: z.string(),
  url: z.string().nullable(),
  created_at: z.string(),
  content: z.string().default(''),
  media_attachments: z.array(z.object({ id: z.string() })).default([]),
  favourites_count: z.number().default(0),
  reblogs_count: z.number().default(0),
  replies_count: z.number().default(0),
});
const Media = z.object({ id: z.string() });
const Sent = z.object({ status: z.string(), media_ids: z.array(z.string()).default([]) });

export const run: Run<typeof manifest> = async (ctx, { text = '', video, image }) => {
  const file = video ?? image;
  const media = file ? await upload(ctx, file.asset, file.name ?? (video ? 'video.mp4' : 'image')) : null;
  ctx.progress(0.8, 'Posting');
  const reply = await ctx.effect('status', {
    method: 'POST',
    path: '/api/v1/statuses',
    // the server gives the same status to the same key for an hour: a second net under the look-up
    headers: { 'idempotency-key': String(Math.random()).slice(2) },
    json: { status: text, visibility: ctx.config.visibility, ...(media === null ? {} : { media_ids: [media] }) },
  });
  if (reply.status === 422) throw refused(reply.body);
  if (reply.status !== 200) throw unexpectedReply(reply);
  const status = z
    .looseObject({ id: z.string(), url: z.string().nullish(), created_at: z.string().optional() })
    .parse(reply.body);
  const url = status.url ?? `https://${ctx.connection.server}/`;
  ctx.fact('posted as', ctx.connection.name);
  return {
    post: {
      platform: 'mastodon',
      id: status.id,
      url,
      title: titleOf(text),
      publishedAt: status.created_at ?? ctx.now,
    },
  };
};

/** A video is worked on for a while after it was sent; the post waits until it is ready. */
async function upload(ctx: Ctx<z.output<typeof manifest.config>>, asset: string, filename: string): Promise<string> {
  ctx.progress(0.1, 'Uploading');
  const reply = await ctx.http({
    method: 'POST',
    path: '/api/v2/media',
    parts: [
      ...(ctx.config.description === '' ? [] : [{ name: 'description', text: ctx.config.description }]),
      { name: 'file', asset, filename: filename.replace(/["\\\r\n]/g, '') },
    ],
  });
  if (reply.status === 422) throw refused(reply.body);
  if (reply.status !== 200 && reply.status !== 202) throw unexpectedReply(reply);
  const { id } = Media.parse(reply.body);
  for (let look = 1; reply.status === 202; look++) {
    const until = new Date(Date.parse(ctx.now) + seconds(look) * 1_000).toISOString();
    await ctx.wait(`ready ${look}`, { kind: 'time', until, why: `${ctx.connection.server} works on the video.` });
    const now = await ctx.http({ method: 'GET', path: `/api/v1/media/${id}` });
    if (now.status === 200) break;
    if (now.status === 422) throw refused(now.body);
    if (now.status !== 206) throw unexpectedReply(now);
    if (look === LONGEST_PROCESSING_LOOKS) {
      throw new NodeError('MEDIA_NOT_READY', `${ctx.connection.server} has not finished with the video for too long.`, {
        hint: 'Retry later; it is uploaded again.',
        retry: 'person',
      });
    }
  }
  return id;
}

/** After how many seconds it is looked the nth time: soon at first, then each half a minute. */
const seconds = (look: number) => (look <= 5 ? 2 * look : 10 + (look - 5) * 30);

export const validate: Validate<typeof manifest> = (_ctx, { video, image }) =>
  video && image
    ? [{ input: 'image', message: 'A post holds a video or a picture, not both.', hint: 'Take one of the wires away.' }]
    : [];

/** Looks through the account's newest posts for the same words and files, back to before it was sent. */
export const lookup: Lookup<typeof manifest> = async (ctx, effect) => {
  const reply = await ctx.http({
    method: 'GET',
    path: `/api/v1/accounts/${ctx.connection.account}/statuses`,
    query: { limit: String(PAGE), exclude_reblogs: 'true' },
  });
  if (reply.status !== 200)
    return { state: 'unknown', why: `${ctx.connection.server} answered with status ${reply.status}.` };
  const statuses = z.array(Status).parse(reply.body);
  const sent = Sent.parse(effect.request.json);
  const found = statuses.find(
    (status) =>
      Date.parse(status.created_at) > Date.parse(effect.sentAt) - CLOCKS_APART_MS &&
      wordsOf(status.content) === plain(sent.status) &&
      sent.media_ids.every((id) => status.media_attachments.some((media) => media.id === id)),
  );
  if (found) {
    const url = found.url ?? `https://${ctx.connection.server}/`;
    return { state: 'confirmed', handle: found.id, evidence: url, reply: { status: 200, headers: {}, body: found } };
  }
  const oldest = statuses.at(-1);
  const sawAll = statuses.length < PAGE || (oldest && Date.parse(oldest.created_at) < Date.parse(effect.sentAt));
  return sawAll
    ? { state: 'absent' }
    : { state: 'unknown', why: 'So much was posted since that it may be further back.' };
};
const CLOCKS_APART_MS = 120_000;

export const simulate: Simulate<typeof manifest> = (ctx, { text = '', video, image }) => ({
  would: `Post ${[...text].length} characters${video ? ' with a video' : image ? ' with a picture' : ''} as ${ctx.connection.name}, ${ctx.config.visibility}.`,
  outputs: {
    post: {
      platform: 'mastodon',
      id: 'simulated',
      url: 'https://example.invalid/not-posted',
      title: titleOf(text),
      publishedAt: ctx.now,
      simulated: true,
    },
  },
});

export const account: WhoIs<typeof manifest> = async (ctx) => {
  const reply = await ctx.http({ method: 'GET', path: '/api/v1/accounts/verify_credentials' });
  if (reply.status !== 200) throw unexpectedReply(reply);
  const own = z
    .object({ id: z.string(), username: z.string(), display_name: z.string(), url: z.string() })
    .parse(reply.body);
  return {
    id: own.id,
    name: own.display_name || own.username,
    handle: `@${own.username}@${ctx.connection.server}`,
    url: own.url,
  };
};

export const remove: Remove<typeof manifest> = async (ctx, { post }) => {
  const reply = await ctx.http({ method: 'DELETE', path: `/api/v1/statuses/${post.id}` });
  if (reply.status === 200) return { state: 'removed' };
  if (reply.status === 404) return { state: 'absent' };
  throw unexpectedReply(reply);
};

export const metrics: Metrics<typeof manifest> = async (ctx, { posts }) => {
  const figures: Record<string, Record<string, number>> = {};
  for (const { id } of posts) {
    const reply = await ctx.http({ method: 'GET', path: `/api/v1/statuses/${id}` });
    if (reply.status === 404) continue;
    if (reply.status !== 200) throw unexpectedReply(reply);
    const status = Status.parse(reply.body);
    figures[id] = { likes: status.favourites_count, boosts: status.reblogs_count, replies: status.replies_count };
  }
  return figures;
};

const ErrorBody = z.object({ error: z.string().max(500) });
const refused = (body: unknown) => {
  const told = ErrorBody.safeParse(body);
  return new NodeError(
    'POST_REFUSED',
    `Mastodon refuses this: ${told.success ? told.data.error : 'it gave no reason'}.`,
    {
      hint: 'Change the text or the file, then retry.',
    },
  );
};

const titleOf = (text: string) => [...text.split('\n')[0]!].slice(0, 120).join('');
const plain = (text: string) => text.replace(/\s+/g, ' ').trim();
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: ' ' };
/** The words of a status, whose content is HTML; an address stands in several elements without gaps. */
function wordsOf(html: string): string {
  const text = html.replace(/<br\s*\/?>|<\/p>/gi, ' ').replace(/<[^>]*>/g, '');
  return plain(text.replace(/&(#?\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole));
}
