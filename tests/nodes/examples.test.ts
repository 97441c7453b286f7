/**
 * Every node's example, run in the real isolate: the capability calls are answered from `example.replies` in order,
 * config is filled with its defaults from the manifest's JSON Schema, inputs and outputs are checked with their ports.
 * `expects` is a sentence for people where the whole output is too long to write down; then no required output is empty.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ManifestJson } from '../../nodes/contract.ts';
import { parsePorts } from '../../nodes/testing.ts';
import { type Catalogue, loadCatalogue } from '../../runtime/catalogue.ts';
import { withoutTypes } from '../../runtime/code.ts';
import { withAddedPorts } from '../../runtime/graph/resolve.ts';
import { createSandbox, type Json, type Sandbox, type SandboxResult } from '../../runtime/sandbox/sandbox.ts';

const NODES = path.resolve(import.meta.dirname, '../../nodes');
/** `<family>/<verb>.ts`; the files below that are a node's parts. */
const files = (await readdir(NODES, { withFileTypes: true, recursive: true }))
  .filter(
    (entry) => entry.isFile() && path.dirname(entry.parentPath) === NODES && /^[a-z][a-z0-9-]*\.ts$/.test(entry.name),
  )
  .map((entry) => path.relative(NODES, path.join(entry.parentPath, entry.name)))
  .sort();

const BRAND: Json = {
  name: 'Example brand',
  colors: { primary: '#5b3df5', light: '#e9e4ff', ink: '#16131f', paper: '#ffffff' },
  fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
  logo: null,
  voice: 'Plain and friendly.',
  captions: { style: 'marker' },
  links: [{ label: 'Website', url: 'https://brand.example' }],
};

type Example = { config?: Record<string, Json>; inputs: Json; replies?: Json[]; outputs?: Json; expects?: string };

let cacheDir: string;
let sandbox: Sandbox;
let catalogue: Catalogue;
beforeAll(async () => {
  cacheDir = await mkdtemp(path.join(tmpdir(), 'examples-'));
  sandbox = await createSandbox({ cacheDir });
  catalogue = await loadCatalogue({ sandbox, cacheDir });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

function withDefaults(manifest: ManifestJson, config: Record<string, Json> = {}): Record<string, Json> {
  const { properties = {} } = manifest.config as { properties?: Record<string, { default?: Json }> };
  const defaults = Object.entries(properties).flatMap(([name, schema]) =>
    schema.default === undefined ? [] : [[name, schema.default] as const],
  );
  return { ...Object.fromEntries(defaults), ...config };
}

async function runExample(id: string, entry: 'run' | 'simulate') {
  const plugin = catalogue.plugin(id)!;
  const example = plugin.manifest.example as Example;
  const manifest = withAddedPorts(plugin.manifest, { config: example.config ?? {} });
  if (manifest.shape !== 'trigger') parsePorts('input', manifest.inputs, example.inputs); // a trigger is given its event
  const replies = [...(example.replies ?? [])];
  const calls: string[] = [];
  const result: SandboxResult = await sandbox.run({
    workspaceId: 'examples',
    contextKey: id,
    plugin,
    entry,
    ctx: {
      config: withoutTypes(manifest.config, withDefaults(manifest, example.config)) as Record<string, Json>,
      now: '2026-01-15T09:00:00.000Z',
      seed: id,
      brand: BRAND,
      connection: {
        id: 'connection',
        name: 'Example account',
        platform: plugin.manifest.connection?.platform ?? 'none',
        account: 'account',
        server: 'account.example',
      },
    },
    inputs: example.inputs,
    limits: { wallMs: 20_000, cpuMs: 5_000, memoryMb: plugin.manifest.limits?.memoryMb ?? 64 },
    onCall: async ({ capability, method }) => {
      calls.push(`${capability}.${method}`);
      if (replies.length === 0) throw new Error(`The example has no reply for ${calls.join(', ')}.`);
      const reply = replies.shift() as Json;
      if (capability !== 'http' && capability !== 'effect') return reply;
      return { status: 200, headers: {}, body: null, ...(reply as object) };
    },
  });
  return { result, example, manifest, calls, unused: replies };
}

/** The id a file's path stands for: node tests find the node under test by it. */
const idOf = (file: string) => file.replace(/\.ts$/, '').replace(path.sep, '.');

test('there are nodes, and every one of them loads', () => {
  expect(files.length).toBeGreaterThan(0);
  expect(catalogue.broken).toEqual([]);
  expect(catalogue.manifests.map(({ id }) => id).sort()).toEqual(files.map(idOf).sort());
});

/** A call of another pipeline lies in the runtime alone. */
const running = files.map(idOf).filter((id) => id !== 'flow.call');

describe.each(running)('%s', (id) => {
  test('its example runs in the real isolate and gives what it says', async () => {
    const { result, example, manifest, calls, unused } = await runExample(id, 'run');
    expect(result, `calls: ${calls.join(', ')}`).toMatchObject({ ok: true });
    if (!result.ok) return;
    const outputs = parsePorts('output', manifest.outputs, result.value);
    expect(unused, 'every reply of the example is asked for').toEqual([]);
    expect(example.outputs !== undefined || example.expects !== undefined, 'an example says what comes out').toBe(true);
    if (example.outputs !== undefined) expect(outputs).toEqual(example.outputs);
    if (example.expects !== undefined) {
      for (const [name, port] of Object.entries(manifest.outputs)) {
        if (port.list && !port.optional) expect(outputs[name], `${name}: ${example.expects}`).not.toEqual([]);
      }
      expect(Object.keys(outputs), example.expects).not.toEqual([]);
    }
  });

  test('what the example asked for is declared in the manifest', async () => {
    const { calls, manifest } = await runExample(id, 'run');
    const { capabilities } = manifest;
    for (const call of calls) {
      const [capability, method] = call.split('.') as [string, string];
      if (capability === 'media' || capability === 'ai') expect(capabilities[capability]).toContain(method);
      else if (capability === 'effect' || capability === 'http') expect(capabilities.http?.length).toBeGreaterThan(0);
      else expect(capabilities[capability as 'assets' | 'render' | 'store']).toBeTruthy();
    }
    if (calls.some((call) => call.startsWith('effect.'))) expect(manifest.effect).toBe('writes-external');
  });

  test('running it twice asks the same and gives the same', async () => {
    const [first, second] = [await runExample(id, 'run'), await runExample(id, 'run')];
    expect(second.result).toEqual(first.result);
    expect(second.calls).toEqual(first.calls);
  });

  test('where it writes, a dry run tells what would happen without writing', async () => {
    const { manifest } = catalogue.plugin(id)!;
    if (manifest.effect !== 'writes-external') {
      expect(manifest.effect).not.toBe('writes-external');
      return;
    }
    const { result, calls } = await runExample(id, 'simulate');
    expect(result).toMatchObject({ ok: true, value: { would: expect.stringMatching(/.{5}/) } });
    expect(calls.filter((call) => call.startsWith('effect.'))).toEqual([]);
    if (result.ok) parsePorts('output', manifest.outputs, (result.value as { outputs: Json }).outputs);
  });
});
