/**
 * What a bench of the runtime stands on: a PostgreSQL of its own with the product's settings, one workspace, the
 * product's own nodes and one worker as a process of its own. Floors and product use this one database.
 *
 *   await using ground = await openGround(say);      // prints fsync and synchronous_commit
 *   const worker = await ground.worker();            // worker.calls() counts sandbox calls, worker.kill() is kill -9
 *   const runId = await ground.start(prepared, nonce);
 *   await ground.ended(runId);                       // told by the announcement of the worker, then read
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { saveCatalogue } from '../../db/catalogue.ts';
import { createDatabase, createPool, type Database } from '../../db/connect.ts';
import { listenForRuns } from '../../db/ledger.ts';
import { migrate } from '../../db/migrate.ts';
import { createPipeline } from '../../db/pipelines.ts';
import { startRun } from '../../db/runs.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import type { ManifestJson } from '../../nodes/contract.ts';
import { loadCatalogue } from '../../runtime/catalogue.ts';
import { EMPTY_GRAPH, type Graph } from '../../runtime/graph/graph.ts';
import { type Prepared, prepareRun } from '../../runtime/graph/prepare.ts';
import { createSandbox } from '../../runtime/sandbox/sandbox.ts';
import { clusterFolder, startPostgres } from '../../scripts/postgres.ts';
import { TEST_KIT } from '../../tests/support/database.ts';

/** Where the floors save their outputs, a row comparable to a step's. */
export const FLOOR_OUTPUT =
  'create table if not exists floor_output (id bigint generated always as identity primary key, run text not null, node text not null, at int not null, output jsonb not null, unique (run, node, at))';
/** A whole run and its waiting: more than this is a fault, not a slow machine. */
const LONGEST_MS = 120_000;
const POLL_MS = 1_000;

export type GroundWorker = {
  pid: number;
  /** Sandbox calls so far. */
  calls(): Promise<number>;
  stop(): Promise<void>;
  kill(): Promise<void>;
};
export type Ready = Extract<Prepared, { ok: true }> & { pipelineId: string };

/** Nodes in a row or side by side, as the editor would save them. */
export function graphFrom(
  nodes: { id: string; type: string; config: Record<string, unknown> }[],
  wires: [fromNode: string, fromPort: string, toNode: string, toPort: string][],
): Graph {
  return {
    ...EMPTY_GRAPH,
    nodes: nodes.map(({ id, type, config }, index) => ({
      id,
      type,
      version: '1.0.0',
      name: id,
      position: { x: index * 240, y: 0 },
      config: config as Graph['nodes'][number]['config'],
    })),
    edges: wires.map(([fromNode, fromPort, toNode, toPort], index) => ({
      id: `e${index}`,
      from: { node: fromNode, port: fromPort },
      to: { node: toNode, port: toPort },
    })),
  };
}

