/** Everything that brands have sent or tried to send, with its evidence; and a person's word where nobody can know. */
import * as z from 'zod';
import { audit, usersById } from '../db/accounts.ts';
import { retrySteps } from '../db/again.ts';
import { listBrands } from '../db/brands.ts';
import { decideEffect, type EffectListing, listEffects } from '../db/effects.ts';
import { getStep } from '../db/steps.ts';
import { Graph } from '../runtime/graph/graph.ts';
import { notFound, Problem } from './problem.ts';
import { RULES } from './runs.ts';
import { memberProcedure, router, runProcedure } from './trpc.ts';

const STATES = ['intended', 'sending', 'accepted', 'confirmed', 'refused', 'unknown', 'absent'] as const;

const EffectView = z.object({
  id: z.string(),
  brandId: z.string(),
  runId: z.string(),
  runNumber: z.number(),
  pipelineName: z.string(),
  nodeId: z.string(),
  nodeName: z.string(),
  path: z.array(z.number()),
  name: z.string(),
  state: z.enum(STATES),
  /** `PUT showcase…/pages/x`: what was asked of whom, without what was in it. */
  request: z.string(),
  /** The other side's name for it. */
  handle: z.string().nullable(),
  /** Where it can be looked at. */
  url: z.string().nullable(),
  /** How it is known, in words. */
  evidence: z.string().nullable(),
  nextCheckAt: z.string().nullable(),
  decidedBy: z.string().nullable(),
  sentAt: z.string().nullable(),
  createdAt: z.string(),
});

type Evidence = {
  reply?: { status?: number; body?: { url?: unknown } | null };
  lookedUp?: string;
  error?: { message?: string };
  decidedBy?: string;
};

function evidenceWords({ state, evidence, decidedBy }: EffectListing): string | null {
  const known = evidence as Evidence | null;
  if (decidedBy)
    return state === 'confirmed' ? 'A person said that it happened.' : 'A person said that it did not happen.';
  if (known?.lookedUp) return state === 'absent' ? 'Looked up: it was not there.' : `Looked up: ${known.lookedUp}`;
  if (known?.error?.message) return known.error.message;
  if (known?.reply?.status) return `Answered with status ${known.reply.status}.`;
  return state === 'unknown' ? 'No answer came.' : null;
}

function effectView(row: EffectListing, names: Map<string, { name: string }>) {
  const request = row.request as { method?: string; host?: string; path?: string };
  const { reply } = (row.evidence ?? {}) as Evidence;
  const graph = Graph.safeParse(row.graph);
  const url = reply?.body && typeof reply.body === 'object' ? reply.body.url : undefined;
  return {
    id: row.id,
    brandId: row.brandId,
    runId: row.runId,
    runNumber: row.runNumber,
    pipelineName: row.pipelineName,
    nodeId: row.node,
    nodeName: (graph.success && graph.data.nodes.find(({ id }) => id === row.node)?.name) || row.node,
    path: row.path,
    name: row.name,
    state: row.state,
    request: `${request.method ?? ''} ${request.host ?? ''}${request.path ?? ''}`.trim(),
    handle: row.handle,
    url: typeof url === 'string' && /^https?:\/\//.test(url) ? url : null,
    evidence: evidenceWords(row),
    nextCheckAt: row.state === 'unknown' ? (row.nextCheckAt?.toISOString() ?? null) : null,
    decidedBy: row.decidedBy === null ? null : (names.get(row.decidedBy)?.name ?? null),
    sentAt: row.sentAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
  };
}

export const effects = router({
  /** Newest first, 100 at a time; `cursor` is the `next` of the page before. */
  list: memberProcedure('analyst')
    .input(z.object({ state: z.enum(STATES).optional(), cursor: z.iso.datetime().optional() }))
    .output(z.object({ items: z.array(EffectView), next: z.string().nullable() }))
    .query(async ({ ctx, input }) => {
      const rows = await ctx.inWorkspace(async (tx) => {
        const all = (await listBrands(tx)).map(({ id }) => id);
        const own = all.filter((id) => ctx.member.brands === null || ctx.member.brands.includes(id));
        return listEffects(tx, {
          brandIds: input.brandId === undefined ? own : [input.brandId],
          ...(input.state ? { state: input.state } : {}),
          ...(input.cursor ? { before: new Date(input.cursor) } : {}),
        });
      });
      const people = [...new Set(rows.flatMap(({ decidedBy }) => decidedBy ?? []))];
      const names = people.length === 0 ? new Map() : await usersById(ctx.services.authPool, people);
      return {
        items: rows.map((row) => effectView(row, names)),
        next: rows.length === 100 ? rows.at(-1)!.createdAt.toISOString() : null,
      };
    }),

  /** For one that nobody knows the end of. `again`: it did not happen, so it is sent once more, under the same key. */
  decide: runProcedure('editor')
    .input(z.object({ effectId: z.uuid(), decision: z.enum(['happened', 'again', 'leave']) }))
    .output(z.object({ state: z.enum(STATES) }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const find = async () =>
          (await listEffects(tx, { brandIds: [ctx.scope.brandId], id: input.effectId })).find(
            (effect) => effect.runId === input.runId,
          );
        const effect = await find();
        if (!effect) throw notFound('This act');
        const happened = input.decision === 'happened';
        if (!(await decideEffect(tx, effect.id, { happened, by: ctx.member.userId }))) {
          throw new Problem('CONFLICT', 'EFFECT_KNOWN', 'What became of this is known already.', {
            hint: 'Look at the list again.',
          });
        }
        await audit(tx, ctx.member.userId, 'effect.decide', { effect: effect.id, decision: input.decision });
        const step = { runId: input.runId, nodeId: effect.node, path: effect.path };
        const failed = (await getStep(tx, input.runId, effect.node, effect.path))?.state === 'failed';
        // the step goes on from what is known now: it takes the evidence, or sends again
        if (failed && input.decision !== 'leave') await retrySteps(tx, step, RULES);
        return { state: (await find())!.state };
      }),
    ),
});
