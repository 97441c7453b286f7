/** Uploads as browsers and the command line send them: whole, in parts, broken off, changed on the way. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Asset } from '../../nodes/contract.ts';
import { startServer } from '../../server/main.ts';
import { sweepUploads } from '../../server/uploads.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const TALK = path.resolve(import.meta.dirname, '../../templates/sample/talk.mp4');

let server: TestServer;
let workspaceId: string;
let token: string;
beforeAll(async () => {
  server = await startTestServer();
  ({ workspaceId } = await server.database.workspace('Uploads'));
  ({ token } = await server.member(workspaceId, 'editor'));
});
afterAll(() => server?.close());

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const headers = (more: Record<string, string> = {}) => ({
  authorization: `Bearer ${token}`,
  'tus-resumable': '1.0.0',
  ...more,
});

async function begin(name: string, length: number, url = server.url): Promise<Response> {
  const metadata = `filename ${Buffer.from(name).toString('base64')},workspaceId ${btoa(workspaceId)}`;
  return fetch(`${url}/api/uploads`, {
    method: 'POST',
    headers: headers({ 'upload-length': String(length), 'upload-metadata': metadata }),
  });
}
const placeOf = (reply: Response) => new URL(reply.headers.get('location')!, server.url).pathname;
const send = (place: string, offset: number, bytes: Uint8Array, url = server.url) =>
  fetch(url + place, {
    method: 'PATCH',
    headers: headers({ 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' }),
    body: bytes as BodyInit,
  });
const finish = (place: string, body: object, url = server.url) =>
  fetch(`${url}${place}/finish`, {
    method: 'POST',
    headers: headers({ 'content-type': 'application/json' }),
    body: JSON.stringify(body),
  });
async function upload(name: string, bytes: Uint8Array, more: object = {}): Promise<Response> {
  const place = placeOf(await begin(name, bytes.byteLength));
  await send(place, 0, bytes);
  return finish(place, { sha256: sha256(bytes), ...more });
}
const problemOf = async (reply: Response) =>
  ((await reply.json()) as { problem: { code: string; hint: string | null } }).problem;
const left = () => readdirSync(path.join(server.dataDir, 'uploads'));

test('a recording arrives in parts, is named by its checksum, and a worker is asked to look at it', async () => {
  const bytes = await readFile(TALK);
  const place = placeOf(await begin('talk.mp4', bytes.byteLength));
  for (let at = 0; at < bytes.byteLength; at += 3_000_000) {
    const reply = await send(place, at, bytes.subarray(at, at + 3_000_000));
    expect(reply.status).toBe(204);
  }
  const reply = await finish(place, { sha256: sha256(bytes) });
  const { asset } = (await reply.json()) as { asset: Asset };
  expect(asset).toMatchObject({
    asset: sha256(bytes),
    kind: 'video',
    mime: 'video/mp4',
    bytes: bytes.byteLength,
    name: 'talk.mp4',
  });
  const stored = await fetch(`${server.url}/media/${workspaceId}/${asset.asset}`, { headers: headers() });
  expect(sha256(new Uint8Array(await stored.arrayBuffer()))).toBe(sha256(bytes));
  const { rows } = await server.database.admin.query('select input, state from errand where workspace_id = $1', [
    workspaceId,
  ]);
  expect(rows).toEqual([{ input: { asset: asset.asset }, state: 'queued' }]);
  // asked again, as after a lost answer: the same asset, and nothing twice
  expect(await (await finish(place, { sha256: sha256(bytes) })).json()).toEqual({ asset });
  expect(left()).toEqual([]);
});

test('an upload goes on after the server was restarted', async () => {
  const bytes = Buffer.from('first half. second half.');
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-resume-'));
  const { port } = new URL(server.url);
  const options = {
    host: '127.0.0.1',
    dataDir: folder,
    databaseUrl: server.database.url,
    editorDir: path.join(folder, 'none'),
    version: 'test',
  };
  const first = await startServer({ ...options, port: Number(port) + 1 });
  const place = placeOf(await begin('notes.txt', bytes.byteLength, first.url));
  await send(place, 0, bytes.subarray(0, 12), first.url);
  await first.close();
  const second = await startServer({ ...options, port: Number(port) + 1 });
  try {
    const head = await fetch(second.url + place, { method: 'HEAD', headers: headers() });
    expect(head.headers.get('upload-offset')).toBe('12');
    await send(place, 12, bytes.subarray(12), second.url);
    const reply = await finish(place, { sha256: sha256(bytes) }, second.url);
    expect(await reply.json()).toMatchObject({ asset: { asset: sha256(bytes), kind: 'text' } });
  } finally {
    await second.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a part that comes twice or too early is refused, and the upload goes on', async () => {
  const bytes = Buffer.from('twelve bytes');
  const place = placeOf(await begin('a.txt', bytes.byteLength));
  await send(place, 0, bytes.subarray(0, 6));
  expect((await send(place, 0, bytes.subarray(0, 6))).status).toBe(409);
  expect((await send(place, 9, bytes.subarray(9))).status).toBe(409);
  expect((await finish(place, { sha256: sha256(bytes) })).status).toBe(409);
  await send(place, 6, bytes.subarray(6));
  expect((await finish(place, { sha256: sha256(bytes) })).status).toBe(200);
});

test('bytes that changed on the way are refused and forgotten', async () => {
  const sent = Buffer.from('what was read from the disk');
  const place = placeOf(await begin('a.txt', sent.byteLength));
  await send(place, 0, Buffer.from('what arrived at this place!'));
  const reply = await finish(place, { sha256: sha256(sent) });
  expect([reply.status, (await problemOf(reply)).code]).toEqual([409, 'UPLOAD_DIGEST']);
  expect(left()).toEqual([]);
  const { rows } = await server.database.admin.query('select sha256 from asset where sha256 = $1', [sha256(sent)]);
  expect(rows).toEqual([]);
});

test('what a file is is seen from its bytes, whatever it calls itself', async () => {
  for (const [name, bytes] of [
    ['film.mp4', Buffer.from('#EXTM3U\n#EXT-X-TARGETDURATION:10\nfile:///etc/passwd\n')],
    ['film.mp4', Buffer.from('<html><script>alert(1)</script></html>')],
    ['film.mp4', Buffer.from([0x4d, 0x5a, 0x90, 0x00, 0x03, 0x00, 0x00, 0x00])],
  ] as const) {
    const reply = await upload(name, bytes);
    if (reply.status !== 200) {
      expect((await problemOf(reply)).hint).toMatch(/MP4/);
      continue;
    }
    const { asset } = (await reply.json()) as { asset: Asset };
    expect(['text', 'file']).toContain(asset.kind);
    const shown = await fetch(`${server.url}/media/${workspaceId}/${asset.asset}`, { headers: headers() });
    expect(shown.headers.get('content-type')).toMatch(/^(text\/plain|application\/octet-stream)/);
    expect(shown.headers.get('x-content-type-options')).toBe('nosniff');
    expect(shown.headers.get('content-security-policy')).toContain('sandbox');
  }
  expect(left()).toEqual([]);
});

test('captions go along with their recording; a recording is no captions', async () => {
  const recording = (await (await upload('a.txt', Buffer.from('stands for a recording'))).json()) as { asset: Asset };
  const srt = Buffer.from('1\n00:00:00,000 --> 00:00:01,000\nHello\n');
  const given = await upload('a.srt', srt, { sidecarOf: recording.asset.asset });
  expect(given.status).toBe(200);
  const { rows } = await server.database.admin.query('select sha256, sidecar, name from asset_sidecar');
  expect(rows).toEqual([{ sha256: recording.asset.asset, sidecar: sha256(srt), name: 'a.srt' }]);
  const film = await upload('b.mp4', (await readFile(TALK)).subarray(0, 100_000), { sidecarOf: recording.asset.asset });
  expect(film.status).toBe(400);
  const nothing = await upload('c.srt', Buffer.concat([srt, Buffer.from('\n')]), { sidecarOf: 'f'.repeat(64) });
  expect(nothing.status).toBe(404);
});

test('more than the largest file, or than the disk can hold, is refused before a byte is sent', async () => {
  expect((await begin('a.mp4', 5 * 1024 ** 4)).status).toBe(413);
  expect(left().filter((name) => !name.endsWith('.json'))).toHaveLength(
    left().filter((name) => name.endsWith('.json')).length,
  );
});

test('a cancelled upload leaves nothing', async () => {
  const place = placeOf(await begin('a.txt', 10));
  await send(place, 0, Buffer.from('hello'));
  expect((await fetch(server.url + place, { method: 'DELETE', headers: headers() })).status).toBe(204);
  expect((await fetch(server.url + place, { method: 'HEAD', headers: headers() })).status).toBe(404);
  expect(left().filter((name) => name.startsWith(place.split('/').at(-1)!))).toEqual([]);
});

test('what nobody goes on with is cleared after a day, what a kill left behind after an hour, and nothing else', async () => {
  const folder = path.join(server.dataDir, 'uploads');
  const hours = (count: number) => new Date(Date.now() + count * 3_600_000);
  const rowsOf = async () =>
    (await server.database.admin.query<{ id: string }>('select id from upload')).rows.map((row) => row.id);
  const idOf = (place: string) => place.split('/').at(-1)!;
  await sweepUploads(server.services.db, folder, hours(48)); // of the tests before
  expect([await rowsOf(), left()]).toEqual([[], []]);

  const half = placeOf(await begin('half.txt', 10));
  await send(half, 0, Buffer.from('hello'));
  const finished = placeOf(await begin('whole.txt', 5));
  await send(finished, 0, Buffer.from('whole'));
  expect((await finish(finished, { sha256: sha256(Buffer.from('whole')) })).status).toBe(200);
  const orphan = path.join(folder, `${'0'.repeat(31)}a.0123456789ab`); // a second name without an upload
  writeFileSync(orphan, 'left by a kill');
  const killed = path.join(folder, idOf(finished)); // a server that was killed before it took the file away
  writeFileSync(killed, 'whole');

  expect(await sweepUploads(server.services.db, folder, new Date())).toEqual({ files: 0, rows: 0 });
  await sweepUploads(server.services.db, folder, hours(2));
  expect([existsSync(orphan), existsSync(killed), await rowsOf()]).toEqual([false, false, [idOf(half)]]);
  // begun long ago, but bytes came today: it goes on
  await server.database.admin.query(`update upload set created_at = now() - interval '5 days'`);
  await sweepUploads(server.services.db, folder, hours(23));
  expect((await send(half, 5, Buffer.from('w'))).status).toBe(204);
  for (const name of left()) utimesSync(path.join(folder, name), hours(-25), hours(-25));
  await sweepUploads(server.services.db, folder, new Date());
  expect([await rowsOf(), left()]).toEqual([[], []]);
  expect((await fetch(server.url + half, { method: 'HEAD', headers: headers() })).status).toBe(404);
});
