/** docs/expressions.md tells the truth: its examples give what it says, and its list of functions is complete. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { isTemplate, referenceKey, type Scope } from '../../runtime/graph/expression.ts';
import { FUNCTIONS } from '../../runtime/graph/expression-functions.ts';
import { outcomeOf } from './corpus.ts';

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/expressions.md'), 'utf8');
const rowsUnder = (head: string) => {
  const tables = page.split(`| ${head} | gives |\n| --- | --- |\n`).slice(1);
  return tables.flatMap((table) => table.slice(0, table.indexOf('\n\n')).split('\n'));
};

const MOMENTS = [
  { title: 'Why we wait', score: 0.9 },
  { title: 'Ask them twice', score: 0.7 },
  { title: 'Home', score: 0.4 },
];
const SCOPE: Scope = {
  refs: new Map<string, unknown>([
    [referenceKey({ from: 'nodes', node: 'Show', port: 'title' }), 'The long way'],
    [referenceKey({ from: 'nodes', node: 'Moments', port: 'moments' }), MOMENTS],
    [referenceKey({ from: 'each', node: 'Moments', port: 'moments' }), MOMENTS[1]],
  ]),
  brand: { name: 'Harbour', voice: 'calm', links: [{ label: 'Site', url: 'https://harbour.example' }] },
  run: { now: '2026-11-13T10:00:00.000Z' },
  path: [1],
};

test('the examples give what is written beside them', () => {
  const examples = rowsUnder('written').map(
    (row) => /^\| `(.+)` \| `(.+)` \|$/.exec(row)!.slice(1) as [string, string],
  );
  expect(examples.length).toBeGreaterThan(8);
  for (const [text, gives] of examples) {
    const outcome = outcomeOf(text, SCOPE);
    expect(outcome, text).toEqual({ ok: true, value: isTemplate(text) ? gives : JSON.parse(gives) });
  }
});

test('the list of functions is the one that is there', () => {
  expect(rowsUnder('function')).toEqual(Object.values(FUNCTIONS).map(({ form, help }) => `| \`${form}\` | ${help} |`));
});
