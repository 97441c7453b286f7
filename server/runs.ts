/** Runs: start, look, watch live, cancel, try again, correct. */
import * as z from 'zod';
import { audit, usersById } from '../db/accounts.ts';
import { clearOverride, retrySteps, setOverride } from '../db/again.ts';
import { raiseBudget } from '../db/budget.ts';
import { callerOf, childrenOf } from '../db/children.ts';
import { runFacts } from '../db/explain.ts';
import { keepEstimate } from '../db/forecast.ts';
import { type RunSnapshot, runSnapshot } from '../db/run-view.ts';
import { cancelRun, latestFor, listRuns, numbersWithin, startRun } from '../db/runs.ts';
import { getStep, listSteps } from '../db/steps.ts';
import { LONGEST_VALUE_BYTES, loadValue, type StoredValue, storeValue } from '../db/values.ts';
import { inWorkspace, type WorkspaceTx } from '../db/workspace.ts';
import { type ManifestJson, PORT_TYPES } from '../nodes/contract.ts';
import { dependentsOf, isTrouble, rebuild } from '../runtime/graph/advance.ts';
import { Budget, Graph } from '../runtime/graph/graph.ts';
import type { Plan } from '../runtime/graph/plan.ts';
import { resolveNodes } from '../runtime/graph/resolve.ts';
import { partOf, SAMPLE_BYTES, type Sampled, shortened } from '../runtime/graph/sample.ts';
import type { Services } from './deps.ts';
import type { Explanation } from './explain.ts';
import { notFound, Problem } from './problem.ts';
import {
  bytesOf,
  costOf,
  Expected,
  lookAhead,
  lookAtRetry,
  manifestsOf,
  RunAhead,
  RunWanted,
  readied,
  VALUE_BYTES,
} from './run-start.ts';
import {
  type Around,
  nameIn,
  type RunEvent,
  RunRow,
  RunView,
  runRow,
  runView,
  StepView,
  stepView,
} from './run-view.ts';
import { checkAgain, type Member, memberProcedure, router, runProcedure } from './trpc.ts';

export const RULES = { dependentsOf, rebuild, isTrouble } as Parameters<typeof retrySteps>[2];
const Path = z.array(z.number().int().nonnegative()).max(8);
const At = z.object({ nodeId: z.string().max(40), path: Path });
const SampleRef = z.strictObject({
  from: z.enum(['nodes', 'each']),
  node: z.string().max(40),
  port: z.string().max(40),
  keys: z.array(z.string().max(200)).max(60),
});
const POLL_MS = 2_000;
/** At most 20 views a second. */
const PAUSE_MS = 50;
const AUTHORITY_MS = 60_000;

async function viewOf(services: Services, snapshot: RunSnapshot, tx: WorkspaceTx, member: Member): Promise<RunView> {
  const by = snapshot.run.startedBy;
  const users = await usersById(services.authPool, by === null ? [] : [by]);
  const names = new Map([...users].map(([id, user]) => [id, user.name]));
  const caller = snapshot.run.startedHow === 'called' ? await callerOf(tx, snapshot.run.id) : null;
  const view = runView(snapshot, await manifestsOf(services, tx), names, caller);
  const told = await discretion(tx, member, [view.summary, ...view.nodes.map((node) => node.explanation.text)]);
  const nodes = view.nodes.map((node) => ({
    ...node,
    reason: told.text(node.reason),
    explanation: told.explanation(node.explanation),
  }));
  return { ...view, summary: told.text(view.summary) ?? '', nodes };
}

const RUN_NUMBER = /\brun (\d+)\b/gi;

/**
 * Which run a result was reused from is told to those who may see that run. `texts` are reasons; gives back a function
 * that reads them accordingly.
 */
