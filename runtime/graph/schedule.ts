/**
 * When a schedule starts its runs. A schedule is written in words ("every weekday at 09:00") or as cron of five fields,
 * and lives in an IANA time zone. Pure: the caller says what time it is.
 *
 * Changes of the clock: a time that is left out in spring starts at the first moment after the gap, once; a time that
 * comes twice in autumn starts the first time only. What comes every hour or more often goes on evenly through both.
 *
 * What is missed (nothing ran when the time came): `skip` leaves it out, `once` makes up for all of it with one run,
 * `all` with one run each, the latest 100 of them.
 */
import { Cron } from 'croner';

export type Missed = 'skip' | 'once' | 'all';
export type Reading = { ok: true; cron: string } | { ok: false; message: string };

/** A time this late still counts as kept: a restart takes that long. */
export const GRACE_MS = 60_000;
export const MOST_MISSED = 100;
/** Planned instants that are looked through at most after a long standstill. */
const MOST_LOOKED = 100_000;

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const ORDINALS: Record<string, string> = { first: '1', second: '2', third: '3', fourth: '4', last: 'L' };
const EXAMPLES =
  'Write it as “every weekday at 09:00”, “every 15 minutes”, “every monday and thursday at 18:30”, “on the 1st of every month at 08:00”, or as cron.';

/** Reads words or cron; what it means is always told back by `inWords`. */
export function readWhen(text: string): Reading {
  const trimmed = text.trim().replace(/\s+/g, ' ');
  const words = trimmed
    .toLowerCase()
    .replace(/[.,;]+(?= |$)/g, ' and ')
    .replace(/( and)+ ?$/, '')
    .replace(/( and)+ /g, ' and ')
    .trim();
  const cron = /^[\d*]/.test(trimmed) && trimmed.split(' ').length === 5 ? trimmed : fromWords(words);
  if (cron === undefined) return { ok: false, message: `“${trimmed}” is not understood. ${EXAMPLES}` };
  try {
    if (new Cron(cron, { mode: '5-part', timezone: 'UTC' }).nextRun(new Date(Date.UTC(2024, 0, 1))) === null) {
      return { ok: false, message: `“${trimmed}” never comes.` };
    }
  } catch (error) {
    const why = (error as Error).message.replace(/^CronPattern: /, '');
    return {
      ok: false,
      message: `“${trimmed}” is no cron: ${why.charAt(0).toLowerCase()}${why.slice(1)}.`.replace('..', '.'),
    };
  }
  return { ok: true, cron };
}

function fromWords(words: string): string | undefined {
  const hourly = /^(?:every hour|hourly)(?: at (?:minute )?:?(\d{1,2}))?$/.exec(words);
  if (hourly) return Number(hourly[1] ?? 0) < 60 ? `${Number(hourly[1] ?? 0)} * * * *` : undefined;
  const often =
    /^every (\d{1,2}) (minutes?|hours?)$/.exec(words) ?? (words === 'every minute' ? ['', '1', 'minute'] : null);
  if (often) {
    const count = Number(often[1]);
    const isMinutes = often[2]!.startsWith('minute');
    // others do not divide the hour or the day evenly, and would not be what the words say
    if (count < 1 || (isMinutes ? 60 : 24) % count !== 0) return undefined;
    return isMinutes ? `*/${count} * * * *` : `0 */${count} * * *`;
  }
  const [, what, timesText] = /^(.*?)(?: at (.+))?$/.exec(words)!;
  const times = timesOf(timesText ?? '09:00');
  const days = times && daysOf(what!.trim());
  if (!times || !days) return undefined;
  return `${times.minute} ${times.hours.join(',')} ${days.ofMonth} ${days.month} ${days.ofWeek}`;
}

