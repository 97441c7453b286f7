/**
 * One embedded PostgreSQL per test run, started by the first test file that asks for a database
 * (tests/support/database.ts) and ended here after the last. A run of pure tests never starts one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stopPostgres } from '../../scripts/postgres.ts';

export default function setup(): () => Promise<void> {
  const base = os.tmpdir().length <= 60 ? os.tmpdir() : '/tmp';
  const folder = mkdtempSync(path.join(base, 'spliceboard-test-'));
  process.env.SPLICEBOARD_TEST_CLUSTER = folder;
  return async () => {
    await stopPostgres(path.join(folder, 'cluster'));
    rmSync(folder, { recursive: true, force: true });
  };
}