export async function discretion(
  tx: WorkspaceTx,
  member: Member,
  texts: readonly (string | null)[],
  numbers: readonly (number | null | undefined)[] = [],
): Promise<{
  text(reason: string | null): string | null;
  number(run: number | null): number | null;
  explanation(of: Explanation): Explanation;
}> {
  if (member.brands === null) return { text: (reason) => reason, number: (run) => run, explanation: (of) => of };
  const named = new Set([
    ...texts.flatMap((text) => [...(text ?? '').matchAll(RUN_NUMBER)].map((match) => Number(match[1]))),
    ...numbers.filter((number) => typeof number === 'number'),
  ]);
  const seen = await numbersWithin(tx, [...named], member.brands);
  const discreet = (text: string) =>
    text.replace(RUN_NUMBER, (all, run) => (seen.has(Number(run)) ? all : 'another run'));
  return {
    text: (reason) => (reason === null ? null : discreet(reason)),
    number: (run) => (run !== null && seen.has(run) ? run : null),
    explanation(of) {
      const text = discreet(of.text);
      return { ...of, text, act: text !== of.text && of.act?.kind === 'run' ? null : of.act };
    },
  };
}

/** A node's manifest with the ports it really has, by the run's own graph, and what explains its steps. */
async function nodeIn(
  services: Services,
  tx: WorkspaceTx,
  runId: string,
  nodeId: string,
): Promise<{
  manifest: ManifestJson | undefined;
  around: Around;
  childAt(path: readonly number[]): StepView['child'];
}> {
  const row = await tx.selectFrom('run').select('graph').where('id', '=', runId).executeTakeFirstOrThrow();
  const graph = Graph.parse(row.graph);
  const manifest = resolveNodes(graph, await manifestsOf(services, tx)).get(nodeId);
  const children = manifest?.shape === 'call-pipeline' ? await childrenOf(tx, runId, nodeId) : [];
  return {
    manifest,
    around: { run: (await runFacts(tx, runId))!, nameOf: nameIn(graph) },
    childAt: (path) => {
      const found = children.find((child) => child.path.join() === path.join());
      return found ?? null;
    },
  };
}

function discreetly(step: StepView, told: Awaited<ReturnType<typeof discretion>>): StepView {
  return {
    ...step,
    explanation: told.explanation(step.explanation),
    reused: step.reused && { runNumber: told.number(step.reused.runNumber) },
  };
}

