/**
 * Fetches a plugin by name and version from a registry that speaks npm's protocol. Of the package one file is taken, in memory:
 * the packed plugin. Nothing is unpacked to the disk, installed or run; a package that would run something where it is installed is
 * refused, with the line.
 *
 * The token goes to the registry's own origin only. What came is held to the registry's own sha-512.
 * Source: github.com/npm/registry, docs/responses/package-metadata.md (read 2026-11).
 * Errors: PLUGIN_REGISTRY, PLUGIN_NOT_FOUND, PLUGIN_NOT_PACKED, PLUGIN_INTEGRITY, PACK_SCRIPTS, and fetch.ts's FETCH_… codes.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import * as z from 'zod';
import { NodeError, PackedPlugin } from '../nodes/contract.ts';
import type { Fetcher } from './fetch.ts';
import { PACKED_BYTES } from './packed.ts';
import { entriesOf, TarError } from './tar.ts';

export type Registry = { url: string; token: string | null };
export type Fetched = { text: string; name: string; version: string; integrity: string };

const METADATA_BYTES = 32 * 1024 * 1024;
const TARBALL_BYTES = 32 * 1024 * 1024;
/** Unpacked: a small file can be made of very many zeros. */
const UNPACKED_BYTES = 128 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

const Metadata = z.object({
  'dist-tags': z.record(z.string(), z.string()).optional(),
  versions: z.record(
    z.string(),
    z.object({
      dist: z.object({ tarball: z.url(), integrity: z.string().optional() }),
      deprecated: z.unknown().optional(),
    }),
  ),
});
const About = z.object({
  name: z.string(),
  version: z.string(),
  scripts: z.record(z.string(), z.unknown()).optional(),
  bin: z.unknown().optional(),
  gypfile: z.unknown().optional(),
});
const Named = z.object({ name: PackedPlugin.shape.name, version: PackedPlugin.shape.version });
/** npm runs these where a package is installed from a registry. */
const RUN_AT_INSTALL = ['preinstall', 'install', 'postinstall'];

/** What the operator has set, else what `npm start` says that npm is set to on its machine; asked for once. */
let usual: Promise<string> | undefined;
export function usualRegistry(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  if (environment.SPLICEBOARD_NPM_REGISTRY) return Promise.resolve(environment.SPLICEBOARD_NPM_REGISTRY);
  usual ??= new Promise<string>((resolve, reject) => {
    const told = (message: unknown) => {
      const { registry } = (message ?? {}) as { registry?: unknown };
      if (registry === undefined) return;
      process.off('message', told);
      if (typeof registry === 'string') resolve(registry);
      else reject(unset());
    };
    if (!process.send) return reject(unset());
    process.on('message', told);
    process.send({ wants: 'registry' });
  });
  usual.catch(() => {
    usual = undefined;
  });
  return usual;
}

const unset = () =>
  new NodeError('PLUGIN_REGISTRY', 'No registry is known here to fetch plugins from.', {
    hint: 'The operator can set SPLICEBOARD_NPM_REGISTRY; or install the packed file.',
    retry: 'person',
  });

export async function fetchPacked(
  fetcher: Fetcher,
  registry: Registry,
  wanted: { name: string; version: string | null },
): Promise<Fetched> {
  const base = registry.url.endsWith('/') ? registry.url : `${registry.url}/`;
  if (!URL.canParse(base)) throw new NodeError('PLUGIN_REGISTRY', `${registry.url} is no address of a registry.`);
  const place = new URL(wanted.name.replace('/', '%2f'), base).href;
  const metadata = await fetcher.request(place, {
    headers: { accept: 'application/json', ...authorized(registry, base, place) },
    maxBytes: METADATA_BYTES,
    timeoutMs: TIMEOUT_MS,
  });
  if (metadata.status === 404) throw notFound(`There is no package ${wanted.name}.`);
  if (metadata.status === 401 || metadata.status === 403) {
    throw new NodeError('PLUGIN_REGISTRY', `The registry does not let us in (${metadata.status}).`, {
      hint: 'Give a token that may read this package.',
      retry: 'person',
    });
  }
  if (metadata.status !== 200) {
    throw new NodeError('PLUGIN_REGISTRY', `The registry answered with ${metadata.status}.`, { retry: 'later' });
  }
  const known = Metadata.safeParse(jsonOf(await metadata.text()));
  if (!known.success) throw new NodeError('PLUGIN_REGISTRY', 'The registry’s answer cannot be read.');
  const version = wanted.version ?? known.data['dist-tags']?.latest ?? '';
  const found = Object.hasOwn(known.data.versions, version) ? known.data.versions[version] : undefined;
  if (!found) {
    const newest = known.data['dist-tags']?.latest;
    throw notFound(
      `${wanted.name} has no version ${version || 'that is its latest'}.`,
      newest ? `Its latest is ${newest}.` : undefined,
    );
  }
  const bytes = await tarball(fetcher, registry, base, found.dist.tarball);
  const integrity = held(bytes, found.dist.integrity, wanted.name);
  const { text, about } = await packedIn(bytes, wanted.name);
  const packed = Named.safeParse(jsonOf(text));
  if (
    !packed.success ||
    packed.data.name !== wanted.name ||
    packed.data.version !== version ||
    about.name !== wanted.name
  ) {
    throw new NodeError('PLUGIN_INTEGRITY', `What is packed in ${wanted.name} ${version} says it is something else.`, {
      hint: 'Its author has to pack it again with the version that is published.',
    });
  }
  return { text, name: wanted.name, version, integrity };
}

