/**
 * The worker's side of the ledger: claim, settle and what keeps leases honest. Each call is one function in the
 * database, one round trip, one commit (migrations/0005_ledger_functions.sql); it sets its workspace itself.
 */
import pg from 'pg';
import { clientConfig } from './connect.ts';
import type { StoredValue } from './values.ts';
import type { Writer } from './writer.ts';

export type LedgerStep = {
  node: string;
  path: number[];
  state: 'done' | 'failed' | 'blocked' | 'skipped' | 'cancelled';
  cause: string | null;
  error: unknown;
  outputs: Record<string, StoredValue>;
};
export type Claimed = {
  strand: {
    id: number;
    node: string;
    prefix: number[];
    lo: number | null;
    hi: number | null;
    lane: string;
    token: number;
    attempts: number;
    deaths: number;
    /** The step's instant: when it was first claimed. */
    beganAt: string;
    /** When it was claimed this time; absent where it was not claimed by itself. */
    claimedAt?: string;
  };
  run: {
    id: string;
    workspaceId: string;
    number: number;
    pipelineId: string;
    brandId: string;
    state: string;
    dryRun: boolean;
    intent: string;
    seed: number;
    nonce: string | null;
    afresh: string[];
    /** The same for runs that go by the same graph, plan, pins and kit, which are left out where the claim named it. */
    planKey: string | null;
    graph?: unknown;
    plan?: unknown;
    pins?: unknown;
    kit?: unknown;
  };
  /** Of a first step: what started the run, { node, kind, event, sample }, or null. */
  trigger?: unknown;
  inputs: LedgerStep[];
  overrides: { path: number[]; port: string; sourceDigest: string; value: unknown }[];
};
export type SettledRow = {
  node: string;
  path: readonly number[];
  state: 'done' | 'failed' | 'blocked' | 'skipped';
  attempt: number;
  inputs?: Record<string, { digest: string }[]>;
  outputs?: Record<string, StoredValue>;
  made?: Record<string, StoredValue>;
  error?: unknown;
  cause?: string | null;
  reason?: string | null;
  facts?: { name: string; value: string }[];
  reused_run?: string | null;
  reused_number?: number | null;
  began_at?: string | null;
  /** Why this step ends the whole run. */
  stop?: string | null;
};
export type MadeKey = {
  key: string;
  outputs: Record<string, StoredValue>;
  facts: { name: string; value: string }[];
  ambient: Record<string, string>;
};
export type Lease = { workspaceId: string; strand: number; worker: string; token: number };
/** An instant, or a while from now. */
export type Until = Date | 'infinity' | { afterMs: number };
export type KeyAnswer =
  | { key: string; found: 'mine' }
  /** Another strand makes it and this one may not wait: made again, not kept. */
  | { key: string; found: 'unkept' }
  | { key: string; found: 'making'; runNumber: number }
  | {
      key: string;
      found: 'made';
      outputs: Record<string, StoredValue>;
      facts: { name: string; value: string }[];
      ambient: Record<string, string>;
      runId: string;
      runNumber: number;
      brandId: string;
    };
export type Settlement = {
  steps: SettledRow[];
  tokens: unknown[];
  made: MadeKey[];
  troubles: number;
  /** The range goes on at this item; null: the strand is done. */
  goOn: number | null;
  chain: boolean;
  known: string[];
};
/** As a settlement; what begins for certain is said by the worker. */
export type Advance = Omit<Settlement, 'known' | 'tokens'> & {
  strands: { node: string; prefix: number[]; lo: number | null; hi: number | null; lane: string; began?: string }[];
  /** What has to be counted first. */
  tokens: unknown[];
  /** How many strands of each lane the worker can take itself: fewer wake nobody. */
  room: Record<string, number>;
  /** Whether the chained strand's inputs are read; else the worker has them. */
  loads: boolean;
  /** What the chained strand is called, of those taken by `strandIds`; null: as it comes. */
  nextId?: number | null;
  /** The corrections of the step are not known: where there are any, nothing is written. */
  unaware?: boolean;
};
/** A chained strand whose inputs the worker has itself. */
export type Taken = { strand: { id: number; beganAt: string }; overrides: Claimed['overrides'] };
export type AdvanceResult = { ended: boolean; lanes: Record<string, number>; chained: Claimed | Taken | null };
export type SettleResult = { ended: boolean; lanes: Record<string, number>; chained: Claimed | null };

/** The code of ledger_advance's refusal. */
const LEASE_LOST = 'SB001';

const text = (value: unknown) => JSON.stringify(value);

/** A deadlock or a serialization failure: the transaction did nothing and may simply be sent again. */
function mayRepeat(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === '40P01' || code === '40001';
}

async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= 5 || !mayRepeat(error)) throw error;
    }
  }
}

