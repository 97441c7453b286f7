/**
 * Random worlds on a real ledger: PostgreSQL, real workers, real isolates, the product's flow nodes, and people who answer,
 * cancel, retry and correct through the same functions as the server. What came of each run is read from its rows and held
 * to the same oracle. Times are real and chance is not all seeded: what came first is taken from the rows.
 */

import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { type AdvanceRules, clearOverride, retrySteps, setOverride } from '../../db/again.ts';
import { createPipeline, publishPipeline } from '../../db/pipelines.ts';
import { cancelRun } from '../../db/runs.ts';
import { digestOf, type StoredValue, storeValue } from '../../db/values.ts';
import { answerWait } from '../../db/waits.ts';
import type { ManifestJson } from '../../nodes/contract.ts';
import { type Catalogue, loadCatalogue, type Plugin } from '../../runtime/catalogue.ts';
import type { Faults } from '../../runtime/faults.ts';
import { dependentsOf, isTrouble, rebuild } from '../../runtime/graph/advance.ts';
import { EMPTY_GRAPH, ERROR_PORT, type Graph } from '../../runtime/graph/graph.ts';
import { type Bench, openBench } from '../runtime/bench.ts';
import { dice } from '../runtime/graphs.ts';
import type { Chronicle, Correction, StepState } from './chronicle.ts';
import { type Count, expectationOf, faultOf, isEarly } from './judging.ts';
import { changed, keyOf, placeOf } from './machine.ts';
import { eaten, share } from './nodes/sim/act/script.ts';
import {
  answerTo,
  catalogueOf,
  type Deed,
  endOfAsking,
  graphOf,
  moodOf,
  type SimNode,
  type SimWorld,
  typeOf,
} from './worlds.ts';

const RULES = { dependentsOf, rebuild, isTrouble } as AdvanceRules<unknown>;
const LONGEST_MS = 40_000;
/** Of the nodes that ask nothing, so many are called. */
const CALLED = 0.3;
const STATUS = { well: 200, later: 503, never: 422 };

/** Calls are only there on the real ledger: in virtual time a called run would be the same run again. */
export type RealCount = Count | 'calls';
type Row = {
  node: string;
  path: number[];
  state: StepState | 'cancelled' | 'running';
  cause: string | null;
  reason: string | null;
  inputs: Record<string, { digest: string }[]>;
  outputs: Record<string, StoredValue>;
  made: Record<string, StoredValue>;
  error: { code: string; message: string } | null;
  attempt: number;
  reused_run: string | null;
  began_at: Date | null;
  ended_at: Date | null;
};
type Wait = {
  id: string;
  node: string;
  path: number[];
  kind: string;
  state: string;
  answer: unknown;
  created_at: Date;
};
/** What the outside world knows of a run. */
type Outside = { world: SimWorld; healed: Set<string>; given: Map<string, string> };

export type Real = Awaited<ReturnType<typeof openReal>>;

