/** Public pages in a real browser and as feed readers see them. */
import { copyFileSync, mkdtempSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import axe from 'axe-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBrand } from '../../db/brands.ts';
import { publishPage, setPageState } from '../../db/showcase.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import type { Asset, Clip, Transcript } from '../../nodes/contract.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { TEST_KIT } from '../support/database.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const SAMPLE = path.resolve(import.meta.dirname, '../../templates/sample');
const HOSTILE = `</title><script>window.broken = 1</script>" onerror="window.broken = 1`;

let server: TestServer;
let browser: TestBrowser;
let workspaceId: string;
let brandId: string;
let recording: Asset;
const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(server.services.db, workspaceId, work);

beforeAll(async () => {
  server = await startTestServer();
  ({ workspaceId } = await server.database.workspace('Showcase'));
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'spliceboard-page-')), 'talk.mp4');
  copyFileSync(path.join(SAMPLE, 'talk.mp4'), file);
  const facts = {
    kind: 'video',
    mime: 'video/mp4',
    width: 1280,
    height: 720,
    duration: 147.7,
    hasSound: true,
  } as const;
  recording = await server.services.storeFor(workspaceId).putFile(file, facts);
  ({ id: brandId } = await inside((tx) => createBrand(tx, { name: 'Otto Bikes', kit: TEST_KIT, timeZone: 'UTC' })));
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

function transcript(): Transcript {
  const { words } = JSON.parse(readFileSync(path.join(SAMPLE, 'talk.transcript.json'), 'utf8')) as Transcript;
  return {
    language: 'en',
    duration: 147.7,
    words,
    speakers: [...new Set(words.map((word) => word.speaker!))].map((id) => ({ id, name: id })),
    turns: [],
    speech: [],
    engine: { id: 'attached', label: 'Attached' },
  };
}
function clip(title: string, start: number, end: number): Clip {
  const segment = { id: title, title, start, end, summary: '', score: 0.5, why: '', quotes: [], topics: [] };
  const video = { ...recording, kind: 'video' as const, duration: end - start };
  return {
    id: title,
    video,
    segment,
    language: 'en',
    words: [],
    speakers: [],
    aspect: '9:16',
    captions: 'marker',
    framing: '',
  };
}
function publish(
  key: string,
  content: { title: string; summary?: string; clips?: { clip: Clip }[]; transcript?: Transcript },
) {
  return inside((tx) =>
    publishPage(tx, {
      brandId,
      key,
      slug: `page-${key}`,
      visibility: 'public',
      title: content.title.slice(0, 300),
      content: { summary: '', clips: [], recording, ...content },
      assets: [recording.asset],
    }),
  );
}
const address = (key: string) => `${server.url}/b/otto-bikes/page-${key}`;

test('the player plays, a line of the transcript seeks, find counts and a clip opens in place', async () => {
  await publish('whole', {
    title: 'Ask what you can do',
    transcript: transcript(),
    clips: [{ clip: clip('Ask what', 12, 22) }, { clip: clip('Try a call', 60, 87) }],
  });
  const page = await browser.newPage();
  await page.goto(address('whole'));
  const video = page.locator('[data-player] video');
  await page.getByRole('button', { name: 'Play', exact: true }).click();
  await expect.poll(() => video.evaluate((element: HTMLVideoElement) => element.currentTime)).toBeGreaterThan(0.3);
  await page.locator('.ln').nth(3).click();
  const start = Number(await page.locator('.ln').nth(3).getAttribute('data-start'));
  await expect
    .poll(() => video.evaluate((element: HTMLVideoElement) => element.currentTime))
    .toBeGreaterThanOrEqual(start);
  await expect
    .poll(() => page.locator('.ln.on').getAttribute('data-start'))
    .toBe(await page.locator('.ln').nth(3).getAttribute('data-start'));
  await expect.poll(() => page.locator('.cap').textContent()).not.toBe('');
  await page.getByRole('button', { name: 'Pause' }).click();

  await page.getByRole('searchbox', { name: 'Find in the transcript' }).fill('asterisk');
  const marks = await page.locator('mark').count();
  expect(marks).toBeGreaterThan(2);
  await expect.poll(() => page.locator('[data-found]').textContent()).toBe(`1 of ${marks}`);
  await page.keyboard.press('Enter');
  await expect.poll(() => page.locator('[data-found]').textContent()).toBe(`2 of ${marks}`);

  await page.getByRole('link', { name: /Try a call/ }).click();
  await expect.poll(() => page.getByRole('dialog', { name: 'Try a call' }).locator('video').count()).toBe(1);
  await page.keyboard.press('Escape');
  await expect.poll(() => page.locator('dialog video').count()).toBe(0);
  expect(browser.errors()).toEqual([]);
});

