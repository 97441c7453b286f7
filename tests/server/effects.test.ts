/** The outbox: what a brand has sent or tried to send, how it is known, and a person's word where nobody can know. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, makeEffect, makeWorld, type Place, type World } from '../tenancy/world.ts';

let world: World;
let place: Place;
beforeAll(async () => {
  world = await makeWorld();
  place = world.alpha.brands[0];
});
afterAll(() => world?.server.close());

type Listed = {
  id: string;
  state: string;
  request: string;
  evidence: string | null;
  decidedBy: string | null;
  nodeName: string;
};
async function listed(): Promise<Listed[]> {
  const input = { workspaceId: world.alpha.id, brandId: place.brandId };
  const answer = await call(world.server, 'effects.list', 'query', input, world.alpha.people.analyst);
  return (JSON.parse(answer.text) as { result: { data: { items: Listed[] } } }).result.data.items;
}
const decide = (at: { runId: string; effectId: string }, decision: string) =>
  call(
    world.server,
    'effects.decide',
    'mutation',
    { workspaceId: world.alpha.id, ...at, decision },
    world.alpha.people.editor,
  );
const stepOf = async (runId: string) =>
  (
    await world.server.database.admin.query<{ state: string }>(
      `select state from step where run_id = $1 and node = 'other'`,
      [runId],
    )
  ).rows.map(({ state }) => state);

test('an unknown act is listed with what was asked of whom; a person says once what became of it', async () => {
  const at = await makeEffect(world.server, place);
  expect((await listed()).find(({ id }) => id === at.effectId)).toMatchObject({
    state: 'unknown',
    request: 'POST api.example.com/posts',
    evidence: 'No answer came.',
    nodeName: `${place.mark} too`,
  });
  expect((await decide(at, 'happened')).code).toBeNull();
  expect((await listed()).find(({ id }) => id === at.effectId)).toMatchObject({
    state: 'confirmed',
    evidence: 'A person said that it happened.',
  });
  expect((await decide(at, 'again')).code).toBe('EFFECT_KNOWN');
});

test('after the word the failed step goes on by itself, unless it is to be left', async () => {
  const [left, again] = [await makeEffect(world.server, place), await makeEffect(world.server, place)];
  await decide(left, 'leave');
  expect(await stepOf(left.runId)).toEqual(['failed']);
  await decide(again, 'again');
  expect(await stepOf(again.runId)).toEqual([]); // forgotten, so it is made again
  expect((await listed()).find(({ id }) => id === again.effectId)?.state).toBe('absent');
});
