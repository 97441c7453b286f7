/**
 * Plugins of a workspace: sent as one packed file, checked by a worker, allowed by a person, and used. Nothing of a plugin is
 * read here but its JSON, and nothing of it is run.
 *
 *   POST /api/plugins?workspaceId=…&from=file|folder   the packed file as the body → { digest }
 *
 * Errors: PACK_UNREADABLE, PLUGIN_NOT_READY, PLUGIN_REFUSED, PLUGIN_TYPE_TAKEN, PLUGIN_RIGHTS, PLUGIN_NOTHING_BEFORE,
 * PLUGIN_DRAFT_MOVED, NOT_FOUND.
 */
import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { audit, sha256, usersById } from '../db/accounts.ts';
import { getErrand, sendErrand } from '../db/errands.ts';
import { applyOperations, pipelinesOfTypes } from '../db/pipelines.ts';
import {
  addPackage,
  getPackage,
  getPlugin,
  getRegistry,
  listCarries,
  listGrants,
  listPlugins,
  markCarried,
  type PackageSource,
  type PluginRow,
  pluginUses,
  setGrants,
  setPluginState,
  setRegistry,
  typesInUse,
  typesOfPackage,
  usePackage,
} from '../db/plugins.ts';
import { listTrials } from '../db/trials.ts';
import { inWorkspace, type WorkspaceTx } from '../db/workspace.ts';
import { ManifestJson, PackedPlugin } from '../nodes/contract.ts';
import { type Operation, OperationRefused } from '../runtime/graph/operations.ts';
import { type Right, rightsOfAll } from '../runtime/graph/rights.ts';
import { seal } from '../runtime/seal.ts';
import type { Authorize, Services } from './deps.ts';
import { DRAFT_RULES } from './pipelines.ts';
import { notFound, Problem } from './problem.ts';
import { memberProcedure, router } from './trpc.ts';

const Digest = z.string().regex(/^[0-9a-f]{64}$/);
const Name = z.string().min(1).max(214);
const RightId = z.string().min(1).max(700);
const USE_DAYS = 30;

const RightView = z.object({
  id: z.string(),
  title: z.string(),
  why: z.array(z.string()),
  touches: z.enum(['world', 'hosts', 'money', 'data', 'none']),
  host: z.string().nullable(),
});
const NodeView = z.object({
  type: z.string(),
  version: z.string(),
  title: z.string(),
  help: z.string(),
  icon: z.string(),
  effect: z.enum(['pure', 'reads-external', 'writes-external']),
});
const StateView = z.enum(['on', 'deprecated', 'removed']);
const ProblemView = z.object({ code: z.string(), message: z.string(), hint: z.string().nullable() });

const PluginView = z.object({
  name: z.string(),
  title: z.string(),
  version: z.string(),
  digest: z.string(),
  publisher: z.string(),
  license: z.string(),
  state: StateView,
  note: z.string().nullable(),
  isDev: z.boolean(),
  source: z.enum(['file', 'folder', 'npm']),
  previous: z.object({ digest: z.string(), version: z.string() }).nullable(),
  installedAt: z.string(),
  changedAt: z.string(),
  by: z.string().nullable(),
  nodes: z.array(NodeView),
  /** How many of its rights are allowed, of how many it asks for. */
  allowed: z.number(),
  asked: z.number(),
});
export type PluginView = z.infer<typeof PluginView>;

const PackageView = z.object({
  digest: z.string(),
  name: z.string(),
  version: z.string(),
  bytes: z.number(),
  state: z.enum(['checking', 'ready', 'refused']),
  error: ProblemView.nullable(),
  publisher: z.string(),
  license: z.string(),
  nodes: z.array(NodeView),
  /** Everything it asks for; `isAllowed`: of the version in use already. `wasRefused`: that one asked too, and may not. */
  rights: z.array(RightView.extend({ isAllowed: z.boolean(), wasRefused: z.boolean() })),
  /** What the version in use may do and this one does not ask for. */
  dropped: z.array(z.string()),
  /** The version in use, where it is an upgrade. */
  replaces: z.string().nullable(),
  /** Drafts whose nodes would be carried over, and how. */
  carries: z.array(
    z.object({
      pipelineId: z.string(),
      name: z.string(),
      nodes: z.array(
        z.object({
          node: z.string(),
          name: z.string(),
          from: z.string(),
          to: z.string(),
          fields: z.array(z.object({ field: z.string(), was: z.json().optional(), is: z.json().optional() })),
          problem: z.string().nullable(),
        }),
      ),
    }),
  ),
});

