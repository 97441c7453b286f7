/**
 * The five roles and the database, made by whoever may make them: the embedded cluster's administrator, or the login
 * of a DATABASE_URL that has CREATEROLE. None is a superuser and none can sign in by itself.
 *
 *   owner    owns tables, migrations and the queue's schema; bound by row-level security like everybody
 *   app      what WorkspaceTx runs as
 *   auth     better-auth's schema, nothing else
 *   router   owns the few doors that begin without a workspace; reads routing columns only
 *   metrics  counts, without rows
 */
import type pg from 'pg';

const ROLES = ['owner', 'app', 'auth', 'router', 'metrics'] as const;

type Queryable = Pick<pg.ClientBase, 'query' | 'escapeIdentifier' | 'escapeLiteral'>;

/** Makes what is missing and lets `login` (made too where a password is given) act as each role. Safe to repeat. */
export async function ensureRoles(client: Queryable, login: { name: string; password?: string }): Promise<void> {
  const user = client.escapeIdentifier(login.name);
  const { rows } = await client.query<{ name: string }>(
    'select rolname as name from pg_roles where rolname = any($1)',
    [[...ROLES, login.name]],
  );
  const present = new Set(rows.map((row) => row.name));
  for (const role of ROLES) {
    if (!present.has(role))
      await client.query(`create role ${role} nologin nosuperuser nocreatedb nocreaterole noinherit`);
  }
  if (!present.has(login.name) && login.password !== undefined) {
    await client.query(
      `create role ${user} login nosuperuser nocreatedb nocreaterole noinherit password ${client.escapeLiteral(login.password)}`,
    );
  }
  const { rows: granted } = await client.query<{ missing: boolean }>(
    `select exists (
       select from unnest($2::text[]) as role
       where not pg_has_role($1, role, 'member')) or not pg_has_role('owner', 'router', 'member') as missing`,
    [login.name, [...ROLES]],
  );
  if (!granted[0]?.missing) return;
  for (const role of ROLES) await client.query(`grant ${role} to ${user}`);
  await client.query('grant router to owner'); // a migration gives doors to it
}

/** Makes the database, owned by `owner`. Safe to repeat. */
export async function ensureDatabase(client: Queryable, name: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
  if (rowCount) return;
  const database = client.escapeIdentifier(name);
  await client.query(`create database ${database} owner owner template template0 encoding 'UTF8' locale 'C'`);
  await client.query(`revoke connect, temporary on database ${database} from public`);
  await client.query(`grant connect on database ${database} to owner, app, auth, router, metrics, spliceboard`);
}
