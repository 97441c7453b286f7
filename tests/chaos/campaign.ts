/**
 * A campaign: runs are started through the webhook of a real server while everything that can break is broken, by a seed.
 * In the end `judge.ts` compares the platform's record with the list of accepted requests.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { graphFrom } from '../../bench/shared/ground.ts';
import { openHook } from '../../bench/shared/hook.ts';
import { saveCatalogue } from '../../db/catalogue.ts';
import { createDatabase, createPool } from '../../db/connect.ts';
import { migrate } from '../../db/migrate.ts';
import { createSandbox } from '../../runtime/sandbox/sandbox.ts';
import { clusterFolder, type Postgres, startPostgres } from '../../scripts/postgres.ts';
import { dice } from '../runtime/graphs.ts';
import { type Accepted, type Judgement, judge } from './judge.ts';
import { loadNodes } from './nodes.ts';
import { openPlatform } from './platform.ts';

export type Plan = {
  runs: number;
  /** The runs are sent, and the faults made, over this time; then everything is left to end. */
  minutes: number;
  seed: number;
  /** How often each kind of fault is made, at least. */
  each: number;
  workers?: number;
  /** The look-up is taken out of the product: such a build must not pass. */
  blind?: boolean;
  say(line: string): void;
};
export type Outcome = Judgement & { injected: Record<Kind, number> };

const KINDS = [
  'worker killed',
  'worker paused',
  'sandbox killed',
  'connections cut',
  'PostgreSQL restarted',
  'wake-ups doubled',
  'replies lost',
  'clocks wrong',
] as const;
type Kind = (typeof KINDS)[number];

/** Past the lease: reapers call a worker dead after 4 s. */
const PAUSE_MS = 5_500;
const SKEWS_MS = [-30_000, -8_000, 8_000, 30_000];
const AGAIN_MS = 200;
/** A look-up that counts comes 20 s after the act, and may come more than once. */
const ENDS_WITHIN_MS = 180_000;
/** How long after the span a kind of fault that was not made at all is still tried. */
const LAST_MS = 15_000;

const GRAPH = () =>
  graphFrom(
    [
      { id: 'hook', type: 'trigger.webhook', config: {} },
      {
        id: 'write',
        type: 'flow.code',
        config: { code: 'return input.text;', outputs: [{ name: 'result', type: 'text', list: false }] },
      },
      { id: 'post', type: 'chaos.post', config: {} },
      {
        id: 'after',
        type: 'flow.code',
        config: { code: 'return input.length;', inputs: [{ name: 'input', type: 'text', list: false }] },
      },
    ],
    [
      ['hook', 'body', 'write', 'input'],
      ['write', 'result', 'post', 'text'],
      ['post', 'url', 'after', 'input'],
    ],
  );

