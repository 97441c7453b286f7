/**
 * What follows from a settled step, and what becomes of a step whose inputs have all arrived: the rules of lists.
 * Pure: no clock, no database, no values, only states and lengths.
 *
 * A step is one node at one item path. A settled step sends *tokens*; each place that waits for tokens has a counter
 * that only falls, so that the last two arrivals can never each see the other missing:
 *
 *   s  (node, path)  a step, or, above the node's depth, a gate: the inputs that are shared by all items below it
 *   g  (node, path)  a gather: the members of one list, as many as it is long
 *
 * A join that does not wait for all is due with its first arrival; what comes later wakes it (`pendingOf`).
 *
 * A gate that falls to 0 opens its children (one token each); a gather that falls to 0 sends one token per wire to
 * each node that gathers; a step that falls to 0 is *due* and is decided: run, skip or block.
 * `db/migrations/0005_ledger_functions.sql` does the same to rows; `Counters` here does it in memory, for rebuilding
 * a run's counters after a retry or a correction.
 */
import { ERROR_PORT } from './graph.ts';
import type { Plan, PlanInput, PlanNode, PlanSource } from './plan.ts';

export type Path = readonly number[];
export type StepState = 'done' | 'failed' | 'blocked' | 'skipped';
export type Settled = {
  state: StepState;
  /** Of a blocked step: the step whose failure is the first cause, as `node@0.1`. */
  cause: string | null;
  /** The outputs that are present; a list with its length, anything else with null. */
  outputs: Record<string, number | null>;
};
export type Token = {
  kind: 's' | 'g';
  node: string;
  path: Path;
  /** Arrivals; for a new gather 0. */
  count: number;
  /** The list's length: opens a gate, or sets a gather up. */
  length: number | null;
  /** Sends `count` to each of this many children instead of to the place itself. */
  spread: number | null;
};
export type StepAt = { node: string; path: number[] };

export function stepKey(node: string, path: Path): string {
  return `${node}@${path.join('.')}`;
}

/** Steps that wait for nothing: what a run begins with. */
export function firstSteps(plan: Plan): StepAt[] {
  return plan.order
    .filter((id) => plan.nodes[id]!.needs.every((need) => need === 0))
    .map((node) => ({ node, path: [] }));
}

/** What one settled step sends, merged by place. */
export function tokensOf(plan: Plan, nodeId: string, path: Path, settled: Settled): Token[] {
  const node = plan.nodes[nodeId]!;
  const tokens = new Map<string, Token>();
  const send = (token: Token) => {
    const key = `${token.kind} ${token.node} ${token.path.join('.')} ${token.spread} `;
    const known = tokens.get(key);
    if (!known) tokens.set(key, { ...token });
    else {
      known.count += token.count;
      known.length ??= token.length;
    }
  };
  const lengthOf = (port: string): number | null =>
    Object.hasOwn(settled.outputs, port) ? settled.outputs[port]! : null;

  for (const target of node.targets) {
    if (target.how === 'map') {
      const length = lengthOf(target.port);
      if (length !== null && length > 0)
        send({ kind: 's', node: target.node, path, count: 1, length: null, spread: length });
    } else if (target.how === 'same' || node.frame.length === 0) {
      send({ kind: 's', node: target.node, path, count: 1, length: null, spread: null });
    }
  }
  if (node.gathers.length > 0)
    send({ kind: 'g', node: nodeId, path: path.slice(0, -1), count: 1, length: null, spread: null });
  for (const inside of node.within) {
    const other = plan.nodes[inside.node]!;
    const length = lengthOf(inside.port);
    if (length !== null && other.gated[inside.depth]) {
      send({ kind: 's', node: other.id, path, count: 1, length, spread: null });
    }
    if (other.frame.length === inside.depth + 1 && other.gathers.length > 0) {
      send({ kind: 'g', node: other.id, path, count: 0, length: length ?? 0, spread: null });
    }
  }
  return [...tokens.values()];
}

/** Taken from the counter of a join that has begun early: it never falls to 0. The same in 0053_join.sql. */
const BEGUN = 1_000_000;

/** The counters of one run, in memory. `send` gives back the steps that became due. */
export class Counters {
  readonly rows = new Map<string, { kind: 's' | 'g'; node: string; path: Path; left: number; length: number | null }>();
  readonly #plan: Plan;
  constructor(plan: Plan) {
    this.#plan = plan;
  }

