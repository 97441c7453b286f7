/**
 * The whole wall: what crosses between the host and the disposable child that runs foreign code, and how much of it.
 *
 * Both ends speak frames over one inherited socket (descriptor 3 of the child):
 *
 *   bytes 0-3   length of what follows, at most FRAME_BYTES
 *   byte  4     kind, see FRAME
 *   bytes 5-8   run number, given by the host, 0 where there is none
 *   bytes 9-12  call number, given by the guest, 0 where there is none
 *   rest        UTF-8 text, JSON unless said otherwise
 *
 *   host → child   $code    `<digest>\n<JavaScript>`, once per child and plugin
 *                  $run     `<RunHeader>\n<guest JSON>`; the child reads the header, the guest the rest
 *                  $reply   `1<JSON>` a capability's answer, `0<ErrorJson>` its refusal
 *                  $cancel  why, one of CANCEL_REASONS (plain text)
 *                  $forget  a context key: its contexts are dropped (plain text)
 *                  $ping
 *   child → host   $ready   the child's own pid (plain text)
 *                  $call    GuestCall, as the guest wrote it
 *                  $event   GuestEvent, as the guest wrote it
 *                  $result  GuestResult, as the guest wrote it
 *                  $verdict Verdict, written by the child about a run it had to end
 *                  $usage   Usage, written by the child before the result of a run that asked for it
 *                  $doomed  an isolate does not stop: kill this process (plain text)
 *                  $pong
 *
 * The header is made by the child, never by the guest, so a guest can lie about nothing but its own call. All that a
 * guest wrote is parsed on the host with the schemas below. Nothing else crosses: no reference, function or handle.
 */
import type { Writable } from 'node:stream';
import * as z from 'zod';
import { ErrorJson } from '../../nodes/contract.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export const FRAME = {
  code: 1,
  run: 2,
  reply: 3,
  cancel: 4,
  forget: 5,
  ping: 6,
  ready: 16,
  call: 17,
  event: 18,
  result: 19,
  verdict: 20,
  doomed: 21,
  pong: 22,
  usage: 23,
} as const;
type FrameKind = (typeof FRAME)[keyof typeof FRAME];
export type Frame = { kind: number; run: number; call: number; text: string };

/** What one run may send or receive. Lengths are UTF-16 units of JSON text, except FRAME_BYTES. */
export const LIMITS = {
  FRAME_BYTES: 64 * 1024 * 1024,
  /** Inputs, config, brand and connection together. */
  INPUT_LENGTH: 16 * 1024 * 1024,
  OUTPUT_LENGTH: 16 * 1024 * 1024,
  CALL_LENGTH: 8 * 1024 * 1024,
  REPLY_LENGTH: 16 * 1024 * 1024,
  CODE_LENGTH: 4 * 1024 * 1024,
  /** How deep lists and objects of an output or of a call's arguments lie in one another. */
  DEPTH: 500,
  CALLS: 10_000,
  LOG_LINES: 1_000,
  /** What is above LOG_LINES is left out; above this the run ends. */
  LOG_CALLS: 100_000,
  LOG_LINE_LENGTH: 1_000,
  PROGRESS_EVENTS: 2_000,
  FACTS: 200,
  NOTE_LENGTH: 300,
  /** A guest that got around the limits above by breaking its own prelude is ended here. */
  MESSAGES: 20_000,
  MESSAGE_BYTES: 128 * 1024 * 1024,
} as const;

/** How long a child may leave a cancellation unanswered before its group is killed. */
export const ANSWER_MS = 250;

const HEADER_BYTES = 9; // kind, run, call

export function frame(kind: FrameKind, run = 0, call = 0, text = ''): Buffer {
  const bytes = Buffer.byteLength(text);
  const buffer = Buffer.allocUnsafe(4 + HEADER_BYTES + bytes);
  buffer.writeUInt32BE(HEADER_BYTES + bytes, 0);
  buffer.writeUInt8(kind, 4);
  buffer.writeUInt32BE(run, 5);
  buffer.writeUInt32BE(call, 9);
  buffer.write(text, 13);
  return buffer;
}

/**
 * While there are several runs, what is said within one turn of the loop goes down together: each write wakes the other side,
 * which costs more than a small run. A run alone waits for nothing.
 */
export function speaker(socket: Writable, areSeveral: () => boolean): (frame: Buffer) => void {
  let isCorked = false;
  return (said) => {
    if (!isCorked && areSeveral()) {
      isCorked = true;
      socket.cork();
      setImmediate(() => {
        isCorked = false;
        socket.uncork();
      });
    }
    socket.write(said);
  };
}

/** Cuts a byte stream into frames. `onBroken` where a length is impossible; nothing is read after it. */
export function frameReader(onFrame: (frame: Frame) => void, onBroken: () => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let held = 0;
  let wanted = 4;
  let broken = false;
  return (chunk) => {
    if (broken) return;
    parts.push(chunk);
    held += chunk.length;
    if (held < wanted) return; // joined once per frame, however many pieces a large one comes in
    let data = parts.length === 1 ? chunk : Buffer.concat(parts);
    let at = 0;
    wanted = 4;
    while (data.length - at >= 4) {
      const length = data.readUInt32BE(at);
      if (length < HEADER_BYTES || length > LIMITS.FRAME_BYTES) {
        broken = true;
        parts = [];
        return onBroken();
      }
      wanted = 4 + length;
      if (data.length - at < wanted) break;
      onFrame({
        kind: data.readUInt8(at + 4),
        run: data.readUInt32BE(at + 5),
        call: data.readUInt32BE(at + 9),
        text: data.toString('utf8', at + 4 + HEADER_BYTES, at + wanted),
      });
      at += wanted;
      wanted = 4;
    }
    data = data.subarray(at);
    held = data.length;
    parts = held > 0 ? [data] : [];
  };
}

