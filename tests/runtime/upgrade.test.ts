/**
 * During an update two versions work on one database. The previous one is taken from the repository's own history; where
 * that is not there (a shallow clone, an archive) its test is left out.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate, migrations, requireSchema } from '../../db/migrate.ts';
import { testDatabase } from '../support/database.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { marks } from './marks.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** The last commit of the previous landing: schema 16. */
const PREVIOUS = '755e529781780c1d0e22e0a77560fbab4790e49c';
const hasPrevious = spawnSync('git', ['cat-file', '-e', `${PREVIOUS}^{commit}`], { cwd: ROOT }).status === 0;

let bench: Bench;
let previous: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  bench = await openBench({ idle: true });
  previous = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-previous-'));
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await bench.close();
  rmSync(previous, { recursive: true, force: true });
});

function spawnWorker(root: string, folder: string): ChildProcess {
  const child = spawn(process.execPath, [path.join(root, 'tests/runtime/kill-worker.ts')], {
    cwd: root,
    // each version packs for itself
    env: { ...process.env, TEST_URL: bench.database.url, TEST_FOLDER: folder, TEST_MS: '120', TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  return child;
}

test.skipIf(!hasPrevious)(
  'a worker of the previous landing and one of this version carry one run together',
  async () => {
    const archive = execFileSync('git', ['archive', PREVIOUS, 'db', 'runtime', 'nodes', 'tests', 'package.json'], {
      cwd: ROOT,
      maxBuffer: 256 * 1024 ** 2,
    });
    execFileSync('tar', ['-x', '-C', previous], { input: archive });
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(previous, 'node_modules'));
    const folders = ['old', 'new'].map((name) => path.join(bench.folder, name));
    for (const folder of folders) {
      mkdirSync(folder);
      symlinkSync(path.join(bench.folder, 'assets'), path.join(folder, 'assets'));
    }
    mkdirSync(path.join(bench.folder, 'assets'), { recursive: true });
    spawnWorker(previous, folders[0]!);
    spawnWorker(ROOT, folders[1]!);
    await expect
      .poll(async () => (await bench.database.admin.query('select from worker')).rowCount, { timeout: 30_000 })
      .toBe(2);
    const items = 24;
    const runId = await bench.start(
      graphOf(
        [`numbers { "count": ${items} }`, 'work', 'shout', 'join', 'post'],
        ['numbers.items > work.text', 'work.text > shout.text', 'shout.text > join.texts', 'join.text > post.text'],
      ),
    );
    expect((await bench.ended(runId, 60_000)).run.state).toBe('succeeded');
    const parts = folders.map((folder) => marks(path.join(folder, 'marks')).filter((line) => line.startsWith('end')));
    expect(parts[0]!.length + parts[1]!.length).toBe(items);
    expect(Math.min(...parts.map((part) => part.length))).toBeGreaterThan(0);
    const text = (await bench.value(runId, 'join', 'text')) as string;
    expect([...text.matchAll(/\d+/g)].map(Number).filter((number) => number <= items).length).toBeGreaterThanOrEqual(
      items,
    );
  },
  150_000,
);

test('a database of a newer version is refused by a start in one sentence, and left alone', async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.adopt(await testDatabase(), (open) => open.close());
  await database.admin.query(`insert into schema_migration (number, name) values (9001, '9001_later.sql')`);
  await expect(migrate(database.url)).rejects.toThrow(
    /^This database belongs to a newer version of Spliceboard \(it has schema 9001, this version knows \d+\)\. Update Spliceboard, or use another folder with --data\.$/,
  );
  // servers and workers of this version that run already, or are started again meanwhile, go on
  await expect(requireSchema(database.url)).resolves.toBeUndefined();
});

test('a server or worker on a database that was not migrated yet says what to run', async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.adopt(await testDatabase(), (open) => open.close());
  const newest = migrations().at(-1)!.number;
  const sentence = `This database is older than this version of Spliceboard, which needs schema ${newest}. Run the migrator first: node scripts/migrate.ts.`;
  await database.admin.query('delete from schema_migration where number = $1', [newest]);
  await expect(requireSchema(database.url)).rejects.toThrow(sentence);
  await database.admin.query('revoke select on schema_migration from app');
  await expect(requireSchema(database.url)).rejects.toThrow(sentence);
});
