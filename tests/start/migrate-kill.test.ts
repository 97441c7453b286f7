/** Migrations whose process is killed with -9 at random moments, until one comes through: the schema is whole. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { migrate, migrations } from '../../db/migrate.ts';
import { dice } from '../runtime/graphs.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

const KILLS = Math.max(6, Number(process.env.SPLICEBOARD_KILLS ?? 0));
const die = dice(Number(process.env.SPLICEBOARD_SEED ?? 41));

async function schema(database: TestDatabase): Promise<unknown> {
  const { rows } = await database.admin.query(
    `select (select jsonb_agg(to_jsonb(c) order by table_schema, table_name, column_name) from (
               select table_schema, table_name, column_name, data_type, is_nullable, column_default
                 from information_schema.columns where table_schema in ('public', 'door')) c) as columns,
            (select jsonb_agg(md5(pg_get_functiondef(p.oid)) order by md5(pg_get_functiondef(p.oid))) from pg_proc p
               join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('public', 'door')) as functions,
            (select jsonb_agg(to_jsonb(p) order by tablename, policyname) from pg_policies p) as policies,
            (select jsonb_agg(number order by number) from schema_migration) as numbers`,
  );
  return rows[0];
}

test(`after ${KILLS} kills of a migration the next one comes to the same schema`, async () => {
  await using stack = new AsyncDisposableStack();
  const open = async () => stack.adopt(await testDatabase({ empty: true }), (database) => database.close());
  const whole = await open();
  await migrate(whole.url);
  const wanted = await schema(whole);

  const module = path.resolve(import.meta.dirname, '../../db/migrate.ts');
  const code = `const { migrate } = await import(${JSON.stringify(module)}); console.log('go'); await migrate(process.env.TEST_URL);`;
  let database = await open();
  let within = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      env: { ...process.env, TEST_URL: database.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), ended]);
    // the queue's own tables first, then ours
    const applied = async () => {
      const { rows } = await database.admin.query(`select to_regclass('schema_migration') is not null as begun`);
      if (!rows[0].begun) return 0;
      return (await database.admin.query('select from schema_migration')).rowCount ?? 0;
    };
    const until = die.below(migrations().length);
    for (let waited = 0; child.exitCode === null && (await applied()) < until && waited < 10_000; waited++)
      await sleep(1);
    child.kill('SIGKILL');
    await ended;
    if (child.signalCode === 'SIGKILL') within += 1;
    if ((await applied()) < migrations().length) continue;
    expect(await schema(database)).toEqual(wanted);
    database = await open(); // it came through: the next kills meet an empty one
  }
  expect(within).toBeGreaterThan(KILLS / 2);
  await migrate(database.url);
  expect(await schema(database)).toEqual(wanted);
}, 120_000);
