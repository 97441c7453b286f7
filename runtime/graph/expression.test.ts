import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CORPUS, outcomeOf, SCOPE } from '../../tests/expressions/corpus.ts';
import {
  evaluate,
  expressionsIn,
  parseExpression,
  referenceKey,
  replaceExpressions,
  type Scope,
  storedExpression,
  type Tree,
  usesOf,
  withNodes,
} from './expression.ts';

describe('what expressions mean', () => {
  test.each(CORPUS.map((each) => [each.text.slice(0, 80), each] as const))('%s', (_, each) => {
    const outcome = outcomeOf(each.text, SCOPE);
    if ('fails' in each) expect(outcome).toMatchObject({ ok: false, error: { code: each.fails } });
    else expect(outcome).toEqual({ ok: true, value: each.gives });
  });
});

test('an error says where in the text it is', () => {
  const at = (text: string) => {
    const outcome = outcomeOf(text, SCOPE);
    return outcome.ok ? undefined : outcome.error.at;
  };
  expect(at('1 + upper(brand.nothing)')).toBe(16);
  expect(at('{{ 1 }} and {{ 2 + }}')).toBe(19);
  expect(at('brand.name + wrong')).toBe(13);
  expect(at('12 * "a"')).toBe(3);
});

test('nodes are shown by name and kept by id, whatever stands around them', () => {
  const names: Record<string, string> = { n1: 'Transcribe', 'n-2': 'Find moments' };
  const ids: Record<string, string> = { Transcribe: 'n1', 'Find moments': 'n-2' };
  const kept = 'Hi {{ nodes.n1.text + "nodes.n1" + {nodes: 1}.nodes }} nodes.n1 {{ each["n-2"].moments.title }}';
  const shown = withNodes(kept, (id) => names[id]);
  expect(shown).toBe(
    'Hi {{ nodes.Transcribe.text + "nodes.n1" + {nodes: 1}.nodes }} nodes.n1 {{ each["Find moments"].moments.title }}',
  );
  expect(withNodes(shown, (name) => ids[name])).toBe(kept);
  expect(withNodes('nodes.Gone.x + "open', () => 'n1')).toBe('nodes.Gone.x + "open');
});

test('what an expression takes from others is known with the way into it', () => {
  const reading = parseExpression('nodes.a.clip.segment.title + each["b c"].list[0].x ?? upper(nodes.a.clip)');
  expect(reading.ok && usesOf(reading.tree)).toEqual([
    { from: 'nodes', node: 'a', port: 'clip', keys: ['segment', 'title'], at: 0 },
    { from: 'each', node: 'b c', port: 'list', keys: [], at: 29 },
    { from: 'nodes', node: 'a', port: 'clip', keys: [], at: 60 },
  ]);
});

test('expressions are found and replaced at any depth of a setting', () => {
  const stored = storedExpression('1 + 1');
  const config = { a: stored, b: [{ c: stored }, 2] };
  expect(expressionsIn(config).map(({ path }) => path)).toEqual([['a'], ['b', 0, 'c']]);
  expect(replaceExpressions(config, () => 2)).toEqual({ a: 2, b: [{ c: 2 }, 2] });
  const plain = { a: [1, { b: 2 }] };
  expect(replaceExpressions(plain, () => 2)).toBe(plain);
});

// ---------------------------------------------------------------- laws

