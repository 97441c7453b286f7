/** Steps that sleep: until a time, for a call, for a person. Answers may come early, twice, late, or while nobody works. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { retrySteps } from '../../db/again.ts';
import { cancelRun } from '../../db/runs.ts';
import { answerWait, findWait, openForPeople } from '../../db/waits.ts';
import { dependentsOf, isTrouble, rebuild } from '../../runtime/graph/advance.ts';
import { type Bench, graphOf, openBench } from './bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ own: true });
});
afterAll(() => bench.close());

const nonce = () => ({ nonce: crypto.randomUUID() });
const say = `say:flow.code ${JSON.stringify({ code: "return { title: 'Darft', score: 1 };", inputs: [] })}`;
const answer = (
  runId: string,
  node: string,
  value: unknown,
  more: { path?: number[]; name?: string; kind?: 'person' | 'hook' } = {},
) =>
  bench.inside((tx) =>
    answerWait(
      tx,
      { runId, node, path: more.path ?? [] },
      { name: 'review', kind: 'person', by: null, value, ...more },
    ),
  );
const asleep = (runId: string, node: string) =>
  bench.until(runId, (snapshot) => snapshot.nodes.some((each) => each.nodeId === node && each.state === 'waiting'));
const decision = (outcome: string, edits: Record<string, string> = {}) => ({ outcome, edits, comment: '' });
const APPROVE = ['say.result > ask.item', 'ask.approved > after.input'];
const after = 'after:flow.code {}';

test('Delay goes on by itself after its time, and holds no worker meanwhile', async () => {
  const id = await bench.start(
    graphOf([say, 'nap:flow.delay {"amount":0.02}', after], ['say.result > nap.item', 'nap.item > after.input']),
    nonce(),
  );
  const waiting = await asleep(id, 'nap');
  expect(waiting.nodes.find(({ nodeId }) => nodeId === 'nap')!.reason).toBe('Goes on 0.02 minutes after it came here.');
  expect(bench.workers()[0]!.held()).toBe(0);
  const end = await bench.ended(id);
  expect(end.run.state).toBe('succeeded');
  const [step] = await bench.steps(id, 'nap');
  expect(Date.parse(step!.endedAt!) - Date.parse(step!.startedAt!)).toBeGreaterThanOrEqual(1_200);
  const [next] = await bench.steps(id, 'after');
  expect(Date.parse(next!.startedAt!) - Date.parse(step!.startedAt!)).toBeGreaterThanOrEqual(1_200);
});

test('Wait until lets what is over go on at once, and refuses a time without a zone', async () => {
  const start = (time: string) =>
    bench.start(graphOf([say, `at:flow.until {"time":"${time}"}`], ['say.result > at.item']), nonce());
  const past = await start('2020-01-01T00:00:00Z');
  expect((await bench.ended(past)).run.state).toBe('succeeded');
  const loose = await start('2027-01-01T09:00:00');
  await bench.ended(loose);
  expect((await bench.steps(loose, 'at'))[0]!.error).toMatchObject({ code: 'UNTIL_NO_TIME' });
});

test('Approve sleeps without a worker, wakes at the answer, and gives the edited item to the chosen outcome', async () => {
  const id = await bench.start(
    graphOf([say, 'ask:flow.approve {"fields":["title","score","nowhere.x"]}', after], APPROVE),
    nonce(),
  );
  await asleep(id, 'ask');
  const open = await bench.inside((tx) => openForPeople(tx, [bench.brandId]));
  expect(open.find(({ runId }) => runId === id)!.request).toMatchObject({
    outcomes: [
      { name: 'approved', title: 'Approve' },
      { name: 'rejected', title: 'Reject' },
    ],
    fields: [{ name: 'title', title: 'title', value: 'Darft' }],
    item: { title: 'Darft', score: 1 },
  });
  expect(await answer(id, 'ask', decision('approved', { title: 'Draft' }))).toBe('answered');
  const end = await bench.ended(id);
  expect(end.run.state).toBe('succeeded');
  expect(await bench.value(id, 'ask', 'approved')).toEqual({ title: 'Draft', score: 1 });
  expect(await bench.value(id, 'after', 'result')).toEqual({ title: 'Draft', score: 1 });
  expect((await bench.steps(id, 'ask'))[0]).toMatchObject({ attempt: 1 });
  expect(await bench.inside((tx) => openForPeople(tx, [bench.brandId]))).toEqual([]);
});

test('the first answer counts; a second is late, and one after the end is told so', async () => {
  const id = await bench.start(graphOf([say, 'ask:flow.approve {}', after], APPROVE), nonce());
  await asleep(id, 'ask');
  const came = await Promise.all([answer(id, 'ask', decision('rejected')), answer(id, 'ask', decision('approved'))]);
  // the second may even come after the run has ended
  expect([...came].sort()).toEqual(['answered', expect.stringMatching(/^(late|over)$/)]);
  await bench.ended(id);
  expect(await answer(id, 'ask', decision('approved'))).toBe('over');
});

test('each item of a list is asked about on its own', async () => {
  const id = await bench.start(
    graphOf(
      ['numbers {"count":3}', 'ask:flow.approve {}', 'join'],
      ['numbers.items > ask.item', 'ask.approved > join.texts'],
    ),
    nonce(),
  );
  await bench.until(id, (snapshot) =>
    snapshot.nodes.some((node) => node.nodeId === 'ask' && node.counts.waiting === 3),
  );
  expect(await answer(id, 'ask', decision('rejected'), { path: [1] })).toBe('answered');
  for (const at of [2, 0]) await answer(id, 'ask', decision('approved'), { path: [at] });
  await bench.ended(id);
  const approved = (await bench.steps(id, 'ask')).map(({ outputs }) => Object.keys(outputs)[0]);
  expect(approved).toEqual(['approved', 'rejected', 'approved']);
  expect(await bench.value(id, 'join', 'text')).not.toContain('2');
});

test('a call that comes before the step waits is kept for it', async () => {
  const id = await bench.start(
    graphOf(
      [say, 'nap:flow.delay {"amount":0.01}', 'call:flow.hook {}'],
      ['say.result > nap.item', 'nap.item > call.item'],
    ),
    nonce(),
  );
  await asleep(id, 'nap');
  expect(await answer(id, 'call', { done: true }, { name: 'call', kind: 'hook' })).toBe('answered');
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect(await bench.value(id, 'call', 'body')).toEqual({ done: true });
});

test('answers that race with going to sleep are never slept over', async () => {
  const runs = await Promise.all(
    Array.from({ length: 25 }, () => bench.start(graphOf([say, 'ask:flow.approve {}', after], APPROVE), nonce())),
  );
  await Promise.all(
    runs.map(async (id) => {
      for (;;) {
        const wait = await bench.inside((tx) => findWait(tx, { runId: id, node: 'ask', path: [], name: 'review' }));
        if (wait) break; // stored, and its step may still be on its way to sleep
      }
      expect(await answer(id, 'ask', decision('approved'))).toBe('answered');
    }),
  );
  for (const id of runs) expect((await bench.ended(id, 15_000)).run.state).toBe('succeeded');
}, 60_000);

test('nobody in time: the named outcome is taken, or the step fails and asks again when it is retried', async () => {
  const start = (settings: string) =>
    bench.start(graphOf([say, `ask:flow.approve ${settings}`, after], APPROVE), nonce());
  const taken = await start('{"hours":0.0002,"expired":"rejected"}');
  expect((await bench.ended(taken)).run.state).toBe('succeeded');
  expect((await bench.steps(taken, 'ask'))[0]!.facts).toContainEqual({
    name: 'decided',
    value: 'Reject: nobody answered in time',
  });
  const failed = await start('{"hours":0.0002}');
  expect((await bench.ended(failed)).run.state).toBe('problems');
  expect((await bench.steps(failed, 'ask'))[0]!.error).toMatchObject({ code: 'APPROVAL_EXPIRED' });
  const rules = { dependentsOf, rebuild, isTrouble } as Parameters<typeof retrySteps>[2];
  await bench.inside((tx) => retrySteps(tx, { runId: failed, nodeId: 'ask' }, rules));
  await asleep(failed, 'ask');
});

test('a question that never expires waits until somebody answers', async () => {
  const id = await bench.start(graphOf([say, 'ask:flow.approve {"hours":null}', after], APPROVE), nonce());
  await asleep(id, 'ask');
  expect(await bench.inside((tx) => openForPeople(tx, [bench.brandId]))).toContainEqual(
    expect.objectContaining({ runId: id, until: null }),
  );
  expect(await answer(id, 'ask', decision('approved'))).toBe('answered');
  expect((await bench.ended(id)).run.state).toBe('succeeded');
});

test('a cancelled run waits for nobody', async () => {
  const id = await bench.start(graphOf([say, 'ask:flow.approve {}', after], APPROVE), nonce());
  await asleep(id, 'ask');
  await bench.inside((tx) => cancelRun(tx, id, 'Cancelled.'));
  expect(await bench.inside((tx) => openForPeople(tx, [bench.brandId]))).not.toContainEqual(
    expect.objectContaining({ runId: id }),
  );
  expect(await answer(id, 'ask', decision('approved'))).toBe('over');
});

test('a worker that ends while a step sleeps changes nothing; the next one goes on with the answer', async () => {
  const id = await bench.start(graphOf([say, 'ask:flow.approve {}', after], APPROVE), nonce());
  await asleep(id, 'ask');
  await bench.stop(bench.workers()[0]!, 0);
  expect(await answer(id, 'ask', decision('approved'))).toBe('answered');
  await bench.worker();
  expect((await bench.ended(id)).run.state).toBe('succeeded');
});
