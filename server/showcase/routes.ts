/**
 * The public addresses of Showcase: `/b/<brand>`, `/b/<brand>/<page>`, `/b/<brand>/feed.xml`, `/b/media/<page id>/<name>`,
 * and the files the pages are drawn with under `/b/-/`. Nobody signs in here; what a visitor may read is what a published
 * page names. A page that was taken back answers 410 with its media, a removed brand 404.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { findAsset } from '../../db/assets.ts';
import { type BrandRow, getBrand } from '../../db/brands.ts';
import { brandOfSlug, listPages, type PageRow, pageById, pageBySlug, workspaceOfPage } from '../../db/showcase.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { Asset } from '../../nodes/contract.ts';
import type { Services } from '../deps.ts';
import { sendAsset } from '../send-asset.ts';
import { mediaOf, PageContent } from './content.ts';
import { renderFeed } from './feed.ts';
import { type BrandView, type PublishedView, renderIndex, renderMissing, renderPage, styleOf } from './page.ts';

const FONTS = path.resolve(import.meta.dirname, '../../node_modules/@fontsource-variable/instrument-sans/files');
const FILES: Record<string, { file: string; type: string }> = {
  'page.css': { file: path.join(import.meta.dirname, 'assets/page.css'), type: 'text/css; charset=utf-8' },
  'page.js': { file: path.join(import.meta.dirname, 'assets/page.js'), type: 'text/javascript; charset=utf-8' },
  'instrument-sans-latin.woff2': {
    file: path.join(FONTS, 'instrument-sans-latin-wght-normal.woff2'),
    type: 'font/woff2',
  },
  'instrument-sans-latin-ext.woff2': {
    file: path.join(FONTS, 'instrument-sans-latin-ext-wght-normal.woff2'),
    type: 'font/woff2',
  },
};

/** The parts of a kit that a public page draws; a kit of another shape draws the product's own colour. */
const Kit = z.object({
  colors: z.object({ primary: z.string() }).catch({ primary: '#2c45e4' }),
  logo: Asset.nullable().catch(null),
  links: z.array(z.object({ label: z.string(), url: z.string().regex(/^https?:\/\//) })).catch([]),
});

const hashOf = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('base64');

export function registerShowcase(app: FastifyInstance, services: Services): void {
  const files = new Map(
    Object.entries(FILES).map(([name, { file, type }]) => {
      const bytes = readFileSync(file);
      return [
        name,
        {
          bytes,
          type,
          version: hashOf(bytes)
            .replace(/[^A-Za-z0-9]/g, '')
            .slice(0, 12),
        },
      ] as const;
    }),
  );
  const address = (name: string) => `/b/-/${name}?v=${files.get(name)!.version}`;
  const assets = { css: address('page.css'), js: address('page.js') };
  const url = services.publicUrl ?? services.url;

  const brandView = (brand: BrandRow): BrandView => {
    const kit = Kit.safeParse(brand.kit).data ?? { colors: { primary: '#2c45e4' }, logo: null, links: [] };
    return {
      name: brand.name,
      origin: url,
      path: `/b/${brand.slug}`,
      primary: kit.colors.primary,
      about: '',
      links: kit.links,
      logoPath: kit.logo?.kind === 'image' ? `/b/${brand.slug}/logo` : null,
    };
  };
  const pageView = (brand: BrandRow, page: PageRow): PublishedView => ({
    path: `/b/${brand.slug}/${page.slug}`,
    mediaPath: `/b/media/${page.id}/`,
    publishedAt: page.publishedAt,
    timeZone: brand.timeZone,
    isListed: page.visibility === 'public',
    content: PageContent.parse(page.content),
  });

  /** Everything a page may do is listed; scripts and styles only of our own. */
  function sendHtml(request: FastifyRequest, reply: FastifyReply, brand: BrandView | null, page: string, code = 200) {
    const style = brand ? ` 'sha256-${hashOf(styleOf(brand))}'` : ` 'unsafe-inline'`;
    const etag = `"${hashOf(page)}"`;
    reply
      .code(code)
      .type('text/html; charset=utf-8')
      .header('etag', etag)
      .header('cache-control', 'no-cache')
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'strict-origin-when-cross-origin')
      .header('cross-origin-opener-policy', 'same-origin')
      .header(
        'content-security-policy',
        `default-src 'none'; script-src 'self'; style-src 'self'${style}; img-src 'self'; media-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
      );
    if (code === 200 && request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.send(page);
  }
  const missing = (request: FastifyRequest, reply: FastifyReply, brand: BrandRow | undefined, gone = false) => {
    const view = brand ? brandView(brand) : null;
    return sendHtml(request, reply, view, renderMissing({ brand: view, gone, assets }), gone ? 410 : 404);
  };

  /** The brand of an address, with what `read` finds inside its workspace. */
  async function inBrand<T>(
    slug: string,
    read: (tx: Parameters<Parameters<typeof inWorkspace<T>>[2]>[0], brand: BrandRow) => Promise<T>,
  ): Promise<{ brand: BrandRow; workspaceId: string; found: T } | undefined> {
    const place = await brandOfSlug(services.db, slug);
    if (!place) return undefined;
    return inWorkspace(services.db, place.workspaceId, async (tx) => {
      const brand = await getBrand(tx, place.brandId);
      return brand && { brand, workspaceId: place.workspaceId, found: await read(tx as never, brand) };
    });
  }

  app.get<{ Params: { name: string } }>('/b/-/:name', (request, reply) => {
    const file = files.get(request.params.name);
    if (!file) return missing(request, reply, undefined);
    return reply
      .type(file.type)
      .header('cache-control', 'public, max-age=31536000, immutable')
      .header('x-content-type-options', 'nosniff')
      .header('cross-origin-resource-policy', 'same-origin')
      .send(file.bytes);
  });

  app.get<{ Params: { brand: string } }>('/b/:brand', async (request, reply) => {
    const at = await inBrand(request.params.brand, (tx, brand) => listPages(tx, brand.id, { onlyPublic: true }));
    if (!at) return missing(request, reply, undefined);
    const brand = brandView(at.brand);
    const pages = at.found.map((page) => pageView(at.brand, page));
    return sendHtml(request, reply, brand, renderIndex({ brand, pages, assets }));
  });

  app.get<{ Params: { brand: string } }>('/b/:brand/feed.xml', async (request, reply) => {
    const at = await inBrand(request.params.brand, (tx, brand) => listPages(tx, brand.id, { onlyPublic: true }));
    if (!at) return missing(request, reply, undefined);
    const items = at.found.slice(0, 100).map((page) => ({ id: page.id, ...pageView(at.brand, page) }));
    const feed = renderFeed({ brand: brandView(at.brand), items });
    const etag = `"${hashOf(feed)}"`;
    reply
      .type('application/rss+xml; charset=utf-8')
      .header('etag', etag)
      .header('cache-control', 'public, max-age=60')
      .header('x-content-type-options', 'nosniff')
      .header('content-security-policy', "default-src 'none'; sandbox");
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.send(feed);
  });

  app.get<{ Params: { brand: string } }>('/b/:brand/logo', async (request, reply) => {
    const at = await inBrand(request.params.brand, async (tx, brand) => {
      const logo = Kit.safeParse(brand.kit).data?.logo;
      return logo?.kind === 'image' ? findAsset(tx, logo.asset) : undefined;
    });
    if (!at?.found) return missing(request, reply, undefined);
    return sendAsset(request, reply, services.storeFor(at.workspaceId), at.found.asset, { isPublic: true });
  });

  app.get<{ Params: { brand: string; page: string }; Querystring: { t?: string } }>(
    '/b/:brand/:page',
    async (request, reply) => {
      const at = await inBrand(request.params.brand, (tx, brand) => pageBySlug(tx, brand.id, request.params.page));
      if (!at?.found) return missing(request, reply, at?.brand);
      if (at.found.state !== 'published') return missing(request, reply, at.brand, true);
      const brand = brandView(at.brand);
      const start = z.coerce
        .number()
        .min(0)
        .max(1e6)
        .catch(0)
        .parse(request.query.t ?? 0);
      const page = pageView(at.brand, at.found);
      return sendHtml(request, reply, brand, renderPage({ brand, page, assets, start }));
    },
  );

  app.get<{ Params: { pageId: string; name: string }; Querystring: { download?: string } }>(
    '/b/media/:pageId/:name',
    async (request, reply) => {
      const { pageId, name } = request.params;
      const workspaceId = z.uuid().safeParse(pageId).success ? await workspaceOfPage(services.db, pageId) : undefined;
      if (workspaceId === undefined) return missing(request, reply, undefined);
      const at = await inWorkspace(services.db, workspaceId, async (tx) => {
        const page = await pageById(tx, pageId);
        const brand = page && (await getBrand(tx, page.brandId));
        if (!page || !brand) return undefined;
        if (page.state !== 'published') return { brand, gone: true as const };
        const media = mediaOf(PageContent.parse(page.content), name);
        const stored = media?.kind === 'asset' ? await findAsset(tx, media.asset.asset) : undefined;
        return { brand, gone: false as const, title: page.title, media, stored };
      });
      if (!at) return missing(request, reply, undefined);
      if (at.gone) return missing(request, reply, at.brand, true);
      reply.header('access-control-allow-origin', '*'); // players and podcast apps of other sites may read it
      if (at.media?.kind === 'captions') {
        return reply
          .type('text/vtt; charset=utf-8')
          .header('cache-control', 'no-cache')
          .header('x-content-type-options', 'nosniff')
          .header('content-security-policy', "default-src 'none'; sandbox")
          .send(at.media.text);
      }
      if (!at.stored) return missing(request, reply, at.brand);
      const extension = path.extname(name);
      return sendAsset(request, reply, services.storeFor(workspaceId), at.stored.asset, {
        isPublic: true,
        ...(request.query.download === undefined ? {} : { download: `${at.title.slice(0, 100)}${extension}` }),
      });
    },
  );
}
