/** Signing in: the owner's link, invitations, cookies, other sites, other addresses. */
import { readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { getMigrations } from 'better-auth/db/migration';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureLocalOwner, makeOwnerLink } from '../../server/main.ts';
import { insecureHost } from '../../server/session.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.close());

const cookieOf = (reply: Response) =>
  reply.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0]!)
    .join('; ');
const me = (headers: Record<string, string>) => fetch(`${server.url}/api/trpc/session.me`, { headers });
const signIn = (email: string, password: string, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: server.url, ...headers },
    body: JSON.stringify({ email, password }),
  });

test('better-auth finds the tables it wants, made by our own migration', async () => {
  const plan = await getMigrations(server.services.auth.options);
  expect({
    create: plan.toBeCreated,
    add: plan.toBeAdded,
    indexes: plan.toBeAddedIndexes,
    unsafe: plan.unsafeChanges,
  }).toEqual({
    create: [],
    add: [],
    indexes: [],
    unsafe: [],
  });
});

test('the first start makes the owner, a workspace with a brand and a token, once; a start that was cut off is repaired', async () => {
  const made = await ensureLocalOwner(server);
  const token = readFileSync(path.join(server.dataDir, 'token'), 'utf8').trim();
  expect(token).toBe(made!.token);
  const answer = await me({ authorization: `Bearer ${token}` });
  expect(await answer.json()).toMatchObject({
    result: { data: { workspaces: [{ id: made!.workspaceId, role: 'owner' }] } },
  });
  expect(await ensureLocalOwner(server)).toBeUndefined();
  rmSync(path.join(server.dataDir, 'token')); // as if killed between the row and the file
  const again = await ensureLocalOwner(server);
  expect(again!.workspaceId).toBe(made!.workspaceId);
  const second = readFileSync(path.join(server.dataDir, 'token'), 'utf8').trim();
  expect((await me({ authorization: `Bearer ${second}` })).status).toBe(200);
});

