/**
 * The crash matrix: at every named place of a run's life something is killed - the worker, its sandbox processes, its
 * connections, the whole database - and then the run has to be taken up within 15 s, to end with each output recorded
 * once and one post, and to leave nothing leased. What acts outside is counted in files, outside the product.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, createPool, type Database } from '../../db/connect.ts';
import { migrate } from '../../db/migrate.ts';
import { createPipeline } from '../../db/pipelines.ts';
import { startRun } from '../../db/runs.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { type Catalogue, loadCatalogue } from '../../runtime/catalogue.ts';
import type { FaultName } from '../../runtime/faults.ts';
import { prepareRun } from '../../runtime/graph/prepare.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { clusterFolder, type Postgres, startPostgres } from '../../scripts/postgres.ts';
import { TEST_KIT, testDatabase, testWorkspace } from '../support/database.ts';
import { graphOf, TEST_NODES } from './bench.ts';
import { marks, posts } from './marks.ts';

type Victim = 'worker' | 'sandbox' | 'connections' | 'database';
type Place = { when: string; name: FaultName; node?: 'ask' | 'work' | 'join' | 'post' | 'shout' };

/** Those that sleep until a look-up come early: the others go on meanwhile. */
const PLACES: Place[] = [
  { when: 'before the claim', name: 'claim.asked' },
  { when: 'effect sending, before the first byte', name: 'effect.sending', node: 'post' },
  { when: 'effect answered, before it is recorded', name: 'effect.sent', node: 'post' },
  { when: 'effect sending, before it is committed', name: 'effect.intended', node: 'post' },
  { when: 'effect answered, after it is recorded', name: 'effect.recorded', node: 'post' },
  { when: 'after the claim', name: 'strand.claimed', node: 'join' },
  { when: 'before the start', name: 'step.decided', node: 'join' },
  { when: 'after the start', name: 'step.begun', node: 'ask' },
  { when: 'before a journaled call', name: 'call.asked', node: 'ask' },
  { when: 'a journaled call, acted and not recorded', name: 'call.acted', node: 'ask' },
  { when: 'after a journaled call', name: 'call.recorded', node: 'ask' },
  { when: 'before a memoised call', name: 'call.asked', node: 'work' },
  { when: 'a memoised call, acted and not recorded', name: 'call.acted', node: 'work' },
  { when: 'after a memoised call', name: 'call.recorded', node: 'work' },
  { when: 'before outputs are stored', name: 'step.ran', node: 'join' },
  { when: 'after outputs are stored', name: 'outputs.stored', node: 'join' },
  { when: 'before successors are enqueued', name: 'step.settling', node: 'join' },
  { when: 'after successors are enqueued', name: 'step.settled', node: 'join' },
  { when: 'before the run is finished', name: 'step.settling', node: 'shout' },
  { when: 'after the run is finished', name: 'run.ended', node: 'shout' },
];
const LANES: [Victim, Place[]][] = [
  ...[0, 1, 2, 3].map((part): [Victim, Place[]] => ['worker', PLACES.filter((_, index) => index % 4 === part)]),
  ...[0, 1].map((part): [Victim, Place[]] => ['database', PLACES.filter((_, index) => index % 2 === part)]),
  ['sandbox', PLACES],
  ['connections', PLACES],
];
/** numbers, two each of ask and work, join, post, shout */
const STEPS = 8;
const RECOVERS_WITHIN_MS = 15_000;
/** The look-up that counts is 11 s after the act. */
const ENDS_WITHIN_MS = 40_000;

let sandbox: Sandbox;
let catalogue: Catalogue;
beforeAll(async () => {
  const cacheDir = path.join(os.tmpdir(), 'spliceboard-test-cache');
  sandbox = await createSandbox({ cacheDir, spare: false });
  catalogue = await loadCatalogue({ sandbox, dir: TEST_NODES, cacheDir });
});
afterAll(() => sandbox[Symbol.asyncDispose]());

type Ground = { url: string; admin: pg.Pool; db: Database; restart(): Promise<void>; close(): Promise<void> };

