/**
 * A pipeline that runs another, by hand in a real browser against the whole product: chosen in the settings, wired by the ports it
 * has, run, followed into the run it called and back; a newer version is offered, and a pipeline is never offered itself.
 */
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
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
const nodeOf = (id: string, type: string, name: string, x: number, config: Graph['nodes'][number]['config']) => ({
  ...{ id, type, name, config, version: '1.0.0' },
  position: { x, y: 0 },
});
const wire = (id: string, from: string, to: string) => {
  const end = (text: string) => ({ node: text.split('.')[0]!, port: text.split('.')[1]! });
  return { id, from: end(from), to: end(to) };
};
const graphOf = (nodes: Graph['nodes'], edges: Graph['edges']): Graph => ({
  ...{ format: 1, nodes, edges },
  ...{ inputs: [], sections: [], notes: [] },
});
const text = (name: string, title: string) => ({ name, title, type: 'text' });
const louder = (code: string) =>
  graphOf(
    [
      nodeOf('called', 'trigger.called', 'Called', 0, { values: [{ ...text('line', 'Line'), sample: 'hello' }] }),
      nodeOf('loud', 'flow.code', 'Loud', 320, {
        ...{ code, inputs: [{ name: 'line', type: 'text' }] },
        outputs: [{ name: 'loud', type: 'text' }],
      }),
      nodeOf('back', 'flow.return', 'Return', 640, { values: [text('said', 'Said')] }),
    ],
    [wire('a', 'called.line', 'loud.line'), wire('b', 'loud.loud', 'back.said')],
  );
async function create(name: string, graph: Graph): Promise<string> {
  return (await client.api.pipelines.create.mutate({ workspaceId: client.workspaceId, name, graph })).id;
}
async function publish(pipelineId: string): Promise<number> {
  const place = { workspaceId: client.workspaceId, pipelineId };
  const { revision } = await client.api.pipelines.get.query(place);
  return (await client.api.pipelines.publish.mutate({ ...place, revision })).version;
}

const node = (name: string) => page.getByRole('article', { name: new RegExp(`^${name}, `) });
const inspector = () => page.getByRole('complementary', { name: 'Inspector' });
const port = (key: string) => page.locator(`[data-port="${key}"]`);

async function middleOf(target: Locator): Promise<{ x: number; y: number }> {
  const box = (await target.boundingBox())!;
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}
async function draw(from: Locator, to: Locator): Promise<void> {
  const [start, end] = [await middleOf(from), await middleOf(to)];
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move(start.x + 4, start.y + 2);
  await page.mouse.move((start.x + end.x) / 2, (start.y + end.y) / 2, { steps: 4 });
  await page.mouse.move(end.x, end.y, { steps: 4 });
  await page.mouse.up();
}
const open = async (pipelineId: string) => {
  await page.goto(`${product.url}/w/${client.workspaceId}/p/${pipelineId}`);
  await page.locator('.react-flow__node').first().waitFor(SOON);
};

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

let outer: string;
let inner: string;

test('a node is told which pipeline it runs, and has its ports from then on', async () => {
  outer = await create(
    'Weekly post',
    graphOf(
      [
        nodeOf('set', 'flow.set', 'Line', 0, { values: [{ ...text('way1', 'Line'), value: 'hello' }] }),
        nodeOf('sub', 'flow.call', 'Sub-pipeline', 340, {}),
        nodeOf('end', 'flow.return', 'Return', 680, { values: [text('said', 'Said')] }),
      ],
      [],
    ),
  );
  await open(outer);
  await node('Sub-pipeline').locator('header').first().click();
  await inspector().getByText('No other pipeline can be called yet.').waitFor(SOON);
  await picture('call-none');
  inner = await create('Louder', louder("return line + '!';"));
  await publish(inner);
  await page.reload();
  await node('Sub-pipeline').locator('header').first().click();
  await inspector().getByRole('combobox', { name: 'Pipeline' }).click();
  expect(await page.getByRole('option').allTextContents()).toEqual(['Louder']);
  await page.getByRole('option', { name: 'Louder' }).click();
  await inspector().getByText('Version 1').waitFor(SOON);
  await port('out:set/way1').waitFor(SOON);
  await draw(port('out:set/way1'), port('in:sub/line'));
  await draw(port('out:sub/said'), port('in:end/said'));
  const edges = async () =>
    (await client.api.pipelines.get.query({ workspaceId: client.workspaceId, pipelineId: outer })).graph.edges.map(
      ({ from, to }) => `${from.node}.${from.port} > ${to.node}.${to.port}`,
    );
  await expect.poll(edges, SOON).toEqual(['set.way1 > sub.line', 'sub.said > end.said']);
  await picture('call-chosen');
});

