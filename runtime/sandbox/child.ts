/**
 * The disposable child: one workspace's foreign code, in isolates, with nothing else in the process worth having.
 *
 * An isolate per plugin digest; in it a context ("room") per context key, used by one run at a time, so that the fixed
 * clock and the seeded chance belong to exactly one run; parallel runs of one key get a room each. A room is dropped
 * after a minute of rest, on `$forget`, and whenever a run ended badly in it.
 *
 * Nothing here trusts isolated-vm's own time-outs: they cover neither promises nor reading a hostile error. Each entry
 * into an isolate is a task; every 25 ms the CPU time of its isolate is charged to the task at the head, and who has
 * spent his share loses the isolate. An isolate that does not stop is reported as doomed: the host kills the process.
 *
 * Started by sandbox.ts from one bundled file on stdin; argv[2] is the path of isolated-vm's addon.
 */
import { Socket } from 'node:net';
import type IsolatedVm from 'isolated-vm';
import type { ErrorJson } from '../../nodes/contract.ts';
import { ANSWER_MS, type CancelReason, FRAME, frame, frameReader, LIMITS, type RunHeader, speaker } from './bridge.ts';
import { prelude } from './prelude.ts';
import { hardener } from './prelude-harden.ts';
import { WEB_NAMES, webPrelude, whenUsed } from './prelude-web.ts';

const CHECK_MS = 25;
const ROOM_REST_MS = 60_000;
const ISOLATE_REST_MS = 300_000;
const MOST_ISOLATES = 16;
const MOST_ROOMS = 32;

type Task = { run: Run | null };
type Room = {
  key: string;
  context: IsolatedVm.Context;
  /** start, settle or close (prelude.ts), and what that is given. */
  ask: IsolatedVm.Reference;
  run: Run | null;
  isDirty: boolean;
  restsSince: number;
};
type Guest = {
  digest: string;
  isolate: IsolatedVm.Isolate;
  plugin: Promise<IsolatedVm.Script> | null;
  prelude: Promise<IsolatedVm.Script> | null;
  rooms: Set<Room>;
  /** Rooms that are being made. */
  making: number;
  waiting: (() => void)[];
  tasks: Task[];
  runs: Set<Run>;
  chargedMs: number;
  isLost: boolean;
  restsSince: number;
};
type Run = {
  id: number;
  guest: Guest;
  room: Room | null;
  cpuMs: number;
  usedMs: number;
  /** Calls the host has not answered yet. */
  open: Set<number>;
  /** Entries into the isolate that have not come back. */
  inside: number;
  messages: number;
  length: number;
  isOver: boolean;
  isMeasured: boolean;
  /** Of a measured run: kept until what it used is charged. */
  result: string | null;
};

const addon: { exports: { ivm?: typeof IsolatedVm } } = { exports: {} };
process.dlopen(addon, process.argv[2]!);
const ivm = addon.exports.ivm!;

const socket = new Socket({ fd: 3, readable: true, writable: true });
const say = speaker(socket, () => runs.size > 1);
const goodbye = () => process.kill(process.pid, 'SIGKILL'); // an isolate's thread may never end by itself
socket.on('close', goodbye);
socket.on('error', goodbye);

const codes = new Map<string, string>();
const guests = new Map<string, Guest>();
const runs = new Map<number, Run>();

/** Gives back one function for all the host may ask of a room: a reference for each would cost a way into it for each. */
const PRELUDE = `(function (host, limits) { 'use strict';
  (${whenUsed.toString()})(${JSON.stringify(WEB_NAMES)}, ${webPrelude.toString()});
  const harden = (${hardener.toString()})(${JSON.stringify(WEB_NAMES)});
  const made = { ...(${prelude.toString()})(host, limits), harden };
  return (what, a, b, c, d) => made[what](a, b, c, d); })`;
const LIMITS_TEXT = JSON.stringify(LIMITS);

// ---------------------------------------------------------------- ending runs

function problem(code: string, message: string, hint: string | null, retry: ErrorJson['retry'] = 'never'): ErrorJson {
  return { code, message, hint, retry };
}
const NEIGHBOUR = problem(
  'SANDBOX_NEIGHBOUR',
  'Another run of the same plugin broke the sandbox they shared.',
  'It is tried again by itself.',
  'later',
);
const outOfMemory = (megabytes: number | null) =>
  problem(
    'SANDBOX_MEMORY',
    megabytes === null
      ? 'The node used more memory than it may have.'
      : `The node used more than ${megabytes} MB of memory.`,
    'Work on less at once, or let an asset hold the data.',
  );

function over(run: Run): void {
  run.isOver = true;
  runs.delete(run.id);
  run.guest.runs.delete(run);
  run.guest.restsSince = Date.now();
  const { room } = run;
  if (room) {
    room.run = null;
    room.restsSince = Date.now();
    if (room.isDirty) dropRoom(run.guest, room);
  }
  run.guest.waiting.shift()?.();
}