const word = fc.constantFrom(
  ...['nodes', 'each', 'moments', 'brand', 'name', 'item', 'index', 'run', 'now', 'constructor', '__proto__', 'length'],
  ...['map', 'filter', 'sort', 'join', 'replace', 'truncate', 'slug', 'formatDate', 'sum', 'unique', 'split', 'a', 'b'],
  ...[
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '{{',
    '}}',
    '.',
    '?.',
    ',',
    ':',
    '?',
    '??',
    '=>',
    '+',
    '-',
    '*',
    '/',
    '%',
    '<',
    '==',
  ],
  ...[
    '1',
    '2.5',
    '1e308',
    '"x"',
    "'y'",
    '"',
    "'",
    '\\',
    ' ',
    '\n',
    'not',
    'and',
    'or',
    'true',
    'null',
    'é',
    '👍',
    '\0',
  ],
);
const anyText = fc.oneof(
  fc.array(word, { maxLength: 40 }).map((words) => words.join('')),
  fc.array(word, { maxLength: 40 }).map((words) => words.join(' ')),
  fc.string({ unit: 'binary', maxLength: 60 }),
);
/** Grown so that most of it can be read: what reaches evaluation. */
const { tree: readable } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(
      '1',
      '"ab"',
      '[3, 1, 2]',
      'brand',
      'item',
      'nodes.moments.moments',
      'nodes.gone.x',
      'now()',
      'null',
    ),
    fc
      .tuple(tie('tree'), fc.constantFrom('+', '-', '*', '/', '==', '<', '??', 'and', 'or'), tie('tree'))
      .map(([left, sign, right]) => `(${left} ${sign} ${right})`),
    fc
      .tuple(tie('tree'), fc.constantFrom('.title', '[0]', '.length', '.__proto__', '[-1]'))
      .map((parts) => parts.join('')),
    fc
      .tuple(fc.constantFrom('upper', 'join', 'sort', 'unique', 'length', 'slug', 'concat', 'keys', 'max'), tie('tree'))
      .map(([name, part]) => `${name}(${part})`),
    fc
      .tuple(fc.constantFrom('map', 'filter', 'find', 'sort'), tie('tree'), tie('tree'))
      .map(([name, list, body]) => `${name}(${list}, item => ${body})`),
  ),
}));

test('whatever is typed, the answer is a value of plain data or an error of its own, soon', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, readable), (text) => {
      const began = performance.now();
      const outcome = outcomeOf(text, SCOPE);
      expect(performance.now() - began).toBeLessThan(1_000);
      if (!outcome.ok) {
        expect(outcome.error.code).toMatch(/^EXPRESSION_/);
        expect(outcome.error.at).toBeGreaterThanOrEqual(0);
        expect(outcome.error.at).toBeLessThanOrEqual(text.length);
      } else {
        expect(typeof outcome.value).not.toBe('function');
        expect(JSON.stringify(outcome.value).length).toBeLessThanOrEqual(64 * 1024);
        expect(JSON.parse(JSON.stringify(outcome.value))).toEqual(outcome.value);
      }
      expect(outcomeOf(text, SCOPE)).toEqual(outcome);
    }),
    { numRuns: 3_000 },
  );
});

test('whatever is stored as a tree, the answer is a value or an error of its own', () => {
  const kind = fc.constantFrom(
    ...['value', 'ref', 'scope', 'name', 'get', 'index', 'not', 'minus', 'op', 'if', 'list', 'record', 'call', 'arrow'],
    ...['template', 'constructor', '__proto__'],
  );
  const { tree } = fc.letrec<{ tree: unknown; part: unknown }>((tie) => ({
    tree: fc.tuple(kind, fc.nat(20), tie('part'), tie('part'), tie('part')),
    part: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('nodes', 'brand', '+', 'map', 'upper', 'constructor', '__proto__', 'title', 7, null, true),
      tie('tree'),
      fc.array(tie('part'), { maxLength: 3 }),
    ),
  }));
  fc.assert(
    fc.property(tree, (stored) => {
      const outcome = evaluate(stored as Tree, SCOPE);
      if (!outcome.ok) expect(outcome.error.code).toMatch(/^EXPRESSION_/);
      else expect(JSON.parse(JSON.stringify(outcome.value))).toEqual(outcome.value);
    }),
    { numRuns: 3_000 },
  );
});

// ---------------------------------------------------------------- meant to harm

