/** Brings branches together: waits for all of them and gives on what came, in the order of its inputs. */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

const input = (title: string) => port.any.optional({ title, same: 'item' });

export const manifest = defineManifest({
  id: 'flow.join',
  version: '1.0.0',
  title: 'Join',
  help: 'Waits for all its branches. Gives on the first that has something, and all that have something as a list.',
  icon: 'git-merge',
  family: 'flow',
  aliases: ['merge', 'branches', 'wait for all', 'coalesce', 'first'],
  shape: 'join',
  effect: 'pure',
  cheap: true,
  inputs: { first: input('First'), second: input('Second'), third: input('Third'), fourth: input('Fourth') },
  outputs: {
    item: port.any.optional({ title: 'First present', same: 'item' }),
    items: port.any.list({ title: 'All present', same: 'item' }),
  },
  config: z.strictObject({}),
  fields: [],
  example: { inputs: { second: 'b', fourth: 'd' }, outputs: { item: 'b', items: ['b', 'd'] } },
});

export const run: Run<typeof manifest> = (_, { first, second, third, fourth }) => {
  const items = [first, second, third, fourth].filter((item) => item !== undefined);
  return { items, ...(items[0] === undefined ? {} : { item: items[0] }) };
};
