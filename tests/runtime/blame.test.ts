/** What is laid to a step when the worker that held it ends: its share, none where the database ended, and not for ever. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLedger } from '../../db/ledger.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ idle: true });
});
afterAll(() => bench.close());

const GRAPH = graphOf(['numbers { "count": 1 }'], []);

/** A worker that has ended: it has a row, a last beat, and no connection. `age`: of its last beat. */
async function endedWorker(age = '0 s'): Promise<string> {
  const id = randomUUID();
  await bench.database
    .pool('app')
    .query(
      `insert into worker (id, lock_id, name, beat_at) values ($1, nextval('worker_lock')::int, 'test', clock_timestamp() - $2::interval)`,
      [id, age],
    );
  return id;
}

/** A worker takes `count` steps and ends. What is known of them then. */
async function endsWith(
  runIds: string[],
  age?: string,
): Promise<{ deaths: number; attempts: number; state: string }[]> {
  const ledger = createLedger(bench.database.pool('app'));
  const worker = await endedWorker(age);
  expect(await ledger.claim('light', worker, runIds.length, [])).toHaveLength(runIds.length);
  await ledger.reap();
  const { rows } = await bench.database.admin.query(
    'select deaths, attempts, state from strand where run_id = any($1) order by id',
    [runIds],
  );
  return rows;
}
const start = (count: number) => Promise.all(Array.from({ length: count }, () => bench.start(GRAPH)));
const drop = (runIds: string[]) => bench.database.admin.query('delete from run where id = any($1)', [runIds]);

test('a step that its worker held alone is laid the whole death, and its attempt does not count', async () => {
  const runIds = await start(1);
  expect(await endsWith(runIds)).toEqual([{ deaths: 1, attempts: 0, state: 'ready' }]);
  await drop(runIds);
});

test('steps that were held together are laid a share each, but not an ever smaller one', async () => {
  const four = await start(4);
  expect(await endsWith(four)).toEqual(four.map(() => ({ deaths: 0.25, attempts: 0, state: 'ready' })));
  await drop(four);
  const many = await start(12);
  expect((await endsWith(many)).map(({ deaths }) => deaths)).toEqual(many.map(() => 0.125));
  await drop(many);
});

test('nothing is laid to a step where the database had ended under its worker', async () => {
  const runIds = await start(1);
  expect(await endsWith(runIds, '1 year')).toEqual([{ deaths: 0, attempts: 0, state: 'ready' }]);
  await drop(runIds);
});

test('a lease that was written after its worker was taken for dead does not last', async () => {
  const runIds = await start(2);
  const worker = await endedWorker();
  const ledger = createLedger(bench.database.pool('app'));
  expect(await ledger.claim('light', worker, 2, [])).toHaveLength(2);
  await bench.database.admin.query('delete from worker where id = $1', [worker]);
  expect((await ledger.reap()).map(({ run_id }) => run_id).sort()).toEqual([...runIds].sort());
  expect(await ledger.claim('light', await endedWorker(), 2, [])).toHaveLength(2);
  await drop(runIds);
});

test('a step that was alone each time is given up after three, and says so', async () => {
  const runIds = await start(1);
  for (let deaths = 1; deaths <= 3; deaths++) expect((await endsWith(runIds))[0]!.deaths).toBe(deaths);
  const worker = await bench.worker();
  expect((await bench.ended(runIds[0]!)).run.state).toBe('problems');
  expect(await bench.steps(runIds[0]!, 'numbers')).toMatchObject([{ state: 'failed', error: { code: 'STEP_DEADLY' } }]);
  await bench.stop(worker);
});

test('a step that has seen two workers end is still done', async () => {
  const runIds = await start(1);
  await endsWith(runIds);
  await endsWith(runIds);
  const worker = await bench.worker();
  expect((await bench.ended(runIds[0]!)).run.state).toBe('succeeded');
  expect(await bench.steps(runIds[0]!, 'numbers')).toMatchObject([{ state: 'done', attempt: 1 }]);
  await bench.stop(worker);
});
