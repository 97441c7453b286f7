/** Lets only the items through that meet its conditions; the others leave a hole and are numbered as before. */
import * as z from 'zod';
import { conditionFields, defineManifest, holds, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.filter',
  version: '1.0.0',
  title: 'Filter',
  help: 'Keeps the items that meet your conditions. What is left out goes to the second output, if you need it.',
  icon: 'funnel',
  family: 'flow',
  aliases: ['if', 'condition', 'only', 'where', 'keep', 'remove'],
  shape: 'filter',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: { item: port.any({ title: 'Item', same: 'item' }) },
  outputs: {
    kept: port.any.optional({ title: 'Kept', same: 'item' }),
    rest: port.any.optional({ title: 'Left out', same: 'item' }),
  },
  config: z.strictObject({
    match: z
      .enum(['all', 'any'])
      .default('all')
      .meta({ title: 'Keep where', labels: { all: 'all hold', any: 'any holds' }, 'x-widget': 'segmented' }),
    conditions: z
      .array(z.strictObject(conditionFields))
      .max(20)
      .default([])
      .meta({ title: 'Conditions', help: 'Fields are written as on the data: segment.score, title, duration.' }),
  }),
  fields: [],
  example: {
    config: { match: 'all', conditions: [{ field: 'score', test: 'is at least', value: '0.5' }] },
    inputs: { item: { title: 'A good one', score: 0.9 } },
    outputs: { kept: { title: 'A good one', score: 0.9 } },
  },
});

export const run: Run<typeof manifest> = ({ config }, { item }) => {
  const { match, conditions } = config;
  const isKept =
    match === 'all'
      ? conditions.every((condition) => holds(item, condition))
      : conditions.some((condition) => holds(item, condition));
  return isKept ? { kept: item } : { rest: item };
};
