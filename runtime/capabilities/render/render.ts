/**
 * The render capability: pictures from a tree of plain elements (satori and resvg in a confined child), and the size
 * text takes with the product's fonts.
 *
 * The tree is data from a node, so everything in it is checked here: element types, style values (no `url(...)`: nothing
 * is ever fetched), its size, and every picture, which comes from the workspace's store as `asset:<sha256>` and is
 * looked at before it is decoded. Up to 16 megapixels in and out. Pixels.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import * as z from 'zod';
import type { Asset } from '../../../nodes/contract.ts';
import { drawable, type Face, FONT_FAMILIES, runsOf, undrawable, widthOf, wrapText } from '../../fonts.ts';
import { type Capability, CapabilityError, method, type StepScope } from '../capability.ts';
import { type Engine, startEngine } from '../media/engine.ts';
import { findFfmpeg, runConfined } from '../media/ffmpeg.ts';
import { type PictureHeader, readPictureHeader } from './pictures.ts';

const require = createRequire(import.meta.url);

/** Goes up when the same tree is drawn differently: part of the memo key. */
const REVISION = 2;
const MOST_PIXELS = 16_000_000;
const MOST_ELEMENTS = 400;
const MOST_TEXT = 8_000;
const MOST_PICTURE_BYTES = 16 * 1024 ** 2;
const CHILD_BYTES = 700 * 1024 ** 2;
const TIMEOUT_MS = 30_000;
const REST_MS = 20_000;
const MOST_CHILDREN = 2;
const JPEG_QUALITY = '2';