function verdict(run: Run, error: ErrorJson, lost: 'own' | 'neighbour' | null): void {
  if (run.isOver) return;
  if (run.isMeasured) tellUsage(run);
  say(frame(FRAME.verdict, run.id, 0, JSON.stringify({ error, lost })));
  if (run.room) {
    run.room.isDirty = true;
    if (!run.guest.isLost) run.room.ask.applyIgnored(undefined, ['close', run.id]);
  }
  over(run);
}

function tellUsage({ id, guest, usedMs }: Run): void {
  let heapBytes: number | null = null;
  try {
    const heap = guest.isLost ? null : guest.isolate.getHeapStatisticsSync();
    if (heap) heapBytes = heap.used_heap_size + heap.externally_allocated_size;
  } catch {
    // disposed meanwhile
  }
  say(frame(FRAME.usage, id, 0, JSON.stringify({ cpuMs: Math.max(0, usedMs), heapBytes })));
}

/** Tells the result of a measured run, once nothing of it is in the isolate any more. */
function tellResult(run: Run): void {
  if (run.result === null || run.isOver || run.inside > 0) return;
  tellUsage(run);
  say(frame(FRAME.result, run.id, 0, run.result));
  over(run);
}

/** Takes the whole isolate away; everybody else in it is told that it was not their fault. */
function loseIsolate(guest: Guest, guilty: Run | null, error: ErrorJson): void {
  if (guest.isLost) return;
  guest.isLost = true;
  guests.delete(guest.digest);
  if (guilty) verdict(guilty, error, 'own');
  for (const run of [...guest.runs]) verdict(run, NEIGHBOUR, 'neighbour');
  for (const wake of guest.waiting.splice(0)) wake();
  try {
    guest.isolate.dispose();
  } catch {
    // it disposed of itself
  }
  if (guest.tasks.length === 0) return;
  setTimeout(() => {
    if (guest.tasks.length > 0) say(frame(FRAME.doomed, 0, 0, guest.digest));
  }, ANSWER_MS);
}

// ---------------------------------------------------------------- the clock

function charge(guest: Guest): void {
  if (guest.isLost) return;
  let total: number;
  try {
    total = Number(guest.isolate.cpuTime) / 1e6;
  } catch {
    return; // disposed meanwhile: its task tells
  }
  const head = guest.tasks[0]?.run;
  if (head) head.usedMs += total - guest.chargedMs;
  guest.chargedMs = total;
}

function overspent(run: Run): void {
  const message = `The node computed for more than ${run.cpuMs / 1000} s.`;
  loseIsolate(run.guest, run, problem('SANDBOX_CPU', message, 'Look for an endless loop, or work on less at once.'));
}

let clock: NodeJS.Timeout | undefined;
function watch(): void {
  clock ??= setInterval(() => {
    let isBusy = false;
    for (const guest of guests.values()) {
      if (guest.tasks.length === 0) continue;
      isBusy = true;
      charge(guest);
      const head = guest.tasks[0]?.run;
      if (head && !head.isOver && head.usedMs > head.cpuMs) overspent(head);
    }
    if (!isBusy) {
      clearInterval(clock);
      clock = undefined;
    }
  }, CHECK_MS);
}

/**
 * One entry into an isolate: one call, or several that it does one after the other. So who is at the head of the tasks is who
 * computes, and who is blamed. Undefined where the isolate was lost on the way (the run knows already).
 */
async function enter<T>(guest: Guest, run: Run | null, act: () => Promise<T>): Promise<T | undefined> {
  const task: Task = { run };
  guest.tasks.push(task);
  if (run) run.inside += 1;
  watch();
  try {
    return await act();
  } catch (error) {
    if (guest.isLost) return undefined;
    if (guest.isolate.isDisposed) {
      loseIsolate(guest, guest.tasks[0]?.run ?? run, outOfMemory(null));
      return undefined;
    }
    throw error;
  } finally {
    charge(guest);
    guest.tasks.splice(guest.tasks.indexOf(task), 1);
    if (run) run.inside -= 1;
    if (run && !run.isOver && run.usedMs > run.cpuMs) overspent(run);
  }
}

// ---------------------------------------------------------------- isolates and rooms

