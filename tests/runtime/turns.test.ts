/** Who is next: brands take turns, priorities within a brand, sleepers that nobody looks at, runs that wait for runs. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createLedger, type Ledger } from '../../db/ledger.ts';
import { cancelRun } from '../../db/runs.ts';
import type { Limits } from '../../runtime/graph/graph.ts';
import { TEST_KIT } from '../support/database.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
let ledger: Ledger;
let worker: string;
beforeAll(async () => {
  bench = await openBench({ idle: true });
  ledger = createLedger(bench.database.pool('app'));
  worker = randomUUID();
  const me = `insert into worker (id, lock_id, name) values ($1, nextval('worker_lock')::int, 'test')`;
  await bench.database.pool('app').query(me, [worker]);
});
afterAll(() => bench.close());
afterEach(async () => {
  for (const each of bench.workers()) await bench.stop(each);
  await bench.database.admin.query(`delete from strand`);
  await bench.database.admin.query(`update run set state = 'cancelled' where state = 'running'`);
});

const ONE = graphOf(['numbers { "count": 1 }'], []);
const brand = async () => {
  const id = randomUUID();
  await bench.inside((tx) =>
    tx
      .insertInto('brand')
      .values({ id, name: id, slug: `b-${id}`, kit: JSON.stringify(TEST_KIT) })
      .execute(),
  );
  return id;
};
/** Rows as if `count` steps of the run had become due long ago. */
const queue = (runId: string, brandId: string, count: number) =>
  bench.database.admin.query(
    `insert into strand (workspace_id, run_id, brand_id, node, prefix, lane, fair_at)
     select $1, $2, $3, 'numbers', array[i], 'light', now() - interval '1 hour' + i * interval '1 ms' from generate_series(1, $4) i`,
    [bench.workspaceId, runId, brandId, count],
  );
const brandsOf = (claimed: { run: { brandId: string } }[]) => claimed.map(({ run }) => run.brandId);

test('a brand with one step has the next turn, whatever another has waiting', async () => {
  const busy = await bench.start(ONE);
  await queue(busy, bench.brandId, 10_000);
  const first = await ledger.claim('light', worker, 8, []);
  expect(new Set(brandsOf(first))).toEqual(new Set([bench.brandId]));
  expect(first).toHaveLength(8); // alone it has every place
  const other = await brand();
  await bench.start(ONE, { brandId: other });
  expect(brandsOf(await ledger.claim('light', worker, 1, [], bench.brandId))).toEqual([other]);
  expect(brandsOf(await ledger.claim('light', worker, 1, [], other))).toEqual([bench.brandId]);
});

test('a range of many items gives its place to another brand that comes meanwhile', async () => {
  const busy = await openBench({ own: true, idle: true });
  try {
    await busy.worker({ slots: { light: 1 } });
    const slow = JSON.stringify({ code: 'let n = 0; for (let i = 0; i < 2e7; i++) n += i % 3; return n;' });
    const long = graphOf(['numbers {"count":64}', `work:flow.code ${slow}`], ['numbers.items > work.input']);
    const done = (snapshot: Awaited<ReturnType<typeof busy.look>>) =>
      snapshot.nodes.find(({ nodeId }) => nodeId === 'work')?.counts.done ?? 0;
    const runId = await busy.start(long);
    await busy.until(runId, (snapshot) => done(snapshot) > 0);
    const other = randomUUID();
    const kit = JSON.stringify(TEST_KIT);
    await busy.inside((tx) =>
      tx
        .insertInto('brand')
        .values({ id: other, name: other, slug: `b-${other}`, kit })
        .execute(),
    );
    await busy.ended(await busy.start(ONE, { brandId: other }));
    expect(done(await busy.look(runId))).toBeLessThan(64);
    expect(done(await busy.ended(runId, 30_000))).toBe(64);
    const steps = await busy.steps(runId, 'work');
    expect(steps.map(({ attempt }) => attempt)).toEqual(steps.map(() => 1));
  } finally {
    await busy.close();
  }
}, 40_000);