/** A database of the tests' server, or a server of its own where that is what is killed. */
async function openGround(victim: Victim, folder: string): Promise<Ground> {
  if (victim !== 'database') {
    const database = await testDatabase();
    const { url, admin } = database;
    return { url, admin, db: database.db('app'), restart: async () => {}, close: database.close };
  }
  const cluster = path.join(folder, 'cluster');
  let server: Postgres = await startPostgres(cluster, { untilWeEnd: true });
  await migrate(server.url);
  const { url } = server;
  const pool = createPool(url, 'app', { max: 4, name: 'test' });
  const adminUrl = Object.assign(new URL(server.adminUrl), { pathname: new URL(url).pathname }).href;
  const admin = new pg.Pool({ connectionString: adminUrl, max: 2 });
  admin.on('error', () => {}); // it is restarted
  return {
    url,
    admin,
    db: createDatabase(pool),
    async restart() {
      process.kill(server.pid, 'SIGQUIT'); // at once, as if the power went
      while (isThere(server.pid)) await sleep(10);
      server = await startPostgres(cluster, { untilWeEnd: true });
    },
    async close() {
      await Promise.all([pool.end(), admin.end()]);
      await server.stop();
      rmSync(clusterFolder(cluster), { recursive: true, force: true });
    },
  };
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** What is asked while the database comes and goes. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + RECOVERS_WITHIN_MS; ; ) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

