/** Gives back the data it gets. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.keep',
  version: '1.0.0',
  title: 'Keep',
  help: 'Gives back what it gets.',
  shape: 'step',
  effect: 'pure',
  inputs: { value: port.json() },
  outputs: { value: port.json() },
  config: z.strictObject({}),
  example: { inputs: { value: 1 }, outputs: { value: 1 } },
});

export const run: Run<typeof manifest> = (_ctx, { value }) => ({ value });
