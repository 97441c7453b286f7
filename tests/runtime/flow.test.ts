/** The nodes that shape a run, in real runs: what they let through, bring together, sort out and end. */
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Policy } from '../../runtime/graph/graph.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { markingMedia, marks } from './marks.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ own: true });
});
afterAll(() => bench.close());

const config = (value: unknown) => JSON.stringify(value);
async function run(nodes: string[], wires: string[]) {
  const id = await bench.start(graphOf(nodes, wires), { nonce: crypto.randomUUID() });
  return { id, end: await bench.ended(id) };
}

test('Filter leaves holes: later items keep their numbers, and a gather leaves out what is not there', async () => {
  const { id, end } = await run(
    [
      'numbers {"count":4}',
      `keep2:flow.filter ${config({ conditions: [{ field: '', test: 'is more than', value: '2' }] })}`,
      'shout',
      'join',
    ],
    ['numbers.items > keep2.item', 'keep2.kept > shout.text', 'shout.text > join.texts'],
  );
  expect(end.run.state).toBe('succeeded');
  expect((await bench.steps(id, 'shout')).map(({ path, state }) => [path.join(), state])).toEqual([
    ['0', 'skipped'],
    ['1', 'skipped'],
    ['2', 'done'],
    ['3', 'done'],
  ]);
  expect(await bench.value(id, 'join', 'text')).toMatch(/^3.*4/s);
});

test('Route sends each item down the first rule that fits, and its branches may meet again in one port', async () => {
  const rules = [
    { name: 'big', title: 'Big', field: '', test: 'is more than', value: '2' },
    { name: 'one', title: 'One', field: '', test: 'is', value: '1' },
  ];
  const { id, end } = await run(
    [
      'numbers {"count":3}',
      `way:flow.route ${config({ rules })}`,
      'loud:shout {"mark":"!"}',
      'soft:shout {"mark":"?"}',
      'last:shout {"mark":"."}',
      'join',
    ],
    [
      'numbers.items > way.item',
      'way.big > loud.text',
      'way.one > soft.text',
      'way.otherwise > soft.text',
      'way.otherwise > last.text',
      'soft.text > join.texts',
    ],
  );
  expect(end.run.state).toBe('succeeded');
  const states = async (node: string) => (await bench.steps(id, node)).map(({ state }) => state);
  expect(await states('loud')).toEqual(['skipped', 'skipped', 'done']);
  expect(await states('soft')).toEqual(['done', 'done', 'skipped']);
  expect(await states('last')).toEqual(['skipped', 'done', 'skipped']);
});

test('Split makes a list of lines, Collect sorts and shortens it', async () => {
  const { id } = await run(
    [
      `text:flow.code ${config({ code: 'return "2\\n3\\n\\n1";', inputs: [], outputs: [{ name: 'out', type: 'text' }] })}`,
      'lines:flow.split',
      `num:flow.code ${config({ code: 'const n: number = Number(line); return { n };', inputs: [{ name: 'line', type: 'text' }] })}`,
      'top:flow.collect {"sortBy":"n","most":2}',
    ],
    ['text.out > lines.value', 'lines.texts > num.line', 'num.result > top.items'],
  );
  expect(await bench.value(id, 'top', 'items')).toEqual([{ n: 3 }, { n: 2 }]);
  expect(await bench.value(id, 'top', 'count')).toBe(2);
});

test('Pair brings two lists together, and what follows has both items at one place', async () => {
  const both = config({
    code: "return a + '-' + b;",
    inputs: [
      { name: 'a', type: 'text' },
      { name: 'b', type: 'text' },
    ],
    outputs: [{ name: 'out', type: 'text' }],
  });
  const { id, end } = await run(
    [
      'x:numbers {"count":2}',
      'y:numbers {"count":2,"prefix":"n"}',
      'pair:flow.pair {"by":"every"}',
      `both:flow.code ${both}`,
      'join',
    ],
    ['x.items > pair.a', 'y.items > pair.b', 'pair.a > both.a', 'pair.b > both.b', 'both.out > join.texts'],
  );
  expect(end.run.state).toBe('succeeded');
  expect((await bench.steps(id, 'both')).map(({ outputs }) => outputs.out?.value)).toEqual([
    '1-n1',
    '1-n2',
    '2-n1',
    '2-n2',
  ]);
});

