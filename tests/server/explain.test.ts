/**
 * Every run can be explained: each state that the tables allow has a sentence with its cause, and real runs say the one
 * that is true of them.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunFacts, StrandFacts } from '../../db/explain.ts';
import { createLedger, type Ledger } from '../../db/ledger.ts';
import type { RunState } from '../../db/runs.ts';
import type { InternalHost } from '../../runtime/broker.ts';
import { EXPLANATIONS, type Explanation, explain, type Situation } from '../../server/explain.ts';
import { type Bench, graphOf, openBench } from '../runtime/bench.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { call } from '../tenancy/world.ts';

/** A service that takes what is posted and never says so, nor what it has. */
const mute: InternalHost = {
  host: 'posts.test',
  handle: async () => ({ status: 503, headers: {}, body: null }),
};

let bench: Bench;
let server: TestServer;
let ledger: Ledger;
let token: string;
beforeAll(async () => {
  bench = await openBench({ idle: true, own: true, internalHosts: [mute] });
  server = await startTestServer({ database: bench.database });
  ({ token } = await server.member(bench.workspaceId, 'owner'));
  ledger = createLedger(bench.database.pool('app'));
});
afterAll(async () => {
  await server?.close();
  await bench?.close();
});

// ---------------------------------------------------------------- all states

/** The values that a check of a table allows for a column. */
async function allowed(table: string, column: string): Promise<string[]> {
  const { rows } = await bench.database.admin.query<{ text: string }>(
    `select pg_get_constraintdef(c.oid) as text from pg_constraint c
      where c.conrelid = $1::regclass and c.contype = 'c'
        and c.conkey = array[(select attnum from pg_attribute where attrelid = $1::regclass and attname = $2)]`,
    [table, column],
  );
  const values = rows.flatMap(({ text }) => [...text.matchAll(/'([a-z-]+)'::text/g)].map(([, value]) => value!));
  expect([table, column, values.length > 1]).toEqual([table, column, true]);
  return values;
}

const NOW = new Date('2026-11-24T12:00:00Z');
const LATER = new Date('2026-11-24T13:00:00Z');

/** Everything that can stand in the rows at once; a little more than can. */
async function* situations(): AsyncGenerator<Situation> {
  const runStates = (await allowed('run', 'state')) as RunState[];
  const lanes: RunFacts['lanes'][] = [
    [],
    [{ lane: 'light', places: 8, taken: 1 }],
    [{ lane: 'light', places: null, taken: 1 }],
    [
      { lane: 'light', places: 8, taken: 8 },
      { lane: 'media', places: 2, taken: 1 },
    ],
  ];
  const runs = runStates.flatMap((state) =>
    lanes.flatMap((each): RunFacts[] => {
      const base = { state, atOnce: null, ahead: null, lanes: each, now: NOW, isHeld: false, prunedAt: null };
      if (state !== 'running') return [base, { ...base, prunedAt: NOW }];
      return [
        base,
        { ...base, isHeld: true, atOnce: 1, ahead: { id: 'r', number: 7 } },
        { ...base, isHeld: true, atOnce: 2 },
      ];
    }),
  );
  const waits: StrandFacts['wait'][] = [null];
  for (const kind of await allowed('wait', 'kind'))
    for (const state of await allowed('wait', 'state'))
      for (const until of [null, LATER])
        for (const remindAt of kind === 'person' ? [null, LATER] : [null])
          waits.push({ kind, state, until, remindAt } as StrandFacts['wait']);
  const effects: StrandFacts['effect'][] = [null];
  for (const state of await allowed('effect', 'state'))
    effects.push({ state, host: 'a.example', sendBy: LATER, nextCheckAt: null } as StrandFacts['effect']);
  const strands: StrandFacts[] = [];
  for (const state of (await allowed('strand', 'state')) as StrandFacts['state'][])
    for (const lane of ['light', 'media'])
      for (const worker of state === 'leased'
        ? [null, { name: 'a:1', isAlive: true }, { name: 'a:1', isAlive: false }]
        : [null])
        for (const notBefore of state === 'waiting' ? [null, LATER, new Date(0)] : [new Date(0)])
          for (const [making, child] of [
            [null, null],
            [{ runId: 'r', runNumber: 3 }, null],
            [null, { runId: 'c', runNumber: 4, startedAt: NOW }],
          ] as const)
            for (const wait of waits)
              for (const effect of effects)
                for (const [attempts, deaths] of [
                  [0, 0],
                  [2, 0],
                  [1, 1],
                ] as const)
                  for (const reason of [null, 'Said by the node.'])
                    strands.push({
                      ...{ state, lane, worker, notBefore, making, child, wait, effect, attempts, deaths, reason },
                      progress: null,
                      note: null,
                      leasedAt: NOW,
                    });
  const around = { before: ['Cut', 'Transcribe'], isEmpty: false, nameOf: (id: string) => `Node ${id}` };
  for (const run of runs) {
    yield { ...around, run, strand: null, step: null };
    yield { ...around, run, strand: null, step: null, before: [], isEmpty: true };
    for (const state of await allowed('step', 'state'))
      for (const code of ['A_CODE', 'EFFECT_UNKNOWN'])
        for (const retry of ['never', 'later', 'person'] as const)
          for (const [isReused, isCorrected] of [
            [false, false],
            [true, false],
            [true, true],
          ] as const)
            for (const reason of [null, 'Said in the row.'])
              for (const cause of [null, 'n1@0'])
                yield {
                  ...around,
                  run,
                  strand: null,
                  step: {
                    ...{ state, reason, cause, isReused, isCorrected },
                    reusedNumber: 4,
                    error: state === 'failed' ? { code, message: 'It broke.', hint: null, retry } : null,
                  },
                };
    if (run.state === 'running') for (const strand of strands) yield { ...around, run, strand, step: null };
  }
}

