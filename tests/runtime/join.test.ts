/** Joins that do not wait for all their branches: the first that has something, or what is there when the time is over. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { retrySteps } from '../../db/again.ts';
import { type Claimed, createLedger } from '../../db/ledger.ts';
import { cancelRun } from '../../db/runs.ts';
import * as advance from '../../runtime/graph/advance.ts';
import { type Plan, planOf } from '../../runtime/graph/plan.ts';
import { strandsOf } from '../../runtime/graph/strands.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ own: true });
});
afterAll(() => bench.close());

const config = (value: unknown) => JSON.stringify(value);
const TEXT = [{ name: 'result', type: 'text' as const, list: false }];
const says = (id: string, text: string) =>
  `${id}:flow.code ${config({ inputs: [], code: `return '${text}';`, outputs: TEXT })}`;
const FOR_SECONDS = (seconds: number) => config({ amount: seconds / 60 });
/** `slow` comes `seconds` after `fast`. */
const race = (join: unknown, seconds = 1.5) =>
  graphOf(
    [
      says('fast', 'fast'),
      says('begin', 'slow'),
      `slow:flow.delay ${FOR_SECONDS(seconds)}`,
      `meet:flow.join ${config(join)}`,
      'after:shout',
    ],
    ['begin.result > slow.item', 'fast.result > meet.second', 'slow.item > meet.first', 'meet.item > after.text'],
  );
const outputOf = (runId: string, port: string) => bench.value(runId, 'meet', port);

test('the first branch that has something is gone on with, and what comes later changes nothing', async () => {
  const id = await bench.start(race({ until: 'first' }));
  const is = (nodes: { nodeId: string; state: string }[], node: string, ...states: string[]) =>
    nodes.some(({ nodeId, state }) => nodeId === node && states.includes(state));
  const early = await bench.until(
    id,
    ({ nodes }) => is(nodes, 'after', 'done', 'reused') && is(nodes, 'slow', 'waiting', 'done'),
  );
  expect(bench.states(early)).toMatchObject({ meet: 'done', slow: 'waiting' });
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect(await outputOf(id, 'items')).toEqual(['fast']);
  expect(await bench.steps(id, 'meet')).toMatchObject([{ attempt: 1, state: 'done' }]);
});

test('a branch that has nothing, or failed, does not count as the first', async () => {
  for (const code of ['return null;', `throw new Error('no');`]) {
    const graph = race({ until: 'first' }, 0.6);
    graph.nodes[0]!.config = { inputs: [], code, outputs: TEXT };
    const id = await bench.start(graph);
    const asleep = await bench.until(id, ({ nodes }) =>
      nodes.some(({ nodeId, state }) => nodeId === 'meet' && state === 'waiting'),
    );
    expect(asleep.nodes.find(({ nodeId }) => nodeId === 'meet')?.reason).toBe('Waits for slow.');
    await bench.ended(id);
    expect(await outputOf(id, 'items')).toEqual(['slow']);
    expect(await bench.value(id, 'after', 'text')).toBe('slow!');
  }
});

test('where no branch has anything it gives on nothing, and what follows is skipped', async () => {
  const nothing = (id: string) => `${id}:flow.code ${config({ inputs: [], code: 'return null;', outputs: TEXT })}`;
  const id = await bench.start(
    graphOf(
      [nothing('one'), nothing('two'), `meet:flow.join ${config({ until: 'first' })}`, 'after:shout'],
      ['one.result > meet.first', 'two.result > meet.second', 'meet.item > after.text'],
    ),
  );
  const { run, nodes } = await bench.ended(id);
  expect(run.state).toBe('succeeded');
  expect(nodes.find(({ nodeId }) => nodeId === 'after')?.state).toBe('skipped');
});

test('when its time is over it goes on with what is there, and says without whom', async () => {
  const id = await bench.start(race({ amount: 1, unit: 'seconds' }, 600));
  const from = Date.now();
  const waits = await bench.until(id, ({ nodes }) =>
    nodes.some(({ nodeId, state }) => nodeId === 'meet' && state === 'waiting'),
  );
  expect(waits.nodes.find(({ nodeId }) => nodeId === 'meet')?.reason).toBe('Waits for slow.');
  await bench.until(id, ({ nodes }) =>
    nodes.some(({ nodeId, state }) => nodeId === 'after' && (state === 'done' || state === 'reused')),
  );
  expect(Date.now() - from).toBeGreaterThan(700);
  expect(await bench.steps(id, 'meet')).toMatchObject([
    { attempt: 1, reason: 'Went on without slow: the time was over.' },
  ]);
  expect(await outputOf(id, 'items')).toEqual(['fast']);
  await bench.inside((tx) => cancelRun(tx, id, 'Enough.'));
});

