/**
 * Runs foreign code: one disposable child process per workspace, isolates and contexts inside it (child.ts).
 *
 * `run` never throws for the guest's sake. It answers `{ ok: true, value }` or an error with one of these codes:
 *
 *   NODE_THREW          the node threw something that is not a NodeError (a NodeError keeps its own code)
 *   NODE_BROKEN         the plugin does not load, or lacks the entry
 *   NODE_BAD_OUTPUT     what it gave back is not JSON
 *   NODE_STUCK          it waits for a promise that nothing can settle
 *   SANDBOX_TIME        more than `wallMs` from start to end
 *   SANDBOX_CPU         more than `cpuMs` of computing; waiting for the host costs nothing
 *   SANDBOX_MEMORY      its isolate's limit, or the process's resident limit
 *   SANDBOX_INPUT       its inputs are too large to cross
 *   SANDBOX_OUTPUT      its result is too large to cross
 *   SANDBOX_LOG         more lines of log than a run may write
 *   SANDBOX_FLOOD       more messages than a run may send
 *   SANDBOX_PROTOCOL    it broke its prelude and sent something that is not a message
 *   SANDBOX_CRASHED     the process died under it
 *   SANDBOX_NEIGHBOUR   the process or isolate died under another run; `childLost` is 'neighbour': not its fault
 *   SANDBOX_UNAVAILABLE no child process can be started
 *   CANCELLED           the caller's signal
 * and, as the answer to a call rather than to a run: CAPABILITY_FAILED, REPLY_TOO_LARGE.
 *
 * A child that dies takes every run in it along. Where more than one was in it nobody can tell whose fault it was: all
 * are called neighbours, and their plugins run alone, in a process of their own, until one of them has ended well.
 *
 * Measured 2026-11 on 2 busy cores, medians: a warm run with 1 KB in and out 0.36 ms, with a capability call in it
 * 0.49 ms, in a fresh context 1.7 ms, with 1 MB in and out 21 ms; a child from spawn to its first answer 0.15 s.
 */
import { mkdtempSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import type * as z from 'zod';
import { ErrorJson } from '../../nodes/contract.ts';
import { childProgram } from '../bundle.ts';
import {
  ANSWER_MS,
  type CancelReason,
  type Entry,
  FRAME,
  type Frame,
  frame,
  frameReader,
  GuestCall,
  GuestEvent,
  type GuestItem,
  GuestResult,
  GuestResults,
  type GuestStart,
  type Json,
  LIMITS,
  parseGuestJson,
  type RunHeader,
  speaker,
  TooDeep,
  Usage,
  Verdict,
} from './bridge.ts';
import { type ConfinedProcess, childrenOf, confinement, type Layer, spawnConfined, usageOf } from './spawn.ts';

export type { Entry, GuestItem, Json, Usage } from './bridge.ts';

export type GuestCallRequest = { capability: string; method: string; args: Json };
export type SandboxEvent =
  | { kind: 'progress'; fraction: number; note: string | null }
  | { kind: 'log'; line: string }
  | { kind: 'fact'; name: string; value: string };

export type SandboxRun = {
  workspaceId: string;
  /** Runs with one key and plugin may find each other's realm: the pipeline run's id. */
  contextKey: string;
  /** The key is not one pipeline run's: nothing can be left behind in the realm. */
  isKept?: boolean;
  plugin: { digest: string; code: string };
  entry: Entry;
  ctx: { config: Json; now: string; seed: string; brand: Json; connection: Json };
  /** For `lookup` the effect's record. */
  inputs: Json;
  /** Run for each of these, one after the other, in the place of `inputs`: `resultsOf` reads what came of them. */
  many?: GuestItem[];
  limits: { wallMs: number; cpuMs: number; memoryMb: number };
  /** `signal` is aborted as soon as the run is over, however it ended. */
  onCall: (call: GuestCallRequest, signal: AbortSignal) => Promise<unknown>;
  onEvent?: (event: SandboxEvent) => void;
  /** Told once before the result, where the run ends in a child that is well. */
  onUsage?: (usage: Usage) => void;
  signal?: AbortSignal;
};

export type SandboxResult =
  | { ok: true; value: Json }
  | { ok: false; error: ErrorJson; childLost?: 'own' | 'neighbour' };

/** Of a run for many: null where the run as a whole came to nothing. */
export function resultsOf(result: SandboxResult): z.infer<typeof GuestResults> | null {
  const parsed = result.ok ? GuestResults.safeParse(result.value) : null;
  return parsed?.success ? parsed.data : null;
}

export type SandboxOptions = {
  /** Where the packed child lies between starts. Default: a temporary folder. */
  cacheDir?: string;
  /** The child's program; our own where absent. */
  program?: string;
  /** Child processes with a workspace at one time; the least recently used rests first. */
  mostChildren?: number;
  /** Keeps one started child without a workspace, so that the first call waits for nothing. */
  spare?: boolean;
  /** A child that has done this much, or is this old, is replaced as soon as it rests. */
  recycleAfterRuns?: number;
  recycleAfterMs?: number;
  /** A child that has rested this long is ended. */
  restMs?: number;
  residentBytes?: number;
  /** Refuses to start where one of these cannot be applied. */
  require?: readonly Layer[];
  /** An error of ours, not the guest's, that became CAPABILITY_FAILED. */
  onFault?: (error: unknown, call: GuestCallRequest) => void;
};

export type Sandbox = AsyncDisposable & {
  run(run: SandboxRun): Promise<SandboxResult>;
  /** Drops the contexts of a pipeline run that is over. */
  forget(contextKey: string): void;
  layers(): { applied: string[]; missing: { layer: string; why: string }[] };
  pids(): number[];
};

export class SandboxRefused extends Error {
  readonly code = 'SANDBOX_LAYER_MISSING';
}

const READY_MS = 10_000;
/** An abort without an exception of its own: making one takes a stack trace, for each run. */
const OVER = 'over';
const POLL_MS = 100;
/** Above half of the resident limit memory is looked at this often: a bomb grows by about a gigabyte a second. */
const CLOSE_POLL_MS = 20;
/** A child that computes this long without answering a ping no longer listens. */
const DEAF_CPU_MS = 2_000;
/** A child that still holds this share of its memory when it rests is replaced. */
const RESTING_SHARE = 0.5;
const SUSPECT_MS = 600_000;
/** Node aborts below 2 GB of address space; isolates reserve far more than they use. */
const ADDRESS_SPACE_BYTES = 16 * 1024 ** 3;
const STDERR_LENGTH = 4_000;

type Pending = {
  id: number;
  request: SandboxRun;
  done: (result: SandboxResult) => void;
  abort: AbortController;
  timers: NodeJS.Timeout[];
  isCancelled: boolean;
};
/** `guilty` is the run to blame, `nobody` where it has ended already, `unknown` where it cannot be told. */
type Death = { error: ErrorJson; guilty: Pending | 'nobody' | 'unknown' };
type Child = {
  process: ConfinedProcess;
  socket: Duplex;
  say(frame: Buffer): void;
  ready: Promise<boolean>;
  workspaceId: string | null;
  runs: Map<number, Pending>;
  sent: Set<string>;
  startedAt: number;
  count: number;
  restsSince: number;
  weighedAt: number;
  isDraining: boolean;
  /** A run in it lost its isolate: the memory may be held still, so how it dies says nothing of who is left. */
  isTainted: boolean;
  isGone: boolean;
  death: Death | null;
  guestPid: number;
  pongCpuMs: number;
  pinged: boolean;
  cpuBase: Map<Pending, number>;
};

function problem(code: string, message: string, hint: string | null, retry: ErrorJson['retry'] = 'never'): ErrorJson {
  return { code, message, hint, retry };
}
const AGAIN = 'It is tried again by itself.';
const crashed = (how: string) => problem('SANDBOX_CRASHED', `The sandbox process died: ${how}.`, AGAIN, 'later');
const neighbour = () =>
  problem('SANDBOX_NEIGHBOUR', 'Another run in the same sandbox process broke it.', AGAIN, 'later');
const tooMuchMemory = (bytes: number) =>
  problem(
    'SANDBOX_MEMORY',
    `The node's process used more than ${Math.round(bytes / 1024 ** 2)} MB of memory.`,
    'Work on less at once, or let an asset hold the data.',
  );
const CANCEL_ERRORS: Record<CancelReason, ErrorJson> = {
  time: problem('SANDBOX_TIME', 'The node took longer than it may.', 'Look at what it waited for in its log.', 'later'),
  cpu: problem('SANDBOX_CPU', 'The node computed for longer than it may.', 'Look for an endless loop.'),
  cancelled: problem('CANCELLED', 'The run was cancelled.', null),
  protocol: problem('SANDBOX_PROTOCOL', 'The node sent the host something that is not a message.', null),
};

/** Without stack and cause: only what the thrower meant to say. */
function toErrorJson(thrown: unknown): ErrorJson | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  const source = 'error' in thrown && typeof thrown.error === 'object' && thrown.error !== null ? thrown.error : thrown;
  const { code, message, hint = null, retry = 'never', notBefore = null } = source as Partial<ErrorJson>;
  const parsed = ErrorJson.safeParse({
    code,
    message: String(message).slice(0, 2_000),
    hint: hint === null ? null : String(hint).slice(0, 1_000),
    retry,
    notBefore,
  });
  // node:fs and the like have codes too (ENOENT): those are ours, not the guest's
  return parsed.success && 'retry' in source ? parsed.data : undefined;
}

