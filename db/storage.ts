/**
 * What a workspace keeps and for how long: old runs, files that nothing kept refers to, and what takes up the space
 * (migrations/0047_retention.sql). A file is found by its digest wherever it stands: REFERRERS names every column.
 */
import { sql } from 'kysely';
import type { AssetRow } from './assets.ts';
import type { Database } from './connect.ts';
import { inWorkspace, type WorkspaceTx } from './workspace.ts';

/** Columns in which digests of files may stand. A test holds that none is missing. */
export const REFERRERS: readonly [table: string, column: string][] = [
  ['step', 'outputs'],
  ['step', 'made'],
  ['call', 'reply'],
  ['reuse', 'outputs'],
  ['memo', 'reply'],
  ['override', 'value'],
  ['node_store', 'value'],
  ['wait', 'request'],
  ['wait', 'answer'],
  ['pipeline', 'draft'],
  ['pipeline_version', 'graph'],
  ['pipeline_operation', 'operations'],
  ['pipeline_trigger', 'config'],
  ['run', 'graph'],
  ['run', 'kit'],
  ['run', 'trigger'],
  ['brand', 'kit'],
  ['showcase_page', 'content'],
  ['showcase_page', 'assets'],
];

const ALL_TEXTS = sql.raw(
  REFERRERS.map(([table, column]) => `select "${column}"::text as t from "${table}"`).join(' union all '),
);

export type Retention = { runDays: number | null; runsPerPipeline: number | null };
export type Swept = { runs: number; assets: number; bytes: number };

export async function getRetention(
  tx: WorkspaceTx,
): Promise<Retention & { sweptAt: Date | null; swept: Swept | null }> {
  const row = await tx
    .selectFrom('retention')
    .select(['run_days', 'runs_per_pipeline', 'swept_at', 'swept'])
    .executeTakeFirst();
  return {
    runDays: row?.run_days ?? null,
    runsPerPipeline: row?.runs_per_pipeline ?? null,
    sweptAt: row?.swept_at ?? null,
    swept: (row?.swept ?? null) as Swept | null,
  };
}

/** The next sweep follows it within a minute. */
export async function setRetention(tx: WorkspaceTx, { runDays, runsPerPipeline }: Retention): Promise<void> {
  const values = { run_days: runDays, runs_per_pipeline: runsPerPipeline, swept_at: null };
  await tx
    .insertInto('retention')
    .values(values)
    .onConflict((conflict) => conflict.column('workspace_id').doUpdateSet(values))
    .execute();
}

/** A workspace whose turn it is, for this caller alone; undefined where none is. */
export async function takeSweep(db: Database): Promise<string | undefined> {
  const { rows } = await sql<{ workspace_id: string }>`select workspace_id from door.next_sweep()`.execute(db);
  const workspaceId = rows[0]?.workspace_id;
  if (workspaceId === undefined) return undefined;
  const { rows: taken } = await inWorkspace(db, workspaceId, (tx) =>
    sql`insert into retention as r (swept_at) values (clock_timestamp())
        on conflict (workspace_id) do update set swept_at = clock_timestamp()
         where r.swept_at is null or r.swept_at < clock_timestamp() - interval '6 hours'
        returning 1`.execute(tx),
  );
  return taken.length > 0 ? workspaceId : undefined;
}

export async function keepSwept(tx: WorkspaceTx, swept: Swept): Promise<void> {
  await tx
    .updateTable('retention')
    .set({ swept: JSON.stringify(swept) })
    .execute();
}

