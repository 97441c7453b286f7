/**
 * Procedures and who may call them. Each procedure states its access as data (`meta.access`), the middleware here
 * enforces it, and `tests/tenancy` walks the router by it: what has no access stated does not start.
 *
 *   public      anybody
 *   user        somebody signed in; nothing of a workspace
 *   <role>      a member with at least that role, of the workspace (and, where the input names one, the brand)
 */
import { initTRPC } from '@trpc/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { type MemberRole, membershipOf, ROLES, touchToken } from '../db/accounts.ts';
import { getBrand } from '../db/brands.ts';
import type { Database } from '../db/connect.ts';
import { runScope } from '../db/runs.ts';
import { inWorkspace, type WorkspaceTx } from '../db/workspace.ts';
import type { Services } from './deps.ts';
import { notFound, Problem, toProblem } from './problem.ts';
import { type Caller, callerOf } from './session.ts';

export type Access = 'public' | 'user' | MemberRole;
export type Context = {
  services: Services;
  caller: Caller | undefined;
  request: FastifyRequest;
  reply: FastifyReply;
};
export type Member = {
  workspaceId: string;
  userId: string;
  role: MemberRole;
  /** null: all brands */
  brands: string[] | null;
  tokenId: string | null;
};

const t = initTRPC
  .context<Context>()
  .meta<{ access: Access }>()
  .create({
    errorFormatter({ shape, error }) {
      const { problem } = toProblem(error);
      return {
        ...shape,
        message: problem.message,
        data: { code: shape.data.code, httpStatus: shape.data.httpStatus, path: shape.data.path, problem },
      };
    },
    sse: { ping: { enabled: true, intervalMs: 15_000 }, client: { reconnectAfterInactivityMs: 40_000 } },
  });
export const router = t.router;

/** `owner` is the strongest. */
export function isAtLeast(role: MemberRole, needed: MemberRole): boolean {
  return ROLES.indexOf(role) <= ROLES.indexOf(needed);
}

const signInFirst = () =>
  new Problem('UNAUTHORIZED', 'SIGN_IN', 'Sign in first.', {
    hint: 'The link on the terminal lets the owner in; everybody else is invited.',
  });

/** The caller as a member of a workspace. A stranger learns nothing: the workspace is "not here". */
export async function memberOf(
  db: Database,
  caller: Caller | undefined,
  wanted: { workspaceId: string; role: MemberRole; brandId?: string | undefined },
): Promise<Member> {
  if (!caller) throw signInFirst();
  if (caller.kind === 'token' && caller.workspaceId !== wanted.workspaceId) throw notFound('This workspace');
  const { brandId } = wanted;
  const { member, hasBrand } = await inWorkspace(db, wanted.workspaceId, async (tx) => {
    if (caller.kind === 'token') await touchToken(tx, caller.tokenId);
    return {
      member: await membershipOf(tx, caller.userId),
      hasBrand: brandId === undefined || (await getBrand(tx, brandId)) !== undefined,
    };
  });
  if (!member) throw notFound('This workspace');
  const role = caller.kind === 'token' && isAtLeast(member.role, caller.role) ? caller.role : member.role; // the weaker of both
  if (!isAtLeast(role, wanted.role)) {
    throw new Problem('FORBIDDEN', 'ROLE_TOO_LOW', `This needs the role ${wanted.role}; yours is ${role}.`, {
      hint: 'An owner or admin can change it under Members.',
      retry: 'person',
    });
  }
  const result: Member = {
    workspaceId: wanted.workspaceId,
    userId: caller.userId,
    role,
    brands: member.brands,
    tokenId: caller.kind === 'token' ? caller.tokenId : null,
  };
  if (brandId !== undefined) requireBrand(result, brandId);
  if (!hasBrand) throw notFound('This brand');
  return result;
}

/** For event streams, each minute: whether the session or token still stands and still may. Throws where not. */
export async function checkAgain(
  ctx: Pick<Context, 'services' | 'request'>,
  wanted: { workspaceId: string; role: MemberRole; brandId?: string },
): Promise<void> {
  await memberOf(ctx.services.db, await callerOf(ctx.services, ctx.request.headers), wanted);
}

/** Throws as for a brand that does not exist. */
export function requireBrand(member: Member, brandId: string): void {
  if (member.brands !== null && !member.brands.includes(brandId)) throw notFound('This brand');
}

export const publicProcedure = t.procedure.meta({ access: 'public' });
export const userProcedure = t.procedure.meta({ access: 'user' }).use(({ ctx, next }) => {
  if (!ctx.caller) throw signInFirst();
  return next({ ctx: { ...ctx, caller: ctx.caller } });
});

const InWorkspace = z.object({ workspaceId: z.uuid(), brandId: z.uuid().optional() });

/** A procedure of members with at least `role`; `ctx.inWorkspace` is the one way to rows. */
export function memberProcedure(role: MemberRole) {
  return t.procedure
    .meta({ access: role })
    .input(InWorkspace)
    .use(async ({ ctx, input, next }) => {
      const member = await memberOf(ctx.services.db, ctx.caller, {
        workspaceId: input.workspaceId,
        role,
        brandId: input.brandId,
      });
      return next({
        ctx: {
          ...ctx,
          member,
          inWorkspace: <T>(work: (tx: WorkspaceTx) => Promise<T>) =>
            inWorkspace(ctx.services.db, member.workspaceId, work),
        },
      });
    });
}

/** A procedure about one run: its brand has to be one of the member's. */
export function runProcedure(role: MemberRole) {
  return memberProcedure(role)
    .input(z.object({ runId: z.uuid() }))
    .use(async ({ ctx, input, next }) => {
      const scope = await ctx.inWorkspace((tx) => runScope(tx, input.runId));
      if (!scope) throw notFound('This run');
      if (ctx.member.brands !== null && !ctx.member.brands.includes(scope.brandId)) throw notFound('This run');
      return next({ ctx: { ...ctx, scope } });
    });
}
