/**
 * Carries one claimed strand through: decides its steps from their inputs, reuses what is known, runs the rest in the
 * sandbox, and writes everything that follows in one commit. Reads top to bottom; the only ways out are
 *
 *   settled    written; maybe with a light successor to go on with
 *   released   given back: at a time, for another's result, or because this attempt does not count
 *   lost       another worker holds the lease, or the run was cancelled: nothing is written
 */

import { hasAssets } from '../db/assets.ts';
import { reopenRefused } from '../db/journal.ts';
import type {
  AdvanceResult,
  Claimed,
  KeyAnswer,
  Lease,
  LedgerStep,
  MadeKey,
  SettledRow,
  Taken,
  Until,
} from '../db/ledger.ts';
import { digestOf, type StoredValue } from '../db/values.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { ErrorJson, ManifestJson } from '../nodes/contract.ts';
import type { AssetStore } from './assets.ts';
import type { Entry } from './broker.ts';
import { callPipeline } from './call.ts';
import { CapabilityError } from './capabilities/capability.ts';
import type { Plugin } from './catalogue.ts';
import { Execution } from './execute.ts';
import type { FaultName } from './faults.ts';
import { decide, isTrouble, type Path, pendingOf, type Settled, stepKey, tokensOf } from './graph/advance.ts';
import { callsOf } from './graph/calls.ts';
import { type JoinConfig, joinMove } from './graph/join.ts';
import type { PlanNode } from './graph/plan.ts';
import { isReused, reuseForSeconds } from './graph/reusable.ts';
import { type NewStrand, strandsOf } from './graph/strands.ts';
import type { RunTrigger } from './graph/triggers.ts';
import { storeOutputs } from './outputs.ts';
import { refusedByBudget } from './refused-budget.ts';
import { reuseKey } from './reuse.ts';
import { verdictOn } from './settle.ts';
import { StepInputs } from './step-inputs.ts';
import type { Ahead, Carried, Item, Paused, RunPlan, StepHost, StrandEnd, StrandHold } from './strand.ts';
import type { Values } from './values.ts';

const LOST: StrandEnd = { kind: 'lost' };
/** Deaths of workers that are laid to one step before it is given up; those it had company in count in part. */
const DEATHS = 3;
const PINNED = 'Pinned: not run.';
/** For authors of nodes, on their own machine. */
const SAYS_NODES = process.env.SPLICEBOARD_LOG_NODES === '1';
/** A range writes down what it has after this long. */
const RANGE_MS = 20;
/** So do light steps in a row that are written together. */
const ROW_MS = 50;

type Result = { row: SettledRow; settled: Settled; made?: MadeKey };

export async function carryStrand(
  host: StepHost,
  claimed: Claimed,
  run: RunPlan,
  hold: StrandHold,
  ahead: Ahead | null = null,
  carried: Carried | null = null,
): Promise<StrandEnd> {
  const { strand } = claimed;
  const lease: Lease = {
    workspaceId: claimed.run.workspaceId,
    strand: strand.id,
    worker: hold.workerId,
    token: strand.token,
  };
  const node = run.plan.nodes[strand.node]!;
  const work = new StrandWork(host, claimed, run, node, lease, hold);
  return work.carry(ahead, carried);
}

class StrandWork {
  readonly #host: StepHost;
  #claimed: Claimed;
  readonly #run: RunPlan;
  readonly #node: PlanNode;
  #lease: Lease;
  readonly #hold: StrandHold;
  readonly #stores: { assets: AssetStore; values: Values };
  readonly #inputs: StepInputs;
  readonly #execution: Execution;
  #ahead: Ahead | null = null;
  #isUnaware = false;
  #carried: Carried = { rows: [], since: performance.now() };
  readonly #createdAt = performance.now();
  /** Keys this strand promised to make. */
  readonly #promised = new Set<string>();

  constructor(host: StepHost, claimed: Claimed, run: RunPlan, node: PlanNode, lease: Lease, hold: StrandHold) {
    this.#host = host;
    this.#claimed = claimed;
    this.#run = run;
    this.#node = node;
    this.#lease = lease;
    this.#hold = hold;
    this.#stores = host.stores(claimed.run.workspaceId);
    this.#inputs = new StepInputs(host.db, this.#stores.values, claimed, run, node);
    this.#execution = new Execution({
      host,
      run,
      node,
      hold,
      stores: this.#stores,
      current: () => ({ claimed: this.#claimed, lease: this.#lease }),
      say: (path, line) => this.#say(path, line),
    });
  }

