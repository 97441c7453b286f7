/**
 * The functions that expressions may call: all of them, and there is no way to make more. Pure; each pays with fuel for
 * what it looks at. Texts are counted in characters (code points), never cut inside one or between a letter and its
 * accents. Letters change case as Unicode says, without regard to language.
 */
import { addMonths, daysBetween, formatInstant, readInstant, writeInstant } from './expression-dates.ts';
import { NUMBER_MARKS } from './languages.ts';

export type Meter = {
  /** The instant of the run. */
  now: string;
  burn(amount: number): void;
  /** Pays for a text that was made, and refuses one that is too long. */
  text(text: string): string;
  number(value: number): number;
  equal(a: unknown, b: unknown): boolean;
  fault(code: string, message: string, hint: string | null): Error;
};
export type Gives = 'text' | 'number' | 'boolean' | 'list' | 'any';
type Rule = (value: unknown) => unknown;
type Definition = {
  group: 'text' | 'number' | 'list' | 'date' | 'data';
  /** As it is written, for the person who looks for it. */
  form: string;
  help: string;
  gives: Gives;
  least: number;
  most: number;
  run(args: Args, meter: Meter): unknown;
};

/** Typed reading of what a function was given. */
class Args {
  readonly #name: string;
  readonly #values: readonly unknown[];
  readonly #meter: Meter;
  constructor(name: string, values: readonly unknown[], meter: Meter) {
    this.#name = name;
    this.#values = values;
    this.#meter = meter;
  }

  get count(): number {
    return this.#values.length;
  }

  any(at: number): unknown {
    const value = this.#values[at];
    if (typeof value === 'function') throw this.#wrong(at, 'a value');
    return value ?? null;
  }

  text(at: number, fallback?: string): string {
    const value = this.#values[at];
    if (value === undefined && fallback !== undefined) return fallback;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (typeof value !== 'string') throw this.#wrong(at, 'text');
    this.#meter.burn(Math.floor(value.length / 1000));
    return value;
  }

  number(at: number, fallback?: number): number {
    const value = this.#values[at];
    if (value === undefined && fallback !== undefined) return fallback;
    if (typeof value !== 'number') throw this.#wrong(at, 'a number');
    return value;
  }

  whole(at: number, least: number, most: number, fallback?: number): number {
    const value = this.number(at, fallback);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw this.#wrong(at, `a whole number from ${least} to ${most}`);
  }

  /** Pays for every item. */
  list(at: number): readonly unknown[] {
    const value = this.#values[at];
    if (!Array.isArray(value)) throw this.#wrong(at, 'a list');
    this.#meter.burn(value.length);
    return value;
  }

  record(at: number): Record<string, unknown> {
    const value = this.#values[at];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#wrong(at, 'a record');
    return value as Record<string, unknown>;
  }

  rule(at: number): Rule {
    const value = this.#values[at];
    if (typeof value !== 'function') throw this.#wrong(at, 'a rule such as item => item.title');
    return value as Rule;
  }

  /** Milliseconds since 1970. */
  instant(at: number): number {
    const value = this.#values[at];
    const read = typeof value === 'string' ? readInstant(value) : undefined;
    if (read !== undefined) return read;
    if (value === null || value === undefined) throw this.#wrong(at, 'a date');
    throw this.#meter.fault(
      'EXPRESSION_DATE',
      `${this.#name} takes a date, such as 2026-03-29 or 2026-03-29T09:00:00Z.`,
      null,
    );
  }

  #wrong(at: number, what: string): Error {
    const value = this.#values[at];
    const place = ['first', 'second', 'third', 'fourth'][at] ?? 'last';
    const got = value === undefined ? 'it is missing' : `it is ${kindOf(value)}`;
    const code = value === null ? 'EXPRESSION_ABSENT' : 'EXPRESSION_TYPE';
    const message = `${this.#name}(…) needs ${what} in the ${place} place; ${got}.`;
    return this.#meter.fault(code, message, FUNCTIONS[this.#name]!.form);
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'function') return 'a rule';
  return { string: 'text', number: 'a number', boolean: 'yes or no' }[typeof value as string] ?? 'a record';
}