export const runs = router({
  /** Starts a run of a version or of the draft. Its row and its first wake-up are written in one transaction. */
  start: memberProcedure('editor')
    .input(RunWanted)
    .output(z.object({ runId: z.string(), number: z.number() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const ready = await readied(ctx.services, tx, ctx.member, input);
        const { graph, brand, pipeline } = ready;
        const ahead = input.nonce === undefined ? await lookAhead(ctx.services, tx, ready) : null;
        const started = await startRun(tx, {
          pipelineId: pipeline.id,
          version: ready.version,
          brandId: brand.id,
          graph,
          isLimited: graph.limits !== undefined,
          plan: ready.plan,
          pins: ready.pins,
          kit: brand.kit,
          first: ready.first,
          carry: ready.carried?.over ?? null,
          afresh: ready.afresh,
          dryRun: input.dryRun,
          nonce: input.nonce ?? null,
          trigger: ready.trigger,
          startedBy: ctx.member.userId,
        });
        if (ahead) await keepEstimate(tx, started.runId, ahead.estimate);
        await audit(tx, ctx.member.userId, 'run.start', { run: started.runId, pipeline: pipeline.id, brand: brand.id });
        return started;
      }),
    ),

  /** What a run that is asked for like this would reuse, make and take. Nothing is started. */
  preview: memberProcedure('editor')
    .input(RunWanted)
    .output(RunAhead)
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => lookAhead(ctx.services, tx, await readied(ctx.services, tx, ctx.member, input))),
    ),

  /** What going on with a run from what failed in it would keep and make again. */
  previewRetry: runProcedure('editor')
    .output(RunAhead)
    .query(({ ctx, input }) => ctx.inWorkspace((tx) => lookAtRetry(ctx.services, tx, input.runId))),

  /** What a run was expected to take when it began, and what it has taken. */
  cost: runProcedure('analyst')
    .output(z.object({ expected: Expected.nullable(), taken: Expected.nullable() }))
    .query(({ ctx, input }) => ctx.inWorkspace((tx) => costOf(ctx.services, tx, input.runId))),

  list: memberProcedure('sponsor-viewer')
    .input(
      z.object({
        pipelineId: z.uuid().optional(),
        state: z.enum(['running', 'succeeded', 'problems', 'cancelled', 'stopped', 'failed']).optional(),
        text: z.string().max(120).optional(),
        cursor: z
          .string()
          .regex(/^\d{1,10}$/)
          .nullish(),
        limit: z.number().int().min(1).max(100).optional(),
      }),
    )
    .output(z.object({ items: z.array(RunRow), next: z.string().nullable() }))
    .query(async ({ ctx, input }) => {
      const page = await ctx.inWorkspace((tx) =>
        listRuns(tx, {
          ...(input.pipelineId ? { pipelineId: input.pipelineId } : {}),
          ...(input.brandId ? { brandId: input.brandId } : {}),
          ...(input.state ? { state: input.state } : {}),
          ...(input.text ? { text: input.text } : {}),
          ...(input.cursor ? { cursor: input.cursor } : {}),
          ...(input.limit ? { limit: input.limit } : {}),
          ...(ctx.member.brands === null ? {} : { brandIds: ctx.member.brands }),
        }),
      );
      const users = await usersById(ctx.services.authPool, [
        ...new Set(page.items.flatMap((run) => (run.startedBy === null ? [] : [run.startedBy]))),
      ]);
      const names = new Map([...users].map(([id, user]) => [id, user.name]));
      return { items: page.items.map((run) => runRow(run, names)), next: page.next };
    }),

  get: runProcedure('sponsor-viewer')
    .output(RunView)
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const snapshot = await runSnapshot(tx, input.runId);
        if (!snapshot) throw notFound('This run');
        return viewOf(ctx.services, snapshot, tx, ctx.member);
      }),
    ),

  latestFor: memberProcedure('sponsor-viewer')
    .input(z.object({ pipelineId: z.uuid(), brandId: z.uuid() }))
    .output(RunView.nullable())
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const runId = await latestFor(tx, input.pipelineId, input.brandId);
        const snapshot = runId === undefined ? undefined : await runSnapshot(tx, runId);
        return snapshot ? viewOf(ctx.services, snapshot, tx, ctx.member) : null;
      }),
    ),

  /** One page of a node's steps, in path order. */
  steps: runProcedure('sponsor-viewer')
    .input(
      z.object({
        nodeId: z.string().max(40),
        cursor: z
          .string()
          .regex(/^[\d.]{0,60}$/)
          .nullish(),
        limit: z.number().int().min(1).max(200).optional(),
      }),
    )
    .output(z.object({ items: z.array(StepView), next: z.string().nullable() }))
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const { manifest, around, childAt } = await nodeIn(ctx.services, tx, input.runId, input.nodeId);
        const page = await listSteps(tx, input.runId, input.nodeId, {
          ...(input.cursor ? { cursor: input.cursor } : {}),
          ...(input.limit ? { limit: input.limit } : {}),
        });
        const items = page.items.map((row) => stepView(row, manifest, around, childAt(row.path)));
        const told = await discretion(
          tx,
          ctx.member,
          items.map(({ explanation }) => explanation.text),
          items.map(({ reused }) => reused?.runNumber),
        );
        return { items: items.map((item) => discreetly(item, told)), next: page.next };
      }),
    ),

  step: runProcedure('sponsor-viewer')
    .input(At)
    .output(StepView)
    .query(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const row = await getStep(tx, input.runId, input.nodeId, input.path);
        if (!row) throw notFound('This step');
        const { manifest, around, childAt } = await nodeIn(ctx.services, tx, input.runId, input.nodeId);
        const step = stepView(row, manifest, around, childAt(row.path));
        const told = await discretion(tx, ctx.member, [step.explanation.text], [step.reused?.runNumber]);
        return discreetly(step, told);
      }),
    ),

  /** One whole output, up to 8 MB. */
  value: runProcedure('sponsor-viewer')
    .input(At.extend({ port: z.string().max(40) }))
    .output(z.object({ value: z.json() }))
    .query(async ({ ctx, input }) => {
      const row = await ctx.inWorkspace((tx) => getStep(tx, input.runId, input.nodeId, input.path));
      const stored = row && Object.hasOwn(row.outputs, input.port) ? row.outputs[input.port] : undefined;
      if (!stored) throw notFound('This output');
      if (stored.bytes > VALUE_BYTES) {
        throw new Problem('PAYLOAD_TOO_LARGE', 'VALUE_TOO_LARGE', 'This output is too long to show.', {
          hint: 'Download it instead.',
        });
      }
      const value = await loadValue(stored, (sha256) => bytesOf(ctx.services, input.workspaceId, sha256));
      return { value: value as z.infer<ReturnType<typeof z.json>> };
    }),

  /**
   * Of the item in view, what an expression speaks of: only those parts, at most 64 KB in all. `cut`: a longer value was
   * shortened. `made`: whether the run has this output; what is not in it has no `value`.
   */
  sample: runProcedure('sponsor-viewer')
    .input(At.extend({ refs: z.array(SampleRef).max(40) }))
    .output(
      z.object({
        startedAt: z.string(),
        samples: z.array(SampleRef.extend({ value: z.json().optional(), made: z.boolean(), cut: z.boolean() })),
      }),
    )
    .query(async ({ ctx, input }) => {
      const { startedAt, found } = await ctx.inWorkspace(async (tx) => {
        const run = await tx
          .selectFrom('run')
          .select(['plan', 'started_at'])
          .where('id', '=', input.runId)
          .executeTakeFirst();
        if (!run) throw notFound('This run');
        const { nodes } = run.plan as Plan;
        const found: { stored: StoredValue | undefined; depth: number }[] = [];
        for (const { node, port } of input.refs) {
          const depth = Object.hasOwn(nodes, node) ? nodes[node]!.frame.length : 0;
          // where no item is in view yet, the first
          const at = Array.from({ length: depth }, (_, level) => input.path[level] ?? 0);
          const step = await getStep(tx, input.runId, node, at);
          found.push({ stored: step && Object.hasOwn(step.outputs, port) ? step.outputs[port] : undefined, depth });
        }
        return { startedAt: run.started_at.toISOString(), found };
      });
      let left = SAMPLE_BYTES;
      const loaded = new Map<string, Promise<unknown>>();
      const load = (stored: StoredValue) => {
        const known =
          loaded.get(stored.digest) ?? loadValue(stored, (sha256) => bytesOf(ctx.services, input.workspaceId, sha256));
        loaded.set(stored.digest, known);
        return known;
      };
      const samples: (Sampled & { made: boolean; value: z.infer<ReturnType<typeof z.json>> | undefined })[] = [];
      for (const [index, ref] of input.refs.entries()) {
        const { stored, depth } = found[index]!;
        if (!stored) {
          samples.push({ ...ref, value: undefined, made: false, cut: false });
          continue;
        }
        const isShort = stored.bytes <= VALUE_BYTES;
        const whole = isShort ? await load(stored) : stored.preview;
        const item = ref.from === 'each' && Array.isArray(whole) ? whole[input.path[depth] ?? 0] : whole;
        const part = partOf(item, ref.keys);
        const short = shortened(part.value, left / (input.refs.length - index));
        left -= short.bytes;
        const value = short.value as z.infer<ReturnType<typeof z.json>> | undefined;
        samples.push({ ...ref, keys: part.keys, value, made: true, cut: short.cut || !isShort });
      }
      return { startedAt, samples };
    }),

  cancel: runProcedure('editor')
    .output(z.object({ cancelled: z.boolean() }))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const { userId } = ctx.member;
        const name = (await usersById(ctx.services.authPool, [userId])).get(userId)?.name;
        const cancelled = await cancelRun(tx, input.runId, `Cancelled by ${name ?? 'a person'}.`);
        if (cancelled) await audit(tx, ctx.member.userId, 'run.cancel', { run: input.runId });
        return { cancelled };
      }),
    ),

  /** Tries failed or cancelled steps again, all of the run's or some; the same run goes on. */
  retry: runProcedure('editor')
    .input(
      z.object({
        nodeId: z.string().max(40).optional(),
        path: Path.optional(),
        /** In the place of the run's budget, where it has one. */
        budget: Budget.optional(),
      }),
    )
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        if (input.budget && !(await raiseBudget(tx, input.runId, input.budget))) {
          throw new Problem('CONFLICT', 'NO_BUDGET', 'This run has no budget.', { hint: 'Continue it without one.' });
        }
        const again = await retrySteps(
          tx,
          {
            runId: input.runId,
            ...(input.nodeId === undefined ? {} : { nodeId: input.nodeId }),
            ...(input.path === undefined ? {} : { path: input.path }),
          },
          RULES,
        );
        if (!again.ok) throw new Problem('CONFLICT', 'NOTHING_TO_RETRY', again.reason);
        await audit(tx, ctx.member.userId, 'run.retry', { run: input.runId, node: input.nodeId ?? null });
        return {};
      }),
    ),

  /** Puts a person's value in the place of an output; what follows is made again, nothing else. */
  override: runProcedure('editor')
    .input(At.extend({ port: z.string().max(40), value: z.json() }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const manifest = (await nodeIn(ctx.services, tx, input.runId, input.nodeId)).manifest;
        const declared =
          manifest && Object.hasOwn(manifest.outputs, input.port) ? manifest.outputs[input.port]! : undefined;
        if (!declared) throw notFound('This output');
        const schema: z.ZodType = declared.list ? z.array(PORT_TYPES[declared.type]) : PORT_TYPES[declared.type];
        const value = schema.safeParse(input.value);
        if (!value.success) {
          throw new Problem(
            'BAD_REQUEST',
            'CORRECTION_INVALID',
            `This is no ${declared.type}: ${z.prettifyError(value.error)}`.slice(0, 500),
          );
        }
        const store = ctx.services.storeFor(input.workspaceId, { internal: true });
        const output = await storeValue(value.data, declared.list, async (bytes) => {
          if (bytes.byteLength > LONGEST_VALUE_BYTES)
            throw new Problem('PAYLOAD_TOO_LARGE', 'VALUE_TOO_LARGE', 'This is too long.');
          return (await store.putBytes(bytes, { kind: 'file', mime: 'application/gzip' })).asset;
        });
        const again = await setOverride(
          tx,
          {
            runId: input.runId,
            nodeId: input.nodeId,
            path: input.path,
            port: input.port,
            output,
            value: value.data,
            by: ctx.member.userId,
          },
          RULES,
        );
        if (!again.ok) throw new Problem('CONFLICT', 'NOT_FINISHED', again.reason);
        await audit(tx, ctx.member.userId, 'run.override', { run: input.runId, node: input.nodeId, port: input.port });
        return {};
      }),
    ),

  clearOverride: runProcedure('editor')
    .input(At.extend({ port: z.string().max(40) }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        const again = await clearOverride(tx, input, RULES);
        if (!again.ok) throw new Problem('CONFLICT', 'NO_CORRECTION', again.reason);
        await audit(tx, ctx.member.userId, 'run.clear-override', { run: input.runId, node: input.nodeId });
        return {};
      }),
    ),

  /** First the whole run, then what changed; ends with the run. Authority is checked again each minute. */
  watch: runProcedure('sponsor-viewer').subscription(async function* ({
    ctx,
    input,
    signal,
  }): AsyncGenerator<RunEvent> {
    const abort = signal ?? new AbortController().signal;
    const seen = new Map<string, string>();
    let head = '';
    let checkedAt = Date.now();
    let isFirst = true;
    while (!abort.aborted) {
      if (Date.now() - checkedAt > AUTHORITY_MS) {
        await checkAgain(ctx, {
          workspaceId: input.workspaceId,
          role: 'sponsor-viewer',
          brandId: ctx.scope.brandId,
        });
        checkedAt = Date.now();
      }
      const changed = ctx.services.hub.changed(input.runId, POLL_MS, abort); // before reading: nothing is missed
      const run = await inWorkspace(ctx.services.db, input.workspaceId, async (tx) => {
        const snapshot = await runSnapshot(tx, input.runId);
        if (!snapshot) throw notFound('This run');
        return viewOf(ctx.services, snapshot, tx, ctx.member);
      });
      const nodes = run.nodes.filter((node) => {
        const now = JSON.stringify(node);
        const isNew = seen.get(node.nodeId) !== now;
        seen.set(node.nodeId, now);
        return isNew;
      });
      const { state, progress, etaMs, summary, endedAt } = run;
      const newHead = JSON.stringify([state, progress, etaMs, summary, endedAt]);
      if (isFirst) yield { kind: 'snapshot', run };
      else if (nodes.length > 0 || newHead !== head)
        yield { kind: 'nodes', state, progress, etaMs, summary, endedAt, nodes };
      isFirst = false;
      head = newHead;
      if (state !== 'running') return;
      await changed;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }),
});
