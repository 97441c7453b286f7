/**
 * One worker: keeps its life known to the others, claims strands lane by lane, and stops cleanly.
 *
 *   life      a row beaten each second and a session lock on a connection of its own; if that connection ends, or the
 *             last good beat is 2 s old, everything held is aborted and nothing more is sent
 *   lanes     light: many at once; media: few, they fill a machine; a worker's other tags: as few. A wake-up makes a lane
 *             claim until nothing is left
 *   reaper    each second: strands of dead workers are ready again, waits that are over are woken
 *   announce  ids of changed runs, after the commit, at most 20 times a second;
 *             an end at once where fewer were said lately
 */
import { randomUUID } from 'node:crypto';
import os from 'node:os';
import { createDatabase, createPool } from '../db/connect.ts';
import { beginLife, type Claimed, createLedger, type Life } from '../db/ledger.ts';
import { addTally } from '../db/metrics.ts';
import { createWriter } from '../db/writer.ts';
import type { BrandKit } from '../nodes/contract.ts';
import { localObjects, type Objects } from './assets.ts';
import type { Graph } from './graph/graph.ts';
import type { Plan } from './graph/plan.ts';
import { resolveNodes } from './graph/resolve.ts';
import { createPlugins } from './plugins.ts';
import { type Listening, listenToQueue } from './queue.ts';
import type { SealKey } from './seal.ts';
import { carryStrand } from './step.ts';
import type { Ahead, Carried, RunPlan, StepHost, StrandHold } from './strand.ts';
import { createTally } from './tally.ts';
import { workspaceStores } from './values.ts';

export type WorkerOptions = Pick<
  StepHost,
  'sandbox' | 'catalogue' | 'capabilities' | 'internalHosts' | 'fetcher' | 'faults' | 'log'
> & {
  url: string;
  /** Folder of the asset store, or of what it keeps on this machine. */
  assetsDir: string;
  /** Where assets lie; in `assetsDir` where absent. */
  objects?: Objects;
  /** Opens the secrets of accounts; without it none is connected. */
  sealKey?: SealKey;
  /** Slots per lane; `media` for each lane but `light`. */
  slots?: { light?: number; media?: number };
  /** The lanes it takes; light and media where absent. */
  tags?: readonly string[];
  /** What health and `doctor` show of this worker; asked each second. */
  facts?: () => Record<string, unknown>;
};
export type Worker = {
  id: string;
  /** How many strands are held now. */
  held(): number;
  /** Drains: claims nothing more, gives `graceMs` to what runs, then hands the rest back. */
  stop(graceMs?: number): Promise<void>;
};

const BEAT_MS = 1_000;
/** Reapers call us dead after 4 s; until 2 s the lease is surely ours. */
const LIVE_MS = 2_000;
const ANNOUNCE_MS = 50;
/** Light steps mostly wait, for the sandbox and for commits. */
const LIGHT_SLOTS = 16;
/** Of these, how many go through a list while nobody asks for one, and how many are claimed for those who ask. */
const MOST_RANGES = 2;
const MOST_ASKED = 4;
/** Places that become free one after the other are filled together, after at most this long. */
const FILL_MS = 4;
const ANNOUNCE_BURST = 8;
const PROGRESS_MS = 400;
/** What a kill -9 leaves uncounted. */
const TALLY_MS = 5_000;
/** Half the processors, but two where there are two: while one step decodes on one processor, another encodes. */
const mediaSlots = (processors: number) => Math.min(processors, Math.max(2, Math.floor(processors / 2)));

/** Light steps that follow one another run on without the queue this long while others of the lane wait. */
const CHAIN_MS = 100;
const BOTH_LANES = ['light', 'media'];
/** Connections that settlements are sent down, each run's always down the same. */
const WRITERS = 2;
/** Settlements of one chain whose answers have not come. */
const MOST_BEHIND = 4;
const IDS = 256;
const MEMORY_STEP = 16 * 1024 * 1024;
const KNOWN_RUNS = 100;
const KNOWN_PLANS = 32;
const KEPT_STORES = 8;

type Held = {
  claimed: Claimed;
  abort: AbortController;
  report: { progress: number; note: string | null } | null;
  /** The commit that leases it has been answered. */
  isSure: boolean;
};

