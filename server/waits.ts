/**
 * Steps that wait for somebody: the list for people who may answer, one wait with what is to be looked at, the answer, and
 * the same by a signed link without an account. Calls from outside come to `/api/waits/<link>`.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { audit, usersById } from '../db/accounts.ts';
import { getBrand, listBrands } from '../db/brands.ts';
import { noticesOf } from '../db/notices.ts';
import { answerWait, findWait, openForPeople, type WaitRow, workspaceOfRun } from '../db/waits.ts';
import { inWorkspace, type WorkspaceTx } from '../db/workspace.ts';
import { Decision, type PortType, WaitRequest } from '../nodes/contract.ts';
import { Graph } from '../runtime/graph/graph.ts';
import { resolveNodes } from '../runtime/graph/resolve.ts';
import { manifestsIn } from '../runtime/graph/types.ts';
import type { Services } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import { isAtLeast, memberProcedure, publicProcedure, router, runProcedure } from './trpc.ts';
import { readWaitToken, type WaitPlace, waitToken } from './wait-links.ts';

const At = z.object({
  nodeId: z.string().max(40),
  path: z.array(z.number().int().nonnegative()).max(8),
  name: z.string().max(100),
});
const ByLink = z.object({ token: z.string().max(1_000) });

export const Asked = z.object({
  title: z.string(),
  message: z.string(),
  outcomes: WaitRequest.options[2].shape.outcomes,
  fields: WaitRequest.options[2].shape.fields,
  reviewers: WaitRequest.options[2].shape.reviewers,
  remindAt: WaitRequest.options[2].shape.remindAt,
  item: z.json(),
});

/** What a person is asked. `item.type` is the type of what arrives at the node's first port. */
export const Question = z.object({
  workspaceId: z.string(),
  runId: z.string(),
  runNumber: z.number(),
  pipelineId: z.string(),
  pipelineName: z.string(),
  brandName: z.string(),
  nodeId: z.string(),
  nodeName: z.string(),
  path: z.array(z.number()),
  name: z.string(),
  title: z.string(),
  message: z.string(),
  outcomes: Asked.shape.outcomes,
  fields: Asked.shape.fields,
  reviewers: Asked.shape.reviewers,
  item: z.object({ type: z.string().transform((type) => type as PortType), value: z.json() }),
  /** `over`: its run has ended. */
  state: z.enum(['open', 'answered', 'expired', 'over']),
  until: z.string().nullable(),
  /** When who has not answered is told again. */
  remindAt: z.string().nullable(),
  createdAt: z.string(),
  /** Who was told by mail; null where no mail is sent. Empty behind a link. */
  told: z
    .array(
      z.object({
        name: z.string(),
        kind: z.enum(['asked', 'reminder']),
        state: z.enum(['due', 'sending', 'sent', 'failed', 'dropped']),
        at: z.string().nullable(),
        problem: z.string().nullable(),
      }),
    )
    .nullable(),
  answered: z.object({ outcome: z.string(), by: z.string().nullable(), at: z.string() }).nullable(),
});
export type Question = z.infer<typeof Question>;

export async function questionOf(
  services: Services,
  tx: WorkspaceTx,
  workspaceId: string,
  wait: WaitRow,
  how: { told: boolean } = { told: false },
): Promise<Question | undefined> {
  const asked = Asked.safeParse(wait.request);
  if (wait.kind !== 'person' || !asked.success) return undefined;
  const run = await tx.selectFrom('run').select('graph').where('id', '=', wait.runId).executeTakeFirstOrThrow();
  const graph = Graph.parse(run.graph);
  const manifest = resolveNodes(graph, manifestsIn(await services.nodeTypes.of(tx))).get(wait.node);
  const brand = await getBrand(tx, wait.brandId);
  const answer = Decision.safeParse(wait.answer);
  const names = wait.answeredBy === null ? new Map() : await usersById(services.authPool, [wait.answeredBy]);
  const { item, remindAt = null, ...question } = asked.data;
  return {
    workspaceId,
    runId: wait.runId,
    runNumber: wait.runNumber,
    pipelineId: wait.pipelineId,
    pipelineName: wait.pipelineName,
    brandName: brand?.name ?? '',
    nodeId: wait.node,
    nodeName: graph.nodes.find((node) => node.id === wait.node)?.name ?? wait.node,
    path: wait.path,
    name: wait.name,
    ...question,
    item: { type: Object.values(manifest?.inputs ?? {})[0]?.type ?? 'json', value: item },
    state: wait.state === 'open' && wait.runState !== 'running' ? 'over' : wait.state,
    until: wait.until,
    remindAt,
    createdAt: wait.createdAt,
    told: services.mailer === null ? null : how.told ? await toldOf(services, tx, wait.id) : [],
    answered:
      wait.state === 'answered'
        ? {
            outcome: answer.success ? answer.data.outcome : '',
            by: wait.answeredBy === null ? null : (names.get(wait.answeredBy)?.name ?? null),
            at: wait.answeredAt ?? wait.createdAt,
          }
        : null,
  };
}

