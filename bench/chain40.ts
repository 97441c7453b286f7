/**
 * A pipeline of 40 Code nodes in a row, each fib(10) in the sandbox, each fed by the one before, started by a request to the
 * webhook that is answered when the run is done: from the request to the answer. Each round also does the two floors on the
 * same database. Checked each time: 40 rows written by 40 transactions, 40 sandbox calls, the nonce in the last output,
 * nothing reused.
 */
import { randomUUID } from 'node:crypto';
import type { Bench } from './main.ts';
import { openQueue, rawPg } from './shared/floors.ts';
import { chainOf, median, openGround } from './shared/ground.ts';
import { openHook } from './shared/hook.ts';

const STEPS = 40;
const ROUNDS = 25;
const WARM_UP = 5;

export const bench: Bench = {
  title: '40 sequential Code nodes, against one INSERT each and one queue job each',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    await using ground = await openGround(say);
    const worker = await ground.worker();
    const queue = await openQueue(ground);
    const hook = await openHook(ground, chainOf(STEPS), { answer: 'when done' });
    const product: number[] = [];
    const pg: number[] = [];
    const gw: number[] = [];
    for (let round = -WARM_UP; round < rounds; round++) {
      const nonce = randomUUID();
      const rawPgMs = await rawPg(ground, `${nonce}-pg`, STEPS);
      const rawGwMs = await queue.chain(`${nonce}-gw`, STEPS);
      const calls = await worker.calls();
      const from = performance.now();
      const reply = await fetch(hook.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ nonce }),
      });
      const { runId, state } = (await reply.json()) as { runId: string; state: string };
      const ms = performance.now() - from;
      const { rows } = await ground.admin.query<{ steps: number; transactions: number; reused: number; last: unknown }>(
        `select count(*)::int as steps, count(distinct xmin::text)::int as transactions, count(reused_run)::int as reused,
                max(outputs -> 'result' -> 'value' ->> 'nonce') filter (where node = $2) as last
           from step where run_id = $1 and node <> 'hook' and state = 'done'`,
        [runId, `c${STEPS}`],
      );
      const found = rows[0]!;
      // the webhook's own step is a call too
      const made = (await worker.calls()) - calls - 1;
      if (
        state !== 'succeeded' ||
        found.steps !== STEPS ||
        found.transactions !== STEPS ||
        found.reused !== 0 ||
        found.last !== nonce ||
        made !== STEPS
      ) {
        throw new Error(`The run is not what it should be: ${JSON.stringify({ state, ...found, calls: made })}`);
      }
      if (round < 0) continue;
      product.push(ms);
      pg.push(rawPgMs);
      gw.push(rawGwMs);
    }
    await queue.close();
    await worker.stop();
    await hook.end();
    const [p, floor, jobs] = [median(product), median(pg), median(gw)];
    return {
      figures: [
        { name: 'Spliceboard', unit: 'ms', values: product },
        { name: 'raw-pg', unit: 'ms', values: pg },
        { name: 'raw-gw', unit: 'ms', values: gw },
      ],
      limits: [
        { name: 'p50 of raw-pg', value: p / floor, limit: 4, ok: p <= 4 * floor },
        { name: 'p50 of raw-gw', value: p / jobs, limit: 1, ok: p < jobs },
      ],
      notes: [`${STEPS} rows, ${STEPS} transactions and ${STEPS} sandbox calls each time; nothing reused.`],
    };
  },
};
