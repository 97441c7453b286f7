/**
 * The server's log: one JSON object a line, to stderr. No payload and no secret: of an error only its kind, code and place,
 * and its words without whatever they quote; of a request its route, never its address or body.
 */
import { pino } from 'pino';

export const log = pino(
  { name: 'server', level: process.env.SPLICEBOARD_LOG ?? 'warn', serializers: { err: loggedError } },
  pino.destination(2),
);

function loggedError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    code: typeof code === 'string' ? code : undefined,
    // from the first quotation mark to the last nothing is kept: others quote what they stumbled over
    message: error.message.replace(/["'`][\s\S]*["'`]/, '…').slice(0, 300),
    at: (error.stack ?? '')
      .split('\n')
      .filter((line) => /^ {4}at /.test(line))
      .slice(0, 8)
      .map((line) => line.trim().slice(3)),
  };
}