/** Who was told of it, by name. */
async function toldOf(services: Services, tx: WorkspaceTx, waitId: string): Promise<Question['told']> {
  const rows = await noticesOf(tx, waitId);
  const ids = [...new Set(rows.map(({ userId }) => userId))];
  const names = await usersById(services.authPool, ids);
  return rows.map(({ userId, kind, state, at, error }) => ({
    name: names.get(userId)?.name ?? 'Gone',
    kind,
    state,
    at,
    problem: error === null ? null : error.message,
  }));
}

async function decide(
  services: Services,
  tx: WorkspaceTx,
  workspaceId: string,
  place: WaitPlace,
  decision: Decision,
  by: string | null,
): Promise<Question> {
  const wait = await findWait(tx, { runId: place.runId, node: place.nodeId, path: place.path, name: place.name });
  const question = wait && (await questionOf(services, tx, workspaceId, wait));
  if (!question) throw notFound('This question');
  if (!question.outcomes.some(({ name }) => name === decision.outcome)) {
    throw new Problem('BAD_REQUEST', 'OUTCOME_UNKNOWN', 'This is not one of the outcomes.');
  }
  const offered = new Set(question.fields.map(({ name }) => name));
  if (Object.keys(decision.edits).some((field) => !offered.has(field))) {
    throw new Problem('BAD_REQUEST', 'FIELD_NOT_OFFERED', 'One of the changed texts was not offered for changing.');
  }
  const open = question.fields.find(({ name, value, choices }) => {
    const given = decision.edits[name] ?? value;
    const mayBeEmpty = given === '' && decision.outcome !== question.outcomes[0]!.name;
    return choices && !mayBeEmpty && !choices.some((choice) => choice.value === given);
  });
  if (open) {
    throw new Problem('BAD_REQUEST', 'FIELD_NOT_CHOSEN', `"${open.title}" has to be chosen first.`, {
      hint: 'Choose one of what is offered.',
    });
  }
  const step = { runId: place.runId, node: place.nodeId, path: place.path };
  const came = await answerWait(tx, step, { name: place.name, kind: 'person', value: decision, by });
  if (came !== 'answered') {
    throw new Problem(
      'CONFLICT',
      came === 'late' ? 'WAIT_ANSWERED' : 'RUN_OVER',
      came === 'late' ? 'Somebody has answered already, or the time was over.' : 'This run has ended.',
      { hint: 'Look at the run.' },
    );
  }
  await audit(tx, by ?? 'signed link', 'wait.answer', { ...step, outcome: decision.outcome });
  return (await questionOf(services, tx, workspaceId, (await findWait(tx, { ...step, name: place.name }))!))!;
}

/** The wait behind a link and its workspace; a forged link is as good as none. */
async function behind(services: Services, token: string): Promise<{ workspaceId: string; place: WaitPlace }> {
  const place = readWaitToken(services.sealKey, token);
  const workspaceId = place && (await workspaceOfRun(services.appPool, place.runId));
  if (!place || !workspaceId) throw notFound('This link');
  return { workspaceId, place };
}

