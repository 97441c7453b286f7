/**
 * The authorization server of an emulated platform: codes bound to a client, an address and a PKCE challenge, good for one use
 * within ten minutes; tokens that end; refresh tokens that stay or are good for one use. Whoever reuses one loses the account's
 * tokens, as RFC 9700 asks. A person agrees at once, unless `denies` says otherwise.
 * Sources: RFC 6749, 7636, 7009, 9700 (read 2026-11).
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Answer, Asked } from './support.ts';

export type OAuthAccount = { id: string; name: string };
type Code = { client: string; redirect: string; challenge: string; scopes: string[]; account: string; at: number };
type Token = { client: string; scopes: string[]; account: string; endsAt: number | null };

export type OAuthState = {
  clients: Map<string, { secret: string; redirects: string[]; scopes: string[] }>;
  codes: Map<string, Code>;
  access: Map<string, Token>;
  refresh: Map<string, Token & { isUsed: boolean }>;
  /** Who agrees next. */
  account: string;
  denies: boolean;
};

export type OAuthRules = {
  paths: { authorize: string; token: string; revoke: string };
  /** Seconds; null: tokens do not end. */
  accessSeconds: number | null;
  refresh: 'rotates' | 'keeps' | 'none';
  clientIdName?: string;
};

const CODE_MS = 600_000;
const secret = (prefix: string) => `${prefix}-${randomBytes(24).toString('base64url')}`;
const refused = (status: number, error: string, error_description: string): Answer => ({
  status,
  json: { error, error_description },
});

export const freshOAuth = (account: string): OAuthState => ({
  clients: new Map(),
  codes: new Map(),
  access: new Map(),
  refresh: new Map(),
  account,
  denies: false,
});

export const newClient = (state: OAuthState, redirects: string[], scopes: string[]) => {
  const made = { id: secret('client'), secret: secret('secret') };
  state.clients.set(made.id, { secret: made.secret, redirects, scopes });
  return made;
};

