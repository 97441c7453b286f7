/**
 * All rows of an installation at one instant, and back into an empty database.
 *
 * Read inside one `repeatable read` transaction with our own roles: row-level security binds them too, so tables of
 * tenants are read workspace by workspace. A row travels as a JSON array with each column's own text form, which
 * PostgreSQL reads back unchanged (unlike JSON of the values: a jsonb null is not an SQL null). The schema is not in it:
 * migrations make it, those that the backup names.
 *
 * Left out: `worker` (they are gone), `upload` (its bytes lie on one server), `schema_migration`, and the queue, whose
 * jobs are wake-ups only.
 */
import pg from 'pg';
import { clientConfig, DatabaseError } from './connect.ts';

export type BackupTable = { name: string; columns: { name: string; type: string }[]; isTenant: boolean };
export type BackupAsset = { sha256: string; storageKey: string; bytes: number };
export type RestoredAsset = { workspaceId: string; sha256: string; bytes: number };

const LEFT_OUT = ['worker', 'upload', 'schema_migration'];
const FETCH_ROWS = 200;

async function connect(url: string, name: string): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(url, 'owner', name));
  client.on('error', () => {}); // reported by the query that meets it
  await client.connect();
  // text forms that are read back the same everywhere
  await client.query(
    `set datestyle = 'ISO, YMD'; set timezone = 'UTC'; set extra_float_digits = 1; set bytea_output = 'hex'`,
  );
  return client;
}

/** Tables with their columns, each behind those it refers to. */
async function tablesOf(client: pg.Client): Promise<BackupTable[]> {
  const { rows } = await client.query<{
    id: number;
    name: string;
    tenant: boolean;
    columns: BackupTable['columns'];
    refers: number[];
  }>(
    `select c.oid::int8 as id, n.nspname || '.' || c.relname as name, c.relrowsecurity as tenant,
            (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
               from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
            coalesce((select json_agg(distinct f.confrelid::int8) from pg_constraint f
               where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid), '[]') as refers
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and n.nspname in ('public', 'auth') and c.relname <> all ($1)
      order by 2`,
    [LEFT_OUT],
  );
  const ordered: typeof rows = [];
  const isDone = (id: number) => ordered.some((table) => table.id === id) || !rows.some((table) => table.id === id);
  while (ordered.length < rows.length) {
    const next = rows.find((table) => !ordered.includes(table) && table.refers.every(isDone));
    if (!next) throw new Error('Tables refer to each other in a circle.');
    ordered.push(next);
  }
  return ordered.map(({ name, columns, tenant }) => ({ name, columns, isTenant: tenant }));
}

const quoted = (client: pg.Client, name: string) =>
  name
    .split('.')
    .map((part) => client.escapeIdentifier(part))
    .join('.');

export type Snapshot = {
  /** Numbers of the migrations that were applied. */
  migrations: number[];
  tables: BackupTable[];
  /** One JSON text a row. */
  rows(table: BackupTable): AsyncGenerator<string>;
  /** Every content once. */
  assets(): Promise<BackupAsset[]>;
  end(): Promise<void>;
};

export async function openSnapshot(url: string): Promise<Snapshot> {
  const client = await connect(url, 'backup');
  try {
    await client.query('begin transaction isolation level repeatable read read only');
    const applied = await client.query<{ number: number }>('select number from schema_migration order by number');
    const tables = await tablesOf(client);
    await client.query('set local role router');
    const { rows: workspaces } = await client.query<{ id: string }>('select id from workspace order by id');
    await client.query('set local role owner');
    const inside = (workspaceId: string) =>
      client.query(`select set_config('app.workspace_id', $1, true)`, [workspaceId]);

    async function* read(table: BackupTable): AsyncGenerator<string> {
      const columns = table.columns.map(({ name }) => `${client.escapeIdentifier(name)}::text`).join(', ');
      await client.query(
        `declare taken no scroll cursor for select json_build_array(${columns})::text as line from ${quoted(client, table.name)}`,
      );
      for (;;) {
        const { rows } = await client.query<{ line: string }>(`fetch ${FETCH_ROWS} from taken`);
        for (const { line } of rows) yield line;
        if (rows.length < FETCH_ROWS) break;
      }
      await client.query('close taken');
    }
    return {
      migrations: applied.rows.map(({ number }) => number),
      tables,
      async *rows(table) {
        if (!table.isTenant) return yield* read(table);
        for (const { id } of workspaces) {
          await inside(id);
          yield* read(table);
        }
      },
      async assets() {
        const found = new Map<string, BackupAsset>();
        for (const { id } of workspaces) {
          await inside(id);
          const { rows } = await client.query<BackupAsset>(
            'select sha256, storage_key as "storageKey", bytes from asset',
          );
          for (const row of rows) if (!found.has(row.sha256)) found.set(row.sha256, row);
        }
        return [...found.values()];
      },
      end: () => client.end(), // nothing was written
    };
  } catch (error) {
    await client.end();
    throw error;
  }
}