const ELEMENTS = ['div', 'span', 'p', 'img'] as const;
const Style = z.record(
  z.string().regex(/^[A-Za-z]{1,40}$/),
  z.union([
    z.number(),
    z
      .string()
      .max(2000)
      .refine((value) => !/url\s*\(|expression|javascript:|@import/i.test(value), 'Styles may not refer to anything.'),
  ]),
);
type Parsed = {
  type: (typeof ELEMENTS)[number];
  props: {
    style?: Record<string, string | number>;
    children?: Parsed[] | string;
    src?: string;
    width?: number;
    height?: number;
  };
};
const Element: z.ZodType<Parsed> = z.lazy(() =>
  z.strictObject({
    type: z.enum(ELEMENTS),
    props: z.strictObject({
      style: Style.optional(),
      children: z.union([z.string().max(MOST_TEXT), z.array(Element).max(100)]).optional(),
      src: z
        .string()
        .regex(/^asset:[0-9a-f]{64}$/)
        .optional(),
      width: z.number().positive().max(8192).optional(),
      height: z.number().positive().max(8192).optional(),
    }),
  }),
);
const Size = z.number().int().min(16).max(8192);
const Image = z
  .strictObject({
    root: Element,
    width: Size,
    height: Size,
    name: z.string().min(1).max(200),
    format: z.enum(['png', 'jpeg']).optional(),
  })
  .refine(({ width, height }) => width * height <= MOST_PIXELS, 'A picture may have 16 megapixels.');
const Measure = z.strictObject({
  text: z.string().max(MOST_TEXT),
  font: z.string().max(100),
  weight: z.number().min(100).max(900),
  size: z.number().min(1).max(2000),
  maxWidth: z.number().min(1).max(20_000),
  lineHeight: z.number().min(0.5).max(4),
});

type Inherited = { family: string; weight: number };
const DEFAULTS: Inherited = { family: 'Instrument Sans', weight: 400 };

/** The first family of a CSS list that we have. */
function familyOf(value: string | number | undefined, inherited: string): string {
  if (typeof value !== 'string') return inherited;
  const names = value.split(',').map((name) => name.trim().replace(/^["']|["']$/g, ''));
  return names.find((name) => (FONT_FAMILIES as readonly string[]).includes(name)) ?? DEFAULTS.family;
}
const WEIGHTS: Record<string, number> = { normal: 400, bold: 700 };

type Cover = { width: number; height: number; x: number; y: number };

/** Which part of its picture an image with `objectFit: 'cover'` shows, where it says so in percent. */
function coverOf({ props: { style = {}, width, height } }: Parsed): Cover | null {
  const match = /^(\d+(?:\.\d+)?)% (\d+(?:\.\d+)?)%$/.exec(String(style.objectPosition ?? ''));
  if (style.objectFit !== 'cover' || !match || !width || !height) return null;
  return { width, height, x: Math.min(100, Number(match[1])) / 100, y: Math.min(100, Number(match[2])) / 100 };
}

/**
 * The part that is shown, cut out by ffmpeg. resvg leaves out what of a picture lies beyond twice the size of the whole
 * drawing (2.6.2), so a wide still in an upright drawing must not be handed over whole.
 */
async function cutToCover(
  scope: StepScope,
  bytes: Buffer,
  header: PictureHeader,
  cover: Cover,
): Promise<{ bytes: Buffer; mime: string }> {
  const scale = Math.max(cover.width / header.width, cover.height / header.height);
  const width = Math.max(1, Math.min(header.width, Math.round(cover.width / scale)));
  const height = Math.max(1, Math.min(header.height, Math.round(cover.height / scale)));
  if (width === header.width && height === header.height) return { bytes, mime: header.mime };
  const [left, top] = [Math.round((header.width - width) * cover.x), Math.round((header.height - height) * cover.y)];
  await using folder = await scope.assets.jobFolder();
  const demuxer = { 'image/png': 'png_pipe', 'image/jpeg': 'jpeg_pipe', 'image/webp': 'webp_pipe' }[header.mime];
  await toJpeg(scope, folder.path, bytes, demuxer, ['-vf', `format=rgb24,crop=${width}:${height}:${left}:${top}`]);
  return { bytes: await readFile(path.join(folder.path, 'out.jpg')), mime: 'image/jpeg' };
}

/** Decodes a picture in the confined ffmpeg and leaves `out.jpg` in the folder. */
async function toJpeg(
  scope: StepScope,
  folder: string,
  bytes: Buffer,
  demuxer: string,
  filter: string[],
): Promise<void> {
  const tools = await findFfmpeg();
  await writeFile(path.join(folder, 'in.img'), bytes, { mode: 0o644 });
  const input = ['-protocol_whitelist', 'file,pipe', '-format_whitelist', demuxer, '-f', demuxer, '-i', 'file:in.img'];
  const output = [
    '-frames:v',
    '1',
    '-c:v',
    'mjpeg',
    '-pix_fmt',
    'yuvj444p',
    '-q:v',
    JPEG_QUALITY,
    '-f',
    'mjpeg',
    'out.jpg',
  ];
  const args = ['-nostdin', '-v', 'error', ...input, ...filter, ...output];
  await runConfined(tools.ffmpeg, { job: { folder }, args, signal: scope.signal });
}

/** Walks the tree: pictures become data, families become the names of the very fonts that draw each text. */
async function prepare(scope: StepScope, root: Parsed): Promise<{ root: unknown; faces: Face[] }> {
  const faces = new Map<string, Face>();
  const pictures = new Map<string, string>();
  let elements = 0;
  let letters = 0;

  async function picture(reference: string, cover: Cover | null): Promise<string> {
    const sha256 = reference.slice('asset:'.length);
    const key = JSON.stringify([sha256, cover]);
    const known = pictures.get(key);
    if (known) return known;
    const asset = await scope.assets.find(sha256);
    if (asset && asset.bytes > MOST_PICTURE_BYTES) throw tooLarge(`${Math.round(asset.bytes / 1024 ** 2)} MB`);
    const bytes = await readFile(await scope.assets.path(sha256));
    const header = readPictureHeader(bytes);
    if (!header) {
      throw new CapabilityError('RENDER_NOT_A_PICTURE', 'One of the pictures is neither PNG, JPEG nor WebP.', {
        hint: 'Save it as PNG or JPEG.',
      });
    }
    if (header.width * header.height > MOST_PIXELS) throw tooLarge(`${header.width} × ${header.height} pixels`);
    const cut = cover ? await cutToCover(scope, bytes, header, cover) : { bytes, mime: header.mime };
    const url = `data:${cut.mime};base64,${cut.bytes.toString('base64')}`;
    pictures.set(key, url);
    return url;
  }

  async function walk(element: Parsed, above: Inherited): Promise<unknown> {
    if (++elements > MOST_ELEMENTS)
      throw new CapabilityError('RENDER_TOO_LARGE', `A picture may have ${MOST_ELEMENTS} elements.`);
    const { style = {}, children, src, width, height } = element.props;
    const { fontFamily, fontWeight, ...others } = style;
    const weight =
      fontWeight === undefined ? above.weight : (WEIGHTS[String(fontWeight)] ?? Number(fontWeight)) || above.weight;
    const here = { family: familyOf(fontFamily, above.family), weight };
    const props: Record<string, unknown> = { ...(width ? { width } : {}), ...(height ? { height } : {}) };
    const drawn: Record<string, unknown> = { ...(element.type === 'img' ? {} : { display: 'flex' }), ...others };
    if (element.type === 'img') {
      if (!src) throw new CapabilityError('RENDER_NOT_A_PICTURE', 'An image element names no picture.');
      const cover = coverOf(element);
      props.src = await picture(src, cover);
      if (cover) {
        delete drawn.objectFit;
        delete drawn.objectPosition;
      }
    }
    if (typeof children === 'string') {
      letters += children.length;
      if (letters > MOST_TEXT)
        throw new CapabilityError('RENDER_TOO_LARGE', `A picture may have ${MOST_TEXT} characters.`);
      const missing = undrawable(children, here.family, here.weight);
      if (missing.length > 0) {
        throw new CapabilityError(
          'FONT_MISSING',
          `No font here can draw ${missing
            .slice(0, 5)
            .map((sign) => `“${sign}”`)
            .join(', ')}.`,
          {
            hint: 'Write the title in Latin, Greek, Cyrillic or Devanagari letters.',
          },
        );
      }
      const runs = runsOf(children, here.family, here.weight);
      for (const run of runs) faces.set(run.face.name, run.face);
      const named = (used: Face[]) => ({
        fontFamily: [...new Set(used.map((face) => `'${face.name}'`))].join(', '),
        fontWeight: 400,
      });
      // satori sets the space behind an emoji in the emoji's font, so such lines are drawn run by run
      if (runs.some((run) => run.face.family === 'Noto Emoji')) {
        Object.assign(drawn, { alignItems: 'baseline' });
        props.children = runs.map((run) => ({
          type: 'div',
          props: { style: { ...named([run.face]), whiteSpace: 'pre' }, children: run.text },
        }));
      } else {
        if (runs.length > 0) Object.assign(drawn, named(runs.map((run) => run.face)));
        props.children = drawable(children);
      }
    } else if (children) {
      const inner: unknown[] = [];
      for (const child of children) inner.push(await walk(child, here));
      props.children = inner;
    }
    return { type: element.type, props: { ...props, style: drawn } };
  }

  const walked = await walk(root, DEFAULTS);
  if (faces.size === 0) {
    const face = runsOf('a', DEFAULTS.family, DEFAULTS.weight)[0]!.face; // satori wants one font at least
    faces.set(face.name, face);
  }
  return { root: walked, faces: [...faces.values()] };
}

const tooLarge = (size: string) =>
  new CapabilityError('RENDER_TOO_LARGE', `One of the pictures is too large (${size}).`, {
    hint: 'Up to 16 megapixels and 16 MB are taken.',
  });

const version = (name: string) => {
  try {
    return (require(`${name}/package.json`) as { version: string }).version;
  } catch {
    return 'unknown';
  }
};

/** resvg's native part for this machine. */
function resvgAddon(): string {
  const report =
    process.platform === 'linux' ? (process.report.getReport() as { header?: { glibcVersionRuntime?: string } }) : null;
  const libc = report
    ? report.header?.glibcVersionRuntime
      ? '-gnu'
      : '-musl'
    : process.platform === 'win32'
      ? '-msvc'
      : '';
  const name = `resvgjs.${process.platform}-${process.arch}${libc}`;
  return require.resolve(`@resvg/resvg-js-${process.platform}-${process.arch}${libc}/${name}.node`);
}

export type RenderOptions = {
  /** A child that has had nothing to do for this long is ended. */
  restMs?: number;
};

export function renderCapability(options: RenderOptions = {}): Capability & AsyncDisposable {
  const restMs = options.restMs ?? REST_MS;
  type Child = { engine: Promise<Engine>; timer: NodeJS.Timeout | undefined; usedAt: number };
  /** One child a workspace: what one tenant drew is never in the memory that draws for another. */
  const children = new Map<string, Child>();

  function end(workspaceId: string): void {
    const child = children.get(workspaceId);
    children.delete(workspaceId);
    clearTimeout(child?.timer);
    child?.engine.then((engine) => engine.close()).catch(() => {});
  }

  async function childFor(workspaceId: string): Promise<Engine> {
    const known = children.get(workspaceId);
    if (known) {
      clearTimeout(known.timer);
      known.usedAt = Date.now();
      const engine = await known.engine.catch(() => undefined);
      if (engine?.isOpen) return engine;
      end(workspaceId);
    }
    while (children.size >= MOST_CHILDREN) end([...children].sort((a, b) => a[1].usedAt - b[1].usedAt)[0]![0]);
    const engine = startEngine({
      entry: new URL('./render-child.ts', import.meta.url),
      addon: resvgAddon(),
      memoryBytes: CHILD_BYTES,
      timeoutMs: TIMEOUT_MS,
    });
    children.set(workspaceId, { engine, timer: undefined, usedAt: Date.now() });
    engine.catch(() => end(workspaceId));
    return engine;
  }

  async function draw(scope: StepScope, input: z.output<typeof Image>): Promise<Asset> {
    const { root, faces } = await prepare(scope, input.root);
    const engine = await childFor(scope.workspaceId);
    let png: Buffer;
    try {
      const { width, height } = input;
      const fonts = faces.map((face) => ({ name: face.name, length: face.bytes.length }));
      const answer = await engine.request(
        { root, width, height, fonts },
        Buffer.concat(faces.map((face) => face.bytes)),
        scope.signal,
      );
      png = Buffer.from(answer.bytes);
    } finally {
      const child = children.get(scope.workspaceId);
      if (child) {
        clearTimeout(child.timer);
        child.timer = setTimeout(() => end(scope.workspaceId), restMs);
        child.timer.unref();
      }
    }
    const sources = [...JSON.stringify(input.root).matchAll(/asset:([0-9a-f]{64})/g)].map((match) => match[1]!);
    const facts = { kind: 'image' as const, width: input.width, height: input.height };
    if (input.format !== 'jpeg') {
      return scope.assets.putBytes(png, { ...facts, mime: 'image/png', name: `${input.name}.png` }, [
        ...new Set(sources),
      ]);
    }
    await using folder = await scope.assets.jobFolder();
    await toJpeg(scope, folder.path, png, 'png_pipe', []);
    return await scope.assets.putFile(
      path.join(folder.path, 'out.jpg'),
      { ...facts, mime: 'image/jpeg', name: `${input.name}.jpg` },
      [...new Set(sources)],
    );
  }

  const identity = async () => {
    const fonts = ['bricolage-grotesque', 'instrument-sans', 'noto-sans', 'noto-emoji'].map((name) =>
      version(`@fontsource/${name}`),
    );
    return `satori ${version('satori')}, resvg ${version('@resvg/resvg-js')}, fonts ${fonts.join(' ')}, ffmpeg ${(await findFfmpeg()).identity}, revision ${REVISION}`;
  };

  return {
    name: 'render',
    declared: (manifest) => manifest.capabilities.render === true,
    methods: {
      image: method({
        input: Image as unknown as z.ZodType<z.output<typeof Image>>,
        record: 'memo',
        engine: identity,
        act: draw,
      }),
      measure: method({
        input: Measure,
        record: 'pass',
        act: async (_scope, { text, font, weight, size, maxWidth, lineHeight }) => {
          const wrapped = wrapText(text, { family: font, weight, size }, maxWidth);
          const widths = wrapped.map((line) => widthOf(line, font, weight) * size);
          return {
            width: Math.max(0, ...widths),
            height: wrapped.length * size * lineHeight,
            lines: wrapped.length,
            wrapped,
            widths,
          };
        },
      }),
    },
    async [Symbol.asyncDispose]() {
      for (const workspaceId of [...children.keys()]) end(workspaceId);
    },
  };
}