const TrialView = z.object({
  id: z.number(),
  runId: z.uuid(),
  pipelineId: z.uuid(),
  run: z.number(),
  type: z.string(),
  step: z.string(),
  entry: z.string(),
  attempt: z.number(),
  items: z.number(),
  beganAt: z.string(),
  ms: z.number(),
  cpuMs: z.number().nullable(),
  heapBytes: z.number().nullable(),
  error: ProblemView.nullable(),
  said: z.array(
    z.discriminatedUnion('kind', [
      z.object({ at: z.number(), kind: z.literal('log'), line: z.string() }),
      z.object({
        at: z.number(),
        kind: z.literal('call'),
        what: z.string(),
        ms: z.number(),
        sentBytes: z.number(),
        receivedBytes: z.number(),
        status: z.number().nullable(),
        code: z.string().nullable(),
        request: z.json().optional(),
        reply: z.json().optional(),
      }),
    ]),
  ),
});
export type TrialView = z.infer<typeof TrialView>;

const Use = z.object({ pipelineId: z.string(), name: z.string(), inDraft: z.boolean(), inPublished: z.boolean() });

export const plugins = router({
  list: memberProcedure('editor')
    .output(z.array(PluginView))
    .query(({ ctx }) =>
      ctx.inWorkspace(async (tx) => {
        const views: PluginView[] = [];
        for (const row of await listPlugins(tx)) views.push(await viewOf(ctx.services, tx, row));
        return views;
      }),
    ),

  /** One with what it may do, what it did in the last 30 days, and where it is used. */
  get: memberProcedure('editor')
    .input(z.object({ name: Name }))
    .output(
      z.object({
        plugin: PluginView,
        rights: z.array(
          RightView.extend({
            isAllowed: z.boolean(),
            grantedBy: z.string().nullable(),
            grantedAt: z.string().nullable(),
            revokedAt: z.string().nullable(),
            calls: z.number(),
            refused: z.number(),
            sentBytes: z.number(),
            receivedBytes: z.number(),
          }),
        ),
        uses: z.array(Use),
      }),
    )
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await getPlugin(tx, input.name);
        if (!row) throw notFound('This plugin');
        const manifests = await manifestsIn(tx, row.digest);
        const grants = new Map((await listGrants(tx, row.name)).map((grant) => [grant.right, grant]));
        const done = new Map((await pluginUses(tx, row.name, USE_DAYS)).map((use) => [use.right, use]));
        const people = await usersById(
          ctx.services.authPool,
          [...grants.values()].flatMap(({ grantedBy }) => grantedBy ?? []),
        );
        return {
          plugin: await viewOf(ctx.services, tx, row),
          rights: rightsOfAll(manifests).map((right) => {
            const grant = grants.get(right.id);
            const { calls = 0, refused = 0, sentBytes = 0, receivedBytes = 0 } = done.get(right.id) ?? {};
            return {
              ...right,
              isAllowed: grant !== undefined && grant.revokedAt === null,
              grantedBy: people.get(grant?.grantedBy ?? '')?.name ?? null,
              grantedAt: grant?.grantedAt.toISOString() ?? null,
              revokedAt: grant?.revokedAt?.toISOString() ?? null,
              ...{ calls, refused, sentBytes, receivedBytes },
            };
          }),
          uses: await usesOf(tx, manifests),
        };
      }),
    ),

  /** What one in the making did, execution by execution, the oldest first: those after `after`, or the newest. */
  trials: memberProcedure('editor')
    .input(z.object({ name: Name, after: z.int().min(0).nullable(), limit: z.int().min(1).max(50).default(20) }))
    .output(z.array(TrialView))
    .query(({ ctx, input: { name, after, limit } }) =>
      ctx.inWorkspace(async (tx) =>
        (await listTrials(tx, { plugin: name, after, limit, brandIds: ctx.member.brands })).map((row) => ({
          ...row,
          beganAt: row.beganAt.toISOString(),
          error: row.error === null ? null : ProblemView.parse(row.error),
          said: row.said as TrialView['said'],
        })),
      ),
    ),

  /** What was sent: whether it was checked, what is in it, and what it would be allowed. */
  look: memberProcedure('admin')
    .input(z.object({ digest: Digest }))
    .output(PackageView)
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await getPackage(tx, input.digest);
        if (!row) throw notFound('This packed plugin');
        const manifests = await manifestsIn(tx, row.digest);
        const now = await getPlugin(tx, row.name);
        const isInUse = now !== undefined && now.state !== 'removed';
        const held = new Set(
          isInUse ? (await listGrants(tx, row.name)).flatMap((grant) => (grant.revokedAt ? [] : grant.right)) : [],
        );
        const rights = rightsOfAll(manifests);
        const asked = new Set(rights.map(({ id }) => id));
        const before = new Set(isInUse ? rightsOfAll(await manifestsIn(tx, now.digest)).map(({ id }) => id) : []);
        return {
          digest: row.digest,
          name: row.name,
          version: row.version,
          bytes: row.bytes,
          state: row.state,
          error: row.error === null ? null : ProblemView.parse(row.error),
          publisher: manifests[0]?.publisher ?? '',
          license: manifests[0]?.license ?? '',
          nodes: manifests.map(nodeView),
          rights: rights.map((right) => ({
            ...right,
            isAllowed: held.has(right.id),
            wasRefused: before.has(right.id) && !held.has(right.id),
          })),
          dropped: [...held].filter((right) => !asked.has(right)),
          replaces: isInUse && now.digest !== row.digest ? now.version : null,
          carries: (await listCarries(tx, row.digest)).flatMap(({ pipelineId, pipelineName, review, doneRevision }) =>
            doneRevision === null
              ? [
                  {
                    pipelineId,
                    name: pipelineName,
                    nodes: review as z.infer<typeof PackageView>['carries'][0]['nodes'],
                  },
                ]
              : [],
          ),
        };
      }),
    ),

  /** Fetches one by name from the workspace's registry, or the installation's; `fetched` says what came of it. */
  fetch: memberProcedure('admin')
    .input(
      z.object({
        name: PackedPlugin.shape.name,
        /** Null: its latest. */
        version: PackedPlugin.shape.version.nullable(),
      }),
    )
    .output(z.object({ errandId: z.string() }))
    .mutation(({ ctx, input: { name, version } }) =>
      ctx.inWorkspace(async (tx) => {
        const errand = { kind: 'plugin' as const, input: { npm: { name, version } }, by: ctx.member.userId };
        return { errandId: await sendErrand(tx, ctx.member.workspaceId, errand) };
      }),
    ),

  /** Its digest once it is there: `look` goes on from it. */
  fetched: memberProcedure('admin')
    .input(z.object({ errandId: z.uuid() }))
    .output(
      z.object({
        state: z.enum(['queued', 'running', 'done', 'failed']),
        digest: z.string().nullable(),
        error: ProblemView.nullable(),
      }),
    )
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const errand = await getErrand(tx, input.errandId);
        if (errand?.kind !== 'plugin') throw notFound('This errand');
        const result = z.object({ digest: z.string() }).safeParse(errand.result);
        return {
          state: errand.state,
          digest: result.success ? result.data.digest : null,
          error: errand.error === null ? null : ProblemView.parse(errand.error),
        };
      }),
    ),

  /** Where plugins are fetched from by name; null: what the operator has set. */
  registry: memberProcedure('admin')
    .output(z.object({ url: z.string().nullable(), hasToken: z.boolean() }))
    .query(({ ctx }) =>
      ctx.inWorkspace(async (tx) => {
        const own = await getRegistry(tx);
        return { url: own?.url ?? null, hasToken: own?.sealed != null };
      }),
    ),

  /** The token is sealed, never shown again, and sent to this address only. */
  setRegistry: memberProcedure('admin')
    .input(
      z.object({
        url: z
          .url({ protocol: /^https$/ })
          .max(300)
          .nullable(),
        token: z.string().trim().min(1).max(1_000).nullable(),
      }),
    )
    .output(z.object({}))
    .mutation(({ ctx, input: { url, token } }) =>
      ctx.inWorkspace(async (tx) => {
        const place = { row: 'plugin_registry', workspace: ctx.member.workspaceId };
        const sealed = token === null ? null : seal(ctx.services.sealKey, token, place);
        await setRegistry(tx, url === null ? null : { url, sealed });
        await audit(tx, ctx.member.userId, 'plugin.registry', { url, token: sealed !== null });
        return {};
      }),
    ),

  /**
   * Puts a checked package in use; `rights` are exactly what it may do from now on. A developer's own folder may be packed
   * again without a question as long as it asks for nothing new.
   */
  install: memberProcedure('admin')
    .input(z.object({ digest: Digest, rights: z.array(RightId).max(500), isDev: z.boolean().default(false) }))
    .output(z.object({ name: z.string(), carried: z.number() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await getPackage(tx, input.digest);
        if (!row) throw notFound('This packed plugin');
        requireReady(row);
        const manifests = await manifestsIn(tx, row.digest);
        requireAsked(rightsOfAll(manifests), input.rights);
        await requireFree(tx, row.name, manifests);
        const before = await getPlugin(tx, row.name, { lock: true });
        await usePackage(tx, { ...input, name: row.name, by: ctx.member.userId });
        const carried = await carryDrafts(tx, row.digest, ctx.member.userId);
        for (const pipelineId of carried) ctx.services.hub.announce(pipelineId);
        await audit(tx, ctx.member.userId, before ? 'plugin.upgrade' : 'plugin.install', {
          plugin: row.name,
          version: row.version,
          digest: row.digest,
          ...(before ? { from: before.version } : {}),
          rights: input.rights,
          carried,
        });
        return { name: row.name, carried: carried.length };
      }),
    ),

  /** Exactly these from now on: what was taken back ends the calls that are under way. */
  setRights: memberProcedure('admin')
    .input(z.object({ name: Name, rights: z.array(RightId).max(500) }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await getPlugin(tx, input.name, { lock: true });
        if (!row) throw notFound('This plugin');
        requireAsked(rightsOfAll(await manifestsIn(tx, row.digest)), input.rights);
        const before = (await listGrants(tx, row.name)).flatMap((grant) => (grant.revokedAt ? [] : grant.right));
        await setGrants(tx, row.name, input.rights, ctx.member.userId);
        await audit(tx, ctx.member.userId, 'plugin.rights', {
          plugin: row.name,
          granted: input.rights.filter((right) => !before.includes(right)),
          revoked: before.filter((right) => !input.rights.includes(right)),
        });
        return {};
      }),
    ),

  /**
   * The version from before the last upgrade; it may do what it was asked for and is still allowed. Drafts go back with it; `left`
   * are those that were changed since in a way that cannot be kept.
   */
  goBack: memberProcedure('admin')
    .input(z.object({ name: Name }))
    .output(z.object({ version: z.string(), left: z.array(z.string()) }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await getPlugin(tx, input.name, { lock: true });
        if (!row) throw notFound('This plugin');
        if (!row.previous) {
          throw new Problem('PRECONDITION_FAILED', 'PLUGIN_NOTHING_BEFORE', `${row.name} has no version from before.`, {
            hint: 'Install the one you want.',
          });
        }
        const manifests = await manifestsIn(tx, row.previous.digest);
        await requireFree(tx, row.name, manifests);
        const asked = new Set(rightsOfAll(manifests).map(({ id }) => id));
        const rights = (await listGrants(tx, row.name)).flatMap((grant) =>
          asked.has(grant.right) && (grant.revokedAt === null || grant.revokedAt >= row.changedAt) ? [grant.right] : [],
        );
        const { digest, version } = row.previous;
        await usePackage(tx, { name: row.name, digest, rights, isDev: false, by: ctx.member.userId });
        const { back, left } = await carryBack(tx, row.digest, ctx.member.userId);
        for (const pipelineId of back) ctx.services.hub.announce(pipelineId);
        await audit(tx, ctx.member.userId, 'plugin.go-back', {
          plugin: row.name,
          from: row.version,
          version,
          back,
          left,
        });
        return { version, left };
      }),
    ),

  /** `note`: why it should not be used any more, shown wherever it is used; null: it may be again. */
  deprecate: memberProcedure('admin')
    .input(z.object({ name: Name, note: z.string().trim().min(1).max(300).nullable() }))
    .output(z.object({}))
    .mutation(({ ctx, input: { name, note } }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await getPlugin(tx, name, { lock: true });
        if (!row || row.state === 'removed') throw notFound('This plugin');
        await setPluginState(tx, name, { state: note === null ? 'on' : 'deprecated', note });
        await audit(tx, ctx.member.userId, 'plugin.deprecate', { plugin: name, note });
        return {};
      }),
    ),

  /** Its nodes stay where they are, with what they hold, and cannot run; steps that are running end. */
  remove: memberProcedure('admin')
    .input(z.object({ name: Name }))
    .output(z.object({}))
    .mutation(({ ctx, input: { name } }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await getPlugin(tx, name, { lock: true });
        if (!row) throw notFound('This plugin');
        await setPluginState(tx, name, { state: 'removed', note: null });
        await setGrants(tx, name, [], ctx.member.userId);
        await audit(tx, ctx.member.userId, 'plugin.remove', { plugin: name, version: row.version });
        return {};
      }),
    ),
});

