/**
 * Whether a run came to what the rules say. What each step must have come to is worked out by the oracle, which sees the
 * whole world at once; where time and people choose (what had come when a join went on, what somebody answered), the
 * choice is taken from the run and held to the rules by itself. Nothing here asks the runtime's code.
 */
import { ERROR_PORT, type GraphEdge } from '../../runtime/graph/graph.ts';
import { judge, type Verdict } from '../runtime/oracle.ts';
import { difference } from '../runtime/simulate.ts';
import type { Chronicle, Event } from './chronicle.ts';
import { eaten } from './nodes/sim/act/script.ts';
import { endOfAsking, makes, plainGraph, type SimNode, type SimWorld } from './worlds.ts';

export const isEarly = ({ doing }: SimNode) =>
  doing.kind === 'join' && (doing.until === 'first' || doing.seconds !== null);

const placeOf = (key: string) => {
  const [node, at] = key.split('@') as [string, string];
  return { node, path: at === '' ? [] : at.split('.').map(Number) };
};

export function expectationOf(
  world: SimWorld,
  came: Pick<Chronicle, 'arrived' | 'corrections' | 'decided' | 'healed'>,
) {
  const nodes = new Map(world.nodes.map((node) => [node.id, node]));
  return judge({
    ...plainGraph(world),
    errorOf: (id) => `error of w${world.seed}${id}`,
    arrived: (id, path) => (isEarly(nodes.get(id)!) ? came.arrived.get(`${id}@${path.join('.')}`) : undefined),
    outcome(id, path, inputs) {
      const made = makes(world, nodes.get(id)!, inputs, {
        isHealed: (given) => came.healed.has(`${id}/${given}`),
        decided: came.decided.get(`${id}@${path.join('.')}`) ?? null,
      });
      if (!made) return { kind: 'fail' };
      const outputs = { ...made };
      for (const each of came.corrections) {
        const own = made[each.port];
        if (each.node !== id || each.path.join() !== path.join() || own === undefined) continue;
        if (JSON.stringify(own) === each.source) outputs[each.port] = each.value;
      }
      return { kind: 'ok', outputs };
    },
  });
}

/** The first thing that is not as it should be, in words. */
export function faultOf(world: SimWorld, came: Chronicle, events?: readonly Event[]): string | undefined {
  const expected = expectationOf(world, came);
  return stepsFault(world, came, expected) ?? (events && eventsFault(world, came, expected, events));
}

function stepsFault(world: SimWorld, came: Chronicle, expected: Verdict): string | undefined {
  const nodes = new Map(world.nodes.map((node) => [node.id, node]));
  const run = came.state === 'problems' ? 'finished with problems' : 'succeeded';
  const steps: Verdict['steps'] = new Map();
  for (const [key, { state, cause, inputs = {}, outputs }] of came.steps) {
    if (state === 'done') steps.set(key, { state: 'succeeded', inputs, outputs });
    else if (state === 'failed') steps.set(key, { state, inputs });
    else steps.set(key, state === 'blocked' ? { state, cause: cause ?? 'none' } : { state });
  }
  if (came.state === 'succeeded' || came.state === 'problems') {
    if (came.stoppedBy !== null) return `the run went on after ${came.stoppedBy} ended it`;
    return difference(expected, { frames: expected.frames, steps, run });
  }
  // ended early: what is settled is as it would have been, and all that was due was given up
  const only = new Map([...expected.steps].filter(([key]) => steps.has(key)));
  const wrong = difference({ ...expected, steps: only, run }, { frames: expected.frames, steps, run });
  if (wrong) return wrong;
  for (const key of expected.steps.keys()) {
    if (steps.has(key)) continue;
    const reads = expected.reads.get(key)!;
    const come = reads.filter((read) => steps.has(read)).length;
    const mayBeDue = isEarly(nodes.get(placeOf(key).node)!) ? come > 0 : come === reads.length;
    if (come === reads.length && !came.cancelled.has(key)) return `${key} was due when the run ended, and is lost`;
    if (!mayBeDue && came.cancelled.has(key)) return `${key} was begun before what it reads was settled`;
  }
  return undefined;
}