// ---------------------------------------------------------------- what the host tells the child

export const ENTRIES = [
  ...['run', 'simulate', 'lookup', 'migrateConfig', 'manifest'],
  ...['account', 'validate', 'remove', 'metrics', 'events'],
] as readonly ('run' | 'simulate' | 'lookup' | 'migrateConfig' | 'manifest' | PlatformEntry)[];
type PlatformEntry = 'account' | 'validate' | 'remove' | 'metrics' | 'events';
export type Entry = (typeof ENTRIES)[number];

export type RunHeader = {
  digest: string;
  contextKey: string;
  /** The realm serves other pipeline runs too: it is made unchangeable (prelude-harden.ts). */
  isKept: boolean;
  cpuMs: number;
  memoryMb: number;
  /** Usage is told before the result. */
  isMeasured?: boolean;
};

/** What the guest's prelude receives. */
export type GuestStart = {
  entry: Entry;
  config: Json;
  now: string;
  seed: string;
  brand: Json;
  connection: Json;
  inputs: Json;
  /** The items that the entry is run for, one after the other, in the place of one; `config`, `seed` and `inputs` are theirs. */
  many?: GuestItem[];
};
export type GuestItem = { config: Json; seed: string; inputs: Json };

export const CANCEL_REASONS = ['time', 'cpu', 'cancelled', 'protocol'] as const;
export type CancelReason = (typeof CANCEL_REASONS)[number];

// ---------------------------------------------------------------- what comes out

export const GuestCall = z.strictObject({
  capability: z.string().regex(/^[a-z][A-Za-z]{0,39}$/),
  method: z.string().regex(/^[a-z][A-Za-z]{0,39}$/),
  args: z.unknown(),
});

export const GuestEvent = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('progress'),
    fraction: z.number().min(0).max(1),
    note: z.string().max(LIMITS.NOTE_LENGTH).nullable(),
  }),
  z.strictObject({ kind: z.literal('log'), line: z.string().max(LIMITS.LOG_LINE_LENGTH) }),
  z.strictObject({ kind: z.literal('fact'), name: z.string().max(60), value: z.string().max(LIMITS.NOTE_LENGTH) }),
]);
export type GuestEvent = z.infer<typeof GuestEvent>;

export const GuestResult = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(true), value: z.unknown() }),
  z.strictObject({ ok: z.literal(false), error: ErrorJson }),
]);

/** What each of many items came to, and what it said meanwhile. */
export const GuestResults = z.array(
  z.discriminatedUnion('ok', [
    z.strictObject({ said: z.array(GuestEvent), ok: z.literal(true), value: z.unknown() }),
    z.strictObject({ said: z.array(GuestEvent), ok: z.literal(false), error: ErrorJson }),
  ]),
);

/** `lost`: the isolate went with the run, through its own fault or a neighbour's. */
export const Verdict = z.strictObject({ error: ErrorJson, lost: z.enum(['own', 'neighbour']).nullable() });
export type Verdict = z.infer<typeof Verdict>;

/** CPU time of the run, and bytes that lie in the heap of its isolate as it ends: what other runs left is among them. */
export const Usage = z.strictObject({ cpuMs: z.number().min(0), heapBytes: z.number().min(0).nullable() });
export type Usage = z.infer<typeof Usage>;

/** Whoever walks a value by recursion runs out of stack some thousands deep. */
export class TooDeep extends Error {}

/** Looked at in the text: the parser itself has no limit. A short one cannot be deep. */
function refuseDepth(text: string): void {
  if (text.length <= 2 * LIMITS.DEPTH) return;
  let depth = 0;
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (isText) {
      if (sign === 92)
        at++; // a backslash, and what it escapes
      else if (sign === 34) isText = false;
    } else if (sign === 34) isText = true;
    else if (sign === 91 || sign === 123) {
      depth += 1;
      if (depth > LIMITS.DEPTH + 1) throw new TooDeep(); // the message that it stands in is one
    } else if (sign === 93 || sign === 125) depth -= 1;
  }
}

/**
 * Parses what a guest wrote, without own `__proto__` keys: they would reach whatever merges or assigns the value. Throws
 * `TooDeep`, and SyntaxError where it is no JSON.
 */
export function parseGuestJson(text: string): Json {
  refuseDepth(text);
  const value = JSON.parse(text) as Json;
  if (/__proto__|\\u00/i.test(text)) dropPrototypeKeys(value);
  return value;
}

function dropPrototypeKeys(root: Json): void {
  const open: Json[] = [root]; // a list, not recursion: depth is the guest's choice
  while (open.length > 0) {
    const value = open.pop();
    if (value === null || typeof value !== 'object') continue;
    if (!Array.isArray(value) && Object.hasOwn(value, '__proto__')) Reflect.deleteProperty(value, '__proto__');
    open.push(...(Array.isArray(value) ? [] : Object.values(value)));
    if (Array.isArray(value)) for (const member of value) open.push(member);
  }
}
