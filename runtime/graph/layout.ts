/**
 * Automatic layout, pure: where nodes and sections go so that the flow reads from left to right and chains draw
 * straight. Columns and their order come from dagre; heights come from aligning each node's first input with what
 * feeds it. Distances (pixels) are those of the visual design: 46 across, 16 down, sections 22 around and 36 for the name.
 */
import dagre from '@dagrejs/dagre';
import type { Graph, GraphEdge } from './graph.ts';

export type Box = { x: number; y: number; width: number; height: number };
export type Size = { width: number; height: number };
export type Layout = {
  positions: Record<string, { x: number; y: number }>;
  sections: Record<string, { position: { x: number; y: number }; size: Size }>;
};

const ACROSS = 46;
const DOWN = 16;
const AROUND = 22;
const NAME = 36;
const BETWEEN_SECTIONS = 40;
/** Where nothing says otherwise a port sits on the middle of the head. */
const HEAD_MIDDLE = 18;

/** Distance in pixels from a node's top to one of its ports. */
export type PortOffset = (node: string, port: string, side: 'in' | 'out') => number;

const overlaps = (one: Box, other: Box) =>
  one.x < other.x + other.width &&
  other.x < one.x + one.width &&
  one.y < other.y + other.height &&
  other.y < one.y + one.height;

/**
 * Lays out the whole graph, or only the nodes of `only`, which then keep their upper left corner. Nodes that lie in a
 * section stay in it, and the sections stand one below the other in their present order.
 */
export function layout(
  graph: Graph,
  sizeOf: (node: string) => Size,
  options: { only?: ReadonlySet<string>; portOffset?: PortOffset } = {},
): Layout {
  const portOffset = options.portOffset ?? (() => HEAD_MIDDLE);
  const chosen = graph.nodes.filter((node) => !options.only || options.only.has(node.id));
  const result: Layout = { positions: {}, sections: {} };
  if (chosen.length === 0) return result;

  if (options.only) {
    const left = Math.min(...chosen.map((node) => node.position.x));
    const top = Math.min(...chosen.map((node) => node.position.y));
    place(
      result,
      arrange(
        chosen.map((node) => node.id),
        graph.edges,
        sizeOf,
        portOffset,
      ),
      left,
      top,
    );
    return result;
  }

  const sections = [...graph.sections].sort(
    (one, other) => one.position.y - other.position.y || one.position.x - other.position.x,
  );
  const home = new Map<string, string>();
  for (const node of chosen) {
    const { width, height } = sizeOf(node.id);
    const centre = {
      x: node.position.x + width / 2,
      y: node.position.y + Math.min(height, 40) / 2,
      width: 1,
      height: 1,
    };
    const section = sections.find((candidate) => overlaps(centre, { ...candidate.position, ...candidate.size }));
    if (section) home.set(node.id, section.id);
  }

  let top = 0;
  const outside = chosen.filter((node) => !home.has(node.id)).map((node) => node.id);
  if (outside.length > 0) {
    const { height } = place(result, arrange(outside, graph.edges, sizeOf, portOffset), AROUND, top);
    top += height + BETWEEN_SECTIONS;
  }
  for (const section of sections) {
    const inside = chosen.filter((node) => home.get(node.id) === section.id).map((node) => node.id);
    if (inside.length === 0) {
      result.sections[section.id] = { position: { x: 0, y: top }, size: section.size };
      top += section.size.height + BETWEEN_SECTIONS;
      continue;
    }
    const { width, height } = place(result, arrange(inside, graph.edges, sizeOf, portOffset), AROUND, top + NAME);
    const size = { width: width + 2 * AROUND, height: height + NAME + AROUND };
    result.sections[section.id] = { position: { x: 0, y: top }, size };
    top += size.height + BETWEEN_SECTIONS;
  }
  return result;
}

/** Moves boxes so that their upper left corner is at (left, top), notes their positions, and gives their extent. */
function place(result: Layout, boxes: ReadonlyMap<string, Box>, left: number, top: number): Size {
  const all = [...boxes.values()];
  const dx = left - Math.min(...all.map((box) => box.x));
  const dy = top - Math.min(...all.map((box) => box.y));
  for (const [id, box] of boxes) result.positions[id] = { x: Math.round(box.x + dx), y: Math.round(box.y + dy) };
  return {
    width: Math.max(...all.map((box) => box.x + box.width)) + dx - left,
    height: Math.max(...all.map((box) => box.y + box.height)) + dy - top,
  };
}

function arrange(
  ids: readonly string[],
  edges: readonly GraphEdge[],
  sizeOf: (node: string) => Size,
  portOffset: PortOffset,
): Map<string, Box> {
  const wanted = new Set(ids);
  const inner = edges.filter((edge) => wanted.has(edge.from.node) && wanted.has(edge.to.node));
  const drawing = new dagre.graphlib.Graph({ multigraph: true });
  drawing.setGraph({ rankdir: 'LR', ranksep: ACROSS, nodesep: DOWN, edgesep: DOWN / 2 });
  drawing.setDefaultEdgeLabel(() => ({}));
  for (const id of ids) drawing.setNode(id, { ...sizeOf(id) });
  for (const edge of inner) drawing.setEdge(edge.from.node, edge.to.node, {}, edge.id);
  dagre.layout(drawing);

  // dagre centres the nodes of a column on one x: that x names the column.
  const columns = new Map<number, string[]>();
  for (const id of ids) {
    const { x } = drawing.node(id) as { x: number };
    columns.set(x, [...(columns.get(x) ?? []), id]);
  }
  const into = new Map<string, GraphEdge[]>();
  for (const edge of inner) into.set(edge.to.node, [...(into.get(edge.to.node) ?? []), edge]);

  const boxes = new Map<string, Box>();
  let x = 0;
  for (const [, column] of [...columns].sort(([one], [other]) => one - other)) {
    const centre = (id: string) => (drawing.node(id) as { y: number }).y;
    column.sort((one, other) => centre(one) - centre(other));
    const wishes = new Map(column.map((id) => [id, wishedTop(id, into.get(id) ?? [], boxes, portOffset)]));
    let free = Number.NEGATIVE_INFINITY;
    for (const id of column) {
      const { width, height } = sizeOf(id);
      const wish = wishes.get(id) ?? centre(id) - height / 2;
      const y = Math.max(wish, free);
      boxes.set(id, { x, y, width, height });
      free = y + height + DOWN;
    }
    x += Math.max(...column.map((id) => sizeOf(id).width)) + ACROSS;
  }
  return boxes;
}

/** The top that lets the wire into the uppermost port run straight, or undefined where nothing placed feeds the node. */
function wishedTop(
  id: string,
  edges: readonly GraphEdge[],
  boxes: ReadonlyMap<string, Box>,
  portOffset: PortOffset,
): number | undefined {
  let best: { offset: number; top: number } | undefined;
  for (const edge of edges) {
    const source = boxes.get(edge.from.node);
    if (!source) continue;
    const offset = portOffset(id, edge.to.port, 'in');
    const top = source.y + portOffset(edge.from.node, edge.from.port, 'out') - offset;
    if (!best || offset < best.offset || (offset === best.offset && top < best.top)) best = { offset, top };
  }
  return best?.top;
}
