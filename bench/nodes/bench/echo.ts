/** Gives back what it was given, with a number changed: a call that is nearly all way there and back. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'bench.echo',
  version: '1.0.0',
  title: 'Echo',
  help: 'Gives back what it was given.',
  shape: 'step',
  effect: 'pure',
  inputs: { data: port.json() },
  outputs: { data: port.json() },
  config: z.strictObject({}),
  example: { inputs: { data: { at: 1 } }, outputs: { data: { at: 2 } } },
});

export const run: Run<typeof manifest> = (_ctx, { data }) => {
  const given = data as { at: number };
  return { data: { ...given, at: given.at + 1 } };
};
