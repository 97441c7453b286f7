/** Does what its script says, by itself. Its ports are given by the world it stands in. */
import * as z from 'zod';
import { defineManifest, NodeError, type Run } from '../contract.ts';
import { act, type Script } from './act/script.ts';

export const manifest = defineManifest({
  id: 'sim.act',
  version: '1.0.0',
  title: 'Act',
  help: 'Does what its script says.',
  shape: 'step',
  effect: 'pure',
  inputs: {},
  outputs: {},
  config: z.object({}).catchall(z.json()),
  example: { inputs: {} },
});

export const run: Run<typeof manifest> = (ctx, inputs) => {
  const script = ctx.config.script as unknown as Script;
  const made = act(script, inputs);
  if (!made) throw new NodeError('SIM_FAILED', `error of ${script.name}`);
  return made;
};
