/**
 * What a step is doing and why, in one sentence with its cause; and where there is one, when it goes on and what a person
 * can do. Made from stored rows alone. Pure.
 *
 * A state that this file does not know is 'unexplained': tests/server/explain.test.ts goes through every state that the
 * tables allow and finds none.
 */
import * as z from 'zod';
import type { RunFacts, StrandFacts } from '../db/explain.ts';
import type { ErrorRow } from '../db/steps.ts';

export const EXPLANATIONS = [
  'not-begun',
  'held',
  'no-worker',
  'no-worker-with-tag',
  'no-place',
  'ready',
  'running',
  'sending',
  'worker-lost',
  'taken-over',
  'retry',
  'wait-time',
  'wait-hook',
  'wait-person',
  'wait-reminder',
  'wait-over',
  'wait-result',
  'wait-child',
  'wait-steps',
  'effect-check',
  'pause',
  'asleep',
  'done',
  'reused',
  'corrected',
  'skipped',
  'empty',
  'blocked',
  'failed',
  'effect-unknown',
  'cancelled',
  'stopped',
  'never-begun',
  'removed',
  'unexplained',
] as const;
export type ExplanationCode = (typeof EXPLANATIONS)[number];

export const Explanation = z.object({
  code: z.enum(EXPLANATIONS),
  text: z.string(),
  /** Since when. */
  since: z.string().nullable(),
  /** When it goes on, or is looked at again. */
  next: z.string().nullable(),
  /** Where something can be done: a question to answer, an act to decide, a step to retry, another run, other nodes. */
  act: z
    .object({
      kind: z.enum(['answer', 'outbox', 'retry', 'run', 'node', 'health']),
      runId: z.string().optional(),
      nodeId: z.string().optional(),
    })
    .nullable(),
});
export type Explanation = z.infer<typeof Explanation>;

export type Situation = {
  run: RunFacts;
  /** Of a step that is not settled. */
  strand: StrandFacts | null;
  /** The row of one that is, or that was written down as begun. */
  step: {
    state: string;
    reason: string | null;
    cause: string | null;
    error: ErrorRow | null;
    isReused: boolean;
    reusedNumber: number | null;
    isCorrected: boolean;
  } | null;
  /** Names of the nodes before it that are not done. */
  before: readonly string[];
  /** The list that it works through came out empty. */
  isEmpty: boolean;
  nameOf(nodeId: string): string | undefined;
};

const DONE = 'Done.';

const said = (
  code: ExplanationCode,
  text: string,
  more: { since?: Date | null; next?: Date | null; act?: Explanation['act'] } = {},
): Explanation => ({
  code,
  text,
  since: more.since?.toISOString() ?? null,
  next: more.next?.toISOString() ?? null,
  act: more.act ?? null,
});

export function explain(of: Situation): Explanation {
  if (of.strand) return explainStrand(of, of.strand);
  if (of.step) return explainStep(of, of.step);
  return explainAbsent(of);
}

/** In the words that a card has room for; null where its state says it all. */
export function reasonOf({ code, text }: Explanation): string | null {
  switch (code) {
    case 'not-begun':
    case 'never-begun':
    case 'ready':
    case 'running':
    case 'failed':
    case 'effect-unknown': // its error says it
      return null;
    case 'done':
      return text === DONE ? null : text;
    default:
      return text;
  }
}

// ---------------------------------------------------------------- not settled

function explainStrand(of: Situation, strand: StrandFacts): Explanation {
  switch (strand.state) {
    case 'leased':
      return explainHeld(strand);
    case 'waiting':
      return explainSleeping(of, strand);
    case 'ready':
      return explainReady(of, strand);
    default:
      strand.state satisfies never;
      return said('unexplained', `Its state is ${String(strand.state)}.`);
  }
}

function explainHeld({ worker, effect, leasedAt, attempts }: StrandFacts): Explanation {
  if (!worker?.isAlive) {
    const name = worker ? `The worker ${worker.name}` : 'Its worker';
    return said('worker-lost', `${name} does not answer; another takes over within seconds.`, { since: leasedAt });
  }
  if (effect?.state === 'sending') {
    return said('sending', `Sending to ${effect.host ?? 'the other side'}, on worker ${worker.name}.`, {
      since: leasedAt,
      next: effect.sendBy,
    });
  }
  if (effect?.state === 'unknown') {
    return said('effect-check', `Looking whether it arrived at ${effect.host ?? 'the other side'}.`, {
      since: leasedAt,
    });
  }
  const again = attempts > 1 ? `, attempt ${attempts}` : '';
  return said('running', `At work on worker ${worker.name}${again}.`, { since: leasedAt });
}

function explainSleeping(of: Situation, strand: StrandFacts): Explanation {
  const { notBefore, reason, wait, making, child, effect, attempts } = strand;
  if (of.run.isHeld) return heldBack(of.run);
  if (notBefore !== null && notBefore <= of.run.now) return explainReady(of, strand);
  if (making) {
    return said('wait-result', `Waits for run ${making.runNumber}, which is making the same.`, {
      act: { kind: 'run', runId: making.runId },
    });
  }
  if (child) {
    return said('wait-child', reason ?? `Waits for run ${child.runNumber}, which it has called.`, {
      since: child.startedAt,
      act: { kind: 'run', runId: child.runId },
    });
  }
  if (wait) return explainWait(wait, reason, notBefore);
  if (effect?.state === 'unknown') {
    return said('effect-check', reason ?? 'No answer came; looking whether it arrived.', {
      next: effect.nextCheckAt ?? notBefore,
      act: { kind: 'outbox' },
    });
  }
  if (notBefore === null) {
    if (reason !== null) return said('wait-steps', reason);
    return said('asleep', 'Sleeps, and nothing that is known wakes it. Cancel the run or start it again.');
  }
  if (attempts > 0) return said('retry', reason ?? `Tried ${attempts} times; trying again.`, { next: notBefore });
  return said('pause', reason ?? 'Pauses for a moment.', { next: notBefore });
}

