/** Waits for a call from another service; what the call brings goes on. The address is shown on the waiting step. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.hook',
  version: '1.0.0',
  title: 'Wait for webhook',
  help: 'Sleeps until another service calls its address. The call may also come before the step gets here.',
  icon: 'webhook',
  family: 'flow',
  aliases: ['callback', 'webhook', 'resume', 'external', 'wait'],
  shape: 'wait',
  effect: 'reads-external',
  inputs: { item: port.any({ title: 'Item', same: 'item' }) },
  outputs: {
    item: port.any.optional({ title: 'Item', same: 'item' }),
    body: port.json.optional({ title: 'What the call brought' }),
    late: port.any.optional({ title: 'Nobody called', same: 'item' }),
  },
  config: z.strictObject({
    hours: z.number().positive().max(8_760).default(72).meta({ title: 'Gives up after', unit: 'hours' }),
  }),
  capabilities: { wait: true },
  fields: ['hours'],
  example: {
    inputs: { item: { title: 'Ordered' } },
    replies: [{ state: 'answered', value: { done: true }, by: null, at: '2026-01-15T09:30:00.000Z' }],
    outputs: { item: { title: 'Ordered' }, body: { done: true } },
  },
});

export const run: Run<typeof manifest> = async (ctx, { item }) => {
  const until = new Date(Date.parse(ctx.now) + ctx.config.hours * 3_600_000).toISOString();
  const answer = await ctx.wait('call', { kind: 'hook', until, why: 'Waits for a call to its address.' });
  return answer.state === 'answered' ? { item, body: answer.value as typeof item } : { late: item };
};
