/**
 * Starts a process that can do as little as this machine allows: ffmpeg, render children, sandbox children.
 *
 * Each process gets an argument list (never a shell), an empty environment, a process group of its own, and on Linux,
 * where the tools are there and really work (each is tried once): no network, an own high uid, no new privileges, no
 * capabilities, resource limits, and death together with its parent. `filesystem: 'none'` also asks for a mount
 * namespace with nothing but the system's libraries (bubblewrap). What could not be applied is named by
 * `confinement()`: it belongs into /healthz and doctor, never into silence.
 *
 * A confined uid usually cannot walk the path to the program (a checkout under /root is 0700). So the program is
 * opened here and executed through its descriptor: the path is never asked for. The working folder is entered before
 * the uid changes; relative names in it work whatever lies above it.
 *
 * Units: bytes, seconds, milliseconds as named. Throws `SPAWN_FAILED` where the program cannot be started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { access, chown, lchown, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { constants as osConstants, setPriority } from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** Confined uids: above every system range, below 2³¹. Never PostgreSQL's 65534. */
const HIGH_UIDS = { first: 1_879_048_192, count: 1_000_000 };
/** Where the kernel maps only 65,536 uids (rootless containers): the range systemd keeps for such services. */
const LOW_UIDS = { first: 61_200, count: 4_000 };
const PROBE_MS = 5_000;
const OPEN_FILES = 256;
/** Threads and processes of one confined uid; Node alone has about a dozen. */
const TASKS = 256;

export type Layer =
  | 'own-uid'
  | 'no-new-privileges'
  | 'no-capabilities'
  | 'no-network'
  | 'resource-limits'
  | 'parent-death'
  | 'private-filesystem';

export type Confinement = {
  /** Applied to every confined process; `private-filesystem` only where it is asked for. */
  layers: Layer[];
  missing: { layer: Layer; why: string }[];
};

export type ConfineOptions = {
  /** Entered before rights are dropped. */
  cwd?: string;
  /** Gives `cwd` itself (not what lies in it) to the process's uid. `takeBack` returns it afterwards. */
  ownFolder?: boolean;
  /** 'none': nothing but system libraries, where bubblewrap is there. Default 'host'. */
  filesystem?: 'host' | 'none';
  /** A fixed uid instead of a fresh one. */
  uid?: number;
  /** Bytes. Node needs at least 2 GB or aborts. */
  addressSpaceBytes?: number;
  cpuSeconds?: number;
  /** Largest file it may write, bytes. */
  fileSizeBytes?: number;
  openFiles?: number;
  /** 0 to 19 */
  nice?: number;
  /** The whole environment. Default: empty. */
  env?: Record<string, string>;
  /** Default: stdin ignored, stdout and stderr piped. With 'ipc', `child.send` and its messages work as for a fork. */
  stdio?: ('pipe' | 'ignore' | 'ipc' | number)[];
  /** Kills the group. */
  signal?: AbortSignal;
  /** A folder in which the process is written down while it lives, for `sweepLeftovers`. */
  records?: string;
};

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type ConfinedProcess = {
  pid: number;
  /** The uid it runs as, or undefined where it is our own. */
  uid: number | undefined;
  stdin: Writable | null;
  stdout: Readable | null;
  stderr: Readable | null;
  child: ChildProcess;
  /** Resolves once, never rejects. */
  exited: Promise<Exit>;
  /** SIGKILL to the whole group. Harmless when it is over. */
  kill(): void;
};

export class SpawnFailed extends Error {
  readonly code = 'SPAWN_FAILED';
}

// ---------------------------------------------------------------- what this machine can do

type Tools = {
  prlimit: string | null;
  unshare: string | null;
  setpriv: string | null;
  bwrap: string | null;
  asRoot: boolean;
  uids: { first: number; count: number } | null;
  /** setpriv arguments that were seen to work. */
  privileges: string[];
  report: Confinement;
};

let probed: Promise<Tools> | undefined;
const tools = (): Promise<Tools> => {
  probed ??= probe();
  return probed;
};

/** What is applied on this machine and what could not be. Tried once per process. */
export async function confinement(): Promise<Confinement> {
  return (await tools()).report;
}

