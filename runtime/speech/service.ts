/**
 * What a speech or language service says when it says no, in the product's words: who has to act, and when trying again
 * can help. Keys come from the host; they are in no message.
 */
import type { ErrorJson } from '../../nodes/contract.ts';
import { notBefore } from '../capabilities/assets.ts';
import { CapabilityError } from '../capabilities/capability.ts';
import { FetchError } from '../fetch.ts';

export type ServiceKeys = {
  openai?: {
    key: string;
    /** Of any compatible server; with its version, as in https://api.openai.com/v1 */
    baseUrl?: string;
    /** The installation's: its requests are counted for all workspaces together. */
    shared?: boolean;
    speechModel?: string;
    chatModel?: string;
  };
  assemblyai?: {
    key: string;
    baseUrl?: string;
    shared?: boolean;
    /** Leaves the sound and the transcript with the service. They are erased where absent. */
    keepAtService?: boolean;
  };
};

const SETTINGS = 'Open Settings, Keys, and enter it again.';

/** `code` is the service's own, where it has one. Statuses as AssemblyAI's and OpenAI's documents give them (2026-11). */
export function serviceError(
  service: string,
  status: number,
  message: string,
  more: { code?: string | null; headers?: Headers } = {},
): CapabilityError {
  const said = message.replace(/\s+/g, ' ').trim().slice(0, 300);
  const make = (code: string, text: string, retry: ErrorJson['retry'], hint: string) =>
    new CapabilityError(code, text, {
      retry,
      hint,
      ...(retry === 'later' && more.headers ? notBefore(more.headers) : {}),
    });
  if (
    more.code === 'insufficient_quota' ||
    status === 402 ||
    /balance is negative|exceeded your current quota/i.test(said)
  ) {
    return make(
      'SERVICE_QUOTA',
      `${service} says the account has no credit left.`,
      'person',
      `Top up the account with ${service}, then try again.`,
    );
  }
  if (status === 401) return make('SERVICE_KEY_REFUSED', `${service} refused the key.`, 'person', SETTINGS);
  if (status === 403) {
    return make(
      'SERVICE_FORBIDDEN',
      `${service} does not allow this with the key: ${said}`,
      'person',
      `Check the key's rights with ${service}.`,
    );
  }
  if (status === 429)
    return make('SERVICE_BUSY', `${service} asks to wait: too many requests.`, 'later', 'It is tried again by itself.');
  if (status === 408 || status === 409 || status >= 500) {
    return make('SERVICE_FAILED', `${service} failed with status ${status}.`, 'later', 'It is tried again by itself.');
  }
  if (status === 413)
    return make('SERVICE_TOO_LARGE', `${service} says the file is too large.`, 'never', 'Choose another engine.');
  if (status === 404) {
    return make(
      'SERVICE_NOT_FOUND',
      `${service} does not know what was asked for: ${said}`,
      'person',
      'Check the model and the base URL in Settings, Keys.',
    );
  }
  return make(
    'SERVICE_REFUSED',
    `${service} refused the request: ${said}`,
    'never',
    'Change the settings of this node or choose another engine.',
  );
}

/** A connection that failed: tried again, unless the address itself is not allowed. */
export function unreachable(service: string, error: FetchError): CapabilityError {
  return error.retry === 'never'
    ? new CapabilityError('SERVICE_ADDRESS_REFUSED', `${service} cannot be reached: ${error.message}`, {
        retry: 'person',
        hint: 'Check its base URL in Settings, Keys. A server in the own network has to be allowed by the operator (egress).',
        cause: error,
      })
    : new CapabilityError('SERVICE_UNREACHABLE', `${service} could not be reached: ${error.message}`, {
        retry: 'later',
        hint: 'It is tried again by itself. Check the connection if it stays so.',
        cause: error,
      });
}

/** The FetchError inside what an SDK threw, if there is one. */
export function fetchErrorIn(error: unknown): FetchError | undefined {
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 6; cause = cause.cause, depth++) {
    if (cause instanceof FetchError) return cause;
  }
  return undefined;
}
