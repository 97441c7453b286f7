/** Gives back what it has not declared. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.liar',
  version: '1.0.0',
  title: 'Liar',
  help: 'Gives back what it has not declared.',
  shape: 'step',
  effect: 'pure',
  inputs: {},
  outputs: { text: port.text() },
  config: z.strictObject({}),
  example: { inputs: {} },
});

export const run: Run<typeof manifest> = () => ({ other: 1 }) as unknown as { text: string };
