/**
 * Writes the captions of a clip as an ASS file, which libass burns into the picture.
 *
 * Every word is laid out here, from the widths of the product's own fonts, and placed by its top left corner: so bars
 * behind words fit them, and nothing in a transcript can be taken for a command (braces and backslashes are replaced).
 * Four styles as the design has them; text stays inside the safe area, in at most two lines, and is made smaller where
 * a line would be too wide. Sizes are for a picture 1080 wide; pixels and seconds.
 */
import type { ClipInput } from '../../../nodes/contract.ts';
import { type Face, runsOf, widthOf } from '../../fonts.ts';
import { BLACK, lightEnough, parseColour, type Rgb, textOn, WHITE } from './colour.ts';

export type Captions = NonNullable<ClipInput['captions']>;
export type CaptionStyle = Captions['style'];

type Look = { font: 'display' | 'text'; weight: number; size: number; lineHeight: number };
const LOOKS: Record<CaptionStyle, Look> = {
  marker: { font: 'display', weight: 700, size: 58, lineHeight: 1.32 },
  plain: { font: 'text', weight: 600, size: 50, lineHeight: 1.26 },
  box: { font: 'text', weight: 600, size: 42, lineHeight: 1.5 },
  stack: { font: 'display', weight: 700, size: 92, lineHeight: 1.02 },
};

export type Area = { left: number; right: number; top: number; bottom: number };
/** What no platform's buttons lie on. Upright pictures keep their right rail and lower fifth free. */
export function safeArea(width: number, height: number): Area {
  const upright = height / width > 1.4;
  return upright
    ? { left: width * 0.07, right: width * 0.82, top: height * 0.12, bottom: height * 0.8 }
    : { left: width * 0.07, right: width * 0.93, top: height * 0.08, bottom: height * 0.9 };
}

type Word = { text: string; start: number; end: number; x: number; width: number };
type Line = { words: Word[]; x: number; y: number; width: number };
type Cue = { start: number; end: number; size: number; lines: Line[] };

/** The lines of every cue with their places. `y` is the top of a line's box. */
export function layOut(
  captions: Captions,
  width: number,
  height: number,
): { cues: Cue[]; family: string; look: Look; lineHeight: number } {
  const look = LOOKS[captions.style];
  const family = captions.fonts[look.font];
  const area = safeArea(width, height);
  const scale = (Math.min(width, height) / 1080) * (captions.size ?? 1);
  const room = area.right - area.left;
  const ems = (text: string) => widthOf(text, family, look.weight);
  // in Marker a bar ends between two words
  const space = captions.style === 'marker' ? Math.max(0.36, ems(' ')) : ems(' ');
  const padding = captions.style === 'box' || captions.style === 'marker' ? 0.34 : 0.04;
  const cues = captions.cues.map((cue) => {
    const lines = cue.lines.filter((line) => line.length > 0).slice(0, 2);
    const widest = Math.max(
      0.1,
      ...lines.map((line) => line.reduce((sum, word) => sum + ems(word.text), space * (line.length - 1))),
    );
    const size = Math.min(look.size * scale, room / (widest + padding * 2));
    const pitch = size * look.lineHeight;
    const top = area.bottom - pitch * lines.length;
    // in the middle of the picture where it fits, else as far left as the rail on the right asks for
    const half = (widest / 2 + padding) * size;
    const middle = Math.min(width / 2, area.right - half);
    return {
      start: cue.start,
      end: cue.end,
      size,
      lines: lines.map((line, index) => {
        const wide = line.reduce((sum, word) => sum + ems(word.text), space * (line.length - 1)) * size;
        const x = captions.style === 'stack' ? area.left : middle - wide / 2;
        let at = x;
        const words = line.map((word) => {
          const placed = { ...word, x: at, width: ems(word.text) * size };
          at += placed.width + space * size;
          return placed;
        });
        return { words, x, y: top + index * pitch, width: wide };
      }),
    };
  });
  return { cues, family, look, lineHeight: look.lineHeight };
}

/** Where text may lie at all, for measuring the picture behind it. */
export function textBand(captions: Captions, width: number, height: number): Area {
  const { cues, lineHeight } = layOut(captions, width, height);
  const area = safeArea(width, height);
  const top = Math.min(
    area.bottom - 40,
    ...cues.flatMap((cue) => cue.lines.map((line) => line.y - cue.size * (lineHeight - 1))),
  );
  return { ...area, top };
}

// ---------------------------------------------------------------- ASS

