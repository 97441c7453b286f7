/**
 * Who is asking. A person has better-auth's session cookie, a program an API token (`Authorization: Bearer sb_…`).
 * Sign-up is closed: the first owner comes in by a one-time link printed on the terminal, everybody else by invitation.
 *
 * Cookies are `__Host-` and Secure, which browsers accept on https and on localhost; any other plain http address is
 * refused in a sentence (`insecureHost`). Cookie requests that change something must come from our own origin.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { betterAuth } from 'better-auth';
import { APIError, createAuthEndpoint } from 'better-auth/api';
import { setSessionCookie } from 'better-auth/cookies';
import type pg from 'pg';
import * as z from 'zod';
import { type MemberRole, newSecret, sha256, tokenBehind } from '../db/accounts.ts';
import type { Database } from '../db/connect.ts';

export type Caller =
  | { kind: 'session'; userId: string }
  | { kind: 'token'; userId: string; tokenId: string; workspaceId: string; role: MemberRole };

const OWNER_LINK_MINUTES = 24 * 60;
export const SESSION_COOKIE = '__Host-spliceboard.session';

export type AuthOptions = { pool: pg.Pool; secret: string; origins: string[] };

/** better-auth as we use it. Its tables are made by our own migration; `tests/server/session.test.ts` compares. */
export function createAuth({ pool, secret, origins }: AuthOptions) {
  return betterAuth({
    database: pool,
    secret,
    baseURL: origins[0]!,
    basePath: '/api/auth',
    trustedOrigins: origins,
    telemetry: { enabled: false },
    logger: { level: 'error' },
    emailAndPassword: { enabled: true, disableSignUp: true, minPasswordLength: 8 },
    rateLimit: {
      enabled: true,
      storage: 'database',
      window: 60,
      max: 100,
      customRules: { '/sign-in/email': { window: 60, max: 10 } },
    },
    session: { expiresIn: 30 * 86_400, updateAge: 86_400 },
    advanced: {
      useSecureCookies: false, // it would add __Secure-; ours is the stronger __Host-
      cookies: { session_token: { name: SESSION_COOKIE } },
      defaultCookieAttributes: { secure: true, httpOnly: true, sameSite: 'lax', path: '/' },
    },
    plugins: [oneTimeLink()],
  });
}
export type Auth = ReturnType<typeof createAuth>;

const linkIdentifier = (token: string) => `spliceboard-link:${sha256(token)}`;

/** A sign-in without a password, once: for the local owner's first visit and for accepted invitations. */
function oneTimeLink() {
  return {
    id: 'one-time-link',
    endpoints: {
      useOneTimeLink: createAuthEndpoint(
        '/one-time-link',
        { method: 'POST', body: z.object({ token: z.string().max(200) }) },
        async (ctx) => {
          const refused = () =>
            new APIError('UNAUTHORIZED', {
              code: 'LINK_USED',
              message: 'This link was used already or is too old.',
            });
          const identifier = linkIdentifier(ctx.body.token);
          const found = await ctx.context.internalAdapter.findVerificationValue(identifier);
          if (!found || found.expiresAt < new Date()) throw refused();
          await ctx.context.internalAdapter.deleteVerificationByIdentifier(identifier);
          const user = await ctx.context.internalAdapter.findUserById(found.value);
          if (!user) throw refused();
          const session = await ctx.context.internalAdapter.createSession(user.id);
          if (!session) throw refused();
          await setSessionCookie(ctx, { session, user });
          return ctx.json({ userId: user.id });
        },
      ),
    },
  } as const;
}

/** The secret of a link that signs `userId` in once, within a day. */
export async function makeOneTimeToken(auth: Auth, userId: string): Promise<string> {
  const token = newSecret('sbl');
  const context = await auth.$context;
  await context.internalAdapter.createVerificationValue({
    identifier: linkIdentifier(token),
    value: userId,
    expiresAt: new Date(Date.now() + OWNER_LINK_MINUTES * 60_000),
  });
  return token;
}

/** A user with an optional password, made by us: nobody signs up. */
export async function createUser(
  auth: Auth,
  user: { name: string; email: string; password?: string },
): Promise<{ id: string }> {
  const context = await auth.$context;
  const made = await context.internalAdapter.createUser(
    { name: user.name, email: user.email.toLowerCase(), emailVerified: true },
    { method: 'admin' },
  );
  if (user.password !== undefined) await setPassword(auth, made.id, user.password);
  return { id: made.id };
}

export async function setPassword(auth: Auth, userId: string, password: string): Promise<void> {
  const context = await auth.$context;
  const hash = await context.password.hash(password);
  const accounts = await context.internalAdapter.findAccounts(userId);
  if (accounts.some((account) => account.providerId === 'credential')) {
    await context.internalAdapter.updatePassword(userId, hash);
  } else {
    await context.internalAdapter.linkAccount({
      userId,
      providerId: 'credential',
      accountId: userId,
      password: hash,
    });
  }
}

export function toHeaders(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return result;
}

/** Undefined where nobody is signed in. A wrong token is nobody, not a session. */
export async function callerOf(
  deps: { auth: Auth; db: Database },
  headers: IncomingHttpHeaders,
): Promise<Caller | undefined> {
  const bearer = headers.authorization?.match(/^Bearer (sb_[A-Za-z0-9_-]{20,100})$/)?.[1];
  if (headers.authorization !== undefined) {
    const token = bearer === undefined ? undefined : await tokenBehind(deps.db, bearer);
    return token && { kind: 'token', ...token };
  }
  if (!headers.cookie?.includes(SESSION_COOKIE)) return undefined;
  const session = await deps.auth.api.getSession({ headers: toHeaders(headers) });
  return session ? { kind: 'session', userId: session.user.id } : undefined;
}

const LOCAL = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/** A sentence where this address must not be used: plain http beyond this machine, or a name that is not ours. */
export function insecureHost(host: string | undefined, publicUrl: string | null, allowHttp: boolean): string | null {
  if (host === undefined) return 'The request names no host.';
  if (LOCAL.test(host)) return null;
  if (publicUrl !== null && new URL(publicUrl).host === host) {
    return publicUrl.startsWith('https:') || allowHttp
      ? null
      : 'Spliceboard is served over plain http here, so signing in would not be safe. Use https, or set SPLICEBOARD_ALLOW_HTTP=1.';
  }
  return allowHttp
    ? null
    : `${host} is not this Spliceboard's address. Set SPLICEBOARD_PUBLIC_URL to the https address people use.`;
}

/** Whether a request that carries a cookie and changes something comes from one of our own pages. */
export function comesFromUs(headers: IncomingHttpHeaders, origins: readonly string[]): boolean {
  const { origin } = headers;
  if (origin !== undefined) return origins.includes(origin);
  const site = headers['sec-fetch-site'];
  return site === undefined || site === 'same-origin' || site === 'none';
}