test('lists of different length are refused by place unless the rest may be left out', async () => {
  const nodes = (uneven: string) => [
    'x:numbers {"count":2}',
    'y:numbers {"count":3}',
    `pair:flow.pair {"uneven":"${uneven}"}`,
  ];
  const wires = ['x.items > pair.a', 'y.items > pair.b'];
  const refused = await run(nodes('refuse'), wires);
  expect((await bench.steps(refused.id, 'pair'))[0]!.error).toMatchObject({ code: 'PAIR_UNEVEN' });
  const shortened = await run(nodes('shorten'), wires);
  expect(await bench.value(shortened.id, 'pair', 'b')).toEqual(['1', '2']);
});

test('Code is held to the outputs it names, says its own errors, and has nothing but its inputs', async () => {
  const failing = async (settings: Record<string, unknown>) => {
    const { id } = await run([`code:flow.code ${config({ inputs: [], ...settings })}`], []);
    return (await bench.steps(id, 'code'))[0]!.error;
  };
  expect(await failing({ code: 'return 3;', outputs: [{ name: 'out', type: 'text' }] })).toMatchObject({
    code: 'NODE_BAD_OUTPUT',
    message: expect.stringContaining('out'),
  });
  expect(await failing({ code: 'return {' })).toMatchObject({ code: 'CODE_SYNTAX' });
  expect(await failing({ code: 'const a: number = null!; return a.b.c;' })).toMatchObject({
    code: 'CODE_THREW',
    message: expect.stringContaining('TypeError'),
  });
  expect(await failing({ code: 'return { a: 1, other: 2 };', outputs: [{ name: 'a' }, { name: 'b' }] })).toMatchObject({
    code: 'NODE_BAD_OUTPUT',
    message: expect.stringContaining('"other"'),
  });
  expect(await failing({ code: "return require('fs');" })).toMatchObject({ code: 'CODE_THREW' });
  expect(await failing({ code: "return fetch('https://example.com');" })).toMatchObject({ code: 'CODE_THREW' });
  expect(await failing({ code: 'return process.env;' })).toMatchObject({ code: 'CODE_THREW' });
});

test('Stop ends the run at once: what had not begun is left out and counted, and says who ended it', async () => {
  const { id, end } = await run(
    [
      'numbers',
      'shout',
      'stop:flow.stop {"reason":"nothing good enough"}',
      `slow:flow.code ${config({ inputs: [{ name: 'text', type: 'text' }], outputs: [{ name: 'text', type: 'text' }], code: 'let sum = 0; for (let i = 0; i < 3e8; i++) sum += i; return text + sum;' })}`,
      'after:shout',
      'join',
    ],
    [
      'numbers.items > stop.when',
      'numbers.items > shout.text',
      'shout.text > join.texts',
      'join.text > slow.text',
      'slow.text > after.text',
    ],
  );
  expect(end.run.state).toBe('stopped');
  const steps = (await Promise.all(end.nodes.map(({ nodeId }) => bench.steps(id, nodeId)))).flat();
  const stopped = steps.find((step) => step.nodeId === 'stop' && step.state === 'done')!;
  expect(stopped.facts).toContainEqual({ name: 'reason', value: 'nothing good enough' });
  // the first of a list; the other items are given up with the rest
  expect(
    steps
      .filter((step) => step.nodeId === 'stop')
      .map(({ state }) => state)
      .sort(),
  ).toEqual(['cancelled', 'cancelled', 'done']);
  expect(stopped.facts.find(({ name }) => name === 'spared')?.value).toMatch(/^\d+ steps left out$/);
  expect(steps.filter((step) => step.nodeId === 'after' && step.state === 'done')).toEqual([]);
  for (const step of steps.filter(({ state }) => state === 'cancelled')) {
    expect(step.reason).toBe('stop ended the run: nothing good enough');
  }
});

