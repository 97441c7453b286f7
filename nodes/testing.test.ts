import { expect, test } from 'vitest';
import * as z from 'zod';
import { defineManifest, type Lookup, NodeError, port, type Run, type Simulate } from './contract.ts';
import { fakeCtx, recorded } from './testing.ts';

const manifest = defineManifest({
  id: 'made.up',
  version: '1.0.0',
  title: 'Made up',
  help: '',
  shape: 'step',
  effect: 'writes-external',
  inputs: { text: port.text() },
  outputs: { url: port.text() },
  config: z.strictObject({ loud: z.boolean().default(false) }),
  capabilities: {
    media: ['probe'],
    http: [
      { method: 'POST', path: '/statuses', why: '' },
      { method: 'GET', path: '/accounts/{account}/statuses', why: '' },
    ],
  },
  example: { inputs: { text: 'a' } },
});
const run: Run<typeof manifest> = async (ctx, { text }) => {
  const reply = await ctx.effect('status', { method: 'POST', path: '/statuses', json: { text } });
  return { url: (reply.body as { url: string }).url };
};
const lookup: Lookup<typeof manifest> = async (ctx, effect) => {
  const { body } = await ctx.http({ method: 'GET', path: '/accounts/7/statuses' });
  const found = (body as { id: string; text: string; url: string }[]).find(
    ({ text }) => text === (effect.request.json as { text: string }).text,
  );
  return found ? { state: 'confirmed', handle: found.id, evidence: found.url } : { state: 'absent' };
};
const simulate: Simulate<typeof manifest> = (ctx) => ({ would: `Post ${ctx.config.loud}`, outputs: { url: 'none' } });
const node = { run, lookup, simulate };

test('a lost answer is looked up, and nothing is sent again when it had arrived', async () => {
  const ctx = fakeCtx(manifest, { node, replies: ['lost', { body: [{ id: '1', text: 'Hello', url: 'u' }] }] });
  await expect(ctx.execute({ text: 'Hello' })).resolves.toEqual({ url: 'u' });
  expect(ctx.sent.map(({ method }) => method)).toEqual(['POST', 'GET']);
});

test('what is known to be absent is sent again', async () => {
  const ctx = fakeCtx(manifest, { node, replies: ['lost', { body: [] }, { body: { url: 'second' } }] });
  await expect(ctx.execute({ text: 'Hello' })).resolves.toEqual({ url: 'second' });
  expect(ctx.sent.map(({ method }) => method)).toEqual(['POST', 'GET', 'POST']);
});

test('config gets its defaults, and a dry run sends nothing', async () => {
  const ctx = fakeCtx(manifest, { node });
  await expect(ctx.rehearse({ text: 'x' })).resolves.toEqual({ would: 'Post false', outputs: { url: 'none' } });
  expect(ctx.sent).toEqual([]);
});

test('a node is held to its manifest: calls, paths, inputs and outputs', async () => {
  const asking = (ask: (ctx: Parameters<typeof run>[0]) => Promise<unknown>) =>
    fakeCtx(manifest, { node: { run: ask }, replies: [{}] }).execute({ text: 'x' });
  await expect(asking((ctx) => ctx.media.waveform({ asset: 'a', bins: 1 }))).rejects.toMatchObject({
    code: 'CAPABILITY_UNDECLARED',
  });
  await expect(asking((ctx) => ctx.http({ method: 'GET', path: '/accounts/7/statuses/8' }))).rejects.toThrow(
    'not declared',
  );
  await expect(asking((ctx) => ctx.http({ method: 'GET', host: 'x.example', path: '/statuses' }))).rejects.toThrow(
    'not declared',
  );
  await expect(asking(async () => ({ url: 5 }))).rejects.toMatchObject({ code: 'NODE_BAD_OUTPUT' });
  await expect(asking(async () => ({ url: 'u', more: 1 }))).rejects.toThrow('no output port "more"');
  await expect(fakeCtx(manifest, { node }).execute({ text: 5 as never })).rejects.toMatchObject({
    code: 'NODE_BAD_INPUT',
  });
});

test('replies may be errors or functions of the call, and those nobody asked for are shown', async () => {
  const probing: Run<typeof manifest> = async (ctx) => ({ url: (await ctx.media.probe({ asset: 'a' })).format });
  const fails = fakeCtx(manifest, { node: { run: probing }, replies: [new NodeError('MEDIA_REFUSED', 'No.'), 'left'] });
  await expect(fails.execute({ text: 'x' })).rejects.toMatchObject({ code: 'MEDIA_REFUSED' });
  expect(fails.unused).toEqual(['left']);
  const ctx = fakeCtx(manifest, {
    node: { run: probing },
    replies: [(args: { asset: string }) => ({ format: args.asset })],
  });
  await expect(ctx.execute({ text: 'x' })).resolves.toEqual({ url: 'a' });
  expect(ctx.calls).toEqual([{ capability: 'media', method: 'probe', args: { asset: 'a' } }]);
});

test('recorded replies answer the requests they were given to, and no other', async () => {
  const calls = [
    {
      request: { method: 'POST', path: '/statuses', json: { text: 'Then' } },
      reply: { status: 200, body: { url: 'https://a' } },
    },
  ];
  const ctx = fakeCtx(manifest, { node, replies: recorded(calls) });
  expect(await ctx.execute({ text: 'Now' })).toEqual({ url: 'https://a' });
  const other = fakeCtx(manifest, {
    node,
    replies: recorded([{ request: { method: 'POST', path: '/toots' }, reply: { body: { url: 'https://a' } } }]),
  });
  await expect(other.execute({ text: 'Now' })).rejects.toThrow(
    'Call 1 asks for POST /statuses; recorded was POST /toots.',
  );
});
