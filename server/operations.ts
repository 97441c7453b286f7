/**
 * For those who run a workspace: what is queued, what is slow, and everything that does not go on by itself, with whose turn
 * it is. Figures over all workspaces are for the operator of the installation alone.
 */
import * as z from 'zod';
import { listBrands } from '../db/brands.ts';
import { listEffects } from '../db/effects.ts';
import { listStuck } from '../db/explain.ts';
import { livingWorkers } from '../db/ledger.ts';
import { readFigures } from '../db/metrics.ts';
import { isOperator, queueOf, slowestNodes } from '../db/operations.ts';
import { Graph } from '../runtime/graph/graph.ts';
import { Explanation, type ExplanationCode, explain } from './explain.ts';
import { discretion } from './runs.ts';
import { factsOf } from './settings.ts';
import { memberProcedure, router } from './trpc.ts';

/** Whose turn it is. */
const Owner = z.object({ kind: z.enum(['person', 'worker', 'pipeline', 'run', 'service', 'time']), name: z.string() });

const StuckView = z.object({
  runId: z.string(),
  runNumber: z.number(),
  pipelineName: z.string(),
  brandName: z.string(),
  nodeId: z.string(),
  nodeName: z.string(),
  count: z.number(),
  since: z.string(),
  owner: Owner,
  explanation: Explanation,
});
const Queue = z.object({
  lane: z.string(),
  ready: z.number(),
  working: z.number(),
  asleep: z.number(),
  lagSeconds: z.number().nullable(),
});

function ownerOf(
  code: ExplanationCode,
  at: { pipelineName: string; lane: string; worker: string | null },
): z.infer<typeof Owner> {
  switch (code) {
    case 'wait-person':
    case 'wait-reminder':
    case 'effect-unknown':
      return { kind: 'person', name: 'A person' };
    case 'wait-hook':
    case 'retry':
    case 'effect-check':
    case 'sending':
      return { kind: 'service', name: 'Another service' };
    case 'held':
    case 'wait-steps':
    case 'asleep':
      return { kind: 'pipeline', name: at.pipelineName };
    case 'wait-result':
    case 'wait-child':
      return { kind: 'run', name: 'Another run' };
    case 'wait-time':
    case 'pause':
      return { kind: 'time', name: 'A time' };
    default:
      return { kind: 'worker', name: at.worker ?? `Workers with ${at.lane}` };
  }
}

export const operations = router({
  get: memberProcedure('admin')
    .output(
      z.object({
        queue: z.array(Queue),
        slowest: z.array(
          z.object({
            pipelineId: z.string(),
            pipelineName: z.string(),
            nodeId: z.string(),
            nodeName: z.string(),
            runId: z.string(),
            count: z.number(),
            p50Seconds: z.number(),
            p95Seconds: z.number(),
          }),
        ),
        stuck: z.array(StuckView),
        workers: z.array(
          z.object({
            name: z.string(),
            startedAt: z.string(),
            /** Places by lane, where it says how many. */
            places: z.array(z.object({ lane: z.string(), count: z.number() })),
          }),
        ),
        /** Of all workspaces, for the operator alone. */
        installation: z
          .object({
            queue: z.array(Queue),
            taken: z.array(z.object({ worker: z.string(), lane: z.string(), count: z.number() })),
            unknownEffects: z.number(),
            databaseBytes: z.number(),
          })
          .nullable(),
      }),
    )
    .query(async ({ ctx }) => {
      const { services, member } = ctx;
      const own = await ctx.inWorkspace(async (tx) => {
        const brandIds = member.brands;
        const all = brandIds ?? (await listBrands(tx)).map(({ id }) => id);
        const stuck = await listStuck(tx, brandIds);
        const unknown = await listEffects(tx, { brandIds: all, state: 'unknown' });
        const explained = stuck.map((each) => ({
          ...each,
          explanation: explain({ ...each, step: null, before: [], isEmpty: false, nameOf: () => undefined }),
        }));
        const told = await discretion(
          tx,
          member,
          explained.map(({ explanation }) => explanation.text),
        );
        const brands = new Map((await listBrands(tx)).map(({ id, name }) => [id, name]));
        return {
          queue: await queueOf(tx, brandIds),
          slowest: await slowestNodes(tx, brandIds),
          stuck: [
            ...explained
              .filter(({ explanation }) => explanation.code !== 'ready')
              .map(({ explanation, strand, since, ...each }) => ({
                ...{ runId: each.runId, runNumber: each.runNumber, pipelineName: each.pipelineName },
                ...{ brandName: each.brandName, nodeId: each.nodeId, nodeName: each.nodeName, count: each.count },
                since: since.toISOString(),
                explanation: told.explanation(explanation),
                owner: ownerOf(explanation.code, {
                  ...{ pipelineName: each.pipelineName, lane: strand.lane, worker: strand.worker?.name ?? null },
                }),
              })),
            // their steps have failed and wait for nobody; the act does
            ...unknown
              .filter((effect) => !stuck.some(({ runId, nodeId }) => runId === effect.runId && nodeId === effect.node))
              .map((effect) => {
                const graph = Graph.safeParse(effect.graph).data;
                const code = 'effect-unknown' as const;
                return {
                  ...{ runId: effect.runId, runNumber: effect.runNumber, pipelineName: effect.pipelineName },
                  brandName: brands.get(effect.brandId) ?? '',
                  nodeId: effect.node,
                  nodeName: graph?.nodes.find(({ id }) => id === effect.node)?.name ?? effect.node,
                  count: 1,
                  since: (effect.sentAt ?? effect.createdAt).toISOString(),
                  owner: ownerOf(code, { pipelineName: effect.pipelineName, lane: '', worker: null }),
                  explanation: {
                    ...{ code, text: 'Nobody knows whether it arrived; a person has to say.', since: null },
                    next: effect.nextCheckAt?.toISOString() ?? null,
                    act: { kind: 'outbox' as const },
                  },
                };
              }),
          ],
        };
      });
      const workers = (await livingWorkers(services.appPool)).map((worker) => ({
        name: worker.name,
        startedAt: worker.startedAt,
        places: Object.entries(factsOf(worker.facts).slots ?? {}).map(([lane, count]) => ({ lane, count })),
      }));
      // a token of an operator is one only with the operator's own role
      const isOverAll = member.role === 'owner' && (await isOperator(services.db, member.userId));
      return { ...own, workers, installation: isOverAll ? await installationOf(services.metricsPool) : null };
    }),
});

async function installationOf(pool: Parameters<typeof readFigures>[0]) {
  const figures = await readFigures(pool);
  const lanes = [...new Set(figures.queue.map(({ lane }) => lane))];
  const steps = (lane: string, state: string) =>
    figures.queue.find((row) => row.lane === lane && row.state === state)?.steps ?? 0;
  return {
    queue: lanes.map((lane) => ({
      lane,
      ...{ ready: steps(lane, 'ready'), working: steps(lane, 'leased'), asleep: steps(lane, 'waiting') },
      lagSeconds: figures.lag.find((row) => row.lane === lane)?.seconds ?? null,
    })),
    taken: figures.workers.flatMap(({ name, lanes: own }) =>
      own.map(({ lane, taken }) => ({ worker: name, lane, count: taken })),
    ),
    unknownEffects: figures.effects.find(({ state }) => state === 'unknown')?.count ?? 0,
    databaseBytes: figures.databaseBytes,
  };
}
