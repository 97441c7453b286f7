/** Which wire a node's head lies over, measured along the drawn wires in pixels of the canvas. */

/** How far from the wire the middle of the head may be. */
const REACH = 28;
const STEP = 8;
const MOST_POINTS = 240;

/** `middle`: the middle of the head; `width`: the node's; `fits`: whether a wire would take the node in. */
export function wireUnder(
  root: ParentNode,
  middle: { x: number; y: number },
  width: number,
  fits: (edge: string) => boolean,
): string | null {
  let best: { edge: string; away: number } | null = null;
  for (const path of root.querySelectorAll<SVGPathElement>('.react-flow__edge .wire-hit')) {
    const edge = path.closest('.react-flow__edge')?.getAttribute('data-id');
    if (!edge) continue;
    const away = distance(path, middle, width / 2);
    if (away <= REACH && (best === null || away < best.away) && fits(edge)) best = { edge, away };
  }
  return best?.edge ?? null;
}

/** How far above or below `middle` the wire passes within `half` to its left and right. */
function distance(path: SVGPathElement, middle: { x: number; y: number }, half: number): number {
  const length = path.getTotalLength();
  const points = Math.min(MOST_POINTS, Math.max(2, Math.ceil(length / STEP)));
  let nearest = Number.POSITIVE_INFINITY;
  for (let index = 0; index <= points; index += 1) {
    const { x, y } = path.getPointAtLength((length * index) / points);
    if (Math.abs(x - middle.x) <= half) nearest = Math.min(nearest, Math.abs(y - middle.y));
  }
  return nearest;
}
