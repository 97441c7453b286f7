/**
 * The worker's log: one JSON object a line, to stderr, with the ids of run and step. No payload and no secret: of an error
 * only its kind, code and place, and its words without whatever they quote; what a node writes itself only where
 * SPLICEBOARD_LOG_NODES=1 asks for it.
 *
 *   SPLICEBOARD_LOG   debug, info, warn (the default) or error
 */
import { pino } from 'pino';
import { CapabilityError } from './capabilities/capability.ts';

export function createLog() {
  return pino(
    { name: 'worker', level: process.env.SPLICEBOARD_LOG ?? 'warn', serializers: { err: loggedError } },
    pino.destination(2),
  );
}

/** What may stand in a log of any error. Ours are written to be read; others quote what they stumbled over. */
export function loggedError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as { code?: unknown };
  const isOurs = error instanceof CapabilityError;
  return {
    type: error.name,
    code: isOurs ? error.error.code : typeof code === 'string' ? code : undefined,
    message: isOurs ? error.message : withoutQuoted(error.message),
    at: (error.stack ?? '')
      .split('\n')
      .filter((line) => /^ {4}at /.test(line))
      .slice(0, 8)
      .map((line) => line.trim().slice(3)),
  };
}

/** From the first quotation mark to the last nothing is kept. */
const withoutQuoted = (message: string) => message.replace(/["'`][\s\S]*["'`]/, '…').slice(0, 300);
