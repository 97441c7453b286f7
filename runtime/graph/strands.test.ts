import { expect, test } from 'vitest';
import type { Token } from './advance.ts';
import type { Plan, PlanNode } from './plan.ts';
import { strandsOf } from './strands.ts';

const node = (id: string, more: Partial<PlanNode>): PlanNode =>
  ({
    id,
    name: id,
    type: 'test',
    lane: 'light',
    ranged: true,
    frame: [],
    needs: [1],
    gathers: [],
    ...more,
  }) as PlanNode;
const plan: Plan = {
  order: [],
  nodes: {
    one: node('one', {}),
    two: node('two', { needs: [2] }),
    item: node('item', { frame: [{ node: 'one', port: 'items' }], needs: [0, 1] }),
    heavy: node('heavy', { frame: [{ node: 'one', port: 'items' }], needs: [0, 1], ranged: false, lane: 'media' }),
  },
};
const token = (more: Partial<Token>): Token => ({
  kind: 's',
  node: 'one',
  path: [],
  count: 1,
  length: null,
  spread: null,
  ...more,
});

test('what waits for one arrival begins, what waits for two is counted', () => {
  const { strands, counted } = strandsOf(plan, [token({}), token({ node: 'two' })]);
  expect(strands).toEqual([{ node: 'one', prefix: [], lo: null, hi: null, lane: 'light' }]);
  expect(counted).toEqual([token({ node: 'two' })]);
});

test('a list spreads over strands of 64 items, of heavy nodes over one strand each', () => {
  const { strands } = strandsOf(plan, [token({ node: 'item', spread: 130 }), token({ node: 'heavy', spread: 2 })]);
  expect(strands.map(({ node, lo, hi, lane }) => [node, lo, hi, lane])).toEqual([
    ['item', 0, 63, 'light'],
    ['item', 64, 127, 'light'],
    ['item', 128, 129, 'light'],
    ['heavy', 0, 0, 'media'],
    ['heavy', 1, 1, 'media'],
  ]);
});

test('neighbours share a strand, a hole parts them', () => {
  const { strands } = strandsOf(
    plan,
    [3, 4, 6].map((item) => token({ node: 'item', path: [item] })),
  );
  expect(strands.map(({ lo, hi }) => [lo, hi])).toEqual([
    [3, 4],
    [6, 6],
  ]);
});

test('arrivals at one gather are counted together', () => {
  const members = [1, 2, 3].map(() => token({ kind: 'g', node: 'item', path: [] }));
  expect(strandsOf(plan, members)).toEqual({ strands: [], counted: [{ ...members[0], count: 3 }] });
});
