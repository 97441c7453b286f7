/**
 * Makes the folder of a new plugin: a manifest, `run`, a test, an example and a README, typed against the contract package. That
 * package is put beside it, so that `npm install` needs nothing of ours from anywhere.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { CONTRACT_VERSION, PackedPlugin } from '../../nodes/contract.ts';
import { OWN_FAMILIES } from '../../runtime/packed.ts';
import { END, headOf, paddingOf } from '../../runtime/tar.ts';
import { CommandError } from '../client.ts';
import { CONTRACT_PACKAGE, contractPackage } from './contract-package.ts';

const TEMPLATE = path.join(import.meta.dirname, 'template');
const VERSIONS = path.resolve(import.meta.dirname, '../../package.json');

/** Template file → where it goes. Sources lie there as text: they are nobody's code here. */
const FILES: Record<string, string> = {
  'package.json': 'package.json',
  'tsconfig.json': 'tsconfig.json',
  gitignore: '.gitignore',
  'README.md': 'README.md',
  'src/shorten.ts.txt': 'src/shorten.ts',
  'src/shorten.test.ts.txt': 'src/shorten.test.ts',
};

export async function newNode(folder: string): Promise<{ name: string; files: string[] }> {
  const name = path.basename(folder);
  if (!PackedPlugin.shape.name.safeParse(name).success || !/^[a-z][a-z0-9-]*$/.test(name)) {
    throw new CommandError(
      `${name} is no name for a plugin.`,
      'Small letters, digits and hyphens, beginning with a letter.',
    );
  }
  if (OWN_FAMILIES.includes(name)) {
    throw new CommandError(
      `${name} is a name of the product’s own nodes.`,
      'Choose another, such as your own name before it.',
    );
  }
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0) throw new CommandError(`${folder} is there already and not empty.`, 'Choose another name.');
  const contract = await contractTarball();
  const own = JSON.parse(await readFile(VERSIONS, 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >;
  const words: Record<string, string> = {
    NAME: name,
    PUBLISHER: userInfo().username,
    CONTRACT: `file:vendor/${contract.name}`,
    ZOD: own.dependencies.zod!,
    TYPESCRIPT: own.devDependencies.typescript!,
    VITEST: own.devDependencies.vitest!,
  };
  for (const [from, to] of Object.entries(FILES)) {
    const text = await readFile(path.join(TEMPLATE, from), 'utf8');
    await put(
      path.join(folder, to),
      text.replaceAll(/\b[A-Z]{3,}\b/g, (word) => words[word] ?? word),
    );
  }
  await put(path.join(folder, 'vendor', contract.name), contract.bytes);
  return { name, files: [...Object.values(FILES), `vendor/${contract.name}`] };
}

async function put(file: string, content: string | Buffer): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
}

/** As `npm pack` would make it; the same bytes each time. */
async function contractTarball(): Promise<{ name: string; bytes: Buffer }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'spliceboard-contract-'));
  try {
    await contractPackage(folder);
    const parts: Buffer[] = [];
    for (const name of (await readdir(folder)).sort()) {
      const bytes = await readFile(path.join(folder, name));
      parts.push(headOf(`package/${name}`, bytes.length), bytes, paddingOf(bytes.length));
    }
    return {
      name: `${CONTRACT_PACKAGE}-${CONTRACT_VERSION}.tgz`,
      bytes: gzipSync(Buffer.concat([...parts, END]), { level: 9 }),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
