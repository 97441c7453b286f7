/**
 * What one attempt of a step may ask its capabilities for: calls and bytes of each capability, and calls at once.
 * Pure: it counts, broker.ts asks it before a call is carried out. Each broker has one.
 *
 * Errors: SANDBOX_CALLS, SANDBOX_CALL_BYTES, SANDBOX_CONCURRENCY. None is worth a retry: the node would ask again.
 */
import { CapabilityError } from './capabilities/capability.ts';

export const CALL_LIMITS = {
  /** Calls of one capability; the bridge's own CALLS holds for all of them together. */
  CALLS: 5_000,
  /** UTF-8 bytes of the arguments of one capability's calls together, as JSON. */
  BYTES: 64 * 1024 * 1024,
  /** Calls that are being carried out, of all capabilities together. */
  AT_ONCE: 64,
} as const;

/** Counts the calls of one attempt. `enter` refuses what is too much, `leave` ends what `enter` let pass. */
export function createCallLimits(title: string) {
  const used = new Map<string, { calls: number; bytes: number }>();
  let atOnce = 0;

  /** A refused call counts for nothing, so a node that catches the refusal may still make smaller ones. */
  function enter(capability: string, args: unknown): void {
    const { calls, bytes } = used.get(capability) ?? { calls: 0, bytes: 0 };
    const size = Buffer.byteLength(JSON.stringify(args) ?? '');
    if (calls + 1 > CALL_LIMITS.CALLS) {
      refuse('SANDBOX_CALLS', `${title} asked for ${capability} more than ${CALL_LIMITS.CALLS} times in one step.`);
    }
    if (bytes + size > CALL_LIMITS.BYTES) {
      refuse('SANDBOX_CALL_BYTES', `${title} sent more than ${CALL_LIMITS.BYTES} bytes to ${capability} in one step.`);
    }
    if (atOnce + 1 > CALL_LIMITS.AT_ONCE) {
      refuse('SANDBOX_CONCURRENCY', `${title} asked for more than ${CALL_LIMITS.AT_ONCE} things at once.`);
    }
    used.set(capability, { calls: calls + 1, bytes: bytes + size });
    atOnce += 1;
  }

  function leave(): void {
    atOnce -= 1;
  }

  return { enter, leave };
}

function refuse(code: string, message: string): never {
  throw new CapabilityError(code, message, { hint: 'Its author has to ask for less, or for one thing after another.' });
}
