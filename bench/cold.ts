/** The first call of a plugin that a warm child has not seen: script sent, isolate and realm made, called; without zod and with it. */
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { median } from './shared/ground.ts';
import { callOf, renamed, smallNode } from './shared/small-node.ts';

const ROUNDS = 40;
const LIMIT_MS = 15;

export const bench: Bench = {
  title: 'First call of a plugin not yet loaded in a warm child',
  async run({ args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    await using sandbox = await createSandbox();
    const kinds = { plain: await smallNode(), 'with zod': await smallNode(true) };
    const times: Record<string, number[]> = { plain: [], 'with zod': [] };
    for (const plugin of Object.values(kinds)) await sandbox.run(callOf(plugin));
    for (let round = 0; round < rounds; round++) {
      for (const [kind, plugin] of Object.entries(kinds)) {
        const fresh = renamed(plugin, `round ${round}`);
        const from = performance.now();
        const result = await sandbox.run(callOf(fresh));
        if (!result.ok) throw new Error(result.error.message);
        times[kind]!.push(performance.now() - from);
      }
    }
    return {
      figures: Object.entries(times).map(([name, values]) => ({ name, unit: 'ms', values })),
      limits: Object.entries(times).map(([name, values]) => {
        const value = median(values);
        return { name: `${name}, ms`, value, limit: LIMIT_MS, ok: value <= LIMIT_MS };
      }),
      notes: [
        `Scripts of ${Object.values(kinds)
          .map(({ code }) => `${Math.round(code.length / 1000)} KB`)
          .join(' and ')}.`,
      ],
    };
  },
};
