/** Brings two lists of different origin together, item by item, so that what follows can use both. */
import * as z from 'zod';
import { defineManifest, NodeError, partOf, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.pair',
  version: '1.0.0',
  title: 'Pair',
  help: 'Two lists become one list of pairs: by their places, or where a field of both is the same.',
  icon: 'arrow-left-right',
  family: 'flow',
  aliases: ['zip', 'match', 'merge', 'combine', 'lists'],
  shape: 'pair',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {
    a: port.any.list({ title: 'First list', same: 'a' }),
    b: port.any.list({ title: 'Second list', same: 'b' }),
  },
  outputs: {
    a: port.any.list({ title: 'First of each pair', same: 'a' }),
    b: port.any.list({ title: 'Second of each pair', same: 'b' }),
  },
  config: z.strictObject({
    by: z
      .enum(['place', 'field', 'every'])
      .default('place')
      .meta({
        title: 'Pair',
        labels: { place: 'by place', field: 'by a field', every: 'each with each' },
      }),
    fieldA: z.string().max(200).default('of').meta({ title: 'Field of the first', help: 'For pairs by a field.' }),
    fieldB: z.string().max(200).default('of').meta({ title: 'Field of the second' }),
    uneven: z
      .enum(['shorten', 'refuse'])
      .default('refuse')
      .meta({
        title: 'Lists of different length',
        labels: { shorten: 'leave out the rest', refuse: 'fail' },
      }),
  }),
  fields: ['by'],
  example: {
    inputs: { a: ['one', 'two'], b: [1, 2] },
    outputs: { a: ['one', 'two'], b: [1, 2] },
  },
});

const MOST = 10_000;

export const run: Run<typeof manifest> = ({ config }, { a, b }) => {
  const { by, fieldA, fieldB, uneven } = config;
  const pairs: [(typeof a)[number], (typeof b)[number]][] = [];
  if (by === 'place') {
    if (a.length !== b.length && uneven === 'refuse') {
      throw new NodeError('PAIR_UNEVEN', `The lists have ${a.length} and ${b.length} items.`, {
        hint: 'Pair by a field, or leave out the rest.',
      });
    }
    for (let index = 0; index < Math.min(a.length, b.length); index++) pairs.push([a[index]!, b[index]!]);
  } else {
    if (a.length * b.length > 1_000_000) {
      throw new NodeError('PAIR_TOO_MANY', 'The lists are too long to look at every pair.', { hint: 'Filter first.' });
    }
    for (const first of a) {
      for (const second of b) {
        if (by === 'field' && !isSame(partOf(first, fieldA), partOf(second, fieldB))) continue;
        if (pairs.length >= MOST) throw new NodeError('PAIR_TOO_MANY', `There are more than ${MOST} pairs.`);
        pairs.push([first, second]);
      }
    }
  }
  return { a: pairs.map(([first]) => first), b: pairs.map(([, second]) => second) };
};

/** What is missing pairs with nothing. */
function isSame(a: unknown, b: unknown): boolean {
  return a !== undefined && a !== null && JSON.stringify(a) === JSON.stringify(b);
}