function eventsFault(
  world: SimWorld,
  came: Chronicle,
  expected: Verdict,
  events: readonly Event[],
): string | undefined {
  const nodes = new Map(world.nodes.map((node) => [node.id, node]));
  const settled = new Map<string, { state: string; index: number }>();
  const firstBegan = new Map<string, number>();
  const lastBegan = new Map<string, { index: number; seen: string[] }>();
  const asked = new Map<string, { until: number; isAnswered: boolean }>();
  let isEnded = false;
  let cancelledSince = new Set<string>();
  const branchesOf = (key: string) => {
    const { node, path } = placeOf(key);
    return world.edges
      .filter((edge) => edge.to.node === node)
      .map((edge) => ({
        key: `${edge.from.node}@${path.slice(0, expected.frames.get(edge.from.node)!.length).join('.')}`,
        port: edge.from.port,
        index: path[expected.frames.get(edge.from.node)!.length],
      }));
  };

  for (const [index, event] of events.entries()) {
    const say = (text: string) => `${text}, at ${(event.at / 1_000).toFixed(2)} s`;
    if (isEnded && event.kind !== 'again') return say(`${JSON.stringify(event)} after the run had ended`);
    switch (event.kind) {
      case 'due':
        if (settled.has(event.key)) return say(`${event.key} became due after it was settled`);
        break;
      case 'began': {
        const unsettled = event.seen.find((key) => !settled.has(key));
        if (unsettled) return say(`${event.key} began with ${unsettled}, which is not settled`);
        if (settled.has(event.key)) return say(`${event.key} began again after it was settled`);
        if (!firstBegan.has(event.key)) firstBegan.set(event.key, event.at);
        lastBegan.set(event.key, { index, seen: event.seen });
        break;
      }
      case 'slept': {
        const { doing } = nodes.get(placeOf(event.key).node)!;
        if (event.why === 'branches' && doing.kind === 'join') {
          const over = firstBegan.get(event.key)! + (doing.seconds ?? Number.POSITIVE_INFINITY) * 1_000;
          if (event.at >= over) return say(`${event.key} went on waiting although its time was over`);
          if (event.until > over) return say(`${event.key} sleeps longer than its time`);
          if (branchesOf(event.key).every(({ key }) => lastBegan.get(event.key)!.seen.includes(key)))
            return say(`${event.key} waits for nobody`);
        }
        if (event.why === 'again' && doing.kind === 'ask') {
          const [longest, shortest] = [
            (doing.policy.wait ?? 1) * 1_000 * 2 ** 8,
            ((doing.policy.wait ?? 1) * 1_000) / 2,
          ];
          const pause = event.until - event.at;
          if (pause < shortest - 1 || pause > longest) return say(`${event.key} is tried again after ${pause} ms`);
        }
        break;
      }
      case 'asked':
        asked.set(event.key, { until: event.until, isAnswered: false });
        break;
      case 'answered':
        asked.get(event.key)!.isAnswered = true;
        break;
      case 'settled': {
        if (settled.has(event.key)) return say(`${event.key} was settled twice`);
        settled.set(event.key, { state: event.state, index });
        const { doing } = nodes.get(placeOf(event.key).node)!;
        if (event.state !== 'done' && event.state !== 'failed') break;
        const waited = event.at - firstBegan.get(event.key)!;
        if (doing.kind === 'delay' && waited < doing.seconds * 1_000 - 1)
          return say(`${event.key} went on after ${waited} ms`);
        if (doing.kind === 'approve') {
          const question = asked.get(event.key);
          // one whose time is over before it could be asked is not asked
          const until =
            question?.until ?? firstBegan.get(event.key)! + (doing.seconds ?? Number.POSITIVE_INFINITY) * 1_000;
          if (!question?.isAnswered && event.at < until - 1)
            return say(`${event.key} went on although nobody had answered`);
        }
        if (doing.kind === 'join' && event.isLate && waited < (doing.seconds ?? Number.POSITIVE_INFINITY) * 1_000 - 1)
          return say(`${event.key} said after ${waited} ms that its time was over`);
        break;
      }
      case 'again': {
        for (const key of event.targets) {
          const state = settled.get(key)?.state;
          const isRight = event.why === 'correction' ? state === 'done' : state === 'failed' || cancelledSince.has(key);
          if (!isRight) return say(`${key} was made again (${event.why}) though it was ${state ?? 'not settled'}`);
        }
        const places = dependents(world, expected, event.targets.map(placeOf));
        const should = new Set(
          [...settled.keys()].filter(
            (key) => (event.why === 'retry' && event.targets.includes(key)) || isWithin(places, placeOf(key)),
          ),
        );
        for (const key of event.gone) if (!should.has(key)) return say(`${key} is made again for no reason`);
        for (const key of should)
          if (!event.gone.includes(key)) return say(`${key} depends on what is made again, and is not`);
        for (const key of event.gone) settled.delete(key);
        // a new strand has a clock of its own; a wait that was only given up keeps its time
        for (const key of firstBegan.keys()) {
          const isJoin = nodes.get(placeOf(key).node)!.doing.kind === 'join';
          const isNew = isWithin(places, placeOf(key)) || (isJoin && cancelledSince.has(key));
          if (isNew) firstBegan.delete(key);
        }
        cancelledSince = new Set();
        isEnded = false;
        break;
      }
      case 'ended':
        isEnded = true;
        // whatever had not settled was given up
        cancelledSince = new Set(
          event.state === 'cancelled' || event.state === 'stopped' ? dueOf(events, index, settled) : [],
        );
        break;
    }
  }

  for (const [key, { index }] of settled) {
    const node = nodes.get(placeOf(key).node)!;
    const began = lastBegan.get(key);
    if (!came.steps.has(key) || !began) return `${key} was settled and is not there`;
    for (const read of expected.reads.get(key) ?? []) {
      if (isEarly(node) && !came.arrived.get(key)?.has(read)) continue;
      const source = settled.get(read);
      if (!source || source.index > began.index) return `${key} was decided before ${read} was settled`;
    }
    if (!isEarly(node) || node.doing.kind !== 'join') {
      if (node.doing.kind === 'ask' && came.steps.get(key)!.inputs) {
        const given = eaten(came.steps.get(key)!.inputs!);
        if (came.healed.has(`${node.id}/${given}`)) continue;
        const { attempts } = endOfAsking(world, node, given, false);
        if (came.steps.get(key)!.attempt !== attempts)
          return `${key} took ${came.steps.get(key)!.attempt} attempts, not ${attempts}`;
      }
      continue;
    }
    const settling = events[index] as Extract<Event, { kind: 'settled' }>;
    if (settling.state !== 'done') continue;
    const isPresent = presence(world, expected);
    const branches = branchesOf(key);
    const arrived = came.arrived.get(key)!;
    const has = (seen: (key: string) => boolean) => branches.some((each) => seen(each.key) && isPresent(each));
    const isWhole = branches.every((each) => arrived.has(each.key));
    const isFirst = node.doing.until === 'first' && has((each) => arrived.has(each));
    if (!isWhole && !isFirst && !settling.isLate) return `${key} went on without all its branches`;
    if ((isWhole || isFirst) && settling.isLate) return `${key} says that its time was over, and it was not`;
    const since = events.findLastIndex((event) => event.kind === 'due' && event.key === key);
    let seen: string[] = [];
    for (const event of events.slice(since)) {
      if (event.kind === 'began' && event.key === key) seen = event.seen;
      if (event.kind !== 'slept' || event.key !== key || node.doing.until !== 'first') continue;
      if (has((each) => seen.includes(each))) return `${key} slept although a branch of it had something`;
    }
  }
  if (settled.size !== came.steps.size) return 'steps are there that were never settled';
  return undefined;
}

