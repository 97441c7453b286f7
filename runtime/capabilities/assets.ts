/**
 * What a node may do with the asset store: read texts, write texts, look at what is stored, and load a public address
 * through the safe fetch. Bytes never cross the wall; a node sees facts and at most 4 MB of text.
 *
 * A download is written to a job folder, looked at (`runtime/sniff.ts`, then the prober for recordings) and only then
 * taken into the store. The same address asked again within the hour is answered from the memo.
 * Errors: ASSET_MISSING, ASSET_NOT_TEXT, ASSET_TOO_LONG, and what fetch.ts and the prober say.
 */
import { createWriteStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import type { Asset, MediaFacts } from '../../nodes/contract.ts';
import { AssetMissing } from '../assets.ts';
import { FetchError, type Fetcher } from '../fetch.ts';
import { SNIFF_BYTES, type Sniffed, sniff } from '../sniff.ts';
import { type Capability, CapabilityError, method, type StepScope } from './capability.ts';

const TEXT_BYTES = 4 * 1024 * 1024;
const DOWNLOAD_BYTES = 20 * 1024 ** 3;
const DOWNLOAD_MS = 6 * 3600_000;
const MIME = /^[a-z]+\/[a-z0-9.+-]{1,60}$/;
const WRITABLE = ['text/plain', 'text/markdown', 'text/vtt', 'application/x-subrip', 'application/json', 'text/csv'];

export type AssetsOptions = {
  fetcher: Fetcher;
  /** Facts of a recording, by the prober. Throws where it is no recording after all. */
  probe(scope: StepScope, asset: string): Promise<MediaFacts>;
  /** Assets uploaded under the same stem. */
  sidecars(workspaceId: string, asset: string): Promise<Asset[]>;
};

const Sha = z.string().regex(/^[0-9a-f]{64}$/);

export function assetsCapability(options: AssetsOptions): Capability {
  return {
    name: 'assets',
    declared(manifest, name) {
      const rights = manifest.capabilities.assets ?? [];
      return rights.includes(name === 'fetch' ? 'fetch' : name === 'writeText' ? 'write' : 'read');
    },
    methods: {
      readText: method({
        input: z.strictObject({ asset: Sha }),
        record: 'pass',
        act: (scope, { asset }) => readText(scope, asset),
      }),
      writeText: method({
        input: z.strictObject({
          text: z.string().max(TEXT_BYTES),
          name: z.string().min(1).max(300),
          mime: z.string().max(80).regex(MIME),
        }),
        record: 'memo',
        engine: () => 'text@1',
        async act(scope, { text, name, mime }) {
          if (!WRITABLE.includes(mime)) {
            throw new CapabilityError('ASSET_NOT_TEXT', `${mime} is not a kind of text that can be written.`, {
              hint: `Use one of: ${WRITABLE.join(', ')}.`,
            });
          }
          return scope.assets.putBytes(Buffer.from(text), { kind: 'text', mime, name: fileName(name) });
        },
      }),
      fetch: method({
        input: z.strictObject({ url: z.string().max(4096) }),
        record: 'memo',
        engine: () => new Date().toISOString().slice(0, 13), // good for the hour
        act: (scope, { url }) => download(scope, url, options),
      }),
      inspect: method({
        input: z.strictObject({ asset: Sha }),
        record: 'pass',
        async act(scope, { asset: id }) {
          const asset = await known(scope, id);
          const sidecars = await options.sidecars(scope.workspaceId, id);
          return { asset: await withFacts(scope, asset, options), sidecars };
        },
      }),
    },
  };
}

async function known(scope: StepScope, id: string): Promise<Asset> {
  const asset = await scope.assets.find(id);
  if (!asset) {
    throw new CapabilityError('ASSET_MISSING', 'This file is not in the workspace any more.', {
      hint: 'Upload it again or choose another one.',
      retry: 'person',
    });
  }
  return asset;
}

async function readText(scope: StepScope, id: string): Promise<string> {
  const asset = await known(scope, id);
  if (asset.bytes > TEXT_BYTES) {
    throw new CapabilityError('ASSET_TOO_LONG', `${asset.name ?? 'The text'} is longer than 4 MB.`, {
      hint: 'Split it into smaller files.',
    });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(await scope.assets.path(id)));
  } catch (error) {
    if (error instanceof AssetMissing) throw error;
    throw new CapabilityError('ASSET_NOT_TEXT', `${asset.name ?? 'The file'} is not UTF-8 text.`, {
      hint: 'Save it as UTF-8 and upload it again.',
      cause: error,
    });
  }
}

/** Recordings carry the prober's facts; a row made before they were known gets them here. */
async function withFacts(scope: StepScope, asset: Asset, options: AssetsOptions): Promise<Asset> {
  if ((asset.kind !== 'video' && asset.kind !== 'audio') || asset.duration !== undefined) return asset;
  return { ...asset, ...factsOf(await options.probe(scope, asset.asset)) };
}

