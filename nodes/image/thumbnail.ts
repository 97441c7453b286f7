/**
 * Makes thumbnails of a clip: the best still of the recording behind it, a template in the brand's colours and fonts,
 * and a title that fits. Faces stay free: text stands on the side away from the largest one and never on it.
 *
 * Each template is a pure function from what is shown to a tree of plain elements with absolute places; the render
 * capability draws it. Text is laid out here from measured word widths, line by line, so nothing can run out of its
 * box. White text stands only where it reaches 4.5:1, else the ink colour does.
 * Pixels; positions in stills are in [0, 1]. Source for contrast: WCAG 2.2.
 */
import * as z from 'zod';
import {
  type Asset,
  type BrandKit,
  type Clip,
  type Ctx,
  defineManifest,
  type FrameCandidate,
  type ImageAsset,
  NodeError,
  port,
  type RenderNode,
  type Run,
} from '../contract.ts';

const SIZES = {
  wide: { width: 1280, height: 720 },
  square: { width: 1080, height: 1080 },
  upright: { width: 1080, height: 1920 },
} as const;
export const TEMPLATES = ['corner', 'split', 'quote', 'number', 'tape', 'frame'] as const;
export type Template = (typeof TEMPLATES)[number];
export type SizeName = keyof typeof SIZES;

export const manifest = defineManifest({
  id: 'image.thumbnail',
  version: '1.0.0',
  title: 'Thumbnail',
  help: 'Takes the best still of a clip, sets a title in the brand’s look, and draws it in the sizes platforms ask for. Faces stay free.',
  icon: 'image',
  family: 'shape',
  aliases: ['cover', 'poster', 'preview', 'picture', 'open graph', 'still'],
  shape: 'step',
  effect: 'pure',
  weight: 'heavy',
  inputs: { clip: port.clip({ title: 'Clip' }) },
  outputs: {
    thumbnail: port.image({ title: 'Thumbnail', help: 'The first of the sizes.' }),
    sizes: port.image.list({ title: 'All sizes' }),
  },
  config: z.strictObject({
    template: z.enum(TEMPLATES).default('corner').meta({
      title: 'Template',
      help: 'corner: title over the still. split: title beside it. quote: a sentence over a dark still. number: one large number. tape: title on a strip. frame: like a print.',
    }),
    title: z
      .string()
      .max(160)
      .default('')
      .meta({ title: 'Title', help: 'Empty: the segment’s title, in at most five words.' }),
    sizes: z
      .array(z.enum(['wide', 'square', 'upright']))
      .min(1)
      .max(3)
      .default(['wide', 'square', 'upright'])
      .meta({ title: 'Sizes', help: 'wide 1280 × 720, square 1080 × 1080, upright 1080 × 1920.', group: 'More' }),
    format: z.enum(['jpeg', 'png']).default('jpeg').meta({ title: 'Format', group: 'More' }),
  }),
  capabilities: { media: ['frames'], render: true, brand: ['name', 'colors', 'fonts', 'logo'] },
  fields: ['template', 'title'],
  example: {
    config: { template: 'split', sizes: ['wide'] },
    inputs: {
      clip: {
        id: 'segment-1',
        video: {
          asset: 'c'.repeat(64),
          kind: 'video',
          mime: 'video/mp4',
          bytes: 2_400_000,
          width: 1080,
          height: 1920,
          duration: 10,
        },
        segment: {
          id: 'segment-1',
          title: 'Ask what you can do',
          start: 0,
          end: 10,
          summary: '',
          score: 0.9,
          why: '',
          quotes: [],
          topics: [],
        },
        language: 'en',
        words: [],
        speakers: [],
        aspect: '9:16',
        captions: 'marker',
        framing: 'Follows the person.',
        source: { asset: 'a'.repeat(64), start: 0, end: 10 },
      },
    },
    replies: [
      [
        {
          asset: { asset: 'd'.repeat(64), kind: 'image', mime: 'image/jpeg', bytes: 60_000, width: 1280, height: 720 },
          time: 4,
          sharpness: 1,
          exposure: 0.9,
          faces: [{ x: 0.42, y: 0.1, width: 0.11, height: 0.26, confidence: 0.95 }],
          score: 0.95,
        },
      ],
      {
        width: 3000,
        height: 7000,
        lines: 7,
        wrapped: ['n n', 'nn', 'Ask', 'what', 'you', 'can', 'do'],
        widths: [1450, 1200, 1800, 2300, 1700, 1800, 1200],
      },
      { width: 6000, height: 3000, lines: 3, wrapped: ['n n', 'nn', 'Example brand'], widths: [1400, 1150, 6500] },
      {
        asset: 'e'.repeat(64),
        kind: 'image',
        mime: 'image/jpeg',
        bytes: 90_000,
        width: 1280,
        height: 720,
        name: 'Ask what you can do (wide).jpg',
      },
    ],
    outputs: {
      thumbnail: {
        asset: 'e'.repeat(64),
        kind: 'image',
        mime: 'image/jpeg',
        bytes: 90_000,
        width: 1280,
        height: 720,
        name: 'Ask what you can do (wide).jpg',
        of: 'segment-1',
      },
      sizes: [
        {
          asset: 'e'.repeat(64),
          kind: 'image',
          mime: 'image/jpeg',
          bytes: 90_000,
          width: 1280,
          height: 720,
          name: 'Ask what you can do (wide).jpg',
          of: 'segment-1',
        },
      ],
    },
  },
});

