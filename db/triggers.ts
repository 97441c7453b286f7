/**
 * Triggers: which nodes of a published pipeline start runs by themselves, for which brand, and what they accepted. An
 * event, its run and the run's first wake-up are one commit (`accept_event`); its key makes it start one run only.
 */
import { sql } from 'kysely';
import type pg from 'pg';
import type { Database } from './connect.ts';
import { type WorkspaceTx, withHeld } from './workspace.ts';

export type TriggerKindRow = 'webhook' | 'schedule' | 'asset' | 'feed';
export type TriggerRow = {
  id: string;
  pipelineId: string;
  brandId: string;
  brandZone: string;
  node: string;
  kind: TriggerKindRow;
  isOn: boolean;
  version: number;
  config: unknown;
  pathSealed: string | null;
  secretSealed: string | null;
  nextAt: Date | null;
  cursor: unknown;
  heldBy: string | null;
  problem: unknown;
  note: string | null;
};

const COLUMNS = [
  'pipeline_trigger.id',
  'pipeline_trigger.pipeline_id',
  'pipeline_trigger.brand_id',
  'brand.time_zone',
  'pipeline_trigger.node',
  'pipeline_trigger.kind',
  'pipeline_trigger.is_on',
  'pipeline_trigger.version',
  'pipeline_trigger.config',
  'pipeline_trigger.path_sealed',
  'pipeline_trigger.secret_sealed',
  'pipeline_trigger.next_at',
  'pipeline_trigger.cursor',
  'pipeline_trigger.held_by',
  'pipeline_trigger.problem',
  'pipeline_trigger.note',
] as const;

function selectTriggers(tx: WorkspaceTx) {
  return tx
    .selectFrom('pipeline_trigger')
    .innerJoin('brand', (join) =>
      join
        .onRef('brand.workspace_id', '=', 'pipeline_trigger.workspace_id')
        .onRef('brand.id', '=', 'pipeline_trigger.brand_id')
        .on('brand.removed_at', 'is', null),
    )
    .innerJoin('pipeline', (join) =>
      join
        .onRef('pipeline.workspace_id', '=', 'pipeline_trigger.workspace_id')
        .onRef('pipeline.id', '=', 'pipeline_trigger.pipeline_id')
        .on('pipeline.removed_at', 'is', null),
    )
    .select(COLUMNS);
}

type Selected = Awaited<ReturnType<ReturnType<typeof selectTriggers>['execute']>>[number];

function triggerRow(row: Selected): TriggerRow {
  return {
    id: row.id,
    pipelineId: row.pipeline_id,
    brandId: row.brand_id,
    brandZone: row.time_zone,
    node: row.node,
    kind: row.kind as TriggerKindRow,
    isOn: row.is_on,
    version: row.version,
    config: row.config,
    pathSealed: row.path_sealed,
    secretSealed: row.secret_sealed,
    nextAt: row.next_at,
    cursor: row.cursor,
    heldBy: row.held_by,
    problem: row.problem,
    note: row.note,
  };
}

/** Of one pipeline; those of removed brands and pipelines are not there. */
export async function listTriggers(
  tx: WorkspaceTx,
  of: { pipelineId: string; brandId?: string },
): Promise<TriggerRow[]> {
  let query = selectTriggers(tx)
    .where('pipeline_trigger.pipeline_id', '=', of.pipelineId)
    .orderBy('pipeline_trigger.id');
  if (of.brandId !== undefined) query = query.where('pipeline_trigger.brand_id', '=', of.brandId);
  return (await query.execute()).map(triggerRow);
}

/** Undefined where it, its brand or its pipeline is gone. */
export async function getTrigger(tx: WorkspaceTx, id: string): Promise<TriggerRow | undefined> {
  const row = await selectTriggers(tx).where('pipeline_trigger.id', '=', id).executeTakeFirst();
  return row && triggerRow(row);
}

/** All of a kind that are on in this workspace. */
export async function triggersOn(tx: WorkspaceTx, kind: TriggerKindRow): Promise<TriggerRow[]> {
  const query = selectTriggers(tx).where('pipeline_trigger.kind', '=', kind).where('pipeline_trigger.is_on', '=', true);
  return (await query.orderBy('pipeline_trigger.id').execute()).map(triggerRow);
}

export type TriggerSetting = {
  node: string;
  kind: TriggerKindRow;
  config: unknown;
  nextAt: Date | null;
  /** For a webhook that has no address yet. */
  path: { id: string; sha256: string; sealed: string } | null;
};

/**
 * Makes these the triggers that are on for a pipeline and brand; others of it go off. A trigger keeps its address, its
 * secret and, where its settings are the same, its next time and what it knows of its feed.
 */