export function factsOf(facts: MediaFacts): Partial<Asset> {
  return {
    kind: facts.kind,
    duration: facts.duration,
    ...(facts.video ? { width: facts.video.width, height: facts.video.height, rate: facts.video.rate } : {}),
    ...(facts.kind === 'video' ? { hasSound: facts.audio !== null } : {}),
  };
}

async function download(scope: StepScope, url: string, options: AssetsOptions): Promise<Asset> {
  await using folder = await scope.assets.jobFolder();
  const file = path.join(folder.path, 'download');
  let name: string;
  try {
    const reply = await options.fetcher.request(url, {
      headers: { accept: 'video/*, audio/*, text/*;q=0.5, */*;q=0.1', 'user-agent': 'Spliceboard' },
      signal: scope.signal,
      timeoutMs: DOWNLOAD_MS,
      maxBytes: DOWNLOAD_BYTES,
    });
    if (reply.status !== 200) {
      await reply.body.cancel();
      throw statusError(url, reply.status, reply.headers);
    }
    name = nameOf(reply.url, reply.headers.get('content-disposition'));
    await save(scope, reply.body, file, Number(reply.headers.get('content-length') ?? 0));
  } catch (error) {
    throw asCapabilityError(error);
  }
  const sniffed = sniff(await head(file), name);
  if (!sniffed || !['video', 'audio', 'text'].includes(sniffed.kind)) {
    throw new CapabilityError(
      'NOT_MEDIA',
      `${new URL(url).host} did not send a recording or a text${sniffed ? ` but ${sniffed.mime}` : ''}.`,
      {
        hint: 'Use the address of the file itself, not of a page that shows it.',
      },
    );
  }
  return await keep(scope, file, name, sniffed, options); // before the folder goes
}

async function keep(
  scope: StepScope,
  file: string,
  name: string,
  sniffed: Sniffed,
  options: AssetsOptions,
): Promise<Asset> {
  const asset = await scope.assets.putFile(file, { kind: sniffed.kind, mime: sniffed.mime, name });
  return withFacts(scope, asset, options);
}

async function head(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function save(scope: StepScope, body: ReadableStream<Uint8Array>, file: string, expected: number): Promise<void> {
  let seen = 0;
  const counted = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]).on('data', (chunk: Uint8Array) => {
    seen += chunk.length;
    if (expected > 0) scope.progress(Math.min(1, seen / expected), `Loaded ${Math.round(seen / 1_048_576)} MB.`);
  });
  await pipeline(counted, createWriteStream(file, { flush: true }), { signal: scope.signal });
}

/** What the server calls it, else the last part of the address; never a path. */
function nameOf(url: string, disposition: string | null): string {
  const starred = /filename\*=(?:UTF-8|utf-8)''([^;]+)/.exec(disposition ?? '')?.[1];
  const quoted = /filename="([^"]+)"/.exec(disposition ?? '')?.[1] ?? /filename=([^;\s]+)/.exec(disposition ?? '')?.[1];
  const last = new URL(url).pathname.split('/').pop() ?? '';
  return fileName(decoded(starred) ?? quoted ?? decoded(last) ?? 'download');
}
function decoded(text: string | undefined): string | undefined {
  if (!text) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
const fileName = (name: string) =>
  name
    .replace(/[/\\\p{Cc}]+/gu, '_')
    .replace(/^\.+/, '')
    .slice(0, 200) || 'file';

function statusError(url: string, status: number, headers: Headers): CapabilityError {
  const { host } = new URL(url);
  const later = status === 429 || status >= 500;
  const code =
    status === 401 || status === 403
      ? 'ADDRESS_FORBIDDEN'
      : status === 404 || status === 410
        ? 'ADDRESS_GONE'
        : 'ADDRESS_FAILED';
  return new CapabilityError(code, `${host} answered with status ${status}.`, {
    hint: later
      ? 'It is tried again by itself.'
      : 'Open the address in a private window to see whether anyone can load it.',
    retry: later ? 'later' : 'never',
    ...notBefore(headers),
  });
}

/** `Retry-After` in seconds or as a date, at most a day ahead. */
export function notBefore(headers: Headers): { notBefore?: string } {
  const text = headers.get('retry-after');
  if (!text) return {};
  const at = /^\d+$/.test(text) ? Date.now() + Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(at)) return {};
  return { notBefore: new Date(Math.min(at, Date.now() + 86_400_000)).toISOString() };
}

/** What the safe fetch says, as a capability says it. */
export function asCapabilityError(error: unknown): unknown {
  if (!(error instanceof FetchError)) return error;
  return new CapabilityError(error.code, error.message, {
    ...(error.hint ? { hint: error.hint } : {}),
    retry: error.retry,
    cause: error,
  });
}
