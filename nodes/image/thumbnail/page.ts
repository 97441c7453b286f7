/**
 * One drawing as it comes together: what is shown on it, its texts line by line, its still, and where each of them lies.
 * Plain elements with absolute places, in pixels; the render capability draws them. Faces of stills are in [0, 1].
 */
import type { BrandKit, FrameCandidate, RenderNode } from '../../contract.ts';
import { type Fitted, fitText, type Metrics } from './fit.ts';

type Face = FrameCandidate['faces'][number];
export type Still = { asset: string; width: number; height: number; faces: Face[] };
export type Content = {
  title: string;
  /** A sentence for Quote. */
  quote: string;
  /** Speaker, or brand. */
  name: string;
  /** Where the clip begins in the recording, as a clock. */
  time: string;
  number: { value: string; counts: string };
  still: Still | null;
  brand: Pick<BrandKit, 'name' | 'colors' | 'fonts' | 'logo'>;
  display: Metrics;
  text: Metrics;
};
/** Where a text stands: one line a box, for drawing and for tests. */
export type TextBox = Rect & { text: string; colour: string };
export type Drawing = { root: RenderNode; boxes: TextBox[]; faces: Rect[] };
export type Rect = { x: number; y: number; width: number; height: number };

export const overlap = (a: Rect, b: Rect) =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

export const px = (value: number) => Math.round(value * 10) / 10;
type Style = Record<string, string | number>;
/** The style of what lies there. */
export const at = ({ x, y, width, height }: Rect): Style => ({
  left: px(x),
  top: px(y),
  width: px(width),
  height: px(height),
});
export function block(style: Style, children?: RenderNode[] | string): RenderNode {
  return {
    type: 'div',
    props: { style: { position: 'absolute', ...style }, ...(children === undefined ? {} : { children }) },
  };
}

/** The still filling an area, moved so that the largest face comes as near to `focus` as the picture allows. */
export function place(
  still: Still,
  area: Rect,
  focus: { x: number; y: number },
  zoom: number,
): { picture: Rect; faces: Rect[] } {
  const scale = Math.max(area.width / still.width, area.height / still.height) * zoom;
  const [width, height] = [still.width * scale, still.height * scale];
  const face = still.faces[0];
  const middle = face ? { x: face.x + face.width / 2, y: face.y + face.height / 2 } : { x: 0.5, y: 0.4 };
  const clamp = (value: number, low: number) => Math.min(0, Math.max(low, value));
  const x = clamp(focus.x * area.width - middle.x * width, area.width - width);
  const y = clamp(focus.y * area.height - middle.y * height, area.height - height);
  return {
    picture: { x, y, width, height },
    faces: still.faces.map((each) => ({
      x: area.x + x + each.x * width,
      y: area.y + y + each.y * height,
      width: each.width * width,
      height: each.height * height,
    })),
  };
}

/** The part of the still that lies in the area, as an image that covers it. `whole`: where the whole still would lie. */
export function picture(still: Still, area: Rect, whole: Rect, extra: Style = {}, filter?: string): RenderNode {
  const zoom = Math.min(whole.width / area.width, whole.height / area.height);
  const [width, height] = [Math.ceil(area.width * zoom), Math.ceil(area.height * zoom)];
  const [insideX, insideY] = [Math.max(width - whole.width, whole.x), Math.max(height - whole.height, whole.y)];
  const percent = (inside: number, spare: number) => (spare < -0.5 ? px((inside / spare) * 100) : 50);
  return block({ ...at(area), overflow: 'hidden', display: 'flex', ...extra }, [
    {
      type: 'img',
      props: {
        src: `asset:${still.asset}`,
        width,
        height,
        style: {
          position: 'absolute',
          left: Math.floor(whole.x - insideX),
          top: Math.floor(whole.y - insideY),
          width,
          height,
          objectFit: 'cover',
          objectPosition: `${percent(insideX, width - whole.width)}% ${percent(insideY, height - whole.height)}%`,
          ...(filter ? { filter } : {}),
        },
      },
    },
  ]);
}

