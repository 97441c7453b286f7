/** Ends the run here and says why; what is done stays done, what has not begun is left out. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.stop',
  version: '1.0.0',
  title: 'Stop',
  help: 'Ends the run early: nothing that has not begun will begin. Put it after a Route or a Filter.',
  icon: 'octagon-x',
  family: 'flow',
  aliases: ['end', 'exit', 'halt', 'quit', 'abort'],
  shape: 'stop',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: { when: port.any({ title: 'When this arrives' }) },
  outputs: {},
  config: z.strictObject({
    reason: z.string().max(200).default('').meta({ title: 'Reason', help: 'Shown on the run.' }),
  }),
  fields: ['reason'],
  example: { config: { reason: 'Nothing good enough' }, inputs: { when: { score: 0.1 } }, outputs: {} },
});

export const run: Run<typeof manifest> = (ctx) => {
  if (ctx.config.reason !== '') ctx.fact('reason', ctx.config.reason);
  return {};
};
