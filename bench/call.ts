/**
 * A warm call of a small node through the whole wall, 1 KB in and out: inputs held to their ports, a frame to the child and one
 * back, outputs held to their ports and made the canonical value with its digest that a step records. Against the same bundle in an
 * isolate and context that are kept in this process, called once, with the same JSON text.
 */
import ivm from 'isolated-vm';
import { canonicalJson, digestOf } from '../db/values.ts';
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { median } from './shared/ground.ts';
import { callOf, INPUTS, inputsChecked, outputsChecked, smallNode } from './shared/small-node.ts';

const ROUNDS = 15;
const CALLS = 300;

export const bench: Bench = {
  title: 'A warm call of a small node through the wall, against the bare isolate in one process',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    const plugin = await smallNode();
    await using sandbox = await createSandbox();
    const isolate = new ivm.Isolate({ memoryLimit: 128 });
    const context = await isolate.createContext();
    await context.eval(plugin.code);
    await context.eval('globalThis.call = async (text) => JSON.stringify(await plugin.run({}, JSON.parse(text)))');
    const entry = await context.global.get('call', { reference: true });
    const text = JSON.stringify(INPUTS);

    async function through(): Promise<string> {
      inputsChecked();
      const result = await sandbox.run(callOf(plugin));
      if (!result.ok) throw new Error(result.error.message);
      const outputs = outputsChecked(result.value);
      digestOf(outputs);
      return canonicalJson(outputs);
    }
    async function bare(): Promise<string> {
      return entry.apply(undefined, [text], {
        arguments: { copy: true },
        result: { promise: true, copy: true },
      }) as Promise<string>;
    }
    if ((await through()).length < 900 || text.length < 900) throw new Error('A call is smaller than it should be.');

    const walls: number[] = [];
    const bares: number[] = [];
    for (let round = -2; round < rounds; round++) {
      const wall = await each(through);
      const alone = await each(bare);
      if (round < 0) continue;
      walls.push(wall);
      bares.push(alone);
    }
    isolate.dispose();
    const [wall, alone] = [median(walls), median(bares)];
    say(`${wall.toFixed(3)} ms through the wall, ${alone.toFixed(3)} ms bare`);
    return {
      figures: [
        { name: 'through the wall', unit: 'ms', values: walls },
        { name: 'bare', unit: 'ms', values: bares },
      ],
      limits: [
        { name: 'a call, ms', value: wall, limit: 0.5, ok: wall <= 0.5 },
        { name: 'times bare', value: wall / alone, limit: 3, ok: wall / alone <= 3 },
      ],
      notes: [`Medians of ${CALLS} calls in a row, in turns.`],
    };
  },
};

/** The median of one call, one after the other. */
async function each(call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < CALLS; at++) {
    const from = performance.now();
    await call();
    times.push(performance.now() - from);
  }
  return median(times);
}
