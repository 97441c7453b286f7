/**
 * The canvas by hand, in a real browser against the whole product: building, wiring, refusing, undoing, sharing a draft
 * between tabs, publishing, stopping, failing, correcting and taking away what was made. What was saved is read from the
 * API, not from the page that says so.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AxeResults } from 'axe-core';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connect } from '../../scripts/client.ts';
import { sendRecording } from '../../scripts/runs.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { freePort, type Product, startProduct } from '../support/product.ts';

const SAMPLE = path.resolve(import.meta.dirname, '../../templates/sample/talk.mp4');
const SOON = { timeout: 10_000 };
const out = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-canvas-'));

type Graph = NonNullable<Parameters<Client['api']['pipelines']['create']['mutate']>[0]['graph']>;
type NodeSpec = { id: string; type: string; name: string; config?: Graph['nodes'][number]['config'] };

let product: Product;
let browser: TestBrowser;
let page: Page;
let client: Client;
let recording: { asset: string };

/** Nodes in a row, `wires` as "from.port > to.port". */
function graphOf(nodes: NodeSpec[], wires: string[] = []): Graph {
  const end = (text: string) => {
    const [node, port] = text.trim().split('.');
    return { node: node!, port: port! };
  };
  return {
    format: 1,
    nodes: nodes.map(({ config = {}, ...node }, place) => ({
      ...node,
      version: '1.0.0',
      position: { x: place * 320, y: 0 },
      config,
    })),
    edges: wires.map((wire, place) => {
      const [from, to] = wire.split('>');
      return { id: `wire${place}`, from: end(from!), to: end(to!) };
    }),
    inputs: [],
    sections: [],
    notes: [],
  };
}

const INGEST = { id: 'ingest', type: 'media.ingest', name: 'Ingest' };
const TRANSCRIBE = { id: 'transcribe', type: 'speech.transcribe', name: 'Transcribe' };
const CHUNK = { id: 'chunk', type: 'text.chunk', name: 'Chunk' };
const THREE = ['ingest.recording > transcribe.recording', 'transcribe.transcript > chunk.transcript'];

async function make(name: string, graph: Graph): Promise<string> {
  const { id } = await client.api.pipelines.create.mutate({ workspaceId: client.workspaceId, name, graph });
  return id;
}
const draftOf = async (pipelineId: string) =>
  (await client.api.pipelines.get.query({ workspaceId: client.workspaceId, pipelineId })).graph;
const addressOf = (pipelineId: string) => `${product.url}/w/${client.workspaceId}/p/${pipelineId}`;

const node = (name: string, on = page) => on.getByRole('article', { name: new RegExp(`^${name}, `) });
const inspector = (on = page) => on.getByRole('complementary', { name: 'Inspector' });
const port = (key: string, on = page) => on.locator(`[data-port="${key}"]`);
const select = (name: string, on = page) => node(name, on).locator('header').first().click();
const inField = (field: string) => inspector().locator(`[data-field="${field}"]`);

async function open(pipelineId: string, on = page): Promise<void> {
  await on.goto(addressOf(pipelineId));
  await on.locator('.react-flow__node').first().waitFor(SOON);
}

async function middleOf(target: Locator): Promise<{ x: number; y: number }> {
  const box = (await target.boundingBox())!;
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Draws from one place to another with the button down, and holds it there. */
async function drag(from: { x: number; y: number }, to: { x: number; y: number }): Promise<void> {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  // A drag begins after three pixels, as with a hand: what the first event skips, the node stays behind.
  await page.mouse.move(from.x + Math.sign(to.x - from.x) * 4, from.y + Math.sign(to.y - from.y) * 4);
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 4 });
  await page.mouse.move(to.x, to.y, { steps: 4 });
}

const wiresOf = async (pipelineId: string) =>
  (await draftOf(pipelineId)).edges.map(({ from, to }) => `${from.node}.${from.port} > ${to.node}.${to.port}`);

/** Presses Run and waits for its end; the run as the API has it. */
async function runToEnd() {
  const before = (await client.api.runs.list.query({ workspaceId: client.workspaceId })).items[0]?.number ?? 0;
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page
    .getByRole('region', { name: `Run ${before + 1}` })
    .getByRole('link', { name: 'Results' })
    .waitFor({ timeout: 60_000 });
  return lastRun();
}
async function lastRun() {
  const { items } = await client.api.runs.list.query({ workspaceId: client.workspaceId });
  return client.api.runs.get.query({ workspaceId: client.workspaceId, runId: items[0]!.id });
}

