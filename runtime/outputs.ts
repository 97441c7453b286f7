/** What a node gave back, held to what its manifest declares and stored. Error: NODE_BAD_OUTPUT, the node's own fault. */
import * as z from 'zod';
import type { StoredValue } from '../db/values.ts';
import { type ErrorJson, type ManifestJson, PORT_TYPES } from '../nodes/contract.ts';
import type { Values } from './values.ts';

/** A name comes from the node and may be of any length. */
const SHOWN_NAME = 40;
const MESSAGE_LENGTH = 1_900;

export async function storeOutputs(
  nodeName: string,
  manifest: ManifestJson,
  value: unknown,
  values: Values,
): Promise<{ outputs: Record<string, StoredValue> } | { error: ErrorJson }> {
  const refuse = (message: string) => ({
    error: {
      code: 'NODE_BAD_OUTPUT',
      message: `${nodeName} ${message}`.slice(0, MESSAGE_LENGTH),
      hint: 'This is a fault of the node, not of your settings.',
      retry: 'never' as const,
    },
  });
  const given = Object.keys(manifest.outputs).length === 0 ? (value ?? {}) : value;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return refuse('gave back no outputs.');
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(manifest.outputs, name))
      return refuse(`gave back "${name.slice(0, SHOWN_NAME)}", which it has not declared.`);
  }
  const outputs: Record<string, StoredValue> = {};
  for (const [name, port] of Object.entries(manifest.outputs)) {
    const output = (given as Record<string, unknown>)[name];
    if (output === undefined || output === null) {
      if (port.optional) continue;
      return refuse(`gave back no ${name}.`);
    }
    const schema: z.ZodType = port.list ? z.array(PORT_TYPES[port.type]) : PORT_TYPES[port.type];
    const parsed = schema.safeParse(output);
    if (!parsed.success) {
      const why = z.prettifyError(parsed.error).split('\n').slice(0, 3).join(' ');
      return refuse(`gave back a ${name} that does not fit: ${why}`);
    }
    outputs[name] = await values.store(parsed.data, port.list);
  }
  const lengths = new Set(Object.values(outputs).flatMap(({ count }) => count ?? []));
  if (manifest.shape === 'pair' && lengths.size > 1) return refuse('gave back lists of different lengths.');
  return { outputs };
}
