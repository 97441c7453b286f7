/** Tests of the line that says what a run came to. */
import { expect, test } from 'vitest';
import type { ManifestJson, PortType } from '../nodes/contract.ts';
import { countsOf } from '../tests/support/run-views.ts';
import { outcomeOf } from './run-outcome.ts';
import type { NodeView, RunView } from './run-view.ts';

const manifest = (type: PortType, list = false) => ({ outputs: { out: { type, list } } }) as unknown as ManifestJson;
const MANIFESTS = new Map([
  ['ingest', manifest('media')],
  ['clean', manifest('media')],
  ['chunk', manifest('segment', true)],
  ['clip', manifest('clip')],
  ['thumbnail', manifest('image')],
  ['showcase', manifest('post')],
]);

function told(
  state: RunView['state'],
  summary: string,
  made: Record<string, Partial<NodeView['counts']>>,
  dryRun = false,
): string {
  const types = Object.keys(made);
  const graph = {
    format: 1,
    nodes: types.map((type) => ({ id: type, type, name: type, config: {}, position: { x: 0, y: 0 } })),
    edges: [],
    inputs: [],
    sections: [],
    notes: [],
  } as unknown as RunView['graph'];
  const nodes = types.map((type) => ({ nodeId: type, counts: countsOf({ total: 6, ...made[type] }), preview: null }));
  return outcomeOf({ state, dryRun, summary, graph, nodes }, MANIFESTS);
}

test('a run that succeeded says how many clips there are, made or reused, and that they are published', () => {
  const made = { ingest: { done: 1 }, clip: { done: 2, reused: 4 }, thumbnail: { done: 6 }, showcase: { done: 1 } };
  expect(told('succeeded', 'Finished.', made)).toBe('6 clips, published.');
});

test('a rehearsal says that nothing was published', () => {
  expect(told('succeeded', 'Finished.', { clip: { done: 1 }, showcase: { done: 1 } }, true)).toBe(
    '1 clip, nothing published.',
  );
});

test('a run without clips is told by the last thing it made; the same recording passed on counts once', () => {
  expect(told('succeeded', 'Finished.', { ingest: { done: 1 }, clean: { done: 1 } })).toBe('1 recording.');
  expect(told('succeeded', 'Finished.', { ingest: { done: 1 }, thumbnail: { done: 3 } })).toBe('3 pictures.');
});

test('problems and a stop say what went wrong and what is kept', () => {
  const made = { ingest: { done: 1 }, clip: { done: 3 }, showcase: {} };
  expect(told('problems', 'Finished; Showcase failed.', made)).toBe('3 clips; Showcase failed.');
  expect(told('problems', 'Finished with problems.', made)).toBe('3 clips; with problems.');
  expect(told('cancelled', 'Cancelled.', made)).toBe('Cancelled; kept: 3 clips.');
  expect(told('cancelled', 'Cancelled.', { ingest: {} })).toBe('Cancelled.');
});

test('a run at work says who works', () => {
  expect(told('running', 'Clip at work.', { clip: { done: 3 } })).toBe('Clip at work.');
});
