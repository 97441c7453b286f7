/**
 * Parts of runs started by hand: the dialog that says first what is reused, made and taken; a run gone on with from what
 * failed; what has failed for good, in one list, tried again together.
 */
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, connect } from '../../scripts/client.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

const SOON = { timeout: 15_000 };
let product: Product;
let browser: TestBrowser;
let page: Page;
let client: Client;
let brandId: string;

beforeAll(async () => {
  product = await startProduct({ sample: false });
  client = await connect({ data: product.data });
  brandId = (await client.api.brands.list.query({ workspaceId: client.workspaceId }))[0]!.id;
  browser = await openBrowser();
  page = await browser.newPage();
  await page.goto(product.ownerLink);
  await page.getByRole('link', { name: 'Gallery' }).waitFor(SOON);
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await product?.[Symbol.asyncDispose]();
});

type Graph = NonNullable<Parameters<Client['api']['pipelines']['create']['mutate']>[0]['graph']>;
const coded = (id: string, name: string, code: string, x: number) => ({
  id,
  type: 'flow.code',
  version: '1.0.0',
  name,
  position: { x, y: 0 },
  config: { code },
});
const graph = (last: string): Graph => ({
  format: 1,
  nodes: [
    { ...coded('make', 'Make', "return { word: 'a' };", 0), config: { code: "return { word: 'a' };", inputs: [] } },
    coded('mend', 'Mend', 'return input;', 320),
    coded('tell', 'Tell', last, 640),
  ],
  edges: [
    { id: 'a', from: { node: 'make', port: 'result' }, to: { node: 'mend', port: 'input' } },
    { id: 'b', from: { node: 'mend', port: 'result' }, to: { node: 'tell', port: 'input' } },
  ],
  inputs: [],
  sections: [],
  notes: [],
});
async function create(name: string, last = 'return input;'): Promise<string> {
  const { workspaceId } = client;
  return (await client.api.pipelines.create.mutate({ workspaceId, name, graph: graph(last) })).id;
}
async function run(pipelineId: string): Promise<string> {
  const { workspaceId } = client;
  const { runId } = await client.api.runs.start.mutate({ workspaceId, pipelineId, brandId });
  await expect.poll(() => stateOf(runId), SOON).not.toBe('running');
  return runId;
}
const stateOf = async (runId: string) =>
  (await client.api.runs.get.query({ workspaceId: client.workspaceId, runId })).state;
const newest = async (pipelineId: string) =>
  (await client.api.runs.list.query({ workspaceId: client.workspaceId, pipelineId })).items[0]!;

/** At both widths and in both themes, where a folder for them is named. */
async function picture(name: string): Promise<void> {
  const folder = process.env.SPLICEBOARD_PICTURES;
  if (!folder) return;
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(300);
      await page.screenshot({ path: path.join(folder, `${name}-${width}-${colorScheme}.png`) });
    }
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
}

test('Run from here says first what runs and what that takes, and Enter starts it', async () => {
  const pipelineId = await create('From the middle');
  await run(pipelineId);
  await page.goto(`${product.url}/w/${client.workspaceId}/p/${pipelineId}`);
  await page
    .getByRole('article', { name: /^Mend, / })
    .locator('header')
    .first()
    .click();
  await page.keyboard.press('r');
  const dialog = page.getByRole('dialog', { name: 'Run from Mend on' });
  const listed = dialog.getByRole('region', { name: 'Will run' }).getByRole('listitem').locator('span:first-child');
  await expect.poll(() => listed.allTextContents(), SOON).toEqual(['Mend', 'Tell']);
  await dialog.getByRole('region', { name: 'Taken from run 1' }).getByText('Make').waitFor(SOON);
  await dialog.getByText('From the last run.').waitFor(SOON);
  await picture('run-from');
  const before = (await newest(pipelineId)).number;
  await page.keyboard.press('Enter');
  await expect.poll(async () => (await newest(pipelineId)).number, SOON).toBeGreaterThan(before);
  await dialog.waitFor({ state: 'hidden', ...SOON });
  await page.getByRole('article', { name: 'Make, Taken' }).waitFor(SOON);
}, 60_000);

