/**
 * Sends an asset's bytes: ranges, strong validators, never able to script a page of ours. The bytes come from people and
 * platforms, so they are data only: `nosniff`, a sandboxing policy, and a type from a short list.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Asset } from '../nodes/contract.ts';
import type { AssetStore } from '../runtime/assets.ts';

const SHOWN = /^(video\/(mp4|webm|quicktime|x-matroska)|audio\/[a-z0-9.+-]+|image\/(png|jpeg|webp|gif|avif))$/;

export async function sendAsset(
  request: FastifyRequest,
  reply: FastifyReply,
  store: AssetStore,
  asset: Asset,
  options: { download?: string; isPublic?: boolean } = {},
): Promise<FastifyReply> {
  const etag = `"${asset.asset}"`;
  reply
    .header('etag', etag)
    .header('accept-ranges', 'bytes')
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "default-src 'none'; sandbox")
    .header('cross-origin-resource-policy', options.isPublic ? 'cross-origin' : 'same-origin')
    .header('cache-control', options.isPublic ? 'public, max-age=3600' : 'private, max-age=86400')
    .type(
      SHOWN.test(asset.mime)
        ? asset.mime
        : asset.kind === 'text'
          ? 'text/plain; charset=utf-8'
          : 'application/octet-stream',
    );
  if (options.download !== undefined || !SHOWN.test(asset.mime)) {
    reply.header('content-disposition', disposition(options.download ?? asset.name ?? asset.asset));
  }
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  const range = rangeOf(request.headers.range, request.headers['if-range'], etag, asset.bytes);
  if (range === 'unsatisfiable') {
    return reply.code(416).header('content-range', `bytes */${asset.bytes}`).send();
  }
  const { start, end } = range ?? { start: 0, end: asset.bytes - 1 };
  if (range) reply.code(206).header('content-range', `bytes ${start}-${end}/${asset.bytes}`);
  reply.header('content-length', end - start + 1);
  if (request.method === 'HEAD' || asset.bytes === 0) return reply.send();
  return reply.send(await store.read(asset.asset, { start, end }));
}

/** RFC 6266: an ASCII name for old readers, the whole one for the others. */
export function disposition(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\/]/g, '_').slice(0, 150);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name.slice(0, 150)).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)}`;
}

/** One range only; undefined for the whole. */
export function rangeOf(
  header: string | undefined,
  ifRange: string | string[] | undefined,
  etag: string,
  bytes: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '') || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const last = bytes - 1;
  const start = match[1] === '' ? Math.max(0, bytes - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? last : Math.min(Number(match[2]), last);
  return start > end || start > last ? 'unsatisfiable' : { start, end };
}
