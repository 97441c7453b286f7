/** A folder of its own for a bench without a database, removed at the end. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export function openFolder() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-bench-'));
  chmodSync(folder, 0o755); // the children's users pass through it
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
