/** Lines that show when edges or centres of a moved thing meet those of another within 6 pixels, and pull it there. Pure. */
import type { Rect } from './wire-route.ts';

export type HelperLine = { axis: 'x' | 'y'; at: number; from: number; to: number };
const NEAR = 6;

/** The pulled position of `moved` and at most one line each way. */
export function helperLines(moved: Rect, others: readonly Rect[]): { x: number; y: number; lines: HelperLine[] } {
  let bestX: { by: number; line: HelperLine } | null = null;
  let bestY: { by: number; line: HelperLine } | null = null;
  for (const other of others) {
    for (const mine of [0, 0.5, 1]) {
      for (const theirs of [0, 0.5, 1]) {
        // An edge meets an edge, a centre a centre.
        if ((mine === 0.5) !== (theirs === 0.5)) continue;
        const byX = other.x + other.width * theirs - (moved.x + moved.width * mine);
        if (Math.abs(byX) <= NEAR && (!bestX || Math.abs(byX) < Math.abs(bestX.by))) {
          bestX = {
            by: byX,
            line: {
              axis: 'x',
              at: other.x + other.width * theirs,
              from: Math.min(moved.y, other.y),
              to: Math.max(moved.y + moved.height, other.y + other.height),
            },
          };
        }
        const byY = other.y + other.height * theirs - (moved.y + moved.height * mine);
        if (Math.abs(byY) <= NEAR && (!bestY || Math.abs(byY) < Math.abs(bestY.by))) {
          bestY = {
            by: byY,
            line: {
              axis: 'y',
              at: other.y + other.height * theirs,
              from: Math.min(moved.x, other.x),
              to: Math.max(moved.x + moved.width, other.x + other.width),
            },
          };
        }
      }
    }
  }
  return {
    x: moved.x + (bestX?.by ?? 0),
    y: moved.y + (bestY?.by ?? 0),
    lines: [...(bestX ? [bestX.line] : []), ...(bestY ? [bestY.line] : [])],
  };
}
