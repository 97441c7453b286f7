/** Asks a service of the tests once for each text. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.ask',
  version: '1.0.0',
  title: 'Ask',
  help: 'Asks.',
  shape: 'step',
  effect: 'reads-external',
  reuseForSeconds: 3600,
  inputs: { text: port.text() },
  outputs: { text: port.text() },
  config: z.strictObject({ failOn: z.string().default('') }),
  capabilities: { http: [{ method: 'GET', host: 'posts.test', path: '/posts', why: 'to ask' }] },
  limits: { attempts: 1 },
  cost: { per: 'call', quota: { name: 'questions', units: 3 } },
  example: { inputs: { text: 'a' } },
});

export const run: Run<typeof manifest> = async (ctx, { text }) => {
  await ctx.http({ method: 'GET', host: 'posts.test', path: '/posts', query: { text } });
  if (ctx.config.failOn !== '' && text.includes(ctx.config.failOn)) throw new Error('It would not say.');
  return { text };
};
