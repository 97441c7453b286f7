/**
 * Accounts of brands: which services there are, connecting one, letting one go, and what was published there. The server seals
 * and remembers; a worker talks to the services (runtime/connections/errand.ts).
 *
 *   GET  /connections/callback?state&code  where a service sends the person back to
 *   POST /hooks/accounts/<secret>          webhooks of an account: 200 once it is kept, in the one error shape where not
 *
 * Errors: CONNECT_TYPE, CONNECT_SERVER, CONNECT_KEYS, POST_BUSY, HOOK_UNKNOWN (404), HOOK_REFUSED (401), HOOK_BODY (400), NOT_FOUND.
 */
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { audit, sha256 } from '../db/accounts.ts';
import { listBrands } from '../db/brands.ts';
import {
  beginConnecting,
  type ConnectionRow,
  connectingBehind,
  connectionOfHook,
  getConnecting,
  getConnection,
  listApps,
  listConnections,
  moveConnecting,
  setApp,
  unitsUsed,
} from '../db/connections.ts';
import { sendErrand } from '../db/errands.ts';
import { typesInUse } from '../db/plugins.ts';
import { getPost, keepEvent, listPosts, movePost } from '../db/posts.ts';
import { inWorkspace, type WorkspaceTx } from '../db/workspace.ts';
import { ManifestJson, type Platform, Post, partOf } from '../nodes/contract.ts';
import { windowOf } from '../runtime/graph/quotas.ts';
import {
  appPlace,
  connectingPlace,
  Hook,
  hookPlace,
  Secrets,
  secretsPlace,
  Underway,
} from '../runtime/graph/sealed.ts';
import { seal, unseal } from '../runtime/seal.ts';
import type { Authorize, Services } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import { type Member, memberProcedure, requireBrand, router } from './trpc.ts';