type Advancing = {
  lease: Lease;
  runId: string;
  advance: Advance;
  resolve(result: AdvanceResult | null): void;
  reject(error: unknown): void;
};
/** Settlements on their way at one time down one connection, and how many of those that wait go together. */
const MOST_SENDING = 4;
const MOST_TOGETHER = 16;
/** A way that settlements take one behind the other. */
type Way = {
  waiting: Advancing[];
  sending: number;
  query(name: string, sql: string, values: unknown[]): Promise<unknown[]>;
};

const argumentsOf = ({ lease, runId, advance }: Advancing): unknown[] => [
  lease.workspaceId,
  runId,
  lease.strand,
  lease.worker,
  lease.token,
  advance.steps,
  advance.strands,
  advance.tokens,
  advance.made,
  advance.troubles,
  advance.goOn,
  advance.room,
  advance.chain,
  advance.loads,
  advance.nextId ?? null,
  advance.unaware === true,
];

/** Those of one run always go down the same way of `writers`, so that they are written in the order of their calls. */
export function createLedger(pool: pg.Pool, writers: readonly Writer[] = []) {
  const call = <T>(name: string, sql: string, values: unknown[]): Promise<T[]> =>
    repeated(async () => {
      const { rows } = await pool.query<{ value: T }>({ name, text: sql, values });
      return rows.map((row) => row.value);
    });
  const one = async <T>(name: string, sql: string, values: unknown[]): Promise<T> =>
    (await call<T>(name, sql, values))[0] as T;

  const ways: Way[] = writers.map((writer) => ({
    waiting: [],
    sending: 0,
    query: (name, sql, values) =>
      repeated(async () => {
        const rows = await writer.query<{ value: unknown }>({ name, text: sql, values });
        return rows.map((row) => row.value);
      }),
  }));
  if (ways.length === 0) ways.push({ waiting: [], sending: 0, query: call });
  const wayOf = (runId: string) => ways[Number.parseInt(runId.slice(-2), 16) % ways.length]!;

  function sendAdvances(way: Way): void {
    if (way.waiting.length === 0 || way.sending >= MOST_SENDING) return;
    const batch = way.waiting.splice(0, MOST_TOGETHER);
    way.sending += 1;
    void (batch.length === 1 ? advanceOne(way, batch[0]!) : advanceMany(way, batch)).finally(() => {
      way.sending -= 1;
      sendAdvances(way);
    });
  }

  async function advanceOne(way: Way, one: Advancing): Promise<void> {
    try {
      const [answer] = (await way.query(
        'advance',
        'select ledger_advance($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) as value',
        argumentsOf(one).map((value) => (typeof value === 'object' && value !== null ? text(value) : value)),
      )) as (AdvanceResult | null)[];
      one.resolve(answer ?? null);
    } catch (error) {
      if ((error as { code?: string }).code === LEASE_LOST) one.resolve(null);
      else one.reject(error);
    }
  }

  async function advanceMany(way: Way, batch: Advancing[]): Promise<void> {
    batch.sort((a, b) => (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0));
    let answers: (AdvanceResult | null)[];
    try {
      answers = (await way.query('advance-many', 'select ledger_advance_many($1) as value', [
        text(batch.map(argumentsOf)),
      ])) as (AdvanceResult | null)[];
    } catch {
      // nothing of it was written; each alone, so that one's fault is not the others'
      await Promise.all(batch.map((one) => advanceOne(way, one)));
      return;
    }
    for (const [index, one] of batch.entries()) one.resolve(answers[index] ?? null);
  }

  return {
    /** Brands take turns: `after` had the last one of this worker. */
    claim: (lane: string, worker: string, most: number, known: string[], after: string | null = null) =>
      call<Claimed>('claim', 'select ledger_claim($1, $2, $3, $4, $5) as value', [lane, worker, most, known, after]),

    /** Lets held runs go whose pipeline has room for them by now; gives back which. */
    async letGo(): Promise<string[]> {
      const gone: string[] = [];
      for (;;) {
        const { rows } = await pool.query<{ workspace_id: string; run_id: string }>({
          name: 'next-held',
          text: 'select workspace_id, run_id from door.next_held()',
        });
        const [next] = rows;
        if (!next) return gone;
        const values = [next.workspace_id, next.run_id];
        if (!(await one<boolean>('let-go', 'select ledger_let_go($1, $2) as value', values))) return gone; // another did
        gone.push(next.run_id);
      }
    },

    /** Names for strands that are chained before the database has answered. */
    async strandIds(count: number): Promise<number[]> {
      return call<number>('strand-ids', `select nextval('strand_id_seq') as value from generate_series(1, $1)`, [
        count,
      ]);
    },

    /** Null: the lease was lost meanwhile, and nothing was written. */
    settle: (lease: Lease, settlement: Settlement) =>
      one<SettleResult | null>(
        'settle',
        'select ledger_settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as value',
        [
          lease.workspaceId,
          lease.strand,
          lease.worker,
          lease.token,
          text(settlement.steps),
          text(settlement.tokens),
          text(settlement.made),
          settlement.troubles,
          settlement.goOn,
          settlement.chain,
          settlement.known,
        ],
      ),

    /**
     * Null: the lease was lost meanwhile, and nothing was written. Alone it is a commit of its own; what comes while others
     * are being written goes together, in the next commit.
     */
    advance: (lease: Lease, runId: string, advance: Advance): Promise<AdvanceResult | null> =>
      new Promise((resolve, reject) => {
        const way = wayOf(runId);
        way.waiting.push({ lease, runId, advance, resolve, reject });
        sendAdvances(way);
      }),

    /**
     * `until` null: ready at once; 'infinity': until it is woken; { afterMs }: by the database's clock, not by this
     * machine's. `counts: false` gives the attempt back.
     */
    release: (lease: Lease, how: { until: Until | null; why: string | null; counts: boolean }) =>
      one<boolean>(
        'release',
        `select ledger_release($1, $2, $3, $4, coalesce($5, clock_timestamp() + $8 * interval '1 ms'), $6, $7) as value`,
        [
          lease.workspaceId,
          lease.strand,
          lease.worker,
          lease.token,
          typeof how.until === 'object' && how.until !== null && 'afterMs' in how.until ? null : how.until,
          how.why,
          how.counts,
          typeof how.until === 'object' && how.until !== null && 'afterMs' in how.until ? how.until.afterMs : null,
        ],
      ),

    /** Sleeps until one of `pending` is settled, at the latest until `until`; ready at once where one of them is by now. */
    awaitOthers: (
      lease: Lease,
      runId: string,
      how: { until: Date | 'infinity'; why: string; pending: readonly { node: string; path: readonly number[] }[] },
    ) =>
      one<boolean>('await', 'select ledger_await($1, $2, $3, $4, $5, $6, $7, $8) as value', [
        lease.workspaceId,
        runId,
        lease.strand,
        lease.worker,
        lease.token,
        how.until,
        how.why,
        text(how.pending),
      ]),

    halve: (lease: Lease, middle: number) =>
      one<boolean>('halve', 'select ledger_halve($1, $2, $3, $4, $5) as value', [
        lease.workspaceId,
        lease.strand,
        lease.worker,
        lease.token,
        middle,
      ]),

    /** Null: the lease was lost. A single `making` means: the strand sleeps until that is done. */
    takeKeys: (
      lease: Lease,
      wanted: { path: readonly number[]; key: string; maxAge: number | null }[],
      mayWait: boolean,
    ) =>
      one<KeyAnswer[] | null>('take-keys', 'select ledger_take_keys($1, $2, $3, $4, $5, $6) as value', [
        lease.workspaceId,
        lease.strand,
        lease.worker,
        lease.token,
        text(wanted),
        mayWait,
      ]),

    progress: (workspaceId: string, reports: { id: number; token: number; progress: number; note: string | null }[]) =>
      call<void>('progress', 'select ledger_progress($1, $2) as value', [workspaceId, text(reports)]),

    /** Makes strands of dead workers ready; gives back what was touched. */
    async reap(): Promise<{ workspace_id: string; run_id: string; lane: string }[]> {
      const { rows } = await pool.query<{ workspace_id: string; run_id: string; lane: string }>({
        name: 'reap',
        text: 'select workspace_id, run_id, lane from door.reap()',
      });
      return rows;
    },

    async due(): Promise<{ lane: string; ready: number }[]> {
      const { rows } = await pool.query<{ lane: string; ready: number }>({
        name: 'due',
        text: 'select lane, ready from door.due()',
      });
      return rows;
    },

    /** Gives back strands that are leased to this worker and that it does not hold. */
    async disown(worker: string, held: number[]): Promise<{ workspace_id: string; run_id: string; lane: string }[]> {
      const { rows } = await pool.query<{ workspace_id: string; run_id: string; lane: string }>({
        name: 'disown',
        text: 'select workspace_id, run_id, lane from door.disown($1, $2)',
        values: [worker, held],
      });
      return rows;
    },
  };
}
export type Ledger = ReturnType<typeof createLedger>;

