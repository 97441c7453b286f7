/** Runs that go by one plan: a worker is sent it once, and never that of another graph, kit or workspace. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Claimed, createLedger } from '../../db/ledger.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { TEST_KIT } from '../support/database.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ idle: true });
});
afterAll(() => bench.close());

const GRAPH = graphOf(['numbers { "count": 1 }'], []);
const OTHER = graphOf(['numbers { "count": 2 }'], []);

async function claimAll(known: string[]): Promise<Claimed[]> {
  const worker = randomUUID();
  await bench.database
    .pool('app')
    .query(`insert into worker (id, lock_id, name) values ($1, nextval('worker_lock')::int, 'test')`, [worker]);
  return createLedger(bench.database.pool('app')).claim('light', worker, 20, known);
}

test('runs of one graph and kit have one key, of another graph, kit or workspace another', async () => {
  const keyOf = async (runId: string) =>
    (await bench.database.admin.query('select plan_key from run where id = $1', [runId])).rows[0]!.plan_key as string;
  const pipelineId = await bench.pipeline(GRAPH);
  const first = await keyOf(await bench.start(GRAPH, { pipelineId }));
  expect(first).toMatch(/^[0-9a-f-]{36}$/);
  expect(await keyOf(await bench.start(GRAPH, { pipelineId }))).toBe(first);
  expect(await keyOf(await bench.start(OTHER))).not.toBe(first);
  const sql = 'select run_plan_key($1, $2::jsonb) as key';
  const keys = new Set<string>();
  const stranger = await bench.database.workspace();
  for (const workspaceId of [bench.workspaceId, stranger.workspaceId]) {
    for (const kit of [TEST_KIT, { ...TEST_KIT, name: 'Other' }]) {
      await bench.database
        .pool('app')
        .connect()
        .then(async (client) => {
          await client.query(`select set_config('app.workspace_id', $1, false)`, [workspaceId]);
          const { rows } = await client.query<{ key: string }>(sql, ['digest', JSON.stringify(kit)]);
          keys.add(rows[0]!.key);
          await client.query(`select set_config('app.workspace_id', '', false)`);
          client.release();
        });
    }
  }
  expect(keys.size).toBe(4);
  await inWorkspace(bench.database.db('app'), bench.workspaceId, (tx) => tx.deleteFrom('run').execute());
});

test('a plan that the worker named is left out, another is sent', async () => {
  const known = await bench.start(GRAPH);
  await bench.start(OTHER);
  const { rows } = await bench.database.admin.query('select plan_key from run where id = $1', [known]);
  const claimed = await claimAll([rows[0]!.plan_key]);
  expect(claimed.map(({ run }) => [run.id === known, 'graph' in run, 'plan' in run, 'kit' in run]).sort()).toEqual([
    [false, true, true, true],
    [true, false, false, false],
  ]);
  await bench.database.admin.query('delete from run');
});

test('more plans than a worker keeps are carried side by side', async () => {
  const graphs = Array.from({ length: 40 }, (_, index) =>
    graphOf(
      [`numbers { "count": ${1 + (index % 3)} }`, `shout { "mark": "${index}" }`],
      ['numbers.items > shout.text'],
    ),
  );
  const pipelines = await Promise.all(graphs.map((graph) => bench.pipeline(graph)));
  const runIds: string[] = [];
  for (let round = 0; round < 3; round++)
    for (const [index, graph] of graphs.entries())
      runIds.push(await bench.start(graph, { pipelineId: pipelines[index]! }));
  await bench.worker();
  for (const [index, runId] of runIds.entries()) {
    expect((await bench.ended(runId)).run.state).toBe('succeeded');
    expect(await bench.value(runId, 'shout', 'text', [0])).toBe(`1${index % 40}`);
  }
}, 60_000);
