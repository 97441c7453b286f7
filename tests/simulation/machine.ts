/**
 * Carries a random world through in virtual time: a ledger in memory, a few workers, people, and a seeded scheduler that
 * decides who comes first. What becomes of a step is decided by the product's own pure rules, never by a copy; what the
 * ledger's functions do to rows (claim, settle, sleep, wake, answer, end, do again) is done here to a map.
 */
import type * as Advance from '../../runtime/graph/advance.ts';
import type * as Joins from '../../runtime/graph/join.ts';
import type * as Plans from '../../runtime/graph/plan.ts';
import type * as Strands from '../../runtime/graph/strands.ts';
import type * as Settle from '../../runtime/settle.ts';
import { dice } from '../runtime/graphs.ts';
import type { Chronicle, Correction, Event, StepState } from './chronicle.ts';
import { eaten, type Given } from './nodes/sim/act/script.ts';
import { answerTo, catalogueOf, type Deed, graphOf, makes, moodOf, type SimNode, type SimWorld } from './worlds.ts';

export type Rules = Pick<
  typeof Advance,
  | 'Counters'
  | 'decide'
  | 'dependentsOf'
  | 'firstSteps'
  | 'isTrouble'
  | 'isWithin'
  | 'pendingOf'
  | 'rebuild'
  | 'tokensOf'
> &
  Pick<typeof Plans, 'planOf'> &
  Pick<typeof Strands, 'strandsOf'> &
  Pick<typeof Settle, 'verdictOn'> &
  Pick<typeof Joins, 'joinMove'> & {
    /** Which strands of an ended run are taken away. */
    endedStrands<S>(strands: readonly S[]): readonly S[];
  };

type Values = Record<string, string | string[]>;
type Step = {
  node: string;
  path: number[];
  state: StepState;
  cause: string | null;
  inputs?: Values;
  outputs: Values;
  /** Of corrected outputs: the node's own. */
  made: Values;
  attempt: number;
};
type Item = { path: number[]; decision: Advance.Decision; inputs: Given };
type Strand = {
  node: string;
  prefix: number[];
  lo: number | null;
  hi: number | null;
  state: 'ready' | 'leased' | 'waiting';
  until: number;
  attempts: number;
  /** Milliseconds; null: never claimed. */
  beganMs: number | null;
  items: Item[];
  /** Of a join that sleeps: the branches it sleeps for. */
  pending: string[];
};
type Wait = { state: 'open' | 'answered' | 'expired'; until: number; outcome: string | null; isAsked: boolean };

export const keyOf = (node: string, path: readonly number[]) => `${node}@${path.join('.')}`;
export const placeOf = (key: string) => {
  const [node, at] = key.split('@') as [string, string];
  return { node, path: at === '' ? [] : at.split('.').map(Number) };
};
/** A run that goes on after so many events goes on for ever. */
const MOST_EVENTS = 20_000;

/** Throws where a step becomes due twice, is decided before what it reads is settled, or the run never ends. */
export function carry(rules: Rules, world: SimWorld, order = 0): { came: Chronicle; events: Event[] } {
  return new Machine(rules, world, order).carry();
}

class Machine {
  readonly #rules: Rules;
  readonly #world: SimWorld;
  readonly #plan: Plans.Plan;
  readonly #nodes: Map<string, SimNode>;
  readonly #die: ReturnType<typeof dice>;
  readonly #slots: number;
  readonly #events: Event[] = [];
  readonly #queue: { at: number; tie: number; act: () => void }[] = [];
  readonly #steps = new Map<string, Step>();
  readonly #waits = new Map<string, Wait>();
  readonly #asked = new Map<string, number>();
  readonly #corrections: Correction[] = [];
  readonly #healed = new Set<string>();
  readonly #arrived = new Map<string, ReadonlySet<string>>();
  readonly #decided = new Map<string, string | null>();
  #counters: Advance.Counters;
  #strands: Strand[] = [];
  #cancelled = new Map<string, { node: string; path: number[] }>();
  #state: Chronicle['state'] | 'running' = 'running';
  #stoppedBy: string | null = null;
  #troubles = 0;
  #now = 0;