async function findTool(name: string): Promise<string | null> {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/bin', '/bin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (!path.isAbsolute(folder)) continue;
    const file = path.join(folder, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // next folder
    }
  }
  return null;
}

/** Undefined where the command ended well, else its first line of complaint. */
function attempt(command: string, args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: {}, stdio: ['ignore', 'ignore', 'pipe'], timeout: PROBE_MS });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 400) complaint += chunk.toString('utf8');
    });
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve((complaint.split('\n')[0] || `it ended with ${signal ?? code}`).slice(0, 200));
    });
  });
}

const networkArgs = (asRoot: boolean) => (asRoot ? ['--net'] : ['--user', '--map-current-user', '--net']);
const uidArgs = (uid: number) => ['--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
const BWRAP_ARGS = [
  '--unshare-all',
  '--die-with-parent',
  '--new-session',
  '--clearenv',
  ...['--ro-bind', '/usr', '/usr'],
  ...['--ro-bind-try', '/lib', '/lib'],
  ...['--ro-bind-try', '/lib64', '/lib64'],
  ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--chdir', '/tmp'],
];

async function probe(): Promise<Tools> {
  const asRoot = process.getuid?.() === 0;
  const report: Confinement = { layers: [], missing: [] };
  const none: Tools = {
    prlimit: null,
    unshare: null,
    setpriv: null,
    bwrap: null,
    asRoot,
    uids: null,
    privileges: [],
    report,
  };
  const note = (layer: Layer, why: string | undefined) => {
    if (why === undefined) report.layers.push(layer);
    else report.missing.push({ layer, why });
  };
  if (process.platform !== 'linux') {
    const why = `there is no way to do this on ${process.platform}`;
    const all: Layer[] = ['own-uid', 'no-new-privileges', 'no-capabilities', 'no-network', 'resource-limits'];
    for (const layer of [...all, 'parent-death', 'private-filesystem'] as Layer[]) note(layer, why);
    return none;
  }
  const [prlimit, unshare, setpriv, bwrap] = await Promise.all(
    ['prlimit', 'unshare', 'setpriv', 'bwrap'].map(findTool),
  );
  const absent = (name: string) => Promise.resolve(`${name} is not installed`);
  const trial = '/bin/true';
  const [limits, network, death, nnp, caps, high, low] = await Promise.all([
    prlimit ? attempt(prlimit, ['--core=0', '--nofile=64', trial]) : absent('prlimit'),
    unshare ? attempt(unshare, [...networkArgs(asRoot), trial]) : absent('unshare'),
    setpriv ? attempt(setpriv, ['--pdeathsig', 'KILL', trial]) : absent('setpriv'),
    setpriv ? attempt(setpriv, ['--no-new-privs', trial]) : absent('setpriv'),
    !setpriv
      ? absent('setpriv')
      : asRoot
        ? attempt(setpriv, ['--bounding-set=-all', '--inh-caps=-all', trial])
        : Promise.resolve(undefined), // an ordinary user has none, and no-new-privileges keeps it so
    !setpriv ? absent('setpriv') : asRoot ? attempt(setpriv, [...uidArgs(HIGH_UIDS.first), trial]) : absent('root'),
    setpriv && asRoot ? attempt(setpriv, [...uidArgs(LOW_UIDS.first), trial]) : absent('root'),
  ]);
  const uids = high === undefined ? HIGH_UIDS : low === undefined ? LOW_UIDS : null;
  note('own-uid', uids ? undefined : asRoot ? high : 'only root can give each process a uid of its own');
  note('no-new-privileges', nnp);
  note('no-capabilities', caps ?? (asRoot && !uids ? 'the process stays root' : undefined));
  note('no-network', network);
  note('resource-limits', limits);
  note('parent-death', death);
  const privileges = [
    ...(nnp === undefined ? ['--no-new-privs'] : []),
    ...(caps === undefined && asRoot ? ['--bounding-set=-all', '--inh-caps=-all'] : []),
    ...(death === undefined ? ['--pdeathsig', 'KILL'] : []),
  ];
  let filesystem: string | undefined = 'bubblewrap is not installed';
  if (bwrap) {
    const drop = setpriv && uids ? [...uidArgs(uids.first), ...privileges] : null;
    filesystem =
      drop && setpriv
        ? await attempt(setpriv, [...drop, bwrap, ...BWRAP_ARGS, '/usr/bin/true'])
        : await attempt(bwrap, [...BWRAP_ARGS, '/usr/bin/true']);
  }
  note('private-filesystem', filesystem);
  return {
    prlimit: limits === undefined ? (prlimit ?? null) : null,
    unshare: network === undefined ? (unshare ?? null) : null,
    setpriv: privileges.length > 0 || uids ? (setpriv ?? null) : null,
    bwrap: filesystem === undefined ? (bwrap ?? null) : null,
    asRoot,
    uids,
    privileges,
    report,
  };
}

// ---------------------------------------------------------------- uids

const uidsInUse = new Set<number>();
/** A random start, so that a process left over from before a crash does not share its uid with a new one. */
let nextUid = Math.floor(Math.random() * 2 ** 31);

function takeUid(range: { first: number; count: number }): number {
  for (let tries = 0; tries < range.count; tries++) {
    const uid = range.first + (nextUid++ % range.count);
    if (uidsInUse.has(uid)) continue;
    uidsInUse.add(uid);
    return uid;
  }
  throw new SpawnFailed('Every uid for confined processes is in use.');
}

// ---------------------------------------------------------------- spawning

/** Whether another uid could walk to this file and run it. */
function reachable(file: string): boolean {
  try {
    if ((statSync(file).mode & 0o005) !== 0o005) return false;
    for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
      if ((statSync(folder).mode & 0o001) === 0) return false;
      if (folder === path.dirname(folder)) return true;
    }
  } catch {
    return false;
  }
}

