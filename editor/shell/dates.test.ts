/** Tests of dates in the time zone of the person looking. */
import { expect, test } from 'vitest';
import { clock, date, dateTime, exact } from './dates.ts';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');
const now = '2026-11-23T02:00:00Z';

test('the same instant is another day in another zone', () => {
  const instant = '2026-11-22T23:30:00Z';
  expect(dateTime(instant, new Date(now), 'UTC')).toBe('Yesterday, 23:30');
  expect(dateTime(instant, new Date(now), 'Europe/Berlin')).toBe('00:30');
  expect(date(instant, new Date(now), 'Europe/Berlin')).toBe('Today');
});

test('the day before a change of clocks is still yesterday', () => {
  // Berlin goes back at 03:00 on 25 October 2026: that day has 25 hours.
  expect(dateTime('2026-10-24T22:30:00Z', new Date('2026-10-25T22:59:00Z'), 'Europe/Berlin')).toBe('00:30');
  expect(dateTime('2026-10-24T21:30:00Z', new Date('2026-10-25T22:59:00Z'), 'Europe/Berlin')).toBe('Yesterday, 23:30');
});

test('older days have a date, and a year where it is another one', () => {
  expect(plain(dateTime('2026-11-20T14:31:00Z', new Date(now), 'UTC'))).toBe('20 Nov, 14:31');
  expect(plain(dateTime('2024-11-20T14:31:00Z', new Date(now), 'UTC'))).toBe('20 Nov 2024, 14:31');
});

test('the log has seconds and the tooltip has the zone', () => {
  expect(clock('2026-11-23T11:57:02Z', 'UTC')).toBe('11:57:02');
  expect(exact('2026-11-24T08:00:00Z', 'Europe/Berlin')).toMatch(/^Tuesday.* 24 November 2026.*09:00 (CET|GMT\+1)$/);
});
