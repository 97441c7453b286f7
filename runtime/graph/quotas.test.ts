import fc from 'fast-check';
import { expect, test } from 'vitest';
import { windowOf } from './quotas.ts';

const ZONES = ['UTC', 'America/Los_Angeles', 'Europe/Berlin', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia'];
const HOUR_MS = 3_600_000;

test('a day is that of the zone: midnight in Los Angeles is seven or eight in UTC', () => {
  const day = (at: string) => {
    const { startsAt, endsAt } = windowOf({ per: 'day', zone: 'America/Los_Angeles' }, new Date(at));
    return [startsAt.toISOString(), endsAt.toISOString()];
  };
  expect(day('2026-01-15T07:59:59Z')).toEqual(['2026-01-14T08:00:00.000Z', '2026-01-15T08:00:00.000Z']);
  expect(day('2026-01-15T08:00:00Z')).toEqual(['2026-01-15T08:00:00.000Z', '2026-01-16T08:00:00.000Z']);
  // clocks are set back on 1 November 2026: that day has 25 hours
  expect(day('2026-11-01T12:00:00Z')).toEqual(['2026-11-01T07:00:00.000Z', '2026-11-02T08:00:00.000Z']);
});

test('windows lie side by side, and every instant is in its own', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ZONES),
      fc.constantFrom('day' as const, 'hour' as const),
      fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2035, 0) }),
      (zone, per, at) => {
        const { startsAt, endsAt } = windowOf({ per, zone }, new Date(at));
        expect(startsAt.getTime()).toBeLessThanOrEqual(at);
        expect(endsAt.getTime()).toBeGreaterThan(at);
        expect(endsAt.getTime() - startsAt.getTime()).toBeLessThanOrEqual(25 * HOUR_MS);
        expect(windowOf({ per, zone }, endsAt).startsAt).toEqual(endsAt);
        expect(windowOf({ per, zone }, startsAt)).toEqual({ startsAt, endsAt });
      },
    ),
    { numRuns: 200 },
  );
});
