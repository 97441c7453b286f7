/** Workers with tags: each takes what it is for, and what nobody takes says why. */
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Graph } from '../../runtime/graph/graph.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { markingMedia, marks } from './marks.ts';

let bench: Bench;
let file: string;
beforeAll(async () => {
  bench = await openBench({ idle: true });
  file = path.join(bench.folder, 'marks');
});
afterAll(() => bench.close());

const GRAPH = graphOf(
  ['numbers { "count": 2 }', 'work', 'shout', 'join'],
  ['numbers.items > work.text', 'work.text > shout.text', 'shout.text > join.texts'],
);
/** The same, and `work` runs on workers with the tag only. */
const tagged = (tag: string): Graph => ({
  ...GRAPH,
  nodes: GRAPH.nodes.map((node) => (node.id === 'work' ? { ...node, policy: { tag } } : node)),
});
const worker = (tags: string[]) => bench.worker({ tags, capabilities: [markingMedia(file, { ms: 20 })] });
const nodeOf = async (runId: string, id: string) =>
  (await bench.look(runId)).nodes.find(({ nodeId }) => nodeId === id)!;

test('a run that no worker takes says so, and goes on as soon as one is there', async () => {
  const runId = await bench.start(GRAPH);
  expect((await nodeOf(runId, 'numbers')).reason).toBe('No worker is running.');
  expect((await bench.steps(runId, 'numbers'))[0]!.reason).toBe('No worker is running.');

  const light = await worker(['light']);
  await bench.until(runId, ({ nodes }) => nodes.some(({ reason }) => reason?.includes('media')));
  expect(await nodeOf(runId, 'work')).toMatchObject({
    state: 'queued',
    reason: 'No worker with the tag media is running.',
  });
  expect((await bench.steps(runId, 'work')).map(({ reason }) => reason)).toEqual([
    'No worker with the tag media is running.',
    'No worker with the tag media is running.',
  ]);
  expect(marks(file)).toEqual([]);

  // the one takes media alone: what follows is left to the other
  const media = await worker(['media']);
  expect((await bench.ended(runId)).run.state).toBe('succeeded');
  const { rows } = await bench.database.admin.query('select tags from worker order by tags');
  expect(rows).toEqual([{ tags: ['light'] }, { tags: ['media'] }]);
  await bench.stop(light);
  await bench.stop(media);
});

test('a worker for media alone begins no light step, not even one that follows its own', async () => {
  const light = await worker(['light']);
  const media = await worker(['media']);
  const runId = await bench.start(GRAPH, { nonce: 'alone' });
  await bench.until(runId, ({ nodes }) => nodes.some(({ nodeId, state }) => nodeId === 'work' && state !== 'idle'));
  await bench.stop(light);
  const half = await bench.until(runId, ({ nodes }) => nodes.find(({ nodeId }) => nodeId === 'work')!.state === 'done');
  expect(half.nodes.find(({ nodeId }) => nodeId === 'join')!.state).toBe('idle');
  await bench.until(runId, ({ nodes }) => nodes.some(({ reason }) => reason?.includes('tag light')));
  const again = await worker(['light']);
  expect((await bench.ended(runId)).run.state).toBe('succeeded');
  await bench.stop(media);
  await bench.stop(again);
});

test('a node that asks for a tag waits for a worker with it, and says which', async () => {
  const plain = await worker(['light', 'media']);
  const runId = await bench.start(tagged('gpu'), { nonce: 'gpu' });
  await bench.until(runId, ({ nodes }) => nodes.some(({ reason }) => reason !== null));
  expect(await nodeOf(runId, 'work')).toMatchObject({
    state: 'queued',
    reason: 'No worker with the tag gpu is running.',
  });
  const gpu = await worker(['gpu']);
  expect((await bench.ended(runId)).run.state).toBe('succeeded');
  await bench.stop(plain);
  await bench.stop(gpu);
});
