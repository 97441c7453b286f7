/** Tests of how a view of a run takes in the events of its stream. */
import { expect, test } from 'vitest';
import { countsOf, nodeView, runView } from '../../tests/support/run-views.ts';
import type { NodeView, RunView } from '../run-view.ts';
import { applyRunEvent } from './run-events.ts';

const node = (nodeId: string, state: NodeView['state']): NodeView =>
  nodeView({ nodeId, state, counts: countsOf({ queued: 1 }) });
const run: RunView = runView({
  startedBy: 'Mara',
  progress: 0.1,
  etaMs: 1000,
  nodes: [node('a', 'done'), node('b', 'queued')],
});

test('changed nodes replace their old selves, and the others stay the same objects', () => {
  const next = applyRunEvent(run, {
    kind: 'nodes',
    state: 'running',
    progress: 0.5,
    etaMs: 500,
    summary: 'B at work.',
    endedAt: null,
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
    summary: '',
    endedAt: null,
    nodes: [node('c', 'queued')],
  });
  expect(next?.nodes.map(({ nodeId }) => nodeId)).toEqual(['a', 'b', 'c']);
});

const ended = {
  kind: 'nodes' as const,
  state: 'succeeded' as const,
  progress: 1,
  etaMs: null,
  summary: '6 clips.',
  endedAt: '2026-01-01T00:00:02.000Z',
  nodes: [node('b', 'done')],
};

test('the event that ends a run brings what came of it and when, so nobody is said to be at work any more', () => {
  expect(applyRunEvent({ ...run, summary: 'B at work.' }, ended)).toMatchObject({
    state: 'succeeded',
    summary: '6 clips.',
    endedAt: '2026-01-01T00:00:02.000Z',
  });
});

test('changed nodes before any snapshot show nothing rather than half a run', () => {
  expect(applyRunEvent(null, { ...ended, nodes: [] })).toBeNull();
});

test('a snapshot after a reconnect replaces everything', () => {
  const fresh = { ...run, state: 'succeeded' as const, nodes: [] };
  expect(applyRunEvent(run, { kind: 'snapshot', run: fresh })).toBe(fresh);
});
