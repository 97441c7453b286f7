/**
 * What a plugin's folder is packed into: the same bytes wherever it lies, nothing that lies outside of it, and for what is
 * refused the line and what to do. A marker outside of the folder shows whether anything was read or run.
 */
import { cp, link, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contractPackage } from '../../scripts/node/contract-package.ts';
import { packFolder } from '../../scripts/node/pack.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
let home: string;
let modules: string;
beforeAll(async () => {
  home = await realpath(await mkdtemp(path.join(tmpdir(), 'spliceboard-pack-')));
  modules = path.join(home, 'modules');
  await contractPackage(path.join(modules, 'spliceboard-node'));
  await cp(path.join(ROOT, 'node_modules/zod'), path.join(modules, 'zod'), { recursive: true });
  await writeFile(path.join(home, 'key'), 'OUTSIDE_MARKER');
  await writeFile(path.join(home, 'key.json'), '"OUTSIDE_MARKER"');
  await writeFile(path.join(home, 'outside.ts'), "export const outside = 'OUTSIDE_MARKER';");
});
afterAll(() => rm(home, { recursive: true, force: true }));

const NODE = (more: { imports?: string; run?: string } = {}) => `/** Says it twice. */
import * as z from 'zod';
import { defineManifest, NodeError, port, type Run } from 'spliceboard-node';
${more.imports ?? ''}

export const manifest = defineManifest({
  id: 'twice.say', version: '1.0.0', publisher: 'P', license: 'MIT', api: '^1.0', title: 'Twice', help: 'Says it twice.',
  shape: 'step', effect: 'pure', inputs: { text: port.text() }, outputs: { text: port.text() },
  config: z.strictObject({}), example: { config: {}, inputs: { text: 'a' }, outputs: { text: 'aa' } },
});

export const run: Run<typeof manifest> = (ctx, { text }) => {
  if (text === '') throw new NodeError('EMPTY', 'Nothing.');
  ${more.run ?? ''}
  return { text: text + text };
};
`;
const ABOUT = {
  name: 'twice',
  version: '1.0.0',
  type: 'module',
  spliceboard: { nodes: ['src/say.ts'] },
};

/** As a copy, without its bytes. */
async function linkAll(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    await (entry.isDirectory() ? linkAll(source, target) : link(source, target));
  }
}

let count = 0;
async function folderWith(files: Record<string, string>, about: object = {}): Promise<string> {
  const folder = path.join(home, `plugin-${++count}`);
  await mkdir(path.join(folder, 'src'), { recursive: true });
  await linkAll(modules, path.join(folder, 'node_modules'));
  for (const [name, text] of Object.entries({
    'src/say.ts': NODE(),
    'package.json': JSON.stringify({ ...ABOUT, ...about }, null, 2),
    ...files,
  })) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  return folder;
}

test('the same folder elsewhere gives the same bytes, with its sources in the map and no place of this machine', async () => {
  const one = await packFolder(await folderWith({}));
  const two = await packFolder(await folderWith({ 'README.md': 'not packed' }));
  expect(two).toEqual(one);
  expect(one.text).not.toContain(home);
  const { nodes } = JSON.parse(one.text) as { nodes: { run: string; map: string }[] };
  expect(nodes[0]!.run).not.toContain('Says it twice');
  const map = JSON.parse(nodes[0]!.map) as { sources: string[]; sourcesContent: (string | null)[] };
  expect(map.sources).toContain('src/say.ts');
  expect(map.sourcesContent[map.sources.indexOf('src/say.ts')]).toContain("'EMPTY'");
});

test('own parts, JSON of its own and a package in plain JavaScript are taken along', async () => {
  const folder = await folderWith({
    'src/say.ts': NODE({
      imports: `import { loud } from './parts/loud.ts';\nimport words from './words.json' with { type: 'json' };\nimport { dash } from 'dasher';`,
      run: 'if (text === "x") return { text: loud(words.hello) + dash };',
    }),
    'src/parts/loud.ts': 'export const loud = (text: string): string => text.toUpperCase();',
    'src/words.json': '{"hello":"from json"}',
    'node_modules/dasher/package.json': '{"name":"dasher","version":"1.0.0","type":"module","main":"index.js"}',
    'node_modules/dasher/index.js': `export const dash = 'DASH'; export const unused = 'UNUSED_PART';`,
  });
  const { text } = await packFolder(folder);
  expect(text).toContain('from json');
  expect(text).toContain('DASH');
  expect(text).toContain('toUpperCase');
});

