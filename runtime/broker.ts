/**
 * Answers what a step's node asks for: checks the declaration, parses the arguments, records as the method says, acts.
 * One broker for each attempt of a step.
 *
 *   pass     acts
 *   memo     acts once for the digest of method, arguments and engine, in the whole workspace
 *   journal  the reply is committed before the isolate sees it; a later attempt is answered from the journal
 *   effect   a visible act in the outside world: effects.ts
 *   wait     answered, or the step sleeps: waits.ts
 *
 * Errors: CAPABILITY_NOT_DECLARED, CAPABILITY_UNKNOWN, CAPABILITY_BAD_REQUEST, CAPABILITY_READ_ONLY,
 * NODE_NOT_DETERMINISTIC, those of call-limits.ts, and those of the capabilities.
 */
import * as z from 'zod';
import type { Database } from '../db/connect.ts';
import {
  findMemo,
  type JournaledCall,
  journalOf,
  journalReply,
  keepMemo,
  openCall,
  type StepKey,
  type StepLease,
} from '../db/journal.ts';
import { digestOf } from '../db/values.ts';
import { inWorkspace } from '../db/workspace.ts';
import { type HttpReply, type HttpRequest, type WaitAnswer, WaitRequest } from '../nodes/contract.ts';
import { createCallLimits } from './call-limits.ts';
import { type Capability, CapabilityError, leaseLost, type Method, type StepScope } from './capabilities/capability.ts';
import { HttpRequestSchema } from './capabilities/http.ts';
import type { Faults } from './faults.ts';
import { onlyAsks } from './graph/rights.ts';
import type { Turns } from './turns.ts';

export type Entry = 'run' | 'simulate' | 'lookup';
export type Call = { capability: string; method: string; args: unknown };

/** A host of ours behind which a capability answers requests and effects instead of the network. */
export type InternalHost = { host: string; handle(scope: StepScope, request: HttpRequest): Promise<HttpReply> };

/** Carries a call out; `holder` is its name within the step. */
type Act = (holder: string) => Promise<unknown>;

export type EffectSender = (
  scope: StepScope,
  name: string,
  request: HttpRequest,
  isLive: () => boolean,
) => Promise<HttpReply>;

export type BrokerOptions = {
  db: Database;
  capabilities: ReadonlyMap<string, Capability>;
  internalHosts: ReadonlyMap<string, InternalHost>;
  faults: Faults;
};

/** Memoised operations that are running in this process, by workspace and key. */
const running = new Map<string, Promise<unknown>>();

