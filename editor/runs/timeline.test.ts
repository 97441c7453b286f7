/** Tests of a run's time axis. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pack, ticks } from './timeline.ts';

test('steps that overlap stand below each other, those after them come back up', () => {
  expect(
    pack([
      { start: 0, end: 10 },
      { start: 5, end: 15 },
      { start: 10, end: 20 },
    ]).map(({ row }) => row),
  ).toEqual([0, 1, 0]);
});

test('the order of the steps is kept whatever order they began in', () => {
  expect(
    pack([
      { start: 50, end: 60 },
      { start: 0, end: 55 },
    ]).map(({ start, row }) => [start, row]),
  ).toEqual([
    [50, 1],
    [0, 0],
  ]);
});

test('no two steps of the first two rows lie on each other', () => {
  const span = fc
    .tuple(fc.nat(1000), fc.integer({ min: 1, max: 300 }))
    .map(([start, length]) => ({ start, end: start + length }));
  fc.assert(
    fc.property(fc.array(span, { maxLength: 30 }), (spans) => {
      const packed = pack(spans);
      return packed.every((one, place) =>
        packed.every(
          (other, otherPlace) =>
            place === otherPlace ||
            one.row !== other.row ||
            one.row === 2 ||
            one.end <= other.start ||
            other.end <= one.start,
        ),
      );
    }),
  );
});

test('ticks are round, begin at nothing and are few', () => {
  expect(ticks(134_000)).toEqual([0, 30, 60, 90, 120]);
  expect(ticks(0)).toEqual([0, 1]);
  for (const length of [900, 4000, 65_000, 3_600_000, 40 * 86_400_000])
    expect(ticks(length).length).toBeLessThanOrEqual(7);
});
