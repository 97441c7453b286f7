/**
 * The course of a wire. Pure. Forward wires are soft curves; those that go back, or would run through other nodes, go
 * straight with rounded corners through the free rows between them. All in canvas pixels.
 */
export type Point = { x: number; y: number };
export type Rect = { id: string; x: number; y: number; width: number; height: number };
export type Route = { path: string /** Where a chip sits. */; label: Point };

const CORNER = 10;
const STUB = 16;
const CLEAR = 14;

type Ends = { from: Point; to: Point; source: string; target: string };

/** `lane` keeps wires that take the same row apart: 0, 1, 2 … */
export function routeWire({ from, to, source, target }: Ends, obstacles: readonly Rect[], lane = 0): Route {
  const dx = to.x - from.x;
  const others = obstacles.filter((rect) => rect.id !== source && rect.id !== target);
  if (dx >= 20) {
    const top = Math.min(from.y, to.y);
    const bottom = Math.max(from.y, to.y);
    const inTheWay = others.filter(
      (rect) =>
        rect.x < to.x - 8 &&
        rect.x + rect.width > from.x + 8 &&
        rect.y < bottom + 2 &&
        rect.y + rect.height > top - 2 &&
        crosses(rect, from, to),
    );
    if (inTheWay.length === 0) return curve(from, to);
    const above = Math.min(...inTheWay.map((rect) => rect.y)) - CLEAR - lane * 6;
    const below = Math.max(...inTheWay.map((rect) => rect.y + rect.height)) + CLEAR + lane * 6;
    const costAbove = Math.abs(from.y - above) + Math.abs(to.y - above);
    const costBelow = Math.abs(below - from.y) + Math.abs(below - to.y);
    return corners(from, to, costAbove <= costBelow ? above : below, lane);
  }
  return corners(from, to, freeRow({ from, to, source, target }, obstacles, lane), lane);
}

/** Whether the soft curve between two points comes through a rectangle, tried at 24 points. */
function crosses(rect: Rect, from: Point, to: Point): boolean {
  const bend = bendOf(from, to);
  for (let step = 1; step < 24; step += 1) {
    const t = step / 24;
    const u = 1 - t;
    const x = u ** 3 * from.x + 3 * u * u * t * (from.x + bend) + 3 * u * t * t * (to.x - bend) + t ** 3 * to.x;
    const y = u ** 3 * from.y + 3 * u * u * t * from.y + 3 * u * t * t * to.y + t ** 3 * to.y;
    if (x > rect.x - 2 && x < rect.x + rect.width + 2 && y > rect.y - 2 && y < rect.y + rect.height + 2) return true;
  }
  return false;
}

const bendOf = (from: Point, to: Point) => Math.max(18, Math.min(120, (to.x - from.x) * 0.5));

function curve(from: Point, to: Point): Route {
  const bend = bendOf(from, to);
  return {
    path: `M${from.x} ${from.y}C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`,
    label: { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 },
  };
}

/** A height at which a horizontal run from right to left meets the fewest nodes: between the two rows where it can. */
function freeRow({ from, to, source, target }: Ends, obstacles: readonly Rect[], lane: number): number {
  const start = obstacles.find((rect) => rect.id === source);
  const end = obstacles.find((rect) => rect.id === target);
  const left = to.x - STUB;
  const right = from.x + STUB;
  const spread = lane * 12;
  const candidates: number[] = [];
  if (start && end) {
    const upper = start.y < end.y ? start : end;
    const lower = upper === start ? end : start;
    const gap = lower.y - (upper.y + upper.height);
    if (gap > 12) candidates.push(clamp(lower.y - 40 - spread, upper.y + upper.height + 6, lower.y - 6));
    candidates.push(Math.max(start.y + start.height, end.y + end.height) + CLEAR + spread);
    candidates.push(Math.min(start.y, end.y) - CLEAR - spread);
  }
  candidates.push((from.y + to.y) / 2 + spread);
  // Just below or above each node in the way there may be a row that is free all along.
  const low = Math.min(start?.y ?? from.y, end?.y ?? to.y) - 60;
  const high = Math.max((start?.y ?? from.y) + (start?.height ?? 0), (end?.y ?? to.y) + (end?.height ?? 0)) + 60;
  for (const rect of obstacles) {
    if (rect.x > right || rect.x + rect.width < left) continue;
    for (const y of [rect.y - CLEAR - spread, rect.y + rect.height + CLEAR + spread]) {
      if (y > low && y < high) candidates.push(y);
    }
  }
  const blocked = (y: number) =>
    obstacles.filter(
      (rect) => rect.x < right && rect.x + rect.width > left && rect.y - 4 < y && rect.y + rect.height + 4 > y,
    ).length;
  let best = candidates[0] ?? 0;
  let least = Number.POSITIVE_INFINITY;
  candidates.forEach((y, index) => {
    const cost = blocked(y) * 1000 + Math.abs(y - from.y) * 0.2 + Math.abs(y - to.y) * 0.2 + index;
    if (cost < least) [least, best] = [cost, y];
  });
  return best;
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

/** Out to the right, along `row`, and in from the left. */
function corners(from: Point, to: Point, row: number, lane: number): Route {
  const out = from.x + STUB - 7 + lane * 4;
  const back = to.x - STUB + 7 - lane * 4;
  const points: Point[] = [
    from,
    { x: out, y: from.y },
    { x: out, y: row },
    { x: back, y: row },
    { x: back, y: to.y },
    to,
  ];
  return { path: rounded(points), label: { x: (out + back) / 2, y: row } };
}

/** A polyline with corners of 10 pixels, or as much as fits. */
export function rounded(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return '';
  let path = `M${round(first.x)} ${round(first.y)}`;
  let at = first;
  rest.forEach((point, index) => {
    const next = rest[index + 1];
    if (!next) {
      path += `L${round(point.x)} ${round(point.y)}`;
      return;
    }
    const before = Math.hypot(point.x - at.x, point.y - at.y);
    const after = Math.hypot(next.x - point.x, next.y - point.y);
    const radius = Math.min(CORNER, before / 2, after / 2);
    if (radius < 0.5) {
      path += `L${round(point.x)} ${round(point.y)}`;
    } else {
      const entry = toward(point, at, radius);
      const exit = toward(point, next, radius);
      path += `L${round(entry.x)} ${round(entry.y)}Q${round(point.x)} ${round(point.y)} ${round(exit.x)} ${round(exit.y)}`;
    }
    at = point;
  });
  return path;
}

function toward(from: Point, to: Point, distance: number): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  return { x: from.x + ((to.x - from.x) / length) * distance, y: from.y + ((to.y - from.y) / length) * distance };
}

const round = (value: number) => Math.round(value * 100) / 100;