test('the run that it calls is one press away, and so is the way back', async () => {
  const { runId, number } = await client.api.runs.start.mutate({
    ...{ workspaceId: client.workspaceId, pipelineId: outer, brandId, version: 'draft' },
  });
  const state = async () => (await client.api.runs.get.query({ workspaceId: client.workspaceId, runId })).state;
  await expect.poll(state, SOON).toBe('succeeded');
  const place = { workspaceId: client.workspaceId, runId, nodeId: 'end', path: [], port: 'said' };
  expect((await client.api.runs.value.query(place)).value).toBe('hello!');
  await page.goto(`${product.url}/w/${client.workspaceId}/runs/${runId}?node=sub`);
  const step = page.getByRole('region', { name: 'Step Sub-pipeline' });
  const link = step.getByRole('link', { name: `Run ${number + 1} of Louder` });
  await link.waitFor(SOON);
  await picture('call-step');
  await link.click();
  const back = page.getByRole('link', { name: `run ${number} of Weekly post` });
  await back.waitFor(SOON);
  await picture('called-run');
  await back.click();
  await step.waitFor(SOON);
});

test('a newer version is offered and taken when the person says so', async () => {
  const place = { workspaceId: client.workspaceId, pipelineId: inner };
  const { revision } = await client.api.pipelines.get.query(place);
  const config = (louder("return line + '!!';").nodes[1]!.config as { code: string }).code;
  await client.api.pipelines.edit.mutate({
    ...place,
    ...{ baseRevision: revision, clientId: 'test' },
    operations: [{ op: 'setConfig', node: 'loud', field: 'code', value: config }],
  });
  expect(await publish(inner)).toBe(2);
  await open(outer);
  await node('Sub-pipeline').locator('header').first().click();
  await inspector().getByText('Version 2 is published.').waitFor(SOON);
  await picture('call-newer');
  await inspector().getByRole('button', { name: 'Use version 2' }).click();
  await inspector().getByText('Version 2', { exact: true }).waitFor(SOON);
});

test('started by hand, a pipeline that is called begins with what it was last called with', async () => {
  const { runId } = await client.api.runs.start.mutate({
    ...{ workspaceId: client.workspaceId, pipelineId: inner, brandId, version: 'draft' },
  });
  const view = () => client.api.runs.get.query({ workspaceId: client.workspaceId, runId });
  await expect.poll(async () => (await view()).state, SOON).toBe('succeeded');
  const place = { workspaceId: client.workspaceId, runId, nodeId: 'back', path: [], port: 'said' };
  expect((await client.api.runs.value.query(place)).value).toBe('hello!!');
});

test('a pipeline is offered none that would come back to it, and publishing one is refused', async () => {
  const nodes = (await client.api.pipelines.get.query({ workspaceId: client.workspaceId, pipelineId: outer })).graph
    .nodes;
  const begins = nodeOf('called', 'trigger.called', 'Called', -340, { values: [text('line', 'Line')] });
  const place = { workspaceId: client.workspaceId, pipelineId: outer };
  const { revision } = await client.api.pipelines.get.query(place);
  await client.api.pipelines.edit.mutate({
    ...place,
    ...{ baseRevision: revision, clientId: 'test' },
    operations: [{ op: 'addNode', node: begins, index: nodes.length }],
  });
  await publish(outer);
  const callable = (pipelineId: string) =>
    client.api.pipelines.callable.query({ workspaceId: client.workspaceId, pipelineId });
  expect((await callable(outer)).map(({ name }) => name)).toEqual(['Louder']);
  expect(await callable(inner)).toEqual([]);
  const circle = {
    ...{ pipeline: outer, name: 'Weekly post', version: 1 },
    ...{ inputs: [text('line', 'Line')], outputs: [text('said', 'Said')] },
  };
  const draft = await client.api.pipelines.get.query({ workspaceId: client.workspaceId, pipelineId: inner });
  await client.api.pipelines.edit.mutate({
    ...{ workspaceId: client.workspaceId, pipelineId: inner, baseRevision: draft.revision, clientId: 'test' },
    operations: [
      { op: 'addNode', node: nodeOf('sub', 'flow.call', 'Again', 960, { call: circle }), index: 3 },
      { op: 'connect', edge: wire('c', 'loud.loud', 'sub.line'), index: 2 },
    ],
  });
  await expect(publish(inner)).rejects.toThrow('would come to call this pipeline again');
});
