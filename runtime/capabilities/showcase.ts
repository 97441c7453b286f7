/**
 * The built-in destination, answered on this side of the wall: `https://showcase.spliceboard.internal/pages/<key>`.
 * PUT publishes (the same key is the same page), GET tells whether it is there, DELETE takes it off the public page.
 *
 * A page belongs to the node that publishes it: run again it renews its page, and a second pipeline on the same recording
 * makes a page of its own instead of replacing the first. Where another has published the very same clips already (a
 * pipeline that was imported twice), that page is the one.
 * It speaks like any other platform, so its effects are recorded, looked up and simulated like any other's.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Database } from '../../db/connect.ts';
import { type PageRow, pageByKey, pagesAbout, publishPage, setPageState } from '../../db/showcase.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import {
  Asset,
  Captions,
  Clip,
  type HttpReply,
  type HttpRequest,
  MediaAsset,
  Transcript,
} from '../../nodes/contract.ts';
import type { StepScope } from './capability.ts';

export const SHOWCASE_HOST = 'showcase.spliceboard.internal';

const Page = z.object({
  title: z.string().trim().min(1).max(300),
  summary: z.string().max(5000).default(''),
  visibility: z.enum(['public', 'unlisted']).default('public'),
  recording: MediaAsset.nullish(),
  transcript: Transcript.nullish(),
  clips: z
    .array(z.object({ clip: Clip, captions: Captions.nullish(), thumbnail: Asset.nullish() }))
    .max(200)
    .default([]),
});
export type ShowcasePage = z.infer<typeof Page>;

export type ShowcaseOptions = {
  db: Database;
  /** The public address of this installation, without a slash at the end. */
  url: string;
};

const reply = (status: number, body: unknown): HttpReply => ({
  status,
  headers: { 'content-type': 'application/json' },
  body,
});

/** A short, readable address from a title; `page` where nothing readable is left. */
export function slugOf(title: string): string {
  const slug = title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/ß/g, 'ss')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60)
    .replace(/-+$/, '');
  return slug || 'page';
}

export function showcaseSend(options: ShowcaseOptions) {
  return async (scope: StepScope, request: HttpRequest): Promise<HttpReply> => {
    const key = /^\/pages\/([A-Za-z0-9._-]{1,200})$/.exec(request.path)?.[1];
    if (key === undefined) return reply(404, { error: 'not_found' });
    return inWorkspace(options.db, scope.workspaceId, async (tx) => {
      const brand = await tx.selectFrom('brand').select('slug').where('id', '=', scope.brandId).executeTakeFirst();
      if (!brand) return reply(404, { error: 'not_found' });
      const told = (page: PageRow) => ({
        id: page.id,
        url: `${options.url}/b/${brand.slug}/${page.slug}`,
        title: page.title,
        publishedAt: page.publishedAt,
      });
      const ownKey = `${key}.${await originOf(tx, scope)}`;
      switch (request.method) {
        case 'GET': {
          const page = await pageByKey(tx, scope.brandId, ownKey);
          return page?.state === 'published' ? reply(200, told(page)) : reply(404, { error: 'not_found' });
        }
        case 'PUT': {
          const parsed = Page.safeParse(request.json);
          if (!parsed.success) return reply(422, { error: z.prettifyError(parsed.error).slice(0, 500) });
          const { title, visibility } = parsed.data;
          const assets = assetsOf(parsed.data);
          const known = await tx
            .selectFrom('asset')
            .select('sha256')
            .where('sha256', 'in', ['', ...assets])
            .execute();
          const missing = assets.filter((asset) => !known.some((row) => row.sha256 === asset));
          if (missing.length > 0)
            return reply(422, { error: `The file ${missing[0]!.slice(0, 12)} is not in this workspace.` });
          const isOwn = (await pageByKey(tx, scope.brandId, ownKey)) !== undefined;
          const others = isOwn ? [] : await pagesAbout(tx, scope.brandId, `${key}.`);
          const same = others.find((page) => isSame(page, parsed.data));
          const page = await publishPage(tx, {
            brandId: scope.brandId,
            key: same?.key ?? ownKey,
            slug: slugOf(title),
            visibility,
            title,
            content: parsed.data,
            assets,
          });
          return reply(200, told(page));
        }
        case 'DELETE': {
          const page = await pageByKey(tx, scope.brandId, ownKey);
          if (page) await setPageState(tx, scope.brandId, page.id, 'unpublished');
          return reply(page ? 200 : 404, page ? told(page) : { error: 'not_found' });
        }
        default:
          return reply(405, { error: 'method_not_allowed' });
      }
    });
  };
}

/** Names the node at its item path, in 16 characters. */
async function originOf(tx: WorkspaceTx, scope: StepScope): Promise<string> {
  const run = await tx.selectFrom('run').select('pipeline_id').where('id', '=', scope.runId).executeTakeFirst();
  const origin = [run?.pipeline_id ?? '', scope.nodeId, ...scope.path].join('/');
  return createHash('sha256').update(origin).digest('hex').slice(0, 16);
}

/** Whether a page shows the same pieces of the same recordings, however they look. */
function isSame(page: PageRow, wanted: ShowcasePage): boolean {
  const known = Page.safeParse(page.content);
  const about = ({ recording, clips }: ShowcasePage) =>
    [recording?.asset ?? '', ...clips.map(({ clip }) => `${clip.segment.id} ${clip.aspect}`).sort()].join('|');
  return known.success && about(known.data) === about(wanted);
}

/** Everything a visitor of the page may read. */
function assetsOf(page: ShowcasePage): string[] {
  return [
    ...new Set([
      ...(page.recording ? [page.recording.asset] : []),
      ...page.clips.flatMap(({ clip, thumbnail }) => [clip.video.asset, ...(thumbnail ? [thumbnail.asset] : [])]),
    ]),
  ];
}
