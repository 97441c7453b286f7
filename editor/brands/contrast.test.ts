/** Tests of contrast. */
import { expect, test } from 'vitest';
import { contrast, isColor, textOn } from './contrast.ts';

test('black on white is 21, a colour on itself is 1, and the order does not matter', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
  expect(contrast('#2c45e4', '#2c45e4')).toBe(1);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  expect(contrast('#ffffff', '#777777')).toBe(contrast('#777777', '#ffffff'));
});

test('a pale brand colour gets ink, a deep one white', () => {
  expect(textOn('#ffd34d', '#1c1b19')).toBe('#1c1b19');
  expect(textOn('#2c45e4', '#1c1b19')).toBe('#ffffff');
});

test('only whole hex colours are colours', () => {
  expect(isColor('#A1b2C3')).toBe(true);
  for (const text of ['#fff', 'red', '#12345g', '123456', '']) expect(isColor(text), text).toBe(false);
});
