/**
 * Runs the steps of a strand in the sandbox: one item, or several quick ones of a range in one way there and back. What it
 * asks for goes through a broker; what it sends, through the ledger of effects.
 */
import * as z from 'zod';
import type { Claimed, Lease, Until } from '../db/ledger.ts';
import type { ErrorJson, LookupResult, ManifestJson } from '../nodes/contract.ts';
import type { AssetStore } from './assets.ts';
import { type Call, createBroker, type Entry } from './broker.ts';
import { CapabilityError, type StepConnection, type StepScope } from './capabilities/capability.ts';
import { sendHttp, takeHttpTurn } from './capabilities/http.ts';
import type { Plugin } from './catalogue.ts';
import { withoutTypes } from './code.ts';
import { openConnection } from './connections/account.ts';
import { ctxConnection, keepPublished, requirePostable } from './connections/platform.ts';
import { performEffect } from './effects.ts';
import { stepKey } from './graph/advance.ts';
import type { Policy } from './graph/graph.ts';
import type { PlanNode } from './graph/plan.ts';
import { accountRight } from './graph/rights.ts';
import type { ForeignPlugin } from './plugins.ts';
import { declaredKit } from './reuse.ts';
import { type Json, resultsOf, type SandboxResult, type SandboxRun } from './sandbox/sandbox.ts';
import type { Begun, Item, Paused, RunPlan, StepHost, StrandHold } from './strand.ts';
import { createTrial } from './trial.ts';
import { NO_TURNS, turnsOf } from './turns.ts';
import { waitFor } from './waits.ts';

const LIMITS = {
  pure: { wallMs: 60_000, cpuMs: 20_000 },
  asking: { wallMs: 30 * 60_000, cpuMs: 60_000 },
  heavy: { wallMs: 12 * 3_600_000, cpuMs: 120_000 },
  memoryMb: 128,
};
/** Items are computed together for this long at most. */
const TOGETHER_MS = 6;
/** So many items are computed together at most, and written down together: the way to the sandbox is most of a quick one. */
const TOGETHER = 32;
/** So many while others are there, who wait behind them. */
const TOGETHER_BESIDE = 4;
/** Paces of nodes in runs that are remembered at most. */
const MOST_PACES = 2_000;

/** An item that was computed with others, where that came to nothing as a whole. */
const NOT_TOGETHER: ErrorJson = {
  code: 'SANDBOX_TOGETHER',
  message: 'The items were not computed together.',
  hint: null,
  retry: 'later',
};

const Lookup = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('confirmed'),
    handle: z.string(),
    evidence: z.string(),
    reply: z.object({ status: z.number(), headers: z.record(z.string(), z.string()), body: z.unknown() }).optional(),
  }),
  z.object({ state: z.literal('absent') }),
  z.object({ state: z.literal('unknown'), why: z.string().max(1000) }),
]);

export type ExecutionOf = {
  host: StepHost;
  run: RunPlan;
  node: PlanNode;
  hold: StrandHold;
  stores: { assets: AssetStore };
  /** As they are now: a strand that was written has another lease. */
  current(): { claimed: Claimed; lease: Lease };
  /** A line that the node wrote. */
  say(path: readonly number[], line: string): void;
};

export class Execution {
  readonly #of: ExecutionOf;
  /** Items of the range that were computed together. */
  readonly #together = new Map<Item, Begun>();
  #lastTogether: Item | null = null;
  /** Each item by itself: what was computed together came to nothing as a whole. */
  #isAlone = false;

  constructor(of: ExecutionOf) {
    this.#of = of;
  }

