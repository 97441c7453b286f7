/**
 * `node scripts/record.ts`: keeps pipelines of today, each template and one with every node type that shapes a run, as saved
 * and with the plan made of them, and expressions with what they give, in tests/fixtures/recorded (or the folder it is given).
 * What the newest recording says already is not written again; else it is written beside the older ones, under the newest
 * migration's number. A recording that is there is never written anew: it is what people saved. Runs are recorded by
 * tests/runtime/recorded-runs.test.ts.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Catalogue, loadCatalogue } from '../runtime/catalogue.ts';
import { evaluate, parseExpression, referenceKey, storedExpression, usesOf } from '../runtime/graph/expression.ts';
import type { Graph } from '../runtime/graph/graph.ts';
import { prepareRun } from '../runtime/graph/prepare.ts';
import { withAddedPorts } from '../runtime/graph/resolve.ts';
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import { readTemplates } from '../server/templates.ts';
import { CORPUS, SCOPE } from '../tests/expressions/corpus.ts';
import { freePath, recordingsIn } from './recordings.ts';

type Manifest = Catalogue['manifests'][number];

const FORMS = [
  'Plain text, {{ brand.name }} and {{ nodes.source.text }}',
  '{{ each.list.texts }} is {{ item.number }}',
  'upper(nodes.source.text)',
  'formatDate(addDays(now(), 3), "EEEE, d MMMM", "Europe/Berlin")',
  'nodes.source.number > 1 && !nodes.source.boolean ? "a" : "b"',
  'text(nodes.source.number * 2 - 1 >= 3 || nodes.source.text == "1")',
  '"" + text([1, 2, 3][nodes.source.number])',
  '{ a: nodes.source.json, "b": [nodes.source.boolean] }.a ?? "none"',
  'join(map(split(nodes.source.text, ","), part => trim(part)), ";")',
];

/**
 * A node of each trigger and flow type with the settings of its example, fed with what it needs, twice: with one thing, and with
 * each of a list; wires of errors, left out failures, policies, limits, inputs and expressions of all forms beside them.
 */
function everyNode(manifests: readonly Manifest[]): Graph {
  const types = manifests.filter(({ id }) => id.startsWith('flow.') || id.startsWith('trigger.'));
  const rows = ['text', 'json', 'number', 'boolean'].map((type) => ({ name: type, title: type, type, value: '1' }));
  const nodes: Graph['nodes'] = [];
  const edges: Graph['edges'] = [];
  const add = (id: string, type: string, config: unknown, more: object = {}) =>
    nodes.push({
      ...{ id, type, name: id, config: config as Graph['nodes'][number]['config'], position: { x: 0, y: 0 } },
      ...{ version: manifests.find((manifest) => manifest.id === type)!.version, ...more },
    });
  const wire = (from: [string, string], to: [string, string], more: object = {}) =>
    edges.push({
      id: `e${edges.length}`,
      from: { node: from[0], port: from[1] },
      to: { node: to[0], port: to[1] },
      ...more,
    });
  add('source', 'flow.set', { values: rows });
  add('list', 'flow.split', { by: 'lines' });
  wire(['source', 'text'], ['list', 'value']);
  for (const way of ['one', 'each'] as const) {
    for (const type of types) {
      const isEnd = type.shape === 'trigger' || type.shape === 'return' || type.shape === 'stop';
      if (way === 'each' && isEnd) continue;
      const id = `${way}-${type.id.replace('.', '-')}`;
      const { config = {} } = JSON.parse(
        // what is called need not be there, but what it takes must be
        JSON.stringify(type.example).replace('"type":"transcript"', '"type":"text"'),
      ) as { config?: Graph['nodes'][number]['config'] };
      add(id, type.id, config, way === 'each' ? { policy: { attempts: 3, wait: 2, growth: 'double', on: 'all' } } : {});
      const { inputs } = withAddedPorts(type, { config });
      for (const [port, { type: wanted, list }] of Object.entries(inputs)) {
        const given = wanted === 'any' ? 'text' : wanted;
        if (way === 'each' && (given === 'text' || given === 'json')) wire(['list', 'texts'], [id, port]);
        else if (rows.some(({ name }) => name === given)) wire(['source', given], [id, port]);
        if (list && way === 'each') edges.at(-1)!.leaveOutFailed = true;
      }
    }
  }
  add('words', 'flow.set', {
    values: FORMS.map((text, at) => ({ name: `w${at}`, title: '', type: 'text', value: storedExpression(text) })),
  });
  wire(['list', 'texts'], ['words', 'when']);
  add('failed', 'flow.collect', {});
  wire(['each-flow-code', 'error'], ['failed', 'items']);
  const inputs = [{ name: 'code', title: 'Code', node: 'one-flow-code', field: 'code' }];
  return {
    ...{ format: 1, nodes, edges, inputs, sections: [], notes: [] },
    limits: { atOnce: 2, by: 'key', key: 'a.b', priority: 1, budget: { calls: 9, minutes: 5 } },
  };
}