const say = (more: Parameters<typeof NODE>[0]) => ({ 'src/say.ts': NODE(more) });
test.each<[string, () => Promise<string>, string, RegExp]>([
  [
    'an absolute file',
    () => folderWith(say({ imports: `import key from '/etc/passwd';` })),
    'PACK_IMPORT',
    /src\/say\.ts:4.*outside/,
  ],
  [
    'a file above',
    () => folderWith(say({ imports: `import key from '../../key.json';` })),
    'PACK_IMPORT',
    /src\/say\.ts:4.*outside/,
  ],
  [
    'code above',
    () => folderWith(say({ imports: `import { outside } from '../../outside.ts';`, run: 'void outside;' })),
    'PACK_IMPORT',
    /src\/say\.ts:4.*outside/,
  ],
  [
    'a file address',
    () => folderWith(say({ imports: `import key from 'file:///etc/passwd';` })),
    'PACK_IMPORT',
    /src\/say\.ts:4/,
  ],
  [
    'what Node has',
    () => folderWith(say({ imports: `import { readFileSync } from 'node:fs';`, run: 'readFileSync("/");' })),
    'PACK_BUILTIN',
    /src\/say\.ts:4.*node:fs/,
  ],
  [
    'a module while it runs',
    () => folderWith(say({ run: `void import('../../key.json');` })),
    'PACK_IMPORT',
    /key\.json|module/,
  ],
  [
    'a link out of the folder',
    async () => {
      const folder = await folderWith(say({ imports: `import { outside } from './linked.ts';`, run: 'void outside;' }));
      await symlink(path.join(home, 'outside.ts'), path.join(folder, 'src/linked.ts'));
      return folder;
    },
    'PACK_IMPORT',
    /src\/say\.ts:4.*outside/,
  ],
  [
    'a node file outside',
    () => folderWith({}, { spliceboard: { nodes: ['../outside.ts'] } }),
    'PACK_IMPORT',
    /package\.json:\d+.*outside/,
  ],
  [
    'a package that is linked from elsewhere',
    async () => {
      const folder = await folderWith(say({ imports: `import { outside } from 'linked';`, run: 'void outside;' }));
      const real = path.join(home, 'linked-package');
      await mkdir(real, { recursive: true });
      await writeFile(
        path.join(real, 'package.json'),
        '{"name":"linked","version":"1.0.0","type":"module","main":"index.js"}',
      );
      await writeFile(path.join(real, 'index.js'), `export const outside = 'OUTSIDE_MARKER';`);
      await symlink(real, path.join(folder, 'node_modules/linked'));
      return folder;
    },
    'PACK_IMPORT',
    /outside/,
  ],
  [
    'a package that reads above itself',
    () =>
      folderWith({
        ...say({ imports: `import { key } from 'reacher';`, run: 'void key;' }),
        'node_modules/reacher/package.json': '{"name":"reacher","version":"1.0.0","type":"module","main":"index.js"}',
        'node_modules/reacher/index.js': `export { default as key } from '../../../key.json';`,
      }),
    'PACK_IMPORT',
    /reacher.*outside/,
  ],
  [
    'a package of Node’s',
    () =>
      folderWith({
        ...say({ imports: `import { run as go } from 'nodeish';`, run: 'go();' }),
        'node_modules/nodeish/package.json': '{"name":"nodeish","version":"1.0.0","type":"module","main":"index.js"}',
        'node_modules/nodeish/index.js': `import { execSync } from 'child_process'; export const run = () => execSync('id');`,
      }),
    'PACK_BUILTIN',
    /nodeish.*child_process/,
  ],
  [
    'an install script',
    () => folderWith({}, { scripts: { postinstall: 'touch /tmp/marker' } }),
    'PACK_SCRIPTS',
    /package\.json:\d+.*postinstall/,
  ],
  ['a program', () => folderWith({}, { bin: './cli.js' }), 'PACK_SCRIPTS', /package\.json:\d+.*bin/],
  [
    'a package that is not there',
    () => folderWith(say({ imports: `import { a } from 'nowhere';`, run: 'void a;' })),
    'PACK_IMPORT',
    /nowhere/,
  ],
  ['a mistake', () => folderWith(say({ run: 'const = 1;' })), 'PACK_BROKEN', /src\/say\.ts:14/],
  ['no nodes', () => folderWith({}, { spliceboard: {} }), 'PACK_FOLDER', /nodes/],
])('%s is refused with its line, and nothing outside is read', async (_what, make, code, said) => {
  const folder = await make();
  await expect(packFolder(folder)).rejects.toMatchObject({ code, message: expect.stringMatching(said) });
  expect(await readdir(folder)).not.toContain('dist');
  expect(await readFile(path.join(home, 'key'), 'utf8')).toBe('OUTSIDE_MARKER');
});

test('a tsconfig that leads elsewhere is not read', async () => {
  const folder = await folderWith({
    'tsconfig.json': JSON.stringify({
      extends: '/etc/passwd',
      compilerOptions: { baseUrl: home, paths: { outside: ['outside.ts'] }, target: 'es5' },
    }),
    ...say({ imports: `import { outside } from 'outside';`, run: 'void outside;' }),
  });
  await expect(packFolder(folder)).rejects.toMatchObject({
    code: 'PACK_IMPORT',
    message: expect.stringMatching(/"outside"/),
  });
  const plain = await packFolder(await folderWith({ 'tsconfig.json': '{"extends":"/etc/passwd"}' }));
  expect(plain).toEqual(await packFolder(await folderWith({})));
});