function explainWait(
  wait: NonNullable<StrandFacts['wait']>,
  reason: string | null,
  notBefore: Date | null,
): Explanation {
  if (wait.state !== 'open') {
    const text =
      wait.state === 'answered' ? 'The answer is there; it goes on at once.' : 'Its time is over; it goes on at once.';
    return said('wait-over', text, { next: notBefore });
  }
  const next = wait.until;
  switch (wait.kind) {
    case 'time':
      return said('wait-time', reason ?? 'Waits for its time.', { next });
    case 'hook':
      return said('wait-hook', reason ?? 'Waits for a call from outside.', { next, act: { kind: 'answer' } });
    case 'person':
      return wait.remindAt === null
        ? said('wait-person', reason ?? 'Waits for a person to decide.', { next, act: { kind: 'answer' } })
        : said('wait-reminder', reason ?? 'Waits for a person to decide.', {
            next: wait.remindAt,
            act: { kind: 'answer' },
          });
    default:
      wait.kind satisfies never;
      return said('unexplained', `It waits for ${String(wait.kind)}.`);
  }
}

function heldBack({ atOnce, ahead }: RunFacts): Explanation {
  const limit = `at most ${atOnce ?? 1} at a time`;
  if (!ahead) return said('held', `Its run begins in a moment: ${limit}.`);
  return said('held', `Waits for run ${ahead.number} to end: ${limit}.`, { act: { kind: 'run', runId: ahead.id } });
}

function explainReady({ run }: Situation, { lane, reason, deaths }: StrandFacts): Explanation {
  if (run.isHeld) return heldBack(run);
  if (run.lanes.length === 0) return said('no-worker', 'No worker is running.', { act: { kind: 'health' } });
  const own = run.lanes.find((each) => each.lane === lane);
  if (!own) {
    return said('no-worker-with-tag', `No worker with the tag ${lane} is running.`, { act: { kind: 'health' } });
  }
  if (own.places !== null && own.taken >= own.places) {
    const kind = lane === 'light' ? 'light steps' : lane === 'media' ? 'heavy steps' : `the tag ${lane}`;
    const places = own.places === 1 ? 'the one place' : `all ${own.places} places`;
    return said('no-place', `Waits for its turn: ${places} for ${kind} ${own.places === 1 ? 'is' : 'are'} taken.`);
  }
  // a death that is not laid to the step leaves its reason all the same
  if (deaths > 0 || reason !== null) return said('taken-over', reason ?? 'Its worker ended; another takes over.');
  return said('ready', 'Its turn is next.');
}

// ---------------------------------------------------------------- settled

function explainStep(of: Situation, step: NonNullable<Situation['step']>): Explanation {
  const { state, reason, error } = step;
  switch (state) {
    case 'running':
      return said('running', 'It has begun, and its worker has not reported yet.');
    case 'done':
      if (step.isCorrected) return said('corrected', reason ?? 'Corrected by a person.');
      if (step.isReused) {
        const from = step.reusedNumber === null ? 'Reused.' : `Reused from run ${step.reusedNumber}.`;
        return said('reused', reason ?? from);
      }
      return said('done', reason ?? DONE);
    case 'failed':
      if (error?.code === 'EFFECT_UNKNOWN') {
        return said('effect-unknown', error.message, { act: { kind: 'outbox' } });
      }
      return said('failed', error?.message ?? 'It failed, and its error was not kept.', { act: { kind: 'retry' } });
    case 'blocked': {
      const nodeId = step.cause?.split('@')[0];
      const cause = (nodeId && of.nameOf(nodeId)) ?? 'another node';
      return said('blocked', `Waits for ${cause}, which failed.`, { act: nodeId ? { kind: 'node', nodeId } : null });
    }
    case 'skipped':
      return said('skipped', reason ?? 'Nothing came in.');
    case 'cancelled':
      if (of.run.state === 'stopped') return said('stopped', reason ?? 'The run was ended before this step was done.');
      return said('cancelled', reason ?? 'Cancelled.');
    default:
      return said('unexplained', `Its state is ${state}.`);
  }
}

// ---------------------------------------------------------------- not begun

function explainAbsent({ run, before, isEmpty }: Situation): Explanation {
  if (run.prunedAt) {
    return said('removed', 'Removed with other old runs; what it sent is kept in the outbox.', { since: run.prunedAt });
  }
  switch (run.state) {
    case 'running': {
      if (run.isHeld && before.length === 0) return heldBack(run);
      if (isEmpty) return said('empty', 'The list was empty.');
      const names = before.length > 2 ? [...before.slice(0, 2), `${before.length - 2} more`] : before;
      return said('not-begun', names.length > 0 ? `Waits for ${listed(names)}.` : 'It comes next.');
    }
    case 'succeeded':
    case 'problems':
      if (isEmpty) return said('empty', 'The list was empty.');
      return said('never-begun', 'Nothing came to it in this run.');
    case 'cancelled':
      return said('never-begun', 'The run was cancelled before this began.');
    case 'stopped':
      return said('never-begun', 'The run was ended before this began.');
    case 'failed':
      return said('never-begun', 'The run failed before this began.');
    default:
      run.state satisfies never;
      return said('unexplained', `The run is ${String(run.state)}.`);
  }
}

const listed = (names: readonly string[]) =>
  names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