const LONGEST_EVENT_BYTES = 256 * 1024;
const TOLERANCE_SECONDS = 300;
const MOST_HEADERS = 40;
/** A server as people write it, without scheme and path. */
const Server = z
  .string()
  .trim()
  .toLowerCase()
  .transform((text) => text.replace(/^https?:\/\//, '').replace(/\/.*$/, ''))
  .refine((text) => text === '' || /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(text), 'A host name such as mastodon.social.');

type Service = { type: string; plugin: string | null; name: string; manifest: ManifestJson; platform: Platform };

const ProblemView = z.object({ code: z.string(), message: z.string(), hint: z.string().nullable() });
const ConnectionView = z.object({
  id: z.string(),
  brandId: z.string(),
  type: z.string().nullable(),
  platform: z.string(),
  title: z.string(),
  icon: z.string(),
  server: z.string(),
  name: z.string(),
  url: z.string().nullable(),
  state: z.enum(['ready', 'reconnect', 'removed']),
  error: ProblemView.nullable(),
  createdAt: z.string(),
  hasHooks: z.boolean(),
  quotas: z.array(z.object({ name: z.string(), used: z.number(), units: z.number(), until: z.string() })),
});
export type ConnectionView = z.infer<typeof ConnectionView>;
const ServiceView = z.object({
  type: z.string(),
  platform: z.string(),
  plugin: z.string().nullable(),
  title: z.string(),
  icon: z.string(),
  /** Where a person names the server: an example. */
  serverExample: z.string().nullable(),
  /** What they paste; null where they are sent to the service. */
  keys: z.array(z.object({ name: z.string(), title: z.string(), help: z.string().nullable() })).nullable(),
  /** An administrator enters a client first: how to get one, and where the service is to send people back to. */
  app: z.object({ help: z.string(), isThere: z.boolean(), redirectUri: z.string() }).nullable(),
  scopes: z.array(z.string()),
  policies: z.array(z.object({ text: z.string(), url: z.string().nullable() })),
});
export type ServiceView = z.infer<typeof ServiceView>;
const PostView = z.object({
  id: z.string(),
  brandId: z.string(),
  connectionId: z.string(),
  runId: z.string().nullable(),
  platform: z.string(),
  title: z.string(),
  url: z.string().nullable(),
  publishedAt: z.string(),
  state: z.enum(['live', 'removing', 'removed']),
  note: z.string().nullable(),
  error: ProblemView.nullable(),
  metrics: z.record(z.string(), z.number()),
  metricsAt: z.string().nullable(),
});
export type PublishedView = z.infer<typeof PostView>;

/** Services that plugins here connect to, each once: the node type that publishes there describes it. */
async function servicesOf(services: Services, tx: WorkspaceTx): Promise<Service[]> {
  const own = [...(await services.nodeTypes.own()).values()].map(({ manifest }) => ({ manifest, plugin: null }));
  const foreign = (await typesInUse(tx)).map(({ manifest, plugin }) => ({
    manifest: ManifestJson.parse(manifest),
    plugin,
  }));
  const found = new Map<string, Service>();
  for (const { manifest, plugin } of [...own, ...foreign]) {
    const { platform, connection } = manifest;
    if (!platform || !connection) continue;
    const key = `${plugin ?? ''} ${connection.platform}`;
    if (found.has(key) && !platform.post) continue;
    found.set(key, { type: manifest.id, plugin, name: connection.platform, manifest, platform });
  }
  return [...found.values()];
}

const redirectUriOf = ({ publicUrl, url }: Services) => `${publicUrl ?? url}/connections/callback`;
const problemView = (error: unknown) =>
  ProblemView.nullable()
    .catch(null)
    .parse(error ?? null);
const numbers = z.record(z.string(), z.number()).catch({});

async function brandsOf(tx: WorkspaceTx, member: Member, brandId: string | undefined): Promise<string[]> {
  if (brandId !== undefined) return [brandId];
  const all = (await listBrands(tx)).map(({ id }) => id);
  return all.filter((id) => member.brands === null || member.brands.includes(id));
}

async function ownConnection(tx: WorkspaceTx, member: Member, id: string): Promise<ConnectionRow> {
  const row = await getConnection(tx, id);
  if (!row || row.state === 'removed' || (member.brands !== null && !member.brands.includes(row.brandId))) {
    throw notFound('This account');
  }
  return row;
}

export const connections = router({
  list: memberProcedure('analyst')
    .output(z.object({ connections: z.array(ConnectionView), services: z.array(ServiceView) }))
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const known = await servicesOf(ctx.services, tx);
        const apps = await listApps(tx);
        const rows = await listConnections(tx, await brandsOf(tx, ctx.member, input.brandId));
        const shown = [];
        for (const row of rows) {
          const service = known.find(({ plugin, name }) => plugin === row.plugin && name === row.platform);
          shown.push({
            ...connectionView(row, service),
            quotas: await quotasOf(ctx.services, tx, input.workspaceId, row, service),
          });
        }
        const offered = known.map((service) => {
          const isThere = apps.some(({ plugin, platform }) => plugin === service.plugin && platform === service.name);
          return serviceView(service, isThere, redirectUriOf(ctx.services));
        });
        return { connections: shown, services: offered };
      }),
    ),

  /** Begins to connect an account for a brand; `get` tells where the person goes next. */
  begin: memberProcedure('editor')
    .input(
      z.object({
        brandId: z.uuid(),
        type: z.string().max(80),
        server: Server.default(''),
        keys: z.record(z.string().max(40), z.string().trim().min(1).max(4_000)).optional(),
      }),
    )
    .output(z.object({ id: z.string() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const service = (await servicesOf(ctx.services, tx)).find(({ type }) => type === input.type);
        if (!service) throw notFound('This service');
        const { server, connect } = service.platform;
        if (server.kind === 'asked' && input.server === '') {
          throw new Problem('BAD_REQUEST', 'CONNECT_SERVER', 'It is not said on which server the account is.', {
            hint: `Name it, such as ${server.example}.`,
          });
        }
        const keys = connect.kind === 'keys' ? (input.keys ?? {}) : undefined;
        const lacking = connect.kind === 'keys' ? connect.fields.filter(({ name }) => !keys?.[name]) : [];
        if (lacking.length > 0) {
          throw new Problem(
            'BAD_REQUEST',
            'CONNECT_KEYS',
            `Missing: ${lacking.map(({ title }) => title).join(', ')}.`,
            {
              hint: `Copy them from your account at ${service.platform.title}.`,
            },
          );
        }
        const id = randomUUID();
        const { workspaceId, brandId, type } = input;
        const sealed = keys
          ? seal(ctx.services.sealKey, JSON.stringify({ keys }), connectingPlace(workspaceId, id))
          : null;
        await beginConnecting(tx, {
          ...{ id, brandId, type, sealed, by: ctx.member.userId },
          server: server.kind === 'asked' ? input.server : server.hosts[0]!,
          redirectUri: redirectUriOf(ctx.services),
        });
        const by = ctx.member.userId;
        await sendErrand(tx, workspaceId, { kind: 'connection', input: { do: 'begin', connecting: id }, by });
        return { id };
      }),
    ),

  /** How an attempt stands; `away`: whoever began it goes to `url`. */
  get: memberProcedure('editor')
    .input(z.object({ id: z.uuid() }))
    .output(
      z.object({
        stage: z.enum(['begun', 'away', 'back', 'done', 'failed']),
        brandId: z.string(),
        url: z.string().nullable(),
        error: ProblemView.nullable(),
        connectionId: z.string().nullable(),
      }),
    )
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const attempt = await getConnecting(tx, input.id);
        if (!attempt) throw notFound('This attempt');
        requireBrand(ctx.member, attempt.brandId);
        const { stage, brandId, error, connectionId } = attempt;
        const url = stage === 'away' && attempt.by === ctx.member.userId ? attempt.url : null;
        return { stage, brandId, url, error: problemView(error), connectionId };
      }),
    ),

  /** The client by which a service knows this workspace; its secret is sealed and never shown again. */
  setApp: memberProcedure('admin')
    .input(
      z.object({
        type: z.string().max(80),
        clientId: z.string().trim().min(1).max(500),
        clientSecret: z.string().trim().min(1).max(2_000),
      }),
    )
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const service = (await servicesOf(ctx.services, tx)).find(({ type }) => type === input.type);
        const { connect, server } = service?.platform ?? {};
        if (!service || connect?.kind !== 'oauth2' || connect.app.from !== 'admin' || server?.kind !== 'fixed') {
          throw notFound('This service');
        }
        const of = { plugin: service.plugin, platform: service.name, server: server.hosts[0]!, redirectUri: '' };
        const sealed = seal(ctx.services.sealKey, input.clientSecret, appPlace(input.workspaceId, of));
        await setApp(tx, of, { clientId: input.clientId, sealed, by: ctx.member.userId });
        await audit(tx, ctx.member.userId, 'connection.app', { platform: service.name, plugin: service.plugin });
        return {};
      }),
    ),

  /** Its tokens are taken back at the service and forgotten here; posts stay. */
  disconnect: memberProcedure('editor')
    .input(z.object({ id: z.uuid() }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await ownConnection(tx, ctx.member, input.id);
        const by = ctx.member.userId;
        await sendErrand(tx, input.workspaceId, {
          kind: 'connection',
          input: { do: 'disconnect', connection: row.id },
          by,
        });
        await audit(tx, by, 'connection.remove', { platform: row.platform, name: row.name, brand: row.brandId });
        return {};
      }),
    ),

  /** Where the service sends an account's webhooks to, and what signs them. */
  hook: memberProcedure('admin')
    .input(z.object({ id: z.uuid() }))
    .output(z.object({ url: z.string(), secret: z.string().nullable() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await ownConnection(tx, ctx.member, input.id);
        if (row.hookSealed === null) throw notFound('An address for webhooks of this account');
        const service = (await servicesOf(ctx.services, tx)).find(
          ({ plugin, name }) => plugin === row.plugin && name === row.platform,
        );
        const hook = Hook.parse(
          JSON.parse(unseal(ctx.services.sealKey, row.hookSealed, hookPlace(input.workspaceId, row.id))),
        );
        await audit(tx, ctx.member.userId, 'connection.hook', { platform: row.platform, name: row.name });
        const { publicUrl, url } = ctx.services;
        const isOwn = service?.platform.webhooks?.secret === 'connection';
        return { url: `${publicUrl ?? url}/hooks/accounts/${hook.path}`, secret: isOwn ? hook.secret : null };
      }),
    ),

  /** What was published at platforms, newest first, at most 100. */
  posts: memberProcedure('analyst')
    .output(z.array(PostView))
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const rows = await listPosts(tx, await brandsOf(tx, ctx.member, input.brandId));
        return rows.flatMap((row) => {
          const post = Post.safeParse(row.post);
          if (!post.success) return [];
          return {
            id: row.id,
            brandId: row.brandId,
            connectionId: row.connectionId,
            runId: row.runId,
            platform: post.data.platform,
            title: post.data.title,
            url: /^https:\/\//.test(post.data.url) ? post.data.url : null,
            publishedAt: post.data.publishedAt,
            state: row.state,
            note: row.note,
            error: problemView(row.error),
            metrics: numbers.parse(row.metrics ?? {}),
            metricsAt: row.metricsAt?.toISOString() ?? null,
          };
        });
      }),
    ),

  /** Takes a post away at its platform. It cannot be undone. */
  removePost: memberProcedure('editor')
    .input(z.object({ id: z.uuid() }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const post = await getPost(tx, input.id);
        if (!post) throw notFound('This post');
        await ownConnection(tx, ctx.member, post.connectionId);
        if (!(await movePost(tx, post.id, 'live', { state: 'removing' }))) {
          throw new Problem('CONFLICT', 'POST_BUSY', 'This post is being taken away, or is gone already.');
        }
        const by = ctx.member.userId;
        await sendErrand(tx, input.workspaceId, { kind: 'connection', input: { do: 'remove', post: post.id }, by });
        await audit(tx, by, 'post.remove', { post: post.postId, type: post.type });
        return {};
      }),
    ),

  /** Asks the platforms how posts do. */
  refresh: memberProcedure('analyst')
    .output(z.object({ accounts: z.number() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const rows = await listConnections(tx, await brandsOf(tx, ctx.member, input.brandId));
        const ready = rows.filter(({ state }) => state === 'ready');
        const at = Math.floor(Date.now() / 10_000); // asked for twice in 10 s, it is one errand
        for (const { id } of ready) {
          const asked = { do: 'metrics', connection: id, at };
          await sendErrand(tx, input.workspaceId, { kind: 'connection', input: asked, by: ctx.member.userId });
        }
        return { accounts: ready.length };
      }),
    ),
});

