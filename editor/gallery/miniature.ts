/** Fits a graph into a small box: tiles of one size at the nodes' relative places, soft curves between them. Pure. */
import type { Graph } from '../../runtime/graph/graph.ts';

export type Miniature = {
  tiles: { id: string; x: number; y: number; width: number; height: number }[];
  wires: { id: string; from: string; port: string; path: string }[];
};

/** Width over height of a tile; real nodes differ, a drawing reads better with one shape. */
const SHAPE = 1.25;

/**
 * Nodes are put on the rows and columns their positions form, so that a wide or scattered canvas stays legible, and
 * tiles never overlap. Pixels.
 */
export function miniature(graph: Graph, box: { width: number; height: number; margin: number }): Miniature {
  const columns = ranks(
    graph.nodes.map(({ position }) => position.x),
    120,
  );
  const rows = ranks(
    graph.nodes.map(({ position }) => position.y),
    90,
  );
  const across = Math.max(1, ...columns.map((each) => each + 1));
  const down = Math.max(1, ...rows.map((each) => each + 1));
  const cellWidth = (box.width - 2 * box.margin) / across;
  const cellHeight = (box.height - 2 * box.margin) / down;
  const height = Math.min(34, cellHeight * 0.72, (cellWidth * 0.66) / SHAPE);
  const width = height * SHAPE;
  const stepX = Math.min(cellWidth, width * 1.9);
  const stepY = Math.min(cellHeight, height * 1.6);
  const left = (box.width - stepX * across) / 2;
  const top = (box.height - stepY * down) / 2;
  const tiles = graph.nodes.map((node, place) => ({
    id: node.id,
    x: round(left + (columns[place] ?? 0) * stepX + (stepX - width) / 2),
    y: round(top + (rows[place] ?? 0) * stepY + (stepY - height) / 2),
    width: round(width),
    height: round(height),
  }));
  const byId = new Map(tiles.map((tile) => [tile.id, tile]));
  const wires = graph.edges.flatMap((edge) => {
    const from = byId.get(edge.from.node);
    const to = byId.get(edge.to.node);
    if (!from || !to) return [];
    const x1 = from.x + from.width;
    const y1 = from.y + from.height / 2;
    const x2 = to.x;
    const y2 = to.y + to.height / 2;
    // One that goes back reaches out further, so that it is seen to go round.
    const bend = x2 > x1 ? (x2 - x1) / 2 : Math.min(28, (x1 - x2) / 4 + 12);
    const path = `M${round(x1)} ${round(y1)}C${round(x1 + bend)} ${round(y1)} ${round(x2 - bend)} ${round(y2)} ${round(x2)} ${round(y2)}`;
    return [{ id: edge.id, from: edge.from.node, port: edge.from.port, path }];
  });
  return { tiles, wires };
}

const round = (value: number) => Math.round(value * 10) / 10;

/** Places in a row for values: those closer than `near` to their neighbour share one. */
function ranks(values: readonly number[], near: number): number[] {
  const sorted = [...new Set(values)].sort((one, other) => one - other);
  const rank = new Map<number, number>();
  let current = 0;
  let first = sorted[0] ?? 0;
  for (const value of sorted) {
    if (value - first >= near) {
      current += 1;
      first = value;
    }
    rank.set(value, current);
  }
  return values.map((value) => rank.get(value) ?? 0);
}
