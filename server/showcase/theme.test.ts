import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { contrast, themeOf } from './theme.ts';

const hex = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);

test('whatever colour a brand has, text in it reaches 4.5:1 on every ground it stands on', () => {
  fc.assert(
    fc.property(hex, (primary) => {
      const { light, dark } = themeOf(primary);
      expect(contrast(light.text, '#fbfaf9')).toBeGreaterThanOrEqual(4.5);
      expect(contrast(light.text, light.soft)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(dark.text, '#191918')).toBeGreaterThanOrEqual(4.5);
      expect(contrast(dark.text, dark.soft)).toBeGreaterThanOrEqual(4.5);
      // the line being spoken: words and time codes on the soft ground
      expect(contrast('#1c1b19', light.soft)).toBeGreaterThanOrEqual(4.5);
      expect(contrast('#5e5b55', light.soft)).toBeGreaterThanOrEqual(4.5);
      expect(contrast('#eeece8', dark.soft)).toBeGreaterThanOrEqual(4.5);
      expect(contrast('#aca8a1', dark.soft)).toBeGreaterThanOrEqual(4.5);
    }),
  );
});

test('the letter on the mark of a brand can be seen', () => {
  fc.assert(
    fc.property(hex, (primary) => {
      const { accent, onAccent } = themeOf(primary);
      expect(contrast(accent, onAccent)).toBeGreaterThanOrEqual(3);
    }),
  );
});

test('a kit without a colour takes the product’s own', () => {
  expect(themeOf('red; } body { display: none').accent).toBe('#2c45e4');
});
