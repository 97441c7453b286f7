/**
 * Named places at which a test may end a connection, a worker or an isolate, and then look at the world.
 * In the product every place does nothing.
 */
export type FaultName =
  | 'claim.asked'
  | 'strand.claimed'
  | 'step.decided'
  | 'step.begun'
  | 'step.ran'
  | 'outputs.stored'
  | 'step.settling'
  | 'step.settled'
  | 'run.ended'
  | 'call.asked'
  | 'call.acted'
  | 'call.recorded'
  | 'effect.intended'
  | 'effect.sending'
  | 'effect.sent'
  | 'effect.recorded';

/** `node`: whose step it is; none before a claim. */
export type Faults = { at(name: FaultName, node?: string): void | Promise<void> };

export const NO_FAULTS: Faults = { at() {} };
