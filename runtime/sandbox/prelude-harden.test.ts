/** A realm that serves one run after the other: nothing stays in it, and what people write still works. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf } from '../bundle.ts';
import { createSandbox, type Json, type Sandbox } from './sandbox.ts';

let cacheDir: string;
let sandbox: Sandbox;
beforeAll(async () => {
  cacheDir = await mkdtemp(path.join(tmpdir(), 'harden-'));
  sandbox = await createSandbox({ cacheDir, spare: false });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

/** Runs text as a Code node does: a function made inside, in strict mode. */
const CODE = `var plugin = { run: async (ctx, { code }) => {
  const made = new (async () => {}).constructor('"use strict";\\n' + code);
  try { return { value: (await made()) ?? null }; } catch (error) { return { error: error.name + ': ' + error.message }; }
} };`;
async function ran(code: string, isKept = true): Promise<Json> {
  const result = await sandbox.run({
    workspaceId: 'workspace',
    contextKey: isKept ? 'brand:1' : 'run-1',
    isKept,
    plugin: { digest: digestOf(CODE), code: CODE },
    entry: 'run',
    ctx: { config: {}, now: '2026-01-15T09:00:00.000Z', seed: 'seed', brand: {}, connection: null },
    inputs: { code },
    limits: { wallMs: 10_000, cpuMs: 2_000, memoryMb: 64 },
    onCall: async () => null,
  });
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}

/** Where something is left, and how it is found again. */
const PLACES: [name: string, leave: string, find: string][] = [
  ['the global object', 'globalThis.left = 1', 'return globalThis.left'],
  ['a global that is there', 'globalThis.parseInt.left = 1', 'return parseInt.left'],
  ['a global in the place of another', 'globalThis.parseInt = () => 1', 'return parseInt("7") === 1 ? 1 : undefined'],
  ['a global that is deleted', 'delete globalThis.isNaN', 'return typeof isNaN === "function" ? undefined : 1'],
  ['the plugin', 'globalThis.plugin.run = null', 'return undefined'],
  ['a prototype', 'Object.prototype.left = 1', 'return ({}).left'],
  ['a method', 'Array.prototype.map = () => [1]', 'return [2].map((x) => x)[0] === 1 ? 1 : undefined'],
  [
    'a method that is assigned through an object',
    '({}).__proto__.toString = () => 1',
    'return String({}) === "1" ? 1 : undefined',
  ],
  ['an accessor', 'Object.defineProperty(Object.prototype, "left", { get: () => 1 })', 'return ({}).left'],
  ['the prototype of a prototype', 'Object.setPrototypeOf(Array.prototype, { left: 1 })', 'return [].left'],
  ['what async functions share', '(async () => {}).constructor.prototype.left = 1', 'return (async () => {}).left'],
  [
    'what every generator inherits',
    'Object.getPrototypeOf(function* () {}).prototype.left = 1',
    'return (function* () {})().left',
  ],
  [
    'what async generators share',
    'Object.getPrototypeOf(async function* () {}).prototype.left = 1',
    'return (async function* () {})().left',
  ],
  ['iterators of arrays', 'Object.getPrototypeOf([][Symbol.iterator]()).left = 1', 'return [][Symbol.iterator]().left'],
  ['iterators of matches', 'Object.getPrototypeOf("".matchAll(/./g)).left = 1', 'return "".matchAll(/./g).left'],
  [
    'helpers of iterators',
    'Object.getPrototypeOf([].values().map((x) => x)).left = 1',
    'return [].values().map((x) => x).left',
  ],
  [
    'wrapped iterators',
    'Object.getPrototypeOf(Iterator.from({ next() {} })).left = 1',
    'return Iterator.from({ next() {} }).left',
  ],
  ['typed arrays', 'Object.getPrototypeOf(Int8Array).prototype.left = 1', 'return new Float64Array(1).left'],
  [
    'segments of text',
    'Object.getPrototypeOf(new Intl.Segmenter("en").segment("a")).left = 1',
    'return new Intl.Segmenter("en").segment("a").left',
  ],
  [
    'iterators of segments',
    'Object.getPrototypeOf(new Intl.Segmenter("en").segment("a")[Symbol.iterator]()).left = 1',
    'return new Intl.Segmenter("en").segment("a")[Symbol.iterator]().left',
  ],
  ['errors', 'Error.left = 1', 'return Error.left'],
  [
    'how errors show their stack',
    'Error.prepareStackTrace = () => 1',
    'return new Error("x").stack === 1 ? 1 : undefined',
  ],
  ['how many lines a stack has', 'Error.stackTraceLimit = 1', 'return Error.stackTraceLimit === 1 ? 1 : undefined'],
  ['URL', 'URL.prototype.left = 1', 'return new URL("https://a.test").left'],
  ['time zones of dates', 'Date.prototype.getTime = () => 1', 'return new Date(5).getTime() === 1 ? 1 : undefined'],
  ['chance', 'Math.random = () => 1', 'return Math.random() === 1 ? 1 : undefined'],
  ['symbols', 'Symbol.prototype.left = 1', 'return Symbol.iterator.left'],
  [
    'a function of arguments',
    'Object.getPrototypeOf(Object.getOwnPropertyDescriptor((function () { "use strict"; return arguments; })(), "callee").get).left = 1',
    'return (() => 1).left',
  ],
];

