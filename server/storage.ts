/** What takes up the space of a workspace, for how long it is kept, and taking single files away that nothing needs. */
import * as z from 'zod';
import { audit } from '../db/accounts.ts';
import { findAsset, removeAsset } from '../db/assets.ts';
import { getRetention, type Referrer, referrersOf, setRetention, spaceOf } from '../db/storage.ts';
import { Asset } from '../nodes/contract.ts';
import { roomIn } from './disk.ts';
import { notFound, Problem } from './problem.ts';
import { memberProcedure, router } from './trpc.ts';

const Retention = z.object({
  /** null: for ever */
  runDays: z.number().int().min(1).max(3650).nullable(),
  /** null: any number */
  runsPerPipeline: z.number().int().min(1).max(100_000).nullable(),
});
const From = z.enum(['given', 'made', 'values']);
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const BIGGEST = 20;

function neededBy(referrers: readonly Referrer[]): string {
  const words = referrers.map(({ kind, name }) => {
    switch (kind) {
      case 'brand':
        return `the brand kit of ${name}`;
      case 'pipeline':
        return `the pipeline ${name}`;
      case 'page':
        return `the page ${name}`;
      case 'override':
        return `a correction in ${name}`;
      case 'recording':
        return `the recording ${name}`;
      case 'run':
        return `run ${name}`;
      default:
        return kind satisfies never;
    }
  });
  const shown = words.length > 3 ? [...words.slice(0, 3), 'more'] : words;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

export const storage = router({
  get: memberProcedure('admin')
    .output(
      z.object({
        kinds: z.array(z.object({ from: From, kind: z.string(), count: z.number(), bytes: z.number() })),
        runs: z.object({ count: z.number(), oldest: z.string().nullable(), steps: z.number() }),
        biggest: z.array(z.object({ asset: Asset, from: From, createdAt: z.string() })),
        retention: Retention,
        swept: z.object({ at: z.string(), runs: z.number(), assets: z.number(), bytes: z.number() }).nullable(),
      }),
    )
    .query(({ ctx }) =>
      ctx.inWorkspace(async (tx) => {
        const { runDays, runsPerPipeline, sweptAt, swept } = await getRetention(tx);
        const { kinds, runs, biggest } = await spaceOf(tx, BIGGEST);
        return {
          kinds,
          runs: { ...runs, oldest: runs.oldest?.toISOString() ?? null },
          biggest: biggest.map(({ asset, from, createdAt }) => ({ asset, from, createdAt: createdAt.toISOString() })),
          retention: { runDays, runsPerPipeline },
          swept: sweptAt && swept ? { at: sweptAt.toISOString(), ...swept } : null,
        };
      }),
    ),

  setRetention: memberProcedure('admin')
    .input(Retention)
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const { runDays, runsPerPipeline } = input;
        await setRetention(tx, { runDays, runsPerPipeline });
        await audit(tx, ctx.member.userId, 'retention.set', { runDays, runsPerPipeline });
        return {};
      }),
    ),

  /** A file that nothing needs. The row goes at once, the bytes with the next sweep. */
  remove: memberProcedure('admin')
    .input(z.object({ asset: Sha256 }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        if (!(await findAsset(tx, input.asset))) throw notFound('This file');
        const referrers = await referrersOf(tx, input.asset);
        if (referrers.length > 0) {
          throw new Problem('CONFLICT', 'FILE_IN_USE', `This file is needed by ${neededBy(referrers)}.`, {
            hint: 'It can go once they are gone. Old runs go by themselves where a time is set for them.',
          });
        }
        await removeAsset(tx, input.asset);
        await audit(tx, ctx.member.userId, 'asset.remove', { asset: input.asset });
        return {};
      }),
    ),

  /** Whether there is room for uploads. */
  room: memberProcedure('editor')
    .output(z.object({ state: z.enum(['ok', 'low', 'full']), freeBytes: z.number() }))
    .query(async ({ ctx }) => {
      const { state, freeBytes } = roomIn(await ctx.services.disk());
      return { state, freeBytes };
    }),
});
