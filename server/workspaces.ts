/** Who is here: session, workspaces, brands, members, invitations, tokens. */
import * as z from 'zod';
import {
  acceptInvitation,
  audit,
  changeMember,
  createInvitation,
  createToken,
  createWorkspace,
  getInvitation,
  invitationBehind,
  listInvitations,
  listMembers,
  listTokens,
  membershipOf,
  ROLES,
  renameWorkspace,
  revokeInvitation,
  revokeToken,
  userByEmail,
  usersById,
  workspaceName,
  workspacesOf,
} from '../db/accounts.ts';
import { createBrand, listBrands, removeBrand, updateBrand } from '../db/brands.ts';
import { inWorkspace } from '../db/workspace.ts';
import { Asset, type BrandKit as Kit } from '../nodes/contract.ts';
import { invitationOf, sendNow } from './notices.ts';
import { notFound, Problem } from './problem.ts';
import { createUser, makeOneTimeToken } from './session.ts';
import { isAtLeast, type Member, memberProcedure, publicProcedure, router, userProcedure } from './trpc.ts';

const Name = z.string().trim().min(1).max(80);
const RoleView = z.enum(ROLES);
const Invited = z.enum(['admin', 'editor', 'analyst', 'sponsor-viewer']);
const Brands = z.union([z.literal('all'), z.array(z.uuid()).max(500)]);
const brandsView = (brands: string[] | null): 'all' | string[] => brands ?? 'all';
const brandsRow = (brands: 'all' | string[]): string[] | null => (brands === 'all' ? null : brands);

const Color = z.string().regex(/^#[0-9a-fA-F]{6}$/, 'A colour is # and six hex digits.');
const BrandKit = z.object({
  name: z.string().max(120),
  colors: z.object({ primary: Color, light: Color, ink: Color, paper: Color }),
  fonts: z.object({ display: z.string().max(80), text: z.string().max(80) }),
  logo: Asset.refine((asset) => asset.kind === 'image', 'A logo is an image.').nullable(),
  voice: z.string().max(4000),
  captions: z.object({ style: z.enum(['marker', 'plain', 'box', 'stack']) }),
  links: z.array(z.object({ label: z.string().max(80), url: z.url({ protocol: /^https?$/ }).max(500) })).max(20),
});
const TimeZone = z.string().max(60).refine(isTimeZone, 'This is no IANA time zone, such as Europe/Berlin.');

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export function firstKit(name: string): Kit {
  return {
    name,
    colors: { primary: '#2c45e4', light: '#c9d1ff', ink: '#1c1b19', paper: '#fbfaf9' },
    fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
    logo: null,
    voice: '',
    captions: { style: 'marker' },
    links: [],
  };
}

export const session = router({
  me: userProcedure
    .output(
      z.object({
        user: z.object({ id: z.string(), name: z.string(), email: z.string() }),
        workspaces: z.array(z.object({ id: z.string(), name: z.string(), role: RoleView, brands: Brands })),
        /** Nothing but what the first start made is here yet. */
        firstVisit: z.boolean(),
      }),
    )
    .query(async ({ ctx }) => {
      const { services, caller } = ctx;
      const user = (await usersById(services.authPool, [caller.userId])).get(caller.userId);
      if (!user) throw new Problem('UNAUTHORIZED', 'SIGN_IN', 'This account is gone.');
      const mine = (await workspacesOf(services.db, caller.userId)).filter(
        ({ workspaceId }) => caller.kind === 'session' || caller.workspaceId === workspaceId,
      );
      const workspaces = await Promise.all(
        mine.map(({ workspaceId }) =>
          inWorkspace(services.db, workspaceId, async (tx) => {
            const member = await membershipOf(tx, caller.userId);
            const runs = await tx.selectFrom('run').select('id').limit(2).execute();
            const role =
              caller.kind === 'token' && member && isAtLeast(member.role, caller.role) ? caller.role : member?.role;
            return {
              id: workspaceId,
              name: (await workspaceName(tx)) ?? '',
              role: role ?? ('sponsor-viewer' as const),
              brands: brandsView(member ? member.brands : []),
              runs: runs.length,
            };
          }),
        ),
      );
      return {
        user,
        workspaces: workspaces.map(({ runs: _runs, ...workspace }) => workspace),
        firstVisit: workspaces.every((workspace) => workspace.runs < 2),
      };
    }),
});

export const workspaces = router({
  get: memberProcedure('sponsor-viewer')
    .output(z.object({ id: z.string(), name: z.string(), role: RoleView, brands: Brands }))
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => ({
        id: input.workspaceId,
        name: (await workspaceName(tx)) ?? '',
        role: ctx.member.role,
        brands: brandsView(ctx.member.brands),
      })),
    ),

  create: userProcedure
    .input(z.object({ name: Name }))
    .output(z.object({ id: z.string() }))
    .mutation(async ({ ctx, input }) => {
      if (ctx.caller.kind === 'token') {
        throw new Problem('FORBIDDEN', 'SESSION_NEEDED', 'A token belongs to one workspace and makes no other.');
      }
      const id = await createWorkspace(ctx.services.db, input.name, ctx.caller.userId);
      await inWorkspace(ctx.services.db, id, (tx) =>
        createBrand(tx, { name: input.name, kit: firstKit(input.name), timeZone: 'UTC' }),
      );
      return { id };
    }),

  rename: memberProcedure('admin')
    .input(z.object({ name: Name }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        await renameWorkspace(tx, input.name);
        await audit(tx, ctx.member.userId, 'workspace.rename', { name: input.name });
        return {};
      }),
    ),
});

