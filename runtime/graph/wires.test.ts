/** Wires, frames, config and problems: what a person may draw and is told. */
import { expect, test } from 'vitest';
import { CONVERSIONS, type ManifestJson, type PortJson, type PortType } from '../../nodes/contract.ts';
import { resolveConfig } from './config.ts';
import { convert } from './convert.ts';
import { framesOf } from './frames.ts';
import { EMPTY_GRAPH, type Graph } from './graph.ts';
import { readGraph } from './migrate.ts';
import { problems } from './validate.ts';
import { checkWire } from './wires.ts';

type Short = Record<string, string>; // 'clip', 'clip[]', 'clip?', 'clip[]?'
const ports = (short: Short): Record<string, PortJson> =>
  Object.fromEntries(
    Object.entries(short).map(([name, text]) => [
      name,
      {
        type: text.replace(/[[\]?]/g, '') as PortType,
        list: text.includes('[]'),
        optional: text.endsWith('?'),
        title: null,
        help: null,
      },
    ]),
  );
const manifest = (id: string, inputs: Short, outputs: Short, more: Partial<ManifestJson> = {}): ManifestJson => ({
  id: `test.${id}`,
  version: '1.0.0',
  title: id,
  help: '',
  icon: 'puzzle',
  family: 'other',
  aliases: [],
  shape: 'step',
  effect: 'pure',
  weight: 'light',
  reuseForSeconds: 0,
  inputs: ports(inputs),
  outputs: ports(outputs),
  config: { type: 'object', properties: {}, additionalProperties: false },
  capabilities: {},
  fields: [],
  example: { inputs: {} },
  exports: ['run'],
  ...more,
});
const CATALOGUE = [
  manifest('ingest', {}, { recording: 'media' }),
  manifest('transcribe', { recording: 'media' }, { transcript: 'transcript' }),
  manifest('chunk', { transcript: 'transcript' }, { segments: 'segment[]' }),
  manifest('clip', { recording: 'media', segment: 'segment' }, { clip: 'clip' }),
  manifest('thumbnail', { clip: 'clip' }, { sizes: 'image[]' }),
  manifest('both', { a: 'segment', b: 'clip' }, { out: 'text' }),
  manifest('publish', { clips: 'clip[]', images: 'image[]?' }, { post: 'post' }),
  manifest('route', { item: 'clip' }, { yes: 'clip', no: 'clip' }, { shape: 'route' }),
];
const graphOf = (nodes: string[], wires: string[]): Graph => ({
  ...EMPTY_GRAPH,
  nodes: nodes.map((text) => {
    const [id, type] = text.split(':') as [string, string?];
    return {
      id,
      type: `test.${type ?? id}`,
      version: '1.0.0',
      name: id[0]!.toUpperCase() + id.slice(1),
      position: { x: 0, y: 0 },
      config: {},
    };
  }),
  edges: wires.map((text, index) => {
    const [from, to] = text.split(' > ').map((end) => {
      const [node, port] = end.split('.') as [string, string];
      return { node, port };
    }) as [{ node: string; port: string }, { node: string; port: string }];
    return { id: `e${index}`, from, to };
  }),
});
const BASE = graphOf(
  ['ingest', 'transcribe', 'chunk', 'clip', 'publish', 'thumbnail'],
  [
    'ingest.recording > transcribe.recording',
    'transcribe.transcript > chunk.transcript',
    'ingest.recording > clip.recording',
    'chunk.segments > clip.segment',
  ],
);
const end = (text: string) => ({ node: text.split('.')[0]!, port: text.split('.')[1]! });
const check = (graph: Graph, from: string, to: string) => checkWire(graph, CATALOGUE, end(from), end(to));

test('a list into a single port maps, an item of a list into a list port gathers', () => {
  const without = { ...BASE, edges: BASE.edges.slice(0, 3) };
  expect(check(without, 'chunk.segments', 'clip.segment')).toEqual({ ok: true, how: 'map', conversion: null });
  expect(check(BASE, 'clip.clip', 'publish.clips')).toEqual({ ok: true, how: 'gather', conversion: null });
  expect(Object.fromEntries(framesOf(BASE, CATALOGUE))).toMatchObject({
    clip: ['chunk.segments'],
    chunk: [],
    publish: [],
  });
});

