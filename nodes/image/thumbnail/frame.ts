/** The still in a frame, as a print: title and name below it. */
import { textOn, WHITE } from './colour.ts';
import { fitText } from './fit.ts';
import { type Make, nameLine, px, type Rect } from './page.ts';

export const frame: Make = (page, content, unit) => {
  const { brand } = content;
  const { width, height } = page;
  const upright = height > width * 1.4;
  const margin = 16 * unit;
  const colour = textOn(brand.colors.primary, WHITE, brand.colors.ink);
  const pad = margin * 1.6;
  const above = upright ? height * 0.12 : margin;
  const below = upright ? height * 0.2 : 0;
  const name = nameLine(content, unit, width * (upright ? 0.8 : 0.34), upright ? 36 : 26);
  const wide = width > height;
  const title = fitText(content.title, content.display, {
    width: wide ? width - pad * 2 - name.width - 40 * unit : width - pad * 2,
    height: wide ? 130 * unit : 190 * unit,
    most: 64 * unit,
    smallest: 26 * unit,
    lines: wide ? 2 : 3,
    lineHeight: 1.1,
  });
  const foot = wide ? Math.max(title.height + 36 * unit, 96 * unit) : title.height + name.pitch + 60 * unit;
  const area: Rect = {
    x: margin,
    y: above,
    width: width - margin * 2,
    height: height - above - below - foot,
  };
  page.still(area, { x: 0.5, y: 0.34 }, brand.colors.light, { borderRadius: px(8 * unit) });
  const start = area.y + area.height;
  if (wide) {
    page.title(title, pad, start + (foot - title.height) / 2, colour);
    page.small(name, width - pad - name.width, start + (foot - name.pitch) / 2, colour);
  } else {
    page.title(title, pad, start + 24 * unit, colour);
    page.small(name, pad, start + 24 * unit + title.height + 12 * unit, colour);
  }
  return page.done(brand.colors.primary);
};
