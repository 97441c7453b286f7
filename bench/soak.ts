/**
 * What thousands of runs leave in memory: the proportional set size of server, worker, sandbox children and PostgreSQL
 * after 1,000 finished runs of three Code nodes, started by a webhook from 10 connections, and after 10,000.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './main.ts';
import { chainOf, median, openGround } from './shared/ground.ts';
import { openHook, underLoad } from './shared/hook.ts';
import { familyOf, proportionalMb } from './shared/memory.ts';

const STEPS = 3;
const FIRST = 1_000;
const ALL = 10_000;
const BATCH = 1_000;
const REST_MS = 30_000;
const SAMPLES = 5;
const MOST_GROWTH = 1.2;

export const bench: Bench = {
  title: 'Memory after 10,000 runs against after 1,000, proportional (n8n: 520 MB idle, 1,010 MB after 1,000)',
  async run({ say, args }) {
    const all = Number(args[0] ?? ALL);
    await using ground = await openGround(say);
    const worker = await ground.worker();
    const hook = await openHook(ground, chainOf(STEPS));
    const parts = ['server', 'worker', 'sandbox', 'PostgreSQL'];
    const pidsOf = () => {
      const [own, ...sandbox] = familyOf(worker.pid);
      return [familyOf(hook.pid), [own!], sandbox, familyOf(ground.postgres.pid)];
    };

    async function send(runs: number): Promise<void> {
      await underLoad(runs, async () => {
        const reply = await fetch(hook.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ nonce: randomUUID() }),
        });
        if (reply.status !== 202) throw new Error(`The webhook answered ${reply.status}: ${await reply.text()}`);
        await reply.arrayBuffer();
      });
      const done = `select count(*) filter (where state = 'running')::int as left from run`;
      while ((await ground.admin.query<{ left: number }>(done)).rows[0]!.left > 0) await sleep(50);
    }

    async function weigh(): Promise<Record<string, number[]>> {
      await sleep(REST_MS);
      const found: Record<string, number[]> = Object.fromEntries([...parts, 'total'].map((name) => [name, []]));
      for (let sample = 0; sample < SAMPLES; sample++) {
        let total = 0;
        for (const [index, pids] of pidsOf().entries()) {
          const weight = pids.reduce((sum, pid) => sum + proportionalMb(pid), 0);
          found[parts[index]!]!.push(weight);
          total += weight;
        }
        found.total!.push(total);
        await sleep(1_000);
      }
      return found;
    }

    await send(FIRST);
    const before = await weigh();
    say(`${median(before.total!).toFixed(0)} MB after ${FIRST} runs`);
    for (let sent = FIRST; sent < all; sent += BATCH) {
      await send(Math.min(BATCH, all - sent));
      say(`${sent + BATCH} runs`);
    }
    const after = await weigh();
    const { rows } = await ground.admin.query<{ runs: number; steps: number }>(
      `select (select count(*) from run where state = 'succeeded')::int as runs,
              (select count(*) from step where state = 'done')::int as steps`,
    );
    if (rows[0]!.runs !== all || rows[0]!.steps !== all * (STEPS + 1)) {
      throw new Error(`The runs are not what they should be: ${JSON.stringify(rows[0])}`);
    }
    await hook.end();
    await worker.stop();
    const growth = median(after.total!) / median(before.total!);
    return {
      figures: [...parts, 'total'].flatMap((name) => [
        { name: `${name}, after ${FIRST} runs`, unit: 'MB', values: before[name]! },
        { name: `${name}, after ${all} runs`, unit: 'MB', values: after[name]! },
      ]),
      limits: [
        { name: 'total after all of after the first', value: growth, limit: MOST_GROWTH, ok: growth <= MOST_GROWTH },
      ],
      notes: [`${REST_MS / 1000} s of rest before each; ${rows[0]!.steps} steps recorded.`],
    };
  },
};