  async carry(ahead: Ahead | null, carried: Carried | null): Promise<StrandEnd> {
    if (carried) this.#carried = carried;
    if (ahead) {
      this.#ahead = ahead;
      this.#isUnaware = ahead.isUnaware;
      this.#hold.signal.addEventListener('abort', ahead.drop, { once: true });
      if (this.#hold.signal.aborted) ahead.drop();
    }
    await this.#at('strand.claimed');
    const { strand } = this.#claimed;
    const paths = pathsOf(strand);
    const { pinned } = this.#node;
    const handed = pinned ? null : this.#handedOver();
    if (handed) return this.#settle([await this.#takeHanded(paths[0]!, handed)], null);
    if (pinned) return this.#settle(await Promise.all(paths.map((path) => this.#takePin(path, pinned))), null);
    const plugin = this.#pluginOf(this.#node.type);
    const broken = this.#refusal(plugin);
    const items: Item[] = [];
    for (const path of paths) items.push(await this.#decide(path));
    await this.#at('step.decided');
    if (broken || !plugin) {
      const error = broken ?? internalError(new Error('no plugin'));
      return this.#settle(
        items.map((item) => (item.decision.kind === 'run' ? this.#failed(item, error) : this.#passed(item))),
        null,
      );
    }

    for (const item of items) if (item.decision.kind === 'run') await this.#inputs.configure(item, plugin.manifest);
    if (this.#node.early) {
      const asleep = await this.#awaitBranches(items[0]!);
      if (asleep) return asleep;
    }
    if (plugin.manifest.shape === 'call-pipeline') return this.#call(items[0]!);
    const answers = await this.#takeKeys(items, plugin);
    if (answers === 'lost') return LOST;
    if (answers === 'asleep') return { kind: 'released', lanes: [] };

    let results: Result[] = [];
    let since = performance.now();
    for (const [index, item] of items.entries()) {
      const known = item.key === null ? undefined : answers.get(item.key);
      if (item.decision.kind !== 'run') results.push(this.#passed(item));
      else if (item.fault) results.push(this.#failed(item, item.fault));
      else if (known?.found === 'made') results.push(await this.#reused(item, known));
      else {
        const begins = performance.now();
        if (this.#execution.mayComputeTogether(plugin) && !this.#execution.isTogether(item)) {
          const isMade = ({ key }: Item) => key !== null && answers.get(key)?.found === 'made';
          const rest = items.slice(index);
          this.#execution.computeTogether(
            plugin,
            rest.filter((each) => each.decision.kind === 'run' && !each.fault && !isMade(each)),
          );
        }
        const end = await this.#attempt(item, plugin, items.length > 1);
        if (!this.#execution.isTogether(item)) this.#execution.keepPace(performance.now() - begins);
        if (end.kind === 'result') results.push(end.result);
        else if (results.length === 0) return end.release();
        else {
          // what is done is written first; the rest of the range is claimed again
          const wrote = await this.#settle(results, item.path.at(-1)!);
          return wrote.kind === 'lost' ? LOST : end.release();
        }
      }
      const isLast = index === items.length - 1;
      if (!isLast && (this.#execution.isLastTogether(item) || performance.now() - since > RANGE_MS)) {
        const wrote = await this.#settle(results, items[index + 1]!.path.at(-1)!);
        if (wrote.kind === 'lost') return LOST;
        if (this.#hold.givesWay()) return this.#release({ until: null, why: null, counts: false });
        results = [];
        since = performance.now();
      }
    }
    return this.#settle(results, null);
  }

  #at(name: FaultName): void | Promise<void> {
    return this.#host.faults.at(name, this.#node.id);
  }

  // -------------------------------------------------------------- deciding

  /** Why nothing can be run at all. */
  #pluginOf(type: string): Plugin | undefined {
    return this.#host.catalogue.plugin(type) ?? this.#run.plugins.get(type);
  }

  #refusal(plugin: Plugin | undefined): ErrorJson | undefined {
    const { deaths } = this.#claimed.strand;
    if (deaths >= DEATHS) {
      return {
        code: 'STEP_DEADLY',
        message: `${this.#node.name} was running each time when its worker ended, and is not tried again by itself.`,
        hint: 'Look at what it was given; retry it when you know more.',
        retry: 'person',
      };
    }
    if (!plugin) {
      return {
        code: 'NODE_TYPE_UNKNOWN',
        message: `${this.#node.type} is not installed here.`,
        hint: 'Install the plugin, then retry.',
        retry: 'person',
      };
    }
    const pinned = this.#run.pins[this.#node.type];
    if (pinned && pinned.version !== plugin.manifest.version) {
      return {
        code: 'NODE_VERSION_CHANGED',
        message: `${this.#node.name} began as version ${pinned.version}; ${plugin.manifest.version} is installed now.`,
        hint: 'Start a new run: what has not changed is reused.',
        retry: 'never',
      };
    }
    return undefined;
  }

  async #decide(path: number[]): Promise<Item> {
    const decision = decide(this.#run.plan, this.#node.id, path, (node, at) => this.#inputs.settledAt(node, at));
    const item: Item = { path, decision, inputs: {}, digests: {}, key: null, isMine: false };
    if (decision.kind !== 'run') return item;
    if (this.#run.manifests.get(this.#node.id)?.shape === 'trigger') return this.#begin(item);
    for (const input of this.#node.inputs) {
      const parts = decision.inputs[input.port];
      if (!parts) continue;
      const loaded: { value: unknown; digest: string }[] = [];
      for (const part of parts) loaded.push(...(await this.#inputs.load(part, input.list)));
      item.inputs[input.port] = input.list ? loaded.map((each) => each.value) : loaded[0]!.value;
      item.digests[input.port] = loaded.map((each) => each.digest);
    }
    return item;
  }

  /**
   * A join that need not have all its branches: whether it sleeps for now. Its clock is the step's instant, which is when
   * the first branch came.
   */
  async #awaitBranches(item: Item): Promise<StrandEnd | null> {
    if (item.decision.kind !== 'run' || !item.config) return null;
    const pending = pendingOf(this.#run.plan, this.#node.id, item.path, (node, at) => this.#inputs.settledAt(node, at));
    const move = joinMove(item.config as JoinConfig, {
      pending: pending.length,
      present: Object.keys(item.decision.inputs).length,
      beganMs: Date.parse(this.#claimed.strand.beganAt),
      nowMs: Date.now(),
    });
    const names = [...new Set(pending.map(({ node }) => this.#run.plan.nodes[node]?.name ?? node))].join(', ');
    if (move.kind === 'go on') {
      if (move.isLate) item.said = `Went on without ${names}: the time was over.`;
      return null;
    }
    if (!(await this.#hold.behind)) return LOST;
    const until = move.untilMs === null ? ('infinity' as const) : new Date(move.untilMs);
    const how = { until, why: `Waits for ${names}.`, pending };
    const isOurs = await this.#host.ledger.awaitOthers(this.#lease, this.#claimed.run.id, how);
    return isOurs ? { kind: 'released', lanes: [this.#claimed.strand.lane] } : LOST;
  }

  /** A trigger's input is the event that started the run; the other triggers of the pipeline have nothing to give. */
  #begin(item: Item): Item {
    const started = (this.#claimed.trigger ?? null) as RunTrigger | null;
    if (started?.node !== this.#node.id) {
      const other = started && this.#run.plan.nodes[started.node]?.name;
      const said = other ? `This run was started by ${other}.` : 'Nothing started this run here.';
      return { ...item, decision: { kind: 'skip', because: '' }, said };
    }
    return {
      ...item,
      inputs: { event: started.event },
      digests: { event: [digestOf(started.event)] },
      said: started.sample,
    };
  }

  // -------------------------------------------------------------- reuse

  async #takeKeys(items: Item[], plugin: Plugin): Promise<Map<string, KeyAnswer> | 'lost' | 'asleep'> {
    const toRun = items.filter((item) => item.decision.kind === 'run' && !item.fault);
    if (toRun.length === 0 || !isReused(plugin.manifest)) return new Map();
    const engines = await this.#engines(plugin.manifest, toRun[0]!.path);
    for (const item of toRun) {
      item.key = reuseKey({
        manifest: plugin.manifest,
        behaviourDigest: plugin.behaviourDigest,
        config: item.config,
        inputs: item.digests,
        node: this.#node,
        kit: this.#run.kit,
        engines,
        nonce: this.#claimed.run.nonce,
      });
    }
    const isAfresh = this.#claimed.run.afresh.includes(this.#node.id);
    const maxAge = isAfresh ? 0 : reuseForSeconds(plugin.manifest);
    const wanted = new Map<string, { path: number[]; key: string; maxAge: number | null }>();
    for (const item of toRun)
      if (item.key !== null && !wanted.has(item.key)) wanted.set(item.key, { path: item.path, key: item.key, maxAge });
    if (wanted.size === 0) return new Map();
    const answers = await this.#host.ledger.takeKeys(this.#lease, [...wanted.values()], items.length === 1);
    if (answers === null) return 'lost';
    if (answers.some((answer) => answer.found === 'making')) return 'asleep';
    const byKey = new Map(answers.map((answer) => [answer.key, answer]));
    for (const answer of answers) {
      if (answer.found === 'mine') this.#promised.add(answer.key);
      if (answer.found === 'made' && !(await this.#isWhole(answer.outputs))) {
        byKey.set(answer.key, { key: answer.key, found: 'unkept' }); // a recording behind it was removed
      }
    }
    return byKey;
  }

  /** Who would do the work: a result of another ffmpeg or model is not the same result. */
  async #engines(manifest: ManifestJson, path: number[]): Promise<Record<string, string>> {
    const engines: Record<string, string> = {};
    const scope = this.#execution.scopeBefore(manifest, path);
    for (const capability of this.#host.capabilities.values()) {
      for (const [name, method] of Object.entries(capability.methods)) {
        if (!method.engine || !capability.declared(manifest, name)) continue;
        engines[`${capability.name}.${name}`] = await method.engine(scope);
      }
    }
    return engines;
  }

  /** Whether the assets that a stored result speaks of are still there. */
  async #isWhole(outputs: Record<string, StoredValue>): Promise<boolean> {
    const named = new Set<string>();
    for (const stored of Object.values(outputs)) {
      if (stored.asset) named.add(stored.asset);
      for (const [, sha256] of JSON.stringify(stored.value ?? null).matchAll(/"asset":"([0-9a-f]{64})"/g))
        named.add(sha256!);
    }
    return inWorkspace(this.#host.db, this.#lease.workspaceId, (tx) => hasAssets(tx, [...named]));
  }

  async #reused(item: Item, known: Extract<KeyAnswer, { found: 'made' }>): Promise<Result> {
    const isSameRun = known.runId === this.#claimed.run.id;
    const isOwnBrand = known.brandId === this.#claimed.run.brandId;
    const reason = isSameRun
      ? 'Made once for the same input.'
      : isOwnBrand
        ? `Reused from run ${known.runNumber}.`
        : 'Reused from a run of another brand.';
    const result = await this.#done(item, known.outputs, known.facts, reason);
    result.row.reused_run = known.runId;
    result.row.reused_number = isOwnBrand ? known.runNumber : null;
    return result;
  }

  // -------------------------------------------------------------- results

  /** What a draft has fixed stands in the place of running, also where what it would need has failed. */
  async #takePin(path: number[], pinned: Record<string, StoredValue>): Promise<Result> {
    const isTrigger = this.#run.manifests.get(this.#node.id)?.shape === 'trigger';
    const decision = decide(this.#run.plan, this.#node.id, path, (node, at) => this.#inputs.settledAt(node, at));
    const item: Item = { path, decision, inputs: {}, digests: {}, key: null, isMine: false };
    const begun = isTrigger ? this.#begin(item) : item;
    if (begun.decision.kind === 'skip') return this.#passed(begun);
    const result = await this.#done(item, pinned, [], PINNED);
    result.row.stop = null;
    return result;
  }

  /** What this run was called with, at the step where it begins. */
  #handedOver(): { outputs: Record<string, StoredValue>; sample: string | null } | null {
    const started = (this.#claimed.trigger ?? null) as RunTrigger | null;
    if (started?.kind !== 'called' || started.node !== this.#node.id) return null;
    const { outputs } = started.event as { outputs: Record<string, StoredValue> | null };
    return outputs && { outputs, sample: started.sample };
  }

  /** Handed on as it is stored. Started by hand with an earlier call's values, the draft may want others by now. */
  async #takeHanded(
    path: number[],
    { outputs, sample }: { outputs: Record<string, StoredValue>; sample: string | null },
  ): Promise<Result> {
    const item: Item = {
      path,
      decision: { kind: 'run', inputs: {} },
      inputs: {},
      digests: {},
      key: null,
      isMine: false,
    };
    if (sample === null) return this.#done(item, outputs, [], null);
    const manifest = this.#run.manifests.get(this.#node.id)!;
    const values: Record<string, unknown> = {};
    for (const [port, stored] of Object.entries(outputs))
      if (Object.hasOwn(manifest.outputs, port)) values[port] = await this.#stores.values.load(stored);
    const checked = await storeOutputs(this.#node.name, manifest, values, this.#stores.values);
    return 'error' in checked
      ? this.#failed(item, {
          ...checked.error,
          code: 'CALLED_SAMPLE',
          message: 'It takes other values by now than it was last called with.',
          hint: 'Pin what it should begin with here, or run the pipeline that calls it.',
        })
      : this.#done(item, checked.outputs, [], sample);
  }

  /** Skipped or blocked: nothing ran. */
  #passed(item: Item): Result {
    const state = item.decision.kind === 'block' ? 'blocked' : 'skipped';
    const cause = item.decision.kind === 'block' ? item.decision.cause : null;
    const reason =
      item.decision.kind === 'skip' ? (item.said ?? `There was no ${this.#portTitle(item.decision.because)}.`) : null;
    return {
      row: { ...this.#row(item, state), cause, reason },
      settled: { state, cause, outputs: {} },
    };
  }

  #portTitle(port: string): string {
    const title = this.#run.manifests.get(this.#node.id)?.inputs[port]?.title ?? port;
    return title.charAt(0).toLowerCase() + title.slice(1);
  }

  #failed(item: Item, error: ErrorJson): Result {
    return { row: { ...this.#row(item, 'failed'), error }, settled: { state: 'failed', cause: null, outputs: {} } };
  }

  /** A person's corrections stand in the place of what the node made, as long as it made the same. */
  async #done(
    item: Item,
    made: Record<string, StoredValue>,
    facts: { name: string; value: string }[],
    reason: string | null,
  ): Promise<Result> {
    const outputs = { ...made };
    const originals: Record<string, StoredValue> = {};
    const shown = [...facts];
    for (const override of this.#claimed.overrides) {
      const own = made[override.port];
      if (!own || !same(override.path, item.path)) continue;
      if (own.digest === override.sourceDigest) {
        outputs[override.port] = await this.#stores.values.store(override.value, own.count !== null);
        originals[override.port] = own;
      } else if (
        !this.#claimed.overrides.some(
          (other) => other.port === override.port && same(other.path, item.path) && other.sourceDigest === own.digest,
        )
      ) {
        shown.push({ name: 'correction', value: 'made for an earlier result; look again' });
      }
    }
    const corrected = Object.keys(originals).length > 0 ? 'Corrected by a person.' : null;
    return {
      row: {
        ...this.#row(item, 'done'),
        outputs,
        made: originals,
        facts: shown,
        reason: corrected ?? reason,
        stop: this.#stopping(shown),
      },
      settled: {
        state: 'done',
        cause: null,
        outputs: Object.fromEntries(Object.entries(outputs).map(([port, stored]) => [port, stored.count])),
      },
    };
  }

  /** In words, where a done step of this node ends the run. */
  #stopping(facts: { name: string; value: string }[]): string | null {
    if (this.#run.manifests.get(this.#node.id)?.shape !== 'stop') return null;
    const why = facts.find(({ name }) => name === 'reason')?.value;
    return why ? `${this.#node.name} ended the run: ${why}` : `${this.#node.name} ended the run.`;
  }

  #row(item: Item, state: SettledRow['state']): SettledRow {
    return {
      node: this.#node.id,
      path: item.path,
      state,
      attempt: this.#claimed.strand.attempts,
      inputs: Object.fromEntries(
        Object.entries(item.digests).map(([port, digests]) => [port, digests.map((digest) => ({ digest }))]),
      ),
      began_at: this.#claimed.strand.beganAt,
    };
  }

  /** `goOn`: the item at which the range goes on, or null where the strand is done. */
  async #settle(results: Result[], goOn: number | null): Promise<StrandEnd> {
    const made = results.flatMap((result) => (result.made ? [result.made] : []));
    for (const { key } of made) this.#promised.delete(key);
    const tokens = results.flatMap((result) =>
      tokensOf(this.#run.plan, this.#node.id, result.row.path, result.settled),
    );
    const written = {
      steps: results.map((result) => result.row),
      made,
      troubles: results.filter((result) => isTrouble(this.#node, result.settled.state)).length,
      goOn,
      chain: goOn === null && this.#hold.mayChain(),
    };
    if (written.steps.some((row) => row.stop)) {
      if (!(await this.#hold.behind) || !(await this.#land())) return LOST;
      const known = this.#host.known();
      await this.#at('step.settling');
      const answer = await this.#host.ledger.settle(this.#lease, { ...written, tokens, known });
      if (answer) this.#count(results);
      return this.#settled(answer, null);
    }
    const { strands, counted } = strandsOf(this.#run.plan, tokens);
    const next = strands.length === 1 && counted.length === 0 ? strands[0]! : null;
    const inputs = next && this.#inputsFrom(next, results);
    const ahead = written.chain && next && inputs ? await this.#beginAhead(next, inputs) : null;
    const { strand: own } = this.#claimed;
    if (ahead && written.troubles === 0 && made.length === 0 && results.length === 1 && this.#gathers()) {
      const { id, token, attempts, deaths } = own;
      const strand = { ...next!, id, token, attempts, deaths, beganAt: ahead.beganAt };
      this.#count(results); // written a moment later; one that is lost on the way is counted twice
      return {
        kind: 'gathered',
        chained: { strand, run: this.#claimed.run, inputs: inputs!, overrides: [] },
        ahead: { ...ahead, isUnaware: true },
        carried: { ...this.#carried, rows: [...this.#carried.rows, ...written.steps] },
      };
    }
    const advance = {
      ...written,
      steps: [...this.#carried.rows, ...written.steps],
      strands: ahead ? [{ ...next!, began: ahead.beganAt }] : strands,
      tokens: counted,
      room: this.#hold.room(),
      loads: inputs === null,
      unaware: this.#isUnaware,
    };
    await this.#at('step.settling');
    const nextId = ahead && this.#hold.runOn();
    if (ahead && nextId !== null) {
      const answered = this.#host.ledger.advance(this.#lease, this.#claimed.run.id, { ...advance, nextId });
      const strand = { ...next!, id: nextId, token: 1, attempts: 1, deaths: 0, beganAt: ahead.beganAt };
      return {
        kind: 'sent',
        written: answered.then(async (answer) => {
          if (answer?.chained) {
            this.#count(results);
            await this.#at('step.settled');
          }
          return Boolean(answer?.chained);
        }),
        chained: { strand, run: this.#claimed.run, inputs: inputs!, overrides: [] },
        ahead: { ...ahead, isUnaware: true },
      };
    }
    let answer: AdvanceResult | null = null;
    try {
      answer = await this.#host.ledger.advance(this.#lease, this.#claimed.run.id, advance);
    } finally {
      if (!answer?.chained) ahead?.drop();
    }
    if (answer) this.#count(results);
    const chained = answer?.chained ?? null;
    if (chained === null || !isTaken(chained)) return this.#settled(answer, chained);
    const { strand, overrides } = chained;
    const claimed = {
      strand: { ...next!, ...strand, token: 1, attempts: 1, deaths: 0 },
      run: this.#claimed.run,
      inputs: inputs!,
      overrides,
    };
    return this.#settled(answer, claimed, ahead);
  }

  /** A range's time is shared among its items. */
  #count(results: readonly Result[]): void {
    const seconds = (performance.now() - this.#createdAt) / 1000 / results.length;
    for (const { row } of results) {
      this.#host.tally.add(this.#node.type, row.reused_run ? 'reused' : row.state, seconds);
      if (row.state === 'failed') {
        const { code } = row.error as ErrorJson;
        this.#host.log('A step failed.', { ...this.#ids(row.path), code });
      }
    }
  }

  #ids(path: Path): Record<string, unknown> {
    const { run, strand } = this.#claimed;
    const step = stepKey(this.#node.id, path);
    return {
      runId: run.id,
      run: run.number,
      step,
      type: this.#node.type,
      attempt: strand.attempts,
      worker: this.#lease.worker,
    };
  }

  /** What a node writes may hold anything. */
  #say(path: Path, line: string): void {
    if (SAYS_NODES) this.#host.log('A node wrote a line.', { ...this.#ids(path), line });
  }

  /** What went wrong once under this lease is written step by step, so that it is known which one it was. */
  #gathers(): boolean {
    const { attempts, deaths } = this.#claimed.strand;
    const isYoung = performance.now() - this.#carried.since < ROW_MS;
    return attempts === 1 && deaths === 0 && isYoung && this.#hold.gathers();
  }

  /** Writes what is carried along; this step has a strand of its own from then on. False: the lease is lost. */
  async #land(): Promise<boolean> {
    const { rows } = this.#carried;
    if (rows.length === 0) return true;
    this.#carried = { rows: [], since: performance.now() };
    const { run, strand } = this.#claimed;
    const { node, prefix, lo, hi, lane, beganAt: began } = strand;
    const answer = await this.#host.ledger.advance(this.#lease, run.id, {
      steps: rows,
      made: [],
      troubles: 0,
      goOn: null,
      chain: true,
      strands: [{ node, prefix, lo, hi, lane, began }],
      tokens: [],
      room: this.#hold.room(),
      loads: false,
      unaware: true,
    });
    if (!answer?.chained) return false;
    await this.#at('step.settled');
    const { strand: landed, overrides } = answer.chained;
    this.#lease = { ...this.#lease, strand: landed.id, token: 1 };
    this.#claimed = { ...this.#claimed, strand: { ...strand, id: landed.id, token: 1 }, overrides };
    this.#isUnaware = false;
    this.#hold.moved({ id: landed.id, token: 1 });
    return true;
  }

  /** Begins with the follower's computing, where it may ask for nothing and its result is looked up nowhere. */
  async #beginAhead(next: NewStrand, inputs: LedgerStep[]): Promise<Ahead | null> {
    const [path, ...others] = pathsOf(next);
    const node = this.#run.plan.nodes[next.node]!;
    const plugin = this.#pluginOf(node.type);
    if (node.pinned) return null;
    if (!path || others.length > 0 || next.lane !== 'light' || !plugin || isReused(plugin.manifest)) return null;
    const { effect, capabilities, shape } = plugin.manifest;
    if (effect !== 'pure' || Object.keys(capabilities).length > 0 || shape === 'trigger') return null;
    // the database's clock, carried on by ours
    const { claimedAt, beganAt: firstAt } = this.#claimed.strand;
    const began = Date.parse(claimedAt ?? firstAt) + (performance.now() - this.#createdAt);
    const beganAt = new Date(began).toISOString();
    const claimed: Claimed = {
      strand: { ...next, id: 0, token: 1, attempts: 1, deaths: 0, beganAt },
      run: this.#claimed.run,
      inputs,
      overrides: [],
    };
    const abort = new AbortController();
    const signal = AbortSignal.any([this.#hold.signal, abort.signal]);
    const lease = { ...this.#lease, strand: 0 };
    const work = new StrandWork(this.#host, claimed, this.#run, node, lease, { ...this.#hold, signal });
    if (work.#refusal(plugin)) return null;
    const item = await work.#decide(path);
    if (item.decision.kind !== 'run') return null;
    await work.#inputs.configure(item, plugin.manifest);
    if (item.fault) return null;
    const facts = new Map<string, string>();
    const answer = work.#execution.execute(plugin, item, 'run', item.inputs, facts, {});
    answer.catch(() => {}); // met by whoever goes on with it
    return { path, beganAt, facts, answer, isUnaware: false, drop: () => abort.abort('dropped') };
  }

  async #settled(
    answer: { ended: boolean; lanes: Record<string, number>; chained: unknown } | null,
    chained: Claimed | null,
    ahead: Ahead | null = null,
  ): Promise<StrandEnd> {
    if (answer === null) return LOST;
    await this.#at('step.settled');
    if (answer.ended) await this.#at('run.ended');
    if (answer.ended) this.#host.sandbox.forget(this.#claimed.run.id);
    return { kind: 'settled', ended: answer.ended, lanes: Object.keys(answer.lanes), chained, ahead };
  }

  /** The rows that a following strand is decided from, where all of them are among those just written. */
  #inputsFrom(next: NewStrand, results: Result[]): LedgerStep[] | null {
    const { reads } = this.#run.plan.nodes[next.node]!;
    if (!reads.every((read) => read.kind === 'step' && read.node === this.#node.id)) return null;
    const rows = new Map(results.map(({ row }) => [row.path.join('.'), row]));
    const found = new Map<string, LedgerStep>();
    for (const path of pathsOf(next)) {
      for (const { depth } of reads) {
        const at = path.slice(0, depth).join('.');
        const row = rows.get(at);
        if (!row) return null;
        const { node, state, cause = null, error = null, outputs = {} } = row;
        found.set(at, { node, path: [...row.path], state, cause, error, outputs });
      }
    }
    return [...found.values()];
  }

  async #release(how: { until: Until | null; why: string | null; counts: boolean }): Promise<StrandEnd> {
    if (!(await this.#hold.behind) || !(await this.#land())) return LOST;
    const isOurs = await this.#host.ledger.release(this.#lease, how);
    return isOurs ? { kind: 'released', lanes: how.until === null ? [this.#claimed.strand.lane] : [] } : LOST;
  }

  // -------------------------------------------------------------- running

  /** Runs another pipeline. Nothing is held while that goes on. */
  async #call(item: Item): Promise<StrandEnd> {
    if (item.decision.kind !== 'run') return this.#settle([this.#passed(item)], null);
    const { target } = callsOf(this.#run.graph, this.#run.manifests).find(({ node }) => node === this.#node.id) ?? {};
    const fault = item.fault ?? (target ? await this.#refusedByBudget(false) : internalError(new Error('no target')));
    if (fault || !target) return this.#settle([this.#failed(item, fault!)], null);
    if (!(await this.#hold.behind) || !(await this.#land())) return LOST;
    const { values } = this.#stores;
    const given: Record<string, StoredValue> = {};
    for (const input of this.#node.inputs)
      if (Object.hasOwn(item.inputs, input.port))
        given[input.port] = await values.store(item.inputs[input.port], input.list);
    await this.#at('step.begun');
    const end = await callPipeline({
      db: this.#host.db,
      catalogue: this.#host.catalogue,
      workspaceId: this.#lease.workspaceId,
      key: { runId: this.#claimed.run.id, node: this.#node.id, path: item.path },
      lease: this.#lease,
      target,
      given,
    });
    await this.#at('step.ran');
    switch (end.kind) {
      case 'returned': {
        const reason = `Returned by run ${end.run} of ${target.name}.`;
        return this.#settle([await this.#done(item, end.outputs, [], reason)], null);
      }
      case 'failed':
        return this.#settle([this.#failed(item, end.error)], null);
      case 'asleep':
        return { kind: 'released', lanes: ['light'] };
      case 'lost':
        return LOST;
      default:
        return end satisfies never;
    }
  }

  async #attempt(
    item: Item,
    plugin: Plugin,
    isRange: boolean,
  ): Promise<{ kind: 'result'; result: Result } | { kind: 'release'; release: () => Promise<StrandEnd> }> {
    const { manifest } = plugin;
    const isDry = this.#claimed.run.dryRun && manifest.effect === 'writes-external';
    const early = await this.#execution.togetherAnswer(item, plugin);
    const begun = this.#ahead && same(this.#ahead.path, item.path) ? this.#ahead : null;
    this.#ahead = null;
    const facts = early?.facts ?? begun?.facts ?? new Map<string, string>();
    const paused: Paused = {};
    const entry: Entry = isDry ? 'simulate' : 'run';
    const over = begun || early ? null : await this.#refusedByBudget(isDry);
    if (over) return { kind: 'result', result: this.#failed(item, over) };
    const coming =
      early?.answer ?? begun?.answer ?? this.#execution.execute(plugin, item, entry, item.inputs, facts, paused);
    if (
      this.#carried.rows.length > 0 &&
      !(await isSoon(coming, this.#carried.since + ROW_MS)) &&
      !(await this.#land())
    ) {
      begun?.drop();
      return { kind: 'release', release: async () => LOST };
    }
    await this.#at('step.begun');
    const answer = await coming;
    await this.#at('step.ran');
    if (paused.until) {
      const { until, why = null } = paused;
      return { kind: 'release', release: () => this.#release({ until, why, counts: false }) };
    }
    if (answer.ok) {
      const given = isDry ? (answer.value as { would?: unknown; outputs?: unknown }) : { outputs: answer.value };
      const ports = this.#run.manifests.get(this.#node.id) ?? manifest;
      const checked = await storeOutputs(this.#node.name, ports, given.outputs, this.#stores.values);
      await this.#at('outputs.stored');
      if ('error' in checked) return { kind: 'result', result: this.#failed(item, checked.error) };
      const said = [...facts].map(([name, value]) => ({ name, value }));
      const result = await this.#done(
        item,
        checked.outputs,
        said,
        isDry ? String(given.would ?? 'Rehearsed.').slice(0, 500) : (item.said ?? null),
      );
      if (item.key !== null && this.#promised.has(item.key)) {
        result.made = { key: item.key, outputs: checked.outputs, facts: said, ambient: {} };
      }
      return { kind: 'result', result };
    }
    const { error } = answer;
    if (this.#hold.signal.aborted)
      return { kind: 'release', release: () => this.#release({ until: null, why: null, counts: false }) };
    if (answer.childLost === 'neighbour' || error.code === 'SANDBOX_UNAVAILABLE' || error.code === 'LEASE_LOST') {
      const until = error.code === 'SANDBOX_UNAVAILABLE' ? { afterMs: 2_000 } : null;
      return {
        kind: 'release',
        release: () => this.#release({ until, why: until ? error.message : null, counts: false }),
      };
    }
    const { hi } = this.#claimed.strand;
    const isCut = isRange && item.path.at(-1)! < hi!;
    if (answer.childLost === 'own' && isCut) return this.#cut(Math.ceil((item.path.at(-1)! + hi! + 1) / 2));
    const verdict = verdictOn(error, {
      effect: manifest.effect,
      attempt: this.#claimed.strand.attempts,
      attempts: manifest.limits?.attempts,
      policy: this.#execution.policy(),
      jitter: Math.random(),
      nowMs: Date.now(),
    });
    if (verdict.kind === 'failed') return { kind: 'result', result: this.#failed(item, error) };
    if (error.retry === 'never') {
      const step = { runId: this.#claimed.run.id, node: this.#node.id, path: item.path };
      await inWorkspace(this.#host.db, this.#lease.workspaceId, (tx) => reopenRefused(tx, step));
    }
    if (isCut) return this.#cut(item.path.at(-1)! + 1);
    const until = verdict.afterMs > 0 ? { afterMs: verdict.afterMs } : null;
    return { kind: 'release', release: () => this.#release({ until, why: verdict.why, counts: true }) };
  }

  #refusedByBudget(isRehearsed: boolean): Promise<ErrorJson | null> {
    return refusedByBudget(this.#host, { claimed: this.#claimed, run: this.#run, node: this.#node }, isRehearsed);
  }

  /** Two ready strands of what is left of the range; the second begins at this item. */
  #cut(at: number) {
    const release = async (): Promise<StrandEnd> =>
      (await this.#host.ledger.halve(this.#lease, at)) ? { kind: 'released', lanes: ['light'] } : LOST;
    return { kind: 'release' as const, release };
  }
}

function pathsOf(strand: { prefix: number[]; lo: number | null; hi: number | null }): number[][] {
  if (strand.lo === null) return [strand.prefix];
  return Array.from({ length: strand.hi! - strand.lo + 1 }, (_, index) => [...strand.prefix, strand.lo! + index]);
}

/** Whether it is there by then, by this process's clock; fails never. */
async function isSoon(coming: Promise<unknown>, until: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, until - performance.now()), false);
  });
  const there = coming.then(
    () => true,
    () => true,
  );
  return Promise.race([there, late]).finally(() => clearTimeout(timer));
}

function isTaken(chained: Claimed | Taken): chained is Taken {
  return !('run' in chained);
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

/** A fault of ours: shown as such, tried again. */
export function internalError(error: unknown): ErrorJson {
  if (error instanceof CapabilityError) return error.error;
  return {
    code: 'INTERNAL',
    message: 'Something went wrong on our side.',
    hint: 'It is tried again; if it stays, look at the log of the worker.',
    retry: 'later',
  };
}
