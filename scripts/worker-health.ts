/**
 * Whether the worker of this machine (or container) lives: exit code 0 where it beat within the last 4 s, else 1 with a
 * sentence. For the health check of docker-compose.yml. DATABASE_URL as for the worker.
 */
import os from 'node:os';
import { createPool } from '../db/connect.ts';
import { livingWorkers } from '../db/ledger.ts';

const url = process.env.DATABASE_URL;
if (!url) {
  console.error('Set DATABASE_URL.');
  process.exit(1);
}
const pool = createPool(url, 'app', { max: 1, name: 'health' });
try {
  const mine = (await livingWorkers(pool)).filter(({ name }) => name.startsWith(`${os.hostname()}:`));
  if (mine.length === 0) throw new Error('No worker of this machine has reported within the last 4 s.');
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  await pool.end();
}
