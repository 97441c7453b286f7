/** What the canvas works out without drawing: the course of wires, helper lines, words of states, order of offers. */
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { defineManifest, type ManifestJson, manifestJson, port } from '../../nodes/contract.ts';
import { EMPTY_GRAPH } from '../../runtime/graph/graph.ts';
import { countsOf, nodeView } from '../../tests/support/run-views.ts';
import type { NodeView } from '../run-view.ts';
import { helperLines } from './helper-lines.ts';
import { cardTone, headState, promise, stateSentence } from './node-state.ts';
import { candidates, matchScore } from './rank.ts';
import { type Rect, rounded, routeWire } from './wire-route.ts';

const rect = (id: string, x: number, y: number, width = 184, height = 180): Rect => ({ id, x, y, width, height });
/** Points along a path made of M, L, C and Q. */
function points(path: string): { x: number; y: number }[] {
  const numbers = [...path.matchAll(/-?\d+(\.\d+)?/g)].map(Number);
  const found: { x: number; y: number }[] = [];
  for (let index = 0; index + 1 < numbers.length; index += 2)
    found.push({ x: numbers[index]!, y: numbers[index + 1]! });
  return found;
}
const inside = (point: { x: number; y: number }, box: Rect) =>
  point.x > box.x + 1 && point.x < box.x + box.width - 1 && point.y > box.y + 1 && point.y < box.y + box.height - 1;

describe('wires', () => {
  const row = [rect('a', 0, 0), rect('b', 230, 0), rect('c', 460, 0)];

  test('a wire to the right is a curve', () => {
    const { path, label } = routeWire(
      { from: { x: 189, y: 18 }, to: { x: 225, y: 18 }, source: 'a', target: 'b' },
      row,
    );
    expect(path).toContain('C');
    expect(label).toEqual({ x: 207, y: 18 });
  });

  test('a wire over another node goes around it with corners', () => {
    const { path } = routeWire({ from: { x: 189, y: 18 }, to: { x: 455, y: 18 }, source: 'a', target: 'c' }, row);
    expect(path).not.toContain('C');
    for (const point of points(path)) expect(row.some((box) => inside(point, box))).toBe(false);
  });

  test('a wire that goes back runs in the free row between', () => {
    const below = rect('d', 0, 268);
    const obstacles = [...row, below];
    const { path, label } = routeWire(
      { from: { x: 649, y: 18 }, to: { x: -5, y: 286 }, source: 'c', target: 'd' },
      obstacles,
    );
    expect(label.y).toBeGreaterThan(180);
    expect(label.y).toBeLessThan(268);
    for (const point of points(path)) expect(obstacles.some((box) => inside(point, box))).toBe(false);
  });

  test('two that go back in one row keep apart', () => {
    const obstacles = [...row, rect('d', 0, 268)];
    const ends = { from: { x: 649, y: 18 }, to: { x: -5, y: 286 }, source: 'c', target: 'd' };
    expect(routeWire(ends, obstacles, 0).label.y).not.toBe(routeWire(ends, obstacles, 1).label.y);
  });

  test('corners shrink where there is no room for ten pixels', () => {
    expect(
      rounded([
        { x: 0, y: 0 },
        { x: 6, y: 0 },
        { x: 6, y: 100 },
      ]),
    ).toBe('M0 0L3 0Q6 0 6 3L6 100');
    expect(rounded([])).toBe('');
  });
});

test('helper lines pull within six pixels, edge to edge and centre to centre only', () => {
  const other = rect('b', 300, 100);
  expect(helperLines(rect('a', 304, 400), [other])).toMatchObject({ x: 300, y: 400, lines: [{ axis: 'x', at: 300 }] });
  expect(helperLines(rect('a', 310, 400), [other]).lines).toEqual([]);
  // A left edge near another's centre is no meeting.
  expect(helperLines(rect('a', 392, 400, 300), [other]).lines).toEqual([]);
});

const counts = countsOf();
const view = (state: NodeView['state'], part: Partial<NodeView> = {}): NodeView => nodeView({ state, ...part });

