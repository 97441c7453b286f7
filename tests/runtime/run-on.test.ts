/** Rows of light steps that are gone on with before the database has answered: nothing is lost, doubled or passed over. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { setOverride } from '../../db/again.ts';
import { cancelRun } from '../../db/runs.ts';
import { storeValue } from '../../db/values.ts';
import * as advance from '../../runtime/graph/advance.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ own: true });
});
afterAll(() => bench.close());

const STEPS = 30;
const code = (index: number) =>
  JSON.stringify(index === 0 ? { inputs: [], code: 'return 1;' } : { code: 'return input + 1;' });
const CHAIN = graphOf(
  Array.from({ length: STEPS }, (_, index) => `c${index + 1}:flow.code ${code(index)}`),
  Array.from({ length: STEPS - 1 }, (_, index) => `c${index + 1}.result > c${index + 2}.input`),
);
const rowsOf = async (runId: string) => {
  const { rows } = await bench.database.admin.query<{ node: string; state: string; transaction: string }>(
    `select node, state, xmin::text as transaction from step where run_id = $1 and node like 'c%'`,
    [runId],
  );
  return rows;
};
const last = (runId: string) => bench.value(runId, `c${STEPS}`, 'result');
const left = async () => (await bench.database.admin.query('select 1 from strand')).rowCount;

test('each step of a row is a commit of its own', async () => {
  const { run } = await bench.ended(await bench.start(CHAIN));
  expect(run.state).toBe('succeeded');
  expect(await last(run.id)).toBe(STEPS);
  const rows = await rowsOf(run.id);
  expect(rows).toHaveLength(STEPS);
  expect(new Set(rows.map(({ transaction }) => transaction)).size).toBe(STEPS);
});

test('a correction in the middle of a row is not passed over', async () => {
  const pipelineId = await bench.pipeline(CHAIN);
  const first = await bench.ended(await bench.start(CHAIN, { pipelineId }));
  const output = await storeValue(100, false, () => Promise.reject(new Error('nothing long here')));
  const at = { runId: first.run.id, nodeId: 'c7', path: [], port: 'result' };
  expect(await bench.inside((tx) => setOverride(tx, { ...at, output, value: 100, by: 'me' }, advance))).toEqual({
    ok: true,
  });
  await bench.ended(first.run.id);
  const again = await bench.ended(await bench.start(CHAIN, { pipelineId }));
  expect(await last(again.run.id)).toBe(100 + STEPS - 7);
  expect((await bench.steps(again.run.id, 'c7'))[0]).toMatchObject({ overridden: ['result'], attempt: 1 });
});

test('connections that are cut under the row lose and repeat nothing', async () => {
  const runs = await Promise.all(Array.from({ length: 12 }, () => bench.start(CHAIN)));
  for (let cut = 0; cut < 8; cut++) {
    await bench.database.admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'settle:app' and datname = current_database()`,
    );
    await sleep(25);
  }
  for (const runId of runs) {
    const { run } = await bench.ended(runId, 40_000);
    expect(run.state).toBe('succeeded');
    expect(await rowsOf(runId)).toHaveLength(STEPS);
    expect(await last(runId)).toBe(STEPS);
  }
  expect(await left()).toBe(0);
}, 60_000);

test('a cancelled row ends at once and leaves nothing behind', async () => {
  const runId = await bench.start(CHAIN);
  await bench.until(runId, (snapshot) => snapshot.nodes.some(({ state }) => state === 'done'));
  await bench.inside((tx) => cancelRun(tx, runId, 'Enough.'));
  await sleep(300);
  expect(await left()).toBe(0);
  expect(bench.workers()[0]!.held()).toBe(0);
  expect((await bench.ended(await bench.start(CHAIN))).run.state).toBe('succeeded');
});
