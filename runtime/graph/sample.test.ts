import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate, parseExpression, referenceKey, type Scope, usesOf } from './expression.ts';
import { assembled, partOf, SAMPLE_BYTES, type Sampled, shortened, wantedOf } from './sample.ts';

const CLIP = {
  title: 'Why we wait',
  segment: { title: 'Waiting', topics: ['time', 'habit'], score: 0.5 },
  words: Array.from({ length: 3_000 }, (_, at) => ({ text: `word ${at}`, start: at })),
};
const clip = { from: 'nodes', node: 'a', port: 'clip' } as const;

/** As the server and the editor do it together. */
function previewed(text: string) {
  const reading = parseExpression(text);
  if (!reading.ok) throw new Error(reading.error.message);
  let left = SAMPLE_BYTES;
  const samples = wantedOf(usesOf(reading.tree)).map((wanted): Sampled => {
    const part = partOf(CLIP, wanted.keys);
    const short = shortened(part.value, left);
    left -= short.bytes;
    return { ...wanted, keys: part.keys, value: short.value, cut: short.cut };
  });
  const scope = (refs: Map<string, unknown>): Scope => ({ refs, brand: {}, run: { now: '' }, path: [] });
  return {
    samples,
    preview: evaluate(reading.tree, scope(assembled(samples))),
    real: evaluate(reading.tree, scope(new Map([[referenceKey(clip), CLIP]]))),
  };
}

test('a preview on the parts gives what the run gives on the whole', () => {
  for (const text of [
    'nodes.a.clip.title',
    'nodes.a.clip.segment.title + nodes.a.clip.title + nodes.a.clip.segment.topics[1]',
    'nodes.a.clip.segment.topics.length + nodes.a.clip.segment.score',
    'nodes.a.clip.segment',
    'nodes.a.clip.nothing ?? "none"',
    'nodes.a.clip.title.length',
    'nodes.a.clip.segment.topics.first.deep ?? "none"',
  ]) {
    const { preview, real, samples } = previewed(text);
    expect(preview).toEqual(real);
    expect(samples.some(({ cut }) => cut)).toBe(false);
    expect(JSON.stringify(samples).length).toBeLessThan(1_000);
  }
});

test('what is long is cut and says so', () => {
  const { samples } = previewed('nodes.a.clip.words[5].text');
  expect(samples).toHaveLength(1);
  expect(samples[0]!.cut).toBe(true);
  expect(new TextEncoder().encode(JSON.stringify(samples[0]!.value)).length).toBeLessThanOrEqual(SAMPLE_BYTES);
});

test('a part inside another is not asked for twice', () => {
  const reading = parseExpression('nodes.a.clip.segment.title + nodes.a.clip.segment + nodes.a.clip.segment.title');
  expect(reading.ok && wantedOf(usesOf(reading.tree))).toEqual([{ ...clip, keys: ['segment'] }]);
});

test('whatever is shortened stays plain data of at most the budget', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), fc.integer({ min: 4, max: 400 }), (json, budget) => {
      const value: unknown = JSON.parse(json);
      const short = shortened(value, budget);
      const size = (part: unknown) => new TextEncoder().encode(JSON.stringify(part)).length;
      expect(size(short.value)).toBeLessThanOrEqual(budget);
      if (!short.cut) expect(short.value).toEqual(value);
      else expect(size(short.value)).toBeLessThan(size(value) + 1);
    }),
  );
});
