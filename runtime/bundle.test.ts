import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import vm from 'node:vm';
import { expect, test } from 'vitest';
import { ManifestJson } from '../nodes/contract.ts';
import { bundleNode, childProgram, reachable } from './bundle.ts';

const FILE = path.resolve(import.meta.dirname, '../nodes/text/made-up.ts');
const node = (more: { imports?: string; config?: string; run?: string } = {}) => `
  import * as z from 'zod';
  import { defineManifest, NodeError, port, type Run } from '../contract.ts';
  ${more.imports ?? ''}
  const Config = z.strictObject({ times: z.number().default(2).meta({ title: 'Times' }) });
  export const manifest = defineManifest({
    id: 'text.made-up', version: '1.2.3', title: 'Made up', help: '', shape: 'step', effect: 'pure',
    inputs: { text: port.text() }, outputs: { text: port.text() }, config: ${more.config ?? 'Config'},
    example: { config: {}, inputs: { text: 'a' }, outputs: { text: 'aa' } },
  });
  export const run: Run<typeof manifest> = async (ctx, { text }) => {
    ${more.run ?? ''}
    if (text === '') throw new NodeError('EMPTY', 'There is no text.');
    return { text: text.repeat(ctx.config.times) };
  };`;

function evaluate(code: string): Record<string, (...args: unknown[]) => unknown> {
  const realm = vm.createContext({});
  vm.runInContext(code, realm);
  return realm.plugin;
}

test('the manifest bundle gives the manifest as JSON, the run bundle runs without zod in it', async () => {
  const bundles = await bundleNode(FILE, node());
  const manifest = ManifestJson.parse(JSON.parse(evaluate(bundles.manifest).manifest!() as string));
  expect(manifest).toMatchObject({
    id: 'text.made-up',
    exports: ['run'],
    inputs: { text: { type: 'text', list: false } },
  });
  expect(manifest.config).toMatchObject({ properties: { times: { default: 2, title: 'Times' } } });
  const { run } = evaluate(bundles.run);
  expect(await run!({ config: { times: 3 } }, { text: 'ab' })).toEqual({ text: 'ababab' });
  await expect(run!({}, { text: '' })).rejects.toMatchObject({ name: 'NodeError', code: 'EMPTY' });
  expect(bundles.run.length).toBeLessThan(5_000);
  expect(bundles.run).not.toContain('Made up'); // the manifest is not in it
});

test('a run that parses with zod takes zod along', async () => {
  const { run: code } = await bundleNode(FILE, node({ run: 'z.object({}).parse({});' }));
  expect(code.length).toBeGreaterThan(50_000);
  expect(await evaluate(code).run!({ config: { times: 1 } }, { text: 'a' })).toEqual({ text: 'a' });
});

test.each([
  ["import { readFileSync } from 'node:fs';", 'readFileSync("/");', 'node:fs'],
  ["import secret from '/etc/passwd';", 'void secret;', '/etc/passwd'],
  ["import pack from '../../package.json';", 'void pack;', '../../package.json'],
  ["import { settle } from '../../runtime/seal.ts';", 'settle();', '../../runtime/seal.ts'],
  ["import pg from 'pg';", 'void pg;', 'pg'],
])('%s is refused: nothing of the machine lands in a bundle', async (imports, run, specifier) => {
  await expect(bundleNode(FILE, node({ imports, run }))).rejects.toMatchObject({
    code: 'IMPORT_REFUSED',
    message: `A node may not import "${specifier}".`,
  });
});

test('a dynamic import of the machine is not resolved into the bundle', async () => {
  await expect(bundleNode(FILE, node({ run: "await import('../../package.json');" }))).rejects.toMatchObject({
    code: 'IMPORT_REFUSED',
  });
});

const PARTS = new Map([
  [
    'words.ts',
    "import type { Ctx } from '../../contract.ts'; export const wordsOf = (text: string) => text.split(' ').map(tidy);\nimport { tidy } from './tidy.ts'; export const unasked = () => 'nobody asks for this';",
  ],
  [
    'tidy.ts',
    "import { NodeError } from '../../contract.ts'; export const tidy = (word: string) => { if (word === '!') throw new NodeError('ODD', 'No.'); return word.trim(); };",
  ],
]);

test('a node takes along what it reaches of the parts in its own folder, and they of one another', async () => {
  const bundles = await bundleNode(
    FILE,
    node({
      imports: "import { wordsOf } from './made-up/words.ts';",
      run: "return { text: wordsOf(text).join('-') };",
      config: "(Config.refine(() => wordsOf('a b').length === 2))",
    }),
    PARTS,
  );
  expect(JSON.parse(evaluate(bundles.manifest).manifest!() as string)).toMatchObject({ id: 'text.made-up' });
  const { run } = evaluate(bundles.run);
  expect(await run!({ config: { times: 1 } }, { text: 'a b' })).toEqual({ text: 'a-b' });
  await expect(run!({ config: { times: 1 } }, { text: '!' })).rejects.toMatchObject({ code: 'ODD' });
  expect(bundles.run).not.toContain('nobody asks for this');
});

test.each([
  ['another node', "import { x } from '../other.ts'; export const a = x;", '../other.ts'],
  ['the node itself', "import { run } from '../made-up.ts'; export const a = run;", '../made-up.ts'],
  ["another node's part", "import { x } from '../other/x.ts'; export const a = x;", '../other/x.ts'],
  ['a package', "import pg from 'pg'; export const a = pg;", 'pg'],
  ['the checkout', "import pack from '../../../package.json'; export const a = pack;", '../../../package.json'],
  ['a name with the contract at its end', "import { x } from '../contract.ts'; export const a = x;", '../contract.ts'],
])('a part may not import %s', async (_what, part, specifier) => {
  const text = node({ imports: "import { a } from './made-up/part.ts';", run: 'void a;' });
  await expect(bundleNode(FILE, text, new Map([['part.ts', part]]))).rejects.toMatchObject({
    code: 'IMPORT_REFUSED',
    message: `A node may not import "${specifier}".`,
  });
});

test('a file that does not parse says where', async () => {
  await expect(bundleNode(FILE, 'export const = 1;')).rejects.toThrow(/Expected identifier/);
});

test('cutting down keeps what is reached, directly or by way of others, and bare statements', () => {
  const cut = reachable(
    `import { a, b as c } from 'x'; import d from 'y'; import 'z';
     const used = a(); const [left, { right }] = pair(); function pair() { return inner; } class Gone { x = c; }
     let inner = 1, other = 2; sideEffect(); export const wanted = () => used + right; export const unwanted = d;
     const renamed = 5; export { renamed as alias, unwanted as second };`,
    ['wanted', 'alias'],
  );
  for (const part of [
    'import { a}',
    "'z'",
    'used = a()',
    'right',
    'function pair',
    'inner = 1',
    'sideEffect()',
    'renamed',
  ]) {
    expect(cut).toContain(part);
  }
  for (const part of ['Gone', 'c;', "'y'", 'second']) expect(cut).not.toContain(part);
});

test('the child is one script without schemas, and is kept', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'bundle-'));
  try {
    const file = await childProgram(folder);
    const text = await readFile(file, 'utf8');
    expect([...text.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name)).toEqual(['node:net']);
    expect(text.length).toBeLessThan(120_000);
    expect(await childProgram(folder)).toBe(file);
    expect(await readdir(folder)).toHaveLength(1);
  } finally {
    await rm(folder, { recursive: true });
  }
});
