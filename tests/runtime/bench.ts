/**
 * A workspace with a worker on test nodes: write a graph as text, run it, look at what became of it.
 *
 *   bench.graph(['numbers', 'shout { "mark": "?" }', 'join'], ['numbers.items > shout.text', 'shout.text > join.texts'])
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPipeline } from '../../db/pipelines.ts';
import { type NodeRow, runSnapshot, type RunSnapshot as Snapshot } from '../../db/run-view.ts';
import { startRun } from '../../db/runs.ts';
import { listSteps } from '../../db/steps.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import type { BrandKit, ManifestJson } from '../../nodes/contract.ts';
import type { InternalHost } from '../../runtime/broker.ts';
import type { Capability } from '../../runtime/capabilities/capability.ts';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import { type Catalogue, loadCatalogue } from '../../runtime/catalogue.ts';
import { type Faults, NO_FAULTS } from '../../runtime/faults.ts';
import { createFetcher } from '../../runtime/fetch.ts';
import { EMPTY_GRAPH, type Graph } from '../../runtime/graph/graph.ts';
import { prepareRun, type RunRequest } from '../../runtime/graph/prepare.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { startWorker, type Worker } from '../../runtime/worker.ts';
import { reasonOf } from '../../server/explain.ts';
import { type Around, explainNode, nameIn, stepView } from '../../server/run-view.ts';
import { TEST_KIT, type TestDatabase, testDatabase } from '../support/database.ts';

/** As the ledger has it, with the reason that a card shows. */
export type RunSnapshot = Omit<Snapshot, 'nodes'> & { nodes: (NodeRow & { reason: string | null })[] };

const aroundOf = (snapshot: Snapshot): Around => ({
  run: snapshot.facts,
  nameOf: nameIn(snapshot.run.graph as Graph),
});

export const TEST_NODES = path.join(import.meta.dirname, 'nodes');

export function graphOf(nodes: string[], wires: string[]): Graph {
  return {
    ...EMPTY_GRAPH,
    nodes: nodes.map((text, index) => {
      const [, id, type, config] = /^(\w+)(?::([\w.]+))?\s*(\{.*\})?$/s.exec(text)!;
      return {
        id: id!,
        type: type?.includes('.') ? type : `test.${type ?? id}`,
        version: '1.0.0',
        name: id!,
        position: { x: index * 240, y: 0 },
        config: config ? JSON.parse(config) : {},
      };
    }),
    edges: wires.map((text, index) => {
      const [, fromNode, fromPort, toNode, toPort, leave] = /^(\w+)\.(\w+) > (\w+)\.(\w+)( leaving out failed)?$/.exec(
        text,
      )!;
      return {
        id: `e${index}`,
        from: { node: fromNode!, port: fromPort! },
        to: { node: toNode!, port: toPort! },
        ...(leave ? { leaveOutFailed: true } : {}),
      };
    }),
  };
}

export type BenchOptions = {
  capabilities?: Capability[];
  internalHosts?: InternalHost[];
  faults?: Faults;
  /** Where requests to these origins go. */
  egress?: ReadonlyMap<string, string>;
  /** The lanes the worker takes. */
  tags?: string[];
  /** How many strands of a lane it carries at one time. */
  slots?: { light?: number; media?: number };
  /** No worker is started. */
  idle?: boolean;
  /** The product's own nodes beside the test nodes. */
  own?: boolean;
  /** A database that is there, with its workspace and the folder of its files. */
  at?: { database: TestDatabase; workspaceId: string; brandId: string; folder: string };
  /** Node types that may become more while it is open. */
  more?: (sandbox: Sandbox, cacheDir: string) => Promise<Catalogue>;
};

