import { expect, test } from 'vitest';
import type { ManifestJson, PortJson } from '../../nodes/contract.ts';
import { analyseFrames } from './frames.ts';
import type { Graph } from './graph.ts';
import { resolveNodes } from './resolve.ts';
import { problems } from './validate.ts';
import { checkWire } from './wires.ts';

const port = (type: PortJson['type'], more: Partial<PortJson> = {}): PortJson => ({
  type,
  list: false,
  optional: false,
  title: null,
  help: null,
  ...more,
});
const manifest = (id: string, more: Partial<ManifestJson>): ManifestJson => ({
  id,
  version: '1.0.0',
  title: id,
  help: '',
  icon: 'puzzle',
  family: 'flow',
  aliases: [],
  shape: 'step',
  effect: 'pure',
  weight: 'light',
  reuseForSeconds: 0,
  inputs: {},
  outputs: {},
  config: { type: 'object', properties: {} },
  capabilities: {},
  fields: [],
  example: { inputs: {} },
  exports: ['run'],
  ...more,
});
const CATALOGUE = [
  manifest('t.clips', { outputs: { clips: port('clip', { list: true }) } }),
  manifest('t.words', { outputs: { texts: port('text', { list: true }) } }),
  manifest('t.filter', {
    inputs: { item: port('any', { same: 'item' }) },
    outputs: { item: port('any', { same: 'item', optional: true }) },
  }),
  manifest('t.route', {
    shape: 'route',
    inputs: { item: port('any', { same: 'item' }) },
    outputs: { otherwise: port('any', { same: 'item', optional: true }) },
    morePorts: { outputs: { field: 'rules', type: 'any', optional: true, same: 'item' } },
    config: { type: 'object', properties: { rules: { type: 'array', default: [{ name: 'first', title: 'First' }] } } },
  }),
  manifest('t.post', { inputs: { video: port('video') } }),
  manifest('t.pair', {
    shape: 'pair',
    inputs: { a: port('any', { list: true, same: 'a' }), b: port('any', { list: true, same: 'b' }) },
    outputs: { a: port('any', { list: true, same: 'a' }), b: port('any', { list: true, same: 'b' }) },
  }),
  manifest('t.both', { inputs: { clip: port('clip'), text: port('text') } }),
];
type Wire = [from: string, to: string];
function graph(nodes: Record<string, string>, wires: Wire[], config: Record<string, Graph['nodes'][0]['config']> = {}) {
  const end = (text: string) => ({ node: text.split('.')[0]!, port: text.split('.')[1]! });
  return {
    format: 1,
    nodes: Object.entries(nodes).map(([id, type]) => ({
      id,
      type,
      version: '1.0.0',
      name: id,
      position: { x: 0, y: 0 },
      config: config[id] ?? {},
    })),
    edges: wires.map(([from, to], index) => ({ id: `e${index}`, from: end(from), to: end(to) })),
    inputs: [],
    sections: [],
    notes: [],
  } satisfies Graph;
}

test('a port of any type takes the type of its wire, and gives it on through the ports that go with it', () => {
  const chain = graph({ make: 't.clips', one: 't.filter', two: 't.filter' }, [
    ['make.clips', 'one.item'],
    ['one.item', 'two.item'],
  ]);
  const resolved = resolveNodes(chain, CATALOGUE);
  expect(resolved.get('two')!.inputs.item!.type).toBe('clip');
  expect(resolved.get('two')!.outputs.item!.type).toBe('clip');
  expect(resolveNodes(graph({ one: 't.filter' }, []), CATALOGUE).get('one')!.outputs.item!.type).toBe('any');
});

test('settings add ports; names that cannot be a port, or are taken, add none', () => {
  const named = (rules: Graph['nodes'][0]['config'][string]) =>
    Object.keys(resolveNodes(graph({ way: 't.route' }, [], { way: { rules } }), CATALOGUE).get('way')!.outputs);
  expect(named([{ name: 'long' }, { name: 'short' }])).toEqual(['long', 'short', 'otherwise']);
  expect(named([{ name: 'otherwise' }, { name: 'error' }, { name: '__proto__' }, { name: 'a b' }, 3, null])).toEqual([
    'otherwise',
  ]);
  const plain = resolveNodes(graph({ way: 't.route' }, []), CATALOGUE).get('way')!;
  expect(Object.entries(plain.outputs).map(([name, { title }]) => [name, title])).toEqual([
    ['first', 'First'],
    ['otherwise', null],
  ]);
});

test('a wire is refused where the type it brings does not suit what follows', () => {
  const open = graph({ make: 't.words', way: 't.route', post: 't.post' }, [['way.first', 'post.video']]);
  expect(problems(open, CATALOGUE).map(({ code }) => code)).not.toContain('WIRE_MISFIT');
  expect(checkWire(open, CATALOGUE, { node: 'make', port: 'texts' }, { node: 'way', port: 'item' })).toEqual({
    ok: false,
    reason: 'post, which follows, needs a video; this is a list of text.',
  });
  const drawn = graph({ make: 't.words', way: 't.route', post: 't.post' }, [
    ['way.first', 'post.video'],
    ['make.texts', 'way.item'],
  ]);
  expect(problems(drawn, CATALOGUE).map(({ code }) => code)).toContain('WIRE_MISFIT');
  const clips = graph({ make: 't.clips', way: 't.route', post: 't.post' }, [['way.first', 'post.video']]);
  expect(checkWire(clips, CATALOGUE, { node: 'make', port: 'clips' }, { node: 'way', port: 'item' }).ok).toBe(true);
});

test('lists of different origin meet in a Pair, whose lists are one list', () => {
  const apart = graph({ clips: 't.clips', words: 't.words', both: 't.both' }, [
    ['clips.clips', 'both.clip'],
    ['words.texts', 'both.text'],
  ]);
  expect(analyseFrames(apart, CATALOGUE).conflicts.map(({ node }) => node)).toEqual(['both']);
  const paired = graph({ clips: 't.clips', words: 't.words', pair: 't.pair', both: 't.both' }, [
    ['clips.clips', 'pair.a'],
    ['words.texts', 'pair.b'],
    ['pair.a', 'both.clip'],
    ['pair.b', 'both.text'],
  ]);
  const frames = analyseFrames(paired, CATALOGUE);
  expect(frames.conflicts).toEqual([]);
  expect(frames.nodes.get('both')).toEqual(['pair.a']);
});