test('Join waits for all branches and gives on those that have something; Set gives values of their types', async () => {
  const values = [
    { name: 'way1', title: 'Word', type: 'text', value: 'a word' },
    { name: 'way2', title: 'Most', type: 'number', value: '2,5' },
    { name: 'way3', title: 'Data', type: 'json', value: '{"a":[1]}' },
  ];
  const { id, end } = await run(
    [
      `set:flow.set ${config({ values })}`,
      `none:flow.filter ${config({ conditions: [{ field: '', test: 'is', value: 'something else' }] })}`,
      'all:flow.join',
    ],
    ['set.way1 > none.item', 'none.kept > all.first', 'none.rest > all.second', 'set.way1 > all.third'],
  );
  expect(end.run.state).toBe('succeeded');
  expect(await bench.value(id, 'all', 'items')).toEqual(['a word', 'a word']);
  expect(await bench.value(id, 'set', 'way2')).toBe(2.5);
  expect(await bench.value(id, 'set', 'way3')).toEqual({ a: [1] });
  const wrong = await run(
    [`set:flow.set ${config({ values: [{ name: 'way1', type: 'number', value: 'many' }] })}`],
    [],
  );
  expect((await bench.steps(wrong.id, 'set'))[0]!.error).toMatchObject({ code: 'SET_MISFIT' });
});

test('a node’s own policy tries again on all errors, so often and no longer', async () => {
  const graph = graphOf([`code:flow.code ${config({ inputs: [], code: "throw new Error('not today');" })}`], []);
  graph.nodes[0]!.policy = { attempts: 3, wait: 0, on: 'all' };
  const id = await bench.start(graph, { nonce: crypto.randomUUID() });
  await bench.ended(id);
  expect((await bench.steps(id, 'code'))[0]).toMatchObject({ attempt: 3, error: { code: 'CODE_THREW' } });
  const endless = graphOf([`code:flow.code ${config({ inputs: [], code: 'for (;;);' })}`], []);
  endless.nodes[0]!.policy = { active: 1 };
  const from = Date.now();
  const stuck = await bench.start(endless, { nonce: crypto.randomUUID() });
  await bench.ended(stuck);
  expect((await bench.steps(stuck, 'code'))[0]!.error).toMatchObject({ code: 'SANDBOX_CPU' });
  expect(Date.now() - from).toBeLessThan(15_000); // its type would allow 20 s of computing
});

test('a node’s own time-out ends each attempt of its step, and the last one with its own code', async () => {
  const file = path.join(bench.folder, 'slow');
  const slow = await bench.worker({ tags: ['slow'], capabilities: [markingMedia(file, { ms: 60_000 })] });
  const start = (name: string, policy: Policy) => {
    const graph = graphOf([`numbers {"count":1,"prefix":"${name} "}`, 'work'], ['numbers.items > work.text']);
    graph.nodes[1]!.policy = { tag: 'slow', wall: 1, ...policy };
    return bench.start(graph, { nonce: crypto.randomUUID() });
  };
  const from = Date.now();
  const ids = [await start('once', { attempts: 1 }), await start('thrice', { attempts: 3, wait: 0 })];
  const pausing = await start('later', { attempts: 2, wait: 600 });
  const ends = [];
  for (const id of ids) {
    expect((await bench.ended(id)).run.state).toBe('problems');
    ends.push((await bench.steps(id, 'work'))[0]!);
  }
  const error = { code: 'SANDBOX_TIME', message: 'The node took longer than it may.', retry: 'later' };
  expect(ends).toMatchObject([
    { state: 'failed', attempt: 1, error },
    { state: 'failed', attempt: 3, error },
  ]);
  expect(Date.now() - from).toBeLessThan(15_000); // its type would allow half a day
  expect(Date.now() - from).toBeGreaterThan(3_000);
  const waiting = await bench.until(pausing, ({ nodes }) => nodes.some(({ state }) => state === 'waiting'));
  expect(waiting.nodes[1]!.reason).toBe('Trying again: The node took longer than it may.');
  const begun = (name: string) => marks(file).filter((line) => line === `begin work/${name} 1/0`).length;
  expect(['once', 'thrice', 'later'].map(begun)).toEqual([1, 3, 1]);
  await expect.poll(() => slow.held()).toBe(0);
  expect(marks(file).filter((line) => line.startsWith('end'))).toEqual([]);
  await bench.stop(slow);
}, 30_000);

test('sleeping does not count towards a node’s time-out', async () => {
  const graph = graphOf(['numbers {"count":1}', 'nap:flow.delay {"amount":0.03}'], ['numbers.items > nap.item']);
  graph.nodes[1]!.policy = { wall: 1, attempts: 1 };
  const from = Date.now();
  const id = await bench.start(graph, { nonce: crypto.randomUUID() });
  expect((await bench.ended(id)).run.state).toBe('succeeded');
  expect(Date.now() - from).toBeGreaterThan(1_500);
});
