/**
 * What a plugin in the making does in one execution, for who writes it: its lines, what it asked for and what came back, and
 * what that took. Kept in the workspace (db/trials.ts); of other plugins nothing is kept.
 *
 * Replies are kept so that tests can be made of them (`node record`): what looks like a secret or like a person's address is
 * taken out before anything is written.
 */
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import type { TrialSaid, Trial as Written } from '../db/trials.ts';
import type { Json, SandboxResult, Usage } from './sandbox/sandbox.ts';

/** Entries of one execution, and characters of all its replies together. */
const MOST_SAID = 300;
const MOST_KEPT = 256 * 1024;

type Asked = { capability: string; method: string; args: unknown };
type Answer = { reply: unknown; bytes: number } | { error: unknown };
export type Trial = {
  log(line: string): void;
  /** Gives back what is called with its reply, or with why there is none. */
  asked(call: Asked, sentBytes: number): (answer: Answer) => void;
  used(usage: Usage): void;
  over(result: SandboxResult): Written;
};

export function createTrial(
  of: Pick<Written, 'plugin' | 'runId' | 'type' | 'step' | 'entry' | 'attempt' | 'items'>,
): Trial {
  const beganAt = new Date();
  const began = performance.now();
  const said: TrialSaid[] = [];
  const open = new Set<(answer: Answer) => void>();
  let left = MOST_KEPT;
  let used: Usage | null = null;
  const at = () => round(performance.now() - began);
  const say = (entry: TrialSaid) => {
    if (said.length < MOST_SAID) said.push(entry);
    else if (said.length === MOST_SAID) said.push({ at: at(), kind: 'log', line: '(the rest is left out)' });
  };
  /** As JSON without secrets, as long as there is room. */
  const kept = (value: unknown): { value: Json } | null => {
    try {
      const length = JSON.stringify(value ?? null).length;
      if (length > left) return null;
      left -= length;
      return { value: redacted(value) };
    } catch (error) {
      if (error instanceof RangeError) return null; // too deep to be walked
      throw error;
    }
  };
  return {
    log: (line) => say({ at: at(), kind: 'log', line }),
    asked(call, sentBytes) {
      const asked = at();
      const request = kept(requestOf(call));
      const tell = (answer: Answer) => {
        if (!open.delete(tell)) return;
        const isIn = 'reply' in answer;
        const reply = isIn ? kept(answer.reply) : null;
        say({
          at: asked,
          kind: 'call',
          what: titleOf(call),
          ms: round(at() - asked),
          sentBytes,
          receivedBytes: isIn ? answer.bytes : 0,
          status: isIn ? statusOf(answer.reply) : null,
          code: isIn ? null : codeOf(answer.error),
          ...(request && { request: request.value }),
          ...(reply && { reply: reply.value }),
        });
      };
      open.add(tell);
      return tell;
    },
    used(usage) {
      used = usage;
    },
    over(result) {
      for (const tell of [...open]) tell({ error: { code: 'UNANSWERED' } });
      return {
        ...of,
        beganAt,
        ms: at(),
        cpuMs: used && round(used.cpuMs),
        heapBytes: used?.heapBytes ?? null,
        error: result.ok ? null : result.error,
        said,
      };
    },
  };
}

const round = (ms: number) => Math.round(ms * 100) / 100;
const asRecord = (value: unknown) =>
  (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}) as Record<string, unknown>;

/** An effect is a request with a name. */
function requestOf({ capability, method, args }: Asked): unknown {
  if (capability === 'http') return args;
  if (capability === 'effect') return asRecord(args).request;
  return { call: `${capability}.${method}`, args };
}

/** Without the query: it may hold what nobody should read over a shoulder. */
function titleOf(call: Asked): string {
  const request = asRecord(requestOf(call));
  if (typeof request.method !== 'string') return `${call.capability}.${call.method}`;
  const address = `${request.method} ${request.host ?? ''}${String(request.path ?? '').split('?')[0]}`;
  return call.capability === 'effect' ? `effect ${String(asRecord(call.args).name)}: ${address}` : address;
}

function statusOf(reply: unknown): number | null {
  const { status } = asRecord(reply);
  return typeof status === 'number' ? status : null;
}

function codeOf(error: unknown): string {
  const { code } = asRecord(error);
  return typeof code === 'string' ? code : 'CAPABILITY_FAILED';
}

// ---------------------------------------------------------------- what nobody else should read

const SECRET_NAMES =
  /(authorization|cookie|token|secret|password|passwd|api[-_]?key|signature|session|credential|private[-_]?key)/i;
// lengths have an end: a node chooses the texts, and may choose them so that a search takes for ever
const MAIL = /[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/g;
const BEARER = /\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi;
/** A signed address lends what it names. */
const IN_QUERY = /([?&][\w.-]{0,40}(?:token|secret|key|sig|signature|auth|code)[\w.-]{0,40}=)[^&\s"]+/gi;

/** The value as JSON, with `[redacted]` where a name says that it is secret, and in the place of mail addresses. */
export function redacted(value: unknown): Json {
  if (typeof value === 'string') {
    return value
      .replace(BEARER, '$1 [redacted]')
      .replace(IN_QUERY, '$1[redacted]')
      .replace(MAIL, '[redacted]@example.com');
  }
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== 'object' || value === null) return (value ?? null) as Json;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [
      name,
      SECRET_NAMES.test(name) && part !== null && typeof part !== 'object' ? '[redacted]' : redacted(part),
    ]),
  );
}

// ---------------------------------------------------------------- stacks

const FRAME = /^(\s*at .*?\(?)plugin:(\d+):(\d+)(\)?)$/;

/** Whether a line of the log is a stack that leads into the packed script. */
export const isStack = (line: string) => /\bplugin:\d+:\d+/.test(line);

/**
 * Reads stacks of a packed script as stacks of its author's files: `at shorten (src/shorten.ts:12:5)`. The map is read once. Frames
 * of the sandbox itself are left out; what the map does not know, or no map at all, leaves a stack as it is.
 */
export function stackReader(map: string): (stack: string) => string {
  let trace: TraceMap;
  try {
    trace = new TraceMap(map);
  } catch {
    return (stack) => stack; // the map is the author's own
  }
  const frameOf = (line: string): string => {
    const found = FRAME.exec(line);
    if (!found) return line;
    const [, before, row, column, after] = found as unknown as [string, string, string, string, string];
    const {
      source,
      line: at,
      column: place,
    } = originalPositionFor(trace, {
      line: Math.max(1, Number(row)),
      column: Math.max(0, Number(column) - 1),
    });
    return source ? `${before}${source}:${at}:${place! + 1}${after}` : line;
  };
  return (stack) =>
    stack
      .split('\n')
      .filter((line) => !/\bprelude:\d+:\d+/.test(line))
      .map(frameOf)
      .join('\n');
}
