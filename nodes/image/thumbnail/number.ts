/** One large number on a panel beside the still. */
import { DARK, darkTone, luminance, textOn, WHITE } from './colour.ts';
import { fitText } from './fit.ts';
import { edge, type Make, type Rect } from './page.ts';

export const number: Make = (page, content, unit) => {
  const { brand } = content;
  const { width, height } = page;
  const wide = width > height;
  const margin = edge(unit);
  const { paper, primary, ink } = brand.colors;
  const panel: Rect = wide
    ? { x: 0, y: 0, width: width * 0.48, height }
    : { x: 0, y: height * 0.46, width, height: height * 0.54 };
  const rest: Rect = wide
    ? { x: panel.width, y: 0, width: width - panel.width, height }
    : { x: 0, y: 0, width, height: panel.y };
  page.still(rest, { x: 0.5, y: wide ? 0.28 : 0.4 }, primary);
  page.panel(panel, paper);
  const digit = content.display.word.get(content.number.value) ?? 1;
  // figures are 0.7 em tall: half of the picture, or what the panel is wide
  const tall = Math.min((wide ? height : panel.height) * 0.5, ((panel.width - margin * 2) / digit) * 0.7);
  const size = tall / 0.7;
  const colour =
    luminance(paper) > 0.3 ? darkTone(primary, paper, textOn(paper, ink, DARK)) : textOn(paper, primary, WHITE);
  const top = panel.y + margin * 0.9;
  page.add(
    page.line(
      content.number.value,
      { x: margin - size * 0.02, y: top - size * 0.14, width: digit * size + size * 0.06, height: size },
      { family: brand.fonts.display, weight: 700, size },
      colour,
    ),
  );
  // figures have nothing below the line: their box is what they fill
  Object.assign(page.boxes.at(-1)!, { y: top - size * 0.06, height: tall + size * 0.12 });
  const start = top + tall + margin * 0.75;
  const bottom = height > width * 1.4 ? height * 0.93 : height - margin * 0.7;
  const fitted = fitText(content.number.counts, content.display, {
    width: panel.width - margin * 2,
    height: bottom - start,
    most: 62 * unit,
    smallest: 24 * unit,
    lines: 3,
    lineHeight: 1.12,
  });
  page.title(fitted, margin, Math.min(start, bottom - fitted.height), textOn(paper, ink, DARK));
  return page.done(paper);
};
