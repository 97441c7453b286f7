/** What has failed for good in all runs that one may see, and trying it again: one, some, or all that a filter finds. */
import * as z from 'zod';
import { audit } from '../db/accounts.ts';
import { retrySteps } from '../db/again.ts';
import { listBrands } from '../db/brands.ts';
import { countFailures, type Failure, listFailures, putAside } from '../db/failures.ts';
import type { WorkspaceTx } from '../db/workspace.ts';
import { ErrorJson } from '../nodes/contract.ts';
import { RULES } from './runs.ts';
import { type Member, memberProcedure, router } from './trpc.ts';

const Filter = z.object({
  brandId: z.uuid().optional(),
  pipelineId: z.uuid().optional(),
  code: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*$/)
    .max(60)
    .optional(),
});
type Filter = z.infer<typeof Filter>;
const FailureView = z.object({
  runId: z.string(),
  number: z.number(),
  pipelineId: z.string(),
  pipelineName: z.string(),
  brandId: z.string(),
  nodeId: z.string(),
  nodeName: z.string(),
  count: z.number(),
  error: ErrorJson,
  at: z.string(),
});
/** Runs that one request tries again at most. */
const MOST = 500;

async function filterOf(tx: WorkspaceTx, member: Member, { brandId, pipelineId, code }: Filter) {
  const all = (await listBrands(tx)).map(({ id }) => id);
  const own = all.filter((id) => member.brands === null || member.brands.includes(id));
  return {
    brandIds: brandId === undefined ? own : [brandId],
    ...(pipelineId === undefined ? {} : { pipelineId }),
    ...(code === undefined ? {} : { code }),
  };
}

export const failures = router({
  /** Those of the newest runs first; `cursor` is the `next` of the page before. */
  list: memberProcedure('analyst')
    .input(Filter.extend({ cursor: z.number().int().positive().nullish() }))
    .output(z.object({ items: z.array(FailureView), next: z.number().nullable() }))
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const filter = await filterOf(tx, ctx.member, input);
        const page = await listFailures(tx, { ...filter, ...(input.cursor ? { before: input.cursor } : {}) });
        return {
          items: page.items.map(({ node, at, ...rest }) => ({ ...rest, nodeId: node, at: at.toISOString() })),
          next: page.next,
        };
      }),
    ),

  /** Runs with something on the list, at most 100. */
  count: memberProcedure('analyst')
    .output(z.object({ runs: z.number() }))
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => ({
        runs: await countFailures(tx, (await filterOf(tx, ctx.member, input)).brandIds),
      })),
    ),

  /** Each run goes on from what failed in it. Of `items` those that are still on the list; without, all of the filter. */
  retry: memberProcedure('editor')
    .input(
      Filter.extend({
        items: z
          .array(z.object({ runId: z.uuid(), nodeId: z.string().max(40) }))
          .max(MOST)
          .optional(),
      }),
    )
    .output(z.object({ retried: z.number(), more: z.boolean() }))
    .mutation(async ({ ctx, input }) => {
      const wanted = input.items && new Set(input.items.map(({ runId, nodeId }) => `${runId} ${nodeId}`));
      const { found, more } = await ctx.inWorkspace(async (tx) => {
        const filter = await filterOf(tx, ctx.member, input);
        const found: Failure[] = [];
        let before: number | null | undefined;
        do {
          const page = await listFailures(tx, { ...filter, ...(before ? { before } : {}) });
          found.push(...page.items.filter(({ runId, node }) => wanted?.has(`${runId} ${node}`) ?? true));
          before = page.next;
        } while (before !== null && found.length < MOST && (wanted === undefined || found.length < wanted.size));
        return { found, more: wanted === undefined && before !== null };
      });
      let retried = 0;
      for (const { runId, node } of found) {
        // a transaction each: one that cannot go on keeps no other back
        retried += await ctx.inWorkspace(async (tx) => {
          const again = await retrySteps(tx, { runId, nodeId: node }, RULES);
          if (again.ok) await audit(tx, ctx.member.userId, 'run.retry', { run: runId, node });
          return again.ok ? 1 : 0;
        });
      }
      return { retried, more };
    }),

  /** Off the list, until something fails in them again. */
  putAside: memberProcedure('editor')
    .input(z.object({ runIds: z.array(z.uuid()).min(1).max(MOST) }))
    .output(z.object({ runs: z.number() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const { brandIds } = await filterOf(tx, ctx.member, { brandId: input.brandId });
        const runs = await putAside(tx, input.runIds, brandIds);
        if (runs > 0) await audit(tx, ctx.member.userId, 'run.put-aside', { runs: input.runIds });
        return { runs };
      }),
    ),
});