test('an ended run is run again from its page, of one node alone, without publishing', async () => {
  const pipelineId = await create('Once more');
  const runId = await run(pipelineId);
  await page.goto(`${product.url}/w/${client.workspaceId}/runs/${runId}`);
  await page.getByText(/^Worked for /).waitFor(SOON);
  await page.getByRole('button', { name: 'Run again' }).click();
  const dialog = page.getByRole('dialog', { name: /^Run \d+ again$/ });
  const listed = dialog.getByRole('region', { name: 'Will run' }).getByRole('listitem').locator('span:first-child');
  await expect.poll(() => listed.allTextContents(), SOON).toEqual(['Make', 'Mend', 'Tell']);
  await dialog.getByRole('combobox', { name: 'Make again' }).click();
  await page.getByRole('option', { name: 'Only Mend' }).click();
  await expect.poll(() => listed.allTextContents(), SOON).toEqual(['Mend']);
  await dialog.getByRole('radio', { name: 'Without publishing' }).click();
  await picture('run-again');
  await dialog.getByRole('button', { name: 'Run without publishing' }).click();
  await page.getByText('Rehearsal').first().waitFor(SOON);
  const last = await newest(pipelineId);
  expect(last.dryRun).toBe(true);
  await expect.poll(() => stateOf(last.id), SOON).toBe('succeeded');
  const { nodes } = await client.api.runs.get.query({ workspaceId: client.workspaceId, runId: last.id });
  expect(nodes.map(({ nodeId, state }) => [nodeId, state])).toEqual([
    ['make', 'reused'],
    ['mend', 'done'],
  ]);
}, 60_000);

test('P pins what a node gave: its card says so, runs take it, undo and P take it away, and a version goes without', async () => {
  const pipelineId = await create('Fixed');
  await run(pipelineId);
  await page.goto(`${product.url}/w/${client.workspaceId}/p/${pipelineId}`);
  const card = (state: RegExp) => page.getByRole('article', { name: state });
  const isPinned = async () => {
    const { graph: draft } = await client.api.pipelines.get.query({ workspaceId: client.workspaceId, pipelineId });
    return draft.nodes.find(({ id }) => id === 'mend')!.pin !== undefined;
  };
  await card(/^Mend, Done/)
    .locator('header')
    .first()
    .click();
  await page.keyboard.press('p');
  await card(/^Mend, pinned, /).waitFor(SOON);
  await page.keyboard.press('ControlOrMeta+z');
  await card(/^Mend, Done/).waitFor(SOON);
  await page.keyboard.press('p');
  await card(/^Mend, pinned, /).waitFor(SOON);
  await expect.poll(isPinned, SOON).toBe(true);

  // by hand
  const box = page.getByRole('region', { name: 'Pin', exact: true });
  await picture('pinned');
  await box.getByRole('button', { name: 'Edit' }).click();
  const dialog = page.getByRole('dialog', { name: 'Pin of Mend' });
  await picture('pin-by-hand'); // what is typed does not outlive the narrow page
  await dialog.getByRole('textbox').fill('{ "word": ');
  await dialog.getByText('This is no JSON yet.').waitFor(SOON);
  await dialog.getByRole('textbox').fill('{ "word": "fixed" }');
  await dialog.getByRole('button', { name: 'Pin', exact: true }).click();
  await box.getByText('"fixed"').waitFor(SOON);

  await page.keyboard.press('Escape');
  await page.keyboard.press('ControlOrMeta+Enter');
  await card(/^Mend, pinned, Pinned/).waitFor(SOON);
  const last = await newest(pipelineId);
  await expect.poll(() => stateOf(last.id), SOON).toBe('succeeded');
  const step = await client.api.runs.step.query({
    workspaceId: client.workspaceId,
    runId: last.id,
    nodeId: 'tell',
    path: [],
  });
  expect(step.outputs.result!.value).toEqual({ word: 'fixed' });
  await picture('pinned-run');

  await page.keyboard.press('ControlOrMeta+Shift+p');
  const publish = page.getByRole('dialog', { name: /^Publish v1/ });
  await publish.getByText('A pin is left out of the version and stays in the draft: Mend.').waitFor(SOON);
  await picture('publish-pinned');
  await publish.getByRole('button', { name: 'Publish v1' }).click();
  await publish.waitFor({ state: 'hidden', ...SOON });
  const version = await client.api.pipelines.version.query({
    workspaceId: client.workspaceId,
    pipelineId,
    number: 1,
  });
  expect(version.graph.nodes.some(({ pin }) => pin)).toBe(false);

  await page.goto(`${product.url}/w/${client.workspaceId}/runs/${last.id}`);
  await page.getByText('Pinned: not run.').first().waitFor(SOON);
  await picture('pinned-run-page');
}, 90_000);

