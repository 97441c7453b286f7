/**
 * `npm start`: the whole product on one machine. PostgreSQL, the server (in this process) and one worker (a process of
 * its own), with everything they keep in the data folder.
 *
 *   --port N      where to listen on localhost (SPLICEBOARD_PORT; 4400)
 *   --data DIR    the data folder (SPLICEBOARD_DATA; .data)
 *   --no-sample   do not make and run the sample on the first start
 *
 * DATABASE_URL replaces the embedded PostgreSQL. Ctrl-C stops everything in order and leaves no process; a kill of this
 * process lets the worker and the database see the end of a pipe, and they end too. What cannot work is one sentence
 * with its remedy. SPLICEBOARD_TIMING=1 says how long each phase took.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { checkDatabase, DatabaseError } from '../db/connect.ts';
import { StoreError } from '../runtime/assets.ts';
import { buildEditor, EDITOR } from './build-editor.ts';
import { type DataFolder, openDataFolder, StartError } from './data-folder.ts';
import { PostgresError, startPostgres } from './postgres.ts';

/** V8 keeps three times this for young objects; its default of 16 MB holds 80 MB more of a process that rests. */
const SMALL_NURSERY = '--max-semi-space-size=2';
const root = path.dirname(import.meta.dirname);
const HOST = '127.0.0.1';
/** A worker that was told to stop finishes what is short; then it is killed. */
const WORKER_STOP_MS = 5_000;
const WORKER_RESTART_MS = [200, 1_000, 3_000, 10_000];
/** First start on a slow machine: the worker also prepares its plugins. */
const HEALTHY_MS = 60_000;
/** Ctrl-C while starting: what is under way may end by itself. */
const START_STOP_MS = 5_000;
/** A worker that lived this long did not die of its start. */
const WORKER_SETTLED_MS = 60_000;

type Settings = { port: number; data: string; sample: boolean; databaseUrl: string | undefined };

function readSettings(args: string[], env: NodeJS.ProcessEnv): Settings {
  const options = {
    port: { type: 'string', default: env.SPLICEBOARD_PORT || '4400' },
    data: { type: 'string', default: env.SPLICEBOARD_DATA || path.join(root, '.data') },
    sample: { type: 'boolean', default: true },
  } as const;
  try {
    const { values } = parseArgs({ args, options, allowNegative: true });
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new StartError(`${values.port} is no port. Choose a number from 1 to 65535 with --port.`);
    }
    return { port, data: path.resolve(values.data), sample: values.sample, databaseUrl: env.DATABASE_URL || undefined };
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      `${(error as Error).message}. npm start takes --port N, --data DIR and --no-sample after two dashes: npm start -- --port 4401.`,
    );
  }
}

const version = (JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }).version;
/** Since this process began, its own loading included. */
function phase(name: string): void {
  if (process.env.SPLICEBOARD_TIMING) console.error(`[timing] ${performance.now().toFixed(0)} ms ${name}`);
}

/** Binding is the only honest way to ask. */
async function refuseBusyPort(port: number): Promise<void> {
  const probe = net.createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new StartError(
          error.code === 'EACCES'
            ? `Port ${port} needs more rights than this user has. Choose one above 1023: npm start -- --port 4400.`
            : `Port ${port} is in use by another program. Choose another: npm start -- --port ${port + 1}.`,
          { cause: error },
        ),
      ),
    );
    probe.listen(port, HOST, () => probe.close(() => resolve()));
  });
}

// ---------------------------------------------------------------- the worker

type Worker = { begin(databaseUrl: string): void; stop(): Promise<void> };

/**
 * Keeps one worker process alive. It loads its code at once and begins when it is told which database; it shares no pipe
 * with us but the one that tells it so, and by its end that we have ended.
 */
