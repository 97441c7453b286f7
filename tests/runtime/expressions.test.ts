/** Settings that take their value from what came before, through the real ledger, worker and sandbox. */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BrandKit } from '../../nodes/contract.ts';
import { TEST_KIT } from '../support/database.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { markingMedia, marks } from './marks.ts';

let bench: Bench;
let marked: string;
beforeAll(async () => {
  bench = await openBench({ idle: true });
  marked = path.join(bench.folder, 'marks');
  await bench.worker({ capabilities: [markingMedia(marked, { ms: 5 })] });
});
afterAll(() => bench.close());

const setting = (field: string, text: string) => JSON.stringify({ [field]: { $expression: { text } } });
const WIRES = ['numbers.items > shout.text', 'shout.text > join.texts'];
const shouting = (mark: string, prefix = '') =>
  graphOf([`numbers { "prefix": "${prefix}" }`, `shout ${setting('mark', mark)}`, 'join'], WIRES);

test('each item of a list has its own value of a setting, from its list, its brand and the run', async () => {
  const mark = ' ({{ item.number }}/{{ nodes.numbers.items.length }} {{ each.numbers.items }} {{ brand.name }})';
  const runId = await bench.start(shouting(mark));
  const ended = await bench.ended(runId);
  expect(ended.run.state).toBe('succeeded');
  expect(await bench.value(runId, 'join', 'text')).toBe(
    '1 (1/3 1 Test brand),2 (2/3 2 Test brand),3 (3/3 3 Test brand)',
  );
});

test('a value from further up reaches a node that is not wired to it', async () => {
  const graph = graphOf(
    ['numbers { "count": 2 }', 'shout', 'join', `last:shout ${setting('mark', 'nodes.numbers.items[1] + "?"')}`],
    [...WIRES, 'join.text > last.text'],
  );
  const runId = await bench.start(graph);
  await bench.ended(runId);
  expect(await bench.value(runId, 'last', 'text')).toBe('1!,2!2?');
});

test('what came as data is not read as an expression', async () => {
  const runId = await bench.start(shouting('each.numbers.items', '{{ brand.name }}'));
  await bench.ended(runId);
  expect(await bench.value(runId, 'shout', 'text', [0])).toBe('{{ brand.name }}1{{ brand.name }}1');
});

test('now is the instant the run began, for all of its steps', async () => {
  const runId = await bench.start(shouting('now()'));
  await bench.ended(runId);
  const { rows } = await bench.database.admin.query('select started_at from run where id = $1', [runId]);
  const now = rows[0].started_at.toISOString();
  expect(await bench.value(runId, 'join', 'text')).toBe(`1${now},2${now},3${now}`);
});

test('a step is made again only where what its expression gives is another', async () => {
  const prefix = randomUUID();
  const graph = shouting('brand.voice == "loud" ? "!!" : "!"', prefix);
  const run = async (kit: BrandKit) => bench.ended(await bench.start(graph, { kit }));
  const first = await run(TEST_KIT);
  expect(first.nodes.map((node) => node.state)).toEqual(['done', 'done', 'done']);
  // another voice, another result of the comparison's parts, the same mark
  const soft = await run({ ...TEST_KIT, voice: 'soft' });
  expect(soft.nodes.map((node) => node.state)).toEqual(['reused', 'reused', 'reused']);
  const loud = await run({ ...TEST_KIT, voice: 'loud' });
  expect(loud.nodes.map((node) => node.state)).toEqual(['reused', 'done', 'done']);
  expect(await bench.value(loud.run.id, 'shout', 'text', [0])).toBe(`${prefix}1!!`);
});

test('an expression is worth what a fixed value is worth: the same result is reused', async () => {
  const prefix = randomUUID();
  await bench.ended(await bench.start(shouting('"?" + "!"', prefix)));
  const fixed = graphOf([`numbers { "prefix": "${prefix}" }`, 'shout { "mark": "?!" }', 'join'], WIRES);
  const second = await bench.ended(await bench.start(fixed));
  expect(second.nodes.map((node) => node.state)).toEqual(['reused', 'reused', 'reused']);
});