// ---------------------------------------------------------------- texts

/** What belongs to the character before it: accents, joiners, variants, skin colours. */
const CLINGS = /^(?:\p{M}|\u200d|[\u{1f3fb}-\u{1f3ff}])/u;
const BLANK = /^\s/u;
const LOOSE = /^[\s,;:–—-]/u;

/** At most so many characters, with `…` where something was left out; at the end of a word where one is near. */
function truncated(text: string, most: number): string {
  if (text.length <= most) return text;
  const characters = [...text];
  if (characters.length <= most) return text;
  let end = most - 1;
  while (end > 0 && (CLINGS.test(characters[end]!) || characters[end - 1] === '\u200d')) end--;
  // by hand: a pattern that looks for the end of a text takes forever on a million blanks
  let word = end;
  while (word > end * 0.6 && !BLANK.test(characters[word]!)) word--;
  if (word > end * 0.6) end = word;
  while (end > 0 && LOOSE.test(characters[end - 1]!)) end--;
  return `${characters.slice(0, end).join('')}…`;
}

function slugged(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '');
}

function writtenNumber(value: number, decimals: number, language: string, meter: Meter): string {
  const marks = Object.hasOwn(NUMBER_MARKS, language) ? NUMBER_MARKS[language] : undefined;
  if (!marks) {
    throw meter.fault(
      'EXPRESSION_TYPE',
      `There is no language ${language}.`,
      `There are ${Object.keys(NUMBER_MARKS).join(', ')}.`,
    );
  }
  if (Math.abs(value) >= 1e15) throw meter.fault('EXPRESSION_NUMBER', 'This number is too large to be written.', null);
  const [whole = '', part] = Math.abs(value).toFixed(decimals).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, marks.group);
  const written = part === undefined ? grouped : `${grouped}${marks.decimal}${part}`;
  return value < 0 && /[1-9]/.test(written) ? `-${written}` : written;
}

/** Pays for looking for one text in another: of the kind xx…xyx…x in xx…x it takes as long as both multiplied. */
function seek(text: string, what: string, meter: Meter): void {
  meter.burn(Math.floor((text.length * what.length) / 100_000)); // 20,000 in 1,000,000 took 3.5 s (2026-11)
}

function readNumber(text: string): number | null {
  const trimmed = text.trim();
  return /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(trimmed) ? Number(trimmed) : null;
}

// ---------------------------------------------------------------- numbers and lists

const TENS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

function scaled(args: Args, meter: Meter, round: (value: number) => number): number {
  const value = args.number(0);
  const ten = TENS[args.whole(1, 0, 10, 0)]!;
  return meter.number(round(value * ten) / ten);
}

/** A list, or the arguments themselves. */
function numbersOf(args: Args, meter: Meter): number[] {
  const values =
    args.count === 1 && Array.isArray(args.any(0))
      ? args.list(0)
      : Array.from({ length: args.count }, (_, at) => args.number(at));
  return values.map((value) => {
    if (typeof value === 'number') return value;
    throw meter.fault(
      'EXPRESSION_TYPE',
      `Only numbers can be counted together; this is ${kindOf(value)}.`,
      'Take them out first: map(list, item => item.score).',
    );
  });
}

function truth(value: unknown, meter: Meter): boolean {
  if (typeof value === 'boolean') return value;
  if (value === null || value === undefined) return false;
  throw meter.fault(
    'EXPRESSION_TYPE',
    `The rule has to give yes or no; it gives ${kindOf(value)}.`,
    'Compare, as in item => item.score > 0.5.',
  );
}

