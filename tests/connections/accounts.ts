/**
 * A scene with accounts: a server, a worker that carries errands too, and the steps a person goes through to connect one.
 * The person's browser is a request with their token: it follows where it is sent, to the service and back.
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import { startErrands } from '../../runtime/errands.ts';
import { createFetcher } from '../../runtime/fetch.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { createPlugins } from '../../runtime/plugins.ts';
import { createSandbox } from '../../runtime/sandbox/sandbox.ts';
import { graphOf } from '../runtime/bench.ts';
import { CACHE, openScene, type SceneOptions } from '../triggers/scene.ts';

const NODES = path.join(import.meta.dirname, 'nodes');

export type Attempt = {
  stage: string;
  url: string | null;
  error: { code: string; message: string } | null;
  connectionId: string | null;
};
export type Listed = {
  connections: {
    id: string;
    name: string;
    server: string;
    state: string;
    error: { code: string; message: string } | null;
    quotas: { name: string; used: number; units: number }[];
  }[];
  services: { type: string; title: string; app: { isThere: boolean; redirectUri: string } | null }[];
};

export async function openAccounts(egress: ReadonlyMap<string, string>, options: Omit<SceneOptions, 'egress'> = {}) {
  const scene = await openScene({
    nodes: NODES,
    ...options,
    egress,
    capabilities: (fetcher) => [httpCapability({ fetcher })],
  });
  const sandbox = await createSandbox({ cacheDir: CACHE });
  const fetcher = createFetcher({ egress });
  const log = (line: string, details: Record<string, unknown>) =>
    void scene.log.push(`${line} ${(details.err as Error | undefined)?.stack ?? JSON.stringify(details)}`);
  const plugins = createPlugins({ db: scene.db, log });
  const { sealKey } = scene.server.services;
  const { catalogue } = scene;
  const errands = await startErrands({
    url: scene.server.database.url,
    db: scene.db,
    assetsDir: `${scene.server.dataDir}/assets`,
    capabilities: new Map(),
    kinds: ['plugin', 'connection'],
    plugins: { sandbox, fetcher, sealKey, registry: async () => 'https://npm.example.com' },
    connections: { sandbox, fetcher, sealKey, plugins, catalogue, egress, site: scene.server.url },
    log,
  });
  const admin = (await scene.server.member(scene.workspaceId, 'admin')).token;

  async function api<T>(name: string, type: 'query' | 'mutation', input: object = {}, token = admin): Promise<T> {
    const whole = { workspaceId: scene.workspaceId, ...input };
    const address = `${scene.server.url}/api/trpc/${name}`;
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

  /** Asks until it holds. */
  async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean, ms = 15_000): Promise<T> {
    for (const from = Date.now(); ; await sleep(20)) {
      const value = await ask();
      if (holds(value)) return value;
      if (Date.now() - from > ms)
        throw new Error(`It stays: ${JSON.stringify(value)}\n${scene.log.slice(-8).join('\n')}`);
    }
  }

  const attempt = (id: string, ...stages: string[]) =>
    until(
      () => api<Attempt>('connections.get', 'query', { id }),
      ({ stage }) => stages.includes(stage),
    );

  return {
    ...scene,
    sandbox,
    api,
    until,
    attempt,
    async begin(type: string, more: object = {}) {
      const { id } = await api<{ id: string }>('connections.begin', 'mutation', {
        brandId: scene.brandId,
        type,
        ...more,
      });
      return { id, ...(await attempt(id, 'away', 'done', 'failed')) };
    },
    /** As a browser that was sent to `url`: where the service sends it, with the token of who began. */
    async visit(url: string, token = admin): Promise<{ status: number; location: string | null; body: string }> {
      const there = await fetch(url, { redirect: 'manual' });
      const back = there.headers.get('location');
      return back ? this.back(back, token) : { status: there.status, location: null, body: await there.text() };
    },
    /** As a browser that a service sends back. */
    async back(back: string, token = admin): Promise<{ status: number; location: string | null; body: string }> {
      const reply = await fetch(back, { redirect: 'manual', headers: { authorization: `Bearer ${token}` } });
      return { status: reply.status, location: reply.headers.get('location'), body: await reply.text() };
    },
    async connect(type: string, more: object = {}): Promise<string> {
      const begun = await this.begin(type, more);
      if (begun.stage === 'away') await this.visit(begun.url!);
      const ended = await attempt(begun.id, 'done', 'failed');
      if (ended.stage !== 'done') throw new Error(JSON.stringify(ended.error));
      return ended.connectionId!;
    },
    /** Runs it to its end, or to where it has been asleep for a while. */
    async run(graph: Graph, how: { dryRun?: boolean; brandId?: string } = {}): Promise<string> {
      const { id } = await api<{ id: string }>('pipelines.create', 'mutation', { name: 'Publishes', graph });
      const { runId } = await api<{ runId: string }>('runs.start', 'mutation', {
        pipelineId: id,
        brandId: how.brandId ?? scene.brandId,
        version: 'draft',
        ...(how.dryRun && { dryRun: true }),
      });
      return runId;
    },
    list: () => api<Listed>('connections.list', 'query'),
    async [Symbol.asyncDispose]() {
      await errands.stop();
      await plugins.stop();
      await fetcher.close();
      await scene[Symbol.asyncDispose]();
      await sandbox[Symbol.asyncDispose]();
    },
  };
}
export type AccountsScene = Awaited<ReturnType<typeof openAccounts>>;

/** A post's text and files, as a node gives them, and the node that publishes them. */
export function publishing(type: string, post: Record<string, unknown>, config: object = {}): Graph {
  return graphOf(
    [`give ${JSON.stringify(post)}`, `it:${type} ${JSON.stringify(config)}`],
    Object.keys(post).map((name) => `give.${name} > it.${name}`),
  );
}
