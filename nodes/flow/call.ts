/**
 * Runs another pipeline of the workspace as one step: a run of its own, for the same brand, linked to this one. The version and
 * what it takes and gives are kept here as they were when it was chosen. What it does lies in the runtime (runtime/call.ts).
 */
import * as z from 'zod';
import { defineManifest, PORT_TYPES, type PortType } from '../contract.ts';

const ports = z
  .array(
    z.strictObject({
      name: z
        .string()
        .max(40)
        .regex(/^[a-z][A-Za-z0-9]*$/),
      title: z.string().max(60).default(''),
      type: z.enum(Object.keys(PORT_TYPES) as [PortType, ...PortType[]]),
      list: z.boolean().default(false),
      optional: z.boolean().default(false),
    }),
  )
  .max(24);

export const manifest = defineManifest({
  id: 'flow.call',
  version: '1.0.0',
  title: 'Sub-pipeline',
  help: 'Runs another pipeline for each item, waits for its end, and goes on with what it returns.',
  icon: 'workflow',
  family: 'flow',
  aliases: ['subworkflow', 'call', 'execute workflow', 'child', 'nested', 'function', 'reuse'],
  shape: 'call-pipeline',
  effect: 'reads-external',
  inputs: {},
  outputs: {},
  morePorts: {
    inputs: { field: 'call.inputs', type: 'any', optional: false },
    outputs: { field: 'call.outputs', type: 'any', optional: true },
  },
  config: z.strictObject({
    call: z
      .strictObject({
        pipeline: z.uuid(),
        /** As it was called then. */
        name: z.string().max(200),
        version: z.int().min(1),
        inputs: ports,
        outputs: ports,
      })
      .meta({ title: 'Pipeline', 'x-widget': 'pipeline' }),
  }),
  fields: ['call'],
  example: {
    config: {
      call: {
        pipeline: '6f1b9c52-6f0e-4f7c-9a38-3a4d2f6f1f10',
        name: 'Captions',
        version: 2,
        inputs: [{ name: 'way1', title: 'Talk', type: 'transcript' }],
        outputs: [{ name: 'way1', title: 'Captions', type: 'captions' }],
      },
    },
    inputs: {},
    expects: 'What the called pipeline returns.',
  },
});
