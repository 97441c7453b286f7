/**
 * A node's own requests: only what its manifest declares, only through the safe fetch. The grant is checked against the
 * request as the node wrote it; the operator's map and the address check come afterwards, in fetch.ts.
 *
 * `sendHttp` is also what carries effects: the broker records them first, this only sends. A request without a host, or to one
 * of the connection's own, is sent with its secrets, and with nothing else: they are added last, and are taken out of the answer.
 *
 * Errors: HTTP_NOT_DECLARED, HTTP_BAD_REQUEST, CONNECTION_MISSING, CONNECTION_REFUSED, those of connections/account.ts, and
 * fetch.ts's FETCH_… codes.
 */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import * as z from 'zod';
import type { HttpGrant, HttpReply, HttpRequest } from '../../nodes/contract.ts';
import type { Fetcher } from '../fetch.ts';
import { grantFor } from '../graph/rights.ts';
import { asCapabilityError } from './assets.ts';
import { type Capability, CapabilityError, method, type StepConnection, type StepScope } from './capability.ts';

const BODY_CHARACTERS = 4 * 1024 * 1024;
const REPLY_BYTES = 8 * 1024 * 1024;
const SENT_MS = 15 * 60_000;
/** What a node may not set: they decide where a request goes, how it is framed, or who sends it. */
const FORBIDDEN_HEADERS =
  /^(host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|keep-alive|proxy-.*|x-forwarded-.*|forwarded|via)$/i;