/** What a database has: nothing of ours, our tables without data, or data. */
export async function stateOf(
  url: string,
): Promise<{ kind: 'bare' } | { kind: 'data' } | { kind: 'empty'; migrations: number[] }> {
  const client = new pg.Client(clientConfig(url, 'owner', 'restore'));
  client.on('error', () => {}); // reported by the query that meets it
  try {
    await client.connect();
    const { rows: bare } = await client.query(`select to_regclass('public.schema_migration') is null as is_bare`);
    if (bare[0].is_bare) return { kind: 'bare' };
    const { rows } = await client.query<{ number: number }>('select number from schema_migration order by number');
    const users = await client.query('select from auth."user" limit 1');
    await client.query('set role router');
    const workspaces = await client.query('select id from workspace limit 1').catch((error: { code?: string }) => {
      if (error.code === '42501') return { rowCount: 0 }; // older than 0034: its users tell
      throw error;
    });
    if (users.rowCount || workspaces.rowCount) return { kind: 'data' };
    return { kind: 'empty', migrations: rows.map(({ number }) => number) };
  } catch (error) {
    if ((error as { code?: string }).code === '22023' || (error as { code?: string }).code === '42704')
      return { kind: 'bare' }; // no role yet
    throw error;
  } finally {
    await client.end().catch(() => {});
  }
}

export type Restore = {
  insert(table: BackupTable, lines: readonly string[]): Promise<void>;
  assets(): Promise<RestoredAsset[]>;
  keepAsset(asset: RestoredAsset, storageKey: string): Promise<void>;
  /** Commits: until then the database is as it was. */
  finish(): Promise<void>;
  abandon(): Promise<void>;
};

/** Throws `DatabaseError` where the tables are not those of the backup. */
export async function beginRestore(url: string, wanted: readonly BackupTable[]): Promise<Restore> {
  const client = await connect(url, 'restore');
  try {
    await client.query('begin');
    const tables = await tablesOf(client);
    const shape = (list: readonly BackupTable[]) =>
      JSON.stringify(list.map(({ name, columns }) => [name, columns]).sort());
    if (shape(tables) !== shape(wanted)) {
      throw new DatabaseError(
        'The tables of this database are not those of the backup. Restore into an empty database.',
      );
    }
    // The owner is bound by the policies too; within this transaction it is not.
    const tenants = tables.filter(({ isTenant }) => isTenant).map(({ name }) => quoted(client, name));
    for (const table of tenants) await client.query(`alter table ${table} no force row level security`);
    await client.query('alter table effect disable trigger user');
  } catch (error) {
    await client.end();
    throw error;
  }
  const tenants = wanted.filter(({ isTenant }) => isTenant).map(({ name }) => quoted(client, name));
  return {
    async insert({ name, columns }, lines) {
      const names = columns.map((column) => client.escapeIdentifier(column.name)).join(', ');
      const values = columns.map(({ type }, index) => `(r ->> ${index})::${type}`).join(', ');
      await client.query(
        `insert into ${quoted(client, name)} (${names}) overriding system value
         select ${values} from jsonb_array_elements($1::jsonb) with ordinality as e (r, n) order by n`,
        [`[${lines.join(',')}]`],
      );
    },
    async assets() {
      const { rows } = await client.query<RestoredAsset>(
        'select workspace_id as "workspaceId", sha256, bytes from asset order by sha256',
      );
      return rows;
    },
    async keepAsset({ workspaceId, sha256 }, storageKey) {
      await client.query('update asset set storage_key = $3 where workspace_id = $1 and sha256 = $2', [
        workspaceId,
        sha256,
        storageKey,
      ]);
    },
    async finish() {
      await client.query('set constraints all immediate'); // all rows are there
      // The workers that held these are not there; it was no attempt and no death.
      await client.query(
        `update strand set state = 'ready', worker = null, attempts = greatest(attempts - 1, 0), not_before = '-infinity',
                reason = 'Restored from a backup; going on.', progress = null, note = null where state = 'leased'`,
      );
      await client.query(`update run set restored_at = clock_timestamp() where state = 'running'`);
      await client.query(
        `update effect e set state = 'unknown', token = null, send_by = null
           from run r where r.id = e.run_id and r.state = 'running' and e.state in ('intended', 'sending', 'absent', 'refused')`,
      );
      await client.query('alter table effect enable trigger user');
      // while all rows are seen: a number that is in use is never given again
      const { rows } = await client.query<{ table: string; column: string }>(
        `select c.oid::regclass::text as table, a.attname as column from pg_attribute a join pg_class c on c.oid = a.attrelid
          join pg_namespace n on n.oid = c.relnamespace where n.nspname in ('public', 'auth') and c.relkind = 'r' and a.attidentity <> ''`,
      );
      for (const { table, column } of rows) {
        await client.query(
          `select setval(pg_get_serial_sequence($1, $2), coalesce((select max(${client.escapeIdentifier(column)}) from ${table}), 0) + 1, false)`,
          [table, column],
        );
      }
      for (const table of tenants) await client.query(`alter table ${table} force row level security`);
      await client.query('commit');
      await client.end();
    },
    abandon: () => client.end(), // rolled back with its connection
  };
}