// ---------------------------------------------------------------- colour

type Rgb = [number, number, number];
const parse = (hex: string): Rgb => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as Rgb;
function luminance(hex: string): number {
  const [red, green, blue] = parse(hex).map((channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
export function contrast(a: string, b: string): number {
  const [one, two] = [luminance(a), luminance(b)];
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}
const WHITE = '#ffffff';
const DARK = '#1a1714';
/** The first of these that reaches 4.5:1 on the ground, else the better of black and white. */
export function textOn(ground: string, ...wanted: string[]): string {
  const good = wanted.find((colour) => contrast(colour, ground) >= 4.6);
  return good ?? (contrast(WHITE, ground) >= contrast('#000000', ground) ? WHITE : '#000000');
}
/** The tone, or darker until it can be read on the ground. */
function darkTone(hex: string, ground: string, ink: string): string {
  for (let share = 0; share <= 0.35; share += 0.05) {
    const darker = `#${parse(hex)
      .map((channel) =>
        Math.round(channel * (1 - share))
          .toString(16)
          .padStart(2, '0'),
      )
      .join('')}`;
    if (contrast(darker, ground) >= 4.6) return darker;
  }
  return ink; // a light tone made that dark is another colour
}
/** The tone, or lighter until it can be seen on black. */
function lightTone(hex: string): string {
  for (let share = 0; share < 1; share += 0.1) {
    const lighter = `#${parse(hex)
      .map((channel) =>
        Math.round(channel + (255 - channel) * share)
          .toString(16)
          .padStart(2, '0'),
      )
      .join('')}`;
    if (luminance(lighter) >= 0.4) return lighter;
  }
  return WHITE;
}

// ---------------------------------------------------------------- text

/** Word widths in ems, of one font and weight. */
export type Metrics = { word: Map<string, number>; space: number };
export type Line = { text: string; width: number };
/** Where a text stands: one line a box, for drawing and for tests. */
export type TextBox = {
  x: number;
  y: number;
  width: number;
  height: number;
  text: string;
  colour: string;
  rotation?: number;
};

const words = (text: string) => text.split(/\s+/u).filter(Boolean);
export const BEYOND = 20_000;

/** Breaks words into lines of at most `room` ems, as even as the number of lines allows; null where a word is too wide. */
export function breakLines(text: string, metrics: Metrics, room: number): Line[] | null {
  const all = words(text);
  const widthOf = (part: readonly string[]) =>
    part.reduce((sum, word) => sum + (metrics.word.get(word) ?? 0), metrics.space * Math.max(0, part.length - 1));
  const fill = (limit: number): string[][] | null => {
    const lines: string[][] = [];
    for (const word of all) {
      const line = lines.at(-1);
      if (line && widthOf([...line, word]) <= limit) line.push(word);
      else if (widthOf([word]) <= limit) lines.push([word]);
      else return null;
    }
    return lines;
  };
  const fewest = fill(room);
  if (!fewest) return null;
  let best = fewest;
  for (let limit = room * 0.97; limit > room * 0.4; limit *= 0.97) {
    const lines = fill(limit);
    if (!lines || lines.length > fewest.length) break;
    best = lines;
  }
  return best.map((line) => ({ text: line.join(' '), width: widthOf(line) }));
}

export type Fitted = { lines: Line[]; size: number; pitch: number; width: number; height: number };

/** The largest size at which the text fits its box. Below `smallest` the last words are left out. */
export function fitText(
  text: string,
  metrics: Metrics,
  box: { width: number; height: number; most: number; smallest: number; lines: number; lineHeight: number },
): Fitted {
  let shown = text;
  for (;;) {
    let best: (Fitted & { worth: number }) | null = null;
    for (let size = box.most; size >= box.smallest && (!best || size > best.size * 0.72); size *= 0.96) {
      const lines = breakLines(shown, metrics, box.width / size);
      const pitch = size * box.lineHeight;
      if (!lines || lines.length > box.lines || lines.length * pitch > box.height) continue;
      const widest = Math.max(...lines.map((line) => line.width));
      // rather a little smaller than with one short word alone on a line
      const shortest = Math.min(...lines.map((line) => line.width));
      const worth = size * (0.7 + 0.3 * Math.min(1, (shortest / widest) * 1.4));
      if (!best || worth > best.worth) {
        best = { lines, size, pitch, width: widest * size, height: lines.length * pitch, worth };
      }
    }
    if (best) return { lines: best.lines, size: best.size, pitch: best.pitch, width: best.width, height: best.height };
    const fewer = words(shown).slice(0, -1);
    if (fewer.length === 0) break;
    shown = fewer.join(' ');
  }
  // one word that is too wide at any size we like is made as small as it must be
  const [first] = words(text);
  const width = metrics.word.get(first ?? '') ?? 1;
  const size = Math.min(box.smallest, box.width / Math.max(width, 0.1), box.height / box.lineHeight);
  return {
    lines: [{ text: first ?? '', width }],
    size,
    pitch: size * box.lineHeight,
    width: width * size,
    height: size * box.lineHeight,
  };
}

/** At most five words, not ending on one that leans on the next. */
export function shortTitle(title: string): string {
  const all = words(title);
  if (all.length <= 5) return all.join(' ');
  const short = all.slice(0, 5);
  const leaning =
    /^(a|an|the|of|to|in|on|at|for|with|and|or|but|is|are|der|die|das|und|zu|mit|für|le|la|les|de|et|el|los|y)$/i;
  while (short.length > 2 && leaning.test(short.at(-1)!)) short.pop();
  return short.join(' ').replace(/[,;:–-]+$/, '');
}

// ---------------------------------------------------------------- what is shown

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
export type Drawing = { root: RenderNode; boxes: TextBox[]; faces: Rect[] };
export type Rect = { x: number; y: number; width: number; height: number };

const overlap = (a: Rect, b: Rect) =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

const px = (value: number) => Math.round(value * 10) / 10;
function block(style: Record<string, string | number>, children?: RenderNode[] | string): RenderNode {
  return {
    type: 'div',
    props: { style: { position: 'absolute', ...style }, ...(children === undefined ? {} : { children }) },
  };
}

/** The still filling an area, moved so that the largest face comes as near to `focus` as the picture allows. */
function place(
  still: Still,
  area: Rect,
  focus: { x: number; y: number },
  zoom: number,
): { picture: Rect; faces: Rect[] } {
  const scale = Math.max(area.width / still.width, area.height / still.height) * zoom;
  const [width, height] = [still.width * scale, still.height * scale];
  const face = still.faces[0];
  const at = face ? { x: face.x + face.width / 2, y: face.y + face.height / 2 } : { x: 0.5, y: 0.4 };
  const clamp = (value: number, low: number) => Math.min(0, Math.max(low, value));
  const x = clamp(focus.x * area.width - at.x * width, area.width - width);
  const y = clamp(focus.y * area.height - at.y * height, area.height - height);
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

/** The part of the still that lies in the area, as an image that covers it. */
function picture(
  still: Still,
  area: Rect,
  at: Rect,
  extra: Record<string, string | number> = {},
  filter?: string,
): RenderNode {
  const zoom = Math.min(at.width / area.width, at.height / area.height);
  const [width, height] = [Math.ceil(area.width * zoom), Math.ceil(area.height * zoom)];
  const [insideX, insideY] = [Math.max(width - at.width, at.x), Math.max(height - at.height, at.y)];
  const percent = (inside: number, spare: number) => (spare < -0.5 ? px((inside / spare) * 100) : 50);
  return block(
    {
      left: px(area.x),
      top: px(area.y),
      width: px(area.width),
      height: px(area.height),
      overflow: 'hidden',
      display: 'flex',
      ...extra,
    },
    [
      {
        type: 'img',
        props: {
          src: `asset:${still.asset}`,
          width,
          height,
          style: {
            position: 'absolute',
            left: Math.floor(at.x - insideX),
            top: Math.floor(at.y - insideY),
            width,
            height,
            objectFit: 'cover',
            objectPosition: `${percent(insideX, width - at.width)}% ${percent(insideY, height - at.height)}%`,
            ...(filter ? { filter } : {}),
          },
        },
      },
    ],
  );
}

/** Lines of text, each a box of its own. */
class Page {
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
  line(text: string, at: Rect, font: { family: string; weight: number; size: number }, colour: string): RenderNode {
    // letters reach a little over a tight line above and below, and a J to the left
    const over = font.size * 0.12;
    const beside = font.size * 0.06;
    this.boxes.push({
      x: at.x - beside,
      y: at.y - over,
      width: at.width + beside,
      height: at.height + over * 2,
      text,
      colour,
    });
    return block(
      {
        left: px(at.x),
        top: px(at.y),
        width: px(at.width),
        height: px(at.height),
        color: colour,
        fontFamily: font.family,
        fontWeight: font.weight,
        fontSize: px(font.size),
        lineHeight: px(at.height) / px(font.size),
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
      const at = {
        x,
        y: y + index * fitted.pitch,
        width: each.width * fitted.size + fitted.size * 0.12,
        height: fitted.pitch,
      };
      this.add(this.line(each.text, at, { family, weight, size: fitted.size }, colour));
    }
  }
  small(fitted: Fitted, x: number, y: number, colour: string): void {
    const [first] = fitted.lines;
    if (!first?.text) return;
    const at = { x, y, width: first.width * fitted.size + fitted.size * 0.12, height: fitted.pitch };
    this.add(
      this.line(first.text, at, { family: this.#content.brand.fonts.text, weight: 600, size: fitted.size }, colour),
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

// ---------------------------------------------------------------- templates

type Make = (page: Page, content: Content, unit: number) => Drawing;
/** Distance from the edge. */
const edge = (unit: number) => 44 * unit;

/** A line that fits, for names. */
function nameLine(content: Content, unit: number, room: number, size = 28): Fitted {
  return fitText(content.name, content.text, {
    width: room,
    height: size * unit * 1.4,
    most: size * unit,
    smallest: 13 * unit,
    lines: 1,
    lineHeight: 1.3,
  });
}

/** The brand's logo, or its initial on its colour. */
function mark(page: Page, content: Content, unit: number, x: number, y: number): void {
  const side = 78 * unit;
  const { logo, colors, fonts, name } = content.brand;
  if (logo && ['image/png', 'image/jpeg', 'image/webp'].includes(logo.mime)) {
    page.add({
      type: 'img',
      props: {
        src: `asset:${logo.asset}`,
        width: px(side),
        height: px(side),
        style: {
          position: 'absolute',
          left: px(x),
          top: px(y),
          width: px(side),
          height: px(side),
          objectFit: 'contain',
        },
      },
    });
    return;
  }
  const letter = [...name.trim()][0]?.toUpperCase() ?? '';
  if (!letter) return;
  page.add(
    block({
      left: px(x),
      top: px(y),
      width: px(side),
      height: px(side),
      borderRadius: px(side * 0.24),
      backgroundColor: colors.primary,
    }),
  );
  const size = side * 0.52;
  const wide = (content.display.word.get(letter) ?? 0.7) * size;
  const at = { x: x + (side - wide) / 2, y: y + (side - size * 1.2) / 2, width: wide + size * 0.1, height: size * 1.2 };
  page.add(
    page.line(letter, at, { family: fonts.display, weight: 700, size }, textOn(colors.primary, WHITE, colors.ink)),
  );
}

/** Where text in a corner and the still go together best: no face under the text, the still moved as little as can be. */
function cornerPlan(
  page: Page,
  content: Content,
  textArea: (side: 'left' | 'right', height: number) => Rect,
  setIn: (area: Rect) => Fitted,
) {
  const { still } = content;
  const whole = { x: 0, y: 0, width: page.width, height: page.height };
  const upright = page.height > page.width;
  const face = still?.faces[0];
  const away = face && face.x + face.width / 2 < 0.47 ? 'right' : 'left';
  let best: {
    side: 'left' | 'right';
    placed: ReturnType<typeof place> | null;
    fitted: Fitted;
    area: Rect;
    cost: number;
  } | null = null;
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

const STRIPS = 30;
const corner: Make = (page, content, unit) => {
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

const split: Make = (page, content, unit) => {
  const { still, brand } = content;
  const { width, height } = page;
  const wide = width > height;
  const margin = edge(unit);
  const panel: Rect = wide
    ? { x: 0, y: 0, width: width * 0.45, height }
    : { x: 0, y: height * 0.56, width, height: height * 0.44 };
  const rest: Rect = wide
    ? { x: panel.width, y: 0, width: width - panel.width, height }
    : { x: 0, y: 0, width, height: panel.y };
  if (still) {
    const placed = place(still, rest, { x: 0.5, y: wide ? 0.3 : 0.38 }, 1);
    page.faces = placed.faces;
    page.add(picture(still, rest, placed.picture));
  } else
    page.add(
      block({
        left: px(rest.x),
        top: px(rest.y),
        width: px(rest.width),
        height: px(rest.height),
        backgroundColor: brand.colors.light,
      }),
    );
  page.add(
    block({
      left: px(panel.x),
      top: px(panel.y),
      width: px(panel.width),
      height: px(panel.height),
      backgroundColor: brand.colors.primary,
    }),
  );
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

const quote: Make = (page, content, unit) => {
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
    page.add(
      block({
        left: px(x + shift * drop),
        top: px(top - markHigh - 10 * unit),
        width: px(drop * 0.52),
        height: px(drop * 0.62),
        backgroundColor: tone,
        borderTopLeftRadius: px(drop * 0.34),
        borderBottomLeftRadius: px(drop * 0.1),
        borderBottomRightRadius: px(drop * 0.1),
        borderTopRightRadius: px(drop * 0.06),
        transform: 'skewX(-8deg)',
      }),
    );
  }
  page.title(plan.fitted, x, top, WHITE, 600);
  page.add(
    block({
      left: px(x),
      top: px(bottom - name.pitch / 2 - 3 * unit),
      width: px(84 * unit),
      height: px(6 * unit),
      backgroundColor: tone,
    }),
  );
  page.small(name, x + 108 * unit, bottom - name.pitch, WHITE);
  return page.done('#151312');
};

const number: Make = (page, content, unit) => {
  const { still, brand } = content;
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
  if (still) {
    const placed = place(still, rest, { x: 0.5, y: wide ? 0.28 : 0.4 }, 1);
    page.faces = placed.faces;
    page.add(picture(still, rest, placed.picture));
  } else
    page.add(
      block({
        left: px(rest.x),
        top: px(rest.y),
        width: px(rest.width),
        height: px(rest.height),
        backgroundColor: primary,
      }),
    );
  page.add(
    block({
      left: px(panel.x),
      top: px(panel.y),
      width: px(panel.width),
      height: px(panel.height),
      backgroundColor: paper,
    }),
  );
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

const TAPE_DEGREES = -3;
const tape: Make = (page, content, unit) => {
  const { still, brand } = content;
  const { width, height } = page;
  const upright = height > width;
  const { primary, ink } = brand.colors;
  const strip = 200 * unit;
  const size = 78 * unit;
  const clockWide = [...content.time].length * 0.62 * 62 * unit + 76 * unit;
  const room = width - clockWide - 90 * unit;
  const fitted = fitText(content.title, content.display, {
    width: room,
    height: strip * 0.84,
    most: size,
    smallest: 26 * unit,
    lines: 3,
    lineHeight: 1.1,
  });
  const whole = { x: 0, y: 0, width, height };
  let middle = height * (upright ? 0.68 : 0.74);
  if (still) {
    const placed = place(still, whole, { x: 0.5, y: upright ? 0.3 : 0.3 }, 1);
    page.faces = placed.faces;
    page.add(picture(still, whole, placed.picture));
    // below the face, with room for the slant
    const lowest = placed.faces[0] ? placed.faces[0].y + placed.faces[0].height + strip / 2 + width * 0.028 : 0;
    middle = Math.min(height - strip * 0.42, Math.max(middle, lowest));
  }
  const colour = textOn(primary, WHITE, ink);
  const long = width * 1.1;
  const left = (width - long) / 2;
  const inner: RenderNode[] = [];
  const cut = clockWide + (width - width) / 2 - left;
  inner.push(
    block({
      left: -40 * unit,
      top: 0,
      width: px(cut + 40 * unit),
      height: px(strip),
      backgroundColor: DARK,
      transform: 'skewX(-14deg)',
    }),
  );
  const turn = (rect: Rect): TextBox => {
    // where the box comes to lie after the strip has been turned about its middle
    const angle = (TAPE_DEGREES * Math.PI) / 180;
    const [cx, cy] = [width / 2, middle];
    const corners = [
      [rect.x, rect.y],
      [rect.x + rect.width, rect.y],
      [rect.x, rect.y + rect.height],
      [rect.x + rect.width, rect.y + rect.height],
    ].map(([x, y]) => [
      cx + (x! - cx) * Math.cos(angle) - (y! - cy) * Math.sin(angle),
      cy + (x! - cx) * Math.sin(angle) + (y! - cy) * Math.cos(angle),
    ]);
    const [xs, ys] = [corners.map((each) => each[0]!), corners.map((each) => each[1]!)];
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    return {
      x,
      y,
      width: Math.max(...xs) - x,
      height: Math.max(...ys) - y,
      text: '',
      colour: '',
      rotation: TAPE_DEGREES,
    };
  };
  const write = (text: string, at: Rect, font: { family: string; weight: number; size: number }, paint: string) => {
    inner.push(page.line(text, { ...at, x: at.x - left, y: at.y - (middle - strip / 2) }, font, paint));
    page.boxes[page.boxes.length - 1] = { ...turn(at), text, colour: paint };
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
        left: px(left),
        top: px(middle - strip / 2),
        width: px(long),
        height: px(strip),
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

const frame: Make = (page, content, unit) => {
  const { still, brand } = content;
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
    height: height - above - below - foot - (upright ? 0 : 0),
  };
  if (still) {
    const placed = place(still, area, { x: 0.5, y: 0.34 }, 1);
    page.faces = placed.faces;
    page.add(picture(still, area, placed.picture, { borderRadius: px(8 * unit) }));
  } else
    page.add(
      block({
        left: px(area.x),
        top: px(area.y),
        width: px(area.width),
        height: px(area.height),
        borderRadius: px(8 * unit),
        backgroundColor: brand.colors.light,
      }),
    );
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

const MAKERS: Record<Template, Make> = { corner, split, quote, number, tape, frame };

/** One thumbnail as a tree, with where its texts and faces come to lie. */
export function compose(template: Template, size: { width: number; height: number }, content: Content): Drawing {
  return MAKERS[template](new Page(size.width, size.height, content), content, Math.min(size.width, size.height) / 720);
}

// ---------------------------------------------------------------- run

const clock = (seconds: number) => {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
};

/** The number of a title and what it counts; else the clip's length in seconds. */
export function numberOf(title: string, durationSeconds: number): { value: string; counts: string } {
  const match = /(?:^|\s)([$€£]?\d[\d.,:]{0,6}\s?(?:%|k|m|×)?)(?=\s|$)/iu.exec(title);
  const value = match?.[1]?.replace(/[.,:]$/, '').replace(/\s/g, '');
  const rest = match
    ? words(`${title.slice(0, match.index)} ${title.slice(match.index + match[0].length)}`).join(' ')
    : '';
  if (value && rest) return { value, counts: rest };
  return { value: String(Math.max(1, Math.round(durationSeconds))), counts: `seconds: ${title}` };
}

/** Widths of all words, and of a space, in one call. */
async function measure(ctx: Ctx, texts: readonly string[], font: string, weight: number): Promise<Metrics> {
  const all = [...new Set(texts.flatMap(words))];
  const size = 1000;
  const { widths } = await ctx.render.measure({
    text: ['n n', 'nn', ...all].join('\n'),
    font,
    weight,
    size,
    maxWidth: BEYOND,
    lineHeight: 1,
  });
  return {
    space: (widths[0]! - widths[1]!) / size,
    word: new Map(all.map((word, index) => [word, widths[index + 2]! / size])),
  };
}

function mainSpeaker(clip: Clip): string | null {
  const spoken = new Map<string, number>();
  for (const { speaker } of clip.words) if (speaker) spoken.set(speaker, (spoken.get(speaker) ?? 0) + 1);
  const [most] = [...spoken].sort((a, b) => b[1] - a[1]);
  return clip.speakers.find(({ id }) => id === most?.[0])?.name ?? null;
}

const STILLS = 3;

export const run: Run<typeof manifest> = async (ctx, { clip }) => {
  const { template, sizes, format } = ctx.config;
  const { brand } = ctx;
  const from = clip.source ?? { asset: clip.video.asset, start: 0, end: clip.video.duration ?? 1 };
  let still: Still | null = null;
  try {
    const [best] = await ctx.media.frames({ ...from, count: STILLS });
    if (best) {
      still = {
        asset: best.asset.asset,
        width: best.asset.width ?? 1280,
        height: best.asset.height ?? 720,
        faces: best.faces,
      };
      ctx.fact('still', clock(best.time));
    }
  } catch (error) {
    // sound alone: the templates stand on the brand's colours
    if ((error as { code?: string }).code !== 'MEDIA_NO_PICTURE') throw error;
  }
  const own = ctx.config.title.trim();
  const title = own || shortTitle(clip.segment.title) || brand.name;
  if (!title)
    throw new NodeError('THUMBNAIL_NO_TITLE', 'There is neither a title nor a brand name to write.', {
      hint: 'Write a title in this node.',
    });
  const quote = own || clip.segment.quotes.find((each) => each.length <= 110) || clip.segment.title || title;
  const name = mainSpeaker(clip) ?? brand.name;
  const counted = numberOf(own || clip.segment.title, clip.video.duration ?? clip.segment.end - clip.segment.start);
  const initial = [...brand.name.trim()][0]?.toUpperCase() ?? '';
  const written = template === 'quote' ? [quote] : template === 'number' ? [counted.value, counted.counts] : [title];
  const weight = template === 'quote' ? 600 : 700;
  const display = await measure(
    ctx,
    template === 'corner' ? [...written, initial] : written,
    brand.fonts.display,
    weight,
  );
  const text = await measure(ctx, [name], brand.fonts.text, 600);
  const content: Content = {
    title,
    quote,
    name,
    time: clock(clip.segment.start),
    number: counted,
    still,
    brand,
    display,
    text,
  };
  const drawn: z.infer<typeof ImageAsset>[] = [];
  for (const [index, size] of [...new Set(sizes)].entries()) {
    const { width, height } = SIZES[size];
    const { root } = compose(template, { width, height }, content);
    const asset: Asset = await ctx.render.image({
      root,
      width,
      height,
      name: `${title.slice(0, 120)} (${size})`,
      format,
    });
    drawn.push({ ...asset, kind: 'image', of: clip.id });
    ctx.progress((index + 1) / sizes.length);
  }
  ctx.fact('sizes', String(drawn.length));
  return { thumbnail: drawn[0]!, sizes: drawn };
};
