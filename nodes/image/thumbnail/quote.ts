/** A sentence over the darkened still. */
import { lightTone, WHITE } from './colour.ts';
import { cornerPlan } from './corner-plan.ts';
import { fitText } from './fit.ts';
import { edge, type Make, nameLine, picture, px, type Rect } from './page.ts';

export const quote: Make = (page, content, unit) => {
  const { still, brand } = content;
  const { width, height } = page;
  const upright = height > width;
  const margin = edge(unit) * 1.25;
  const name = nameLine(content, unit, width * 0.6, height > width * 1.4 ? 36 : 28);
  const markHigh = 62 * unit;
  const bottom = upright ? height * 0.84 : height - margin;
  const foot = name.pitch + 40 * unit;
  const textArea = (side: 'left' | 'right', share: number): Rect => {
    const room = width * (upright ? 0.84 : 0.62) - margin;
    const high = (upright ? height * 0.34 : height * 0.56) * share;
    return { x: side === 'left' ? margin : width - margin - room, y: bottom - foot - high, width: room, height: high };
  };
  const setIn = (area: Rect) =>
    fitText(content.quote, content.display, {
      width: area.width,
      height: area.height - markHigh,
      most: 84 * unit,
      smallest: 30 * unit,
      lines: 5,
      lineHeight: 1.16,
    });
  const plan = cornerPlan(page, content, textArea, setIn);
  const right = plan.side === 'right' && !upright;
  if (still && plan.placed) {
    page.faces = plan.placed.faces;
    page.add(picture(still, { x: 0, y: 0, width, height }, plan.placed.picture, {}, 'grayscale(1) brightness(0.42)'));
  }
  const x = right ? width - margin - Math.max(plan.fitted.width, name.width + 110 * unit) : margin;
  const top = bottom - foot - plan.fitted.height;
  const tone = lightTone(brand.colors.light);
  const drop = markHigh * 0.86;
  for (const shift of [0, 0.72]) {
    page.panel({ x: x + shift * drop, y: top - markHigh - 10 * unit, width: drop * 0.52, height: drop * 0.62 }, tone, {
      borderTopLeftRadius: px(drop * 0.34),
      borderBottomLeftRadius: px(drop * 0.1),
      borderBottomRightRadius: px(drop * 0.1),
      borderTopRightRadius: px(drop * 0.06),
      transform: 'skewX(-8deg)',
    });
  }
  page.title(plan.fitted, x, top, WHITE, 600);
  page.panel({ x, y: bottom - name.pitch / 2 - 3 * unit, width: 84 * unit, height: 6 * unit }, tone);
  page.small(name, x + 108 * unit, bottom - name.pitch, WHITE);
  return page.done('#151312');
};