const BrandView = z.object({ id: z.string(), name: z.string(), slug: z.string(), kit: BrandKit, timeZone: z.string() });

export const brands = router({
  list: memberProcedure('sponsor-viewer')
    .output(z.array(BrandView))
    .query(async ({ ctx }) => {
      const rows = await ctx.inWorkspace((tx) => listBrands(tx, ctx.member.brands));
      return rows.map((row) => ({ ...row, kit: BrandKit.parse(row.kit) }));
    }),

  create: memberProcedure('admin')
    .input(z.object({ name: Name, timeZone: TimeZone.default('UTC') }))
    .output(BrandView)
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const kit = firstKit(input.name);
        const made = await createBrand(tx, { name: input.name, kit, timeZone: input.timeZone });
        await audit(tx, ctx.member.userId, 'brand.create', { brand: made.id, name: input.name });
        return { ...made, kit: BrandKit.parse(kit) };
      }),
    ),

  update: memberProcedure('editor')
    .input(
      z.object({ brandId: z.uuid(), name: Name.optional(), kit: BrandKit.optional(), timeZone: TimeZone.optional() }),
    )
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const { name, kit, timeZone } = input;
        const change = {
          ...(name === undefined ? {} : { name }),
          ...(kit === undefined ? {} : { kit }),
          ...(timeZone === undefined ? {} : { timeZone }),
        };
        if (!(await updateBrand(tx, input.brandId, change))) throw notFound('This brand');
        await audit(tx, ctx.member.userId, 'brand.update', { brand: input.brandId, parts: Object.keys(change) });
        return {};
      }),
    ),

  remove: memberProcedure('admin')
    .input(z.object({ brandId: z.uuid() }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const left = await listBrands(tx);
        if (left.length < 2) {
          throw new Problem('CONFLICT', 'LAST_BRAND', 'A workspace needs at least one brand.', {
            hint: 'Make another one first, or rename this one.',
          });
        }
        if (!(await removeBrand(tx, input.brandId))) throw notFound('This brand');
        await audit(tx, ctx.member.userId, 'brand.remove', { brand: input.brandId });
        return {};
      }),
    ),
});

/** Nobody gives what he has not: brands beyond the giver's own are refused. */
function requireWithin(giver: Member, wanted: string[] | null): void {
  if (giver.brands === null) return;
  const own = new Set(giver.brands);
  if (wanted === null || wanted.some((brand) => !own.has(brand))) {
    throw new Problem('FORBIDDEN', 'BRAND_TOO_WIDE', 'You can give the brands you have, and no others.', {
      hint: 'Choose among your own brands, or ask somebody who has all of them.',
      retry: 'person',
    });
  }
}

const lastOwner = () =>
  new Problem('CONFLICT', 'LAST_OWNER', 'A workspace needs an owner, and this is the last one.', {
    hint: 'Make somebody else an owner first.',
  });

