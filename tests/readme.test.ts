/** The table of dependencies in the README is the one that is installed: nothing missing, nothing left over. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
  readFileSync(path.join(root, 'package.json'), 'utf8'),
) as Record<string, Record<string, string>>;
const installed = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
const named = [...readme.matchAll(/^\| ([^|]+) \| [^|]+ \|$/gm)]
  .map((row) => row[1]!.replace(/^for development: /, ''))
  .filter((cell) => cell !== 'dependency' && !cell.startsWith('---'))
  .flatMap((cell) => cell.split(', '));
const covers = (name: string, dependency: string) =>
  name.endsWith('*') ? dependency.startsWith(name.slice(0, -1)) : name === dependency;

test('every dependency is named', () => {
  expect(named.length).toBeGreaterThan(20);
  expect(installed.filter((dependency) => !named.some((name) => covers(name, dependency)))).toEqual([]);
});

test('every name is installed', () => {
  expect(named.filter((name) => !installed.some((dependency) => covers(name, dependency)))).toEqual([]);
});
