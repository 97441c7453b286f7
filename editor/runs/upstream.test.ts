/** Tests of finding what a node's times refer to. */
import { expect, test } from 'vitest';
import type { ManifestJson, PortType } from '../../nodes/contract.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { nearestUpstream } from './upstream.ts';

const manifest = (id: string, outputs: Record<string, [PortType, boolean]>): ManifestJson => ({
  id,
  version: '1.0.0',
  title: id,
  help: '',
  icon: 'film',
  family: 'other',
  aliases: [],
  shape: 'step',
  effect: 'pure',
  weight: 'light',
  reuseForSeconds: 0,
  inputs: {},
  outputs: Object.fromEntries(
    Object.entries(outputs).map(([name, [type, list]]) => [
      name,
      { type, list, optional: false, title: null, help: null },
    ]),
  ),
  config: {},
  capabilities: {},
  fields: [],
  example: {},
  exports: ['run'],
});
const catalogue = [
  manifest('media.ingest', { recording: ['media', false] }),
  manifest('sound.clean', { recording: ['media', false] }),
  manifest('speech.transcribe', { transcript: ['transcript', false] }),
  manifest('text.chunk', { segments: ['segment', true] }),
];
const edge = (from: string, port: string, to: string) => ({
  id: `${from}-${to}`,
  from: { node: from, port },
  to: { node: to, port: 'in' },
});
const graph: Graph = {
  format: 1,
  nodes: [
    ['ingest', 'media.ingest'],
    ['clean', 'sound.clean'],
    ['transcribe', 'speech.transcribe'],
    ['chunk', 'text.chunk'],
  ].map(([id, type]) => ({ id: id!, type: type!, version: '1.0.0', name: id!, position: { x: 0, y: 0 }, config: {} })),
  edges: [
    edge('ingest', 'recording', 'clean'),
    edge('clean', 'recording', 'transcribe'),
    edge('ingest', 'recording', 'chunk'),
    edge('transcribe', 'transcript', 'chunk'),
  ].slice(0, 4),
  inputs: [],
  sections: [],
  notes: [],
};

test('the recording nearest before a node is found through nodes that carry none', () => {
  const chain = { ...graph, edges: graph.edges.filter(({ id }) => id !== 'ingest-chunk') };
  expect(nearestUpstream(chain, catalogue, 'chunk', ['media'])).toEqual({
    node: 'clean',
    port: 'recording',
    type: 'media',
  });
  expect(nearestUpstream(graph, catalogue, 'chunk', ['media'])?.node).toBe('ingest');
});

test('a list is no single thing that times could refer to', () => {
  const after: Graph = {
    ...graph,
    nodes: [...graph.nodes, { ...graph.nodes[0]!, id: 'last', name: 'last' }],
    edges: [edge('chunk', 'segments', 'last')],
  };
  expect(nearestUpstream(after, catalogue, 'last', ['segment'])).toBeNull();
});

test('a loop of wires does not loop the search', () => {
  const loop = {
    ...graph,
    edges: [edge('clean', 'recording', 'transcribe'), edge('transcribe', 'transcript', 'clean')],
  };
  expect(nearestUpstream(loop, catalogue, 'clean', ['segment'])).toBeNull();
});
