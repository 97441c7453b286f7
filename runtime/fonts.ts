/**
 * The fonts the product draws with: captions (libass), thumbnails (satori) and the widths both are laid out by.
 *
 * They come from npm (`@fontsource/*`, OFL-1.1) as WOFF files, one for each subset of characters. WOFF is a TrueType
 * font whose tables are zlib-compressed, so it is unpacked here in memory on first use, nothing is downloaded and no
 * font of the machine is ever used. libass gets TrueType files under family names of our own
 * (`Bricolage Grotesque 700 latin`), so that it never has to guess a weight; satori gets the same bytes.
 *
 * A character is drawn with the family asked for, else with Noto Sans (Latin, Greek, Cyrillic, Devanagari, Vietnamese),
 * else with Noto Emoji in one colour. What no font has is told by `undrawable`; nothing is drawn as an empty box.
 * Units: font units are turned into ems. Source: the WOFF 1.0 and OpenType specifications (cmap 4 and 12, hmtx, name).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { inflateSync } from 'node:zlib';

const require = createRequire(import.meta.url);

type Source = { package: string; file: string; subsets: readonly string[]; weights: readonly number[] };

const SOURCES: Record<string, Source> = {
  'Bricolage Grotesque': {
    package: '@fontsource/bricolage-grotesque',
    file: 'bricolage-grotesque',
    subsets: ['latin', 'latin-ext', 'vietnamese'],
    weights: [200, 300, 400, 500, 600, 700, 800],
  },
  'Instrument Sans': {
    package: '@fontsource/instrument-sans',
    file: 'instrument-sans',
    subsets: ['latin', 'latin-ext'],
    weights: [400, 500, 600, 700],
  },
  'Noto Sans': {
    package: '@fontsource/noto-sans',
    file: 'noto-sans',
    subsets: ['latin', 'latin-ext', 'cyrillic', 'cyrillic-ext', 'greek', 'greek-ext', 'vietnamese', 'devanagari'],
    weights: [100, 200, 300, 400, 500, 600, 700, 800, 900],
  },
  'Noto Emoji': {
    package: '@fontsource/noto-emoji',
    file: 'noto-emoji',
    subsets: ['2', '3', '4', '5', '6', '7', '8', '9', '10', '1', '0'],
    weights: [300, 400, 500, 600, 700],
  },
};
/** Families a brand may choose. */
export const FONT_FAMILIES = ['Bricolage Grotesque', 'Instrument Sans', 'Noto Sans'] as const;
const FALLBACKS = ['Noto Sans', 'Noto Emoji'];
const DEFAULT_FAMILY = 'Instrument Sans';

export type Face = {
  /** Family, weight and subset in one name: what ASS files and satori call it. */
  name: string;
  family: string;
  weight: number;
  /** A TrueType file. */
  bytes: Buffer;
  /** Ems above and below the base line, as libass scales by them. */
  ascent: number;
  descent: number;
  has(codePoint: number): boolean;
  /** Ems; 0 for what it does not have. */
  advance(codePoint: number): number;
};

// ---------------------------------------------------------------- WOFF and TrueType

/** The TrueType file inside a WOFF file. */
export function unpackWoff(woff: Buffer): Buffer {
  if (woff.toString('latin1', 0, 4) !== 'wOFF') throw new Error('This is not a WOFF file.');
  const flavor = woff.readUInt32BE(4);
  const count = woff.readUInt16BE(12);
  const tables = Array.from({ length: count }, (_, index) => {
    const at = 44 + index * 20;
    const [offset, packed, length] = [woff.readUInt32BE(at + 4), woff.readUInt32BE(at + 8), woff.readUInt32BE(at + 12)];
    const data = woff.subarray(offset, offset + packed);
    return {
      tag: woff.toString('latin1', at, at + 4),
      data: packed < length ? inflateSync(data, { maxOutputLength: length }) : data,
    };
  });
  return packTrueType(flavor, tables);
}

function checksum(data: Buffer): number {
  let sum = 0;
  for (let at = 0; at < data.length; at += 4) {
    const word =
      at + 4 <= data.length
        ? data.readUInt32BE(at)
        : Buffer.concat([data.subarray(at), Buffer.alloc(4)]).readUInt32BE(0);
    sum = (sum + word) >>> 0;
  }
  return sum;
}

