/**
 * What a clock shows in a time zone, from our own table: the same on every machine and in every browser. Pure.
 * A zone's present rule is known, and the year since which it holds; for earlier instants there is no answer.
 */
import { ZONE_TABLE } from './zone-table.ts';

/** Month 1 to 12, week 1 to 5 (5 = the last), weekday from Sunday = 0, minutes after midnight by the clock before it. */
type Change = readonly [month: number, week: number, weekday: number, minutes: number];
/** Minutes east of UTC; with summer time, its minutes, its beginning and its end. */
export type ZoneRule =
  | readonly [standard: number]
  | readonly [standard: number, summer: number, begins: Change, ends: Change];

export type ZoneAnswer =
  | { ok: true; minutes: number }
  | { ok: false; why: 'unknown' }
  | { ok: false; since: number; why: 'past' };

let zones: Map<string, { rule: ZoneRule; since: number }> | undefined;

/** Minutes east of UTC at an instant. `zone`: `UTC`, `+05:30` or an IANA name. */
export function zoneOffset(zone: string, atMs: number): ZoneAnswer {
  if (zone === 'UTC' || zone === 'Z') return { ok: true, minutes: 0 };
  const fixed = /^([-+])(\d{2}):?(\d{2})$/.exec(zone);
  if (fixed) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    if (Number(fixed[3]) > 59 || minutes > 14 * 60) return { ok: false, why: 'unknown' };
    return { ok: true, minutes: fixed[1] === '-' ? 0 - minutes : minutes };
  }
  zones ??= new Map(
    ZONE_TABLE.flatMap(([rule, since, names]) => names.split(' ').map((name) => [name, { rule, since }] as const)),
  );
  const known = zones.get(zone);
  if (!known) return { ok: false, why: 'unknown' };
  // the year by the zone's own clock may begin up to 14 hours earlier
  if (atMs < Date.UTC(known.since, 0, 1)) return { ok: false, why: 'past', since: known.since };
  return { ok: true, minutes: offsetUnder(known.rule, atMs) };
}

export function offsetUnder(rule: ZoneRule, atMs: number): number {
  const [standard, summer, begins, ends] = rule;
  if (summer === undefined || begins === undefined || ends === undefined) return standard;
  const year = new Date(atMs + standard * 60_000).getUTCFullYear();
  const from = instantOf(begins, year) - standard * 60_000;
  const to = instantOf(ends, year) - summer * 60_000;
  const isSummer = from < to ? atMs >= from && atMs < to : atMs >= from || atMs < to;
  return isSummer ? summer : standard;
}

/** The change's clock time as if it were in UTC. */
function instantOf([month, week, weekday, minutes]: Change, year: number): number {
  const first = new Date(Date.UTC(year, month - 1, 1)).getUTCDay();
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  let date = 1 + ((weekday - first + 7) % 7) + 7 * (week - 1);
  while (date > days) date -= 7;
  return Date.UTC(year, month - 1, date) + minutes * 60_000;
}
