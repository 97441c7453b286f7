/** Works for as long as its recording asks for, and gives a text for each ten seconds of it. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.listen',
  version: '1.0.0',
  title: 'Listen',
  help: 'Listens to the whole recording.',
  shape: 'step',
  effect: 'reads-external',
  weight: 'heavy',
  reuseForSeconds: 3600,
  inputs: {},
  outputs: { items: port.text.list() },
  config: z.strictObject({ recording: z.string().default('0'.repeat(64)) }),
  capabilities: { media: ['waveform'] },
  cost: { per: 'minute', money: { currency: 'USD', minor: 6 }, quota: { name: 'minutes heard', units: 2 } },
  example: { inputs: {} },
});

export const run: Run<typeof manifest> = async (ctx) => {
  const [seconds] = (await ctx.media.waveform({ asset: ctx.config.recording, bins: 1 })) as unknown as [number];
  return {
    items: Array.from({ length: Math.round(seconds / 10) }, (_, at) => `${ctx.config.recording.slice(0, 6)} ${at}`),
  };
};
