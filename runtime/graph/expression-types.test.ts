/** What is told about an expression before a run, and what follows from it for the order of nodes. */
import { expect, test } from 'vitest';
import type { ManifestJson, PortJson, PortType } from '../../nodes/contract.ts';
import { dependentsOf } from './advance.ts';
import { storedExpression } from './expression.ts';
import { takesExpressions } from './expression-types.ts';
import { downstreamOf, flowOrder } from './flow.ts';
import { EMPTY_GRAPH, type Graph } from './graph.ts';
import { apply } from './operations.ts';
import { prepareRun } from './prepare.ts';
import { problems } from './validate.ts';
import { checkWire } from './wires.ts';

const port = (type: PortType, list = false, optional = false): PortJson => ({
  type,
  list,
  optional,
  title: null,
  help: null,
});
const CONFIG = {
  type: 'object',
  properties: {
    title: { type: 'string', title: 'Title' },
    count: { type: 'integer', title: 'Count', minimum: 1 },
    rows: { type: 'array', items: { type: 'object', properties: { value: { type: 'string' } } } },
    code: { type: 'string', 'x-widget': 'code' },
  },
};
const manifest = (id: string, inputs: ManifestJson['inputs'], outputs: ManifestJson['outputs']): ManifestJson => ({
  id: `test.${id}`,
  version: '1.0.0',
  title: id,
  help: '',
  icon: 'puzzle',
  family: 'other',
  aliases: [],
  shape: 'step',
  effect: 'pure',
  weight: 'light',
  reuseForSeconds: 0,
  inputs,
  outputs,
  config: CONFIG,
  capabilities: {},
  fields: [],
  example: { inputs: {} },
  exports: ['run'],
});
const CATALOGUE = [
  manifest('source', {}, { text: port('text'), items: port('text', true), clip: port('clip') }),
  manifest('step', { text: port('text', false, true) }, { text: port('text') }),
  manifest('all', { texts: port('text', true) }, { text: port('text') }),
];

/** `settings`: field → expression, by node. */
function graphOf(nodes: string[], wires: string[], settings: Record<string, Record<string, string>> = {}): Graph {
  return {
    ...EMPTY_GRAPH,
    nodes: nodes.map((text) => {
      const [id, type] = text.split(':') as [string, string];
      const config = Object.fromEntries(
        Object.entries(settings[id] ?? {}).map(([field, written]) => [field, storedExpression(written)]),
      ) as Graph['nodes'][number]['config'];
      return { id, type: `test.${type}`, version: '1.0.0', name: id.toUpperCase(), position: { x: 0, y: 0 }, config };
    }),
    edges: wires.map((text, index) => {
      const [from, to] = text.split(' > ').map((end) => end.split('.')) as [[string, string], [string, string]];
      return { id: `w${index}`, from: { node: from[0], port: from[1] }, to: { node: to[0], port: to[1] } };
    }),
  };
}
const told = (graph: Graph) =>
  problems(graph, CATALOGUE)
    .filter(({ severity }) => severity === 'error')
    .map(({ code, node, field, message }) => ({ code, node, field, message }));
const codes = (graph: Graph) => told(graph).map(({ code }) => code);

const TWO = ['a:source', 'b:step'];
const WIRE = ['a.text > b.text'];

test('an expression goes on when the node it speaks of gets another name', () => {
  const graph = graphOf(TWO, WIRE, { b: { title: 'nodes.a.text' } });
  expect(told(graph)).toEqual([]);
  const renamed = apply(graph, { op: 'renameNode', node: 'a', name: 'Another name' });
  expect(renamed.nodes[0]!.name).toBe('Another name');
  expect(told(renamed)).toEqual([]);
  expect(renamed.nodes[1]!.config).toEqual(graph.nodes[1]!.config);
});

test('a node that was deleted is told at the field that takes from it', () => {
  const graph = graphOf(TWO, [], { b: { title: 'nodes.a.text' } });
  expect(told(apply(graph, { op: 'removeNode', id: 'a' }))).toEqual([
    {
      code: 'EXPRESSION_NODE',
      node: 'b',
      field: 'title',
      message: 'B: Title: There is no node “a” in this pipeline.',
    },
  ]);
});

