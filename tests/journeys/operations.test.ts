/** Those who run a workspace: what waits and for whom, down to the step; what takes up space, and what is not removed. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, connect } from '../../scripts/client.ts';
import { graphOf } from '../runtime/bench.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

const SOON = { timeout: 15_000 };
let product: Product;
let browser: TestBrowser;
let page: Page;
let client: Client;

beforeAll(async () => {
  product = await startProduct({ sample: false });
  client = await connect({ data: product.data });
  browser = await openBrowser();
  page = await browser.newPage();
  await page.goto(product.ownerLink);
  await page.getByRole('link', { name: 'Gallery' }).waitFor(SOON);
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await product?.[Symbol.asyncDispose]();
});

async function start(): Promise<string> {
  const { api, workspaceId } = client;
  const code = (text: string) => JSON.stringify({ code: text, inputs: [] });
  const graph = graphOf(
    [`make:flow.code ${code("return { title: 'A' };")}`, 'ask:flow.approve {}', 'after:flow.code {}'],
    ['make.result > ask.item', 'ask.approved > after.input'],
  );
  const { id } = await api.pipelines.create.mutate({ workspaceId, name: 'Ask first', graph });
  const brandId = (await api.brands.list.query({ workspaceId }))[0]!.id;
  const { runId } = await api.runs.start.mutate({ workspaceId, pipelineId: id, brandId });
  const state = async () =>
    (await api.runs.get.query({ workspaceId, runId })).nodes.find(({ nodeId }) => nodeId === 'ask')?.state;
  await expect.poll(state, SOON).toBe('waiting');
  return runId;
}

test('a step that waits for a person stands on the page with its reason, and leads to its question', async () => {
  await start();
  await page.getByRole('link', { name: 'Settings' }).first().click(SOON);
  await page.getByRole('link', { name: 'Operations' }).click(SOON);
  const row = page.getByRole('list', { name: 'Steps that wait' }).getByRole('listitem').first();
  await row.getByText('Waits for a person to decide.').waitFor(SOON);
  await row.getByText(/^Ask first, run 1,/).waitFor(SOON);
  await row.getByText('A person', { exact: true }).waitFor(SOON);
  await page
    .getByRole('list', { name: 'Workers' })
    .getByText(/Light 0 of \d+/)
    .waitFor(SOON);
  await row.getByRole('link', { name: 'ask' }).click(SOON);
  const step = page.getByRole('region', { name: 'Step ask' });
  await step.getByText(/Waits for a person to decide\. Open until/).waitFor(SOON);
  await step.getByRole('button', { name: 'Approve' }).waitFor(SOON);
  // what comes after it says what it waits for
  await page.getByRole('button', { name: /^after/ }).click(SOON);
  await page.getByRole('region', { name: 'Step after' }).getByText('Waits for ask.').waitFor(SOON);
  expect(browser.errors()).toEqual([]);
});

test('how long runs are kept is set on the page and stays set', async () => {
  await page.goto(`${product.url}/w/${client.workspaceId}/storage`);
  const save = page.getByRole('button', { name: 'Save' });
  await page.getByLabel('Days').fill('0', SOON);
  expect(await save.isDisabled()).toBe(true); // no whole number from 1
  await page.getByLabel('Days').fill('90');
  await page.getByLabel('Runs of each pipeline, at most').fill('500');
  await save.click(SOON);
  await page.getByText('Kept as set', { exact: true }).waitFor(SOON);
  await page.reload();
  await expect.poll(() => page.getByLabel('Days').inputValue(SOON), SOON).toBe('90');
  expect(await page.getByLabel('Runs of each pipeline, at most').inputValue()).toBe('500');
  expect(browser.errors()).toEqual([]);
});
