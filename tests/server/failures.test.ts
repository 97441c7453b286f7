/** The list of what failed for good: what is on it, what is not, and trying again one, some or all. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphOf, TEST_NODES } from '../runtime/bench.ts';
import { openScene } from '../triggers/scene.ts';

let scene: Awaited<ReturnType<typeof openScene>>;
beforeAll(async () => {
  scene = await openScene({ nodes: TEST_NODES });
});
afterAll(() => scene?.[Symbol.asyncDispose]());

type Listed = {
  items: {
    runId: string;
    nodeId: string;
    nodeName: string;
    count: number;
    pipelineName: string;
    error: { code: string };
  }[];
  next: number | null;
};
const list = (filter: object = {}) => scene.call<Listed>('failures.list', 'query', filter);
const retry = (what: object) => scene.call<{ retried: number; more: boolean }>('failures.retry', 'mutation', what);
async function pipeline(name: string, shout: string, wires: string[] = []): Promise<string> {
  const graph = graphOf(
    ['numbers', `shout ${shout}`, 'keep'],
    ['numbers.items > shout.text', 'shout.text > keep.value', ...wires],
  );
  return (await scene.call<{ id: string }>('pipelines.create', 'mutation', { name, graph })).id;
}
async function run(pipelineId: string): Promise<string> {
  const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', {
    pipelineId,
    brandId: scene.brandId,
  });
  await scene.ended(runId);
  return runId;
}

test('a row for each node that failed, the newest run first; what went well, is handled or was put aside is not there', async () => {
  expect(await list()).toEqual({ items: [], next: null });
  const broken = await pipeline('Broken', '{ "failOn": "2" }');
  const first = await run(broken);
  const second = await run(broken);
  await run(await pipeline('Fine', ''));
  const handled = graphOf(
    ['numbers', 'shout { "failOn": "2" }', 'keep'],
    ['numbers.items > shout.text', 'shout.error > keep.value'],
  );
  const { id } = await scene.call<{ id: string }>('pipelines.create', 'mutation', { name: 'Handled', graph: handled });
  await run(id);
  const { items } = await list();
  expect(items.map(({ runId, nodeName, count, error }) => [runId, nodeName, count, error.code])).toEqual([
    [second, 'shout', 1, 'SHOUT_REFUSED'],
    [first, 'shout', 1, 'SHOUT_REFUSED'],
  ]);
  expect(await list({ code: 'OTHER' })).toEqual({ items: [], next: null });
  expect((await list({ pipelineId: broken, code: 'SHOUT_REFUSED' })).items).toHaveLength(2);
  expect(await scene.call('failures.count', 'query', {})).toEqual({ runs: 2 });

  await scene.call('failures.putAside', 'mutation', { runIds: [second] });
  expect((await list()).items.map(({ runId }) => runId)).toEqual([first]);
  // what is put aside is no part of "all"
  expect(await retry({})).toEqual({ retried: 1, more: false });
  await scene.ended(first);
  expect((await list()).items.map(({ runId }) => runId)).toEqual([first]);
  // it fails again: seen again
  await scene.call('runs.retry', 'mutation', { runId: second });
  await scene.ended(second);
  expect((await list()).items.map(({ runId }) => runId)).toEqual([second, first]);
  expect(
    await retry({
      items: [
        { runId: first, nodeId: 'shout' },
        { runId: first, nodeId: 'keep' },
      ],
    }),
  ).toEqual({
    retried: 1,
    more: false,
  });
  await scene.ended(first);
}, 30_000);

test('all that a filter finds is tried again, over pages', async () => {
  const many = await pipeline('Many', '{ "failOn": "1" }');
  const runs: string[] = [];
  for (let at = 0; at < 53; at += 1) {
    const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', {
      pipelineId: many,
      brandId: scene.brandId,
    });
    runs.push(runId);
  }
  for (const runId of runs) await scene.ended(runId);
  const page = await list({ pipelineId: many });
  expect([page.items.length, page.next === null]).toEqual([50, false]);
  expect((await list({ pipelineId: many, cursor: page.next })).items).toHaveLength(3);
  expect(await retry({ pipelineId: many })).toEqual({ retried: 53, more: false });
  for (const runId of runs) await scene.ended(runId);
}, 40_000);