test('every state that the tables allow is explained, and every explanation is met', async () => {
  const met = new Map<string, number>();
  for await (const situation of situations()) {
    const told = explain(situation);
    met.set(told.code, (met.get(told.code) ?? 0) + 1);
    if (told.code === 'unexplained' || !/^[A-Z].*\.$/.test(told.text)) {
      throw new Error(`${told.code}: "${told.text}" of ${JSON.stringify(situation)}`);
    }
    // what sleeps until a time says which
    const { strand, run } = situation;
    if (strand?.state === 'waiting' && strand.notBefore === LATER && ['retry', 'pause'].includes(told.code))
      expect([told.code, told.next]).toEqual([told.code, LATER.toISOString()]);
    if (told.code === 'held') expect(run.isHeld).toBe(true);
  }
  const unmet = EXPLANATIONS.filter((code) => code !== 'unexplained' && !met.has(code));
  expect(unmet).toEqual([]);
});

test('a state that nobody thought of is not given a wrong reason', async () => {
  for await (const situation of situations()) {
    if (!situation.strand) continue;
    const strand = { ...situation.strand, state: 'dreaming' as 'ready' };
    expect(explain({ ...situation, strand }).code).toBe('unexplained');
    break;
  }
});

// ---------------------------------------------------------------- real runs

type Answer<T> = { result: { data: T } };
async function ask<T>(name: string, input: Record<string, unknown>): Promise<T> {
  const answer = await call(server, name, 'query', { workspaceId: bench.workspaceId, ...input }, { token });
  expect([name, answer.code]).toEqual([name, null]);
  return (JSON.parse(answer.text) as Answer<T>).result.data;
}
/** As `runs.step` and `runs.steps` tell it; both the same. */
async function told(runId: string, nodeId: string, path: number[] = []): Promise<Explanation> {
  const { items } = await ask<{ items: { path: number[]; explanation: Explanation }[] }>('runs.steps', {
    runId,
    nodeId,
  });
  const one = await ask<{ explanation: Explanation }>('runs.step', { runId, nodeId, path });
  expect(items.find((item) => item.path.join() === path.join())?.explanation).toEqual(one.explanation);
  return one.explanation;
}
/** As the run page tells it of a node that may not have begun. */
async function ofNode(runId: string, nodeId: string): Promise<Explanation> {
  const run = await ask<{ nodes: { nodeId: string; explanation: Explanation }[] }>('runs.get', { runId });
  return run.nodes.find((node) => node.nodeId === nodeId)!.explanation;
}
const query = (text: string, values: unknown[] = []) => bench.database.admin.query(text, values);
const TWO = graphOf(['numbers { "count": 1 }', 'work'], ['numbers.items > work.text']);
const say = `say:flow.code ${JSON.stringify({ code: "return { title: 'A' };", inputs: [] })}`;
const nonce = () => ({ nonce: randomUUID() });