function guestFor(digest: string, memoryMb: number): Guest {
  const known = guests.get(digest);
  if (known) return known;
  if (guests.size >= MOST_ISOLATES) {
    const resting = [...guests.values()].filter((guest) => guest.runs.size === 0 && guest.tasks.length === 0);
    resting.sort((a, b) => a.restsSince - b.restsSince);
    if (resting[0]) loseIsolate(resting[0], null, NEIGHBOUR);
  }
  const guest: Guest = {
    digest,
    isolate: new ivm.Isolate({
      memoryLimit: memoryMb,
      // V8 has lost control; the thread never comes back, so neither does the process
      onCatastrophicError: () => loseIsolate(guest, guest.tasks[0]?.run ?? null, outOfMemory(memoryMb)),
    }),
    plugin: null,
    prelude: null,
    rooms: new Set(),
    making: 0,
    waiting: [],
    tasks: [],
    runs: new Set(),
    chargedMs: 0,
    isLost: false,
    restsSince: Date.now(),
  };
  guests.set(digest, guest);
  return guest;
}

function dropRoom(guest: Guest, room: Room): void {
  guest.rooms.delete(room);
  if (!guest.isLost) {
    for (const handle of [room.ask, room.context]) handle.release();
  }
}

/** Undefined where the isolate was lost on the way. Each step is an entry of its own: others come in between. */
async function makeRoom(guest: Guest, run: Run, { contextKey: key, isKept }: RunHeader): Promise<Room | undefined> {
  const { isolate } = guest;
  const compile = (code: string, filename: string) => isolate.compileScript(code, { filename });
  if (!guest.prelude || !guest.plugin) {
    const compiled = await enter(guest, run, () => {
      guest.prelude ??= compile(PRELUDE, 'prelude');
      guest.plugin ??= compile(codes.get(guest.digest) ?? '', 'plugin');
      return Promise.all([guest.prelude, guest.plugin]);
    });
    if (!compiled) return undefined;
  }
  const [preludeScript, pluginScript] = [await guest.prelude!, await guest.plugin!];
  const context = await enter(guest, run, () => isolate.createContext());
  const room: Partial<Room> & { key: string } = { key };
  const setUp =
    context &&
    ((await enter(guest, run, () => preludeScript.run(context, { reference: true }))) as IsolatedVm.Reference);
  if (!setUp) return undefined;
  const host = new ivm.Callback((text: unknown) => hear(room as Room, text), { ignored: true });
  // the isolate does the one after the other; the last value comes as a reference, so that nothing foreign is looked at
  const made = (await enter(guest, run, () =>
    Promise.all([
      setUp.apply(undefined, [host, LIMITS_TEXT], { result: { reference: true } }),
      pluginScript.run(context, { reference: true }),
    ]),
  )) as [IsolatedVm.Reference, IsolatedVm.Reference | undefined] | undefined;
  if (!made) return undefined;
  const [ask, last] = made;
  setUp.release();
  last?.release();
  if (isKept) await enter(guest, run, () => ask.apply(undefined, ['harden']));
  if (guest.isLost) return undefined;
  Object.assign(room, { context, ask, run: run.isOver ? null : run, isDirty: false, restsSince: Date.now() });
  if (!run.isOver) run.room = room as Room;
  guest.rooms.add(room as Room);
  return room as Room;
}

async function takeRoom(guest: Guest, run: Run, header: RunHeader): Promise<Room | undefined> {
  for (;;) {
    if (run.isOver || guest.isLost) return undefined;
    for (const room of guest.rooms) {
      if (room.key === header.contextKey && !room.run) {
        room.run = run;
        run.room = room;
        return room;
      }
    }
    const resting = [...guest.rooms].filter((room) => !room.run).sort((a, b) => a.restsSince - b.restsSince);
    if (guest.rooms.size + guest.making < MOST_ROOMS || resting[0]) {
      if (guest.rooms.size + guest.making >= MOST_ROOMS) dropRoom(guest, resting[0]!);
      guest.making += 1;
      try {
        return await makeRoom(guest, run, header);
      } finally {
        guest.making -= 1;
      }
    }
    await new Promise<void>((wake) => guest.waiting.push(wake));
  }
}

setInterval(() => {
  const now = Date.now();
  for (const guest of guests.values()) {
    for (const room of guest.rooms) if (!room.run && now - room.restsSince > ROOM_REST_MS) dropRoom(guest, room);
    if (guest.runs.size === 0 && guest.tasks.length === 0 && now - guest.restsSince > ISOLATE_REST_MS) {
      loseIsolate(guest, null, NEIGHBOUR);
    }
  }
}, 5_000);

// ---------------------------------------------------------------- what guests say

const MESSAGE = /^([cer])(\d{1,10})(?:\.(\d{1,10}))?:/;

