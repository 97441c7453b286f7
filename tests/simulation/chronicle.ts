/** What happened in a run, in its order: the virtual runtime writes it, the judge reads it. */
export type StepState = 'done' | 'failed' | 'blocked' | 'skipped';
export type Event = { at: number } & (
  | { kind: 'due'; key: string }
  /** `seen`: those of the steps it reads that were settled. `attempt` counts from 1. */
  | { kind: 'began'; key: string; attempt: number; seen: string[] }
  /** Infinity: until it is woken. */
  | { kind: 'slept'; key: string; until: number; why: 'branches' | 'wait' | 'again' }
  | { kind: 'settled'; key: string; state: StepState; isLate: boolean }
  | { kind: 'answered'; key: string; outcome: string }
  | { kind: 'asked'; key: string; until: number }
  /** `targets` are made again, and `gone` were settled and are not any more. */
  | { kind: 'again'; why: 'retry' | 'correction'; targets: string[]; gone: string[] }
  | { kind: 'ended'; state: 'succeeded' | 'problems' | 'cancelled' | 'stopped' }
);
export type Correction = {
  node: string;
  path: readonly number[];
  port: string;
  source: string;
  value: string | string[];
};

/** A run as it came to be, whichever runtime carried it. */
export type Chronicle = {
  state: 'succeeded' | 'problems' | 'cancelled' | 'stopped';
  steps: Map<
    string,
    {
      state: StepState;
      cause: string | null;
      inputs?: Record<string, string | string[]>;
      outputs: Record<string, string | string[]>;
      attempt: number;
    }
  >;
  /** Steps that were due, begun or asleep when the run was ended early. */
  cancelled: Set<string>;
  /** Of joins that need not wait for all: what they waited for. */
  arrived: Map<string, ReadonlySet<string>>;
  /** Of an Approve: the outcome it went on with; null: nobody decided and it failed. */
  decided: Map<string, string | null>;
  /** `node/inputs` of asks that go well since a person tried them again. */
  healed: Set<string>;
  corrections: Correction[];
  /** The node whose Stop ended the run since it was last set going. */
  stoppedBy: string | null;
};
