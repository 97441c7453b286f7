/**
 * Named places at which a test may end a connection, a worker or an isolate, and then look at the world.
 * In the product every place does nothing.
 */
export type FaultName =
  | 'strand.claimed'
  | 'step.decided'
  | 'step.ran'
  | 'step.settled'
  | 'call.acted'
  | 'call.recorded'
  | 'effect.sending'
  | 'effect.sent'
  | 'effect.recorded';

export type Faults = { at(name: FaultName): void | Promise<void> };

export const NO_FAULTS: Faults = { at() {} };
