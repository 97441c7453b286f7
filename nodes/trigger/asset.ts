/** Begins a run for each recording that a person uploads. */
import * as z from 'zod';
import { type AssetEvent, defineManifest, type MediaAsset, port, type RunTrigger } from '../contract.ts';

export const manifest = defineManifest({
  id: 'trigger.asset',
  version: '1.0.0',
  title: 'New recording',
  help: 'Begins the pipeline when somebody has uploaded a recording. What nodes make does not count.',
  icon: 'file-up',
  family: 'source',
  aliases: ['upload', 'asset', 'file', 'recording', 'trigger', 'start', 'new asset'],
  shape: 'trigger',
  trigger: { kind: 'asset' },
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {},
  outputs: { recording: port.media({ title: 'Recording' }), name: port.text({ title: 'File name' }) },
  config: z.strictObject({
    kind: z.enum(['any', 'video', 'audio']).default('any').meta({ title: 'Kind' }),
    nameContains: z.string().max(100).default('').meta({
      title: 'Name contains',
      help: 'Only files whose name has this in it. Empty: every recording.',
    }),
  }),
  fields: ['kind'],
  example: {
    inputs: {
      event: {
        at: '2026-03-02T08:00:00.000Z',
        asset: { asset: 'a'.repeat(64), kind: 'video', mime: 'video/mp4', bytes: 1_048_576, name: 'talk.mp4' },
      },
    },
    outputs: {
      recording: { asset: 'a'.repeat(64), kind: 'video', mime: 'video/mp4', bytes: 1_048_576, name: 'talk.mp4' },
      name: 'talk.mp4',
    },
  },
});

export const run: RunTrigger<typeof manifest, AssetEvent> = (_ctx, { event }) => ({
  recording: event.asset as MediaAsset,
  name: event.asset.name ?? '',
});