/** Said by graphile-worker when a job is added: a claim need not wait until the job is fetched. */
const QUEUED = 'jobs:insert';
/** Said by `door.wake` where a job waits already. */
const WAKE = 'spliceboard_wake';

/** Classes of the session advisory lock by which a worker's life is known. */
const LIFE_LOCK = 7_268_412;

/**
 * A worker's connection of its own: its row, its session lock, its beat, and the ear for cancelled runs. While this
 * connection lives the worker lives; `lost` ends it for good.
 */
export type Life = {
  id: string;
  /** False: taken for dead; hold nothing and begin again. */
  beat(): Promise<boolean>;
  /** Which of these leases are not held any more. */
  lostOf(held: { strand: number; token: number }[]): Promise<number[]>;
  announce(runIds: string[]): Promise<void>;
  /** What health and `doctor` show of this worker. */
  describe(facts: unknown): Promise<void>;
  end(): Promise<void>;
};

export async function beginLife(
  url: string,
  worker: { id: string; name: string; facts: unknown; tags: readonly string[] },
  on: { cancelled(runId: string): void; queued(): void; lost(error: Error): void },
): Promise<Life> {
  const client = new pg.Client(clientConfig(url, 'app', 'worker'));
  let isEnding = false;
  client.on('error', (error) => {
    if (!isEnding) on.lost(error);
  });
  client.on('end', () => {
    if (!isEnding) on.lost(new Error('The connection to the database ended.'));
  });
  await client.connect();
  client.on('notification', ({ channel, payload }) => {
    if (channel === QUEUED || channel === WAKE) on.queued();
    else on.cancelled(payload ?? '');
  });
  await client.query(`listen spliceboard_cancel; listen "${QUEUED}"; listen ${WAKE}`);
  const { rows } = await client.query<{ lock: number }>(`select nextval('worker_lock')::int as lock`);
  const lock = rows[0]!.lock;
  await client.query('select pg_advisory_lock($1, $2)', [LIFE_LOCK, lock]);
  await client.query('insert into worker (id, lock_id, name, facts, tags) values ($1, $2, $3, $4, $5)', [
    worker.id,
    lock,
    worker.name,
    text(worker.facts),
    worker.tags,
  ]);
  let last: Promise<unknown> = Promise.resolve();
  /** Beats and announcements come from clocks of their own: each waits for the one before. */
  const inTurn = <Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<pg.QueryResult<Row>> => {
    const ask = () => client.query<Row>(query);
    const answer = last.then(ask, ask);
    last = answer;
    return answer;
  };
  return {
    id: worker.id,
    async beat() {
      const answer = await inTurn<{ alive: boolean }>({
        name: 'beat',
        text: 'select door.beat($1) as alive',
        values: [worker.id],
      });
      return answer.rows[0]!.alive;
    },
    async lostOf(held) {
      if (held.length === 0) return [];
      const answer = await inTurn<{ id: number }>({
        name: 'lost',
        text: 'select door.lost($1, $2, $3) as id',
        values: [worker.id, held.map((lease) => lease.strand), held.map((lease) => lease.token)],
      });
      return answer.rows.map((row) => row.id);
    },
    async announce(runIds) {
      for (let at = 0; at < runIds.length; at += 150) {
        await inTurn({
          name: 'announce',
          text: `select pg_notify('spliceboard_runs', $1)`,
          values: [runIds.slice(at, at + 150).join(',')],
        });
      }
    },
    async describe(facts) {
      await inTurn({ text: 'update worker set facts = $2 where id = $1', values: [worker.id, text(facts)] });
    },
    async end() {
      isEnding = true;
      await client.query('delete from worker where id = $1', [worker.id]).catch(() => {}); // reaped by whoever is left
      await client.end().catch(() => {});
    },
  };
}