  /** `together`: these in the place of the one. */
  async execute(
    plugin: Plugin,
    item: Item,
    entry: Entry,
    input: unknown,
    facts: Map<string, string>,
    paused: Paused,
    together?: Item[],
  ): Promise<SandboxResult> {
    const { manifest } = plugin;
    const { run, strand } = this.#of.current().claimed;
    const policy = this.policy();
    const abort = new AbortController();
    const signal = AbortSignal.any([this.#of.hold.signal, abort.signal]);
    let highest = 0;
    const progress = (fraction: number, note?: string | null) => {
      highest = Math.max(highest, Math.min(1, fraction));
      this.#of.hold.progress(highest, note ?? null);
    };
    const key = { runId: run.id, node: this.#of.node.id, path: item.path };
    const { strand: held, token } = this.#of.current().lease;
    const lease = { strand: held, token };
    const pause = (until: Until, why: string) => {
      paused.until = until;
      paused.why = why;
      abort.abort();
    };
    const { workspaceId } = run;
    const foreign = this.#of.run.plugins.get(manifest.id);
    const rights = foreign && (await this.#of.host.plugins.hold(workspaceId, foreign, () => abort.abort()));
    if (rights && 'code' in rights) return { ok: false, error: rights };
    let connection: StepConnection | null = null;
    try {
      const right = accountRight(manifest);
      if (right !== null) rights?.demand(right);
      connection = await this.#connection(manifest, foreign, item, entry);
      if (entry === 'run' || entry === 'simulate') await this.#requirePostable(plugin, item, connection, signal);
    } catch (error) {
      rights?.release();
      if (error instanceof CapabilityError) return { ok: false, error: rights?.ended ?? error.error };
      throw error;
    }
    const turns = turnsOf({
      db: this.#of.host.db,
      workspaceId,
      runId: run.id,
      signal,
      pause: (afterMs, why) => pause({ afterMs }, why),
    });
    // a look-up was given its turn as a whole, before it began
    const ofItem = (holder: string) =>
      entry === 'lookup'
        ? { ...turns(holder), take: NO_TURNS.take }
        : turns(`${stepKey(this.#of.node.id, item.path)} ${holder}`);
    const scope = this.#scope(manifest, item.path, { signal, progress, turns: ofItem('step'), connection });
    const broker = createBroker(this.#of.host, {
      scope,
      entry,
      key,
      lease,
      nonce: run.nonce,
      isLive: this.#of.hold.isLive,
      turns: ofItem,
      effect: (at, name, request, isLive) =>
        performEffect(
          {
            db: this.#of.host.db,
            faults: this.#of.host.faults,
            send: (sender, wanted) => {
              const internal = this.#of.host.internalHosts.get(wanted.host ?? '');
              return internal ? internal.handle(sender, wanted) : sendHttp(sender, wanted, this.#of.host.fetcher);
            },
            turn: (asker, wanted, holder) =>
              this.#of.host.internalHosts.has(wanted.host ?? '')
                ? Promise.resolve()
                : takeHttpTurn({ ...asker, turns: ofItem(holder) }, wanted, { units: holder.startsWith('effect ') }),
            lookup: (effect) => this.#lookup(plugin, item, effect),
            pause: (afterMs, why) => pause({ afterMs }, why),
          },
          { scope: at, key, intent: run.intent, token: strand.token, isLive },
          name,
          request,
        ),
      wait: (name, request) =>
        waitFor({ db: this.#of.host.db, workspaceId: run.workspaceId, key, lease, pause }, name, request),
    });
    const limits =
      manifest.weight === 'heavy'
        ? LIMITS.heavy
        : Object.keys(manifest.capabilities).length > 0
          ? LIMITS.asking
          : LIMITS.pure;
    const configOf = (each: Item) => withoutTypes(manifest.config, each.config ?? {}) as Json;
    // a pure step draws the same numbers wherever its result may be used
    const seedOf = (each: Item) => each.key ?? `${run.seed}/${this.#of.node.id}/${each.path.join('.')}`;
    const step = stepKey(this.#of.node.id, item.path);
    const items = together?.length ?? 1;
    const trial = rights?.isDev
      ? createTrial({
          plugin: foreign!.plugin,
          runId: run.id,
          type: manifest.id,
          step,
          entry,
          attempt: strand.attempts,
          items,
        })
      : null;
    const answerFor = async (call: Call) => {
      if (!rights) return broker.answer(call);
      const sent = lengthOf(call.args);
      const asked = trial?.asked(call, sent);
      let entered: { done(receivedBytes: number): void } | undefined;
      let received = 0;
      try {
        entered = rights.enter(call, sent);
        const reply = await broker.answer(call);
        received = lengthOf(reply);
        asked?.({ reply, bytes: received });
        return reply;
      } catch (error) {
        asked?.({ error });
        throw error;
      } finally {
        entered?.done(received);
      }
    };
    const result = await this.#of.host.sandbox.run({
      workspaceId: run.workspaceId,
      ...this.#realm(manifest, entry),
      plugin: { digest: plugin.digest, code: plugin.code },
      entry,
      ctx: {
        config: configOf(item),
        now: scope.now,
        seed: seedOf(item),
        brand: scope.brand as Json,
        connection: ctxConnection(connection) ?? (manifest.connection ? nobody(manifest) : null),
      },
      inputs: input as Json,
      ...(together && {
        many: together.map((each) => ({ config: configOf(each), seed: seedOf(each), inputs: each.inputs as Json })),
      }),
      limits: {
        wallMs: (policy?.wall ?? manifest.limits?.wallSeconds ?? limits.wallMs / 1000) * 1000,
        cpuMs: (policy?.active ?? manifest.limits?.activeSeconds ?? limits.cpuMs / 1000) * 1000,
        memoryMb: manifest.limits?.memoryMb ?? LIMITS.memoryMb,
      },
      onCall: (call, callSignal) => {
        // what the node started ends with it
        callSignal.addEventListener('abort', () => abort.abort(), { once: true });
        return answerFor(call);
      },
      onEvent: (event) => {
        if (event.kind === 'progress') progress(event.fraction, event.note);
        else if (event.kind === 'fact') facts.set(event.name, event.value);
        else {
          trial?.log(event.line);
          this.#of.say(item.path, event.line);
        }
      },
      ...(trial && { onUsage: trial.used }),
      signal,
    });
    rights?.release();
    const ended: SandboxResult = rights?.ended ? { ok: false, error: rights.ended } : result;
    if (ended.ok && entry === 'run' && connection) {
      const { id: runId, brandId } = run;
      const about = { workspaceId, brandId, runId, node: this.#of.node.id, manifest, connection };
      await keepPublished(this.#of.host, { ...about, outputs: ended.value });
    }
    if (trial) {
      for (const { said } of together ? (resultsOf(result) ?? []) : []) {
        for (const event of said) if (event.kind === 'log') trial.log(event.line);
      }
      this.#of.host.plugins.keepTrial(workspaceId, foreign!, trial.over(ended));
    }
    return ended;
  }

  /** The brand's account at the node's service. A rehearsal does without. */
  async #connection(
    manifest: ManifestJson,
    foreign: ForeignPlugin | undefined,
    item: Item,
    entry: Entry,
  ): Promise<StepConnection | null> {
    const { connection, platform } = manifest;
    const { accounts } = this.#of.host;
    if (!connection || !platform || !accounts) return null;
    const { workspaceId, brandId } = this.#of.current().claimed.run;
    const wanted = (item.config as { account?: unknown } | null)?.account;
    try {
      return await openConnection(accounts, {
        ...{ workspaceId, brandId, plugin: foreign?.plugin ?? null, platform: connection.platform, about: platform },
        ...{ scopes: connection.scopes, wanted: typeof wanted === 'string' ? wanted : '' },
      });
    } catch (error) {
      if (entry === 'simulate' && error instanceof CapabilityError) return null;
      throw error;
    }
  }

  /** What its platform would refuse is not begun with. */
  async #requirePostable(
    plugin: Plugin | ForeignPlugin,
    item: Item,
    connection: StepConnection | null,
    signal: AbortSignal,
  ): Promise<void> {
    const { host, stores } = this.#of;
    if (!plugin.manifest.platform?.post || !host.accounts) return;
    const { sandbox, plugins } = host;
    const { workspaceId, brandId } = this.#of.current().claimed.run;
    const config = withoutTypes(plugin.manifest.config, item.config ?? {}) as Json;
    await requirePostable(
      { ...host.accounts, sandbox, plugins },
      { workspaceId, brandId, plugin, connection, config, inputs: item.inputs as Json, assets: stores.assets, signal },
    );
  }

  /** Which realm it runs in: one for the run, but a node that keeps nothing shares one with the brand's other runs. */
  #realm(manifest: ManifestJson, entry: Entry): Pick<SandboxRun, 'contextKey' | 'isKept'> {
    const { id, brandId } = this.#of.current().claimed.run;
    if (manifest.stateless && manifest.effect === 'pure') return { contextKey: `brand:${brandId}`, isKept: true };
    return { contextKey: entry === 'lookup' ? `${id}:lookup` : id };
  }

  async #lookup(plugin: Plugin, item: Item, effect: unknown): Promise<LookupResult> {
    const answer = await this.execute(plugin, item, 'lookup', effect, new Map(), {});
    if (!answer.ok) return { state: 'unknown', why: answer.error.message };
    const parsed = Lookup.safeParse(answer.value);
    return parsed.success
      ? (parsed.data as LookupResult)
      : { state: 'unknown', why: 'The look-up gave no clear answer.' };
  }

  /** For what is asked before it begins. */
  scopeBefore(manifest: ManifestJson, path: number[]): StepScope {
    return this.#scope(manifest, path, { signal: this.#of.hold.signal, progress: () => {}, turns: NO_TURNS });
  }

  #scope(
    manifest: ManifestJson,
    path: number[],
    lent: Pick<StepScope, 'signal' | 'progress' | 'turns' | 'connection'>,
  ): StepScope {
    const { run, strand } = this.#of.current().claimed;
    return {
      workspaceId: run.workspaceId,
      brandId: run.brandId,
      runId: run.id,
      stepId: `${run.id}/${stepKey(this.#of.node.id, path)}`,
      nodeId: this.#of.node.id,
      path,
      attempt: strand.attempts,
      now: new Date(strand.beganAt).toISOString(),
      manifest,
      brand: declaredKit(manifest, this.#of.run.kit),
      assets: this.#of.stores.assets,
      ...lent,
      log: (line) => this.#of.say(path, line),
    };
  }

  policy(): Policy | undefined {
    return this.#of.run.graph.nodes.find((each) => each.id === this.#of.node.id)?.policy;
  }

  // -------------------------------------------------------------- several at one time

  /** What asks for nothing, is tried for the first time and is paid by nobody may be computed together, and more than once. */
  mayComputeTogether({ manifest }: Plugin): boolean {
    const { attempts, deaths, lo, hi } = this.#of.current().claimed.strand;
    const isPaid = this.#of.run.graph.limits?.budget !== undefined || this.#of.run.plan.payers !== undefined;
    const asks = Object.keys(manifest.capabilities).length > 0;
    return (
      lo !== hi && manifest.effect === 'pure' && !asks && !isPaid && attempts === 1 && deaths === 0 && !this.#isAlone
    );
  }

  /** Begins with as many of these as are quick enough. */
  computeTogether(plugin: Plugin, next: Item[]): void {
    const pace = this.#of.host.pace.get(this.#paceKey);
    const most = this.#of.hold.isBesideOthers() ? TOGETHER_BESIDE : TOGETHER;
    const items = next.slice(0, pace === undefined ? 0 : Math.min(most, Math.floor(TOGETHER_MS / pace)));
    if (items.length < 2) return;
    const [first] = items as [Item];
    const begins = performance.now();
    const all = this.execute(plugin, first, 'run', null, new Map(), {}, items).then((whole) => {
      this.keepPace((performance.now() - begins) / items.length);
      const each = resultsOf(whole);
      return each?.length === items.length ? each : null;
    });
    all.catch(() => {}); // met where an item's turn comes; nobody where the range is given up before
    for (const [at, item] of items.entries()) {
      const facts = new Map<string, string>();
      const answer = all.then((each): SandboxResult => {
        const own = each?.[at];
        if (!own) return { ok: false, error: NOT_TOGETHER };
        for (const event of own.said) {
          if (event.kind === 'fact') facts.set(event.name, event.value);
          else if (event.kind === 'log') this.#of.say(item.path, event.line);
        }
        return own.ok ? { ok: true, value: (own.value ?? null) as Json } : { ok: false, error: own.error };
      });
      answer.catch(() => {});
      this.#together.set(item, { facts, answer });
    }
    this.#lastTogether = items.at(-1)!;
  }

  /** Remembers how long an item of this node takes in this run. */
  keepPace(ms: number): void {
    const { pace } = this.#of.host;
    if (pace.size > MOST_PACES) pace.clear();
    pace.set(this.#paceKey, ms);
  }

  get #paceKey(): string {
    return `${this.#of.current().claimed.run.id} ${this.#of.node.id}`;
  }

  /** What an item that was computed with others came to. A failure of the sandbox may be another's: it runs by itself then. */
  async togetherAnswer(item: Item, plugin: Plugin): Promise<(Begun & { result: SandboxResult }) | null> {
    const begun = this.#together.get(item);
    if (!begun) return null;
    const result = await begun.answer;
    if (result.ok || !result.error.code.startsWith('SANDBOX_')) return { ...begun, result };
    this.#isAlone = true;
    if (this.#of.hold.signal.aborted) return { ...begun, result };
    const facts = new Map<string, string>();
    const answer = this.execute(plugin, item, 'run', item.inputs, facts, {});
    return { facts, answer, result: await answer };
  }

  isTogether(item: Item): boolean {
    return this.#together.has(item);
  }

  /** Whether it is the last of those that were computed together. */
  isLastTogether(item: Item): boolean {
    return item === this.#lastTogether;
  }
}

/** Stands for the account in a rehearsal before one is connected. */
const nobody = ({ connection, platform }: ManifestJson): Json => ({
  id: '',
  name: 'no account yet',
  platform: connection!.platform,
  account: '',
  server: platform?.server.kind === 'fixed' ? platform.server.hosts[0]! : 'example.invalid',
});

/** Of a value as JSON, in characters. */
const lengthOf = (value: unknown) => JSON.stringify(value ?? null).length;
