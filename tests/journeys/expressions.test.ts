/**
 * A setting that takes its value from other nodes, by hand in a real browser against the whole product: the switch, what
 * it gives while it is typed, what is wrong with it, another name and the end of a node it speaks of, and the run that
 * uses it. What was saved and made is read from the API.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AxeResults } from 'axe-core';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, connect } from '../../scripts/client.ts';
import { corpusBytes } from '../expressions/corpus.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

const SOON = { timeout: 15_000 };
let product: Product;
let browser: TestBrowser;
let page: Page;
let client: Client;
let brandId: string;
let pipelineId: string;

type Graph = NonNullable<Parameters<Client['api']['pipelines']['create']['mutate']>[0]['graph']>;
const nodeOf = (id: string, type: string, name: string, x: number, config: Graph['nodes'][number]['config']) => ({
  id,
  type,
  name,
  version: '1.0.0',
  position: { x, y: 0 },
  config,
});
const SHOW = { show: 'Harbour Talk', guests: ['Ada', 'Grace'] };
const GRAPH: Graph = {
  format: 1,
  nodes: [
    nodeOf('make', 'flow.code', 'Show', 0, {
      code: `return { ...${JSON.stringify(SHOW)}, talk: 'word '.repeat(40_000) };`,
      inputs: [],
    }),
    nodeOf('split', 'flow.split', 'Guests', 320, { field: 'guests' }),
    nodeOf('say', 'flow.set', 'Say', 640, {
      values: [{ name: 'way1', title: 'Line', type: 'text', value: '' }],
    }),
  ],
  edges: [
    { id: 'a', from: { node: 'make', port: 'result' }, to: { node: 'split', port: 'value' } },
    { id: 'b', from: { node: 'split', port: 'items' }, to: { node: 'say', port: 'when' } },
  ],
  inputs: [],
  sections: [],
  notes: [],
};

async function run(): Promise<string> {
  const { workspaceId } = client;
  const { runId } = await client.api.runs.start.mutate({
    workspaceId,
    pipelineId,
    brandId,
    version: 'draft',
    inputs: {},
    nonce: crypto.randomUUID(),
  });
  const state = async () => (await client.api.runs.get.query({ workspaceId, runId })).state;
  await expect.poll(state, SOON).toBe('succeeded');
  return runId;
}
const lineOf = async (runId: string, item: number) =>
  (
    await client.api.runs.value.query({
      workspaceId: client.workspaceId,
      runId,
      nodeId: 'say',
      path: [item],
      port: 'way1',
    })
  ).value;
const draft = async () =>
  (await client.api.pipelines.get.query({ workspaceId: client.workspaceId, pipelineId })).graph.nodes;

async function picture(name: string): Promise<void> {
  const folder = process.env.SPLICEBOARD_PICTURES;
  if (!folder) return;
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(400); // colours glide
    await page.screenshot({ path: path.join(folder, `${name}-${colorScheme}.png`) });
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

const inspector = () => page.getByRole('complementary', { name: 'Inspector' });
const box = () => inspector().getByRole('textbox', { name: 'Value, as an expression' });
const out = () => inspector().locator('.fx-out');
const card = (name: string) => page.getByRole('article', { name: new RegExp(`^${name}, `) });
const select = (name: string) => card(name).locator('header').first().click();

/** Serious faults that axe finds in the inspector. */
async function faults(): Promise<string[]> {
  await page.evaluate(readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8'));
  const { violations } = (await page.evaluate('axe.run("aside, [aria-label=Inspector]")')) as AxeResults;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}

beforeAll(async () => {
  product = await startProduct({ sample: false });
  client = await connect({ data: product.data });
  brandId = (await client.api.brands.list.query({ workspaceId: client.workspaceId }))[0]!.id;
  const made = await client.api.pipelines.create.mutate({
    workspaceId: client.workspaceId,
    name: 'Lines',
    graph: GRAPH,
  });
  pipelineId = made.id;
  browser = await openBrowser();
  page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(product.ownerLink);
  await page.getByRole('link', { name: 'Gallery' }).waitFor(SOON);
}, 180_000);
afterAll(async () => {
  try {
    expect(browser?.errors()).toEqual([]);
  } finally {
    await browser?.close();
    await product?.[Symbol.asyncDispose]();
  }
});

test('before the first run the examples serve, and what they do not show is said', async () => {
  await page.goto(`${product.url}/w/${client.workspaceId}/p/${pipelineId}`);
  await card('Say').waitFor(SOON);
  await select('Say');
  const toggle = inspector().getByRole('button', { name: 'Value from an expression' });
  await toggle.click();
  await out().getByText('There is nothing here yet.').waitFor(SOON);
  await box().fill('each.Guests.texts');
  await out()
    .getByText(/Take the whole list/)
    .waitFor(SOON);
  await box().fill('nodes.Guests.texts[0]');
  await out().getByText('One', { exact: true }).waitFor(SOON);
  await out().getByText('from the examples of its nodes').waitFor(SOON);
  await box().fill('nodes.Show.result.show');
  await out().getByText('Run the pipeline once to see what this gives.').waitFor(SOON);
  await toggle.click();
  await inspector().getByRole('textbox', { name: 'Value', exact: true }).waitFor(SOON);
  const saved = async () => JSON.stringify((await draft()).find(({ id }) => id === 'say')!.config);
  await expect.poll(saved, SOON).not.toContain('$expression');
});

test('an expression shows what it gives of the last run while it is typed', async () => {
  await run();
  await page.goto(`${product.url}/w/${client.workspaceId}/p/${pipelineId}`);
  await card('Say').waitFor(SOON);
  await select('Say');
  await inspector().getByRole('button', { name: 'Value from an expression' }).click();
  await box().fill('{{ nodes.Show.result.show }} with {{ each.Guests.items }}');
  await out().getByText('Harbour Talk with Ada', { exact: true }).waitFor(SOON);
  await out()
    .getByText(/text · from run 1 · item 1/)
    .waitFor(SOON);
  await picture('expression');
  await out().getByRole('button', { name: 'Next item' }).click();
  await out().getByText('Harbour Talk with Grace', { exact: true }).waitFor(SOON);
});

test('what is wrong is told beside it, with the place', async () => {
  await box().fill('{{ uper(nodes.Show.result.show) }}');
  await out()
    .getByText(/There is no function called uper/)
    .waitFor(SOON);
  await out().getByText('Did you mean upper?').waitFor(SOON);
  await picture('expression-wrong');
  await out().getByRole('button', { name: 'at character 4' }).click();
  expect(await box().evaluate((area: HTMLTextAreaElement) => area.selectionStart)).toBe(3);
  await box().fill('nodes.Show.result.guests');
  await out()
    .getByText(/^Must be text/)
    .waitFor(SOON);
});

test('of a long value the beginning is shown, and it is said', async () => {
  await box().fill('{{ truncate(nodes.Show.result.talk, 10) }}');
  await out().getByText('word word…', { exact: true }).waitFor(SOON);
  await out()
    .getByText(/from run 1 · from a shortened value/)
    .waitFor(SOON);
  await box().fill('{{ nodes.Show.result.show }}');
  await out().getByText('Harbour Talk', { exact: true }).waitFor(SOON);
  expect(
    await out()
      .getByText(/shortened/)
      .count(),
  ).toBe(0);
});

test('a value is found in a list and put in', async () => {
  await box().fill('{{ nodes.Show.result.show }} with {{ each.Guests.items }}, ');
  await inspector().getByRole('button', { name: 'Insert a value' }).click();
  await inspector().getByRole('textbox', { name: 'Find a value or a function' }).fill('brand name');
  await picture('expression-pick');
  expect(await faults()).toEqual([]);
  await inspector().getByRole('region', { name: 'Brand' }).getByRole('button').first().click();
  expect(await box().inputValue()).toMatch(/items \}\}, \{\{ brand\.name \}\}$/);
  await out()
    .getByText(/^Harbour Talk with \w+, \w/)
    .waitFor(SOON);
});

