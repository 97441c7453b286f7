import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createFetcher, egressFrom, type Fetcher, forbiddenAddress, type Resolver } from './fetch.ts';

let server: Server;
let origin: string;
let seen: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const open: Fetcher[] = [];

const SERVICE = 'https://api.service.test';
const OTHER = 'https://other.service.test';

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  seen = [];
  await Promise.all(open.splice(0).map((fetcher) => fetcher.close()));
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** A fetcher for which `api.service.test` and `other.service.test` are mapped to the loopback server. */
function fetcher(resolve?: Resolver): Fetcher {
  const made = createFetcher({
    egress: new Map([
      [SERVICE, origin],
      [OTHER, origin.replace('127.0.0.1', 'localhost')],
    ]),
    ...(resolve ? { resolve } : {}),
  });
  open.push(made);
  return made;
}

describe('addresses', () => {
  test.each([
    '127.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '100.100.100.200',
    '169.254.169.254',
    '168.63.129.16',
    '172.31.255.255',
    '192.168.1.1',
    '198.19.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::169.254.169.254',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2001:0:5ef5:79fb::1',
    '2001:db8::1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    'ff02::1',
    'fec0::1',
    '100::1',
    'not-an-address',
  ])('%s is refused', (address) => {
    expect(forbiddenAddress(address)).toBeTypeOf('string');
  });

  test.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '2606:4700:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'])(
    '%s is public',
    (address) => expect(forbiddenAddress(address)).toBeUndefined(),
  );

  test.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://localhost/',
    'http://LOCALHOST./',
    'http://foo.localhost/',
    'http://metadata.google.internal/',
    'http://printer.local/',
    'http://intranet/',
    'http://１２７.０.０.１/',
    'https://user:pass@example.com/',
    'https://example.com:22/',
    'file:///etc/passwd',
    'gopher://example.com/',
    'ftp://example.com/',
    'data:text/plain,hi',
    'nonsense',
  ])('%s is refused before anything is sent', async (address) => {
    const none: Resolver = () => Promise.reject(new Error('must not be asked'));
    await expect(fetcher(none).request(address)).rejects.toMatchObject({ code: 'FETCH_REFUSED', retry: 'never' });
  });

  test('a public name with one private address among its addresses is refused', async () => {
    const resolve: Resolver = async () => ['93.184.216.34', '10.0.0.1'];
    await expect(fetcher(resolve).request('http://rebind.example.com/')).rejects.toMatchObject({
      code: 'FETCH_REFUSED',
    });
  });

  test('the address that was checked is the one connected to: a name is resolved once', async () => {
    let asked = 0;
    const resolve: Resolver = async () => (asked++ === 0 ? ['127.0.0.1'] : ['93.184.216.34']);
    await expect(fetcher(resolve).request('http://rebind.example.com/')).rejects.toMatchObject({
      code: 'FETCH_REFUSED',
    });
    expect(asked).toBe(1);
  });
});

describe("the operator's map", () => {
  test('reaches a private service by its public name, and only at the exact origin', async () => {
    answer = (_request, response) => response.end('hello');
    const reply = await fetcher().request(`${SERVICE}/v1/x?y=1`);
    expect(await reply.text()).toBe('hello');
    expect(reply.url).toBe(`${SERVICE}/v1/x?y=1`);
    expect(seen[0]?.path).toBe('/v1/x?y=1');
    await expect(fetcher().request('http://api.service.test/')).rejects.toMatchObject({ code: 'FETCH_FAILED' });
    await expect(fetcher().request(`${origin}/`)).rejects.toMatchObject({ code: 'FETCH_REFUSED' });
  });

  test('is read from JSON and refuses what is no origin', () => {
    expect(
      egressFrom({ SPLICEBOARD_EGRESS: '{"https://a.example":"http://127.0.0.1:9"}' }).get('https://a.example'),
    ).toBe('http://127.0.0.1:9');
    expect(egressFrom({})).toEqual(new Map());
    expect(() => egressFrom({ SPLICEBOARD_EGRESS: '{"https://a.example/path":"http://b.example"}' })).toThrow(/origin/);
  });
});

