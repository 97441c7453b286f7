import { describe, expect, test } from 'vitest';
import { dueTimes, inWords, isZone, type Missed, nextTimes, readWhen, wallClock } from './schedule.ts';

const cronOf = (text: string) => {
  const reading = readWhen(text);
  return reading.ok ? reading.cron : reading.message;
};

test.each([
  ['every weekday at 09:00', '0 9 * * 1-5'],
  ['Every day at 9am and 5pm', '0 9,17 * * *'],
  ['daily at noon', '0 12 * * *'],
  ['every day at midnight', '0 0 * * *'],
  ['every 15 minutes', '*/15 * * * *'],
  ['every hour', '0 * * * *'],
  ['every hour at minute 20', '20 * * * *'],
  ['every 6 hours', '0 */6 * * *'],
  ['every monday and thursday at 18:30', '30 18 * * 1,4'],
  ['Mondays, Wednesdays and Fridays at 7:05', '5 7 * * 1,3,5'],
  ['every weekend at 10:00', '0 10 * * 0,6'],
  ['on the 1st of every month at 08:00', '0 8 1 * *'],
  ['on the 1st and 15th of every month at 08:00', '0 8 1,15 * *'],
  ['on the last day of every month at 18:00', '0 18 L * *'],
  ['on the first monday of every month at 09:00', '0 9 * * 1#1'],
  ['on the last friday of every month at 16:00', '0 16 * * 5#L'],
  ['0 9 * * 1-5', '0 9 * * 1-5'],
  ['  */10   8-18 * * * ', '*/10 8-18 * * *'],
])('“%s” is understood as %s', (text, cron) => {
  expect(cronOf(text)).toBe(cron);
});

test.each([
  'every now and then',
  'every 7 minutes', // 60 is no multiple: the hour would end with a shorter wait
  'every day at 25:00',
  'every day at 9:00 and 17:30', // two lists of minutes
  '* * * * * *',
  '61 * * * *',
  '0 0 31 2 *',
  'at 13pm',
  '',
])('“%s” is refused in a sentence', (text) => {
  const reading = readWhen(text);
  expect(reading).toMatchObject({ ok: false, message: expect.stringMatching(/^“.*” (is|never) .*\.$/s) });
});

test('what a schedule means is told back in words that mean the same', () => {
  for (const text of [
    'every weekday at 09:00',
    'every day at 09:00 and 17:00',
    'every 15 minutes',
    'every hour',
    'every hour at minute 20',
    'every 6 hours',
    'every monday and thursday at 18:30',
    'every weekend at 10:00',
    'on the 1st of every month at 08:00',
    'on the 1st and 15th of every month at 08:00',
    'on the last day of every month at 18:00',
    'on the first monday of every month at 09:00',
  ]) {
    expect(inWords(cronOf(text))).toBe(text);
  }
  expect(inWords('5 4 * 3 *')).toBe('cron 5 4 * 3 *');
});

/** zone, schedule, from, what comes next (UTC). Zone data: IANA 2025b, read with `zdump -v`. */
describe('both changes of the clock', () => {
  test.each([
    // Berlin, 2026-03-29: 02:00 becomes 03:00; 2026-10-25: 03:00 becomes 02:00
    ['Europe/Berlin', '30 2 * * *', '2026-03-27T12:00Z', ['03-28T01:30', '03-29T01:00', '03-30T00:30']],
    ['Europe/Berlin', '0 9 * * *', '2026-03-28T06:00Z', ['03-28T08:00', '03-29T07:00', '03-30T07:00']],
    ['Europe/Berlin', '*/30 * * * *', '2026-03-29T00:10Z', ['03-29T00:30', '03-29T01:00', '03-29T01:30']],
    ['Europe/Berlin', '30 2 * * *', '2026-10-23T12:00Z', ['10-24T00:30', '10-25T00:30', '10-26T01:30']],
    ['Europe/Berlin', '30 2 * * *', '2026-10-25T01:10Z', ['10-26T01:30']],
    ['Europe/Berlin', '0 * * * *', '2026-10-24T23:50Z', ['10-25T00:00', '10-25T01:00', '10-25T02:00', '10-25T03:00']],
    ['Europe/Berlin', '15,45 2 * * *', '2026-10-24T12:00Z', ['10-25T00:15', '10-25T00:45', '10-26T01:15']],
    ['Europe/Berlin', '15,45 2 * * *', '2026-03-28T12:00Z', ['03-29T01:00', '03-30T00:15', '03-30T00:45']],
    ['Europe/Berlin', '15 2,3 * * *', '2026-03-28T12:00Z', ['03-29T01:00', '03-29T01:15', '03-30T00:15']],
    ['Europe/Berlin', '0 */2 * * *', '2026-10-24T22:30Z', ['10-25T00:00', '10-25T03:00', '10-25T05:00']],
    // New York, 2026-03-08 and 2026-11-01
    ['America/New_York', '30 2 * * *', '2026-03-06T12:00Z', ['03-07T07:30', '03-08T07:00', '03-09T06:30']],
    ['America/New_York', '30 1 * * *', '2026-10-30T12:00Z', ['10-31T05:30', '11-01T05:30', '11-02T06:30']],
    ['America/New_York', '0 2 * * *', '2026-10-30T12:00Z', ['10-31T06:00', '11-01T07:00', '11-02T07:00']],
    // Lord Howe moves by half an hour: 2026-10-04 02:00 becomes 02:30; 2026-04-05 02:00 becomes 01:30
    ['Australia/Lord_Howe', '15 2 * * *', '2026-10-02T00:00Z', ['10-02T15:45', '10-03T15:30', '10-04T15:15']],
    ['Australia/Lord_Howe', '45 1 * * *', '2026-04-03T00:00Z', ['04-03T14:45', '04-04T14:45', '04-05T15:15']],
    ['Australia/Lord_Howe', '*/15 * * * *', '2026-04-04T14:30Z', ['04-04T14:45', '04-04T15:00', '04-04T15:15']],
    ['Australia/Lord_Howe', '*/20 * * * *', '2026-10-03T15:05Z', ['10-03T15:10', '10-03T15:40', '10-03T16:00']],
    // no midnight on 2018-11-04 in São Paulo
    ['America/Sao_Paulo', '0 0 * * *', '2018-11-02T12:00Z', ['11-03T03:00', '11-04T03:00', '11-05T02:00']],
  ])('%s, %s after %s', (zone, cron, after, expected) => {
    const found = nextTimes(cron, zone, new Date(after), expected.length);
    expect(found.map((instant) => instant.toISOString().slice(5, 16))).toEqual(expected);
  });

  test('a year of any schedule never comes twice and never goes back', () => {
    for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Cairo']) {
      for (const cron of ['30 2 * * *', '15 1,2,3 * * *', '59 23 * * *']) {
        const perDay = cron.split(' ')[1]!.split(',').length;
        const times = nextTimes(cron, zone, new Date('2026-01-01T00:00Z'), 365 * perDay);
        for (const [index, time] of times.entries()) if (index > 0) expect(time > times[index - 1]!).toBe(true);
        const days = new Map<string, number>();
        for (const time of times) {
          const day = wallClock(time, zone).local.slice(0, 10);
          days.set(day, (days.get(day) ?? 0) + 1);
        }
        for (const [day, count] of [...days].slice(1, -1))
          expect([zone, cron, day, count]).toEqual([zone, cron, day, perDay]);
      }
    }
  });
});

