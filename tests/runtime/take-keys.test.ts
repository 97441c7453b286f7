/** A promise to make a result belongs to a step that is there: one whose run ends in that moment promises nothing. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLedger } from '../../db/ledger.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ idle: true });
});
afterAll(() => bench.close());

test('a step whose run is cancelled while it asks leaves no promise behind', async () => {
  const runId = await bench.start(graphOf(['numbers { "count": 1 }'], []));
  const worker = randomUUID();
  const pool = bench.database.pool('app');
  await pool.query(`insert into worker (id, lock_id, name) values ($1, nextval('worker_lock')::int, 'test')`, [worker]);
  const ledger = createLedger(pool);
  const [claimed] = await ledger.claim('light', worker, 1, []);
  const { id: strand, token } = claimed!.strand;
  const client = await pool.connect();
  await client.query('begin');
  await client.query(`select set_config('app.workspace_id', $1, true)`, [bench.workspaceId]);
  await client.query('select ledger_cancel($1, $2)', [runId, 'As asked.']);
  const asked = ledger.takeKeys(
    { workspaceId: bench.workspaceId, strand, worker, token },
    [{ path: [], key: 'k'.repeat(64), maxAge: null }],
    true,
  );
  await sleep(200); // long enough to be written, if it did not wait
  await client.query('commit');
  client.release();
  expect(await asked).toBeNull();
  const { rows } = await bench.database.admin.query('select key from reuse where run_id = $1', [runId]);
  expect(rows).toEqual([]);
});
