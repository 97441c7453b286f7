/** Waits from outside: signed links without an account, what they show and what they do not, and calls of other services. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { as, call, makeAsset, makeRun, makeWait, makeWorld, type Place, type World } from '../tenancy/world.ts';

let world: World;
let place: Place;
beforeAll(async () => {
  world = await makeWorld();
  place = world.alpha.brands[0];
});
afterAll(() => world?.server.close());

const at = (runId: string) => ({ workspaceId: world.alpha.id, runId, nodeId: 'other', path: [], name: 'review' });
async function linkTo(runId: string, more: Record<string, unknown> = {}): Promise<string> {
  const answer = await call(
    world.server,
    'waits.link',
    'mutation',
    { ...at(runId), kind: 'person', ...more },
    world.alpha.people.editor,
  );
  return (JSON.parse(answer.text) as { result: { data: { url: string } } }).result.data.url;
}
const tokenIn = (url: string) => url.split('/').at(-1)!;
const decision = { outcome: 'approved', edits: { title: 'Better' }, comment: '' };

test('who has the link sees the question and answers it once, without an account', async () => {
  const { runId } = await makeWait(world.server, place);
  const url = await linkTo(runId);
  expect(url).toMatch(/\/approve\/[\w-]+\.[\w-]+$/);
  const token = tokenIn(url);
  const seen = await call(world.server, 'waits.byLink', 'query', { token }, undefined);
  expect(seen.code).toBeNull();
  expect(seen.text).toContain(place.mark);
  const wrong = { ...decision, outcome: 'something else' };
  expect((await call(world.server, 'waits.decideByLink', 'mutation', { token, decision: wrong }, undefined)).code).toBe(
    'OUTCOME_UNKNOWN',
  );
  const sneaky = { ...decision, edits: { score: '1' } };
  expect(
    (await call(world.server, 'waits.decideByLink', 'mutation', { token, decision: sneaky }, undefined)).code,
  ).toBe('FIELD_NOT_OFFERED');
  const answered = await call(world.server, 'waits.decideByLink', 'mutation', { token, decision }, undefined);
  expect(answered.code).toBeNull();
  expect(answered.text).toContain('"state":"answered"');
  expect((await call(world.server, 'waits.decideByLink', 'mutation', { token, decision }, undefined)).code).toBe(
    'WAIT_ANSWERED',
  );
});

test('a link that was changed, or made for another step, opens nothing', async () => {
  const { runId } = await makeWait(world.server, place);
  const token = tokenIn(await linkTo(runId));
  const [body, mac] = token.split('.') as [string, string];
  const other = (await makeWait(world.server, world.beta.brands[0])).runId;
  const forged = Buffer.from(JSON.stringify([other, 'other', [], 'review'])).toString('base64url');
  for (const bad of [`${forged}.${mac}`, `${body}.${mac.slice(0, -2)}AA`, `${body}.`, body, `${token}.x`, 'x', '']) {
    const answer = await call(world.server, 'waits.byLink', 'query', { token: bad }, undefined);
    expect([bad, answer.code]).toEqual([bad, 'NOT_FOUND']);
  }
  // a link to a step that waits for nobody
  const idle = tokenIn(await linkTo((await makeRun(world.server, place)).runId));
  expect((await call(world.server, 'waits.byLink', 'query', { token: idle }, undefined)).code).toBe('NOT_FOUND');
});

test('a link shows the media of its own question and no other', async () => {
  const [shown, hidden] = [await makeAsset(world.server, place), await makeAsset(world.server, place)];
  const { runId } = await makeWait(world.server, place);
  await world.server.database.admin.query(
    `update wait set request = jsonb_set(request, '{item}', $2::jsonb) where run_id = $1`,
    [runId, JSON.stringify({ video: { asset: shown } })],
  );
  const token = tokenIn(await linkTo(runId));
  const get = (asset: string, link: string) =>
    fetch(`${world.server.url}/media/${world.alpha.id}/${asset}?link=${encodeURIComponent(link)}`);
  expect((await get(shown, token)).status).toBe(200);
  expect((await get(hidden, token)).status).toBe(401);
  expect((await get(shown, `${token}x`)).status).toBe(401);
});

test('a question for admins is not answered by an editor, and is not in their list', async () => {
  const { runId } = await makeWait(world.server, place);
  await world.server.database.admin.query(
    `update wait set request = jsonb_set(request, '{reviewers}', '"admin"') where run_id = $1`,
    [runId],
  );
  const input = { ...at(runId), decision };
  expect((await call(world.server, 'waits.decide', 'mutation', input, world.alpha.people.editor)).code).toBe(
    'ROLE_TOO_LOW',
  );
  const listFor = async (role: 'editor' | 'admin') =>
    (await call(world.server, 'waits.list', 'query', { workspaceId: world.alpha.id }, world.alpha.people[role])).text;
  expect(await listFor('editor')).not.toContain(runId);
  expect(await listFor('admin')).toContain(runId);
  expect((await call(world.server, 'waits.decide', 'mutation', input, world.alpha.people.admin)).code).toBeNull();
});

test('another service ends its wait by calling the address; only steps that wait for a call have one', async () => {
  const { runId } = await makeRun(world.server, place);
  const address = await linkTo(runId, { kind: 'hook', name: 'call' });
  const post = (body: string, type = 'application/json') =>
    fetch(address, { method: 'POST', headers: { 'content-type': type }, body });
  expect((await post('{}')).status).toBe(404); // its node is no Wait for webhook
  await world.server.database.admin.query(
    `update run set graph = jsonb_set(graph, '{nodes,1,type}', '"flow.hook"') where id = $1`,
    [runId],
  );
  expect((await post('{"broken')).status).toBe(400);
  expect((await post(`{"big":"${'x'.repeat(300_000)}"}`)).status).toBe(413);
  expect((await post('{"done":true}')).status).toBe(202);
  expect((await post('{"done":false}')).status).toBe(409);
  const { rows } = await world.server.database.admin.query(
    `select answer from wait where run_id = $1 and name = 'call'`,
    [runId],
  );
  expect(rows).toEqual([{ answer: { done: true } }]);
  expect((await fetch(`${address.slice(0, -3)}AAA`, { method: 'POST', ...as(undefined) })).status).toBe(404);
});
