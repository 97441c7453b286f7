/** A small node for benches of the wall: takes about 1 KB of JSON, gives about 1 KB back, and asks for nothing. */
import path from 'node:path';
import type { PORT_TYPES } from '../../nodes/contract.ts';
import { parsePorts } from '../../nodes/testing.ts';
import { bundleNode, digestOf } from '../../runtime/bundle.ts';
import type { Json, SandboxRun } from '../../runtime/sandbox/sandbox.ts';

const FILE = path.resolve(import.meta.dirname, '../../nodes/text/small.ts');
const port = (type: keyof typeof PORT_TYPES) => ({ type, list: false, optional: false, title: null, help: null });
const PORTS = { text: port('text'), data: port('json') };

export const INPUTS = {
  text: 'word '.repeat(100).trim(),
  data: {
    at: 1,
    items: Array.from({ length: 12 }, (_, at) => ({ id: `item-${at}`, score: at / 12, ok: at % 2 === 0 })),
  },
};

/** `takesZod`: its run checks its input with zod, as many do. */
export function sourceOf(takesZod: boolean): string {
  return `
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';
export const manifest = defineManifest({
  id: 'text.small', version: '1.0.0', title: 'Small', help: '', shape: 'step', effect: 'pure',
  inputs: { text: port.text(), data: port.json() }, outputs: { text: port.text(), data: port.json() },
  config: z.strictObject({}), example: { config: {}, inputs: {} },
});
const Data = ${takesZod ? 'z.object({ at: z.number(), items: z.array(z.object({ id: z.string(), score: z.number(), ok: z.boolean() })) })' : '{ parse: (value) => value }'};
export const run: Run<typeof manifest> = async (ctx, { text, data }) => {
  const read = Data.parse(data);
  return { text: text.toUpperCase(), data: { ...read, at: read.at + 1 } };
};`;
}

export async function smallNode(takesZod = false): Promise<{ code: string; digest: string }> {
  const { run: code } = await bundleNode(FILE, sourceOf(takesZod));
  return { code, digest: digestOf(code) };
}

/** The same script as another plugin. */
export function renamed({ code }: { code: string }, name: string): { code: string; digest: string } {
  const other = `${code}\n// ${name}`;
  return { code: other, digest: digestOf(other) };
}

export function callOf(plugin: { code: string; digest: string }, more: Partial<SandboxRun> = {}): SandboxRun {
  return {
    workspaceId: 'bench',
    contextKey: 'run',
    plugin,
    entry: 'run',
    ctx: { config: {}, now: '2026-01-15T09:00:00.000Z', seed: 'seed', brand: {}, connection: null },
    inputs: INPUTS as Json,
    limits: { wallMs: 60_000, cpuMs: 20_000, memoryMb: 128 },
    onCall: () => Promise.reject(new Error('It asks for nothing.')),
    ...more,
  };
}

export const inputsChecked = () => parsePorts('input', PORTS, INPUTS);
export const outputsChecked = (value: unknown) => parsePorts('output', PORTS, value);
