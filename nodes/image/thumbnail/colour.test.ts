import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contrast, textOn } from './colour.ts';

test('text takes the first colour that reads on its ground, whatever the brand', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^#[0-9a-f]{6}$/), fc.stringMatching(/^#[0-9a-f]{6}$/), (ground, ink) => {
      expect(contrast(textOn(ground, '#ffffff', ink), ground)).toBeGreaterThanOrEqual(4.5);
    }),
  );
  expect(textOn('#ffd23f', '#ffffff', '#24180a')).toBe('#24180a');
});
