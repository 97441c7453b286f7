/** Pipelines: the draft as operations on a numbered revision, versions, export and import as JSON. */
import * as z from 'zod';
import { audit } from '../db/accounts.ts';
import { isPipelineThere } from '../db/children.ts';
import {
  applyOperations,
  createPipeline,
  getPipeline,
  listPipelines,
  operationsSince,
  pipelineVersion,
  publishPipeline,
  removePipeline,
  renamePipeline,
  restorePipeline,
} from '../db/pipelines.ts';
import { turnTriggersOff } from '../db/triggers.ts';
import { inWorkspace } from '../db/workspace.ts';
import { EMPTY_GRAPH, Graph, Pin } from '../runtime/graph/graph.ts';
import { applyAll, Operation, OperationRefused, rebaseAll } from '../runtime/graph/operations.ts';
import { withoutPins } from '../runtime/graph/pins.ts';
import { manifestsIn } from '../runtime/graph/types.ts';
import { problems } from '../runtime/graph/validate.ts';
import { Callable, callables, lookAtCalls } from './calls.ts';
import { checkPins, makePin, PinSource } from './pins.ts';
import { notFound, Problem } from './problem.ts';
import { manifestsOf } from './run-start.ts';
import { followVersion } from './triggers.ts';
import { checkAgain, memberProcedure, router } from './trpc.ts';

const Name = z.string().trim().min(1).max(120);
const ProblemView = z.object({
  severity: z.enum(['error', 'warning']),
  code: z.string(),
  message: z.string(),
  hint: z.string().nullable(),
  node: z.string().optional(),
  edge: z.string().optional(),
  field: z.string().optional(),
  port: z.string().optional(),
});
const OnPipeline = z.object({ pipelineId: z.uuid() });
/** The file of an export: a graph and its name, nothing of the workspace. */
const Exported = z.object({
  spliceboard: z.literal(1).default(1),
  name: Name,
  description: z.string().max(2000).default(''),
  graph: Graph,
});
const POLL_MS = 2_000;
const AUTHORITY_MS = 60_000;

/** How operations are applied to a draft, for the database that keeps it. */
export const DRAFT_RULES = {
  readGraph: (stored: unknown) => Graph.parse(stored),
  applyAll,
  rebaseAll,
};

