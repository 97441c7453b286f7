/** Commands: what they do to a graph, that undo takes it all back, and what they refuse. */
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { defineManifest, type ManifestJson, manifestJson, port } from '../../nodes/contract.ts';
import { EMPTY_GRAPH, type Graph, type Pin } from '../../runtime/graph/graph.ts';
import { applyAll, invertAll, type Operation } from '../../runtime/graph/operations.ts';
import { addNode, fittingPort } from './add-node.ts';
import { addedKeys, copyText, duplicate, paste, readClipboard } from './clipboard.ts';
import { freeName, pick } from './command.ts';
import { connect, reconnect } from './connect.ts';
import { addNote, addSection, promote, rename, setField, setPin } from './edit.ts';
import { insideSection, move, nudge } from './move.ts';
import { remove } from './remove.ts';
import { type isPressed, SHORTCUTS, shortcutFor } from './shortcuts.ts';
import { canSplice, splice } from './splice.ts';
import { tidy } from './tidy.ts';

type Ports = Parameters<typeof defineManifest>[0]['inputs'];
const type = (id: string, title: string, inputs: Ports, outputs: Ports): ManifestJson =>
  JSON.parse(
    manifestJson(
      defineManifest({
        id,
        version: '1.0.0',
        title,
        help: title,
        shape: 'step',
        effect: 'pure',
        inputs,
        outputs,
        config: z.strictObject({ engine: z.string().default('auto') }),
        example: { inputs: {} },
      }),
      ['run'],
    ),
  );
const source = type('t.source', 'Ingest', {}, { recording: port.media() });
const clean = type('t.clean', 'Clean', { recording: port.media() }, { recording: port.media() });
const words = type('t.words', 'Transcribe', { recording: port.media() }, { transcript: port.transcript() });
const clip = type('t.clip', 'Clip', { segment: port.segment(), recording: port.media() }, { clip: port.clip() });
const catalogue = [source, clean, words, clip];

const node = (id: string, manifest: ManifestJson, x: number, y = 0) => ({
  id,
  type: manifest.id,
  version: '1.0.0',
  name: id,
  position: { x, y },
  config: {},
});
const edge = (id: string, from: string, to: string) => {
  const [fromNode = '', fromPort = ''] = from.split('.');
  const [toNode = '', toPort = ''] = to.split('.');
  return { id, from: { node: fromNode, port: fromPort }, to: { node: toNode, port: toPort } };
};
const graph: Graph = {
  ...EMPTY_GRAPH,
  nodes: [node('in', source, 0), node('tr', words, 230), node('lone', clean, 600, 400)],
  edges: [edge('e1', 'in.recording', 'tr.recording')],
  sections: [{ id: 's', title: 'Sound', position: { x: -16, y: -40 }, size: { width: 460, height: 300 } }],
  notes: [{ id: 'n', text: 'Look', position: { x: 20, y: 200 }, size: { width: 184, height: 64 } }],
};
const size = () => ({ width: 184, height: 180 });
/** Applies, and holds that the undo leads back. */
function undoable(before: Graph, operations: Operation[]): Graph {
  const result = applyAll(before, operations);
  expect(applyAll(result, invertAll(before, operations))).toEqual(before);
  return result;
}
const counting = () => {
  let count = 0;
  return () => {
    count += 1;
    return `new${count}`;
  };
};

test('a node added from a loose wire takes the free name and the port that fits without conversion', () => {
  const operations = addNode.perform(graph, {
    manifest: clip,
    position: { x: 463, y: 7 },
    id: 'c',
    from: { node: 'in', port: 'recording', side: 'out' },
    catalogue,
  });
  const result = undoable(graph, operations);
  expect(result.nodes.at(-1)).toMatchObject({ id: 'c', name: 'Clip', position: { x: 464, y: 0 } });
  expect(result.edges.at(-1)).toMatchObject({
    from: { node: 'in', port: 'recording' },
    to: { node: 'c', port: 'recording' },
  });
});

test('a type none of whose ports fit is not offered for a loose wire', () => {
  expect(fittingPort(graph, catalogue, clip, { node: 'tr', port: 'transcript', side: 'out' })).toBeUndefined();
  expect(fittingPort(graph, catalogue, words, { node: 'lone', port: 'recording', side: 'in' })).toBeUndefined();
  expect(fittingPort(graph, catalogue, clean, { node: 'lone', port: 'recording', side: 'in' })).toEqual({
    port: 'recording',
    converts: false,
  });
});

test('a wire that may not be drawn gives no operations', () => {
  const wrong = connect.perform(graph, {
    from: { node: 'tr', port: 'transcript' },
    to: { node: 'lone', port: 'recording' },
    catalogue,
  });
  expect(wrong).toEqual([]);
  const taken = connect.perform(graph, {
    from: { node: 'lone', port: 'recording' },
    to: { node: 'tr', port: 'recording' },
    catalogue,
  });
  expect(taken).toEqual([]);
  const right = connect.perform(graph, {
    from: { node: 'in', port: 'recording' },
    to: { node: 'lone', port: 'recording' },
    catalogue,
  });
  expect(undoable(graph, right).edges).toHaveLength(2);
});

