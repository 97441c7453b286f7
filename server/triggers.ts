/**
 * Pipelines that start by themselves: turning one on and off for a brand, what is on and when it comes next, addresses
 * and secrets of webhooks. What starts the runs is hooks.ts and runtime/triggers/.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import * as z from 'zod';
import { audit } from '../db/accounts.ts';
import { getBrand } from '../db/brands.ts';
import { getPipeline, pipelineVersion } from '../db/pipelines.ts';
import {
  getTrigger,
  listTriggers,
  newestEvents,
  setTriggerPath,
  setTriggerSecret,
  setTriggers,
  type TriggerRow,
  type TriggerSetting,
  turnTriggersOff,
} from '../db/triggers.ts';
import type { WorkspaceTx } from '../db/workspace.ts';
import { ErrorJson } from '../nodes/contract.ts';
import { Graph } from '../runtime/graph/graph.ts';
import { inWords, nextTimes, readWhen } from '../runtime/graph/schedule.ts';
import { startOf, type TriggerNode, triggerProblem, triggersOf } from '../runtime/graph/triggers.ts';
import { seal, unseal } from '../runtime/seal.ts';
import type { Services } from './deps.ts';
import { digestOfPath } from './hooks.ts';
import { notFound, Problem } from './problem.ts';
import { type Member, memberProcedure, requireBrand, router } from './trpc.ts';

const SHOWN_TIMES = 3;
/** 192 bits. */
const newSecret = () => randomBytes(24).toString('base64url');

const Of = z.object({ pipelineId: z.uuid(), brandId: z.uuid() });
const TriggerView = z.object({
  id: z.string(),
  nodeId: z.string(),
  name: z.string(),
  kind: z.enum(['webhook', 'schedule', 'asset', 'feed']),
  /** webhook; null for those who may not start runs */
  url: z.string().nullable(),
  auth: z.enum(['none', 'bearer', 'signature']).nullable(),
  hasSecret: z.boolean(),
  /** schedule: what was understood, and its zone */
  words: z.string().nullable(),
  zone: z.string().nullable(),
  /** Instants: of runs for a schedule, of the next look for a feed. */
  next: z.array(z.string()),
  last: z.object({ at: z.string(), runId: z.string(), number: z.number() }).nullable(),
  problem: ErrorJson.nullable(),
  note: z.string().nullable(),
});
const StatusView = z.object({
  isOn: z.boolean(),
  /** The version that is on; null while off. */
  version: z.number().nullable(),
  /** Whether the published version has anything that starts by itself. */
  canTurnOn: z.boolean(),
  /** Why not, in a sentence. */
  reason: z.string().nullable(),
  publicUrl: z.boolean(),
  triggers: z.array(TriggerView),
});
export type TriggerStatus = z.infer<typeof StatusView>;

