/**
 * Makes the package that authors write their nodes against: nodes/contract.ts and nodes/testing.ts as JavaScript with their
 * types, and nothing else of the product. zod is its one dependency, at the version the product has.
 *
 *   await contractPackage('/somewhere/spliceboard-node');    // a folder that `npm pack` or `npm install` takes
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { CONTRACT_VERSION } from '../../nodes/contract.ts';

export const CONTRACT_PACKAGE = 'spliceboard-node';
const ROOT = path.resolve(import.meta.dirname, '../..');

const README = `# ${CONTRACT_PACKAGE}

What a node for Spliceboard is written against: the contract, its types, and a stand-in for the host to test with.

\`\`\`ts
import { defineManifest, port, type Run } from '${CONTRACT_PACKAGE}';
import { fakeCtx } from '${CONTRACT_PACKAGE}/testing';
\`\`\`

Nothing of it runs by itself: a node is packed into one file, and Spliceboard runs that inside an isolate.
`;

export async function contractPackage(folder: string): Promise<void> {
  const work = await mkdtemp(path.join(tmpdir(), 'spliceboard-contract-'));
  try {
    await symlink(path.join(ROOT, 'node_modules'), path.join(work, 'node_modules'));
    for (const name of ['contract.ts', 'testing.ts'])
      await copyFile(path.join(ROOT, 'nodes', name), path.join(work, name));
    await writeFile(path.join(work, 'package.json'), '{"type":"module"}');
    const options = {
      rootDir: work,
      outDir: path.join(work, 'out'),
      declaration: true,
      target: 'es2023',
      module: 'nodenext',
      lib: ['es2023', 'dom'],
      types: [],
      strict: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      rewriteRelativeImportExtensions: true,
    };
    await writeFile(
      path.join(work, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, files: ['contract.ts', 'testing.ts'] }),
    );
    const compiler = path.join(ROOT, 'node_modules/typescript/bin/tsc');
    await promisify(execFile)(process.execPath, [compiler, '-p', work]).catch((error: { stdout?: string }) => {
      throw new Error(`The contract does not compile by itself: ${error.stdout?.slice(0, 500)}`);
    });
    const { dependencies } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    await mkdir(folder, { recursive: true });
    for (const name of ['contract', 'testing']) {
      for (const ending of ['js', 'd.ts']) {
        await copyFile(path.join(work, 'out', `${name}.${ending}`), path.join(folder, `${name}.${ending}`));
      }
    }
    const about = {
      name: CONTRACT_PACKAGE,
      version: CONTRACT_VERSION,
      description: 'The contract of nodes for Spliceboard',
      license: 'Apache-2.0',
      type: 'module',
      sideEffects: false,
      exports: {
        '.': { types: './contract.d.ts', default: './contract.js' },
        './testing': { types: './testing.d.ts', default: './testing.js' },
      },
      files: ['*.js', '*.d.ts', 'LICENSE', 'NOTICE'],
      engines: { node: '>=20' },
      dependencies: { zod: dependencies.zod },
    };
    await writeFile(path.join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
    await writeFile(path.join(folder, 'README.md'), README);
    for (const name of ['LICENSE', 'NOTICE']) await copyFile(path.join(ROOT, name), path.join(folder, name));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