/**
 * Hears which runs changed. Announcements may be lost: whoever listens also looks every 2 s. Rejects where no connection is
 * made; `lost` is said once, of one that was.
 */
export async function listenForRuns(
  url: string,
  on: { changed(runIds: string[]): void; lost(error: Error): void },
): Promise<{ end(): Promise<void> }> {
  const client = new pg.Client(clientConfig(url, 'app', 'listen'));
  let isEnding = true; // until it is there
  const lost = (error: Error) => {
    if (!isEnding) on.lost(error);
    isEnding = true;
  };
  client.on('error', lost);
  client.on('end', () => lost(new Error('The connection to the database ended.')));
  await client.connect();
  client.on('notification', (message) => on.changed((message.payload ?? '').split(',').filter(Boolean)));
  await client.query('listen spliceboard_runs');
  isEnding = false;
  return {
    async end() {
      isEnding = true;
      await client.end().catch(() => {});
    },
  };
}

/** Workers that beat within the last 4 s, for health and `doctor`. Not a tenant's data. */
export async function livingWorkers(
  pool: pg.Pool,
): Promise<{ id: string; name: string; startedAt: string; facts: unknown }[]> {
  const { rows } = await pool.query<{ id: string; name: string; started_at: Date; facts: unknown }>(
    `select id, name, started_at, facts from worker where beat_at > clock_timestamp() - interval '4 seconds' order by started_at`,
  );
  return rows.map((row) => ({ id: row.id, name: row.name, startedAt: row.started_at.toISOString(), facts: row.facts }));
}
