/**
 * The main job, from outside: an empty data folder, one command, a published page; then the same recording by the command
 * line. What came out is judged by ffmpeg and by reading the files, not by what the product says of itself.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import ffmpeg from '@ffmpeg-installer/ffmpeg';
import ffprobe from '@ffprobe-installer/ffprobe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ran, spliceboard } from '../support/command.ts';
import { type Product, startProduct } from '../support/product.ts';

const execute = promisify(execFile);
const SAMPLE = path.resolve(import.meta.dirname, '../../templates/sample/talk.mp4');
const RUN_MS = 420_000;
const out = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-out-'));

type Step = {
  node: string;
  type: string;
  path: number[];
  state: string;
  reason: string | null;
  outputs: Record<string, unknown>;
};
type Clip = { video: { asset: string }; words: unknown[] };

let product: Product;
let page: string;
let ran: Ran;
let steps: Step[];
let files: string[];

beforeAll(async () => {
  product = await startProduct();
  page = (await product.said(/The sample is published: (\S+)/, RUN_MS))[1]!;
  ran = await spliceboard(
    product.data,
    ...['run', 'Podcast to shorts', '--input', `recording=@${SAMPLE}`, '--wait', '--json', '--out', out],
  );
  ({ steps, files } = ran.json() as { steps: Step[]; files: string[] });
}, RUN_MS + 120_000);
afterAll(async () => {
  await product?.[Symbol.asyncDispose]();
  rmSync(out, { recursive: true, force: true });
});

const outputsOf = <T>(type: string, port: string): T[] =>
  steps.filter((step) => step.type === type).map((step) => step.outputs[port] as T);

/** Integrated loudness by EBU R128, LUFS. */
async function loudness(file: string): Promise<number> {
  const { stderr } = await execute(ffmpeg.path, [
    '-nostats',
    '-i',
    file,
    '-map',
    '0:a',
    '-af',
    'ebur128',
    '-f',
    'null',
    '-',
  ]);
  return Number(stderr.slice(stderr.lastIndexOf('Summary:')).match(/I:\s+(-?[\d.]+) LUFS/)![1]);
}

type Stream = { codec_type: string; codec_name: string; width?: number; height?: number };
async function streams(file: string): Promise<Stream[]> {
  const { stdout } = await execute(ffprobe.path, ['-v', 'error', '-show_streams', '-of', 'json', file]);
  return (JSON.parse(stdout) as { streams: Stream[] }).streams;
}

/** Cues of SRT or WebVTT in seconds, read by the formats' own rules. */
function cues(text: string): { start: number; end: number; text: string }[] {
  const clock = (time: string) =>
    time
      .replace(',', '.')
      .split(':')
      .reduce((sum, part) => sum * 60 + Number(part), 0);
  return text
    .replace(/^WEBVTT.*\n+/, '')
    .trim()
    .split(/\n{2,}/)
    .map((block) => {
      const lines = block.split('\n');
      const at = lines.findIndex((line) => line.includes('-->'));
      const [start, end] = lines[at]!.split('-->').map((part) => clock(part.trim().split(' ')[0]!));
      return { start: start!, end: end!, text: lines.slice(at + 1).join('\n') };
    });
}

describe('the first start', () => {
  test('tells on the terminal what is going on, node by node', () => {
    const said = product.output();
    for (const name of ['Transcribe', 'Chunk', 'Clip', 'Captions', 'Thumbnail'])
      expect(said).toMatch(new RegExp(`^${name}.*: (done|reused)`, 'm'));
  });

  test('publishes a page that strangers can open, with players, captions and a picture for links', async () => {
    const reply = await fetch(page);
    expect(reply.status).toBe(200);
    const html = await reply.text();
    expect(html.match(/<video/g)?.length).toBeGreaterThanOrEqual(3);
    expect(html).toMatch(/<track[^>]+kind="?captions/);
    expect(html).toMatch(/property="og:image"/);
    const source = html.match(/<(?:source|video)[^>]+src="([^"]+)"/)![1]!;
    const media = await fetch(new URL(source, page), { headers: { range: 'bytes=0-99' } });
    expect(media.status).toBe(206);
    expect((await media.arrayBuffer()).byteLength).toBe(100);
  });
});

describe('the same recording by the command line', () => {
  test('ends well, and says what was reused', () => {
    expect(ran.err).toMatch(/talk\.transcript\.json goes along with it/);
    expect(ran.code).toBe(0);
    const reused = steps.filter((step) => step.state === 'reused');
    expect(new Set(reused.map((step) => step.type))).toEqual(
      new Set(steps.map((step) => step.type).filter((type) => type !== 'media.ingest' && type !== 'publish.showcase')),
    );
    for (const step of reused) expect(step.reason).toMatch(/run \d+/);
  });

  test('gives a transcript with words and speakers', () => {
    const [transcript] = outputsOf<{ words: unknown[]; speakers: unknown[] }>('speech.transcribe', 'transcript');
    expect(transcript!.words.length).toBeGreaterThan(100);
    const speakers = outputsOf<{ speakers: unknown[] }>('speech.diarize', 'transcript')[0] ?? transcript!;
    expect(speakers.speakers.length).toBeGreaterThanOrEqual(2);
  });

  test('gives at least three vertical clips with sound at −14 ±0.5 LUFS', async () => {
    const clips = outputsOf<Clip>('video.clip', 'clip');
    expect(clips.length).toBeGreaterThanOrEqual(3);
    const saved = files.filter((file) => file.endsWith('.mp4'));
    expect(saved.length).toBeGreaterThanOrEqual(clips.length);
    for (const file of saved.filter((each) => path.basename(each).startsWith('clip'))) {
      const found = await streams(file);
      expect(found.find((stream) => stream.codec_type === 'video')).toMatchObject({
        codec_name: 'h264',
        width: 1080,
        height: 1920,
      });
      expect(found.find((stream) => stream.codec_type === 'audio')).toMatchObject({ codec_name: 'aac' });
      const measured = await loudness(file);
      expect(measured, file).toBeGreaterThanOrEqual(-14.5);
      expect(measured, file).toBeLessThanOrEqual(-13.5);
    }
  });

  test('gives captions files that parse: cues in order, with text, inside their clip', () => {
    const written = files.filter((file) => /\.(srt|vtt)$/.test(file));
    expect(written.length).toBeGreaterThanOrEqual(6);
    for (const file of written) {
      const found = cues(readFileSync(file, 'utf8'));
      expect(found.length, file).toBeGreaterThan(0);
      let last = 0;
      for (const cue of found) {
        expect(cue.start).toBeGreaterThanOrEqual(last);
        expect(cue.end).toBeGreaterThan(cue.start);
        expect(cue.text.trim()).not.toBe('');
        last = cue.start;
      }
    }
  });

  test('gives thumbnails that are pictures', async () => {
    const pictures = files.filter((file) => /thumbnail.*\.(png|jpg|webp)$/.test(path.basename(file)));
    expect(pictures.length).toBeGreaterThanOrEqual(3);
    for (const file of pictures) expect((await streams(file))[0]!.width).toBeGreaterThanOrEqual(720);
  });

  test('publishes to the same page again', () => {
    const [post] = outputsOf<{ url: string }>('publish.showcase', 'post');
    expect(post!.url).toBe(page);
  });
});
