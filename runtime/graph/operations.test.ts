/** Draft operations: the laws of apply, invert and rebase on random graphs, and the cases people meet. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EMPTY_GRAPH, Graph } from './graph.ts';
import {
  apply,
  applyAll,
  invert,
  invertAll,
  isRefusal,
  Operation,
  OperationRefused,
  rebase,
  rebaseAll,
} from './operations.ts';

const node = (id: string, name = id) => ({
  id,
  type: 'test.node',
  version: '1.0.0',
  name,
  position: { x: 0, y: 0 },
  config: {},
});
const edge = (id: string, from: string, to: string) => ({
  id,
  from: { node: from, port: 'out' },
  to: { node: to, port: 'in' },
});
const graphOf = (...operations: Operation[]) => applyAll(EMPTY_GRAPH, operations);
const three: Graph = graphOf(
  { op: 'addNode', node: node('a') },
  { op: 'addNode', node: node('b') },
  { op: 'addNode', node: node('c') },
  { op: 'connect', edge: edge('ab', 'a', 'b') },
  { op: 'connect', edge: edge('bc', 'b', 'c') },
  { op: 'connect', edge: edge('ac', 'a', 'c') },
  { op: 'setInputs', inputs: [{ name: 'recording', title: 'Recording', node: 'b', field: 'recording' }] },
);

const ids = ['a', 'b', 'c', 'd', 'e'];
const id = fc.constantFrom(...ids);
const position = fc.record({ x: fc.integer({ min: -500, max: 500 }), y: fc.integer({ min: -500, max: 500 }) });
const size = fc.record({ width: fc.integer({ min: 1, max: 900 }), height: fc.integer({ min: 1, max: 900 }) });
const index = fc.option(fc.nat(6), { nil: undefined });
const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    op: fc.constant('addNode' as const),
    node: fc.tuple(id, fc.constantFrom('One', 'Two', 'Three', 'Four', 'Five'), position).map(([key, name, at]) => ({
      ...node(key, name),
      position: at,
    })),
    index,
  }),
  fc.record({ op: fc.constant('removeNode' as const), id }),
  fc.record({
    op: fc.constant('moveNodes' as const),
    positions: fc.dictionary(id, position, { noNullPrototype: true }),
  }),
  fc.record(
    {
      op: fc.constant('setConfig' as const),
      node: id,
      field: fc.constantFrom('engine', 'count'),
      value: fc.constantFrom(1, 'x', [2]),
    },
    { requiredKeys: ['op', 'node', 'field'] },
  ),
  fc.record({
    op: fc.constant('setType' as const),
    node: id,
    type: fc.constantFrom('test.one', 'test.two'),
    version: fc.constantFrom('1.0.0', '2.0.0'),
  }),
  fc.record({ op: fc.constant('renameNode' as const), node: id, name: fc.constantFrom('One', 'Two', 'Six') }),
  fc.record({ op: fc.constant('resizeNode' as const), node: id, width: fc.option(fc.integer({ min: 124, max: 800 })) }),
  fc.record({
    op: fc.constant('setPolicy' as const),
    node: id,
    policy: fc.option(
      fc.record({ attempts: fc.integer({ min: 1, max: 20 }), on: fc.constantFrom('temporary', 'all') }),
    ),
  }),
  fc.record({
    op: fc.constant('setPin' as const),
    node: id,
    pin: fc.option(
      fc.record({
        ports: fc.constant({ text: { type: 'text', list: false } }),
        outputs: fc.constantFrom('a', 'b').map((value) => ({
          text: { digest: value.repeat(64), bytes: 3, count: null, value },
        })),
      }),
    ),
  }),
  fc
    .tuple(fc.constantFrom('e1', 'e2', 'e3', 'e4'), id, id, index)
    .map(([key, from, to, at]) => ({ op: 'connect' as const, edge: edge(key, from, to), index: at })),
  fc.record({ op: fc.constant('disconnect' as const), edge: fc.constantFrom('e1', 'e2', 'e3', 'e4') }),
  fc.record({
    op: fc.constant('setEdge' as const),
    edge: fc.constantFrom('e1', 'e2', 'e3'),
    leaveOutFailed: fc.boolean(),
  }),
  fc.record({
    op: fc.constant('setLimits' as const),
    limits: fc.option(fc.record({ atOnce: fc.integer({ min: 1, max: 9 }), by: fc.constantFrom('brand', 'pipeline') })),
  }),
  fc.record({
    op: fc.constant('setInputs' as const),
    inputs: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('one', 'two'),
        title: fc.constant('T'),
        node: id,
        field: fc.constant('engine'),
      }),
      { selector: (input) => input.name },
    ),
  }),
  fc.record({
    op: fc.constant('addSection' as const),
    section: fc.record({ id, title: fc.constantFrom('S', 'T'), position, size }),
    index,
  }),
  fc.record({ op: fc.constant('removeSection' as const), id }),
  fc.record(
    { op: fc.constant('setSection' as const), id, title: fc.constantFrom('S', 'U'), position },
    { requiredKeys: ['op', 'id'] },
  ),
  fc.record({ op: fc.constant('addNote' as const), note: fc.record({ id, text: fc.string(), position, size }), index }),
  fc.record({ op: fc.constant('removeNote' as const), id }),
  fc.record({ op: fc.constant('setNote' as const), id, text: fc.string(), size }, { requiredKeys: ['op', 'id'] }),
);

/** The operations of the list that make sense where they stand. */
function sensible(graph: Graph, operations: readonly Operation[]): Operation[] {
  let current = graph;
  return operations.filter((operation) => {
    try {
      current = apply(current, operation);
      return true;
    } catch (error) {
      if (error instanceof OperationRefused) return false;
      throw error;
    }
  });
}
const lists = fc.array(anyOperation, { maxLength: 25, size: 'max' });

