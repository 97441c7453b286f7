/** When a quota is given anew: pure, with the zone's own midnights. */
import type { Platform } from '../../nodes/contract.ts';

type Quota = NonNullable<Platform['quotas']>[number];
const HOUR_MS = 3_600_000;

/** The hour or the day, in the quota's zone, that `at` lies in. A day has 23 to 25 hours where clocks are changed. */
export function windowOf({ per, zone }: Pick<Quota, 'per' | 'zone'>, at: Date): { startsAt: Date; endsAt: Date } {
  if (per === 'hour') {
    const start = Math.floor(at.getTime() / HOUR_MS) * HOUR_MS;
    return { startsAt: new Date(start), endsAt: new Date(start + HOUR_MS) };
  }
  const today = dateIn(zone, at.getTime());
  return { startsAt: firstOf(zone, today, at.getTime(), -1), endsAt: firstOf(zone, today, at.getTime(), 1) };
}

function dateIn(zone: string, at: number): string {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return format.format(at);
}

/** The instant at which this day begins (`-1`) or the next one does (`1`): found by halving, to the second. */
function firstOf(zone: string, day: string, inside: number, side: -1 | 1): Date {
  let same = inside;
  let other = inside + side * 26 * HOUR_MS;
  while (Math.abs(other - same) > 1) {
    const middle = Math.floor((same + other) / 2);
    if (dateIn(zone, middle) === day) same = middle;
    else other = middle;
  }
  return new Date(side === -1 ? same : other);
}
