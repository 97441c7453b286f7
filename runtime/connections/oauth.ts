/**
 * OAuth 2 as the product speaks it, on the host's side alone: the code flow with PKCE (RFC 6749, 7636), tokens renewed, a
 * client registered by itself. What differs from service to service is data in the manifest (`Connect`).
 *
 * Errors: CONNECT_REFUSED (the service said no, with its own words), CONNECT_UNCLEAR (an answer that is none), and a
 * FetchError where none came.
 */
import { createHash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import { type Connect, NodeError, type Platform } from '../../nodes/contract.ts';
import type { EgressMap, Fetcher, SafeReply } from '../fetch.ts';

export type OAuth = Extract<Connect, { kind: 'oauth2' }>;
export type Client = { id: string; secret: string };
export type Tokens = { access: string; refresh: string | null; expiresAt: Date | null; scopes: string[] | null };

const REPLY_BYTES = 256 * 1024;
const WITHIN_MS = 20_000;
/** Where a service says nothing of it, a token is believed until it is refused. */
const LONGEST_SECONDS = 10 * 365 * 86_400;

const TokenReply = z.object({
  access_token: z.string().min(1).max(8_000),
  refresh_token: z.string().max(8_000).nullish(),
  expires_in: z.coerce.number().positive().max(LONGEST_SECONDS).nullish().catch(null),
  scope: z.union([z.string(), z.array(z.string())]).nullish(),
});
const ErrorReply = z.object({
  error: z.string().max(200).optional(),
  error_description: z.string().max(500).optional(),
});

/** A definite no, with what the service calls it: `invalid_grant` means that the person has to come again. */
export class Refused extends NodeError {
  readonly reason: string;
  constructor(reason: string, message: string) {
    super('CONNECT_REFUSED', message, { hint: 'Connect the account again.', retry: 'person' });
    this.reason = reason;
  }
}

export const serverOf = (platform: Platform, asked: string): string =>
  platform.server.kind === 'fixed' ? platform.server.hosts[0]! : asked;

/** The hosts that an account's secrets may be sent to. */
export const hostsOf = (platform: Platform, server: string): string[] =>
  (platform.server.kind === 'fixed' ? platform.server.hosts : [server]).map((host) => host.toLowerCase());

const address = (server: string, at: { host?: string | undefined; path: string }) =>
  new URL(at.path, `https://${at.host ?? server}`);

export const newState = () => ({
  state: randomBytes(32).toString('base64url'),
  verifier: randomBytes(32).toString('base64url'),
});

/** Where a person is sent. The operator's map holds for their browser as it does for us. */
export function authorizeUrl(
  connect: OAuth,
  at: { server: string; client: Client; redirectUri: string; scopes: string[]; state: string; verifier: string },
  egress: EgressMap,
): string {
  const url = address(at.server, connect.authorize);
  const challenge = createHash('sha256').update(at.verifier).digest('base64url');
  const parameters = {
    ...connect.parameters,
    response_type: 'code',
    [connect.clientIdName ?? 'client_id']: at.client.id,
    redirect_uri: at.redirectUri,
    scope: at.scopes.join(connect.scopeSeparator ?? ' '),
    state: at.state,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const mapped = egress.get(url.origin);
  return mapped ? new URL(url.pathname + url.search, mapped).href : url.href;
}

/** A client of ours at a server that gives one to whoever asks. */
export async function registerClient(
  fetcher: Fetcher,
  connect: OAuth,
  at: { server: string; redirectUri: string; scopes: string[]; site: string },
): Promise<Client> {
  const { app } = connect;
  if (app.from !== 'server') throw new Error('This service gives no clients.');
  const fills: Record<string, string> = {
    name: 'Spliceboard',
    redirect: at.redirectUri,
    scopes: at.scopes.join(connect.scopeSeparator ?? ' '),
    site: at.site,
  };
  const fill = (text: string) => filled(text, fills);
  const fields = Object.entries(app.fields).map(
    ([name, value]) => [name, typeof value === 'string' ? fill(value) : value.map(fill)] as const,
  );
  const isForm = app.as === 'form';
  const body = isForm
    ? new URLSearchParams(
        fields.flatMap(([name, value]) => [value].flat().map((each): [string, string] => [name, each])),
      ).toString()
    : JSON.stringify(Object.fromEntries(fields));
  const reply = await fetcher.request(address(at.server, app.register).href, {
    method: 'POST',
    headers: { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json', ...ACCEPT },
    body,
    ...LIMITS,
  });
  const parsed = z
    .object({ client_id: z.string().min(1).max(500), client_secret: z.string().max(2_000).nullish() })
    .safeParse(await jsonOf(reply));
  if (!parsed.success) throw unclear(at.server);
  return { id: parsed.data.client_id, secret: parsed.data.client_secret ?? '' };
}

export async function exchangeCode(
  fetcher: Fetcher,
  connect: OAuth,
  at: { server: string; client: Client; redirectUri: string; code: string; verifier: string },
): Promise<Tokens> {
  const tokens = await askTokens(fetcher, connect, at, {
    grant_type: 'authorization_code',
    code: at.code,
    redirect_uri: at.redirectUri,
    code_verifier: at.verifier,
  });
  const first = connect.exchange?.first;
  return first ? { ...tokens, ...(await swapToken(fetcher, first, at, tokens.access)) } : tokens;
}

/** Tokens in the place of these, or null where there is no way. */
export async function renewTokens(
  fetcher: Fetcher,
  connect: OAuth,
  at: { server: string; client: Client },
  held: { access: string; refresh: string | null },
): Promise<Tokens | null> {
  if (connect.refresh === 'exchange') {
    const again = connect.exchange?.again;
    return again ? swapToken(fetcher, again, at, held.access) : null;
  }
  if (connect.refresh === 'none' || !held.refresh) return null;
  const tokens = await askTokens(fetcher, connect, at, { grant_type: 'refresh_token', refresh_token: held.refresh });
  // one that is not given anew stays; an empty one never takes its place
  return { ...tokens, refresh: tokens.refresh || held.refresh };
}

/** Takes tokens back where the service has a way for it. Nothing depends on the answer. */
export async function revokeTokens(
  fetcher: Fetcher,
  connect: OAuth,
  at: { server: string; client: Client },
  token: string,
): Promise<void> {
  if (!connect.revoke) return;
  const reply = await fetcher.request(address(at.server, connect.revoke).href, {
    method: 'POST',
    headers: { ...FORM, ...clientHeaders(connect, at.client) },
    body: new URLSearchParams({ token, ...clientFields(connect, at.client) }).toString(),
    ...LIMITS,
  });
  await reply.bytes();
}

const ACCEPT = { accept: 'application/json', 'user-agent': 'Spliceboard' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded', ...ACCEPT };
const LIMITS = { timeoutMs: WITHIN_MS, maxBytes: REPLY_BYTES, maxRedirects: 0 };

const clientHeaders = ({ client }: OAuth, { id, secret }: Client): Record<string, string> =>
  client === 'basic'
    ? {
        authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
      }
    : {};
const clientFields = ({ client, clientIdName = 'client_id' }: OAuth, { id, secret }: Client): Record<string, string> =>
  client === 'body' ? { [clientIdName]: id, client_secret: secret } : {};

async function askTokens(
  fetcher: Fetcher,
  connect: OAuth,
  at: { server: string; client: Client },
  grant: Record<string, string>,
): Promise<Tokens> {
  const reply = await fetcher.request(address(at.server, connect.token).href, {
    method: 'POST',
    headers: { ...FORM, ...clientHeaders(connect, at.client) },
    body: new URLSearchParams({ ...grant, ...clientFields(connect, at.client) }).toString(),
    ...LIMITS,
  });
  return tokensOf(reply, at.server);
}

async function swapToken(
  fetcher: Fetcher,
  way: { host?: string | undefined; path: string; query: Record<string, string> },
  at: { server: string; client: Client },
  token: string,
): Promise<Tokens> {
  const url = address(at.server, way);
  const fills = { clientId: at.client.id, clientSecret: at.client.secret, token };
  for (const [name, value] of Object.entries(way.query)) url.searchParams.set(name, filled(value, fills));
  return tokensOf(await fetcher.request(url.href, { headers: ACCEPT, ...LIMITS }), at.server);
}

async function tokensOf(reply: SafeReply, server: string): Promise<Tokens> {
  const answer = await jsonOf(reply);
  if (reply.status === 429 || reply.status >= 500) throw busy(server, reply.status);
  const parsed = TokenReply.safeParse(answer);
  if (reply.status >= 200 && reply.status < 300 && parsed.success) {
    const { access_token, refresh_token, expires_in, scope } = parsed.data;
    return {
      access: access_token,
      refresh: refresh_token || null,
      expiresAt: expires_in ? new Date(Date.now() + expires_in * 1000) : null,
      scopes: typeof scope === 'string' ? scope.split(/[\s,]+/).filter(Boolean) : (scope ?? null),
    };
  }
  const told = ErrorReply.safeParse(answer);
  if (reply.status < 400 || reply.status >= 500 || !told.success) throw unclear(server);
  const { error = `status ${reply.status}`, error_description } = told.data;
  throw new Refused(error, `${server} refused: ${error_description ?? error}`);
}

async function jsonOf(reply: SafeReply): Promise<unknown> {
  const text = await reply.text();
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const unclear = (server: string) =>
  new NodeError('CONNECT_UNCLEAR', `${server} answered something that is no token.`, {
    hint: 'Check the name of the server, then connect again.',
    retry: 'person',
  });
const busy = (server: string, status: number) =>
  new NodeError('CONNECT_BUSY', `${server} is busy: it answered with status ${status}.`, {
    hint: 'Try again in a while.',
    retry: 'later',
  });

/** `{name}` in a text. */
export const filled = (text: string, fills: Record<string, string>) =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(fills, name) ? fills[name]! : whole));
