/** Instants as people say them, in the time zone of the person looking. Pure but for the zone and the clock passed in. */

const nbsp = '\u00a0';

/** "10:48", "Yesterday, 17:20", "20 Nov, 14:31", "20 Nov 2024, 14:31". `zone`: IANA name; the browser's own by default. */
export function dateTime(instant: string | number | Date, now: number | Date = Date.now(), zone?: string): string {
  const then = new Date(instant);
  const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: zone }).format(then);
  return join(day(then, new Date(now), zone), time);
}

/** "Today", "Yesterday", "20 Nov", "20 Nov 2024". */
export function date(instant: string | number | Date, now: number | Date = Date.now(), zone?: string): string {
  return day(new Date(instant), new Date(now), zone) || 'Today';
}

/** "11:57:02": for the log of a step. */
export function clock(instant: string | number | Date, zone?: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZone: zone,
  }).format(new Date(instant));
}

/** The whole instant with its zone, for tooltips: "Tuesday, 24 November 2026, 09:00 CET". */
export function exact(instant: string | number | Date, zone?: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
    timeZone: zone,
  }).format(new Date(instant));
}

const join = (before: string, time: string) => (before === '' ? time : `${before}, ${time}`);

function day(then: Date, now: Date, zone: string | undefined): string {
  const key = (moment: Date) => new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(moment);
  const wanted = key(then);
  if (wanted === key(now)) return '';
  // Counted on calendar days: a day that changes the clocks has 23 or 25 hours.
  const noon = new Date(`${key(now)}T12:00:00Z`);
  if (wanted === new Date(noon.getTime() - 86_400_000).toISOString().slice(0, 10)) return 'Yesterday';
  const sameYear = wanted.slice(0, 4) === key(now).slice(0, 4);
  return new Intl.DateTimeFormat('en-GB', {
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' }),
    timeZone: zone,
  })
    .format(then)
    .replaceAll(' ', nbsp);
}