/** What a node has no business with: cookies would tie runs together. */
const HIDDEN_REPLY_HEADERS = /^(set-cookie|set-cookie2)$/i;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Stands in a header of its part. */
const PartName = z.string().regex(/^[^"\r\n\\]{1,200}$/);

export const HttpRequestSchema: z.ZodType<HttpRequest> = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
  host: z.string().max(253).optional(),
  path: z.string().max(2000),
  query: z.record(z.string().max(200), z.string().max(2000)).optional(),
  headers: z.record(z.string().max(100), z.string().max(8000)).optional(),
  json: z.json().optional(),
  text: z.string().max(BODY_CHARACTERS).optional(),
  asset: Sha256.optional(),
  range: z
    .strictObject({ start: z.number().int().nonnegative(), end: z.number().int().positive() })
    .refine(({ start, end }) => start < end, 'A range ends after it starts.')
    .optional(),
  form: z.record(z.string().max(200), z.string().max(BODY_CHARACTERS)).optional(),
  parts: z
    .array(
      z.union([
        z.strictObject({ name: PartName, text: z.string().max(BODY_CHARACTERS) }),
        z.strictObject({ name: PartName, asset: Sha256, filename: PartName }),
      ]),
    )
    .min(1)
    .max(20)
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

/**
 * Waits for its turn at the other side, and takes what the request uses of its quotas; what was not declared is refused when it is
 * sent. Secrets that are about to end are renewed here, before anything is written down as sent.
 */
export async function takeHttpTurn(scope: StepScope, request: HttpRequest, how = { units: true }): Promise<void> {
  const grant = grantFor(scope.manifest, request);
  const connection = connectionFor(scope, request);
  const host = request.host ?? connection?.server;
  if (!host || !grant) return;
  if (connection) {
    await connection.authorize();
    const spent = grant.uses && how.units ? await connection.takeUnits(grant.uses) : null;
    if (spent) {
      const { name, until } = spent;
      scope.turns.sleepUntil(until, `All ${name} of ${connection.platform} are used up; new ones come.`);
    }
  }
  await scope.turns.take({ ...placeOf(host, grant, connection), label: host }, grant.limit ?? null);
}

/** The account that a request is sent as; null where it goes elsewhere. */
function connectionFor(scope: StepScope, { host }: HttpRequest): StepConnection | null {
  const { connection = null } = scope;
  return connection && (host === undefined || connection.hosts.includes(host.toLowerCase())) ? connection : null;
}

const placeOf = (host: string, { limit }: HttpGrant, connection: StepConnection | null) => ({
  name: [host.toLowerCase(), connection?.id, limit?.name].filter(Boolean).join(' '),
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
  const connection = connectionFor(scope, request);
  const host = request.host ?? connection?.server;
  if (!host) {
    throw new CapabilityError('CONNECTION_MISSING', 'This node writes to an account, and none is connected.', {
      hint: 'Connect one under Connections.',
      retry: 'person',
    });
  }
  const { json, text, asset, form, parts } = request;
  const bodies = [json, text, asset, form, parts].filter((body) => body !== undefined);
  if (bodies.length > 1) {
    throw new CapabilityError('HTTP_BAD_REQUEST', 'A request has one body: json, text, asset, form or parts.');
  }
  if (request.range && asset === undefined) {
    throw new CapabilityError('HTTP_BAD_REQUEST', 'A range is of an asset, and none is named.');
  }
  const url = new URL(request.path, `https://${host}`);
  for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
  const headers: Record<string, string> = { 'user-agent': 'Spliceboard' };
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (FORBIDDEN_HEADERS.test(name))
      throw new CapabilityError('HTTP_BAD_REQUEST', `The header ${name} cannot be set by a node.`);
    headers[name.toLowerCase()] = value;
  }
  const whole = { url: url.href, host, headers, grant, connection };
  const first = await sendOnce(scope, request, fetcher, whole);
  if (!('refused' in first)) return first;
  // a definite no: nothing has happened there, so the same may be sent again with other secrets
  const again = (await connection!.refused(first.refused)) ? await sendOnce(scope, request, fetcher, whole) : first;
  if (!('refused' in again)) return again;
  throw new CapabilityError('CONNECTION_REFUSED', `${host} refuses the access of ${connection!.name}.`, {
    hint: 'Connect the account again under Connections, then retry.',
    retry: 'person',
  });
}

async function sendOnce(
  scope: StepScope,
  request: HttpRequest,
  fetcher: Fetcher,
  to: {
    url: string;
    host: string;
    headers: Record<string, string>;
    grant: HttpGrant;
    connection: StepConnection | null;
  },
): Promise<HttpReply | { refused: number }> {
  const { connection } = to;
  const access = await connection?.authorize();
  const body = await bodyOf(scope, request);
  try {
    const reply = await fetcher.request(to.url, {
      method: request.method,
      headers: { ...body.headers, ...to.headers, ...body.framing, ...access?.headers },
      body: body.content,
      signal: scope.signal,
      timeoutMs: SENT_MS,
      maxBytes: REPLY_BYTES,
      maxRedirects: request.method === 'GET' || request.method === 'HEAD' ? 5 : 0,
    });
    await scope.turns.heard(placeOf(to.host, to.grant, connection), reply.status, reply.headers);
    const hidden = access?.secrets ?? [];
    const text = without(hidden, await reply.text());
    if (access && reply.status === 401) return { refused: access.revision };
    const shown = Object.fromEntries(
      [...reply.headers]
        .filter(([name]) => !HIDDEN_REPLY_HEADERS.test(name))
        .map(([name, value]) => [name, without(hidden, value)]),
    );
    return { status: reply.status, headers: shown, body: parsed(text, reply.headers.get('content-type')) };
  } catch (error) {
    throw asCapabilityError(error);
  }
}

/** A service may repeat what it was sent: a node never sees its own secrets. */
const without = (secrets: readonly string[], text: string) =>
  secrets.reduce((left, secret) => (left.includes(secret) ? left.replaceAll(secret, '[secret]') : left), text);

type Body = {
  content: string | ReadableStream<Uint8Array> | null;
  /** What a node may say otherwise. */
  headers: Record<string, string>;
  /** What it may not. */
  framing: Record<string, string>;
};

async function bodyOf(scope: StepScope, request: HttpRequest): Promise<Body> {
  const { json, text, asset, range, form, parts } = request;
  const body = (content: Body['content'], type: string, framing: Body['framing'] = {}): Body => ({
    content,
    headers: { 'content-type': type },
    framing,
  });
  if (json !== undefined) return body(JSON.stringify(json), 'application/json');
  if (text !== undefined) return body(text, 'text/plain; charset=utf-8');
  if (form !== undefined) return body(new URLSearchParams(form).toString(), 'application/x-www-form-urlencoded');
  if (parts !== undefined) return partsOf(scope, parts);
  if (asset === undefined) return { content: null, headers: {}, framing: {} };
  const facts = await scope.assets.find(asset);
  const end = Math.min(range?.end ?? Number.POSITIVE_INFINITY, facts?.bytes ?? Number.POSITIVE_INFINITY);
  if (range && facts && range.start >= facts.bytes) {
    throw new CapabilityError(
      'HTTP_BAD_REQUEST',
      `The range begins behind the end of the file of ${facts.bytes} bytes.`,
    );
  }
  // the store's ranges name their last byte
  const file = await scope.assets.read(asset, range && { start: range.start, end: end - 1 });
  const bytes = facts && (range ? end - range.start : facts.bytes);
  return body(
    Readable.toWeb(file) as ReadableStream<Uint8Array>,
    facts?.mime ?? 'application/octet-stream',
    bytes === undefined ? {} : { 'content-length': String(bytes) },
  );
}

/** multipart/form-data (RFC 7578), streamed: its length is known before its first byte is sent. */
async function partsOf(scope: StepScope, parts: NonNullable<HttpRequest['parts']>): Promise<Body> {
  const boundary = `spliceboard-${randomUUID()}`;
  const made: { head: Buffer; bytes: number; content: string | null; asset: string | null }[] = [];
  for (const part of parts) {
    const named = `--${boundary}\r\ncontent-disposition: form-data; name="${part.name}"`;
    if ('text' in part) {
      const head = Buffer.from(`${named}\r\n\r\n`);
      made.push({ head, bytes: Buffer.byteLength(part.text), content: part.text, asset: null });
      continue;
    }
    const facts = await scope.assets.find(part.asset);
    if (!facts) throw new CapabilityError('ASSET_MISSING', 'A file that was to be sent is not in this workspace.');
    const head = Buffer.from(`${named}; filename="${part.filename}"\r\ncontent-type: ${facts.mime}\r\n\r\n`);
    made.push({ head, bytes: facts.bytes, content: null, asset: part.asset });
  }
  const end = Buffer.from(`--${boundary}--\r\n`);
  const length = made.reduce((sum, part) => sum + part.head.length + part.bytes + 2, end.length);
  async function* pieces() {
    for (const { head, content, asset } of made) {
      yield head;
      if (content !== null) yield Buffer.from(content);
      if (asset !== null) yield* await scope.assets.read(asset);
      yield Buffer.from('\r\n');
    }
    yield end;
  }
  return {
    content: Readable.toWeb(Readable.from(pieces())) as ReadableStream<Uint8Array>,
    headers: {},
    framing: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': String(length) },
  };
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
