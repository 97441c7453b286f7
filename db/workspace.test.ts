/** Whether a workspace's rows are its own, for every role that the product uses. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../tests/support/database.ts';
import { migrate } from './migrate.ts';
import { inWorkspace } from './workspace.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test('a workspace sees its own brands and no others', async () => {
  const first = await database.workspace('First');
  const second = await database.workspace('Second');
  const brands = await inWorkspace(database.db('app'), first.workspaceId, (tx) =>
    tx.selectFrom('brand').select('id').execute(),
  );
  expect(brands).toEqual([{ id: first.brandId }]);
  expect(brands).not.toContainEqual({ id: second.brandId });
});

test('outside a workspace no role sees a row, the owner of the tables included', async () => {
  await database.workspace();
  for (const role of ['app', 'owner'] as const) {
    expect((await database.pool(role).query('select id from workspace')).rows).toEqual([]);
  }
});

test('the setting of one transaction does not leak to the next user of its connection', async () => {
  const { workspaceId } = await database.workspace();
  const db = database.db('app');
  await inWorkspace(db, workspaceId, (tx) => tx.selectFrom('brand').select('id').execute());
  for (let i = 0; i < 10; i++) expect(await db.selectFrom('brand').select('id').execute()).toEqual([]);
});

test('of two transactions that wait for each other, the one that is given up runs again', async () => {
  const { workspaceId } = await database.workspace();
  const db = database.db('app');
  const both = Promise.withResolvers<void>();
  let holding = 0;
  const rename = (first: 'workspace' | 'brand', second: 'workspace' | 'brand') =>
    inWorkspace(db, workspaceId, async (tx) => {
      await tx
        .updateTable(first)
        .set({ name: `${first} first` })
        .execute();
      if (++holding === 2) both.resolve();
      await both.promise;
      await tx
        .updateTable(second)
        .set({ name: `${first} first` })
        .execute();
      return first;
    });
  expect(await Promise.all([rename('workspace', 'brand'), rename('brand', 'workspace')])).toEqual([
    'workspace',
    'brand',
  ]);
  expect(holding).toBeGreaterThan(2);
});

test('a row cannot point into another workspace', async () => {
  const first = await database.workspace();
  const second = await database.workspace();
  const attempt = inWorkspace(database.db('app'), first.workspaceId, (tx) =>
    tx
      .insertInto('member')
      .values({ workspace_id: second.workspaceId, user_id: randomUUID(), role: 'owner' })
      .execute(),
  );
  await expect(attempt).rejects.toThrow(/row-level security/);
});

test('nothing of ours is a superuser or may pass row-level security', async () => {
  const { rows } = await database.admin.query(
    `select rolname from pg_roles where rolname in ('owner','app','auth','router','metrics','spliceboard')
       and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)`,
  );
  expect(rows).toEqual([]);
});

test('every table with a workspace forces row-level security and every door is owned by router or the queue', async () => {
  const { rows: open } = await database.admin.query(
    `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relkind = 'r' and not (c.relrowsecurity and c.relforcerowsecurity)
      order by 1`,
  );
  expect(open.map((row) => row.relname)).toEqual(
    ['asset_gone', 'chore', 'node_type', 'schema_migration', 'tally', 'worker'].filter((name) =>
      open.some((row) => row.relname === name),
    ),
  );
  const { rows: doors } = await database.admin.query(
    `select p.proname, r.rolname, p.proconfig from pg_proc p
       join pg_namespace n on n.oid = p.pronamespace join pg_roles r on r.oid = p.proowner
      where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema', 'graphile_worker')`,
  );
  for (const door of doors) {
    expect([door.proname, door.rolname]).toEqual([
      door.proname,
      ['wake', 'send_errand'].includes(door.proname) ? 'owner' : 'router',
    ]);
    expect(door.proconfig?.join()).toContain('search_path');
  }
});

test('a member list is found from the user alone, and holds ids only', async () => {
  const { workspaceId } = await database.workspace();
  const user = randomUUID();
  await inWorkspace(database.db('app'), workspaceId, (tx) =>
    tx.insertInto('member').values({ user_id: user, role: 'editor' }).execute(),
  );
  const { rows } = await database.pool('app').query('select * from door.workspaces_of($1)', [user]);
  expect(rows).toEqual([{ workspace_id: workspaceId, role: 'editor' }]);
});

test('several processes migrate an empty database at once, and each migration is applied once', async () => {
  const empty = await testDatabase({ empty: true });
  try {
    const applied = await Promise.all([migrate(empty.url), migrate(empty.url), migrate(empty.url)]);
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await migrate(empty.url)).toEqual([]);
  } finally {
    await empty.close();
  }
});

test('a database of a newer version is refused in one sentence', async () => {
  const newer = await testDatabase();
  try {
    await newer.pool('owner').query(`insert into schema_migration (number, name) values (9000, 'later')`);
    await expect(migrate(newer.url)).rejects.toThrow(/newer version of Spliceboard \(it has schema 9000/);
  } finally {
    await newer.close();
  }
});