function connectionView(row: ConnectionRow, service: Service | undefined) {
  return {
    id: row.id,
    brandId: row.brandId,
    type: service?.type ?? null,
    platform: row.platform,
    title: row.title,
    icon: service?.manifest.icon ?? 'puzzle',
    server: row.server,
    name: row.name,
    url: row.url,
    state: row.state,
    error: problemView(row.error),
    createdAt: row.createdAt.toISOString(),
    hasHooks: row.hookSealed !== null,
  };
}

function serviceView({ type, plugin, name, manifest, platform }: Service, isThere: boolean, redirectUri: string) {
  const { connect, server } = platform;
  const app = connect.kind === 'oauth2' && connect.app.from === 'admin' ? connect.app : null;
  return {
    type,
    platform: name,
    plugin,
    title: platform.title,
    icon: manifest.icon,
    serverExample: server.kind === 'asked' ? server.example : null,
    keys: connect.kind === 'keys' ? connect.fields.map((field) => ({ ...field, help: field.help ?? null })) : null,
    app: app && { help: app.help, isThere, redirectUri },
    scopes: manifest.connection!.scopes,
    policies: (platform.post?.policies ?? []).map(({ text, url }) => ({ text, url: url ?? null })),
  };
}

async function quotasOf(
  services: Services,
  tx: WorkspaceTx,
  workspaceId: string,
  row: ConnectionRow,
  service: Service | undefined,
) {
  const shown = [];
  for (const quota of service?.platform.quotas ?? []) {
    const { startsAt, endsAt } = windowOf(quota, new Date());
    const of = quota.of === 'account' ? row.id : appKey(services, workspaceId, row);
    const used = await unitsUsed(tx, of, quota.name, startsAt);
    shown.push({ name: quota.name, used, units: quota.units, until: endsAt.toISOString() });
  }
  return shown;
}

