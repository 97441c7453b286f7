/**
 * "Podcast to shorts" as it ships, with the product's own nodes and capabilities, on six seconds of an interview with
 * captions inside: what another caption colour, another brand colour and a moved node make again, and what each node
 * says about it.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assetRows } from '../../db/assets.ts';
import { localStore } from '../../runtime/assets.ts';
import { allCapabilities, type Capabilities } from '../../runtime/capabilities/all.ts';
import { createFetcher } from '../../runtime/fetch.ts';
import { Graph } from '../../runtime/graph/graph.ts';
import { INTERVIEW, make } from '../media/derived.ts';
import { TEST_KIT } from '../support/database.ts';
import { type Bench, openBench, type RunSnapshot } from './bench.ts';

const CAPTIONS = `1
00:00:00,200 --> 00:00:02,600
We drove it out in the spring.

2
00:00:03,200 --> 00:00:05,600
Nobody had thought about the rain.
`;
/** What is made stays small: one clip of two seconds, one thumbnail. */
const SMALL: [node: string, config: Graph['nodes'][number]['config']][] = [
  ['chunk', { engine: 'local', least: 1, most: 1, minSeconds: 2, maxSeconds: 5 }],
  ['clip', { reframe: 'center' }],
  ['thumbnail', { template: 'split', sizes: ['wide'] }],
];

let bench: Bench;
let all: Capabilities;
let graph: Graph;
let pipelineId: string;
let first: RunSnapshot;
beforeAll(async () => {
  bench = await openBench({ idle: true, own: true });
  const db = bench.database.db('app');
  all = await allCapabilities({ db, fetcher: createFetcher(), dataDir: bench.folder, publicUrl: 'http://localhost' });
  await bench.worker({ capabilities: [...all.capabilities.values()], internalHosts: [...all.internalHosts.values()] });

  const captions = path.join(bench.folder, 'captions.srt');
  await writeFile(captions, CAPTIONS);
  const video = await make(path.join(bench.folder, 'interview.mp4'), [
    ...['-i', INTERVIEW, '-i', captions, '-t', '6', '-vf', 'scale=640:-2', '-preset', 'ultrafast'],
    ...['-map', '0:v', '-map', '0:a', '-map', '1:s', '-c:s', 'mov_text'],
  ]);
  const store = localStore(path.join(bench.folder, 'assets'), assetRows(db, bench.workspaceId));
  const { asset } = await store.putFile(video, { kind: 'video', mime: 'video/mp4', name: 'interview.mp4' });

  const template = path.join(import.meta.dirname, '../../templates/podcast-to-shorts.json');
  graph = Graph.parse((JSON.parse(await readFile(template, 'utf8')) as { graph: unknown }).graph);
  graph = withConfig(graph, 'ingest', { recording: { asset } });
  for (const [node, config] of SMALL) graph = withConfig(graph, node, config);
  pipelineId = await bench.pipeline(graph);
  first = await bench.ended(await bench.start(graph, { pipelineId }), 90_000);
}, 120_000);
afterAll(async () => {
  await bench.close();
  await all.close();
});

function withConfig(from: Graph, id: string, config: Graph['nodes'][number]['config']): Graph {
  return {
    ...from,
    nodes: from.nodes.map((node) => (node.id === id ? { ...node, config: { ...node.config, ...config } } : node)),
  };
}

/** What became of each node, and what it says about it. */
const told = (run: RunSnapshot) =>
  Object.fromEntries(run.nodes.map((node) => [node.nodeId, `${node.state}: ${node.reason ?? 'made'}`]));
const again = async (next: Graph, how: Parameters<Bench['start']>[1] = {}) =>
  told(await bench.ended(await bench.start(next, { pipelineId, ...how }), 60_000));

const FROM_THE_FIRST = 'reused: Reused from run 1.';
/** Ingest looks each time whether captions have come; a page is published each time. */
const EACH_TIME = { ingest: 'done: made', showcase: 'done: made' };
const NOTHING_NEW = {
  ...EACH_TIME,
  clean: FROM_THE_FIRST,
  transcribe: FROM_THE_FIRST,
  diarize: FROM_THE_FIRST,
  chunk: FROM_THE_FIRST,
  clip: FROM_THE_FIRST,
  captions: FROM_THE_FIRST,
  thumbnail: FROM_THE_FIRST,
};
/** Captions takes the words of a clip, which are the same; its video is another. */
const CLIP_AND_WHAT_FOLLOWS = { ...NOTHING_NEW, clip: 'done: made', thumbnail: 'done: made' };

test('the first run makes everything', () => {
  expect(told(first)).toEqual(Object.fromEntries(graph.nodes.map(({ id }) => [id, 'done: made'])));
});

test('moved nodes make nothing again', async () => {
  const moved = graph.nodes.map((node) => ({ ...node, position: { x: node.position.x + 400, y: 9 } }));
  expect(await again({ ...graph, nodes: moved })).toEqual(NOTHING_NEW);
});

test('another caption colour makes Clip and what follows again, nothing else', async () => {
  expect(await again(withConfig(graph, 'clip', { colour: '#00aa55' }))).toEqual(CLIP_AND_WHAT_FOLLOWS);
});

test('so does another colour of the brand', async () => {
  const kit = { ...TEST_KIT, colors: { ...TEST_KIT.colors, primary: '#00aa55' } };
  expect(await again(graph, { kit })).toEqual(CLIP_AND_WHAT_FOLLOWS);
});
