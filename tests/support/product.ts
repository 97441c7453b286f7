/**
 * The whole product as a person starts it: a process of its own, a fresh data folder, a free port.
 *
 *   await using product = await startProduct({ sample: false });
 *   product.url, product.token, product.ownerLink, product.data
 *   await product.stop();              // Ctrl-C; `product.kill()` is kill -9
 *   await startProduct({ data: product.data });   // again on the same folder
 *
 * Disposal stops it, removes its folder and fails where one of its processes is left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clusterFolder } from '../../scripts/postgres.ts';

const root = path.resolve(import.meta.dirname, '../..');

export type ProductOptions = {
  /** An existing data folder, which is then kept. Default: a fresh one, removed at the end. */
  data?: string;
  port?: number;
  sample?: boolean;
  env?: Record<string, string>;
  args?: string[];
  /** Through `npm start`, with the machine's own npm and Node, as a person does it. */
  npm?: boolean;
  /** A command that runs the start: `['unshare', '-m', …]`. */
  within?: string[];
  /** Waits for this text instead of the ready line. */
  until?: RegExp;
  timeoutMs?: number;
};

export type Process = { pid: number; started: string; command: string };

export type Product = AsyncDisposable & {
  url: string;
  port: number;
  data: string;
  pid: number;
  /** From the start of the process to the ready line, milliseconds. */
  readyMs: number;
  /** The local owner's API token. */
  readonly token: string;
  /** The one-time address that signs the owner in. */
  ownerLink: string;
  /** Everything it said so far. */
  output(): string;
  /** Waits until it has said this. */
  said(text: RegExp, timeoutMs?: number): Promise<RegExpMatchArray>;
  /** All its processes now: start, worker, sandbox children, PostgreSQL. */
  processes(): Process[];
  /** SIGINT, as Ctrl-C; resolves with the exit code when the process has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** kill -9 of the start process alone. */
  kill(): Promise<void>;
};

/** What a start that does not become ready ends with. */
export type RefusedStart = { code: number | null; output: string };

export function freshFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-data-'));
  chmodSync(folder, 0o755); // PostgreSQL's user passes through it
  return folder;
}

export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function removeFolder(data: string): void {
  rmSync(data, { recursive: true, force: true });
  const cluster = clusterFolder(path.join(data, 'postgres'));
  if (cluster.startsWith('/var/lib/spliceboard/')) rmSync(cluster, { recursive: true, force: true });
}

function launch(options: ProductOptions, data: string, port: number): { child: ChildProcess; output: () => string } {
  const args = ['--port', String(port), '--data', data];
  if (options.sample === false) args.push('--no-sample');
  const { DATABASE_URL: _, SPLICEBOARD_LAUNCHER: __, ...env } = process.env;
  const program = options.npm ? ['npm', 'start', '--'] : [process.execPath, 'scripts/start.ts'];
  if (options.npm) env.PATH = hostPath(env.PATH ?? '');
  const [command, ...before] = [...(options.within ?? []), ...program];
  const child = spawn(command!, [...before, ...args, ...(options.args ?? [])], {
    cwd: root,
    env: { ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.npm === true,
  });
  let text = '';
  const keep = (chunk: Buffer) => {
    text += chunk;
  };
  child.stdout!.on('data', keep);
  child.stderr!.on('data', keep);
  return { child, output: () => text };
}

/** PATH without what our own launcher put in front of it. */
function hostPath(current: string): string {
  const ours = (folder: string) => folder.startsWith(root);
  return current
    .split(path.delimiter)
    .filter((folder) => !ours(folder))
    .join(path.delimiter);
}

/** A start that is expected to refuse (or, with `signal`, to be ended after `timeoutMs`): its exit code, all it said. */
export async function refusedStart(
  options: ProductOptions & { data: string; signal?: NodeJS.Signals },
): Promise<RefusedStart> {
  const { child, output } = launch(options, options.data, options.port ?? (await freePort()));
  const timer = setTimeout(() => child.kill(options.signal ?? 'SIGTERM'), options.timeoutMs ?? 30_000);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { code, output: output() };
}

export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const data = options.data ?? freshFolder();
  const port = options.port ?? (await freePort());
  const startedAt = performance.now();
  const { child, output } = launch(options, data, port);
  let ended = false;
  const exited = new Promise<number | null>((resolve) =>
    child.once('close', (code) => {
      ended = true;
      resolve(code);
    }),
  );
  const said = async (text: RegExp, timeoutMs = 60_000): Promise<RegExpMatchArray> => {
    for (const from = Date.now(); ; await sleep(10)) {
      const found = output().match(text);
      if (found) return found;
      if (ended) throw new Error(`Spliceboard ended before it said ${text}. It said:\n${output()}`);
      if (Date.now() - from > timeoutMs)
        throw new Error(`Spliceboard did not say ${text} within ${timeoutMs} ms. It said:\n${output()}`);
    }
  };
  const end = async (signal: NodeJS.Signals) => {
    // a terminal sends Ctrl-C to everybody in the foreground; npm's shell hands on nothing
    if (!ended && options.npm && signal === 'SIGINT') process.kill(-child.pid!, signal);
    else if (!ended) child.kill(signal);
    return exited;
  };
  try {
    await said(options.until ?? /ready at \S+[\s\S]*Ctrl-C stops it/, options.timeoutMs ?? 120_000);
  } catch (error) {
    await end('SIGKILL');
    if (options.data === undefined) removeFolder(data);
    throw error;
  }
  const product: Product = {
    url: `http://localhost:${port}`,
    port,
    data,
    pid: child.pid!,
    readyMs: performance.now() - startedAt,
    get token() {
      return readFileSync(path.join(data, 'token'), 'utf8').trim();
    },
    ownerLink: output().match(/http\S+\/login\/\S+/)?.[0] ?? '',
    output,
    said,
    processes: () => tree(child.pid!),
    stop: (signal = 'SIGINT') => end(signal),
    async kill() {
      await end('SIGKILL');
    },
    async [Symbol.asyncDispose]() {
      const all = ended ? [] : tree(child.pid!);
      await end('SIGINT');
      const left = await stillAlive(all, 5_000);
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
      if (options.data === undefined) removeFolder(data);
      if (left.length > 0)
        throw new Error(`Spliceboard left: ${left.map((each) => `${each.pid} ${each.command}`).join('; ')}`);
    },
  };
  return product;
}

/** A process and everything below it (Linux). */
export function tree(pid: number): Process[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => describe(Number(name)) ?? []);
  const found: Process[] = [];
  const walk = (parent: number) => {
    for (const each of all) {
      if (each.parent !== parent) continue;
      found.push(each);
      walk(each.pid);
    }
  };
  const self = all.find((each) => each.pid === pid);
  if (self) found.push(self);
  walk(pid);
  return found;
}

function describe(pid: number): (Process & { parent: number }) | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(fields[1]), started: fields[19]!, command };
  } catch {
    return undefined;
  }
}

/** Those of `processes` that still run when `withinMs` have passed; none as soon as none does. */
export async function stillAlive(processes: Process[], withinMs: number): Promise<Process[]> {
  for (const from = Date.now(); ; await sleep(50)) {
    const alive = processes.filter((each) => describe(each.pid)?.started === each.started);
    if (alive.length === 0 || Date.now() - from > withinMs) return alive;
  }
}