test('a value that is not there fails that item alone, with the name of the setting and the place', async () => {
  const ended = await bench.ended(await bench.start(shouting('nodes.numbers.items[item.index + 1]')));
  expect(ended.nodes[1]!.counts).toMatchObject({ done: 2, failed: 1 });
  const failed = (await bench.steps(ended.run.id, 'shout')).find((step) => step.state === 'failed');
  expect(failed).toMatchObject({
    path: [2],
    error: {
      code: 'EXPRESSION_ABSENT',
      message: 'mark, at character 20: The list has 3 items; there is none at 3.',
      hint: 'The first is at 0. Say what holds instead with ??.',
      retry: 'never',
    },
  });
});

test('a value that does not fit fails the step before it does anything', async () => {
  const graph = graphOf(
    ['numbers { "count": 2, "prefix": "misfit" }', `work ${setting('calls', 'item.number * 5')}`],
    ['numbers.items > work.text'],
  );
  const ended = await bench.ended(await bench.start(graph));
  const steps = await bench.steps(ended.run.id, 'work');
  expect(steps.map((step) => step.state)).toEqual(['done', 'failed']);
  expect(steps[1]!.error).toMatchObject({
    code: 'EXPRESSION_MISMATCH',
    message: 'calls: Must be at most 5. The expression gave a number.',
  });
  expect(marks(marked).filter((line) => line.startsWith('begin work/misfit2'))).toEqual([]);
});

// ---------------------------------------------------------------- values that no wire brings

test('a node waits for what its settings take, without a wire', async () => {
  const graph = graphOf(
    [
      'late:shout { "mark": "-late" }',
      'numbers',
      'one:numbers { "count": 1 }',
      `shout ${setting('mark', 'nodes.sum.text')}`,
      'sum:join',
      'join',
    ],
    ['one.items > late.text', 'late.text > sum.texts', ...WIRES],
  );
  const runId = await bench.start(graph);
  expect((await bench.ended(runId)).run.state).toBe('succeeded');
  expect(await bench.value(runId, 'join', 'text')).toBe('11-late,21-late,31-late');
});

test('what a setting takes from a failed node blocks the step', async () => {
  const graph = graphOf(
    [
      'one:numbers { "count": 1 }',
      'bad:shout { "failOn": "1" }',
      'sum:join',
      'numbers',
      `shout ${setting('mark', 'nodes.sum.text ?? "none"')}`,
      'join',
    ],
    ['one.items > bad.text', 'bad.text > sum.texts', ...WIRES],
  );
  const ended = await bench.ended(await bench.start(graph));
  const states = Object.fromEntries(ended.nodes.map(({ nodeId, state }) => [nodeId, state]));
  expect(states).toMatchObject({ bad: 'failed', sum: 'blocked', shout: 'blocked', join: 'blocked' });
  const [step] = await bench.steps(ended.run.id, 'shout');
  expect(step!.cause).toBe('bad@0');
});

test('running one node alone runs what its settings take from', async () => {
  const graph = graphOf(
    [
      'one:numbers { "count": 2 }',
      'sum:join',
      'other:numbers',
      'numbers',
      `shout ${setting('mark', 'nodes.sum.text')}`,
      'join',
    ],
    ['one.items > sum.texts', ...WIRES],
  );
  const ended = await bench.ended(await bench.start(graph, { only: 'shout' }));
  expect(ended.nodes.map(({ nodeId }) => nodeId).sort()).toEqual(['numbers', 'one', 'shout', 'sum']);
  expect(await bench.value(ended.run.id, 'shout', 'text', [1])).toBe('21,2');
});

test('a value that another node now gives makes the step again', async () => {
  const prefix = randomUUID();
  const graph = (count: number) =>
    graphOf(
      [
        `one:numbers { "count": ${count} }`,
        'sum:join',
        `numbers { "prefix": "${prefix}" }`,
        `shout ${setting('mark', 'nodes.sum.text')}`,
        'join',
      ],
      ['one.items > sum.texts', ...WIRES],
    );
  const states = async (count: number) =>
    Object.fromEntries(
      (await bench.ended(await bench.start(graph(count)))).nodes.map(({ nodeId, state }) => [nodeId, state]),
    );
  await states(1);
  expect(await states(1)).toMatchObject({ numbers: 'reused', shout: 'reused' });
  expect(await states(2)).toMatchObject({ numbers: 'reused', shout: 'done', join: 'done' });
});
