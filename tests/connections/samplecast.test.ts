/**
 * A platform that the product has never heard of, from its package to a post: packed by its author's tools, put in, allowed,
 * connected, published to, looked up, counted and taken away. Asserted on the wire.
 */
import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { newClient } from '../../emulators/oauth.ts';
import {
  SAMPLECAST_ORIGINS,
  type SamplecastEmulator,
  signedEvent,
  startSamplecast,
} from '../../emulators/samplecast.ts';
import { Asset } from '../../nodes/contract.ts';
import { contractPackage } from '../../scripts/node/contract-package.ts';
import { packFolder } from '../../scripts/node/pack.ts';
import { testFolder } from '../../scripts/node/test.ts';
import { type AccountsScene, openAccounts, publishing } from './accounts.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const TYPE = 'samplecast.publish';
let home: string;
let folder: string;
let service: SamplecastEmulator;
let scene: AccountsScene;
let rights: { id: string; title: string; isAllowed: boolean }[] = [];
let digest: string;

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'spliceboard-platform-'));
  folder = path.join(home, 'samplecast');
  await cp(path.join(ROOT, 'tests/fixtures/sample-platform'), folder, { recursive: true });
  await contractPackage(path.join(folder, 'node_modules/spliceboard-node'));
  await cp(path.join(ROOT, 'node_modules/zod'), path.join(folder, 'node_modules/zod'), { recursive: true });
  service = await startSamplecast();
  scene = await openAccounts(new Map(SAMPLECAST_ORIGINS.map((origin) => [origin, service.origin])));
});
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  await service?.close();
  await rm(home, { recursive: true, force: true });
});
beforeEach(() => {
  service.faults.clear();
  service.requests.length = 0;
  service.state.processingMs = 0;
  service.state.failure = null;
  service.state.privacy = ['everyone', 'followers'];
});

const sentTo = (method: string, start: string) =>
  service.requests.filter((one) => one.method === method && one.path.startsWith(start));

async function send(file: string) {
  const reply = await fetch(`${scene.server.url}/api/plugins?workspaceId=${scene.workspaceId}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${(await scene.server.member(scene.workspaceId, 'admin')).token}` },
    body: file,
  });
  const sent = (await reply.json()) as { digest: string };
  type Looked = { state: string; error: { code: string; message: string } | null; rights: typeof rights };
  const looked = await scene.until(
    () => scene.api<Looked>('plugins.look', 'query', { digest: sent.digest }),
    ({ state }) => state !== 'checking',
  );
  return { ...looked, digest: sent.digest };
}

async function clip(bytes = randomBytes(600_000)) {
  const made = await scene.store().putBytes(bytes, { kind: 'video', mime: 'video/mp4', name: 'clip.mp4' });
  return { file: Asset.parse({ ...made, duration: 12 }), bytes };
}

type Question = {
  runId: string;
  nodeId: string;
  path: number[];
  name: string;
  title: string;
  fields: { name: string; value: string; choices?: { value: string }[] }[];
};
const questionOf = async (runId: string, name: string) =>
  (
    await scene.until(
      () => scene.api<{ items: Question[] }>('waits.list', 'query'),
      ({ items }) => items.some((item) => item.runId === runId && item.name === name),
    )
  ).items.find((item) => item.runId === runId && item.name === name)!;
async function agree(runId: string, privacy: string, name = 'agree 1'): Promise<Question> {
  const question = await questionOf(runId, name);
  const { nodeId, path: at } = question;
  const decision = { outcome: 'agree', edits: { privacy }, comment: '' };
  await scene.api('waits.decide', 'mutation', { runId, nodeId, path: at, name, decision });
  return question;
}
async function ended(runId: string) {
  await scene.ended(runId, 60_000);
  return (await scene.step(runId, 'it'))!;
}
async function published(text: string) {
  const { file } = await clip();
  const runId = await scene.run(publishing(TYPE, { text, video: file }));
  await agree(runId, 'everyone');
  return { runId, ...(await ended(runId)) };
}

test('its author needs the tools alone: the conformance kit passes, and one file comes out', async () => {
  const said: string[] = [];
  const code = await testFolder(folder, (line) => said.push(line));
  expect(code, said.join('\n')).toBe(0);
  const packed = await packFolder(folder);
  expect(packed.nodes).toEqual(['src/publish.ts']);
  const looked = await send(packed.text);
  expect(looked.state, JSON.stringify(looked.error)).toBe('ready');
  ({ rights, digest } = looked);
  expect(rights.map(({ id }) => id)).toContain('account samplecast api.samplecast.example upload.samplecast.example');
  expect(rights.map(({ title }) => title)).toContain(
    'Act with an account at Samplecast that you connect: its secrets go to api.samplecast.example, upload.samplecast.example',
  );
  await scene.api('plugins.install', 'mutation', { digest, rights: rights.map(({ id }) => id), isDev: false });
}, 60_000);

