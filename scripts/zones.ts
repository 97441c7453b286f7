/**
 * Writes `runtime/graph/zone-table.ts` from the system's time zone files (TZif, RFC 9636): the rule that each zone
 * follows now, and the year since which it has. Run by hand when the rules of a country change:
 *
 *   node scripts/zones.ts /usr/share/zoneinfo > runtime/graph/zone-table.ts
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { offsetUnder, type ZoneRule } from '../runtime/graph/zones.ts';

const FIRST_YEAR = 1970;
const LAST_YEAR = 2037;
type Zone = { times: bigint[]; offsets: number[]; rule: string };

const root = process.argv[2] ?? '/usr/share/zoneinfo';
const version = /version (\S+)/.exec(readFileSync(path.join(root, 'tzdata.zi'), 'utf8'))?.[1] ?? 'unknown';
const groups = new Map<string, string[]>();
for (const name of names(root, '').sort()) {
  const zone = read(path.join(root, name));
  if (!zone) continue;
  const rule = short(zone.rule);
  const since = sinceOf(zone, JSON.parse(rule));
  // a zone that does not follow its own rule in the years to come (Morocco's follows the moon) is left out
  if (since === undefined || !isCurrent(name, JSON.parse(rule))) continue;
  const key = `${rule} ${since}`;
  groups.set(key, [...(groups.get(key) ?? []), name]);
}
const lines = [...groups].map(([key, zones]) => {
  const [rule, since] = key.split(' ');
  return `  [${rule}, ${since}, '${zones.join(' ')}'],`;
});
console.log(`/**
 * The rule that each time zone follows, and the first year in which it holds to the end. Made by scripts/zones.ts
 * from tzdata ${version}.
 */
import type { ZoneRule } from './zones.ts';

// biome-ignore format: a table
export const ZONE_TABLE: readonly (readonly [rule: ZoneRule, since: number, zones: string])[] = [
${lines.join('\n')}
];`);

function names(folder: string, prefix: string): string[] {
  return readdirSync(folder).flatMap((entry) => {
    if (!/^[A-Z]/.test(entry)) return [];
    const at = path.join(folder, entry);
    return statSync(at).isDirectory() ? names(at, `${prefix}${entry}/`) : [prefix + entry];
  });
}

function read(file: string): Zone | undefined {
  const bytes = readFileSync(file);
  if (bytes.toString('latin1', 0, 4) !== 'TZif') return undefined;
  const counts = (at: number) => Array.from({ length: 6 }, (_, index) => bytes.readUInt32BE(at + 20 + 4 * index));
  const sizeOf = ([isUt, isStd, leap, time, type, chars]: number[], width: number) =>
    time! * width + time! + type! * 6 + chars! + leap! * (width + 4) + isStd! + isUt!;
  let at = 44 + sizeOf(counts(0), 4);
  const second = counts(at);
  const end = at + 44 + sizeOf(second, 8);
  at += 44;
  const [, , , count, types] = second as [number, number, number, number, number];
  const times = Array.from({ length: count }, (_, index) => bytes.readBigInt64BE(at + 8 * index));
  const kinds = [...bytes.subarray(at + 8 * count, at + 9 * count)];
  const typesAt = at + 9 * count;
  const offsetOf = (kind: number) => bytes.readInt32BE(typesAt + 6 * kind) / 60;
  return {
    times,
    offsets: [types > 0 ? offsetOf(0) : 0, ...kinds.map(offsetOf)],
    rule: bytes.toString('latin1', end).trim(),
  };
}

/** `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX) → `[60,120,[3,5,0,120],[10,5,0,180]]`, minutes east of UTC. */
function short(posix: string): string {
  const parsed =
    /^(?:<[^>]+>|[A-Za-z]+)([-+]?[\d:]+)(?:(?:<[^>]+>|[A-Za-z]+)([-+]?[\d:]+)?,M([\d.]+)(?:\/(-?[\d:]+))?,M([\d.]+)(?:\/(-?[\d:]+))?)?$/.exec(
      posix,
    );
  if (!parsed) throw new Error(`The rule ${posix} is of an unknown kind.`);
  const minutes = (text: string) => {
    const [hours, rest = '0'] = text.replace(/^[-+]/, '').split(':');
    return (text.startsWith('-') ? -1 : 1) * (Number(hours) * 60 + Number(rest));
  };
  const standard = -minutes(parsed[1]!) || 0;
  if (parsed[3] === undefined) return JSON.stringify([standard]);
  const change = (day: string, time: string | undefined) => [
    ...day.split('.').map(Number),
    time === undefined ? 120 : minutes(time),
  ];
  const summer = parsed[2] === undefined ? standard + 60 : -minutes(parsed[2]);
  return JSON.stringify([standard, summer, change(parsed[3], parsed[4]), change(parsed[5]!, parsed[6])]);
}

/** Whether the time zones inside Node, which may be newer than the system's, say the same of the years to come. */
function isCurrent(name: string, rule: ZoneRule): boolean {
  let clock: Intl.DateTimeFormat;
  try {
    clock = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  } catch {
    return false;
  }
  const now = Date.now();
  return Array.from({ length: 400 }, (_, index) => now + index * 2 * 86_400_000).every((at) => {
    const said = clock.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? '';
    const [, sign, hours, minutes] = /^GMT(?:([-+])(\d\d):(\d\d))?/.exec(said) ?? [];
    const offset = sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
    return offset === offsetUnder(rule, at);
  });
}

function sinceOf(zone: Zone, rule: ZoneRule): number | undefined {
  const truth = (seconds: number) => {
    const { times, offsets } = zone;
    if (times.length === 0 || seconds >= Number(times.at(-1))) return offsetUnder(rule, seconds * 1000);
    let at = 0;
    while (at < times.length && Number(times[at]) <= seconds) at++;
    return offsets[at]!;
  };
  let since: number | undefined;
  for (let year = LAST_YEAR; year >= FIRST_YEAR; year--) {
    const first = Date.UTC(year, 0, 1) / 1000;
    const last = Date.UTC(year + 1, 0, 1) / 1000;
    // every 12 hours, and each side of every change
    const looked = Array.from({ length: 732 }, (_, index) => first + index * 43_200).filter((at) => at < last);
    for (const time of zone.times) {
      if (time >= first && time < last) looked.push(Number(time) - 1, Number(time));
    }
    if (looked.some((at) => at >= first && truth(at) !== offsetUnder(rule, at * 1000))) break;
    since = year;
  }
  return since;
}