/** Workers pause at random places for a moment, so that others come in between; `seed` chooses where. */
export async function openReal(options: { workers?: number; seed?: number; longestMs?: number } = {}) {
  const outsides = new Map<string, Outside>();
  const manifests = new Map<string, ManifestJson>();
  let base: Plugin | undefined;
  const die = dice(options.seed ?? 1);
  const unsteady: Faults = {
    at: () => (die.chance(0.12) ? sleep(die.below(25)) : undefined),
  };
  const bench = await openBench({
    own: true,
    idle: true,
    faults: unsteady,
    internalHosts: [
      {
        host: 'sim.test',
        async handle(scope, request) {
          const { world, healed, given } = outsides.get(scope.manifest.id)!;
          const node = world.nodes.find(({ id }) => id === scope.nodeId)!;
          const eats = String(request.query?.given);
          given.set(keyOf(scope.nodeId, scope.path), eats);
          const body = moodOf(world, node, eats, scope.attempt, healed.has(`${node.id}/${eats}`));
          return { status: STATUS[body], headers: {}, body };
        },
      },
    ],
    async more(sandbox, cacheDir): Promise<Catalogue> {
      const dir = path.join(import.meta.dirname, 'nodes');
      const loaded = await loadCatalogue({ sandbox, dir, cacheDir });
      base = loaded.plugin('sim.act')!;
      return {
        get manifests() {
          return [...manifests.values()];
        },
        plugin(id) {
          const manifest = manifests.get(id);
          return manifest && { ...base!, manifest, behaviourDigest: `${id}@1.0.0` };
        },
        broken: loaded.broken,
      };
    },
  });
  for (let n = 0; n < (options.workers ?? 2); n++) await bench.worker({ faults: unsteady });
  return {
    bench,
    /** Undefined: it came to what the oracle says. */
    async run(
      world: SimWorld,
      isGivenUp = () => false,
    ): Promise<{ fault?: string; counts?: Partial<Record<RealCount, number>> }> {
      const outside: Outside = { world, healed: new Set(), given: new Map() };
      const types = catalogueOf(world, base!.manifest);
      for (const node of world.nodes) {
        const type = typeOf(world, node);
        if (!type.startsWith('sim.')) continue;
        manifests.set(type, types.find(({ id }) => id === type)!);
        outsides.set(type, outside);
      }
      try {
        return await new Carried(bench, outside, options.longestMs ?? LONGEST_MS).carry(isGivenUp);
      } catch (error) {
        return { fault: error instanceof Error ? error.message : String(error) };
      }
    },
    close: () => bench.close(),
  };
}

class Carried {
  readonly #bench: Bench;
  readonly #longestMs: number;
  readonly #world: SimWorld;
  readonly #outside: Outside;
  readonly #nodes: Map<string, SimNode>;
  readonly #corrections: Correction[] = [];
  readonly #counts: Partial<Record<RealCount, number>> = {};
  readonly #asked = new Map<string, number>();
  readonly #answers = new Map<string, { atMs: number; outcome: string } | null>();
  #runId = '';
  /** By the database's clock. */
  #setGoing = new Date(0);

  constructor(bench: Bench, outside: Outside, longestMs: number) {
    this.#bench = bench;
    this.#longestMs = longestMs;
    this.#world = outside.world;
    this.#outside = outside;
    this.#nodes = new Map(outside.world.nodes.map((node) => [node.id, node]));
  }

  async carry(isGivenUp: () => boolean): Promise<{ fault?: string; counts?: Partial<Record<RealCount, number>> }> {
    this.#runId = await this.#bench.start(await this.#withCalls(), { nonce: crypto.randomUUID() });
    const from = performance.now();
    const deeds = [...this.#world.deeds];
    for (;;) {
      const state = await this.#state();
      const [next] = deeds;
      if (isGivenUp()) return {};
      if (state !== 'running' && !next) break;
      if (next && (state !== 'running' || performance.now() - from >= next.at * 600)) {
        deeds.shift();
        await this.#do(next);
      }
      await this.#answer();
      if (performance.now() - from > this.#longestMs) return { fault: `the run never ends: ${await this.#left()}` };
      await sleep(20);
    }
    const came = await this.#chronicle();
    const fault = faultOf(this.#world, came) ?? (await this.#rowsFault(came));
    return fault === undefined ? { counts: this.#counts } : { fault: fault + (await this.#errors()) };
  }

  /** The world's graph, in which some nodes are taken out into pipelines of their own that are called in their place. */
  async #withCalls(): Promise<Graph> {
    const graph = graphOf(this.#world);
    for (const node of graph.nodes) {
      const { doing, inputs, outputs } = this.#nodes.get(node.id)!;
      // what an error says is of the step that failed: here that would be the call
      const isTold = graph.edges.some(({ from }) => from.node === node.id && from.port === ERROR_PORT);
      if (doing.kind !== 'act' || isTold || share(`${this.#world.seed}/${node.id}/called`) > CALLED) continue;
      const ports = {
        inputs: Object.entries(inputs).map(([name, { list, optional }]) => ({ name, type: 'any', list, optional })),
        outputs: Object.entries(outputs).map(([name, list]) => ({ name, type: 'any', list })),
      };
      const pipeline = await this.#publish(calledGraph(node, ports));
      node.type = 'flow.call';
      node.config = { call: { pipeline, name: 'Called', version: 1, ...ports } };
      this.#count('calls');
    }
    return graph;
  }

  #publish(graph: Graph): Promise<string> {
    return this.#bench.inside(async (tx) => {
      const { id } = await createPipeline(tx, { name: 'Called', graph });
      await publishPipeline(tx, { pipelineId: id, revision: 0, pins: {}, by: null, note: null });
      return id;
    });
  }

  #count(name: RealCount, by = 1): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + by;
  }

