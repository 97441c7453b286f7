import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { bytesView, type NodeState, progressView, seconds } from './progress.ts';

function terminal(isTTY: boolean, columns = 80) {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  return { output: Object.assign(stream, { isTTY, columns }) as unknown as NodeJS.WriteStream, text: () => text };
}

const node = (change: Partial<NodeState>): NodeState => ({
  nodeId: 'clip',
  state: 'running',
  counts: { total: null, done: 0, reused: 0, failed: 0 },
  progress: null,
  etaMs: null,
  note: null,
  reason: null,
  error: null,
  elapsedMs: null,
  ...change,
});
const names = new Map([
  ['transcribe', 'Transcribe'],
  ['clip', 'Clip'],
]);

test('a file gets one line for each change, and none for a repeated state', () => {
  const { output, text } = terminal(false);
  const view = progressView(names, output);
  view.update([node({ nodeId: 'transcribe', state: 'queued' })]);
  view.update([node({ progress: 0.1 }), node({ nodeId: 'transcribe', state: 'reused', reason: 'Same as run 41.' })]);
  view.update([node({ progress: 0.6 })]);
  view.update([node({ counts: { total: 5, done: 1, reused: 2, failed: 0 } })]);
  view.update([node({ state: 'done', counts: { total: 5, done: 3, reused: 2, failed: 0 }, elapsedMs: 61_400 })]);
  expect(text()).toBe(
    [
      'Clip: running',
      'Transcribe: reused, Same as run 41.',
      'Clip: running, 3 of 5',
      'Clip: done, 5 of 5, 1 min 1 s',
      '',
    ].join('\n'),
  );
});

test('a failure is told with its message and its hint', () => {
  const { output, text } = terminal(false);
  progressView(names, output).update([
    node({ state: 'failed', error: { message: 'The disk is full.', hint: 'Free 60 MB.' } }),
  ]);
  expect(text()).toBe('Clip: failed: The disk is full. Free 60 MB.\n');
});

test('a terminal is drawn in place, one row for each node, never wider than it is', () => {
  const { output, text } = terminal(true, 40);
  const view = progressView(names, output);
  view.update([node({ progress: 0.5, etaMs: 40_000 })]);
  const first = text();
  expect(first.match(/\n/g)).toHaveLength(2);
  expect(first).toContain(`Clip        ${'█'.repeat(10)}${'░'.repeat(10)}`);
  view.update([node({ progress: 0.75 })]);
  expect(text().slice(first.length).startsWith('\u001b[2A')).toBe(true);
  for (const line of stripVTControlCharacters(text()).split('\n')) expect(line.length).toBeLessThan(40);
});

test('an upload to a file says its beginning and its end, an empty one too', () => {
  const { output, text } = terminal(false);
  const draw = bytesView('Sending a.mp4', output);
  for (const sent of [0, 2e6, 5e6, 10e6]) draw(sent, 10e6);
  bytesView('Sending empty.txt', output)(0, 0);
  expect(text()).toBe(
    'Sending a.mp4: 0.0 MB of 10.0 MB\nSending a.mp4: 10.0 MB of 10.0 MB\nSending empty.txt: 0.0 MB of 0.0 MB\n',
  );
});

test.each([
  [340, '0.3 s'],
  [9_960, '10 s'],
  [59_700, '1 min 0 s'],
  [125_000, '2 min 5 s'],
])('%i ms reads as %s', (milliseconds, text) => {
  expect(seconds(milliseconds)).toBe(text);
});