export async function setTriggers(
  tx: WorkspaceTx,
  of: { pipelineId: string; brandId: string; version: number },
  settings: readonly TriggerSetting[],
): Promise<void> {
  await tx
    .updateTable('pipeline_trigger')
    .set({ is_on: false, next_at: null, held_by: null, held_until: null })
    .where('pipeline_id', '=', of.pipelineId)
    .where('brand_id', '=', of.brandId)
    .where('node', 'not in', settings.length > 0 ? settings.map(({ node }) => node) : [''])
    .execute();
  for (const { node, kind, config, nextAt, path } of settings) {
    await sql`
      insert into pipeline_trigger as t (id, pipeline_id, brand_id, node, kind, version, config, next_at, path_sha256, path_sealed)
      values (coalesce(${path?.id ?? null}::uuid, gen_random_uuid()), ${of.pipelineId}, ${of.brandId}, ${node}, ${kind}, ${of.version},
              ${JSON.stringify(config)}::jsonb, ${nextAt}, ${path?.sha256 ?? null}, ${path?.sealed ?? null})
      on conflict (pipeline_id, brand_id, node) do update
        set is_on = true, kind = excluded.kind, version = excluded.version, config = excluded.config,
            next_at = case when t.config = excluded.config and t.kind = excluded.kind and t.next_at is not null
                           then t.next_at else excluded.next_at end,
            -- another feed begins anew
            cursor = case when t.config -> 'url' is not distinct from excluded.config -> 'url' then t.cursor else '{}' end,
            held_by = null, held_until = null, problem = null, note = null, updated_at = clock_timestamp()`.execute(tx);
  }
}

/** False where nothing of it was on. Addresses and secrets stay for the next time. */
export async function turnTriggersOff(tx: WorkspaceTx, of: { pipelineId: string; brandId?: string }): Promise<boolean> {
  let query = tx
    .updateTable('pipeline_trigger')
    .set({ is_on: false, next_at: null, held_by: null, held_until: null })
    .where('pipeline_id', '=', of.pipelineId)
    .where('is_on', '=', true);
  if (of.brandId !== undefined) query = query.where('brand_id', '=', of.brandId);
  return (await query.executeTakeFirst()).numUpdatedRows > 0n;
}

