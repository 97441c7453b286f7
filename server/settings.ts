/** Node types, templates, assets, keys of services, speech engines, and what this installation lacks. */
import * as z from 'zod';
import { audit, listKeys, removeKey, setKey } from '../db/accounts.ts';
import { assetFacts, listAssets, removeAsset } from '../db/assets.ts';
import { serverVersion } from '../db/connect.ts';
import { livingWorkers } from '../db/ledger.ts';
import { listBuckets, SERVICE_LIMITS, setRate } from '../db/turns.ts';
import { Asset, ManifestJson } from '../nodes/contract.ts';
import { Graph } from '../runtime/graph/graph.ts';
import { manifestsIn } from '../runtime/graph/types.ts';
import { seal } from '../runtime/seal.ts';
import { roomIn } from './disk.ts';
import { notFound } from './problem.ts';
import { memberProcedure, router } from './trpc.ts';

export const catalogue = router({
  list: memberProcedure('sponsor-viewer')
    .output(z.array(ManifestJson))
    .query(({ ctx }) => ctx.inWorkspace(async (tx) => manifestsIn(await ctx.services.nodeTypes.of(tx)))),
});

export const templates = router({
  list: memberProcedure('sponsor-viewer')
    .output(
      z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          description: z.string(),
          sampleIncluded: z.boolean(),
          nodes: z.array(z.object({ type: z.string(), icon: z.string(), name: z.string() })),
          graph: Graph,
        }),
      ),
    )
    .query(async ({ ctx }) => {
      const types = await ctx.services.nodeTypes.own();
      return ctx.services.templates.map(({ id, name, description, sampleIncluded, graph }) => ({
        id,
        name,
        description,
        sampleIncluded,
        graph,
        nodes: graph.nodes.map((node) => ({
          type: node.type,
          icon: types.get(node.type)?.manifest.icon ?? 'puzzle',
          name: node.name,
        })),
      }));
    }),
});

const AssetView = z.object({ asset: Asset, createdAt: z.string(), attribution: z.string().nullable() });
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const assets = router({
  list: memberProcedure('sponsor-viewer')
    .input(
      z.object({
        kind: z.enum(['video', 'audio', 'image', 'text', 'file']).optional(),
        /** Only what people brought in, not what runs made. */
        given: z.boolean().optional(),
        query: z.string().max(200).optional(),
        cursor: z.string().max(120).nullish(),
      }),
    )
    .output(z.object({ items: z.array(AssetView), next: z.string().nullable() }))
    .query(({ ctx, input }) =>
      ctx.inWorkspace((tx) =>
        listAssets(tx, {
          ...(input.kind ? { kind: input.kind } : {}),
          ...(input.query ? { query: input.query } : {}),
          ...(input.cursor ? { cursor: input.cursor } : {}),
          ...(input.given ? { given: true } : {}),
        }),
      ),
    ),

  get: memberProcedure('sponsor-viewer')
    .input(z.object({ asset: Sha256 }))
    .output(AssetView)
    .query(async ({ ctx, input }) => {
      const found = await ctx.inWorkspace((tx) => assetFacts(tx, input.asset));
      if (!found) throw notFound('This file');
      return found;
    }),

  /** The row goes at once, the bytes with the next sweep. */
  remove: memberProcedure('editor')
    .input(z.object({ asset: Sha256 }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        if ((await removeAsset(tx, input.asset)) === undefined) throw notFound('This file');
        await audit(tx, ctx.member.userId, 'asset.remove', { asset: input.asset });
        return {};
      }),
    ),
});

const ServiceName = z.enum(['openai', 'assemblyai']);
const keyPlace = (workspace: string, name: string) => ({ row: `service_key/${name}`, workspace });

export const settings = router({
  keys: memberProcedure('admin')
    .output(
      z.array(
        z.object({
          name: ServiceName,
          present: z.boolean(),
          baseUrl: z.string().nullable(),
          /** A person's own limit of requests; null: the usual one, and null there: none, as for a server of one's own. */
          perMinute: z.number().nullable(),
          usualPerMinute: z.number().nullable(),
          /** The service asked to be left alone until then. */
          heldUntil: z.string().nullable(),
        }),
      ),
    )
    .query(({ ctx }) =>
      ctx.inWorkspace(async (tx) => {
        const rows = await listKeys(tx);
        const buckets = await listBuckets(tx);
        return ServiceName.options.map((name) => {
          const row = rows.find((each) => each.name === name);
          const bucket = buckets.find(({ connection }) => connection === name);
          const { requests, seconds } = SERVICE_LIMITS[name];
          return {
            name,
            present: row !== undefined,
            baseUrl: row?.baseUrl ?? null,
            perMinute: bucket?.perMinute ?? null,
            usualPerMinute: row?.baseUrl ? null : (requests * 60) / seconds,
            heldUntil: bucket?.heldUntil ?? null,
          };
        });
      }),
    ),

  /** Sealed before it is stored; never shown again. */
  setKey: memberProcedure('admin')
    .input(
      z.object({
        name: ServiceName,
        value: z.string().trim().min(8).max(400),
        baseUrl: z
          .url({ protocol: /^https?$/ })
          .max(300)
          .optional(),
      }),
    )
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const sealed = seal(ctx.services.sealKey, input.value, keyPlace(input.workspaceId, input.name));
        await setKey(tx, { name: input.name, sealed, baseUrl: input.baseUrl ?? null });
        await audit(tx, ctx.member.userId, 'key.set', { name: input.name });
        return {};
      }),
    ),

  /** How often the service is asked, by all workers together; null: the usual. What was held back is asked again at once. */
  setRate: memberProcedure('admin')
    .input(z.object({ name: ServiceName, perMinute: z.number().int().min(1).max(100_000).nullable() }))
    .output(z.object({}))
    .mutation(({ ctx, input: { name, perMinute } }) =>
      ctx.inWorkspace(async (tx) => {
        await setRate(tx, name, perMinute);
        await audit(tx, ctx.member.userId, 'rate.set', { name, perMinute });
        return {};
      }),
    ),

  removeKey: memberProcedure('admin')
    .input(z.object({ name: ServiceName }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        if (!(await removeKey(tx, input.name))) throw notFound('This key');
        await audit(tx, ctx.member.userId, 'key.remove', { name: input.name });
        return {};
      }),
    ),
});

