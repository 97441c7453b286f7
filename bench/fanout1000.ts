/**
 * 1,000 items through three light nodes and a collect, one row for each item and node, against 3,000 queue jobs that save
 * the same outputs. Twice more, for what it promises: killed at half time it goes on and repeats at most one unsettled
 * range; one item that throws fails alone.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './main.ts';
import { openQueue } from './shared/floors.ts';
import { type Ground, graphFrom, median, openGround, type Ready } from './shared/ground.ts';

const ITEMS = 1_000;
const ROUNDS = 7;
/** Siblings that one strand holds at most. */
const RANGE_ITEMS = 64;
const THROWS_AT = 500;

const list = (name: string) => [{ name, type: 'json', list: true }];
const GRAPH = graphFrom(
  [
    { id: 'hook', type: 'trigger.webhook', config: {} },
    {
      id: 'make',
      type: 'flow.code',
      config: {
        code: `return Array.from({ length: ${ITEMS} }, (_, item) => ({ nonce: input.nonce, item, throwsAt: input.throwsAt }));`,
        outputs: list('items'),
      },
    },
    ...['n1', 'n2', 'n3'].map((id) => ({
      id,
      type: 'flow.code',
      config: {
        code: `if (input.at === 1 && input.item === input.throwsAt) throw new Error('As asked.');
               return { ...input, at: (input.at ?? 0) + 1 };`,
      },
    })),
    { id: 'collect', type: 'flow.collect', config: {} },
  ],
  [
    ['hook', 'body', 'make', 'input'],
    ['make', 'items', 'n1', 'input'],
    ['n1', 'result', 'n2', 'input'],
    ['n2', 'result', 'n3', 'input'],
    ['n3', 'result', 'collect', 'items'],
  ],
);

type Found = { steps: number; done: number; nonces: number; items: number; reused: number };

async function look(ground: Ground, runId: string): Promise<Found> {
  const { rows } = await ground.admin.query<Found>(
    `select count(*)::int as steps, count(*) filter (where state = 'done')::int as done,
            count(distinct outputs -> 'result' -> 'value' ->> 'nonce')::int as nonces,
            count(distinct outputs -> 'result' -> 'value' ->> 'item')::int as items, count(reused_run)::int as reused
       from step where run_id = $1 and node in ('n1', 'n2', 'n3') and state <> 'running'`,
    [runId],
  );
  return rows[0]!;
}

export const bench: Bench = {
  title: '1,000 items through three light nodes and a collect, against 3,000 queue jobs',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    await using ground = await openGround(say);
    const ready = await ground.prepare(GRAPH);
    const worker = await ground.worker();
    const [one, four] = [await openQueue(ground), await openQueue(ground, { concurrency: 4, tasks: 'four' })];
    const product: number[] = [];
    const single: number[] = [];
    const jobs: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const nonce = randomUUID();
      const rawMs = await one.fanOut(`${nonce}-1`, ITEMS);
      const rawFourMs = await four.fanOut(`${nonce}-4`, ITEMS);
      const from = performance.now();
      const runId = await ground.start(ready, nonce);
      const state = await ground.ended(runId);
      const ms = performance.now() - from;
      const found = await look(ground, runId);
      if (
        state !== 'succeeded' ||
        found.done !== 3 * ITEMS ||
        found.items !== ITEMS ||
        found.nonces !== 1 ||
        found.reused !== 0
      ) {
        throw new Error(`The run is not what it should be: ${JSON.stringify({ state, ...found })}`);
      }
      say(`${Math.round(ms)} ms, raw-gw ${Math.round(rawMs)} ms, with 4 at a time ${Math.round(rawFourMs)} ms`);
      if (round < 0) continue;
      product.push(ms);
      single.push(rawMs);
      jobs.push(rawFourMs);
    }
    await one.close();
    await four.close();
    await worker.stop();
    const repeated = await killedHalfway(ground, ready);
    const alone = await oneThrows(ground, ready);
    const best = Math.min(median(jobs), median(single));
    return {
      figures: [
        { name: 'Spliceboard', unit: 'ms', values: product },
        { name: 'raw-gw, as it comes', unit: 'ms', values: single },
        { name: 'raw-gw, 4 at a time', unit: 'ms', values: jobs },
      ],
      limits: [
        { name: 'of the faster raw-gw', value: median(product) / best, limit: 0.2, ok: median(product) <= 0.2 * best },
        { name: 'items repeated after a kill', value: repeated, limit: RANGE_ITEMS, ok: repeated <= RANGE_ITEMS },
        { name: 'steps not done beside the one that threw', value: alone, limit: 0, ok: alone === 0 },
      ],
      notes: [],
    };
  },
};

/** How many items were computed twice. */
async function killedHalfway(ground: Ground, ready: Ready): Promise<number> {
  const marks = path.join(ground.folder, 'marks');
  const first = await ground.worker({ BENCH_MARKS: marks });
  const runId = await ground.start(ready, randomUUID());
  for (let found = await look(ground, runId); found.done < 1.5 * ITEMS; found = await look(ground, runId))
    await sleep(2);
  await first.kill();
  const settled = await look(ground, runId);
  if (settled.done >= 3 * ITEMS) throw new Error('The run had ended before it was killed.');
  const second = await ground.worker({ BENCH_MARKS: marks });
  const state = await ground.ended(runId);
  const found = await look(ground, runId);
  await second.stop();
  if (state !== 'succeeded' || found.done !== 3 * ITEMS || found.items !== ITEMS) {
    throw new Error(`The killed run is not what it should be: ${JSON.stringify({ state, ...found })}`);
  }
  const lines = existsSync(marks) ? readFileSync(marks, 'utf8').trim().split('\n') : [];
  if (lines.length < 3 * ITEMS) throw new Error(`Only ${lines.length} calls were counted.`);
  return lines.length - new Set(lines).size;
}

/** How many steps are not as they should be where one item throws in the second node. */
async function oneThrows(ground: Ground, ready: Ready): Promise<number> {
  const worker = await ground.worker();
  const runId = await ground.start(ready, randomUUID(), undefined, { throwsAt: THROWS_AT });
  const state = await ground.ended(runId);
  await worker.stop();
  const { rows } = await ground.admin.query<{ wrong: number; failed: number }>(
    `select count(*) filter (where state is distinct from
              case when path = array[$2::int] and node = 'n2' then 'failed'
                   when path = array[$2::int] and node = 'n3' then 'blocked' else 'done' end)::int as wrong,
            count(*) filter (where state = 'failed')::int as failed
       from step where run_id = $1 and node in ('n1', 'n2', 'n3')`,
    [runId, THROWS_AT],
  );
  if (state !== 'problems' || rows[0]!.failed !== 1)
    throw new Error(`The throwing item: ${state}, ${JSON.stringify(rows[0])}`);
  return rows[0]!.wrong;
}
