/**
 * A request's turn at its connection: at once, after a short wait, or by sleeping until it comes. A sleeping step holds no
 * worker, its turn is kept for it, and the sleep is no attempt. Limits: db/turns.ts; what a service asks for by status 429
 * holds for every worker.
 * Errors: STEP_PAUSED (not seen by people); QUOTA_SPENT outside of runs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db/connect.ts';
import { type ConnectionName, holdBack, type RateLimit, takeTurn } from '../db/turns.ts';
import { inWorkspace } from '../db/workspace.ts';
import { notBefore } from './capabilities/assets.ts';
import { CapabilityError } from './capabilities/capability.ts';

export type Turns = {
  /** Comes back when it may be asked. `label` for people. */
  take(connection: ConnectionName & { label: string }, limit: RateLimit | null): Promise<void>;
  /** What it answered: where it asks to wait, nobody asks it before that. */
  heard(connection: ConnectionName, status: number, headers: Headers): Promise<void>;
  /** Puts the step to sleep until then. Never comes back in this attempt. */
  sleepUntil(at: Date, why: string): never;
};

/** For what is outside of runs and asks nobody. */
export const NO_TURNS: Turns = {
  take: async () => {},
  heard: async () => {},
  sleepUntil(at, why) {
    throw new CapabilityError('QUOTA_SPENT', why, { retry: 'later', notBefore: at.toISOString() });
  },
};

/** A wait as short as this is waited for where it is. */
const IN_PLACE_MS = 1_000;
/** Where a service says that it is too much and not until when. */
const USUAL_HOLD_SECONDS = 5;
/** How long a connection without a limit is believed to be free. */
const FREE_MS = 1_000;

/** Connections without a limit that were free just now, with the instant by this process's clock. */
const free = new Map<string, number>();

export function turnsOf(step: {
  db: Database;
  workspaceId: string;
  runId: string;
  signal: AbortSignal;
  /** Puts the step to sleep; the call is never answered in this attempt. */
  pause(afterMs: number, why: string): void;
}): (holder: string) => Turns {
  const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(step.db, step.workspaceId, work);
  return (holder) => ({
    async take({ label, ...connection }, limit) {
      const place = `${connection.shared ? '' : step.workspaceId} ${connection.name}`;
      if (limit === null && performance.now() - (free.get(place) ?? Number.NEGATIVE_INFINITY) < FREE_MS) return;
      for (;;) {
        const turn = await inside((tx) => takeTurn(tx, { connection, runId: step.runId, holder, limit }));
        if (turn.waitMs === 0) {
          if (turn.most === null) remember(place);
          return;
        }
        if (turn.waitMs > IN_PLACE_MS) {
          const why =
            turn.isHeld || turn.most === null
              ? `${label} asked to wait.`
              : `${label} is asked ${Math.round(turn.most)} times a minute at most; this one's turn comes.`;
          step.pause(turn.waitMs, why);
          throw new CapabilityError('STEP_PAUSED', 'The step waits.');
        }
        await sleep(turn.waitMs, undefined, { signal: step.signal });
      }
    },
    async heard(connection, status, headers) {
      const until = notBefore(headers).notBefore;
      if (status !== 429 && !(status === 503 && until)) return;
      const seconds = until ? Math.max(0, (Date.parse(until) - Date.now()) / 1000) : USUAL_HOLD_SECONDS;
      free.delete(`${connection.shared ? '' : step.workspaceId} ${connection.name}`);
      await inside((tx) => holdBack(tx, connection, seconds));
    },
    sleepUntil(at, why) {
      step.pause(Math.max(0, at.getTime() - Date.now()), why);
      throw new CapabilityError('STEP_PAUSED', 'The step waits.');
    },
  });
}

function remember(place: string): void {
  if (free.size > 10_000) free.clear();
  free.set(place, performance.now());
}