/** Steps that were due and not settled at this point. */
function dueOf(events: readonly Event[], upTo: number, settled: ReadonlyMap<string, unknown>): string[] {
  return events.slice(0, upTo).flatMap((event) => (event.kind === 'due' && !settled.has(event.key) ? [event.key] : []));
}

/** Whether a branch of a join brings something. */
function presence(world: SimWorld, expected: Verdict) {
  return ({ key, port, index }: { key: string; port: string; index: number | undefined }): boolean => {
    const step = expected.steps.get(key);
    if (port === ERROR_PORT) return step?.state === 'failed';
    const value = step?.state === 'succeeded' ? step.outputs[port] : undefined;
    const isList = world.nodes.find(({ id }) => id === placeOf(key).node)!.outputs[port] === true;
    return value !== undefined && (!isList || index! < value.length);
  };
}

type Place = { node: string; path: number[] };
const isWithin = (places: readonly Place[], { node, path }: Place) =>
  places.some((place) => place.node === node && place.path.every((item, depth) => item === path[depth]));

/** Whatever takes from these steps, directly or not: an item's followers at its item, a gather with all of its list. */
function dependents(world: SimWorld, { frames }: Verdict, targets: readonly Place[]): Place[] {
  const found: Place[] = [];
  const nodes = new Map(world.nodes.map((node) => [node.id, node]));
  const isGather = (edge: GraphEdge) =>
    nodes.get(edge.to.node)!.inputs[edge.to.port]!.list && nodes.get(edge.from.node)!.outputs[edge.from.port] !== true;
  const work = [...targets];
  for (let at = work.pop(); at; at = work.pop()) {
    for (const edge of world.edges) {
      if (edge.from.node !== at.node) continue;
      const depth = frames.get(at.node)!.length;
      const next = { node: edge.to.node, path: at.path.slice(0, isGather(edge) ? Math.max(0, depth - 1) : depth) };
      if (isWithin(found, next)) continue;
      found.push(next);
      work.push(next);
    }
  }
  return found;
}

