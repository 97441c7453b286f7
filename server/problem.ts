/**
 * The one error shape at every wall of the server: code, message, hint, retry. Expected refusals are thrown as
 * `Problem`; anything else becomes `INTERNAL`, and its cause goes to the log only.
 */
import { TRPCError } from '@trpc/server';
import * as z from 'zod';

export type ProblemJson = {
  code: string;
  message: string;
  hint: string | null;
  retry: 'never' | 'later' | 'person';
  /** What else the reader needs to act: problems of a graph, for example. */
  details?: unknown;
};

type Status =
  | 'BAD_REQUEST'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'PAYLOAD_TOO_LARGE'
  | 'PRECONDITION_FAILED'
  | 'TOO_MANY_REQUESTS'
  | 'SERVICE_UNAVAILABLE'
  | 'INTERNAL_SERVER_ERROR';
const HTTP: Record<Status, number> = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  PRECONDITION_FAILED: 412,
  PAYLOAD_TOO_LARGE: 413,
  TOO_MANY_REQUESTS: 429,
  INTERNAL_SERVER_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
};

export class Problem extends TRPCError {
  readonly problem: ProblemJson;
  constructor(
    status: Status,
    code: string,
    message: string,
    options: { hint?: string | null; retry?: ProblemJson['retry']; details?: unknown; cause?: unknown } = {},
  ) {
    super({ code: status, message, cause: options.cause });
    this.problem = {
      code,
      message,
      hint: options.hint ?? null,
      retry: options.retry ?? 'never',
      ...(options.details === undefined ? {} : { details: options.details }),
    };
  }
  get httpStatus(): number {
    return HTTP[this.code as Status] ?? 500;
  }
}

export const notFound = (what: string) =>
  new Problem('NOT_FOUND', 'NOT_FOUND', `${what} is not here.`, {
    hint: 'It may have been removed, or it belongs to another workspace.',
  });

/** Any thrown thing as the one shape; `status` for HTTP. */
export function toProblem(error: unknown): { status: number; problem: ProblemJson } {
  if (error instanceof Problem) return { status: error.httpStatus, problem: error.problem };
  if (error instanceof TRPCError) {
    if (error.cause instanceof Problem) return toProblem(error.cause);
    if (error.cause instanceof z.ZodError) {
      const [first] = error.cause.issues;
      const where = first?.path.join('.');
      return {
        status: 400,
        problem: {
          code: 'INPUT_INVALID',
          message: `${where ? `${where}: ` : ''}${first?.message ?? 'The request does not fit.'}`.slice(0, 500),
          hint: null,
          retry: 'never',
        },
      };
    }
    if (error.code !== 'INTERNAL_SERVER_ERROR')
      return { status: 400, problem: { code: error.code, message: error.message, hint: null, retry: 'never' } };
  }
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  if (statusCode === 413)
    return {
      status: 413,
      problem: { code: 'TOO_LARGE', message: 'The request is too large.', hint: null, retry: 'never' },
    };
  if (statusCode !== undefined && statusCode < 500)
    return {
      status: statusCode,
      problem: {
        code: code && /^[A-Z0-9_]+$/.test(code) ? code : 'BAD_REQUEST',
        message: 'The request cannot be read.',
        hint: null,
        retry: 'never',
      },
    };
  return {
    status: 500,
    problem: {
      code: 'INTERNAL',
      message: 'Something went wrong on the server.',
      hint: 'Nothing is lost. Try again; the log of the server says what happened.',
      retry: 'later',
    },
  };
}
