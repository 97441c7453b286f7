/** What the server or the network refused, in the one shape the error card draws. Pure. */

export type ShownProblem = { code: string; message: string; hint: string | null; retry: 'never' | 'later' | 'person' };

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** `data.problem` of a tRPC error where there is one; otherwise a sentence about what kind of failure it was. */
export function problemOf(error: unknown): ShownProblem {
  const data = isRecord(error) ? error.data : null;
  const problem = isRecord(data) ? data.problem : isRecord(error) ? error.problem : null;
  if (isRecord(problem) && typeof problem.message === 'string') {
    const { code, message, hint, retry } = problem;
    return {
      code: typeof code === 'string' ? code : 'REFUSED',
      message,
      hint: typeof hint === 'string' ? hint : null,
      retry: retry === 'later' || retry === 'person' ? retry : 'never',
    };
  }
  if (isOffline(error)) {
    return {
      code: 'SERVER_UNREACHABLE',
      message: 'The server cannot be reached.',
      hint: 'Nothing is lost. Check the connection, then try again.',
      retry: 'later',
    };
  }
  const message = error instanceof Error && error.message !== '' ? error.message : 'Something went wrong here.';
  return { code: 'UNEXPECTED', message, hint: 'Try again, or load the page anew.', retry: 'later' };
}

/** Whether the request never got an answer of ours: no connection, or something else answered in the server's place. */
export function isOffline(error: unknown): boolean {
  if (!isRecord(error)) return false;
  if (isRecord(error.data)) return false;
  const text = `${error instanceof Error ? error.message : ''} ${isRecord(error.cause) ? String(error.cause.message) : ''}`;
  return error instanceof TypeError || /fetch|network|load failed|unable to transform|JSON|aborted/i.test(text);
}

/** Whether signing in again would help. */
export function isSignedOut(error: unknown): boolean {
  const data = isRecord(error) ? error.data : null;
  return isRecord(data) && (data.code === 'UNAUTHORIZED' || data.httpStatus === 401);
}