function superviseWorker(env: NodeJS.ProcessEnv, say: (line: string) => void): Worker {
  let child: ChildProcess | undefined;
  let databaseUrl: string | undefined;
  let stopping = false;
  let deaths = 0;
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    const startedAt = Date.now();
    child = spawn(process.execPath, [SMALL_NURSERY, path.join(root, 'runtime/main.ts')], {
      cwd: root,
      env: { SPLICEBOARD_DRAIN_SECONDS: '3', ...env, DATABASE_URL: 'later' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      detached: true, // Ctrl-C reaches us, and we tell it
    });
    if (databaseUrl !== undefined && child.connected) child.send({ databaseUrl });
    const asking = child;
    asking.on('message', (message: { wants?: string }) => {
      if (message.wants === 'registry') tellRegistry((registry) => asking.connected && asking.send({ registry }));
    });
    child.once('exit', (code, signal) => {
      child = undefined;
      if (stopping) return;
      deaths = Date.now() - startedAt > WORKER_SETTLED_MS ? 0 : deaths + 1;
      const wait = WORKER_RESTART_MS[Math.min(deaths, WORKER_RESTART_MS.length) - 1] ?? WORKER_RESTART_MS[0]!;
      say(`The worker ended (${signal ?? `code ${code}`}). It starts again in ${wait / 1000} s; its steps go on.`);
      timer = setTimeout(begin, wait);
    });
  };
  begin();
  return {
    begin(url) {
      databaseUrl = url;
      if (child?.connected) child.send({ databaseUrl });
    },
    async stop() {
      stopping = true;
      clearTimeout(timer);
      const running = child;
      if (!running) return;
      const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()));
      running.kill('SIGTERM');
      const kill = setTimeout(() => running.kill('SIGKILL'), WORKER_STOP_MS);
      await ended;
      clearTimeout(kill);
    },
  };
}

/** What npm is set to on this machine: plugins are fetched by name from there. Null: there is no npm. */
function tellRegistry(tell: (registry: string | null) => void): void {
  execFile('npm', ['config', 'get', 'registry'], { timeout: 20_000, shell: false }, (error, stdout) => {
    const registry = stdout.trim();
    tell(error || !URL.canParse(registry) ? null : registry);
  });
}

// ---------------------------------------------------------------- start and stop

type Stop = () => Promise<void>;
/** In the order of stopping: nobody loses the database that it still works with. */
const STOP_ORDER = ['server', 'worker', 'database', 'folder'] as const;
type Begun = Partial<Record<(typeof STOP_ORDER)[number], Stop>>;

/** Ends what was begun; one that fails does not keep the others. */
async function stopAll(begun: Begun): Promise<void> {
  for (const name of STOP_ORDER) {
    const stop = begun[name];
    delete begun[name];
    await stop?.().catch((error: unknown) => console.error(`While stopping: ${(error as Error).message}`));
  }
}

async function openDatabase(settings: Settings, data: DataFolder, begun: Begun): Promise<string> {
  if (settings.databaseUrl) return settings.databaseUrl;
  const postgres = await startPostgres(path.join(data.path, 'postgres'), { untilWeEnd: true });
  begun.database = () => postgres.stop();
  phase('PostgreSQL ready');
  return postgres.url;
}

async function start(settings: Settings, begun: Begun, isEnding: () => boolean): Promise<void> {
  const url = `http://localhost:${settings.port}`;
  const data = openDataFolder(settings.data, version, url);
  begun.folder = async () => data.release();
  await refuseBusyPort(settings.port);
  if (settings.databaseUrl) await checkDatabase(settings.databaseUrl);
  phase('data folder taken');
  // The slow things side by side: the editor's build (once per version), the database, loading the code of server and worker.
  const env = { ...process.env, SPLICEBOARD_DATA: data.path, SPLICEBOARD_PORT: String(settings.port) };
  const worker = superviseWorker(env, (line) => console.error(line));
  begun.worker = () => worker.stop();
  const [, databaseUrl, server] = await allSettled([
    buildEditor((line) => console.log(`First start: ${line}`)),
    openDatabase(settings, data, begun).then(async (opened) => {
      const { migrate } = await import('../db/migrate.ts');
      await migrate(opened);
      phase('migrated');
      worker.begin(opened);
      return opened;
    }),
    import('../server/main.ts'),
  ]);
  phase('code loaded');
  const running = await server.startServer({
    host: HOST,
    port: settings.port,
    dataDir: data.path,
    databaseUrl,
    editorDir: EDITOR,
    version,
  });
  begun.server = () => running.close();
  phase('server listens');
  await server.ensureLocalOwner(running);
  await healthy(url);
  phase('healthy');
  console.log(`\nSpliceboard ${version} is ready at ${url}`);
  console.log(`Sign in with this link, once: ${await server.makeOwnerLink(running)}`);
  console.log(`Everything is kept in ${data.path}. Ctrl-C stops it.\n`);
  const marker = path.join(data.path, 'sample');
  if (existsSync(marker)) return;
  if (settings.sample) void sample(data.path, url, () => writeFileSync(marker, 'made\n'), isEnding);
  else writeFileSync(marker, 'not wanted\n');
}