/** Takes away at most `most` runs that are over and too old or too many; gives back how many. */
export async function pruneRuns(
  tx: WorkspaceTx,
  { runDays, runsPerPipeline }: Retention,
  most: number,
): Promise<number> {
  if (runDays === null && runsPerPipeline === null) return 0;
  const { rows } = await sql<{ id: string; stays: boolean }>`
    with ranked as (
      select r.id, r.number, r.ended_at, row_number() over (partition by r.pipeline_id order by r.number desc) as place
        from run r where r.state <> 'running' and r.pruned_at is null)
    select r.id, k.number = (select max(number) from run) or exists (select from effect e where e.run_id = r.id) as stays
      from ranked k join run r on r.id = k.id
     where r.state <> 'running' and r.pruned_at is null
       and (k.ended_at < clock_timestamp() - make_interval(days => ${runDays ?? 0}) and ${runDays !== null}
         or k.place > ${runsPerPipeline ?? 0} and ${runsPerPipeline !== null})
       and not exists (select from run p where p.id = r.parent_run and p.state = 'running')
       and not exists (select from effect e where e.run_id = r.id and e.state in ('intended', 'sending', 'accepted', 'unknown'))
     order by k.number limit ${most} for update of r skip locked`.execute(tx);
  const ids = rows.map(({ id }) => id);
  if (ids.length === 0) return 0;
  await sql`update trigger_event set body = null where run_id = any (${ids}::uuid[])`.execute(tx);
  // a run that sent something keeps its row with the evidence; the newest keeps its number from being given again
  const kept = rows.filter(({ stays }) => stays).map(({ id }) => id);
  for (const table of ['step', 'counter', 'call', 'wait'])
    await sql`delete from ${sql.table(table)} where run_id = any (${kept}::uuid[])`.execute(tx);
  await sql`update run set pruned_at = clock_timestamp(), trigger = null where id = any (${kept}::uuid[])`.execute(tx);
  await sql`delete from run where id = any (${ids}::uuid[]) and id <> all (${kept}::uuid[])`.execute(tx);
  return ids.length;
}

/** Stored results of runs that are gone, which nothing has asked for in a while. */
export async function pruneReuse(tx: WorkspaceTx, { runDays }: Retention): Promise<void> {
  await sql`
    delete from reuse u
     where u.state = 'made' and u.used_at < clock_timestamp() - make_interval(days => ${Math.min(runDays ?? 90, 90)})
       and not exists (select from run r where r.id = u.run_id and r.pruned_at is null)`.execute(tx);
}

/** Long values of steps that nobody has looked into yet. */
export async function unreadValues(tx: WorkspaceTx, most: number): Promise<string[]> {
  const rows = await tx
    .selectFrom('asset')
    .select('sha256')
    .where('is_internal', '=', true)
    .where('names', 'is', null)
    .limit(most)
    .execute();
  return rows.map(({ sha256 }) => sha256);
}

export async function keepNames(tx: WorkspaceTx, sha256: string, names: readonly string[]): Promise<void> {
  await tx
    .updateTable('asset')
    .set({ names: [...names] })
    .where('sha256', '=', sha256)
    .execute();
}

/** What a day has passed over and nothing kept refers to: neither a row, nor a long value that one refers to. */
export async function unreferenced(tx: WorkspaceTx, most: number): Promise<string[]> {
  const { rows } = await sql<{ sha256: string }>`
    with recursive named as materialized (
      select distinct m[1] as sha from (${ALL_TEXTS}) x cross join lateral regexp_matches(x.t, '[0-9a-f]{64}', 'g') m),
    kept as (
      select a.sha256, a.names from asset a
       where a.sha256 in (select sha from named) or a.is_given or a.touched_at > clock_timestamp() - interval '24 hours'
      union
      select a.sha256, a.names from kept k cross join lateral unnest(k.names) as n (sha) join asset a on a.sha256 = n.sha)
    select a.sha256 from asset a
     where a.sha256 not in (select sha256 from kept)
       and coalesce(a.facts ->> 'of', '') not in (select sha256 from kept)
       and a.sha256 not in (select sidecar from asset_sidecar)
     order by a.created_at limit ${most}`.execute(tx);
  return rows.map(({ sha256 }) => sha256);
}