// ---------------------------------------------------------------- what is shown

async function manifestsIn(tx: WorkspaceTx, digest: string): Promise<ManifestJson[]> {
  return (await typesOfPackage(tx, digest)).flatMap(({ manifest }) => {
    const read = ManifestJson.safeParse(manifest);
    return read.success ? [read.data] : [];
  });
}

const nodeView = ({ id, version, title, help, icon, effect }: ManifestJson) => ({
  type: id,
  version,
  title,
  help,
  icon,
  effect,
});

async function viewOf(services: Services, tx: WorkspaceTx, row: PluginRow): Promise<PluginView> {
  const manifests = await manifestsIn(tx, row.digest);
  const grants = await listGrants(tx, row.name);
  const allowed = new Set(grants.flatMap((grant) => (grant.revokedAt ? [] : grant.right)));
  const rights = rightsOfAll(manifests);
  const people = await usersById(services.authPool, row.by === null ? [] : [row.by]);
  return {
    name: row.name,
    title: manifests.length === 1 ? manifests[0]!.title : row.name,
    version: row.version,
    digest: row.digest,
    publisher: manifests[0]?.publisher ?? '',
    license: manifests[0]?.license ?? '',
    state: row.state,
    note: row.note,
    isDev: row.isDev,
    source: row.source.kind,
    previous: row.previous,
    installedAt: row.installedAt.toISOString(),
    changedAt: row.changedAt.toISOString(),
    by: people.get(row.by ?? '')?.name ?? null,
    nodes: manifests.map(nodeView),
    allowed: rights.filter(({ id }) => allowed.has(id)).length,
    asked: rights.length,
  };
}

