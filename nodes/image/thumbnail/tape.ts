/** The title on a slanting strip across the still. */
import type { RenderNode } from '../../contract.ts';
import { DARK, textOn, WHITE } from './colour.ts';
import { fitText } from './fit.ts';
import { at, block, type Make, px, type Rect } from './page.ts';

const TAPE_DEGREES = -3;

/** The upright box around a rectangle that was turned with the strip about a point. */
function turned(rect: Rect, about: { x: number; y: number }): Rect {
  const angle = (TAPE_DEGREES * Math.PI) / 180;
  const corners = [
    [rect.x, rect.y],
    [rect.x + rect.width, rect.y],
    [rect.x, rect.y + rect.height],
    [rect.x + rect.width, rect.y + rect.height],
  ].map(([x, y]) => [
    about.x + (x! - about.x) * Math.cos(angle) - (y! - about.y) * Math.sin(angle),
    about.y + (x! - about.x) * Math.sin(angle) + (y! - about.y) * Math.cos(angle),
  ]);
  const [xs, ys] = [corners.map((each) => each[0]!), corners.map((each) => each[1]!)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

export const tape: Make = (page, content, unit) => {
  const { still, brand } = content;
  const { width, height } = page;
  const upright = height > width;
  const { primary, ink } = brand.colors;
  const strip = 200 * unit;
  const clockWide = [...content.time].length * 0.62 * 62 * unit + 76 * unit;
  const room = width - clockWide - 90 * unit;
  const fitted = fitText(content.title, content.display, {
    width: room,
    height: strip * 0.84,
    most: 78 * unit,
    smallest: 26 * unit,
    lines: 3,
    lineHeight: 1.1,
  });
  let middle = height * (upright ? 0.68 : 0.74);
  page.still({ x: 0, y: 0, width, height }, { x: 0.5, y: 0.3 });
  const [face] = page.faces;
  // below the face, with room for the slant
  if (face) middle = Math.max(middle, face.y + face.height + strip / 2 + width * 0.028);
  if (still) middle = Math.min(height - strip * 0.42, middle);
  const colour = textOn(primary, WHITE, ink);
  const long = width * 1.1;
  const left = (width - long) / 2;
  const ribbon: Rect = { x: left, y: middle - strip / 2, width: long, height: strip };
  // on the strip, so counted from its corner: the clock's ground, which begins outside
  const inner: RenderNode[] = [
    block({
      left: -40 * unit,
      top: 0,
      width: px(clockWide - left + 40 * unit),
      height: px(strip),
      backgroundColor: DARK,
      transform: 'skewX(-14deg)',
    }),
  ];
  const write = (text: string, where: Rect, font: { family: string; weight: number; size: number }, paint: string) => {
    inner.push(page.line(text, { ...where, x: where.x - ribbon.x, y: where.y - ribbon.y }, font, paint));
    page.boxes[page.boxes.length - 1] = { ...turned(where, { x: width / 2, y: middle }), text, colour: paint };
  };
  const timeSize = 62 * unit;
  write(
    content.time,
    { x: 40 * unit, y: middle - timeSize * 0.6, width: clockWide - 60 * unit, height: timeSize * 1.2 },
    { family: brand.fonts.display, weight: 700, size: timeSize },
    WHITE,
  );
  const top = middle - fitted.height / 2;
  for (const [index, line] of fitted.lines.entries()) {
    write(
      line.text,
      {
        x: clockWide + 30 * unit,
        y: top + index * fitted.pitch,
        width: line.width * fitted.size + fitted.size * 0.12,
        height: fitted.pitch,
      },
      { family: brand.fonts.display, weight: 700, size: fitted.size },
      colour,
    );
  }
  page.add(
    block(
      {
        ...at(ribbon),
        backgroundColor: primary,
        transform: `rotate(${TAPE_DEGREES}deg)`,
        overflow: 'hidden',
        display: 'flex',
      },
      inner,
    ),
  );
  return page.done(still ? DARK : brand.colors.light);
};
