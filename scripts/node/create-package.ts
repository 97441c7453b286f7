/**
 * Makes the package for people who have only npm: `npm create spliceboard-node my-node` puts down the same folder as `node new`.
 * It is one file without dependencies, with the template and the contract package in it.
 *
 *   node scripts/node/create-package.ts DIR     both packages, ready for `npm publish`
 */
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { CONTRACT_VERSION } from '../../nodes/contract.ts';
import { CONTRACT_PACKAGE, contractPackage } from './contract-package.ts';
import { templateOf } from './new.ts';

export const CREATE_PACKAGE = 'create-spliceboard-node';
const ROOT = path.resolve(import.meta.dirname, '../..');

const README = `# ${CREATE_PACKAGE}

\`\`\`sh
npm create spliceboard-node my-node
cd my-node
npm install
npm test
\`\`\`

makes a plugin for Spliceboard: a node with its manifest, test, example and README, typed against the contract of nodes, which lies
beside it. Nothing is fetched, and nothing but the new folder is written.
`;

const MAIN = `
import path from 'node:path';
import { CannotMake, madeLines, makePlugin } from './make.ts';
const [name, ...more] = process.argv.slice(2);
const fail = (message, hint) => {
  console.error(message);
  console.error(hint);
  process.exitCode = 1;
};
if (name === undefined || name.startsWith('-') || more.length > 0) {
  fail('What is the plugin called?', 'npm create spliceboard-node my-node');
} else {
  const folder = path.resolve(name);
  try {
    const made = await makePlugin(folder, TEMPLATE);
    for (const line of madeLines(made, folder, process.cwd())) console.log(line);
  } catch (error) {
    if (!(error instanceof CannotMake)) throw error;
    fail(error.message, error.hint);
  }
}
`;

export async function createPackage(folder: string): Promise<void> {
  const template = await templateOf();
  const { outputFiles } = await build({
    stdin: { contents: MAIN, resolveDir: import.meta.dirname, sourcefile: 'create.js' },
    absWorkingDir: import.meta.dirname, // places in it are told from there
    define: { TEMPLATE: JSON.stringify(template) },
    ...{ bundle: true, write: false, platform: 'node', format: 'esm', target: 'node20', legalComments: 'none' },
    banner: { js: '#!/usr/bin/env node' },
  });
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'create.js'), outputFiles[0]!.text);
  await chmod(path.join(folder, 'create.js'), 0o755);
  const about = {
    name: CREATE_PACKAGE,
    version: CONTRACT_VERSION,
    description: 'Makes a plugin for Spliceboard',
    license: 'Apache-2.0',
    type: 'module',
    bin: { [CREATE_PACKAGE]: 'create.js' },
    files: ['create.js', 'LICENSE', 'NOTICE'],
    engines: { node: '>=20' },
  };
  await writeFile(path.join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
  await writeFile(path.join(folder, 'README.md'), README);
  for (const name of ['LICENSE', 'NOTICE']) await copyFile(path.join(ROOT, name), path.join(folder, name));
}

if (import.meta.main) {
  const target = process.argv[2];
  if (target === undefined) throw new Error('Where to? node scripts/node/create-package.ts DIR');
  await contractPackage(path.join(target, CONTRACT_PACKAGE));
  await createPackage(path.join(target, CREATE_PACKAGE));
  for (const name of [CONTRACT_PACKAGE, CREATE_PACKAGE]) console.log(path.join(target, name));
}
