/** A pipeline that runs another: started once, linked, cancelled together, gone on with, and never in a circle. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AdvanceRules, retrySteps, setOverride } from '../../db/again.ts';
import { raiseBudget } from '../../db/budget.ts';
import { awaitChild, childrenOf } from '../../db/children.ts';
import { createPipeline, publishPipeline } from '../../db/pipelines.ts';
import { cancelRun, startRun } from '../../db/runs.ts';
import { pruneRuns } from '../../db/storage.ts';
import { answerWait } from '../../db/waits.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { dependentsOf, isTrouble, rebuild } from '../../runtime/graph/advance.ts';
import { interfaceOf } from '../../runtime/graph/calls.ts';
import { EMPTY_GRAPH, type Graph } from '../../runtime/graph/graph.ts';
import type { Plan } from '../../runtime/graph/plan.ts';
import { prepareRun } from '../../runtime/graph/prepare.ts';
import { resolveNodes } from '../../runtime/graph/resolve.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { postsHost } from './marks.ts';

let bench: Bench;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'call-'));
  bench = await openBench({ own: true, internalHosts: [postsHost(path.join(folder, 'posts'))] });
});
afterAll(async () => {
  await bench.close();
  await rm(folder, { recursive: true });
});

const RULES = { dependentsOf, rebuild, isTrouble } as AdvanceRules<Plan>;
const json = (value: unknown) => JSON.stringify(value);
const TEXT = (name: string, more: object = {}) => ({ name, title: name, type: 'text', ...more });
const called = (...values: object[]) => `called:trigger.called ${json({ values })}`;
const returns = (...values: object[]) => `ret:flow.return ${json({ values })}`;

/** Publishes a graph as version 1 of a new pipeline; gives back the settings of a call of it. */
async function published(name: string, graph: Graph): Promise<{ call: Record<string, unknown>; pipelineId: string }> {
  const pipelineId = await bench.pipeline(graph);
  await bench.inside((tx) => tx.updateTable('pipeline').set({ name }).where('id', '=', pipelineId).execute());
  return { call: await newVersion(pipelineId, name, graph), pipelineId };
}

async function newVersion(pipelineId: string, name: string, graph: Graph): Promise<Record<string, unknown>> {
  const version = await bench.inside(async (tx) => {
    const { revision } = await tx
      .updateTable('pipeline')
      .set({ draft: json(graph) })
      .where('id', '=', pipelineId)
      .returning('revision')
      .executeTakeFirstOrThrow();
    return (await publishPipeline(tx, { pipelineId, revision, pins: {}, by: null, note: null }))!.version;
  });
  const { inputs, outputs } = interfaceOf(graph, resolveNodes(graph, bench.catalogue.manifests))!;
  return { pipeline: pipelineId, name, version, inputs, outputs };
}

const louder = (shout: object = {}) =>
  graphOf(
    [called(TEXT('text')), `shout ${json(shout)}`, returns(TEXT('said'))],
    ['called.text > shout.text', 'shout.text > ret.said'],
  );
const caller = (call: object, text = 'hello') =>
  graphOf(
    [
      `set:flow.set ${json({ values: [{ name: 'word', type: 'text', value: text }] })}`,
      `sub:flow.call ${json({ call })}`,
      'after:shout {"mark":"?"}',
    ],
    ['set.word > sub.text', 'sub.said > after.text'],
  );
const childOf = async (runId: string, node = 'sub') => (await bench.inside((tx) => childrenOf(tx, runId, node)))[0]!;
const untilCalled = async (runId: string, node = 'sub') => {
  await bench.until(runId, (snapshot) =>
    snapshot.nodes.some((each) => each.nodeId === node && each.state === 'waiting'),
  );
  return childOf(runId, node);
};
const errorOf = async (runId: string, node = 'sub') => (await bench.steps(runId, node))[0]!.error;

