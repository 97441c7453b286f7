import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { joinedTexts, windowDiff } from './chunk.ts';
import { summary } from './shared/figures.ts';

test('median, 90th percentile and least of the runs', () => {
  expect(summary({ name: 'a', unit: 's', values: [5, 1, 4, 2, 3, 6, 7, 8, 9, 10] })).toEqual({
    name: 'a',
    unit: 's',
    median: 5.5,
    p90: 9,
    min: 1,
    runs: 10,
  });
  expect(summary({ name: 'a', unit: 's', values: [2, 1, 3] })).toMatchObject({ median: 2, p90: 3 });
});

test('WindowDiff is 0 for the same borders and grows with what is missing or made up', () => {
  const borders = (...at: number[]) => Array.from({ length: 20 }, (_, index) => at.includes(index));
  expect(windowDiff(borders(5, 12), borders(5, 12))).toBe(0);
  const near = windowDiff(borders(5, 12), borders(6, 12));
  expect(near).toBeGreaterThan(0);
  expect(windowDiff(borders(5, 12), borders(15))).toBeGreaterThan(near);
});

test('the ten texts are ten, of different parts, and always the same', () => {
  const texts = joinedTexts();
  expect(texts).toHaveLength(10);
  expect(texts.every(({ sizes }) => sizes.length >= 4 && new Set(sizes).size > 1)).toBe(true);
  expect(joinedTexts()).toEqual(texts);
});

test('the command lists every bench, so every bench can be loaded by it', () => {
  const main = path.join(import.meta.dirname, 'main.ts');
  const listed = execFileSync(process.execPath, [main], { encoding: 'utf8' }).trim().split('\n');
  expect(listed.map((line) => line.split(' ')[0])).toEqual(
    expect.arrayContaining(['idle', 'install', 'media', 'ready', 'reuse']),
  );
});