async function usesOf(tx: WorkspaceTx, manifests: readonly ManifestJson[]): Promise<z.infer<typeof Use>[]> {
  return pipelinesOfTypes(
    tx,
    manifests.map(({ id }) => id),
  );
}

// ---------------------------------------------------------------- what has to hold

function requireReady(row: { state: string; error: unknown }): void {
  if (row.state === 'ready') return;
  if (row.state === 'checking') {
    throw new Problem('PRECONDITION_FAILED', 'PLUGIN_NOT_READY', 'This plugin is still being checked.', {
      hint: 'It takes a few seconds.',
      retry: 'later',
    });
  }
  const { message, hint } = ProblemView.parse(row.error);
  throw new Problem('PRECONDITION_FAILED', 'PLUGIN_REFUSED', message, { hint });
}

/** Nobody allows what was not asked for. */
function requireAsked(rights: readonly Right[], given: readonly string[]): void {
  const asked = new Set(rights.map(({ id }) => id));
  const more = given.find((right) => !asked.has(right));
  if (more !== undefined) {
    throw new Problem('BAD_REQUEST', 'PLUGIN_RIGHTS', `This plugin does not ask for "${more}".`, {
      hint: 'Look at it again: it may be another version by now.',
    });
  }
}

/** A node type belongs to one plugin of a workspace, and none of the product's is ever replaced. */
async function requireFree(tx: WorkspaceTx, name: string, manifests: readonly ManifestJson[]): Promise<void> {
  const others = (await typesInUse(tx)).filter(({ plugin }) => plugin !== name);
  const taken = manifests.find(({ id }) => others.some(({ type }) => type === id));
  if (!taken) return;
  const { plugin } = others.find(({ type }) => type === taken.id)!;
  throw new Problem('CONFLICT', 'PLUGIN_TYPE_TAKEN', `${plugin} has a node with the id ${taken.id} already.`, {
    hint: `Remove ${plugin} first, or ask the author for another id.`,
  });
}