export type Count =
  | 'maps'
  | 'depth 2'
  | 'gathers'
  | 'skips'
  | 'blocks'
  | 'joins'
  | 'early joins'
  | 'time-outs'
  | 'waits'
  | 'answers'
  | 'expiries'
  | 'routes and filters'
  | 'cancels'
  | 'continued'
  | 'attempts'
  | 'retries'
  | 'overrides'
  | 'stops';

/** What really happened in a run. */
export function countsOf(world: SimWorld, came: Chronicle, events: readonly Event[]): Record<Count, number> {
  const nodes = new Map(world.nodes.map((node) => [node.id, node]));
  const steps = [...came.steps].map(([key, step]) => ({ key, step, doing: nodes.get(placeOf(key).node)!.doing }));
  const of = (isIt: (each: (typeof steps)[number]) => boolean) => steps.filter(isIt).length;
  const happened = <K extends Event['kind']>(
    kind: K,
    isIt: (event: Extract<Event, { kind: K }>) => boolean = () => true,
  ) => events.filter((event) => event.kind === kind && isIt(event as Extract<Event, { kind: K }>)).length;
  const doingOf = (key: string) => nodes.get(placeOf(key).node)!.doing;
  return {
    maps: of(({ key }) => placeOf(key).path.length > 0),
    'depth 2': of(({ key }) => placeOf(key).path.length > 1),
    gathers: of(({ key, step }) => {
      const { inputs } = nodes.get(placeOf(key).node)!;
      return step.state === 'done' && Object.values(inputs).some(({ list }) => list);
    }),
    skips: of(({ step }) => step.state === 'skipped'),
    blocks: of(({ step }) => step.state === 'blocked'),
    joins: of(({ doing }) => doing.kind === 'join'),
    'early joins': of(({ key }) => {
      const reads = world.edges.filter((edge) => edge.to.node === placeOf(key).node).length;
      const arrived = came.arrived.get(key);
      return arrived !== undefined && arrived.size < reads;
    }),
    'time-outs': happened('settled', (event) => event.isLate),
    waits: happened('slept', (event) => event.why === 'wait'),
    answers: happened('answered'),
    expiries: happened('settled', (event) => doingOf(event.key).kind === 'approve') - happened('answered'),
    'routes and filters': of(({ doing }) => doing.kind === 'route' || doing.kind === 'filter'),
    cancels: happened('ended', (event) => event.state === 'cancelled'),
    continued: events.filter((event, at) => {
      const before = events[at - 1];
      return (
        event.kind === 'again' && event.why === 'retry' && before?.kind === 'ended' && before.state === 'cancelled'
      );
    }).length,
    attempts: happened('slept', (event) => event.why === 'again'),
    retries: happened('again', (event) => event.why === 'retry'),
    overrides: happened('again', (event) => event.why === 'correction'),
    stops: happened('ended', (event) => event.state === 'stopped'),
  };
}