export const pipelines = router({
  list: memberProcedure('sponsor-viewer')
    .output(
      z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          description: z.string(),
          updatedAt: z.string(),
          publishedVersion: z.number().nullable(),
          draftRevision: z.number(),
          nodeCount: z.number(),
          lastRun: z
            .object({ id: z.string(), number: z.number(), state: z.string(), endedAt: z.string().nullable() })
            .nullable(),
          thumbnailNodes: z.array(z.object({ type: z.string(), icon: z.string(), name: z.string() })),
          graph: Graph,
        }),
      ),
    )
    .query(async ({ ctx, input }) => {
      const { rows, types } = await ctx.inWorkspace(async (tx) => ({
        rows: await listPipelines(tx, input.brandId ? [input.brandId] : (ctx.member.brands ?? undefined)),
        types: await ctx.services.nodeTypes.of(tx),
      }));
      return rows.map((row) => {
        const graph = withoutPins(Graph.parse(row.graph));
        return {
          ...row,
          graph,
          nodeCount: graph.nodes.length,
          thumbnailNodes: graph.nodes.slice(0, 12).map((node) => ({
            type: node.type,
            icon: types.get(node.type)?.manifest.icon ?? 'puzzle',
            name: node.name,
          })),
        };
      });
    }),

  create: memberProcedure('editor')
    .input(z.object({ name: Name, graph: Graph.optional(), templateId: z.string().max(60).optional() }))
    .output(z.object({ id: z.string() }))
    .mutation(({ ctx, input }) => {
      const template =
        input.templateId === undefined
          ? undefined
          : ctx.services.templates.find((each) => each.id === input.templateId);
      if (input.templateId !== undefined && !template) throw notFound('This template');
      return ctx.inWorkspace(async (tx) => {
        const made = await createPipeline(tx, {
          name: input.name,
          description: template?.description ?? '',
          graph: withoutPins(input.graph ?? template?.graph ?? EMPTY_GRAPH),
        });
        await audit(tx, ctx.member.userId, 'pipeline.create', { pipeline: made.id, name: input.name });
        return made;
      });
    }),

  get: memberProcedure('sponsor-viewer')
    .input(OnPipeline)
    .output(
      z.object({
        id: z.string(),
        name: z.string(),
        description: z.string(),
        graph: Graph,
        revision: z.number(),
        publishedVersion: z.number().nullable(),
        versions: z.array(
          z.object({
            number: z.number(),
            publishedAt: z.string(),
            by: z.string().nullable(),
            note: z.string().nullable(),
          }),
        ),
        problems: z.array(ProblemView),
      }),
    )
    .query(async ({ ctx, input }) => {
      const { pipeline, types } = await ctx.inWorkspace(async (tx) => ({
        pipeline: await getPipeline(tx, input.pipelineId),
        types: await ctx.services.nodeTypes.of(tx),
      }));
      if (!pipeline) throw notFound('This pipeline');
      const graph = Graph.parse(pipeline.graph);
      return { ...pipeline, graph, problems: problems(graph, manifestsIn(types)) };
    }),

  rename: memberProcedure('editor')
    .input(OnPipeline.extend({ name: Name.optional(), description: z.string().max(2000).optional() }))
    .output(z.object({}))
    .mutation(async ({ ctx, input }) => {
      const { name, description } = input;
      const change = { ...(name === undefined ? {} : { name }), ...(description === undefined ? {} : { description }) };
      if (!(await ctx.inWorkspace((tx) => renamePipeline(tx, input.pipelineId, change))))
        throw notFound('This pipeline');
      return {};
    }),

  /** Its runs and versions stay; `restore` brings it back. */
  remove: memberProcedure('editor')
    .input(OnPipeline)
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        if (!(await removePipeline(tx, input.pipelineId))) throw notFound('This pipeline');
        await turnTriggersOff(tx, input);
        await audit(tx, ctx.member.userId, 'pipeline.remove', { pipeline: input.pipelineId });
        return {};
      }),
    ),

  restore: memberProcedure('editor')
    .input(OnPipeline)
    .output(z.object({}))
    .mutation(async ({ ctx, input }) => {
      if (!(await ctx.inWorkspace((tx) => restorePipeline(tx, input.pipelineId)))) throw notFound('This pipeline');
      return {};
    }),

  duplicate: memberProcedure('editor')
    .input(OnPipeline)
    .output(z.object({ id: z.string() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const pipeline = await getPipeline(tx, input.pipelineId);
        if (!pipeline) throw notFound('This pipeline');
        return createPipeline(tx, {
          name: `${pipeline.name} copy`.slice(0, 120),
          description: pipeline.description,
          graph: withoutPins(Graph.parse(pipeline.graph)),
        });
      }),
    ),

  export: memberProcedure('analyst')
    .input(OnPipeline)
    .output(z.object({ json: z.string() }))
    .query(async ({ ctx, input }) => {
      const pipeline = await ctx.inWorkspace((tx) => getPipeline(tx, input.pipelineId));
      if (!pipeline) throw notFound('This pipeline');
      const { name, description } = pipeline;
      const file = { spliceboard: 1, name, description, graph: withoutPins(Graph.parse(pipeline.graph)) };
      return { json: JSON.stringify(file, null, 2) };
    }),

  /** Nothing is executed: the graph is parsed, and what is unknown is drawn as unknown. */
  import: memberProcedure('editor')
    .input(z.object({ json: z.string().max(4_000_000) }))
    .output(z.object({ id: z.string() }))
    .mutation(({ ctx, input }) => {
      const parsed = readExport(input.json);
      return ctx.inWorkspace(async (tx) => {
        const made = await createPipeline(tx, { ...parsed, graph: withoutPins(parsed.graph) });
        await audit(tx, ctx.member.userId, 'pipeline.import', { pipeline: made.id, name: parsed.name });
        return made;
      });
    }),

  /** Saves operations that were made on `baseRevision`; a stale one is rebased per field, or refused with the difference. */
  edit: memberProcedure('editor')
    .input(
      OnPipeline.extend({
        baseRevision: z.number().int().nonnegative(),
        operations: z.array(Operation).min(1).max(500),
        clientId: z.string().min(1).max(60),
      }),
    )
    .output(
      z.union([
        z.object({ revision: z.number(), graph: Graph.optional() }),
        z.object({
          conflict: z.object({
            revision: z.number(),
            graph: Graph,
            operations: z.array(Operation),
            refused: z.array(z.object({ refused: Operation, reason: z.string() })),
          }),
        }),
      ]),
    )
    .mutation(async ({ ctx, input }) => {
      const applied = await ctx
        .inWorkspace(async (tx) => {
          await checkPins(ctx.services, tx, input.workspaceId, input.operations);
          return applyOperations(tx, { ...input, by: ctx.member.userId }, DRAFT_RULES);
        })
        .catch((error: unknown) => {
          if (!(error instanceof OperationRefused)) throw error;
          throw new Problem('CONFLICT', 'OPERATION_REFUSED', error.message, {
            hint: 'Load the pipeline anew: it changed meanwhile.',
          });
        });
      if (applied.kind === 'missing') throw notFound('This pipeline');
      if (applied.kind === 'conflict') {
        const { revision, graph, since, refused } = applied;
        return { conflict: { revision, graph, operations: [...since], refused: [...refused] } };
      }
      ctx.services.hub.announce(input.pipelineId);
      return { revision: applied.revision, ...(applied.rebased ? { graph: applied.graph } : {}) };
    }),

  /** What a run gave at one place, or a person wrote, as a pin for the node. The draft is not changed by it. */
  pin: memberProcedure('editor')
    .input(OnPipeline.extend({ node: z.string().max(40), source: PinSource }))
    .output(z.object({ pin: Pin }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const pipeline = await getPipeline(tx, input.pipelineId);
        if (!pipeline) throw notFound('This pipeline');
        return { pin: await makePin(ctx.services, tx, ctx.member, Graph.parse(pipeline.graph), input) };
      }),
    ),

  publish: memberProcedure('editor')
    .input(OnPipeline.extend({ revision: z.number().int().nonnegative(), note: z.string().max(500).optional() }))
    .output(z.object({ version: z.number() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const pipeline = await getPipeline(tx, input.pipelineId);
        if (!pipeline) throw notFound('This pipeline');
        const types = await ctx.services.nodeTypes.of(tx);
        const graph = Graph.parse(pipeline.graph);
        const found = problems(graph, manifestsIn(types)).filter((each) => each.severity === 'error');
        if (found.length > 0) {
          throw new Problem('PRECONDITION_FAILED', 'PIPELINE_NOT_READY', found[0]!.message, {
            hint: found[0]!.hint,
            details: found,
          });
        }
        const manifests = await manifestsOf(ctx.services, tx);
        const { problems: unkept } = await lookAtCalls(tx, manifests, { pipelineId: input.pipelineId, graph });
        if (unkept.length > 0) {
          throw new Problem('PRECONDITION_FAILED', 'PIPELINE_NOT_READY', unkept[0]!.message, {
            hint: unkept[0]!.hint,
            details: unkept,
          });
        }
        const pins = Object.fromEntries(graph.nodes.map((node) => [node.type, types.get(node.type)!.behaviour]));
        const published = await publishPipeline(tx, {
          pipelineId: input.pipelineId,
          revision: input.revision,
          pins,
          graphOf: (draft) => withoutPins(Graph.parse(draft)),
          by: ctx.member.userId,
          note: input.note ?? null,
        });
        if (!published) {
          throw new Problem('CONFLICT', 'DRAFT_MOVED', 'The draft changed while you were publishing.', {
            hint: 'Look at the change, then publish again.',
            retry: 'person',
          });
        }
        await followVersion(ctx.services, tx, { ...input, version: published.version });
        await audit(tx, ctx.member.userId, 'pipeline.publish', {
          pipeline: input.pipelineId,
          version: published.version,
        });
        return published;
      }),
    ),

  /** What a node of this pipeline could call: published, with a Called node, and not coming back to this pipeline. */
  callable: memberProcedure('sponsor-viewer')
    .input(OnPipeline)
    .output(z.array(Callable))
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        if (!(await isPipelineThere(tx, input.pipelineId))) throw notFound('This pipeline');
        return callables(tx, await manifestsOf(ctx.services, tx), input.pipelineId);
      }),
    ),

  version: memberProcedure('sponsor-viewer')
    .input(OnPipeline.extend({ number: z.number().int().positive() }))
    .output(z.object({ graph: Graph }))
    .query(async ({ ctx, input }) => {
      const version = await ctx.inWorkspace((tx) => pipelineVersion(tx, input.pipelineId, input.number));
      if (!version) throw notFound(`Version ${input.number}`);
      return { graph: Graph.parse(version.graph) };
    }),

  /** What others save, as it happens; one's own operations come back as a confirmation. */
  watch: memberProcedure('sponsor-viewer')
    .input(OnPipeline.extend({ clientId: z.string().max(60), since: z.number().int().nonnegative().optional() }))
    .subscription(async function* ({ ctx, input, signal }): AsyncGenerator<{
      revision: number;
      operations: Operation[];
      clientId: string;
      by: string | null;
    }> {
      const abort = signal ?? new AbortController().signal;
      const read = <T>(work: Parameters<typeof inWorkspace<T>>[2]) =>
        inWorkspace(ctx.services.db, input.workspaceId, work);
      const pipeline = await read((tx) => getPipeline(tx, input.pipelineId));
      if (!pipeline) throw notFound('This pipeline');
      let revision = input.since ?? pipeline.revision;
      let checkedAt = Date.now();
      while (!abort.aborted) {
        if (Date.now() - checkedAt > AUTHORITY_MS) {
          await checkAgain(ctx, { workspaceId: input.workspaceId, role: 'sponsor-viewer' });
          checkedAt = Date.now();
        }
        const changed = ctx.services.hub.changed(input.pipelineId, POLL_MS, abort);
        for (const entry of await read((tx) => operationsSince<Operation>(tx, input.pipelineId, revision))) {
          revision = entry.revision;
          yield entry;
        }
        await changed;
      }
    }),
});

function readExport(json: string): { name: string; description: string; graph: Graph } {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new Problem('BAD_REQUEST', 'IMPORT_INVALID', 'This file is not JSON.', {
      hint: 'Choose a file that was exported here.',
      cause: error,
    });
  }
  const whole = Exported.safeParse(value);
  if (whole.success) return whole.data;
  const bare = Graph.safeParse(value);
  if (bare.success) return { name: 'Imported pipeline', description: '', graph: bare.data };
  throw new Problem(
    'BAD_REQUEST',
    'IMPORT_INVALID',
    `This is no pipeline: ${z.prettifyError(whole.error)}`.slice(0, 500),
    {
      hint: 'Choose a file that was exported here.',
    },
  );
}
