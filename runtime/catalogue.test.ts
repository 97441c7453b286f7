import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadCatalogue } from './catalogue.ts';
import { createSandbox, type Sandbox } from './sandbox/sandbox.ts';

let folder: string;
let sandbox: Sandbox;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'catalogue-'));
  sandbox = await createSandbox({ cacheDir: path.join(folder, 'cache') });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const nodeText = (id: string, more: { head?: string; manifest?: string } = {}) => `
  import * as z from 'zod';
  import { defineManifest, port, type Run } from '../contract.ts';
  ${more.head ?? ''}
  export const manifest = defineManifest({
    id: '${id}', version: '1.0.0', title: 'A node', help: '', shape: 'step', effect: 'pure',
    inputs: { text: port.text() }, outputs: { text: port.text() }, config: z.strictObject({}),
    example: { config: {}, inputs: { text: 'a' }, outputs: { text: 'a' } }, ${more.manifest ?? ''}
  });
  export const run: Run<typeof manifest> = (_ctx, { text }) => ({ text });`;

let count = 0;
async function nodesFolder(files: Record<string, string>): Promise<string> {
  const dir = path.join(folder, `nodes-${count++}`);
  await mkdir(dir);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.join(dir, path.dirname(name)), { recursive: true });
    await writeFile(path.join(dir, name), text);
  }
  return dir;
}
const load = async (files: Record<string, string>, cache = `cache-${count}`) => {
  const dir = await nodesFolder(files);
  return loadCatalogue({ sandbox, dir, cacheDir: path.join(folder, cache) });
};

test('a node is known by its JSON and its code; tests and other files beside it are not nodes', async () => {
  const catalogue = await load({
    'text/one.ts': nodeText('text.one'),
    'text/one.test.ts': 'throw new Error("not a node");',
    'text/notes.md': 'not a node',
  });
  expect(catalogue.broken).toEqual([]);
  expect(catalogue.manifests.map(({ id }) => id)).toEqual(['text.one']);
  const plugin = catalogue.plugin('text.one')!;
  expect(plugin).toMatchObject({ behaviourDigest: 'text.one@1.0.0', digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(plugin.manifest.exports).toEqual(['run']);
  expect(catalogue.plugin('toString')).toBeUndefined();
});

test('one bad node is named and keeps nobody else from working', async () => {
  const catalogue = await load({
    'text/good.ts': nodeText('text.good'),
    'text/loops.ts': nodeText('text.loops', { head: 'for (;;);' }),
    'text/reaches.ts': nodeText('text.reaches', { head: "import { readFileSync } from 'node:fs'; readFileSync('/');" }),
    'text/writes.ts': nodeText('text.writes', { manifest: "effect: 'writes-external'," }),
    'text/wrong.ts': nodeText('NotAnId'),
    'text/twice.ts': nodeText('text.good'),
    'text/syntax.ts': 'export const = 1;',
  });
  expect(catalogue.manifests.map(({ id }) => id)).toEqual(['text.good']);
  const problems = Object.fromEntries(catalogue.broken.map(({ file, error }) => [path.basename(file), error.code]));
  expect(problems).toEqual({
    'loops.ts': 'SANDBOX_CPU',
    'reaches.ts': 'IMPORT_REFUSED',
    'writes.ts': 'MANIFEST_REFUSED',
    'wrong.ts': 'MANIFEST_REFUSED',
    'twice.ts': 'MANIFEST_REFUSED',
    'syntax.ts': 'NODE_BROKEN',
  });
  for (const { error } of catalogue.broken) expect(error.message.length).toBeGreaterThan(10);
});

test('a warm start neither packs nor evaluates, and a changed file is made again', async () => {
  const dir = await nodesFolder({ 'text/one.ts': nodeText('text.one') });
  const cacheDir = path.join(folder, 'warm');
  const cold = await loadCatalogue({ sandbox, dir, cacheDir });
  let runs = 0;
  const counting: Sandbox = {
    ...sandbox,
    run: (run) => {
      runs++;
      return sandbox.run(run);
    },
  };
  const started = performance.now();
  const warm = await loadCatalogue({ sandbox: counting, dir, cacheDir });
  expect(performance.now() - started).toBeLessThan(300);
  expect(runs).toBe(0);
  expect(warm.plugin('text.one')).toEqual(cold.plugin('text.one'));
  await writeFile(path.join(dir, 'text/one.ts'), nodeText('text.one').replace('({ text })', "({ text: 'new' })"));
  const changed = await loadCatalogue({ sandbox: counting, dir, cacheDir });
  expect(runs).toBe(1);
  expect(changed.plugin('text.one')?.digest).not.toBe(cold.plugin('text.one')?.digest);
});

test('a changed part makes its node again, and no other; a part is no node', async () => {
  const words = (text: string) => `export const words = () => '${text}';`;
  const withPart = nodeText('text.one', { head: "import { words } from './one/words.ts';" });
  const dir = await nodesFolder({
    'text/one.ts': withPart.replace('({ text })', '({ text: text + words() })'),
    'text/one/words.ts': words('before'),
    'text/two.ts': nodeText('text.two'),
  });
  const cacheDir = path.join(folder, 'parts');
  const before = await loadCatalogue({ sandbox, dir, cacheDir });
  expect(before.broken).toEqual([]);
  expect(before.manifests.map(({ id }) => id).sort()).toEqual(['text.one', 'text.two']);
  await writeFile(path.join(dir, 'text/one/words.ts'), words('after'));
  const after = await loadCatalogue({ sandbox, dir, cacheDir });
  expect(after.plugin('text.one')?.code).toContain('after');
  expect(after.plugin('text.one')?.digest).not.toBe(before.plugin('text.one')?.digest);
  expect(after.plugin('text.two')).toEqual(before.plugin('text.two'));
});

test('a part that is a link to somewhere else is not read', async () => {
  const dir = await nodesFolder({
    'text/one.ts': nodeText('text.one', { head: "import { secret } from './one/part.ts'; void secret;" }),
  });
  const elsewhere = path.join(dir, 'elsewhere.ts');
  await writeFile(elsewhere, "export const secret = 'of this machine';");
  await mkdir(path.join(dir, 'text/one'));
  await symlink(elsewhere, path.join(dir, 'text/one/part.ts'));
  const catalogue = await loadCatalogue({ sandbox, dir, cacheDir: path.join(folder, 'links') });
  expect(catalogue.broken).toMatchObject([{ error: { code: 'IMPORT_REFUSED' } }]);
});
