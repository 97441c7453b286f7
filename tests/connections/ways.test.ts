/**
 * The other ways to connect: keys that a person pastes, and tokens that are exchanged for newer ones. Where secrets go and where
 * they do not, seen by whoever is asked; and what of a manifest with an account is refused at the door.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ManifestJson, Platform } from '../../nodes/contract.ts';
import { checkForeignManifest } from '../../runtime/packed.ts';
import { manifest, packed } from '../plugins/packed.ts';
import { graphOf } from '../runtime/bench.ts';
import { type AccountsScene, openAccounts } from './accounts.ts';

type Asked = { host: string; path: string; headers: http.IncomingHttpHeaders; body: string };
let asked: Asked[] = [];
/** What the far side says, by path; else it repeats what it was sent. */
let says: Record<string, (asked: Asked) => { status?: number; body: unknown }> = {};
const servers: http.Server[] = [];
let scene: AccountsScene;

async function serve(host: string): Promise<[string, string]> {
  const server = http.createServer(async (request, reply) => {
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
    const { pathname } = new URL(request.url!, 'http://x');
    const one = { host, path: pathname, headers: request.headers, body };
    asked.push(one);
    const { status = 200, body: said } = says[pathname]?.(one) ?? {
      body: { sent: { ...request.headers, body, url: request.url } },
    };
    reply.writeHead(status, { 'content-type': 'application/json', 'x-sent': String(request.headers.authorization) });
    reply.end(JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return [`https://${host}`, `http://127.0.0.1:${(server.address() as AddressInfo).port}`];
}
beforeAll(async () => {
  scene = await openAccounts(new Map([await serve('api.notes.example'), await serve('cdn.notes.example')]));
});
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  for (const server of servers) server.close();
});
beforeEach(() => {
  asked = [];
  says = {};
});

const KEYS: Platform = {
  title: 'Notes',
  server: { kind: 'fixed', hosts: ['api.notes.example'] },
  connect: {
    kind: 'keys',
    fields: [
      { name: 'team', title: 'Team' },
      { name: 'token', title: 'Token' },
    ],
    header: { name: 'authorization', value: 'Key {team}:{token}' },
  },
};
const notes = (id: string, more: Partial<ManifestJson> = {}) =>
  manifest(id, {
    effect: 'reads-external',
    connection: { platform: 'notes', scopes: [] },
    platform: KEYS,
    capabilities: {
      http: [
        { method: 'POST', path: '/ask', why: 'to ask' },
        { method: 'GET', host: 'cdn.notes.example', path: '/file', why: 'to load a file' },
      ],
      why: { account: 'to ask as you' },
    },
    inputs: {},
    ...more,
  });
/** Asks with everything a request may hold, and gives back what it heard. */
const RUN = `{ run: async (ctx) => {
  const one = await ctx.http({ method: 'POST', path: '/ask', headers: { authorization: 'mine' }, form: { a: 'b c', d: '&' } });
  const two = await ctx.http({ method: 'GET', host: 'cdn.notes.example', path: '/file' });
  return { text: JSON.stringify({ one, two, connection: ctx.connection }) };
} }`;

async function put(id: string, of: ManifestJson, entries: string): Promise<void> {
  const reply = await fetch(`${scene.server.url}/api/plugins?workspaceId=${scene.workspaceId}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${(await scene.server.member(scene.workspaceId, 'admin')).token}` },
    body: packed(id.split('.')[0]!, '1.0.0', [{ manifest: of, entries }]),
  });
  const { digest } = (await reply.json()) as { digest: string };
  type Looked = { state: string; error: { message: string } | null; rights: { id: string }[] };
  const looked = await scene.until(
    () => scene.api<Looked>('plugins.look', 'query', { digest }),
    ({ state }) => state !== 'checking',
  );
  if (looked.error) throw new Error(looked.error.message);
  const rights = looked.rights.map((right) => right.id);
  await scene.api('plugins.install', 'mutation', { digest, rights, isDev: false });
}
async function ran(type: string) {
  const runId = await scene.run(graphOf([`it:${type}`], []));
  await scene.ended(runId);
  return (await scene.step(runId, 'it'))!;
}

test('pasted keys go to their own host in their header, and neither elsewhere nor back', async () => {
  await put('notes.ask', notes('notes.ask'), RUN);
  await expect(scene.begin('notes.ask', { keys: { team: 'otto' } })).rejects.toThrow('CONNECT_KEYS');
  await scene.connect('notes.ask', { keys: { team: 'otto', token: 'a-very-secret-token' } });
  const step = await ran('notes.ask');
  expect(step.state, JSON.stringify(step)).toBe('done');
  expect(asked.map(({ host, headers }) => [host, headers.authorization])).toEqual([
    ['api.notes.example', 'Key otto:a-very-secret-token'],
    ['cdn.notes.example', undefined],
  ]);
  expect(asked[0]!.body).toBe('a=b+c&d=%26');
  const heard = JSON.parse(step.outputs.text as string) as { one: { headers: object }; connection: object };
  expect(JSON.stringify(heard)).not.toContain('a-very-secret-token');
  expect(JSON.stringify(heard.one)).toContain('Key otto:[secret]');
  expect(heard.connection).toMatchObject({ platform: 'notes', server: 'api.notes.example', name: 'Notes' });
});

