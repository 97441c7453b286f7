/** A short campaign by a seed, and what campaigns are judged by. `npm run chaos` is the long one (docs/chaos.md). */
import { expect, test } from 'vitest';
import { campaign } from './campaign.ts';
import { judge } from './judge.ts';

const accepted = ['a', 'b', 'c'].map((text, at) => ({ text, runId: text, at }));

test('a text without a post is lost, one with two is doubled, one that nobody asked for is one too many', () => {
  const posts = [
    { text: 'a', at: 10 },
    { text: 'b', at: 10 },
    { text: 'b', at: 11 },
    { text: 'x', at: 12 },
  ];
  expect(judge(accepted, posts, new Set(), [])).toMatchObject({
    runs: 3,
    effects: 4,
    lost: ['c'],
    doubled: ['b', 'x'],
  });
  expect(judge(accepted, posts, new Set(['c']), [])).toMatchObject({ lost: [], unknown: ['c'] });
});

test('recovery is from a fault to the next post of a run that was accepted before it', () => {
  const posts = [
    { text: 'a', at: 2_000 },
    { text: 'b', at: 9_000 },
  ];
  const late = [{ text: 'a', runId: 'a', at: 1_500 }, ...accepted.slice(1)];
  expect(judge(late, posts, new Set(), [1_000]).recoveryP95Seconds).toBe(8);
});

const SHORT = { runs: 24, minutes: 0.25, each: 2, workers: 2, say: () => {} };

test.concurrent('kills, pauses, cuts, restarts and lost replies lose and double nothing', async () => {
  const outcome = await campaign({ ...SHORT, seed: 7 });
  expect(outcome).toMatchObject({ runs: SHORT.runs, lost: [], doubled: [] });
  for (const [kind, count] of Object.entries(outcome.injected)) expect([kind, count > 0]).toEqual([kind, true]);
}, 240_000);

test.concurrent('a product without its look-up does not pass', async () => {
  const outcome = await campaign({ ...SHORT, seed: 8, each: 6, blind: true });
  expect(outcome.doubled.length).toBeGreaterThan(0);
}, 240_000);
