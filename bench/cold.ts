/**
 * The first call of a plugin that is not loaded yet, in a child that is warm: its code crosses, an isolate and a realm are
 * made for it, and the step is carried as in `call`. Each round is another plugin by its digest. Beside it the floor: a new
 * isolate, the bundle, one call.
 */
import os from 'node:os';
import { digestOf } from '../runtime/bundle.ts';
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { openBare } from './shared/bare.ts';
import { benchCatalogue, kilobyte, openSteps } from './shared/carry.ts';
import { openFolder } from './shared/folder.ts';
import { median } from './shared/ground.ts';

const ROUNDS = 40;
const WARM_UP = 3;
const WORKSPACE = '00000000-0000-4000-8000-000000000001';
const LIMIT_MS = 15;

export const bench: Bench = {
  title: 'The first call of a plugin that is not loaded yet, in a warm child',
  async run({ args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    using folder = openFolder();
    await using sandbox = await createSandbox({ cacheDir: folder.path });
    const catalogue = await benchCatalogue(sandbox, folder.path);
    const own = catalogue.plugin('bench.echo')!;
    await using bare = await openBare(own.code, JSON.stringify({ config: {}, inputs: { data: kilobyte(0) } }));
    const product: number[] = [];
    const floor: number[] = [];
    for (let round = -WARM_UP; round < rounds; round++) {
      const [bareMs] = await bare.calls(1, true);
      const code = `${own.code}\n// plugin ${round}`;
      const plugin = { ...own, code, digest: digestOf(code) };
      const steps = openSteps({ sandbox, catalogue, type: 'bench.echo', workspaceId: WORKSPACE, plugin });
      const { ms } = await steps.carry(kilobyte(round));
      if (round < 0) continue;
      product.push(ms);
      floor.push(bareMs!);
    }
    const value = median(product);
    return {
      figures: [
        { name: 'Spliceboard', unit: 'ms', values: product },
        { name: 'bare isolate', unit: 'ms', values: floor },
      ],
      limits: [{ name: 'ms', value, limit: LIMIT_MS, ok: value <= LIMIT_MS }],
      notes: [`${(own.code.length / 1000).toFixed(0)} KB of plugin; load average ${os.loadavg()[0]!.toFixed(1)}.`],
    };
  },
};