/** The only function a guest can call. Everything it says is about the one run in its room, or is not heard. */
function hear(room: Room, text: unknown): void {
  const { run } = room;
  if (!run || run.result !== null || typeof text !== 'string') return;
  const head = MESSAGE.exec(text.slice(0, 24));
  if (!head || Number(head[2]) !== run.id) return;
  run.messages += 1;
  run.length += text.length;
  if (run.messages > LIMITS.MESSAGES || run.length > LIMITS.MESSAGE_BYTES) {
    const error = problem('SANDBOX_FLOOD', 'The node sent more messages than a run may send.', 'Ask for more at once.');
    loseIsolate(run.guest, run, error);
    return;
  }
  const body = text.slice(head[0].length);
  if (head[1] === 'c') {
    const call = Number(head[3] ?? 0);
    if (call === 0 || call > 0xffff_ffff) return;
    run.open.add(call);
    say(frame(FRAME.call, run.id, call, body));
  } else if (head[1] === 'e') say(frame(FRAME.event, run.id, 0, body));
  else if (run.isMeasured) run.result = body;
  else {
    say(frame(FRAME.result, run.id, 0, body));
    over(run);
  }
}

/** After each way into the isolate. Nothing runs, nothing is awaited from the host, no result: it would wait for ever. */
function checkStuck(run: Run): void {
  tellResult(run);
  if (run.isOver || run.inside > 0 || run.open.size > 0) return;
  const message = 'The node waits for something that can never happen.';
  verdict(run, problem('NODE_STUCK', message, 'A promise in it is never settled.'), null);
}

// ---------------------------------------------------------------- what the host says

async function startRun(id: number, header: RunHeader, text: string): Promise<void> {
  const guest = guestFor(header.digest, header.memoryMb);
  const run: Run = {
    id,
    guest,
    room: null,
    cpuMs: header.cpuMs,
    usedMs: 0,
    open: new Set(),
    inside: 0,
    messages: 0,
    length: 0,
    isOver: false,
    isMeasured: header.isMeasured ?? false,
    result: null,
  };
  runs.set(id, run);
  guest.runs.add(run);
  let room: Room | undefined;
  try {
    room = await takeRoom(guest, run, header);
  } catch (error) {
    // copied by isolated-vm: a plain message, whatever was thrown
    const text = error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 1_000) : 'It threw something odd.';
    if (guest.runs.size <= 1) guest.plugin = null;
    return verdict(run, problem('NODE_BROKEN', `The plugin cannot be loaded. ${text}`, null), null);
  }
  if (!room || run.isOver) return;
  try {
    await enter(guest, run, () => room.ask.apply(undefined, ['start', id, text]));
  } catch {
    return loseIsolate(guest, run, problem('SANDBOX_CRASHED', 'The sandbox lost control of the node.', null));
  }
  checkStuck(run);
}

async function reply(id: number, call: number, text: string): Promise<void> {
  const run = runs.get(id);
  if (!run?.room || !run.open.delete(call)) return;
  const { room, guest } = run;
  try {
    await enter(guest, run, () => room.ask.apply(undefined, ['settle', id, call, text.startsWith('1'), text.slice(1)]));
  } catch {
    return loseIsolate(guest, run, problem('SANDBOX_CRASHED', 'The sandbox lost control of the node.', null));
  }
  checkStuck(run);
}

const REASONS: Record<CancelReason, ErrorJson> = {
  time: problem('SANDBOX_TIME', 'The node took longer than it may.', 'Look at what it waited for in its log.', 'later'),
  cpu: problem('SANDBOX_CPU', 'The node computed for longer than it may.', 'Look for an endless loop.'),
  cancelled: problem('CANCELLED', 'The run was cancelled.', null),
  protocol: problem('SANDBOX_PROTOCOL', 'The node sent the host something that is not a message.', null),
};

function cancel(id: number, reason: string): void {
  const run = runs.get(id);
  if (!run) return;
  const error = REASONS[reason as CancelReason] ?? REASONS.cancelled;
  if (run.guest.tasks[0]?.run === run) loseIsolate(run.guest, run, error);
  else verdict(run, error, null);
}

function forget(key: string): void {
  for (const guest of guests.values()) {
    for (const room of guest.rooms) {
      if (room.key !== key) continue;
      if (room.run) room.isDirty = true;
      else dropRoom(guest, room);
    }
  }
}

const cut = (text: string): [string, string] => {
  const at = text.indexOf('\n');
  return [text.slice(0, at), text.slice(at + 1)];
};

socket.on(
  'data',
  frameReader(({ kind, run, call, text }) => {
    if (kind === FRAME.run) {
      const [header, rest] = cut(text);
      void startRun(run, JSON.parse(header) as RunHeader, rest);
    } else if (kind === FRAME.reply) void reply(run, call, text);
    else if (kind === FRAME.code) codes.set(...cut(text));
    else if (kind === FRAME.cancel) cancel(run, text);
    else if (kind === FRAME.forget) forget(text);
    else if (kind === FRAME.ping) say(frame(FRAME.pong));
  }, goodbye) as (chunk: Buffer) => void,
);
say(frame(FRAME.ready, 0, 0, String(process.pid)));
