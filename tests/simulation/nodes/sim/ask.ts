/** Asks outside how it goes before it does what its script says: well, not now, or not at all. */
import * as z from 'zod';
import { defineManifest, NodeError, type Run } from '../contract.ts';
import { act, eaten, type Script } from './act/script.ts';

export const manifest = defineManifest({
  id: 'sim.ask',
  version: '1.0.0',
  title: 'Ask',
  help: 'Asks, then does what its script says.',
  shape: 'step',
  effect: 'reads-external',
  inputs: {},
  outputs: {},
  config: z.object({}).catchall(z.json()),
  capabilities: { http: [{ method: 'GET', host: 'sim.test', path: '/mood', why: 'to ask' }] },
  example: { inputs: {} },
});

export const run: Run<typeof manifest> = async (ctx, inputs) => {
  const script = ctx.config.script as unknown as Script;
  const reply = await ctx.http({ method: 'GET', host: 'sim.test', path: '/mood', query: { given: eaten(inputs) } });
  const mood = String(reply.body);
  if (mood !== 'well') {
    throw new NodeError('SIM_FAILED', `error of ${script.name}`, { retry: mood === 'later' ? 'later' : 'never' });
  }
  return act(script, inputs)!;
};
