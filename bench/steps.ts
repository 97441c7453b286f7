/**
 * Code-node steps per second of one worker over many concurrent runs of three Code nodes each, against graphile-worker's
 * no-op jobs per second as it comes. All runs (and all jobs) are there before the clock starts; it stops when the last run
 * has ended. The webhook's own step of each run is carried too and not counted.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './main.ts';
import { openQueue } from './shared/floors.ts';
import { chainOf, median, openGround } from './shared/ground.ts';

const STEPS = 3;
const RUNS = 400;
const JOBS = 3_000;
const ROUNDS = 5;

export const bench: Bench = {
  title: 'Code-node steps per second of one worker, against no-op jobs per second of graphile-worker',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    await using ground = await openGround(say);
    const worker = await ground.worker();
    const queue = await openQueue(ground);
    const ready = await ground.prepare(chainOf(STEPS));
    const product: number[] = [];
    const jobs: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const noops = JOBS / ((await queue.noops(JOBS)) / 1000);
      const calls = await worker.calls();
      const nonce = randomUUID();
      await ground.inside(async (tx) => {
        for (let run = 0; run < RUNS; run++) await ground.start(ready, `${nonce}-${run}`, tx);
      });
      const from = performance.now();
      for (;;) {
        const { rows } = await ground.admin.query<{ left: number }>(
          `select count(*)::int as left from run where state = 'running'`,
        );
        if (rows[0]!.left === 0) break;
        await sleep(10);
      }
      const seconds = (performance.now() - from) / 1000;
      const { rows } = await ground.admin.query<{
        steps: number;
        nonces: number;
        transactions: number;
        reused: number;
      }>(
        `select count(*)::int as steps, count(distinct s.outputs -> 'result' -> 'value' ->> 'nonce')::int as nonces,
                count(distinct s.xmin::text)::int as transactions, count(s.reused_run)::int as reused
           from step s join run r on r.id = s.run_id
          where r.nonce like $1 and r.state = 'succeeded' and s.state = 'done' and s.node <> 'hook'`,
        [`${nonce}%`],
      );
      const found = rows[0]!;
      const made = (await worker.calls()) - calls - RUNS;
      if (found.steps !== RUNS * STEPS || found.nonces !== RUNS || found.reused !== 0 || made !== found.steps) {
        throw new Error(`The runs are not what they should be: ${JSON.stringify({ ...found, calls: made })}`);
      }
      const rate = (RUNS * STEPS) / seconds;
      say(`${Math.round(rate)} steps/s in ${found.transactions} transactions, ${Math.round(noops)} jobs/s`);
      if (round < 0) continue;
      product.push(rate);
      jobs.push(noops);
    }
    await queue.close();
    await worker.stop();
    const share = median(product) / median(jobs);
    return {
      figures: [
        { name: 'Spliceboard', unit: 'steps/s', values: product },
        { name: 'no-op jobs', unit: 'jobs/s', values: jobs },
      ],
      limits: [{ name: 'steps of no-op jobs', value: share, limit: 1, ok: share >= 1 }],
      notes: [`${RUNS} runs of ${STEPS} Code nodes at a time; nothing reused.`],
    };
  },
};