test('what is wrong with an expression is told before a run', () => {
  const with_ = (text: string, field = 'title') => codes(graphOf(TWO, WIRE, { b: { [field]: text } }));
  expect(with_('nodes.a.nothing')).toEqual(['EXPRESSION_PORT']);
  expect(with_('nodes.a.text', 'count')).toEqual(['EXPRESSION_MISMATCH']);
  expect(with_('nodes.a.clip.nothing')).toEqual(['EXPRESSION_ABSENT']);
  expect(with_('nodes.a.items.title')).toEqual(['EXPRESSION_ABSENT']);
  expect(with_('nodes.a.')).toEqual(['EXPRESSION_SYNTAX']);
  expect(with_('each.a.items')).toEqual(['EXPRESSION_NOT_EACH']);
  expect(with_('"1"', 'code')).toEqual(['EXPRESSION_NOT_HERE']);
  expect(with_('nodes.a.items.length', 'count')).toEqual([]);
  const graph = graphOf(TWO, WIRE);
  const forged = { $expression: { text: '1', tree: ['ref', 0, 'nodes', 'a', 'text'] } };
  graph.nodes[1]!.config = { title: forged } as never;
  expect(codes(graph)).toEqual(['EXPRESSION_BROKEN']);
});

test('values inside another list are out of reach', () => {
  const graph = graphOf(['a:source', 'b:step', 'c:all', 'd:step'], ['a.items > b.text', 'b.text > c.texts'], {
    b: { title: 'each.a.items + c.text' },
    d: { title: 'nodes.b.text' },
  });
  expect(codes(graph)).toContain('EXPRESSION_OTHER_LIST');
});

test('a node comes after what its settings take, wired or not', () => {
  const graph = graphOf(['b:step', 'a:source'], [], { b: { title: 'nodes.a.text' } });
  expect(told(graph)).toEqual([]);
  expect(flowOrder(graph)).toEqual(['a', 'b']);
  expect([...downstreamOf(graph, 'a')]).toEqual(['b']);
  const prepared = prepareRun(graph, CATALOGUE);
  if (!prepared.ok) throw new Error(prepared.problems[0]!.message);
  expect(prepared.first).toEqual([{ node: 'a', path: [] }]);
  expect(dependentsOf(prepared.plan, 'a', [])).toEqual([{ node: 'b', prefix: [] }]);
  const only = prepareRun(graph, CATALOGUE, { only: 'b' });
  expect(only.ok && only.plan.order).toEqual(['a', 'b']);
  const from = prepareRun(graph, CATALOGUE, { from: 'a' });
  expect(from.ok && from.afresh).toEqual(['a', 'b']);
});

test('nodes that would wait for each other are refused: at the setting, and while a wire is drawn', () => {
  const later = graphOf(TWO, WIRE, { a: { title: 'nodes.b.text' } });
  expect(told(later)).toMatchObject([{ code: 'EXPRESSION_CIRCLE', node: 'a', field: 'title' }]);
  const itself = graphOf(TWO, WIRE, { b: { title: 'nodes.b.text' } });
  expect(codes(itself)).toEqual(['EXPRESSION_CIRCLE']);
  const both = graphOf(['x:step', 'y:step'], [], { x: { title: 'nodes.y.text' }, y: { title: 'nodes.x.text' } });
  expect(told(both)).toMatchObject([{ code: 'EXPRESSION_CIRCLE', node: 'y' }]);
  const unwired = graphOf(['x:step', 'y:step'], [], { x: { title: 'nodes.y.text' } });
  expect(checkWire(unwired, CATALOGUE, { node: 'x', port: 'text' }, { node: 'y', port: 'text' })).toMatchObject({
    ok: false,
  });
});

test('a run is given values, never expressions', () => {
  const graph = graphOf(TWO, WIRE);
  const value = storedExpression('brand.voice');
  const set = prepareRun(graph, CATALOGUE, { set: [{ node: 'b', field: 'title', value }] });
  expect(!set.ok && set.problems.map(({ code }) => code)).toEqual(['RUN_VALUE_FIXED']);
});

test('what decides on the form of the graph, and code, take no expression', () => {
  const [, step] = CATALOGUE;
  expect(takesExpressions(step!, ['title'])).toBe(true);
  expect(takesExpressions(step!, ['rows', 0, 'value'])).toBe(true);
  expect(takesExpressions(step!, ['code'])).toBe(false);
  expect(takesExpressions({ ...step!, shape: 'trigger' }, ['title'])).toBe(false);
  const ports = { ...step!, morePorts: { outputs: { field: 'rows', type: 'text', optional: false } } } as ManifestJson;
  expect(takesExpressions(ports, ['rows'])).toBe(false);
  expect(takesExpressions(ports, ['rows', 0, 'name'])).toBe(false);
  expect(takesExpressions(ports, ['rows', 0, 'value'])).toBe(true);
});
