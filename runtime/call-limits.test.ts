/** A step's calls at the edge of each limit: the last one allowed passes, the next is refused with its own code. */
import { expect, test } from 'vitest';
import { CALL_LIMITS, createCallLimits } from './call-limits.ts';
import { CapabilityError } from './capabilities/capability.ts';

/** The code it was refused with, or undefined where it passed. */
function codeOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof CapabilityError) return error.error.code;
    throw error;
  }
}

test('the last call of a capability passes and the next is refused, while another capability still answers', () => {
  const limits = createCallLimits('Probe');
  for (let call = 0; call < CALL_LIMITS.CALLS; call += 1) {
    limits.enter('http', {});
    limits.leave();
  }
  expect(codeOf(() => limits.enter('http', {}))).toBe('SANDBOX_CALLS');
  expect(codeOf(() => limits.enter('store', {}))).toBeUndefined();
});

test('the last byte passes and the next is refused, counted as UTF-8 and not as characters', () => {
  const limits = createCallLimits('Probe');
  const half = 'é'.repeat((CALL_LIMITS.BYTES / 2 - 2) / 2); // two quotes around it
  limits.enter('http', half);
  limits.enter('http', half);
  expect(codeOf(() => limits.enter('http', 1))).toBe('SANDBOX_CALL_BYTES');
  expect(codeOf(() => limits.enter('store', 1))).toBeUndefined();
});

test('the last call at once passes, the next is refused, and one that ends makes room', () => {
  const limits = createCallLimits('Probe');
  for (let call = 0; call < CALL_LIMITS.AT_ONCE; call += 1) limits.enter(call % 2 ? 'http' : 'store', {});
  expect(codeOf(() => limits.enter('http', {}))).toBe('SANDBOX_CONCURRENCY');
  limits.leave();
  expect(codeOf(() => limits.enter('http', {}))).toBeUndefined();
});