test('the run gives what the preview gave, for each item', async () => {
  const brand = (await client.api.brands.list.query({ workspaceId: client.workspaceId }))[0]!;
  const saved = async () => JSON.stringify((await draft()).find(({ id }) => id === 'say')!.config);
  await expect
    .poll(saved, SOON)
    .toContain('{{ nodes.make.result.show }} with {{ each.split.items }}, {{ brand.name }}');
  const runId = await run();
  expect(await lineOf(runId, 0)).toBe(`Harbour Talk with Ada, ${brand.name}`);
  expect(await lineOf(runId, 1)).toBe(`Harbour Talk with Grace, ${brand.name}`);
});

test('another name of a node is shown, and its end is told at the field', async () => {
  await card('Show').locator('header').first().dblclick();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('Our show');
  await page.keyboard.press('Enter');
  await select('Say');
  expect(await box().inputValue()).toContain('nodes["Our show"].result.show');
  await out()
    .getByText(/^Harbour Talk with/)
    .waitFor(SOON);
  await select('Our show');
  await page.keyboard.press('Delete');
  await card('Our show').waitFor({ state: 'detached', ...SOON });
  await select('Say');
  await out()
    .getByText(/There is no node “make” in this pipeline/)
    .waitFor(SOON);
  await picture('expression-gone');
  await page.keyboard.press('Escape');
  await page.locator('.react-flow__pane').click({ position: { x: 40, y: 40 } });
  await page.keyboard.press('ControlOrMeta+z');
  await card('Our show').waitFor(SOON);
});

test('on a phone an expression is written and read too', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('button', { name: /^Say/ }).first().click();
  await box().waitFor(SOON);
  expect((await box().boundingBox())!.width).toBeGreaterThan(280);
  await out()
    .getByText(/^Harbour Talk with/)
    .waitFor(SOON);
  await picture('expression-phone');
  await page.setViewportSize({ width: 1440, height: 900 });
});

test('browser and server give the same bytes for everything in the list of examples', async () => {
  const { outputFiles } = await build({
    entryPoints: [path.resolve(import.meta.dirname, '../expressions/corpus.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'corpus',
  });
  const said = await page.evaluate(`${outputFiles[0]!.text}; corpus.corpusBytes()`);
  expect(said).toBe(corpusBytes());
});
