/** Values of the person's own, each an output: a text, a number, a yes or no, or data, to be used by what follows. */
import * as z from 'zod';
import { defineManifest, NodeError, type OutputsOf, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.set',
  version: '1.0.0',
  title: 'Set',
  help: 'Values you write down once. Each is an output.',
  icon: 'equal',
  family: 'flow',
  aliases: ['value', 'constant', 'variable', 'text', 'number', 'fields'],
  shape: 'step',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: { when: port.any.optional({ title: 'After', help: 'Only to say when: its value is not used.' }) },
  outputs: {},
  morePorts: { outputs: { field: 'values', type: 'text', optional: false } },
  config: z.strictObject({
    values: z
      .array(
        z.strictObject({
          name: z.string().max(40).meta({ 'x-widget': 'port' }),
          title: z.string().max(60).default('').meta({ title: 'Name' }),
          type: z
            .enum(['text', 'number', 'boolean', 'json'])
            .default('text')
            .meta({
              title: 'Type',
              labels: { text: 'text', number: 'number', boolean: 'yes or no', json: 'data' },
            }),
          value: z.string().max(20_000).default('').meta({ title: 'Value' }),
        }),
      )
      .min(1)
      .max(20)
      .default([{ name: 'way1', title: '', type: 'text', value: '' }])
      .meta({ title: 'Values' }),
  }),
  fields: [],
  example: {
    config: { values: [{ name: 'way1', title: 'Most', type: 'number', value: '3' }] },
    inputs: {},
    outputs: { way1: 3 },
  },
});

type Row = { title: string; type: 'text' | 'number' | 'boolean' | 'json'; value: string };

export const run: Run<typeof manifest> = ({ config }) =>
  Object.fromEntries(config.values.map((row) => [row.name, typed(row)])) as OutputsOf<typeof manifest.outputs>;

function typed({ title, type, value }: Row): unknown {
  const refuse = (needed: string) =>
    new NodeError('SET_MISFIT', `${title || 'A value'} is not ${needed}: ${value.slice(0, 60)}`, {
      hint: 'Correct it in the settings of Set, or choose another type.',
    });
  switch (type) {
    case 'text':
      return value;
    case 'number': {
      const number = Number(value.trim().replace(',', '.'));
      if (value.trim() === '' || Number.isNaN(number)) throw refuse('a number');
      return number;
    }
    case 'boolean': {
      const word = value.trim().toLowerCase();
      if (['yes', 'true', '1'].includes(word)) return true;
      if (['no', 'false', '0', ''].includes(word)) return false;
      throw refuse('yes or no');
    }
    case 'json':
      try {
        return JSON.parse(value);
      } catch {
        throw refuse('data (JSON)');
      }
    default:
      return type satisfies never;
  }
}
