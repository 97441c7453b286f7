/**
 * A plugin by hand: an empty page, a file that is refused with its line, one that asks and is allowed less, its node on the
 * canvas, a right taken back, an upgrade that shows only what is new, and a removal that leaves the drawing as it was.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REGISTRY_ORIGIN, type RegistryEmulator, startRegistry } from '../../emulators/registry.ts';
import type { ManifestJson } from '../../nodes/contract.ts';
import { type Client, connect } from '../../scripts/client.ts';
import { follow, type RecordedCall, record } from '../../scripts/node/trials.ts';
import { manifest, packed } from '../plugins/packed.ts';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

const SOON = { timeout: 15_000 };
let product: Product;
let registry: RegistryEmulator;
let browser: TestBrowser;
let page: Page;
let client: Client;

beforeAll(async () => {
  registry = await startRegistry();
  product = await startProduct({
    sample: false,
    env: {
      SPLICEBOARD_NPM_REGISTRY: REGISTRY_ORIGIN,
      SPLICEBOARD_EGRESS: JSON.stringify({ [REGISTRY_ORIGIN]: registry.origin }),
    },
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
  await registry?.close();
});

/** `of`: what has to be seen on it. */
async function picture(name: string, of?: Locator): Promise<void> {
  const folder = process.env.SPLICEBOARD_PICTURES;
  if (!folder) return;
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    await of?.evaluate((element) => element.scrollIntoView({ block: 'end' }));
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: path.join(folder, `${name}-${width}-${colorScheme}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1440, height: 900 });
}

const titled = (version: string, more: Partial<ManifestJson>) =>
  manifest('headlines.suggest', {
    version,
    title: 'Suggest headlines',
    help: 'Asks a headline service for three titles and keeps the one that fits the brand.',
    icon: 'sparkles',
    publisher: 'Northwind Press',
    ...more,
  });
const ASKS = {
  http: [
    { method: 'POST' as const, host: 'api.headlines.example', path: '/v1/titles', why: 'to ask for titles' },
    {
      method: 'GET' as const,
      host: 'api.headlines.example',
      path: '/v1/limits',
      why: 'to see how many are left today',
    },
  ],
  brand: ['voice' as const],
  why: { brand: 'so that titles sound like the brand' },
};
const entries = `{ run: (ctx, { text }) => ({ text: text.toUpperCase() }) }`;

function fileOf(name: string, content: string): string {
  const file = path.join(product.data, name);
  writeFileSync(file, content);
  return file;
}
async function choose(file: string): Promise<void> {
  await page.getByLabel('Packed plugin').setInputFiles(file);
}

test('the first five minutes: nothing is there, a bad file is refused with its line, a good one asks first', async () => {
  await page.getByRole('link', { name: 'Plugins' }).click();
  await page.getByText('No plugins yet').waitFor(SOON);
  await picture('plugins-empty');
  await page.getByRole('button', { name: 'Install a plugin' }).click();
  await picture('plugins-choose');
  const bad = packed('headlines', '0.9.0', [
    { manifest: titled('0.9.0', {}), entries: `{ run: () => import('node:fs') }` },
  ]);
  await choose(fileOf('bad.json', bad));
  await page.getByText(/line 1: a module is loaded while it runs/).waitFor(SOON);
  await picture('plugins-refused');
  await page.getByRole('button', { name: 'Choose another file' }).click();
  await choose(
    fileOf('one.json', packed('headlines', '1.0.0', [{ manifest: titled('1.0.0', { capabilities: ASKS }), entries }])),
  );
  const sheet = page.getByRole('dialog', { name: 'Install headlines 1.0.0' });
  await sheet.getByText('Send to api.headlines.example: POST /v1/titles').waitFor(SOON);
  await picture('plugins-sheet');
  await sheet.getByRole('switch', { name: /GET \/v1\/limits/ }).click();
  await sheet.getByRole('button', { name: 'Install with less' }).click();
  await page.getByText('may do 2 of 3').waitFor(SOON);
  await picture('plugins-list');
});

test('its node is in the palette and runs; its page says what it may do, and takes it back', async () => {
  const { workspaceId } = client;
  const graph = {
    format: 1 as const,
    nodes: [
      {
        id: 'it',
        type: 'headlines.suggest',
        version: '1.0.0',
        name: 'Suggest',
        position: { x: 0, y: 0 },
        config: {},
      },
    ],
    edges: [],
    inputs: [],
    sections: [],
    notes: [],
  };
  const { id } = await client.api.pipelines.create.mutate({ workspaceId, name: 'Titles', graph });
  await page.goto(`${product.url}/w/${workspaceId}/p/${id}`);
  await page.getByRole('article', { name: /Suggest/ }).waitFor(SOON);
  await page.goto(`${product.url}/w/${workspaceId}/plugins/headlines`);
  await page.getByRole('link', { name: 'Titles' }).waitFor(SOON);
  await picture('plugin-page');
  const voice = page.getByRole('switch', { name: /how the brand sounds/ });
  expect(await voice.isChecked()).toBe(true);
  await voice.click();
  await expect
    .poll(async () => {
      const found = await client.api.plugins.get.query({ workspaceId, name: 'headlines' });
      return found.rights.filter((right) => right.isAllowed).map((right) => right.id);
    }, SOON)
    .toEqual(['http POST api.headlines.example /v1/titles']);
});

test('a major version shows what it changes in drafts before it does, and going back undoes it', async () => {
  const { workspaceId } = client;
  const of = (version: string, field: string, more: Partial<ManifestJson> = {}) =>
    manifest('teaser.write', {
      version,
      title: 'Write a teaser',
      help: 'Says in one line why to watch.',
      icon: 'pen-line',
      config: {
        type: 'object',
        properties: { [field]: { type: 'string', title: 'Tone', default: '' } },
        additionalProperties: false,
      },
      ...more,
    });
  await page.goto(`${product.url}/w/${workspaceId}/plugins`);
  await page.getByRole('button', { name: 'Install a plugin' }).click();
  const one = packed('teaser', '1.0.0', [{ manifest: of('1.0.0', 'mood'), entries }]);
  await choose(fileOf('teaser-1.json', one));
  await page.getByRole('dialog', { name: 'Install teaser 1.0.0' }).getByRole('button', { name: 'Install' }).click();
  await page.getByRole('link', { name: /Write a teaser/ }).waitFor(SOON);
  const node = { id: 'it', type: 'teaser.write', version: '1.0.0', name: 'Teaser', position: { x: 0, y: 0 } };
  const graph = { format: 1 as const, edges: [], inputs: [], sections: [], notes: [] };
  for (const [name, mood] of [
    ['Monday show', 'warm'],
    ['Friday show', 'cheeky'],
  ] as const) {
    await client.api.pipelines.create.mutate({
      workspaceId,
      name,
      graph: { ...graph, nodes: [{ ...node, config: { mood } }] },
    });
  }
  await page.getByRole('button', { name: 'Install a plugin' }).click();
  const two = packed('teaser', '2.0.0', [
    {
      manifest: of('2.0.0', 'tone', { exports: ['run', 'migrateConfig'] }),
      entries: `{ run: () => ({ text: '' }), migrateConfig: ({ mood }) => ({ tone: mood }) }`,
    },
  ]);
  await choose(fileOf('teaser-2.json', two));
  const sheet = page.getByRole('dialog', { name: 'Upgrade teaser 2.0.0' });
  await sheet.getByText('Changes in your drafts').waitFor(SOON);
  await sheet.getByText('Friday show').click();
  await sheet.getByText('“cheeky”').first().waitFor(SOON);
  await picture('plugin-carries');
  await sheet.getByRole('button', { name: 'Upgrade' }).click();
  const settings = async () => {
    const pipelines = await client.api.pipelines.list.query({ workspaceId });
    return pipelines
      .filter(({ name }) => name.endsWith('show'))
      .map((each) => each.graph.nodes[0]!.config)
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  };
  await expect.poll(settings, SOON).toEqual([{ tone: 'cheeky' }, { tone: 'warm' }]);
  await page.goto(`${product.url}/w/${workspaceId}/plugins/teaser`);
  await page.getByRole('button', { name: 'Go back to 1.0.0' }).click();
  await page.getByRole('button', { name: 'Go back', exact: true }).click();
  await expect.poll(settings, SOON).toEqual([{ mood: 'cheeky' }, { mood: 'warm' }]);
  await page.goto(`${product.url}/w/${workspaceId}/plugins/headlines`);
});

test('an upgrade shows only what is new, and can be gone back from; removed, its node stays drawn', async () => {
  const { workspaceId } = client;
  await page.getByRole('button', { name: 'Upgrade' }).click();
  const more = { ...ASKS, store: true, why: { ...ASKS.why, store: 'to remember titles that were used' } };
  await choose(
    fileOf('two.json', packed('headlines', '1.1.0', [{ manifest: titled('1.1.0', { capabilities: more }), entries }])),
  );
  const sheet = page.getByRole('dialog', { name: 'Upgrade headlines 1.1.0' });
  await sheet.getByText('“to remember titles that were used”').waitFor(SOON);
  expect(await sheet.getByText('POST /v1/titles').count()).toBe(0);
  await picture('plugin-upgrade');
  await sheet.getByRole('button', { name: 'Allow and upgrade' }).click();
  await page.getByRole('button', { name: 'Go back to 1.0.0' }).click();
  await page.getByRole('button', { name: 'Go back', exact: true }).click();
  await page.getByLabel('News').getByText('version 1.0.0 again').waitFor(SOON);
  await page.getByRole('button', { name: 'Remove' }).click();
  const asks = page.getByRole('dialog', { name: 'Remove Suggest headlines?' });
  await asks.getByText(/Titles cannot run without it/).waitFor(SOON);
  await picture('plugin-remove');
  await asks.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('button', { name: 'Install again' }).waitFor(SOON);
  const pipelines = await client.api.pipelines.list.query({ workspaceId });
  const { id } = pipelines.find(({ name }) => name === 'Titles')!;
  await page.goto(`${product.url}/w/${workspaceId}/p/${id}`);
  await page
    .getByText('This node’s plugin (headlines.suggest) is not installed here. Its settings are safe.')
    .waitFor(SOON);
  await picture('plugin-gone');
  expect(browser.errors()).toEqual([]);
});

test('in the making: what it does is said on the command line and on its page, and kept as a fixture', async () => {
  const { workspaceId } = client;
  const host = new URL(REGISTRY_ORIGIN).host;
  const of = manifest('looker.ask', {
    title: 'Look a package up',
    effect: 'reads-external',
    inputs: { text: { type: 'text', list: false, optional: true, title: null, help: null } },
    capabilities: { http: [{ method: 'GET', host, path: '/{name}', why: 'to look a package up' }] },
    config: { type: 'object', properties: { breaks: { type: 'boolean', title: 'Breaks', default: false } } },
  });
  const run = `{ run: async (ctx) => {
    ctx.log('Looks for slogans.');
    const { status } = await ctx.http({ method: 'GET', host: '${host}', path: '/slogans', headers: { authorization: 'Bearer abcdefgh12345678' } });
    if (ctx.config.breaks) throw new TypeError('It has no words.');
    return { text: String(status) };
  } }`;
  const digest = await client.sendPlugin(packed('looker', '1.0.0', [{ manifest: of, entries: run }]), 'folder');
  await expect
    .poll(async () => (await client.api.plugins.look.query({ workspaceId, digest })).state, SOON)
    .toBe('ready');
  const { rights } = await client.api.plugins.look.query({ workspaceId, digest });
  await client.api.plugins.install.mutate({ workspaceId, digest, rights: rights.map(({ id }) => id), isDev: true });
  await page.goto(`${product.url}/w/${workspaceId}/plugins/looker`);
  await page.getByText('Nothing ran yet').waitFor(SOON);

  const over = new AbortController();
  const lines: string[] = [];
  const following = follow(client, 'looker', (line) => lines.push(line), over.signal);
  const brandId = (await client.api.brands.list.query({ workspaceId }))[0]!.id;
  for (const breaks of [false, true]) {
    const node = { id: 'it', type: 'looker.ask', version: '1.0.0', name: 'Look', position: { x: 0, y: 0 } };
    const graph = { format: 1 as const, edges: [], inputs: [], sections: [], notes: [] };
    const whole = { ...graph, nodes: [{ ...node, config: { breaks } }] };
    const { id } = await client.api.pipelines.create.mutate({ workspaceId, name: `Look ${breaks}`, graph: whole });
    await client.api.runs.start.mutate({ workspaceId, pipelineId: id, brandId, version: 'draft' });
    await expect
      .poll(
        async () => (await client.api.plugins.trials.query({ workspaceId, name: 'looker', after: null })).length,
        SOON,
      )
      .toBe(breaks ? 2 : 1);
  }
  await expect.poll(() => lines.join('\n'), SOON).toContain('NODE_THREW: TypeError: It has no words.');
  over.abort();
  await following;
  expect(lines.slice(0, 3)).toEqual([
    expect.stringMatching(/^✓ .*looker\.ask · run \d+, it · .* CPU · .* heap · .* out, .* in$/),
    '    Looks for slogans.',
    expect.stringMatching(/^ {4}→ GET npm\.example\.com\/slogans {2}\d{3} · /),
  ]);

  const shown = page.getByRole('list', { name: 'Executions' });
  await shown.getByText('NODE_THREW').waitFor(SOON);
  expect(await shown.getByRole('listitem').count()).toBeGreaterThanOrEqual(2);
  await shown.getByText('NODE_THREW').click();
  await shown.getByText('GET npm.example.com/slogans').first().waitFor(SOON);
  await picture('plugin-trials', shown);

  const folder = path.join(product.data, 'looker');
  expect(await record(client, folder, 'looker')).toEqual(['fixtures/ask.json']);
  const kept = JSON.parse(readFileSync(path.join(folder, 'fixtures/ask.json'), 'utf8')) as RecordedCall[];
  expect(kept).toMatchObject([
    { request: { path: '/slogans', headers: { authorization: '[redacted]' } }, reply: { status: expect.any(Number) } },
  ]);
  await expect(record(client, folder, 'headlines')).rejects.toThrow(/nothing yet/);
});

test('by its name: what is not there is said, what is there is looked at and asked about', async () => {
  const name = 'slogans';
  registry.publish(name, '1.2.0', {
    'package.json': JSON.stringify({ name, version: '1.2.0' }),
    'dist/slogans-1.2.0.plugin.json': packed(name, '1.2.0', [
      { manifest: manifest('slogans.say', { version: '1.2.0', title: 'Say a slogan' }), entries },
    ]),
  });
  await page.goto(`${product.url}/w/${client.workspaceId}/plugins`);
  await page.getByRole('button', { name: 'Install a plugin' }).click();
  const byName = page.getByLabel('Or by its name on npm');
  await byName.fill('sloganz');
  await page.getByRole('button', { name: 'Fetch' }).click();
  await page.getByText('There is no package sloganz.').waitFor(SOON);
  await picture('plugins-by-name');
  await byName.fill('slogans@1.2.0');
  await page.getByRole('button', { name: 'Fetch' }).click();
  await page.getByRole('dialog', { name: 'Install slogans 1.2.0' }).getByRole('button', { name: 'Install' }).click();
  await page.getByRole('link', { name: /Say a slogan/ }).waitFor(SOON);
  await page.goto(`${product.url}/w/${client.workspaceId}/settings`);
  await page.getByRole('region', { name: 'Plugin registry' }).scrollIntoViewIfNeeded();
  await picture('plugin-registry');
});