  send(tokens: readonly Token[]): StepAt[] {
    const due: StepAt[] = [];
    // gathers are set up before anything can count them down
    const work = [...tokens].sort((a, b) => (a.kind === b.kind ? 0 : a.kind === 'g' ? -1 : 1));
    for (let token = work.shift(); token; token = work.shift()) {
      if (token.spread !== null) {
        for (let index = 0; index < token.spread; index++)
          work.push({ ...token, path: [...token.path, index], spread: null });
        continue;
      }
      this.#arrive(token, work, due);
    }
    return due;
  }

  #arrive(token: Token, work: Token[], due: StepAt[]): void {
    const node = this.#plan.nodes[token.node]!;
    const key = `${token.kind} ${token.node} ${token.path.join('.')}`;
    const needed = token.kind === 'g' ? (token.length ?? 0) : node.needs[token.path.length]!;
    const row = this.rows.get(key) ?? {
      kind: token.kind,
      node: token.node,
      path: token.path,
      left: needed,
      length: null,
    };
    row.left -= token.count;
    row.length ??= token.length;
    this.rows.set(key, row);
    if (node.early && token.kind === 's' && token.path.length === node.frame.length) {
      if (row.left < -BEGUN / 2) return;
      row.left -= BEGUN;
      due.push({ node: token.node, path: [...token.path] });
      return;
    }
    if (row.left !== 0) return;
    if (token.kind === 'g') {
      for (const { node: gatherer, count } of node.gathers) {
        work.push({ kind: 's', node: gatherer, path: token.path, count, length: null, spread: null });
      }
    } else if (token.path.length === node.frame.length) due.push({ node: token.node, path: [...token.path] });
    else work.push({ kind: 's', node: token.node, path: token.path, count: 1, length: null, spread: row.length ?? 0 });
  }
}

// ---------------------------------------------------------------- deciding a step

/** One piece of an input: an output of a settled step, or one member of it. */
export type Part = { node: string; path: number[]; port: string; index: number | null; source: PlanSource };
export type Arrival = { kind: 'present'; parts: Part[] } | { kind: 'absent' } | { kind: 'failed'; cause: string };
export type Decision =
  | { kind: 'run'; inputs: Record<string, Part[]> }
  | { kind: 'skip'; because: string }
  | { kind: 'block'; cause: string };
export type Lookup = (node: string, path: Path) => Settled | undefined;

const ABSENT: Arrival = { kind: 'absent' };

/** Every step that `plan.nodes[nodeId].reads` names must be settled. */
export function decide(plan: Plan, nodeId: string, path: Path, lookup: Lookup): Decision {
  const node = plan.nodes[nodeId]!;
  const inputs: Record<string, Part[]> = {};
  let missing: string | undefined;
  for (const input of node.inputs) {
    const arrival = arrivalAt(plan, input, path, lookup);
    if (arrival.kind === 'present') inputs[input.port] = arrival.parts;
    else if (input.optional) continue;
    else if (arrival.kind === 'failed') return { kind: 'block', cause: arrival.cause };
    else missing ??= input.port;
  }
  if (missing !== undefined) return { kind: 'skip', because: missing };
  for (const take of node.takes ?? []) {
    const taken = emitted(plan.nodes[take.node]!, take.port, path.slice(0, take.depth), lookup);
    if (taken.kind === 'failed') return { kind: 'block', cause: taken.cause };
  }
  return { kind: 'run', inputs };
}

/** The branches of a step that are not settled yet: only a join that is due early has any. */
export function pendingOf(plan: Plan, nodeId: string, path: Path, lookup: Lookup): StepAt[] {
  const sources = plan.nodes[nodeId]!.inputs.flatMap((input) => input.sources);
  const pending = new Map<string, StepAt>();
  for (const { node, depth } of sources) {
    const at = path.slice(0, depth);
    if (!lookup(node, at)) pending.set(stepKey(node, at), { node, path: at });
  }
  return [...pending.values()];
}

function arrivalAt(plan: Plan, input: PlanInput, path: Path, lookup: Lookup): Arrival {
  const arrivals = input.sources.map((source) => arrivalOver(plan, source, path, lookup));
  const failed = arrivals.find((arrival) => arrival.kind === 'failed');
  if (failed) return failed;
  const present = arrivals.filter((arrival) => arrival.kind === 'present');
  if (present.length === 0) return ABSENT;
  return { kind: 'present', parts: input.list ? present.flatMap((arrival) => arrival.parts) : present[0]!.parts };
}

