/**
 * How long a join waits for branches that have not come: until the first that has something, until its time is over, or
 * for all of them. Pure.
 */

/** What a join says of it (nodes/flow/join.ts). */
export type JoinConfig = { until: 'all' | 'first'; amount: number | null; unit: keyof typeof SECONDS };
export type JoinMove =
  /** `isLate`: without those that have not come, because the time is over. */
  | { kind: 'go on'; isLate: boolean }
  /** At the latest until this instant; null: until the next branch comes. */
  | { kind: 'sleep'; untilMs: number | null };

const SECONDS = { seconds: 1, minutes: 60, hours: 3_600, days: 86_400 };

/** `pending` branches are not settled, `present` inputs are there; `beganMs` is when the first branch came. */
export function joinMove(
  { until, amount, unit }: JoinConfig,
  now: { pending: number; present: number; beganMs: number; nowMs: number },
): JoinMove {
  if (now.pending === 0 || (until === 'first' && now.present > 0)) return { kind: 'go on', isLate: false };
  const untilMs = amount === null ? null : now.beganMs + amount * SECONDS[unit] * 1_000;
  return untilMs !== null && untilMs <= now.nowMs ? { kind: 'go on', isLate: true } : { kind: 'sleep', untilMs };
}