test('a wrong type is refused with what is needed and what this is', () => {
  expect(check(BASE, 'transcribe.transcript', 'publish.clips')).toEqual({
    ok: false,
    reason: 'Publish needs a clip, this is a transcript.',
  });
  expect(check(BASE, 'thumbnail.sizes', 'transcribe.recording')).toMatchObject({
    reason: 'Transcribe needs a recording, this is a list of images.',
  });
});

test('a safe conversion is allowed and named', () => {
  const graph = graphOf(['clip', 'transcribe'], []);
  expect(check(graph, 'clip.clip', 'transcribe.recording')).toMatchObject({
    ok: true,
    conversion: { chip: 'as video' },
  });
});

test('a circle, a wire to itself and an occupied port are refused', () => {
  const circle = graphOf(
    ['clip', 'transcribe', 'chunk'],
    ['transcribe.transcript > chunk.transcript', 'chunk.segments > clip.segment'],
  );
  expect(check(circle, 'clip.clip', 'transcribe.recording')).toMatchObject({
    ok: false,
    reason: expect.stringContaining('circle'),
  });
  expect(check(circle, 'clip.clip', 'clip.recording')).toMatchObject({ ok: false });
  const two = { ...BASE, nodes: [...BASE.nodes, { ...BASE.nodes[0]!, id: 'again', name: 'Again' }] };
  expect(check(two, 'again.recording', 'transcribe.recording')).toMatchObject({
    ok: false,
    reason: 'Transcribe already has a recording here. Take that wire away first.',
  });
});

test('the two branches of one Route may share a single port, anything else may not', () => {
  const graph = graphOf(['clip', 'route', 'thumbnail'], ['clip.clip > route.item', 'route.yes > thumbnail.clip']);
  expect(check(graph, 'route.no', 'thumbnail.clip')).toMatchObject({ ok: true });
  expect(check(graph, 'clip.clip', 'thumbnail.clip')).toMatchObject({ ok: false });
});

test('items of different lists do not meet, however far downstream the wire brings them together', () => {
  const graph = graphOf(
    ['chunk', 'other:chunk', 'clip', 'both'],
    ['chunk.segments > clip.segment', 'clip.clip > both.b'],
  );
  expect(check(graph, 'other.segments', 'both.a')).toEqual({
    ok: false,
    reason: 'This and what Clip gives come from different lists: use Pair.',
  });
  expect(check(graph, 'chunk.segments', 'both.a')).toMatchObject({ ok: true, how: 'map' });
});

test('a value from outside a list is broadcast', () => {
  expect(framesOf(BASE, CATALOGUE).get('clip')).toEqual(['chunk.segments']);
});

test('problems name the node, field or wire they concern', () => {
  const graph = graphOf(['publish', 'clip', 'ghost:nowhere'], ['clip.clip > publish.images']);
  const found = problems({ ...graph, nodes: [...graph.nodes, { ...graph.nodes[1]!, id: 'twin' }] }, CATALOGUE);
  const at = (code: string) =>
    found.filter((problem) => problem.code === code).map((problem) => problem.node ?? problem.edge);
  expect(at('NODE_TYPE_UNKNOWN')).toEqual(['ghost']);
  expect(at('NODE_NAME_TWICE')).toEqual(['clip', 'twin']);
  expect(at('WIRE_MISFIT')).toEqual(['e0']);
  expect(found).toContainEqual(
    expect.objectContaining({ code: 'INPUT_MISSING', node: 'publish', message: 'Publish needs a list of clips.' }),
  );
});

