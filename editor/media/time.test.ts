/** Tests of times as people read and type them. */
import { expect, test } from 'vitest';
import { parseTime, tenths, toTenth } from './time.ts';

test('a time is shown with its tenth, and carries into the minute when it rounds up', () => {
  expect(tenths(62.46)).toBe('1:02.5');
  expect(tenths(59.96)).toBe('1:00.0');
  expect(tenths(3599.97)).toBe('1:00:00.0');
  expect(tenths(-3)).toBe('0:00.0');
});

test('what is shown can be typed back', () => {
  for (const seconds of [0, 0.1, 9.9, 59.9, 60, 61.5, 3599.9, 3600, 7384.2]) {
    expect(parseTime(tenths(seconds))).toBeCloseTo(seconds, 5);
  }
});

test('seconds alone, a comma and a unit are understood', () => {
  expect(parseTime('75')).toBe(75);
  expect(parseTime('75,5')).toBe(75.5);
  expect(parseTime(' 7.5 s ')).toBe(7.5);
});

test('what is not a time is refused rather than guessed', () => {
  for (const text of ['', 'soon', '1:75', '1:61:00', '-3', '1:2:3:4', '1e3']) expect(parseTime(text), text).toBeNull();
});

test('nudging by a tenth leaves no binary dust', () => {
  expect(toTenth(0.1 + 0.2)).toBe(0.3);
  expect(toTenth(-0.1)).toBe(0);
});
