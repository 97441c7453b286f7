/** What the platforms' emulators hold to, so that a connector's test against them means something. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type MastodonEmulator, startMastodon } from './mastodon.ts';
import { newClient } from './oauth.ts';
import { type SamplecastEmulator, startSamplecast } from './samplecast.ts';

let mastodon: MastodonEmulator;
let samplecast: SamplecastEmulator;
beforeAll(async () => {
  [mastodon, samplecast] = await Promise.all([startMastodon(), startSamplecast()]);
});
beforeEach(() => {
  mastodon.reset();
  samplecast.reset();
});
afterAll(() => Promise.all([mastodon.close(), samplecast.close()]));

const BACK = 'https://us.example/back';
const VERIFIER = 'v'.repeat(43);
const challenge = createHash('sha256').update(VERIFIER).digest('base64url');

async function agreed(client: { id: string }, more: Record<string, string> = {}): Promise<URLSearchParams> {
  const url = new URL('/oauth/authorize', samplecast.origin);
  const asked = { response_type: 'code', client_id: client.id, redirect_uri: BACK, scope: 'videos posts', state: 's' };
  const all = { ...asked, code_challenge: challenge, code_challenge_method: 'S256', ...more };
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
  const reply = await fetch(url, { redirect: 'manual' });
  const location = reply.headers.get('location');
  return location ? new URL(location).searchParams : new URLSearchParams({ refused: String(reply.status) });
}
const ask = (client: { id: string; secret: string }, form: Record<string, string>) =>
  fetch(new URL('/oauth/token', samplecast.origin), {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` },
    body: new URLSearchParams(form),
  });
const exchange = (client: { id: string; secret: string }, code: string, verifier = VERIFIER) =>
  ask(client, { grant_type: 'authorization_code', code, redirect_uri: BACK, code_verifier: verifier });
async function tokens() {
  const client = newClient(samplecast.state.oauth, [BACK], ['videos', 'posts']);
  const reply = await exchange(client, (await agreed(client)).get('code')!);
  return { client, ...((await reply.json()) as { access_token: string; refresh_token: string }) };
}

test('a code is good for its client, address, challenge, one use and ten minutes', async () => {
  const client = newClient(samplecast.state.oauth, [BACK], ['videos', 'posts']);
  expect((await agreed(client, { redirect_uri: 'https://other.example/' })).get('refused')).toBe('400');
  expect((await agreed({ id: 'nobody' })).get('refused')).toBe('401');
  expect((await agreed(client, { scope: 'everything' })).get('error')).toBe('invalid_scope');
  const code = async () => (await agreed(client)).get('code')!;
  expect((await exchange(client, await code(), 'w'.repeat(43))).status).toBe(400);
  expect((await exchange({ ...client, secret: 'x' }, await code())).status).toBe(401);
  const once = await code();
  expect((await exchange(client, once)).status).toBe(200);
  expect((await exchange(client, once)).status).toBe(400);
  const late = await code();
  samplecast.clock.advance(600_001);
  expect((await exchange(client, late)).status).toBe(400);
});

test('a refresh token is good for one use; whoever uses it twice loses all tokens of the account', async () => {
  const { client, access_token, refresh_token } = await tokens();
  const me = (token: string) =>
    fetch(`${samplecast.origin}/v1/me`, { headers: { authorization: `Bearer ${token}` } }).then(({ status }) => status);
  expect(await me(access_token)).toBe(200);
  const first = await ask(client, { grant_type: 'refresh_token', refresh_token });
  const renewed = (await first.json()) as { access_token: string };
  expect(await me(renewed.access_token)).toBe(200);
  expect((await ask(client, { grant_type: 'refresh_token', refresh_token })).status).toBe(400);
  expect(await me(renewed.access_token)).toBe(401);
  const { access_token: other } = await tokens();
  samplecast.clock.advance(3_600_001);
  expect(await me(other)).toBe(401);
});

test('Samplecast takes pieces in order and of the right size, and posts with a form that is still good', async () => {
  const { access_token } = await tokens();
  const headers = { authorization: `Bearer ${access_token}` };
  const api = (method: string, path: string, init: RequestInit = {}) =>
    fetch(samplecast.origin + path, { method, ...init, headers: { ...headers, ...(init.headers as object) } });
  const json = (body: object) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const begun = await api('POST', '/v1/uploads', json({ title: 'T', bytes: 100_000, type: 'video/mp4' }));
  const { upload } = (await begun.json()) as { upload: string };
  const piece = (start: number, bytes: number, whole = 100_000) =>
    api('PUT', `/v1/uploads/${upload}`, {
      headers: { 'content-range': `bytes ${start}-${start + bytes - 1}/${whole}` },
      body: new Uint8Array(bytes),
    });
  expect((await piece(0, 1_000)).status, 'a piece that is no multiple').toBe(400);
  expect((await piece(0, 65_536, 99)).status, 'another length').toBe(400);
  expect((await piece(65_536, 34_464)).status, 'one that is not next').toBe(308);
  expect((await piece(0, 65_536)).headers.get('range')).toBe('bytes=0-65535');
  const done = await piece(65_536, 34_464);
  expect(done.status).toBe(201);
  const { video } = (await done.json()) as { video: string };
  const { form } = (await (await api('GET', '/v1/form')).json()) as { form: string };
  const post = (more: object) =>
    api('POST', '/v1/posts', json({ video, title: 'T', privacy: 'everyone', form, ...more }));
  expect((await post({ privacy: 'nobody' })).status).toBe(403);
  expect((await post({ form: 'made up' })).status).toBe(403);
  expect((await post({})).status).toBe(201);
  const listed = async () => ((await (await api('GET', '/v1/posts')).json()) as { posts: unknown[] }).posts.length;
  expect(await listed(), 'it is listed late').toBe(0);
  samplecast.clock.advance(5_000);
  expect(await listed()).toBe(1);
  samplecast.clock.advance(15 * 60_000);
  expect((await post({})).status, 'the form has ended').toBe(403);
  samplecast.state.units.used = samplecast.state.units.most;
  expect((await api('GET', '/v1/me')).status).toBe(403);
});

test('Mastodon gives the same status to the same key, and says no in its own words', async () => {
  const client = newClient(mastodon.state.oauth, [BACK], ['read', 'write:statuses']);
  mastodon.state.oauth.access.set('t', {
    client: client.id,
    scopes: ['read', 'write:statuses'],
    account: '101',
    endsAt: null,
  });
  const api = (path: string, body?: unknown, more: object = {}) =>
    fetch(mastodon.origin + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: 'Bearer t', 'content-type': 'application/json', ...more },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const say = (status: string, more: object = {}, key?: string) =>
    api('/api/v1/statuses', { status, ...more }, key ? { 'idempotency-key': key } : {});
  const [one, two] = [await say('Hello', {}, 'k'), await say('Hello', {}, 'k')];
  expect(((await one.json()) as { id: string }).id).toBe(((await two.json()) as { id: string }).id);
  mastodon.clock.advance(3_600_001);
  await say('Hello', {}, 'k');
  expect(mastodon.state.statuses).toHaveLength(2);
  for (const refused of [say(''), say('x'.repeat(501)), say('a', { visibility: 'friends' })]) {
    const reply = await refused;
    expect([reply.status, typeof ((await reply.json()) as { error: unknown }).error]).toEqual([422, 'string']);
  }
  expect((await say('a', { media_ids: ['nothing'] })).status).toBe(404);
  expect((await api('/api/v2/media', {})).status, 'a scope it does not have').toBe(403);
  expect((await api('/api/v1/nothing')).status).toBe(404);
});