beforeAll(async () => {
  product = await startProduct({ sample: false });
  client = await connect({ data: product.data });
  browser = await openBrowser();
  page = await browser.newPage({ permissions: ['clipboard-read', 'clipboard-write'] });
  await page.goto(product.ownerLink);
  await page.getByRole('link', { name: 'Gallery' }).waitFor(SOON);
  recording = await sendRecording(client, SAMPLE);
}, 120_000);
afterAll(async () => {
  try {
    expect(browser?.errors()).toEqual([]);
  } finally {
    await browser?.close();
    await product?.[Symbol.asyncDispose]();
    rmSync(out, { recursive: true, force: true });
  }
});

describe('building', () => {
  let id: string;
  beforeAll(async () => {
    id = await make('Building', graphOf([INGEST, TRANSCRIBE, CHUNK], THREE));
    await open(id);
  });

  test('a node is found by what it makes and added without the mouse', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('subtit');
    await page.keyboard.press('Enter');
    await node('Captions').waitFor(SOON);
    await expect.poll(async () => (await draftOf(id)).nodes.map(({ type }) => type), SOON).toContain('text.captions');
  });

  test('undo takes it back, redo gives it again', async () => {
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+z');
    await node('Captions').waitFor({ state: 'detached', ...SOON });
    await page.keyboard.press('Control+Shift+z');
    await node('Captions').waitFor(SOON);
    await expect.poll(async () => (await draftOf(id)).nodes.length, SOON).toBe(4);
  });

  test('nodes are copied as JSON that can be read, and pasted with names of their own', async () => {
    await select('Chunk');
    await page.keyboard.press('Control+c');
    const text = await page.evaluate(() => navigator.clipboard.readText());
    expect(JSON.parse(text)).toMatchObject({ kind: 'spliceboard/graph', graph: { nodes: [{ type: 'text.chunk' }] } });
    await page.keyboard.press('Control+v');
    await node('Chunk 2').waitFor(SOON);
  });

  test('Delete removes what is selected, and Undo in the news brings it back', async () => {
    await page.keyboard.press('Delete');
    await node('Chunk 2').waitFor({ state: 'detached', ...SOON });
    await page.getByRole('list', { name: 'News' }).getByRole('button', { name: 'Undo' }).click();
    await node('Chunk 2').waitFor(SOON);
    await page.keyboard.press('Control+Shift+z');
    await node('Chunk 2').waitFor({ state: 'detached', ...SOON });
  });

  test('tidying up puts every node after what it takes from, none over another', async () => {
    await page.keyboard.press('Escape');
    const before = (await draftOf(id)).nodes.map(({ position }) => position);
    await page.keyboard.press('Shift+T');
    await expect.poll(async () => (await draftOf(id)).nodes.map(({ position }) => position), SOON).not.toEqual(before);
    const { nodes, edges } = await draftOf(id);
    const at = new Map(nodes.map((each) => [each.id, each.position]));
    for (const { from, to } of edges) expect(at.get(to.node)!.x).toBeGreaterThan(at.get(from.node)!.x + 184);
    for (const one of nodes)
      for (const other of nodes)
        if (one !== other)
          expect(
            Math.abs(one.position.x - other.position.x) >= 184 || Math.abs(one.position.y - other.position.y) >= 100,
          ).toBe(true);
  });

  test('a reload shows the draft as it was left', async () => {
    const names = async () => (await page.getByRole('article').all()).length;
    await expect.poll(() => page.getByText('Saving').count(), SOON).toBe(0);
    const before = await draftOf(id);
    await page.reload();
    await node('Captions').waitFor(SOON);
    expect(await names()).toBe(4);
    expect(await draftOf(id)).toEqual(before);
  });
});

