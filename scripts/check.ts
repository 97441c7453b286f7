/**
 * What must hold before the tests are worth running: types, style, import rules, unused code, the lock file.
 * `npm run check` runs all; names as arguments run some (`npm run check -- types lock`). Exit code 1 if one fails.
 * The checks run side by side, as many as there are cores; only a failing one shows what it said.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);

type Result = { ok: boolean; said: string };
type Check = { name: string; about: string; run: () => Promise<Result> };

/** The slowest first, so that the short ones fill the other core. */
export const CHECKS: Check[] = [
  {
    name: 'unused',
    about: 'unused files, exports and dependencies',
    run: () => tool('knip/bin/knip.js', '--no-progress'),
  },
  { name: 'types', about: 'types', run: () => tool('typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json') },
  {
    name: 'style',
    about: 'format and lint',
    run: () => tool('@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '--max-diagnostics=50', '.'),
  },
  { name: 'rooms', about: 'import rules', run: () => tool('vitest/vitest.mjs', 'run', 'tests/rooms.test.ts') },
  { name: 'lock', about: 'lock file', run: lockFile },
];

/** Runs a tool of node_modules under this Node. */
function tool(script: string, ...args: string[]): Promise<Result> {
  return run(process.execPath, [path.join(root, 'node_modules', script), ...args]);
}

function run(command: string, args: string[]): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const keep = (chunk: Buffer) => {
      said += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ ok: false, said: `${command}: ${error.message}` }));
    child.on('close', (code) => resolve({ ok: code === 0, said }));
  });
}

/** Some tools leave platform packages out of a lock file: `npm install` does not mind, `npm ci` refuses it. */
async function lockFile(): Promise<Result> {
  const lock = readFileSync(path.join(root, 'package-lock.json'), 'utf8');
  const addresses = lock.match(/"resolved": "[^"]+"/g) ?? [];
  const floating = Object.entries({ ...dependencies('dependencies'), ...dependencies('devDependencies') }).filter(
    ([, version]) => /^[\^~><*]|latest|\|\|/.test(version),
  );
  const dryRun = await run('npm', ['ci', '--dry-run', '--ignore-scripts', '--no-audit', '--no-fund']);
  const faults = [
    ...addresses.slice(0, 5).map((found) => `package-lock.json holds a download address: ${found}`),
    ...floating.map(([name, version]) => `package.json: ${name} is not pinned: ${version}`),
    ...(dryRun.ok ? [] : [dryRun.said]),
  ];
  return { ok: faults.length === 0, said: faults.join('\n') };
}

function dependencies(kind: 'dependencies' | 'devDependencies'): Record<string, string> {
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  return manifest[kind] ?? {};
}

/** Runs the checks of these names (all where none is given) and prints a line for each. Gives back the failed ones. */
export async function check(names: string[] = []): Promise<string[]> {
  const unknown = names.filter((name) => !CHECKS.some((each) => each.name === name));
  if (unknown.length > 0)
    throw new Error(
      `There is no check named ${unknown.join(', ')}. There are: ${CHECKS.map((each) => each.name).join(', ')}.`,
    );
  const waiting = CHECKS.filter((each) => names.length === 0 || names.includes(each.name));
  const failed: string[] = [];
  const lane = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const startedAt = performance.now();
      const { ok, said } = await next.run();
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(`${ok ? '✓' : '✗'} ${next.about} (${seconds} s)`);
      if (ok) continue;
      failed.push(next.name);
      console.log(said.trimEnd().replaceAll(/^/gm, '    '));
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, Math.min(os.availableParallelism(), 4)) }, lane));
  return failed;
}

if (import.meta.main) {
  try {
    const failed = await check(process.argv.slice(2));
    console.log(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}.`);
    process.exitCode = failed.length === 0 ? 0 : 1;
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 2;
  }
}