/** Takes those away that nobody has stored again meanwhile; gives back how many and how large. */
export async function removeUnreferenced(
  tx: WorkspaceTx,
  sha256s: readonly string[],
): Promise<{ assets: number; bytes: number }> {
  const { rows } = await sql<{ bytes: number }>`
    delete from asset where sha256 = any (${[...sha256s]}::text[]) and not is_given
       and touched_at < clock_timestamp() - interval '24 hours' returning bytes`.execute(tx);
  return { assets: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Keys of bytes whose rows are gone for an hour: a backup that began before may still read them. */
export async function goneKeys(db: Database, most: number): Promise<string[]> {
  const rows = await db
    .selectFrom('asset_gone')
    .select('storage_key')
    .where('at', '<', sql<Date>`clock_timestamp() - interval '1 hour'`)
    .orderBy('at')
    .limit(most)
    .execute();
  return rows.map(({ storage_key }) => storage_key);
}

export async function forgetGone(db: Database, keys: readonly string[]): Promise<void> {
  if (keys.length > 0)
    await db
      .deleteFrom('asset_gone')
      .where('storage_key', 'in', [...keys])
      .execute();
}

// ---------------------------------------------------------------- the page

export type SpaceKind = 'given' | 'made' | 'values';
export type Space = {
  /** By where it comes from and what it is. */
  kinds: { from: SpaceKind; kind: AssetRow['kind']; count: number; bytes: number }[];
  runs: { count: number; oldest: Date | null; steps: number };
  biggest: { asset: AssetRow; from: SpaceKind; createdAt: Date }[];
};

export async function spaceOf(tx: WorkspaceTx, most: number): Promise<Space> {
  const from = sql<SpaceKind>`case when is_internal then 'values' when is_given then 'given' else 'made' end`;
  const { rows: kinds } = await sql<Space['kinds'][number]>`
    select ${from} as from, kind, count(*)::int as count, sum(bytes)::bigint::float8 as bytes from asset group by 1, 2 order by 4 desc`.execute(
    tx,
  );
  const { rows: runs } = await sql<Space['runs']>`
    select count(*)::int as count, min(started_at) as oldest, (select count(*)::int from step) as steps
      from run where pruned_at is null`.execute(tx);
  const { rows: biggest } = await sql<{ facts: unknown; from: SpaceKind; createdAt: Date }>`
    select facts, ${from} as from, created_at as "createdAt" from asset where not is_internal order by bytes desc limit ${most}`.execute(
    tx,
  );
  return {
    kinds,
    runs: runs[0]!,
    biggest: biggest.map(({ facts, ...rest }) => ({ asset: facts as AssetRow, ...rest })),
  };
}

export type Referrer = { kind: 'brand' | 'pipeline' | 'page' | 'run' | 'override' | 'recording'; name: string };

/** What needs this file, at most ten; nothing: it can go. A long value that names it counts through the run it is of. */
export async function referrersOf(tx: WorkspaceTx, sha256: string): Promise<Referrer[]> {
  const { rows: holders } = await sql<{ sha256: string }>`
    select sha256 from asset where names @> array[${sha256}]::text[]`.execute(tx);
  const anyOf = [sha256, ...holders.map((row) => row.sha256)].map((each) => `%${each}%`);
  const { rows } = await sql<Referrer>`
    (select 'brand' as kind, name from brand where kit::text like any (${anyOf}::text[]) and removed_at is null limit 3)
    union all
    (select distinct 'pipeline', p.name from pipeline p left join pipeline_version v on v.pipeline_id = p.id
      where p.draft::text like any (${anyOf}::text[]) or v.graph::text like any (${anyOf}::text[]) limit 3)
    union all
    (select 'page', title from showcase_page where ${sha256} = any (assets) or content::text like any (${anyOf}::text[]) limit 3)
    union all
    (select distinct 'override', p.name from override o join pipeline p on p.id = o.pipeline_id
      where o.value::text like any (${anyOf}::text[]) limit 3)
    union all
    (select 'recording', coalesce(a.facts ->> 'name', 'a recording') from asset_sidecar s join asset a on a.sha256 = s.sha256
      where s.sidecar = ${sha256} limit 3)
    union all
    (select 'run', r.number::text from run r
      where r.graph::text like any (${anyOf}::text[]) or r.kit::text like any (${anyOf}::text[]) or r.trigger::text like any (${anyOf}::text[])
         or exists (select from step s where s.run_id = r.id
                     and (s.outputs::text like any (${anyOf}::text[]) or s.made::text like any (${anyOf}::text[])))
         or exists (select from wait w where w.run_id = r.id and (w.request::text || coalesce(w.answer::text, '')) like any (${anyOf}::text[]))
         or exists (select from call c where c.run_id = r.id and c.reply::text like any (${anyOf}::text[]))
      order by r.number desc limit 5)
    limit 10`.execute(tx);
  return rows;
}
