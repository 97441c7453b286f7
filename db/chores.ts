/** Work that a worker does once for the whole installation (`0011_chores.sql`). */
import { sql } from 'kysely';
import type { Database } from './connect.ts';

export type Chore = { id: string; kind: string; input: unknown };

/** The id of a new chore, or of the same one that is under way. */
export async function beginChore(db: Database, kind: string, input: object): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    with known as (
      select id from chore where kind = ${kind} and input = ${JSON.stringify(input)}::jsonb and state in ('waiting', 'running')
      limit 1),
    made as (
      insert into chore (kind, input) select ${kind}, ${JSON.stringify(input)}::jsonb where not exists (select from known) returning id)
    select id from known union all select id from made`.execute(db);
  return rows[0]!.id;
}

export async function choreState(
  db: Database,
  id: string,
): Promise<{ state: 'waiting' | 'running' | 'done' | 'failed'; progress: unknown; error: unknown } | undefined> {
  const row = await db
    .selectFrom('chore')
    .select(['state', 'progress', 'error'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { ...row, state: row.state as 'waiting' | 'running' | 'done' | 'failed' };
}

/** Takes one that waits, or that nobody has touched for a minute. */
export async function takeChore(db: Database): Promise<Chore | undefined> {
  const { rows } = await sql<Chore>`
    update chore set state = 'running', touched_at = clock_timestamp()
     where id = (select id from chore where state = 'waiting'
                    or (state = 'running' and touched_at < clock_timestamp() - interval '1 minute')
                  order by created_at limit 1 for update skip locked)
    returning id, kind, input`.execute(db);
  return rows[0];
}

export async function reportChore(
  db: Database,
  id: string,
  report: { state: 'running' | 'done' | 'failed'; progress?: object; error?: object },
): Promise<void> {
  await sql`
    update chore set state = ${report.state}, touched_at = clock_timestamp(),
           progress = coalesce(${report.progress ? JSON.stringify(report.progress) : null}::jsonb, progress),
           error = ${report.error ? JSON.stringify(report.error) : null}::jsonb
     where id = ${id}`.execute(db);
}