export const members = router({
  list: memberProcedure('analyst')
    .output(
      z.array(
        z.object({
          userId: z.string(),
          name: z.string(),
          email: z.string(),
          role: RoleView,
          brands: Brands,
          since: z.string(),
        }),
      ),
    )
    .query(async ({ ctx }) => {
      const rows = await ctx.inWorkspace((tx) => listMembers(tx));
      const users = await usersById(
        ctx.services.authPool,
        rows.map((row) => row.userId),
      );
      return rows.map((row) => ({
        ...row,
        brands: brandsView(row.brands),
        name: users.get(row.userId)?.name ?? 'Gone',
        email: users.get(row.userId)?.email ?? '',
      }));
    }),

  /** Gives back the link to hand over: it is shown once. */
  invite: memberProcedure('admin')
    .input(
      z.object({
        email: z.email().max(320),
        role: Invited,
        brands: Brands.default('all'),
        /** Also by mail, where mail is sent. */
        send: z.boolean().default(false),
      }),
    )
    .output(
      z.object({
        id: z.string(),
        link: z.string(),
        /** What became of the mail; null where none was sent. */
        mail: z.object({ problem: z.string().nullable() }).nullable(),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const made = await ctx.inWorkspace(async (tx) => {
        const wanted = brandsRow(input.brands);
        requireWithin(ctx.member, wanted);
        if (wanted && (await listBrands(tx, wanted)).length !== new Set(wanted).size)
          throw notFound('One of these brands');
        const { id, token } = await createInvitation(tx, {
          email: input.email,
          role: input.role,
          brands: wanted,
          by: ctx.member.userId,
        });
        await audit(tx, ctx.member.userId, 'member.invite', { email: input.email, role: input.role });
        const link = `${ctx.services.publicUrl ?? ctx.services.url}/invitation/${token}`;
        return { id, link, workspace: (await workspaceName(tx)) ?? '' };
      });
      const { id, link, workspace } = made;
      const { mailer } = ctx.services;
      if (!input.send || !mailer) return { id, link, mail: null };
      const problem = await sendNow(mailer, invitationOf(ctx.services, input.email, workspace, link)).then(
        () => null,
        (error: unknown) => {
          if (error instanceof Problem) return error.message;
          throw error;
        },
      );
      return { id, link, mail: { problem } };
    }),

  update: memberProcedure('admin')
    .input(z.object({ userId: z.string().max(100), role: RoleView, brands: Brands }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const before = await membershipOf(tx, input.userId);
        if (!before) throw notFound('This member');
        if ((input.role === 'owner' || before.role === 'owner') && ctx.member.role !== 'owner') {
          throw new Problem('FORBIDDEN', 'ROLE_TOO_LOW', 'Only an owner changes owners.');
        }
        requireWithin(ctx.member, before.brands);
        const wanted = brandsRow(input.brands);
        requireWithin(ctx.member, wanted);
        if (wanted && (await listBrands(tx, wanted)).length !== new Set(wanted).size)
          throw notFound('One of these brands');
        if (!(await changeMember(tx, input.userId, { role: input.role, brands: wanted }))) throw lastOwner();
        await audit(tx, ctx.member.userId, 'member.update', { user: input.userId, role: input.role });
        return {};
      }),
    ),

  remove: memberProcedure('admin')
    .input(z.object({ userId: z.string().max(100) }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const before = await membershipOf(tx, input.userId);
        if (!before) throw notFound('This member');
        if (before.role === 'owner' && ctx.member.role !== 'owner') {
          throw new Problem('FORBIDDEN', 'ROLE_TOO_LOW', 'Only an owner removes owners.');
        }
        requireWithin(ctx.member, before.brands);
        if (!(await changeMember(tx, input.userId, 'remove'))) throw lastOwner();
        await audit(tx, ctx.member.userId, 'member.remove', { user: input.userId });
        return {};
      }),
    ),
});