export async function setTriggerSecret(tx: WorkspaceTx, id: string, sealed: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('pipeline_trigger')
    .set({ secret_sealed: sealed, updated_at: new Date() })
    .where('id', '=', id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** A new address; the old one answers no more. */
export async function setTriggerPath(
  tx: WorkspaceTx,
  id: string,
  path: { sha256: string; sealed: string },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('pipeline_trigger')
    .set({ path_sha256: path.sha256, path_sealed: path.sealed, updated_at: new Date() })
    .where('id', '=', id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** After a schedule's turn or a look at a feed. `heldBy`: only while this look still holds it. */
export async function moveTrigger(
  tx: WorkspaceTx,
  id: string,
  to: { nextAt: Date | null; note?: string | null; problem?: unknown; cursor?: unknown; heldBy?: string },
): Promise<boolean> {
  let query = tx
    .updateTable('pipeline_trigger')
    .set({
      next_at: to.nextAt,
      held_by: null,
      held_until: null,
      problem: to.problem === undefined || to.problem === null ? null : JSON.stringify(to.problem),
      ...(to.note === undefined ? {} : { note: to.note }),
      ...(to.cursor === undefined ? {} : { cursor: JSON.stringify(to.cursor) }),
    })
    .where('id', '=', id)
    .where('is_on', '=', true);
  if (to.heldBy !== undefined) query = query.where('held_by', '=', to.heldBy);
  return (await query.executeTakeFirst()).numUpdatedRows > 0n;
}

// ---------------------------------------------------------------- accepting

export type Accepted = { isNew: boolean; isReplay: boolean; runId: string | null; number: number | null };
export type Acceptance = {
  workspaceId: string;
  triggerId: string;
  /** The published version that `run` was made from. */
  version: number;
  key: string;
  /** With a new key, one of these that is known is a replay. */
  guard?: string | null;
  /** The raw bytes, where they are few. */
  body?: Uint8Array | null;
  /** JSON text: { key, trigger, graph, plan, pins, first } */
  run: string;
};

const ACCEPT = 'select accept_event($1, $2, $3, $4, $5, $6, $7) as accepted';

/** One round trip, one commit. Undefined: the trigger is off, of another version, or its brand is gone. */
export async function acceptEvent(
  queryable: Pick<pg.Pool, 'query'>,
  { workspaceId, triggerId, version, key, guard, body, run }: Acceptance,
): Promise<Accepted | undefined> {
  const { rows } = await queryable.query<{ accepted: Accepted | null }>({
    name: 'accept',
    text: ACCEPT,
    values: [workspaceId, triggerId, version, key, guard ?? null, body ?? null, run],
  });
  return rows[0]!.accepted ?? undefined;
}

/** In a batch at most; what comes meanwhile is in the next. */
const MOST_TOGETHER = 50;
const MOST_TOGETHER_BYTES = 4 * 1024 * 1024;

/**
 * Accepts events of a workspace that come at the same time together, in one commit: a number is given to each after the one
 * before it, so that each by itself would wait for the commits of all before. Each waits for one commit at most before its own.
 * Where the database refuses a batch, each of it is accepted by itself.
 */
export function createAcceptor(pool: Pick<pg.Pool, 'query'>): (event: Acceptance) => Promise<Accepted | undefined> {
  type Waiting = { event: Acceptance; settle: PromiseWithResolvers<Accepted | undefined> };
  const waiting = new Map<string, Waiting[]>();

  async function work(workspaceId: string, queue: Waiting[]): Promise<void> {
    while (queue.length > 0) {
      let bytes = 0;
      const size = queue.findIndex(({ event }, at) => {
        bytes += event.run.length + (event.body?.length ?? 0);
        return at > 0 && (at >= MOST_TOGETHER || bytes > MOST_TOGETHER_BYTES);
      });
      const batch = queue.splice(0, size < 0 ? queue.length : size);
      const events = batch.map(({ event }) => event);
      const answers = events.length > 1 ? await acceptTogether(pool, workspaceId, events).catch(() => null) : null;
      await Promise.all(
        batch.map(async ({ event, settle }, at) => {
          if (answers) settle.resolve(answers[at]);
          else await acceptEvent(pool, event).then(settle.resolve, settle.reject);
        }),
      );
    }
    waiting.delete(workspaceId);
  }

  return (event) => {
    const settle = Promise.withResolvers<Accepted | undefined>();
    const queue = waiting.get(event.workspaceId);
    if (queue) queue.push({ event, settle });
    else {
      const own = [{ event, settle }];
      waiting.set(event.workspaceId, own);
      void work(event.workspaceId, own);
    }
    return settle.promise;
  };
}

async function acceptTogether(
  pool: Pick<pg.Pool, 'query'>,
  workspaceId: string,
  events: readonly Acceptance[],
): Promise<(Accepted | undefined)[]> {
  const { rows } = await pool.query<{ accepted: Accepted | null }>({
    name: 'accept together',
    text: 'select accept_events($1, $2, $3, $4, $5, $6, $7) as accepted',
    values: [
      workspaceId,
      events.map(({ triggerId }) => triggerId),
      events.map(({ version }) => version),
      events.map(({ key }) => key),
      events.map(({ guard }) => guard ?? null),
      events.map(({ body }) => body ?? null),
      events.map(({ run }) => run),
    ],
  });
  return rows.map((row) => row.accepted ?? undefined);
}

/** The same inside a transaction that does more. */
export async function acceptEventIn(
  tx: WorkspaceTx,
  { workspaceId, triggerId, version, key, run }: Acceptance,
): Promise<Accepted | undefined> {
  const { rows } = await sql<{ accepted: Accepted | null }>`
    select accept_event(${workspaceId}, ${triggerId}, ${version}, ${key}, null, null, ${run}) as accepted`.execute(tx);
  return rows[0]!.accepted ?? undefined;
}

/** Keys that start nothing: what a feed had before it was turned on. */
export async function rememberKeys(tx: WorkspaceTx, triggerId: string, keys: readonly string[]): Promise<void> {
  await sql`
    insert into trigger_event (trigger_id, key) select ${triggerId}, unnest(${[...keys]}::text[])
    on conflict (trigger_id, key) do nothing`.execute(tx);
}

/** Which of these keys are new to a trigger, in the given order. */
export async function unknownKeys(tx: WorkspaceTx, triggerId: string, keys: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`
    select k.key from unnest(${[...keys]}::text[]) with ordinality as k (key, n)
     where not exists (select from trigger_event e where e.trigger_id = ${triggerId} and e.key = k.key)
     order by k.n`.execute(tx);
  return rows.map((row) => row.key);
}

/** What the newest events of a pipeline's triggers were, by node: samples for a run by hand. */
export async function lastEvents(
  tx: WorkspaceTx,
  of: { pipelineId: string; brandId: string },
): Promise<Map<string, unknown>> {
  const { rows } = await sql<{ node: string; trigger: unknown }>`
    select t.node, r.trigger
      from pipeline_trigger t
      cross join lateral (
        select run.trigger from trigger_event e join run on run.id = e.run_id
         where e.trigger_id = t.id order by e.accepted_at desc limit 1) r
     where t.pipeline_id = ${of.pipelineId} and t.brand_id = ${of.brandId}`.execute(tx);
  return new Map(rows.map((row) => [row.node, row.trigger]));
}

/** The newest events of each trigger of a pipeline: when, and the run that came of it. */
export async function newestEvents(
  tx: WorkspaceTx,
  of: { pipelineId: string; brandId: string },
): Promise<Map<string, { at: Date; runId: string; number: number }>> {
  const { rows } = await sql<{ id: string; at: Date; run_id: string; number: number }>`
    select t.id, r.at, r.run_id, r.number
      from pipeline_trigger t
      cross join lateral (
        select e.accepted_at as at, run.id as run_id, run.number from trigger_event e join run on run.id = e.run_id
         where e.trigger_id = t.id order by e.accepted_at desc limit 1) r
     where t.pipeline_id = ${of.pipelineId} and t.brand_id = ${of.brandId}`.execute(tx);
  return new Map(rows.map((row) => [row.id, { at: row.at, runId: row.run_id, number: row.number }]));
}

// ---------------------------------------------------------------- what begins without a workspace

/** By the SHA-256 of the secret end of an address. `stamp` changes with the trigger's settings. */
export async function findHook(
  queryable: Pick<pg.Pool, 'query'>,
  sha256: string,
): Promise<{ workspaceId: string; triggerId: string; stamp: number } | undefined> {
  const { rows } = await queryable.query<{ workspace_id: string; trigger_id: string; stamp: Date }>({
    name: 'hook',
    text: 'select * from door.hook($1)',
    values: [sha256],
  });
  const row = rows[0];
  return row && { workspaceId: row.workspace_id, triggerId: row.trigger_id, stamp: row.stamp.getTime() };
}

export function withDueSchedule(
  db: Database,
  now: Date,
  work: (tx: WorkspaceTx, due: { workspaceId: string; triggerId: string }) => Promise<void>,
): Promise<boolean> {
  const door = sql<{ workspace_id: string; trigger_id: string }>`select * from door.due_schedule(${now})`;
  return withHeld(db, door, (tx, row) => work(tx, { workspaceId: row.workspace_id, triggerId: row.trigger_id }));
}

export type Arrival = { workspaceId: string; sha256: string; brandId: string | null; at: Date };

/** The oldest finished upload; gone when `work` has ended well. */
export function withNextArrival(
  db: Database,
  work: (tx: WorkspaceTx, arrival: Arrival) => Promise<void>,
): Promise<boolean> {
  const door = sql<{ workspace_id: string; arrival_id: string }>`select * from door.next_arrival()`;
  return withHeld(db, door, async (tx, { workspace_id: workspaceId, arrival_id: id }) => {
    const row = await tx
      .deleteFrom('asset_arrival')
      .where('id', '=', Number(id))
      .returning(['sha256', 'brand_id', 'at'])
      .executeTakeFirst();
    if (row) await work(tx, { workspaceId, sha256: row.sha256, brandId: row.brand_id, at: row.at });
  });
}

export async function takeDueFeed(
  db: Database,
  now: Date,
  looker: string,
): Promise<{ workspaceId: string; triggerId: string } | undefined> {
  const { rows } = await sql<{ workspace_id: string; trigger_id: string }>`
    select * from door.due_feed(${now}, ${looker})`.execute(db);
  const row = rows[0];
  return row && { workspaceId: row.workspace_id, triggerId: row.trigger_id };
}

/** For the transaction that finishes an upload. `brandId`: for the triggers of this brand only. */
export async function announceArrival(
  tx: WorkspaceTx,
  arrival: { sha256: string; brandId: string | null; by: string | null },
): Promise<void> {
  await tx
    .insertInto('asset_arrival')
    .values({ sha256: arrival.sha256, brand_id: arrival.brandId, by_user: arrival.by })
    .execute();
}

// ---------------------------------------------------------------- answers

/** What the Respond nodes of a run have said so far, and whether the run has ended. */
export async function runAnswer(
  tx: WorkspaceTx,
  runId: string,
  nodes: readonly string[],
): Promise<{ state: string; number: number; answer: unknown } | undefined> {
  const run = await tx.selectFrom('run').select(['state', 'number']).where('id', '=', runId).executeTakeFirst();
  if (!run) return undefined;
  const step =
    nodes.length === 0
      ? undefined
      : await tx
          .selectFrom('step')
          .select('outputs')
          .where('run_id', '=', runId)
          .where('node', 'in', [...nodes])
          .where('state', '=', 'done')
          .orderBy('ended_at')
          .limit(1)
          .executeTakeFirst();
  return { ...run, answer: (step?.outputs as Record<string, unknown> | undefined)?.answer ?? null };
}
