/**
 * A run that asks somebody: the question on the list and behind a link on a phone, an edited text, the outcome that was
 * chosen. And the settings that are lists of rows, whose rows are outputs of the node.
 */
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SmtpEmulator, startSmtp } from '../../emulators/smtp.ts';
import { type Client, connect } from '../../scripts/client.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

const SOON = { timeout: 15_000 };
let product: Product;
let smtp: SmtpEmulator;
let browser: TestBrowser;
let page: Page;
let client: Client;
let brandId: string;

beforeAll(async () => {
  smtp = await startSmtp();
  product = await startProduct({
    sample: false,
    env: { SPLICEBOARD_SMTP_URL: smtp.url, SPLICEBOARD_MAIL_FROM: 'Spliceboard <post@example.com>' },
  });
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
  await smtp?.close();
});

type Graph = NonNullable<Parameters<Client['api']['pipelines']['create']['mutate']>[0]['graph']>;
const draft = { title: 'Darft of a titel', score: 0.9 };
const GRAPH: Graph = {
  format: 1,
  nodes: [
    {
      id: 'make',
      type: 'flow.code',
      version: '1.0.0',
      name: 'Make',
      position: { x: 0, y: 0 },
      config: { code: `return ${JSON.stringify(draft)};`, inputs: [] },
    },
    {
      id: 'ask',
      type: 'flow.approve',
      version: '1.0.0',
      name: 'Approve',
      position: { x: 320, y: 0 },
      config: { title: 'May this go out?', fields: ['title'] },
    },
    { id: 'go', type: 'flow.code', version: '1.0.0', name: 'Go', position: { x: 640, y: 0 }, config: {} },
  ],
  edges: [
    { id: 'a', from: { node: 'make', port: 'result' }, to: { node: 'ask', port: 'item' } },
    { id: 'b', from: { node: 'ask', port: 'approved' }, to: { node: 'go', port: 'input' } },
  ],
  inputs: [],
  sections: [],
  notes: [],
};

async function startRun(): Promise<{ runId: string; pipelineId: string }> {
  const { workspaceId } = client;
  const { id } = await client.api.pipelines.create.mutate({ workspaceId, name: 'Ask first', graph: GRAPH });
  const { runId } = await client.api.runs.start.mutate({
    workspaceId,
    pipelineId: id,
    brandId,
    version: 'draft',
    inputs: {},
    nonce: crypto.randomUUID(),
  });
  const isWaiting = async () =>
    (await client.api.runs.get.query({ workspaceId, runId })).nodes.find(({ nodeId }) => nodeId === 'ask')?.state;
  await expect.poll(isWaiting, SOON).toBe('waiting');
  return { runId, pipelineId: id };
}
const stepOf = (runId: string, nodeId: string) =>
  client.api.runs.step.query({ workspaceId: client.workspaceId, runId, nodeId, path: [] });
async function picture(name: string): Promise<void> {
  const folder = process.env.SPLICEBOARD_PICTURES;
  if (!folder) return;
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: path.join(folder, `${name}-${colorScheme}.png`), fullPage: true });
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

test('a question is on the list; its text is mended there and the chosen outcome goes on with it', async () => {
  const { runId } = await startRun();
  await page.goto(`${product.url}/w/${client.workspaceId}/approvals`);
  const question = page.getByRole('article', { name: 'May this go out?' });
  await question.waitFor(SOON);
  await picture('approvals');
  await question.getByLabel('Title').fill('Draft of a title');
  await question.getByRole('button', { name: 'Approve' }).click();
  await question.getByText(/Approve by .+/).waitFor(SOON);
  await expect.poll(async () => (await stepOf(runId, 'go')).state, SOON).toBe('done');
  expect((await stepOf(runId, 'go')).outputs.result?.value).toEqual({ ...draft, title: 'Draft of a title' });
}, 60_000);