export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const pool = createPool(options.url, 'app', { max: 10, name: 'worker' });
  const queuePool = createPool(options.url, 'owner', { max: 4, name: 'queue' });
  const writers = Array.from({ length: WRITERS }, () => createWriter(options.url, 'app', 'settle'));
  const ledger = createLedger(pool, writers);
  const tags = options.tags ?? BOTH_LANES;
  const objects = options.objects ?? localObjects(options.assetsDir);
  const db = createDatabase(pool);
  /** By run. */
  const plans = new Map<string, RunPlan>();
  /** By the key that runs of one plan have in common. */
  const shared = new Map<string, RunPlan>();
  /** Of the workspaces worked for last: each keeps values in memory. */
  const stores = new Map<string, ReturnType<typeof workspaceStores>>();
  const held = new Map<number, Held>();
  const changed = new Set<string>();
  let isStopping = false;
  let life: Life;
  let lastBeat = 0;

  const tally = createTally();
  const plugins = createPlugins({ db, log: options.log });
  const host: StepHost = {
    ...options,
    ...(options.sealKey && { accounts: { db, sealKey: options.sealKey, fetcher: options.fetcher } }),
    plugins,
    pace: new Map(),
    tally,
    ledger,
    db,
    stores(workspaceId) {
      const known = stores.get(workspaceId) ?? workspaceStores(objects, db, workspaceId);
      stores.delete(workspaceId); // to the young end
      stores.set(workspaceId, known);
      if (stores.size > KEPT_STORES) stores.delete(stores.keys().next().value!);
      return known;
    },
    known: () => [...shared.keys()],
  };

  // ---------------------------------------------------------------- life

  let described = '';
  const factsNow = () => ({
    pid: process.pid,
    slots: Object.fromEntries(tags.map((tag) => [tag, slotsOf(tag)])),
    // in large steps: it is written down when it changes
    memoryBytes: Math.round(process.memoryUsage.rss() / MEMORY_STEP) * MEMORY_STEP,
    ...options.facts?.(),
  });
  const isLive = () => performance.now() - lastBeat < LIVE_MS;
  const dropAll = () => {
    for (const { abort } of held.values()) abort.abort();
  };

  async function begin(): Promise<void> {
    life = await beginLife(
      options.url,
      { id: randomUUID(), name: `${os.hostname()}:${process.pid}`, facts: factsNow(), tags },
      {
        cancelled(runId) {
          for (const { claimed, abort } of held.values()) if (claimed.run.id === runId) abort.abort();
        },
        queued() {
          for (const lane of Object.values(lanes)) lane.ask();
        },
        lost(error) {
          options.log('The worker lost its database connection.', { err: error });
          lastBeat = 0;
          dropAll();
          if (!isStopping) void beginAgain();
        },
      },
    );
    lastBeat = performance.now();
  }

  let beginning: Promise<void> | undefined;
  function beginAgain(): Promise<void> {
    beginning ??= (async () => {
      for (let waitMs = 100; !isStopping; waitMs = Math.min(waitMs * 2, 2_000)) {
        try {
          await begin();
          for (const lane of Object.values(lanes)) lane.poke();
          return;
        } catch {
          await new Promise((resolve) => setTimeout(resolve, waitMs)); // the database restarts; this goes on until it is back
        }
      }
    })().finally(() => {
      beginning = undefined;
    });
    return beginning;
  }

  async function beat(): Promise<void> {
    const began = performance.now();
    if (!(await life.beat())) {
      options.log('The worker was taken for dead and begins again.', {});
      lastBeat = 0;
      dropAll();
      await life.end();
      return beginAgain();
    }
    lastBeat = began;
    const leases = [...held.values()]
      .filter(({ isSure }) => isSure)
      .map(({ claimed }) => ({
        strand: claimed.strand.id,
        token: claimed.strand.token,
      }));
    for (const strand of await life.lostOf(leases)) held.get(strand)?.abort.abort();
    const facts = factsNow();
    if (JSON.stringify(facts) !== described) {
      described = JSON.stringify(facts);
      await life.describe(facts);
    }
  }

  async function look(): Promise<void> {
    for (const { run_id } of await ledger.reap()) changed.add(run_id);
    for (const { run_id } of await ledger.disown(life.id, [...held.keys()])) changed.add(run_id);
    for (const runId of await ledger.letGo()) changed.add(runId);
    for (const { lane } of await ledger.due()) lanes[lane]?.poke();
    for (const tag of tags) if (!BOTH_LANES.includes(tag)) lanes[tag]!.poke(); // nobody wakes them but these looks and their first wake-up
  }

  // ---------------------------------------------------------------- lanes

  function createLane(name: string, slots: number) {
    let active = 0;
    /** Those of them that go through a list. */
    let ranges = 0;
    let wanted = false;
    let isClaiming = false;
    let isFilling = false;
    /** Strands that came while every place was taken: as many ranges give theirs back. */
    let asked = 0;
    /** The brand that had the last turn. */
    let served: string | null = null;
    const idle: (() => void)[] = [];

    /** One claim at a time, for as many as there is room: those that end meanwhile are made good together. */
    async function claim(): Promise<void> {
      isClaiming = true;
      try {
        while (wanted && !isStopping && isLive()) {
          const room = roomNow();
          if (room === 0) break;
          wanted = false;
          asked = Math.max(0, asked - room);
          const known = new Map(shared); // what is said to be known is still there when the answer comes
          await options.faults.at('claim.asked');
          const found = await ledger.claim(name, life.id, room, [...known.keys()], served);
          served = found.at(-1)?.run.brandId ?? served;
          for (const claimed of found) void carry(claimed, known.get(claimed.run.planKey ?? ''));
          if (found.length === room) wanted = true; // there may be more
        }
      } catch (error) {
        options.log('A claim failed.', { lane: name, err: error }); // looked at again within a second
      } finally {
        isClaiming = false;
        rested();
      }
    }
    /**
     * How many to claim now. A few ranges keep the sandbox busy: more of them would only stand before a run that comes
     * meanwhile, so beside them a claim is made for whoever asks.
     */
    function roomNow(): number {
      return Math.min(slots - active, Math.max(MOST_RANGES - ranges, Math.min(asked, MOST_ASKED)));
    }
    async function carry(claimed: Claimed, known: RunPlan | undefined): Promise<void> {
      const { lo, hi } = claimed.strand;
      const isRange = lo !== hi;
      active++;
      if (isRange) ranges++;
      try {
        await follow(claimed, known);
      } finally {
        active--;
        if (isRange) ranges--;
        rested();
        poke();
      }
    }
    function rested(): void {
      if (active === 0 && !isClaiming) for (const done of idle.splice(0)) done();
    }
    function poke(): void {
      wanted = true;
      if (isStopping || isClaiming || roomNow() === 0) return;
      if (active * 2 <= slots) void claim();
      else if (!isFilling) {
        isFilling = true;
        setTimeout(() => {
          isFilling = false;
          if (!isStopping && !isClaiming && roomNow() > 0) void claim();
        }, FILL_MS);
      }
    }
    return {
      poke,
      /** Strands that could begin now; whoever asks is about to be free. */
      room: () => (isStopping ? 0 : slots - active),
      /** Somebody new has something to do. */
      ask() {
        if (active >= slots || ranges >= MOST_RANGES) asked = Math.min(asked + 1, slots);
        poke();
      },
      /** Whether a range should go to the end of the queue, so that somebody who came meanwhile has its place. */
      giveWay() {
        if (asked === 0) return false;
        asked -= 1;
        return true;
      },
      /** Whether others of the lane run too. */
      isShared: () => active > 1,
      /** Whether others than ranges run. */
      isMixed: () => active > ranges,
      /** Resolves when nothing of the lane runs. */
      rest: () =>
        active === 0 && !isClaiming ? Promise.resolve() : new Promise<void>((resolve) => idle.push(resolve)),
    };
  }

  const slotsOf = (tag: string) =>
    tag === 'light'
      ? (options.slots?.light ?? LIGHT_SLOTS)
      : (options.slots?.media ?? mediaSlots(os.availableParallelism()));
  const lanes: Record<string, ReturnType<typeof createLane>> = Object.fromEntries(
    tags.map((tag) => [tag, createLane(tag, slotsOf(tag))]),
  );

  const ids: number[] = [];
  let areIdsComing = false;
  function strandId(): number | null {
    if (ids.length < IDS / 2 && !areIdsComing) {
      areIdsComing = true;
      ledger
        .strandIds(IDS)
        .then(
          (more) => ids.push(...more),
          () => {}, // without them each settlement is waited for
        )
        .finally(() => {
          areIdsComing = false;
        });
    }
    return ids.shift() ?? null;
  }

  /**
   * A strand, and the light ones that follow it directly. Where the next one is computed already, its settlement is sent
   * behind that of this one without waiting for the answer; once one of them is not written, none behind it is.
   */
  async function follow(first: Claimed, known: RunPlan | undefined): Promise<void> {
    const began = performance.now();
    let next: Claimed | null = first;
    let ahead: Ahead | null = null;
    let carried: Carried | null = null;
    let behind: Promise<boolean> = Promise.resolve(true);
    let waiting = 0;
    let isBroken = false;
    while (next) {
      const claimed: Claimed = next;
      next = null;
      const hold: Held = { claimed, abort: new AbortController(), report: null, isSure: waiting === 0 };
      held.set(claimed.strand.id, hold);
      changed.add(claimed.run.id);
      const before: Promise<boolean> = behind;
      void before.then((isWritten) => {
        hold.isSure = isWritten;
        if (!isWritten) hold.abort.abort();
      });
      const begun: Ahead | null = ahead;
      ahead = null;
      const along: Carried | null = carried;
      carried = null;
      let sent: Promise<boolean> | null = null;
      let plan: RunPlan | null = null;
      try {
        const found = planOf(claimed, known);
        plan = found instanceof Promise ? await found : found;
        const its: RunPlan = plan;
        const hands: StrandHold = {
          workerId: life.id,
          signal: hold.abort.signal,
          isLive,
          progress(fraction, note) {
            hold.report = { progress: fraction, note };
          },
          room: () =>
            Object.fromEntries(
              Object.entries(lanes).map(([name, lane]) => [name, lane.room() + (name === claimed.strand.lane ? 1 : 0)]),
            ),
          mayChain: () => lanes.light !== undefined && !isStopping && isLive() && performance.now() - began < CHAIN_MS,
          runOn: () => (isBroken || waiting >= MOST_BEHIND || its.isCorrected ? null : strandId()),
          behind: before,
          givesWay: () => lanes[claimed.strand.lane]?.giveWay() === true,
          isBesideOthers: () => lanes[claimed.strand.lane]?.isMixed() === true,
          gathers: () => lanes[claimed.strand.lane]?.isShared() === true && its.isCorrected !== true,
          moved({ id, token }) {
            held.delete(hold.claimed.strand.id);
            hold.claimed = { ...claimed, strand: { ...claimed.strand, id, token } };
            hold.isSure = true;
            held.set(id, hold);
          },
        };
        const end = await carryStrand(host, claimed, its, hands, begun, along);
        if (end.kind === 'gathered') {
          next = end.chained;
          ahead = end.ahead;
          carried = end.carried;
        } else if (end.kind === 'sent') {
          sent = end.written;
          waiting += 1;
          next = end.chained;
          ahead = end.ahead;
        } else if (end.kind === 'settled') {
          next = end.chained;
          ahead = end.ahead ?? null;
          if (end.ended) {
            plans.delete(claimed.run.id);
            changed.add(claimed.run.id);
            setImmediate(announceSoon);
            if (its.graph.limits?.atOnce !== undefined) letNextGo();
          }
        } else if (end.kind === 'lost' && begun?.isUnaware) await refused(hold.claimed, its);
        if (end.kind === 'settled' || end.kind === 'released') for (const lane of end.lanes) lanes[lane]?.poke();
      } catch (error) {
        await failed(hold.claimed, error);
      } finally {
        changed.add(claimed.run.id);
        if (sent === null) held.delete(hold.claimed.strand.id);
      }
      if (sent === null) continue;
      const isUnaware = begun?.isUnaware === true;
      const of: RunPlan | null = plan;
      behind = sent.then(
        async (isWritten) => {
          if (!isWritten && (await before) && isUnaware) await refused(hold.claimed, of!);
          return isWritten;
        },
        async (error) => {
          await failed(hold.claimed, error);
          return false;
        },
      );
      behind = behind.then((isWritten) => {
        waiting -= 1;
        if (!isWritten) isBroken = true;
        held.delete(hold.claimed.strand.id);
        return isWritten;
      });
    }
    await behind;
  }

  /** What was sent without knowing the step's corrections was not written: it is claimed again, and told of them. */
  async function refused(claimed: Claimed, plan: RunPlan): Promise<void> {
    plan.isCorrected = true;
    const { run, strand } = claimed;
    const lease = { workspaceId: run.workspaceId, strand: strand.id, worker: life.id, token: strand.token };
    await ledger.release(lease, { until: null, why: null, counts: false }).catch(() => {}); // then it is disowned
    lanes.light?.poke();
  }

  async function failed(claimed: Claimed, error: unknown): Promise<void> {
    options.log('A step failed on our side.', {
      runId: claimed.run.id,
      run: claimed.run.number,
      step: `${claimed.strand.node}@${claimed.strand.prefix.join('.')}`,
      attempt: claimed.strand.attempts,
      worker: life.id,
      err: error,
    });
    await giveBack(claimed, error);
  }

  /** A run that waits for this one's end begins now, not at the next look. */
  function letNextGo(): void {
    ledger.letGo().then(
      (runIds) => {
        for (const runId of runIds) changed.add(runId);
        if (runIds.length > 0) for (const lane of Object.values(lanes)) lane.poke();
      },
      (error) => options.log('A held run was not let go.', { err: error }), // tried again within a second
    );
  }

  /** A fault of ours: the strand goes back and is tried again a little later, on a connection that works. */
  async function giveBack(claimed: Claimed, error: unknown): Promise<void> {
    const lease = {
      workspaceId: claimed.run.workspaceId,
      strand: claimed.strand.id,
      worker: life.id,
      token: claimed.strand.token,
    };
    const isEarly = claimed.strand.attempts < 3;
    const until = { afterMs: isEarly ? 1_000 : 15_000 };
    const why = `Something went wrong on our side; trying again. (${String((error as Error)?.message ?? error).slice(0, 200)})`;
    await ledger.release(lease, { until, why, counts: true }).catch(() => {}); // then the reaper does it
  }

  /** Waits for something only where plugins are in it that are not loaded yet. */
  function planOf(claimed: Claimed, before: RunPlan | undefined): RunPlan | Promise<RunPlan> {
    const { id, planKey, workspaceId, plan, kit } = claimed.run;
    const own = plans.get(id);
    if (own) return remember(claimed, own);
    const same = (planKey === null ? undefined : shared.get(planKey)) ?? before;
    if (same) return share(claimed, same);
    const graph = claimed.run.graph as Graph;
    const pins = claimed.run.pins as RunPlan['pins'];
    const foreign = Object.entries(pins).filter(([type]) => !options.catalogue.plugin(type));
    const made = (loaded: RunPlan['plugins']): RunPlan => {
      const all = [...options.catalogue.manifests, ...[...loaded.values()].map(({ manifest }) => manifest)];
      const manifests = resolveNodes(graph, all);
      return { graph, plan: plan as Plan, pins, kit: kit as BrandKit, plugins: loaded, manifests };
    };
    if (foreign.length === 0) return share(claimed, made(new Map()));
    // what is missing now may be back later: such a plan is not remembered
    return plugins
      .pinned(workspaceId, Object.fromEntries(foreign))
      .then((loaded) => (loaded.size === foreign.length ? share(claimed, made(loaded)) : made(loaded)));
  }

  /** For all runs of this plan; what is found out of a run is its own. */
  function share(claimed: Claimed, same: RunPlan): RunPlan {
    const { planKey } = claimed.run;
    if (planKey !== null) {
      shared.delete(planKey); // to the young end
      shared.set(planKey, same);
      if (shared.size > KNOWN_PLANS) shared.delete(shared.keys().next().value!);
    }
    return remember(claimed, { ...same });
  }

  function remember({ run: { id } }: Claimed, own: RunPlan): RunPlan {
    plans.delete(id); // to the young end
    plans.set(id, own);
    for (const old of plans.keys()) {
      if (plans.size <= KNOWN_RUNS) break;
      if (![...held.values()].some((each) => each.claimed.run.id === old)) plans.delete(old);
      else break;
    }
    return own;
  }

  // ---------------------------------------------------------------- reports

  /** How often now: at most 20 times a second on average, a few at once after a rest. */
  let mayAnnounce = ANNOUNCE_BURST;
  let countedAt = performance.now();
  async function announce(): Promise<void> {
    const now = performance.now();
    mayAnnounce = Math.min(ANNOUNCE_BURST, mayAnnounce + (now - countedAt) / ANNOUNCE_MS);
    countedAt = now;
    if (changed.size === 0 || mayAnnounce < 1 || !isLive()) return;
    mayAnnounce -= 1;
    const ids = [...changed];
    changed.clear();
    await life.announce(ids);
  }
  /** An end that somebody waits for does not wait for the next turn. */
  function announceSoon(): void {
    announce().catch((error) => options.log('The announcement failed.', { err: error }));
  }

  async function report(): Promise<void> {
    const byWorkspace = new Map<string, { id: number; token: number; progress: number; note: string | null }[]>();
    for (const { claimed, report: news } of held.values()) {
      if (!news) continue;
      const list = byWorkspace.get(claimed.run.workspaceId) ?? [];
      list.push({ id: claimed.strand.id, token: claimed.strand.token, ...news });
      byWorkspace.set(claimed.run.workspaceId, list);
      changed.add(claimed.run.id);
    }
    for (const each of held.values()) each.report = null;
    for (const [workspaceId, reports] of byWorkspace) await ledger.progress(workspaceId, reports);
  }

  async function writeTally(): Promise<void> {
    const counted = tally.take();
    try {
      await addTally(db, counted);
    } catch (error) {
      tally.keep(counted);
      throw error;
    }
  }

  /** Runs `work` again and again, never twice at once; a failure is said and the next turn comes all the same. */
  function every(ms: number, what: string, work: () => Promise<void>): { end(): Promise<void> } {
    let current: Promise<void> = Promise.resolve();
    let isBusy = false;
    const timer = setInterval(() => {
      if (isBusy) return;
      isBusy = true;
      current = work()
        .catch((error) => {
          if (!isStopping) options.log(`${what} failed.`, { err: error });
        })
        .finally(() => {
          isBusy = false;
        });
    }, ms);
    return {
      end() {
        clearInterval(timer);
        return current;
      },
    };
  }

  await begin();
  const queues: Listening[] = [];
  for (const [name, lane] of Object.entries(lanes)) {
    // A wake-up never fails and holds nothing: a lane's slots are its own.
    const tasks = { [`wake:${name}`]: async () => lane.poke() };
    queues.push(await listenToQueue({ pool: queuePool, tasks, pollMs: 2_000, log: options.log }));
  }
  const turns = [
    every(BEAT_MS, 'The beat', beat),
    every(BEAT_MS, 'The reaper', look),
    every(ANNOUNCE_MS, 'The announcement', announce),
    every(PROGRESS_MS, 'The progress report', report),
    every(TALLY_MS, 'The tally', writeTally),
  ];
  await look();
  for (const lane of Object.values(lanes)) lane.poke();

  return {
    get id() {
      return life.id;
    },
    held: () => held.size,
    async stop(graceMs = 5_000) {
      isStopping = true;
      await Promise.all(queues.map((queue) => queue.stop()));
      const rest = Promise.all(Object.values(lanes).map((lane) => lane.rest()));
      const timer = setTimeout(dropAll, graceMs);
      await rest;
      clearTimeout(timer);
      await Promise.all(turns.map((turn) => turn.end()));
      await writeTally().catch(() => {}); // figures only
      await announce().catch(() => {}); // whoever listens looks every 2 s anyway
      await plugins.stop();
      await life.end();
      await Promise.all([pool.end(), queuePool.end(), ...writers.map((writer) => writer.end())]);
    },
  };
}