export const triggers = router({
  /** What is on for a brand, with its next times. */
  get: memberProcedure('sponsor-viewer')
    .input(Of)
    .output(StatusView)
    .query(async ({ ctx, input }) => {
      return ctx.inWorkspace((tx) => statusOf(ctx.services, tx, ctx.member, input));
    }),

  /** Of the published version; what it starts from now on is written down for this brand. */
  turnOn: memberProcedure('editor')
    .input(Of)
    .output(StatusView)
    .mutation(async ({ ctx, input }) => {
      return ctx.inWorkspace(async (tx) => {
        const pipeline = await getPipeline(tx, input.pipelineId);
        if (!pipeline) throw notFound('This pipeline');
        if (pipeline.publishedVersion === null) {
          throw new Problem('PRECONDITION_FAILED', 'NOT_PUBLISHED', `${pipeline.name} has no published version yet.`, {
            hint: 'Publish it, then turn it on.',
          });
        }
        await setOn(ctx.services, tx, {
          ...input,
          workspaceId: ctx.member.workspaceId,
          version: pipeline.publishedVersion,
        });
        await audit(tx, ctx.member.userId, 'pipeline.turn-on', {
          pipeline: input.pipelineId,
          brand: input.brandId,
          version: pipeline.publishedVersion,
        });
        return statusOf(ctx.services, tx, ctx.member, input);
      });
    }),

  /** Runs that are under way go on. */
  turnOff: memberProcedure('editor')
    .input(Of)
    .output(StatusView)
    .mutation(async ({ ctx, input }) => {
      return ctx.inWorkspace(async (tx) => {
        if (!(await getPipeline(tx, input.pipelineId))) throw notFound('This pipeline');
        if (await turnTriggersOff(tx, input)) {
          await audit(tx, ctx.member.userId, 'pipeline.turn-off', { pipeline: input.pipelineId, brand: input.brandId });
        }
        return statusOf(ctx.services, tx, ctx.member, input);
      });
    }),

  /** What senders sign with or carry: the given one, or a new one. Shown this once. */
  setSecret: memberProcedure('editor')
    .input(z.object({ triggerId: z.uuid(), secret: z.string().trim().min(16).max(500).optional() }))
    .output(z.object({ secret: z.string() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const trigger = await ofMember(tx, ctx.member, input.triggerId);
        const secret = input.secret ?? newSecret();
        const place = { row: `trigger/${trigger.id}/secret`, workspace: ctx.member.workspaceId };
        await setTriggerSecret(tx, trigger.id, seal(ctx.services.sealKey, secret, place));
        await audit(tx, ctx.member.userId, 'trigger.set-secret', { trigger: trigger.id });
        return { secret };
      }),
    ),

  /** A new address for a webhook whose old one got about; the old one answers no more. */
  renewAddress: memberProcedure('editor')
    .input(z.object({ triggerId: z.uuid() }))
    .output(z.object({ url: z.string() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const trigger = await ofMember(tx, ctx.member, input.triggerId);
        if (trigger.kind !== 'webhook') throw notFound('This webhook');
        const path = newPath(ctx.services, ctx.member.workspaceId, trigger.id);
        await setTriggerPath(tx, trigger.id, path);
        await audit(tx, ctx.member.userId, 'trigger.renew-address', { trigger: trigger.id });
        return { url: addressOf(ctx.services, path.secret) };
      }),
    ),
});

async function ofMember(tx: WorkspaceTx, member: Member, id: string): Promise<TriggerRow> {
  const trigger = await getTrigger(tx, id);
  if (!trigger) throw notFound('This trigger');
  requireBrand(member, trigger.brandId);
  return trigger;
}

function newPath(services: Services, workspaceId: string, id: string) {
  const secret = newSecret();
  const sealed = seal(services.sealKey, secret, { row: `trigger/${id}/path`, workspace: workspaceId });
  return { id, secret, sha256: digestOfPath(secret), sealed };
}

const addressOf = (services: Services, secret: string) => `${services.publicUrl ?? services.url}/hooks/${secret}`;

type Switched = { workspaceId: string; pipelineId: string; brandId: string; version: number };

/** Throws a `Problem` that says what keeps it from being on. */
async function setOn(services: Services, tx: WorkspaceTx, of: Switched): Promise<void> {
  const [brand, saved] = [await getBrand(tx, of.brandId), await pipelineVersion(tx, of.pipelineId, of.version)];
  if (!brand || !saved) throw notFound('This brand or version');
  const graph = Graph.parse(saved.graph);
  const types = await services.nodeTypes.of(tx, saved.pins);
  const found = triggersOf(graph, types).filter((trigger) => trigger.kind !== 'manual');
  if (found.length === 0) {
    throw new Problem(
      'PRECONDITION_FAILED',
      'NOTHING_TO_TURN_ON',
      `Version ${of.version} has nothing that starts it by itself.`,
      {
        hint: 'Put a Schedule, Webhook, New recording or Feed on the canvas and publish.',
      },
    );
  }
  const started = startOf(graph, types);
  const wrong = started.ok ? found.flatMap((trigger) => triggerProblem(trigger) ?? []) : started.problems;
  if (wrong[0]) {
    throw new Problem('PRECONDITION_FAILED', 'PIPELINE_NOT_READY', wrong[0].message, {
      hint: wrong[0].hint,
      details: wrong,
    });
  }
  const known = new Map((await listTriggers(tx, of)).map((row) => [row.node, row]));
  await setTriggers(
    tx,
    of,
    found.map((trigger): TriggerSetting => {
      const isNewHook = trigger.kind === 'webhook' && !known.get(trigger.node)?.pathSealed;
      return {
        node: trigger.node,
        kind: trigger.kind as TriggerSetting['kind'],
        // the zone is the brand's where the node names none: a schedule keeps the one it was turned on with
        config:
          trigger.kind === 'schedule'
            ? { ...trigger.config, zone: trigger.config.zone || brand.timeZone }
            : trigger.config,
        nextAt: firstTime(trigger, brand.timeZone, new Date()),
        path: isNewHook ? newPath(services, of.workspaceId, known.get(trigger.node)?.id ?? randomUUID()) : null,
      };
    }),
  );
}