test('a link made on the canvas opens on a phone without an account, and answers once', async () => {
  const { runId, pipelineId } = await startRun();
  await page.goto(`${product.url}/w/${client.workspaceId}/p/${pipelineId}?run=${runId}&node=ask`);
  const inspector = page.getByRole('complementary', { name: 'Inspector' });
  await inspector.getByRole('article', { name: 'May this go out?' }).waitFor(SOON);
  await picture('ask-canvas');
  await inspector.getByRole('button', { name: 'Make a link' }).click();
  const link = await inspector.getByLabel('Link for somebody without an account').inputValue(SOON);
  const stranger = await browser.newPage();
  await stranger.setViewportSize({ width: 390, height: 844 });
  await stranger.goto(link);
  const question = stranger.getByRole('article', { name: 'May this go out?' });
  await question.waitFor(SOON);
  if (process.env.SPLICEBOARD_PICTURES)
    await stranger.screenshot({
      path: path.join(process.env.SPLICEBOARD_PICTURES, 'approve-phone.png'),
      fullPage: true,
    });
  expect(await stranger.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
  await question.getByLabel('A word about it').fill('Not like this');
  await question.getByRole('button', { name: 'Reject' }).click();
  await question.getByText(/^Reject, /).waitFor(SOON);
  await expect.poll(async () => (await stepOf(runId, 'go')).state, SOON).toBe('skipped');
  expect((await stepOf(runId, 'ask')).facts).toContainEqual({ name: 'comment', value: 'Not like this' });
  await stranger.goto(`${link.slice(0, -4)}AAAA`);
  await stranger.getByText('This link does not open').waitFor(SOON);
  await stranger.context().close();
}, 60_000);

test('outcomes are rows of the settings: an added one is an output, one taken away is none', async () => {
  const { workspaceId } = client;
  const { id } = await client.api.pipelines.create.mutate({ workspaceId, name: 'Rows', graph: GRAPH });
  await page.goto(`${product.url}/w/${workspaceId}/p/${id}?node=ask`);
  await page
    .getByRole('article', { name: /^Approve, / })
    .locator('header')
    .first()
    .click();
  const rows = page.getByRole('complementary', { name: 'Inspector' }).locator('[data-field="outcomes"]');
  await rows.getByRole('button', { name: 'Add' }).click();
  await rows.getByLabel('Outcome', { exact: true }).nth(2).fill('Later');
  await rows.getByLabel('Outcome', { exact: true }).nth(2).press('Enter');
  await page.locator('[data-port="out:ask/way1"]').waitFor(SOON);
  await picture('rows');
  await rows.getByRole('button', { name: 'Take 2 away' }).click();
  await expect.poll(() => page.locator('[data-port="out:ask/rejected"]').count(), SOON).toBe(0);
  const outcomes = async () =>
    (await client.api.pipelines.get.query({ workspaceId, pipelineId: id })).graph.nodes[1]!.config.outcomes;
  await expect.poll(outcomes, SOON).toEqual([
    { name: 'approved', title: 'Approve' },
    { name: 'way1', title: 'Later' },
  ]);
}, 60_000);

test('somebody who was invited by mail is told by mail what waits, and decides by the link in it', async () => {
  const address = 'colleague@example.org';
  await page.goto(`${product.url}/w/${client.workspaceId}/members`);
  await page.getByRole('button', { name: 'Invite' }).click(SOON);
  await page.getByLabel('E-mail', { exact: true }).fill(address);
  await picture('invite');
  await page.getByRole('dialog').getByRole('button', { name: 'Invite' }).click();
  await page.getByText('The mail is on its way.').waitFor(SOON);
  await page.getByRole('button', { name: 'Done' }).click();
  const linkIn = (kind: string) => {
    const raw = smtp.letters
      .filter(({ to }) => to === address)
      .at(-1)
      ?.raw.replace(/=\r\n/g, '');
    return new RegExp(`${product.url}/${kind}/[\\w.-]+`).exec(raw ?? '')?.[0];
  };
  const phone = await browser.newPage({ viewport: { width: 390, height: 844 } });
  await phone.goto(linkIn('invitation')!);
  await phone.getByLabel('Your name').fill('A Colleague');
  await phone.getByLabel('Password').fill('a long enough password');
  await phone.getByRole('button', { name: /Accept|Join|Come in/ }).click();
  await phone.getByRole('link', { name: 'Gallery' }).waitFor(SOON);

  const { runId, pipelineId } = await startRun();
  await expect.poll(() => linkIn('approve'), { timeout: 40_000 }).toBeDefined();
  await page.goto(`${product.url}/w/${client.workspaceId}/p/${pipelineId}?run=${runId}&node=ask`);
  await page.getByText(/A Colleague: told by mail/).waitFor(SOON);
  await page.getByText(/Who has not answered is reminded/).scrollIntoViewIfNeeded(SOON);
  await picture('told');
  await page.goto(`${product.url}/w/${client.workspaceId}/settings`);
  await page.getByRole('switch', { name: 'Tell me by mail' }).waitFor(SOON);
  await picture('mail-settings');
  await phone.goto(linkIn('approve')!);
  await phone.getByRole('button', { name: 'Approve' }).click(SOON);
  await expect.poll(async () => (await stepOf(runId, 'go')).state, SOON).toBe('done');
}, 120_000);