describe('wires', () => {
  let id: string;
  beforeAll(async () => {
    id = await make('Wires', graphOf([INGEST, TRANSCRIBE, CHUNK], [THREE[1]!]));
    await open(id);
  });

  test('one that does not fit is refused while it is held, with the reason, and not joined', async () => {
    await drag(await middleOf(port('out:ingest/recording')), await middleOf(port('in:chunk/transcript')));
    const tip = page.locator('.tip[role="status"]');
    await tip.waitFor(SOON);
    expect(await tip.textContent()).toMatch(/transcript/i);
    await page.mouse.up();
    await tip.waitFor({ state: 'detached', ...SOON });
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(await wiresOf(id)).toEqual([THREE[1]]);
  });

  test('one that is let go over nothing asks what to add, and offers only what fits', async () => {
    const from = await middleOf(port('out:ingest/recording'));
    await drag(from, { x: from.x + 40, y: from.y + 330 });
    await page.mouse.up();
    const list = page.getByRole('dialog', { name: /^What takes/ });
    await list.waitFor(SOON);
    const offered = await list.getByRole('option').allTextContents();
    expect(offered).toEqual(expect.arrayContaining([expect.stringContaining('Clean audio')]));
    expect(offered.join()).not.toMatch(/Chunk|Captions/);
    await page.keyboard.type('clean');
    await page.keyboard.press('Enter');
    await node('Clean audio').waitFor(SOON);
    await expect
      .poll(async () => (await wiresOf(id)).some((wire) => wire.startsWith('ingest.recording > ')), SOON)
      .toBe(true);
  });

  test('a node let go over a wire goes into it, from the palette and from the canvas', async () => {
    const spliced = await make('Splice', graphOf([INGEST, TRANSCRIBE], [THREE[0]!]));
    await open(spliced);
    const entry = page
      .getByRole('complementary', { name: 'Nodes' })
      .getByRole('button', { name: 'Clean audio' })
      .last();
    const wire = async () => {
      const from = await middleOf(port('out:ingest/recording'));
      const to = await middleOf(port('in:transcribe/recording'));
      return { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    };
    const isIn = async () => {
      const { nodes } = await draftOf(spliced);
      const clean = nodes.find(({ type }) => type === 'sound.clean')?.id;
      const wires = await wiresOf(spliced);
      return wires.some((each) => each.endsWith(`> ${clean}.recording`)) && wires.length === 2;
    };
    await drag(await middleOf(entry), await wire());
    await page.mouse.up();
    await expect.poll(isIn, SOON).toBe(true);

    await page.keyboard.press('Control+z');
    await node('Clean audio').waitFor({ state: 'detached', ...SOON });
    await expect.poll(() => wiresOf(spliced), SOON).toEqual([THREE[0]]);
    const below = await wire();
    await drag(await middleOf(entry), { x: below.x, y: below.y + 300 });
    await page.mouse.up();
    await expect.poll(async () => (await draftOf(spliced)).nodes.length, SOON).toBe(3);
    expect(await isIn()).toBe(false);
    await drag(await middleOf(node('Clean audio').locator('header b')), await wire());
    await page.locator('.wire.into').waitFor({ state: 'attached', ...SOON });
    await page.mouse.up();
    await expect.poll(isIn, SOON).toBe(true);
  });

  test('ports are walked and joined by keyboard', async () => {
    const keyed = await make('Keys', graphOf([INGEST, TRANSCRIBE]));
    await open(keyed);
    await page.keyboard.press('Alt+ArrowRight');
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-id')), SOON).toBe('ingest');
    await port('out:ingest/recording').focus();
    await page.keyboard.press('Enter');
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-port')), SOON)
      .toBe('in:transcribe/recording');
    await page.keyboard.press('Enter');
    await expect.poll(() => wiresOf(keyed), SOON).toEqual(['ingest.recording > transcribe.recording']);
  });
});

describe('settings', () => {
  test('a value that cannot be is told beside its field; the press that leaves the corrected field is not lost', async () => {
    const id = await make('Settings', graphOf([CHUNK]));
    await open(id);
    await select('Chunk');
    const longest = inField('maxSeconds').getByRole('textbox');
    await longest.fill('1');
    await longest.press('Enter');
    await inField('maxSeconds').locator('.err').waitFor(SOON);
    expect(await longest.getAttribute('aria-invalid')).toBe('true');
    await longest.fill('45');
    const target = await middleOf(inspector().getByRole('button', { name: 'Open large' }));
    await page.mouse.move(target.x, target.y);
    await page.mouse.down();
    await page.waitForTimeout(120); // as long as a finger rests on a button
    await page.mouse.up();
    await page.getByRole('dialog', { name: 'Chunk' }).waitFor(SOON);
    await page.keyboard.press('Escape');
    expect(await inField('maxSeconds').locator('.err').count()).toBe(0);
    await expect.poll(async () => (await draftOf(id)).nodes[0]!.config, SOON).toMatchObject({ maxSeconds: 45 });
  });
});

describe('settings that depend on one another', () => {
  test('are told while they are typed, beside the field they concern, and gone when corrected', async () => {
    const id = await make('Two fields', graphOf([CHUNK]));
    await open(id);
    await select('Chunk');
    const fault = (field: string) => inField(field).locator('.err');
    const shortest = inField('minSeconds').getByRole('textbox');
    await shortest.focus();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('90');
    await fault('maxSeconds').waitFor(SOON);
    expect(await fault('maxSeconds').textContent()).toBe('Must be more than “Shortest”.');
    expect((await draftOf(id)).nodes[0]!.config).toEqual({});
    await page.keyboard.press('Escape');
    await fault('maxSeconds').waitFor({ state: 'detached', ...SOON });
    await shortest.fill('60');
    await shortest.press('Enter');
    await fault('maxSeconds').waitFor(SOON);
    await expect.poll(async () => (await draftOf(id)).nodes[0]!.config, SOON).toEqual({ minSeconds: 60 });
    const most = inField('most').getByRole('textbox');
    await most.fill('2');
    await fault('most').waitFor(SOON);
    expect(await fault('most').textContent()).toBe('Must not be below “At least”.');
  });
});

describe('files from the desktop', () => {
  const FIXTURES = path.resolve(import.meta.dirname, '../fixtures');
  /** Carries files in from outside the window, as the system does it, and hovers; `drop` lets them go. */
  async function carry(files: string[], to: { x: number; y: number }) {
    const cdp = await page.context().newCDPSession(page);
    const data = { items: [], files: files.map((file) => path.join(FIXTURES, file)), dragOperationsMask: 1 };
    const send = (type: 'dragEnter' | 'dragOver' | 'drop') =>
      cdp.send('Input.dispatchDragEvent', { type, ...to, data });
    await send('dragEnter');
    await send('dragOver');
    return { drop: () => send('drop').then(() => cdp.detach()) };
  }
  const hint = () => page.locator('.drophint');
  const recordingOf = async (pipelineId: string, place: number) => {
    const value = (await draftOf(pipelineId)).nodes[place]?.config.recording as { asset: string } | undefined;
    if (!value) return null;
    return (await client.api.assets.get.query({ workspaceId: client.workspaceId, asset: value.asset })).asset.name;
  };

  test('a recording let go over Ingest becomes its recording', async () => {
    const id = await make('Drop on a card', graphOf([INGEST, TRANSCRIBE], [THREE[0]!]));
    await open(id);
    const { drop } = await carry(['jfk.flac'], await middleOf(node('Ingest')));
    await hint().waitFor(SOON);
    expect(await hint().textContent()).toBe('Drop: the recording of Ingest');
    await drop();
    await hint().waitFor({ state: 'detached', ...SOON });
    await expect.poll(() => recordingOf(id, 0), SOON).toBe('jfk.flac');
    await node('Ingest').getByRole('button', { name: 'jfk.flac' }).waitFor(SOON);
    expect(await draftOf(id)).toMatchObject({ nodes: [{ id: 'ingest' }, { id: 'transcribe' }] });
  });

  test('recordings let go over empty canvas become Ingest nodes there', async () => {
    const id = await make('Drop on the canvas', graphOf([CHUNK]));
    await open(id);
    const at = await middleOf(page.locator('.react-flow__pane'));
    const { drop } = await carry(['jfk.flac', 'two-speakers.wav'], { x: at.x, y: at.y + 200 });
    expect(await hint().textContent()).toBe('Drop: Ingest with this recording');
    await drop();
    await expect.poll(() => recordingOf(id, 1), SOON).toBe('jfk.flac');
    await expect.poll(() => recordingOf(id, 2), SOON).toBe('two-speakers.wav');
    const header = (await node('Ingest').locator('header').first().boundingBox())!;
    expect(Math.abs(header.x + header.width / 2 - at.x)).toBeLessThan(24);
    expect(Math.abs(header.y + header.height / 2 - at.y - 200)).toBeLessThan(24);
  });

  test('what is no recording is refused with the reason, and adds nothing', async () => {
    const id = await make('Drop of something else', graphOf([CHUNK]));
    await open(id);
    const at = await middleOf(page.locator('.react-flow__pane'));
    const { drop } = await carry(['two-speakers.rttm'], { x: at.x, y: at.y + 200 });
    await drop();
    const news = page.getByRole('list', { name: 'News' });
    await news.getByText('two-speakers.rttm is no recording we know').waitFor(SOON);
    expect((await draftOf(id)).nodes).toHaveLength(1);
  });
});

describe('two tabs on one draft', () => {
  test('each sees what the other does, and different fields of one node are both kept', async () => {
    const id = await make('Two tabs', graphOf([INGEST, CHUNK]));
    const other = await page.context().newPage();
    await open(id);
    await open(id, other);
    await page.bringToFront();
    await page.keyboard.press('/');
    await page.keyboard.type('transcribe');
    await page.keyboard.press('Enter');
    await node('Transcribe', other).waitFor(SOON);
    await page.keyboard.press('Escape');

    // The other tab loses its connection, and both go on.
    const edits = '**/api/trpc/pipelines.edit**';
    await other.route(edits, (route) => route.abort());
    const set = async (on: Page, field: string, value: string) => {
      await select('Chunk', on);
      const input = inspector(on).locator(`[data-field="${field}"]`).getByRole('textbox');
      await input.fill(value);
      await input.press('Enter');
    };
    await set(other, 'most', '9');
    await other.getByText('You are offline', { exact: true }).waitFor(SOON);
    await set(page, 'least', '2');
    await expect.poll(async () => (await draftOf(id)).nodes[1]!.config.least, SOON).toBe(2);
    await other.unroute(edits);
    await expect
      .poll(async () => (await draftOf(id)).nodes[1]!.config, { timeout: 15_000 })
      .toMatchObject({ least: 2, most: 9 });
    await expect.poll(() => inField('most').getByRole('textbox').inputValue(), SOON).toBe('9');
    await other.close();
  });
});

describe('runs', () => {
  test('a published version is run as it was, also after the draft went on', async () => {
    const id = await make(
      'Versions',
      graphOf([{ ...INGEST, config: { recording } }, TRANSCRIBE], [THREE[0]!, 'ingest.attached > transcribe.attached']),
    );
    await open(id);
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page.getByRole('button', { name: 'Publish v1' }).click();
    await page.getByText('Published v1', { exact: true }).waitFor(SOON);
    await select('Transcribe');
    await page.keyboard.press('Delete');
    await expect.poll(async () => (await draftOf(id)).nodes.length, SOON).toBe(1);
    await page.getByRole('button', { name: 'More ways to run' }).click();
    await page.getByRole('menuitem', { name: 'Run v1' }).click();
    const bar = page.getByRole('region', { name: /^Run \d+/ });
    await bar.getByRole('link', { name: 'Results' }).waitFor({ timeout: 30_000 });
    expect(await bar.textContent()).toMatch(/of v1/);
    expect(await bar.textContent()).toMatch(/1 transcript · /);
    const run = await lastRun();
    expect(run).toMatchObject({ version: 1, state: 'succeeded' });
    expect(run.nodes.map(({ nodeId }) => nodeId)).toEqual(['ingest', 'transcribe']);
  });

  test('Stop ends a run within two seconds', async () => {
    const id = await make(
      'Stop',
      graphOf(
        [
          { ...INGEST, config: { recording } },
          { id: 'clean', type: 'sound.clean', name: 'Clean audio' },
        ],
        ['ingest.recording > clean.recording'],
      ),
    );
    await open(id);
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await expect.poll(() => node('Clean audio').getAttribute('class'), { timeout: 20_000 }).toMatch(/running/);
    const from = performance.now();
    await page
      .getByRole('region', { name: /^Run \d+/ })
      .getByRole('button', { name: 'Stop' })
      .click();
    await page
      .getByRole('region', { name: /^Run \d+/ })
      .getByRole('link', { name: 'Results' })
      .waitFor(SOON);
    expect(performance.now() - from).toBeLessThan(2000);
    expect(await page.getByRole('region', { name: /^Run \d+/ }).textContent()).toMatch(/Cancelled/);
    expect((await lastRun()).state).toBe('cancelled');
    await expect.poll(() => node('Clean audio').getAttribute('aria-label'), SOON).toMatch(/Cancelled/);
  });

  test('a step that failed says what happened and what to do, and is tried again from there', async () => {
    const url = `http://127.0.0.1:${await freePort()}/talk.mp4`;
    const id = await make('Fails', graphOf([{ ...INGEST, config: { recording: { url } } }]));
    await open(id);
    await runToEnd();
    const { error } = (await lastRun()).nodes[0]!;
    const alert = node('Ingest').getByRole('alert');
    expect(await alert.textContent()).toContain(error!.message);
    expect(await alert.textContent()).toContain(error!.hint);
    const startOf = async () =>
      (
        await client.api.runs.steps.query({
          workspaceId: client.workspaceId,
          runId: (await lastRun()).id,
          nodeId: 'ingest',
        })
      ).items[0]!.startedAt;
    const before = Date.parse((await startOf())!);
    await alert.getByRole('button', { name: 'Retry' }).click();
    await expect.poll(async () => Date.parse((await startOf()) ?? ''), { timeout: 20_000 }).toBeGreaterThan(before);
    await expect.poll(async () => (await lastRun()).state, { timeout: 20_000 }).toBe('problems');
    await alert.waitFor(SOON);
  });
});

describe('what was made', () => {
  let id: string;
  beforeAll(async () => {
    id = await make(
      'Words',
      graphOf(
        [
          { ...INGEST, config: { recording } },
          TRANSCRIBE,
          { id: 'diarize', type: 'speech.diarize', name: 'Diarize' },
          { ...CHUNK, config: { engine: 'local' } },
          { id: 'captions', type: 'text.captions', name: 'Captions' },
        ],
        [
          THREE[0]!,
          'ingest.attached > transcribe.attached',
          'ingest.recording > diarize.recording',
          'transcribe.transcript > diarize.transcript',
          'diarize.transcript > chunk.transcript',
          'diarize.transcript > captions.transcript',
        ],
      ),
    );
    await open(id);
    expect(await runToEnd()).toMatchObject({ state: 'succeeded' });
  }, 60_000);

  const endsOf = async () => {
    const { nodes } = await lastRun();
    return Object.fromEntries(nodes.map((each) => [each.nodeId, each.counts]));
  };
  const made = async <T>(nodeId: string, from: string): Promise<T> =>
    (
      await client.api.runs.value.query({
        workspaceId: client.workspaceId,
        runId: (await lastRun()).id,
        nodeId,
        path: [],
        port: from,
      })
    ).value as T;
  const save = async () => {
    // the toast of an earlier correction may still be there
    const saved = page.waitForResponse((reply) => reply.url().includes('runs.override'), SOON);
    await inspector().getByRole('button', { name: 'Save correction' }).click();
    expect((await saved).ok()).toBe(true);
    await page.getByText('Correction saved', { exact: true }).first().waitFor(SOON);
    await expect.poll(async () => (await lastRun()).state, { timeout: 30_000 }).toBe('succeeded');
  };

  test('a speaker who is renamed has the new name in all that follows', async () => {
    await select('Diarize');
    await inspector().getByRole('button', { name: 'John F. Kennedy', exact: true }).first().click();
    const name = page.getByRole('textbox', { name: 'New name for John F. Kennedy' });
    await name.fill('Jack Kennedy');
    await name.press('Enter');
    await save();
    type Transcript = { speakers: { name: string }[] };
    expect((await made<Transcript>('diarize', 'transcript')).speakers.map((each) => each.name)).toContain(
      'Jack Kennedy',
    );
    expect((await made<Transcript>('transcribe', 'transcript')).speakers.map((each) => each.name)).not.toContain(
      'Jack Kennedy',
    );
  });

  test('title and edges of a segment are corrected, and nothing before it is made again', async () => {
    const before = await lastRun();
    await select('Chunk');
    const list = inspector().getByRole('region', { name: 'Segments' });
    const [first] = await made<{ title: string; start: number; end: number }[]>('chunk', 'segments');
    const title = list.getByRole('textbox', { name: 'Title' }).first();
    await title.fill('A better title');
    await title.press('Enter');
    await list.getByRole('textbox', { name: 'End of A better title' }).fill(String(first!.end + 1.5));
    await list.getByRole('button', { name: 'Start 0.1 s later' }).first().click();
    await save();
    const [corrected] = await made<{ title: string; start: number; end: number }[]>('chunk', 'segments');
    expect(corrected!.title).toBe('A better title');
    expect(corrected!.start).toBeCloseTo(first!.start + 0.1, 1);
    expect(corrected!.end).toBeCloseTo(first!.end + 1.5, 1);
    const after = await lastRun();
    expect(after.id).toBe(before.id);
    for (const each of ['ingest', 'transcribe', 'diarize', 'captions'])
      expect(after.nodes.find(({ nodeId }) => nodeId === each)).toEqual(
        before.nodes.find(({ nodeId }) => nodeId === each),
      );
    expect((await endsOf()).chunk).toMatchObject({ done: 1 });
  });

  test('one file is taken from a node, all of them as a ZIP from the run, which the list of runs shows', async () => {
    await select('Captions');
    const [one] = await Promise.all([
      page.waitForEvent('download'),
      inspector().getByRole('button', { name: 'SRT' }).click(),
    ]);
    const file = path.join(out, one.suggestedFilename());
    await one.saveAs(file);
    expect(readFileSync(file, 'utf8')).toMatch(/-->/);

    await page
      .getByRole('region', { name: /^Run \d+/ })
      .getByRole('link', { name: 'Results' })
      .click();
    const run = await lastRun();
    await page.getByRole('heading', { name: 'Words' }).waitFor(SOON);
    const entry = page.getByRole('link', { name: new RegExp(`Words.*${run.number}`) });
    expect(await entry.getAttribute('href')).toContain(run.id);
    await page.getByText(run.summary).first().waitFor(SOON);
    for (const name of ['Ingest', 'Transcribe', 'Diarize', 'Chunk', 'Captions'])
      expect(await page.getByRole('main').getByText(name, { exact: true }).count()).toBeGreaterThan(0);
    const [all] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download all' }).click(),
    ]);
    const zip = path.join(out, 'all.zip');
    await all.saveAs(zip);
    const bytes = readFileSync(zip);
    expect(bytes.subarray(0, 4).toString('latin1')).toBe('PK\u0003\u0004');
    for (const part of ['.srt', '.vtt']) expect(bytes.includes(part)).toBe(true);
  });
});

