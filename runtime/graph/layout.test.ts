/** Automatic layout: nothing overlaps, the flow goes right, chains are straight, sections hold their nodes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EMPTY_GRAPH, type Graph } from './graph.ts';
import { type Box, layout } from './layout.ts';

const node = (id: string, x = 0, y = 0) => ({
  id,
  type: 'test.node',
  version: '1.0.0',
  name: id,
  position: { x, y },
  config: {},
});
const edge = (from: string, to: string) => ({
  id: `${from}-${to}`,
  from: { node: from, port: 'out' },
  to: { node: to, port: 'in' },
});
const graph = (nodes: Graph['nodes'], edges: Graph['edges'], sections: Graph['sections'] = []): Graph => ({
  ...EMPTY_GRAPH,
  nodes,
  edges,
  sections,
});
const apart = (one: Box, other: Box) =>
  one.x + one.width <= other.x ||
  other.x + other.width <= one.x ||
  one.y + one.height <= other.y ||
  other.y + other.height <= one.y;

test('a chain draws straight, 46 pixels apart, whatever the heights', () => {
  const heights: Record<string, number> = { a: 180, b: 338, c: 126 };
  const { positions } = layout(graph([node('a'), node('b'), node('c')], [edge('a', 'b'), edge('b', 'c')]), (id) => ({
    width: 184,
    height: heights[id] ?? 0,
  }));
  expect(positions).toEqual({ a: { x: 22, y: 0 }, b: { x: 252, y: 0 }, c: { x: 482, y: 0 } });
});

test('on random graphs nothing overlaps and every wire goes to the right', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 14 }).chain((count) =>
        fc.record({
          count: fc.constant(count),
          heights: fc.array(fc.integer({ min: 60, max: 340 }), { minLength: count, maxLength: count }),
          wires: fc.uniqueArray(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), {
            maxLength: 24,
            selector: (pair) => pair.join(),
          }),
        }),
      ),
      ({ count, heights, wires }) => {
        const nodes = Array.from({ length: count }, (_none, index) => node(`n${index}`));
        const edges = wires.filter(([from, to]) => from < to).map(([from, to]) => edge(`n${from}`, `n${to}`));
        const { positions } = layout(graph(nodes, edges), (id) => ({
          width: 184,
          height: heights[Number(id.slice(1))] ?? 60,
        }));
        const boxes = nodes.map(({ id }, index) => ({ ...positions[id]!, width: 184, height: heights[index] ?? 60 }));
        boxes.forEach((one, at) => {
          for (const other of boxes.slice(at + 1)) expect(apart(one, other)).toBe(true);
        });
        for (const { from, to } of edges) {
          expect(positions[to.node]!.x).toBeGreaterThanOrEqual(positions[from.node]!.x + 184 + 46);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('a section keeps its nodes, grows around them, and stands below the one before', () => {
  const sections = [
    { id: 's1', title: 'One', position: { x: 0, y: 0 }, size: { width: 500, height: 300 } },
    { id: 's2', title: 'Two', position: { x: 0, y: 400 }, size: { width: 500, height: 300 } },
  ];
  const result = layout(
    graph([node('a', 30, 40), node('b', 250, 40), node('c', 30, 440)], [edge('a', 'b'), edge('b', 'c')], sections),
    () => ({ width: 184, height: 180 }),
  );
  expect(result.sections.s1).toEqual({ position: { x: 0, y: 0 }, size: { width: 458, height: 238 } });
  expect(result.sections.s2?.position).toEqual({ x: 0, y: 278 });
  expect(result.positions.c).toEqual({ x: 22, y: 314 });
});

test('tidying a few nodes leaves the others alone and keeps their corner', () => {
  const result = layout(
    graph([node('a', 100, 60), node('b', 90, 300), node('c', 900, 900)], [edge('a', 'b')]),
    () => ({ width: 184, height: 100 }),
    { only: new Set(['a', 'b']) },
  );
  expect(result.positions).toEqual({ a: { x: 90, y: 60 }, b: { x: 320, y: 60 } });
});