function sorted(args: Args, meter: Meter): unknown[] {
  const list = args.list(0);
  const rule = args.count > 1 ? args.rule(1) : (value: unknown) => value;
  const keyed = list.map((value) => ({ value, key: rule(value) }));
  meter.burn(list.length * Math.ceil(Math.log2(list.length + 1)));
  const kind = typeof keyed[0]?.key;
  for (const { key } of keyed) {
    if ((kind !== 'number' && kind !== 'string') || typeof key !== kind) {
      throw meter.fault(
        'EXPRESSION_TYPE',
        'A list is sorted by numbers or by texts, not by both or by others.',
        'Say by what: sort(list, item => item.score).',
      );
    }
    if (typeof key === 'string') meter.burn(Math.floor(key.length / 1000));
  }
  return keyed
    .sort((a, b) => {
      const [left, right] = [a.key as number, b.key as number];
      return left < right ? -1 : left > right ? 1 : 0;
    })
    .map(({ value }) => value);
}

function lengthOf(args: Args, meter: Meter): number {
  const value = args.any(0);
  if (Array.isArray(value)) return value.length;
  let count = 0;
  meter.burn(typeof value === 'string' ? Math.floor(value.length / 200) : 0);
  for (const _ of args.text(0)) count++;
  return count;
}

function sliced(args: Args, meter: Meter): unknown {
  const value = args.any(0);
  const most = Number.MAX_SAFE_INTEGER;
  if (Array.isArray(value)) {
    const part = value.slice(args.whole(1, -most, most), args.count > 2 ? args.whole(2, -most, most) : undefined);
    meter.burn(part.length);
    return part;
  }
  const characters = [...args.text(0)];
  meter.burn(Math.floor(characters.length / 100));
  return characters.slice(args.whole(1, -most, most), args.count > 2 ? args.whole(2, -most, most) : undefined).join('');
}

const DAY_MS = 86_400_000;
const later = (unitMs: number) => (args: Args, meter: Meter) =>
  writeInstant(args.instant(0) + args.number(1) * unitMs, meter);

// ---------------------------------------------------------------- the table

const of = (
  group: Definition['group'],
  form: string,
  gives: Gives,
  help: string,
  run: Definition['run'],
): Definition => {
  const inner = form.slice(form.indexOf('(') + 1, -1);
  const parts = inner === '' ? [] : inner.split(', ');
  const least = parts.filter((part) => !part.endsWith('?') && part !== '…').length;
  return { group, form, gives, help, run, least, most: parts.includes('…') ? 20 : parts.length };
};