/** The prebuilt addon, found as node-gyp-build finds it: nothing of it is loaded here. */
function addonPath(): string {
  const require = createRequire(import.meta.url);
  const folder = path.dirname(require.resolve('isolated-vm/package.json'));
  return (createRequire(path.join(folder, 'package.json'))('node-gyp-build') as { path(dir: string): string }).path(
    folder,
  );
}

export async function createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const {
    mostChildren = 4,
    spare: wantsSpare = true,
    recycleAfterRuns = 5_000,
    recycleAfterMs = 600_000,
    restMs = 20_000,
    residentBytes = 256 * 1024 ** 2,
  } = options;
  const machine = await confinement();
  for (const layer of options.require ?? []) {
    const absent = machine.missing.find((each) => each.layer === layer);
    if (absent) {
      throw new SandboxRefused(`Plugins may not run here: "${layer}" is required, but ${absent.why}.`);
    }
  }
  const temporary =
    options.cacheDir === undefined ? mkdtempSync(path.join(tmpdir(), 'spliceboard-sandbox-')) : undefined;
  const program = options.program ?? (await childProgram(options.cacheDir ?? temporary!));
  const addon = addonPath();

  const children = new Map<string, Child>(); // by workspace, or by a key of its own for a suspect
  const starting = new Map<string, Promise<Child | undefined>>();
  const everyone = new Set<Child>();
  const suspects = new Map<string, number>();
  const slots: (() => void)[] = [];
  let spare: Child | undefined;
  let isClosed = false;
  let nextRun = 1;

  // ---------------------------------------------------------------- children

  async function startChild(): Promise<Child> {
    const [script, native] = await Promise.all([open(program, 'r'), open(addon, 'r')]);
    try {
      const byDescriptor = process.platform === 'linux';
      const flags = [
        '--no-node-snapshot',
        '--permission',
        '--allow-addons',
        '--disable-sigusr1',
        '--no-warnings',
        '--v8-pool-size=1',
        '--max-old-space-size=128',
        // Linux: nothing of the disk is read by name, so nothing needs to be readable
        ...(byDescriptor ? [] : [`--allow-fs-read=${path.dirname(addon)}`]),
      ];
      const confined = await spawnConfined(
        process.execPath,
        [...flags, '-', byDescriptor ? '/proc/self/fd/4' : addon],
        {
          cwd: tmpdir(),
          filesystem: 'none',
          env: { TZ: 'UTC', UV_THREADPOOL_SIZE: '1' },
          stdio: [script.fd, 'ignore', 'pipe', 'pipe', native.fd],
          addressSpaceBytes: ADDRESS_SPACE_BYTES,
          fileSizeBytes: 0,
        },
      );
      let complaint = '';
      confined.stderr?.on('data', (chunk: Buffer) => {
        if (complaint.length < STDERR_LENGTH) complaint += chunk.toString('utf8');
      });
      const socket = confined.child.stdio[3] as unknown as Duplex;
      let isReady: (ready: boolean) => void = () => {};
      const child: Child = {
        process: confined,
        socket,
        say: speaker(socket, () => child.runs.size > 1),
        ready: new Promise((resolve) => {
          isReady = resolve;
        }),
        workspaceId: null,
        runs: new Map(),
        sent: new Set(),
        startedAt: Date.now(),
        count: 0,
        restsSince: Date.now(),
        weighedAt: 0,
        isDraining: false,
        isTainted: false,
        isGone: false,
        death: null,
        guestPid: confined.pid,
        pongCpuMs: 0,
        pinged: false,
        cpuBase: new Map(),
      };
      everyone.add(child);
      const late = setTimeout(() => isReady(false), READY_MS);
      socket.on('error', () => confined.kill());
      socket.on(
        'data',
        frameReader(
          (message) => {
            if (message.kind === FRAME.ready) {
              clearTimeout(late);
              isReady(true);
            } else hear(child, message);
          },
          () => end(child, crashed('it sent a broken frame'), 'unknown'),
        ),
      );
      void confined.exited.then(({ code, signal }) => {
        clearTimeout(late);
        isReady(false);
        const how = complaint.trim().split('\n').slice(0, 3).join(' ').slice(0, 300);
        gone(
          child,
          child.death ?? { error: crashed(`${signal ?? `exit ${code}`}${how ? ` (${how})` : ''}`), guilty: 'unknown' },
        );
      });
      return child;
    } finally {
      await Promise.all([script.close(), native.close()]);
    }
  }

  /** SIGKILL to the group; its runs learn of it in `gone`. */
  function end(child: Child, error: ErrorJson, guilty: Death['guilty']): void {
    if (child.isGone) return;
    child.death ??= { error, guilty };
    child.isDraining = true;
    child.process.kill();
  }

  function gone(child: Child, death: Death): void {
    if (child.isGone) return;
    child.isGone = true;
    everyone.delete(child);
    if (spare === child) spare = undefined;
    for (const [key, other] of children) if (other === child) children.delete(key);
    child.socket.destroy();
    const lost = [...child.runs.values()];
    const guilty = death.guilty === 'unknown' && lost.length === 1 && !child.isTainted ? lost[0] : death.guilty;
    for (const pending of lost) {
      if (pending === guilty) finish(child, pending, { ok: false, error: death.error, childLost: 'own' });
      else {
        if (guilty === 'unknown') suspects.set(suspectKey(pending.request), Date.now() + SUSPECT_MS);
        finish(child, pending, { ok: false, error: neighbour(), childLost: 'neighbour' });
      }
    }
    slots.shift()?.();
  }

  const suspectKey = ({ workspaceId, plugin }: SandboxRun) => `${workspaceId}\n${plugin.digest}`;
  const isResting = (child: Child) => child.runs.size === 0;
  const isWorn = (child: Child) => child.count >= recycleAfterRuns || Date.now() - child.startedAt > recycleAfterMs;
  /** What a run left behind must not be charged to the next. Looked at seldom: short runs in a row leave little each. */
  const isSwollen = (child: Child) => {
    if (Date.now() - child.weighedAt < CLOSE_POLL_MS) return false;
    child.weighedAt = Date.now();
    return (usageOf(child.guestPid)?.residentBytes ?? 0) > residentBytes * RESTING_SHARE;
  };
  const RETIRED = crashed('it was retired');

  /** Takes it out of service: it ends what it has, a new child serves its workspace. */
  function replace(child: Child): void {
    child.isDraining = true;
    for (const [key, other] of children) if (other === child) children.delete(key);
    const leaving = [...everyone].filter((each) => each.isDraining && !isResting(each));
    if (leaving.length > mostChildren && leaving[0]) end(leaving[0], RETIRED, 'nobody');
  }

  function refillSpare(): void {
    if (!wantsSpare || isClosed || spare) return;
    setTimeout(() => {
      if (isClosed || spare) return;
      void startChild().then(
        async (child) => {
          if (isClosed || spare) end(child, RETIRED, 'unknown');
          else spare = child;
          if (!(await child.ready)) end(child, crashed('it did not start'), 'unknown');
        },
        () => undefined, // the next run tries again and reports
      );
    }, 50).unref();
  }

  async function take(key: string, workspaceId: string): Promise<Child | undefined> {
    for (;;) {
      if (isClosed) return undefined;
      const known = children.get(key);
      if (known && !known.isDraining && isWorn(known)) {
        replace(known);
        if (isResting(known)) end(known, RETIRED, 'unknown');
      } else if (known && !known.isDraining) return known;
      else if (known) children.delete(key);
      const already = starting.get(key);
      if (already) {
        const child = await already;
        if (child && !child.isDraining) return child;
        if (!child) return undefined;
        continue;
      }
      if (children.size + starting.size >= mostChildren) {
        const resting = [...children.values()].filter(isResting).sort((a, b) => a.restsSince - b.restsSince)[0];
        if (!resting) {
          await new Promise<void>((wake) => slots.push(wake));
          continue;
        }
        for (const [other, child] of children) if (child === resting) children.delete(other);
        end(resting, RETIRED, 'unknown');
      }
      const start = (async () => {
        let child = spare;
        spare = undefined;
        if (!child || child.isDraining) child = await startChild();
        child.workspaceId = workspaceId;
        if (!(await child.ready)) {
          end(child, crashed('it did not start'), 'unknown');
          return undefined;
        }
        child.startedAt = Date.now();
        children.set(key, child);
        refillSpare();
        return child;
      })().catch((error) => {
        options.onFault?.(error, { capability: 'sandbox', method: 'start', args: null });
        return undefined;
      });
      starting.set(key, start);
      try {
        return await start;
      } finally {
        starting.delete(key);
      }
    }
  }

  // ---------------------------------------------------------------- runs

  function finish(child: Child, pending: Pending, result: SandboxResult): void {
    if (!child.runs.delete(pending.id)) return;
    for (const timer of pending.timers) clearTimeout(timer);
    child.cpuBase.delete(pending);
    pending.abort.abort(OVER);
    child.restsSince = Date.now();
    pending.done(result);
    if (child.isGone || !isResting(child)) return;
    if (child.isDraining || isSwollen(child) || isWorn(child)) {
      child.isDraining = true;
      end(child, RETIRED, 'unknown');
    } else slots.shift()?.(); // somebody may have this place
  }

  function cancel(child: Child, pending: Pending, reason: CancelReason): void {
    if (pending.isCancelled || !child.runs.has(pending.id)) return;
    pending.isCancelled = true;
    child.say(frame(FRAME.cancel, pending.id, 0, reason));
    pending.timers.push(setTimeout(() => end(child, CANCEL_ERRORS[reason], pending), ANSWER_MS));
  }

  function hear(child: Child, { kind, run, call, text }: Frame): void {
    if (kind === FRAME.pong) {
      child.pinged = false;
      child.pongCpuMs = usageOf(child.guestPid)?.cpuMs ?? 0;
      return;
    }
    if (kind === FRAME.doomed) {
      end(child, crashed('an isolate in it did not stop'), 'nobody');
      return;
    }
    const pending = child.runs.get(run);
    if (!pending) return; // of a run that is over
    try {
      if (kind === FRAME.call) void answer(child, pending, call, text);
      else if (kind === FRAME.event) pending.request.onEvent?.(GuestEvent.parse(JSON.parse(text)));
      else if (kind === FRAME.usage) pending.request.onUsage?.(Usage.parse(JSON.parse(text)));
      else if (kind === FRAME.result) {
        const result = GuestResult.parse(parseGuestJson(text));
        if (result.ok) finish(child, pending, { ok: true, value: (result.value ?? null) as Json });
        else finish(child, pending, { ok: false, error: result.error });
      } else if (kind === FRAME.verdict) {
        const { error, lost } = Verdict.parse(JSON.parse(text));
        // its isolate may still be dying, its memory may still be held: nobody new goes into this process
        if (lost === 'own') {
          child.isTainted = true;
          replace(child);
        }
        finish(child, pending, { ok: false, error, ...(lost ? { childLost: lost } : {}) });
      } else end(child, crashed('it sent a frame of an unknown kind'), 'unknown');
    } catch (cause) {
      if (kind === FRAME.result) {
        const tooDeep = `What the node gave is nested more than ${LIMITS.DEPTH} deep.`;
        const error =
          cause instanceof TooDeep
            ? problem('SANDBOX_OUTPUT', tooDeep, 'Give a flatter value, or put the data into an asset.')
            : CANCEL_ERRORS.protocol;
        finish(child, pending, { ok: false, error });
      } else cancel(child, pending, 'protocol');
    }
  }

  async function answer(child: Child, pending: Pending, call: number, text: string): Promise<void> {
    let request: GuestCallRequest;
    try {
      request = GuestCall.parse(parseGuestJson(text)) as GuestCallRequest;
      request.args ??= null;
    } catch {
      return cancel(child, pending, 'protocol');
    }
    let reply: string;
    try {
      const value = await pending.request.onCall(request, pending.abort.signal);
      const json = JSON.stringify(value) ?? 'null';
      if (json.length > LIMITS.REPLY_LENGTH) {
        const message = `The answer of ${request.capability}.${request.method} is too large to cross.`;
        reply = `0${JSON.stringify(problem('REPLY_TOO_LARGE', message, 'Ask for less at once, or for an asset.'))}`;
      } else reply = `1${json}`;
    } catch (error) {
      let known = toErrorJson(error);
      if (!known) {
        if (!pending.abort.signal.aborted) options.onFault?.(error, request);
        const message = `${request.capability}.${request.method} failed inside Spliceboard.`;
        known = problem('CAPABILITY_FAILED', message, 'The reason is in the log of the worker.', 'later');
      }
      reply = `0${JSON.stringify(known)}`;
    }
    if (child.runs.has(pending.id) && !child.isGone) child.say(frame(FRAME.reply, pending.id, call, reply));
  }

  async function run(request: SandboxRun): Promise<SandboxResult> {
    const { plugin, ctx, limits, signal } = request;
    const refuse = (error: ErrorJson): SandboxResult => ({ ok: false, error });
    if (signal?.aborted) return refuse(CANCEL_ERRORS.cancelled);
    const { inputs, many } = request;
    const start: GuestStart = { entry: request.entry, ...ctx, inputs, ...(many ? { many } : {}) };
    const text = JSON.stringify(start);
    if (text.length > LIMITS.INPUT_LENGTH) {
      const message = `The inputs are ${text.length} characters long; ${LIMITS.INPUT_LENGTH} are allowed.`;
      return refuse(problem('SANDBOX_INPUT', message, 'Large data belongs into an asset.'));
    }
    if (plugin.code.length > LIMITS.CODE_LENGTH) {
      return refuse(problem('NODE_BROKEN', 'The plugin is larger than a plugin may be.', null));
    }
    const until = suspects.get(suspectKey(request));
    const isSuspect = until !== undefined && until > Date.now();
    if (until !== undefined && !isSuspect) suspects.delete(suspectKey(request));
    const id = nextRun++;
    const key = isSuspect ? `${request.workspaceId}\nalone ${id}` : request.workspaceId;
    const child = await take(key, request.workspaceId);
    if (signal?.aborted) {
      if (child && isResting(child)) slots.shift()?.();
      return refuse(CANCEL_ERRORS.cancelled);
    }
    if (!child) {
      return refuse(problem('SANDBOX_UNAVAILABLE', 'No sandbox process could be started.', AGAIN, 'later'));
    }
    if (child.isGone || child.death) return run(request); // it ended between being given and being used
    const result = await new Promise<SandboxResult>((done) => {
      const pending: Pending = {
        id,
        request,
        done,
        abort: new AbortController(),
        timers: [],
        isCancelled: false,
      };
      child.runs.set(id, pending);
      child.count += many?.length ?? 1;
      if (isSuspect) child.isDraining = true; // alone, and never again
      if (!child.sent.has(plugin.digest)) {
        child.sent.add(plugin.digest);
        child.say(frame(FRAME.code, 0, 0, `${plugin.digest}\n${plugin.code}`));
      }
      const header: RunHeader = {
        digest: plugin.digest,
        contextKey: request.contextKey,
        isKept: request.isKept === true,
        cpuMs: limits.cpuMs,
        memoryMb: Math.max(8, limits.memoryMb),
        ...(request.onUsage ? { isMeasured: true } : {}),
      };
      child.say(frame(FRAME.run, id, 0, `${JSON.stringify(header)}\n${text}`));
      pending.timers.push(setTimeout(() => cancel(child, pending, 'time'), limits.wallMs));
      const onAbort = () => cancel(child, pending, 'cancelled');
      signal?.addEventListener('abort', onAbort, { once: true });
      pending.abort.signal.addEventListener('abort', () => signal?.removeEventListener('abort', onAbort), {
        once: true,
      });
      poll();
    });
    if (isSuspect && result.ok) suspects.delete(suspectKey(request));
    return result;
  }

  // ---------------------------------------------------------------- watching from outside

  let timer: NodeJS.Timeout | undefined;
  function poll(afterMs = POLL_MS): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      let isBusy = false;
      let isClose = false;
      for (const child of everyone) {
        if (isResting(child)) {
          if (child !== spare && Date.now() - child.restsSince > restMs) end(child, RETIRED, 'unknown');
          else if (child !== spare) isBusy = true;
          continue;
        }
        isBusy = true;
        if (child.guestPid === child.process.pid && machine.layers.includes('private-filesystem')) {
          for (let pid: number | undefined = child.process.pid; pid !== undefined; pid = childrenOf(pid)[0]) {
            child.guestPid = pid; // under bubblewrap the guest is its descendant
          }
        }
        const usage = usageOf(child.guestPid);
        if (!usage) continue;
        if (usage.residentBytes > residentBytes) end(child, tooMuchMemory(residentBytes), 'unknown');
        else if (usage.residentBytes > residentBytes / 2) isClose = true;
        watchCpu(child, usage.cpuMs);
      }
      if (isBusy) poll(isClose ? CLOSE_POLL_MS : POLL_MS);
    }, afterMs).unref();
  }

  /**
   * The child charges each run itself; this is for a child that no longer can. A run alone in it is held to its own
   * share by the process's clock; a child that computes and leaves pings unanswered is ended.
   */
  function watchCpu(child: Child, cpuMs: number): void {
    const only = child.runs.size === 1 ? [...child.runs.values()][0] : undefined;
    if (only) {
      const base = child.cpuBase.get(only);
      if (base === undefined) child.cpuBase.set(only, cpuMs);
      else if (cpuMs - base > only.request.limits.cpuMs + ANSWER_MS) cancel(child, only, 'cpu');
    } else child.cpuBase.clear();
    if (!child.pinged) {
      child.pinged = true;
      child.pongCpuMs = cpuMs;
      child.say(frame(FRAME.ping));
    } else if (cpuMs - child.pongCpuMs > DEAF_CPU_MS) end(child, crashed('it no longer answered'), 'unknown');
  }

  if (wantsSpare) spare = await startChild();

  return {
    run,
    forget(contextKey) {
      for (const child of children.values()) child.say(frame(FRAME.forget, 0, 0, contextKey));
    },
    layers() {
      return {
        applied: ['own-process', 'isolate', 'empty-environment', 'node-permissions', ...machine.layers],
        missing: machine.missing,
      };
    },
    pids: () => [...everyone].map((child) => child.process.pid),
    async [Symbol.asyncDispose]() {
      isClosed = true;
      clearTimeout(timer);
      const all = [...everyone];
      for (const child of all) {
        end(child, CANCEL_ERRORS.cancelled, 'unknown');
      }
      for (const wake of slots.splice(0)) wake();
      await Promise.all(all.map((child) => child.process.exited));
      await Promise.allSettled(starting.values());
      if (temporary) await rm(temporary, { recursive: true, force: true });
    },
  };
}
