/**
 * Expressions: how a setting takes its value from what came before. The same file reads them while they are typed,
 * previews them in the browser and evaluates them in a run. Pure and total: no clock, no locale, no prototypes, no
 * user functions, no recursion; `FUEL` bounds the work and `LONGEST_RESULT_BYTES` the result.
 *
 * A stored setting is `{ "$expression": { "text": …, "tree": … } }` at any depth of a config. `text` names nodes by
 * id (`nodes["n3"].clip`), so that renaming a node changes nothing; people are shown and type names, and `withNodes`
 * turns one into the other. `tree` is what `parseExpression(text)` gives, null where the text cannot be read. A text
 * that holds `{{ … }}` is a template: text with values in it.
 *
 *   nodes.NAME.PORT   what an upstream node gave; a list port gives the whole list
 *   each.NAME.PORT    the one item of that list which this step is about
 *   brand.name, .voice, .links, .colors, .fonts, .captions, .logo
 *   run.now           the instant the run began, ISO 8601 in UTC
 *   item.index, item.number, item.path   where in the lists this step is; index counts from 0, number from 1
 *
 * The tree is JSON: `[kind, at, …]`, `at` the offset in the text.
 *
 *   ["value", at, json]                      ["template", at, [text | tree, …]]
 *   ["ref", at, "nodes"|"each", node, port]  ["scope", at, "brand"|"run"|"item"]  ["name", at, parameter]
 *   ["get", at, target, key]                 ["index", at, target, tree]
 *   ["not", at, tree]  ["minus", at, tree]   ["op", at, symbol, left, right]      ["if", at, test, then, otherwise]
 *   ["list", at, [tree, …]]                  ["record", at, [[key, tree], …]]
 *   ["call", at, function, [tree, …]]        ["arrow", at, parameter, tree], only as an argument
 *
 * What is absent is null, and a member of null is null; `??` gives it a replacement. Only own properties of plain
 * data are seen: `__proto__` and `constructor` are names like others, and absent. Texts that came from data are never
 * read as expressions. Errors: EXPRESSION_SYNTAX, _NAME, _TYPE, _ABSENT, _NUMBER, _DATE, _FUEL, _RESULT, _BROKEN.
 */
import { callFunction, FUNCTIONS, type Meter } from './expression-functions.ts';

export const LONGEST_TEXT = 10_000;
const FUEL = 10_000;
const LONGEST_RESULT_BYTES = 64 * 1024;
/** No text on the way may be longer: that of a transcript. */
const LONGEST_PART = 1_000_000;
const DEEPEST = 60;
const DEEPEST_TREE = 150;
/** Data nested deeper is neither compared nor given. */
const DEEPEST_DATA = 500;
const MOST_TOKENS = 4_000;

export type Tree = readonly [kind: string, at: number, ...rest: unknown[]];
export type ExpressionError = { code: string; message: string; hint: string | null; at: number };
export type StoredExpression = { $expression: { text: string; tree?: Tree | null | undefined } };
export type Reference = { from: 'nodes' | 'each'; node: string; port: string };
export type Scope = {
  /** What references stand for, by `referenceKey`; one that is not there is absent. */
  refs: ReadonlyMap<string, unknown>;
  brand: unknown;
  run: { now: string };
  /** Indexes into the lists around the step, outermost first. */
  path: readonly number[];
};
export type Reading = { ok: true; tree: Tree } | { ok: false; error: ExpressionError };
export type Outcome = { ok: true; value: unknown } | { ok: false; error: ExpressionError };

/** Thrown inside and told at the doors of this file. */
export class Fault extends Error {
  readonly error: ExpressionError;
  constructor(code: string, message: string, hint: string | null, at: number) {
    super(message);
    this.error = { code, message, hint, at };
  }
}

export const ROOTS = ['nodes', 'each', 'brand', 'run', 'item'] as const;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function isExpression(value: unknown): value is StoredExpression {
  if (!isRecord(value) || !Object.hasOwn(value, '$expression')) return false;
  const inner = value.$expression;
  return isRecord(inner) && Object.hasOwn(inner, 'text') && typeof inner.text === 'string';
}

export function isTemplate(text: string): boolean {
  return text.includes('{{');
}

/** What is stored for a text in which nodes are named by id. */
export function storedExpression(text: string): StoredExpression {
  const reading = parseExpression(text);
  return { $expression: { text, tree: reading.ok ? reading.tree : null } };
}

/** The tree of a stored expression, which is what runs: the one kept beside the text, else the text's. */
export function treeOf(stored: StoredExpression): Reading {
  const { text, tree } = stored.$expression;
  return tree ? { ok: true, tree } : parseExpression(text);
}