function packTrueType(flavor: number, tables: { tag: string; data: Buffer }[]): Buffer {
  const sorted = [...tables].sort((a, b) => (a.tag < b.tag ? -1 : 1));
  const power = 2 ** Math.floor(Math.log2(sorted.length));
  const head = Buffer.alloc(12 + 16 * sorted.length);
  head.writeUInt32BE(flavor, 0);
  head.writeUInt16BE(sorted.length, 4);
  head.writeUInt16BE(power * 16, 6);
  head.writeUInt16BE(Math.log2(power), 8);
  head.writeUInt16BE(sorted.length * 16 - power * 16, 10);
  const bodies: Buffer[] = [];
  let offset = head.length;
  for (const [index, { tag, data }] of sorted.entries()) {
    const at = 12 + index * 16;
    head.write(tag, at, 'latin1');
    head.writeUInt32BE(checksum(data), at + 4);
    head.writeUInt32BE(offset, at + 8);
    head.writeUInt32BE(data.length, at + 12);
    const padded = Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
    bodies.push(padded);
    offset += padded.length;
  }
  return Buffer.concat([head, ...bodies]);
}

function readTables(font: Buffer): Map<string, Buffer> {
  const tables = new Map<string, Buffer>();
  for (let index = 0; index < font.readUInt16BE(4); index++) {
    const at = 12 + index * 16;
    const offset = font.readUInt32BE(at + 8);
    tables.set(font.toString('latin1', at, at + 4), font.subarray(offset, offset + font.readUInt32BE(at + 12)));
  }
  return tables;
}

/** A name table with one family name, in the one encoding every reader knows (Windows, Unicode, en-US). */
function nameTable(family: string): Buffer {
  const names = [
    [1, family],
    [2, 'Regular'],
    [3, family],
    [4, family],
    [6, family.replace(/[^A-Za-z0-9]/g, '-')],
  ] as const;
  const head = Buffer.alloc(6 + names.length * 12);
  head.writeUInt16BE(names.length, 2);
  head.writeUInt16BE(head.length, 4);
  const texts: Buffer[] = [];
  let offset = 0;
  for (const [index, [id, text]] of names.entries()) {
    const bytes = Buffer.from(text, 'utf16le').swap16();
    const at = 6 + index * 12;
    for (const [place, value] of [3, 1, 0x409, id, bytes.length, offset].entries())
      head.writeUInt16BE(value, at + place * 2);
    texts.push(bytes);
    offset += bytes.length;
  }
  return Buffer.concat([head, ...texts]);
}

/** Code point → glyph, from the widest Unicode table of the font. */
function readCmap(cmap: Buffer): Map<number, number> {
  const glyphs = new Map<number, number>();
  for (let index = 0; index < cmap.readUInt16BE(2); index++) {
    const table = cmap.subarray(cmap.readUInt32BE(4 + index * 8 + 4));
    const format = table.readUInt16BE(0);
    if (format === 12) {
      for (let group = 0; group < table.readUInt32BE(12); group++) {
        const at = 16 + group * 12;
        const [first, last, glyph] = [table.readUInt32BE(at), table.readUInt32BE(at + 4), table.readUInt32BE(at + 8)];
        for (let code = first; code <= last; code++) glyphs.set(code, glyph + code - first);
      }
    } else if (format === 4) {
      const segments = table.readUInt16BE(6) / 2;
      for (let segment = 0; segment < segments; segment++) {
        const last = table.readUInt16BE(14 + segment * 2);
        const first = table.readUInt16BE(16 + segments * 2 + segment * 2);
        const delta = table.readInt16BE(16 + segments * 4 + segment * 2);
        const rangeAt = 16 + segments * 6 + segment * 2;
        const range = table.readUInt16BE(rangeAt);
        for (let code = first; code <= last && code !== 0xffff; code++) {
          const raw = range === 0 ? code : table.readUInt16BE(rangeAt + range + (code - first) * 2);
          const glyph = range !== 0 && raw === 0 ? 0 : (raw + delta) & 0xffff;
          if (glyph !== 0 && !glyphs.has(code)) glyphs.set(code, glyph);
        }
      }
    }
  }
  return glyphs;
}

