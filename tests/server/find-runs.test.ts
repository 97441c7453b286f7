/** Runs found by number, by their pipeline's name and by what went wrong in them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPipeline } from '../../db/pipelines.ts';
import { listRuns } from '../../db/runs.ts';
import { type Bench, graphOf, openBench } from '../runtime/bench.ts';

let bench: Bench;
let shorts: string[];
let failing: string;
beforeAll(async () => {
  bench = await openBench();
  const graph = graphOf(['numbers { "count": 1 }', 'shout { "failOn": "1" }'], ['numbers.items > shout.text']);
  const pipelines: string[] = [];
  for (const name of ['Podcast to shorts', '100 % newsletter'])
    pipelines.push((await bench.inside((tx) => createPipeline(tx, { name, graph }))).id);
  const fine = graphOf(['numbers'], []);
  shorts = [];
  for (let count = 0; count < 3; count++) shorts.push(await bench.start(fine, { pipelineId: pipelines[0]! }));
  failing = await bench.start(graph, { pipelineId: pipelines[1]! });
  for (const runId of [...shorts, failing]) await bench.ended(runId);
});
afterAll(() => bench.close());

const find = async (text: string, more: { cursor?: string; limit?: number } = {}) =>
  bench.inside((tx) => listRuns(tx, { text, ...more }));
const ids = async (text: string) => (await find(text)).items.map(({ id }) => id);

test('a number is one run', async () => {
  const { items } = await find('2');
  expect(items.map(({ number }) => number)).toEqual([2]);
  expect((await find('#2')).items).toEqual(items);
  expect(await ids('999')).toEqual([]);
});

test('words of the pipeline’s name find its runs, newest first, page by page', async () => {
  expect(await ids('SHORTS')).toEqual([...shorts].reverse());
  const first = await find('podcast', { limit: 2 });
  expect(first.items).toHaveLength(2);
  const rest = await find('podcast', { limit: 2, cursor: first.next! });
  expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual([...shorts].reverse());
});

test('beginnings of words of an error, or its code, find the run it happened in', async () => {
  expect(await ids('will not sa')).toEqual([failing]);
  expect(await ids('SHOUT_REFUSED')).toEqual([failing]);
  expect(await ids('say will never')).toEqual([]);
});

test('what a person types is never part of a pattern or a query', async () => {
  expect(await ids('100 %')).toEqual([failing]);
  for (const odd of ['%', '_', "'", '\\', '& | !', ':*', '((', '']) expect(Array.isArray(await ids(odd))).toBe(true);
  expect(await ids('p_dcast')).toEqual([]);
});
