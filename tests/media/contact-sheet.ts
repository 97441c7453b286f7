/**
 * Draws docs/thumbnails.png: every template in its three sizes, and with a long title in other colours.
 *
 *   node tests/media/contact-sheet.ts
 */
import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { BrandKit, FrameCandidate } from '../../nodes/contract.ts';
import { type Metrics, measure } from '../../nodes/image/thumbnail/fit.ts';
import type { Content } from '../../nodes/image/thumbnail/page.ts';
import { compose, TEMPLATES } from '../../nodes/image/thumbnail/templates.ts';
import { numberOf } from '../../nodes/image/thumbnail.ts';
import { findFfmpeg } from '../../runtime/capabilities/media/ffmpeg.ts';
import { mediaCapability } from '../../runtime/capabilities/media/media.ts';
import { openTrial } from '../../runtime/capabilities/media/trial.ts';
import { renderCapability } from '../../runtime/capabilities/render/render.ts';
import { INTERVIEW } from './derived.ts';

const WIDE = { width: 1280, height: 720 };
const SQUARE = { width: 1080, height: 1080 };
const UPRIGHT = { width: 1080, height: 1920 };
type Brand = Content['brand'];
const brand = (name: string, colors: BrandKit['colors']): Brand => ({
  name,
  colors,
  fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
  logo: null,
});
const OTTO = brand('Otto Bikes', { primary: '#b8541a', light: '#ffb480', ink: '#1d1a16', paper: '#f4ebe2' });
const SUNNY = brand('Sunny Side', { primary: '#ffd23f', light: '#fff3c4', ink: '#24180a', paper: '#fffaf0' });
const HARBOUR = brand('Harbour Coffee', { primary: '#1f6f6b', light: '#8fd0c8', ink: '#0d1f1e', paper: '#ffffff' });

await using trial = await openTrial();
await using render = renderCapability();
const recording = await trial.add(INTERVIEW);
const stills: FrameCandidate[] = [];
for (const [start, end] of [
  [0, 2.4],
  [4.7, 8.2],
  [10.6, 12],
] as const) {
  stills.push(
    ...(await trial.call<FrameCandidate[]>(mediaCapability(), 'frames', { asset: recording, start, end, count: 1 })),
  );
}

const metrics = (texts: string[], font: string, weight: number): Promise<Metrics> =>
  measure({ measure: (asked) => trial.call(render, 'measure', asked) }, texts, font, weight);

const LONG = 'Vierzehn Dinge über große Straßen 🚲';
const rows: string[][] = [];
for (const [index, template] of TEMPLATES.entries()) {
  const row: string[] = [];
  for (const [place, [size, kit, title]] of (
    [
      [WIDE, OTTO, 'Ask what you can do'],
      [SQUARE, HARBOUR, 'The robot on the line'],
      [UPRIGHT, OTTO, 'Try a call, really'],
      [WIDE, SUNNY, LONG],
    ] as const
  ).entries()) {
    const shown = stills[(index + place) % stills.length]!;
    const number =
      template === 'number' && place === 0 ? numberOf('10 seconds that still open a talk', 10) : numberOf(title, 16);
    const quote = place === 0 ? 'Ask not what your country can do for you.' : title;
    const name = place === 0 ? 'John F. Kennedy' : kit.name;
    const drawing = compose(template, size, {
      title,
      quote,
      name,
      time: '0:59',
      number,
      still: { asset: shown.asset.asset, width: shown.asset.width!, height: shown.asset.height!, faces: shown.faces },
      brand: kit,
      display: await metrics(
        [title, quote, number.value, number.counts, kit.name[0]!],
        kit.fonts.display,
        template === 'quote' ? 600 : 700,
      ),
      text: await metrics([name], kit.fonts.text, 600),
    });
    const { asset } = await trial.call<{ asset: string }>(render, 'image', {
      root: drawing.root,
      ...size,
      name: template,
    });
    const file = path.join(trial.folder, `${template}-${place}.png`);
    await copyFile(await trial.assets.path(asset), file);
    row.push(file);
  }
  rows.push(row);
}

const { ffmpeg } = await findFfmpeg();
const inputs = rows.flat().flatMap((file) => ['-i', file]);
const columns = rows[0]!.length;
const filters = rows.flatMap((row, index) => {
  const scaled = row.map(
    (_, place) => `[${index * columns + place}]scale=-2:256,pad=iw+12:ih+12:6:6:white[c${index * columns + place}]`,
  );
  return [...scaled, `${row.map((_, place) => `[c${index * columns + place}]`).join('')}hstack=${columns}[r${index}]`];
});
const sheet = `${filters.join(';')};${rows.map((_, index) => `[r${index}]`).join('')}vstack=${rows.length}`;
const target = path.join(import.meta.dirname, '../../docs/thumbnails.png');
await promisify(execFile)(ffmpeg, [
  '-nostdin',
  '-v',
  'error',
  '-y',
  ...inputs,
  '-filter_complex',
  sheet,
  '-frames:v',
  '1',
  '-pred',
  'mixed',
  target,
]);