export const invitations = router({
  list: memberProcedure('admin')
    .output(
      z.array(
        z.object({
          id: z.string(),
          email: z.string(),
          role: RoleView,
          brands: Brands,
          createdAt: z.string(),
          expiresAt: z.string(),
        }),
      ),
    )
    .query(async ({ ctx }) => {
      const rows = await ctx.inWorkspace((tx) => listInvitations(tx));
      return rows.map((row) => ({ ...row, brands: brandsView(row.brands) }));
    }),

  revoke: memberProcedure('admin')
    .input(z.object({ id: z.uuid() }))
    .output(z.object({}))
    .mutation(async ({ ctx, input }) => {
      if (!(await ctx.inWorkspace((tx) => revokeInvitation(tx, input.id)))) throw notFound('This invitation');
      return {};
    }),

  /** Of a link, before it is accepted: who invites whom to what. */
  look: publicProcedure
    .input(z.object({ token: z.string().max(200) }))
    .output(z.object({ workspace: z.string(), email: z.string(), role: RoleView }))
    .query(async ({ ctx, input }) => {
      const found = await invitationBehind(ctx.services.db, input.token);
      const read =
        found &&
        (await inWorkspace(ctx.services.db, found.workspaceId, async (tx) => ({
          invitation: await getInvitation(tx, found.invitationId),
          workspace: await workspaceName(tx),
        })));
      if (!read?.invitation) throw tooOld();
      return { workspace: read.workspace ?? '', email: read.invitation.email, role: read.invitation.role };
    }),

  /** Signed in: joins as oneself. Otherwise makes the account of the invited address; `signIn` is a one-time link's secret. */
  accept: publicProcedure
    .input(
      z.object({ token: z.string().max(200), name: Name.optional(), password: z.string().min(8).max(200).optional() }),
    )
    .output(z.object({ workspaceId: z.string(), signIn: z.string().nullable() }))
    .mutation(async ({ ctx, input }) => {
      const { services, caller } = ctx;
      const found = await invitationBehind(services.db, input.token);
      if (!found) throw tooOld();
      const join = (userId: string) =>
        inWorkspace(services.db, found.workspaceId, async (tx) => {
          if (!(await acceptInvitation(tx, found.invitationId, userId))) throw tooOld();
          await audit(tx, userId, 'member.join', { invitation: found.invitationId });
        });
      if (caller?.kind === 'session') {
        await join(caller.userId);
        return { workspaceId: found.workspaceId, signIn: null };
      }
      const invitation = await inWorkspace(services.db, found.workspaceId, (tx) =>
        getInvitation(tx, found.invitationId),
      );
      if (!invitation) throw tooOld();
      if (await userByEmail(services.authPool, invitation.email)) {
        throw new Problem('CONFLICT', 'ACCOUNT_EXISTS', `${invitation.email} has an account already.`, {
          hint: 'Sign in, then open this link again.',
        });
      }
      if (input.name === undefined || input.password === undefined) {
        throw new Problem('BAD_REQUEST', 'ACCOUNT_NEEDED', 'Choose a name and a password.', {
          hint: 'The password needs at least 8 characters.',
        });
      }
      const user = await createUser(services.auth, {
        name: input.name,
        email: invitation.email,
        password: input.password,
      });
      await join(user.id);
      return { workspaceId: found.workspaceId, signIn: await makeOneTimeToken(services.auth, user.id) };
    }),
});

const tooOld = () =>
  new Problem('NOT_FOUND', 'INVITATION_GONE', 'This invitation was used already, taken back, or is too old.', {
    hint: 'Ask for a new link.',
    retry: 'person',
  });

export const tokens = router({
  list: memberProcedure('admin')
    .output(
      z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          role: RoleView,
          by: z.string(),
          createdAt: z.string(),
          lastUsedAt: z.string().nullable(),
        }),
      ),
    )
    .query(async ({ ctx }) => {
      const rows = await ctx.inWorkspace((tx) => listTokens(tx));
      const users = await usersById(
        ctx.services.authPool,
        rows.map((row) => row.userId),
      );
      return rows.map(({ userId, ...row }) => ({ ...row, by: users.get(userId)?.name ?? 'Gone' }));
    }),

  /** The token itself is shown once. It can never do more than its maker. */
  create: memberProcedure('admin')
    .input(z.object({ name: Name, role: RoleView.default('editor') }))
    .output(z.object({ id: z.string(), token: z.string() }))
    .mutation(({ ctx, input }) => {
      if (!isAtLeast(ctx.member.role, input.role)) {
        throw new Problem('FORBIDDEN', 'ROLE_TOO_LOW', `A token of yours can be ${ctx.member.role} at most.`);
      }
      return ctx.inWorkspace(async (tx) => {
        const made = await createToken(tx, { name: input.name, role: input.role, userId: ctx.member.userId });
        await audit(tx, ctx.member.userId, 'token.create', { token: made.id, role: input.role });
        return made;
      });
    }),

  revoke: memberProcedure('admin')
    .input(z.object({ id: z.uuid() }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        if (!(await revokeToken(tx, input.id))) throw notFound('This token');
        await audit(tx, ctx.member.userId, 'token.revoke', { token: input.id });
        return {};
      }),
    ),
});
