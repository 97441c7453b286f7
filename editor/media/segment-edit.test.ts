/** Tests of what may be wrong with a segment and how its edges move. */
import { expect, test } from 'vitest';
import type { Segment } from '../../nodes/contract.ts';
import { faultsOf, nudge, nudgeToBorder, overlaps, setSegment } from './segment-edit.ts';

const segment = (start: number, end: number, title = 'Ask what you can do'): Segment => ({
  id: `s-${start}`,
  title,
  start,
  end,
  summary: '',
  score: 0.9,
  why: '',
  quotes: [],
  topics: [],
});

test('a good segment has no fault, up to the very end of the recording', () => {
  expect(faultsOf(segment(0, 10), 10)).toEqual([]);
  expect(faultsOf(segment(0, 10.04), 10)).toEqual([]);
});

test('each fault is named at its field', () => {
  expect(faultsOf(segment(5, 5), 10).map(({ field }) => field)).toEqual(['end']);
  expect(faultsOf(segment(5, 5.5), 10).map(({ message }) => message)).toEqual(['Shorter than 1 second.']);
  expect(faultsOf(segment(5, 11), 10).map(({ field }) => field)).toEqual(['end']);
  expect(faultsOf(segment(5, 9, '  '), 10).map(({ field }) => field)).toEqual(['title']);
  expect(faultsOf(segment(5, 11), null)).toEqual([]);
});

test('a nudge moves by a tenth and never leaves the recording or passes the other edge', () => {
  expect(nudge(segment(5, 9), 'start', 0.1, 10).start).toBe(5.1);
  expect(nudge(segment(0, 9), 'start', -0.1, 10).start).toBe(0);
  expect(nudge(segment(5, 6), 'start', 0.1, 10).start).toBe(5);
  expect(nudge(segment(5, 10), 'end', 0.1, 10).end).toBe(10);
});

test('an edge goes to the next sentence border and stays where there is none that fits', () => {
  const borders = [0, 4, 5.2, 8, 9.5];
  expect(nudgeToBorder(segment(5, 9), 'start', 1, borders, 10).start).toBe(5.2);
  expect(nudgeToBorder(segment(5, 9), 'start', -1, borders, 10).start).toBe(4);
  expect(nudgeToBorder(segment(5, 9), 'end', 1, borders, 10).end).toBe(9.5);
  expect(nudgeToBorder(segment(0, 9), 'start', -1, borders, 10).start).toBe(0);
  expect(nudgeToBorder(segment(8, 9.2), 'start', 1, [9], 10).start).toBe(8);
});

test('segments that share time are told as pairs, those that touch are not', () => {
  expect(overlaps([segment(0, 5), segment(5, 9), segment(4, 6)])).toEqual([
    [0, 2],
    [1, 2],
  ]);
});

test('changing one segment leaves the others the same objects', () => {
  const list = [segment(0, 5), segment(5, 9)];
  const next = setSegment(list, 1, { title: 'Other' });
  expect(next[0]).toBe(list[0]);
  expect(next[1]?.title).toBe('Other');
});
