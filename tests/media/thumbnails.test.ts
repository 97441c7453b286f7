/**
 * Draws every thumbnail template with 3 kits and 4 titles, in all sizes, and looks at the pixels: each text is there,
 * stays inside its box and the picture, reads at 4.5:1 or better against what really lies behind it, and covers no face.
 *
 * What lies behind is known by drawing each picture twice, once with its text left invisible.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BrandKit, FrameCandidate, RenderNode } from '../../nodes/contract.ts';
import { type Metrics, measure } from '../../nodes/image/thumbnail/fit.ts';
import type { Content, Drawing, Still } from '../../nodes/image/thumbnail/page.ts';
import { compose, TEMPLATES, type Template } from '../../nodes/image/thumbnail/templates.ts';
import { numberOf } from '../../nodes/image/thumbnail.ts';
import { mediaCapability } from '../../runtime/capabilities/media/media.ts';
import { openTrial, type Trial } from '../../runtime/capabilities/media/trial.ts';
import { renderCapability } from '../../runtime/capabilities/render/render.ts';
import { luminanceAt, type Pixels, readPng } from './png.ts';

/** Half of what the node draws: templates scale as a whole, and a quarter of the pixels is drawn and read. */
const SIZES = [
  { width: 640, height: 360 },
  { width: 540, height: 540 },
  { width: 540, height: 960 },
];
const kit = (name: string, colors: BrandKit['colors'], fonts: BrandKit['fonts']): Content['brand'] => ({
  name,
  colors,
  fonts,
  logo: null,
});
const KITS = [
  kit(
    'Otto Bikes',
    { primary: '#b8541a', light: '#ffb480', ink: '#1d1a16', paper: '#f4ebe2' },
    { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
  ),
  // a colour that white cannot stand on, and a dark paper
  kit(
    'Sunny Side',
    { primary: '#ffd23f', light: '#fff3c4', ink: '#24180a', paper: '#22303c' },
    { display: 'Instrument Sans', text: 'Instrument Sans' },
  ),
  // a middle tone, and a light tone that is hardly light
  kit(
    'Harbour Coffee',
    { primary: '#1f6f6b', light: '#3d8f8a', ink: '#0d1f1e', paper: '#ffffff' },
    { display: 'Bricolage Grotesque', text: 'Noto Sans' },
  ),
];
const TITLES = [
  'Try it 2',
  'What 3 riders learned in the first week.',
  'Fourteen things nobody tells you about running a small workshop in a very crowded old town',
  'Große Straße, 5 Räder 🚲 und Spaß 😀',
];
const NAMES = ['John F. Kennedy', 'Otto', 'Magdalena Wiśniewska-Großmann', 'Ünal Çelik'];

let trial: Trial;
const render = renderCapability();
let still: Still;

beforeAll(async () => {
  trial = await openTrial();
  const recording = await trial.add(path.join(import.meta.dirname, '../fixtures/interview.mp4'));
  const [best] = await trial.call<FrameCandidate[]>(mediaCapability(), 'frames', {
    asset: recording,
    start: 0,
    end: 6,
    count: 1,
  });
  still = { asset: best!.asset.asset, width: best!.asset.width!, height: best!.asset.height!, faces: best!.faces };
});
afterAll(async () => {
  await render[Symbol.asyncDispose]();
  await trial[Symbol.asyncDispose]();
});

const metrics = (texts: string[], font: string, weight: number): Promise<Metrics> =>
  measure({ measure: (asked) => trial.call(render, 'measure', asked) }, texts, font, weight);

async function draw(
  root: RenderNode,
  size: { width: number; height: number },
): Promise<{ file: Buffer; pixels: Pixels }> {
  const { asset } = await trial.call<{ asset: string }>(render, 'image', {
    root,
    ...size,
    name: 'thumbnail',
    format: 'png',
  });
  const file = await readFile(await trial.assets.path(asset));
  return { file, pixels: readPng(file) };
}

/** The same picture, its letters invisible. */
function withoutText(element: RenderNode): RenderNode {
  const { children, style } = element.props;
  if (typeof children === 'string')
    return { ...element, props: { ...element.props, style: { ...style, color: 'transparent' } } };
  return children ? { ...element, props: { ...element.props, children: children.map(withoutText) } } : element;
}

/** Everything that is wrong with a drawing, in words. */
function faults(drawing: Drawing, shown: Pixels, bare: Pixels): string[] {
  const { width, height } = shown;
  const wrong: string[] = [];
  const ink = new Uint8Array(width * height);
  for (let at = 0; at < ink.length; at++) {
    const change = [0, 1, 2].reduce(
      (sum, part) => sum + Math.abs(shown.data[at * 4 + part]! - bare.data[at * 4 + part]!),
      0,
    );
    ink[at] = change > 24 ? 1 : 0;
  }
  for (const box of drawing.boxes) {
    const [left, top] = [Math.floor(box.x), Math.floor(box.y)];
    const [right, bottom] = [Math.ceil(box.x + box.width), Math.ceil(box.y + box.height)];
    if (left < 0 || top < 0 || right > width || bottom > height) wrong.push(`“${box.text}” leaves the picture`);
    let letters = 0;
    let poor = 0;
    let core = 0;
    const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(box.colour.slice(at, at + 2), 16)) as [
      number,
      number,
      number,
    ];
    for (let y = Math.max(0, top); y < Math.min(height, bottom); y++) {
      for (let x = Math.max(0, left); x < Math.min(width, right); x++) {
        const at = y * width + x;
        if (!ink[at]) continue;
        letters++;
        const isCore =
          Math.abs(shown.data[at * 4]! - red) +
            Math.abs(shown.data[at * 4 + 1]! - green) +
            Math.abs(shown.data[at * 4 + 2]! - blue) <
          12;
        if (!isCore) continue;
        core++;
        const [text, ground] = [luminanceAt(shown, x, y), luminanceAt(bare, x, y)];
        if ((Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05) < 4.5) poor++;
      }
    }
    const wanted = [...box.text.replace(/\s/gu, '')].length;
    if (letters < wanted * 6 || core === 0) wrong.push(`“${box.text}” is hardly there (${letters} pixels)`);
    if (poor > core * 0.005)
      wrong.push(`“${box.text}” reads below 4.5:1 on ${((poor / core) * 100).toFixed(1)} % of its pixels`);
  }
  // ink outside every box
  let stray = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!ink[y * width + x]) continue;
      const inside = drawing.boxes.some(
        (box) => x >= box.x - 2 && x <= box.x + box.width + 2 && y >= box.y - 2 && y <= box.y + box.height + 2,
      );
      if (!inside) stray++;
    }
  }
  if (stray > 0) wrong.push(`${stray} pixels of text lie outside their boxes`);
  const face = drawing.faces[0];
  if (face) {
    // eyes to mouth: the middle of the face
    const features = {
      x: face.x + face.width * 0.15,
      y: face.y + face.height * 0.3,
      width: face.width * 0.7,
      height: face.height * 0.6,
    };
    for (let y = Math.floor(features.y); y < features.y + features.height; y++) {
      for (let x = Math.floor(features.x); x < features.x + features.width; x++) {
        if (x >= 0 && y >= 0 && x < width && y < height && ink[y * width + x])
          return [...wrong, 'text covers the face'];
      }
    }
  }
  return wrong;
}