test('a failed run is continued, with the rest kept, from its page', async () => {
  const once = 'if (Date.now() % 2 >= 0) throw new Error("Nobody answered."); return input;';
  const pipelineId = await create('Fails at the end', once);
  const runId = await run(pipelineId);
  await page.goto(`${product.url}/w/${client.workspaceId}/runs/${runId}`);
  await page.getByRole('button', { name: 'Continue' }).click();
  const dialog = page.getByRole('dialog', { name: /^Continue run \d+$/ });
  const listed = (region: string) =>
    dialog.getByRole('region', { name: region }).getByRole('listitem').locator('span:first-child').allTextContents();
  await expect.poll(() => listed('Will run'), SOON).toEqual(['Tell']);
  expect(await listed('Reused')).toEqual(['Make', 'Mend']);
  await picture('continue');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden', ...SOON });
}, 60_000);

test('what failed for good is one list, by keyboard chosen and tried again, or put aside', async () => {
  const pipelineId = await create('Fails too', 'throw new Error("It is broken.");');
  const failed = [await run(pipelineId), await run(pipelineId)];
  const { items } = await client.api.failures.list.query({ workspaceId: client.workspaceId });
  expect(items).toHaveLength(3);
  await page.goto(`${product.url}/w/${client.workspaceId}/runs`);
  await page.getByRole('link', { name: /^Failed\s*3$/ }).waitFor(SOON);
  await picture('runs');
  await page.getByRole('link', { name: /^Failed\s*3$/ }).click();
  const list = page.getByRole('list', { name: 'Failed steps' });
  await expect.poll(() => list.getByRole('listitem').count(), SOON).toBe(3);
  await picture('failures');
  for (const runId of failed) {
    const { number } = items.find((item) => item.runId === runId)!;
    await page.getByRole('checkbox', { name: `Choose Tell of run ${number}` }).focus();
    await page.keyboard.press('Space');
  }
  await page.getByText('2 chosen').waitFor(SOON);
  await page.getByRole('button', { name: 'Try 2 again' }).click();
  await page.getByText('2 steps tried again').first().waitFor(SOON);
  for (const runId of failed) await expect.poll(() => stateOf(runId), SOON).toBe('problems');
  // they fail again, and stand here again
  await expect.poll(() => list.getByRole('listitem').count(), SOON).toBe(3);
  await page.getByRole('checkbox', { name: 'Choose all shown' }).click();
  await page.getByRole('button', { name: 'Put aside' }).click();
  await page.getByText('Nothing has failed').waitFor(SOON);
  await picture('failures-empty');
}, 60_000);

test('a budget is set where the pipeline starts by itself, and raised where its run is continued', async () => {
  const { workspaceId } = client;
  const pipelineId = await create('Within a budget', 'throw new Error("It is broken.");');
  await page.goto(`${product.url}/w/${workspaceId}/p/${pipelineId}`);
  await page.getByRole('banner').getByRole('button', { name: 'More', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Starts by itself' }).click();
  const calls = page.getByLabel('Calls of services, at most, in one run');
  await calls.fill('20');
  await calls.press('Enter');
  const limits = async () =>
    (await client.api.pipelines.get.query({ workspaceId, pipelineId })).graph.limits?.budget ?? null;
  await expect.poll(limits, SOON).toEqual({ calls: 20 });
  await picture('budget');
  const runId = await run(pipelineId);
  await page.goto(`${product.url}/w/${workspaceId}/runs/${runId}`);
  await page.getByRole('button', { name: 'Continue' }).click();
  await calls.fill('30');
  await calls.press('Tab');
  await picture('raise');
  await page.getByRole('dialog').getByRole('button', { name: 'Continue' }).click();
  const raised = async () => (await client.api.runs.get.query({ workspaceId, runId })).graph.limits?.budget ?? null;
  await expect.poll(raised, SOON).toEqual({ calls: 30 });
}, 60_000);
