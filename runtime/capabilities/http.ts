/**
 * A node's own requests: only what its manifest declares, only through the safe fetch. The grant is checked against the
 * request as the node wrote it; the operator's map and the address check come afterwards, in fetch.ts.
 *
 * `sendHttp` is also what carries effects: the broker records them first, this only sends.
 * Errors: HTTP_NOT_DECLARED, HTTP_BAD_REQUEST, CONNECTION_MISSING, and fetch.ts's FETCH_… codes.
 */
import { Readable } from 'node:stream';
import * as z from 'zod';
import type { HttpGrant, HttpReply, HttpRequest } from '../../nodes/contract.ts';
import type { Fetcher } from '../fetch.ts';
import { grantFor } from '../graph/rights.ts';
import { asCapabilityError } from './assets.ts';
import { type Capability, CapabilityError, method, type StepScope } from './capability.ts';

const BODY_CHARACTERS = 4 * 1024 * 1024;
const REPLY_BYTES = 8 * 1024 * 1024;
const SENT_MS = 15 * 60_000;
/** What a node may not set: they decide where a request goes, how it is framed, or who sends it. */
const FORBIDDEN_HEADERS =
  /^(host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|keep-alive|proxy-.*|x-forwarded-.*|forwarded|via)$/i;
/** What a node has no business with: cookies would tie runs together. */
const HIDDEN_REPLY_HEADERS = /^(set-cookie|set-cookie2)$/i;

export const HttpRequestSchema = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
  host: z.string().max(253).optional(),
  path: z.string().max(2000),
  query: z.record(z.string().max(200), z.string().max(2000)).optional(),
  headers: z.record(z.string().max(100), z.string().max(8000)).optional(),
  json: z.json().optional(),
  text: z.string().max(BODY_CHARACTERS).optional(),
  asset: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});

export function httpCapability(options: { fetcher: Fetcher }): Capability {
  return {
    name: 'http',
    declared: (manifest) => (manifest.capabilities.http ?? []).length > 0,
    methods: {
      // Every request is recorded: a replayed node sees the same answer, and nothing is asked or paid twice.
      request: method({
        input: HttpRequestSchema,
        record: 'journal',
        async act(scope, request) {
          await takeHttpTurn(scope, request);
          return sendHttp(scope, request, options.fetcher);
        },
      }),
    },
  };
}

/** Waits for its turn at the other side; what was not declared is refused when it is sent. */
export async function takeHttpTurn(scope: StepScope, request: HttpRequest): Promise<void> {
  const { host } = request;
  const grant = grantFor(scope.manifest, request);
  if (!host || !grant) return;
  await scope.turns.take({ ...placeOf(host, grant), label: host }, grant.limit ?? null);
}

const placeOf = (host: string, { limit }: HttpGrant) => ({
  name: [host.toLowerCase(), limit?.name].filter(Boolean).join(' '),
});

/** Checks the grant, sends, and reads the answer. A status is an answer, not an error. */
export async function sendHttp(scope: StepScope, request: HttpRequest, fetcher: Fetcher): Promise<HttpReply> {
  if (!request.path.startsWith('/') || /[?#\\\s]|(^|\/)\.{1,2}(\/|$)|%2e|%2f|%5c/i.test(request.path)) {
    throw new CapabilityError(
      'HTTP_BAD_REQUEST',
      'The path must begin with / and hold no query, dots or escapes of them.',
      {
        hint: 'Give the query as `query`.',
      },
    );
  }
  const grant = grantFor(scope.manifest, request);
  if (!grant) {
    throw new CapabilityError(
      'HTTP_NOT_DECLARED',
      `${scope.manifest.id} has not declared ${request.method} ${request.host ?? 'its connection'}${request.path}.`,
      {
        hint: 'Declare it under capabilities.http in the manifest.',
      },
    );
  }
  if (!request.host) {
    throw new CapabilityError('CONNECTION_MISSING', 'This node writes to an account, and none is connected.', {
      hint: 'Connect one under Connections.',
      retry: 'person',
    });
  }
  const bodies = [request.json, request.text, request.asset].filter((body) => body !== undefined);
  if (bodies.length > 1) throw new CapabilityError('HTTP_BAD_REQUEST', 'A request has one body: json, text or asset.');
  const url = new URL(request.path, `https://${request.host}`);
  for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
  const headers: Record<string, string> = { 'user-agent': 'Spliceboard' };
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (FORBIDDEN_HEADERS.test(name))
      throw new CapabilityError('HTTP_BAD_REQUEST', `The header ${name} cannot be set by a node.`);
    headers[name.toLowerCase()] = value;
  }
  try {
    const reply = await fetcher.request(url.href, {
      method: request.method,
      headers: { ...(await bodyHeaders(scope, request)), ...headers },
      body: await bodyOf(scope, request),
      signal: scope.signal,
      timeoutMs: SENT_MS,
      maxBytes: REPLY_BYTES,
      maxRedirects: request.method === 'GET' || request.method === 'HEAD' ? 5 : 0,
    });
    await scope.turns.heard(placeOf(request.host, grant), reply.status, reply.headers);
    const text = await reply.text();
    const shown = Object.fromEntries([...reply.headers].filter(([name]) => !HIDDEN_REPLY_HEADERS.test(name)));
    return { status: reply.status, headers: shown, body: parsed(text, reply.headers.get('content-type')) };
  } catch (error) {
    throw asCapabilityError(error);
  }
}

async function bodyHeaders(scope: StepScope, request: HttpRequest): Promise<Record<string, string>> {
  if (request.json !== undefined) return { 'content-type': 'application/json' };
  if (request.text !== undefined) return { 'content-type': 'text/plain; charset=utf-8' };
  if (request.asset === undefined) return {};
  const asset = await scope.assets.find(request.asset);
  return asset ? { 'content-type': asset.mime, 'content-length': String(asset.bytes) } : {};
}

async function bodyOf(scope: StepScope, request: HttpRequest): Promise<string | ReadableStream<Uint8Array> | null> {
  if (request.json !== undefined) return JSON.stringify(request.json);
  if (request.text !== undefined) return request.text;
  if (request.asset === undefined) return null;
  return Readable.toWeb(await scope.assets.read(request.asset)) as ReadableStream<Uint8Array>;
}

/** JSON where the answer says so and it is; else its text; null where empty. */
function parsed(text: string, type: string | null): unknown {
  if (text === '') return null;
  if (type && /[/+]json\b/.test(type)) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}
