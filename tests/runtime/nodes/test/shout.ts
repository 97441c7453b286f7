/** Says a text loudly; fails on one, leaves out another. */
import * as z from 'zod';
import { defineManifest, NodeError, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.shout',
  version: '1.0.0',
  title: 'Shout',
  help: 'Adds an exclamation mark.',
  shape: 'step',
  effect: 'pure',
  inputs: { text: port.text() },
  outputs: { text: port.text.optional() },
  config: z.strictObject({
    mark: z.string().default('!'),
    failOn: z.string().default(''),
    leaveOut: z.string().default(''),
    crashOn: z.string().default(''),
    tireOn: z.string().default(''),
  }),
  example: { inputs: { text: 'a' }, outputs: { text: 'a!' } },
});

export const run: Run<typeof manifest> = (ctx, { text }) => {
  if (text === ctx.config.failOn)
    throw new NodeError('SHOUT_REFUSED', `I will not say ${text}.`, { hint: 'Say something else.' });
  if (text === ctx.config.leaveOut) return {};
  if (text === ctx.config.tireOn) throw new NodeError('SHOUT_TIRED', 'I am hoarse.', { retry: 'later' });
  if (text === ctx.config.crashOn) for (const waste: unknown[] = []; ; ) waste.push(new Array(1e6).fill(text));
  return { text: `${text}${ctx.config.mark}` };
};
