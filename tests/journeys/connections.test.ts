/**
 * An account by hand: an empty page, a server that is none, Mastodon connected through its own pages and back, chosen at a node,
 * a post with its figures, deleted, and the account let go.
 */
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MASTODON_ORIGIN, type MastodonEmulator, startMastodon } from '../../emulators/mastodon.ts';
import { type Client, connect } from '../../scripts/client.ts';
import { graphOf } from '../runtime/bench.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

const SOON = { timeout: 15_000 };
let product: Product;
let service: MastodonEmulator;
let browser: TestBrowser;
let page: Page;
let client: Client;

beforeAll(async () => {
  service = await startMastodon();
  product = await startProduct({
    sample: false,
    env: { SPLICEBOARD_EGRESS: JSON.stringify({ [MASTODON_ORIGIN]: service.origin }) },
  });
  client = await connect({ data: product.data });
  browser = await openBrowser();
  page = await browser.newPage();
  await page.goto(product.ownerLink);
  await page.getByRole('link', { name: 'Gallery' }).waitFor(SOON);
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await product?.[Symbol.asyncDispose]();
  await service?.close();
});

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
      await page.screenshot({ path: path.join(folder, `${name}-${width}-${colorScheme}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1440, height: 900 });
}

test('an account is connected, published from, and let go', async () => {
  await page.getByRole('link', { name: 'Connections' }).click();
  await page.getByText('No account is connected').waitFor(SOON);
  await picture('connections-empty');

  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Connect Mastodon' }).click();
  await dialog.getByLabel('Server').fill('nobody.example.net');
  await picture('connections-dialog');
  await dialog.getByRole('button', { name: 'Go on to Mastodon' }).click();
  await dialog
    .getByText(/nobody\.example\.net/)
    .first()
    .waitFor(SOON);
  await dialog.getByLabel('Server').fill('mastodon.social');
  await dialog.getByRole('button', { name: 'Go on to Mastodon' }).click();
  await page.getByText('Account connected', { exact: true }).first().waitFor(SOON);
  const accounts = page.getByRole('list', { name: 'Accounts' });
  await accounts.getByText('@otto@mastodon.social').waitFor(SOON);
  expect(new URL(page.url()).search).toBe('');

  const graph = graphOf(
    [
      'say:flow.code {"code":"return `Ask not what your followers can do for you.`;","inputs":[],"outputs":[{"name":"text","type":"text"}]}',
      'post:publish.mastodon {"visibility":"unlisted"}',
    ],
    ['say.text > post.text'],
  );
  const { workspaceId } = client;
  const { id: pipelineId } = await client.api.pipelines.create.mutate({ workspaceId, name: 'To Mastodon', graph });
  await page.goto(`${product.url}/w/${workspaceId}/p/${pipelineId}?node=post`);
  await page.getByText('@otto@mastodon.social').first().waitFor(SOON);
  await picture('connections-node');
  await page.getByRole('button', { name: 'Run', exact: true }).first().click();
  await expect.poll(() => service.state.statuses.length, { timeout: 20_000 }).toBe(1);
  expect(service.state.statuses[0]).toMatchObject({ visibility: 'unlisted' });
  service.state.statuses[0]!.counts = { favourites: 12, reblogs: 3, replies: 1 };

  await page.goto(`${product.url}/w/${workspaceId}/connections`);
  await page.getByRole('button', { name: 'Refresh figures' }).click(SOON);
  await page.getByText('12', { exact: true }).waitFor(SOON);
  await picture('connections-posts');
  await page.getByRole('button', { name: /^Delete Ask not/ }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Deleted', { exact: true }).waitFor(SOON);
  expect(service.state.statuses).toEqual([]);

  await page.getByRole('button', { name: 'Disconnect @otto@mastodon.social' }).click();
  await dialog.getByRole('button', { name: 'Disconnect' }).click();
  await page.getByText('No account is connected').waitFor(SOON);
  expect(service.state.oauth.access.size).toBe(0);
}, 120_000);