test('a step runs another pipeline as a run of its own, and goes on with what that returned', async () => {
  const { call, pipelineId } = await published('Louder', louder());
  const id = await bench.start(caller(call));
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect(await bench.value(id, 'after', 'text')).toBe('hello!?');
  const child = await childOf(id);
  expect(child).toMatchObject({ pipelineId, pipelineName: 'Louder', state: 'succeeded', path: [] });
  expect((await bench.look(child.runId)).run).toMatchObject({
    version: 1,
    startedHow: 'called',
    brandId: bench.brandId,
  });
  expect(await bench.steps(id, 'sub')).toMatchObject([
    { attempt: 1, reason: `Returned by run ${child.number} of Louder.` },
  ]);
});

test('each item of a list has a run of its own, and a list goes through as one', async () => {
  const { call } = await published('Louder', louder());
  const items = graphOf(
    ['numbers {"count":3}', `sub:flow.call ${json({ call })}`, 'join'],
    ['numbers.items > sub.text', 'sub.said > join.texts'],
  );
  const id = await bench.start(items);
  await bench.ended(id);
  expect(await bench.value(id, 'join', 'text')).toBe('1!,2!,3!');
  expect((await bench.inside((tx) => childrenOf(tx, id, 'sub'))).map((child) => child.path)).toEqual([[0], [1], [2]]);

  const whole = await published(
    'All at once',
    graphOf(
      [called(TEXT('texts', { list: true })), 'shout', returns(TEXT('said', { list: true }))],
      ['called.texts > shout.text', 'shout.text > ret.said'],
    ),
  );
  const list = graphOf(
    ['numbers {"count":3}', `sub:flow.call ${json({ call: whole.call })}`, 'join'],
    ['numbers.items > sub.texts', 'sub.said > join.texts'],
  );
  const other = await bench.start(list);
  await bench.ended(other);
  expect(await bench.value(other, 'join', 'text')).toBe('1!,2!,3!');
  expect(await bench.inside((tx) => childrenOf(tx, other, 'sub'))).toHaveLength(1);
});

test('what the called pipeline has no value for is skipped behind the call', async () => {
  const { call } = await published('Picky', louder({ leaveOut: 'hello' }));
  const id = await bench.start(caller(call));
  const end = await bench.ended(id);
  expect(end.run.state).toBe('succeeded');
  expect(bench.states(end)).toMatchObject({ sub: 'done', after: 'skipped' });
});

const napping = (amount = 60) =>
  graphOf(
    [called(TEXT('text')), `nap:flow.delay ${json({ amount })}`, returns(TEXT('said'))],
    ['called.text > nap.item', 'nap.item > ret.said'],
  );

test('the calling step holds nothing while it waits, says for which run, and both are cancelled together', async () => {
  const { call } = await published('Naps', napping());
  const id = await bench.start(caller(call));
  const child = await untilCalled(id);
  await bench.until(child.runId, ({ nodes }) => nodes.some(({ state }) => state === 'waiting'));
  await expect.poll(() => bench.workers()[0]!.held()).toBe(0);
  const waits = await bench.look(id);
  expect(waits.nodes.find(({ nodeId }) => nodeId === 'sub')!.reason).toBe(`Waits for run ${child.number} of Naps.`);
  await bench.inside((tx) => cancelRun(tx, id, 'Enough.'));
  expect((await bench.look(child.runId)).run.state).toBe('cancelled');
  const [nap] = await bench.steps(child.runId, 'nap');
  expect(nap!.reason).toMatch(/^Run \d+, which called this, was cancelled\.$/);
  expect(await left(child.runId)).toBe(0);
});

const left = async (runId: string) =>
  Number(
    (await bench.inside((tx) => sql<{ n: number }>`select count(*) n from strand where run_id = ${runId}`.execute(tx)))
      .rows[0]!.n,
  );

