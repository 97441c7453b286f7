/**
 * Figures of the whole installation, as the role `metrics`: counts by state, lane and age. No ids of tenants, no names but
 * those of workers and node types (migrations/0045_metrics.sql).
 */
import { sql } from 'kysely';
import type pg from 'pg';
import type { Database } from './connect.ts';

/** Upper ends of a histogram's buckets, in seconds. */
export const BUCKETS = [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 300, 1800];

export type TallyRow = { type: string; state: string; count: number; seconds: number; buckets: number[] };

/** Adds what a worker counted. */
export async function addTally(db: Database, rows: readonly TallyRow[]): Promise<void> {
  if (rows.length === 0) return;
  const sorted = [...rows].sort((a, b) => (`${a.type} ${a.state}` < `${b.type} ${b.state}` ? -1 : 1)); // one order: no deadlock
  await sql`
    insert into tally (type, state, count, seconds, buckets)
    select type, state, count, seconds, array(select jsonb_array_elements_text(buckets)::bigint)
      from jsonb_to_recordset(${JSON.stringify(sorted)}::jsonb) as t (type text, state text, count bigint, seconds float8, buckets jsonb)
    on conflict (type, state) do update
      set count = tally.count + excluded.count, seconds = tally.seconds + excluded.seconds,
          buckets = (select array_agg(coalesce(a, 0) + coalesce(b, 0) order by n)
                       from unnest(tally.buckets, excluded.buckets) with ordinality as u (a, b, n))`.execute(db);
}

export type Figures = {
  /** Steps in the queue, by lane and state. */
  queue: { lane: string; state: string; steps: number }[];
  /** Seconds that the oldest step that could begin has been waiting, by lane. */
  lag: { lane: string; seconds: number }[];
  workers: {
    name: string;
    isAlive: boolean;
    lanes: { lane: string; places: number | null; taken: number }[];
    sandboxes: number;
    memoryBytes: number | null;
  }[];
  tally: TallyRow[];
  /** Of runs that began within 24 hours. */
  runs: { state: string; count: number }[];
  /** Of acts of the last 24 hours, and of all that are open. */
  effects: { state: string; count: number }[];
  waits: { kind: string; count: number }[];
  databaseBytes: number;
};

/** In a few reads, each of which looks at what is open or young, not at all there is. */
export async function readFigures(pool: pg.Pool): Promise<Figures> {
  const all = async <T extends pg.QueryResultRow>(text: string) => (await pool.query<T>(text)).rows;
  const [queue, lag, workers, tally, runs, effects, waits, size] = [
    await all<Figures['queue'][number]>(
      `select lane, state, sum(coalesce(hi - lo, 0) + 1)::int as steps from strand group by 1, 2 order by 1, 2`,
    ),
    await all<Figures['lag'][number]>(
      `select lane, greatest(0, extract(epoch from clock_timestamp() - min(case state when 'ready' then fair_at else not_before end)))::float8 as seconds
         from strand where state = 'ready' or (state = 'waiting' and not_before <= clock_timestamp()) group by 1 order by 1`,
    ),
    await all<{
      name: string;
      isAlive: boolean;
      tags: string[];
      facts: WorkerFacts;
      taken: Record<string, number> | null;
    }>(
      `select w.name, w.beat_at > clock_timestamp() - interval '4 seconds' as "isAlive", w.tags, w.facts,
              (select jsonb_object_agg(lane, n) from (
                 select s.lane, count(*)::int as n from strand s where s.worker = w.id and s.state = 'leased' group by 1) t) as taken
         from worker w order by w.name`,
    ),
    await all<TallyRow>('select type, state, count, seconds, buckets::float8[] as buckets from tally order by 1, 2'),
    await all<Figures['runs'][number]>(
      `select state, count(*)::int as count from run where started_at > clock_timestamp() - interval '24 hours' group by 1 order by 1`,
    ),
    await all<Figures['effects'][number]>(
      `select state, count(*)::int as count from (
         select state from effect where state in ('intended', 'sending', 'unknown')
         union all
         select state from effect where created_at > clock_timestamp() - interval '24 hours' and state not in ('intended', 'sending', 'unknown')) e
        group by 1 order by 1`,
    ),
    await all<Figures['waits'][number]>(
      `select kind, count(*)::int as count from wait where state = 'open' group by 1 order by 1`,
    ),
    await all<{ bytes: number }>('select pg_database_size(current_database()) as bytes'),
  ];
  return {
    ...{ queue, lag, tally, runs, effects, waits },
    databaseBytes: size[0]!.bytes,
    workers: workers.map(({ name, isAlive, tags, facts, taken }) => ({
      name,
      isAlive,
      lanes: tags.map((lane) => ({ lane, places: facts.slots?.[lane] ?? null, taken: taken?.[lane] ?? 0 })),
      sandboxes: facts.sandboxPids?.length ?? 0,
      memoryBytes: facts.memoryBytes ?? null,
    })),
  };
}

/** What a worker of this version says of itself; one of another version may not. */
type WorkerFacts = { slots?: Record<string, number>; sandboxPids?: number[]; memoryBytes?: number };
