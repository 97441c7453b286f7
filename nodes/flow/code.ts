/**
 * A few lines of JavaScript or TypeScript of the person's own. It sees its inputs as variables and returns one value, or
 * an object with a value for each of its outputs. It runs in the same isolate as every node and may ask for nothing.
 */
import * as z from 'zod';
import { defineManifest, NodeError, type OutputsOf, type Run } from '../contract.ts';

const TYPES = ['json', 'text', 'number', 'boolean'] as const;
const ports = z.array(
  z.strictObject({
    name: z
      .string()
      .max(40)
      .regex(/^[a-z][A-Za-z0-9]*$/)
      .meta({ title: 'Name' }),
    type: z
      .enum(TYPES)
      .default('json')
      .meta({ title: 'Type', labels: { json: 'data', text: 'text', number: 'number', boolean: 'yes or no' } }),
    list: z.boolean().default(false).meta({ title: 'List' }),
  }),
);

export const manifest = defineManifest({
  id: 'flow.code',
  version: '1.0.0',
  title: 'Code',
  help: 'Your own JavaScript or TypeScript. Inputs are variables; return the result.',
  icon: 'code',
  family: 'flow',
  aliases: ['javascript', 'typescript', 'js', 'ts', 'function', 'script'],
  shape: 'step',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {},
  outputs: {},
  morePorts: {
    inputs: { field: 'inputs', type: 'json', optional: false },
    outputs: { field: 'outputs', type: 'json', optional: true },
  },
  config: z.strictObject({
    code: z
      .string()
      .max(50_000)
      .default('return input;')
      .meta({ title: 'Code', 'x-widget': 'code', 'x-language': 'typescript' }),
    inputs: ports
      .max(10)
      .default([{ name: 'input', type: 'json', list: false }])
      .meta({ title: 'Inputs' }),
    outputs: ports
      .max(10)
      .default([{ name: 'result', type: 'json', list: false }])
      .meta({
        title: 'Outputs',
        help: 'With one output, what you return is its value; with several, return an object.',
      }),
  }),
  fields: [],
  example: {
    config: { code: 'const twice: number = input * 2; return twice;' },
    inputs: { input: 21 },
    outputs: { result: 42 },
  },
});

type Body = (...values: unknown[]) => Promise<unknown>;
const KEPT = 100;
const compiled = new Map<string, Body>();

function compile(code: string, names: string[]): Body {
  const key = `${names.join()}\n${code}`;
  const known = compiled.get(key);
  if (known) return known;
  const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => Body;
  try {
    const made = new AsyncFunction(...names, `"use strict";\n${code}`);
    if (compiled.size >= KEPT) compiled.clear(); // its realm may be older than any run
    compiled.set(key, made);
    return made;
  } catch (error) {
    throw new NodeError('CODE_SYNTAX', `The code cannot be read: ${(error as Error).message}`, {
      hint: 'Open the Code node and look at the line it names.',
    });
  }
}

export const run: Run<typeof manifest> = async ({ config }, inputs) => {
  const names = config.inputs.map(({ name }) => name);
  const body = compile(config.code, names);
  let value: unknown;
  try {
    value = await body(...names.map((name) => (inputs as Record<string, unknown>)[name]));
  } catch (error) {
    if (error instanceof NodeError) throw error;
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new NodeError('CODE_THREW', message.slice(0, 1_500), { hint: 'The code of this node threw it.' });
  }
  const [only] = config.outputs;
  const outputs = config.outputs.length === 1 && only ? { [only.name]: value } : value;
  return (outputs ?? {}) as OutputsOf<typeof manifest.outputs>;
};
