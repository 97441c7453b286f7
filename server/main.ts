/**
 * The HTTP host, read from top to bottom: guards, sign-in, the API, uploads, media, public pages, health, the editor.
 *
 *   startServer(options)      listens; `close()` ends all streams and connections
 *   ensureLocalOwner(server)  the first start's owner, workspace, brand and API token (file `token` in the data folder)
 *   makeOwnerLink(server)     a link that signs the owner in once
 */
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fastifyStatic from '@fastify/static';
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { authPool, createToken, createWorkspace, hasOwner, workspacesOf } from '../db/accounts.ts';
import { assetRows } from '../db/assets.ts';
import { createBrand, listBrands } from '../db/brands.ts';
import { createDatabase, createPool, serverVersion } from '../db/connect.ts';
import { livingWorkers } from '../db/ledger.ts';
import { inWorkspace } from '../db/workspace.ts';
import { assetStore, objectsFrom } from '../runtime/assets.ts';
import { loadSealKey, type SealKey } from '../runtime/seal.ts';
import { registerConnections } from './connections.ts';
import type { Authorize, Services } from './deps.ts';
import { diskOf } from './disk.ts';
import { registerHooks } from './hooks.ts';
import { log } from './log.ts';
import { mailerFrom } from './mail.ts';
import { registerMedia } from './media.ts';
import { registerMetrics } from './metrics.ts';
import { nodeTypes } from './node-types.ts';
import { startNotices } from './notices.ts';
import { registerPlugins } from './plugins.ts';
import { Problem, toProblem } from './problem.ts';
import { appRouter } from './router.ts';
import { createRunHub } from './run-hub.ts';
import { callerOf, comesFromUs, createAuth, createUser, insecureHost, makeOneTimeToken, toHeaders } from './session.ts';
import { factsOf } from './settings.ts';
import { registerShowcase } from './showcase/routes.ts';
import { readTemplates } from './templates.ts';
import { type Context, memberOf } from './trpc.ts';
import { registerUploads } from './uploads.ts';
import { registerWaits } from './waits.ts';
import { firstKit } from './workspaces.ts';

export type ServerOptions = {
  host: string;
  port: number;
  dataDir: string;
  databaseUrl: string;
  /** The built editor (`dist/editor`). */
  editorDir: string;
  version: string;
  /** The https address people reach this installation at; SPLICEBOARD_PUBLIC_URL where absent. */
  publicUrl?: string | null;
};
export type RunningServer = { url: string; app: FastifyInstance; services: Services; close(): Promise<void> };

const LONGEST_BODY_BYTES = 12 * 1024 * 1024;
const CSP = [
  "default-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'", // React and React Flow place elements by style attributes
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "script-src 'self' 'wasm-unsafe-eval'", // SHA-256 of uploads
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "form-action 'self'",
].join('; ');

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const services = await createServices(options);
  const app = Fastify({
    bodyLimit: LONGEST_BODY_BYTES,
    routerOptions: { maxParamLength: 5_000 },
    forceCloseConnections: true,
    trustProxy: false,
  });
  const origins = originsOf(options);
  const allowHttp = process.env.SPLICEBOARD_ALLOW_HTTP === '1';
  const authorize: Authorize = async (request, wanted) =>
    memberOf(services.db, await callerOf(services, request.headers), wanted);

  app.setErrorHandler((error, request, reply) => {
    const { status, problem } = toProblem(error);
    if (status >= 500 && status !== 503) {
      log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'A request failed.');
    }
    return reply.code(status).header('cache-control', 'no-store').send({ problem });
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff').header('referrer-policy', 'same-origin');
    const refused = insecureHost(request.headers.host, services.publicUrl, allowHttp);
    // probes and collectors ask each server by its own address; they carry no cookie
    const isProbe = request.url === '/healthz' || request.url === '/metrics';
    if (refused !== null && !isProbe) throw new Problem('FORBIDDEN', 'ADDRESS_REFUSED', refused);
    const changes = !['GET', 'HEAD', 'OPTIONS'].includes(request.method);
    // a webhook is for everybody who knows its address: no cookie of ours means anything there
    const isHook = request.url.startsWith('/hooks/');
    if (changes && !isHook && request.headers.authorization === undefined && !comesFromUs(request.headers, origins)) {
      throw new Problem('FORBIDDEN', 'ORIGIN_REFUSED', 'This request comes from another site.');
    }
  });

  registerAuth(app, services);
  await app.register(fastifyTRPCPlugin, {
    prefix: '/api/trpc',
    trpcOptions: {
      router: appRouter,
      createContext: async ({ req, res }: { req: Context['request']; res: Context['reply'] }): Promise<Context> => ({
        services,
        caller: await callerOf(services, req.headers),
        request: req,
        reply: res,
      }),
      onError({ error, path: procedure }: { error: Error; path?: string }) {
        if (toProblem(error).status >= 500) log.error({ err: error.cause ?? error, procedure }, 'A call failed.');
      },
    },
  });
  registerUploads(app, services, authorize);
  registerPlugins(app, services, authorize);
  registerMedia(app, services, authorize);
  registerShowcase(app, services);
  registerWaits(app, services);
  await registerConnections(app, services, authorize);
  await registerHooks(app, services);
  registerHealth(app, services);
  registerMetrics(app, services);
  await registerEditor(app, options.editorDir);

  await app.listen({ host: options.host, port: options.port });
  const notices = services.mailer && startNotices(services, services.mailer);
  return {
    url: services.url,
    app,
    services,
    async close() {
      await notices?.stop();
      await services.hub.close();
      await app.close();
      await services.db.destroy();
      await services.authPool.end();
      await services.metricsPool.end();
    },
  };
}

