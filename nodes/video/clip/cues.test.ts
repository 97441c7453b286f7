import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Word } from '../../contract.ts';
import { layCaptions, lineLength, wordsWithin } from './cues.ts';

const spoken = (text: string): Word[] =>
  text.split(' ').map((word, index) => ({ text: word, start: index * 0.4, end: index * 0.4 + 0.35 }));

describe('captions', () => {
  test('have at most two lines of the wanted length and keep every word in order', () => {
    const word = fc.stringMatching(/^[a-zA-Zäß']{1,14}[.,!?]?$/);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 60 }), fc.integer({ min: 8, max: 30 }), (texts, line) => {
        const words = spoken(texts.join(' '));
        const cues = layCaptions(words, line, 100);
        for (const cue of cues) {
          expect(cue.lines.length).toBeLessThanOrEqual(2);
          for (const each of cue.lines) {
            const length = each.map((part) => part.text).join(' ').length;
            if (each.length > 1) expect(length).toBeLessThanOrEqual(line);
          }
        }
        expect(cues.flatMap((cue) => cue.lines.flat().map((part) => part.text))).toEqual(texts);
        for (const [index, cue] of cues.entries())
          if (index > 0) expect(cue.start).toBeGreaterThanOrEqual(cues[index - 1]!.end - 0.051);
      }),
    );
  });

  test('share a sentence out evenly instead of leaving its last word alone', () => {
    const cues = layCaptions(spoken('ask not what your country can do for you but what you can do'), 16, 60);
    const sizes = cues.map((cue) => cue.lines.flat().length);
    expect(Math.min(...sizes)).toBeGreaterThan(1);
  });

  test('begin anew where somebody pauses or another speaks', () => {
    const words = spoken('one two three four');
    words[2]!.start += 2;
    words[2]!.end += 2;
    words[3] = { ...words[3]!, start: words[2]!.end, end: words[2]!.end + 0.3, speaker: 'b' };
    expect(layCaptions(words, 30, 60)).toHaveLength(3);
  });

  test('large text has shorter lines, wide pictures longer ones', () => {
    expect(lineLength('marker', 'large', '9:16')).toBeLessThan(lineLength('marker', 'small', '9:16'));
    expect(lineLength('plain', 'medium', '16:9')).toBeGreaterThan(lineLength('plain', 'medium', '9:16'));
  });
});

test('words are counted from the segment’s start and only its own are taken', () => {
  const words = [
    { text: 'before', start: 8, end: 9 },
    { text: ' edge ', start: 9.9, end: 10.4 },
    { text: 'in', start: 11, end: 11.5 },
    { text: 'after', start: 14.1, end: 15 },
  ];
  expect(wordsWithin(words, 10, 14)).toEqual([
    { text: 'edge', start: 0, end: 0.4 },
    { text: 'in', start: 1, end: 1.5 },
  ]);
});