describe('missed times', () => {
  const due = (policy: Missed, planned: string, now: string) => {
    const { start, leftOut, next } = dueTimes('0 9 * * *', 'Europe/Berlin', new Date(planned), new Date(now), policy);
    return {
      start: start.map(({ at, missed, leftOut: out }) => [at.toISOString().slice(5, 16), missed, out]),
      leftOut,
      next: next?.toISOString().slice(5, 16),
    };
  };
  const planned = '2026-03-27T08:00Z';

  test('on time, every policy starts one run', () => {
    for (const policy of ['skip', 'once', 'all'] as const) {
      expect(due(policy, planned, '2026-03-27T08:00:00.400Z')).toEqual({
        start: [['03-27T08:00', false, 0]],
        leftOut: 0,
        next: '03-28T08:00',
      });
    }
  });

  test('after four days off: skip starts none, once the last, all each', () => {
    const now = '2026-03-30T20:00Z'; // the clock changed on the 29th
    expect(due('skip', planned, now)).toEqual({ start: [], leftOut: 4, next: '03-31T07:00' });
    expect(due('once', planned, now)).toEqual({ start: [['03-30T07:00', true, 3]], leftOut: 3, next: '03-31T07:00' });
    expect(due('all', planned, now)).toEqual({
      start: [
        ['03-27T08:00', true, 0],
        ['03-28T08:00', true, 0],
        ['03-29T07:00', true, 0],
        ['03-30T07:00', true, 0],
      ],
      leftOut: 0,
      next: '03-31T07:00',
    });
  });

  test('back just in time: the one that is due makes up for the others', () => {
    const now = '2026-03-28T08:00:10Z';
    expect(due('once', planned, now).start).toEqual([['03-28T08:00', false, 1]]);
    expect(due('skip', planned, now).start).toEqual([['03-28T08:00', false, 0]]);
    expect(due('all', planned, now).start).toEqual([
      ['03-27T08:00', true, 0],
      ['03-28T08:00', false, 0],
    ]);
  });

  test('a year of minutes is made up for by the latest hundred, and the rest is counted', () => {
    const found = dueTimes('*/15 * * * *', 'UTC', new Date('2026-01-01T00:00Z'), new Date('2026-02-01T00:10Z'), 'all');
    expect(found.start).toHaveLength(100);
    expect(found.start.at(-1)!.at.toISOString()).toBe('2026-02-01T00:00:00.000Z');
    expect(found.leftOut).toBe(31 * 96 + 1 - 100);
    expect(found.next!.toISOString()).toBe('2026-02-01T00:15:00.000Z');
  });
});

test('a wall clock is read in its zone', () => {
  expect(wallClock(new Date('2026-03-29T01:00Z'), 'Europe/Berlin')).toEqual({
    local: '2026-03-29T03:00',
    weekday: 'Sunday',
  });
  expect(wallClock(new Date('2026-01-01T00:30Z'), 'America/New_York')).toEqual({
    local: '2025-12-31T19:30',
    weekday: 'Wednesday',
  });
  expect([isZone('Europe/Berlin'), isZone('Mars/Olympus'), isZone('')]).toEqual([true, false, false]);
});