test('the owner’s link signs in once; its cookie belongs to this host alone and no script reads it', async () => {
  await ensureLocalOwner(server);
  const link = await makeOwnerLink(server);
  const reply = await fetch(link, { redirect: 'manual' });
  expect(reply.status).toBe(303);
  const [cookie] = reply.headers.getSetCookie();
  expect(cookie).toMatch(/^__Host-spliceboard\.session=/);
  for (const part of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/']) expect(cookie).toContain(part);
  expect(cookie).not.toMatch(/domain=/i);
  expect((await me({ cookie: cookieOf(reply) })).status).toBe(200);
  const second = await fetch(link, { redirect: 'manual' });
  expect([second.headers.get('location'), second.headers.getSetCookie()]).toEqual(['/sign-in?link=used', []]);
  expect(
    (await fetch(`${server.url}/login/sbl_${'x'.repeat(43)}`, { redirect: 'manual' })).headers.get('location'),
  ).toBe('/sign-in?link=used');
});

test('nobody signs up: neither by better-auth’s own routes nor over the one-time route with a guess', async () => {
  for (const [route, body] of [
    ['sign-up/email', { email: 'x@example.org', password: 'long enough 1', name: 'X' }],
    ['one-time-link', { token: 'guess' }],
  ] as const) {
    const reply = await fetch(`${server.url}/api/auth/${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: server.url },
      body: JSON.stringify(body),
    });
    expect([route, reply.status >= 400]).toEqual([route, true]);
    expect(reply.headers.getSetCookie()).toEqual([]);
  }
  const { rows } = await server.database.admin.query(`select id from auth."user" where email = 'x@example.org'`);
  expect(rows).toEqual([]);
});

test('e-mail and password sign in, a wrong one does not, and signing out ends it at once', async () => {
  const { email } = await server.user('Ines', 'correct horse 1');
  expect((await signIn(email, 'wrong horse 1')).status).toBe(401);
  const reply = await signIn(email, 'correct horse 1');
  expect(reply.status).toBe(200);
  const cookie = cookieOf(reply);
  expect(await (await me({ cookie })).json()).toMatchObject({ result: { data: { user: { email } } } });
  await fetch(`${server.url}/api/auth/sign-out`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: server.url, cookie },
    body: '{}',
  });
  expect((await me({ cookie })).status).toBe(401);
  const { rows } = await server.database.admin.query(
    `select password from auth.account where password like '%correct horse%'`,
  );
  expect(rows).toEqual([]);
});

test('guessing a password is stopped', async () => {
  const { email } = await server.user('Target', 'correct horse 2');
  const statuses: number[] = [];
  for (let tries = 0; tries < 15; tries++) statuses.push((await signIn(email, `guess number ${tries}`)).status);
  expect(statuses).toContain(429);
});

test('a page of another site changes nothing with our cookie', async () => {
  const { email, userId } = await server.user('Mara', 'correct horse 3');
  await server.database.admin.query('delete from auth."rateLimit"');
  const cookie = cookieOf(await signIn(email, 'correct horse 3'));
  const create = (headers: Record<string, string>) =>
    fetch(`${server.url}/api/trpc/workspaces.create`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie, ...headers },
      body: JSON.stringify({ name: 'New' }),
    });
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: server.url.replace('localhost', 'localhost.evil.example') },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ] as Record<string, string>[]) {
    expect([headers, (await create(headers)).status]).toEqual([headers, 403]);
  }
  expect((await create({ origin: server.url })).status).toBe(200);
  const { rows } = await server.database.admin.query('select workspace_id from member where user_id = $1', [userId]);
  expect(rows).toHaveLength(1);
  // one's own workspace, and nobody else in it
  const { rows: members } = await server.database.admin.query(
    'select user_id, role from member where workspace_id = $1',
    [rows[0].workspace_id],
  );
  expect(members).toEqual([{ user_id: userId, role: 'owner' }]);
});

test('another name for this address is refused, so no foreign name can be pointed at it', async () => {
  const { port } = new URL(server.url);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    http
      .get(
        { host: '127.0.0.1', port, path: '/api/trpc/session.me', headers: { host: `rebound.example:${port}` } },
        (reply) => {
          reply.resume();
          resolve(reply.statusCode);
        },
      )
      .once('error', reject);
  });
  expect(status).toBe(403);
});

test('plain http is for this machine; elsewhere it needs https or the setting that allows it', () => {
  expect(insecureHost('localhost:4400', null, false)).toBeNull();
  expect(insecureHost('127.0.0.1:4400', null, false)).toBeNull();
  expect(insecureHost('192.168.1.5:4400', null, false)).toMatch(/SPLICEBOARD_PUBLIC_URL/);
  expect(insecureHost('board.example', 'https://board.example', false)).toBeNull();
  expect(insecureHost('board.example', 'http://board.example', false)).toMatch(/plain http/);
  expect(insecureHost('board.example', 'http://board.example', true)).toBeNull();
  expect(insecureHost(undefined, null, false)).not.toBeNull();
});

test('an error is one shape everywhere, and none names what is inside', async () => {
  const replies = await Promise.all([
    fetch(`${server.url}/api/trpc/workspaces.get?input=${encodeURIComponent('{"workspaceId":"x"}')}`),
    fetch(`${server.url}/api/uploads/nothing/finish`, {
      method: 'POST',
      headers: { origin: server.url, 'content-type': 'application/json' },
      body: '{',
    }),
    fetch(`${server.url}/media/x/y`),
    fetch(`${server.url}/api/nothing`),
  ]);
  for (const reply of replies) {
    expect(reply.status).toBeGreaterThanOrEqual(400);
    const body = (await reply.json()) as { problem?: object; error?: { data: { problem: object } } };
    const problem = body.problem ?? body.error?.data.problem;
    expect(problem).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/), message: expect.any(String) });
    expect(JSON.stringify(body)).not.toMatch(/at .*\.ts:\d|node_modules|select /);
  }
});