/** What each expression of the language's own list gives, over data that is small enough to be kept beside it. */
function expressions() {
  const source = { text: 'one, two', json: { a: 1 }, number: 2, boolean: false };
  const own = Object.entries(source).map(
    ([port, value]) => [referenceKey({ from: 'nodes', node: 'source', port }), value] as const,
  );
  const lines = [referenceKey({ from: 'each', node: 'list', port: 'texts' }), 'a line'] as const;
  const all = [...SCOPE.refs, ...own, lines];
  const refs = all.filter(([, value]) => JSON.stringify(value).length < 1_000);
  const left = new Set(all.filter((each) => !refs.includes(each)).map(([key]) => key));
  const data = { refs, brand: SCOPE.brand, run: SCOPE.run, path: SCOPE.path };
  const texts = [...CORPUS.map(({ text }) => text), ...FORMS].filter((text) => text.length < 300);
  const given = texts.flatMap<object>((text) => {
    const reading = parseExpression(text);
    if (!reading.ok) return [{ text, tree: null, fails: reading.error.code }];
    const { tree } = reading;
    if (usesOf(tree).some((use) => left.has(referenceKey(use)))) return [];
    const outcome = evaluate(tree, { ...data, refs: new Map(refs) });
    return [{ text, tree, ...(outcome.ok ? { gives: outcome.value } : { fails: outcome.error.code }) }];
  });
  // one a line: a difference is seen at a glance
  return `{ "data": ${JSON.stringify(data)},\n"expressions": [\n${given.map((each) => JSON.stringify(each)).join(',\n')}\n] }\n`;
}

/** Unless the newest of its name says the same. */
function keep(folder: string, name: string | undefined, text: string): void {
  mkdirSync(folder, { recursive: true });
  const newest = recordingsIn(folder, name).at(-1);
  if (newest && readFileSync(path.join(folder, newest), 'utf8') === text) return;
  const file = freePath(folder, name);
  writeFileSync(file, text, { flag: 'wx' });
  process.stdout.write(`${file}\n`);
}

const FOLDER = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '../tests/fixtures/recorded'));
const cacheDir = await mkdtemp(path.join(tmpdir(), 'record-'));
const sandbox = await createSandbox({ cacheDir });
try {
  const { manifests } = await loadCatalogue({ sandbox, cacheDir });
  for (const { id, graph } of [...readTemplates(), { id: 'every-node', graph: everyNode(manifests) }]) {
    const prepared = prepareRun(graph, manifests);
    if (!prepared.ok) throw new Error(`${id}: ${prepared.problems.map(({ message }) => message).join(' ')}`);
    const { plan, first } = prepared;
    keep(FOLDER, id, `${JSON.stringify({ graph, plan, first }, null, 1)}\n`);
  }
  keep(path.join(FOLDER, 'expressions'), undefined, expressions());
} finally {
  await sandbox[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
}