describe('redirects', () => {
  test('to another origin lose credentials', async () => {
    answer = (request, response) =>
      request.url === '/start' ? response.writeHead(302, { location: `${OTHER}/end` }).end() : response.end('there');
    const reply = await fetcher().request(`${SERVICE}/start`, {
      headers: { authorization: 'Bearer secret', cookie: 'a=b', 'x-api-key': 'k', accept: 'text/plain' },
    });
    expect(await reply.text()).toBe('there');
    expect(seen[0]?.headers.authorization).toBe('Bearer secret');
    expect(seen[1]?.headers).not.toHaveProperty('authorization');
    expect(seen[1]?.headers).not.toHaveProperty('cookie');
    expect(seen[1]?.headers).not.toHaveProperty('x-api-key');
    expect(seen[1]?.headers.accept).toBe('text/plain');
  });

  test.each(['http://169.254.169.254/', 'file:///etc/passwd', 'http://localhost:1/', 'http://127.0.0.1:5432/'])(
    'to %s are refused',
    async (location) => {
      answer = (_request, response) => response.writeHead(302, { location }).end();
      await expect(fetcher().request(`${SERVICE}/`)).rejects.toMatchObject({ code: 'FETCH_REFUSED' });
      expect(seen).toHaveLength(1);
    },
  );

  test('never carry a body to another origin, and end after five', async () => {
    answer = (_request, response) => response.writeHead(307, { location: `${OTHER}/` }).end();
    await expect(fetcher().request(`${SERVICE}/`, { method: 'POST', body: 'data' })).rejects.toThrow(/carries data/);
    answer = (_request, response) => response.writeHead(302, { location: '/again' }).end();
    await expect(fetcher().request(`${SERVICE}/`)).rejects.toThrow(/too often/);
  });
});

describe('limits', () => {
  test('count decompressed bytes, so a small bomb is stopped', async () => {
    const bomb = gzipSync(Buffer.alloc(4_000_000));
    answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    const reply = await fetcher().request(`${SERVICE}/`, { maxBytes: 1_000_000 });
    expect(bomb.length).toBeLessThan(10_000);
    await expect(reply.bytes()).rejects.toMatchObject({ code: 'FETCH_TOO_LARGE', retry: 'never' });
  });

  test('a server that stops talking is given up, and the request may have arrived', async () => {
    answer = (_request, response) => response.writeHead(200).write('half');
    const reply = await fetcher().request(`${SERVICE}/`, { idleMs: 150 });
    await expect(reply.text()).rejects.toMatchObject({ code: 'FETCH_TIMEOUT', mayHaveArrived: true, retry: 'later' });
    answer = () => {};
    await expect(fetcher().request(`${SERVICE}/`, { timeoutMs: 150 })).rejects.toMatchObject({ code: 'FETCH_TIMEOUT' });
  });

  test('a closed port certainly did not get the request, a cut connection may have', async () => {
    const once = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => once.once('listening', resolve));
    const nobody = `http://127.0.0.1:${(once.address() as AddressInfo).port}`;
    await new Promise((resolve) => once.close(resolve));
    const closed = createFetcher({ egress: new Map([[SERVICE, nobody]]) });
    open.push(closed);
    await expect(closed.request(`${SERVICE}/`)).rejects.toMatchObject({ code: 'FETCH_FAILED', mayHaveArrived: false });
    answer = (request) => request.socket.destroy();
    await expect(fetcher().request(`${SERVICE}/`)).rejects.toMatchObject({
      code: 'FETCH_FAILED',
      mayHaveArrived: true,
    });
  });

  test('an abort ends the request with its own reason', async () => {
    answer = () => {};
    const stop = new AbortController();
    const running = fetcher().request(`${SERVICE}/`, { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('cancelled by a person')), 50);
    await expect(running).rejects.toThrow('cancelled by a person');
  });

  test('huge headers are refused', async () => {
    answer = (_request, response) => response.writeHead(200, { 'x-big': 'a'.repeat(60_000) }).end();
    await expect(fetcher().request(`${SERVICE}/`)).rejects.toMatchObject({ code: 'FETCH_FAILED' });
  });
});

test('as a fetch for SDKs it sends forms and gives real responses', async () => {
  answer = (_request, response) => response.writeHead(201, { 'content-type': 'application/json' }).end('{"ok":true}');
  const form = new FormData();
  form.set('model', 'whisper-1');
  form.set('file', new File(['abc'], 'a.txt'));
  const response = await fetcher().asFetch()(`${SERVICE}/v1/audio`, { method: 'POST', body: form });
  expect(response.status).toBe(201);
  expect(await response.json()).toEqual({ ok: true });
  expect(seen[0]?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/);
  expect(seen[0]?.body).toContain('filename="a.txt"');
});