export function referenceKey({ from, node, port }: Reference): string {
  return `${from} ${node} ${port}`;
}

// ---------------------------------------------------------------- tokens

type Token = {
  kind: 'number' | 'text' | 'name' | 'sign' | 'end';
  /** As it is written; of a text its content. */
  value: string;
  at: number;
  end: number;
};

const SIGNS = ['===', '!==', '=>', '==', '!=', '<=', '>=', '&&', '||', '??', '?.', ...'+-*/%<>!?:.,()[]{}'];
const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' };

function syntax(message: string, at: number, hint: string | null = null): Fault {
  return new Fault('EXPRESSION_SYNTAX', message, hint, at);
}

/** `from` and `to` bound the part of the text that is read; offsets are the text's. */
function tokensOf(text: string, from: number, to: number): Token[] {
  const tokens: Token[] = [];
  let at = from;
  while (at < to) {
    const rest = text.slice(at, Math.min(to, at + 400));
    const space = /^\s+/.exec(rest);
    if (space) {
      at += space[0].length;
      continue;
    }
    if (tokens.length >= MOST_TOKENS) throw syntax('This expression is too long.', at, 'Use a Code node.');
    const char = rest[0]!;
    const number = /^(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)/.exec(rest);
    const name = /^[A-Za-z_$][A-Za-z0-9_$]*/.exec(rest);
    if (number) {
      tokens.push({ kind: 'number', value: number[0], at, end: at + number[0].length });
    } else if (name) {
      tokens.push({ kind: 'name', value: name[0], at, end: at + name[0].length });
    } else if (char === '"' || char === "'") {
      tokens.push(textToken(text, at, to));
    } else {
      const sign = SIGNS.find((each) => rest.startsWith(each));
      if (sign === undefined) {
        throw syntax(
          `“${String.fromCodePoint(rest.codePointAt(0)!)}” has no meaning here.`,
          at,
          'Write text in quotes, or put values into text with {{ }}.',
        );
      }
      tokens.push({ kind: 'sign', value: sign, at, end: at + sign.length });
    }
    at = tokens.at(-1)!.end;
  }
  return tokens;
}

function textToken(text: string, start: number, to: number): Token {
  const quote = text[start]!;
  let value = '';
  for (let at = start + 1; at < to; at++) {
    const char = text[at]!;
    if (char === quote) {
      if (!value.isWellFormed() || value.includes('\0')) throw syntax('This text holds what is no character.', start);
      return { kind: 'text', value, at: start, end: at + 1 };
    }
    if (char === '\\' && at + 1 < to) {
      const next = text[++at]!;
      const code = next === 'u' ? /^[0-9a-fA-F]{4}/.exec(text.slice(at + 1, at + 5)) : null;
      if (code) {
        value += String.fromCharCode(Number.parseInt(code[0], 16));
        at += 4;
      } else value += Object.hasOwn(ESCAPES, next) ? ESCAPES[next] : next;
    } else value += char;
  }
  throw syntax('This text is not closed.', start, `Close it with ${quote}.`);
}

/** The pieces of a template: texts, and the bounds of what stands in `{{ }}`. */
function piecesOf(text: string): ({ text: string } | { from: number; to: number })[] {
  const pieces: ({ text: string } | { from: number; to: number })[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('{{', at);
    if (open < 0) {
      pieces.push({ text: text.slice(at) });
      break;
    }
    if (open > at) pieces.push({ text: text.slice(at, open) });
    const close = closing(text, open + 2);
    if (close < 0) throw syntax('This {{ is not closed.', open, 'Close it with }}.');
    pieces.push({ from: open + 2, to: close });
    at = close + 2;
  }
  return pieces;
}

/** Where the `}}` stands that closes a part: not inside quotes, not one that closes a record. */
function closing(text: string, start: number): number {
  let quote = '';
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at]!;
    if (quote !== '') {
      if (char === '\\') at++;
      else if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '{') depth++;
    else if (char === '}' && depth > 0) depth--;
    else if (char === '}' && text[at + 1] === '}') return at;
  }
  return -1;
}

const PLAIN_NAME = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

