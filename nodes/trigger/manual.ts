/** Begins a run when a person starts it. A pipeline can be started by hand without it; this hands on what was given. */
import * as z from 'zod';
import { defineManifest, type ManualEvent, port, type RunTrigger } from '../contract.ts';

export const manifest = defineManifest({
  id: 'trigger.manual',
  version: '1.0.0',
  title: 'Started by hand',
  help: 'Begins the pipeline when somebody presses Run, with the values of its inputs as data.',
  icon: 'circle-play',
  family: 'source',
  aliases: ['manual', 'start', 'button', 'trigger', 'run'],
  shape: 'trigger',
  trigger: { kind: 'manual' },
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {},
  outputs: { inputs: port.json({ title: 'Inputs' }), time: port.text({ title: 'Time' }) },
  config: z.strictObject({}),
  example: {
    inputs: { event: { at: '2026-03-02T08:00:00.000Z', inputs: { language: 'en' } } },
    outputs: { inputs: { language: 'en' }, time: '2026-03-02T08:00:00.000Z' },
  },
});

export const run: RunTrigger<typeof manifest, ManualEvent> = (_ctx, { event }) => ({
  inputs: event.inputs as never,
  time: event.at,
});