export function createBroker(
  options: BrokerOptions,
  step: {
    scope: StepScope;
    entry: Entry;
    key: StepKey;
    lease: StepLease;
    /** The run's: with one, nothing that another run stored is taken. */
    nonce: string | null;
    effect: EffectSender;
    wait: (name: string, request: WaitRequest) => Promise<WaitAnswer>;
    isLive: () => boolean;
    /** Turns at connections, by the name of the call that takes them. */
    turns: (holder: string) => Turns;
  },
) {
  const { scope } = step;
  const limits = createCallLimits(scope.manifest.title);
  let journal: Promise<JournaledCall[]> | undefined;
  const seen = new Map<string, number>();
  const consumed = new Set<string>();
  const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(options.db, scope.workspaceId, work);

  async function answer(call: Call): Promise<unknown> {
    limits.enter(call.capability, call.args);
    try {
      return await carryOut(call);
    } finally {
      limits.leave();
    }
  }

  async function carryOut(call: Call): Promise<unknown> {
    if (call.capability === 'effect') return effect(call);
    if (call.capability === 'wait') return wait(call);
    const capability = options.capabilities.get(call.capability);
    const method =
      capability && Object.hasOwn(capability.methods, call.method) ? capability.methods[call.method] : undefined;
    if (!capability || !method) {
      throw new CapabilityError('CAPABILITY_UNKNOWN', `There is no ${call.capability}.${call.method}.`);
    }
    if (!capability.declared(scope.manifest, call.method)) {
      throw new CapabilityError(
        'CAPABILITY_NOT_DECLARED',
        `${scope.manifest.title} asked for ${call.capability}.${call.method}, which it has not declared.`,
        { hint: 'Its author has to declare it in the manifest.' },
      );
    }
    const input = parse(method.input, call.args, `${call.capability}.${call.method}`);
    requireReading(call, input);
    const act: Act = (holder) => {
      const at = { ...scope, turns: step.turns(holder) };
      return isInternal(call, input) ? handle(input as HttpRequest) : method.act(at, input);
    };
    switch (method.record) {
      case 'pass':
        return act(`${call.capability}.${call.method}`);
      case 'memo':
        return memoised(call, input, method, act);
      case 'journal':
        // a look-up asks what is there now, never what an earlier one saw
        return step.entry === 'run' ? journaled(call, input, act) : act(`${step.entry} ${digestOf(input)}`);
      default:
        return method.record satisfies never;
    }
  }

  /** Looking and simulating only read. */
  function requireReading(call: Call, input: unknown): void {
    if (step.entry === 'run') return;
    const isReading =
      call.capability === 'http'
        ? onlyAsks(scope.manifest, input as HttpRequest)
        : (call.capability === 'assets' && ['readText', 'inspect'].includes(call.method)) ||
          (call.capability === 'store' && call.method === 'get');
    if (!isReading) {
      throw new CapabilityError(
        'CAPABILITY_READ_ONLY',
        `${call.capability}.${call.method} is not allowed while only looking.`,
      );
    }
  }

  function isInternal(call: Call, input: unknown): boolean {
    return call.capability === 'http' && options.internalHosts.has((input as HttpRequest).host ?? '');
  }
  const handle = (request: HttpRequest) => options.internalHosts.get(request.host ?? '')!.handle(scope, request);

  async function memoised(call: Call, input: unknown, method: Method, act: Act): Promise<unknown> {
    const key = digestOf({
      call: `${call.capability}.${call.method}`,
      input,
      engine: (await method.engine?.(scope)) ?? null,
      ...(step.nonce === null ? {} : { nonce: step.nonce }),
    });
    const known = await inside((tx) => findMemo(tx, key));
    if (known) return known.reply;
    const place = `${scope.workspaceId} ${key}`;
    const other = running.get(place);
    if (other) {
      const shared = await other.catch(() => undefined); // its failure is its own: this step tries itself
      if (shared !== undefined) return shared;
    }
    await options.faults.at('call.asked', scope.nodeId);
    const work = act(`memo ${key}`);
    running.set(place, work);
    try {
      const reply = (await work) ?? null;
      await options.faults.at('call.acted', scope.nodeId);
      await inside((tx) => keepMemo(tx, key, reply));
      await options.faults.at('call.recorded', scope.nodeId);
      return reply;
    } finally {
      if (running.get(place) === work) running.delete(place);
    }
  }

  async function journaled(call: Call, input: unknown, act: Act): Promise<unknown> {
    const requestDigest = digestOf({ call: `${call.capability}.${call.method}`, input });
    const occurrence = seen.get(requestDigest) ?? 0;
    seen.set(requestDigest, occurrence + 1);
    const key = `${call.capability}.${call.method} ${requestDigest.slice(0, 32)} ${occurrence}`;
    journal ??= inside((tx) => journalOf(tx, step.key));
    const recorded = await journal;
    consumed.add(key);
    const known = recorded.find((entry) => entry.key === key);
    if (known?.state === 'answered') return known.reply;
    if (!known && recorded.some((entry) => entry.state === 'answered' && !consumed.has(entry.key))) {
      throw new CapabilityError(
        'NODE_NOT_DETERMINISTIC',
        `${scope.manifest.title} asked for other things than in its first attempt, so it cannot go on from there.`,
        { hint: 'Its author has to use ctx.now and Math.random only. Running it again starts afresh.' },
      );
    }
    if (!(await inside((tx) => openCall(tx, step.key, step.lease, { key, requestDigest })))) throw leaseLost();
    await options.faults.at('call.asked', scope.nodeId);
    const reply = (await act(key)) ?? null;
    await options.faults.at('call.acted', scope.nodeId);
    if (isFinal(call, reply)) await inside((tx) => journalReply(tx, step.key, { key, reply }));
    await options.faults.at('call.recorded', scope.nodeId);
    return reply;
  }

  async function effect(call: Call): Promise<unknown> {
    const { name, request } = parse(EffectArguments, call.args, 'effect');
    if (scope.manifest.effect !== 'writes-external' || step.entry !== 'run') {
      throw new CapabilityError(
        'CAPABILITY_NOT_DECLARED',
        `${scope.manifest.title} may not change anything outside: its manifest says "${scope.manifest.effect}".`,
      );
    }
    const input = parse(HttpRequestSchema, request, `the effect ${name}`);
    return step.effect(scope, name, input, step.isLive);
  }

  async function wait(call: Call): Promise<unknown> {
    const { name, request } = parse(WaitArguments, call.args, 'wait');
    if (scope.manifest.capabilities.wait !== true || step.entry !== 'run') {
      throw new CapabilityError('CAPABILITY_NOT_DECLARED', `${scope.manifest.title} has not declared that it waits.`);
    }
    return step.wait(name, request);
  }

  return { answer };
}

/** A service that was busy or broken gave no answer worth keeping: the next attempt asks again. */
function isFinal(call: Call, reply: unknown): boolean {
  if (call.capability !== 'http') return true;
  const { status } = reply as HttpReply;
  return status !== 408 && status !== 425 && status !== 429 && status < 500;
}

const EffectArguments = z.strictObject({ name: z.string().min(1).max(100), request: z.unknown() });
const WaitArguments = z.strictObject({ name: z.string().min(1).max(100), request: WaitRequest });
function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CapabilityError(
    'CAPABILITY_BAD_REQUEST',
    `The arguments of ${what} do not fit: ${z.prettifyError(parsed.error)}`.slice(0, 1500),
  );
}
