/** Lets an item go on at a certain time: one written in the settings, or one that comes with the item. */
import * as z from 'zod';
import { defineManifest, NodeError, partOf, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.until',
  version: '1.0.0',
  title: 'Wait until',
  help: 'Goes on at a date and time. A time that is over lets it go on at once.',
  icon: 'calendar-clock',
  family: 'flow',
  aliases: ['date', 'time', 'at', 'schedule', 'sleep'],
  shape: 'wait',
  effect: 'reads-external',
  inputs: { item: port.any({ title: 'Item', same: 'item' }) },
  outputs: { item: port.any({ title: 'Item', same: 'item' }) },
  config: z.strictObject({
    time: z.string().max(60).default('').meta({
      title: 'Time',
      help: 'A date and time with its zone, such as 2026-12-01T09:00:00+01:00.',
      placeholder: '2026-12-01T09:00:00+01:00',
    }),
    field: z.string().max(200).default('').meta({
      title: 'Or a field of the item',
      help: 'Used where no time is written above.',
      placeholder: 'publishAt',
    }),
  }),
  capabilities: { wait: true },
  fields: ['time'],
  example: {
    config: { field: 'at' },
    inputs: { item: { at: '2026-01-15T10:00:00Z' } },
    replies: [{ state: 'expired' }],
    outputs: { item: { at: '2026-01-15T10:00:00Z' } },
  },
});

/** Date, time and zone: without a zone nobody could say when it is. */
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

export const run: Run<typeof manifest> = async (ctx, { item }) => {
  const { time, field } = ctx.config;
  const given = time === '' ? partOf(item, field) : time;
  const at = typeof given === 'string' && INSTANT.test(given) ? Date.parse(given) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new NodeError('UNTIL_NO_TIME', 'There is no date and time with a zone to wait for.', {
      hint: 'Write one as 2026-12-01T09:00:00+01:00, or name the field of the item that has it.',
    });
  }
  const until = new Date(at).toISOString();
  if (at > Date.parse(ctx.now)) await ctx.wait('until', { kind: 'time', until, why: `Waits until ${given}.` });
  return { item };
};
