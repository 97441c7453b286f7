/**
 * What expressions mean, as data: a text and what it gives, or the code of its error. The same list runs in Node and
 * in a browser and has to give the same bytes.
 */
import { evaluate, type Outcome, parseExpression, referenceKey, type Scope } from '../../runtime/graph/expression.ts';

export type Case = { text: string; gives: unknown } | { text: string; fails: string };

const MOMENTS = [
  { title: 'Why we wait', score: 0.91, start: 12.5, topics: ['habit', 'time'] },
  { title: 'Ask twice', score: 0.42, start: 80, topics: [] },
  { title: 'Über Mut', score: 0.77, start: 310.25, topics: ['courage'] },
];

export const SCOPE: Scope = {
  refs: new Map<string, unknown>([
    [referenceKey({ from: 'nodes', node: 'moments', port: 'moments' }), MOMENTS],
    [referenceKey({ from: 'each', node: 'moments', port: 'moments' }), MOMENTS[2]],
    [
      referenceKey({ from: 'nodes', node: 'n-3', port: 'clip' }),
      JSON.parse('{"title":"{{ brand.name }}","__proto__":{"evil":true},"constructor":7,"none":null,"flag":false}'),
    ],
    [referenceKey({ from: 'nodes', node: 'long', port: 'text' }), 'word '.repeat(20_000)],
    [referenceKey({ from: 'nodes', node: 'many', port: 'numbers' }), Array.from({ length: 3_000 }, (_, at) => at)],
    [referenceKey({ from: 'nodes', node: 'blank', port: 'text' }), `${' '.repeat(900_000)}x y`],
  ]),
  brand: { name: 'Harbour & Söhne', voice: 'calm', colors: { primary: '#0a7' }, links: [{ label: 'Site', url: 'u' }] },
  run: { now: '2026-03-29T00:30:00.000Z' },
  path: [1, 2],
};

