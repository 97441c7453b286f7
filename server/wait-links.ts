/**
 * Signed links to one wait: who has it may answer, without an account. The link names the run, the step and the wait, and
 * carries a MAC by a key of its own; nothing is stored, and it opens nothing once the wait is answered.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import type { SealKey } from '../runtime/seal.ts';

export type WaitPlace = { runId: string; nodeId: string; path: number[]; name: string };
const Place = z.tuple([
  z.uuid(),
  z.string().max(40),
  z.array(z.number().int().nonnegative()).max(8),
  z.string().max(100),
]);
const MAC_BYTES = 16;

function macOf(key: SealKey, body: string): Buffer {
  const own = createHmac('sha256', key.bytes).update('spliceboard wait link').digest();
  return createHmac('sha256', own).update(body).digest().subarray(0, MAC_BYTES);
}

export function waitToken(key: SealKey, { runId, nodeId, path, name }: WaitPlace): string {
  const body = Buffer.from(JSON.stringify([runId, nodeId, path, name])).toString('base64url');
  return `${body}.${macOf(key, body).toString('base64url')}`;
}

/** Undefined for what was not signed by this installation. */
export function readWaitToken(key: SealKey, token: string): WaitPlace | undefined {
  const [body = '', mac = '', ...rest] = token.slice(0, 1_000).split('.');
  const given = Buffer.from(mac, 'base64url');
  if (rest.length > 0 || given.length !== MAC_BYTES || !timingSafeEqual(given, macOf(key, body))) return undefined;
  const parsed = Place.safeParse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')));
  if (!parsed.success) return undefined;
  const [runId, nodeId, path, name] = parsed.data;
  return { runId, nodeId, path, name };
}