export async function spawnConfined(
  command: string,
  args: readonly string[],
  options: ConfineOptions = {},
): Promise<ConfinedProcess> {
  options.signal?.throwIfAborted();
  const have = await tools();
  const program = path.isAbsolute(command) ? command : await findTool(command);
  if (!program) throw new SpawnFailed(`${command} was not found.`);
  const freshUid = options.uid === undefined && have.uids !== null ? takeUid(have.uids) : undefined;
  const uid = freshUid ?? (have.asRoot && have.setpriv ? options.uid : undefined);
  const release = () => {
    if (freshUid !== undefined) uidsInUse.delete(freshUid);
  };
  const privateFilesystem = options.filesystem === 'none' && have.bwrap !== null;
  const stdio = [...(options.stdio ?? ['ignore', 'pipe', 'pipe'])];
  let programFd: number | undefined;
  let target = program;
  try {
    if (process.platform === 'linux' && (privateFilesystem || (uid !== undefined && !reachable(program)))) {
      programFd = openSync(program, 'r');
      target = `/proc/self/fd/${stdio.length}`;
      stdio.push(programFd);
    }
    const chain: string[] = [];
    // first of all, so that no moment is left in which its parent could die unnoticed; a change of uid clears it again
    if (have.setpriv && have.privileges.includes('--pdeathsig')) chain.push(have.setpriv, '--pdeathsig', 'KILL');
    if (have.prlimit) {
      chain.push(have.prlimit, '--core=0', `--nofile=${options.openFiles ?? OPEN_FILES}`);
      if (options.addressSpaceBytes) chain.push(`--as=${options.addressSpaceBytes}`);
      if (options.cpuSeconds) chain.push(`--cpu=${Math.ceil(options.cpuSeconds)}`);
      if (options.fileSizeBytes !== undefined) chain.push(`--fsize=${options.fileSizeBytes}`);
      if (uid !== undefined) chain.push(`--nproc=${TASKS}`); // counted per uid: only fair on one that nobody shares
    }
    // bubblewrap unshares the network itself; an outer user namespace would take its rights to do so
    if (have.unshare && !privateFilesystem) chain.push(have.unshare, ...networkArgs(have.asRoot));
    if (have.setpriv) chain.push(have.setpriv, ...(uid === undefined ? [] : uidArgs(uid)), ...have.privileges);
    if (privateFilesystem && have.bwrap) chain.push(have.bwrap, ...BWRAP_ARGS);
    chain.push(target, ...args);
    if (options.cwd && options.ownFolder && uid !== undefined) await chown(options.cwd, uid, uid);

    const child = spawn(chain[0]!, chain.slice(1), {
      cwd: options.cwd,
      env: { ...options.env },
      stdio,
      detached: true, // a process group of its own
    });
    const exited = new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', () => resolve({ code: null, signal: null }));
    });
    const { pid } = child;
    if (pid === undefined) {
      const cause = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new SpawnFailed(`${program} could not be started: ${cause.message}.`, { cause });
    }
    child.on('error', () => {}); // a late error (a kill that came too late) is told by `exited`
    let over = false;
    const kill = () => {
      if (over) return;
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        child.kill('SIGKILL');
      }
    };
    if (options.nice) {
      try {
        setPriority(pid, Math.min(options.nice, osConstants.priority.PRIORITY_LOW));
      } catch {
        // it has ended already
      }
    }
    options.signal?.addEventListener('abort', kill, { once: true });
    const record = options.records ? path.join(options.records, `${pid}.json`) : undefined;
    if (record && options.records) {
      await mkdir(options.records, { recursive: true });
      await writeFile(record, JSON.stringify({ pid, started: await startedAt(pid), command: path.basename(program) }));
    }
    void exited.then(() => {
      kill(); // whatever it started in its group
      over = true;
      release();
      options.signal?.removeEventListener('abort', kill);
      if (record) return rm(record, { force: true });
    });
    return { pid, uid, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, child, exited, kill };
  } catch (error) {
    release();
    throw error;
  } finally {
    if (programFd !== undefined) closeSync(programFd);
  }
}