test('moving the end of a wire to where it came from is allowed, its own place being free', () => {
  const moved = reconnect.perform(graph, {
    edge: 'e1',
    from: { node: 'lone', port: 'recording' },
    to: { node: 'tr', port: 'recording' },
    catalogue,
    id: 'e2',
  });
  expect(undoable(graph, moved).edges).toEqual([edge('e2', 'lone.recording', 'tr.recording')]);
});

test('deleting nodes, wires, notes and sections together is one list that undo reverses', () => {
  const result = undoable(
    graph,
    remove.perform(graph, { selection: new Set(['in', 'edge:e1', 'note:n', 'section:s']) }),
  );
  expect(result.nodes.map(({ id }) => id)).toEqual(['tr', 'lone']);
  expect([result.edges, result.notes, result.sections]).toEqual([[], [], []]);
});

describe('clipboard', () => {
  test('a pin stays where it was made: no copy, no paste and no duplicate has it, and undo takes it away', () => {
    const stored = { digest: 'a'.repeat(64), bytes: 8, count: null, value: 'secret' };
    const pin: Pin = { ports: { text: { type: 'text', list: false } }, outputs: { text: stored } };
    const pinned = undoable(graph, setPin.perform(graph, { node: 'in', pin }));
    expect(pinned.nodes.find(({ id }) => id === 'in')!.pin).toEqual(pin);
    expect(setPin.perform(pinned, { node: 'in', pin })).toEqual([]);
    expect(copyText(pinned, new Set(['in']))).not.toContain('secret');
    expect(JSON.stringify(readClipboard(JSON.stringify({ graph: pinned })))).not.toContain('secret');
    const twice = duplicate.perform(pinned, { selection: new Set(['in']), ids: counting() });
    expect(JSON.stringify(twice)).not.toContain('secret');
  });

  test('takes the wires between the copied nodes, and only those', () => {
    const text = copyText(graph, new Set(['in', 'tr']));
    expect(readClipboard(text ?? '')?.edges.map(({ id }) => id)).toEqual(['e1']);
    expect(readClipboard(copyText(graph, new Set(['tr', 'lone'])) ?? '')?.edges).toEqual([]);
    expect(copyText(graph, new Set(['edge:e1']))).toBeNull();
  });

  test('pasting gives new ids and names, keeps the wires, and moves the corner to the place', () => {
    const part = readClipboard(copyText(graph, new Set(['in', 'tr'])) ?? '')!;
    const operations = paste.perform(graph, { part, at: { x: 800, y: 160 }, ids: counting() });
    const result = undoable(graph, operations);
    const [one, two] = result.nodes.slice(-2);
    expect([one?.name, two?.name]).toEqual(['in 2', 'tr 2']);
    expect([one?.position, two?.position]).toEqual([
      { x: 800, y: 160 },
      { x: 1024, y: 160 },
    ]);
    expect(result.edges.at(-1)).toMatchObject({ from: { node: one?.id }, to: { node: two?.id } });
    expect(addedKeys(operations)).toEqual(new Set([one?.id, two?.id]));
  });

  test('refuses text that is no part of a pipeline', () => {
    for (const text of [
      '',
      'hello',
      '{}',
      '{"nodes":[]}',
      '[1]',
      '{"kind":"spliceboard/graph","graph":{"format":2}}',
    ]) {
      expect(readClipboard(text)).toBeNull();
    }
  });

  test('a whole exported pipeline can be pasted too', () => {
    expect(readClipboard(JSON.stringify({ spliceboard: 1, name: 'X', description: '', graph }))?.nodes).toHaveLength(3);
  });

  test('duplicating leaves the original alone', () => {
    const result = undoable(graph, duplicate.perform(graph, { selection: new Set(['in']), ids: counting() }));
    expect(result.nodes.map(({ name }) => name)).toEqual(['in', 'tr', 'lone', 'in 2']);
    expect(result.edges).toEqual(graph.edges);
  });
});

test('a section takes along what lies in it', () => {
  expect(insideSection(graph, 's').sort()).toEqual(['in', 'note:n', 'tr']);
  const result = undoable(graph, nudge.perform(graph, { selection: new Set(['section:s']), dx: 16, dy: 0 }));
  expect(result.nodes.map(({ position }) => position.x)).toEqual([16, 246, 600]);
  expect([result.sections[0]?.position.x, result.notes[0]?.position.x]).toEqual([0, 36]);
});

test('letting go where it was makes no operation', () => {
  expect(move.perform(graph, { places: new Map([['in', { x: 0, y: 0 }]]) })).toEqual([]);
});