test('keys that are refused at once are told, and keys that end later ask to be connected again', async () => {
  await scene.admin.query("update connection set state = 'removed', sealed = null");
  const own = notes('noted.ask', { exports: ['run', 'account'] });
  own.capabilities.http!.push({ method: 'GET', path: '/me', why: 'to see who it is' });
  const account = `account: async (ctx) => { await ctx.http({ method: 'GET', path: '/me' }); return { id: '7', name: 'Seven' }; }`;
  await put('noted.ask', own, RUN.replace('{ run', `{ ${account}, run`));
  const keys = { team: 'otto', token: 'not the right one' };
  says['/me'] = () => ({ status: 401, body: {} });
  expect((await scene.begin('noted.ask', { keys })).error).toMatchObject({ code: 'CONNECTION_REFUSED' });
  delete says['/me'];
  await scene.connect('noted.ask', { keys });
  expect((await scene.list()).connections).toMatchObject([{ name: 'Seven', state: 'ready' }]);
  says['/ask'] = () => ({ status: 401, body: {} });
  expect((await ran('noted.ask')).error).toMatchObject({ code: 'CONNECTION_REFUSED', retry: 'person' });
  expect((await scene.list()).connections).toMatchObject([{ state: 'reconnect' }]);
});

test('a token is exchanged for one that lives longer, and that one again before it ends', async () => {
  const platform: Platform = {
    title: 'Gram',
    server: { kind: 'fixed', hosts: ['api.notes.example'] },
    connect: {
      ...{ kind: 'oauth2', client: 'body', refresh: 'exchange', clientIdName: 'client_key' },
      authorize: { path: '/authorize' },
      token: { path: '/token' },
      app: { from: 'admin', help: 'Ask.' },
      exchange: {
        first: { path: '/longer', query: { secret: '{clientSecret}', from: '{token}' } },
        again: { path: '/again', query: { from: '{token}' } },
      },
    },
  };
  await put('gram.ask', notes('gram.ask', { connection: { platform: 'gram', scopes: ['a'] }, platform }), RUN);
  await scene.api('connections.setApp', 'mutation', { type: 'gram.ask', clientId: 'us', clientSecret: 'our secret' });
  says['/token'] = ({ body }) => {
    const form = new URLSearchParams(body);
    return form.get('client_key') === 'us' && form.get('code') === 'code-1' && form.get('code_verifier')
      ? { body: { access_token: 'token-short', expires_in: 3600 } }
      : { status: 400, body: { error: 'invalid_request' } };
  };
  const ends = new Map([
    ['/longer', { access_token: 'token-long-1', expires_in: 30 }],
    ['/again', { access_token: 'token-long-2', expires_in: 5_184_000 }],
  ]);
  const queries: string[] = [];
  for (const [path, body] of ends) {
    says[path] = (one) => {
      queries.push(one.path);
      return { body };
    };
  }
  const begun = await scene.begin('gram.ask');
  const url = new URL(begun.url!);
  expect(url.searchParams.get('client_key')).toBe('us');
  const back = `${scene.server.url}/connections/callback?code=code-1&state=${url.searchParams.get('state')}`;
  await scene.back(back);
  await scene.attempt(begun.id, 'done');
  const step = await ran('gram.ask');
  expect(step.state, JSON.stringify(step)).toBe('done');
  expect(queries).toEqual(['/longer', '/again']);
  expect(asked.find(({ path }) => path === '/ask')!.headers.authorization).toBe('Bearer token-long-2');
});

test.each<[string, (of: ManifestJson) => void, string]>([
  ['an account without a service', (of) => delete of.platform, 'only one of'],
  ['a service without an account', (of) => delete of.connection, 'only one of'],
  [
    'secrets for a host of the network',
    (of) => {
      of.platform = { ...KEYS, server: { kind: 'fixed', hosts: ['notes.internal'] } };
    },
    'no public host',
  ],
  [
    'units of no quota',
    (of) => {
      of.capabilities.http![0]!.uses = { units: 1 };
    },
    'none of its quotas',
  ],
  [
    'a quota in no zone',
    (of) => {
      of.platform = { ...KEYS, quotas: [{ name: 'units', units: 1, per: 'day', zone: 'Nowhere/City', of: 'app' }] };
    },
    'Nowhere/City',
  ],
  [
    'webhooks that nothing reads',
    (of) => {
      of.platform = { ...KEYS, webhooks: { header: 'x-s', id: { field: 'id' }, secret: 'connection' } };
    },
    'no events',
  ],
  [
    'posts of a node that only reads',
    (of) => {
      of.platform = { ...KEYS, post: { rules: {} } };
    },
    'its effect is',
  ],
])('refused at the door: %s', (_what, change, message) => {
  const of = notes('notes.ask');
  expect(() => checkForeignManifest(JSON.stringify(of))).not.toThrow();
  change(of);
  expect(() => checkForeignManifest(JSON.stringify(of))).toThrow(message);
});
