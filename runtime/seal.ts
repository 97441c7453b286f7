/**
 * Seals secrets at rest: AES-256-GCM with the row and the workspace as associated data, so that a sealed text copied
 * into another row or another workspace does not open.
 *
 * The key comes from SPLICEBOARD_KEY (32 bytes as 64 hex digits or base64) or from `seal.key` in the data folder, which
 * the first start makes (mode 0600). A sealed text is `v1.<key id>.<iv>.<ciphertext and tag>`, base64url; the key id is
 * the first 8 hex digits of the key's SHA-256, so that a wrong key is named instead of guessed.
 * Errors: SEAL_KEY_INVALID, SEAL_KEY_OTHER (made with another key), SEAL_BROKEN (changed, or moved to another place).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_FILE = 'seal.key';

export type SealKey = { id: string; bytes: Buffer };
/** Where a sealed text belongs: it opens nowhere else. */
export type SealPlace = { row: string; workspace: string };

export class SealError extends Error {
  override name = 'SealError';
  readonly code: 'SEAL_KEY_INVALID' | 'SEAL_KEY_OTHER' | 'SEAL_BROKEN';
  readonly hint: string;
  constructor(code: SealError['code'], message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** Reads a key from 64 hex digits or base64 of 32 bytes. */
export function parseKey(text: string): SealKey {
  const trimmed = text.trim();
  const bytes = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64');
  if (bytes.length !== KEY_BYTES) {
    throw new SealError(
      'SEAL_KEY_INVALID',
      `The key has ${bytes.length} bytes, ${KEY_BYTES} are needed.`,
      'Give 64 hex digits or 44 characters of base64, for example from: openssl rand -hex 32',
    );
  }
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 8), bytes };
}

/** The key of this installation; the first call on an empty data folder makes it. Two at once agree on one. */
export async function loadSealKey(dataFolder: string, environment = process.env): Promise<SealKey> {
  if (environment.SPLICEBOARD_KEY) return parseKey(environment.SPLICEBOARD_KEY);
  const file = path.join(dataFolder, KEY_FILE);
  const known = await readKeyFile(file);
  if (known) return known;
  await mkdir(dataFolder, { recursive: true });
  // Written whole under another name, then linked: nobody ever reads half a key, and the first one wins.
  const partial = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(partial, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(KEY_BYTES).toString('hex')}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(partial, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(partial, { force: true });
  }
  const made = await readKeyFile(file);
  if (!made) throw new SealError('SEAL_KEY_INVALID', `${file} could not be read back.`, 'Check the disk.');
  return made;
}

async function readKeyFile(file: string): Promise<SealKey | undefined> {
  try {
    return parseKey(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const associated = (place: SealPlace) => Buffer.from(JSON.stringify([place.workspace, place.row]));

export function seal(key: SealKey, text: string, place: SealPlace): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, iv).setAAD(associated(place));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `v1.${key.id}.${iv.toString('base64url')}.${body.toString('base64url')}`;
}

export function unseal(key: SealKey, sealed: string, place: SealPlace): string {
  const [version, id, iv, body] = sealed.split('.');
  if (version !== 'v1' || !id || !iv || !body) {
    throw new SealError('SEAL_BROKEN', 'This is not a sealed text.', 'Enter the secret again.');
  }
  if (id !== key.id) {
    throw new SealError(
      'SEAL_KEY_OTHER',
      `It was sealed with key ${id}, this installation has ${key.id}.`,
      'Set SPLICEBOARD_KEY to the key it was sealed with, or enter the secret again.',
    );
  }
  const bytes = Buffer.from(body, 'base64url');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, Buffer.from(iv, 'base64url'))
      .setAAD(associated(place))
      .setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    return decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    throw new SealError('SEAL_BROKEN', 'The sealed text was changed or belongs to another row.', 'Enter it again.');
  }
}