/** `09:00 and 17:00`: cron has one list of minutes for all hours, so the minutes have to be the same. */
function timesOf(text: string): { minute: number; hours: number[] } | undefined {
  const times = text.split(/ and /).map((part) => {
    if (part === 'noon') return [12, 0] as const;
    if (part === 'midnight') return [0, 0] as const;
    const found = /^(\d{1,2})(?:[:.h](\d{2}))? ?(am|pm)?(?: o'clock)?$/.exec(part.trim());
    if (!found) return undefined;
    const [hour, minute] = [Number(found[1]), Number(found[2] ?? 0)];
    if (found[3] && (hour < 1 || hour > 12)) return undefined;
    const full = found[3] === 'pm' ? (hour % 12) + 12 : found[3] === 'am' ? hour % 12 : hour;
    return full < 24 && minute < 60 ? ([full, minute] as const) : undefined;
  });
  const first = times[0];
  if (!first || times.some((time) => time?.[1] !== first[1])) return undefined;
  return { minute: first[1], hours: [...new Set(times.map((time) => time![0]))].sort((a, b) => a - b) };
}

function daysOf(text: string): { ofMonth: string; month: string; ofWeek: string } | undefined {
  const all = { ofMonth: '*', month: '*', ofWeek: '*' };
  if (/^(?:every day|daily|each day|every morning|every evening)?$/.test(text)) return text === '' ? undefined : all;
  if (/^(?:every |on )?(?:weekdays?|working days?|workdays?)$/.test(text)) return { ...all, ofWeek: '1-5' };
  if (/^(?:every |on )?(?:weekends?)$/.test(text)) return { ...all, ofWeek: '0,6' };
  const monthly =
    /^(?:every month )?on (?:the )?(.+?)(?: (?:of|in) (?:every|each|the) month)?(?: every month| monthly)?$/.exec(text);
  if (monthly && /month/.test(text)) {
    const nth = /^(first|second|third|fourth|last) (\w+)$/.exec(monthly[1]!);
    if (nth && nth[2] === 'day')
      return nth[1] === 'first' || nth[1] === 'last' ? { ...all, ofMonth: ORDINALS[nth[1]]! } : undefined;
    const weekday = nth ? dayNumber(nth[2]!) : undefined;
    if (nth && weekday !== undefined) return { ...all, ofWeek: `${weekday}#${ORDINALS[nth[1]!]}` };
    const dates = monthly[1]!.split(/ and /).map((part) => /^(\d{1,2})(?:st|nd|rd|th)?$/.exec(part.trim())?.[1]);
    if (dates.some((date) => date === undefined || Number(date) < 1 || Number(date) > 31)) return undefined;
    return { ...all, ofMonth: dates.join(',') };
  }
  const named = text.replace(/^(?:every week )?(?:every |each |on )+/, '').split(/ and |\/| & /);
  const numbers = named.map((name) => dayNumber(name.trim()));
  if (numbers.some((number) => number === undefined)) return undefined;
  return { ...all, ofWeek: [...new Set(numbers)].sort().join(',') };
}

function dayNumber(name: string): number | undefined {
  const short = name.replace(/s$/, '');
  const at = DAYS.findIndex((day) => day === short || (short.length >= 3 && day.startsWith(short)));
  return at < 0 ? undefined : at;
}

/** What a cron of five fields means; the cron itself where no sentence fits. */
export function inWords(cron: string): string {
  const [minute = '', hour = '', date = '', month = '', weekday = ''] = cron.trim().split(/\s+/);
  if (month !== '*') return `cron ${cron}`;
  const every = /^\*\/(\d+)$/.exec(minute);
  const isAlways = date === '*' && weekday === '*';
  if (isAlways && hour === '*' && minute === '*') return 'every minute';
  if (isAlways && hour === '*' && every) return every[1] === '1' ? 'every minute' : `every ${every[1]} minutes`;
  if (isAlways && hour === '*' && /^\d+$/.test(minute))
    return minute === '0' ? 'every hour' : `every hour at minute ${minute}`;
  const hours = /^\*\/(\d+)$/.exec(hour);
  if (isAlways && hours && minute === '0') return `every ${hours[1]} hours`;
  if (!/^\d+$/.test(minute) || !/^\d+(,\d+)*$/.test(hour)) return `cron ${cron}`;
  const at = listed(hour.split(',').map((each) => `${each.padStart(2, '0')}:${minute.padStart(2, '0')}`));
  const nth = /^([0-7])#([1-4L])$/.exec(weekday);
  if (date === '*' && nth) {
    const ordinal = Object.entries(ORDINALS).find(([, sign]) => sign === nth[2])![0];
    return `on the ${ordinal} ${DAYS[Number(nth[1]) % 7]} of every month at ${at}`;
  }
  if (weekday === '*' && date === 'L') return `on the last day of every month at ${at}`;
  if (weekday === '*' && /^\d+(,\d+)*$/.test(date))
    return `on the ${listed(date.split(',').map(ordinal))} of every month at ${at}`;
  if (date !== '*') return `cron ${cron}`;
  if (weekday === '*') return `every day at ${at}`;
  if (weekday === '1-5') return `every weekday at ${at}`;
  if (weekday === '0,6' || weekday === '6,0') return `every weekend at ${at}`;
  if (!/^[0-7](,[0-7])*$/.test(weekday)) return `cron ${cron}`;
  return `every ${listed(weekday.split(',').map((day) => DAYS[Number(day) % 7]!))} at ${at}`;
}

function ordinal(date: string): string {
  const number = Number(date);
  const tail = number % 100 > 10 && number % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th');
  return `${number}${tail}`;
}

function listed(parts: string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone.length > 0;
  } catch {
    return false;
  }
}

/** Times on a wall clock, held as if the wall stood in UTC. */
type Wall = number;
const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function wallAt(instant: number, zone: string): Wall {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    formats.set(zone, format);
  }
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(instant)) part[type] = Number(value);
  return Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!);
}
const offsetAt = (instant: number, zone: string) => wallAt(instant, zone) - Math.floor(instant / 1000) * 1000;