const clock = (seconds: number) => {
  const hundredths = Math.max(0, Math.round(seconds * 100));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${Math.floor(hundredths / 360_000)}:${two(Math.floor(hundredths / 6000) % 60)}:${two(Math.floor(hundredths / 100) % 60)}.${two(hundredths % 100)}`;
};
const hex = (value: number) => Math.round(value).toString(16).padStart(2, '0').toUpperCase();
const colour = ([red, green, blue]: Rgb) => `&H${hex(blue)}${hex(green)}${hex(red)}&`;
const transparency = (opacity: number) => `&H${hex((1 - opacity) * 255)}&`;
const number = (value: number) => String(Math.round(value * 100) / 100);
/** ASS has no escape for these in every version of libass, so they are drawn as their nearest relatives. */
const safeText = (text: string) =>
  text
    .replaceAll('\\', '/')
    .replaceAll('{', '(')
    .replaceAll('}', ')')
    .replace(/[\r\n]+/g, ' ');

export class AssFile {
  readonly faces = new Map<string, Face>();
  readonly #events: string[] = [];
  readonly #base: Face;
  readonly #width: number;
  readonly #height: number;
  constructor(width: number, height: number) {
    // libass draws nothing at all, shapes included, where the style's font cannot be found
    this.#base = runsOf('a', 'Instrument Sans', 400)[0]!.face;
    this.faces.set(this.#base.name, this.#base);
    this.#width = width;
    this.#height = height;
  }

  #event(layer: number, start: number, end: number, body: string): void {
    if (Math.round(end * 100) > Math.round(start * 100)) {
      this.#events.push(`Dialogue: ${layer},${clock(start)},${clock(end)},P,,0,0,0,,${body}`);
    }
  }

  /** A filled shape. `tags` are ours, never a user's. */
  shape(layer: number, start: number, end: number, path: string, fill: Rgb, opacity: number, tags = ''): void {
    this.#event(
      layer,
      start,
      end,
      `{\\an7\\pos(0,0)\\bord0\\shad0\\1c${colour(fill)}\\1a${transparency(opacity)}${tags}\\p1}${path}`,
    );
  }

  /** One word or more on one line; the top of the line box of its first font lies at `y` + what `lineHeight` adds. */
  text(
    layer: number,
    start: number,
    end: number,
    words: { text: string; x: number; y: number; family: string; weight: number; size: number; lineHeight: number },
    fill: Rgb,
    tags = '',
  ): void {
    const runs = runsOf(safeText(words.text), words.family, words.weight);
    if (runs.length === 0) return;
    for (const { face } of runs) this.faces.set(face.name, face);
    // the base line of every word is that of the family asked for, whatever font draws it
    const highest = Math.max(...runs.map(({ face }) => face.ascent));
    const base = words.y + (words.size * (words.lineHeight - 1)) / 2 + words.size * 0.96;
    const body = runs
      .map(({ text, face }) => `{\\fn${face.name}\\fs${number(words.size * (face.ascent + face.descent))}}${text}`)
      .join('');
    this.#event(
      layer,
      start,
      end,
      `{\\an7\\pos(${number(words.x)},${number(base - highest * words.size)})\\bord0\\shad0\\1c${colour(fill)}${tags}}${body}`,
    );
  }

  toString(): string {
    return [
      '[Script Info]',
      'ScriptType: v4.00+',
      `PlayResX: ${this.#width}`,
      `PlayResY: ${this.#height}`,
      'WrapStyle: 2',
      'ScaledBorderAndShadow: yes',
      'YCbCr Matrix: None',
      '',
      '[V4+ Styles]',
      'Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding',
      `Style: P,${this.#base.name},40,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,0,0,7,0,0,0,1`,
      '',
      '[Events]',
      'Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text',
      ...this.#events,
      '',
    ].join('\n');
  }
}

export function rectangle(x: number, y: number, width: number, height: number, radius = 0): string {
  const [right, bottom, r] = [x + width, y + height, Math.min(radius, width / 2, height / 2)];
  const p = (...values: number[]) => values.map(number).join(' ');
  if (r <= 0) return `m ${p(x, y)} l ${p(right, y, right, bottom, x, bottom)}`;
  const k = r * 0.45;
  return [
    `m ${p(x + r, y)} l ${p(right - r, y)} b ${p(right - k, y, right, y + k, right, y + r)}`,
    `l ${p(right, bottom - r)} b ${p(right, bottom - k, right - k, bottom, right - r, bottom)}`,
    `l ${p(x + r, bottom)} b ${p(x + k, bottom, x, bottom - k, x, bottom - r)}`,
    `l ${p(x, y + r)} b ${p(x, y + k, x + k, y, x + r, y)}`,
  ].join(' ');
}