/** In `form` a part with `?` may be left out, and `…` stands for more of the same. */
export const FUNCTIONS: Readonly<Record<string, Definition>> = {
  upper: of('text', 'upper(text)', 'text', 'Capital letters.', (args, meter) => meter.text(args.text(0).toUpperCase())),
  lower: of('text', 'lower(text)', 'text', 'Small letters.', (args, meter) => meter.text(args.text(0).toLowerCase())),
  capitalize: of('text', 'capitalize(text)', 'text', 'The first letter as a capital.', (args, meter) => {
    const text = args.text(0);
    const first = String.fromCodePoint(text.codePointAt(0) ?? 32);
    return text === '' ? '' : meter.text(first.toUpperCase() + text.slice(first.length));
  }),
  trim: of('text', 'trim(text)', 'text', 'Without blanks at both ends.', (args) => args.text(0).trim()),
  truncate: of(
    'text',
    'truncate(text, most)',
    'text',
    'At most so many characters, ending with … where it was cut.',
    (args, meter) => {
      const text = args.text(0);
      meter.burn(Math.floor(text.length / 100));
      return truncated(text, args.whole(1, 1, 1_000_000));
    },
  ),
  replace: of('text', 'replace(text, what, with)', 'text', 'Every occurrence of a text by another.', (args, meter) => {
    const [text, what, other] = [args.text(0), args.text(1), args.text(2)];
    if (what === '') return text;
    seek(text, what, meter);
    const parts = text.split(what);
    meter.burn(Math.floor(parts.length / 10));
    // looked at before it is made: the result may be far longer than its parts
    const length = text.length + (parts.length - 1) * (other.length - what.length);
    return length > 1_000_000 ? meter.text(' '.repeat(1_000_001)) : meter.text(parts.join(other));
  }),
  split: of('text', 'split(text, at)', 'list', 'A list of the parts between.', (args, meter) => {
    const [text, at] = [args.text(0), args.text(1)];
    seek(text, at, meter);
    const parts = at === '' ? [...text] : text.split(at);
    meter.burn(parts.length);
    return parts;
  }),
  join: of('text', 'join(list, between?)', 'text', 'One text of a list of texts.', (args, meter) => {
    const between = args.text(1, '');
    let made = '';
    for (const [index, item] of args.list(0).entries()) {
      if (typeof item !== 'string' && typeof item !== 'number')
        throw meter.fault(
          'EXPRESSION_TYPE',
          `Only texts and numbers can be joined; this list holds ${kindOf(item)}.`,
          'Take them out first: join(map(list, item => item.title), ", ").',
        );
      made += (index === 0 ? '' : between) + String(item);
      if (made.length > 1_000_000) break;
    }
    return meter.text(made);
  }),
  contains: of(
    'text',
    'contains(text, part)',
    'boolean',
    'Whether a text or a list holds something.',
    (args, meter) => {
      const value = args.any(0);
      if (!Array.isArray(value)) {
        const [text, part] = [args.text(0), args.text(1)];
        seek(text, part, meter);
        return text.includes(part);
      }
      return args.list(0).some((item) => meter.equal(item, args.any(1)));
    },
  ),
  startsWith: of('text', 'startsWith(text, part)', 'boolean', 'Whether a text begins so.', (args) =>
    args.text(0).startsWith(args.text(1)),
  ),
  endsWith: of('text', 'endsWith(text, part)', 'boolean', 'Whether a text ends so.', (args) =>
    args.text(0).endsWith(args.text(1)),
  ),
  slug: of('text', 'slug(text)', 'text', 'For an address: small letters, digits and hyphens.', (args, meter) => {
    const text = args.text(0);
    meter.burn(Math.floor(text.length / 100));
    return meter.text(slugged(text));
  }),
  text: of('text', 'text(value)', 'text', 'A number, or yes or no, as text.', (args) => args.text(0)),

  number: of(
    'number',
    'number(text)',
    'number',
    'The number that a text says, with a point before decimals.',
    (args, meter) => {
      const value = args.any(0);
      const read = typeof value === 'number' ? value : readNumber(args.text(0));
      return read === null ? null : meter.number(read);
    },
  ),
  round: of('number', 'round(number, decimals?)', 'number', 'To the nearest; a half goes up.', (args, meter) =>
    scaled(args, meter, Math.round),
  ),
  floor: of('number', 'floor(number, decimals?)', 'number', 'Downwards.', (args, meter) =>
    scaled(args, meter, Math.floor),
  ),
  ceil: of('number', 'ceil(number, decimals?)', 'number', 'Upwards.', (args, meter) => scaled(args, meter, Math.ceil)),
  abs: of('number', 'abs(number)', 'number', 'Without its sign.', (args) => Math.abs(args.number(0))),
  min: of('number', 'min(numbers, …)', 'number', 'The smallest, of a list or of several.', (args, meter) => {
    const numbers = numbersOf(args, meter);
    return numbers.length === 0 ? null : numbers.reduce((a, b) => (b < a ? b : a));
  }),
  max: of('number', 'max(numbers, …)', 'number', 'The largest, of a list or of several.', (args, meter) => {
    const numbers = numbersOf(args, meter);
    return numbers.length === 0 ? null : numbers.reduce((a, b) => (b > a ? b : a));
  }),
  sum: of('number', 'sum(numbers, …)', 'number', 'All of them together.', (args, meter) =>
    meter.number(numbersOf(args, meter).reduce((a, b) => a + b, 0)),
  ),
  formatNumber: of(
    'number',
    'formatNumber(number, decimals, language?)',
    'text',
    'With marks between thousands, as a language writes it.',
    (args, meter) => writtenNumber(args.number(0), args.whole(1, 0, 10), args.text(2, 'en'), meter),
  ),

  first: of('list', 'first(list)', 'any', 'Its first item.', (args) => args.list(0)[0] ?? null),
  last: of('list', 'last(list)', 'any', 'Its last item.', (args) => args.list(0).at(-1) ?? null),
  length: of('list', 'length(list)', 'number', 'How many items a list has, or characters a text.', lengthOf),
  sort: of('list', 'sort(list, rule?)', 'list', 'The smallest first: sort(list, item => item.score).', sorted),
  reverse: of('list', 'reverse(list)', 'list', 'The last first.', (args) => [...args.list(0)].reverse()),
  filter: of(
    'list',
    'filter(list, rule)',
    'list',
    'Those for which it is so: filter(list, item => item.score > 0.5).',
    (args, meter) => {
      const rule = args.rule(1);
      return args.list(0).filter((item) => truth(rule(item), meter));
    },
  ),
  map: of('list', 'map(list, rule)', 'list', 'Something of each: map(list, item => item.title).', (args) => {
    const rule = args.rule(1);
    return args.list(0).map((item) => rule(item));
  }),
  find: of('list', 'find(list, rule)', 'any', 'The first for which it is so.', (args, meter) => {
    const rule = args.rule(1);
    return args.list(0).find((item) => truth(rule(item), meter)) ?? null;
  }),
  slice: of(
    'list',
    'slice(list, from, to?)',
    'any',
    'A part of a list or text; a negative place counts from the end.',
    sliced,
  ),
  unique: of('list', 'unique(list)', 'list', 'Each only once.', (args, meter) => {
    const kept: unknown[] = [];
    for (const item of args.list(0)) if (!kept.some((other) => meter.equal(other, item))) kept.push(item);
    return kept;
  }),
  concat: of('list', 'concat(list, lists, …)', 'list', 'Several lists as one.', (args) =>
    Array.from({ length: args.count }, (_, at) => args.list(at)).flat(),
  ),

  now: of('date', 'now()', 'text', 'The instant this run began.', (_, meter) => meter.now),
  addMinutes: of(
    'date',
    'addMinutes(date, minutes)',
    'text',
    'Later, or earlier with a negative number.',
    later(60_000),
  ),
  addHours: of('date', 'addHours(date, hours)', 'text', 'Later, or earlier with a negative number.', later(3_600_000)),
  addDays: of('date', 'addDays(date, days)', 'text', 'Later by so many times 24 hours.', later(DAY_MS)),
  addMonths: of(
    'date',
    'addMonths(date, months)',
    'text',
    'The same day of another month, or its last.',
    (args, meter) => writeInstant(addMonths(args.instant(0), args.whole(1, -24_000, 24_000)), meter),
  ),
  daysBetween: of('date', 'daysBetween(from, to)', 'number', 'Whole days from one instant to another.', (args) =>
    daysBetween(args.instant(0), args.instant(1)),
  ),
  formatDate: of(
    'date',
    'formatDate(date, pattern, zone, language?)',
    'text',
    'As people read it: formatDate(now(), "d MMMM yyyy, HH:mm", "Europe/Berlin", "en").',
    (args, meter) => formatInstant(args.instant(0), args.text(1), args.text(2), args.text(3, 'en'), meter),
  ),

  keys: of('data', 'keys(record)', 'list', 'The names in a record.', (args, meter) => {
    const keys = Object.keys(args.record(0)).sort();
    meter.burn(keys.length);
    return keys;
  }),
};

export function callFunction(name: string, values: readonly unknown[], meter: Meter): unknown {
  const known = FUNCTIONS[name]!;
  if (values.length < known.least || values.length > known.most) {
    throw meter.fault(
      'EXPRESSION_TYPE',
      `${name}(…) takes ${known.least === known.most ? known.least : `${known.least} to ${known.most}`}, not ${values.length}.`,
      known.form,
    );
  }
  return known.run(new Args(name, values, meter), meter);
}
