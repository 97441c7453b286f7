/**
 * Visible acts in the outside world, exactly once by evidence. The states and their arrows are held by the database
 * (db/migrations/0006_calls_and_effects.sql); this file walks them.
 *
 * Before the first byte an effect is committed as `sending`, with the fencing token and a deadline. Whatever happens
 * then, nobody sends it again before a look-up after that deadline has said that it did not arrive; what a look-up
 * cannot say is asked again later, and in the end a person decides.
 * Errors: EFFECT_UNKNOWN (a person decides), STEP_PAUSED (not seen by people: the step sleeps), LEASE_LOST.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db/connect.ts';
import { beginSending, type EffectRow, intendEffect, moveEffect } from '../db/effects.ts';
import type { StepKey } from '../db/journal.ts';
import { digestOf } from '../db/values.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { EffectRecord, ErrorJson, HttpReply, HttpRequest, LookupResult } from '../nodes/contract.ts';
import { CapabilityError, leaseLost, type StepScope } from './capabilities/capability.ts';
import type { Faults } from './faults.ts';

/** From the commit of `sending` to the last byte that may still be sent. */
const SEND_WITHIN_MS = 10_000;
/** After the deadline, before a look-up counts: what was sent late has arrived, and is listed, by then. */
const LISTED_WITHIN_SECONDS = 1;
const LONGEST_SLEEP_MS = 500;
const CHECKS = 6;
const FIRST_CHECK_MS = 5_000;

export type EffectsOptions = {
  db: Database;
  faults: Faults;
  /** Waits for its turn at the other side, or puts the step to sleep until it comes. */
  turn(scope: StepScope, request: HttpRequest, holder: string): Promise<void>;
  /** Sends once; throws where no answer came. */
  send(scope: StepScope, request: HttpRequest): Promise<HttpReply>;
  /** Runs the plugin's own look-up with reading rights. */
  lookup(effect: EffectRecord): Promise<LookupResult>;
  /** Puts the step to sleep; the call is never answered in this attempt. */
  pause(afterMs: number, why: string): void;
};