test('a promoted field may be empty in a draft and not in a run', () => {
  const needs = manifest(
    'needs',
    {},
    {},
    {
      config: {
        type: 'object',
        properties: { url: { type: 'string', title: 'Address' } },
        required: ['url'],
        additionalProperties: false,
      },
    },
  );
  const graph: Graph = {
    ...graphOf(['needs'], []),
    inputs: [{ name: 'url', title: 'Address', node: 'needs', field: 'url' }],
  };
  expect(problems(graph, [needs])).toEqual([]);
  expect(problems(graph, [needs], { ready: true })).toMatchObject([
    { code: 'CONFIG_INVALID', message: 'Needs: Address is missing.' },
  ]);
});

test('config gets its defaults, at every depth, and complaints by field', () => {
  const schema = {
    type: 'object',
    properties: {
      count: { type: 'integer', minimum: 3, maximum: 7, default: 5 },
      engine: { type: 'string', enum: ['auto', 'draft'], default: 'auto' },
      range: { type: 'object', properties: { from: { type: 'number', default: 1 } }, default: {} },
      where: {
        anyOf: [{ type: 'object', properties: { asset: { type: 'string' } }, required: ['asset'] }, { type: 'null' }],
      },
    },
    required: ['where'],
    additionalProperties: false,
  };
  expect(resolveConfig(schema, { where: null })).toEqual({
    config: { count: 5, engine: 'auto', range: {}, where: null },
    problems: [],
  });
  expect(resolveConfig(schema, { where: { asset: 'x' }, range: {} }).config).toMatchObject({ range: { from: 1 } });
  expect(resolveConfig(schema, { where: { asset: 4 }, count: 9, other: 1 }).problems).toEqual([
    { field: 'count', message: 'Must be at most 7.' },
    { field: 'where', message: 'Must be text.' },
    { field: 'other', message: 'Is not a setting of this node.' },
  ]);
});

test('a number may be bound by another beside it, by its default where that is not set', () => {
  const schema = {
    type: 'object',
    properties: {
      shortest: { type: 'number', title: 'Shortest', default: 8 },
      longest: { type: 'number', default: 60, above: 'shortest' },
      most: { type: 'number', default: 8, notBelow: 'shortest' },
    },
  };
  expect(resolveConfig(schema, {}).problems).toEqual([]);
  expect(resolveConfig(schema, { longest: 8, most: 8 }).problems).toEqual([
    { field: 'longest', message: 'Must be more than “Shortest”.' },
  ]);
  expect(resolveConfig(schema, { shortest: 9, longest: 'x' }).problems).toEqual([
    { field: 'longest', message: 'Must be a number.' },
    { field: 'most', message: 'Must not be below “Shortest”.' },
  ]);
});

test('every conversion that a wire may show has code', () => {
  const clip = {
    id: 'c',
    video: { asset: '0'.repeat(64), kind: 'video', mime: 'video/mp4', bytes: 1 },
    segment: { start: 0, end: 2 },
    language: 'en',
    words: [
      { text: 'Hello', start: 0, end: 1, speaker: 'a' },
      { text: 'there.', start: 1, end: 2, speaker: 'b' },
    ],
    speakers: [],
  };
  const samples: Partial<Record<PortType, unknown>> = {
    clip,
    transcript: clip,
    captions: { srt: '1' },
    number: 2,
    boolean: true,
    text: 'x',
    metrics: {},
    video: clip.video,
    audio: {},
  };
  for (const { from, to } of CONVERSIONS) expect(convert(samples[from], from, to)).toBeDefined();
  expect(convert(clip, 'clip', 'media')).toMatchObject({ of: 'c' });
  expect(convert(convert(clip, 'clip', 'transcript'), 'transcript', 'text')).toBe('Hello\n\nthere.');
});

test('a graph of a newer format is refused by name, and nonsense by a sentence', () => {
  expect(readGraph({ ...EMPTY_GRAPH, format: 2 })).toMatchObject({
    ok: false,
    message: expect.stringContaining('newer version'),
  });
  for (const value of [null, 1, [], {}, { format: 1 }]) expect(readGraph(value).ok).toBe(false);
  expect(readGraph(BASE)).toEqual({ ok: true, graph: BASE });
});
