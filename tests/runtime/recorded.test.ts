/** Pipelines as they were saved once (`scripts/record.ts`): each is still read, and the same plan is made of it. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Catalogue, loadCatalogue } from '../../runtime/catalogue.ts';
import { Graph } from '../../runtime/graph/graph.ts';
import { prepareRun } from '../../runtime/graph/prepare.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';

const FOLDER = path.resolve(import.meta.dirname, '../fixtures/recorded');
const recorded = (await readdir(FOLDER)).filter((name) => name.endsWith('.json'));

let cacheDir: string;
let sandbox: Sandbox;
let catalogue: Catalogue;
beforeAll(async () => {
  cacheDir = await mkdtemp(path.join(tmpdir(), 'recorded-'));
  sandbox = await createSandbox({ cacheDir });
  catalogue = await loadCatalogue({ sandbox, cacheDir });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

test('there are recorded pipelines', () => {
  expect(recorded.length).toBeGreaterThan(0);
});

test.each(recorded)('%s is still read, and what is planned for it is the same', async (name) => {
  const { graph, plan, first } = JSON.parse(await readFile(path.join(FOLDER, name), 'utf8'));
  const prepared = prepareRun(Graph.parse(graph), catalogue.manifests);
  expect(JSON.parse(JSON.stringify(prepared))).toMatchObject({ ok: true });
  if (!prepared.ok) return;
  expect(JSON.parse(JSON.stringify(prepared.first))).toEqual(first);
  // it may say more by now, but nothing else
  expect(JSON.parse(JSON.stringify(prepared.plan))).toMatchObject(plan);
});
