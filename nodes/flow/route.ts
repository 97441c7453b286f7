/** Sends each item down the way of the first rule that fits it; exactly one output has it. */
import * as z from 'zod';
import { conditionFields, defineManifest, holds, type OutputsOf, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.route',
  version: '1.0.0',
  title: 'Route',
  help: 'Sends each item one way: rules are tried in order, the first that fits wins. Each rule is an output.',
  icon: 'split',
  family: 'flow',
  aliases: ['switch', 'if', 'else', 'branch', 'condition', 'router'],
  shape: 'route',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: { item: port.any({ title: 'Item', same: 'item' }) },
  outputs: { otherwise: port.any.optional({ title: 'Otherwise', same: 'item' }) },
  morePorts: { outputs: { field: 'rules', type: 'any', optional: true, same: 'item' } },
  config: z.strictObject({
    rules: z
      .array(
        z.strictObject({
          name: z.string().max(40).meta({ 'x-widget': 'port' }),
          title: z.string().max(60).default('').meta({ title: 'Output' }),
          ...conditionFields,
        }),
      )
      .max(12)
      .default([{ name: 'first', title: 'First', field: '', test: 'is not empty', value: '' }])
      .meta({ title: 'Rules' }),
  }),
  fields: [],
  example: {
    config: { rules: [{ name: 'long', title: 'Long', field: 'duration', test: 'is more than', value: '60' }] },
    inputs: { item: { title: 'Short one', duration: 20 } },
    outputs: { otherwise: { title: 'Short one', duration: 20 } },
  },
});

export const run: Run<typeof manifest> = ({ config }, { item }) => {
  const rule = config.rules.find((each) => holds(item, each));
  // the rules' ports are settings: no type knows their names
  return { [rule?.name ?? 'otherwise']: item } as OutputsOf<typeof manifest.outputs>;
};
