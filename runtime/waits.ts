/**
 * A step that waits: answered from its row, or put to sleep. No worker and no isolate is held meanwhile; the strand wakes at
 * its time, or at once when somebody answers (db/waits.ts). STEP_PAUSED is not seen by people.
 */
import type { Database } from '../db/connect.ts';
import type { StepKey, StepLease } from '../db/journal.ts';
import { openWait } from '../db/waits.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { WaitAnswer, WaitRequest } from '../nodes/contract.ts';
import { CapabilityError, leaseLost } from './capabilities/capability.ts';

const LARGEST_REQUEST = 256 * 1024;

export async function waitFor(
  step: {
    db: Database;
    workspaceId: string;
    key: StepKey;
    lease: StepLease;
    /** Puts the step to sleep; the call is never answered in this attempt. */
    pause(until: Date | 'infinity', why: string): void;
  },
  name: string,
  { kind, until, why, ...request }: WaitRequest,
): Promise<WaitAnswer> {
  if (JSON.stringify(request).length > LARGEST_REQUEST) {
    throw new CapabilityError('WAIT_TOO_LARGE', 'What is shown to the person is too large.', {
      hint: 'Show a clip, a text or a post instead of a whole transcript.',
    });
  }
  const wait = await inWorkspace(step.db, step.workspaceId, (tx) =>
    openWait(tx, step.key, step.lease, { name, kind, until: until === undefined ? null : new Date(until), request }),
  );
  if (!wait) throw leaseLost();
  switch (wait.state) {
    case 'answered':
      return { state: 'answered', value: wait.answer, by: wait.by, at: wait.at!.toISOString() };
    case 'expired':
      return { state: 'expired' };
    case 'open':
      step.pause(wait.until ?? 'infinity', why);
      throw new CapabilityError('STEP_PAUSED', 'The step waits.');
    default:
      return wait.state satisfies never;
  }
}
