/** The title on a panel of the brand’s colour beside the still. */
import { textOn, WHITE } from './colour.ts';
import { fitText } from './fit.ts';
import { edge, type Make, nameLine, type Rect } from './page.ts';

export const split: Make = (page, content, unit) => {
  const { brand } = content;
  const { width, height } = page;
  const wide = width > height;
  const margin = edge(unit);
  const panel: Rect = wide
    ? { x: 0, y: 0, width: width * 0.45, height }
    : { x: 0, y: height * 0.56, width, height: height * 0.44 };
  const rest: Rect = wide
    ? { x: panel.width, y: 0, width: width - panel.width, height }
    : { x: 0, y: 0, width, height: panel.y };
  page.still(rest, { x: 0.5, y: wide ? 0.3 : 0.38 }, brand.colors.light);
  page.panel(panel, brand.colors.primary);
  const colour = textOn(brand.colors.primary, WHITE, brand.colors.ink);
  const bottom = height > width * 1.4 ? height * 0.9 : height - margin;
  const name = nameLine(content, unit, panel.width - margin * 2, height > width * 1.4 ? 36 : 28);
  const room = bottom - name.pitch - margin - (panel.y + margin);
  const fitted = fitText(content.title, content.display, {
    width: panel.width - margin * 2,
    height: room,
    most: 104 * unit,
    smallest: 30 * unit,
    lines: wide ? 5 : 3,
    lineHeight: 1.08,
  });
  page.title(fitted, margin, panel.y + margin, colour);
  page.small(name, margin, bottom - name.pitch, colour);
  return page.done(brand.colors.primary);
};