async function contentOf(
  template: Template,
  brand: Content['brand'],
  title: string,
  name: string,
  picture: Still | null,
): Promise<Content> {
  const number = numberOf(title, 42);
  return {
    title,
    quote: title,
    name,
    time: '1:02:59',
    number,
    still: picture,
    brand,
    display: await metrics(
      [title, number.value, number.counts, brand.name[0]!],
      brand.fonts.display,
      template === 'quote' ? 600 : 700,
    ),
    text: await metrics([name], brand.fonts.text, 600),
  };
}

const SHEET = process.env.THUMBNAIL_SHEET;

describe.each(TEMPLATES)('%s', (template) => {
  test.each(KITS.map((brand, index) => [brand.name, brand, index] as const))(
    'is whole and readable for %s',
    async (_, brand, index) => {
      for (const [place, title] of TITLES.entries()) {
        // every size meets every title and, over the kits, every template
        const size = SIZES[(index + place) % SIZES.length]!;
        const drawing = compose(template, size, await contentOf(template, brand, title, NAMES[place]!, still));
        const [{ file, pixels }, bare] = [await draw(drawing.root, size), await draw(withoutText(drawing.root), size)];
        if (SHEET) {
          await mkdir(SHEET, { recursive: true });
          await writeFile(path.join(SHEET, `${template}-${index}-${place}.png`), file);
        }
        expect(faults(drawing, pixels, bare.pixels), `${title} at ${size.width} × ${size.height}`).toEqual([]);
      }
    },
  );

  test('stands without a still, for sound alone', async () => {
    const size = SIZES[0]!;
    const drawing = compose(template, size, await contentOf(template, KITS[1]!, TITLES[1]!, 'Otto', null));
    const [shown, bare] = [await draw(drawing.root, size), await draw(withoutText(drawing.root), size)];
    expect(faults(drawing, shown.pixels, bare.pixels)).toEqual([]);
  });
});

test('the check itself finds text that runs out, pale text and text on a face', async () => {
  const size = SIZES[0]!;
  const content = await contentOf('corner', KITS[0]!, TITLES[0]!, 'Otto', still);
  const good = compose('corner', size, content);
  const bare = await draw(withoutText(good.root), size);
  const shown = await draw(good.root, size);
  const cut = { ...good, boxes: good.boxes.map((box) => ({ ...box, width: box.width / 3 })) };
  expect(faults(cut, shown.pixels, bare.pixels).join()).toMatch(/outside/);
  const onFace = { ...good, faces: [{ x: good.boxes[0]!.x, y: good.boxes[0]!.y, width: 200, height: 100 }] };
  expect(faults(onFace, shown.pixels, bare.pixels).join()).toMatch(/face/);
  expect(faults(good, bare.pixels, bare.pixels).join()).toMatch(/hardly there/);
  const pale = JSON.parse(JSON.stringify(good.root).replaceAll('"color":"#ffffff"', '"color":"#777777"')) as RenderNode;
  const paleDrawing = { ...good, boxes: good.boxes.map((box) => ({ ...box, colour: '#777777' })) };
  expect(faults(paleDrawing, (await draw(pale, size)).pixels, bare.pixels).join()).toMatch(/below 4.5:1/);
});