  async #query<T>(text: string, values: unknown[] = []): Promise<T[]> {
    return (await this.#bench.database.admin.query(text, [this.#runId, ...values])).rows as T[];
  }

  async #state(): Promise<Chronicle['state'] | 'running'> {
    const [run] = await this.#query<{ state: Chronicle['state'] }>('select state from run where id = $1');
    return run!.state;
  }

  #rows(): Promise<Row[]> {
    return this.#query<Row>(
      `select node, path, state, cause, reason, inputs, outputs, made, error, attempt, reused_run, began_at, ended_at
         from step where run_id = $1 order by node, path`,
    );
  }

  /** Errors that no script and no expiry explains. */
  async #errors(): Promise<string> {
    const failed = await this.#query<{ node: string; said: string }>(
      `select node, error ->> 'code' || ': ' || (error ->> 'message') as said from step where run_id = $1 and state = 'failed'
          and error ->> 'code' not in ('SIM_FAILED', 'APPROVAL_EXPIRED')
          and not (error ->> 'code' = 'CALL_FAILED' and error ->> 'message' like '%: error of w%')`,
    );
    return failed.map(({ node, said }) => `; ${node} said ${said}`).join('');
  }

  async #left(): Promise<string> {
    const strands = await this.#query<{ node: string; state: string; reason: string | null }>(
      'select node, state, reason from strand where run_id = $1',
    );
    return strands.map(({ node, state, reason }) => `${node} ${state} (${reason})`).join(', ') || 'nothing is due';
  }

  // -------------------------------------------------------------- people

  async #answer(): Promise<void> {
    const open = await this.#query<Wait>(
      `select id, node, path, kind, state, answer, created_at from wait where run_id = $1 and kind = 'person' and state = 'open'`,
    );
    for (const wait of open) {
      const key = keyOf(wait.node, wait.path);
      if (!this.#answers.has(wait.id)) {
        const nth = this.#asked.get(key) ?? 0;
        this.#asked.set(key, nth + 1);
        const answer = answerTo(this.#world, this.#nodes.get(wait.node)!, key, nth);
        this.#answers.set(wait.id, answer && { ...answer, atMs: performance.now() + answer.afterSeconds * 600 });
      }
      const answer = this.#answers.get(wait.id);
      if (!answer || performance.now() < answer.atMs) continue;
      const value = { outcome: answer.outcome, edits: {}, comment: '' };
      const step = { runId: this.#runId, node: wait.node, path: wait.path };
      const came = await this.#bench.inside((tx) =>
        answerWait(tx, step, { name: 'review', kind: 'person', value, by: null }),
      );
      if (came === 'answered') this.#count('answers');
    }
  }

  async #do(deed: Deed): Promise<void> {
    if (deed.kind === 'cancel') {
      if (await this.#bench.inside((tx) => cancelRun(tx, this.#runId, 'Enough.'))) this.#count('cancels');
      return;
    }
    const rows = await this.#rows();
    if (deed.kind === 'retry' || deed.kind === 'retry one') await this.#retry(deed, rows);
    else await this.#correct(deed, rows);
  }

  async #retry(deed: Deed, rows: Row[]): Promise<void> {
    const state = await this.#state();
    let targets = rows.filter((row) => row.state === 'failed' || row.state === 'cancelled');
    const one = deed.kind === 'retry one' && targets.length > 0 ? dice(deed.dice).pick(targets).node : undefined;
    if (one !== undefined) targets = targets.filter(({ node }) => node === one);
    for (const { node, path: at, state: was } of targets) {
      const given = this.#outside.given.get(keyOf(node, at));
      if (was === 'failed' && given !== undefined) this.#outside.healed.add(`${node}/${given}`);
    }
    const again = await this.#again((tx) =>
      retrySteps(tx, { runId: this.#runId, ...(one === undefined ? {} : { nodeId: one }) }, RULES),
    );
    if (!again) return;
    this.#count('retries');
    if (state === 'cancelled') this.#count('continued');
  }

  async #correct(deed: Deed, rows: Row[]): Promise<void> {
    const die = dice(deed.dice);
    const portsOf = (row: Row) => Object.keys(deed.kind === 'correct' ? row.outputs : row.made).sort();
    const done = rows.filter((row) => row.state === 'done' && portsOf(row).length > 0);
    if (done.length === 0) return;
    const row = die.pick(done);
    const port = die.pick(portsOf(row));
    const at = { runId: this.#runId, nodeId: row.node, path: row.path, port };
    const isSame = (each: Correction) =>
      keyOf(each.node, each.path) === keyOf(row.node, row.path) && each.port === port;
    const keep = (isKept: (each: Correction) => boolean) => {
      const kept = this.#corrections.filter(isKept);
      this.#corrections.splice(0, this.#corrections.length, ...kept);
    };
    if (deed.kind === 'take back') {
      if (!(await this.#again((tx) => clearOverride(tx, at, RULES)))) return;
      keep((each) => !isSame(each));
    } else {
      const source = JSON.stringify((row.made[port] ?? row.outputs[port]!).value);
      const value = changed(row.outputs[port]!.value as string | string[], deed.dice);
      const output = await storeValue(value, Array.isArray(value), () => Promise.reject(new Error('too long')));
      if (!(await this.#again((tx) => setOverride(tx, { ...at, output, value, by: null }, RULES)))) return;
      keep((each) => !isSame(each) || each.source !== source);
      this.#corrections.push({ node: row.node, path: row.path, port, source, value });
    }
    this.#count('overrides');
  }

  async #again(act: (tx: Parameters<typeof retrySteps>[0]) => Promise<{ ok: boolean }>): Promise<boolean> {
    return this.#bench.inside(async (tx) => {
      const { ok } = await act(tx);
      // still under the run's lock: what is settled before is older, what is settled after is younger
      const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(tx);
      if (ok) this.#setGoing = rows[0]!.now;
      return ok;
    });
  }

  // -------------------------------------------------------------- what came of it

  async #chronicle(): Promise<Chronicle> {
    const rows = await this.#rows();
    const known = new Map<string, string | string[]>();
    for (const row of rows) {
      if (row.error) known.set(digestOf(row.error), `error of w${this.#world.seed}${row.node}`);
      for (const { digest, value } of [...Object.values(row.outputs), ...Object.values(row.made)]) {
        known.set(digest, value as string | string[]);
        if (Array.isArray(value)) for (const member of value) known.set(digestOf(member), member as string);
      }
    }
    const came: Chronicle = {
      state: (await this.#state()) as Chronicle['state'],
      steps: new Map(),
      cancelled: new Set(),
      arrived: new Map(),
      decided: new Map(),
      healed: this.#outside.healed,
      corrections: this.#corrections,
      stoppedBy: null,
    };
    for (const row of rows) {
      const key = keyOf(row.node, row.path);
      const node = this.#nodes.get(row.node)!;
      if (row.state === 'cancelled') came.cancelled.add(key);
      if (row.state === 'cancelled' || row.state === 'running') continue;
      const inputs = Object.entries(row.inputs).map(([port, digests]) => {
        const values = digests.map(({ digest }) => known.get(digest) ?? `unknown ${digest}`);
        return [port, node.inputs[port]!.list ? values.flat() : values[0]!];
      });
      came.steps.set(key, {
        state: row.state,
        cause: row.cause,
        inputs: Object.fromEntries(inputs),
        outputs: Object.fromEntries(Object.entries(row.outputs).map(([port, { value }]) => [port, value as string])),
        attempt: row.attempt,
      });
      const { doing } = node;
      if (isEarly(node) && doing.kind === 'join' && row.state === 'done') {
        const isLate = row.reason?.startsWith('Went on without') === true;
        const isCorrected = Object.keys(row.made).length > 0; // which takes the reason's place
        if (isLate || isCorrected || doing.until === 'first') came.arrived.set(key, this.#arrivedAt(row));
        if (isLate) this.#count('time-outs');
      }
      if (doing.kind === 'approve') came.decided.set(key, Object.keys(row.outputs)[0] ?? null);
      if (doing.kind === 'stop' && row.state === 'done' && row.ended_at! > this.#setGoing) came.stoppedBy = row.node;
      this.#countStep(row, node);
    }
    if (came.state === 'stopped') this.#count('stops');
    return came;
  }

  /** The branches of a join that had something when it went on. */
  #arrivedAt(row: Row): Set<string> {
    const depths = expectationOf(this.#world, NOTHING).frames;
    return new Set(
      this.#world.edges
        .filter(({ to }) => to.node === row.node && Object.hasOwn(row.inputs, to.port))
        .map(({ from }) => keyOf(from.node, row.path.slice(0, depths.get(from.node)!.length))),
    );
  }

  #countStep(row: Row, { doing, inputs }: SimNode): void {
    if (row.path.length > 0) this.#count('maps');
    if (row.path.length > 1) this.#count('depth 2');
    if (row.state === 'done' && Object.values(inputs).some(({ list }) => list)) this.#count('gathers');
    if (row.state === 'skipped') this.#count('skips');
    if (row.state === 'blocked') this.#count('blocks');
    if (doing.kind === 'join') {
      this.#count('joins');
      if (doing.until === 'first' && Object.keys(row.inputs).length < Object.keys(inputs).length)
        this.#count('early joins');
    }
    if (row.attempt > 1) this.#count('attempts', row.attempt - 1);
    if (doing.kind === 'filter' || doing.kind === 'route') this.#count('routes and filters');
    if (doing.kind === 'delay' || doing.kind === 'approve') this.#count('waits');
  }

  /** What only the rows know: times, attempts, and that nothing is left over. */
  async #rowsFault(came: Chronicle): Promise<string | undefined> {
    const rows = await this.#rows();
    const [run] = await this.#query<{
      open: number;
      troubles: number;
      ended_at: Date;
      strands: number;
      making: number;
    }>(
      `select open, troubles, ended_at, (select count(*)::int from strand s where s.run_id = run.id) as strands,
              -- what a strand that is gone was making is taken over by whoever wants it next
              (select count(*)::int from reuse u join strand s on s.id = u.strand where u.run_id = run.id and u.state = 'making') as making
         from run where id = $1`,
    );
    if (run!.open !== 0 || run!.strands !== 0) return `the run has ended and ${run!.strands} strands are left`;
    const [called] = await this.#query<{ going: number; twice: number }>(
      `select count(*) filter (where state = 'running' or exists (select from strand s where s.run_id = run.id))::int as going,
              (count(*) - count(distinct (parent_node, parent_path)))::int as twice from run where parent_run = $1`,
    );
    if (called!.going !== 0) return `the run has ended and ${called!.going} that it called go on`;
    if (called!.twice !== 0) return `${called!.twice} steps called twice`;
    if (run!.making !== 0) return 'the run has ended and something is still being made';
    if (came.state === 'stopped' && came.stoppedBy === null) return 'the run was stopped, and by no Stop';
    const waits = await this.#query<Wait>(
      'select id, node, path, kind, state, answer, created_at from wait where run_id = $1',
    );
    for (const row of rows) {
      const key = keyOf(row.node, row.path);
      const { doing, id } = this.#nodes.get(row.node)!;
      if (row.state === 'running') return `${key} runs although the run has ended`;
      if (came.state === 'cancelled' && row.began_at && row.began_at > run!.ended_at)
        return `${key} began after the cancel`;
      if (row.state !== 'done' && row.state !== 'failed') continue;
      const waited = row.ended_at!.getTime() - row.began_at!.getTime();
      if (row.reused_run !== null) continue;
      const wait = waits.find((each) => keyOf(each.node, each.path) === key);
      if (doing.kind === 'delay' && (wait?.state !== 'expired' || Date.now() < wait.created_at.getTime()))
        return `${key} went on without having waited`;
      // one that was only given up keeps its time when the run goes on
      const isGivenUp =
        this.#counts.cancels !== undefined || this.#world.nodes.some((each) => each.doing.kind === 'stop');
      if (doing.kind === 'delay' && !isGivenUp && waited < doing.seconds * 1_000 - 50)
        return `${key} went on after ${waited} ms`;
      if (doing.kind === 'approve') {
        const said = wait?.state === 'answered' ? (wait.answer as { outcome: string }).outcome : doing.expired || null;
        if (!wait || wait.state === 'open' || said !== came.decided.get(key))
          return `${key} went on with ${came.decided.get(key)}, and ${wait?.state ?? 'nobody was asked'} ${said}`;
        if (wait.state === 'expired') this.#count('expiries');
      }
      if (doing.kind === 'ask') {
        const given = eaten(came.steps.get(key)!.inputs!);
        const { attempts } = endOfAsking(this.#world, this.#nodes.get(row.node)!, given, false);
        // one that had its answer when the run was given up goes on with it
        if (!isGivenUp && !came.healed.has(`${id}/${given}`) && row.attempt !== attempts)
          return `${key} took ${row.attempt} attempts, not ${attempts}`;
      }
      if (doing.kind === 'join' && row.reason?.startsWith('Went on without') && waited < doing.seconds! * 1_000 - 50)
        return `${key} said after ${waited} ms that its time was over`;
    }
    return this.#joinsFault(came);
  }

  /** A join that went on with nothing may only do so when there is nothing, or when its time is over. */
  #joinsFault(came: Chronicle): string | undefined {
    if (came.state === 'cancelled' || came.state === 'stopped') return undefined;
    const whole = expectationOf(this.#world, { ...came, arrived: new Map() });
    for (const [key, arrived] of came.arrived) {
      const { doing } = this.#nodes.get(placeOf(key).node)!;
      if (doing.kind !== 'join' || doing.seconds !== null || arrived.size > 0) continue;
      const step = whole.steps.get(key);
      if (step?.state === 'succeeded' && Object.keys(step.inputs).length > 0) return `${key} went on with nothing`;
    }
    return undefined;
  }
}

