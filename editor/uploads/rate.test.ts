/** Tests of upload rate and time left. */
import { expect, test } from 'vitest';
import { addSample, rateOf, type Sample, secondsLeft } from './rate.ts';

const run = (steps: [at: number, sent: number][]) =>
  steps.reduce<Sample[]>((samples, [at, sent]) => addSample(samples, { at, sent }), []);

test('a steady line gives its rate and the time left', () => {
  const samples = run([
    [0, 0],
    [1000, 2e6],
    [2000, 4e6],
  ]);
  expect(rateOf(samples)).toBe(2e6);
  expect(secondsLeft(samples, 10e6)).toBe(3);
});

test('nothing is promised before there is enough to judge, nor while nothing moves', () => {
  expect(rateOf(run([[0, 0]]))).toBeNull();
  expect(
    secondsLeft(
      run([
        [0, 0],
        [200, 5e6],
      ]),
      10e6,
    ),
  ).toBeNull();
  expect(
    secondsLeft(
      run([
        [0, 5e6],
        [5000, 5e6],
      ]),
      10e6,
    ),
  ).toBeNull();
});

test('only the last ten seconds count, so a line that became slow is believed soon', () => {
  const steps: [number, number][] = [];
  for (let second = 0; second <= 20; second += 1)
    steps.push([second * 1000, second <= 5 ? second * 1e7 : 5e7 + (second - 5) * 1e5]);
  expect(rateOf(run(steps))).toBeCloseTo(1e5, -1);
});

test('after a pause or a step back the measuring begins anew', () => {
  expect(
    run([
      [0, 0],
      [1000, 1e6],
      [60_000, 2e6],
    ]),
  ).toHaveLength(1);
  expect(
    run([
      [0, 0],
      [1000, 1e6],
      [1500, 5e5],
    ]),
  ).toHaveLength(1);
});

test('what is already sent takes no time', () => {
  expect(
    secondsLeft(
      run([
        [0, 0],
        [1000, 10e6],
      ]),
      10e6,
    ),
  ).toBe(0);
});
