/**
 * A server, a worker with the product's own nodes, a brand, and an editor who publishes pipelines and turns them on.
 *
 *   await using scene = await openScene();
 *   const { pipelineId, status } = await scene.on(graph);
 *   await scene.look(new Date('2026-03-29T01:00Z'));       // what a worker does each second, at that time
 */
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assetRows } from '../../db/assets.ts';
import { saveCatalogue } from '../../db/catalogue.ts';
import { localStore } from '../../runtime/assets.ts';
import type { InternalHost } from '../../runtime/broker.ts';
import { assetsCapability } from '../../runtime/capabilities/assets.ts';
import type { Capability } from '../../runtime/capabilities/capability.ts';
import { type Catalogue, loadCatalogue } from '../../runtime/catalogue.ts';
import { type Faults, NO_FAULTS } from '../../runtime/faults.ts';
import { createFetcher, type EgressMap, type Fetcher } from '../../runtime/fetch.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { lookOnce, type TriggersOptions } from '../../runtime/triggers/triggers.ts';
import { startWorker, type Worker } from '../../runtime/worker.ts';
import type { TriggerStatus } from '../../server/triggers.ts';
import { startTestServer } from '../support/server.ts';

export const CACHE = path.join(os.tmpdir(), 'spliceboard-test-cache');

export type SceneOptions = {
  egress?: EgressMap;
  idle?: boolean;
  /** A folder of nodes beside the product's own, and what they may ask for. */
  nodes?: string;
  capabilities?: (fetcher: Fetcher) => Capability[];
  internalHosts?: InternalHost[];
  faults?: Faults;
};

export async function openScene(options: SceneOptions = {}) {
  const server = await startTestServer();
  const sandbox: Sandbox = await createSandbox({ cacheDir: CACHE });
  const own: Catalogue = await loadCatalogue({ sandbox, cacheDir: CACHE });
  const more = options.nodes ? await loadCatalogue({ sandbox, cacheDir: CACHE, dir: options.nodes }) : null;
  const catalogue: Catalogue = {
    manifests: [...own.manifests, ...(more?.manifests ?? [])],
    plugin: (id) => more?.plugin(id) ?? own.plugin(id),
    broken: [...own.broken, ...(more?.broken ?? [])],
  };
  const db = server.services.db;
  await saveCatalogue(
    db,
    catalogue.manifests.map((manifest) => {
      const plugin = catalogue.plugin(manifest.id)!;
      return {
        id: manifest.id,
        version: manifest.version,
        digest: plugin.digest,
        behaviour: plugin.behaviourDigest,
        manifest,
      };
    }),
  );
  const { workspaceId, brandId } = await server.database.workspace('Triggers');
  const { token } = await server.member(workspaceId, 'editor');
  const fetcher = createFetcher({ ...(options.egress ? { egress: options.egress } : {}) });
  const log: string[] = [];
  const triggers: TriggersOptions = {
    db,
    catalogue,
    fetcher,
    log: (line, details) => log.push(`${line} ${JSON.stringify(details)}`),
  };
  const capabilities: Capability[] = [
    assetsCapability({
      fetcher,
      probe: () => Promise.reject(new Error('nothing here is a recording')),
      sidecars: () => Promise.resolve([]),
    }),
    ...(options.capabilities?.(fetcher) ?? []),
  ];
  const assetsDir = path.join(server.dataDir, 'assets');
  const startOne = () =>
    startWorker({
      url: server.database.url,
      assetsDir,
      sandbox,
      catalogue,
      capabilities: new Map(capabilities.map((each) => [each.name, each])),
      internalHosts: new Map((options.internalHosts ?? []).map((each) => [each.host, each])),
      fetcher,
      sealKey: server.services.sealKey,
      faults: options.faults ?? NO_FAULTS,
      log: (line, details) => log.push(`${line} ${JSON.stringify(details)}`),
    });
  let worker: Worker | undefined = options.idle ? undefined : await startOne();

  async function call<T>(name: string, type: 'query' | 'mutation', input: object): Promise<T> {
    const whole = { workspaceId, ...input };
    const address = `${server.url}/api/trpc/${name}`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const reply =
      type === 'query'
        ? await fetch(`${address}?${new URLSearchParams({ input: JSON.stringify(whole) })}`, { headers })
        : await fetch(address, { method: 'POST', headers, body: JSON.stringify(whole) });
    const answer = (await reply.json()) as {
      result?: { data: T };
      error?: { data: { problem: { code: string; message: string } } };
    };
    if (answer.result) return answer.result.data;
    const { code, message } = answer.error!.data.problem;
    throw Object.assign(new Error(`${code}: ${message}`), { code });
  }

  const scene = {
    server,
    db,
    admin: server.database.admin,
    workspaceId,
    brandId,
    token,
    catalogue,
    triggers,
    log,
    call,
    look: (now?: Date) => lookOnce({ ...triggers, ...(now ? { now: () => now } : {}) }),
    async stopWorker() {
      await worker?.stop(500);
      worker = undefined;
    },
    async startWorker() {
      worker ??= await startOne();
    },
    async published(graph: Graph): Promise<string> {
      const { id } = await call<{ id: string }>('pipelines.create', 'mutation', { name: 'Triggered', graph });
      await call('pipelines.publish', 'mutation', { pipelineId: id, revision: 0 });
      return id;
    },
    turnOn: (pipelineId: string, brand = brandId) =>
      call<TriggerStatus>('triggers.turnOn', 'mutation', { pipelineId, brandId: brand }),
    turnOff: (pipelineId: string) => call<TriggerStatus>('triggers.turnOff', 'mutation', { pipelineId, brandId }),
    status: (pipelineId: string) => call<TriggerStatus>('triggers.get', 'query', { pipelineId, brandId }),
    async on(graph: Graph): Promise<{ pipelineId: string; status: TriggerStatus }> {
      const pipelineId = await scene.published(graph);
      return { pipelineId, status: await scene.turnOn(pipelineId) };
    },
    /** Runs of a pipeline in the order of their numbers. */
    async runs(
      pipelineId: string,
    ): Promise<{ id: string; number: number; state: string; trigger: { event: never } | null }[]> {
      const { rows } = await server.database.admin.query(
        'select id, number, state, trigger from run where pipeline_id = $1 order by number',
        [pipelineId],
      );
      return rows;
    },
    async ended(runId: string, ms = 20_000): Promise<string> {
      for (const from = Date.now(); ; await sleep(20)) {
        const { rows } = await server.database.admin.query('select state from run where id = $1', [runId]);
        if (rows[0].state !== 'running') return rows[0].state;
        if (Date.now() - from > ms) throw new Error(`The run has not ended.\n${log.slice(-5).join('\n')}`);
      }
    },
    /** A step at the top: its state, reason and outputs. */
    async step(runId: string, node: string) {
      const { rows } = await server.database.admin.query(
        'select state, reason, outputs, error from step where run_id = $1 and node = $2',
        [runId, node],
      );
      const row = rows[0];
      const outputs = Object.fromEntries(
        Object.entries((row?.outputs ?? {}) as Record<string, { value: unknown }>).map(([port, stored]) => [
          port,
          stored.value,
        ]),
      );
      return row && { state: row.state as string, reason: row.reason as string | null, error: row.error, outputs };
    },
    store: () => localStore(assetsDir, assetRows(db, workspaceId)),
    async [Symbol.asyncDispose]() {
      await worker?.stop(500);
      await sandbox[Symbol.asyncDispose]();
      await fetcher.close();
      await server.close();
    },
  };
  return scene;
}
export type Scene = Awaited<ReturnType<typeof openScene>>;