async function openLane(victim: Victim) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-crash-'));
  chmodSync(folder, 0o755); // the server's user passes through it
  const ground = await openGround(victim, folder);
  const { workspaceId, brandId } = await testWorkspace(ground.db);
  let ready: Promise<unknown>;
  let worker: ChildProcess = spawnWorker();

  function spawnWorker(): ChildProcess {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'kill-worker.ts')], {
      env: { ...process.env, TEST_URL: ground.url, TEST_FOLDER: folder, TEST_MS: '5' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.on('error', () => {}); // it was killed before it was told
    ready = new Promise((resolve) => child.once('message', resolve));
    return child;
  }

  async function start(graph: ReturnType<typeof graphOf>): Promise<string> {
    const prepared = prepareRun(graph, catalogue.manifests, {});
    if (!prepared.ok) throw new Error(prepared.problems.map((problem) => problem.message).join(' '));
    return inWorkspace(ground.db, workspaceId, async (tx) => {
      const { id: pipelineId } = await createPipeline(tx, { name: 'Test', graph });
      const { runId } = await startRun(tx, {
        pipelineId,
        version: null,
        brandId,
        graph: prepared.graph,
        isLimited: false,
        plan: prepared.plan,
        pins: Object.fromEntries(catalogue.manifests.map(({ id, version }) => [id, { version }])),
        kit: TEST_KIT,
        first: prepared.first,
        afresh: prepared.afresh,
        startedBy: null,
      });
      return runId;
    });
  }

  async function kill(pids: number[]): Promise<void> {
    if (victim === 'worker') {
      worker.kill('SIGKILL');
      worker = spawnWorker();
      return;
    }
    if (victim === 'sandbox') for (const pid of pids.filter(isThere)) process.kill(pid, 'SIGKILL');
    else if (victim === 'connections') {
      await ground.admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()`,
      );
    } else {
      const restarted = ground.restart();
      worker.send('go'); // it meets a database that is gone
      return restarted;
    }
    worker.send('go');
  }

  const look = async (runId: string) => {
    const { rows } = await patiently(() =>
      ground.admin.query<{ state: string; token: number; leased: number; strands: number }>(
        `select r.state, coalesce(max(s.token), 0)::int as token, count(s.id)::int as strands,
                (count(s.id) filter (where s.state = 'leased'))::int as leased
           from run r left join strand s on s.run_id = r.id where r.id = $1 group by r.state`,
        [runId],
      ),
    );
    return rows[0]!;
  };

  return {
    /** Kills at the place; then gives back what the run still has to come to. */
    async crash(place: Place, index: number): Promise<() => Promise<void>> {
      const cell = `${victim} killed ${place.when}`;
      const text = `c${index}`;
      const name = (node: string) => `${node}${index}`;
      const graph = graphOf(
        [
          `${name('numbers')}:numbers { "count": 2, "prefix": "${text} " }`,
          ...['ask', 'join', 'post', 'shout'].map((node) => `${name(node)}:${node}`),
          `${name('work')}:work { "label": "${text}" }`,
        ],
        [
          ['numbers', 'items', 'ask', 'text'],
          ['ask', 'text', 'work', 'text'],
          ['work', 'text', 'join', 'texts'],
          ['join', 'text', 'post', 'text'],
          ['post', 'url', 'shout', 'text'],
        ].map(([from, out, to, into]) => `${name(from!)}.${out} > ${name(to!)}.${into}`),
      );
      // whoever is alone in the sandbox when that is killed is thought to have done it: one attempt would be too few
      for (const node of graph.nodes) if (node.type === 'test.ask') node.policy = { attempts: 3, wait: 0 };
      await ready; // one that is cut off while it begins ends, and whoever began it begins it again
      const isThen = new Promise<number[]>((resolve) => worker.once('message', (pids) => resolve(pids as number[])));
      worker.send({ name: place.name, ...(place.node ? { node: name(place.node) } : {}) });
      const runId = await patiently(() => start(graph));
      const never = sleep(RECOVERS_WITHIN_MS, null, { ref: false });
      const pids = await Promise.race([isThen, never]);
      if (pids === null) throw new Error(`Never came there: ${cell}. ${JSON.stringify(await look(runId))}`);
      const before = await look(runId);
      const killedAt = performance.now();
      await kill(pids);

      /** Ended, claimed anew, or asleep until its look-up. */
      const isTakenUp = async () => {
        const now = await look(runId);
        return now.state !== 'running' || now.token > before.token || (before.leased > 0 && now.leased === 0);
      };
      while (!(await isTakenUp()) && performance.now() - killedAt < RECOVERS_WITHIN_MS) await sleep(50);
      expect(performance.now() - killedAt, `${cell}: taken up after, in ms`).toBeLessThan(RECOVERS_WITHIN_MS);

      return async () => {
        for (let now = await look(runId); now.state === 'running'; now = await look(runId)) {
          if (performance.now() - killedAt > ENDS_WITHIN_MS)
            throw new Error(`Did not end: ${cell}. ${JSON.stringify(now)}`);
          await sleep(50);
        }
        const { rows: failed } = await ground.admin.query<{ node: string; error: unknown }>(
          `select node, error from step where run_id = $1 and state = 'failed'`,
          [runId],
        );
        const end = { cell, ...(await look(runId)), failed };
        expect(end).toMatchObject({ cell, state: 'succeeded', strands: 0, leased: 0, failed: [] });
        const { rows } = await ground.admin.query<{ node: string; state: string }>(
          'select node, state from step where run_id = $1',
          [runId],
        );
        expect([cell, rows.filter(({ state }) => state === 'done')]).toEqual([cell, rows]);
        expect([cell, rows.length]).toEqual([cell, STEPS]);
        const posted = posts(path.join(folder, 'posts')).filter((post) => post.text.startsWith(`${text} `));
        expect([cell, posted.length]).toEqual([cell, 1]);
        expect(posted[0]!.text.split(',').map((each) => each.split(' ').slice(0, 2).join(' '))).toEqual([
          `${text} 1`,
          `${text} 2`,
        ]);
        // what was in hand and not recorded may act again, once for this kill; what was recorded never does
        const acted = marks(path.join(folder, 'marks')).filter((line) => line.startsWith(`end ${text}/`));
        const isInHand = place.node === 'ask' || place.node === 'work';
        expect(acted.length, cell).toBeLessThanOrEqual(isInHand ? 4 : 2);
      };
    },
    async close() {
      worker.kill('SIGKILL');
      await ground.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const KILLED = {
  worker: 'the worker is',
  sandbox: 'the sandbox processes are',
  connections: 'the connections are',
  database: 'the database is',
};
for (const [index, [victim, places]] of LANES.entries()) {
  test.concurrent(`where ${KILLED[victim]} killed, at ${places.length} places, all is taken up in time and once (${index + 1})`, async () => {
    const lane = await openLane(victim);
    try {
      const coming: Promise<void>[] = [];
      for (const [at, place] of places.entries()) {
        const ended = (await lane.crash(place, at))();
        ended.catch(() => {}); // met below
        coming.push(ended);
        // a look-up is waited for in the end, not before the next place
        if (place.name !== 'effect.sending' && place.name !== 'effect.sent') await ended;
      }
      await Promise.all(coming);
    } finally {
      await lane.close();
    }
  }, 240_000);
}
