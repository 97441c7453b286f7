/** Lets an item go on after a while. Nothing is held meanwhile; a restart changes nothing about the time. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

const SECONDS = { minutes: 60, hours: 3_600, days: 86_400 };

export const manifest = defineManifest({
  id: 'flow.delay',
  version: '1.0.0',
  title: 'Delay',
  help: 'Waits for a while, then goes on.',
  icon: 'timer',
  family: 'flow',
  aliases: ['wait', 'sleep', 'pause', 'later'],
  shape: 'wait',
  effect: 'reads-external',
  inputs: { item: port.any({ title: 'Item', same: 'item' }) },
  outputs: { item: port.any({ title: 'Item', same: 'item' }) },
  config: z.strictObject({
    amount: z.number().positive().max(10_000).default(10).meta({ title: 'For' }),
    unit: z.enum(['minutes', 'hours', 'days']).default('minutes').meta({ title: 'Unit', 'x-widget': 'segmented' }),
  }),
  capabilities: { wait: true },
  fields: ['amount', 'unit'],
  example: {
    inputs: { item: { title: 'Later' } },
    replies: [{ state: 'expired' }],
    outputs: { item: { title: 'Later' } },
  },
});

export const run: Run<typeof manifest> = async (ctx, { item }) => {
  const { amount, unit } = ctx.config;
  const until = new Date(Date.parse(ctx.now) + amount * SECONDS[unit] * 1_000).toISOString();
  await ctx.wait('delay', { kind: 'time', until, why: `Goes on ${amount} ${unit} after it came here.` });
  return { item };
};