/** As runtime/connections/account.ts counts what accounts of one client share. */
function appKey({ sealKey }: Services, workspaceId: string, row: ConnectionRow): string {
  if (row.sealed === null) return row.id;
  const secrets = Secrets.parse(JSON.parse(unseal(sealKey, row.sealed, secretsPlace(workspaceId, row.id))));
  return 'access' in secrets ? `app ${row.platform} ${secrets.client.id}` : row.id;
}

// ---------------------------------------------------------------- coming back, and webhooks

export async function registerConnections(
  app: FastifyInstance,
  services: Services,
  authorize: Authorize,
): Promise<void> {
  const Came = z.object({
    state: z.string().min(20).max(200),
    code: z.string().min(1).max(4_000).optional(),
    error: z.string().max(200).optional(),
    error_description: z.string().max(500).optional(),
  });

  app.get('/connections/callback', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer');
    const came = Came.safeParse(request.query);
    const found = came.success ? await connectingBehind(services.db, sha256(came.data.state)) : undefined;
    if (!came.success || !found) return reply.redirect('/', 303);
    const { workspaceId, connectingId: id } = found;
    const member = await authorize(request, { workspaceId, role: 'editor' });
    await inWorkspace(services.db, workspaceId, async (tx) => {
      const attempt = await getConnecting(tx, id);
      // whoever began it, and nobody who was sent the link: else their account would become another's
      if (!attempt || attempt.by !== member.userId) throw notFound('This attempt');
      requireBrand(member, attempt.brandId);
      const { code, error, error_description } = came.data;
      if (code === undefined) {
        const message = `The service connected nothing: ${error_description ?? error ?? 'it gave no reason'}.`;
        const told = { code: 'CONNECT_REFUSED', message, hint: 'Connect the account once more.', retry: 'person' };
        await moveConnecting(tx, id, 'away', { stage: 'failed', error: told, sealed: null, stateSha256: null });
        return;
      }
      const place = connectingPlace(workspaceId, id);
      const held = Underway.parse(JSON.parse(unseal(services.sealKey, attempt.sealed!, place)));
      const sealed = seal(services.sealKey, JSON.stringify({ ...held, code }), place);
      if (!(await moveConnecting(tx, id, 'away', { stage: 'back', sealed, stateSha256: null }))) return;
      const input = { do: 'finish', connecting: id };
      await sendErrand(tx, workspaceId, { kind: 'connection', input, by: member.userId });
    });
    return reply.redirect(`/w/${workspaceId}/connections?attempt=${id}`, 303);
  });

  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: LONGEST_EVENT_BYTES }, (_request, body, done) =>
      done(null, body),
    );
    scope.post('/hooks/accounts/:secret', { bodyLimit: LONGEST_EVENT_BYTES }, async (request, reply) => {
      reply.header('cache-control', 'no-store');
      await takeEvent(services, request);
      return reply.code(200).send({});
    });
  });
}

