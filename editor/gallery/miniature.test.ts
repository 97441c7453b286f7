/** Tests of the small drawing of a pipeline. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Graph } from '../../runtime/graph/graph.ts';
import { miniature } from './miniature.ts';

const graph = (places: [number, number][]): Graph => ({
  format: 1,
  nodes: places.map(([x, y], place) => ({
    id: `n${place}`,
    type: 'a.b',
    version: '1.0.0',
    name: `n${place}`,
    position: { x, y },
    config: {},
  })),
  edges: places.slice(1).map((_place, place) => ({
    id: `e${place}`,
    from: { node: `n${place}`, port: 'out' },
    to: { node: `n${place + 1}`, port: 'in' },
  })),
  inputs: [],
  sections: [],
  notes: [],
});
const box = { width: 272, height: 132, margin: 14 };

test('a chain stands in a row, in the middle of the box', () => {
  const { tiles, wires } = miniature(
    graph([
      [0, 0],
      [230, 4],
      [460, 0],
    ]),
    box,
  );
  expect(new Set(tiles.map(({ y }) => y)).size).toBe(1);
  expect((tiles[0]?.x ?? 0) + (tiles[2]?.x ?? 0) + (tiles[0]?.width ?? 0)).toBeCloseTo(272, 0);
  expect(wires).toHaveLength(2);
});

test('every tile of up to thirty nodes lies inside the box', () => {
  const place = fc.tuple(fc.integer({ min: -3000, max: 3000 }), fc.integer({ min: -2000, max: 2000 }));
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 30 }), (places) => {
      const { tiles } = miniature(graph(places), box);
      return tiles.every(
        ({ x, y, width, height }) => x >= 0 && y >= 0 && x + width <= box.width + 0.2 && y + height <= box.height + 0.2,
      );
    }),
  );
});

test('an empty pipeline draws nothing and does not fail', () => {
  expect(miniature(graph([]), box)).toEqual({ tiles: [], wires: [] });
});

test('a wire to a node that is gone is left out', () => {
  const broken = graph([
    [0, 0],
    [300, 0],
  ]);
  expect(miniature({ ...broken, nodes: broken.nodes.slice(0, 1) }, box).wires).toEqual([]);
});
