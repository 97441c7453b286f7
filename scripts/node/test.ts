/** `node test`: the unit tests beside the nodes, then each node in the real isolate (conformance.ts). Exit code 1 where one fails. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NodeError, type PackedPlugin } from '../../nodes/contract.ts';
import { evaluateManifest, ManifestRefused } from '../../runtime/catalogue.ts';
import { checkForeignManifest, readPacked } from '../../runtime/packed.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { type Check, conformance } from './conformance.ts';
import { packFolder } from './pack.ts';

const MARKS: Record<Check['state'], string> = { passed: '✓', failed: '✗', 'not asked': '-' };

export async function testFolder(folder: string, print: (line: string) => void): Promise<number> {
  const { text } = await packFolder(folder);
  const isUnitGreen = await unitTests(folder, print);
  const { packed } = await readPacked(text);
  const cacheDir = await mkdtemp(path.join(tmpdir(), 'spliceboard-conformance-'));
  const sandbox = await createSandbox({ cacheDir });
  try {
    const isConforming = await eachNode(sandbox, packed, print);
    return isUnitGreen && isConforming ? 0 : 1;
  } finally {
    await sandbox[Symbol.asyncDispose]();
    await rm(cacheDir, { recursive: true, force: true });
  }
}

async function eachNode(sandbox: Sandbox, packed: PackedPlugin, print: (line: string) => void): Promise<boolean> {
  let isGood = true;
  for (const node of packed.nodes) {
    try {
      const manifest = checkForeignManifest(await evaluateManifest(sandbox, node.manifest));
      print(`${manifest.id} ${manifest.version}, in the isolate`);
      for (const { name, state, why } of await conformance(sandbox, manifest, node.run, node.map).check()) {
        print(`  ${MARKS[state]} ${name}${why ? `: ${why}` : ''}`);
        if (state === 'failed') isGood = false;
      }
    } catch (error) {
      if (!(error instanceof ManifestRefused || error instanceof NodeError)) throw error;
      const hint = error instanceof NodeError ? error.hint : error.error.hint;
      print(`  ✗ manifest: ${[error.message, hint].filter(Boolean).join(' ')}`);
      isGood = false;
    }
  }
  return isGood;
}

/** True where there are none. */
async function unitTests(folder: string, print: (line: string) => void): Promise<boolean> {
  const about = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as {
    scripts?: { test?: string };
  };
  if (!about.scripts?.test) return true;
  print('Tests beside the nodes');
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn('npm', ['test', '--silent'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString('utf8');
      });
    }
    child.once('error', reject);
    child.once('close', (status) => {
      if (status !== 0) print(said.trimEnd().replace(/^/gm, '    '));
      resolve(status);
    });
  });
  print(code === 0 ? '  ✓ passed' : '  ✗ failed');
  return code === 0;
}
