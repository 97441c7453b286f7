/** Tests of how a view of a run takes in the events of its stream. */
import { expect, test } from 'vitest';
import type { NodeView, RunView } from '../run-view.ts';
import { applyRunEvent } from './run-events.ts';

const node = (nodeId: string, state: NodeView['state']): NodeView => ({
  nodeId,
  state,
  counts: {
    total: 1,
    done: 0,
    reused: 0,
    failed: 0,
    skipped: 0,
    blocked: 0,
    running: 0,
    waiting: 0,
    queued: 1,
    cancelled: 0,
  },
  progress: null,
  etaMs: null,
  note: null,
  reason: null,
  error: null,
  facts: [],
  preview: null,
  elapsedMs: null,
});
const run: RunView = {
  id: 'r',
  number: 3,
  pipelineId: 'p',
  pipelineName: 'Podcast to shorts',
  version: null,
  brandId: 'b',
  state: 'running',
  dryRun: false,
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: null,
  startedBy: 'Mara',
  progress: 0.1,
  etaMs: 1000,
  nodes: [node('a', 'done'), node('b', 'queued')],
  graph: { format: 1, nodes: [], edges: [], inputs: [], sections: [], notes: [] },
  summary: '',
};

test('changed nodes replace their old selves, and the others stay the same objects', () => {
  const next = applyRunEvent(run, {
    kind: 'nodes',
    state: 'running',
    progress: 0.5,
    etaMs: 500,
    nodes: [node('b', 'running')],
  });
  expect(next?.nodes.map(({ nodeId, state }) => [nodeId, state])).toEqual([
    ['a', 'done'],
    ['b', 'running'],
  ]);
  expect(next?.nodes[0]).toBe(run.nodes[0]);
  expect(next?.progress).toBe(0.5);
});

test('a node that was not in the snapshot is added at the end', () => {
  const next = applyRunEvent(run, {
    kind: 'nodes',
    state: 'running',
    progress: 0,
    etaMs: null,
    nodes: [node('c', 'queued')],
  });
  expect(next?.nodes.map(({ nodeId }) => nodeId)).toEqual(['a', 'b', 'c']);
});

test('changed nodes before any snapshot show nothing rather than half a run', () => {
  expect(applyRunEvent(null, { kind: 'nodes', state: 'running', progress: 0, etaMs: null, nodes: [] })).toBeNull();
});

test('a snapshot after a reconnect replaces everything', () => {
  const fresh = { ...run, state: 'succeeded' as const, nodes: [] };
  expect(applyRunEvent(run, { kind: 'snapshot', run: fresh })).toBe(fresh);
});