function originsOf({ port, publicUrl }: Pick<ServerOptions, 'port' | 'publicUrl'>): string[] {
  const address = publicUrl ?? process.env.SPLICEBOARD_PUBLIC_URL;
  return [`http://localhost:${port}`, `http://127.0.0.1:${port}`, ...(address ? [new URL(address).origin] : [])];
}

/** One secret is kept; others are made from it. */
function secretOf(key: SealKey, use: string): string {
  return createHmac('sha256', key.bytes).update(use).digest('base64url');
}

async function createServices(options: ServerOptions): Promise<Services> {
  const objects = await objectsFrom(path.join(options.dataDir, 'assets'), process.env);
  await objects.check();
  const appPool = createPool(options.databaseUrl, 'app', { max: 10, name: 'server' });
  const db = createDatabase(appPool);
  const pool = authPool(options.databaseUrl);
  const sealKey = await loadSealKey(options.dataDir);
  const publicUrl = options.publicUrl ?? process.env.SPLICEBOARD_PUBLIC_URL?.replace(/\/$/, '') ?? null;
  return {
    db,
    appPool,
    authPool: pool,
    metricsPool: createPool(options.databaseUrl, 'metrics', { max: 2, name: 'metrics' }),
    auth: createAuth({ pool, secret: secretOf(sealKey, 'sessions'), origins: originsOf(options) }),
    sealKey,
    dataDir: options.dataDir,
    disk: () => diskOf(options.dataDir),
    version: options.version,
    url: `http://localhost:${options.port}`,
    publicUrl,
    nodeTypes: nodeTypes(db),
    templates: readTemplates(),
    hub: createRunHub(options.databaseUrl),
    mailer: mailerFrom(process.env),
    storeFor: (workspaceId, store) =>
      assetStore(objects, assetRows(db, workspaceId, { internal: store?.internal === true })),
  };
}

/** better-auth under /api/auth, and the owner's one-time link. */
function registerAuth(app: FastifyInstance, services: Services): void {
  app.route({
    method: ['GET', 'POST'],
    url: '/api/auth/*',
    async handler(request, reply) {
      const answer = await services.auth.handler(
        new Request(new URL(request.url, services.url), {
          method: request.method,
          headers: toHeaders(request.headers),
          ...(request.body === undefined || request.method === 'GET' ? {} : { body: JSON.stringify(request.body) }),
        }),
      );
      reply.code(answer.status);
      answer.headers.forEach((value, name) => {
        if (name !== 'set-cookie') reply.header(name, value);
      });
      for (const cookie of answer.headers.getSetCookie()) reply.header('set-cookie', cookie);
      return reply.header('cache-control', 'no-store').send(answer.body ? await answer.text() : null);
    },
  });
  app.get('/login/:token', async (request, reply) => {
    const { token } = request.params as { token: string };
    const answer = await services.auth.api.useOneTimeLink({ body: { token }, asResponse: true }).catch(() => undefined);
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer');
    if (!answer?.ok) return reply.redirect('/sign-in?link=used', 303);
    for (const cookie of answer.headers.getSetCookie()) reply.header('set-cookie', cookie);
    return reply.redirect('/', 303);
  });
}

