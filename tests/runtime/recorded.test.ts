/**
 * Pipelines and expressions as they were saved once (`scripts/record.ts`), each recording that there is: the pipelines are still
 * read and planned as they were, and the expressions give what they gave.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Catalogue, loadCatalogue } from '../../runtime/catalogue.ts';
import { evaluate, parseExpression, type Tree } from '../../runtime/graph/expression.ts';
import { FUNCTIONS } from '../../runtime/graph/expression-functions.ts';
import { Graph } from '../../runtime/graph/graph.ts';
import { prepareRun } from '../../runtime/graph/prepare.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { recordingsIn, schemaNow } from '../../scripts/recordings.ts';

const FOLDER = path.resolve(import.meta.dirname, '../fixtures/recorded');
const EXPRESSIONS = path.join(FOLDER, 'expressions');
const recorded = recordingsIn(FOLDER);

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

test('there are recordings, and none of them is passed over', async () => {
  for (const folder of [FOLDER, EXPRESSIONS, path.join(FOLDER, 'runs')]) {
    const all = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
    expect(all.length).toBeGreaterThan(0);
    expect(recordingsIn(folder).sort()).toEqual(all.map(({ name }) => name).sort());
  }
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

type Recorded = {
  data: { refs: [string, unknown][]; brand: unknown; run: { now: string }; path: number[] };
  /** `tree`: null where the text cannot be read. */
  expressions: { text: string; tree: Tree | null; gives?: unknown; fails?: string }[];
};
const expressionsOf = (name: string) => JSON.parse(readFileSync(path.join(EXPRESSIONS, name), 'utf8')) as Recorded;

test.each(recordingsIn(EXPRESSIONS))('expressions/%s are read as they were, and give what they gave', (name) => {
  const { data, expressions } = expressionsOf(name);
  const scope = { ...data, refs: new Map(data.refs) };
  const now = expressions.map(({ text, tree }) => {
    const reading = parseExpression(text);
    if (!tree) return { text, tree, fails: reading.ok ? 'is read' : reading.error.code };
    const outcome = evaluate(tree, scope);
    const end = outcome.ok ? { gives: outcome.value } : { fails: outcome.error.code };
    return { text, tree: reading.ok ? reading.tree : null, ...end };
  });
  expect(JSON.parse(JSON.stringify(now))).toEqual(expressions);
});

test('every function, operator and form of an expression is among the newest that are recorded', () => {
  const met = new Set<string>();
  const meet = (part: unknown) => {
    if (!Array.isArray(part)) return;
    const [kind, at, name] = part;
    if (typeof kind === 'string' && typeof at === 'number')
      met.add(kind === 'op' || kind === 'call' || kind === 'scope' ? `${kind} ${name}` : kind);
    part.forEach(meet);
  };
  for (const { tree, gives } of expressionsOf(recordingsIn(EXPRESSIONS).at(-1)!).expressions)
    if (gives !== undefined) meet(tree);
  const forms = ['value', 'template', 'ref', 'name', 'get', 'index', 'not', 'minus', 'if', 'list', 'record', 'arrow'];
  const signs = ['??', '||', '&&', '==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%'];
  const wanted = [
    ...[...forms, ...['brand', 'run', 'item'].map((root) => `scope ${root}`), ...signs.map((sign) => `op ${sign}`)],
    ...Object.keys(FUNCTIONS).map((name) => `call ${name}`),
  ];
  const missing = wanted.filter((each) => !met.has(each));
  expect(missing, 'add it to tests/expressions/corpus.ts, then run node scripts/record.ts').toEqual([]);
});

test('what has changed is recorded beside what people saved, which stays as it is', { timeout: 60_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(await mkdtemp(path.join(tmpdir(), 'recorded-')), (each) => rm(each, { recursive: true }));
  const schema = schemaNow();
  await writeFile(path.join(folder, 'captions.json'), 'as it was');
  await writeFile(path.join(folder, `captions.${schema}.json`), 'as it was later');
  await writeFile(path.join(folder, 'square-clips.json'), 'as it was');
  const record = () => promisify(execFile)(process.execPath, ['scripts/record.ts', folder]);
  await record();
  const made = (await readdir(folder)).sort();
  expect(made).toEqual(
    expect.arrayContaining(['captions.json', `captions.${schema}.json`, `captions.${schema}-2.json`]),
  );
  expect(made).toEqual(expect.arrayContaining(['square-clips.json', `square-clips.${schema}.json`, 'expressions']));
  for (const [file, text] of [
    ['captions.json', 'as it was'],
    [`captions.${schema}.json`, 'as it was later'],
    ['square-clips.json', 'as it was'],
  ] as const)
    expect(await readFile(path.join(folder, file), 'utf8')).toBe(text);
  const { graph } = JSON.parse(await readFile(path.join(folder, `captions.${schema}-2.json`), 'utf8'));
  expect(Graph.safeParse(graph).success).toBe(true);
  await record();
  expect((await readdir(folder)).sort()).toEqual(made);
  expect(await readdir(path.join(folder, 'expressions'))).toEqual([`${schema}.json`]);
});