describe('laws', () => {
  test('an operation and its inverse give the same graph, order included', () => {
    let applied = 0;
    fc.assert(
      fc.property(lists, anyOperation, (history, operation) => {
        const before = applyAll(EMPTY_GRAPH, sensible(EMPTY_GRAPH, history));
        if (sensible(before, [operation]).length === 0) return;
        applied += 1;
        expect(applyAll(apply(before, operation), invert(before, operation))).toEqual(before);
      }),
      { numRuns: 1500 },
    );
    expect(applied).toBeGreaterThan(400);
  });

  test('a list of operations is undone as one, and redone by undoing the undo', () => {
    fc.assert(
      fc.property(lists, lists, (history, act) => {
        const before = applyAll(EMPTY_GRAPH, sensible(EMPTY_GRAPH, history));
        const operations = sensible(before, act);
        const after = applyAll(before, operations);
        const inverse = invertAll(before, operations);
        expect(applyAll(after, inverse)).toEqual(before);
        expect(applyAll(before, invertAll(after, inverse))).toEqual(after);
      }),
      { numRuns: 500 },
    );
  });

  test('every graph that operations can make is a valid graph, and every operation survives JSON', () => {
    fc.assert(
      fc.property(lists, (history) => {
        const operations = sensible(EMPTY_GRAPH, history);
        expect(Graph.safeParse(applyAll(EMPTY_GRAPH, operations)).success).toBe(true);
        for (const operation of operations) {
          expect(Operation.parse(JSON.parse(JSON.stringify(operation)))).toEqual(JSON.parse(JSON.stringify(operation)));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('rebasing over nothing changes nothing, and what was rebased applies or is refused in words', () => {
    let rebased = 0;
    fc.assert(
      fc.property(lists, lists, lists, (history, theirs, mine) => {
        const base = applyAll(EMPTY_GRAPH, sensible(EMPTY_GRAPH, history));
        const over = sensible(base, theirs);
        const operation = sensible(base, mine)[0];
        if (!operation) return;
        expect(rebase(operation, [])).toEqual(operation);
        const result = rebase(operation, over);
        if (isRefusal(result)) {
          expect(result.reason).toMatch(/\.$/);
          return;
        }
        rebased += 1;
        try {
          apply(applyAll(base, over), result);
        } catch (error) {
          // Only names and wires that the graph itself, not the operations, already holds.
          expect(error).toBeInstanceOf(OperationRefused);
        }
      }),
      { numRuns: 500 },
    );
    expect(rebased).toBeGreaterThan(100);
  });
});

test('deleting a node takes its wires and promoted inputs along, and undo brings them back in their order', () => {
  const operation: Operation = { op: 'removeNode', id: 'b' };
  const after = apply(three, operation);
  expect(after.edges.map((wire) => wire.id)).toEqual(['ac']);
  expect(after.inputs).toEqual([]);
  const back = applyAll(after, invert(three, operation));
  expect(back.edges.map((wire) => wire.id)).toEqual(['ab', 'bc', 'ac']);
  expect(back).toEqual(three);
});

test('an unset field goes back to its default, not to null', () => {
  const set = apply(three, { op: 'setConfig', node: 'a', field: 'engine', value: 'draft' });
  const unset = apply(set, { op: 'setConfig', node: 'a', field: 'engine' });
  expect(unset.nodes[0]?.config).toEqual({});
});

test('two people on different fields of one node both win; on the same field the later is told', () => {
  const theirs: Operation[] = [{ op: 'setConfig', node: 'a', field: 'engine', value: 'local' }];
  const language: Operation = { op: 'setConfig', node: 'a', field: 'language', value: 'de' };
  expect(rebase(language, theirs)).toEqual(language);
  const engine: Operation = { op: 'setConfig', node: 'a', field: 'engine', value: 'draft' };
  expect(rebase(engine, theirs)).toEqual({ refused: engine, reason: '"engine" was set to something else meanwhile.' });
  expect(rebase({ ...engine, value: 'local' }, theirs)).toEqual({ ...engine, value: 'local' });
});

test('what somebody just changed is not deleted under them', () => {
  const remove: Operation = { op: 'removeNode', id: 'a' };
  expect(isRefusal(rebase(remove, [{ op: 'setConfig', node: 'a', field: 'engine', value: 'local' }]))).toBe(true);
  expect(rebase(remove, [{ op: 'moveNodes', positions: { a: { x: 1, y: 1 } } }])).toEqual(remove);
});

test('two nodes added under one name get two names', () => {
  const mine: Operation = { op: 'addNode', node: node('x', 'Clip') };
  const result = rebase(mine, [{ op: 'addNode', node: node('y', 'Clip') }]);
  expect(result).toEqual({ op: 'addNode', node: node('x', 'Clip 2') });
});

test('a wire to a node that was deleted meanwhile is refused, unless the deletion was undone', () => {
  const wire: Operation = { op: 'connect', edge: edge('n', 'a', 'b') };
  const deleted: Operation[] = [{ op: 'removeNode', id: 'b' }];
  expect(isRefusal(rebase(wire, deleted))).toBe(true);
  expect(rebase(wire, [...deleted, { op: 'addNode', node: node('b') }])).toEqual(wire);
});

test('moves of several nodes go on with those that are left', () => {
  const move: Operation = { op: 'moveNodes', positions: { a: { x: 16, y: 0 }, b: { x: 32, y: 0 } } };
  expect(rebase(move, [{ op: 'removeNode', id: 'b' }])).toEqual({ op: 'moveNodes', positions: { a: { x: 16, y: 0 } } });
});

test('a list is rebased together: what hangs on a refused wire is refused with it', () => {
  const mine: Operation[] = [
    { op: 'connect', edge: edge('n', 'a', 'b') },
    { op: 'setEdge', edge: 'n', leaveOutFailed: true },
    { op: 'setConfig', node: 'a', field: 'engine', value: 'x' },
  ];
  const result = rebaseAll(mine, [{ op: 'removeNode', id: 'b' }]);
  expect(result.refused.map((refusal) => refusal.refused.op)).toEqual(['connect', 'setEdge']);
  expect(result.operations.map((operation) => operation.op)).toEqual(['setConfig']);
});