/** Waits for all, then throws the first error: what began beside it has ended or can be stopped. */
async function allSettled<T extends unknown[]>(work: [...{ [K in keyof T]: Promise<T[K]> }]): Promise<T> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result): result is PromiseRejectedResult => result.status === 'rejected');
  if (failed) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as T;
}

/** Until a worker beats and the server says so itself. */
async function healthy(url: string): Promise<void> {
  let reasons = '';
  for (const from = Date.now(); Date.now() - from < HEALTHY_MS; await sleep(25)) {
    const reply = await fetch(`${url}/healthz`).catch(() => undefined);
    if (reply?.ok) return;
    if (reply) reasons = await reply.text();
  }
  throw new StartError(`Spliceboard did not become healthy within ${HEALTHY_MS / 1000} s: ${reasons || 'no answer'}.`);
}

/** Progress on the terminal, and the finished page's address. The product runs on whatever comes of it. */
async function sample(data: string, url: string, begun: () => void, isEnding: () => boolean): Promise<void> {
  const { connect, explain } = await import('./client.ts'); // 0.2 s of loading that a warm start does not need
  try {
    const { runSample } = await import('./first-run.ts');
    const pages = await runSample(await connect({ data, url }), (line) => console.log(line), begun);
    for (const page of pages) console.log(`\nThe sample is published: ${page}`);
  } catch (error) {
    if (isEnding()) return; // its run goes on at the next start
    console.error(`The sample could not be made: ${(explain(error) as Error).message}`);
  }
}

/** One sentence for what is expected, the whole error for what is not. */
function tell(error: unknown): number {
  if (error instanceof StartError) {
    console.error(error.message);
    return error.exitCode;
  }
  if (error instanceof PostgresError || error instanceof DatabaseError || error instanceof StoreError)
    console.error(error.message);
  else if (isFullDisk(error))
    console.error('The disk is full. Free some space, or choose another folder with --data DIR.');
  else console.error(error);
  return 1;
}

function isFullDisk(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || /no space left on device/i.test(message ?? '');
}

async function main(): Promise<void> {
  const begun: Begun = {};
  let endingSince: number | undefined;
  let starting: Promise<void> = Promise.resolve();
  const end = async (code: number) => {
    if (endingSince !== undefined) {
      // npm, the launcher and the terminal may each send the same Ctrl-C; a later one is a person's second
      if (Date.now() - endingSince > 1_500) process.exit(1);
      return;
    }
    endingSince = Date.now();
    await Promise.race([starting.catch(() => {}), sleep(START_STOP_MS)]);
    await stopAll(begun);
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(0));
  if (process.env.SPLICEBOARD_LAUNCHER === String(process.ppid)) {
    const launcher = process.ppid; // killed, it could tell nobody
    setInterval(() => process.ppid !== launcher && void end(0), 500).unref();
  }
  process.on('uncaughtException', (error) => {
    console.error(error);
    void end(1);
  });
  try {
    starting = start(readSettings(process.argv.slice(2), process.env), begun, () => endingSince !== undefined);
    await starting;
  } catch (error) {
    if (endingSince === undefined) process.exitCode = tell(error);
    await stopAll(begun);
    if (endingSince === undefined) process.exit();
  }
}

await main();