export const waits = router({
  /** Open questions for people, oldest first: those of one's brands that one's role may answer. */
  list: memberProcedure('editor')
    .output(z.object({ items: z.array(Question) }))
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const all = (await listBrands(tx)).map(({ id }) => id);
        const own = all.filter((id) => ctx.member.brands === null || ctx.member.brands.includes(id));
        const rows = await openForPeople(tx, input.brandId === undefined ? own : [input.brandId]);
        const items: Question[] = [];
        for (const row of rows) {
          const question = await questionOf(ctx.services, tx, ctx.member.workspaceId, row);
          if (question && isAtLeast(ctx.member.role, question.reviewers)) items.push(question);
        }
        return { items };
      }),
    ),

  get: runProcedure('editor')
    .input(At)
    .output(Question)
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const wait = await findWait(tx, { ...input, node: input.nodeId });
        const question = wait && (await questionOf(ctx.services, tx, ctx.member.workspaceId, wait, { told: true }));
        if (!question) throw notFound('This question');
        return question;
      }),
    ),

  decide: runProcedure('editor')
    .input(At)
    .input(z.object({ decision: Decision }))
    .output(Question)
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const wait = await findWait(tx, { ...input, node: input.nodeId });
        const asked = Asked.safeParse(wait?.request);
        if (asked.success && !isAtLeast(ctx.member.role, asked.data.reviewers)) {
          throw new Problem('FORBIDDEN', 'ROLE_TOO_LOW', `This asks for the role ${asked.data.reviewers}.`, {
            hint: 'Send the link to somebody who may decide.',
            retry: 'person',
          });
        }
        return decide(ctx.services, tx, ctx.member.workspaceId, input, input.decision, ctx.member.userId);
      }),
    ),

  /** The address that answers this wait: a page for a person, or where another service calls. */
  link: runProcedure('editor')
    .input(At.extend({ kind: z.enum(['person', 'hook']) }))
    .output(z.object({ url: z.string() }))
    .mutation(async ({ ctx, input }) => {
      const token = waitToken(ctx.services.sealKey, input);
      const url = ctx.services.publicUrl ?? ctx.services.url;
      return { url: input.kind === 'person' ? `${url}/approve/${token}` : `${url}/api/waits/${token}` };
    }),

  byLink: publicProcedure
    .input(ByLink)
    .output(Question)
    .query(async ({ ctx: { services }, input }) => {
      const { workspaceId, place } = await behind(services, input.token);
      return inWorkspace(services.db, workspaceId, async (tx) => {
        const wait = await findWait(tx, { ...place, node: place.nodeId });
        const question = wait && (await questionOf(services, tx, workspaceId, wait));
        if (!question) throw notFound('This link');
        return question;
      });
    }),

  decideByLink: publicProcedure
    .input(ByLink.extend({ decision: Decision }))
    .output(Question)
    .mutation(async ({ ctx: { services }, input }) => {
      const { workspaceId, place } = await behind(services, input.token);
      return inWorkspace(services.db, workspaceId, (tx) =>
        decide(services, tx, workspaceId, place, input.decision, null),
      );
    }),
});

/** Whether a link shows this asset: it is in what its person is asked about. */
export async function linkShows(services: Services, token: string, workspaceId: string, sha256: string) {
  const found = await behind(services, token).catch(() => undefined);
  if (found?.workspaceId !== workspaceId) return false;
  const wait = await inWorkspace(services.db, workspaceId, (tx) =>
    findWait(tx, { ...found.place, node: found.place.nodeId }),
  );
  return wait?.kind === 'person' && JSON.stringify(wait.request).includes(`"asset":"${sha256}"`);
}

const LARGEST_CALL = 256 * 1024;

/** A call from outside ends a wait for one; what it brings is the answer. It may come before the step waits. */
export function registerWaits(app: FastifyInstance, services: Services): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: LARGEST_CALL }, (_request, body, done) =>
      done(null, body),
    );
    scope.post('/api/waits/:token', async (request, reply) => {
      const { workspaceId, place } = await behind(services, (request.params as { token: string }).token);
      const value = bodyOf(request);
      const came = await inWorkspace(services.db, workspaceId, async (tx) => {
        const run = await tx.selectFrom('run').select('graph').where('id', '=', place.runId).executeTakeFirstOrThrow();
        const node = Graph.parse(run.graph).nodes.find(({ id }) => id === place.nodeId);
        if (node?.type !== 'flow.hook') throw notFound('This link');
        const step = { runId: place.runId, node: place.nodeId, path: place.path };
        return answerWait(tx, step, { name: place.name, kind: 'hook', value, by: null });
      });
      if (came === 'answered') return reply.code(202).send({ accepted: true });
      throw new Problem('CONFLICT', came === 'late' ? 'WAIT_ANSWERED' : 'RUN_OVER', 'Nothing waits for this any more.');
    });
  });
}

/** JSON where it says so and is, form fields by name, text otherwise. */
function bodyOf(request: FastifyRequest): unknown {
  const type = String(request.headers['content-type'] ?? '');
  const text = typeof request.body === 'string' ? request.body : '';
  if (type.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(text));
  if (!/[/+]json\b/.test(type)) return { text };
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch {
    throw new Problem('BAD_REQUEST', 'BODY_NOT_JSON', 'The body is not JSON.', {
      hint: 'It says it is: application/json.',
    });
  }
}
