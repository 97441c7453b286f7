/** Brings items back together as one list, in their order or sorted, all of them or the first few. */
import * as z from 'zod';
import { defineManifest, partOf, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.collect',
  version: '1.0.0',
  title: 'Collect',
  help: 'Waits for all items of a list and gives them on as one list: sorted, without repeats, or only the best few.',
  icon: 'combine',
  family: 'flow',
  aliases: ['gather', 'merge', 'aggregate', 'sort', 'limit', 'top', 'unique'],
  shape: 'gather',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: { items: port.any.list({ title: 'Items', same: 'item' }) },
  outputs: { items: port.any.list({ title: 'Items', same: 'item' }), count: port.number({ title: 'How many' }) },
  config: z.strictObject({
    sortBy: z.string().max(200).default('').meta({
      title: 'Sort by',
      help: 'A field such as score or segment.score. Empty: the order they came in.',
      placeholder: 'score',
    }),
    descending: z.boolean().default(true).meta({ title: 'Highest first' }),
    unique: z.string().max(200).default('').meta({
      title: 'Only one of each',
      help: 'A field by which repeats are found. Empty: keep repeats.',
      placeholder: 'title',
    }),
    most: z.number().int().min(1).max(10_000).nullable().default(null).meta({ title: 'At most', unit: 'items' }),
  }),
  fields: ['sortBy', 'most'],
  example: {
    config: { sortBy: 'score', most: 2 },
    inputs: { items: [{ score: 1 }, { score: 3 }, { score: 2 }] },
    outputs: { items: [{ score: 3 }, { score: 2 }], count: 2 },
  },
});

/** Numbers before text, each in its own order; what is missing comes last either way. */
function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'number') return -1;
  if (typeof b === 'number') return 1;
  const [x, y] = [String(a), String(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

export const run: Run<typeof manifest> = ({ config }, { items }) => {
  const { sortBy, descending, unique, most } = config;
  const seen = new Set<string>();
  let list = items.filter((item) => {
    if (unique === '') return true;
    const key = JSON.stringify(partOf(item, unique) ?? null);
    return !seen.has(key) && seen.add(key);
  });
  if (sortBy !== '') {
    const keyed = list.map((item) => ({ item, key: partOf(item, sortBy) }));
    const present = keyed.filter(({ key }) => key !== undefined && key !== null);
    const missing = keyed.filter(({ key }) => key === undefined || key === null);
    present.sort((a, b) => (descending ? compare(b.key, a.key) : compare(a.key, b.key)));
    list = [...present, ...missing].map(({ item }) => item);
  }
  if (most !== null) list = list.slice(0, most);
  return { items: list, count: list.length };
};
