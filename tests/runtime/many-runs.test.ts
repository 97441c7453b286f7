/** More runs at once than a worker keeps the plans of: what it said it knows is still there when the answer comes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ own: true });
});
afterAll(() => bench.close());

const RUNS = 200;
const code = (text: string) => JSON.stringify({ inputs: [], code: text });
const next = JSON.stringify({ code: 'return input + 1;' });

test('hundreds of runs that wake at one moment all end', async () => {
  const graph = graphOf(
    [
      `one:flow.code ${code('return 1;')}`,
      'nap:flow.delay {"amount":0.05}',
      `two:flow.code ${next}`,
      `three:flow.code ${next}`,
      `four:flow.code ${next}`,
    ],
    ['one.result > nap.item', 'nap.item > two.input', 'two.result > three.input', 'three.result > four.input'],
  );
  const pipelineId = await bench.pipeline(graph);
  let begun = 0;
  const startSome = async () => {
    while (begun++ < RUNS) await bench.start(graph, { pipelineId });
  };
  await Promise.all([startSome(), startSome(), startSome()]);
  const count = async (state: string) =>
    (await bench.database.admin.query('select 1 from run where state = $1', [state])).rowCount;
  for (const deadline = Date.now() + 40_000; (await count('running')) && Date.now() < deadline; ) await sleep(50);
  expect(await count('succeeded')).toBe(RUNS);
  expect(bench.log).toEqual([]);
}, 60_000);
