/** Makes a list of texts, one for each number from 1 to `count`. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.numbers',
  version: '1.0.0',
  title: 'Numbers',
  help: 'A list of numbers as texts.',
  shape: 'step',
  effect: 'pure',
  inputs: {},
  outputs: { items: port.text.list() },
  config: z.strictObject({ count: z.int().min(0).max(5000).default(3), prefix: z.string().default('') }),
  example: { inputs: {}, outputs: { items: ['1', '2', '3'] } },
});

export const run: Run<typeof manifest> = (ctx) => ({
  items: Array.from({ length: ctx.config.count }, (_, index) => `${ctx.config.prefix}${index + 1}`),
});