/** What a worker says of itself (`runtime/main.ts`); anything else in it is ignored. */
const WorkerFacts = z.object({
  pid: z.number().optional(),
  /** What confines the sandbox's processes, and what could not be applied. */
  sandbox: z.json().optional(),
  sandboxPids: z.array(z.number()).optional(),
  /** Places by lane. */
  slots: z.record(z.string(), z.number()).optional(),
  checks: z
    .array(
      z.object({
        name: z.string(),
        state: z.enum(['ok', 'missing', 'warning']),
        detail: z.string(),
        cost: z.string().nullable(),
        remedy: z.string().nullable(),
      }),
    )
    .optional(),
});
export type WorkerFacts = z.infer<typeof WorkerFacts>;

export const factsOf = (facts: unknown): WorkerFacts => WorkerFacts.safeParse(facts).data ?? {};

const ROOM_COST = { ok: null, low: 'Long recordings may not fit.', full: 'New uploads are refused.' };

export const health = router({
  /** Everything this installation could have, what is missing, and what each missing thing costs. */
  doctor: memberProcedure('analyst')
    .output(
      z.array(
        z.object({
          name: z.string(),
          state: z.enum(['ok', 'missing', 'warning']),
          detail: z.string(),
          cost: z.string().nullable(),
          remedy: z.string().nullable(),
        }),
      ),
    )
    .query(async ({ ctx }) => {
      const { services } = ctx;
      const workers = await livingWorkers(services.appPool);
      const room = roomIn(await services.disk());
      const version = await serverVersion(services.appPool);
      const keys = await ctx.inWorkspace((tx) => listKeys(tx));
      const checks = workers.map((worker) => factsOf(worker.facts).checks ?? [])[0] ?? [];
      return [
        { name: 'PostgreSQL', state: 'ok' as const, detail: `Version ${version}.`, cost: null, remedy: null },
        {
          name: 'Workers',
          state: workers.length > 0 ? ('ok' as const) : ('missing' as const),
          detail: workers.length === 1 ? 'One worker is running.' : `${workers.length} workers are running.`,
          cost: workers.length > 0 ? null : 'Nothing runs.',
          remedy: workers.length > 0 ? null : 'Start one: npm start starts its own.',
        },
        {
          name: 'Disk',
          state: room.state === 'ok' ? ('ok' as const) : ('warning' as const),
          detail: `${(room.freeBytes / 1024 ** 3).toFixed(1)} GB free.`,
          cost: ROOM_COST[room.state],
          remedy:
            room.state === 'ok' ? null : 'Free some under Settings, Storage, or choose another folder with --data DIR.',
        },
        {
          name: 'Public address',
          state: services.publicUrl === null ? ('missing' as const) : ('ok' as const),
          detail: services.publicUrl ?? 'Reachable on this machine only.',
          cost: services.publicUrl === null ? 'Showcase pages and invitations open on this machine only.' : null,
          remedy: services.publicUrl === null ? 'Set SPLICEBOARD_PUBLIC_URL to the https address people use.' : null,
        },
        {
          name: 'Mail',
          state: services.mailer === null ? ('missing' as const) : ('ok' as const),
          detail: services.mailer === null ? 'No mail server is set up.' : `Sent as ${services.mailer.from}.`,
          cost: services.mailer === null ? 'Nobody is told what waits for them; links are copied.' : null,
          remedy: services.mailer === null ? 'Set SPLICEBOARD_SMTP_URL and SPLICEBOARD_MAIL_FROM.' : null,
        },
        {
          name: 'Service keys',
          state: keys.length > 0 ? ('ok' as const) : ('missing' as const),
          detail: keys.length > 0 ? keys.map((key) => key.name).join(', ') : 'No key is set.',
          cost: keys.length > 0 ? null : 'Speech is recognised by local engines or taken from attached transcripts.',
          remedy: keys.length > 0 ? null : 'Add one under Settings, Keys.',
        },
        ...checks,
      ];
    }),
});
