/** Fetching a model: progress, resuming, and refusing what is not what its publisher announced. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createFetcher, type Fetcher } from '../../runtime/fetch.ts';
import { installables, installEngine, installedModel, isInstalled } from '../../runtime/speech/install.ts';

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251));
const tiny = {
  id: 'tiny',
  task: 'transcribe' as const,
  label: 'Tiny',
  languages: 'en',
  publisher: 'Test',
  licence: 'MIT',
  source: 'https://models.test',
  kind: 'whisper' as const,
  files: [
    {
      name: 'model.onnx',
      url: 'https://models.test/model.onnx',
      bytes: CONTENT.length,
      sha256: createHash('sha256').update(CONTENT).digest('hex'),
    },
  ],
};
/** The product's own models have hundreds of megabytes; this one is served on loopback. */
const catalogue = [tiny];

let server: Server;
let fetcher: Fetcher;
let folder: string;
let ranges: (string | undefined)[] = [];
let content = CONTENT;
let cutAfter = Number.POSITIVE_INFINITY;

beforeAll(async () => {
  server = createServer((request, response) => {
    const range = request.headers.range;
    ranges.push(range);
    const from = range ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
    response.writeHead(range ? 206 : 200, { 'content-length': String(content.length - from) });
    if (cutAfter === Number.POSITIVE_INFINITY) {
      response.end(content.subarray(from));
      return;
    }
    response.write(content.subarray(from, from + cutAfter), () => setTimeout(() => response.destroy(), 30));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  fetcher = createFetcher({
    egress: new Map([['https://models.test', `http://127.0.0.1:${(server.address() as AddressInfo).port}`]]),
  });
  folder = await mkdtemp(path.join(tmpdir(), 'models-'));
});
afterEach(async () => {
  ranges = [];
  content = CONTENT;
  cutAfter = Number.POSITIVE_INFINITY;
  await rm(folder, { recursive: true, force: true });
});
afterAll(async () => {
  await fetcher.close();
  await new Promise((resolve) => server.close(resolve));
});

test('a model is fetched with progress, checked, and then found', async () => {
  const fractions: number[] = [];
  await installEngine('tiny', { fetcher, folder, catalogue, onProgress: ({ fraction }) => fractions.push(fraction) });
  expect(fractions.at(-1)).toBe(1);
  expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  expect(await installedModel('transcribe', folder, catalogue)).toMatchObject({ folder: path.join(folder, 'tiny') });
  await installEngine('tiny', { fetcher, folder, catalogue });
  expect(ranges).toHaveLength(1);
});

test('what broke off goes on where it was', async () => {
  cutAfter = 100_000;
  await expect(installEngine('tiny', { fetcher, folder, catalogue })).rejects.toMatchObject({
    error: { code: 'INSTALL_FAILED', retry: 'later' },
  });
  const held = (await stat(path.join(folder, 'tiny/model.onnx.part'))).size;
  expect(held).toBe(100_000);
  expect(await isInstalled(tiny, folder)).toBe(false);
  cutAfter = Number.POSITIVE_INFINITY;
  await installEngine('tiny', { fetcher, folder, catalogue });
  expect(ranges).toEqual([undefined, `bytes=${held}-`]);
  expect(await readFile(path.join(folder, 'tiny/model.onnx'))).toEqual(CONTENT);
});

test('another file than was announced is removed and named', async () => {
  content = Buffer.from(CONTENT);
  content[1000] = 0xff;
  await expect(installEngine('tiny', { fetcher, folder, catalogue })).rejects.toMatchObject({
    error: { code: 'MODEL_DIGEST' },
  });
  expect(existsSync(path.join(folder, 'tiny/model.onnx.part'))).toBe(false);
  expect(await installedModel('transcribe', folder, catalogue)).toBeUndefined();
});

test('a file that is changed after its check is noticed', async () => {
  await installEngine('tiny', { fetcher, folder, catalogue });
  const changed = Buffer.from(CONTENT);
  changed[5] = 0;
  await new Promise((resolve) => setTimeout(resolve, 5));
  await writeFile(path.join(folder, 'tiny/model.onnx'), changed);
  expect(await isInstalled(tiny, folder)).toBe(false);
});

test('a cancel keeps what has arrived; an unknown name lists the known ones', async () => {
  cutAfter = 50_000;
  const stop = new AbortController();
  const running = installEngine('tiny', {
    fetcher,
    folder,
    catalogue,
    signal: stop.signal,
    onProgress: () => stop.abort(new Error('cancelled')),
  });
  await expect(running).rejects.toThrow('cancelled');
  await expect(installEngine('nothing', { fetcher, folder, catalogue })).rejects.toThrow(/no engine "nothing"/);
  expect((await installables(folder, catalogue)).map((one) => one.id)).toEqual(['tiny', 'draft']);
});