test('a lone node goes into a wire, and what lies to the right makes room', () => {
  const args = { node: 'lone', edge: 'e1', catalogue, sizeOf: size, ids: counting() };
  expect(canSplice(graph, args)).toBe(true);
  const result = undoable(graph, splice.perform(graph, args));
  expect(result.edges.map(({ from, to }) => [from.node, to.node])).toEqual([
    ['in', 'lone'],
    ['lone', 'tr'],
  ]);
  const at = Object.fromEntries(result.nodes.map(({ id, position }) => [id, position]));
  expect(at.lone).toEqual({ x: 230, y: 0 });
  expect(at.tr).toEqual({ x: 460, y: 0 });
});

test('a node with wires of its own, or whose ports do not fit, is not spliced', () => {
  expect(canSplice(graph, { node: 'tr', edge: 'e1', catalogue, sizeOf: size })).toBe(false);
  const withSource = { ...graph, nodes: [...graph.nodes, node('other', source, 0, 600)] };
  expect(canSplice(withSource, { node: 'other', edge: 'e1', catalogue, sizeOf: size })).toBe(false);
});

test('tidying lays the chain out and keeps the section around it', () => {
  const result = undoable(graph, tidy.perform(graph, { selection: new Set(), sizeOf: size }));
  const at = Object.fromEntries(result.nodes.map(({ id, position }) => [id, position]));
  expect(at.tr!.x - at.in!.x).toBe(230);
  expect(at.tr!.y).toBe(at.in!.y);
  const [section] = result.sections;
  expect(at.in!.x).toBe(section!.position.x + 22);
});

test('settings, names and inputs change one thing, and nothing where nothing changed', () => {
  expect(setField.perform(graph, { node: 'in', field: 'engine', value: undefined })).toEqual([]);
  const set = undoable(graph, setField.perform(graph, { node: 'in', field: 'engine', value: 'draft' }));
  expect(set.nodes[0]?.config).toEqual({ engine: 'draft' });
  expect(rename.perform(graph, { node: 'in', name: '  in ' })).toEqual([]);
  expect(rename.perform(graph, { node: 'in', name: ' ' })).toEqual([]);
  const first = undoable(graph, promote.perform(graph, { node: 'in', field: 'engine', title: 'Engine', on: true }));
  const second = undoable(first, promote.perform(first, { node: 'tr', field: 'engine', title: 'Engine', on: true }));
  expect(second.inputs.map(({ name }) => name)).toEqual(['engine', 'engine2']);
  expect(
    undoable(second, promote.perform(second, { node: 'in', field: 'engine', title: '', on: false })).inputs,
  ).toHaveLength(1);
});

test('a section is drawn around the selection, a note where it was asked for', () => {
  const around = undoable(
    graph,
    addSection.perform(graph, { selection: new Set(['in', 'tr']), position: { x: 0, y: 0 }, sizeOf: size, id: 'x' }),
  );
  expect(around.sections.at(-1)).toMatchObject({ position: { x: -22, y: -36 }, size: { width: 458, height: 238 } });
  expect(
    undoable(graph, addNote.perform(graph, { position: { x: 5, y: 30 }, id: 'y' })).notes.at(-1)?.position,
  ).toEqual({
    x: 0,
    y: 32,
  });
});

test('names are made free and selections told apart', () => {
  expect(freeName('Clip', new Set(['Clip', 'Clip 2']))).toBe('Clip 3');
  expect(freeName('Clip 2', new Set(['Clip 2']))).toBe('Clip 3');
  expect(pick(new Set(['a', 'edge:b', 'section:c', 'note:d']))).toEqual({
    nodes: ['a'],
    edges: ['b'],
    sections: ['c'],
    notes: ['d'],
  });
});

describe('shortcuts', () => {
  const press = (key: string, part: Partial<Parameters<typeof isPressed>[0]> = {}) => ({
    key,
    code: /^[0-9]$/.test(key) ? `Digit${key}` : '',
    ctrlKey: false,
    metaKey: false,
    shiftKey: false,
    altKey: false,
    ...part,
  });

  test('no two acts share a key', () => {
    const keys = SHORTCUTS.filter(({ id }) => id !== 'wire').flatMap(({ keys, alternative }) => [
      keys,
      ...(alternative ? [alternative] : []),
    ]);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('modifiers decide, on layouts where Shift makes a sign as well', () => {
    expect(shortcutFor(press('z', { ctrlKey: true }))).toBe('undo');
    expect(shortcutFor(press('Z', { ctrlKey: true, shiftKey: true }))).toBe('redo');
    expect(shortcutFor(press('z', { metaKey: true }))).toBe('undo');
    expect(shortcutFor(press('!', { code: 'Digit1', shiftKey: true }))).toBe('fit');
    expect(shortcutFor(press('?', { shiftKey: true }))).toBe('shortcuts');
    expect(shortcutFor(press('/', { shiftKey: true }))).toBe('add');
    expect(shortcutFor(press('+', { ctrlKey: true }))).toBe('zoom-in');
    expect(shortcutFor(press('z'))).toBeNull();
    expect(shortcutFor(press('r', { ctrlKey: true }))).toBeNull();
  });
});