export async function openBench(options: BenchOptions = {}) {
  const folder = options.at?.folder ?? mkdtempSync(path.join(os.tmpdir(), 'spliceboard-bench-'));
  const database: TestDatabase = options.at?.database ?? (await testDatabase());
  const cacheDir = path.join(os.tmpdir(), 'spliceboard-test-cache');
  const log: string[] = [];
  const sandbox: Sandbox = await createSandbox({
    cacheDir,
    onFault: (error, { capability, method }) => log.push(`${capability}.${method} ${(error as Error).stack}`),
  });
  let catalogue: Catalogue = await loadCatalogue({ sandbox, dir: TEST_NODES, cacheDir });
  if (options.own) {
    const tests = catalogue;
    const own = await loadCatalogue({ sandbox, cacheDir });
    catalogue = {
      manifests: [...tests.manifests, ...own.manifests],
      plugin: (id) => tests.plugin(id) ?? own.plugin(id),
      broken: [...tests.broken, ...own.broken],
    };
  }
  if (options.more) {
    const base = catalogue;
    const more = await options.more(sandbox, cacheDir);
    catalogue = {
      get manifests() {
        return [...base.manifests, ...more.manifests];
      },
      plugin: (id) => base.plugin(id) ?? more.plugin(id),
      broken: [...base.broken, ...more.broken],
    };
  }
  if (catalogue.broken.length > 0) throw new Error(JSON.stringify(catalogue.broken));
  const home = options.at
    ? { workspaceId: options.at.workspaceId, brandId: options.at.brandId }
    : await database.workspace();
  const workers: Worker[] = [];
  const fetcher = createFetcher(options.egress ? { egress: options.egress } : {});

  const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(database.db('app'), home.workspaceId, work);

  const bench = {
    folder,
    database,
    sandbox,
    catalogue,
    ...home,
    inside,
    log,
    async worker(more: BenchOptions = {}): Promise<Worker> {
      const worker = await startWorker({
        url: database.url,
        assetsDir: path.join(folder, 'assets'),
        sandbox,
        catalogue,
        capabilities: new Map(
          [...(more.capabilities ?? options.capabilities ?? []), httpCapability({ fetcher })].map((each) => [
            each.name,
            each,
          ]),
        ),
        internalHosts: new Map((more.internalHosts ?? options.internalHosts ?? []).map((each) => [each.host, each])),
        fetcher,
        tags: more.tags,
        slots: more.slots,
        faults: more.faults ?? options.faults ?? NO_FAULTS,
        log: (line, details) =>
          log.push(
            `${line} ${JSON.stringify(details, (_key, value) => (value instanceof Error ? value.stack : value))}`,
          ),
      });
      workers.push(worker);
      return worker;
    },
    workers: () => [...workers],
    async stop(worker: Worker, graceMs?: number) {
      workers.splice(workers.indexOf(worker), 1);
      await worker.stop(graceMs);
    },
    async pipeline(graph: Graph): Promise<string> {
      return (await inside((tx) => createPipeline(tx, { name: 'Test', graph }))).id;
    },
    /** Starts a run; `pipelineId` where several runs belong together. */
    async start(
      graph: Graph,
      how: RunRequest & {
        pipelineId?: string;
        brandId?: string;
        kit?: BrandKit;
        dryRun?: boolean;
        nonce?: string;
        manifests?: ManifestJson[];
      } = {},
    ): Promise<string> {
      const prepared = prepareRun(graph, how.manifests ?? catalogue.manifests, how);
      if (!prepared.ok) throw new Error(prepared.problems.map((problem) => problem.message).join(' '));
      const pipelineId = how.pipelineId ?? (await bench.pipeline(graph));
      const { runId } = await inside((tx) =>
        startRun(tx, {
          pipelineId,
          version: null,
          brandId: how.brandId ?? home.brandId,
          graph: prepared.graph,
          isLimited: prepared.graph.limits !== undefined,
          plan: prepared.plan,
          pins: Object.fromEntries(catalogue.manifests.map(({ id, version }) => [id, { version }])),
          kit: how.kit ?? TEST_KIT,
          first: prepared.first,
          afresh: prepared.afresh,
          dryRun: how.dryRun,
          nonce: how.nonce,
          startedBy: null,
        }),
      );
      return runId;
    },
    async look(runId: string): Promise<RunSnapshot> {
      const found = (await inside((tx) => runSnapshot(tx, runId)))!;
      const nodes = found.nodes.map((node) => ({ ...node, reason: reasonOf(explainNode(node, aroundOf(found))) }));
      return { ...found, nodes };
    },
    async until(runId: string, isThere: (snapshot: RunSnapshot) => boolean, ms = 20_000): Promise<RunSnapshot> {
      for (const deadline = Date.now() + ms; ; ) {
        const snapshot = await bench.look(runId);
        if (isThere(snapshot)) return snapshot;
        if (Date.now() > deadline) {
          throw new Error(
            `Not there after ${ms} ms: ${JSON.stringify({ state: snapshot.run.state, nodes: snapshot.nodes.map(({ nodeId, state, counts, reason, error }) => ({ nodeId, state, counts, reason, error })) })}\n${bench.log.slice(-10).join('\n')}`,
          );
        }
        await sleep(15);
      }
    },
    ended: (runId: string, ms?: number) => bench.until(runId, (snapshot) => snapshot.run.state !== 'running', ms),
    /** With the reason as it is told; null where there is nothing to tell. */
    async steps(runId: string, nodeId: string) {
      const { found, items } = await inside(async (tx) => ({
        found: (await runSnapshot(tx, runId))!,
        items: (await listSteps(tx, runId, nodeId, { limit: 200 })).items,
      }));
      return items.map((item) => ({
        ...item,
        reason: reasonOf(stepView(item, undefined, aroundOf(found)).explanation),
      }));
    },
    /** A node's single output value at a path. */
    async value(runId: string, nodeId: string, port: string, at: number[] = []): Promise<unknown> {
      const step = (await bench.steps(runId, nodeId)).find((each) => each.path.join() === at.join());
      return step?.outputs[port]?.value;
    },
    states: (snapshot: RunSnapshot) => Object.fromEntries(snapshot.nodes.map((node) => [node.nodeId, node.state])),
    async close() {
      for (const worker of workers.splice(0)) await worker.stop(500);
      await sandbox[Symbol.asyncDispose]();
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  if (!options.idle) await bench.worker();
  return bench;
}
export type Bench = Awaited<ReturnType<typeof openBench>>;
