/** Whether the types in tables.ts and the migrated database name the same tables and columns. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../tests/support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test('the types name exactly the tables and columns of the database', async () => {
  const text = readFileSync(path.join(import.meta.dirname, 'tables.ts'), 'utf8');
  const typed = [...text.matchAll(/^ {2}(\w+): \{\n([\s\S]*?)^ {2}\};/gm)].flatMap(([, table, body]) =>
    [...body!.matchAll(/^ {4}(\w+):/gm)].map(([, column]) => `${table}.${column}`),
  );
  const { rows } = await database.admin.query<{ name: string }>(
    `select table_name || '.' || column_name as name from information_schema.columns
      where table_schema = 'public' and table_name <> 'schema_migration'`,
  );
  expect(typed.sort()).toEqual(rows.map((row) => row.name).sort());
});