export async function performEffect(
  options: EffectsOptions,
  step: { scope: StepScope; key: StepKey; intent: string; token: number; isLive: () => boolean },
  name: string,
  request: HttpRequest,
): Promise<HttpReply> {
  const { scope } = step;
  const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(options.db, scope.workspaceId, work);
  const contentDigest = digestOf(request);
  const key = createHash('sha256')
    .update([scope.workspaceId, step.intent, scope.nodeId, scope.path.join('.'), name].join('\n'))
    .digest('hex');
  let effect = await inside((tx) =>
    intendEffect(tx, {
      ...step.key,
      key,
      brandId: scope.brandId,
      connection: scope.connection?.id ?? null,
      name,
      kind: scope.manifest.id,
      request,
      contentDigest,
    }),
  );
  /** The deadline by this process's clock, which nobody sets: the worker's may be wrong by any amount. */
  let sendBy = effect.sendInMs === null ? null : performance.now() + effect.sendInMs;
  const move = async (to: Parameters<typeof moveEffect>[2]) => {
    await inside((tx) => moveEffect(tx, effect.id, to));
    effect = { ...effect, ...to, nextCheckAt: to.nextCheckAt ?? effect.nextCheckAt } as EffectRow;
  };

  /** What may still be on its way has arrived then. A long wait is the step's sleep, not a worker's. */
  const untilSettled = async () => {
    if (sendBy === null) return;
    const listedMs = (scope.manifest.listedWithinSeconds ?? LISTED_WITHIN_SECONDS) * 1_000;
    const waitMs = sendBy + listedMs - performance.now();
    if (waitMs > LONGEST_SLEEP_MS) {
      options.pause(waitMs, 'No answer came; looking whether it arrived.');
      throw new CapabilityError('STEP_PAUSED', 'The step waits.');
    }
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: scope.signal });
  };

  if (['sending', 'unknown'].includes(effect.state) && effect.connection !== (scope.connection?.id ?? null)) {
    // another account knows nothing of it: to look there would say that it is absent
    throw new CapabilityError('EFFECT_UNKNOWN', 'It was sent with another account than the one that is chosen now.', {
      hint: 'Choose that account again, or look at the other side and say whether it happened.',
      retry: 'person',
    });
  }
  for (;;) {
    switch (effect.state) {
      case 'confirmed':
      case 'accepted':
        return replyOf(effect);
      case 'refused':
        if (effect.contentDigest === contentDigest) return replyOf(effect);
        break;
      case 'sending': {
        // left by an attempt that ended: until its deadline it may still be on its way
        await untilSettled();
        await move({ state: 'unknown' });
        continue;
      }
      case 'unknown': {
        await untilSettled();
        await options.turn(scope, effect.request as HttpRequest, `lookup ${name}`);
        const found = await options.lookup({
          name,
          request: effect.request as HttpRequest,
          handle: effect.handle,
          sentAt: (effect.sentAt ?? new Date(0)).toISOString(),
        });
        if (found.state === 'confirmed') {
          const reply = found.reply ?? { status: 200, headers: {}, body: { id: found.handle, url: found.evidence } };
          await move({ state: 'confirmed', handle: found.handle, evidence: { reply, lookedUp: found.evidence } });
        } else if (found.state === 'absent') await move({ state: 'absent', evidence: { lookedUp: 'not there' } });
        else if (effect.checks + 1 >= CHECKS) {
          throw new CapabilityError('EFFECT_UNKNOWN', `It is not known whether this arrived: ${found.why}`, {
            hint: 'Look at the other side, then say whether it happened.',
            retry: 'person',
          });
        } else {
          const afterMs = FIRST_CHECK_MS * 2 ** effect.checks;
          const nextCheckAt = new Date(Date.now() + afterMs); // for people
          await inside((tx) => moveEffect(tx, effect.id, { state: 'unknown', nextCheckAt, checked: true }));
          options.pause(afterMs, `Looking again whether it arrived: ${found.why}`);
          throw new CapabilityError('STEP_PAUSED', 'The step waits.');
        }
        continue;
      }
      case 'intended':
      case 'absent':
        break;
      default:
        return effect.state satisfies never;
    }

    await options.faults.at('effect.intended', scope.nodeId);
    await options.turn(scope, request, `effect ${name}`);
    const deadline = performance.now() + SEND_WITHIN_MS;
    await inside((tx) =>
      beginSending(tx, effect.id, {
        token: step.token,
        withinMs: SEND_WITHIN_MS,
        request,
        contentDigest,
        connection: scope.connection?.id ?? null,
      }),
    );
    effect = {
      ...effect,
      state: 'sending',
      request,
      contentDigest,
      sentAt: new Date(),
    };
    sendBy = performance.now() + SEND_WITHIN_MS;
    await options.faults.at('effect.sending', scope.nodeId);
    if (!step.isLive() || performance.now() > deadline - 1_000) {
      throw leaseLost();
    }
    let reply: HttpReply;
    try {
      reply = await options.send(
        {
          ...scope,
          signal: AbortSignal.any([
            scope.signal,
            AbortSignal.timeout(Math.max(1, Math.round(deadline - performance.now()))),
          ]),
        },
        request,
      );
    } catch (error) {
      if (error instanceof CapabilityError && isOurRefusal(error)) {
        await move({ state: 'refused', evidence: { error: error.error } }); // nothing left this machine
        throw error;
      }
      if (error instanceof CapabilityError && isNotNow(error)) {
        // a definite no to who asked, and to nothing else: the same may be sent once that is mended
        await move({ state: 'unknown' });
        await move({ state: 'absent', evidence: { error: error.error } });
        throw error;
      }
      await move({ state: 'unknown' });
      continue;
    }
    await options.faults.at('effect.sent', scope.nodeId);
    if (reply.status >= 200 && reply.status < 300)
      await move({ state: 'confirmed', handle: handleOf(reply), evidence: { reply } });
    else if (reply.status === 429) {
      // a definite "not now": nothing happened, and the same request may be sent later
      await move({ state: 'unknown' });
      await move({ state: 'absent', evidence: { reply } });
      return reply;
    } else if (reply.status >= 400 && reply.status < 500 && reply.status !== 408 && reply.status !== 425) {
      await move({ state: 'refused', evidence: { reply } });
    } else await move({ state: 'unknown', evidence: { reply } });
    await options.faults.at('effect.recorded', scope.nodeId);
  }
}

/** Errors that the broker or the fetch raise before anything is sent. */
function isOurRefusal(error: CapabilityError): boolean {
  return [
    'HTTP_NOT_DECLARED',
    'HTTP_BAD_REQUEST',
    'CONNECTION_MISSING',
    'FETCH_REFUSED',
    'CAPABILITY_BAD_REQUEST',
  ].includes(error.error.code);
}

/** The service took nothing, because it did not take the account's secrets. */
function isNotNow(error: CapabilityError): boolean {
  return ['CONNECTION_REFUSED', 'CONNECTION_BUSY'].includes(error.error.code);
}

function replyOf(effect: EffectRow): HttpReply {
  const evidence = effect.evidence as { reply?: HttpReply; error?: ErrorJson } | null;
  if (evidence?.error) {
    const { code, message, hint, retry } = evidence.error;
    throw new CapabilityError(code, message, { hint: hint ?? undefined, retry });
  }
  return evidence?.reply ?? { status: 200, headers: {}, body: { id: effect.handle } };
}

function handleOf(reply: HttpReply): string | null {
  const body = reply.body as { id?: unknown } | null;
  return typeof body === 'object' && body !== null && (typeof body.id === 'string' || typeof body.id === 'number')
    ? String(body.id)
    : null;
}