/** As it is written after `nodes`: `.Transcribe` or `["Find moments"]`. */
export function writtenKey(key: string): string {
  return PLAIN_NAME.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

export type Translate = (key: string) => string | undefined;

/** Where nodes are named; nothing of a text that cannot be taken apart. */
function nodeKeys(text: string): { at: number; end: number; key: string }[] {
  const found: { at: number; end: number; key: string }[] = [];
  try {
    for (const part of isTemplate(text) ? piecesOf(text) : [{ from: 0, to: text.length }]) {
      if (!('from' in part)) continue;
      const tokens = tokensOf(text, part.from, part.to);
      for (const [index, token] of tokens.entries()) {
        if (token.kind !== 'name' || (token.value !== 'nodes' && token.value !== 'each')) continue;
        const before = tokens[index - 1]?.value;
        if (before === '.' || before === '?.') continue;
        const [dot, key, close] = tokens.slice(index + 1, index + 4);
        if (dot?.value === '.' && key?.kind === 'name') found.push({ at: dot.at, end: key.end, key: key.value });
        else if (dot?.value === '[' && key?.kind === 'text' && close?.value === ']')
          found.push({ at: dot.at, end: close.end, key: key.value });
      }
    }
    return found;
  } catch (error) {
    if (error instanceof Fault) return [];
    throw error;
  }
}

/**
 * The text with every node named otherwise: names for ids when it is shown, ids for names when it is kept. What
 * `translate` does not know stays, and so does a text that cannot be taken apart.
 */
export function withNodes(text: string, translate: Translate): string {
  let changed = text;
  for (const { at, end, key } of nodeKeys(text).reverse()) {
    const other = translate(key);
    if (other !== undefined) changed = changed.slice(0, at) + writtenKey(other) + changed.slice(end);
  }
  return changed;
}

/** Where an offset of the text lies after `withNodes`. */
export function movedOffset(text: string, translate: Translate, offset: number): number {
  let moved = offset;
  for (const { at, end, key } of nodeKeys(text)) {
    const other = translate(key);
    if (other !== undefined && end <= offset) moved += writtenKey(other).length - (end - at);
  }
  return moved;
}

// ---------------------------------------------------------------- reading

/** How strongly operators bind, from the loosest. */
const LEVELS: readonly (readonly string[])[] = [
  ['??'],
  ['||'],
  ['&&'],
  ['==', '!='],
  ['<', '<=', '>', '>='],
  ['+', '-'],
  ['*', '/', '%'],
];
const WORDS: Record<string, string> = { or: '||', and: '&&', '===': '==', '!==': '!=' };

export function parseExpression(text: string): Reading {
  try {
    if (text.length > LONGEST_TEXT)
      throw syntax(`An expression has at most ${LONGEST_TEXT} characters.`, LONGEST_TEXT, 'Use a Code node.');
    if (text.trim() === '') throw syntax('There is nothing here yet.', 0, 'Write an expression, or insert a value.');
    const tree: Tree = isTemplate(text)
      ? [
          'template',
          0,
          piecesOf(text).map((piece) =>
            'text' in piece ? piece.text : new Reader(text, piece.from, piece.to).whole(),
          ),
        ]
      : new Reader(text, 0, text.length).whole();
    walk(tree, ([, at], depth) => {
      if (depth > DEEPEST_TREE) throw syntax('This expression is nested too deeply.', at);
    });
    return { ok: true, tree };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, error: error.error };
    throw error;
  }
}

class Reader {
  readonly #tokens: Token[];
  readonly #end: Token;
  #next = 0;
  #depth = 0;
  readonly #parameters: string[] = [];

  constructor(text: string, from: number, to: number) {
    this.#tokens = tokensOf(text, from, to);
    this.#end = { kind: 'end', value: '', at: to, end: to };
  }

  whole(): Tree {
    const tree = this.#expression();
    const left = this.#peek();
    if (left.kind !== 'end') {
      throw syntax(`“${left.value}” is not expected here.`, left.at, 'Write text in quotes; join parts with +.');
    }
    return tree;
  }

