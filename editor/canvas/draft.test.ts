/** The local draft: two tabs over one server always end with the same graph, and nothing is dropped in silence. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EMPTY_GRAPH, type Graph } from '../../runtime/graph/graph.ts';
import { applyAll, type Operation, OperationRefused, rebaseAll } from '../../runtime/graph/operations.ts';
import { accepted, conflicted, type Draft, edit, heard, openDraft, reread, send, unsend } from './draft.ts';

const node = (id: string) => ({ id, type: 't.t', version: '1.0.0', name: id, position: { x: 0, y: 0 }, config: {} });
const START: Graph = { ...EMPTY_GRAPH, nodes: ['a', 'b', 'c'].map(node) };
const set = (id: string, field: string, value: string): Operation => ({ op: 'setConfig', node: id, field, value });
const open = () => openDraft(START, 1).draft;
const tryEdit = (draft: Draft, operation: Operation): Draft => {
  try {
    return edit(draft, [operation]);
  } catch (error) {
    if (error instanceof OperationRefused) return draft;
    throw error;
  }
};

/** The server's rules, as server/pipelines.ts applies them: rebase, or refuse the whole batch with the difference. */
class Server {
  graph = START;
  revision = 1;
  readonly log: { revision: number; operations: Operation[] }[] = [];

  apply(base: number, operations: readonly Operation[]) {
    const since = this.log.filter((entry) => entry.revision > base).flatMap((entry) => entry.operations);
    const result = rebaseAll(operations, since);
    const conflict = { conflict: { revision: this.revision, graph: this.graph, operations: since } };
    if (result.refused.length > 0) return conflict;
    try {
      this.graph = applyAll(this.graph, result.operations);
    } catch (error) {
      if (error instanceof OperationRefused) return conflict;
      throw error;
    }
    this.revision += 1;
    this.log.push({ revision: this.revision, operations: result.operations });
    return { revision: this.revision, ...(since.length > 0 ? { graph: this.graph } : {}) };
  }
}

test('what is typed shows at once and is sent as one operation a field', () => {
  let draft = open();
  for (const value of ['d', 'dr', 'dra', 'draft']) draft = edit(draft, [set('a', 'engine', value)]);
  expect(draft.graph.nodes[0]?.config).toEqual({ engine: 'draft' });
  expect(send(draft).inflight).toEqual([set('a', 'engine', 'draft')]);
});

test('a lost connection loses nothing', () => {
  const sent = send(edit(open(), [set('a', 'x', '1')]));
  const back = unsend(edit(sent, [set('b', 'y', '2')]));
  expect(back.pending).toEqual([set('a', 'x', '1'), set('b', 'y', '2')]);
  expect(back.inflight).toBeNull();
});

test('news of others goes under what is not sent yet; the same field is handed back with the reason', () => {
  const mine = edit(open(), [set('a', 'x', 'mine'), set('b', 'y', 'mine')]);
  const { draft, refused } = heard(mine, { revision: 2, operations: [set('a', 'x', 'theirs')] });
  expect(draft.graph.nodes[0]?.config).toEqual({ x: 'theirs' });
  expect(draft.graph.nodes[1]?.config).toEqual({ y: 'mine' });
  expect(refused.map(({ refused: operation }) => operation)).toEqual([set('a', 'x', 'mine')]);
});

test('news that comes while a batch is on its way waits for the answer', () => {
  const sent = send(edit(open(), [set('a', 'x', '1')]));
  const waiting = heard(sent, { revision: 3, operations: [set('b', 'y', '2')] }).draft;
  expect(waiting.later).toHaveLength(1);
  const { draft, gap } = accepted(waiting, { revision: 2 });
  expect([draft.revision, gap]).toEqual([3, false]);
  expect(draft.graph.nodes.map(({ config }) => config)).toEqual([{ x: '1' }, { y: '2' }, {}]);
});