function openFace(family: string, weight: number, subset: string): Face {
  const source = SOURCES[family]!;
  const folder = path.dirname(require.resolve(`${source.package}/package.json`));
  const unpacked = unpackWoff(
    readFileSync(path.join(folder, 'files', `${source.file}-${subset}-${weight}-normal.woff`)),
  );
  const tables = readTables(unpacked);
  const name = `${family} ${weight} ${subset}`;
  tables.set('name', nameTable(name));
  const bytes = packTrueType(
    unpacked.readUInt32BE(0),
    [...tables].map(([tag, data]) => ({ tag, data })),
  );
  const units = tables.get('head')!.readUInt16BE(18);
  const metrics = tables.get('hhea')!;
  const count = metrics.readUInt16BE(34);
  const widths = tables.get('hmtx')!;
  const glyphs = readCmap(tables.get('cmap')!);
  const os2 = tables.get('OS/2');
  return {
    name,
    family,
    weight,
    bytes,
    ascent: (os2 ? os2.readUInt16BE(74) : metrics.readInt16BE(4)) / units,
    descent: (os2 ? os2.readUInt16BE(76) : -metrics.readInt16BE(6)) / units,
    has: (codePoint) => glyphs.has(codePoint),
    advance(codePoint) {
      const glyph = glyphs.get(codePoint);
      return glyph === undefined ? 0 : widths.readUInt16BE(Math.min(glyph, count - 1) * 4) / units;
    },
  };
}

const opened = new Map<string, Face>();
function face(family: string, weight: number, subset: string): Face {
  const key = `${family} ${weight} ${subset}`;
  let known = opened.get(key);
  if (!known) {
    known = openFace(family, weight, subset);
    opened.set(key, known);
  }
  return known;
}

// ---------------------------------------------------------------- choosing

const nearest = (weights: readonly number[], wanted: number) =>
  weights.reduce((best, weight) => (Math.abs(weight - wanted) < Math.abs(best - wanted) ? weight : best));

/** Signs that only steer how others join: they are left out, the parts are drawn one by one. */
const JOINERS = /\p{Cf}|\p{Variation_Selector}|\p{Emoji_Modifier}/gu;

/** All but the line break. */
const CONTROLS = /(?!\n)\p{Cc}/gu;

/** Text as it will be drawn: composed, without control characters and joiners. */
export function drawable(text: string): string {
  return text.normalize('NFC').replace(JOINERS, '').replace(CONTROLS, ' ');
}

/** The font that draws a character, or undefined where none has it. */
export function faceFor(codePoint: number, family: string, weight: number): Face | undefined {
  const first = Object.hasOwn(SOURCES, family) ? family : DEFAULT_FAMILY;
  for (const name of [first, ...FALLBACKS]) {
    const source = SOURCES[name]!;
    for (const subset of source.subsets) {
      const candidate = face(name, nearest(source.weights, weight), subset);
      if (candidate.has(codePoint)) return candidate;
    }
  }
  return undefined;
}

const isSpace = (char: string) => /\s/u.test(char);

/** Characters no shipped font has, each once. */
export function undrawable(text: string, family: string, weight: number): string[] {
  const missing = new Set<string>();
  for (const char of drawable(text)) {
    if (!isSpace(char) && !faceFor(char.codePointAt(0)!, family, weight)) missing.add(char);
  }
  return [...missing];
}

/** The text in runs that one font draws each. Spaces are the main font's; undrawable signs are left out. */
export function runsOf(text: string, family: string, weight: number): { text: string; face: Face }[] {
  const runs: { text: string; face: Face }[] = [];
  const main = faceFor(0x61, family, weight)!;
  for (const char of drawable(text)) {
    const chosen = isSpace(char) ? main : faceFor(char.codePointAt(0)!, family, weight);
    if (!chosen) continue;
    const last = runs.at(-1);
    if (last && last.face === chosen) last.text += char;
    else runs.push({ text: char, face: chosen });
  }
  return runs;
}

/** Ems. Without kerning: at most 1 % off for running text, on the wide side. */
export function widthOf(text: string, family: string, weight: number): number {
  let width = 0;
  const main = faceFor(0x61, family, weight)!;
  for (const char of drawable(text)) {
    const code = char.codePointAt(0)!;
    const chosen = isSpace(char) ? main : faceFor(code, family, weight);
    if (chosen) width += chosen.advance(isSpace(char) ? 0x20 : code);
  }
  return width;
}

/** Breaks text into lines no wider than `maxWidth` pixels; a word that is wider alone is broken inside. */
export function wrapText(
  text: string,
  font: { family: string; weight: number; size: number },
  maxWidth: number,
): string[] {
  const measure = (part: string) => widthOf(part, font.family, font.weight) * font.size;
  const lines: string[] = [];
  for (const paragraph of drawable(text).split('\n')) {
    let line = '';
    for (const word of paragraph.split(/\s+/u).filter(Boolean)) {
      const longer = line ? `${line} ${word}` : word;
      if (measure(longer) <= maxWidth) {
        line = longer;
        continue;
      }
      if (line) lines.push(line);
      line = '';
      for (const char of word) {
        if (line && measure(line + char) > maxWidth) {
          lines.push(line);
          line = '';
        }
        line += char;
      }
    }
    lines.push(line);
  }
  return lines;
}
