/** Asks a service once, or not at all: the difference is the round trip. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'bench.fetch',
  version: '1.0.0',
  title: 'Fetch',
  help: 'Asks a service once, or not at all.',
  shape: 'step',
  effect: 'reads-external',
  reuseForSeconds: 0,
  inputs: { data: port.json() },
  outputs: { data: port.json() },
  config: z.strictObject({}),
  capabilities: { http: [{ method: 'GET', host: 'service.test', path: '/data', why: 'to ask' }] },
  example: { inputs: { data: { asks: false } } },
});

export const run: Run<typeof manifest> = async (ctx, { data }) => {
  if (!(data as { asks: boolean }).asks) return { data: { status: 0 } };
  const reply = await ctx.http({ method: 'GET', host: 'service.test', path: '/data' });
  return { data: { status: reply.status } };
};