export function oauthRoutes(state: () => OAuthState, clock: { now(): number }, rules: OAuthRules) {
  const idName = rules.clientIdName ?? 'client_id';

  function authorize({ query }: Asked): Answer {
    const now = state();
    const client = now.clients.get(query.get(idName) ?? '');
    const redirect = query.get('redirect_uri') ?? '';
    if (!client) return refused(401, 'invalid_client', 'Client authentication failed.');
    if (!client.redirects.includes(redirect))
      return refused(400, 'invalid_redirect_uri', 'The redirect uri is not valid.');
    const back = (parameters: Record<string, string>): Answer => {
      const url = new URL(redirect);
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
      return { status: 302, headers: { location: url.href }, json: {} };
    };
    const sent = query.get('state') ?? '';
    if (query.get('response_type') !== 'code') return back({ error: 'unsupported_response_type', state: sent });
    const scopes = (query.get('scope') ?? '').split(' ').filter(Boolean);
    if (scopes.some((scope) => !client.scopes.includes(scope))) return back({ error: 'invalid_scope', state: sent });
    const challenge = query.get('code_challenge') ?? '';
    if (challenge !== '' && query.get('code_challenge_method') !== 'S256')
      return back({ error: 'invalid_request', state: sent });
    if (now.denies)
      return back({ error: 'access_denied', error_description: 'The resource owner denied the request.', state: sent });
    const code = secret('code');
    now.codes.set(code, {
      client: query.get(idName)!,
      redirect,
      challenge,
      scopes,
      account: now.account,
      at: clock.now(),
    });
    return back({ code, state: sent });
  }

  function clientOf({ headers }: Asked, form: URLSearchParams): string | null {
    const basic = /^Basic (.+)$/.exec(headers.authorization ?? '')?.[1];
    const [id, given] = basic
      ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
      : [form.get(idName) ?? '', form.get('client_secret') ?? ''];
    return state().clients.get(id!)?.secret === given ? id! : null;
  }

  function token(asked: Asked): Answer {
    if (!/^application\/x-www-form-urlencoded/.test(asked.headers['content-type'] ?? '')) {
      return refused(400, 'invalid_request', 'The body is no form.');
    }
    const now = state();
    const form = new URLSearchParams(asked.body.toString('utf8'));
    const client = clientOf(asked, form);
    if (client === null) return refused(401, 'invalid_client', 'Client authentication failed.');
    if (form.get('grant_type') === 'authorization_code') {
      const code = now.codes.get(form.get('code') ?? '');
      now.codes.delete(form.get('code') ?? '');
      const made = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url');
      const fits =
        code?.client === client &&
        code.redirect === form.get('redirect_uri') &&
        (code.challenge === '' || code.challenge === made) &&
        clock.now() - code.at < CODE_MS;
      return fits
        ? give(client, code.scopes, code.account)
        : refused(400, 'invalid_grant', 'The grant is invalid, expired or revoked.');
    }
    if (form.get('grant_type') === 'refresh_token' && rules.refresh !== 'none') {
      const known = now.refresh.get(form.get('refresh_token') ?? '');
      if (known?.isUsed) revokeAll(known.account); // somebody has a copy
      if (!known || known.isUsed || known.client !== client) {
        return refused(400, 'invalid_grant', 'The refresh token is invalid, used or revoked.');
      }
      if (rules.refresh === 'rotates') known.isUsed = true;
      return give(client, known.scopes, known.account, rules.refresh === 'rotates');
    }
    return refused(400, 'unsupported_grant_type', 'This grant is not given.');
  }

  function revokeAll(account: string): void {
    for (const tokens of [state().access, state().refresh]) {
      for (const [text, token] of tokens) if (token.account === account) tokens.delete(text);
    }
  }

  function give(client: string, scopes: string[], account: string, withRefresh = true): Answer {
    const { accessSeconds } = rules;
    const access = secret('access');
    const endsAt = accessSeconds === null ? null : clock.now() + accessSeconds * 1000;
    state().access.set(access, { client, scopes, account, endsAt });
    const refresh = rules.refresh !== 'none' && withRefresh ? secret('refresh') : null;
    if (refresh) state().refresh.set(refresh, { client, scopes, account, endsAt: null, isUsed: false });
    return {
      status: 200,
      headers: { 'cache-control': 'no-store' },
      json: {
        access_token: access,
        token_type: 'Bearer',
        scope: scopes.join(' '),
        ...(accessSeconds === null ? { created_at: Math.floor(clock.now() / 1000) } : { expires_in: accessSeconds }),
        ...(refresh && { refresh_token: refresh }),
      },
    };
  }

  function revoke(asked: Asked): Answer {
    const form = new URLSearchParams(asked.body.toString('utf8'));
    if (clientOf(asked, form) === null)
      return refused(403, 'unauthorized_client', 'You are not authorized to revoke this token.');
    const known = state().access.get(form.get('token') ?? '') ?? state().refresh.get(form.get('token') ?? '');
    if (known) revokeAll(known.account);
    return { status: 200, json: {} };
  }

  return [
    { method: 'GET', path: rules.paths.authorize, answer: authorize },
    { method: 'POST', path: rules.paths.token, answer: token },
    { method: 'POST', path: rules.paths.revoke, answer: revoke },
  ];
}

/** Whose request it is, or null: no token, one that ended, or one without any of these scopes (each `a|b` one of them). */
export function bearerOf(
  state: OAuthState,
  clock: { now(): number },
  { headers }: Asked,
  ...scopes: string[]
): { account: string } | 'no token' | 'no scope' {
  const text = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
  const token = state.access.get(text);
  if (!token || (token.endsAt !== null && token.endsAt <= clock.now())) return 'no token';
  return scopes.every((wanted) => wanted.split('|').some((one) => token.scopes.includes(one)))
    ? { account: token.account }
    : 'no scope';
}