// ---------------------------------------------------------------- drafts

const BY_UPGRADE = 'plugin-upgrade';

/** What makes no sense on the draft any more is a conflict as well. */
const refused = (error: unknown): { kind: 'conflict' } => {
  if (error instanceof OperationRefused) return { kind: 'conflict' };
  throw error;
};

/** What was worked out is done to every draft, over what people changed meanwhile; where it cannot be, nothing is. */
async function carryDrafts(tx: WorkspaceTx, digest: string, by: string): Promise<string[]> {
  const done: string[] = [];
  for (const { pipelineId, pipelineName, revision, operations, doneRevision } of await listCarries(tx, digest)) {
    if (doneRevision !== null) continue;
    const change = {
      pipelineId,
      baseRevision: revision,
      operations: operations as Operation[],
      clientId: BY_UPGRADE,
      by,
    };
    const applied = await applyOperations(tx, change, DRAFT_RULES).catch(refused);
    if (applied.kind === 'missing') continue;
    if (applied.kind === 'conflict') {
      throw new Problem('CONFLICT', 'PLUGIN_DRAFT_MOVED', `${pipelineName} was changed while you were reading.`, {
        hint: 'Nothing was upgraded. Send the plugin again and read what it would change now.',
        retry: 'person',
      });
    }
    await markCarried(tx, digest, pipelineId, applied.revision);
    done.push(pipelineId);
  }
  return done;
}

