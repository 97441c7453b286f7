/**
 * Dates of expressions: instants as ISO 8601 text in UTC, read and written by our own rules with an explicit zone and
 * language. Pure; years 1 to 9999 of the Gregorian calendar.
 */
import { DATE_NAMES } from './languages.ts';
import { zoneOffset } from './zones.ts';

type Refusal = { fault(code: string, message: string, hint: string | null): Error };

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[-+]\d{2}:?\d{2})?)?$/;
const FIRST_MS = -62_135_596_800_000; // 0001-01-01
const LAST_MS = 253_402_300_799_999; // 9999-12-31
const DAY_MS = 86_400_000;

/** Milliseconds since 1970; undefined where the text is no date. Without a zone it is in UTC. */
export function readInstant(text: string): number | undefined {
  const found = text.length > 40 ? null : ISO.exec(text);
  if (!found) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (year < 1 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined;
  if (day < 1 || day > daysIn(year, month)) return undefined;
  const zone = found[8] ?? 'Z';
  const offset = zoneOffset(zone === 'Z' ? 'UTC' : zone, 0);
  if (!offset.ok) return undefined;
  const milliseconds = Number((found[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const at = utc(year, month, day) + ((hour * 60 + minute - offset.minutes) * 60 + second) * 1000 + milliseconds;
  return at >= FIRST_MS && at <= LAST_MS ? at : undefined;
}

export function writeInstant(atMs: number, { fault }: Refusal): string {
  const at = Math.round(atMs);
  if (!(at >= FIRST_MS && at <= LAST_MS)) throw fault('EXPRESSION_DATE', 'This date is out of reach.', null);
  return new Date(at).toISOString();
}

/** The same day of the month and the same time in UTC; the last day where that month is shorter. */
export function addMonths(atMs: number, months: number): number {
  const date = new Date(atMs);
  const count = date.getUTCFullYear() * 12 + date.getUTCMonth() + months;
  const [year, month] = [Math.floor(count / 12), (((count % 12) + 12) % 12) + 1];
  const time = ((atMs % DAY_MS) + DAY_MS) % DAY_MS;
  return utc(year, month, Math.min(date.getUTCDate(), daysIn(year, month))) + time;
}

export function daysBetween(from: number, to: number): number {
  return Math.trunc((to - from) / DAY_MS) || 0;
}

const TOKEN = /'[^']*'|y+|M+|d+|E+|H+|h+|m+|s+|a+|x+|[^A-Za-z']+|[A-Za-z]+|'/g;

/**
 * Unicode's letters: yyyy yy, MMMM MMM MM M, dd d, EEEE EEE, HH H, hh h, mm, ss, a (AM, PM), xxx (+02:00); words in
 * quotes stand as they are.
 */
export function formatInstant(atMs: number, pattern: string, zone: string, language: string, refusal: Refusal): string {
  const names = Object.hasOwn(DATE_NAMES, language) ? DATE_NAMES[language] : undefined;
  if (!names) {
    throw refusal.fault(
      'EXPRESSION_DATE',
      `There is no language ${language.slice(0, 20)}.`,
      `There are ${Object.keys(DATE_NAMES).join(', ')}.`,
    );
  }
  const offset = zoneOffset(zone, atMs);
  if (!offset.ok) {
    throw offset.why === 'past'
      ? refusal.fault(
          'EXPRESSION_DATE',
          `The clock of ${zone} is known from ${offset.since} on.`,
          'Use UTC, or an offset such as +01:00.',
        )
      : refusal.fault(
          'EXPRESSION_DATE',
          `There is no time zone ${zone.slice(0, 60)}.`,
          'Write it as Europe/Berlin, UTC or +02:00.',
        );
  }
  if (pattern.length > 200) throw refusal.fault('EXPRESSION_DATE', 'This pattern is too long.', null);
  const clock = new Date(atMs + offset.minutes * 60_000);
  const [year, month, day] = [clock.getUTCFullYear(), clock.getUTCMonth(), clock.getUTCDate()];
  const [hour, minute, second] = [clock.getUTCHours(), clock.getUTCMinutes(), clock.getUTCSeconds()];
  const two = (value: number) => String(value).padStart(2, '0');
  const part = (token: string): string => {
    switch (token) {
      case 'yyyy':
        return String(year).padStart(4, '0');
      case 'yy':
        return two(year % 100);
      case 'MMMM':
        return names.months[month]!;
      case 'MMM':
        return names.shortMonths[month]!;
      case 'MM':
        return two(month + 1);
      case 'M':
        return String(month + 1);
      case 'dd':
        return two(day);
      case 'd':
        return String(day);
      case 'EEEE':
        return names.days[clock.getUTCDay()]!;
      case 'EEE':
        return names.shortDays[clock.getUTCDay()]!;
      case 'HH':
        return two(hour);
      case 'H':
        return String(hour);
      case 'hh':
        return two(hour % 12 || 12);
      case 'h':
        return String(hour % 12 || 12);
      case 'mm':
        return two(minute);
      case 'ss':
        return two(second);
      case 'a':
        return hour < 12 ? 'AM' : 'PM';
      case 'xxx': {
        const size = Math.abs(offset.minutes);
        return `${offset.minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
      }
    }
    if (token.startsWith("'") && token.length > 1) return token === "''" ? "'" : token.slice(1, -1);
    if (!/[A-Za-z']/.test(token)) return token;
    throw refusal.fault(
      'EXPRESSION_DATE',
      `“${token}” is no part of a date.`,
      "Use yyyy, MMMM, MM, d, EEEE, HH, mm, a; put words in '…'.",
    );
  };
  return (pattern.match(TOKEN) ?? []).map(part).join('');
}

function utc(year: number, month: number, day: number): number {
  const date = new Date(0);
  // Date.UTC takes years below 100 for those of the last century
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime();
}

function daysIn(year: number, month: number): number {
  return new Date(utc(year, month + 1, 1) - DAY_MS).getUTCDate();
}
