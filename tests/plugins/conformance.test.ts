/** The conformance kit says no: for each promise a node that breaks it, and none that keeps it is blamed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ManifestJson } from '../../nodes/contract.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { type Check, conformance } from '../../scripts/node/conformance.ts';
import { manifest } from './packed.ts';

let cacheDir: string;
let sandbox: Sandbox;
beforeAll(async () => {
  cacheDir = await mkdtemp(path.join(tmpdir(), 'conformance-'));
  sandbox = await createSandbox({ cacheDir });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

async function failures(more: Partial<ManifestJson>, entries: string): Promise<Record<string, Check>> {
  const example = { config: {}, inputs: { text: 'a' }, outputs: { text: 'A' } };
  const of = manifest('kit.node', { example, ...more });
  const checks = await conformance(sandbox, of, `var plugin = ${entries};`).check();
  return Object.fromEntries(checks.filter(({ state }) => state === 'failed').map((check) => [check.name, check]));
}

const HOST = { method: 'GET' as const, host: 'api.kit.example', path: '/one', why: 'to ask' };
const asking: Partial<ManifestJson> = {
  effect: 'reads-external',
  capabilities: { http: [HOST] },
  example: { config: {}, inputs: { text: 'a' }, replies: [{ body: 'A' }], outputs: { text: 'A' } },
};
const ask = `ctx.http({ method: 'GET', host: 'api.kit.example', path: '/one' })`;
const writing: Partial<ManifestJson> = {
  effect: 'writes-external',
  exports: ['run', 'simulate', 'lookup'],
  capabilities: { http: [HOST, { ...HOST, method: 'POST', why: 'to post' }] },
  example: {
    config: {},
    inputs: { text: 'a' },
    replies: [{ body: { id: '7' } }],
    outputs: { text: '7' },
    lookups: [
      { name: 'post', replies: [{ body: ['7'] }], gives: 'confirmed' },
      { name: 'post', replies: [{ body: [] }], gives: 'absent' },
    ],
  },
};
const post = `ctx.effect('post', { method: 'POST', host: 'api.kit.example', path: '/one', json: {} })`;
const run = `run: async (ctx) => ({ text: (await ${post}).body.id })`;
const simulate = `simulate: (ctx, inputs) => ({ would: 'Post one thing.', outputs: { text: 'x' } })`;
const lookup = `lookup: async (ctx) => {
  const { body } = await ${ask};
  return body.length > 0 ? { state: 'confirmed', handle: body[0], evidence: 'e' } : { state: 'absent' };
}`;

test.each<[string, Partial<ManifestJson>, string]>([
  ['a pure node', {}, '{ run: (ctx, { text }) => ({ text: text.toUpperCase() }) }'],
  ['one that asks', asking, `{ run: async (ctx) => ({ text: (await ${ask}).body }) }`],
  ['one that writes', writing, `{ ${run}, ${simulate}, ${lookup} }`],
])('%s that keeps its promises fails nothing', async (_what, more, entries) => {
  expect(await failures(more, entries)).toEqual({});
});

test.each<[string, string, Partial<ManifestJson>, string, RegExp]>([
  ['example', 'gives something else', {}, `{ run: () => ({ text: 'B' }) }`, /the example says/],
  ['example', 'has more replies than it asks for', asking, `{ run: () => ({ text: 'A' }) }`, /1 replies more/],
  ['example', 'gives what it has not declared', {}, `{ run: () => ({ text: 'A', more: 1 }) }`, /more/],
  [
    'order',
    'keeps something between items',
    {},
    `(() => { let n = 0; return { run: (ctx, { text }) => ({ text: n++ ? 'later' : 'A' }) }; })()`,
    /outside of `run`/,
  ],
  [
    'odd inputs',
    'crashes on an empty text',
    {},
    '{ run: (ctx, { text }) => ({ text: text.match(/./)[0].toUpperCase() }) }',
    /an empty text as text.*NodeError/s,
  ],
  [
    'cancel',
    'goes on without an answer',
    asking,
    `{ run: async (ctx) => { const { body } = await Promise.race([${ask}, Promise.resolve().then(() => ({ body: 'A' }))]); return { text: body }; } }`,
    /told to end/,
  ],
  [
    'simulate',
    'writes in a dry run',
    writing,
    `{ ${run}, ${lookup}, simulate: async (ctx) => { await ${post}; return { would: 'Post it.', outputs: { text: 'x' } }; } }`,
    /only reads/,
  ],
  [
    'simulate',
    'does not say what would happen',
    writing,
    `{ ${run}, ${lookup}, simulate: () => ({ would: '', outputs: { text: 'x' } }) }`,
    /would/,
  ],
  [
    'lookup',
    'always says yes',
    writing,
    `{ ${run}, ${simulate}, lookup: async (ctx) => { await ${ask}; return { state: 'confirmed', handle: '1', evidence: 'e' }; } }`,
    /says absent/,
  ],
  [
    'lookup',
    'shows no look-up',
    { ...writing, example: { ...writing.example!, lookups: [] } },
    `{ ${run}, ${simulate}, ${lookup} }`,
    /add `lookups`/,
  ],
  [
    'migrate',
    'is a second version without a way from the first',
    { version: '2.0.0' },
    '{ run: (ctx, { text }) => ({ text: text.toUpperCase() }) }',
    /migrateConfig/,
  ],
])('%s: a node that %s', async (name, _what, more, entries, why) => {
  const found = await failures(more, entries);
  expect(Object.keys(found), JSON.stringify(found)).toContain(name);
  expect(found[name]!.why).toMatch(why);
});

test('what a node throws is told with its place in the TypeScript', async () => {
  const contents = `const length = (text: string | null) => text!.length;\nexport const run = () => ({\n  text: String(length(null)),\n});`;
  const { outputFiles } = await build({
    ...{ stdin: { contents, loader: 'ts', sourcefile: 'src/measure.ts' }, bundle: true, minify: true, format: 'iife' },
    ...{ globalName: 'plugin', sourcemap: 'external', outfile: 'run.js', write: false },
  });
  const [map, code] = ['.map', '.js'].map((end) => outputFiles.find((file) => file.path.endsWith(end))!.text);
  const of = manifest('kit.node', { example: { config: {}, inputs: { text: 'a' }, outputs: { text: 'A' } } });
  const [first] = await conformance(sandbox, of, code!, map!).check();
  expect(first).toMatchObject({
    name: 'example',
    state: 'failed',
    why: expect.stringMatching(/, at src\/measure\.ts:1:\d+\.$/),
  });
});