export const CORPUS: readonly Case[] = [
  // values and operators
  { text: '1 + 2 * 3', gives: 7 },
  { text: '(1 + 2) * 3 - -4', gives: 13 },
  { text: '10 / 4', gives: 2.5 },
  { text: '7 % 3', gives: 1 },
  { text: '-7 % 3 + 7 % -3', gives: 0 },
  { text: '-7.5 % 2', gives: -1.5 },
  { text: '1 % 0', fails: 'EXPRESSION_NUMBER' },
  { text: '5 - 3 < 3 && 3 <= 3 and 4 > 3', gives: true },
  { text: '-each.moments.moments.start', gives: -310.25 },
  { text: '-"1"', fails: 'EXPRESSION_TYPE' },
  { text: '0.1 + 0.2', gives: 0.30000000000000004 },
  { text: '-0', gives: 0 },
  { text: '1e3', gives: 1000 },
  { text: '"a" + 1', gives: 'a1' },
  { text: `'it\\'s' + "\\n\\u00e9"`, gives: "it's\né" },
  { text: '"a" < "b" and 2 >= 2', gives: true },
  { text: 'not (1 == 1) || 2 != 3', gives: true },
  { text: '1 === 1 && !false', gives: true },
  { text: 'true ? "yes" : false ? "x" : "y"', gives: 'yes' },
  { text: 'null ?? "none"', gives: 'none' },
  { text: '[1, "two", [true]]', gives: [1, 'two', [true]] },
  { text: '{ a: 1, "b c": [2] }', gives: { a: 1, 'b c': [2] } },
  { text: '{ a: { b: 1 } }.a.b', gives: 1 },
  { text: '[1, 2] == [1, 2] and { a: 1, b: 2 } == { b: 2, a: 1 }', gives: true },
  { text: '[10, 20, 30][-1]', gives: 30 },
  { text: '[10, 20, 30][-3] + nodes.moments.moments[-2].start', gives: 90 },
  { text: '[10][-2]', fails: 'EXPRESSION_ABSENT' },
  { text: 'null', gives: null },
  { text: '1e999 > 5', fails: 'EXPRESSION_NUMBER' },
  { text: 'number("1e999")', fails: 'EXPRESSION_NUMBER' },
  { text: 'number("-0")', gives: 0 },
  { text: '1 / 0', fails: 'EXPRESSION_NUMBER' },
  { text: '1e308 * 10', fails: 'EXPRESSION_NUMBER' },
  { text: '1 + true', fails: 'EXPRESSION_TYPE' },
  { text: '"2" * 2', fails: 'EXPRESSION_TYPE' },
  { text: '1 < "2"', fails: 'EXPRESSION_TYPE' },
  { text: '1 ? 2 : 3', fails: 'EXPRESSION_TYPE' },
  { text: '[1][0.5]', fails: 'EXPRESSION_TYPE' },
  { text: '[1][3]', fails: 'EXPRESSION_ABSENT' },

  // data
  { text: 'nodes.moments.moments[0].title', gives: 'Why we wait' },
  { text: 'nodes["moments"].moments.length', gives: 3 },
  { text: 'each.moments.moments.title', gives: 'Über Mut' },
  { text: 'item.index + item.number + item.path[0]', gives: 6 },
  { text: 'brand.name', gives: 'Harbour & Söhne' },
  { text: 'brand.links[0].label', gives: 'Site' },
  { text: 'brand.colors["primary"]', gives: '#0a7' },
  { text: 'brand["na" + "me"]', gives: 'Harbour & Söhne' },
  { text: 'run.now', gives: '2026-03-29T00:30:00.000Z' },
  { text: 'nodes["n-3"].clip.title', gives: '{{ brand.name }}' },
  { text: 'Title: {{ nodes["n-3"].clip.title }}', gives: 'Title: {{ brand.name }}' },
  { text: 'nodes["n-3"].clip.none ?? "nothing"', gives: 'nothing' },
  { text: 'nodes["n-3"].clip.flag ? 1 : null', gives: null },
  { text: 'nodes["n-3"].clip.none', fails: 'EXPRESSION_ABSENT' },
  { text: 'nodes.gone.port', fails: 'EXPRESSION_ABSENT' },
  { text: 'nodes.gone.port.deeper.still ?? 0', gives: 0 },
  { text: 'nodes.gone.port + 1', fails: 'EXPRESSION_ABSENT' },
  { text: 'upper(nodes.gone.port)', fails: 'EXPRESSION_ABSENT' },

  // no prototypes: only what JSON itself holds
  { text: 'brand.constructor', fails: 'EXPRESSION_ABSENT' },
  { text: 'brand.__proto__', fails: 'EXPRESSION_ABSENT' },
  { text: 'brand["toString"]', fails: 'EXPRESSION_ABSENT' },
  { text: '"text".constructor', fails: 'EXPRESSION_ABSENT' },
  { text: '[1].map.constructor', fails: 'EXPRESSION_ABSENT' },
  { text: '"text"["constructor"]', fails: 'EXPRESSION_ABSENT' },
  { text: 'nodes["n-3"].clip.constructor', gives: 7 },
  { text: 'nodes["n-3"].clip.__proto__.evil', gives: true },
  { text: '{ __proto__: 1 }.__proto__ + { constructor: 2 }.constructor', gives: 3 },
  { text: 'constructor("return 1")', fails: 'EXPRESSION_NAME' },
  { text: 'toString()', fails: 'EXPRESSION_NAME' },
  { text: 'globalThis', fails: 'EXPRESSION_NAME' },

  // templates
  { text: '{{ brand.name }}: {{ each.moments.moments.title }}!', gives: 'Harbour & Söhne: Über Mut!' },
  { text: '{{ 1 + 1 }} of {{ "}}" }}', gives: '2 of }}' },
  { text: '{{ { a: { b: 1 } }.a.b }}', gives: '1' },
  { text: '{{ true }}', gives: 'true' },
  { text: '{{ nodes.gone.port }}', fails: 'EXPRESSION_ABSENT' },
  { text: '{{ nodes.gone.port ?? "" }}', gives: '' },
  { text: '{{ nodes.moments.moments }}', fails: 'EXPRESSION_TYPE' },
  { text: '{{ 1', fails: 'EXPRESSION_SYNTAX' },
  { text: 'a {{ }} b', fails: 'EXPRESSION_SYNTAX' },

  // texts
  { text: 'upper("ä b") + lower("ÄB")', gives: 'Ä Bäb' },
  { text: '"  x ".trim().upper()', gives: 'X' },
  { text: 'capitalize("über")', gives: 'Über' },
  { text: 'truncate("The quick brown fox", 10)', gives: 'The quick…' },
  { text: 'truncate("Donaudampfschifffahrt", 8)', gives: 'Donauda…' },
  { text: 'truncate("short", 10)', gives: 'short' },
  { text: 'truncate("a👩‍👩‍👧b", 4)', gives: 'a…' },
  { text: 'truncate(nodes.blank.text, 899999)', gives: '…' },
  { text: 'length("a👍é")', gives: 3 },
  { text: 'replace("a.b.c", ".", "-")', gives: 'a-b-c' },
  { text: 'replace("abc", "", "x")', gives: 'abc' },
  { text: 'split("a, b", ", ")', gives: ['a', 'b'] },
  { text: 'split("👍a", "")', gives: ['👍', 'a'] },
  { text: 'join(["a", 1], " / ")', gives: 'a / 1' },
  { text: 'contains("abc", "b") and contains([1, 2], 2)', gives: true },
  { text: 'startsWith("abc", "ab") and endsWith("abc", "bc")', gives: true },
  { text: 'slug("Über Mut & Größe, Teil 2!")', gives: 'uber-mut-grosse-teil-2' },
  { text: 'slug("東京 Tower")', gives: '東京-tower' },
  { text: 'slice("hello", 1, 3) + slice("hello", -2)', gives: 'ello' },
  { text: 'text(2.50) + text(true)', gives: '2.5true' },
  { text: 'join([[1]])', fails: 'EXPRESSION_TYPE' },

  // numbers
  { text: '[round(2.5), round(-2.5), round(1.25, 1), floor(-1.5), ceil(1.2), abs(-3)]', gives: [3, -2, 1.3, -2, 2, 3] },
  { text: '[min(3, 1, 2), max([3, 1]), sum([1, 2, 3]), sum([])]', gives: [1, 3, 6, 0] },
  { text: 'min([])', fails: 'EXPRESSION_ABSENT' },
  { text: 'number(" 2.5 ") + 1', gives: 3.5 },
  { text: 'number("two")', fails: 'EXPRESSION_ABSENT' },
  { text: 'formatNumber(1234567.891, 2)', gives: '1,234,567.89' },
  { text: 'formatNumber(-1234.5, 1, "de")', gives: '-1.234,5' },
  { text: 'formatNumber(-0.001, 2)', gives: '0.00' },
  { text: 'formatNumber(1, 2, "xx")', fails: 'EXPRESSION_TYPE' },

  // lists
  {
    text: 'filter(nodes.moments.moments, item => item.score > 0.5).map(m => m.title)',
    gives: ['Why we wait', 'Über Mut'],
  },
  { text: 'sort(nodes.moments.moments, m => m.score)[0].title', gives: 'Ask twice' },
  { text: 'last(sort(["b", "a", "Z"]))', gives: 'b' },
  { text: 'sort([3, 1, 2]).reverse()', gives: [3, 2, 1] },
  { text: 'find(nodes.moments.moments, m => m.start > 50).title', gives: 'Ask twice' },
  { text: 'first([]) ?? "empty"', gives: 'empty' },
  { text: 'unique([1, 2, 1, [3], [3]])', gives: [1, 2, [3]] },
  { text: 'concat([1], [2, 3])', gives: [1, 2, 3] },
  { text: 'map([1, 2], a => map([10], b => a + b))', gives: [[11], [12]] },
  { text: 'map([1, 2], item => item * 2)', gives: [2, 4] },
  { text: 'keys({ b: 1, a: 2 })', gives: ['a', 'b'] },
  { text: 'sort([1, "a"])', fails: 'EXPRESSION_TYPE' },
  { text: 'map([1], 2)', fails: 'EXPRESSION_TYPE' },
  { text: 'filter([1], item => item)', fails: 'EXPRESSION_TYPE' },

  // dates
  {
    text: 'formatDate(now(), "EEEE, d MMMM yyyy, HH:mm xxx", "Europe/Berlin")',
    gives: 'Sunday, 29 March 2026, 01:30 +01:00',
  },
  { text: 'formatDate(addHours(now(), 1), "HH:mm", "Europe/Berlin")', gives: '03:30' },
  { text: 'formatDate("2026-10-25T00:30:00Z", "HH:mm xxx", "Europe/Dublin")', gives: '01:30 +01:00' },
  { text: 'formatDate("2026-10-25T01:30:00Z", "HH:mm xxx", "Europe/Dublin")', gives: '01:30 +00:00' },
  {
    text: `formatDate("2026-12-31T23:30Z", "EEE d. MMM yy 'um' h:mm a", "Asia/Kolkata", "de")`,
    gives: 'Fr 1. Jan. 27 um 5:00 AM',
  },
  { text: 'formatDate("2026-01-05", "EEEE d MMMM", "America/New_York", "fr")', gives: 'dimanche 4 janvier' },
  { text: 'formatDate("2026-01-05", "yyyy-MM-dd HH", "-03:30")', gives: '2026-01-04 20' },
  { text: 'addDays("2026-02-27", 2)', gives: '2026-03-01T00:00:00.000Z' },
  { text: 'addMonths("2024-01-31T10:00Z", 1)', gives: '2024-02-29T10:00:00.000Z' },
  { text: 'addMinutes("2026-01-01T00:00:00+02:00", -30)', gives: '2025-12-31T21:30:00.000Z' },
  { text: 'daysBetween("2026-03-01", "2026-03-29")', gives: 28 },
  { text: 'formatDate(now(), "HH:mm", "Europe/Nowhere")', fails: 'EXPRESSION_DATE' },
  { text: 'formatDate("1985-06-01", "HH:mm", "Europe/Berlin")', fails: 'EXPRESSION_DATE' },
  { text: 'formatDate(now(), "QQ", "UTC")', fails: 'EXPRESSION_DATE' },
  { text: 'addDays("2026-02-30", 1)', fails: 'EXPRESSION_DATE' },
  { text: 'addDays(now(), 1e300)', fails: 'EXPRESSION_DATE' },

  // bounds
  { text: 'map(nodes.many.numbers, a => map(nodes.many.numbers, b => a * b))', fails: 'EXPRESSION_FUEL' },
  { text: 'sort(nodes.many.numbers)', fails: 'EXPRESSION_FUEL' },
  { text: 'unique(nodes.many.numbers)', fails: 'EXPRESSION_FUEL' },
  { text: 'nodes.long.text', fails: 'EXPRESSION_RESULT' },
  { text: 'truncate(nodes.long.text, 14)', gives: 'word word…' },
  { text: 'replace(nodes.long.text, "w", nodes.long.text)', fails: 'EXPRESSION_RESULT' },
  { text: `${'('.repeat(100)}1${')'.repeat(100)}`, fails: 'EXPRESSION_SYNTAX' },
  { text: Array.from({ length: 100 }, () => '1').join('+'), fails: 'EXPRESSION_SYNTAX' },
  { text: '!'.repeat(5_000), fails: 'EXPRESSION_SYNTAX' },
  { text: `"${'x'.repeat(10_000)}"`, fails: 'EXPRESSION_SYNTAX' },

  // what cannot be read
  { text: '', fails: 'EXPRESSION_SYNTAX' },
  { text: 'Hello', fails: 'EXPRESSION_NAME' },
  { text: 'nodes.a', fails: 'EXPRESSION_SYNTAX' },
  { text: 'nodes[brand.name].port', fails: 'EXPRESSION_SYNTAX' },
  { text: '1 2', fails: 'EXPRESSION_SYNTAX' },
  { text: '"open', fails: 'EXPRESSION_SYNTAX' },
  { text: '"\\ud800"', fails: 'EXPRESSION_SYNTAX' },
  { text: 'a => a', fails: 'EXPRESSION_NAME' },
  { text: 'map([1], nodes => nodes)', fails: 'EXPRESSION_SYNTAX' },
  { text: 'brand.name = "x"', fails: 'EXPRESSION_SYNTAX' },
  { text: 'uper("a")', fails: 'EXPRESSION_NAME' },
  { text: 'upper()', fails: 'EXPRESSION_TYPE' },
];

export function outcomeOf(text: string, scope: Scope): Outcome {
  const reading = parseExpression(text);
  // as it comes back from the database
  return reading.ok ? evaluate(JSON.parse(JSON.stringify(reading.tree)), scope) : reading;
}

/** Every outcome of the corpus as one text: two places agree where these are equal. */
export function corpusBytes(): string {
  return JSON.stringify(CORPUS.map(({ text }) => outcomeOf(text, SCOPE)));
}