/** Undoes that, draft by draft: one that was changed since so that it cannot be is left, and named. */
async function carryBack(tx: WorkspaceTx, digest: string, by: string): Promise<{ back: string[]; left: string[] }> {
  const [back, left]: [string[], string[]] = [[], []];
  for (const { pipelineId, pipelineName, inverse, doneRevision } of await listCarries(tx, digest)) {
    if (doneRevision === null) continue;
    const change = {
      pipelineId,
      baseRevision: doneRevision,
      operations: inverse as Operation[],
      clientId: BY_UPGRADE,
      by,
    };
    const applied = await applyOperations(tx, change, DRAFT_RULES).catch(refused);
    if (applied.kind === 'applied') back.push(pipelineId);
    else if (applied.kind === 'conflict') left.push(pipelineName);
    await markCarried(tx, digest, pipelineId, null);
  }
  return { back, left };
}

// ---------------------------------------------------------------- sending one

const PACKED_BYTES = 12 * 1024 * 1024;
const Sending = z.object({ workspaceId: z.uuid(), from: z.enum(['file', 'folder']).default('file') });

export function registerPlugins(app: FastifyInstance, services: Services, authorize: Authorize): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: PACKED_BYTES }, (_request, body, done) =>
      done(null, body),
    );
    scope.post('/api/plugins', { bodyLimit: PACKED_BYTES }, async (request) => {
      const sending = Sending.safeParse(request.query);
      if (!sending.success) throw notFound('This workspace');
      const { workspaceId, from } = sending.data;
      const { userId } = await authorize(request, { workspaceId, role: 'admin' });
      return receive(services, workspaceId, String(request.body ?? ''), { kind: from }, userId);
    });
  });
}

/** Only as much is read as names it; the rest is a worker's. */
async function receive(
  services: Services,
  workspaceId: string,
  file: string,
  source: PackageSource,
  by: string,
): Promise<{ digest: string }> {
  const read = PackedPlugin.safeParse(parsedJson(file));
  if (!read.success) {
    throw new Problem('BAD_REQUEST', 'PACK_UNREADABLE', 'This file is not a packed plugin.', {
      hint: 'Choose the file that `node pack` made.',
    });
  }
  const { name, version } = read.data;
  const digest = sha256(file);
  return inWorkspace(services.db, workspaceId, async (tx) => {
    await addPackage(tx, { digest, name, version, source, file, by });
    await sendErrand(tx, workspaceId, { kind: 'plugin', input: { digest }, by });
    return { digest };
  });
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
