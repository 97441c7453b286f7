/** A long cut by the real ffmpeg, to be interrupted. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.film',
  version: '1.0.0',
  title: 'Film',
  help: 'Encodes the whole recording.',
  shape: 'step',
  effect: 'pure',
  weight: 'heavy',
  inputs: {},
  outputs: { text: port.text() },
  config: z.strictObject({ asset: z.string().default('0'.repeat(64)), seconds: z.number().default(1) }),
  capabilities: { media: ['clip'] },
  example: { inputs: {}, outputs: { text: 'c' } },
});

export const run: Run<typeof manifest> = async (ctx) => {
  const { asset, seconds } = ctx.config;
  const clip = await ctx.media.clip({
    asset,
    start: 0,
    end: seconds,
    width: 1080,
    height: 1920,
    crop: null,
    captions: null,
    loudness: null,
  });
  return { text: clip.asset.asset };
};
