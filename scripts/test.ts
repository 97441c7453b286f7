/**
 * `npm test`: the checks, then every test. Arguments go to vitest, and then only the tests they name run:
 * `npm test -- tests/start` or `npm test -- -t 'a second start'`. The last line counts; exit code 1 if anything failed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { check } from './check.ts';

const root = path.dirname(import.meta.dirname);

type Counts = { passed: number; failed: number; skipped: number };

async function runTests(args: string[]): Promise<Counts & { ok: boolean }> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-tests-'));
  const report = path.join(folder, 'report.json');
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
  const child = spawn(
    process.execPath,
    [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args],
    {
      cwd: root,
      stdio: 'inherit',
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const code = await new Promise<number>((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
  try {
    const counted = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>;
    const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = counted;
    return { ok: code === 0, passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
  } catch {
    return { ok: false, passed: 0, failed: 0, skipped: 0 }; // it said why
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const args = process.argv.slice(2);
const failedChecks = args.length === 0 ? await check() : [];
const tests = await runTests(args);
const parts = [`${tests.passed} passed`, `${tests.failed} failed`];
if (tests.skipped > 0) parts.push(`${tests.skipped} skipped`);
if (failedChecks.length > 0) parts.push(`checks failed: ${failedChecks.join(', ')}`);
if (!tests.ok && tests.failed === 0) parts.push('the run itself failed (see above)');
console.log(parts.join(', '));
process.exitCode = tests.ok && failedChecks.length === 0 ? 0 : 1;