test('a run that is called through several pipelines ends with the first', async () => {
  const deepest = await published('Third', napping());
  const middle = await published(
    'Second',
    graphOf(
      [called(TEXT('text')), `sub:flow.call ${json({ call: deepest.call })}`, returns(TEXT('said'))],
      ['called.text > sub.text', 'sub.said > ret.said'],
    ),
  );
  const id = await bench.start(caller(middle.call));
  const second = await untilCalled(id);
  const third = await untilCalled(second.runId);
  await bench.inside((tx) => cancelRun(tx, id, 'Enough.'));
  for (const { runId } of [second, third]) expect((await bench.look(runId)).run.state).toBe('cancelled');
});

test('a called run that is cancelled fails the step that called it; retried, it goes on from where it was', async () => {
  const { call } = await published('Naps', napping(0.01));
  const id = await bench.start(caller(call));
  const child = await untilCalled(id);
  await bench.inside((tx) => cancelRun(tx, child.runId, 'Not this one.'));
  expect((await bench.ended(id)).run.state).toBe('problems');
  expect(await errorOf(id)).toMatchObject({
    code: 'CALL_CANCELLED',
    message: `Run ${child.number} of Naps was cancelled.`,
  });
  expect(await bench.inside((tx) => retrySteps(tx, { runId: id }, RULES))).toEqual({ ok: true });
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect((await childOf(id)).runId).toBe(child.runId);
});

test('a failure in the called run is told by its caller; retried, only what failed there runs again', async () => {
  const { call } = await published(
    'Asks',
    graphOf(
      [
        called(TEXT('text')),
        'first:shout',
        `second:flow.code ${json({ code: "if (input === 'hello!') throw new Error('no'); return input;", inputs: [{ name: 'input', type: 'text' }], outputs: [{ name: 'result', type: 'text' }] })}`,
        returns(TEXT('said')),
      ],
      ['called.text > first.text', 'first.text > second.input', 'second.result > ret.said'],
    ),
  );
  const id = await bench.start(caller(call), { nonce: crypto.randomUUID() });
  expect((await bench.ended(id)).run.state).toBe('problems');
  const child = await childOf(id);
  const error = await errorOf(id);
  expect(error).toMatchObject({ code: 'CALL_FAILED', retry: 'person' });
  expect(error!.message).toContain(`Run ${child.number} of Asks ended with problems: second: `);
  const [before] = await bench.steps(child.runId, 'first');
  await bench.inside((tx) => retrySteps(tx, { runId: id }, RULES));
  expect((await bench.ended(id)).run.state).toBe('problems');
  expect((await childOf(id)).runId).toBe(child.runId);
  expect((await bench.steps(child.runId, 'first'))[0]!.endedAt).toBe(before!.endedAt);
  expect((await bench.steps(child.runId, 'second'))[0]!.endedAt).not.toBe(before!.endedAt);
});

test('called again with other values, the same run goes on with them, and what it has sent is not sent again', async () => {
  const { call } = await published(
    'Posts',
    graphOf([called(TEXT('text')), 'post', returns(TEXT('said'))], ['called.text > post.text', 'post.url > ret.said']),
  );
  const graph = caller(call, 'one');
  const id = await bench.start(graph);
  await bench.ended(id);
  const child = await childOf(id);
  const posted = async () => (await readFile(path.join(folder, 'posts'), 'utf8')).trim().split('\n').length;
  expect(await posted()).toBe(1);
  const [set] = await bench.steps(id, 'set');
  const output = { ...set!.outputs.word!, digest: 'a'.repeat(64), value: 'two' };
  await bench.inside((tx) =>
    setOverride(tx, { runId: id, nodeId: 'set', path: [], port: 'word', output, value: 'two', by: null }, RULES),
  );
  await bench.ended(id);
  expect((await childOf(id)).runId).toBe(child.runId);
  expect(await bench.value(child.runId, 'called', 'text')).toBe('two');
  expect(await posted()).toBe(1);
});

