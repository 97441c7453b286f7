/** Tests of finding the clips among what a node made. */
import { expect, test } from 'vitest';
import { countsOf, nodeView } from '../../tests/support/run-views.ts';
import type { NodeView } from '../run-view.ts';
import { madeVideos } from './made-videos.ts';

const view = (
  kind: 'list' | 'video' | 'table',
  items: NonNullable<NodeView['preview']>['items'],
  total = 2,
): NodeView => nodeView({ state: 'done', counts: countsOf({ total, done: total }), preview: { kind, items, more: 0 } });
const clip = { path: [0], asset: 'a1', mime: 'video/mp4', title: 'Ask', duration: 9, width: 1080, height: 1920 };

test('clips are found in a list in its order, tall and wide ones', () => {
  const wide = { path: [1], asset: 'a2', mime: 'video/mp4', width: 1920, height: 1080 };
  expect(madeVideos(view('list', [clip, wide]))).toEqual([
    { asset: 'a1', title: 'Ask', duration: 9, wide: false },
    { asset: 'a2', title: '', duration: null, wide: true },
  ]);
});

test('pictures, words, unfinished items and a single recording are no clips', () => {
  const items = [
    { path: [0], asset: 'b', mime: 'image/png' },
    { path: [1], text: 'Hello' },
    { path: [2], state: 'queued' },
  ];
  expect(madeVideos(view('list', items))).toEqual([]);
  expect(madeVideos(view('video', [clip], 1))).toEqual([]);
  expect(madeVideos(view('table', [clip]))).toEqual([]);
  expect(madeVideos(undefined)).toEqual([]);
});
