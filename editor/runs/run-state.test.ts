/** Tests of what there is to tell of a run. */
import { expect, test } from 'vitest';
import { countsOf, nodeView, runView } from '../../tests/support/run-views.ts';
import type { NodeView, RunView } from '../run-view.ts';
import { newsOf } from './run-state.ts';

const run = (state: RunView['state'], error: NodeView['error'] = null): RunView =>
  runView({
    id: 'r1',
    number: 7,
    state,
    nodes: [nodeView({ state: 'failed', counts: countsOf({ failed: 1 }), error })],
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
