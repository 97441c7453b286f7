/** Where a text in a lower corner and the still behind it go together best. */
import type { Fitted } from './fit.ts';
import { type Content, overlap, type Page, place, type Rect } from './page.ts';

type CornerPlan = {
  side: 'left' | 'right';
  /** Null where there is no still. */
  placed: ReturnType<typeof place> | null;
  fitted: Fitted;
  area: Rect;
  cost: number;
};

/** No face under the text, the still moved as little as can be. */
export function cornerPlan(
  page: Page,
  content: Content,
  textArea: (side: 'left' | 'right', height: number) => Rect,
  setIn: (area: Rect) => Fitted,
): CornerPlan {
  const { still } = content;
  const whole = { x: 0, y: 0, width: page.width, height: page.height };
  const upright = page.height > page.width;
  const face = still?.faces[0];
  const away = face && face.x + face.width / 2 < 0.47 ? 'right' : 'left';
  let best: CornerPlan | null = null;
  for (const side of [away, away === 'left' ? 'right' : 'left'] as const) {
    for (const zoom of still ? [1, 1.12, 1.25, 1.4] : [1]) {
      for (const share of [1, 0.8, 0.6, 0.45]) {
        const focus = { x: side === 'left' ? 0.7 : 0.3, y: upright ? 0.3 : 0.32 };
        const placed = still ? place(still, whole, upright ? { x: 0.5, y: 0.3 } : focus, zoom) : null;
        const area = textArea(side, share);
        const fitted = setIn(area);
        const title = {
          x: area.x,
          y: area.y + area.height - fitted.height,
          width: fitted.width,
          height: fitted.height,
        };
        const covered = (placed?.faces ?? []).reduce((sum, each) => sum + overlap(title, each), 0);
        const cost = covered * 10 + (zoom - 1) * 300 + (1 - share) * 700 + (side === away ? 0 : 120);
        if (!best || cost < best.cost) best = { side, placed, fitted, area, cost };
      }
    }
  }
  return best!;
}