test('a run without publishing calls one without publishing', async () => {
  const { call } = await published(
    'Posts',
    graphOf([called(TEXT('text')), 'post', returns(TEXT('said'))], ['called.text > post.text', 'post.url > ret.said']),
  );
  const id = await bench.start(caller(call, 'rehearsed'), { dryRun: true });
  await bench.ended(id);
  expect((await bench.look((await childOf(id)).runId)).run.dryRun).toBe(true);
  expect(await readFile(path.join(folder, 'posts'), 'utf8')).not.toContain('rehearsed');
});

test('what a called run uses is taken from the budget of its caller, and goes on once that is raised', async () => {
  const { call } = await published(
    'Posts',
    graphOf([called(TEXT('text')), 'post', returns(TEXT('said'))], ['called.text > post.text', 'post.url > ret.said']),
  );
  const graph: Graph = {
    ...graphOf(
      ['numbers {"count":4,"prefix":"paid "}', `sub:flow.call ${json({ call })}`, 'join'],
      ['numbers.items > sub.text', 'sub.said > join.texts leaving out failed'],
    ),
    limits: { budget: { calls: 2 } },
  };
  const paid = async () => (await readFile(path.join(folder, 'posts'), 'utf8')).match(/"paid \d"/g)?.length ?? 0;
  const id = await bench.start(graph);
  const first = await bench.ended(id);
  expect(first.run.state).toBe('problems');
  expect(await paid()).toBe(2);
  const failed = (await bench.steps(id, 'sub')).filter(({ error }) => error);
  expect(failed).toHaveLength(2);
  expect(failed[0]!.error!.message).toContain(`post: Run ${first.run.number}, which called this, may use 2 calls;`);
  await bench.inside(async (tx) => {
    await raiseBudget(tx, id, { calls: 4 });
    await retrySteps(tx, { runId: id }, RULES);
  });
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect(await paid()).toBe(4);
});

test('a pipeline never comes to call itself, by whatever way', async () => {
  const inner = await published('Inner', louder());
  const outer = await published(
    'Outer',
    graphOf(
      [called(TEXT('text')), `sub:flow.call ${json({ call: inner.call })}`, returns(TEXT('said'))],
      ['called.text > sub.text', 'sub.said > ret.said'],
    ),
  );
  const id = await bench.start(caller(outer.call), { pipelineId: inner.pipelineId });
  await bench.ended(id);
  expect((await errorOf((await childOf(id)).runId))!.code).toBe('CALL_CIRCLE');
  expect((await errorOf(id))!.message).toContain('Inner would call itself.');
});

test('a pipeline that was removed, or takes something else than was drawn, is not started', async () => {
  const gone = await published('Gone', louder());
  await bench.inside((tx) =>
    tx.updateTable('pipeline').set({ removed_at: new Date() }).where('id', '=', gone.pipelineId).execute(),
  );
  const kept = await published('Kept', louder());
  const { inputs } = kept.call as { inputs: object[] };
  for (const [call, code] of [
    [gone.call, 'CALL_GONE'],
    [{ ...kept.call, version: 7 }, 'CALL_GONE'],
    [{ ...kept.call, inputs: inputs.map((port) => ({ ...port, type: 'json' })) }, 'CALL_CHANGED'],
  ] as const) {
    const id = await bench.start(caller(call));
    await bench.ended(id);
    expect((await errorOf(id))!.code).toBe(code);
    expect(await bench.inside((tx) => childrenOf(tx, id, 'sub'))).toEqual([]);
  }
});

test('a called run that goes on is taken to its end, though its pipeline is removed meanwhile', async () => {
  const { call, pipelineId } = await published('Short lived', napping(0.01));
  const id = await bench.start(caller(call, 'late'));
  await untilCalled(id);
  await bench.inside((tx) =>
    tx.updateTable('pipeline').set({ removed_at: new Date() }).where('id', '=', pipelineId).execute(),
  );
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect(await bench.value(id, 'after', 'text')).toBe('late?');
});

