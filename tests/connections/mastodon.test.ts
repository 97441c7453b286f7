/**
 * Mastodon through the platform interface, on the wire: an account is connected, posts are published with evidence, looked up
 * where an answer is lost, counted and deleted. What the node sees of the account's secrets is nothing.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MASTODON_ORIGIN, type MastodonEmulator, startMastodon } from '../../emulators/mastodon.ts';
import { Asset } from '../../nodes/contract.ts';
import { type AccountsScene, openAccounts, publishing } from './accounts.ts';

const TYPE = 'publish.mastodon';
let service: MastodonEmulator;
let scene: AccountsScene;
beforeAll(async () => {
  service = await startMastodon();
  scene = await openAccounts(new Map([[MASTODON_ORIGIN, service.origin]]));
});
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  await service?.close();
});
beforeEach(async () => {
  await scene.admin.query(
    "update connection set state = 'removed', sealed = null, hook_sealed = null, hook_sha256 = null",
  );
  service.faults.clear();
  service.requests.length = 0;
  service.state.oauth.denies = false;
  service.state.oauth.account = '101';
  service.state.processingMs = 0;
});

const connect = (more: object = {}) => scene.connect(TYPE, { server: 'https://Mastodon.Social/', ...more });
const sentTo = (method: string, path: string) =>
  service.requests.filter((one) => one.method === method && one.path === path);
async function ended(runId: string) {
  await scene.ended(runId, 40_000);
  return (await scene.step(runId, 'it'))!;
}
async function video() {
  const bytes = Buffer.from('not a real video, and nobody looks inside it');
  const file = await scene.store().putBytes(bytes, { kind: 'video', mime: 'video/mp4', name: 'clip "one".mp4' });
  return { file: Asset.parse({ ...file, duration: 13 }), bytes };
}

test('an account is connected: a client for this address, PKCE, and who it is', async () => {
  const begun = await scene.begin(TYPE, { server: 'mastodon.social' });
  expect(begun.stage, JSON.stringify(begun.error)).toBe('away');
  const url = new URL(begun.url!);
  expect(url.origin, "the operator's map holds for the browser too").toBe(service.origin);
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    response_type: 'code',
    scope: 'read write:statuses write:media',
    code_challenge_method: 'S256',
    redirect_uri: `${scene.server.url}/connections/callback`,
  });
  const came = await scene.visit(begun.url!);
  expect(came).toMatchObject({ status: 303, location: `/w/${scene.workspaceId}/connections?attempt=${begun.id}` });
  await scene.attempt(begun.id, 'done');
  const { connections } = await scene.list();
  expect(connections).toMatchObject([{ name: '@otto@mastodon.social', server: 'mastodon.social', state: 'ready' }]);
  const { rows } = await scene.admin.query('select sealed, account from connection where state = $1', ['ready']);
  expect(rows[0].account).toBe('101');
  for (const token of service.state.oauth.access.keys()) expect(JSON.stringify(rows)).not.toContain(token);
});

test('what a person does not agree to, and who comes with the link of another, connects nothing', async () => {
  service.state.oauth.denies = true;
  const denied = await scene.begin(TYPE, { server: 'mastodon.social' });
  await scene.visit(denied.url!);
  expect((await scene.attempt(denied.id, 'failed')).error).toMatchObject({ code: 'CONNECT_REFUSED' });

  service.state.oauth.denies = false;
  const sent = await scene.begin(TYPE, { server: 'mastodon.social' });
  expect(await scene.visit(sent.url!, scene.token)).toMatchObject({ status: 404 });
  expect((await scene.attempt(sent.id, 'away')).stage).toBe('away');

  // a state is good for one use, and only while it is young
  const { url } = sent;
  await scene.visit(url!);
  await scene.attempt(sent.id, 'done');
  const again = new URL(
    `${scene.server.url}/connections/callback?code=x&state=${new URL(url!).searchParams.get('state')}`,
  );
  const reply = await fetch(again, { redirect: 'manual', headers: { authorization: `Bearer ${scene.token}` } });
  expect(reply.headers.get('location')).toBe('/');
});

test('a server that is none, and one that is not named, are told', async () => {
  await expect(scene.begin(TYPE)).rejects.toThrow('CONNECT_SERVER');
  const failed = await scene.begin(TYPE, { server: 'nobody.example.net' });
  expect(failed.error).toMatchObject({ code: expect.stringMatching(/^FETCH_/) });
  service.faults.add({ path: '/api/v1/apps', kind: 'status', status: 200, body: { hello: 'I am a shop' } });
  await scene.admin.query('delete from platform_app');
  expect((await scene.begin(TYPE, { server: 'mastodon.social' })).error).toMatchObject({ code: 'CONNECT_UNCLEAR' });
});

test('a text is posted once, with the secrets of the account and without showing them to the node', async () => {
  await connect();
  const runId = await scene.run(publishing(TYPE, { text: 'Ask not what your followers can do & why.' }));
  const step = await ended(runId);
  expect(step.state, JSON.stringify(step)).toBe('done');
  expect(service.state.statuses.map(({ text }) => text)).toContain('Ask not what your followers can do & why.');
  const [post] = sentTo('POST', '/api/v1/statuses');
  expect(post!.headers.authorization).toMatch(/^Bearer access-/);
  expect(post!.headers['idempotency-key']).toMatch(/^\d{6,}$/);
  const { rows } = await scene.admin.query(
    `select request::text || coalesce(evidence::text, '') as said, connection from effect where run_id = $1
     union all select coalesce(reply::text, ''), 'call' from call where run_id = $1`,
    [runId],
  );
  expect(rows[0].connection).toMatch(/^[0-9a-f-]{36}$/);
  for (const token of service.state.oauth.access.keys()) expect(JSON.stringify(rows)).not.toContain(token);
});

test('an answer that never comes is looked up: the post is there, and is not sent again', async () => {
  await connect();
  const text = 'Read this: https://example.com/a/very/long/address/that/is/cut/when/it/is/shown?and=more <b>&amp;';
  service.faults.add({ method: 'POST', path: '/api/v1/statuses', kind: 'commit-then-drop' });
  const step = await ended(await scene.run(publishing(TYPE, { text })));
  expect(step.state, JSON.stringify(step)).toBe('done');
  expect(service.state.statuses.filter((status) => status.text === text)).toHaveLength(1);
  expect(sentTo('POST', '/api/v1/statuses')).toHaveLength(1);
  expect(sentTo('GET', '/api/v1/accounts/101/statuses').length).toBeGreaterThan(0);
});

test('one that did not arrive is looked up, and sent once more', async () => {
  await connect();
  service.faults.add({ method: 'POST', path: '/api/v1/statuses', kind: 'drop-before-read' });
  const step = await ended(await scene.run(publishing(TYPE, { text: 'Never got there at first.' })));
  expect(step.state, JSON.stringify(step)).toBe('done');
  expect(service.state.statuses.filter(({ text }) => text === 'Never got there at first.')).toHaveLength(1);
  expect(sentTo('POST', '/api/v1/statuses')).toHaveLength(2);
});

test('an act whose answer was lost is not looked up with another account, which knows nothing of it', async () => {
  const first = await connect();
  service.faults.add({ method: 'POST', path: '/api/v1/statuses', kind: 'commit-then-drop' });
  const runId = await scene.run(publishing(TYPE, { text: 'Sent as Otto.' }));
  await scene.until(
    async () => service.state.statuses.filter(({ text }) => text === 'Sent as Otto.').length,
    (posted) => posted === 1,
  );
  await scene.api('connections.disconnect', 'mutation', { id: first });
  await scene.until(scene.list, ({ connections }) => connections.length === 0);
  service.state.oauth.account = '102';
  await connect();
  expect((await ended(runId)).error).toMatchObject({ code: 'EFFECT_UNKNOWN', retry: 'person' });
  expect(sentTo('POST', '/api/v1/statuses')).toHaveLength(1);
});

test('a video is sent as it lies in the store, and posted when the server is done with it', async () => {
  await connect();
  const { file, bytes } = await video();
  service.state.processingMs = 3_000;
  const graph = publishing(TYPE, { text: 'Thirteen seconds.', video: file }, { description: 'A phone.' });
  const step = await ended(await scene.run(graph));
  expect(step.state, JSON.stringify(step)).toBe('done');
  const media = [...service.state.media.values()].at(-1)!;
  expect(media).toMatchObject({
    type: 'video',
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    description: 'A phone.',
  });
  expect(service.state.statuses.at(-1)!.media).toEqual([media.id]);
  expect(sentTo('GET', `/api/v1/media/${media.id}`).length).toBeGreaterThan(0);
  expect(sentTo('POST', '/api/v2/media'), 'the upload is not repeated after a wait').toHaveLength(1);
});

test('what Mastodon would refuse is refused here, and nothing is sent', async () => {
  await connect();
  service.requests.length = 0;
  const { file } = await video();
  const long = await ended(await scene.run(publishing(TYPE, { text: 'x'.repeat(501) })));
  expect(long.error).toMatchObject({ code: 'POST_REFUSED', message: expect.stringContaining('501 characters') });
  const image = { ...file, kind: 'image', mime: 'image/png', asset: file.asset };
  const both = await ended(await scene.run(publishing(TYPE, { text: 'Both.', video: file, image })));
  expect(both.error).toMatchObject({ code: 'POST_REFUSED', message: expect.stringContaining('not both') });
  const links = `${'https://example.com/'.padEnd(100, 'x')} `.repeat(20).trim();
  const many = await ended(await scene.run(publishing(TYPE, { text: links }))); // 20 × 23 and 19 gaps: 479
  expect(many.state, JSON.stringify(many)).toBe('done');
  expect(service.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
});

test('a rehearsal says what would be posted, and needs no account; a run does', async () => {
  const graph = publishing(TYPE, { text: 'Only a rehearsal.' });
  const rehearsed = await ended(await scene.run(graph, { dryRun: true }));
  expect(rehearsed).toMatchObject({ state: 'done', reason: expect.stringContaining('Post 17 characters') });
  expect(service.requests).toEqual([]);
  const real = await ended(await scene.run(graph));
  expect(real.error).toMatchObject({ code: 'CONNECTION_MISSING', retry: 'person' });
});

test('of two accounts one is chosen; the other hears nothing of it', async () => {
  await connect();
  service.state.oauth.account = '102';
  await connect();
  const graph = (account: string) => publishing(TYPE, { text: `For ${account || 'nobody'}` }, { account });
  expect((await ended(await scene.run(graph('')))).error).toMatchObject({ code: 'CONNECTION_AMBIGUOUS' });
  const step = await ended(await scene.run(graph('@harbour@mastodon.social')));
  expect(step.state, JSON.stringify(step)).toBe('done');
  expect(service.state.statuses.at(-1)).toMatchObject({ account: '102', text: 'For @harbour@mastodon.social' });
});

test('access that is taken away ends in one clear error, and goes on after the account is connected anew', async () => {
  await connect();
  service.state.oauth.access.clear();
  const runId = await scene.run(publishing(TYPE, { text: 'After a while away.' }));
  expect((await ended(runId)).error).toMatchObject({ code: 'CONNECTION_REFUSED', retry: 'person' });
  expect((await scene.list()).connections).toMatchObject([
    { state: 'reconnect', error: { code: 'CONNECTION_REFUSED' } },
  ]);
  await connect();
  expect((await scene.list()).connections).toHaveLength(1);
  await scene.api('runs.retry', 'mutation', { runId, nodeId: 'it', path: [] });
  const step = await ended(runId);
  expect(step.state, JSON.stringify(step)).toBe('done');
  expect(service.state.statuses.filter(({ text }) => text === 'After a while away.')).toHaveLength(1);
});

test('figures of posts are asked for, and a post is taken away; one that is gone already is no error', async () => {
  await connect();
  for (const text of ['First of two.', 'Second of two.']) {
    expect((await ended(await scene.run(publishing(TYPE, { text })))).state).toBe('done');
  }
  const [second, first] = [...service.state.statuses].reverse();
  first!.counts.favourites = 7;
  type Row = { id: string; title: string; state: string; note: string | null; metrics: Record<string, number> };
  const posts = async () =>
    (await scene.api<Row[]>('connections.posts', 'query')).filter(({ title }) => title.endsWith('of two.'));
  await scene.api('connections.refresh', 'mutation');
  await scene.until(posts, (rows) => rows.find(({ title }) => title === 'First of two.')?.metrics.likes === 7);

  service.state.statuses.splice(service.state.statuses.indexOf(second!), 1); // by hand, over there
  for (const { id } of await posts()) await scene.api('connections.removePost', 'mutation', { id });
  const gone = await scene.until(posts, (rows) => rows.every(({ state }) => state === 'removed'));
  expect(gone.map(({ title, note }) => [title, note])).toEqual([
    ['Second of two.', 'It was gone already.'],
    ['First of two.', null],
  ]);
  expect(service.state.statuses).not.toContain(first);
  await expect(scene.api('connections.removePost', 'mutation', { id: gone[0]!.id })).rejects.toThrow('POST_BUSY');
});

test('an account is let go: its token is taken back there and forgotten here', async () => {
  const id = await connect();
  expect(service.state.oauth.access.size).toBeGreaterThan(0);
  await scene.api('connections.disconnect', 'mutation', { id });
  await scene.until(scene.list, ({ connections }) => connections.length === 0);
  expect(sentTo('POST', '/oauth/revoke')).toHaveLength(1);
  const { rows } = await scene.admin.query('select state, sealed from connection where id = $1', [id]);
  expect(rows).toEqual([{ state: 'removed', sealed: null }]);
});