describe('without a worker', () => {
  let worker: string;
  const hire = (tags: string[], slots: Record<string, number>) =>
    query(
      `insert into worker (id, lock_id, name, tags, facts) values ($1, nextval('worker_lock')::int, 'shed:12', $2, $3)`,
      [worker, tags, { slots }],
    );
  const keepBeating = () => query('update worker set beat_at = clock_timestamp() where id = $1', [worker]);
  const clear = async () => {
    await query(`update run set state = 'cancelled', ended_at = now() where state = 'running'`);
    await query('delete from strand');
    await query('delete from reuse');
    await query('delete from worker');
    worker = randomUUID();
  };
  beforeAll(clear);
  afterAll(clear);

  test('a step says that nobody works, that nobody has its tag, or that every place is taken', async () => {
    const runId = await bench.start(TWO, nonce());
    expect(await told(runId, 'numbers')).toMatchObject({
      ...{ code: 'no-worker', text: 'No worker is running.', act: { kind: 'health' } },
    });
    expect(await ofNode(runId, 'work')).toMatchObject({ code: 'not-begun', text: 'Waits for numbers.' });
    await hire(['media'], { media: 1 });
    expect(await told(runId, 'numbers')).toMatchObject({
      ...{ code: 'no-worker-with-tag', text: 'No worker with the tag light is running.' },
    });
    await clear();
    const [one, two] = [await bench.start(TWO, nonce()), await bench.start(TWO, nonce())];
    await hire(['light', 'media'], { light: 1, media: 1 });
    expect((await told(one, 'numbers')).code).toBe('ready');
    await ledger.claim('light', worker, 1, []);
    expect(await told(two, 'numbers')).toMatchObject({
      ...{ code: 'no-place', text: 'Waits for its turn: the one place for light steps is taken.' },
    });
  });

  test('a step at work names its worker and since when; one whose worker is gone says who takes over', async () => {
    await clear();
    await hire(['light', 'media'], { light: 8, media: 1 });
    const runId = await bench.start(TWO, nonce());
    await ledger.claim('light', worker, 1, []);
    const running = await told(runId, 'numbers');
    expect(running).toMatchObject({ code: 'running', text: 'At work on worker shed:12.' });
    expect(Math.abs(Date.parse(running.since!) - Date.now())).toBeLessThan(5_000);
    await query(`update worker set beat_at = now() - interval '10 seconds'`);
    expect(await told(runId, 'numbers')).toMatchObject({
      ...{ code: 'worker-lost', text: 'The worker shed:12 does not answer; another takes over within seconds.' },
    });
    await ledger.reap();
    worker = randomUUID();
    await hire(['light', 'media'], { light: 8, media: 1 });
    expect(await told(runId, 'numbers')).toMatchObject({ code: 'taken-over', text: 'Its worker ended; going on.' });
  });

  test('a held run names the run it waits for, and goes to it', async () => {
    await clear();
    await hire(['light', 'media'], { light: 8, media: 1 });
    const limited = { ...TWO, limits: { atOnce: 1, by: 'pipeline' as const } };
    const pipelineId = await bench.pipeline(limited);
    const first = await bench.start(limited, { ...nonce(), pipelineId });
    const second = await bench.start(limited, { ...nonce(), pipelineId });
    const { run } = await bench.look(first);
    const held = {
      ...{ code: 'held', text: `Waits for run ${run.number} to end: at most 1 at a time.` },
      act: { kind: 'run', runId: first },
    };
    expect(await told(second, 'numbers')).toMatchObject(held);
    expect(await ofNode(second, 'work')).toMatchObject({ code: 'not-begun', text: 'Waits for numbers.' });
  });

  test('a step that waits for what another run makes names that run', async () => {
    await clear();
    await hire(['light', 'media'], { light: 8, media: 8 });
    await keepBeating();
    const [one, two] = [await bench.start(TWO, nonce()), await bench.start(TWO, nonce())];
    const claimed = await ledger.claim('light', worker, 2, []);
    const leaseOf = (runId: string) => {
      const { strand } = claimed.find(({ run }) => run.id === runId)!;
      return { workspaceId: bench.workspaceId, strand: strand.id, worker, token: strand.token };
    };
    const wanted = [{ path: [], key: 'the-same', maxAge: null }];
    await ledger.takeKeys(leaseOf(one), wanted, true);
    await ledger.takeKeys(leaseOf(two), wanted, true);
    const { run } = await bench.look(one);
    expect(await told(two, 'numbers')).toMatchObject({
      ...{ code: 'wait-result', text: `Waits for run ${run.number}, which is making the same.` },
      act: { kind: 'run', runId: one },
    });
  });

  test('an act on its way says to whom and until when', async () => {
    await clear();
    await hire(['light', 'media'], { light: 8, media: 1 });
    const runId = await bench.start(graphOf(['numbers { "count": 1 }'], []), nonce());
    await ledger.claim('light', worker, 1, []);
    await bench.inside((tx) =>
      sql`insert into effect (key, brand_id, run_id, node, path, name, kind, request, content_digest, state, token, send_by)
          values ('k', ${bench.brandId}, ${runId}, 'numbers', '{}', 'post', 'test', '{"host":"posts.example"}', 'd', 'sending', 1,
                  now() + interval '8 seconds')`.execute(tx),
    );
    const sending = await told(runId, 'numbers');
    expect(sending).toMatchObject({ code: 'sending', text: 'Sending to posts.example, on worker shed:12.' });
    expect(Date.parse(sending.next!)).toBeGreaterThan(Date.now());
  });
});