/** Collects the elements of one drawing, with the boxes of its texts and the faces of its still. */
export class Page {
  readonly parts: RenderNode[] = [];
  readonly boxes: TextBox[] = [];
  faces: Rect[] = [];
  readonly width: number;
  readonly height: number;
  readonly #content: Content;
  constructor(width: number, height: number, content: Content) {
    this.width = width;
    this.height = height;
    this.#content = content;
  }
  add(...parts: RenderNode[]): void {
    this.parts.push(...parts);
  }
  panel(where: Rect, colour: string, extra: Style = {}): void {
    this.add(block({ ...at(where), backgroundColor: colour, ...extra }));
  }
  /** The still over an area, its largest face near `focus`; without a still a panel, if one is wanted. */
  still(area: Rect, focus: { x: number; y: number }, otherwise?: string, extra: Style = {}): void {
    const { still } = this.#content;
    if (still) {
      const placed = place(still, area, focus, 1);
      this.faces = placed.faces;
      this.add(picture(still, area, placed.picture, extra));
    } else if (otherwise) this.panel(area, otherwise, extra);
  }
  /** One line of text as an element, its box noted; the caller puts it where it belongs. */
  line(text: string, where: Rect, font: { family: string; weight: number; size: number }, colour: string): RenderNode {
    // letters reach a little over a tight line above and below, and a J to the left
    const over = font.size * 0.12;
    const beside = font.size * 0.06;
    this.boxes.push({
      x: where.x - beside,
      y: where.y - over,
      width: where.width + beside,
      height: where.height + over * 2,
      text,
      colour,
    });
    return block(
      {
        ...at(where),
        color: colour,
        fontFamily: font.family,
        fontWeight: font.weight,
        fontSize: px(font.size),
        lineHeight: px(where.height) / px(font.size),
        whiteSpace: 'nowrap',
      },
      text,
    );
  }
  /** A fitted text with its top left corner at x, y. */
  title(fitted: Fitted, x: number, y: number, colour: string, weight = 700): void {
    const family = this.#content.brand.fonts.display;
    for (const [index, each] of fitted.lines.entries()) {
      // a little air to the right: measured widths leave out what shaping adds
      const where = {
        x,
        y: y + index * fitted.pitch,
        width: each.width * fitted.size + fitted.size * 0.12,
        height: fitted.pitch,
      };
      this.add(this.line(each.text, where, { family, weight, size: fitted.size }, colour));
    }
  }
  small(fitted: Fitted, x: number, y: number, colour: string): void {
    const [first] = fitted.lines;
    if (!first?.text) return;
    const where = { x, y, width: first.width * fitted.size + fitted.size * 0.12, height: fitted.pitch };
    this.add(
      this.line(first.text, where, { family: this.#content.brand.fonts.text, weight: 600, size: fitted.size }, colour),
    );
  }
  done(background: string): Drawing {
    return {
      root: {
        type: 'div',
        props: {
          style: {
            position: 'relative',
            width: this.width,
            height: this.height,
            backgroundColor: background,
            overflow: 'hidden',
            display: 'flex',
          },
          children: this.parts,
        },
      },
      boxes: this.boxes,
      faces: this.faces,
    };
  }
}

/** `unit`: a 720th of the picture's shorter side, in pixels. */
export type Make = (page: Page, content: Content, unit: number) => Drawing;
/** Distance from the edge. */
export const edge = (unit: number) => 44 * unit;

/** A line that fits, for names. */
export function nameLine(content: Content, unit: number, room: number, size = 28): Fitted {
  return fitText(content.name, content.text, {
    width: room,
    height: size * unit * 1.4,
    most: size * unit,
    smallest: 13 * unit,
    lines: 1,
    lineHeight: 1.3,
  });
}
