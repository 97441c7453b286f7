/**
 * Memory of the sandbox at rest, proportional (smaps_rollup): each idle child with one small plugin, and each isolate that a child
 * keeps beside it. Linux only.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { median } from './shared/ground.ts';
import { familyOf, proportionalMb } from './shared/memory.ts';
import { callOf, renamed, smallNode } from './shared/small-node.ts';

const CHILDREN = 4;
const ISOLATES = 12;
const REST_MS = 3_000;
const ROUNDS = 3;

const memoryOf = (pid: number) => familyOf(pid).reduce((sum, each) => sum + proportionalMb(each), 0);

export const bench: Bench = {
  title: 'Proportional memory of an idle child, and of each isolate it keeps',
  async run({ args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    const plugin = await smallNode();
    const children: number[] = [];
    const isolates: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await using sandbox = await createSandbox({ mostChildren: CHILDREN, spare: false, restMs: 600_000 });
      const call = async (workspaceId: string, of = plugin) => {
        const result = await sandbox.run(callOf(of, { workspaceId }));
        if (!result.ok) throw new Error(result.error.message);
      };
      for (let child = 0; child < CHILDREN; child++) await call(`workspace ${child}`);
      await sleep(REST_MS);
      const pids = sandbox.pids();
      if (pids.length !== CHILDREN) throw new Error(`There are ${pids.length} children.`);
      const before = pids.map(memoryOf);
      children.push(...before);
      for (let isolate = 0; isolate < ISOLATES; isolate++) await call('workspace 0', renamed(plugin, `${isolate}`));
      await sleep(REST_MS);
      const grown = pids.map(memoryOf).map((now, at) => now - before[at]!);
      isolates.push(Math.max(...grown) / ISOLATES);
    }
    const [child, isolate] = [median(children), median(isolates)];
    return {
      figures: [
        { name: 'an idle child', unit: 'MB', values: children },
        { name: 'an isolate', unit: 'MB', values: isolates },
      ],
      limits: [
        { name: 'an idle child, MB', value: child, limit: 60, ok: child <= 60 },
        { name: 'an isolate, MB', value: isolate, limit: 4, ok: isolate <= 4 },
      ],
      notes: [`${CHILDREN} children at a time; ${ISOLATES} isolates more in one of them.`],
    };
  },
};
