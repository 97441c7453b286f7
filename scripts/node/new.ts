/**
 * What the folder of a new plugin holds: a manifest, `run`, a test, an example and a README, typed against the contract package.
 * That package is put beside it, so that `npm install` needs nothing of ours from anywhere.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { CONTRACT_VERSION } from '../../nodes/contract.ts';
import { OWN_FAMILIES } from '../../runtime/packed.ts';
import { END, headOf, paddingOf } from '../../runtime/tar.ts';
import { CommandError } from '../client.ts';
import { CONTRACT_PACKAGE, contractPackage } from './contract-package.ts';
import { CannotMake, makePlugin, nameFor, type Template } from './make.ts';

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
  try {
    await nameFor(folder, OWN_FAMILIES); // before anything is built
    return await makePlugin(folder, await templateOf());
  } catch (error) {
    throw error instanceof CannotMake ? new CommandError(error.message, error.hint) : error;
  }
}

/** With the versions that this product was tried with. */
export async function templateOf(): Promise<Template> {
  const contract = await contractTarball();
  const own = JSON.parse(await readFile(VERSIONS, 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >;
  const words: Record<string, string> = {
    CONTRACT: `file:vendor/${contract.name}`,
    ZOD: own.dependencies.zod!,
    TYPESCRIPT: own.devDependencies.typescript!,
    VITEST: own.devDependencies.vitest!,
  };
  const files: Record<string, string> = {};
  for (const [from, to] of Object.entries(FILES)) {
    const text = await readFile(path.join(TEMPLATE, from), 'utf8');
    files[to] = text.replaceAll(/\b[A-Z]{3,}\b/g, (word) => words[word] ?? word);
  }
  const vendored = { file: `vendor/${contract.name}`, bytes: contract.bytes.toString('base64') };
  return { files, contract: vendored, taken: OWN_FAMILIES };
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
