/**
 * `node scripts/record.ts`: keeps each template as a recorded pipeline of today, its graph as saved and the plan made of
 * it, in tests/fixtures/recorded. A recording that is there is never written anew: it is what people saved.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadCatalogue } from '../runtime/catalogue.ts';
import { prepareRun } from '../runtime/graph/prepare.ts';
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import { readTemplates } from '../server/templates.ts';

const FOLDER = path.resolve(import.meta.dirname, '../tests/fixtures/recorded');
const cacheDir = await mkdtemp(path.join(tmpdir(), 'record-'));
const sandbox = await createSandbox({ cacheDir });
try {
  const { manifests } = await loadCatalogue({ sandbox, cacheDir });
  for (const { id, graph } of readTemplates()) {
    const prepared = prepareRun(graph, manifests);
    if (!prepared.ok) throw new Error(`${id}: ${prepared.problems[0]!.message}`);
    const { plan, first } = prepared;
    const text = `${JSON.stringify({ graph, plan, first }, null, 1)}\n`;
    await writeFile(path.join(FOLDER, `${id}.json`), text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
} finally {
  await sandbox[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
}
