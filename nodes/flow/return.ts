/** What a pipeline gives to whoever calls it: the values that have arrived here when its run is over. */
import * as z from 'zod';
import { defineManifest, type OutputsOf, PORT_LABELS, PORT_TYPES, type PortType, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.return',
  version: '1.0.0',
  title: 'Return',
  help: 'What this pipeline gives to the one that calls it. Begin such a pipeline with Called.',
  icon: 'log-out',
  family: 'flow',
  aliases: ['sub-pipeline', 'subworkflow', 'result', 'output', 'give back'],
  shape: 'return',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {},
  outputs: {},
  morePorts: {
    inputs: { field: 'values', type: 'text', optional: true },
    outputs: { field: 'values', type: 'text', optional: true },
  },
  config: z.strictObject({
    values: z
      .array(
        z.strictObject({
          name: z.string().max(40).meta({ 'x-widget': 'port' }),
          title: z.string().max(60).default('').meta({ title: 'Name' }),
          type: z
            .enum(Object.keys(PORT_TYPES) as [PortType, ...PortType[]])
            .default('text')
            .meta({ title: 'Type', labels: PORT_LABELS }),
          list: z.boolean().default(false).meta({ title: 'List' }),
        }),
      )
      .min(1)
      .max(20)
      .default([{ name: 'way1', title: 'Text', type: 'text', list: false }])
      .meta({ title: 'What it gives' }),
  }),
  fields: [],
  example: { config: {}, inputs: { way1: 'Done' }, outputs: { way1: 'Done' } },
});

export const run: Run<typeof manifest> = (_ctx, inputs) => ({ ...inputs }) as OutputsOf<typeof manifest.outputs>;
