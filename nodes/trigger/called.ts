/**
 * Begins a run when another pipeline calls this one. What it is given are its ports: a pipeline that calls this one has an input
 * for each. The runtime hands the caller's values on as they are; `run` is for a start by hand.
 * Error: CALLED_SAMPLE.
 */
import * as z from 'zod';
import {
  type CalledEvent,
  defineManifest,
  NodeError,
  type OutputsOf,
  PORT_LABELS,
  PORT_TYPES,
  type PortType,
  type RunTrigger,
} from '../contract.ts';

export const manifest = defineManifest({
  id: 'trigger.called',
  version: '1.0.0',
  title: 'Called',
  help: 'Begins when another pipeline calls this one. What is listed here is what the caller has to give.',
  icon: 'log-in',
  family: 'source',
  aliases: ['sub-pipeline', 'subworkflow', 'function', 'parameters', 'inputs', 'execute workflow', 'trigger'],
  shape: 'trigger',
  trigger: { kind: 'called' },
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {},
  outputs: {},
  morePorts: { outputs: { field: 'values', type: 'text', optional: false } },
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
          optional: z.boolean().default(false).meta({ title: 'May be left out' }),
          sample: z
            .string()
            .max(20_000)
            .default('')
            .meta({ title: 'For a start by hand', help: 'Text, a number, yes or no, or data as JSON.' }),
        }),
      )
      .max(20)
      .default([{ name: 'way1', title: 'Text', type: 'text', list: false, optional: false, sample: '' }])
      .meta({ title: 'What it is given' }),
  }),
  fields: [],
  example: {
    config: { values: [{ name: 'way1', title: 'Most', type: 'number', sample: '3' }] },
    inputs: { event: { outputs: null } },
    outputs: { way1: 3 },
  },
});

type Row = z.output<typeof manifest.config>['values'][number];

export const run: RunTrigger<typeof manifest, CalledEvent> = ({ config }) =>
  Object.fromEntries(
    config.values.flatMap((row) => (row.optional && row.sample === '' ? [] : [[row.name, sampled(row)]])),
  ) as OutputsOf<typeof manifest.outputs>;

function sampled({ title, name, type, list, sample }: Row): unknown {
  const what = title || name;
  const refuse = (message: string, hint: string) => new NodeError('CALLED_SAMPLE', message, { hint });
  if (type === 'text' && !list) return sample;
  if (sample === '') {
    throw refuse(
      `Nobody called this, and there is no ${what} to start with by hand.`,
      `Fill it in under Called, or pin it.`,
    );
  }
  if (type === 'boolean' && !list) return ['yes', 'true', '1'].includes(sample.trim().toLowerCase());
  try {
    return JSON.parse(sample);
  } catch {
    throw refuse(`What ${what} is for a start by hand is no JSON.`, 'Correct it under Called.');
  }
}
