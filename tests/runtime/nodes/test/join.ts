/** Joins texts with a comma. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.join',
  version: '1.0.0',
  title: 'Join',
  help: 'Joins texts.',
  shape: 'step',
  effect: 'pure',
  inputs: { texts: port.text.list() },
  outputs: { text: port.text() },
  config: z.strictObject({}),
  example: { inputs: { texts: ['a', 'b'] }, outputs: { text: 'a,b' } },
});

export const run: Run<typeof manifest> = (_ctx, { texts }) => ({ text: texts.join(',') });
