/**
 * Brings a database to this version's schema: roles, the queue's own schema, then `migrations/NNNN_name.sql` in order
 * of number, each in one transaction as the role `owner`. Safe to run by several processes at once and to repeat.
 * A database of a newer version is left alone and named in one sentence.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Logger, runMigrations } from 'graphile-worker';
import pg from 'pg';
import { clientConfig, createPool, DatabaseError } from './connect.ts';
import { ensureRoles } from './roles.ts';

export type Migration = { number: number; name: string; sql: string };

const FOLDER = path.join(import.meta.dirname, 'migrations');
/** Held while migrating; any constant that nobody else locks. */
const LOCK = 7_268_411;

export function migrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .sort()
    .map((name) => ({
      number: Number(name.slice(0, 4)),
      name,
      sql: readFileSync(path.join(FOLDER, name), 'utf8'),
    }));
}

/**
 * Gives back the names of the migrations that were applied now. `only`: those of a backup, before its rows are filled in.
 * Throws `DatabaseError` with the sentence to show.
 */
export async function migrate(url: string, options: { only?: readonly number[] } = {}): Promise<string[]> {
  await prepareRoles(url);
  const known = migrations();
  const client = new pg.Client(clientConfig(url, 'owner', 'migrate'));
  client.on('error', () => {}); // reported by the query that meets it
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    await client.query(
      'create table if not exists schema_migration (number int primary key, name text not null, applied_at timestamptz not null default now())',
    );
    const { rows } = await client.query<{ number: number }>('select number from schema_migration');
    const done = new Set(rows.map((row) => row.number));
    const foreign = [...done].filter((number) => !known.some((migration) => migration.number === number));
    if (foreign.length > 0) {
      throw new DatabaseError(
        `This database belongs to a newer version of Spliceboard (it has schema ${Math.max(...foreign)}, this version knows ${known.at(-1)?.number}). Update Spliceboard, or use another folder with --data.`,
      );
    }
    if (done.size === known.length) return [];
    await migrateQueue(url);
    const applied: string[] = [];
    for (const migration of known) {
      if (done.has(migration.number) || options.only?.includes(migration.number) === false) continue;
      await apply(client, migration);
      applied.push(migration.name);
    }
    return applied;
  } finally {
    await client.end(); // releases the lock
  }
}

/**
 * For servers and workers, which do not migrate: refuses a database that lacks a migration of this version. A newer one is
 * taken: during an update the previous version goes on until it is replaced.
 */
export async function requireSchema(url: string): Promise<void> {
  const needed = migrations().at(-1)!.number;
  const client = new pg.Client(clientConfig(url, 'app', 'schema'));
  client.on('error', () => {}); // reported by the query that meets it
  try {
    await client.connect();
    const { rows } = await client.query<{ newest: number | null }>(
      'select max(number) as newest from schema_migration',
    );
    if ((rows[0]!.newest ?? 0) >= needed) return;
  } catch (error) {
    // no such table, or one that this role may not read: older than 0033
    if (!['42P01', '42501'].includes((error as { code?: string }).code ?? '')) throw error;
  } finally {
    await client.end().catch(() => {});
  }
  throw new DatabaseError(
    `This database is older than this version of Spliceboard, which needs schema ${needed}. Run the migrator first: node scripts/migrate.ts.`,
  );
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  await client.query('begin');
  try {
    await client.query(migration.sql);
    await client.query('insert into schema_migration (number, name) values ($1, $2)', [
      migration.number,
      migration.name,
    ]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    const { message, position } = error as { message: string; position?: string };
    const line = position ? `, line ${migration.sql.slice(0, Number(position)).split('\n').length}` : '';
    throw new DatabaseError(`The migration ${migration.name}${line} failed and changed nothing: ${message}.`, {
      cause: error,
    });
  }
}

/** The queue's own tables, owned by `owner` like ours. */
async function migrateQueue(url: string): Promise<void> {
  const pool = createPool(url, 'owner', { max: 2, name: 'queue' });
  pool.on('connect', (client) => client.on('error', () => {})); // reported by the query that meets it
  try {
    await runMigrations({ pgPool: pool, logger: new Logger(() => () => {}) });
  } finally {
    await pool.end();
  }
}

async function prepareRoles(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // reported by the query that meets it
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => {});
    throw new DatabaseError(
      `The database of DATABASE_URL does not answer: ${(error as Error).message}. Check address, name, user and password.`,
      { cause: error },
    );
  }
  try {
    const { rows } = await client.query<{ login: string; database: string; may_create: boolean }>(
      `select session_user as login, current_database() as database,
              coalesce((select has_database_privilege('owner', current_database(), 'create')
                          and has_schema_privilege('owner', 'public', 'create')
                        from pg_roles where rolname = 'owner'), false) as may_create`,
    );
    const { login, database, may_create } = rows[0]!;
    await ensureRoles(client, { name: login });
    if (!may_create) {
      await client.query(`grant create, connect on database ${client.escapeIdentifier(database)} to owner`);
      await client.query('grant create, usage on schema public to owner');
    }
  } catch (error) {
    throw new DatabaseError(
      `The login of DATABASE_URL may not make Spliceboard's roles: ${(error as Error).message}. Give it CREATEROLE and the ownership of its database for the first start.`,
      { cause: error },
    );
  } finally {
    await client.end();
  }
}