test('brands share the places of a claim, and what one does not need the others get', async () => {
  const [small, large] = [await brand(), await brand()];
  const [one, many] = [await bench.start(ONE, { brandId: small }), await bench.start(ONE, { brandId: large })];
  await queue(one, small, 1);
  await queue(many, large, 50);
  const brands = brandsOf(await ledger.claim('light', worker, 10, [], randomUUID()));
  expect(brands.filter((each) => each === small)).toHaveLength(2);
  expect(brands.filter((each) => each === large)).toHaveLength(8);
});

test('within a brand the higher priority is first, then who waited longest', async () => {
  const low = await bench.start({ ...ONE, limits: { priority: -1 } });
  const plain = await bench.start(ONE);
  const high = await bench.start({ ...ONE, limits: { priority: 1 } });
  const later = await bench.start(ONE);
  const order: string[] = [];
  for (let turn = 0; turn < 4; turn++) order.push((await ledger.claim('light', worker, 1, []))[0]!.run.id);
  expect(order).toEqual([high, plain, later, low]);
});

test('a sleeper is claimed when its time has come, and not before', async () => {
  const runId = await bench.start(ONE);
  const sleep = (until: string) =>
    bench.database.admin.query(`update strand set state = 'waiting', not_before = ${until} where run_id = $1`, [runId]);
  await sleep(`now() + interval '1 hour'`);
  expect(await ledger.claim('light', worker, 5, [])).toEqual([]);
  expect(await ledger.due()).toEqual([]);
  await sleep(`now() - interval '1 second'`);
  expect(await ledger.due()).toEqual([{ lane: 'light', ready: 1 }]);
  expect(await ledger.claim('light', worker, 5, [])).toHaveLength(1);
});

const limited = (limits: Limits) => ({
  ...graphOf(['numbers { "count": 1 }', 'shout'], ['numbers.items > shout.text']),
  limits,
});
const reasonOf = async (runId: string) => (await bench.look(runId)).nodes.find(({ reason }) => reason)?.reason ?? null;
const isHeld = async (runId: string) =>
  /^Waits for run \d+ to end: at most 1 at a time\.$/.test((await reasonOf(runId)) ?? '');

test('a run beyond the limit waits, says for what, and goes on in its order when one has ended', async () => {
  const graph = limited({ atOnce: 1 });
  const pipelineId = await bench.pipeline(graph);
  const runs: string[] = [];
  for (let count = 0; count < 3; count++) runs.push(await bench.start(graph, { pipelineId }));
  expect(await Promise.all(runs.map(isHeld))).toEqual([false, true, true]);
  await bench.worker();
  const ends: number[] = [];
  for (const runId of runs) {
    const { run } = await bench.ended(runId);
    expect(run.state).toBe('succeeded');
    ends.push(Date.parse(run.endedAt!));
  }
  expect(ends).toEqual([...ends].sort((a, b) => a - b));
  const { rows } = await bench.database.admin.query<{ overlaps: number }>(
    `select count(*)::int as overlaps from step a join step b on b.run_id <> a.run_id and b.began_at < a.ended_at and a.began_at < b.ended_at
      where a.run_id = any ($1) and b.run_id = any ($1)`,
    [runs],
  );
  expect(rows[0]!.overlaps).toBe(0);
});

test('brands are counted each for itself, unless the pipeline counts as a whole', async () => {
  const other = await brand();
  for (const [by, held] of [
    ['brand', false],
    ['pipeline', true],
  ] as const) {
    const graph = limited({ atOnce: 1, by });
    const pipelineId = await bench.pipeline(graph);
    await bench.start(graph, { pipelineId });
    expect(await isHeld(await bench.start(graph, { pipelineId, brandId: other }))).toBe(held);
  }
});

test('a cancelled run makes room, and a cancelled held run is over', async () => {
  const graph = limited({ atOnce: 1 });
  const pipelineId = await bench.pipeline(graph);
  const [first, second, third] = [
    await bench.start(graph, { pipelineId }),
    await bench.start(graph, { pipelineId }),
    await bench.start(graph, { pipelineId }),
  ];
  for (const runId of [first, second]) await bench.inside((tx) => cancelRun(tx, runId, 'Enough.'));
  expect((await bench.look(second)).run.state).toBe('cancelled');
  expect(await ledger.letGo()).toEqual([third]);
  expect(await isHeld(third)).toBe(false);
});
