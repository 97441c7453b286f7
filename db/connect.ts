/**
 * Connections to PostgreSQL, one pool per role. One DATABASE_URL stands for all roles: each connection asks for its
 * role as it starts (`options: -c role=…`), and `reset role` stays in it.
 *
 * int8 arrives as a number (our counts stay far below 2^53), timestamps as Date, jsonb as parsed JSON (`unknown`).
 */
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Tables } from './tables.ts';

export type Role = 'owner' | 'app' | 'auth' | 'metrics';
export type Database = Kysely<Tables>;

const INT8 = 20;
const types: pg.CustomTypesConfig = {
  getTypeParser: ((id: number, format?: 'text' | 'binary') =>
    id === INT8 ? Number : pg.types.getTypeParser(id, format as 'text')) as pg.CustomTypesConfig['getTypeParser'],
};

/** What a client needs to work as `role`; `name` shows in pg_stat_activity. */
export function clientConfig(url: string, role: Role, name = 'spliceboard'): pg.ClientConfig {
  return { connectionString: url, options: `-c role=${role}`, application_name: `${name}:${role}`, types };
}

export function createPool(url: string, role: Role, options: { max?: number; name?: string } = {}): pg.Pool {
  const pool = new pg.Pool({
    ...clientConfig(url, role, options.name),
    max: options.max ?? 8,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 10_000,
  });
  return forgiving(pool);
}

/**
 * A connection that is lost, idle or in use, does not end the process: the query that meets it rejects, the next one opens
 * another.
 */
export function forgiving(pool: pg.Pool): pg.Pool {
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

export function createDatabase(pool: pg.Pool): Database {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** The database cannot be used as it is; `message` is the one sentence to show. */
export class DatabaseError extends Error {
  override name = 'DatabaseError';
}

/** Refuses what would break later: a wrong address, an old server, a transaction pooler in between. */
export async function checkDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {}); // reported by the query that meets it
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number }>(
      `select current_setting('server_version_num')::int as version`,
    );
    if (rows[0]!.version < 150_000) {
      throw new DatabaseError('Spliceboard needs PostgreSQL 15 or newer; the server of DATABASE_URL is older.');
    }
    // A session's setting outlives a transaction on a direct connection and on no transaction pooler.
    await client.query(`set application_name = 'spliceboard:direct'`);
    const seen = await client.query<{ name: string }>(`select current_setting('application_name') as name`);
    if (seen.rows[0]!.name !== 'spliceboard:direct') {
      throw new DatabaseError(
        'DATABASE_URL leads to a transaction pooler. Workers need a direct connection: use the address of PostgreSQL itself.',
      );
    }
  } catch (error) {
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(
      `The database of DATABASE_URL cannot be used: ${(error as Error).message}. Check address, name and password.`,
      {
        cause: error,
      },
    );
  } finally {
    await client.end().catch(() => {});
  }
}

/** Of the server behind a pool, such as `18.4`. */
export async function serverVersion(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ version: string }>(`select current_setting('server_version') as version`);
  return rows[0]!.version;
}