/** The first instant in (from, to] that has the offset of `to`. */
function changeBetween(from: number, to: number, zone: string): number {
  const offset = offsetAt(to, zone);
  let [low, high] = [Math.floor(from / 1000), Math.ceil(to / 1000)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * 1000, zone) === offset) high = middle;
    else low = middle;
  }
  return high * 1000;
}

/** The one instant a wall time stands for: the first of two, or the moment after the gap that it fell into. */
function instantOf(wall: Wall, zone: string): number {
  const before = offsetAt(wall - DAY_MS, zone);
  const after = offsetAt(wall + DAY_MS, zone);
  const fits = [wall - before, wall - after].filter((instant) => wallAt(instant, zone) === wall);
  return fits.length > 0 ? Math.min(...fits) : changeBetween(wall - after, wall - before, zone);
}

/**
 * The next instant after `after`; croner finds it on the wall, the zone is ours: croner 11.0.1 with a zone starts
 * `15,45 2 * * *` four times in autumn and not at all in spring (2026-11).
 */
function planner(cron: string, zone: string): (after: Date) => Date | null {
  const plan = new Cron(cron, { mode: '5-part', timezone: 'UTC' });
  const nextWall = (wall: Wall) => plan.nextRun(new Date(wall))?.getTime();
  if (cron.trim().split(/\s+/)[1] === '*') {
    // what comes every hour goes on by the clock that never jumps
    return (after) => {
      const from = after.getTime();
      const offset = offsetAt(from, zone);
      const wall = nextWall(from + offset);
      if (wall === undefined) return null;
      if (offsetAt(wall - offset, zone) === offset) return new Date(wall - offset);
      const change = changeBetween(from, wall - offset, zone);
      const moved = offsetAt(change, zone);
      const beyond = nextWall(change + moved - 1000);
      return beyond === undefined ? null : new Date(beyond - moved);
    };
  }
  return (after) => {
    for (let wall = nextWall(wallAt(after.getTime(), zone)); wall !== undefined; wall = nextWall(wall)) {
      const instant = instantOf(wall, zone);
      if (instant > after.getTime()) return new Date(instant);
    }
    return null;
  };
}

/** The next `count` instants after `after`, in UTC. */
export function nextTimes(cron: string, zone: string, after: Date, count: number): Date[] {
  const next = planner(cron, zone);
  const times: Date[] = [];
  for (let at = next(after); at !== null && times.length < count; at = next(at)) times.push(at);
  return times;
}

export type Due = {
  /** Instants to start a run for, oldest first. */
  start: { at: Date; missed: boolean; leftOut: number }[];
  /** How many were left out altogether. */
  leftOut: number;
  next: Date | null;
};

/** What becomes of the instants from `planned` (the next one, as it was stored) up to `now`. */
export function dueTimes(cron: string, zone: string, planned: Date, now: Date, policy: Missed): Due {
  const nextOf = planner(cron, zone);
  const passed: Date[] = [];
  let lost = 0;
  let at: Date | null = planned;
  for (let looked = 0; at !== null && at <= now && looked < MOST_LOOKED; looked++) {
    passed.push(at);
    if (passed.length > 2 * MOST_MISSED) lost += passed.splice(0, MOST_MISSED).length;
    at = nextOf(at);
  }
  if (at !== null && at <= now) at = nextOf(now); // every minute for months: the rest is not counted
  const isLate = (instant: Date) => now.getTime() - instant.getTime() > GRACE_MS;
  const late = passed.filter(isLate);
  const kept = passed
    .filter((instant) => !isLate(instant))
    .map((instant) => ({ at: instant, missed: false, leftOut: 0 }));
  if (policy === 'all') {
    const made = late.slice(-MOST_MISSED).map((instant) => ({ at: instant, missed: true, leftOut: 0 }));
    const leftOut = lost + late.length - made.length;
    if (made[0]) made[0].leftOut = leftOut;
    return { start: [...made, ...kept], leftOut, next: at };
  }
  const missed = lost + late.length;
  if (policy === 'once' && kept.length === 0 && late.length > 0) {
    return { start: [{ at: late.at(-1)!, missed: true, leftOut: missed - 1 }], leftOut: missed - 1, next: at };
  }
  if (policy === 'once' && kept[0]) kept[0].leftOut = missed; // the one that is on time makes up for them
  return { start: kept, leftOut: missed, next: at };
}

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** Date, time and weekday of an instant as a wall clock in that zone shows them: `2026-03-29T03:00`, `Sunday`. */
export function wallClock(instant: Date, zone: string): { local: string; weekday: string } {
  const wall = new Date(wallAt(instant.getTime(), zone));
  return { local: wall.toISOString().slice(0, 16), weekday: WEEKDAYS[wall.getUTCDay()]! };
}
