/**
 * Brings branches together and gives on what came, in the order of its inputs. How long it waits, for all of them, for the
 * first that has something, or for a while, is the runtime's doing: it runs this when the waiting is over.
 */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

const input = (title: string) => port.any.optional({ title, same: 'item' });

export const manifest = defineManifest({
  id: 'flow.join',
  version: '1.0.0',
  title: 'Join',
  help: 'Waits for all its branches, or for the first. Gives on the first that has something, and all that have something as a list.',
  icon: 'git-merge',
  family: 'flow',
  aliases: ['merge', 'branches', 'wait for all', 'coalesce', 'first', 'any', 'race', 'timeout'],
  shape: 'join',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: { first: input('First'), second: input('Second'), third: input('Third'), fourth: input('Fourth') },
  outputs: {
    item: port.any.optional({ title: 'First present', same: 'item' }),
    items: port.any.list({ title: 'All present', same: 'item' }),
  },
  config: z.strictObject({
    until: z
      .enum(['all', 'first'])
      .default('all')
      .meta({ title: 'Waits for', labels: { all: 'all branches', first: 'the first with something' } }),
    amount: z
      .number()
      .positive()
      .max(10_000)
      .nullable()
      .default(null)
      .meta({ title: 'At most', help: 'Then it goes on with what is there; counted from the first branch that came.' }),
    unit: z
      .enum(['seconds', 'minutes', 'hours', 'days'])
      .default('hours')
      .meta({ title: 'Unit', 'x-widget': 'segmented' }),
  }),
  fields: ['until', 'amount', 'unit'],
  example: { inputs: { second: 'b', fourth: 'd' }, outputs: { item: 'b', items: ['b', 'd'] } },
});

export const run: Run<typeof manifest> = (_, { first, second, third, fourth }) => {
  const items = [first, second, third, fourth].filter((item) => item !== undefined);
  return { items, ...(items[0] === undefined ? {} : { item: items[0] }) };
};