  constructor(rules: Rules, world: SimWorld, order: number) {
    this.#rules = rules;
    this.#world = world;
    this.#die = dice(world.seed * 7919 + order);
    this.#slots = 1 + this.#die.below(4);
    this.#nodes = new Map(world.nodes.map((node) => [node.id, node]));
    this.#plan = rules.planOf(graphOf(world), catalogueOf(world));
    this.#counters = new rules.Counters(this.#plan);
  }

  carry(): { came: Chronicle; events: Event[] } {
    for (const deed of this.#world.deeds) this.#later(deed.at * 1_000, () => this.#do(deed));
    this.#add(this.#rules.firstSteps(this.#plan));
    this.#maybeEnd();
    for (let n = 0; ; n++) {
      if (n > MOST_EVENTS) throw new Error('the run goes on for ever');
      this.#claim();
      this.#queue.sort((a, b) => a.at - b.at || a.tie - b.tie);
      const next = this.#queue.shift();
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      next.act();
      this.#checkSleepers();
    }
    if (this.#state === 'running') {
      const left = this.#strands.map((strand) => `${this.#keysOf(strand).join(' ')} ${strand.state}`);
      throw new Error(`the run never ends: ${left.join(', ') || 'nothing is due'}`);
    }
    return {
      events: this.#events,
      came: {
        state: this.#state,
        steps: new Map([...this.#steps].map(([key, { node: _, path: __, made: ___, ...step }]) => [key, step])),
        cancelled: new Set(this.#cancelled.keys()),
        arrived: this.#arrived,
        decided: this.#decided,
        healed: this.#healed,
        corrections: this.#corrections,
        stoppedBy: this.#stoppedBy,
      },
    };
  }

  #say(event: Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never): void {
    this.#events.push({ at: this.#now, ...event } as Event);
  }

  #later(at: number, act: () => void): void {
    this.#queue.push({ at: Math.max(at, this.#now), tie: this.#die.next(), act });
  }

  // -------------------------------------------------------------- the ledger

  #keysOf(strand: Pick<Strand, 'node' | 'prefix' | 'lo' | 'hi'>): string[] {
    if (strand.lo === null) return [keyOf(strand.node, strand.prefix)];
    const { lo, hi } = strand;
    return Array.from({ length: hi! - lo + 1 }, (_, at) => keyOf(strand.node, [...strand.prefix, lo + at]));
  }

  #strandOf(key: string): Strand | undefined {
    return this.#strands.find((strand) => this.#keysOf(strand).includes(key));
  }