test('a pipeline of another workspace cannot be called', async () => {
  const { call } = await published('Ours', louder());
  const other = await bench.database.workspace();
  expect(await callFrom(other, caller(call))).toMatchObject({ code: 'CALL_GONE' });
});

async function callFrom({ workspaceId, brandId }: { workspaceId: string; brandId: string }, graph: Graph) {
  const prepared = prepareRun(graph, bench.catalogue.manifests);
  if (!prepared.ok) throw new Error('not ready');
  const db = bench.database.db('app');
  const { runId } = await inWorkspace(db, workspaceId, async (tx) =>
    startRun(tx, {
      pipelineId: (await createPipeline(tx, { name: 'Stranger', graph: EMPTY_GRAPH })).id,
      version: null,
      brandId,
      graph: prepared.graph,
      plan: prepared.plan,
      pins: Object.fromEntries(bench.catalogue.manifests.map(({ id, version }) => [id, { version }])),
      kit: {},
      first: prepared.first,
      startedBy: null,
    }),
  );
  for (;;) {
    const row = await inWorkspace(db, workspaceId, (tx) =>
      tx.selectFrom('step').select('error').where('run_id', '=', runId).where('node', '=', 'sub').executeTakeFirst(),
    );
    if (row) return row.error;
  }
}

test('a called run is kept as long as its caller goes on', async () => {
  const { call } = await published('Louder', louder());
  const graph = graphOf(
    [
      `set:flow.set ${json({ values: [{ name: 'word', type: 'text', value: 'a' }] })}`,
      `sub:flow.call ${json({ call })}`,
      'ask:flow.approve {}',
    ],
    ['set.word > sub.text', 'sub.said > ask.item'],
  );
  const id = await bench.start(graph);
  await bench.until(id, ({ nodes }) => nodes.some((each) => each.nodeId === 'ask' && each.state === 'waiting'));
  const child = await childOf(id);
  expect(child.state).toBe('succeeded');
  await bench.ended(await bench.start(graphOf(['numbers'], []))); // the newest is kept anyhow
  await bench.inside((tx) => pruneRuns(tx, { runDays: 0, runsPerPipeline: null }, 1_000));
  expect((await childOf(id)).runId).toBe(child.runId);
  const review = {
    name: 'review',
    kind: 'person',
    by: null,
    value: { outcome: 'approved', edits: {}, comment: '' },
  } as const;
  // nor does a caller fall asleep for one that has ended meanwhile
  const worker = crypto.randomUUID();
  const { rows } = await bench.inside((tx) =>
    sql<{ id: number }>`
      insert into strand (run_id, brand_id, node, prefix, lane, state, worker, token)
      values (${id}, ${bench.brandId}, 'sub', '{}', 'nobody', 'leased', ${worker}, 1) returning id`.execute(tx),
  );
  const lease = { strand: rows[0]!.id, token: 1, worker };
  const step = { runId: id, node: 'sub', path: [] };
  expect(await bench.inside((tx) => awaitChild(tx, step, lease, { id: child.runId, why: 'Waits.' }))).toBe(false);
  await bench.inside((tx) => tx.deleteFrom('strand').where('id', '=', lease.strand).execute());
  await bench.inside((tx) => answerWait(tx, { runId: id, node: 'ask', path: [] }, review));
  await bench.ended(id);
});

test('a worker that is gone while it waits leaves nothing behind: another goes on when the called run has ended', async () => {
  const { call } = await published('Naps', napping(0.01));
  const id = await bench.start(caller(call));
  await untilCalled(id);
  const [first] = bench.workers();
  await bench.worker();
  await bench.stop(first!, 0);
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect(await bench.inside((tx) => childrenOf(tx, id, 'sub'))).toHaveLength(1);
});