test('before an account comes the app: an admin enters its client once', async () => {
  expect((await scene.begin(TYPE)).error).toMatchObject({ code: 'CONNECT_APP' });
  const { services } = await scene.list();
  const { app } = services.find(({ type }) => type === TYPE)!;
  expect(app).toMatchObject({ isThere: false, redirectUri: `${scene.server.url}/connections/callback` });
  const client = newClient(service.state.oauth, [app!.redirectUri], ['videos', 'posts', 'figures']);
  const wrong = { type: TYPE, clientId: client.id, clientSecret: 'not the secret' };
  await scene.api('connections.setApp', 'mutation', wrong);
  await expect(scene.connect(TYPE)).rejects.toThrow('CONNECT_REFUSED');
  await scene.api('connections.setApp', 'mutation', { ...wrong, clientSecret: client.secret });
  await scene.connect(TYPE);
  expect((await scene.list()).connections).toMatchObject([{ name: 'Otto Bikes TV', state: 'ready' }]);
  const { authorization } = sentTo('POST', '/oauth/token').at(-1)!.headers;
  expect(authorization, 'this client says who it is by Basic').toMatch(/^Basic /);
});

test('a video goes up in pieces, is agreed to, worked on and published, with evidence', async () => {
  const { file, bytes } = await clip();
  service.state.processingMs = 1_500;
  const runId = await scene.run(publishing(TYPE, { text: 'In pieces', video: file }));
  const question = await questionOf(runId, 'agree 1');
  expect(question.fields[0]!.choices!.map(({ value }) => value)).toEqual(['everyone', 'followers']);
  const decide = (edits: object) =>
    scene.api('waits.decide', 'mutation', {
      ...{ runId, nodeId: 'it', path: question.path, name: 'agree 1' },
      decision: { outcome: 'agree', edits, comment: '' },
    });
  await expect(decide({})).rejects.toThrow('FIELD_NOT_CHOSEN');
  await expect(decide({ privacy: 'nobody' })).rejects.toThrow('FIELD_NOT_CHOSEN');
  await decide({ privacy: 'followers' });
  const step = await ended(runId);
  expect(step.state, JSON.stringify(step)).toBe('done');
  const pieces = sentTo('PUT', '/v1/uploads/');
  expect(pieces.map(({ headers }) => headers['content-range'])).toEqual([
    'bytes 0-262143/600000',
    'bytes 262144-524287/600000',
    'bytes 524288-599999/600000',
  ]);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect([...service.state.videos.values()].at(-1)!.sha256).toBe(sha256);
  expect(service.state.posts.at(-1)).toMatchObject({ title: 'In pieces', privacy: 'followers' });
  expect(sentTo('GET', '/v1/videos/').length).toBeGreaterThan(1);
  expect(sentTo('POST', '/v1/posts')).toHaveLength(1);
});

test('an upload that breaks off goes on from what arrived', async () => {
  const { file, bytes } = await clip();
  service.faults.add(
    { method: 'PUT', path: '/v1/uploads/*', kind: 'commit-then-drop', skip: 1 },
    { method: 'PUT', path: '/v1/uploads/*', kind: 'status', status: 503, skip: 3 },
  );
  const runId = await scene.run(publishing(TYPE, { text: 'Broken off', video: file }));
  await agree(runId, 'everyone');
  const step = await ended(runId);
  expect(step.state, JSON.stringify(step)).toBe('done');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect([...service.state.videos.values()].at(-1)!.sha256).toBe(sha256);
  expect(sentTo('POST', '/v1/uploads')).toHaveLength(1);
  expect(sentTo('PUT', '/v1/uploads/').length).toBeGreaterThan(3);
});

test('a form that changes while somebody thinks is asked again; who declines publishes nothing', async () => {
  const { file } = await clip();
  const runId = await scene.run(publishing(TYPE, { text: 'Form', video: file }));
  await questionOf(runId, 'agree 1');
  service.state.privacy = ['followers'];
  await agree(runId, 'everyone');
  const again = await questionOf(runId, 'agree 2');
  expect(again.fields[0]!.choices!.map(({ value }) => value)).toEqual(['followers']);
  const decision = { outcome: 'decline', edits: {}, comment: '' };
  await scene.api('waits.decide', 'mutation', { runId, nodeId: 'it', path: again.path, name: 'agree 2', decision });
  expect((await ended(runId)).error).toMatchObject({ code: 'CONSENT_DECLINED' });
  expect(sentTo('POST', '/v1/uploads')).toEqual([]);
});

