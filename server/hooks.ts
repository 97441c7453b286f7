/**
 * Webhooks: `/hooks/<secret>` starts a run of the pipeline whose address it is. In this order: is there such an address,
 * is there room, method, who sends, then the body; what is refused before the body is not read. 202 is said after the
 * commit, so an accepted request is never lost; a key that is known gives the first run and starts nothing.
 *
 * Answers: 202 { runId, number, isNew }, 200 for one that was known; where the trigger answers when done, what its Respond
 * node says, else 200 with the run's state, or 202 after 100 s. Errors, in the one error shape: HOOK_UNKNOWN (404),
 * HOOK_METHOD (405), HOOK_REFUSED (401), HOOK_REPLAYED (409), TOO_LARGE (413), HOOK_BODY (400), HOOK_BUSY (429),
 * HOOK_NOT_READY (503).
 */
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { pipelineVersion } from '../db/pipelines.ts';
import { type Accepted, createAcceptor, findHook, getTrigger, runAnswer } from '../db/triggers.ts';
import { digestOf, loadValue, type StoredValue } from '../db/values.ts';
import { inWorkspace } from '../db/workspace.ts';
import { type Asset, partOf, type WebhookEvent } from '../nodes/contract.ts';
import { Graph } from '../runtime/graph/graph.ts';
import { type RunTrigger, startOf, startText, triggersOf } from '../runtime/graph/triggers.ts';
import { unseal } from '../runtime/seal.ts';
import { SNIFF_BYTES, sniff } from '../runtime/sniff.ts';
import type { Services } from './deps.ts';
import { Problem } from './problem.ts';
import { sendAsset } from './send-asset.ts';

const LONGEST_BODY_BYTES = 10 * 1024 * 1024;
/** Longer texts could not be read by the trigger's step. */
const LONGEST_TEXT_BYTES = 4 * 1024 * 1024;
/** Longer bodies travel as a file, and their raw bytes are kept as one. */
const SHORT_BODY_BYTES = 64 * 1024;
const HEADER_CHARACTERS = 2_000;
const MOST_HEADERS = 60;
const POLL_MS = 2_000;
const KEPT_HOOKS = 500;
/** Requests that are held until their run is done; more are answered at once. */
const MOST_HELD = 500;
/** Looks at addresses that may not exist, per second. */
const MOST_GUESSES = 200;
/** Types may change with a new version of a worker. */
const FRESH_MS = 5_000;
const PRIVATE_HEADERS = new Set(['authorization', 'cookie', 'proxy-authorization', 'connection', 'host']);

const Settings = z.object({
  method: z.enum(['POST', 'PUT', 'GET', 'any']),
  answer: z.enum(['at once', 'when done']),
  auth: z.enum(['none', 'bearer', 'signature']),
  keyHeader: z.string(),
  keyField: z.string(),
  signatureHeader: z.string(),
  timestampHeader: z.string(),
  toleranceSeconds: z.number(),
  mostPerMinute: z.number(),
});
const Answer = z.object({
  status: z.number().int().min(200).max(599),
  headers: z.record(z.string(), z.string()),
  kind: z.enum(['data', 'text', 'file']),
  body: z.unknown(),
});

type Hook = {
  workspaceId: string;
  triggerId: string;
  stamp: number;
  readAt: number;
  node: string;
  version: number;
  settings: z.infer<typeof Settings>;
  wantsRaw: boolean;
  secret: string | null;
  /** Its Respond nodes. */
  responds: string[];
  runText(trigger: RunTrigger): string;
};

declare module 'fastify' {
  interface FastifyRequest {
    hook: Hook | null;
  }
}

const unknown = () => new Problem('NOT_FOUND', 'HOOK_UNKNOWN', 'There is no webhook at this address.');
const refused = () => new Problem('UNAUTHORIZED', 'HOOK_REFUSED', 'This request is not signed as it has to be.');
const busy = () => new Problem('TOO_MANY_REQUESTS', 'HOOK_BUSY', 'Too many requests came.', { retry: 'later' });

/** The SHA-256 by which the secret end of an address is found. */
export const digestOfPath = (secret: string) => createHash('sha256').update(secret).digest('hex');

/** What passes: `perMinute` on average, as many at once. */
export function bucket(perMinute: number, now: () => number = () => performance.now()): () => boolean {
  let left = perMinute;
  let at = now();
  return () => {
    const time = now();
    left = Math.min(perMinute, left + ((time - at) / 60_000) * perMinute);
    at = time;
    if (left < 1) return false;
    left -= 1;
    return true;
  };
}