test('light, dark and 390 px wide: no accessibility faults and nothing beyond the edge', async () => {
  await publish('seen', { title: 'Seen', transcript: transcript(), clips: [{ clip: clip('One', 12, 22) }] });
  for (const options of [
    { colorScheme: 'light' as const },
    { colorScheme: 'dark' as const, viewport: { width: 390, height: 844 } },
  ]) {
    const page = await browser.newPage(options);
    for (const path of [address('seen'), `${server.url}/b/otto-bikes`]) {
      await page.goto(path);
      await page.evaluate(axe.source);
      const found = await page.evaluate(async () => {
        const { violations } = await (window as unknown as { axe: typeof axe }).axe.run();
        return violations.map(({ id, nodes }) => [id, nodes[0]?.html]);
      });
      expect(found).toEqual([]);
      const wider = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect([path, wider]).toEqual([path, 0]);
    }
    await page.context().close();
  }
});

test('what people typed stays text on the page, in its links and in the feed', async () => {
  const words = [{ text: HOSTILE, start: 0, end: 1, speaker: 'a' }];
  await publish('hostile', {
    title: HOSTILE,
    summary: HOSTILE,
    transcript: { ...transcript(), words, speakers: [{ id: 'a', name: HOSTILE }] },
    clips: [{ clip: clip(HOSTILE.slice(0, 200), 12, 22) }],
  });
  const page = await browser.newPage();
  for (const path of [address('hostile'), `${server.url}/b/otto-bikes`]) {
    const reply = await page.goto(path);
    expect(reply!.headers()['content-security-policy']).toMatch(/default-src 'none'; script-src 'self';/);
    expect(await page.evaluate(() => (window as { broken?: number }).broken)).toBeUndefined();
    expect(await page.locator('h1, h2, figcaption').allInnerTexts()).toContainEqual(
      expect.stringContaining('</title><script>'),
    );
  }
  const feed = await (await fetch(`${server.url}/b/otto-bikes/feed.xml`)).text();
  const titles = await page.evaluate((xml) => {
    const parsed = new DOMParser().parseFromString(xml, 'text/xml');
    return [
      parsed.querySelectorAll('parsererror').length,
      ...[...parsed.querySelectorAll('item > title')].map((each) => each.textContent),
    ];
  }, feed);
  expect(titles[0]).toBe(0);
  expect(titles).toContain(HOSTILE);
  await page.goto(address('hostile'));
  const track = await page.locator('track').getAttribute('src');
  const captions = await (await fetch(new URL(track!, server.url))).text();
  expect(captions).toMatch(/^WEBVTT/);
  expect(captions).not.toContain('<script>');
});

test('a feed reader gets enclosures that can be fetched in parts, and learns when nothing changed', async () => {
  const { id } = await publish('feed', { title: 'In the feed' });
  const reply = await fetch(`${server.url}/b/otto-bikes/feed.xml`);
  const feed = await reply.text();
  const enclosure = new RegExp(`<enclosure url="([^"]+${id}/recording.mp4)" length="(\\d+)" type="video/mp4"/>`).exec(
    feed,
  )!;
  expect(Number(enclosure[2])).toBe(recording.bytes);
  const part = await fetch(enclosure[1]!, { headers: { range: 'bytes=0-99' } });
  expect([part.status, part.headers.get('content-range'), (await part.arrayBuffer()).byteLength]).toEqual([
    206,
    `bytes 0-99/${recording.bytes}`,
    100,
  ]);
  expect(part.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
  const again = await fetch(`${server.url}/b/otto-bikes/feed.xml`, {
    headers: { 'if-none-match': reply.headers.get('etag')! },
  });
  expect(again.status).toBe(304);
});

test('a page carries what links to it are drawn with', async () => {
  const { id } = await publish('card', { title: 'A card' });
  const page = await (await fetch(address('card'))).text();
  for (const tag of [
    `<link rel="canonical" href="${address('card')}">`,
    '<meta property="og:title" content="A card">',
    `<meta property="og:video" content="${server.url}/b/media/${id}/recording.mp4">`,
  ])
    expect(page).toContain(tag);
});

test('publishing the same again is one page at one address; taken back it answers 410, and comes back where it was', async () => {
  const first = await publish('twice', { title: 'Once' });
  const second = await publish('twice', { title: 'Twice' });
  expect([second.id, second.slug]).toEqual([first.id, first.slug]);
  expect(await (await fetch(address('twice'))).text()).toContain('<h1 class="h-28">Twice</h1>');
  await inside((tx) => setPageState(tx, brandId, first.id, 'unpublished'));
  for (const path of [address('twice'), `${server.url}/b/media/${first.id}/recording.mp4`])
    expect((await fetch(path)).status).toBe(410);
  expect(await (await fetch(`${server.url}/b/otto-bikes/feed.xml`)).text()).not.toContain('Twice');
  await inside((tx) => setPageState(tx, brandId, first.id, 'published'));
  expect((await fetch(address('twice'))).status).toBe(200);
});
