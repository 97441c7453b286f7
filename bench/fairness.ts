/**
 * What a brand's run of three Code nodes takes while nobody else does anything, and while another brand of the workspace
 * has 10,000 steps waiting: from the start to the announcement of its end, one worker for both.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { TEST_KIT } from '../tests/support/database.ts';
import type { Bench } from './main.ts';
import { chainOf, FIB_CODE, graphFrom, median, openGround } from './shared/ground.ts';

const STEPS = 3;
const ITEMS = 10_000;
const ROUNDS = 30;
const WARM_UP = 5;
const PAUSE_MS = 20;
const MOST = 2;

const QUEUE = graphFrom(
  [
    { id: 'hook', type: 'trigger.webhook', config: {} },
    {
      id: 'make',
      type: 'flow.code',
      config: {
        code: `return Array.from({ length: ${ITEMS} }, (_, item) => ({ nonce: input.nonce, item }));`,
        outputs: [{ name: 'items', type: 'json', list: true }],
      },
    },
    { id: 'each', type: 'flow.code', config: { code: FIB_CODE } },
  ],
  [
    ['hook', 'body', 'make', 'input'],
    ['make', 'items', 'each', 'input'],
  ],
);

export const bench: Bench = {
  title: 'A run of three steps beside another brand with 10,000 steps waiting, against the same alone',
  async run({ say }) {
    await using ground = await openGround(say);
    const worker = await ground.worker();
    const chain = await ground.prepare(chainOf(STEPS));
    const queue = await ground.prepare(QUEUE);
    const busy = randomUUID();
    const brand = { id: busy, name: 'Busy', slug: `busy-${busy}`, kit: JSON.stringify(TEST_KIT) };
    await ground.inside((tx) => tx.insertInto('brand').values(brand).execute());
    const left = async () => {
      const { rows } = await ground.admin.query<{ left: number }>(
        `select coalesce(sum(coalesce(hi - lo, 0) + 1), 0)::int as left from strand where node = 'each' and brand_id = $1`,
        [busy],
      );
      return rows[0]!.left;
    };
    async function once(): Promise<number> {
      const from = performance.now();
      const state = await ground.ended(await ground.start(chain, randomUUID()));
      if (state !== 'succeeded') throw new Error(`The run ${state}.`);
      const ms = performance.now() - from;
      await sleep(PAUSE_MS);
      return ms;
    }

    for (let round = 0; round < WARM_UP; round++) await once();
    const alone: number[] = [];
    for (let round = 0; round < ROUNDS; round++) alone.push(await once());
    const beside: number[] = [];
    let queued = 0;
    while (beside.length < ROUNDS) {
      if ((await left()) < ITEMS / 10) {
        await ground.start({ ...queue, brandId: busy }, randomUUID());
        while ((await left()) < ITEMS / 2) await sleep(5);
        queued += 1;
        continue;
      }
      beside.push(await once());
    }
    const waiting = await left();
    say(`${waiting} steps of the other brand still wait`);
    await worker.stop();
    const ratio = median(beside) / median(alone);
    return {
      figures: [
        { name: 'alone', unit: 'ms', values: alone },
        { name: 'beside the queue', unit: 'ms', values: beside },
      ],
      limits: [{ name: 'beside of alone', value: ratio, limit: MOST, ok: ratio <= MOST }],
      notes: [`${queued} × ${ITEMS} steps queued.`],
    };
  },
};
