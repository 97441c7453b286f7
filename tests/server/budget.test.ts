/** Budgets of a run: the step that would go beyond does not begin, says why, and the run goes on once it is raised. */
import { rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ManifestJson } from '../../nodes/contract.ts';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import { overBudget } from '../../runtime/graph/budget.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { graphOf, TEST_NODES } from '../runtime/bench.ts';
import { posts, postsHost } from '../runtime/marks.ts';
import { SAY } from '../support/server.ts';
import { openScene } from '../triggers/scene.ts';

let scene: Awaited<ReturnType<typeof openScene>>;
let file: string;
beforeAll(async () => {
  file = path.join(os.tmpdir(), `spliceboard-budget-${process.pid}`);
  scene = await openScene({
    nodes: TEST_NODES,
    capabilities: (fetcher) => [httpCapability({ fetcher })],
    internalHosts: [postsHost(file)],
  });
});
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  rmSync(file, { force: true });
});

test('of twelve posts with a budget of five calls exactly five are sent, and the rest after it is raised', async () => {
  const graph: Graph = {
    ...graphOf(['numbers { "count": 12, "prefix": "b" }', 'post'], ['numbers.items > post.text']),
    limits: { budget: { calls: 5 } },
  };
  const { id } = await scene.call<{ id: string }>('pipelines.create', 'mutation', { name: 'Budget', graph });
  const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', {
    pipelineId: id,
    brandId: scene.brandId,
  });
  expect(await scene.ended(runId)).toBe('problems');
  expect(posts(file)).toHaveLength(5);
  const { rows } = await scene.admin.query(`select error from step where run_id = $1 and state = 'failed'`, [runId]);
  expect(rows).toHaveLength(7);
  expect(rows[0].error).toMatchObject({
    code: 'BUDGET_REACHED',
    message: expect.stringMatching(/^This run may use 5 calls; \d+ are used, and post needs 1 more\.$/),
    retry: 'person',
  });
  await scene.call('runs.retry', 'mutation', { runId, budget: { calls: 12 } });
  expect(await scene.ended(runId)).toBe('succeeded');
  expect(new Set(posts(file).map(({ text }) => text)).size).toBe(12);
  expect(posts(file)).toHaveLength(12);
}, 30_000);

test('a run without a budget is given none', async () => {
  const graph = graphOf(['numbers', 'shout { "failOn": "1" }'], ['numbers.items > shout.text']);
  const { id } = await scene.call<{ id: string }>('pipelines.create', 'mutation', { name: 'None', graph });
  const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', {
    pipelineId: id,
    brandId: scene.brandId,
  });
  await scene.ended(runId);
  await expect(scene.call('runs.retry', 'mutation', { runId, budget: { calls: 1 } })).rejects.toMatchObject({
    code: 'NO_BUDGET',
  });
}, 20_000);

test('minutes and stated prices are kept to as well, and each refusal says which, how much, and what is missing', () => {
  const priced: ManifestJson = {
    ...SAY,
    id: 'test.priced',
    capabilities: { ai: ['write'] },
    cost: { per: 'call', money: { currency: 'USD', minor: 25 } },
  };
  const manifests = new Map([
    ['say', SAY],
    ['write', priced],
  ]);
  const took = { made: 2, seconds: 60, calls: 2, askers: 2 };
  const soFar = { nodes: { write: took }, size: null, going: [] };
  const write = { node: 'write', name: 'Write', isRehearsed: false };
  const asks = (budget: object, step = write, more: object = {}) =>
    overBudget(budget, { ...soFar, ...more }, step, manifests)?.message ?? null;
  const money = { currency: 'USD', minor: 60 };
  expect(asks({ money })).toBe('This run may use 0.60 USD; 0.50 USD is used, and Write needs 0.25 USD more.');
  expect(asks({ money: { ...money, minor: 75 } })).toBeNull();
  expect(asks({ money: { ...money, currency: 'EUR' } })).toBeNull();
  expect(asks({ money }, { ...write, isRehearsed: true })).toBeNull();
  expect(asks({ minutes: 1.4 })).toBe(
    'This run may use 1.4 minutes of work; 1.0 min are used, and Write needs about 0.5 min more.',
  );
  expect(asks({ minutes: 2 })).toBeNull();
  expect(asks({ minutes: 2 }, write, { going: [{ node: 'say', seconds: 70, asked: false }] })).toMatch(
    /2\.2 min are used/,
  );
  expect(asks({ calls: 3 })).toBeNull();
  expect(asks({ calls: 3 }, write, { going: [{ node: 'write', seconds: 0, asked: false }] })).toMatch(/3 are used/);
  expect(asks({ calls: 2 }, { node: 'say', name: 'Say', isRehearsed: false })).toBeNull();
});