const unknownHook = () => new Problem('NOT_FOUND', 'HOOK_UNKNOWN', 'There is no webhook at this address.');
const refusedHook = () => new Problem('UNAUTHORIZED', 'HOOK_REFUSED', 'This request is not signed as it has to be.');

/** Who sends is proved before anything is read; kept before it is acknowledged, and once. */
async function takeEvent(services: Services, request: FastifyRequest): Promise<void> {
  const { secret: path } = request.params as { secret: string };
  if (!/^[A-Za-z0-9_-]{32,64}$/.test(path)) throw unknownHook();
  const found = await connectionOfHook(services.db, sha256(path));
  if (!found) throw unknownHook();
  const { workspaceId, connectionId } = found;
  await inWorkspace(services.db, workspaceId, async (tx) => {
    const row = await getConnection(tx, connectionId);
    const service = (await servicesOf(services, tx)).find(
      ({ plugin, name }) => plugin === row?.plugin && name === row.platform,
    );
    const webhooks = service?.platform.webhooks;
    if (!row?.hookSealed || !row.sealed || !webhooks) throw unknownHook();
    const hook = Hook.parse(JSON.parse(unseal(services.sealKey, row.hookSealed, hookPlace(workspaceId, row.id))));
    const secrets = Secrets.parse(JSON.parse(unseal(services.sealKey, row.sealed, secretsPlace(workspaceId, row.id))));
    const key = webhooks.secret === 'connection' ? hook.secret : 'client' in secrets ? secrets.client.secret : '';
    const bytes = request.body instanceof Buffer ? request.body : Buffer.alloc(0);
    if (key === '' || !isSigned(webhooks, key, request, bytes)) throw refusedHook();
    let body: unknown;
    try {
      body = JSON.parse(bytes.toString('utf8'));
    } catch {
      throw new Problem('BAD_REQUEST', 'HOOK_BODY', 'The body is no JSON.');
    }
    const own = 'header' in webhooks.id ? header(request, webhooks.id.header) : partOf(body, webhooks.id.field);
    const event =
      (typeof own === 'string' && own !== '') || typeof own === 'number'
        ? String(own).slice(0, 300)
        : createHash('sha256').update(bytes).digest('hex');
    const headers = Object.fromEntries(
      Object.entries(request.headers)
        .filter(([name]) => !['authorization', 'cookie', 'host', 'connection', webhooks.header].includes(name))
        .slice(0, MOST_HEADERS)
        .map(([name, value]) => [name, String(value).slice(0, 1_000)]),
    );
    if (!(await keepEvent(tx, { connectionId: row.id, event, headers, body }))) return; // it came before
    const input = { do: 'event', connection: row.id, event };
    await sendErrand(tx, workspaceId, { kind: 'connection', input, by: null });
  });
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name.toLowerCase()];
  return Array.isArray(value) ? value[0] : value;
}

function isSigned(
  webhooks: NonNullable<Platform['webhooks']>,
  secret: string,
  request: FastifyRequest,
  bytes: Buffer,
): boolean {
  const { prefix = '', timestampHeader, toleranceSeconds = TOLERANCE_SECONDS } = webhooks;
  const given = header(request, webhooks.header) ?? '';
  const hex = given.startsWith(prefix) ? given.slice(prefix.length) : '';
  if (!/^[0-9a-f]{64}$/i.test(hex)) return false;
  const made = createHmac('sha256', secret);
  if (timestampHeader !== undefined) {
    const at = header(request, timestampHeader) ?? '';
    if (!/^\d{9,11}$/.test(at) || Math.abs(Date.now() / 1000 - Number(at)) > toleranceSeconds) return false;
    made.update(`${at}.`);
  }
  return timingSafeEqual(Buffer.from(hex, 'hex'), made.update(bytes).digest());
}