test('an answer that is lost is looked up no sooner than a post is listed, and nothing is posted twice', async () => {
  service.faults.add({ method: 'POST', path: '/v1/posts', kind: 'commit-then-drop' });
  const step = await published('Listed late');
  expect(step.state, JSON.stringify(step)).toBe('done');
  expect(service.state.posts.filter(({ title }) => title === 'Listed late')).toHaveLength(1);
  const [sent] = sentTo('POST', '/v1/posts');
  const [looked] = sentTo('GET', '/v1/posts');
  expect(looked!.at - sent!.at).toBeGreaterThan(6_000);
}, 60_000);

test('refresh tokens are good for one use: many who need one renew once', async () => {
  await scene.admin.query("update connection set expires_at = now() + interval '5 seconds' where state = 'ready'");
  const { file } = await clip();
  const runs = await Promise.all(
    [1, 2, 3, 4].map((at) => scene.run(publishing(TYPE, { text: `At once ${at}`, video: file }))),
  );
  for (const runId of runs) await questionOf(runId, 'agree 1');
  expect(sentTo('POST', '/oauth/token')).toHaveLength(1);
  for (const runId of runs) await scene.api('runs.cancel', 'mutation', { runId });
  expect((await scene.list()).connections).toMatchObject([{ state: 'ready' }]);
});

test('one that is refused before its time is renewed, and the request is sent again', async () => {
  service.state.oauth.access.clear();
  const { file } = await clip();
  const runId = await scene.run(publishing(TYPE, { text: 'Ended early', video: file }));
  await questionOf(runId, 'agree 1');
  expect(sentTo('GET', '/v1/form').map(({ status }) => status)).toEqual([401, 200]);
  await scene.api('runs.cancel', 'mutation', { runId });
});

test('a service that cannot renew now keeps nobody from a token that is still good', async () => {
  await scene.admin.query("update connection set expires_at = now() + interval '20 seconds' where state = 'ready'");
  service.faults.add({ method: 'POST', path: '/oauth/token', kind: 'status', status: 503, times: 50 });
  const { file } = await clip();
  const runId = await scene.run(publishing(TYPE, { text: 'Still good', video: file }));
  await questionOf(runId, 'agree 1');
  expect((await scene.list()).connections).toMatchObject([{ state: 'ready' }]);
  await scene.api('runs.cancel', 'mutation', { runId });
});

test('units are counted for the app, over all runs; what has none left sleeps until there are new ones', async () => {
  const { connections } = await scene.list();
  const { used } = connections[0]!.quotas[0]!;
  expect(used).toBe(service.state.units.used);
  await scene.admin.query('update quota_use set used = 9000');
  const { file } = await clip();
  const runId = await scene.run(publishing(TYPE, { text: 'No units', video: file }));
  await agree(runId, 'everyone');
  const sleeping = await scene.until(
    async () =>
      (
        await scene.admin.query(
          "select reason, extract(epoch from not_before - now())::float8 as seconds from strand where run_id = $1 and node = 'it'",
          [runId],
        )
      ).rows as { reason: string | null; seconds: number }[],
    ([row]) => row?.reason?.includes('units') === true,
  );
  expect(sleeping[0]!.seconds).toBeGreaterThan(0);
  expect(sleeping[0]!.seconds).toBeLessThan(25 * 3600);
  expect(sentTo('POST', '/v1/uploads')).toEqual([]);
  await scene.api('runs.cancel', 'mutation', { runId });
  await scene.admin.query('update quota_use set used = 100');
});