describe('for everybody', () => {
  const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
  /** Serious faults that axe finds on the page: "rule: first element". */
  async function faults(): Promise<string[]> {
    await page.evaluate(AXE);
    const { violations, passes } = (await page.evaluate('axe.run()')) as AxeResults;
    expect(passes.length, 'rules that found something to look at').toBeGreaterThan(15);
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  }

  test('who is not signed in is led to the sign-in page, which keeps what was asked for', async () => {
    const stranger = await browser.newPage();
    for (const [asked, led] of [
      ['/', '/sign-in'],
      [`/w/${client.workspaceId}/runs`, `/sign-in?to=%2Fw%2F${client.workspaceId}%2Fruns`],
    ] as const) {
      await stranger.goto(`${product.url}${asked}`);
      await stranger.getByRole('heading', { name: 'Sign in' }).waitFor(SOON);
      expect(stranger.url()).toBe(`${product.url}${led}`);
    }
    await stranger.context().close();
  });

  test.each(['light', 'dark'] as const)('no page has a serious fault of accessibility, %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const run = await lastRun();
    const pages = ['gallery', 'runs', `runs/${run.id}`, 'recordings', 'settings', `p/${run.pipelineId}`];
    for (const address of colorScheme === 'light' ? pages : pages.slice(-2)) {
      await page.goto(`${product.url}/w/${client.workspaceId}/${address}`);
      await page.waitForLoadState('networkidle');
      if (address.startsWith('p/')) await page.locator('.react-flow__node header').first().click();
      expect(await faults(), address).toEqual([]);
    }
  });
});