test.each(PLACES)('nothing is left in %s', async (_name, leave, find) => {
  await ran(leave);
  expect(await ran(find)).toEqual({ value: null });
});

test('each of these places holds something where the realm is not made unchangeable', async () => {
  const kept: string[] = [];
  for (const [name, leave, find] of PLACES) {
    if (name === 'the plugin') continue;
    await ran(leave, false);
    const found = await ran(find, false).catch((error: Error) => error.message);
    if (JSON.stringify(found) === '{"value":null}') kept.push(name);
    sandbox.forget('run-1');
  }
  expect(kept).toEqual([]);
});

test('it says that nothing can be changed there', async () => {
  expect(await ran('globalThis.count = 1')).toEqual({
    error: 'TypeError: Cannot add property count, object is not extensible',
  });
});

test('what people do with their own objects works', async () => {
  expect(
    await ran(`
      const plain = {};
      plain.toString = () => 'mine';
      plain.constructor = 1;
      plain.hasOwnProperty = 2;
      const error = new TypeError('first');
      error.name = 'Other';
      error.message = 'second';
      class Account { constructor() { this.name = 'a'; this.length = 3; } toString() { return 'account'; } }
      class Odd extends Error { constructor() { super('x'); this.name = 'Odd'; } }
      function Old() {}
      Old.prototype.toString = function () { return 'old'; };
      Old.prototype.constructor = Old;
      Old.toString = () => 'Old itself';
      const list = [3, 1, 2];
      list.extra = true;
      list.toString = () => 'list';
      const dated = new Date(0);
      dated.toJSON = () => 'never';
      const map = new Map([['a', 1]]);
      map.set('b', 2);
      const url = new URL('https://a.test/b?c=1');
      url.searchParams.append('d', '2');
      const copy = structuredClone({ deep: [1] });
      copy.deep.push(2);
      return {
        text: \`\${plain} \${error} \${new Account()} \${new Account().name} \${new Odd()} \${new Old()} \${Old} \${list}\`,
        own: Object.keys(plain), json: JSON.stringify(dated), sorted: [...list].sort(), both: [...map.keys()],
        url: url.href, copy, bytes: new TextEncoder().encode('ü').length, length: new Account().length,
        symbol: Object.assign({}, { toString: 1 }).toString, spread: { ...{ valueOf: 2 } }.valueOf,
      };`),
  ).toEqual({
    value: {
      text: 'mine Other: second account a Odd: x old Old itself list',
      own: ['toString', 'constructor', 'hasOwnProperty'],
      json: '"never"',
      sorted: [1, 2, 3],
      both: ['a', 'b'],
      url: 'https://a.test/b?c=1&d=2',
      copy: { deep: [1, 2] },
      bytes: 2,
      length: 3,
      symbol: 1,
      spread: 2,
    },
  });
});

test('its clock and its chance are those of the run', async () => {
  const read = 'return [Date.now(), Math.random()]';
  const first = await ran(read);
  expect(await ran(read)).toEqual(first);
  expect(first).toEqual({ value: [Date.parse('2026-01-15T09:00:00.000Z'), expect.any(Number)] });
});
