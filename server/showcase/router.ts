/** Showcase pages from inside: what a brand has published, and taking a page off or putting it back. */
import * as z from 'zod';
import { audit } from '../../db/accounts.ts';
import { getBrand } from '../../db/brands.ts';
import { listPages, setPageState } from '../../db/showcase.ts';
import { notFound } from '../problem.ts';
import { memberProcedure, router } from '../trpc.ts';

const OnBrand = z.object({ brandId: z.uuid() });
const OnPage = OnBrand.extend({ pageId: z.uuid() });

function changeState(state: 'published' | 'unpublished') {
  return memberProcedure('editor')
    .input(OnPage)
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        if (!(await setPageState(tx, input.brandId, input.pageId, state))) throw notFound('This page');
        await audit(tx, ctx.member.userId, `page.${state}`, { page: input.pageId });
        return {};
      }),
    );
}

export const showcase = router({
  pages: memberProcedure('sponsor-viewer')
    .input(OnBrand)
    .output(
      z.array(
        z.object({
          id: z.string(),
          url: z.string(),
          title: z.string(),
          state: z.enum(['published', 'unpublished']),
          visibility: z.enum(['public', 'unlisted']),
          publishedAt: z.string(),
          updatedAt: z.string(),
        }),
      ),
    )
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const brand = await getBrand(tx, input.brandId);
        if (!brand) throw notFound('This brand');
        const base = ctx.services.publicUrl ?? ctx.services.url;
        return (await listPages(tx, input.brandId)).map((page) => ({
          id: page.id,
          url: `${base}/b/${brand.slug}/${page.slug}`,
          title: page.title,
          state: page.state,
          visibility: page.visibility,
          publishedAt: page.publishedAt,
          updatedAt: page.updatedAt,
        }));
      }),
    ),
  /** Visitors then read that the page was taken down; its address stays its own. */
  unpublish: changeState('unpublished'),
  republish: changeState('published'),
});