test('its webhooks are believed only where they are signed, in time, and once', async () => {
  const step = await published('Told of');
  const post = service.state.posts.find(({ title }) => title === 'Told of')!;
  expect(step.state).toBe('done');
  const { connections } = await scene.list();
  const { url, secret } = await scene.api<{ url: string; secret: string }>('connections.hook', 'mutation', {
    id: connections[0]!.id,
  });
  type Row = { title: string; state: string; note: string | null; metrics: Record<string, number> };
  const own = async () =>
    (await scene.api<Row[]>('connections.posts', 'query')).find(({ title }) => title === 'Told of')!;
  const tell = async (body: object, how: { secret?: string; at?: number; url?: string } = {}) =>
    (await fetch(how.url ?? url, signedEvent(how.secret ?? secret, body, how.at))).status;
  const figures = { event: 'e1', type: 'post.figures', post: post.id, figures: { views: 41 } };
  expect(await tell(figures, { secret: 'another' })).toBe(401);
  expect(await tell(figures, { at: Math.floor(Date.now() / 1000) - 400 })).toBe(401);
  expect(
    await tell(figures, { url: `${scene.server.url}/hooks/accounts/${randomBytes(32).toString('base64url')}` }),
  ).toBe(404);
  expect((await own()).metrics).toEqual({});
  expect(await tell(figures)).toBe(200);
  await scene.until(own, ({ metrics }) => metrics.views === 41);
  expect(await tell({ ...figures, figures: { views: 1 } }), 'the same event again').toBe(200);
  expect(await tell({ event: 'e2', type: 'post.removed', post: post.id, reason: 'Reported by somebody.' })).toBe(200);
  expect(await scene.until(own, ({ state }) => state === 'removed')).toMatchObject({
    note: 'Reported by somebody.',
    metrics: { views: 41 },
  });
});

test('figures come from the platform, and a post is taken away there', async () => {
  await published('Counted');
  const post = service.state.posts.find(({ title }) => title === 'Counted')!;
  post.figures = { views: 9, likes: 2 };
  type Row = { id: string; title: string; state: string; metrics: Record<string, number> };
  const own = async () =>
    (await scene.api<Row[]>('connections.posts', 'query')).find(({ title }) => title === 'Counted')!;
  await scene.api('connections.refresh', 'mutation');
  const { id } = await scene.until(own, ({ metrics }) => metrics.views === 9);
  await scene.api('connections.removePost', 'mutation', { id });
  await scene.until(own, ({ state }) => state === 'removed');
  expect(service.state.posts).not.toContain(post);
});

test('what it may do is held to what is allowed now: without the account nothing is sent', async () => {
  const account = rights.find(({ id }) => id.startsWith('account '))!.id;
  const setRights = (kept: string[]) =>
    scene.api('plugins.setRights', 'mutation', { name: 'spliceboard-samplecast', rights: kept });
  const all = rights.map(({ id }) => id);
  await setRights(all.filter((id) => id !== account));
  await sleep(1_100);
  service.requests.length = 0;
  const { file } = await clip();
  const runId = await scene.run(publishing(TYPE, { text: 'Not allowed', video: file }));
  expect((await ended(runId)).error).toMatchObject({ code: 'GRANT_MISSING', retry: 'person' });
  expect(service.requests).toEqual([]);
  await setRights(all);
  await sleep(1_100);
});

test("another plugin that calls its platform the same has no way to the first one's accounts", async () => {
  const other = path.join(home, 'other');
  await cp(folder, other, { recursive: true });
  const source = await readFile(path.join(other, 'src/publish.ts'), 'utf8');
  const about = await readFile(path.join(other, 'package.json'), 'utf8');
  await writeFile(path.join(other, 'package.json'), about.replace('spliceboard-samplecast', 'thief'));
  await writeFile(
    path.join(other, 'src/publish.ts'),
    source.replaceAll('samplecast.publish', 'thief.publish').replaceAll('.samplecast.example', '.thief.example'),
  );
  const looked = await send((await packFolder(other)).text);
  const install = { digest: looked.digest, rights: looked.rights.map(({ id }) => id), isDev: false };
  await scene.api('plugins.install', 'mutation', install);
  const { file } = await clip();
  const runId = await scene.run(publishing('thief.publish', { text: 'Mine', video: file }));
  expect((await ended(runId)).error).toMatchObject({ code: 'CONNECTION_MISSING' });
});

test('a refresh token whose answer was lost is lost: the account says so, and is connected anew', async () => {
  await scene.admin.query("update connection set expires_at = now() - interval '1 second' where state = 'ready'");
  service.faults.add({ method: 'POST', path: '/oauth/token', kind: 'commit-then-drop' });
  const { file } = await clip();
  const runId = await scene.run(publishing(TYPE, { text: 'Token lost', video: file }));
  expect((await ended(runId)).error).toMatchObject({ code: 'CONNECTION_REFUSED', retry: 'person' });
  expect((await scene.list()).connections).toMatchObject([{ state: 'reconnect' }]);
  await scene.connect(TYPE);
  await scene.api('runs.retry', 'mutation', { runId, nodeId: 'it', path: [] });
  await agree(runId, 'everyone');
  expect((await ended(runId)).state).toBe('done');
  expect(service.state.posts.filter(({ title }) => title === 'Token lost')).toHaveLength(1);
}, 60_000);
