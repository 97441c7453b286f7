/** Makes a list of one thing: the lines of a text, or a list that lies inside data. What follows runs once for each. */
import * as z from 'zod';
import { defineManifest, NodeError, partOf, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.split',
  version: '1.0.0',
  title: 'Split',
  help: 'Makes a list: of a text by its lines, paragraphs or a separator; of data by a list inside it.',
  icon: 'list-tree',
  family: 'flow',
  aliases: ['list', 'lines', 'each', 'loop', 'for each', 'iterate', 'explode'],
  shape: 'split',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: { value: port.any({ title: 'Text or data' }) },
  outputs: {
    texts: port.text.optionalList({ title: 'Texts' }),
    items: port.json.optionalList({ title: 'Items' }),
  },
  config: z.strictObject({
    by: z.enum(['lines', 'paragraphs', 'separator']).default('lines').meta({ title: 'Split text by' }),
    separator: z.string().max(50).default(',').meta({ title: 'Separator', help: 'For text split by a separator.' }),
    field: z.string().max(200).default('').meta({
      title: 'List in the data',
      help: 'A field such as items or result.rows. Empty: the data itself is the list.',
      placeholder: 'items',
    }),
  }),
  fields: ['by'],
  example: { inputs: { value: 'One\n\nTwo' }, outputs: { texts: ['One', 'Two'] } },
});

const MOST = 10_000;

export const run: Run<typeof manifest> = ({ config }, { value }) => {
  const inside = partOf(value, typeof value === 'string' ? '' : config.field);
  if (typeof inside === 'string') {
    const border = { lines: /\r?\n/, paragraphs: /\r?\n\s*\r?\n/, separator: config.separator || ',' }[config.by];
    const texts = inside
      .split(border)
      .map((text) => text.trim())
      .filter((text) => text !== '');
    return { texts: withinLimit(texts) };
  }
  if (!Array.isArray(inside)) {
    throw new NodeError('SPLIT_NO_LIST', `There is no list ${config.field ? `at ${config.field}` : 'here'}.`, {
      hint: 'Name the field that holds the list in the settings of Split.',
    });
  }
  return { items: withinLimit(inside) };
};

function withinLimit<T>(list: T[]): T[] {
  if (list.length <= MOST) return list;
  throw new NodeError('SPLIT_TOO_MANY', `The list has ${list.length} items; ${MOST} are the most.`, {
    hint: 'Filter or shorten it first.',
  });
}
