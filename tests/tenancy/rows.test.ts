/**
 * Every table with a workspace, as the role the product works with: another workspace's rows are not there to read,
 * change, take or add to, whatever a query forgets. A new table without rows in this world fails.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeWorld, rowsOf, tenantTables, type World } from './world.ts';

/** Tables of the installation, not of a workspace. */
const NOT_TENANTS: Record<string, string> = {
  schema_migration: 'which migrations were applied',
  worker: 'which workers live',
  node_type: 'node types as workers found them; no code, nothing a person wrote',
  tally: 'how many steps of each node type were settled, and how long they took',
  asset_gone: 'keys of bytes whose rows are gone, to be removed from the store',
  chore: 'what is fetched once for all: engines and models',
};

let world: World;
let tables: { table: string; column: string }[];
beforeAll(async () => {
  world = await makeWorld();
  tables = await tenantTables(world.server);
});
afterAll(() => world?.server.close());

/** As the product's own role, inside a workspace. */
async function inside(workspaceId: string, sql: string, values: unknown[] = []) {
  const client = await world.server.database.pool('app').connect();
  try {
    await client.query('begin');
    await client.query(`select set_config('app.workspace_id', $1, true)`, [workspaceId]);
    return await client.query(sql, values);
  } finally {
    await client.query('rollback');
    client.release();
  }
}

test('every table is a workspace’s, or is on the list of those that are not', async () => {
  const { rows } = await world.server.database.admin.query<{ table: string }>(
    `select table_name as table from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  );
  const known = [...tables.map(({ table }) => table), ...Object.keys(NOT_TENANTS)];
  expect(rows.map(({ table }) => table).sort()).toEqual(known.sort());
});

test('this world has rows in every table of both workspaces', async () => {
  const empty: string[] = [];
  for (const { table, column } of tables) {
    const { rows } = await world.server.database.admin.query(`select distinct "${column}" from "${table}"`);
    const ids = rows.map((row) => row[column]);
    if (![world.alpha.id, world.beta.id].every((id) => ids.includes(id))) empty.push(table);
  }
  expect(empty).toEqual([]);
});

test('a key into a workspace’s table names the workspace too', async () => {
  const { rows } = await world.server.database.admin.query<{ name: string; columns: string[] }>(
    `select c.conname as name,
            array(select a.attname from unnest(c.conkey) k join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k)::text[] as columns
       from pg_constraint c join pg_class f on f.oid = c.confrelid join pg_namespace n on n.oid = f.relnamespace
      where c.contype = 'f' and n.nspname = 'public'`,
  );
  expect(rows.length).toBeGreaterThan(20);
  for (const { name, columns } of rows) expect([name, columns.includes('workspace_id')]).toEqual([name, true]);
});

describe('from inside another workspace', () => {
  test('no row is there to read, change or take away', async () => {
    const before = await rowsOf(world.server, world.alpha.id);
    for (const { table, column } of tables) {
      const read = await inside(world.beta.id, `select count(*)::int as count from "${table}" where "${column}" = $1`, [
        world.alpha.id,
      ]);
      expect([table, read.rows[0].count]).toEqual([table, 0]);
      for (const act of [`update "${table}" set "${column}" = "${column}"`, `delete from "${table}"`]) {
        const done = await inside(world.beta.id, `${act} where "${column}" = $1`, [world.alpha.id]).then(
          ({ rowCount }) => rowCount,
          (error: { code: string }) => (error.code === '42501' ? 0 : error.code), // may not do this to any row
        );
        expect([act, done]).toEqual([act, 0]);
      }
    }
    expect(await rowsOf(world.server, world.alpha.id)).toBe(before);
  });

  test('no row can be added to it, and none of one’s own can be given away', async () => {
    for (const { table, column } of tables) {
      const { rows } = await world.server.database.admin.query(
        `select to_jsonb(t) as row from "${table}" t where "${column}" = $1 limit 1`,
        [world.alpha.id],
      );
      const add = inside(
        world.beta.id,
        `insert into "${table}" overriding system value select * from jsonb_populate_record(null::"${table}", $1)`,
        [JSON.stringify(rows[0].row)],
      ).then(
        () => 'added',
        (error: { message: string }) => error.message,
      );
      expect([table, await add]).toEqual([table, expect.stringMatching(/row-level security|permission denied/)]);
      if (table === 'workspace') continue;
      const give = inside(world.beta.id, `update "${table}" set "${column}" = $1`, [world.alpha.id]).then(
        () => 'given',
        (error: { message: string }) => error.message,
      );
      expect([table, await give]).toEqual([table, expect.stringMatching(/row-level security|permission denied/)]);
    }
  });
});

test('without a workspace there are no rows at all', async () => {
  for (const { table } of tables) {
    const { rows } = await world.server.database.pool('app').query(`select count(*)::int as count from "${table}"`);
    expect([table, rows[0].count]).toEqual([table, 0]);
  }
});

test('doors that begin without a workspace give ids and states, and no text a person wrote', async () => {
  const { rows } = await world.server.database.admin.query<{ name: string; result: string }>(
    `select p.proname as name, pg_get_function_result(p.oid) as result from pg_proc p
       join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'door' order by 1`,
  );
  expect(rows.length).toBeGreaterThan(8);
  for (const { name, result } of rows) {
    expect([
      name,
      /\b(name|title|email|kit|value|content|graph|outputs|inputs|sealed|note|reason)\b/.test(result),
    ]).toEqual([name, false]);
  }
});

test('the record of acts is a chain that the product itself can neither change nor cut', async () => {
  const { rows } = await world.server.database.admin.query<{ previous: string; digest: string }>(
    'select previous, digest from audit where workspace_id = $1 order by number',
    [world.alpha.id],
  );
  expect(rows.length).toBeGreaterThan(1);
  rows.forEach((row, index) => {
    expect(row.previous).toBe(index === 0 ? '' : rows[index - 1]!.digest);
  });
  for (const act of [`update audit set act = 'x'`, 'delete from audit', 'truncate audit']) {
    await expect(inside(world.alpha.id, act)).rejects.toThrow(/permission denied/);
  }
});
