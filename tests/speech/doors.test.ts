/** What nodes reach through the assets and http capabilities: the store and the world, each by its one door. */

import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Asset, HttpReply, ManifestJson } from '../../nodes/contract.ts';
import { assetsCapability } from '../../runtime/capabilities/assets.ts';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import { mediaCapability } from '../../runtime/capabilities/media/media.ts';
import { createFetcher, type Fetcher } from '../../runtime/fetch.ts';
import { grantFor } from '../../runtime/graph/rights.ts';
import { type LocalScope, localScope } from './scope.ts';

const SERVICE = 'https://files.service.test';
let server: Server;
let fetcher: Fetcher;
let scope: LocalScope;
let seen: { request: IncomingMessage; body: Buffer }[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

const manifest = {
  id: 'test.node',
  capabilities: {
    http: [
      { method: 'GET', host: 'files.service.test', path: '/items/{id}', why: 'test' },
      { method: 'POST', host: 'files.service.test', path: '/items', why: 'test' },
    ],
    assets: ['read', 'fetch'],
  },
} as unknown as ManifestJson;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    seen.push({ request, body: Buffer.concat(chunks) });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  fetcher = createFetcher({
    egress: new Map([[SERVICE, `http://127.0.0.1:${(server.address() as AddressInfo).port}`]]),
  });
  scope = await localScope({ manifest });
});
beforeEach(() => {
  seen = [];
});
afterAll(async () => {
  await fetcher.close();
  await new Promise((resolve) => server.close(resolve));
  await scope[Symbol.asyncDispose]();
});

describe('assets', () => {
  const media = mediaCapability();
  const capability = () =>
    assetsCapability({
      fetcher,
      probe: (one, asset) => media.methods.probe!.act(one, { asset }) as never,
      sidecars: async () => [],
    });
  const act = <T>(name: string, input: unknown) => capability().methods[name]!.act(scope, input) as Promise<T>;
  const failing = (code: string, retry = 'never') =>
    expect.objectContaining({ error: expect.objectContaining({ code, retry }) });

  test('a recording behind an address is loaded, looked at and measured; its name comes from the server', async () => {
    const bytes = await readFile(path.join(import.meta.dirname, '../fixtures/jfk.flac'));
    answer = (_request, response) =>
      response
        .writeHead(200, {
          'content-type': 'text/html',
          'content-disposition': 'attachment; filename="../../Kennedy speech.flac"',
        })
        .end(bytes);
    const asset = await act<Asset>('fetch', { url: `${SERVICE}/x?y` });
    expect(asset).toMatchObject({
      kind: 'audio',
      mime: 'audio/flac',
      name: '_.._Kennedy speech.flac',
      bytes: bytes.length,
    });
    expect(asset.duration).toBeCloseTo(11, 0);
    await expect(act('inspect', { asset: asset.asset })).resolves.toMatchObject({
      asset: { asset: asset.asset },
      sidecars: [],
    });
  });

  test.each([
    ['a page', 200, '<!doctype html><title>Watch</title>', {}, 'NOT_MEDIA', 'never'],
    ['bytes of no kind we know', 200, '{"a":', { 'content-type': 'video/mp4' }, 'NOT_MEDIA', 'never'],
    ['nothing there', 404, '', {}, 'ADDRESS_GONE', 'never'],
    ['a login', 401, '', {}, 'ADDRESS_FORBIDDEN', 'never'],
    ['too many requests', 429, '', { 'retry-after': '60' }, 'ADDRESS_FAILED', 'later'],
    ['a private redirect', 302, '', { location: 'http://169.254.169.254/latest' }, 'FETCH_REFUSED', 'never'],
  ])('%s is refused in words', async (name, status, body, headers, code, retry) => {
    const text = name.startsWith('bytes') ? Buffer.from([0, 1, 2, 3, 4, 5, 6, 7]) : body;
    answer = (_request, response) => response.writeHead(status, headers).end(text);
    await expect(act('fetch', { url: `${SERVICE}/film.mp4` })).rejects.toEqual(failing(code, retry));
  });

  test('texts are read and written as UTF-8, and nothing else is', async () => {
    const asset = await act<Asset>('writeText', { text: 'Grüße', name: 'notes.txt', mime: 'text/plain' });
    await expect(act('readText', { asset: asset.asset })).resolves.toBe('Grüße');
    await expect(act('writeText', { text: '<script>', name: 'a.html', mime: 'text/html' })).rejects.toEqual(
      failing('ASSET_NOT_TEXT'),
    );
    const binary = await scope.assets.putBytes(new Uint8Array([0xff, 0xfe, 0x80]), {
      kind: 'file',
      mime: 'application/octet-stream',
    });
    await expect(act('readText', { asset: binary.asset })).rejects.toEqual(failing('ASSET_NOT_TEXT'));
    await expect(act('readText', { asset: '0'.repeat(64) })).rejects.toEqual(failing('ASSET_MISSING', 'person'));
  });

  test('each right is declared by itself', () => {
    const one = capability();
    const may = (assets: string[]) =>
      ['readText', 'writeText', 'fetch', 'inspect'].filter((name) =>
        one.declared({ capabilities: { assets } } as never, name),
      );
    expect(may(['read'])).toEqual(['readText', 'inspect']);
    expect(may(['fetch'])).toEqual(['fetch']);
    expect(may([])).toEqual([]);
  });
});

