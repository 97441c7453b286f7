/**
 * A child is killed (SIGKILL): the time until the next call of its workspace is answered, by the spare that stands ready, while
 * another workspace goes on calling and loses nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSandbox, type Sandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { median } from './shared/ground.ts';
import { callOf, smallNode } from './shared/small-node.ts';

const ROUNDS = 20;
const LIMIT_MS = 250;
/** A new spare is there by then. */
const REST_MS = 600;

export const bench: Bench = {
  title: 'A killed child: time until the next call of its workspace is answered',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    const plugin = await smallNode();
    await using sandbox = await createSandbox();
    const call = async (workspaceId: string) => (await sandbox.run(callOf(plugin, { workspaceId }))).ok;
    const [first] = sandbox.pids();
    if (first === undefined || !(await call('other'))) throw new Error('The other workspace has no child.');
    await sleep(REST_MS);
    /** Those that serve somebody. */
    const known = new Set([first]);
    const times: number[] = [];
    const others: number[] = [];
    let lost = 0;
    for (let round = 0; round < rounds; round++) {
      const pid = await childOf(sandbox, known, () => call('one'));
      await sleep(REST_MS);
      let isOver = false;
      const beside = (async () => {
        while (!isOver) {
          const from = performance.now();
          if (!(await call('other'))) lost++;
          others.push(performance.now() - from);
          await sleep(5);
        }
      })();
      await sleep(50);
      const from = performance.now();
      process.kill(pid, 'SIGKILL');
      while (!(await call('one')));
      times.push(performance.now() - from);
      isOver = true;
      await beside;
      // the next round's child is the workspace's first again, and a new spare stands ready
      for (const each of sandbox.pids()) if (!known.has(each)) process.kill(each, 'SIGKILL');
      await sleep(100);
      if (!(await call('next'))) throw new Error('No call was answered.');
      for (const each of sandbox.pids()) if (!known.has(each)) process.kill(each, 'SIGKILL');
      await sleep(REST_MS);
    }
    const value = median(times);
    say(`${value.toFixed(1)} ms; of the other workspace ${others.length} calls, ${lost} lost`);
    return {
      figures: [
        { name: 'until answered', unit: 'ms', values: times },
        { name: 'the other workspace', unit: 'ms', values: others },
      ],
      limits: [
        { name: 'until answered, ms', value, limit: LIMIT_MS, ok: value <= LIMIT_MS },
        { name: 'calls of others that were lost', value: lost, limit: 0, ok: lost === 0 },
      ],
      notes: [],
    };
  },
};

/** The process that answers the workspace: the spare of before, which is the only one that serves nobody yet. */
async function childOf(sandbox: Sandbox, known: ReadonlySet<number>, call: () => Promise<boolean>): Promise<number> {
  const spare = sandbox.pids().find((pid) => !known.has(pid));
  if (spare === undefined || !(await call())) throw new Error('There was no spare.');
  return spare;
}
