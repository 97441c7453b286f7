import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { breakLines, fitText, type Metrics } from './fit.ts';

const metricsOf = (text: string): Metrics => ({
  space: 0.25,
  word: new Map(
    text
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => [word, [...word].length * 0.55]),
  ),
});

describe('a title', () => {
  test('never runs out of its box and never loses its first word', () => {
    const word = fc.stringMatching(/^[a-zA-Zß]{1,18}$/);
    const box = fc.record({
      width: fc.integer({ min: 200, max: 1000 }),
      height: fc.integer({ min: 60, max: 600 }),
      lines: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 16 }), box, (words, { width, height, lines }) => {
        const text = words.join(' ');
        const fitted = fitText(text, metricsOf(text), {
          width,
          height,
          lines,
          most: 116,
          smallest: 24,
          lineHeight: 1.1,
        });
        expect(fitted.lines.length).toBeLessThanOrEqual(lines);
        expect(fitted.width).toBeLessThanOrEqual(width + 0.01);
        expect(fitted.height).toBeLessThanOrEqual(height + 0.01);
        expect(`${text} `.startsWith(`${fitted.lines.map((line) => line.text).join(' ')} `)).toBe(true);
      }),
    );
  });

  test('has lines as even as their number allows', () => {
    const text = 'one two three four five six';
    const lines = breakLines(text, metricsOf(text), 9)!;
    expect(lines).toHaveLength(2);
    expect(Math.abs(lines[0]!.width - lines[1]!.width)).toBeLessThan(3);
  });
});