describe('http', () => {
  const send = (request: object) =>
    httpCapability({ fetcher }).methods.request!.act(scope, request) as Promise<HttpReply>;
  const failing = (code: string) => expect.objectContaining({ error: expect.objectContaining({ code }) });

  test('a declared request is sent, and JSON comes back as data without cookies', async () => {
    answer = (_request, response) =>
      response
        .writeHead(201, { 'content-type': 'application/json', 'set-cookie': 'a=b', 'x-own': '1' })
        .end('{"id":7}');
    const reply = await send({
      method: 'POST',
      host: 'files.service.test',
      path: '/items',
      json: { a: 1 },
      query: { q: 'ä b' },
    });
    expect(reply).toMatchObject({ status: 201, body: { id: 7 }, headers: { 'x-own': '1' } });
    expect(reply.headers).not.toHaveProperty('set-cookie');
    expect(seen[0]!.request.url).toBe('/items?q=%C3%A4+b');
    expect(seen[0]!.body.toString()).toBe('{"a":1}');
  });

  test('an asset is streamed as the body', async () => {
    const asset = await scope.assets.putBytes(Buffer.alloc(200_000, 7), { kind: 'file', mime: 'application/x-test' });
    answer = (_request, response) => response.end();
    await expect(
      send({ method: 'POST', host: 'files.service.test', path: '/items', asset: asset.asset }),
    ).resolves.toMatchObject({ status: 200, body: null });
    expect(seen[0]!.body).toHaveLength(200_000);
    expect(seen[0]!.request.headers['content-type']).toBe('application/x-test');
  });

  test.each([
    ['another host', { method: 'GET', host: 'evil.test', path: '/items/1' }, 'HTTP_NOT_DECLARED'],
    ['another method', { method: 'DELETE', host: 'files.service.test', path: '/items/1' }, 'HTTP_NOT_DECLARED'],
    ['a longer path', { method: 'GET', host: 'files.service.test', path: '/items/1/secrets' }, 'HTTP_NOT_DECLARED'],
    ['dots', { method: 'GET', host: 'files.service.test', path: '/items/..' }, 'HTTP_BAD_REQUEST'],
    ['escaped dots', { method: 'GET', host: 'files.service.test', path: '/items/%2e%2e' }, 'HTTP_BAD_REQUEST'],
    ['an escaped slash', { method: 'GET', host: 'files.service.test', path: '/items/a%2Fb' }, 'HTTP_BAD_REQUEST'],
    ['a query in the path', { method: 'GET', host: 'files.service.test', path: '/items/1?x=1' }, 'HTTP_BAD_REQUEST'],
    [
      'a host header',
      { method: 'GET', host: 'files.service.test', path: '/items/1', headers: { Host: 'evil.test' } },
      'HTTP_BAD_REQUEST',
    ],
    [
      'two bodies',
      { method: 'POST', host: 'files.service.test', path: '/items', json: 1, text: 'x' },
      'HTTP_BAD_REQUEST',
    ],
  ])('%s is refused before anything is sent', async (_name, request, code) => {
    await expect(send(request)).rejects.toEqual(failing(code));
    expect(seen).toHaveLength(0);
  });

  test('a redirect of a write is given back, not followed', async () => {
    answer = (_request, response) => response.writeHead(303, { location: '/elsewhere' }).end();
    await expect(
      send({ method: 'POST', host: 'files.service.test', path: '/items', text: 'x' }),
    ).resolves.toMatchObject({ status: 303 });
    expect(seen).toHaveLength(1);
  });

  test('a placeholder is one part of a path', () => {
    const fits = (one: string) =>
      grantFor(manifest, { method: 'GET', host: 'FILES.service.test', path: one }) !== undefined;
    expect(['/items/7', '/items/', '/items', '/items/7/8'].map(fits)).toEqual([true, false, false, false]);
  });
});
