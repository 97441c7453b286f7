/**
 * Memory at rest: the proportional set size of every process of the product 60 s after the sample run has ended,
 * PostgreSQL, sandbox and launcher included, npm and its shell left out. Linux only (smaps_rollup).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Process, startProduct } from '../tests/support/product.ts';
import type { Bench } from './main.ts';
import { proportionalMb } from './shared/memory.ts';

const LIMIT_MB = 400;
const REST_MS = 60_000;
const SAMPLES = 5;

function kindOf({ command }: Process): string {
  if (/^npm |npm-cli\.js/.test(command)) return 'npm';
  if (/^sh -c|^\/bin\/sh -c node/.test(command)) return 'npm';
  if (command.includes('with-node.mjs')) return 'launcher';
  if (command.includes('scripts/start.ts')) return 'server';
  if (command.includes('runtime/main.ts')) return 'worker';
  if (/postgres|spliceboard-watch/.test(command)) return 'PostgreSQL';
  return 'sandbox and media children';
}

export const bench: Bench = {
  title: 'Memory of the whole product at rest, proportional (n8n: 520 to 530 MB without a database)',
  async run({ say }) {
    await using product = await startProduct({ npm: true });
    say('the sample runs');
    await product.said(/The sample is published: \S+/, 900_000);
    say(`resting ${REST_MS / 1000} s`);
    await sleep(REST_MS);
    const totals: number[] = [];
    const kinds = new Map<string, number[]>();
    for (let sample = 0; sample < SAMPLES; sample++) {
      const byKind = new Map<string, number>();
      for (const each of product.processes()) {
        const kind = kindOf(each);
        if (kind !== 'npm') byKind.set(kind, (byKind.get(kind) ?? 0) + proportionalMb(each.pid));
      }
      for (const [kind, value] of byKind) kinds.set(kind, [...(kinds.get(kind) ?? []), value]);
      totals.push([...byKind.values()].reduce((sum, value) => sum + value, 0));
      await sleep(1000);
    }
    const median = [...totals].sort((a, b) => a - b)[Math.floor(SAMPLES / 2)]!;
    return {
      figures: [
        { name: 'total', unit: 'MB', values: totals },
        ...[...kinds].map(([name, values]) => ({ name, unit: 'MB', values })),
      ],
      limits: [{ name: 'median total, MB', value: median, limit: LIMIT_MB, ok: median <= LIMIT_MB }],
      notes: [],
    };
  },
};