export async function campaign(plan: Plan): Promise<Outcome> {
  const { seed, say } = plan;
  const die = dice(seed);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-chaos-'));
  chmodSync(folder, 0o755); // the server's user passes through it
  const cluster = path.join(folder, 'cluster');
  let postgres: Postgres = await startPostgres(cluster, { untilWeEnd: true });
  await migrate(postgres.url);
  const platform = await openPlatform(seed + 1);
  await saveNodes(postgres.url);
  const admin = new pg.Pool({
    connectionString: Object.assign(new URL(postgres.adminUrl), { pathname: new URL(postgres.url).pathname }).href,
    max: 2,
  });
  admin.on('error', () => {}); // it is restarted all the time
  const hook = await openHook({ folder, postgres, isQuiet: !process.env.CHAOS_LOUD }, GRAPH());

  const injected = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  const faults: number[] = [];
  const workers: ChildProcess[] = [];
  let isOver = false;

  function spawnWorker(at: number): void {
    const isWrong = die.chance(0.85);
    if (isWrong) injected['clocks wrong'] += 1;
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'worker.ts')], {
      env: {
        ...process.env,
        CHAOS_URL: postgres.url,
        CHAOS_FOLDER: folder,
        CHAOS_PLATFORM: platform.origin,
        CHAOS_SKEW_MS: String(isWrong ? die.pick(SKEWS_MS) : 0),
        ...(plan.blind ? { CHAOS_BLIND: '1' } : {}),
      },
      stdio: ['ignore', 'ignore', process.env.CHAOS_LOUD ? 'inherit' : 'ignore', 'ipc'],
    });
    workers[at] = child;
    child.once('exit', () => {
      if (!isOver && workers[at] === child) setTimeout(() => !isOver && spawnWorker(at), 100);
    });
  }
  const someWorker = () => die.pick(workers);

  const acts: Record<Exclude<Kind, 'clocks wrong'>, () => Promise<boolean>> = {
    async 'worker killed'() {
      return someWorker().kill('SIGKILL');
    },
    async 'worker paused'() {
      const worker = someWorker();
      if (!worker.kill('SIGSTOP')) return false;
      await sleep(PAUSE_MS);
      worker.kill('SIGCONT');
      return true;
    },
    async 'sandbox killed'() {
      const children = guestsOf(someWorker().pid ?? 0);
      if (children.length === 0) return false;
      process.kill(die.pick(children), 'SIGKILL');
      return true;
    },
    async 'connections cut'() {
      const { rowCount } = await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()`,
      );
      return (rowCount ?? 0) > 0;
    },
    async 'PostgreSQL restarted'() {
      // mostly as if the power went: connections and what was not committed are gone
      if (die.chance(0.8)) {
        process.kill(postgres.pid, 'SIGQUIT');
        while (isThere(postgres.pid)) await sleep(10);
      } else await postgres.stop();
      postgres = await startPostgres(cluster, { untilWeEnd: true });
      return true;
    },
    async 'wake-ups doubled'() {
      for (let twice = 0; twice < 2; twice++) {
        await admin.query(`select graphile_worker.add_job('wake:light'), graphile_worker.add_job('wake:media')`);
      }
      return true;
    },
    async 'replies lost'() {
      platform.loseNext();
      return true; // counted where it happens, in the end
    },
  };

  for (let at = 0; at < (plan.workers ?? 3); at++) spawnWorker(at);
  const spanMs = plan.minutes * 60_000;
  const from = performance.now();
  const left = () => spanMs - (performance.now() - from);

  async function keepBreaking(kind: keyof typeof acts): Promise<void> {
    const everyMs = spanMs / (plan.each * 1.3);
    let goal = die.next() * everyMs;
    while (left() > 0) {
      await sleep(Math.max(0, goal - (performance.now() - from)));
      goal += everyMs * (0.5 + die.next());
      if (left() <= 0) break;
      // a worker that has just begun has nothing to kill yet, and PostgreSQL may be away; a first one is made in any case
      for (let tries = 0; tries < 20 || (injected[kind] === 0 && left() > -LAST_MS); tries++) {
        const at = performance.now();
        if (await acts[kind]().catch(() => false)) {
          injected[kind] += 1;
          faults.push(at);
          break;
        }
        await sleep(150);
      }
    }
  }

  const accepted: Accepted[] = [];
  async function send(at: number): Promise<void> {
    const text = `post ${at} of ${seed}`;
    for (const deadline = performance.now() + spanMs + ENDS_WITHIN_MS; performance.now() < deadline; ) {
      const reply = await fetch(hook.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': text },
        body: JSON.stringify({ text }),
        signal: AbortSignal.timeout(20_000),
      }).catch(() => undefined);
      const said = (await reply?.json().catch(() => undefined)) as { runId?: string } | undefined;
      // 200: it was accepted before, and the answer was lost
      if ((reply?.status === 202 || reply?.status === 200) && said?.runId) {
        accepted.push({ text, runId: said.runId, at: performance.now() });
        return;
      }
      await sleep(AGAIN_MS);
    }
  }
  async function sendAll(): Promise<void> {
    const sending: Promise<void>[] = [];
    for (let at = 0; at < plan.runs; at++) {
      sending.push(send(at));
      await sleep(Math.max(0, ((at + 1) / plan.runs) * spanMs - (performance.now() - from)));
      if ((at + 1) % 100 === 0) say(`${at + 1} sent, ${accepted.length} accepted, ${platform.posts.length} posted`);
    }
    await Promise.all(sending);
  }

  try {
    await Promise.all([sendAll(), ...Object.keys(acts).map((kind) => keepBreaking(kind as keyof typeof acts))]);
    injected['replies lost'] = platform.lost();
    for (const worker of workers) worker.kill('SIGCONT');
    say('everything is left to end');
    /** Which of them the product asks a person about: the run of an accepted request is what its answer named. */
    const unknown = async () => {
      const asked = new Set(await hook.asked());
      return new Set(accepted.flatMap(({ text, runId }) => (asked.has(runId) ? [text] : [])));
    };
    const ended = async () => {
      const { rows } = await admin.query<{ left: number }>(
        `select count(*)::int as left from run where state = 'running'`,
      );
      return rows[0]!.left === 0;
    };
    for (const deadline = performance.now() + ENDS_WITHIN_MS; performance.now() < deadline; await sleep(500)) {
      if (await ended().catch(() => false)) break;
    }
    const judged = judge(accepted, platform.posts, await unknown(), faults);
    // for whoever looks for the cause: what the product itself says of them; nothing is judged by it
    for (const kind of ['lost', 'unknown'] as const) {
      const runIds = accepted.flatMap(({ text, runId }) => (judged[kind].includes(text) ? [runId] : []));
      const { rows } = await admin.query(
        `select r.state as run, s.node, s.state as step, s.error ->> 'code' as code, left(s.error ->> 'message', 160) as message,
                count(*)::int as runs, max(s.attempt) as attempts, min(r.number) as first, max(r.number) as last
           from run r left join step s on s.run_id = r.id and s.state <> 'done'
          where r.id = any($1) group by 1, 2, 3, 4, 5 order by 6 desc limit 20`,
        [runIds],
      );
      for (const row of rows) say(`${kind}: ${JSON.stringify(row)}`);
    }
    return { ...judged, injected };
  } finally {
    isOver = true;
    for (const worker of workers) worker.kill('SIGKILL');
    hook.kill();
    platform.close();
    await admin.end();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
    rmSync(clusterFolder(cluster), { recursive: true, force: true });
  }
}

async function saveNodes(url: string): Promise<void> {
  const cacheDir = path.join(os.tmpdir(), 'spliceboard-test-cache');
  const sandbox = await createSandbox({ cacheDir, spare: false });
  const { manifests, plugin } = await loadNodes(sandbox, cacheDir);
  const pool = createPool(url, 'app', { max: 1, name: 'chaos' });
  await saveCatalogue(
    createDatabase(pool),
    manifests.map((manifest) => {
      const { digest, behaviourDigest: behaviour } = plugin(manifest.id)!;
      return { id: manifest.id, version: manifest.version, digest, behaviour, manifest };
    }),
  );
  await pool.end();
  await sandbox[Symbol.asyncDispose]();
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The sandbox processes that a worker started, whatever wraps them. */
function guestsOf(worker: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // it has ended since
    }
  }
  const family = [worker];
  for (const member of family) for (const [child, parent] of parents) if (parent === member) family.push(child);
  return family.slice(1).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--no-node-snapshot');
    } catch {
      return false;
    }
  });
}