type Ports = {
  inputs: { name: string; type: string; list: boolean; optional: boolean }[];
  outputs: { name: string; type: string; list: boolean }[];
};

/** What is called in the place of a node: the node between the two ends. */
function calledGraph(node: Graph['nodes'][number], { inputs, outputs }: Ports): Graph {
  const end = (id: string, type: string, values: object[]): Graph['nodes'][number] => ({
    ...{ id, type, name: id, version: '1.0.0', position: { x: 0, y: 0 } },
    config: { values } as Graph['nodes'][number]['config'],
  });
  const wire = (from: string, to: string, port: string) => ({
    ...{ id: `${from}-${port}`, from: { node: from, port }, to: { node: to, port } },
  });
  return {
    ...EMPTY_GRAPH,
    nodes: [
      end('called', 'trigger.called', inputs),
      { ...node },
      ...(outputs.length > 0 ? [end('ret', 'flow.return', outputs)] : []),
    ],
    edges: [
      ...inputs.map(({ name }) => wire('called', node.id, name)),
      ...outputs.map(({ name }) => wire(node.id, 'ret', name)),
    ],
  };
}

const NOTHING = { arrived: new Map(), corrections: [], decided: new Map(), healed: new Set<string>() };

/** Several at a time; the first that fails, or what all of them covered. */
export async function runSeeds(real: Real, worlds: readonly SimWorld[], atOnce = 6) {
  const covered: Partial<Record<RealCount, number>> = {};
  const faults: { seed: number; fault: string }[] = [];
  const left = [...worlds];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let world = left.shift(); world && faults.length === 0; world = left.shift()) {
        const { fault, counts } = await real.run(world, () => faults.length > 0);
        if (fault !== undefined) faults.push({ seed: world.seed, fault });
        for (const [name, n] of Object.entries(counts ?? {}) as [RealCount, number][])
          covered[name] = (covered[name] ?? 0) + n;
      }
    }),
  );
  return { covered, faults };
}
