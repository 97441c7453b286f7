/**
 * What children cost while they rest, as the kernel counts it with shared pages divided (smaps_rollup, Linux only): four
 * workspaces with a child each and the spare, each child having served one call; then twelve more plugins in one of them.
 */
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../runtime/bundle.ts';
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { benchCatalogue, kilobyte, openSteps } from './shared/carry.ts';
import { openFolder } from './shared/folder.ts';
import { median } from './shared/ground.ts';
import { familyOf, proportionalMb } from './shared/memory.ts';

const ROUNDS = 5;
const CHILDREN = 4;
const ISOLATES = 12;
const REST_MS = 1_500;
const CHILD_MB = 60;
const ISOLATE_MB = 4;

const memoryOf = (pid: number) => familyOf(pid).reduce((sum, each) => sum + proportionalMb(each), 0);

export const bench: Bench = {
  title: 'Memory of an idle child and of a cached isolate, proportional',
  async run({ args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    using folder = openFolder();
    // in a sandbox that is gone when children are counted
    const catalogue = await (async () => {
      await using first = await createSandbox({ cacheDir: folder.path });
      return await benchCatalogue(first, folder.path); // before it is gone
    })();
    const own = catalogue.plugin('bench.echo')!;
    const spares: number[] = [];
    const children: number[] = [];
    const isolates: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await using sandbox = await createSandbox({ cacheDir: folder.path, mostChildren: CHILDREN });
      const pids: number[] = [];
      let steps: ReturnType<typeof openSteps> | undefined;
      let workspaceId = '';
      for (let child = 0; child < CHILDREN; child++) {
        await sleep(REST_MS); // the spare is there
        pids.push(sandbox.pids().at(-1)!);
        workspaceId = crypto.randomUUID();
        steps = openSteps({ sandbox, catalogue, type: 'bench.echo', workspaceId });
        await steps.carry(kilobyte(child));
      }
      await sleep(REST_MS);
      const spare = sandbox.pids().at(-1)!;
      if (pids.includes(spare)) throw new Error('There is no spare.');
      spares.push(memoryOf(spare));
      children.push(...pids.map(memoryOf));
      const last = pids.at(-1)!;
      const before = memoryOf(last);
      for (let at = 0; at < ISOLATES; at++) {
        const code = `${own.code}\n// plugin ${at}`;
        const plugin = { ...own, code, digest: digestOf(code) };
        await openSteps({ sandbox, catalogue, type: 'bench.echo', workspaceId, plugin }).carry(kilobyte(at));
      }
      await sleep(REST_MS);
      if (!sandbox.pids().includes(last)) throw new Error('The child was replaced.');
      isolates.push((memoryOf(last) - before) / ISOLATES);
    }
    const [child, isolate] = [median(children), median(isolates)];
    return {
      figures: [
        { name: 'child after a call', unit: 'MB', values: children },
        { name: 'spare', unit: 'MB', values: spares },
        { name: 'cached isolate', unit: 'MB', values: isolates },
      ],
      limits: [
        { name: 'MB per idle child', value: child, limit: CHILD_MB, ok: child <= CHILD_MB },
        { name: 'MB per cached isolate', value: isolate, limit: ISOLATE_MB, ok: isolate <= ISOLATE_MB },
      ],
      notes: [`${CHILDREN} children and a spare; load average ${os.loadavg()[0]!.toFixed(1)}.`],
    };
  },
};