function registerHealth(app: FastifyInstance, services: Services): void {
  app.get('/healthz', async (_request, reply) => {
    const reasons: string[] = [];
    const database = await serverVersion(services.appPool)
      .then((number) => `PostgreSQL ${number}`)
      .catch(() => undefined);
    if (!database) reasons.push('The database does not answer.');
    const workers = database ? await livingWorkers(services.appPool).catch(() => []) : [];
    if (database && workers.length === 0) reasons.push('No worker is running.');
    const facts = workers.map((worker) => factsOf(worker.facts));
    reply.code(reasons.length === 0 ? 200 : 503).header('cache-control', 'no-store');
    return {
      ok: reasons.length === 0,
      version: services.version,
      database: database ?? null,
      workers: workers.length,
      sandbox: { layers: facts[0]?.sandbox ?? [] },
      pids: {
        server: process.pid,
        workers: facts.flatMap((each) => (each.pid === undefined ? [] : [each.pid])),
        sandbox: facts.flatMap((each) => each.sandboxPids ?? []),
      },
      ...(reasons.length === 0 ? {} : { reasons }),
    };
  });
}

/** The built editor; any address of its own gives its page. */
async function registerEditor(app: FastifyInstance, folder: string): Promise<void> {
  const secured = (reply: FastifyReply, isPage: boolean) =>
    reply
      .header('content-security-policy', CSP)
      .header('x-frame-options', 'DENY')
      .header('cache-control', isPage ? 'no-cache' : 'public, max-age=31536000, immutable');
  if (existsSync(folder)) {
    await app.register(fastifyStatic, {
      root: folder,
      index: false,
      setHeaders: (reply, file) => secured(reply, !file.includes(`${path.sep}assets${path.sep}`)),
    });
  }
  app.setNotFoundHandler((request, reply) => {
    const isPage =
      request.method === 'GET' &&
      !/^\/(api|media|hooks|healthz|b)(\/|$)/.test(request.url) &&
      !/\.\w{2,5}$/.test(request.url.split('?')[0]!);
    if (!isPage || !existsSync(path.join(folder, 'index.html'))) {
      return reply.code(404).send({
        problem: { code: 'NOT_FOUND', message: 'There is nothing at this address.', hint: null, retry: 'never' },
      });
    }
    return page(reply);
  });
  const page = (reply: FastifyReply) =>
    secured(reply, true)
      .type('text/html; charset=utf-8')
      .send(readFileSync(path.join(folder, 'index.html')));
  if (existsSync(path.join(folder, 'index.html'))) app.get('/', (_request, reply) => page(reply));
}

// ---------------------------------------------------------------- the local owner

const LOCAL_OWNER = 'owner@localhost';
/** The owner, workspace and brand of a first start, and the API token of this machine. Repeats change nothing. */
export async function ensureLocalOwner({
  services,
}: Pick<RunningServer, 'services'>): Promise<{ userId: string; workspaceId: string; token: string } | undefined> {
  const file = path.join(services.dataDir, 'token');
  const context = await services.auth.$context;
  const known = await context.internalAdapter.findUserByEmail(LOCAL_OWNER);
  if (await hasOwner(services.db)) {
    const mine = known ? await workspacesOf(services.db, known.user.id) : [];
    const home = mine.find(({ role }) => role === 'owner');
    if (!known || !home || existsSync(file)) return undefined;
    return giveToken(home.workspaceId, known.user.id); // a start that was killed before it had written the file
  }
  const userId = known?.user.id ?? (await createUser(services.auth, { name: 'Owner', email: LOCAL_OWNER })).id;
  const workspaceId = await createWorkspace(services.db, 'My workspace', userId);
  return giveToken(workspaceId, userId);

  async function giveToken(workspaceId: string, userId: string) {
    const token = await inWorkspace(services.db, workspaceId, async (tx) => {
      if ((await listBrands(tx)).length === 0) {
        await createBrand(tx, {
          name: 'My brand',
          kit: firstKit('My brand'),
          timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC',
        });
      }
      return (await createToken(tx, { name: 'This machine', role: 'owner', userId })).token;
    });
    const partial = `${file}.${randomUUID()}`;
    await writeFile(partial, `${token}\n`, { mode: 0o600, flush: true });
    await rename(partial, file);
    return { userId, workspaceId, token };
  }
}

/** Signs the local owner in once, within a day. */
export async function makeOwnerLink({ services }: Pick<RunningServer, 'services'>): Promise<string> {
  const context = await services.auth.$context;
  const owner = await context.internalAdapter.findUserByEmail(LOCAL_OWNER);
  if (!owner) return `${services.url}/sign-in`;
  return `${services.url}/login/${await makeOneTimeToken(services.auth, owner.user.id)}`;
}