const nodesOf = (values: Record<string, unknown>): Scope => ({
  ...SCOPE,
  refs: new Map(Object.entries(values).map(([node, v]) => [referenceKey({ from: 'nodes', node, port: 'v' }), v])),
});
/** `codes`: what may come of it. */
function survives(text: string, scope: Scope, ...codes: string[]) {
  const began = performance.now();
  const outcome = outcomeOf(text, scope);
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(outcome).toMatchObject({ ok: false });
  if (!outcome.ok) expect(codes).toContain(outcome.error.code);
}

test('work and size are bounded whatever the data is', () => {
  const rows = Array.from({ length: 900 }, (_, a) => ({ a, text: 'x'.repeat(1_000_000) }));
  const scope = nodesOf({
    rows,
    big: 'x'.repeat(1_000_000),
    needle: `${'x'.repeat(200_000)}y${'x'.repeat(200_000)}`,
    wide: Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`key${at}`, at])),
    // each of these letters becomes 18
    ligatures: '\ufdfa'.repeat(100_000),
  });
  survives('contains(nodes.big.v, nodes.needle.v)', scope, 'EXPRESSION_FUEL');
  survives('replace(nodes.big.v, nodes.needle.v, "")', scope, 'EXPRESSION_FUEL');
  survives('split(nodes.big.v, nodes.needle.v)', scope, 'EXPRESSION_FUEL');
  survives('replace(nodes.big.v, "x", nodes.big.v)', scope, 'EXPRESSION_FUEL', 'EXPRESSION_RESULT');
  survives('split(nodes.big.v, "")', scope, 'EXPRESSION_FUEL');
  survives('map(nodes.rows.v, row => upper(row.text))', scope, 'EXPRESSION_FUEL');
  survives('map(nodes.rows.v, row => row.text == nodes.big.v)', scope, 'EXPRESSION_FUEL');
  survives('join(map(nodes.rows.v, row => row.text))', scope, 'EXPRESSION_RESULT');
  survives('map(nodes.rows.v, row => keys(nodes.wide.v))', scope, 'EXPRESSION_FUEL');
  survives('nodes.wide.v == nodes.wide.v', scope, 'EXPRESSION_FUEL');
  survives('slug(nodes.ligatures.v)', scope, 'EXPRESSION_RESULT');
  survives('map(nodes.rows.v, row => row.text)', scope, 'EXPRESSION_RESULT');
  survives('{{ nodes.big.v }}{{ nodes.big.v }}', scope, 'EXPRESSION_RESULT');
});

test('what doubles with every step ends', () => {
  const grown = (body: string, seed: string) =>
    Array.from({ length: 40 }).reduce<string>((inner) => `map(${inner}, a => ${body})`, seed);
  survives(grown('a + a', '["x"]'), SCOPE, 'EXPRESSION_RESULT', 'EXPRESSION_SYNTAX');
  survives(grown('[a, a]', '[1]'), SCOPE, 'EXPRESSION_RESULT', 'EXPRESSION_SYNTAX');
  survives(`${grown('[a, a]', '[1]')} == ${grown('[a, a]', '[1]')}`, SCOPE, 'EXPRESSION_FUEL', 'EXPRESSION_SYNTAX');
});

test('deep data and deep trees are an error, not the end of the process', () => {
  const deep: unknown = JSON.parse('['.repeat(2_000) + ']'.repeat(2_000));
  survives('nodes.deep.v == nodes.again.v', nodesOf({ deep, again: structuredClone(deep) }), 'EXPRESSION_RESULT');
  survives('nodes.deep.v', nodesOf({ deep }), 'EXPRESSION_RESULT');
  let tree: unknown = ['value', 0, true];
  for (let depth = 0; depth < 100_000; depth++) tree = ['not', 0, tree];
  expect(evaluate(tree as Tree, SCOPE)).toMatchObject({ ok: false, error: { code: 'EXPRESSION_BROKEN' } });
  expect(usesOf(tree as Tree)).toEqual([]);
});
