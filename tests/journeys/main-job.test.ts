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
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connect } from '../../scripts/client.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
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
let published: string;
let ran: Ran;
let steps: Step[];
let files: string[];

beforeAll(async () => {
  product = await startProduct();
  const [said, address] = await product.said(
    /The sample (?:is published: (\S+)|run ended .*|could not be made.*)/,
    RUN_MS,
  );
  if (!address) throw new Error(`${said}\n${product.output()}`);
  published = address;
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
    const reply = await fetch(published);
    expect(reply.status).toBe(200);
    const html = await reply.text();
    expect(html.match(/<video/g)?.length).toBeGreaterThanOrEqual(3);
    expect(html).toMatch(/<track[^>]+kind="?captions/);
    expect(html).toMatch(/property="og:image"/);
    const source = html.match(/<(?:source|video)[^>]+src="([^"]+)"/)![1]!;
    const media = await fetch(new URL(source, published), { headers: { range: 'bytes=0-99' } });
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
    expect(post!.url).toBe(published);
  });
});

describe('by hand, in a browser', () => {
  let browser: TestBrowser;
  let page: Page;
  let client: Client;
  const node = (name: string) => page.getByRole('article', { name: new RegExp(`^${name}, `) });
  const inspector = () => page.getByRole('complementary', { name: 'Inspector' });
  /** Kept in docs/ when asked for: SPLICEBOARD_SCREENSHOTS=1 npm test -- tests/journeys */
  const keep = async (name: string) => {
    if (!process.env.SPLICEBOARD_SCREENSHOTS) return;
    await page.waitForFunction(() => [...document.querySelectorAll('video')].every((video) => video.readyState >= 2));
    await page.screenshot({ path: `docs/screenshots/${name}.png` });
  };
  const select = (name: string) => node(name).locator('header').first().click();
  const plays = (scope: Page | ReturnType<typeof inspector>) =>
    expect.poll(
      () =>
        scope
          .locator('video')
          .first()
          .evaluate((video: HTMLVideoElement) => video.currentTime),
      { timeout: 20_000 },
    );
  const lastRun = async () => {
    const { items } = await client.api.runs.list.query({ workspaceId: client.workspaceId });
    return client.api.runs.get.query({ workspaceId: client.workspaceId, runId: items[0]!.id });
  };

  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.newPage();
    client = await connect({ data: product.data });
  });
  afterAll(async () => {
    expect(browser?.errors()).toEqual([]);
    await browser?.close();
  });

  test('the owner link leads to the gallery, and the sample to the canvas on which it was made', async () => {
    await page.goto(product.ownerLink);
    await page.getByRole('link', { name: 'Gallery' }).click();
    await page.getByRole('heading', { name: /One recording/ }).waitFor();
    await keep('gallery');
    await page.getByRole('button', { name: 'See how it was made' }).click();
    await node('Clip').waitFor();
    for (const name of ['Transcribe', 'Chunk', 'Clip', 'Captions', 'Thumbnail', 'Showcase']) {
      await expect.poll(() => node(name).getAttribute('aria-label')).toMatch(/Done|Reused/);
    }
    await keep('canvas');
  });

  test('Run makes it again from what is there, live on the nodes', async () => {
    const before = (await lastRun()).number;
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page
      .getByRole('region', { name: `Run ${before + 1}` })
      .getByRole('link', { name: 'Results' })
      .waitFor({ timeout: 120_000 });
    await expect.poll(() => node('Clip').getAttribute('aria-label')).toMatch(/Reused/);
    expect(await lastRun()).toMatchObject({ number: before + 1, state: 'succeeded' });
  });

  test('a clip plays in its preview', async () => {
    await select('Clip');
    await inspector().getByRole('button', { name: 'Play', exact: true }).first().click();
    await plays(inspector()).toBeGreaterThan(0.5);
    await keep('clip');
  });

  test(
    'a corrected word makes again what follows it, and nothing before it',
    async () => {
      const before = await lastRun();
      await select('Diarize');
      await inspector().getByRole('button', { name: 'Americans,', exact: true }).first().dblclick();
      const word = page.getByRole('textbox', { name: /^Correct Americans,/ });
      await word.fill('Bostonians,');
      await word.press('Enter');
      await keep('correct');
      await inspector().getByRole('button', { name: 'Save correction' }).click();
      await expect.poll(async () => (await lastRun()).state, { timeout: 20_000 }).toBe('running');
      await expect.poll(async () => (await lastRun()).state, { timeout: RUN_MS, interval: 1000 }).toBe('succeeded');
      const after = await lastRun();
      expect(after.id).toBe(before.id);
      const stepsOf = async (nodeId: string) =>
        (await client.api.runs.steps.query({ workspaceId: client.workspaceId, runId: after.id, nodeId })).items;
      const byType = (type: string) => after.graph.nodes.find((each) => each.type === type)!.id;
      for (const type of ['media.ingest', 'sound.clean', 'speech.transcribe']) {
        const ended = (view: typeof before) => view.nodes.find((each) => each.nodeId === byType(type));
        expect(ended(after)).toEqual(ended(before));
      }
      expect((await stepsOf(byType('speech.diarize')))[0]).toMatchObject({ overridden: true });
      const clips = await Promise.all(
        (await stepsOf(byType('video.clip'))).map(
          async ({ path: at }) =>
            (
              await client.api.runs.value.query({
                workspaceId: client.workspaceId,
                runId: after.id,
                nodeId: byType('video.clip'),
                path: at,
                port: 'clip',
              })
            ).value as unknown as { words: { text: string }[] },
        ),
      );
      const spoken = clips.flatMap((clip) => clip.words.map((each) => each.text));
      expect(spoken).toContain('Bostonians,');
      expect(spoken).not.toContain('Americans,');
    },
    RUN_MS,
  );

  test('the published page plays for somebody who is not signed in, with captions', async () => {
    const stranger = await browser.newPage();
    await stranger.goto(published);
    const video = stranger.locator('video').first();
    await video.scrollIntoViewIfNeeded();
    await video.evaluate((element: HTMLVideoElement) => {
      element.muted = true;
      return element.play();
    });
    await plays(stranger).toBeGreaterThan(0.5);
    expect(await video.locator('track').count()).toBeGreaterThan(0);
    if (process.env.SPLICEBOARD_SCREENSHOTS) await stranger.screenshot({ path: 'docs/screenshots/showcase.png' });
    await stranger.context().close();
  });
});