test('with a time it still waits for all, and no longer than they take', async () => {
  const id = await bench.start(race({ amount: 1, unit: 'hours' }, 0.6));
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect(await outputOf(id, 'items')).toEqual(['slow', 'fast']);
  expect(await bench.steps(id, 'meet')).toMatchObject([{ attempt: 1, reason: null }]);
});

test('each item of a list goes on with its own first branch', async () => {
  const odd = config({ conditions: [{ field: '', test: 'is more than', value: '1' }] });
  const id = await bench.start(
    graphOf(
      [
        'numbers {"count":3}',
        `big:flow.filter ${odd}`,
        `late:flow.delay ${FOR_SECONDS(0.6)}`,
        `meet:flow.join ${config({ until: 'first' })}`,
        'after:shout',
      ],
      [
        'numbers.items > big.item',
        'numbers.items > late.item',
        'big.kept > meet.first',
        'late.item > meet.second',
        'meet.item > after.text',
      ],
    ),
  );
  await bench.until(id, ({ nodes }) => nodes.some(({ nodeId, counts }) => nodeId === 'after' && counts.done === 2));
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect((await bench.steps(id, 'meet')).map(({ outputs }) => outputs.items?.value)).toEqual([['1'], ['2'], ['3']]);
});

test('after a retry of the branch that failed both are there', async () => {
  const graph = race({ until: 'first' }, 0.3);
  graph.nodes[0]!.config = { inputs: [], code: `throw new Error('no');`, outputs: TEXT };
  const id = await bench.start(graph);
  await bench.ended(id);
  expect(await outputOf(id, 'items')).toEqual(['slow']);
  expect(await bench.inside((tx) => retrySteps(tx, { runId: id, nodeId: 'fast' }, advance))).toEqual({ ok: true });
  const { nodes } = await bench.ended(id);
  expect(nodes.find(({ nodeId }) => nodeId === 'meet')?.state).toBe('done');
  expect(await outputOf(id, 'items')).toEqual(['slow']);
});

test('a branch that is settled while the join makes up its mind wakes it, and one settled later too', async () => {
  const idle = await openBench({ own: true, idle: true });
  try {
    const graph = graphOf(
      [says('one', '1'), says('two', '2'), `meet:flow.join ${config({ until: 'first' })}`],
      ['one.result > meet.first', 'two.result > meet.second'],
    );
    const plan: Plan = planOf(graph, idle.catalogue.manifests);
    const pool = idle.database.pool('app');
    const ledger = createLedger(pool);
    const worker = randomUUID();
    await pool.query(`insert into worker (id, lock_id, name) values ($1, nextval('worker_lock')::int, 'test')`, [
      worker,
    ]);
    const leaseOf = ({ run, strand }: Claimed) => ({
      workspaceId: run.workspaceId,
      strand: strand.id,
      worker,
      token: strand.token,
    });
    const stateOf = async (node: string) =>
      (await idle.database.admin.query<{ state: string }>('select state from strand where node = $1', [node])).rows[0]
        ?.state;
    const settle = async (claimed: Claimed) => {
      const { node } = claimed.strand;
      const row = { node, path: [], state: 'skipped' as const, attempt: 1 };
      const { strands, counted } = strandsOf(
        plan,
        advance.tokensOf(plan, node, [], { state: 'skipped', cause: null, outputs: {} }),
      );
      await ledger.advance(leaseOf(claimed), claimed.run.id, {
        steps: [row],
        strands,
        tokens: counted,
        made: [],
        troubles: 0,
        goOn: null,
        room: {},
        chain: false,
        loads: true,
      });
    };
    const claim = () => ledger.claim('light', worker, 8, []);
    for (const isLate of [false, true]) {
      await idle.start(graph);
      const branches = await claim();
      expect(branches.map(({ strand }) => strand.node).sort()).toEqual(['one', 'two']);
      await settle(branches[0]!);
      const [meet] = await claim();
      expect(meet!.strand.node).toBe('meet');
      const pending = [{ node: branches[1]!.strand.node, path: [] }];
      if (!isLate) await settle(branches[1]!);
      await ledger.awaitOthers(leaseOf(meet!), meet!.run.id, { until: 'infinity', why: 'Waits.', pending });
      if (isLate) {
        expect(await stateOf('meet')).toBe('waiting');
        await settle(branches[1]!);
      }
      expect(await stateOf('meet')).toBe('ready');
      const [again] = await claim();
      await settle(again!);
    }
  } finally {
    await idle.close();
  }
});
