/**
 * Does what its script says; one that asks first hears how it goes: well, not now, or not at all. Its ports are given by
 * the world it stands in, and whether it may ask.
 */
import * as z from 'zod';
import { defineManifest, NodeError, type Run } from '../contract.ts';
import { act, eaten, type Script } from './act/script.ts';

export const manifest = defineManifest({
  id: 'sim.act',
  version: '1.0.0',
  title: 'Act',
  help: 'Does what its script says.',
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
  const refuse = (retry: 'never' | 'later') => new NodeError('SIM_FAILED', `error of ${script.name}`, { retry });
  if (script.asks) {
    const query = { given: eaten(inputs) };
    const { body } = await ctx.http({ method: 'GET', host: 'sim.test', path: '/mood', query });
    if (body !== 'well') throw refuse(body === 'later' ? 'later' : 'never');
  }
  const made = act(script, inputs);
  if (!made) throw refuse('never');
  return made;
};
