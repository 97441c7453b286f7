/** Rows of light steps of many runs at once: each row is written together, and every step is still known for itself. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { setOverride } from '../../db/again.ts';
import { cancelRun } from '../../db/runs.ts';
import { storeValue } from '../../db/values.ts';
import * as advance from '../../runtime/graph/advance.ts';
import type { Graph, Policy } from '../../runtime/graph/graph.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ own: true });
});
afterAll(() => bench.close());

const STEPS = 6;
const RUNS = 24;

/** c1 gives 1, each one after it adds 1; or does as `odd` says. */
function rowOf(odd: Record<number, string> = {}, policies: Record<number, Policy> = {}): Graph {
  const ids = Array.from({ length: STEPS }, (_, index) => index + 1);
  const graph = graphOf(
    ids.map((at) => {
      const code = odd[at] ?? (at === 1 ? 'return 1;' : 'return input + 1;');
      return `c${at}:flow.code ${JSON.stringify(at === 1 ? { inputs: [], code } : { code })}`;
    }),
    ids.slice(1).map((at) => `c${at - 1}.result > c${at}.input`),
  );
  for (const [at, policy] of Object.entries(policies)) graph.nodes[Number(at) - 1]!.policy = policy;
  return graph;
}

/** As many runs as fill the lane. */
async function startMany(graph: Graph, runs = RUNS) {
  const pipelineId = await bench.pipeline(graph);
  const runIds = await Promise.all(Array.from({ length: runs }, () => bench.start(graph, { pipelineId })));
  return { pipelineId, runIds };
}
async function rowsOf(runIds: string[]) {
  const { rows } = await bench.database.admin.query<{
    run_id: string;
    node: string;
    state: string;
    attempt: number;
    transaction: string;
  }>(
    `select run_id, node, state, attempt, xmin::text as transaction from step where run_id = any($1) order by run_id, node`,
    [runIds],
  );
  return rows;
}
const left = async () => (await bench.database.admin.query('select 1 from strand')).rowCount;

test('rows of many runs take fewer commits than steps, and each step is there once with its own value', async () => {
  const { runIds: first } = await startMany(rowOf(), 4); // the sandbox is warm from then on
  for (const runId of first) await bench.ended(runId);
  const { runIds } = await startMany(rowOf());
  for (const runId of runIds) expect((await bench.ended(runId)).run.state).toBe('succeeded');
  const rows = await rowsOf(runIds);
  expect(rows.map(({ state, attempt }) => `${state} ${attempt}`)).toEqual(rows.map(() => 'done 1'));
  expect(rows).toHaveLength(RUNS * STEPS);
  expect(new Set(rows.map(({ run_id, transaction }) => `${run_id} ${transaction}`)).size).toBeLessThan(RUNS * STEPS);
  for (const at of [1, 3, STEPS]) expect(await bench.value(runIds[0]!, `c${at}`, 'result')).toBe(at);
  expect(await left()).toBe(0);
});

test('what is done is seen while a later step of the row still computes', async () => {
  const { runIds } = await startMany(rowOf({ 4: 'let n = 0; for (let i = 0; i < 4e8; i++) n += i % 3; return n;' }), 4);
  const seen = await Promise.all(
    runIds.map((runId) =>
      bench.until(runId, ({ nodes }) => nodes.some(({ nodeId, state }) => nodeId === 'c3' && state === 'done')),
    ),
  );
  // it may have been given back to the queue: others wanted the place
  for (const { nodes } of seen)
    expect(nodes.find(({ nodeId }) => nodeId === 'c4')?.state).toMatch(/^(running|queued)$/);
  for (const runId of runIds) expect((await bench.ended(runId)).run.state).toBe('succeeded');
});

test('a step that fails is tried as often as its policy says, and those before it are done once', async () => {
  const fails = rowOf({ 4: `throw new Error('no');` }, { 4: { attempts: 3, wait: 0, on: 'all' } });
  const { runIds } = await startMany(fails, 8);
  for (const runId of runIds) expect((await bench.ended(runId)).run.state).toBe('problems');
  for (const { node, state, attempt } of await rowsOf(runIds)) {
    const wanted = node < 'c4' ? 'done 1' : node === 'c4' ? 'failed 3' : 'blocked 1';
    expect(`${node} ${state} ${attempt}`).toBe(`${node} ${wanted}`);
  }
});

test('a correction in the middle of a row is not passed over', async () => {
  const graph = rowOf();
  const { pipelineId, runIds } = await startMany(graph, 1);
  await bench.ended(runIds[0]!);
  const output = await storeValue(100, false, () => Promise.reject(new Error('nothing long here')));
  const at = { runId: runIds[0]!, nodeId: 'c3', path: [], port: 'result' };
  const set = await bench.inside((tx) => setOverride(tx, { ...at, output, value: 100, by: 'me' }, advance));
  expect(set).toEqual({ ok: true });
  await bench.ended(runIds[0]!);
  const again = await Promise.all(Array.from({ length: RUNS }, () => bench.start(graph, { pipelineId })));
  for (const runId of again) {
    await bench.ended(runId);
    expect(await bench.value(runId, `c${STEPS}`, 'result')).toBe(100 + STEPS - 3);
  }
  expect(await left()).toBe(0);
});

test('runs that are cancelled meanwhile write nothing more and leave nothing behind', async () => {
  const { runIds } = await startMany(
    rowOf({ 5: 'let n = 0; for (let i = 0; i < 4e7; i++) n += i % 3; return n;' }),
    12,
  );
  await Promise.all(runIds.map((runId) => bench.inside((tx) => cancelRun(tx, runId, 'Enough.'))));
  const before = await rowsOf(runIds);
  expect(await left()).toBe(0);
  const { runIds: others } = await startMany(rowOf());
  for (const runId of others) expect((await bench.ended(runId)).run.state).toBe('succeeded');
  expect(await rowsOf(runIds)).toEqual(before);
});