function arrivalOver(plan: Plan, source: PlanSource, path: Path, lookup: Lookup): Arrival {
  const from = plan.nodes[source.node]!;
  const part = (at: Path, index: number | null): Part => ({
    node: source.node,
    path: [...at],
    port: source.port,
    index,
    source,
  });
  const here = path.slice(0, source.depth);
  if (source.how === 'map') {
    const list = emitted(from, source.port, here, lookup);
    if (list.kind !== 'present') return list;
    const index = path[source.depth];
    return index !== undefined && index < (list.length ?? 0) ? { kind: 'present', parts: [part(here, index)] } : ABSENT;
  }
  if (source.how === 'gather' && source.origin) {
    const above = path.slice(0, source.depth - 1);
    const list = emitted(plan.nodes[source.origin.node]!, source.origin.port, above, lookup);
    if (list.kind !== 'present') return list;
    const parts: Part[] = [];
    for (let index = 0; index < (list.length ?? 0); index++) {
      const member = emitted(from, source.port, [...above, index], lookup);
      if (member.kind === 'failed' && !source.leaveOutFailed) return member;
      if (member.kind === 'present') parts.push(part([...above, index], null));
    }
    return { kind: 'present', parts };
  }
  const value = emitted(from, source.port, here, lookup);
  return value.kind === 'present' ? { kind: 'present', parts: [part(here, null)] } : value;
}

type Emitted = { kind: 'present'; length: number | null } | { kind: 'absent' } | { kind: 'failed'; cause: string };

/** What came out of one output port at one path. */
function emitted(node: PlanNode, port: string, path: Path, lookup: Lookup): Emitted {
  const step = lookup(node.id, path);
  if (!step) return { kind: 'absent' };
  switch (step.state) {
    case 'skipped':
      return { kind: 'absent' };
    case 'blocked':
      return { kind: 'failed', cause: step.cause ?? stepKey(node.id, path) };
    case 'failed':
      if (!node.errorIsWired) return { kind: 'failed', cause: stepKey(node.id, path) };
      return port === ERROR_PORT ? { kind: 'present', length: null } : { kind: 'absent' };
    case 'done':
      return port !== ERROR_PORT && Object.hasOwn(step.outputs, port)
        ? { kind: 'present', length: step.outputs[port]! }
        : { kind: 'absent' };
  }
}

/** Whether a settled step leaves the run with a problem: a handled failure does not. */
export function isTrouble(node: PlanNode, state: StepState): boolean {
  return state === 'blocked' || (state === 'failed' && !node.errorIsWired);
}

// ---------------------------------------------------------------- making something again

/** Places, as a node and the prefix of its paths, that depend on one step; without the step itself. */
export function dependentsOf(plan: Plan, nodeId: string, path: Path): { node: string; prefix: number[] }[] {
  const found = new Map<string, { node: string; prefix: number[] }>();
  const work: { node: string; prefix: number[] }[] = [{ node: nodeId, prefix: [...path] }];
  for (let at = work.pop(); at; at = work.pop()) {
    const node = plan.nodes[at.node]!;
    for (const target of node.targets) {
      const depth = target.how === 'gather' ? Math.max(0, node.frame.length - 1) : node.frame.length;
      const next = { node: target.node, prefix: at.prefix.slice(0, depth) };
      const key = stepKey(next.node, next.prefix);
      if (found.has(key)) continue;
      found.set(key, next);
      work.push(next);
    }
  }
  return [...found.values()];
}

export function isWithin(path: Path, prefix: Path): boolean {
  return prefix.length <= path.length && prefix.every((index, depth) => index === path[depth]);
}

/** All counters and due steps of a run, worked out again from the steps that are settled. */
export function rebuild(
  plan: Plan,
  settled: Iterable<{ node: string; path: Path; settled: Settled }>,
): { counters: Counters; due: StepAt[] } {
  const byNode = new Map<string, { path: Path; settled: Settled }[]>();
  for (const step of settled) {
    const known = byNode.get(step.node);
    if (known) known.push(step);
    else byNode.set(step.node, [step]);
  }
  const counters = new Counters(plan);
  const due = new Map<string, StepAt>(firstSteps(plan).map((step) => [stepKey(step.node, step.path), step]));
  for (const id of plan.order) {
    for (const { path, settled: outcome } of byNode.get(id) ?? []) {
      for (const step of counters.send(tokensOf(plan, id, path, outcome))) due.set(stepKey(step.node, step.path), step);
      due.delete(stepKey(id, path));
    }
  }
  return { counters, due: [...due.values()] };
}
