/**
 * A warm call of a small node with 1 KB in and out, through everything that a step's call passes except the database: its
 * inputs decided and digested, its settings worked out, its reuse key, the frames, the child, the schemas of what comes
 * back, the ports, the digest and the row. Against the same bundle and text in a kept isolate and context of one process,
 * in the same rounds. Checked each time: what came back.
 */
import os from 'node:os';
import { createSandbox, type Sandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { openBare } from './shared/bare.ts';
import { benchCatalogue, kilobyte, openSteps } from './shared/carry.ts';
import { openFolder } from './shared/folder.ts';
import { median } from './shared/ground.ts';

const ROUNDS = 60;
const WARM_UP = 10;
const CALLS = 100;

export const bench: Bench = {
  title: 'A warm call of a small node, 1 KB in and out, against a bare call of a kept isolate',
  async run({ args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    using folder = openFolder();
    await using sandbox = await createSandbox({ cacheDir: folder.path });
    const catalogue = await benchCatalogue(sandbox, folder.path);
    const insideMs: number[] = [];
    const timed: Sandbox = {
      ...sandbox,
      async run(request) {
        const from = performance.now();
        const result = await sandbox.run(request);
        insideMs.push(performance.now() - from);
        return result;
      },
    };
    const steps = openSteps({ sandbox: timed, catalogue, type: 'bench.echo' });
    const plugin = catalogue.plugin('bench.echo')!;
    await using bare = await openBare(plugin.code, JSON.stringify({ config: {}, inputs: { data: kilobyte(0) } }));
    const product: number[] = [];
    const inside: number[] = [];
    const floor: number[] = [];
    for (let round = -WARM_UP; round < rounds; round++) {
      const bareMs = await bare.calls(CALLS);
      const stepMs: number[] = [];
      insideMs.length = 0;
      for (let at = 0; at < CALLS; at++) {
        const { data, ms } = await steps.carry(kilobyte(at));
        if ((data as { at: number }).at !== at + 1) throw new Error('Something else came back.');
        stepMs.push(ms);
      }
      if (round < 0) continue;
      product.push(median(stepMs));
      inside.push(median(insideMs));
      floor.push(median(bareMs));
    }
    const [p, f] = [median(product), median(floor)];
    return {
      figures: [
        { name: 'Spliceboard', unit: 'ms', values: product },
        { name: 'of it in the sandbox', unit: 'ms', values: inside },
        { name: 'bare isolate', unit: 'ms', values: floor },
      ],
      limits: [
        { name: 'ms', value: p, limit: 0.5, ok: p <= 0.5 },
        { name: 'of bare', value: p / f, limit: 3, ok: p <= 3 * f },
      ],
      notes: [
        `${CALLS} calls a round, its median; ${JSON.stringify(kilobyte(0)).length} bytes; load average ${os.loadavg()[0]!.toFixed(1)}.`,
      ],
    };
  },
};
