/** `npm create spliceboard-node` from the packed package alone, with nothing of the product beside it. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPackage } from './create-package.ts';
import { newNode } from './new.ts';

const run = promisify(execFile);
let home: string;
let tarball: string;
beforeAll(async () => {
  home = await realpath(await mkdtemp(path.join(tmpdir(), 'spliceboard-create-')));
  const folder = path.join(home, 'package');
  await createPackage(folder);
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', home], { cwd: folder });
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  expect(files.map((file) => file.path).sort()).toEqual([
    'LICENSE',
    'NOTICE',
    'README.md',
    'create.js',
    'package.json',
  ]);
  tarball = path.join(home, filename);
});
afterAll(() => rm(home, { recursive: true, force: true }));

const create = (...names: string[]) =>
  run('npm', ['exec', '--offline', '--yes', `--package=${tarball}`, '--', 'create-spliceboard-node', ...names], {
    cwd: home,
  });

async function filesOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await readFile(path.join(folder, name))).toString('base64')])),
  ) as Record<string, string>;
}

test('it makes the same folder as `node new`', async () => {
  const { stdout } = await create('my-node');
  expect(stdout).toContain('Next: cd my-node && npm install && npm test');
  const made = await filesOf(path.join(home, 'my-node'));
  const elsewhere = path.join(home, 'elsewhere', 'my-node');
  await newNode(elsewhere);
  expect(made).toEqual(await filesOf(elsewhere));
  expect(Object.keys(made)).toContain('src/shorten.test.ts');
});

test.each([
  ['no name', [], 'What is the plugin called?'],
  ['a name that is none', ['My Node'], 'is no name for a plugin'],
  ['a name of the product', ['audio'], 'a name of the product’s own nodes'],
  ['a folder that is there', ['package'], 'is there already and not empty'],
])('refused with a sentence, and nothing is written: %s', async (_what, names, said) => {
  const before = await readdir(home);
  await expect(create(...names)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(said) });
  expect(await readdir(home)).toEqual(before);
});
