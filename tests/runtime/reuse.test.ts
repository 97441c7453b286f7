/** What is made again and what is not, and what each node says about it. */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inWorkspace } from '../../db/workspace.ts';
import { TEST_KIT } from '../support/database.ts';
import { type Bench, graphOf, openBench, type RunSnapshot } from './bench.ts';
import { markingMedia, marks } from './marks.ts';

let bench: Bench;
let file: string;
beforeAll(async () => {
  bench = await openBench({ idle: true });
  file = path.join(bench.folder, 'marks');
  await bench.worker({ capabilities: [markingMedia(file, { ms: 150 })] });
});
afterAll(() => bench.close());

const WIRES = ['numbers.items > work.text', 'work.text > shout.text', 'shout.text > join.texts'];
const graph = (prefix: string) =>
  graphOf([`numbers { "count": 2, "prefix": "${prefix} " }`, 'work', 'shout', 'join'], WIRES);
const reasons = (snapshot: RunSnapshot) =>
  Object.fromEntries(snapshot.nodes.map((node) => [node.nodeId, [node.state, node.reason]]));
const allReusedFrom = ({ run }: RunSnapshot) =>
  Object.fromEntries(
    ['numbers', 'work', 'shout', 'join'].map((node) => [node, ['reused', `Reused from run ${run.number}.`]]),
  );
const calls = (prefix: string) =>
  marks(file).filter((line) => line.startsWith('begin') && line.includes(prefix)).length;

test('a second run of the same reuses everything and names the run it came from', async () => {
  const prefix = randomUUID();
  const first = await bench.ended(await bench.start(graph(prefix)));
  expect(reasons(first)).toEqual({
    numbers: ['done', null],
    work: ['done', null],
    shout: ['done', null],
    join: ['done', null],
  });
  const second = await bench.ended(await bench.start(graph(prefix)));
  const from = `Reused from run ${first.run.number}.`;
  expect(reasons(second)).toEqual({
    numbers: ['reused', from],
    work: ['reused', from],
    shout: ['reused', from],
    join: ['reused', from],
  });
  expect(calls(prefix)).toBe(2);
});

test('another setting makes that node and what follows again, nothing else', async () => {
  const prefix = randomUUID();
  const first = await bench.ended(await bench.start(graph(prefix)));
  const second = await bench.ended(
    await bench.start(graph(prefix), { set: [{ node: 'shout', field: 'mark', value: '?' }] }),
  );
  const from = `Reused from run ${first.run.number}.`;
  expect(reasons(second)).toEqual({
    numbers: ['reused', from],
    work: ['reused', from],
    shout: ['done', null],
    join: ['done', null],
  });
});

test('a moved and renamed node makes nothing again', async () => {
  const prefix = randomUUID();
  const first = await bench.ended(await bench.start(graph(prefix)));
  const moved = graph(prefix);
  moved.nodes = moved.nodes.map((node) => ({
    ...node,
    name: `${node.name} moved`,
    position: { x: node.position.x + 99, y: 7 },
  }));
  const second = await bench.ended(await bench.start(moved));
  expect(reasons(second)).toEqual(allReusedFrom(first));
  expect(calls(prefix)).toBe(2);
});

test('another colour of the kit makes the node that declares it again, and what follows', async () => {
  const prefix = randomUUID();
  const first = await bench.ended(await bench.start(graph(prefix)));
  const kit = { ...TEST_KIT, colors: { ...TEST_KIT.colors, primary: '#00aa55' } };
  const other = await bench.ended(await bench.start(graph(prefix), { kit }));
  expect(reasons(other)).toEqual({
    numbers: ['reused', `Reused from run ${first.run.number}.`],
    work: ['done', null],
    shout: ['done', null],
    join: ['done', null],
  });
  const unread = await bench.ended(await bench.start(graph(prefix), { kit: { ...TEST_KIT, voice: 'loud' } }));
  expect(reasons(unread)).toEqual(allReusedFrom(first));
});

test('two brands started together make a shared step once', async () => {
  const prefix = randomUUID();
  const brandId = randomUUID();
  await inWorkspace(bench.database.db('app'), bench.workspaceId, (tx) =>
    tx
      .insertInto('brand')
      .values({ id: brandId, name: 'Other', slug: `other-${brandId}`, kit: JSON.stringify(TEST_KIT) })
      .execute(),
  );
  const [one, two] = await Promise.all([bench.start(graph(prefix)), bench.start(graph(prefix), { brandId })]);
  const ended = [await bench.ended(one), await bench.ended(two)];
  expect(ended.map((each) => each.run.state)).toEqual(['succeeded', 'succeeded']);
  expect(calls(prefix)).toBe(2); // one for each of the two items
  const work = ended.flatMap((each) => each.nodes.filter((node) => node.nodeId === 'work'));
  expect(work.reduce((sum, node) => sum + node.counts.done, 0)).toBe(2);
  expect(work.reduce((sum, node) => sum + node.counts.reused, 0)).toBe(2);
  const told = work.flatMap((node) => (node.counts.reused > 0 ? [node.reason] : []));
  for (const reason of told) expect(reason).toBe('Reused from a run of another brand.');
});

test('a bench’s nonce passes every store', async () => {
  const prefix = randomUUID();
  const runId = (await bench.ended(await bench.start(graph(prefix)))).run.id;
  expect(runId).toBeTruthy();
  const second = await bench.ended(await bench.start(graph(prefix), { nonce: randomUUID() }));
  expect(second.nodes.map((node) => node.state)).toEqual(['done', 'done', 'done', 'done']);
});

test('run from a node: it and what follows are made again, whatever is stored', async () => {
  const prefix = randomUUID();
  await bench.ended(await bench.start(graph(prefix)));
  const second = await bench.ended(await bench.start(graph(prefix), { from: 'shout' }));
  expect(second.nodes.map((node) => node.state)).toEqual(['reused', 'reused', 'done', 'done']);
});

test('another build of the engine makes media again, and only what follows from other results', async () => {
  const prefix = randomUUID();
  const first = await bench.ended(await bench.start(graph(prefix)));
  const old = bench.workers()[0]!;
  await bench.stop(old);
  await bench.worker({ capabilities: [markingMedia(file, { ms: 20, engine: 'marks@2' })] });
  const second = await bench.ended(await bench.start(graph(prefix)));
  const from = `Reused from run ${first.run.number}.`;
  // work came to the same values again, so what follows is still the same
  expect(reasons(second)).toEqual({
    numbers: ['reused', from],
    work: ['done', null],
    shout: ['reused', from],
    join: ['reused', from],
  });
  expect(calls(prefix)).toBe(4);
});
