/**
 * What an installation takes on the disk: node_modules and .tools as they lie here, in allocated blocks. The five
 * largest are named; docs/operators.md says why each is there.
 */
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Bench } from './main.ts';

const root = path.dirname(import.meta.dirname);
const LIMIT_MB = 1200;

/** Bytes on the disk, links not followed. A file with several names counts once. */
function sizeOf(target: string, seen = new Set<string>()): number {
  const facts = lstatSync(target);
  if (facts.nlink > 1 && !facts.isDirectory()) {
    const key = `${facts.dev}:${facts.ino}`;
    if (seen.has(key)) return 0;
    seen.add(key);
  }
  const own = facts.blocks * 512;
  if (!facts.isDirectory()) return own;
  return readdirSync(target).reduce((sum, name) => sum + sizeOf(path.join(target, name), seen), own);
}

/** Packages of node_modules and tools of .tools, by name. */
function parts(): [name: string, bytes: number][] {
  const found: [string, number][] = [];
  for (const folder of ['node_modules', '.tools']) {
    if (!existsSync(path.join(root, folder))) continue;
    for (const name of readdirSync(path.join(root, folder))) {
      const inside = path.join(root, folder, name);
      if (name.startsWith('@')) {
        for (const scoped of readdirSync(inside)) found.push([`${name}/${scoped}`, sizeOf(path.join(inside, scoped))]);
      } else found.push([folder === '.tools' ? `.tools/${name}` : name, sizeOf(inside)]);
    }
  }
  return found.sort((a, b) => b[1] - a[1]);
}

export const bench: Bench = {
  title: 'Disk taken by node_modules and .tools (n8n: 2.9 GB)',
  async run() {
    const all = parts();
    const total = all.reduce((sum, [, bytes]) => sum + bytes, 0) / 1e6;
    return {
      figures: [
        { name: 'total', unit: 'MB', values: [total] },
        ...all.slice(0, 5).map(([name, bytes]) => ({ name, unit: 'MB', values: [bytes / 1e6] })),
      ],
      limits: [{ name: 'total, MB', value: total, limit: LIMIT_MB, ok: total <= LIMIT_MB }],
      notes: [],
    };
  },
};
