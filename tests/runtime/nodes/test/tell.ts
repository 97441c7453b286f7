/** Asks a service of the tests that is not to be asked too often, and tells it something where `tells` is set. */
import * as z from 'zod';
import { defineManifest, type Lookup, port, type Run, type Simulate, unexpectedReply } from '../contract.ts';

const limit = { requests: 20, seconds: 2 };

export const manifest = defineManifest({
  id: 'test.tell',
  version: '1.0.0',
  title: 'Tell',
  help: 'Asks, or tells.',
  shape: 'step',
  effect: 'writes-external',
  inputs: { text: port.text() },
  outputs: { text: port.text() },
  config: z.strictObject({ tells: z.boolean().default(false) }),
  capabilities: {
    http: [
      { method: 'GET', host: 'limited.test', path: '/things/{text}', why: 'to ask', limit },
      { method: 'POST', host: 'limited.test', path: '/things', why: 'to tell', limit },
    ],
  },
  example: { inputs: { text: 'a' }, outputs: { text: 'a' } },
});

export const run: Run<typeof manifest> = async (ctx, { text }) => {
  const reply = ctx.config.tells
    ? await ctx.effect('tell', { method: 'POST', host: 'limited.test', path: '/things', json: { text } })
    : await ctx.http({ method: 'GET', host: 'limited.test', path: `/things/${text}` });
  if (reply.status !== 200) throw unexpectedReply(reply);
  return { text };
};

export const lookup: Lookup<typeof manifest> = async (ctx, effect) => {
  const { text } = z.object({ text: z.string() }).parse(effect.request.json);
  const reply = await ctx.http({ method: 'GET', host: 'limited.test', path: `/things/${text}` });
  return reply.status === 200 ? { state: 'confirmed', handle: text, evidence: text } : { state: 'absent' };
};

export const simulate: Simulate<typeof manifest> = (_ctx, { text }) => ({
  would: `Tell ${text.length} characters.`,
  outputs: { text },
});