export async function registerHooks(app: FastifyInstance, services: Services): Promise<void> {
  const hooks = new Map<string, Hook>();
  const buckets = new Map<string, { perMinute: number; take(): boolean }>();
  const guesses = bucket(MOST_GUESSES * 60);
  const waitMs = Number(process.env.SPLICEBOARD_HOOK_WAIT_SECONDS || 100) * 1_000;
  const accept = createAcceptor(services.appPool);
  let holding = 0;

  async function read(found: { workspaceId: string; triggerId: string; stamp: number }): Promise<Hook> {
    const { trigger, saved, types } = await inWorkspace(services.db, found.workspaceId, async (tx) => {
      const trigger = await getTrigger(tx, found.triggerId);
      const saved = trigger && (await pipelineVersion(tx, trigger.pipelineId, trigger.version));
      return { trigger, saved, types: await services.nodeTypes.of(tx, saved?.pins) };
    });
    if (!trigger || !saved) throw unknown();
    const graph = Graph.parse(saved.graph);
    const started = startOf(graph, types);
    if (!started.ok) {
      throw new Problem('SERVICE_UNAVAILABLE', 'HOOK_NOT_READY', 'This pipeline cannot run now.', { retry: 'later' });
    }
    const place = { row: `trigger/${trigger.id}/secret`, workspace: found.workspaceId };
    return {
      ...found,
      readAt: Date.now(),
      node: trigger.node,
      version: trigger.version,
      settings: Settings.parse(trigger.config),
      wantsRaw:
        triggersOf(graph, types)
          .find(({ node }) => node === trigger.node)
          ?.wired.includes('raw') === true,
      secret: trigger.secretSealed === null ? null : unseal(services.sealKey, trigger.secretSealed, place),
      responds: graph.nodes.filter((node) => node.type === 'flow.respond').map((node) => node.id),
      runText: startText(started.start, digestOf(started.start)),
    };
  }

  async function hookAt(secret: string): Promise<Hook> {
    if (!/^[A-Za-z0-9_-]{32,64}$/.test(secret)) throw unknown();
    const sha256 = digestOfPath(secret);
    const known = hooks.get(sha256);
    if (!known && !guesses()) throw busy();
    const found = await findHook(services.appPool, sha256);
    if (!found) {
      hooks.delete(sha256);
      throw unknown();
    }
    if (known && known.stamp === found.stamp && Date.now() - known.readAt < FRESH_MS) return known;
    const hook = await read(found);
    hooks.delete(sha256); // to the young end
    hooks.set(sha256, hook);
    if (hooks.size > KEPT_HOOKS) hooks.delete(hooks.keys().next().value!);
    return hook;
  }

  function hasRoom({ triggerId, settings: { mostPerMinute } }: Hook): boolean {
    const known = buckets.get(triggerId);
    if (known?.perMinute === mostPerMinute) return known.take();
    const made = { perMinute: mostPerMinute, take: bucket(mostPerMinute) };
    buckets.delete(triggerId);
    buckets.set(triggerId, made);
    if (buckets.size > KEPT_HOOKS) buckets.delete(buckets.keys().next().value!);
    return made.take();
  }

  /** Everything that needs no body. */
  async function before(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const hook = await hookAt((request.params as { secret: string }).secret);
    const { settings } = hook;
    if (!hasRoom(hook)) {
      reply.header('retry-after', String(Math.max(1, Math.ceil(60 / settings.mostPerMinute))));
      throw busy();
    }
    if (settings.method !== 'any' && request.method !== settings.method) {
      reply.header('allow', settings.method);
      return reply.code(405).send({
        problem: {
          code: 'HOOK_METHOD',
          message: `This webhook takes ${settings.method}.`,
          hint: null,
          retry: 'never',
        },
      });
    }
    if (settings.auth !== 'none' && hook.secret === null) throw refused(); // no secret: nobody may
    if (settings.auth === 'bearer') {
      const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
      if (given === undefined || !isSame(given, hook.secret!)) throw refused();
    }
    if (settings.auth === 'signature' && !isInTime(settings, request)) throw refused();
    request.hook = hook;
  }

  async function handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const hook = request.hook!;
    const { settings } = hook;
    const bytes = request.body instanceof Buffer ? request.body : Buffer.alloc(0);
    const signature = settings.auth === 'signature' ? signed(settings, hook.secret!, request, bytes) : null;
    if (settings.auth === 'signature' && signature === null) throw refused();
    const event = await eventOf(services, hook, request, bytes);
    const timed = signature !== null && settings.timestampHeader !== '' ? `s:${signature}` : null;
    const named = keyOf(settings, request, event);
    const accepted = await accept({
      workspaceId: hook.workspaceId,
      triggerId: hook.triggerId,
      version: hook.version,
      key: named ?? randomUUID(),
      guard: timed,
      body: event.raw === null && bytes.length > 0 ? bytes : null,
      run: hook.runText({ node: hook.node, kind: 'webhook', event, sample: null }),
    });
    if (!accepted) throw unknown(); // turned off, or published anew, in this very moment
    if (accepted.isReplay) {
      throw new Problem('CONFLICT', 'HOOK_REPLAYED', 'This signature was used before.');
    }
    reply.header('cache-control', 'no-store');
    if (settings.answer === 'when done' && accepted.runId !== null && holding < MOST_HELD) {
      holding += 1;
      try {
        return await answerWhenDone(request, reply, hook, accepted.runId);
      } finally {
        holding -= 1;
      }
    }
    return told(reply, accepted);
  }

  async function answerWhenDone(
    request: FastifyRequest,
    reply: FastifyReply,
    hook: Hook,
    runId: string,
  ): Promise<FastifyReply> {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const until = performance.now() + waitMs;
    for (;;) {
      const left = until - performance.now();
      const changed = services.hub.changed(runId, Math.min(POLL_MS, Math.max(0, left)), gone.signal); // before reading
      const run = await inWorkspace(services.db, hook.workspaceId, (tx) => runAnswer(tx, runId, hook.responds));
      if (!run) throw unknown();
      if (run.answer !== null) return respond(request, reply, hook.workspaceId, run.answer as StoredValue);
      if (run.state !== 'running') return reply.code(200).send({ runId, number: run.number, state: run.state });
      if (left <= 0 || gone.signal.aborted) {
        return reply.code(202).send({ runId, number: run.number, state: run.state });
      }
      await changed;
    }
  }

  async function respond(
    request: FastifyRequest,
    reply: FastifyReply,
    workspaceId: string,
    stored: StoredValue,
  ): Promise<FastifyReply> {
    const values = services.storeFor(workspaceId, { internal: true });
    const answer = Answer.parse(
      await loadValue(stored, async (sha256) => Buffer.concat(await Array.fromAsync(await values.read(sha256)))),
    );
    if (answer.kind === 'file') {
      const { asset: sha256 } = answer.body as { asset: string };
      const store = services.storeFor(workspaceId);
      const asset = await store.find(sha256);
      if (!asset) throw new Problem('NOT_FOUND', 'ASSET_MISSING', 'The file of this answer was removed.');
      delete request.headers.range;
      delete request.headers['if-none-match'];
      for (const [name, value] of Object.entries(answer.headers)) reply.header(name, value);
      reply.code(answer.status);
      return sendAsset(request, reply, store, asset);
    }
    const isText = answer.kind === 'text' && typeof answer.body === 'string';
    reply.code(answer.status).type(isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8');
    for (const [name, value] of Object.entries(answer.headers)) reply.header(name, value);
    // whatever it says it is, it cannot act as a page of ours
    reply.header('content-security-policy', "default-src 'none'; sandbox").header('cache-control', 'no-store');
    if (answer.status === 204 || answer.status === 304) return reply.send();
    return reply.send(isText ? answer.body : JSON.stringify(answer.body));
  }

  app.decorateRequest('hook', null);
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: LONGEST_BODY_BYTES }, (_request, body, done) =>
      done(null, body),
    );
    scope.route({
      method: ['GET', 'POST', 'PUT'],
      url: '/hooks/:secret',
      bodyLimit: LONGEST_BODY_BYTES,
      onRequest: before,
      handler: handle,
    });
  });
}

