import { afterAll, expect, test } from 'vitest';
import { embed, stopEmbedding } from './embed.ts';

afterAll(stopEmbedding);

const dot = (a: number[], b: number[]) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);

test('related sentences are nearer than unrelated ones, and a batch changes nothing that counts', async () => {
  const [dogs, puppies, taxes] = await embed([
    'Our dog loves to run in the park.',
    'The puppy was playing outside with a ball.',
    'Income tax returns are due at the end of May.',
  ]);
  expect(dot(dogs!, puppies!)).toBeGreaterThan(dot(dogs!, taxes!) + 0.15);
  expect(dot(dogs!, dogs!)).toBeCloseTo(1, 3);
  const [again] = await embed(['Our dog loves to run in the park.']);
  expect(Math.max(...again!.map((value, index) => Math.abs(value - dogs![index]!)))).toBeLessThanOrEqual(0.0001);
});

test('a killed model process fails what it was asked and is started anew', async () => {
  const asked = embed(Array.from({ length: 64 }, (_, index) => `Sentence number ${index} about the weather.`));
  setTimeout(stopEmbedding, 20);
  await expect(asked).rejects.toMatchObject({ error: { code: 'EMBED_FAILED', retry: 'later' } });
  expect(await embed(['hello'])).toHaveLength(1);
});
