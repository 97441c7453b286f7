/**
 * Decides what becomes of an attempt whose node has failed.
 * Pure: no clock, no database, no randomness. step.ts passes these in and writes the verdict down.
 */
import type { EffectClass, ErrorJson } from '../nodes/contract.ts';
import type { Policy } from './graph/graph.ts';

export type Verdict = { kind: 'retry'; afterMs: number; why: string } | { kind: 'failed'; error: ErrorJson };

/** Attempts in all. A pure node that failed twice the same way will not change its mind. */
const ATTEMPTS: Record<EffectClass, number> = { pure: 2, 'reads-external': 6, 'writes-external': 8 };
const FIRST_MS = 1_000;
const LONGEST_MS = 5 * 60_000;

/**
 * `attempt` counts from 1; `jitter` in [0, 1) spreads the retry over the last half of the wait; `nowMs` only measures
 * how far `notBefore` lies ahead.
 */
export function verdictOn(
  error: ErrorJson,
  of: { effect: EffectClass; attempt: number; attempts?: number; policy?: Policy; jitter: number; nowMs: number },
): Verdict {
  const { policy = {} } = of;
  const most = policy.attempts ?? of.attempts ?? ATTEMPTS[of.effect];
  const mayHelp =
    error.retry === 'later' || (policy.on === 'all' && error.retry === 'never' && of.effect !== 'writes-external');
  if (!mayHelp || of.attempt >= most) return { kind: 'failed', error };
  const first = policy.wait === undefined ? (of.effect === 'pure' ? 0 : FIRST_MS) : policy.wait * 1_000;
  const grown = policy.growth === 'same' ? first : first * 2 ** (of.attempt - 1);
  const wait = Math.min(Math.max(LONGEST_MS, first), grown);
  const spread = Math.round((wait / 2) * (1 + of.jitter));
  const asked = error.notBefore ? Date.parse(error.notBefore) - of.nowMs : 0;
  return {
    kind: 'retry',
    afterMs: Math.max(spread, asked || 0, 0),
    why: `Trying again: ${error.message}`.slice(0, 500),
  };
}