function firstTime({ kind, config }: TriggerNode, brandZone: string, now: Date): Date | null {
  if (kind === 'feed') return now;
  if (kind !== 'schedule') return null;
  const reading = readWhen(config.when as string);
  return reading.ok ? (nextTimes(reading.cron, (config.zone as string) || brandZone, now, 1)[0] ?? null) : null;
}

/** A new version takes over wherever the pipeline is on; where it cannot be on any more, it goes off. */
export async function followVersion(
  services: Services,
  tx: WorkspaceTx,
  of: { workspaceId: string; pipelineId: string; version: number },
): Promise<void> {
  const brands = new Set((await listTriggers(tx, of)).filter((row) => row.isOn).map((row) => row.brandId));
  for (const brandId of brands) {
    try {
      await setOn(services, tx, { ...of, brandId });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      await turnTriggersOff(tx, { pipelineId: of.pipelineId, brandId });
    }
  }
}

async function statusOf(
  services: Services,
  tx: WorkspaceTx,
  member: Member,
  of: { pipelineId: string; brandId: string },
): Promise<TriggerStatus> {
  const pipeline = await getPipeline(tx, of.pipelineId);
  if (!pipeline) throw notFound('This pipeline');
  const version = pipeline.publishedVersion;
  const saved = version === null ? undefined : await pipelineVersion(tx, of.pipelineId, version);
  const types = await services.nodeTypes.own();
  const published = saved ? triggersOf(Graph.parse(saved.graph), types).filter(({ kind }) => kind !== 'manual') : [];
  const order = published.map((trigger) => trigger.node);
  const rows = (await listTriggers(tx, of))
    .filter((row) => row.isOn)
    .sort((a, b) => order.indexOf(a.node) - order.indexOf(b.node));
  const newest = await newestEvents(tx, of);
  const names = new Map(published.map((trigger) => [trigger.node, trigger.name]));
  const mayStart = member.role !== 'sponsor-viewer' && member.role !== 'analyst';
  return {
    isOn: rows.length > 0,
    version: rows[0]?.version ?? null,
    canTurnOn: published.length > 0,
    reason:
      version === null
        ? 'Publish it first.'
        : published.length === 0
          ? 'The published version has nothing that starts it by itself.'
          : null,
    publicUrl: services.publicUrl !== null,
    triggers: rows.map((row) => {
      const last = newest.get(row.id);
      return {
        id: row.id,
        nodeId: row.node,
        name: names.get(row.node) ?? row.node,
        kind: row.kind,
        ...shownOf(services, member.workspaceId, row, mayStart),
        last: last ? { at: last.at.toISOString(), runId: last.runId, number: last.number } : null,
        problem: ErrorJson.safeParse(row.problem).data ?? null,
        note: row.note,
      };
    }),
  };
}

function shownOf(services: Services, workspaceId: string, row: TriggerRow, mayStart: boolean) {
  const config = row.config as { when?: string; zone?: string; auth?: 'none' | 'bearer' | 'signature' };
  const place = { row: `trigger/${row.id}/path`, workspace: workspaceId };
  const reading = row.kind === 'schedule' ? readWhen(config.when ?? '') : undefined;
  const zone = row.kind === 'schedule' ? (config.zone ?? row.brandZone) : null;
  const later = reading?.ok && row.nextAt && zone ? nextTimes(reading.cron, zone, row.nextAt, SHOWN_TIMES - 1) : [];
  return {
    url:
      row.kind === 'webhook' && mayStart && row.pathSealed
        ? addressOf(services, unseal(services.sealKey, row.pathSealed, place))
        : null,
    auth: row.kind === 'webhook' ? (config.auth ?? 'none') : null,
    hasSecret: row.secretSealed !== null,
    words: reading?.ok ? inWords(reading.cron) : null,
    zone,
    next: row.nextAt ? [row.nextAt, ...later].map((instant) => instant.toISOString()) : [],
  };
}