export async function openGround(say: (line: string) => void) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-bench-'));
  chmodSync(folder, 0o755); // the server's user passes through it
  const postgres = await startPostgres(path.join(folder, 'cluster'), { untilWeEnd: true });
  await migrate(postgres.url);
  const admin = new pg.Pool({
    connectionString: Object.assign(new URL(postgres.adminUrl), { pathname: new URL(postgres.url).pathname }).href,
    max: 2,
  });
  admin.on('error', () => {}); // reported by the query that meets it
  const durable: string[] = [];
  for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
    const { rows } = await admin.query<Record<string, string>>(`show ${name}`);
    durable.push(`${name} ${rows[0]![name]}`);
  }
  if (process.env.SPLICEBOARD_BENCH_PROFILE) {
    await admin.query(`alter system set track_functions = 'all'`);
    await admin.query('select pg_reload_conf()');
  }
  const { rows: version } = await admin.query<{ server_version: string }>('show server_version');
  say(`PostgreSQL ${version[0]!.server_version}: ${durable.join(', ')}; ${os.availableParallelism()} processors`);
  const queueUrl = Object.assign(new URL(postgres.url), { pathname: '/floor' }).href;
  await admin.query('create database floor owner owner');
  await admin.query(FLOOR_OUTPUT);
  await admin.query('grant all on floor_output to owner, app');

  const pool = createPool(postgres.url, 'app', { max: 12, name: 'bench' });
  const db = createDatabase(pool);
  const home = { workspaceId: randomUUID(), brandId: randomUUID() };
  const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(db, home.workspaceId, work);
  await inside(async (tx) => {
    await tx.insertInto('workspace').values({ id: home.workspaceId, name: 'Bench' }).execute();
    await tx
      .insertInto('brand')
      .values({ id: home.brandId, name: 'Bench', slug: `bench-${home.brandId}`, kit: JSON.stringify(TEST_KIT) })
      .execute();
  });
  const manifests = await saveOwnNodes(db, path.join(folder, 'packed'));

  const waiting = new Map<string, () => void>();
  const ear = await listenForRuns(postgres.url, {
    changed(runIds) {
      for (const id of runIds) waiting.get(id)?.();
    },
    lost(error) {
      say(`The announcements were lost: ${error.message}`);
    },
  });
  const workers = new Set<ChildProcess>();

  return {
    ...home,
    folder,
    postgres,
    /** A second database of the same server, for the queue alone: its notifications wake nobody else. */
    queueUrl,
    admin,
    db,
    pool,
    inside,
    manifests,

    /** Checks the graph and saves its pipeline. */
    async prepare(graph: Graph): Promise<Ready> {
      const prepared = prepareRun(graph, manifests);
      if (!prepared.ok) throw new Error(prepared.problems.map((problem) => problem.message).join(' '));
      const { id } = await inside((tx) => createPipeline(tx, { name: 'Bench', graph }));
      return { ...prepared, pipelineId: id };
    },

    async start(ready: Ready, nonce: string, tx?: WorkspaceTx, more: Record<string, unknown> = {}): Promise<string> {
      const work = (inner: WorkspaceTx) =>
        startRun(inner, {
          pipelineId: ready.pipelineId,
          version: null,
          brandId: home.brandId,
          graph: ready.graph,
          plan: ready.plan,
          pins: pinsOf(ready.graph, manifests),
          kit: TEST_KIT,
          first: ready.first,
          nonce,
          trigger: triggerOf(ready.graph, { nonce, ...more }),
          startedBy: null,
        });
      return (await (tx ? work(tx) : inside(work))).runId;
    },

    /** Its end state. */
    async ended(runId: string): Promise<string> {
      for (const deadline = performance.now() + LONGEST_MS; ; ) {
        const told = new Promise<void>((resolve) => {
          waiting.set(runId, resolve);
          setTimeout(resolve, POLL_MS).unref();
        });
        const state = await inside((tx) =>
          tx.selectFrom('run').select('state').where('id', '=', runId).executeTakeFirstOrThrow(),
        );
        if (state.state !== 'running') {
          waiting.delete(runId);
          return state.state;
        }
        if (performance.now() > deadline) throw new Error(`The run did not end within ${LONGEST_MS / 1000} s.`);
        await told;
      }
    },

    async worker(environment: Record<string, string> = {}): Promise<GroundWorker> {
      // the flag that a start gives its worker
      const flags = ['--max-semi-space-size=2'];
      if (process.env.SPLICEBOARD_BENCH_PROFILE)
        flags.push('--cpu-prof', `--cpu-prof-dir=${process.env.SPLICEBOARD_BENCH_PROFILE}`);
      const child = spawn(process.execPath, [...flags, path.join(import.meta.dirname, 'worker.ts')], {
        env: { ...process.env, BENCH_URL: postgres.url, BENCH_FOLDER: folder, ...environment },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      workers.add(child);
      const exited = new Promise<void>((resolve) =>
        child.once('exit', () => {
          workers.delete(child);
          resolve();
        }),
      );
      await new Promise<void>((resolve, reject) => {
        child.once('message', () => resolve());
        child.once('exit', () => reject(new Error('The worker of the bench ended.')));
      });
      return {
        pid: child.pid!,
        calls: () =>
          new Promise((resolve) => {
            child.once('message', (calls) => resolve(Number(calls)));
            child.send('calls');
          }),
        async stop() {
          child.kill('SIGTERM');
          await exited;
        },
        async kill() {
          child.kill('SIGKILL');
          await exited;
        },
      };
    },

    async [Symbol.asyncDispose]() {
      for (const child of workers) child.kill('SIGKILL');
      if (process.env.SPLICEBOARD_BENCH_PROFILE) for (const line of await functionTimes(admin)) say(line);
      await ear.end();
      await Promise.all([pool.end(), admin.end()]);
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
      rmSync(clusterFolder(path.join(folder, 'cluster')), { recursive: true, force: true });
    },
  };
}
/** The product's own nodes, in the database as a worker would say them. */
export async function saveOwnNodes(db: Database, cacheDir: string): Promise<readonly ManifestJson[]> {
  const sandbox = await createSandbox({ cacheDir, spare: false });
  const { manifests, plugin } = await loadCatalogue({ sandbox, cacheDir });
  await saveCatalogue(
    db,
    manifests.map((manifest) => {
      const { digest, behaviourDigest: behaviour } = plugin(manifest.id)!;
      return { id: manifest.id, version: manifest.version, digest, behaviour, manifest };
    }),
  );
  await sandbox[Symbol.asyncDispose]();
  return manifests;
}
export type Ground = Awaited<ReturnType<typeof openGround>>;

function pinsOf(graph: Graph, manifests: readonly ManifestJson[]) {
  const types = new Set(graph.nodes.map((node) => node.type));
  return Object.fromEntries(manifests.filter(({ id }) => types.has(id)).map(({ id, version }) => [id, { version }]));
}

/** The event that a webhook node of the graph is given, as the server would write it down. */
function triggerOf(graph: Graph, body: unknown): unknown {
  const node = graph.nodes.find(({ type }) => type === 'trigger.webhook');
  return node && { node: node.id, kind: 'webhook', event: webhookEvent(body), sample: null };
}

function webhookEvent(body: unknown) {
  return {
    at: new Date().toISOString(),
    method: 'POST',
    query: {},
    headers: { 'content-type': 'application/json' },
    type: 'application/json',
    body,
    long: false,
    raw: null,
  };
}

/** fib(10) in the sandbox; hands the nonce on. The same work for every node that computes. */
export const FIB_CODE = `
const fib = (n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2));
return { nonce: input.nonce, at: (input.at ?? 0) + 1, fib: fib(10) };`;

/** A webhook and `count` Code nodes in a row. */
export function chainOf(count: number): Graph {
  const ids = Array.from({ length: count }, (_, index) => `c${index + 1}`);
  return graphFrom(
    [
      { id: 'hook', type: 'trigger.webhook', config: {} },
      ...ids.map((id) => ({ id, type: 'flow.code', config: { code: FIB_CODE } })),
    ],
    ids.map((id, index) => (index === 0 ? ['hook', 'body', id, 'input'] : [ids[index - 1]!, 'result', id, 'input'])),
  );
}

/** Where the database's time goes: calls and milliseconds of each function, its own and with what it calls. */
async function functionTimes(admin: pg.Pool): Promise<string[]> {
  const { rows } = await admin.query<{ line: string }>(
    `select format('%s calls %s, own %s ms, in all %s ms', rpad(schemaname || '.' || funcname, 40), calls, round(self_time), round(total_time)) as line
       from pg_stat_user_functions order by total_time desc limit 25`,
  );
  return rows.map((row) => row.line);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length % 2 === 0 ? (sorted[half - 1]! + sorted[half]!) / 2 : sorted[Math.floor(half)]!;
}
