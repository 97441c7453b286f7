/** Runs through the real ledger, queue, worker and sandbox. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const THREE = ['numbers.items > shout.text', 'shout.text > join.texts'];

test('a list maps, runs and gathers', async () => {
  const runId = await bench.start(graphOf(['numbers', 'shout', 'join'], THREE));
  const ended = await bench.ended(runId);
  expect(ended.run.state).toBe('succeeded');
  expect(await bench.value(runId, 'join', 'text')).toBe('1!,2!,3!');
  expect(bench.states(ended)).toEqual({ numbers: 'done', shout: 'done', join: 'done' });
});