/**
 * Makes a folder that was lent with `ownFolder` ours again, with all in it. Whatever is neither a file nor a folder
 * (a symbolic link to somebody else's file, a socket) is removed first: results are read by name afterwards.
 */
export async function takeBack(folder: string): Promise<void> {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  if (uid === undefined || gid === undefined) return;
  await chown(folder, uid, gid);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) await takeBack(file);
    else if (!entry.isFile()) await rm(file, { force: true });
    else if ((await lstat(file)).uid !== uid) await lchown(file, uid, gid);
  }
}

// ---------------------------------------------------------------- what a killed worker left

/** Something that names one life of a pid: a later process with the same number has another. */
async function startedAt(pid: number): Promise<string | null> {
  if (process.platform === 'linux') return statFields(pid)?.[19] ?? null;
  return new Promise((resolve) => {
    const child = spawn('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    child.on('error', () => resolve(null));
    child.on('close', () => resolve(text.trim() || null));
  });
}

/** Ends the groups that a killed worker wrote down and could not end itself. Returns how many it found alive. */
export async function sweepLeftovers(records: string): Promise<number> {
  let found = 0;
  for (const name of await readdir(records).catch(() => [])) {
    const file = path.join(records, name);
    try {
      const { pid, started } = JSON.parse(await readFile(file, 'utf8')) as { pid: number; started: string | null };
      if (Number.isInteger(pid) && pid > 1 && started !== null && (await startedAt(pid)) === started) {
        process.kill(-pid, 'SIGKILL');
        found++;
      }
    } catch {
      // half-written or already gone
    }
    await rm(file, { force: true });
  }
  return found;
}

// ---------------------------------------------------------------- what a process has used

/** /proc/<pid>/stat from its third field on (state is [0]), or undefined where no such process lives (any more). */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields; // dead, but nobody has asked for its exit code yet
  } catch {
    return undefined;
  }
}

/** Linux counts CPU time in hundredths of a second for every program (USER_HZ). */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

/** CPU time used and memory resident, or undefined where it cannot be known (not Linux, or it is gone). */
export function usageOf(pid: number): { cpuMs: number; residentBytes: number } | undefined {
  const fields = statFields(pid);
  if (!fields) return undefined;
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    residentBytes: Number(fields[21]) * PAGE_BYTES,
  };
}

/** The processes a process has started itself (bubblewrap's wrapped program). */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