const notFound = (message: string, hint = 'Check its name and version.') =>
  new NodeError('PLUGIN_NOT_FOUND', message, { hint });

function authorized({ token }: Registry, base: string, address: string): Record<string, string> {
  return token !== null && new URL(address).origin === new URL(base).origin ? { authorization: `Bearer ${token}` } : {};
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function tarball(fetcher: Fetcher, registry: Registry, base: string, address: string): Promise<Uint8Array> {
  const reply = await fetcher.request(address, {
    headers: authorized(registry, base, address),
    maxBytes: TARBALL_BYTES,
    timeoutMs: TIMEOUT_MS,
  });
  if (reply.status !== 200) {
    throw new NodeError('PLUGIN_REGISTRY', `The registry answered with ${reply.status} for the package itself.`, {
      retry: 'later',
    });
  }
  return reply.bytes();
}

/** Its sha-512, which has to be the one the registry names. */
function held(bytes: Uint8Array, stated: string | undefined, name: string): string {
  const own = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  if (!stated?.split(/\s+/).includes(own)) {
    throw new NodeError('PLUGIN_INTEGRITY', `What came of ${name} is not what the registry says it is.`, {
      hint: 'Nothing was kept. Try again; if it stays so, ask its author.',
    });
  }
  return own;
}

async function packedIn(bytes: Uint8Array, name: string): Promise<{ text: string; about: z.infer<typeof About> }> {
  let aboutText: string | undefined;
  const packed: string[] = [];
  try {
    for await (const entry of entriesOf(unpacked(bytes))) {
      const path = entry.name.split('/').slice(1).join('/');
      const isAbout = path === 'package.json';
      if (!entry.isFile || !(isAbout || path.endsWith('.plugin.json'))) continue;
      if (entry.bytes > PACKED_BYTES) throw notPacked(`${path} in ${name} is too large.`);
      const parts: Buffer[] = [];
      for await (const part of entry.read()) parts.push(part);
      const text = Buffer.concat(parts).toString('utf8');
      if (isAbout) aboutText = text;
      else packed.push(text);
    }
  } catch (error) {
    if (error instanceof NodeError) throw error;
    if (error instanceof TarError || (error as { code?: string }).code?.startsWith('Z_')) {
      throw notPacked(`${name} is no package that can be read.`);
    }
    throw error;
  }
  const about = About.safeParse(jsonOf(aboutText ?? ''));
  if (!about.success) throw notPacked(`${name} has no package.json that can be read.`);
  const runs =
    RUN_AT_INSTALL.find((script) => about.data.scripts?.[script] !== undefined) ??
    (['bin', 'gypfile'] as const).find((field) => about.data[field] !== undefined);
  if (runs !== undefined) {
    const line = aboutText!.slice(0, aboutText!.indexOf(`"${runs}"`)).split('\n').length;
    throw new NodeError('PACK_SCRIPTS', `${name}, package.json:${line}: "${runs}" would run where it is installed.`, {
      hint: 'Nothing of it was run. Its author has to take it out: a plugin is one packed file.',
    });
  }
  if (packed.length !== 1) {
    throw notPacked(
      packed.length === 0
        ? `${name} has no packed plugin in it.`
        : `${name} has ${packed.length} packed plugins in it.`,
    );
  }
  return { text: packed[0]!, about: about.data };
}

const notPacked = (message: string) =>
  new NodeError('PLUGIN_NOT_PACKED', message, {
    hint: 'It needs exactly one file dist/*.plugin.json, made by `node pack`.',
  });

/** Ends where it becomes too much. */
function unpacked(bytes: Uint8Array): Readable {
  let seen = 0;
  const gunzip = Readable.from([bytes]).pipe(createGunzip());
  return Readable.from(
    (async function* () {
      for await (const chunk of gunzip as AsyncIterable<Buffer>) {
        seen += chunk.length;
        if (seen > UNPACKED_BYTES) throw notPacked('The package is too large when it is unpacked.');
        yield chunk;
      }
    })(),
  );
}