test('missed news is noticed, and reading anew keeps what is not sent', () => {
  const mine = edit(open(), [set('a', 'x', '1')]);
  expect(heard(mine, { revision: 4, operations: [] }).gap).toBe(true);
  const there = applyAll(START, [set('c', 'z', '9')]);
  const { draft } = reread(mine, there, 4);
  expect(draft.graph.nodes.map(({ config }) => config)).toEqual([{ x: '1' }, {}, { z: '9' }]);
});

test('a refused batch is rebased and waits again, without what was refused', () => {
  const sent = send(edit(open(), [set('a', 'x', 'mine'), set('a', 'y', 'mine')]));
  const theirs = [set('a', 'x', 'theirs')];
  const { draft, refused } = conflicted(sent, { revision: 2, operations: theirs, graph: applyAll(START, theirs) });
  expect(draft.pending).toEqual([set('a', 'y', 'mine')]);
  expect(draft.graph.nodes[0]?.config).toEqual({ x: 'theirs', y: 'mine' });
  expect(refused).toHaveLength(1);
});

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(id, fc.constantFrom('x', 'y'), fc.constantFrom('1', '2', '3'))
      .map(([node, field, value]) => set(node, field, value)),
  },
  { weight: 2, arbitrary: id.map((key) => ({ op: 'addNode' as const, node: node(key) })) },
  { weight: 2, arbitrary: id.map((key) => ({ op: 'removeNode' as const, id: key })) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: 0, max: 99 }), id, id).map(([number, from, to]) => ({
      op: 'connect' as const,
      edge: { id: `e${number}`, from: { node: from, port: 'out' }, to: { node: to, port: 'in' } },
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(id, fc.constantFrom('One', 'Two'))
      .map(([node, name]) => ({ op: 'renameNode' as const, node, name })),
  },
);
type Turn = { tab: 0 | 1; act: Operation | 'send' | 'hear' | 'lose' };
const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({
    tab: fc.constantFrom(0 as const, 1 as const),
    act: fc.oneof(
      { weight: 4, arbitrary: operation },
      { weight: 2, arbitrary: fc.constantFrom('send' as const, 'hear' as const, 'lose' as const) },
    ),
  }),
  { minLength: 12, maxLength: 40, size: 'max' },
);

test('two tabs that edit at the same time end with the same graph as the server', () => {
  let conflicts = 0;
  fc.assert(
    fc.property(turns, (list) => {
      const server = new Server();
      const drafts: [Draft, Draft] = [open(), open()];
      const read = (tab: 0 | 1) => {
        for (const news of server.log) {
          const step = heard(drafts[tab], news);
          drafts[tab] = step.draft;
          if (step.gap) drafts[tab] = reread(step.draft, server.graph, server.revision).draft;
        }
      };
      const deliver = (tab: 0 | 1) => {
        const sent = send(drafts[tab]);
        if (!sent.inflight) return;
        const answer = server.apply(sent.revision, sent.inflight);
        if ('conflict' in answer) conflicts += 1;
        const step = 'conflict' in answer ? conflicted(sent, answer.conflict!) : accepted(sent, answer);
        drafts[tab] = step.gap ? reread(step.draft, server.graph, server.revision).draft : step.draft;
      };
      for (const { tab, act } of list) {
        if (act === 'send') deliver(tab);
        else if (act === 'hear') read(tab);
        else if (act === 'lose') drafts[tab] = unsend(send(drafts[tab]));
        else drafts[tab] = tryEdit(drafts[tab], act);
      }
      for (let round = 0; round < 8; round += 1) {
        for (const tab of [0, 1] as const) {
          read(tab);
          deliver(tab);
        }
      }
      read(0);
      read(1);
      expect(drafts[0].pending).toEqual([]);
      expect(drafts[1].pending).toEqual([]);
      expect(drafts[0].graph).toEqual(server.graph);
      expect(drafts[1].graph).toEqual(server.graph);
    }),
    { numRuns: 600 },
  );
  expect(conflicts).toBeGreaterThan(20);
});
