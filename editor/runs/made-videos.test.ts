/** Tests of finding the clips among what a node made. */
import { expect, test } from 'vitest';
import type { NodeView } from '../run-view.ts';
import { madeVideos } from './made-videos.ts';

const view = (
  kind: 'list' | 'video' | 'table',
  items: NonNullable<NodeView['preview']>['items'],
  total = 2,
): NodeView => ({
  nodeId: 'clip',
  state: 'done',
  counts: {
    total,
    done: total,
    reused: 0,
    failed: 0,
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
  error: null,
  facts: [],
  preview: { kind, items, more: 0 },
  elapsedMs: null,
});
const clip = { asset: 'a1', mime: 'video/mp4', title: 'Ask', duration: 9, width: 1080, height: 1920 };

test('clips are found in a list, whether their asset is a hash or a whole one', () => {
  const whole = { title: 'Call', asset: { asset: 'a2', kind: 'video', mime: 'video/mp4', width: 1920, height: 1080 } };
  expect(madeVideos(view('list', [clip, whole]))).toEqual([
    { asset: 'a1', title: 'Ask', duration: 9, wide: false },
    { asset: 'a2', title: 'Call', duration: null, wide: true },
  ]);
});

test('pictures, words, unfinished items and a single recording are no clips', () => {
  expect(
    madeVideos(view('list', [{ asset: 'b', mime: 'image/png' }, { text: 'Hello' }, null, { state: 'queued' }])),
  ).toEqual([]);
  expect(madeVideos(view('video', [clip], 1))).toEqual([]);
  expect(madeVideos(view('table', [clip]))).toEqual([]);
  expect(madeVideos(undefined)).toEqual([]);
});