  #peek(ahead = 0): Token {
    return this.#tokens[this.#next + ahead] ?? this.#end;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  #is(...signs: string[]): boolean {
    const { kind, value } = this.#peek();
    return (kind === 'sign' || kind === 'name') && signs.includes(value);
  }

  #expect(sign: string, after: string): Token {
    const token = this.#take();
    if (token.kind !== 'sign' || token.value !== sign) throw syntax(`“${sign}” is missing after ${after}.`, token.at);
    return token;
  }

  #expression(): Tree {
    if (++this.#depth > DEEPEST) throw syntax('This expression is nested too deeply.', this.#peek().at);
    const test = this.#binary(0);
    let tree = test;
    if (this.#is('?')) {
      const at = this.#take().at;
      const then = this.#expression();
      this.#expect(':', 'what holds if it is so');
      tree = ['if', at, test, then, this.#expression()];
    }
    this.#depth--;
    return tree;
  }

  #binary(level: number): Tree {
    const signs = LEVELS[level];
    if (!signs) return this.#unary();
    let left = this.#binary(level + 1);
    for (let count = 0; ; count++) {
      const { kind, value, at } = this.#peek();
      const sign = Object.hasOwn(WORDS, value) ? WORDS[value]! : value;
      if ((kind !== 'sign' && kind !== 'name') || !signs.includes(sign)) return left;
      if (count >= DEEPEST) throw syntax('Too many parts are joined in one go.', at, 'Use a template, or join().');
      this.#take();
      left = ['op', at, sign, left, this.#binary(level + 1)];
    }
  }

  #unary(): Tree {
    const { at } = this.#peek();
    if (this.#is('!', 'not', '-')) {
      const kind = this.#take().value === '-' ? 'minus' : 'not';
      if (++this.#depth > DEEPEST) throw syntax('This expression is nested too deeply.', at);
      const tree: Tree = [kind, at, this.#unary()];
      this.#depth--;
      return tree;
    }
    return this.#members(this.#primary());
  }

  #members(start: Tree): Tree {
    let tree = start;
    for (let count = 0; ; count++) {
      if (count > DEEPEST) throw syntax('This goes too deep into the data.', this.#peek().at);
      if (this.#is('.', '?.')) {
        this.#take();
        const key = this.#take();
        if (key.kind !== 'name') throw syntax('A name is missing after the dot.', key.at);
        if (this.#is('(')) tree = ['call', key.at, this.#function(key), this.#arguments(tree)];
        else tree = ['get', key.at, tree, key.value];
      } else if (this.#is('[')) {
        const { at } = this.#take();
        const key = this.#peek();
        const isPlain = key.kind === 'text' && this.#peek(1).value === ']';
        const inner = this.#expression();
        this.#expect(']', 'the index');
        tree = isPlain ? ['get', key.at, tree, key.value] : ['index', at, tree, inner];
      } else return tree;
    }
  }

  #primary(): Tree {
    const token = this.#take();
    const { kind, value, at } = token;
    if (kind === 'number') {
      // JSON holds no Infinity: the stored tree would say another thing than this one
      if (!Number.isFinite(Number(value))) throw new Fault('EXPRESSION_NUMBER', 'This number is too large.', null, at);
      return ['value', at, Number(value)];
    }
    if (kind === 'text') return ['value', at, value];
    if (kind === 'name') return this.#named(token);
    if (value === '(') {
      const tree = this.#expression();
      this.#expect(')', 'what stands in brackets');
      return tree;
    }
    if (value === '[') {
      const items: Tree[] = [];
      while (!this.#is(']')) {
        items.push(this.#expression());
        if (!this.#is(']')) this.#expect(',', 'a part of the list');
      }
      this.#take();
      return ['list', at, items];
    }
    if (value === '{') {
      const parts: [string, Tree][] = [];
      while (!this.#is('}')) {
        const key = this.#take();
        if (key.kind !== 'name' && key.kind !== 'text') throw syntax('A name is missing here.', key.at);
        this.#expect(':', 'the name');
        parts.push([key.value, this.#expression()]);
        if (!this.#is('}')) this.#expect(',', 'a part of the record');
      }
      this.#take();
      return ['record', at, parts];
    }
    if (kind === 'end') throw syntax('Something is missing at the end.', at);
    throw syntax(`“${value}” is not expected here.`, at);
  }

  #named({ value, at }: Token): Tree {
    if (this.#parameters.includes(value)) return ['name', at, value];
    if (value === 'true' || value === 'false') return ['value', at, value === 'true'];
    if (value === 'null') return ['value', at, null];
    if (this.#is('(')) return ['call', at, this.#function({ kind: 'name', value, at, end: at }), this.#arguments()];
    if (value === 'brand' || value === 'run' || value === 'item') return ['scope', at, value];
    if (value === 'nodes' || value === 'each') return this.#reference(value, at);
    throw new Fault(
      'EXPRESSION_NAME',
      `There is nothing called ${value}.`,
      `Write text in quotes; data begins with ${ROOTS.join(', ')}.`,
      at,
    );
  }

  #reference(from: 'nodes' | 'each', at: number): Tree {
    const [node, port] = [this.#key(), this.#key()];
    if (node === undefined || port === undefined) {
      throw syntax(`After “${from}” comes a node, then one of its outputs.`, at, `${from}.Transcribe.transcript`);
    }
    return ['ref', at, from, node, port];
  }

  /** `.name` or `["name"]`. */
  #key(): string | undefined {
    if (this.#is('.', '?.') && this.#peek(1).kind === 'name') {
      this.#take();
      return this.#take().value;
    }
    if (this.#is('[') && this.#peek(1).kind === 'text' && this.#peek(2).value === ']') {
      this.#take();
      const { value } = this.#take();
      this.#take();
      return value;
    }
    return undefined;
  }

  #function({ value, at }: Token): string {
    if (Object.hasOwn(FUNCTIONS, value)) return value;
    throw new Fault('EXPRESSION_NAME', `There is no function called ${value}.`, closest(value), at);
  }

  #arguments(first?: Tree): Tree[] {
    const open = this.#expect('(', 'the function');
    const given: Tree[] = first ? [first] : [];
    while (!this.#is(')')) {
      const { kind, value, at } = this.#peek();
      if (kind === 'name' && this.#peek(1).value === '=>') {
        if (value !== 'item' && ((ROOTS as readonly string[]).includes(value) || Object.hasOwn(WORDS, value)))
          throw syntax(`“${value}” means something else and cannot be a name here.`, at);
        this.#take();
        this.#take();
        this.#parameters.push(value);
        given.push(['arrow', at, value, this.#expression()]);
        this.#parameters.pop();
      } else given.push(this.#expression());
      if (!this.#is(')')) this.#expect(',', 'an argument');
    }
    this.#take();
    if (given.length > 20) throw syntax('A function takes at most 20 arguments.', open.at);
    return given;
  }
}

function closest(name: string): string {
  const typed = name.slice(0, 30).toLowerCase();
  const near = Object.keys(FUNCTIONS).filter((known) => {
    const lower = known.toLowerCase();
    return (typed.length > 2 && lower.startsWith(typed.slice(0, 3))) || isNear(typed, lower);
  });
  return near.length > 0 ? `Did you mean ${near.join(', ')}?` : 'All functions are listed under “Insert a value”.';
}

/** Whether one becomes the other by adding, leaving out or exchanging one letter. */
function isNear(a: string, b: string): boolean {
  let from = 0;
  while (from < a.length && a[from] === b[from]) from++;
  const rest = (text: string, skipped: number) => text.slice(from + skipped);
  return [
    [1, 0],
    [0, 1],
    [1, 1],
  ].some(([left, right]) => rest(a, left!) === rest(b, right!));
}

// ---------------------------------------------------------------- what a tree speaks of

/** Every tree inside, outermost first. Total: what is malformed is left out. */
export function walk(tree: unknown, visit: (tree: Tree, depth: number) => void, depth = 0): void {
  if (!isTree(tree) || depth > DEEPEST_TREE + 10) return;
  visit(tree, depth);
  for (const part of tree.slice(2)) {
    if (isTree(part)) walk(part, visit, depth + 1);
    else if (Array.isArray(part)) {
      for (const inner of part) {
        if (isTree(inner)) walk(inner, visit, depth + 1);
        else if (Array.isArray(inner) && isTree(inner[1])) walk(inner[1], visit, depth + 1);
      }
    }
  }
}

function isTree(value: unknown): value is Tree {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number';
}

export function asReference(tree: Tree): Reference | undefined {
  const [kind, , from, node, port] = tree;
  if (kind !== 'ref' || (from !== 'nodes' && from !== 'each')) return undefined;
  return typeof node === 'string' && typeof port === 'string' ? { from, node, port } : undefined;
}

export type Use = Reference & { at: number; keys: string[] };

/** What it takes from other nodes; `keys`: how far into the value, as far as it is written down. */
export function usesOf(tree: Tree): Use[] {
  const uses: Use[] = [];
  const inner = new Set<Tree>();
  walk(tree, (part) => {
    if (inner.has(part)) return;
    const keys: string[] = [];
    let at = part;
    while (at[0] === 'get' && isTree(at[2]) && typeof at[3] === 'string') {
      inner.add(at[2]);
      // of a list and a text the length is asked, which needs the whole
      keys.unshift(at[3]);
      at = at[2];
    }
    const reference = asReference(at);
    if (reference) uses.push({ ...reference, at: at[1], keys });
  });
  return uses;
}

export function usesNow(tree: Tree): boolean {
  let found = false;
  walk(tree, ([kind, , name]) => {
    if ((kind === 'scope' && name === 'run') || (kind === 'call' && name === 'now')) found = true;
  });
  return found;
}

/** All expressions inside a setting, with the way to each. */
export function expressionsIn(
  value: unknown,
  path: (string | number)[] = [],
): { path: (string | number)[]; stored: StoredExpression }[] {
  if (isExpression(value)) return [{ path, stored: value }];
  if (Array.isArray(value)) return value.flatMap((item, index) => expressionsIn(item, [...path, index]));
  if (isRecord(value)) return Object.entries(value).flatMap(([key, item]) => expressionsIn(item, [...path, key]));
  return [];
}

/** The setting with each expression replaced; shares what holds none. */
export function replaceExpressions(value: unknown, replace: (stored: StoredExpression) => unknown): unknown {
  if (isExpression(value)) return replace(value);
  if (Array.isArray(value)) {
    const changed = value.map((item) => replaceExpressions(item, replace));
    return changed.some((item, index) => item !== value[index]) ? changed : value;
  }
  if (isRecord(value)) {
    const changed = Object.entries(value).map(([key, item]) => [key, replaceExpressions(item, replace)] as const);
    return changed.some(([key, item]) => item !== value[key]) ? recordOf(changed) : value;
  }
  return value;
}

export function recordOf(entries: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [key, value] of entries)
    Object.defineProperty(made, key, { value, enumerable: true, configurable: true, writable: true });
  return made;
}

// ---------------------------------------------------------------- evaluating

/** Gives a value of plain JSON, or why there is none. Throws nothing. */
export function evaluate(tree: Tree, scope: Scope): Outcome {
  try {
    const evaluation = new Evaluation(scope);
    const value = evaluation.valueOf(tree, new Map(), 0);
    if (value === null && evaluation.absent) throw evaluation.absent;
    evaluation.checkResult(value, tree[1]);
    return { ok: true, value };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, error: error.error };
    throw error;
  }
}

type Names = ReadonlyMap<string, unknown>;

class Evaluation {
  readonly #scope: Scope;
  #fuel = FUEL;
  /** The last thing that was looked for and not there: why a result is empty. */
  absent: Fault | undefined;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  #burn(amount: number, at: number): void {
    this.#fuel -= amount;
    if (this.#fuel < 0) {
      throw new Fault(
        'EXPRESSION_FUEL',
        'This expression takes too many steps.',
        'Shorten the list first, or use a Code node.',
        at,
      );
    }
  }

  #broken(at: unknown): Fault {
    return new Fault(
      'EXPRESSION_BROKEN',
      'This expression was not stored as it should be.',
      'Open it and save it again.',
      typeof at === 'number' ? at : 0,
    );
  }

  valueOf(tree: unknown, names: Names, depth: number): unknown {
    if (!isTree(tree) || depth > DEEPEST_TREE + 10) throw this.#broken(0);
    const [kind, at, first, second, third] = tree;
    this.#burn(1, at);
    const inner = (part: unknown, more: Names = names) => this.valueOf(part, more, depth + 1);
    switch (kind) {
      case 'value':
        // nothing, on purpose: no longer what was looked for and not there
        if (first === null) this.absent = undefined;
        if (first === null || ['string', 'number', 'boolean'].includes(typeof first)) return first;
        throw this.#broken(at);
      case 'ref': {
        const reference = asReference(tree);
        if (!reference) throw this.#broken(at);
        const value = this.#scope.refs.get(referenceKey(reference));
        if (value === undefined || value === null) {
          this.absent = new Fault(
            'EXPRESSION_ABSENT',
            `There is no ${reference.port} here.`,
            'Say what holds instead with ??, as in … ?? "none".',
            at,
          );
          return null;
        }
        return value;
      }
      case 'scope':
        return this.#rootOf(first, at);
      case 'name':
        if (typeof first !== 'string' || !names.has(first)) throw this.#broken(at);
        return names.get(first);
      case 'get':
        if (typeof second !== 'string') throw this.#broken(at);
        return this.#memberOf(inner(first), second, at);
      case 'index':
        return this.#elementOf(inner(first), inner(second), at);
      case 'not':
        return !this.#truth(inner(first), at);
      case 'minus': {
        const value = inner(first);
        if (typeof value !== 'number') throw this.#mismatch('−', [value], at);
        return 0 - value;
      }
      case 'op':
        return this.#operation(String(first), second, third, at, inner);
      case 'if':
        return this.#truth(inner(first), at) ? inner(second) : inner(third);
      case 'list':
        if (!Array.isArray(first)) throw this.#broken(at);
        return first.map((part) => inner(part));
      case 'record':
        if (!Array.isArray(first)) throw this.#broken(at);
        return recordOf(
          first.map((part: unknown) => {
            if (!Array.isArray(part) || typeof part[0] !== 'string') throw this.#broken(at);
            return [part[0], inner(part[1])] as const;
          }),
        );
      case 'template':
        if (!Array.isArray(first)) throw this.#broken(at);
        return this.#limited(
          first
            .map((part: unknown) => (typeof part === 'string' ? part : this.#written(inner(part), part, at)))
            .join(''),
          at,
        );
      case 'call':
        return this.#call(String(first), second, at, names, depth);
      default:
        throw this.#broken(at);
    }
  }

  #rootOf(name: unknown, at: number): unknown {
    const { brand, run, path } = this.#scope;
    if (name === 'brand') return brand;
    if (name === 'run') return { now: run.now };
    if (name !== 'item') throw this.#broken(at);
    const index = path.at(-1);
    return { index: index ?? null, number: index === undefined ? null : index + 1, path: [...path] };
  }

  #memberOf(target: unknown, key: string, at: number): unknown {
    if (target === null) return null;
    if (key === 'length' && (Array.isArray(target) || typeof target === 'string')) {
      return callFunction('length', [target], this.#meter(at));
    }
    const value = isRecord(target) && Object.hasOwn(target, key) ? target[key] : undefined;
    if (value !== undefined && value !== null) return value;
    const isData = isRecord(target);
    this.absent = new Fault(
      'EXPRESSION_ABSENT',
      isData ? `There is no ${key} here.` : `${spokenKind(target, true)} has no ${key}.`,
      isData ? 'Say what holds instead with ??, as in … ?? "none".' : null,
      at,
    );
    return null;
  }

  #elementOf(target: unknown, index: unknown, at: number): unknown {
    if (target === null) return null;
    if (typeof index === 'string') return this.#memberOf(target, index, at);
    if (!Array.isArray(target)) throw this.#mismatch('[ ]', [target], at);
    if (typeof index !== 'number' || !Number.isInteger(index)) {
      throw new Fault('EXPRESSION_TYPE', `A place in a list is a whole number, not ${spokenKind(index)}.`, null, at);
    }
    const value: unknown = target[index < 0 ? target.length + index : index];
    if (value !== undefined && value !== null) return value;
    this.absent = new Fault(
      'EXPRESSION_ABSENT',
      `The list has ${target.length} ${target.length === 1 ? 'item' : 'items'}; there is none at ${index}.`,
      'The first is at 0. Say what holds instead with ??.',
      at,
    );
    return null;
  }

  #truth(value: unknown, at: number): boolean {
    if (typeof value === 'boolean') return value;
    if (value === null) return false;
    throw new Fault(
      'EXPRESSION_TYPE',
      `Yes or no is needed here, and this is ${spokenKind(value)}.`,
      'Compare it with something, as in … > 0 or … != "".',
      at,
    );
  }

  /** A value inside a text. */
  #written(value: unknown, tree: unknown, at: number): string {
    const place = isTree(tree) ? tree[1] : at;
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (value === null) {
      throw (
        this.absent ??
        new Fault('EXPRESSION_ABSENT', 'This part of the text has no value.', 'Add ?? "" to leave it empty.', place)
      );
    }
    throw new Fault(
      'EXPRESSION_TYPE',
      `This part of the text is ${spokenKind(value)}.`,
      Array.isArray(value) ? 'Join it: join(…, ", ").' : 'Name the part of it that you want.',
      place,
    );
  }

  #operation(sign: string, left: unknown, right: unknown, at: number, inner: (tree: unknown) => unknown): unknown {
    const a = inner(left);
    if (sign === '??') return a === null ? inner(right) : a;
    if (sign === '&&') return this.#truth(a, at) && this.#truth(inner(right), at);
    if (sign === '||') return this.#truth(a, at) || this.#truth(inner(right), at);
    const b = inner(right);
    if (sign === '==') return this.#equal(a, b, at);
    if (sign === '!=') return !this.#equal(a, b, at);
    if (sign === '+' && (typeof a === 'string' || typeof b === 'string')) {
      return this.#limited(this.#written(a, left, at) + this.#written(b, right, at), at);
    }
    const areNumbers = typeof a === 'number' && typeof b === 'number';
    const areTexts = typeof a === 'string' && typeof b === 'string';
    if (sign.startsWith('<') || sign.startsWith('>')) {
      if (!areNumbers && !areTexts) throw this.#mismatch(sign, [a, b], at);
      if (areTexts) this.#burn(Math.ceil(a.length / 1000), at);
      if (sign === '<') return a < b;
      if (sign === '<=') return a <= b;
      if (sign === '>') return a > b;
      if (sign === '>=') return a >= b;
    }
    if (!areNumbers) throw this.#mismatch(sign, [a, b], at);
    switch (sign) {
      case '+':
        return this.#finite(a + b, at);
      case '-':
        return this.#finite(a - b, at);
      case '*':
        return this.#finite(a * b, at);
      case '/':
        return this.#finite(a / b, at);
      case '%':
        return this.#finite(a % b, at);
      default:
        throw this.#broken(at);
    }
  }

  #finite(value: number, at: number): number {
    if (Number.isFinite(value)) return value === 0 ? 0 : value;
    throw new Fault('EXPRESSION_NUMBER', 'This has no result: it divides by 0 or gets too large.', null, at);
  }

  #mismatch(sign: string, values: unknown[], at: number): Fault {
    if (values.includes(null) && this.absent) return this.absent;
    return new Fault(
      'EXPRESSION_TYPE',
      `“${sign}” does not go with ${values.map((value) => spokenKind(value)).join(' and ')}.`,
      values.some((value) => typeof value === 'string') ? 'Make a number of text with number(…).' : null,
      at,
    );
  }

  #equal(a: unknown, b: unknown, at: number, depth = 0): boolean {
    this.#burn(1, at);
    if (depth > DEEPEST_DATA) throw new Fault('EXPRESSION_RESULT', 'This is nested too deeply.', null, at);
    if (typeof a === 'string' && typeof b === 'string') {
      this.#burn(Math.floor(a.length / 1000), at);
      return a === b;
    }
    if (Array.isArray(a) && Array.isArray(b))
      return a.length === b.length && a.every((item, index) => this.#equal(item, b[index], at, depth + 1));
    if (isRecord(a) && isRecord(b)) {
      const keys = Object.keys(a);
      this.#burn(keys.length, at);
      return (
        keys.length === Object.keys(b).length &&
        keys.every((key) => Object.hasOwn(b, key) && this.#equal(a[key], b[key], at, depth + 1))
      );
    }
    return a === b;
  }

  #limited(text: string, at: number): string {
    this.#burn(Math.floor(text.length / 1000), at);
    if (text.length <= LONGEST_PART) return text;
    throw new Fault('EXPRESSION_RESULT', `This text gets longer than ${LONGEST_PART} characters.`, null, at);
  }

  #call(name: string, given: unknown, at: number, names: Names, depth: number): unknown {
    if (!Object.hasOwn(FUNCTIONS, name) || !Array.isArray(given)) throw this.#broken(at);
    const values = given.map((part: unknown) => {
      if (!isTree(part) || part[0] !== 'arrow') return this.valueOf(part, names, depth + 1);
      const [, , parameter, body] = part;
      if (typeof parameter !== 'string') throw this.#broken(at);
      return (value: unknown) => this.valueOf(body, new Map(names).set(parameter, value), depth + 1);
    });
    const value = callFunction(name, values, this.#meter(at));
    if (value === null) {
      this.absent ??= new Fault(
        'EXPRESSION_ABSENT',
        `${name}(…) found nothing.`,
        'Say what holds instead with ??.',
        at,
      );
    }
    return value;
  }

  #meter(at: number): Meter {
    return {
      now: this.#scope.run.now,
      burn: (amount) => this.#burn(amount, at),
      text: (text) => this.#limited(text, at),
      number: (value) => this.#finite(value, at),
      equal: (a, b) => this.#equal(a, b, at),
      fault: (code, message, hint) =>
        (code === 'EXPRESSION_ABSENT' && this.absent) || new Fault(code, message, hint, at),
    };
  }

  checkResult(value: unknown, at: number): void {
    const left = bytesLeft(value, LONGEST_RESULT_BYTES, 0);
    if (left === undefined) throw new Fault('EXPRESSION_RESULT', 'This is no plain data.', null, at);
    if (left >= 0) return;
    throw new Fault(
      'EXPRESSION_RESULT',
      'The result is longer than 64 KB.',
      'Take a part of it. What is as long as this goes over a wire.',
      at,
    );
  }
}

