/**
 * What a capability is on the host's side of the wall.
 *
 * The broker (`runtime/broker.ts`) receives `{ capability, method, args }` from the isolate, checks the manifest's
 * declaration and the workspace's grant, parses `args` with the method's schema, journals or memoises as `record`
 * says, and calls `act`. A capability never sees another workspace and never gets to decide about grants.
 */
import type * as z from 'zod';
import type { BrandKit, ErrorJson, ManifestJson } from '../../nodes/contract.ts';
import type { AssetStore } from '../assets.ts';
import type { Turns } from '../turns.ts';

/** The account a step works with (`runtime/connections/account.ts`). Its secrets are for requests to its `hosts` alone. */
export type StepConnection = {
  id: string;
  name: string;
  platform: string;
  account: string;
  server: string;
  /** In small letters. */
  hosts: readonly string[];
  /** Headers with its secrets, renewed where they are about to end, and the secrets as they must not come back. */
  authorize(): Promise<{ revision: number; headers: Record<string, string>; secrets: string[] }>;
  /** The service refused those of this revision. True: there are others by now, and the request may be sent again. */
  refused(revision: number): Promise<boolean>;
  /** Takes units of the quotas; null where there were enough, else which were not and when new ones come. */
  takeUnits(uses: Record<string, number>): Promise<{ name: string; until: Date } | null>;
};

/** Everything a capability may know about the step that asks. */
export type StepScope = {
  workspaceId: string;
  brandId: string;
  runId: string;
  stepId: string;
  nodeId: string;
  /** The item path. */
  path: readonly number[];
  attempt: number;
  /** Fixed per step; ISO. */
  now: string;
  manifest: ManifestJson;
  brand: BrandKit;
  /** Where the manifest names one. */
  connection?: StepConnection | null;
  assets: AssetStore;
  /** Aborted on cancel, time-out, lost lease and shutdown. */
  signal: AbortSignal;
  /** Each request to another side takes its turn first. */
  turns: Turns;
  /** `fraction` in [0, 1]. */
  progress(fraction: number, note?: string): void;
  log(message: string): void;
};

/**
 * pass      not recorded: cheap reads
 * journal   pays, writes or waits: the reply is committed before the isolate sees it and replayed afterwards
 * memo      memoised by the digest of (method, args, engine): media and render
 */
export type Recording = 'pass' | 'journal' | 'memo';

export type Method<I = unknown, O = unknown> = {
  input: z.ZodType<I>;
  record: Recording;
  /**
   * Identity of what does the work (ffmpeg build, model): part of the memo key, and of the reuse key of every step whose
   * manifest declares the method. `scope` is such a step's, before it begins.
   */
  engine?(scope: StepScope): Promise<string> | string;
  act(scope: StepScope, input: I): Promise<O>;
};

export type Capability = {
  name: string;
  /** Whether the manifest declares this method. */
  declared(manifest: ManifestJson, method: string): boolean;
  // biome-ignore lint/suspicious/noExplicitAny: each method has its own pair of types, checked where it is made
  methods: Record<string, Method<any, any>>;
};

/** Keeps the pair of types of one method together. */
export function method<I, O>(definition: Method<I, O>): Method<I, O> {
  return definition;
}

/** Thrown by a capability; crosses the wall as code, message and hint only. */
export class CapabilityError extends Error {
  override name = 'CapabilityError';
  readonly error: ErrorJson;
  constructor(
    code: string,
    message: string,
    options: { hint?: string; retry?: ErrorJson['retry']; notBefore?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.error = {
      code,
      message,
      hint: options.hint ?? null,
      retry: options.retry ?? 'never',
      notBefore: options.notBefore ?? null,
    };
  }
}

/** The step was given to another worker, or is made again from other inputs: this attempt does not count. */
export function leaseLost(): CapabilityError {
  return new CapabilityError('LEASE_LOST', 'Another worker has taken this step over.', { retry: 'later' });
}
