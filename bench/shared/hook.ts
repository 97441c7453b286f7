/**
 * The product's server as a process of a bench, and a published pipeline in it whose webhook is on.
 *
 *   const hook = await openHook(ground, chainOf(3), { answer: 'when done' });
 *   await fetch(hook.url, { method: 'POST', … });
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { Graph } from '../../runtime/graph/graph.ts';
import { connect } from '../../scripts/client.ts';
import type { Ground } from './ground.ts';

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** A server of the product's on this database, with a data folder of its own in `folder`. */
export async function startServer(ground: {
  folder: string;
  postgres: { url: string };
}): Promise<{ url: string; data: string; pid: number; end(): Promise<void> }> {
  const data = path.join(ground.folder, 'data');
  mkdirSync(data, { recursive: true });
  const port = await freePort();
  const child: ChildProcess = spawn(process.execPath, [path.join(import.meta.dirname, '../../scripts/serve.ts')], {
    env: {
      ...process.env,
      DATABASE_URL: ground.postgres.url,
      SPLICEBOARD_DATA: data,
      SPLICEBOARD_PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const found = /listens at (\S+)/.exec(said)?.[1];
      if (found) resolve(found);
    });
    child.once('exit', () => reject(new Error('The server of the bench ended.')));
  });
  return {
    url,
    data,
    pid: child.pid!,
    async end() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** `settings` are of the webhook, which is the graph's first node. */
export async function openHook(ground: Ground, graph: Graph, settings: Record<string, string> = {}) {
  const server = await startServer(ground);
  const { api, workspaceId } = await connect({ url: server.url, data: server.data });
  const [brand] = await api.brands.list.query({ workspaceId });
  graph.nodes[0]!.config = { mostPerMinute: 60_000, ...settings };
  const { id: pipelineId } = await api.pipelines.create.mutate({ workspaceId, name: 'Bench', graph });
  await api.pipelines.publish.mutate({ workspaceId, pipelineId, revision: 0 });
  const status = await api.triggers.turnOn.mutate({ workspaceId, pipelineId, brandId: brand!.id });
  return { url: status.triggers[0]!.url!, pid: server.pid, end: server.end };
}

/** Those who send at one time. */
const CONNECTIONS = 10;

/** `count` pieces of work, `CONNECTIONS` at a time. */
export async function underLoad(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (next < count) await work(next++);
    }),
  );
}