describe('with a worker', () => {
  beforeAll(async () => {
    await bench.worker();
  });

  test('what sleeps says for what, until when and where it is answered', async () => {
    const runId = await bench.start(
      graphOf(
        [say, 'nap:flow.delay {"amount":60}', 'ask:flow.approve {}', 'call:flow.hook {}', 'after:flow.code {}'],
        ['say.result > nap.item', 'say.result > ask.item', 'say.result > call.item', 'ask.approved > after.input'],
      ),
      nonce(),
    );
    await bench.until(runId, ({ nodes }) => nodes.filter(({ state }) => state === 'waiting').length === 3);
    const nap = await told(runId, 'nap');
    expect(nap).toMatchObject({ code: 'wait-time', text: 'Goes on 60 minutes after it came here.', act: null });
    expect(Math.round((Date.parse(nap.next!) - Date.now()) / 60_000)).toBe(60);
    expect(await told(runId, 'ask')).toMatchObject({ code: 'wait-person', act: { kind: 'answer' } });
    const remindAt = new Date(Date.now() + 3_600_000);
    await bench.inside((tx) =>
      tx
        .updateTable('wait')
        .set({ notify_at: remindAt })
        .where('run_id', '=', runId)
        .where('node', '=', 'ask')
        .execute(),
    );
    expect(await told(runId, 'ask')).toMatchObject({ code: 'wait-reminder', next: remindAt.toISOString() });
    expect(await told(runId, 'call')).toMatchObject({ code: 'wait-hook', act: { kind: 'answer' } });
    expect(await ofNode(runId, 'after')).toMatchObject({ code: 'not-begun', text: 'Waits for ask.' });
    const answer = await call(server, 'runs.cancel', 'mutation', { workspaceId: bench.workspaceId, runId }, { token });
    expect(answer.code).toBeNull();
    expect(await told(runId, 'ask')).toMatchObject({ code: 'cancelled', text: 'Cancelled by owner.' });
    expect(await ofNode(runId, 'after')).toMatchObject({
      ...{ code: 'never-begun', text: 'The run was cancelled before this began.' },
    });
  });

  test('a join that need not have all its branches names those it waits for, and until when', async () => {
    const nothing = `nothing:flow.code ${JSON.stringify({ code: 'return undefined;', inputs: [] })}`;
    const runId = await bench.start(
      graphOf(
        [say, nothing, 'nap:flow.delay {"amount":60}', 'one:flow.join {"until":"first"}', 'all:flow.join {"amount":2}'],
        [
          ...['say.result > nap.item', 'nothing.result > one.first', 'nap.item > one.second'],
          ...['say.result > all.first', 'nap.item > all.second'],
        ],
      ),
      nonce(),
    );
    await bench.until(runId, ({ nodes }) => nodes.filter(({ state }) => state === 'waiting').length === 3);
    expect(await told(runId, 'one')).toMatchObject({ code: 'wait-steps', text: 'Waits for nap.', next: null });
    const timed = await told(runId, 'all');
    expect(timed).toMatchObject({ code: 'pause', text: 'Waits for nap.' });
    expect(Math.round((Date.parse(timed.next!) - Date.now()) / 60_000)).toBe(120);
  });

  test('what has ended says how, and from where it came', async () => {
    const graph = graphOf(
      [
        'numbers { "count": 3 }',
        'shout { "failOn": "2", "leaveOut": "3" }',
        'more:shout',
        'none:numbers { "count": 0 }',
        'every:shout',
      ],
      ['numbers.items > shout.text', 'shout.text > more.text', 'none.items > every.text'],
    );
    const key = nonce();
    const first = await bench.ended(await bench.start(graph, key));
    const { id } = first.run;
    const texts = await Promise.all([0, 1, 2].flatMap((at) => [told(id, 'shout', [at]), told(id, 'more', [at])]));
    expect(texts.map(({ code, text }) => [code, text])).toEqual([
      ['done', 'Done.'],
      ['done', 'Done.'],
      ['failed', 'I will not say 2.'],
      ['blocked', 'Waits for shout, which failed.'],
      ['done', 'Done.'],
      ['skipped', 'There was no text.'],
    ]);
    expect(texts[3]!.act).toEqual({ kind: 'node', nodeId: 'shout' });
    expect(await ofNode(id, 'every')).toMatchObject({ code: 'empty', text: 'The list was empty.' });
    const second = await bench.ended(await bench.start(graph, key));
    expect(await told(second.run.id, 'shout', [0])).toMatchObject({
      ...{ code: 'reused', text: `Reused from run ${first.run.number}.` },
    });
  });

  test('a step that is tried again says after what, and when', async () => {
    const graph = graphOf(['numbers { "count": 1 }', 'shout { "tireOn": "1" }'], ['numbers.items > shout.text']);
    graph.nodes[1]!.policy = { attempts: 3, wait: 600 };
    const runId = await bench.start(graph, nonce());
    await bench.until(runId, ({ nodes }) => nodes[1]!.state === 'waiting');
    const retry = await told(runId, 'shout', [0]);
    expect(retry).toMatchObject({ code: 'retry', text: 'Trying again: I am hoarse.' });
    expect(Date.parse(retry.next!)).toBeGreaterThan(Date.now() + 200_000);
  });

  test('an act that nobody knows the end of says when it is looked at again; a run that a step ended says why', async () => {
    const posting = await bench.start(
      graphOf(['numbers { "count": 1 }', 'post'], ['numbers.items > post.text']),
      nonce(),
    );
    await bench.until(posting, ({ nodes }) => nodes[1]!.state === 'waiting');
    const checked = await told(posting, 'post', [0]);
    expect(checked).toMatchObject({ code: 'effect-check', act: { kind: 'outbox' } });
    expect(checked.next).not.toBeNull();
    const stopped = await bench.start(
      graphOf(
        [say, 'nap:flow.delay {"amount":60}', 'end:flow.stop {"reason":"Enough."}'],
        ['say.result > nap.item', 'say.result > end.when'],
      ),
      nonce(),
    );
    await bench.ended(stopped);
    expect((await ofNode(stopped, 'nap')).text).toMatch(
      /^(end ended the run: Enough\.|The run was ended before this began\.)$/,
    );
  });
});
