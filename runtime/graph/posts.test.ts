import { expect, test } from 'vitest';
import { lengthOf, problemsOf } from './posts.ts';

test('a text is as long as its platform counts it', () => {
  const family = '👨‍👩‍👧';
  expect(lengthOf(family, {})).toBe(1);
  expect(lengthOf(family, { counts: 'utf16' })).toBe(8);
  expect(lengthOf(family, { counts: 'bytes' })).toBe(18);
  const linked = `See https://example.com/${'a'.repeat(80)} and http://b.example`;
  expect(lengthOf(linked, { linkCounts: 23 })).toBe('See '.length + 23 + ' and '.length + 23);
  expect(lengthOf('no link: example.com', { linkCounts: 23 })).toBe(20);
});

test('what is allowed at most is allowed; one more is not', () => {
  const rules = { rules: { text: { most: 5 }, video: { mostBytes: 10, mostSeconds: 60, leastSeconds: 3 } } };
  expect(problemsOf(rules, { text: 'abcde', video: { bytes: 10, duration: 60, mime: 'video/mp4' } })).toEqual([]);
  const messages = (inputs: Record<string, unknown>) =>
    problemsOf(rules, inputs).map(({ input, message }) => [input, message]);
  expect(messages({ text: 'abcdef' })).toEqual([['text', 'The text has 6 characters; 5 are allowed.']]);
  expect(messages({ video: { bytes: 11, duration: 61 } })).toHaveLength(2);
  expect(messages({ video: { bytes: 1, duration: 2.9 } })).toHaveLength(1);
  expect(messages({ video: { video: { bytes: 11 } } }), 'a clip is judged by its video').toHaveLength(1);
});

test('one of several inputs is enough, and nothing at all is not', () => {
  const rules = { rules: { image: { most: 4, mimes: ['image/png'] } }, oneOf: ['text', 'image'] };
  expect(problemsOf(rules, {})).toEqual([{ message: 'It needs one of these: text, image.' }]);
  expect(problemsOf(rules, { text: '' })).toHaveLength(1);
  expect(problemsOf(rules, { text: 'a' })).toEqual([]);
  const png = { mime: 'image/png' };
  expect(problemsOf(rules, { image: [png, png, png, png] })).toEqual([]);
  expect(problemsOf(rules, { image: [png, png, png, png, png] })).toHaveLength(1);
  expect(problemsOf(rules, { image: [{ mime: 'image/tiff' }] })).toHaveLength(1);
});
