/**
 * Builds the editor into dist/editor when its sources have changed since the last build.
 * The stamp beside the result is a hash of everything it is made from, so a pull, a switch of branch or an edit builds
 * again and nothing else does. `node scripts/build-editor.ts` builds by hand.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const SOURCES = ['editor', 'runtime/graph', 'nodes/contract.ts', 'package-lock.json', 'vite.config.ts'];
export const EDITOR = path.join(root, 'dist/editor');

function* filesOf(source: string): Generator<string> {
  if (!existsSync(source)) return;
  const entries = path.extname(source) ? undefined : readdirSync(source, { withFileTypes: true });
  if (!entries) return yield source;
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const file = path.join(source, entry.name);
    if (entry.isDirectory()) yield* filesOf(file);
    else if (!/\.test\.tsx?$/.test(entry.name)) yield file;
  }
}

function sourceHash(): string {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    for (const file of filesOf(path.join(root, source))) {
      hash
        .update(`${path.relative(root, file)}\0`)
        .update(readFileSync(file))
        .update('\0');
    }
  }
  return hash.digest('hex');
}

/** Gives back whether a build was needed. Throws with the builder's words where it failed. */
export async function buildEditor(say: (line: string) => void = () => {}): Promise<boolean> {
  const stamp = path.join(EDITOR, '.sources');
  const wanted = sourceHash();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return false;
  say('building the editor (once per version)');
  const unfinished = `${EDITOR}.${process.pid}.tmp`;
  mkdirSync(path.dirname(EDITOR), { recursive: true });
  removeAbandoned(path.dirname(EDITOR));
  try {
    await vite(unfinished);
    writeFileSync(path.join(unfinished, '.sources'), wanted);
    rmSync(EDITOR, { recursive: true, force: true });
    renameSync(unfinished, EDITOR);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return true;
}

/** What builds left that were killed. */
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^editor\.(\d+)\.tmp$/.exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) rmSync(path.join(folder, name), { recursive: true, force: true });
  }
}
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function vite(out: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = path.join(root, 'node_modules/vite/bin/vite.js');
    const child = spawn(process.execPath, [script, 'build', '--outDir', out, '--emptyOutDir', '--logLevel', 'warn'], {
      cwd: root,
      env: { ...process.env, NODE_ENV: 'production' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const keep = (chunk: Buffer) => {
      said = (said + chunk).slice(-8000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`The editor did not build:\n${said}`))));
  });
}

if (import.meta.main) {
  const startedAt = performance.now();
  const wasNeeded = await buildEditor();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(wasNeeded ? `Built ${EDITOR} in ${seconds} s.` : 'The editor is up to date.');
}
