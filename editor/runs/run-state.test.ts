/** Tests of what there is to tell of a run. */
import { expect, test } from 'vitest';
import type { NodeView, RunView } from '../run-view.ts';
import { newsOf } from './run-state.ts';

const run = (state: RunView['state'], error: NodeView['error'] = null): RunView => ({
  id: 'r1',
  number: 7,
  pipelineId: 'p',
  pipelineName: 'Podcast to shorts',
  version: null,
  brandId: 'b',
  state,
  dryRun: false,
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: null,
  startedBy: null,
  progress: 0,
  etaMs: null,
  nodes: [
    {
      nodeId: 'n',
      state: 'failed',
      counts: {
        total: 1,
        done: 0,
        reused: 0,
        failed: 1,
        skipped: 0,
        blocked: 0,
        running: 0,
        waiting: 0,
        queued: 0,
        cancelled: 0,
      },
      progress: null,
      etaMs: null,
      note: null,
      reason: null,
      error,
      facts: [],
      preview: null,
      elapsedMs: null,
    },
  ],
  graph: { format: 1, nodes: [], edges: [], inputs: [], sections: [], notes: [] },
  summary: '5 clips.',
});

test('an ended run is told with its summary, a failed one as a problem, a cancelled one not at all', () => {
  expect(newsOf('w', run('succeeded'))).toMatchObject({ kind: 'ended', text: '5 clips.', href: '/w/w/runs/r1' });
  expect(newsOf('w', run('problems'))?.kind).toBe('failed');
  expect(newsOf('w', run('cancelled'))).toBeNull();
});

test('a running run is told only when a step of it needs somebody', () => {
  expect(newsOf('w', run('running'))).toBeNull();
  expect(newsOf('w', run('running', { code: 'X', message: 'It breaks.', hint: null, retry: 'later' }))).toBeNull();
  const asks = newsOf('w', run('running', { code: 'X', message: 'Reconnect it.', hint: null, retry: 'person' }));
  expect(asks).toMatchObject({ kind: 'needs-you', text: 'Reconnect it.' });
});