export type Shade = {
  /** The first dark row, and from where on it is fully dark. */ from: number;
  solid: number;
  opacity: number;
};

/**
 * The gradient that darkens the picture behind the text: Plain always has it, the others where white text needs it
 * (`needed` as colour.ts finds it), Box never.
 */
export function shadeBand(captions: Captions, size: { width: number; height: number }, needed: number): Shade | null {
  const opacity = captions.style === 'box' ? 0 : captions.style === 'plain' ? Math.max(0.55, needed) : needed;
  if (opacity <= 0 || captions.cues.length === 0) return null;
  const solid = Math.max(16, Math.floor(textBand(captions, size.width, size.height).top));
  return { from: Math.max(0, solid - Math.round(size.height * 0.14)), solid, opacity };
}

/**
 * The captions as drawn events. The ground behind white text is darkened by `shadeBand` before them.
 */
export function addCaptions(file: AssFile, captions: Captions, size: { width: number; height: number }): void {
  const { width, height } = size;
  const { cues, family, look, lineHeight } = layOut(captions, width, height);
  if (cues.length === 0) return;
  const { style, highlight } = captions;
  const primary = parseColour(captions.colors.primary);
  const onPrimary = textOn(primary, parseColour(captions.colors.ink));
  const tone = lightEnough(parseColour(captions.colors.light));
  for (const cue of cues) {
    const words = cue.lines.flatMap((line) => line.words);
    const draw = (layer: number, line: Line, word: Word, start: number, end: number, fill: Rgb, tags = '') =>
      file.text(
        layer,
        start,
        end,
        { text: word.text, x: word.x, y: line.y, family, weight: look.weight, size: cue.size, lineHeight },
        fill,
        tags,
      );
    for (const line of cue.lines) {
      const pitch = cue.size * lineHeight;
      if (style === 'box') {
        const [padX, padY] = [cue.size * 0.34, cue.size * 0.02];
        const box = rectangle(line.x - padX, line.y + padY, line.width + padX * 2, pitch - padY * 2, cue.size * 0.14);
        file.shape(1, cue.start, cue.end, box, [17, 17, 17], 0.86);
        file.text(
          3,
          cue.start,
          cue.end,
          {
            text: line.words.map((word) => word.text).join(' '),
            x: line.x,
            y: line.y,
            family,
            weight: look.weight,
            size: cue.size,
            lineHeight,
          },
          WHITE,
        );
        continue;
      }
      for (const [index, word] of line.words.entries()) {
        const next = words[words.indexOf(word) + 1];
        const spoken = Math.min(cue.end, Math.max(cue.start, word.start));
        const until = next ? Math.min(cue.end, Math.max(spoken, next.start)) : cue.end;
        if (style === 'marker') {
          // soft shadow under what is not on a bar
          draw(1, line, word, cue.start, cue.end, BLACK, `\\1a${transparency(0.6)}\\blur${number(cue.size * 0.09)}`);
          const barEnd = (last: Word) => {
            const pad = cue.size * 0.2;
            return rectangle(
              line.x - pad,
              line.y + pitch * 0.04,
              last.x + last.width - line.x + pad * 1.8,
              pitch * 0.92,
              cue.size * 0.2,
            );
          };
          if (highlight) {
            const isLast = index === line.words.length - 1;
            file.shape(2, spoken, isLast ? cue.end : until, barEnd(word), primary, 1);
            draw(3, line, word, cue.start, spoken, WHITE);
            draw(3, line, word, spoken, cue.end, onPrimary);
          } else {
            if (index === 0) file.shape(2, cue.start, cue.end, barEnd(line.words.at(-1)!), primary, 1);
            draw(3, line, word, cue.start, cue.end, onPrimary);
          }
        } else {
          draw(1, line, word, cue.start, cue.end, BLACK, `\\1a${transparency(0.5)}\\blur${number(cue.size * 0.07)}`);
          if (style === 'stack' && highlight) {
            draw(3, line, word, cue.start, spoken, WHITE);
            draw(3, line, word, spoken, until, tone);
            draw(3, line, word, until, cue.end, WHITE);
          } else draw(3, line, word, cue.start, cue.end, WHITE);
        }
      }
    }
  }
}
