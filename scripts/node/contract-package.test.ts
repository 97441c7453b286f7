import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contractPackage } from './contract-package.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
let folder: string;
let built: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'contract-package-'));
  built = path.join(folder, 'node_modules/spliceboard-node');
  await contractPackage(built);
  await symlink(path.join(ROOT, 'node_modules/zod'), path.join(folder, 'node_modules/zod'));
});
afterAll(() => rm(folder, { recursive: true }));

const NODE = `
  import * as z from 'zod';
  import { defineManifest, type MigrateConfig, port, type Run, type Simulate } from 'spliceboard-node';
  import { fakeCtx } from 'spliceboard-node/testing';
  export const manifest = defineManifest({
    id: 'acme.shorten', version: '1.0.0', title: 'Shorten', help: '', shape: 'step', effect: 'pure',
    inputs: { text: port.text(), more: port.text.optional(), clips: port.clip.list() },
    outputs: { text: port.text(), count: port.number.optional() },
    config: z.strictObject({ words: z.int().default(2) }),
    example: { inputs: {} },
  });
  export const run: Run<typeof manifest> = (ctx, { text, more, clips }) => {
    const given: string | undefined = more;
    const titles: string[] = clips.map((clip) => clip.segment.title);
    return { text: text.split(' ').slice(0, ctx.config.words).join(' ') + (given ?? ''), count: titles.length };
  };
  export const simulate: Simulate<typeof manifest> = (_ctx, { text }) => ({ would: text, outputs: { text } });
  export const migrateConfig: MigrateConfig<typeof manifest> = (config, from) => ({ words: Number(config[from.type]) });
  export const tried = fakeCtx(manifest, { node: { run } }).execute({ text: 'one two three', clips: [] });
  // @ts-expect-error an output is missing
  export const wrong: Run<typeof manifest> = () => ({});`;

test('types flow from the manifest to run without casts, and it runs, against the built package alone', async () => {
  await mkdir(path.join(folder, 'src'));
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(path.join(folder, 'src/shorten.ts'), NODE);
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const options = '--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target esnext --types'.split(
    ' ',
  );
  const said = await promisify(execFile)(process.execPath, [tsc, ...options, '', 'src/shorten.ts'], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error);
  expect(said.stdout).toBe('');
  const script =
    "import('./src/shorten.ts').then((node) => node.tried).then((out) => console.log(JSON.stringify(out)))";
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: folder });
  expect(JSON.parse(stdout)).toEqual({ text: 'one two', count: 0 });
});

test('the same sources make the same bytes, with no path of the product in them', async () => {
  const again = path.join(folder, 'again');
  await contractPackage(again);
  const names = (await readdir(built)).sort();
  expect(names).toEqual(
    [
      'LICENSE',
      'NOTICE',
      'README.md',
      'contract.d.ts',
      'contract.js',
      'package.json',
      'testing.d.ts',
      'testing.js',
    ].sort(),
  );
  for (const name of names) {
    const text = await readFile(path.join(built, name), 'utf8');
    expect(await readFile(path.join(again, name), 'utf8')).toBe(text);
    expect(text).not.toContain(ROOT);
  }
});
