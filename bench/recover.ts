/**
 * A worker is killed with -9 in the middle of a step, another one is standing by: from the kill to the next start of that
 * step, read from the ledger's row (`leased_at`, the database's clock) against the database's clock at the kill.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './main.ts';
import { type GroundWorker, graphFrom, median, openGround } from './shared/ground.ts';

const ROUNDS = 9;
/** The step computes this long: the kill falls into it, wherever it falls. */
const BUSY_MS = 4_000;
/** A count that takes about this long; there is no clock inside a node. */
const LOOPS = 900_000 * BUSY_MS;

const GRAPH = graphFrom(
  [
    { id: 'hook', type: 'trigger.webhook', config: {} },
    {
      id: 'long',
      type: 'flow.code',
      config: {
        code: `let sum = 0; for (let at = 0; at < ${LOOPS}; at++) sum = (sum + at) | 0; return { ...input, sum };`,
      },
    },
  ],
  [['hook', 'body', 'long', 'input']],
);

export const bench: Bench = {
  title: 'From kill -9 of a worker in mid-step to the next start of that step, another worker standing by',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    await using ground = await openGround(say);
    const ready = await ground.prepare(GRAPH);
    let standing: GroundWorker = await ground.worker();
    const recovered: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const working = standing;
      const runId = await ground.start(ready, randomUUID());
      const held = async () => {
        const { rows } = await ground.admin.query<{ worker: string; token: number; leased: Date }>(
          `select worker, token, leased_at as leased from strand where run_id = $1 and node = 'long' and state = 'leased'`,
          [runId],
        );
        return rows[0];
      };
      let first = await held();
      for (; !first; first = await held()) await sleep(5);
      standing = await ground.worker();
      await sleep(100 + Math.random() * 400); // anywhere between two beats
      const { rows: before } = await ground.admin.query<{ now: Date }>('select clock_timestamp() as now');
      await working.kill();
      let second = await held();
      for (; !second || second.worker === first.worker; second = await held()) await sleep(5);
      const seconds = (second.leased.getTime() - before[0]!.now.getTime()) / 1000;
      say(`${seconds.toFixed(2)} s`);
      recovered.push(seconds);
      const state = await ground.ended(runId);
      if (state !== 'succeeded') throw new Error(`The run ended with ${state}.`);
    }
    await standing.stop();
    const [middle, worst] = [median(recovered), Math.max(...recovered)];
    return {
      figures: [{ name: 'recovered', unit: 's', values: recovered }],
      limits: [
        { name: 'median, s', value: middle, limit: 5, ok: middle <= 5 },
        { name: 'worst, s', value: worst, limit: 15, ok: worst <= 15 },
      ],
      notes: [],
    };
  },
};
