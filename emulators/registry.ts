/**
 * A registry that speaks npm's protocol as far as fetching goes: package metadata and tarballs, with a token where it is private.
 * It can lie: a tarball that is not what its integrity says.
 * Source: github.com/npm/registry, docs/responses/package-metadata.md (read 2026-11).
 */
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { END, headOf, paddingOf } from '../runtime/tar.ts';

export const REGISTRY_ORIGIN = 'https://npm.example.com';
export type RegistryEmulator = {
  origin: string;
  /** Every request, with its authorization. */
  asked: { path: string; authorization: string | null }[];
  /** `files` by their path in the package, package.json among them. `lies`: what is sent is not what was stated. */
  publish(name: string, version: string, files: Record<string, string>, options?: { lies?: boolean }): void;
  /** From now on only this token is let in; null: everybody. */
  require(token: string | null): void;
  close(): Promise<void>;
};

export async function startRegistry(): Promise<RegistryEmulator> {
  const packages = new Map<string, Map<string, { tarball: Buffer; integrity: string }>>();
  const asked: RegistryEmulator['asked'] = [];
  let token: string | null = null;
  const server = http.createServer((request, reply) => {
    const path = decodeURIComponent(request.url ?? '/');
    const authorization = request.headers.authorization ?? null;
    asked.push({ path, authorization });
    const answer = (status: number, body: object) =>
      reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (token !== null && authorization !== `Bearer ${token}`) return answer(401, { error: 'Unauthorized' });
    const [, file, version] = /^\/(.+)\/-\/[^/]+-(\d+\.\d+\.\d+)\.tgz$/.exec(path) ?? [];
    const name = file ?? path.slice(1);
    const versions = packages.get(name);
    if (!versions) return answer(404, { error: 'Not found' });
    if (version) {
      const found = versions.get(version);
      if (!found) return answer(404, { error: 'Not found' });
      return reply.writeHead(200, { 'content-type': 'application/octet-stream' }).end(found.tarball);
    }
    const listed = [...versions].map(([each, { integrity }]) => {
      const tarball = `${REGISTRY_ORIGIN}/${name}/-/${name.split('/').at(-1)}-${each}.tgz`;
      return [each, { name, version: each, dist: { tarball, integrity } }];
    });
    return answer(200, {
      name,
      'dist-tags': { latest: [...versions.keys()].at(-1) },
      versions: Object.fromEntries(listed),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    publish(name, version, files, { lies = false } = {}) {
      const parts = Object.entries(files).flatMap(([path, text]) => {
        const bytes = Buffer.from(text);
        return [headOf(`package/${path}`, bytes.length), bytes, paddingOf(bytes.length)];
      });
      const tarball = gzipSync(Buffer.concat([...parts, END]));
      const integrity = `sha512-${createHash('sha512')
        .update(lies ? 'something else' : tarball)
        .digest('base64')}`;
      const versions = packages.get(name) ?? new Map();
      versions.set(version, { tarball, integrity });
      packages.set(name, versions);
    },
    require(wanted) {
      token = wanted;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