  #add(due: readonly { node: string; path: readonly number[] }[]): void {
    const sorted = [...due].sort((a, b) =>
      keyOf(a.node, a.path).localeCompare(keyOf(b.node, b.path), 'en', { numeric: true }),
    );
    for (const { node, path } of sorted) {
      if (path.length === 0) this.#begin({ node, prefix: [], lo: null, hi: null });
      else {
        const [prefix, item] = [path.slice(0, -1), path.at(-1)!];
        const last = this.#strands.at(-1);
        const isNext =
          this.#plan.nodes[node]!.ranged &&
          last?.node === node &&
          last.state === 'ready' &&
          last.beganMs === null &&
          last.hi === item - 1 &&
          keyOf(node, last.prefix) === keyOf(node, prefix);
        if (!isNext) this.#begin({ node, prefix: [...prefix], lo: item, hi: item });
        else {
          this.#isNew(keyOf(node, path));
          last.hi = item;
        }
      }
    }
  }

  #begin(at: Pick<Strand, 'node' | 'prefix' | 'lo' | 'hi'>): void {
    for (const key of this.#keysOf(at)) this.#isNew(key);
    this.#strands.push({ ...at, state: 'ready', until: 0, attempts: 0, beganMs: null, items: [], pending: [] });
  }

  #isNew(key: string): void {
    if (this.#strandOf(key)) throw new Error(`${key} became due twice`);
    if (this.#steps.has(key)) throw new Error(`${key} became due again after it was settled`);
    this.#say({ kind: 'due', key });
  }

  #lookup: Advance.Lookup = (node, path) => {
    const step = this.#steps.get(keyOf(node, path));
    if (!step) return undefined;
    const outputs = Object.entries(step.outputs).map(([port, value]) => [
      port,
      Array.isArray(value) ? value.length : null,
    ]);
    return { state: step.state, cause: step.cause, outputs: Object.fromEntries(outputs) };
  };

  /** As `ledger_await` and `ledger_wake_join`: a join does not sleep on while a branch of it has come. */
  #checkSleepers(): void {
    for (const strand of this.#strands) {
      if (strand.state !== 'waiting' || strand.pending.length === 0) continue;
      if (strand.pending.some((key) => this.#steps.has(key))) this.#wake(strand);
    }
  }

  #wake(strand: Strand): void {
    strand.state = 'ready';
    strand.pending = [];
  }

  #sleep(strand: Strand, until: number, why: 'branches' | 'wait' | 'again', counts: boolean): void {
    if (!counts) strand.attempts -= 1;
    strand.state = 'waiting';
    strand.until = until;
    this.#say({ kind: 'slept', key: this.#keysOf(strand)[0]!, until, why });
    if (until !== Number.POSITIVE_INFINITY) {
      this.#later(until, () => {
        if (this.#strands.includes(strand) && strand.state === 'waiting' && strand.until === until) this.#wake(strand);
      });
    }
  }

  #maybeEnd(): void {
    if (this.#state !== 'running' || this.#strands.length > 0) return;
    this.#state = this.#troubles > 0 ? 'problems' : 'succeeded';
    this.#say({ kind: 'ended', state: this.#state });
  }

  #end(state: 'cancelled' | 'stopped'): void {
    const ended = this.#rules.endedStrands(this.#strands);
    for (const strand of ended) for (const key of this.#keysOf(strand)) this.#cancelled.set(key, placeOf(key));
    this.#strands = this.#strands.filter((strand) => !ended.includes(strand));
    this.#state = state;
    this.#say({ kind: 'ended', state });
  }

  // -------------------------------------------------------------- workers

  #claim(): void {
    for (;;) {
      const ready = this.#strands.filter((strand) => strand.state === 'ready');
      const busy = this.#strands.filter((strand) => strand.state === 'leased').length;
      if (ready.length === 0 || busy >= this.#slots) return;
      const strand = this.#die.pick(ready);
      strand.state = 'leased';
      strand.attempts += 1;
      strand.beganMs ??= this.#now;
      strand.items = this.#keysOf(strand).map((key) => this.#decide(strand, placeOf(key).path));
      const duration = this.#die.chance(0.2) ? 0 : this.#die.below(300);
      this.#later(this.#now + duration, () => this.#finish(strand));
    }
  }

  #decide(strand: Strand, path: number[]): Item {
    const { node: id } = strand;
    const key = keyOf(id, path);
    const plan = this.#plan.nodes[id]!;
    const seen: string[] = [];
    const decision = this.#rules.decide(this.#plan, id, path, (node, at) => {
      const found = this.#lookup(node, at);
      if (found) seen.push(keyOf(node, at));
      else if (!plan.early) throw new Error(`${key} is decided before ${keyOf(node, at)} is settled`);
      return found;
    });
    this.#say({ kind: 'began', key, attempt: strand.attempts, seen });
    const inputs: Given = {};
    for (const input of plan.inputs) {
      const parts = decision.kind === 'run' ? decision.inputs[input.port] : undefined;
      if (!parts) continue;
      const fed = parts.map((part) => {
        const step = this.#steps.get(keyOf(part.node, part.path))!;
        const whole = step.state === 'failed' ? `error of w${this.#world.seed}${part.node}` : step.outputs[part.port]!;
        return part.index === null ? whole : (whole as string[])[part.index]!;
      });
      inputs[input.port] = input.list ? fed.flat() : fed[0]!;
    }
    return { path, decision, inputs };
  }

  #finish(strand: Strand): void {
    if (!this.#strands.includes(strand) || strand.state !== 'leased') return; // the lease is lost
    const most = 1 + this.#die.below(strand.items.length);
    const results: Step[] = [];
    let isLate = false;
    for (const item of strand.items.slice(0, most)) {
      const step = (more: Partial<Step>): Step => ({
        node: strand.node,
        path: item.path,
        state: 'done',
        cause: null,
        outputs: {},
        made: {},
        attempt: strand.attempts,
        ...more,
      });
      const { decision } = item;
      if (decision.kind === 'skip') results.push(step({ state: 'skipped' }));
      else if (decision.kind === 'block') results.push(step({ state: 'blocked', cause: decision.cause }));
      else {
        const outcome = this.#perform(strand, item);
        if (outcome === 'asleep') return;
        isLate = outcome.isLate;
        const { outputs } = outcome;
        if (!outputs) results.push(step({ state: 'failed', inputs: item.inputs }));
        else results.push(step({ inputs: item.inputs, ...this.#corrected(strand.node, item.path, outputs) }));
      }
    }
    this.#settle(strand, results, isLate);
  }

  #corrected(node: string, path: number[], own: Values): { outputs: Values; made: Values } {
    const outputs = { ...own };
    const made: Values = {};
    for (const each of this.#corrections) {
      const value = own[each.port];
      if (each.node !== node || each.path.join() !== path.join() || value === undefined) continue;
      if (JSON.stringify(value) !== each.source) continue;
      outputs[each.port] = each.value;
      made[each.port] = value;
    }
    return { outputs, made };
  }

  #perform(strand: Strand, item: Item): 'asleep' | { outputs: Given | undefined; isLate: boolean } {
    const node = this.#nodes.get(strand.node)!;
    const key = keyOf(strand.node, item.path);
    const given = eaten(item.inputs);
    const isHealed = (text: string) => this.#healed.has(`${node.id}/${text}`);
    let decided: string | null = null;
    let isLate = false;
    switch (node.doing.kind) {
      case 'join': {
        if (!this.#plan.nodes[node.id]!.early) break;
        const began = this.#events.findLast((event) => event.kind === 'began' && event.key === key) as Extract<
          Event,
          { kind: 'began' }
        >;
        // what came since it was claimed is not seen, but does not let it sleep either
        const pending = this.#rules.pendingOf(this.#plan, node.id, item.path, (id, path) =>
          began.seen.includes(keyOf(id, path)) ? this.#lookup(id, path) : undefined,
        );
        const { until, seconds } = node.doing;
        const move = this.#rules.joinMove(
          { until, amount: seconds, unit: 'seconds' },
          {
            pending: pending.length,
            present: Object.keys(item.inputs).length,
            beganMs: strand.beganMs!,
            nowMs: this.#now,
          },
        );
        if (move.kind === 'sleep') {
          strand.pending = pending.map((step) => keyOf(step.node, step.path));
          this.#sleep(strand, move.untilMs ?? Number.POSITIVE_INFINITY, 'branches', false);
          return 'asleep';
        }
        isLate = move.isLate;
        this.#arrived.set(key, new Set(began.seen));
        break;
      }
      case 'delay': {
        const until = strand.beganMs! + node.doing.seconds * 1_000;
        const wait = this.#open(key, until);
        if (wait.state !== 'expired') {
          this.#sleep(strand, wait.until, 'wait', false);
          return 'asleep';
        }
        break;
      }
      case 'approve': {
        const { seconds, expired } = node.doing;
        const wait = this.#open(key, seconds === null ? Number.POSITIVE_INFINITY : strand.beganMs! + seconds * 1_000);
        if (wait.state === 'open') {
          if (!wait.isAsked) this.#ask(node, key, wait);
          this.#sleep(strand, wait.until, 'wait', false);
          return 'asleep';
        }
        decided = wait.state === 'answered' ? wait.outcome : expired || null;
        this.#decided.set(key, decided);
        break;
      }
      case 'ask': {
        const mood = moodOf(this.#world, node, given, strand.attempts, isHealed(given));
        if (mood === 'well') break;
        const verdict = this.#rules.verdictOn(
          { code: 'SIM_FAILED', message: 'no', hint: null, retry: mood },
          {
            effect: 'reads-external',
            attempt: strand.attempts,
            policy: node.doing.policy,
            jitter: this.#die.next(),
            nowMs: this.#now,
          },
        );
        if (verdict.kind === 'failed') return { outputs: undefined, isLate };
        this.#sleep(strand, this.#now + verdict.afterMs, 'again', true);
        return 'asleep';
      }
    }
    return { outputs: makes(this.#world, node, item.inputs, { isHealed, decided }), isLate };
  }

  #settle(strand: Strand, results: Step[], isLate: boolean): void {
    for (const step of results) {
      const key = keyOf(step.node, step.path);
      this.#steps.set(key, step);
      this.#say({ kind: 'settled', key, state: step.state, isLate });
      if (this.#rules.isTrouble(this.#plan.nodes[step.node]!, step.state)) this.#troubles += 1;
    }
    const last = results.at(-1)!.path.at(-1);
    if (strand.hi === null || last === strand.hi) this.#strands = this.#strands.filter((each) => each !== strand);
    else {
      strand.lo = last! + 1;
      strand.items = strand.items.slice(results.length);
      this.#later(this.#now + this.#die.below(100), () => this.#finish(strand));
    }
    if (this.#nodes.get(strand.node)!.doing.kind === 'stop' && results.some(({ state }) => state === 'done')) {
      this.#stoppedBy = strand.node;
      this.#end('stopped');
      return;
    }
    const tokens = results.flatMap((step) =>
      this.#rules.tokensOf(this.#plan, step.node, step.path, this.#lookup(step.node, step.path)!),
    );
    const { strands, counted } = this.#rules.strandsOf(this.#plan, tokens);
    for (const next of strands) this.#begin({ node: next.node, prefix: next.prefix, lo: next.lo, hi: next.hi });
    this.#add(this.#counters.send(counted));
    this.#maybeEnd();
  }

  // -------------------------------------------------------------- waits

  #open(key: string, until: number): Wait {
    const wait = this.#waits.get(key) ?? { state: 'open', until, outcome: null, isAsked: false };
    if (wait.state === 'open' && wait.until <= this.#now) wait.state = 'expired';
    this.#waits.set(key, wait);
    return wait;
  }

  #ask(node: SimNode, key: string, wait: Wait): void {
    const nth = this.#asked.get(key) ?? 0;
    this.#asked.set(key, nth + 1);
    const answer = answerTo(this.#world, node, key, nth);
    wait.isAsked = true;
    this.#say({ kind: 'asked', key, until: wait.until });
    if (!answer) return;
    this.#later(this.#now + answer.afterSeconds * 1_000, () => {
      if (this.#waits.get(key) !== wait || wait.state !== 'open') return; // late, or not asked any more
      if (this.#state !== 'running') {
        wait.isAsked = false; // the run is over; whoever goes on with it asks again
        return;
      }
      wait.state = 'answered';
      wait.outcome = answer.outcome;
      this.#say({ kind: 'answered', key, outcome: answer.outcome });
      const strand = this.#strandOf(key);
      if (strand?.state === 'waiting') this.#wake(strand);
    });
  }

  // -------------------------------------------------------------- people

  #do(deed: Deed): void {
    switch (deed.kind) {
      case 'cancel':
        if (this.#state === 'running') this.#end('cancelled');
        return;
      case 'retry':
      case 'retry one':
        this.#retry(deed);
        return;
      case 'correct':
      case 'take back':
        this.#correct(deed);
        return;
    }
  }

  #retry(deed: Deed): void {
    const failed = [...this.#steps].filter(([, { state }]) => state === 'failed').map(([key]) => key);
    let targets = [...failed, ...this.#cancelled.keys()].sort();
    if (deed.kind === 'retry one' && targets.length > 0) {
      const { node } = placeOf(dice(deed.dice).pick(targets));
      targets = targets.filter((key) => placeOf(key).node === node);
    }
    if (targets.length === 0) return;
    const gone: string[] = [];
    for (const key of targets) {
      const { node, path } = placeOf(key);
      const step = this.#steps.get(key);
      if (step?.inputs) this.#healed.add(`${node}/${eaten(step.inputs)}`);
      gone.push(...this.#forget(this.#rules.dependentsOf(this.#plan, node, path)));
      if (this.#waits.get(key)?.state === 'expired') this.#waits.delete(key);
      if (this.#steps.delete(key)) gone.push(key);
    }
    this.#goOn('retry', targets, gone);
  }

  #correct(deed: Deed): void {
    const die = dice(deed.dice);
    const done = [...this.#steps.values()].filter(
      (step) => step.state === 'done' && Object.keys(deed.kind === 'correct' ? step.outputs : step.made).length > 0,
    );
    if (done.length === 0) return;
    done.sort((a, b) => keyOf(a.node, a.path).localeCompare(keyOf(b.node, b.path)));
    const step = die.pick(done);
    const key = keyOf(step.node, step.path);
    const at = { node: step.node, path: step.path };
    if (deed.kind === 'correct') {
      const port = die.pick(Object.keys(step.outputs).sort());
      const source = JSON.stringify(step.made[port] ?? step.outputs[port]!);
      const value = changed(step.outputs[port]!, deed.dice);
      const known = this.#corrections.findIndex(
        (each) => keyOf(each.node, each.path) === key && each.port === port && each.source === source,
      );
      if (known >= 0) this.#corrections.splice(known, 1);
      this.#corrections.push({ ...at, port, source, value });
      step.made[port] ??= step.outputs[port]!;
      step.outputs = { ...step.outputs, [port]: value };
    } else {
      const port = die.pick(Object.keys(step.made).sort());
      for (let n = this.#corrections.length - 1; n >= 0; n--) {
        const each = this.#corrections[n]!;
        if (keyOf(each.node, each.path) === key && each.port === port) this.#corrections.splice(n, 1);
      }
      step.outputs = { ...step.outputs, [port]: step.made[port]! };
      delete step.made[port];
    }
    const gone = this.#forget(this.#rules.dependentsOf(this.#plan, step.node, step.path));
    this.#goOn('correction', [key], gone);
  }

  /** As `forget` in db/again.ts; gives back what was settled. */
  #forget(places: { node: string; prefix: readonly number[] }[]): string[] {
    const gone: string[] = [];
    const isThere = (node: string, path: readonly number[]) =>
      places.some((place) => place.node === node && this.#rules.isWithin(path, place.prefix));
    for (const [key, step] of this.#steps) {
      if (!isThere(step.node, step.path)) continue;
      this.#steps.delete(key);
      gone.push(key);
    }
    for (const key of this.#waits.keys()) {
      const { node, path } = placeOf(key);
      if (isThere(node, path)) this.#waits.delete(key);
    }
    this.#strands = this.#strands.filter(
      (strand) => !this.#keysOf(strand).some((key) => isThere(strand.node, placeOf(key).path)),
    );
    return gone;
  }

  #goOn(why: 'retry' | 'correction', targets: string[], gone: string[]): void {
    this.#say({ kind: 'again', why, targets, gone: [...new Set(gone)] });
    this.#cancelled.clear();
    const settled = [...this.#steps.values()].map(({ node, path }) => ({
      node,
      path,
      settled: this.#lookup(node, path)!,
    }));
    const { counters, due } = this.#rules.rebuild(this.#plan, settled);
    this.#counters = counters;
    this.#troubles = settled.filter((step) =>
      this.#rules.isTrouble(this.#plan.nodes[step.node]!, step.settled.state),
    ).length;
    this.#state = 'running';
    this.#stoppedBy = null;
    this.#add(due.filter(({ node, path }) => !this.#strandOf(keyOf(node, path))));
    this.#maybeEnd();
  }
}

/** What a person makes of a value: other words; of a list also one fewer, or one more. */
export function changed(value: string | string[], by: number): string | string[] {
  if (typeof value === 'string') return `${value}~${by}`;
  const way = by % 3;
  if (way === 0 && value.length > 0) return value.slice(0, -1);
  if (way === 1 && value.length < 4) return [...value, `new~${by}`];
  return value.map((member, at) => (at === 0 ? `${member}~${by}` : member));
}
