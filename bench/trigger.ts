/**
 * A published pipeline of three Code nodes under webhook load from 10 connections: finished runs per second, the clock
 * stops when the last accepted run has ended. The server, the worker and PostgreSQL are processes of their own. Beside it
 * the queue alone, with the same load: a job per step that saves its output and adds the next.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './main.ts';
import { openQueue } from './shared/floors.ts';
import { chainOf, median, openGround } from './shared/ground.ts';
import { openHook, underLoad } from './shared/hook.ts';

const STEPS = 3;
const RUNS = 600;
const ROUNDS = 5;

export const bench: Bench = {
  title: 'Finished runs per second of three Code nodes under webhook load, against the queue alone',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    await using ground = await openGround(say);
    const worker = await ground.worker();
    const queue = await openQueue(ground, { concurrency: 4 });
    const hook = await openHook(ground, chainOf(STEPS));
    const product: number[] = [];
    const floor: number[] = [];
    const durations: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const nonce = randomUUID();
      const began = performance.now();
      await underLoad(RUNS, async (index) => {
        await queue.chain(`${nonce}-${index}`, STEPS);
      });
      const raw = RUNS / ((performance.now() - began) / 1000);

      const calls = await worker.calls();
      const sent = new Map<string, number>();
      const from = performance.now();
      await underLoad(RUNS, async (index) => {
        const at = Date.now();
        const reply = await fetch(hook.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ nonce: `${nonce}-${index}` }),
        });
        if (reply.status !== 202) throw new Error(`The webhook answered ${reply.status}: ${await reply.text()}`);
        sent.set(((await reply.json()) as { runId: string }).runId, at);
      });
      const ids = [...sent.keys()];
      for (;;) {
        const { rows } = await ground.admin.query<{ left: number }>(
          `select count(*)::int as left from run where state = 'running'`,
        );
        if (rows[0]!.left === 0) break;
        await sleep(10);
      }
      const rate = RUNS / ((performance.now() - from) / 1000);
      const { rows: ended } = await ground.admin.query<{ id: string; ended: Date }>(
        `select id, ended_at as ended from run where id = any ($1) and state = 'succeeded'`,
        [ids],
      );
      const { rows } = await ground.admin.query<{ steps: number; nonces: number; reused: number }>(
        `select count(*)::int as steps, count(distinct outputs -> 'result' -> 'value' ->> 'nonce')::int as nonces,
                count(reused_run)::int as reused
           from step where run_id = any ($1) and state = 'done' and node <> 'hook'`,
        [ids],
      );
      const made = (await worker.calls()) - calls - RUNS;
      const found = { ...rows[0]!, ended: ended.length, calls: made };
      if (
        found.ended !== RUNS ||
        found.steps !== RUNS * STEPS ||
        found.nonces !== RUNS ||
        found.reused !== 0 ||
        made !== found.steps
      ) {
        const { rows: failed } = await ground.admin.query<{ error: unknown }>(
          `select error from step where run_id = any ($1) and state = 'failed' limit 3`,
          [ids],
        );
        throw new Error(`The runs are not what they should be: ${JSON.stringify({ found, failed })}`);
      }
      say(`${Math.round(rate)} runs/s, raw-gw ${Math.round(raw)} runs/s`);
      if (round < 0) continue;
      product.push(rate);
      floor.push(raw);
      for (const run of ended) durations.push(run.ended.getTime() - sent.get(run.id)!);
    }
    await queue.close();
    await worker.stop();
    await hook.end();
    durations.sort((a, b) => a - b);
    const p99 = durations[Math.floor(0.99 * (durations.length - 1))]!;
    const share = median(product) / median(floor);
    return {
      figures: [
        { name: 'Spliceboard', unit: 'runs/s', values: product },
        { name: 'raw-gw', unit: 'runs/s', values: floor },
        { name: 'from request to end', unit: 'ms', values: durations },
      ],
      limits: [{ name: 'runs of raw-gw', value: share, limit: 1, ok: share >= 1 }],
      notes: [`From request to end: p50 ${median(durations)} ms, p99 ${p99} ms.`],
    };
  },
};
