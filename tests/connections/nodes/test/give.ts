/** Gives what stands in its settings: a text, a video, a picture. */
import * as z from 'zod';
import { defineManifest, ImageAsset, port, type Run, VideoAsset } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.give',
  version: '1.0.0',
  title: 'Give',
  help: 'Gives what stands in its settings.',
  shape: 'step',
  effect: 'pure',
  inputs: {},
  outputs: { text: port.text.optional(), video: port.video.optional(), image: port.image.optional() },
  config: z.strictObject({
    text: z.string().optional(),
    video: VideoAsset.optional(),
    image: ImageAsset.optional(),
  }),
  example: { config: { text: 'Hello' }, inputs: {}, outputs: { text: 'Hello' } },
});

export const run: Run<typeof manifest> = ({ config }) => config;