describe('states', () => {
  test('the head says the state in a word, the time left before the count', () => {
    expect(headState(undefined, 0)).toBeNull();
    expect(headState(undefined, 2)).toMatchObject({ tone: 'warn', word: '2' });
    expect(headState(view('running', { etaMs: 40_000, progress: 0.5 }), 0)).toMatchObject({
      word: '40\u00a0s left',
      ring: 0.5,
    });
    expect(headState(view('running', { counts: { ...counts, total: 5, done: 2, reused: 1 } }), 0)).toMatchObject({
      word: '3 of 5',
    });
    expect(headState(view('done', { elapsedMs: 3000 }), 3)).toMatchObject({ tone: 'done', word: '3\u00a0s' });
    expect(headState(view('failed', { counts: { ...counts, total: 5, failed: 2 } }), 0)).toMatchObject({
      tone: 'bad',
      word: '2 failed',
    });
  });

  test('ring, mark and word never contradict each other', () => {
    for (const state of [
      'idle',
      'queued',
      'running',
      'waiting',
      'done',
      'reused',
      'failed',
      'blocked',
      'skipped',
      'cancelled',
    ] as const) {
      const head = headState(view(state), 0);
      expect(cardTone(view(state)) === 'failed').toBe(head?.tone === 'bad');
      expect(cardTone(view(state)) === 'running').toBe(head?.tone === 'run');
      if (head) expect(head.icon !== null || head.ring !== null).toBe(true);
    }
  });

  test('the outline says it in a sentence', () => {
    expect(stateSentence(undefined, 0)).toBe('Not run yet');
    expect(stateSentence(undefined, 1)).toBe('1 problem in its settings');
    expect(stateSentence(view('running', { counts: { ...counts, total: 5, done: 3 }, etaMs: 40_000 }), 0)).toBe(
      '3 of 5, 40\u00a0s left',
    );
  });

  test('an empty frame promises what will be there, in number', () => {
    expect(promise({ label: 'clip', list: true })).toBe('Clips appear here');
    expect(promise({ label: 'transcript', list: false })).toBe('Transcript appears here');
    expect(promise({ label: 'captions', list: false })).toBe('Captions appear here');
  });
});

describe('offers', () => {
  const type = (id: string, title: string, aliases: string[], inputs: object, outputs: object): ManifestJson =>
    JSON.parse(
      manifestJson(
        defineManifest({
          id,
          version: '1.0.0',
          title,
          help: 'Makes something for a page.',
          aliases,
          shape: 'step',
          effect: 'pure',
          inputs: inputs as never,
          outputs: outputs as never,
          config: z.strictObject({}),
          example: { inputs: {} },
        } as never),
        ['run'],
      ),
    );
  const list = [
    type(
      't.captions',
      'Captions',
      ['subtitles', 'srt'],
      { transcript: port.transcript() },
      { captions: port.captions() },
    ),
    type('t.thumbnail', 'Thumbnail', ['poster'], { clip: port.clip() }, { image: port.image() }),
    type('t.source', 'Clip source', [], {}, { clip: port.clip() }),
  ];
  const catalogue = new Map(list.map((manifest) => [manifest.id, manifest]));

  test('an alias finds a node, its title first', () => {
    expect(candidates(EMPTY_GRAPH, catalogue, 'sub', null).map(({ manifest }) => manifest.title)).toEqual(['Captions']);
    expect(matchScore(list[0]!, 'Captions')).toBeGreaterThan(matchScore(list[0]!, 'srt'));
    expect(matchScore(list[0]!, 'zebra')).toBe(0);
    expect(candidates(EMPTY_GRAPH, catalogue, '', null)).toHaveLength(3);
  });

  test('for a wire only what fits is offered, without conversion first', () => {
    const graph = {
      ...EMPTY_GRAPH,
      nodes: [{ id: 's', type: 't.source', version: '1.0.0', name: 'S', position: { x: 0, y: 0 }, config: {} }],
    };
    const offered = candidates(graph, catalogue, '', { node: 's', port: 'clip', side: 'out' });
    expect(offered.map(({ manifest, converts }) => [manifest.title, converts])).toEqual([
      ['Thumbnail', false],
      ['Captions', true],
    ]);
  });
});