function told(reply: FastifyReply, { isNew, runId, number }: Accepted): FastifyReply {
  return reply.code(isNew ? 202 : 200).send({ runId, number, isNew });
}

// ---------------------------------------------------------------- who sends

const isSame = (given: string, wanted: string) =>
  timingSafeEqual(createHash('sha256').update(given).digest(), createHash('sha256').update(wanted).digest());

function header(request: FastifyRequest, name: string): string | undefined {
  const value = name === '' ? undefined : request.headers[name.toLowerCase()];
  return Array.isArray(value) ? value[0] : value;
}

function isInTime({ timestampHeader, toleranceSeconds }: Hook['settings'], request: FastifyRequest): boolean {
  if (timestampHeader === '') return true;
  const text = header(request, timestampHeader) ?? '';
  return /^\d{9,11}$/.test(text) && Math.abs(Date.now() / 1000 - Number(text)) <= toleranceSeconds;
}

/** The signature where it is right; null where it is not. Over the bytes as they came. */
function signed(settings: Hook['settings'], secret: string, request: FastifyRequest, bytes: Buffer): string | null {
  const given = /^(?:sha256=)?([0-9a-f]{64})$/i.exec(header(request, settings.signatureHeader) ?? '')?.[1];
  if (given === undefined) return null;
  const made = createHmac('sha256', secret);
  if (settings.timestampHeader !== '') made.update(`${header(request, settings.timestampHeader)}.`);
  const wanted = made.update(bytes).digest();
  return timingSafeEqual(Buffer.from(given, 'hex'), wanted) ? given.toLowerCase() : null;
}

