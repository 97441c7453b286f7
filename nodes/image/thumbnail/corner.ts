/** The title over the still in a lower corner, and the mark in an upper one. */
import { DARK, textOn, WHITE } from './colour.ts';
import { cornerPlan } from './corner-plan.ts';
import { fitText } from './fit.ts';
import { block, type Content, edge, type Make, type Page, picture, px, type Rect } from './page.ts';

/** The brand's logo, or its initial on its colour. */
function mark(page: Page, content: Content, unit: number, x: number, y: number): void {
  const side = 78 * unit;
  const { logo, colors, fonts, name } = content.brand;
  if (logo && ['image/png', 'image/jpeg', 'image/webp'].includes(logo.mime)) {
    const size = { width: px(side), height: px(side) };
    page.add({
      type: 'img',
      props: {
        src: `asset:${logo.asset}`,
        ...size,
        style: { position: 'absolute', left: px(x), top: px(y), ...size, objectFit: 'contain' },
      },
    });
    return;
  }
  const letter = [...name.trim()][0]?.toUpperCase() ?? '';
  if (!letter) return;
  page.panel({ x, y, width: side, height: side }, colors.primary, { borderRadius: px(side * 0.24) });
  const size = side * 0.52;
  const wide = (content.display.word.get(letter) ?? 0.7) * size;
  const at = { x: x + (side - wide) / 2, y: y + (side - size * 1.2) / 2, width: wide + size * 0.1, height: size * 1.2 };
  page.add(
    page.line(letter, at, { family: fonts.display, weight: 700, size }, textOn(colors.primary, WHITE, colors.ink)),
  );
}

const STRIPS = 30;
export const corner: Make = (page, content, unit) => {
  const { still, brand } = content;
  const { width, height } = page;
  const upright = height > width;
  const margin = edge(unit);
  const textArea = (side: 'left' | 'right', share: number): Rect => {
    const room = (upright ? width * 0.86 : width * 0.6) - margin;
    const high = (upright ? height * 0.3 : height * 0.52) * share;
    const bottom = upright ? height * 0.86 : height - margin;
    return { x: side === 'left' ? margin : width - margin - room, y: bottom - high, width: room, height: high };
  };
  const setIn = (area: Rect) =>
    fitText(content.title, content.display, {
      width: area.width,
      height: area.height,
      most: 116 * unit,
      smallest: 34 * unit,
      lines: 3,
      lineHeight: 1.06,
    });
  const plan = cornerPlan(page, content, textArea, setIn);
  const right = plan.side === 'right' && !upright;
  if (still && plan.placed) {
    page.add(picture(still, { x: 0, y: 0, width, height }, plan.placed.picture));
    page.faces = plan.placed.faces;
  }
  const x = right ? width - margin - plan.fitted.width : margin;
  const top = plan.area.y + plan.area.height - plan.fitted.height;
  if (still) {
    // from the lower corner at 72°, as the design has it
    const mood = `linear-gradient(${right ? -72 : 72}deg, rgba(12,10,8,0.7) 0%, rgba(12,10,8,0.34) 34%, rgba(12,10,8,0) 62%)`;
    page.add(block({ left: 0, top: 0, width, height, backgroundImage: mood }));
    // and dark enough under every letter, whatever the still: it fades beside the title and above it
    const above = 150 * unit;
    const reach = Math.min(height, height - top + above);
    const beside = Math.min(96, ((plan.fitted.width + margin + 30 * unit) / width) * 100);
    const under = 'rgba(12,10,8,0.64)';
    const shade = (opacity: number, from: number, high: number) =>
      page.add(
        block({
          left: 0,
          top: px(from),
          width,
          height: px(high),
          opacity,
          backgroundImage: `linear-gradient(${right ? -90 : 90}deg, ${under} 0%, ${under} ${px(beside)}%, rgba(12,10,8,0) ${px(Math.min(100, beside + 34))}%)`,
        }),
      );
    // in strips: a mask would take resvg four times as long as all the rest
    const edgeOf = (index: number) => Math.round(height - reach + (above * index) / STRIPS);
    for (let index = 0; index < STRIPS; index++) {
      const share = (index + 0.5) / STRIPS;
      shade(share * share * (3 - 2 * share), edgeOf(index), edgeOf(index + 1) - edgeOf(index));
    }
    shade(1, edgeOf(STRIPS), height - edgeOf(STRIPS));
  }
  page.title(plan.fitted, x, top, WHITE);
  mark(page, content, unit, right ? width - margin - 78 * unit : margin, upright ? height * 0.13 : margin * 0.8);
  return page.done(still ? DARK : textOn(brand.colors.primary, WHITE) === WHITE ? brand.colors.primary : DARK);
};
