/** Posts a text to the campaign's platform, which lists it only after a while. */
import * as z from 'zod';
import { defineManifest, type Lookup, port, type Run, type Simulate, unexpectedReply } from '../contract.ts';

export const manifest = defineManifest({
  id: 'chaos.post',
  version: '1.0.0',
  title: 'Post',
  help: 'Posts a text.',
  shape: 'step',
  effect: 'writes-external',
  inputs: { text: port.text() },
  outputs: { url: port.text() },
  config: z.strictObject({}),
  capabilities: {
    http: [
      { method: 'POST', host: 'posts.test', path: '/posts', why: 'to post' },
      { method: 'GET', host: 'posts.test', path: '/posts', why: 'to find out whether a post arrived' },
    ],
  },
  listedWithinSeconds: 10,
  example: { inputs: { text: 'a' }, outputs: { url: 'https://posts.test/1' } },
});

const Post = z.object({ id: z.string(), url: z.string(), text: z.string() });

export const run: Run<typeof manifest> = async (ctx, { text }) => {
  const headers = { 'idempotency-key': text };
  const request = { method: 'POST', host: 'posts.test', path: '/posts', headers, json: { text } } as const;
  const reply = await ctx.effect('post', request);
  if (reply.status !== 200) throw unexpectedReply(reply);
  return { url: Post.parse(reply.body).url };
};

export const lookup: Lookup<typeof manifest> = async (ctx, effect) => {
  const { text } = z.object({ text: z.string() }).parse(effect.request.json);
  const reply = await ctx.http({ method: 'GET', host: 'posts.test', path: '/posts', query: { text } });
  if (reply.status !== 200) return { state: 'unknown', why: `The list was answered with ${reply.status}.` };
  const [found] = z.array(Post).parse(reply.body);
  return found
    ? { state: 'confirmed', handle: found.id, evidence: found.url, reply: { status: 200, headers: {}, body: found } }
    : { state: 'absent' };
};

export const simulate: Simulate<typeof manifest> = (_ctx, { text }) => ({
  would: `Post ${text.length} characters.`,
  outputs: { url: 'https://example.invalid/not-posted' },
});
