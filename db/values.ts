/**
 * Values as the ledger keeps them: canonical JSON (RFC 8785) named by its SHA-256. Up to 8 KB it lies in the row, above
 * that compressed in the asset store, and the row keeps digest, size and a preview of about 2 KB.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import canonicalize from 'canonicalize';

export type StoredValue = {
  digest: string;
  /** of the canonical JSON */
  bytes: number;
  /** Length of a list; null for anything else. */
  count: number | null;
  value?: unknown;
  /** SHA-256 of the compressed JSON in the asset store. */
  asset?: string;
  preview?: unknown;
};

const INLINE_BYTES = 8 * 1024;
const PREVIEW_BYTES = 2 * 1024;
/** Longer than any transcript of a day: a value beyond this is a mistake, and would not fit in memory twice. */
export const LONGEST_VALUE_BYTES = 64 * 1024 * 1024;

export function canonicalJson(value: unknown): string {
  return canonicalize(value) ?? 'null';
}

export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** `put` stores the compressed bytes and gives back their SHA-256. */
export async function storeValue(
  value: unknown,
  isList: boolean,
  put: (bytes: Uint8Array) => Promise<string>,
): Promise<StoredValue> {
  const json = canonicalJson(value);
  const bytes = Buffer.byteLength(json);
  const stored: StoredValue = {
    digest: createHash('sha256').update(json).digest('hex'),
    bytes,
    count: isList ? (value as unknown[]).length : null,
  };
  if (bytes <= INLINE_BYTES) return { ...stored, value };
  if (bytes > LONGEST_VALUE_BYTES) throw new Error(`A value of ${bytes} bytes is longer than ${LONGEST_VALUE_BYTES}.`);
  return { ...stored, asset: await put(await promisify(gzip)(json)), preview: previewOf(value) };
}

/** `read` gives the compressed bytes of an asset. */
export async function loadValue(stored: StoredValue, read: (sha256: string) => Promise<Buffer>): Promise<unknown> {
  if (stored.asset === undefined) return stored.value;
  const json = await promisify(gunzip)(await read(stored.asset), { maxOutputLength: LONGEST_VALUE_BYTES });
  return JSON.parse(json.toString('utf8'));
}

/** The beginning of a value, of the same form: long texts and lists are cut. */
export function previewOf(value: unknown, budget = PREVIEW_BYTES): unknown {
  let left = budget;
  const cut = (part: unknown): unknown => {
    if (typeof part === 'string') {
      const kept = part.length > 400 ? `${part.slice(0, 399)}…` : part;
      left -= kept.length + 3;
      return kept;
    }
    if (Array.isArray(part)) {
      const kept: unknown[] = [];
      for (const item of part) {
        if (left <= 0) break;
        kept.push(cut(item));
      }
      return kept;
    }
    if (typeof part === 'object' && part !== null) {
      const kept: Record<string, unknown> = {};
      // short fields first: a long list does not hide the title behind it
      const fields = Object.entries(part).sort(([, a], [, b]) => weight(a) - weight(b));
      for (const [name, item] of fields) {
        if (left <= 0) break;
        left -= name.length + 4;
        kept[name] = cut(item);
      }
      return kept;
    }
    left -= 8;
    return part;
  };
  return cut(value);
}

function weight(value: unknown): number {
  return typeof value === 'object' && value !== null ? 1 : 0;
}