/** What JSON of this value would leave of so many bytes; negative once they are used up, undefined where it is no JSON. */
function bytesLeft(value: unknown, budget: number, depth: number): number | undefined {
  if (budget < 0) return budget;
  if (depth > DEEPEST_DATA) return undefined;
  if (value === null || typeof value === 'boolean') return budget - 5;
  if (typeof value === 'number') return Number.isFinite(value) ? budget - String(value).length : undefined;
  // in UTF-8 a text has at least as many bytes as characters
  if (typeof value === 'string') {
    return value.length > budget
      ? -1
      : budget - 2 - new TextEncoder().encode(JSON.stringify(value).slice(1, -1)).length;
  }
  if (typeof value !== 'object') return undefined;
  let left: number | undefined = budget - 2;
  for (const [key, item] of Object.entries(value)) {
    if (left === undefined || left < 0) return left;
    left = bytesLeft(item, left - 1 - (Array.isArray(value) ? 0 : key.length + 3), depth + 1);
  }
  return left;
}

export function spokenKind(value: unknown, isFirst = false): string {
  const kind =
    value === null || value === undefined
      ? 'nothing'
      : typeof value === 'string'
        ? 'text'
        : typeof value === 'number'
          ? 'a number'
          : typeof value === 'boolean'
            ? 'yes or no'
            : typeof value === 'function'
              ? 'a rule'
              : Array.isArray(value)
                ? 'a list'
                : 'a record';
  return isFirst ? kind.charAt(0).toUpperCase() + kind.slice(1) : kind;
}