// ---------------------------------------------------------------- what was sent

function keyOf(
  { keyHeader, keyField }: Hook['settings'],
  request: FastifyRequest,
  { body }: WebhookEvent,
): string | null {
  const inBody = keyField === '' ? undefined : partOf(body, keyField);
  const named = header(request, keyHeader);
  const key =
    named !== undefined && named !== ''
      ? `h:${named}`
      : typeof inBody === 'string' || typeof inBody === 'number'
        ? `b:${inBody}`
        : null;
  return key !== null && key.length > 200 ? `d:${createHash('sha256').update(key).digest('hex')}` : key;
}

async function eventOf(services: Services, hook: Hook, request: FastifyRequest, bytes: Buffer): Promise<WebhookEvent> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  const isJson = /[/+]json$/.test(type);
  const isForm = type === 'application/x-www-form-urlencoded';
  const isText = isJson || isForm || /^text\/|[/+]xml$/.test(type);
  const text = isText || type === '' ? utf8(bytes) : undefined;
  if (text !== undefined && bytes.length > LONGEST_TEXT_BYTES) {
    throw new Problem('PAYLOAD_TOO_LARGE', 'TOO_LARGE', 'A text of a webhook takes at most 4 MB.');
  }
  if (isText && text === undefined) throw unreadable(type);
  const long = text !== undefined && !isForm && bytes.length > SHORT_BODY_BYTES;
  const wantsFile = bytes.length > 0 && (text === undefined || bytes.length > SHORT_BODY_BYTES || hook.wantsRaw);
  return {
    at: new Date().toISOString(),
    method: request.method,
    query: flat(request.query as Record<string, string | string[]>),
    headers: shownHeaders(request),
    type,
    body: text === undefined || text === '' || (long && !isJson) ? null : read(text, { isJson, isForm, long, type }),
    long,
    raw: wantsFile ? await kept(services, hook, bytes, type, text !== undefined) : null,
  };
}

/** Long JSON is read all the same: what is not JSON is refused while the sender listens. */
function read(text: string, how: { isJson: boolean; isForm: boolean; long: boolean; type: string }): unknown {
  if (how.isForm) return flat(formOf(text));
  if (!how.isJson) return text;
  try {
    const value: unknown = JSON.parse(text);
    return how.long ? null : value;
  } catch {
    throw unreadable(how.type);
  }
}

const unreadable = (type: string) =>
  new Problem('BAD_REQUEST', 'HOOK_BODY', `The body is not what its type says (${type.slice(0, 60)}).`);

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function formOf(text: string): Record<string, string | string[]> {
  const fields = new URLSearchParams(text);
  return Object.fromEntries([...new Set(fields.keys())].map((name) => [name, fields.getAll(name)]));
}

/** Names that came several times are joined with commas. */
function flat(fields: Record<string, string | string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

function shownHeaders(request: FastifyRequest): Record<string, string> {
  const shown = Object.entries(request.headers).filter(([name, value]) => value && !PRIVATE_HEADERS.has(name));
  return Object.fromEntries(
    shown.slice(0, MOST_HEADERS).map(([name, value]) => [name, String(value).slice(0, HEADER_CHARACTERS)]),
  );
}

/** As a file of the workspace, which no list of recordings shows. */
async function kept(services: Services, hook: Hook, bytes: Buffer, type: string, isText: boolean): Promise<Asset> {
  const found = isText ? undefined : sniff(bytes.subarray(0, SNIFF_BYTES), 'body');
  const facts = isText
    ? { kind: 'text' as const, mime: /^[\w.+-]+\/[\w.+-]{1,80}$/.test(type) ? type : 'text/plain', name: 'body.txt' }
    : found
      ? { kind: found.kind, mime: found.mime, name: `body${found.extension}` }
      : { kind: 'file' as const, mime: 'application/octet-stream', name: 'body.bin' };
  return services.storeFor(hook.workspaceId).putBytes(bytes, facts, [`trigger ${hook.triggerId}`]);
}
