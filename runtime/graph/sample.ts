/**
 * What a preview of an expression is fed with: of each value it takes, the part it speaks of, shortened to a budget.
 * The server projects, the browser puts the parts together and evaluates. Pure.
 */
import { type Reference, recordOf, referenceKey, type Use } from './expression.ts';

export const SAMPLE_BYTES = 64 * 1024;
export type Wanted = Reference & { keys: string[] };
export type Sampled = Wanted & { value: unknown; cut: boolean };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The parts to ask for: each once, and none inside another. */
export function wantedOf(uses: readonly Use[]): Wanted[] {
  const all = uses.map(({ from, node, port, keys }) => ({ from, node, port, keys }));
  const isWithin = (inner: Wanted, outer: Wanted) =>
    referenceKey(inner) === referenceKey(outer) &&
    outer.keys.length <= inner.keys.length &&
    outer.keys.every((key, at) => key === inner.keys[at]);
  return all.filter(
    (wanted, at) =>
      !all.some((other, place) => {
        if (place === at || !isWithin(wanted, other)) return false;
        return other.keys.length < wanted.keys.length || place < at;
      }),
  );
}

/** Goes into records only: of a list or a text the whole is taken. `keys`: how far it went. */
export function partOf(value: unknown, keys: readonly string[]): { value: unknown; keys: string[] } {
  let part = value;
  const gone: string[] = [];
  for (const key of keys) {
    if (!isRecord(part)) break;
    part = Object.hasOwn(part, key) ? part[key] : undefined;
    gone.push(key);
  }
  return { value: part, keys: gone };
}

/** Stands for a part of which nothing fitted. */
const NOTHING = Symbol();

/** The beginning of a value, of the same form, in at most so many bytes of JSON. Of what does not fit at all: null. */
export function shortened(value: unknown, budget: number): { value: unknown; bytes: number; cut: boolean } {
  let left = budget;
  let cut = false;
  const leaveOut = (): typeof NOTHING => {
    cut = true;
    return NOTHING;
  };
  const take = (part: unknown): unknown => {
    if (typeof part === 'string') {
      if (left < 2) return leaveOut();
      // a character takes up to 6 bytes as JSON; most take 1
      let text = part.slice(0, Math.max(0, left - 2));
      while (text !== '' && bytesOf(text) > left) text = text.slice(0, Math.floor(text.length / 2));
      if (text.length < part.length) {
        cut = true;
        if (!text.isWellFormed()) text = text.slice(0, -1);
      }
      left -= bytesOf(text);
      return text;
    }
    if (typeof part !== 'object' || part === null) {
      const bytes = bytesOf(part);
      if (bytes > left) return leaveOut();
      left -= bytes;
      return part;
    }
    if (left < 2) return leaveOut();
    left -= 2;
    if (Array.isArray(part)) {
      const items: unknown[] = [];
      for (const item of part) {
        left -= 1;
        const taken = take(item);
        if (taken === NOTHING) break;
        items.push(taken);
      }
      return items;
    }
    const entries: [string, unknown][] = [];
    for (const [key, item] of Object.entries(part)) {
      left -= bytesOf(key) + 2;
      const taken = take(item);
      if (taken === NOTHING) break;
      entries.push([key, taken]);
    }
    return recordOf(entries);
  };
  if (value === undefined) return { value, bytes: 0, cut };
  const made = take(value);
  return { value: made === NOTHING ? null : made, bytes: budget - Math.max(0, left), cut };
}

const encoder = new TextEncoder();
function bytesOf(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).length;
}

/** The scope's `refs` out of the parts. */
export function assembled(samples: readonly Sampled[]): Map<string, unknown> {
  const refs = new Map<string, unknown>();
  for (const sample of samples) {
    if (sample.value === undefined) continue;
    const key = referenceKey(sample);
    refs.set(key, within(refs.get(key), sample.keys, sample.value));
  }
  return refs;
}

function within(around: unknown, keys: readonly string[], value: unknown): unknown {
  const [key, ...deeper] = keys;
  if (key === undefined) return value;
  const before = isRecord(around) ? around : {};
  const inner = Object.hasOwn(before, key) ? before[key] : undefined;
  return recordOf([...Object.entries(before).filter(([name]) => name !== key), [key, within(inner, deeper, value)]]);
}
