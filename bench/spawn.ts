/**
 * A workspace's child is killed (SIGKILL from outside) while a spare stands by: from the kill to the answer of that
 * workspace's next call, which is asked again until it is answered. Another workspace calls all the while: no call of it
 * may fail.
 */
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { benchCatalogue, kilobyte, openSteps } from './shared/carry.ts';
import { openFolder } from './shared/folder.ts';
import { median } from './shared/ground.ts';

const ROUNDS = 20;
const WARM_UP = 2;
const LIMIT_MS = 250;
/** Until a new spare has surely started. */
const REFILL_MS = 1_000;
const BETWEEN_MS = 5;

export const bench: Bench = {
  title: 'From the kill of a workspace’s child to the answer of its next call',
  async run({ args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    using folder = openFolder();
    // no child is replaced by itself, so that each pid is known
    await using sandbox = await createSandbox({
      cacheDir: folder.path,
      recycleAfterRuns: Number.POSITIVE_INFINITY,
      recycleAfterMs: Number.POSITIVE_INFINITY,
    });
    const catalogue = await benchCatalogue(sandbox, folder.path);
    const killed = openSteps({ sandbox, catalogue, type: 'bench.echo' });
    const other = openSteps({ sandbox, catalogue, type: 'bench.echo' });
    const spareOf = async (known: number[]): Promise<number> => {
      await sleep(REFILL_MS);
      const pids = sandbox.pids().filter((pid) => !known.includes(pid));
      return pids.at(-1) ?? spareOf(known);
    };

    let spare = await spareOf([]);
    await other.carry(kilobyte(0));
    const othersPid = spare;
    spare = await spareOf([othersPid]);
    await killed.carry(kilobyte(0));
    let victim = spare;
    spare = await spareOf([othersPid, victim]);

    const values: number[] = [];
    const others: number[] = [];
    const tries: number[] = [];
    let isOver = false;
    const beside = (async () => {
      while (!isOver) {
        others.push((await other.carry(kilobyte(0))).ms); // throws where it was hurt
        await sleep(BETWEEN_MS);
      }
    })();
    beside.catch(() => {}); // met at the end
    for (let round = -WARM_UP; round < rounds; round++) {
      const from = performance.now();
      process.kill(victim, 'SIGKILL');
      let tried = 1;
      while (!(await killed.carry(kilobyte(0)).catch(() => null))) tried += 1;
      const ms = performance.now() - from;
      if (sandbox.pids().includes(victim)) throw new Error('The killed child still serves.');
      victim = spare;
      spare = await spareOf([othersPid, victim]);
      if (round < 0) continue;
      values.push(ms);
      tries.push(tried);
    }
    isOver = true;
    await beside;
    if (!sandbox.pids().includes(othersPid)) throw new Error('The other workspace lost its child.');
    const value = median(values);
    return {
      figures: [
        { name: 'until answered', unit: 'ms', values },
        { name: 'asked', unit: 'times', values: tries },
        { name: 'the other workspace', unit: 'ms', values: others },
      ],
      limits: [{ name: 'ms', value, limit: LIMIT_MS, ok: value <= LIMIT_MS }],
      notes: [
        `${others.length} calls of the other workspace meanwhile, none hurt; load average ${os.loadavg()[0]!.toFixed(1)}.`,
      ],
    };
  },
};
