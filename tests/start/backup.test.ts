/**
 * Backups of what goes on: taken while steps run, waits are open and posts are being sent, restored elsewhere, where
 * everything goes on and nothing is posted twice. Posts are counted outside the product.
 */

import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assetRows } from '../../db/assets.ts';
import { runSnapshot } from '../../db/run-view.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { assetStore, objectsFrom } from '../../runtime/assets.ts';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import { NO_FAULTS } from '../../runtime/faults.ts';
import { createFetcher } from '../../runtime/fetch.ts';
import { startWorker } from '../../runtime/worker.ts';
import { type Bench, graphOf, openBench } from '../runtime/bench.ts';
import { markingMedia, marks, posts, postsHost } from '../runtime/marks.ts';
import { spliceboard, spliceboardWith } from '../support/command.ts';
import { testDatabase } from '../support/database.ts';
import { freshFolder, removeFolder, startProduct } from '../support/product.ts';
import { startS3 } from '../support/s3.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-backup-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('runs of a backup go on where it is restored, and what was posted before or after it is not posted again', async () => {
  await using stack = new AsyncDisposableStack();
  const bench: Bench = stack.adopt(await openBench({ idle: true, own: true }), (open) => open.close());
  const target = stack.adopt(await testDatabase({ empty: true }), (open) => open.close());
  const file = path.join(bench.folder, 'posts');
  const steps = path.join(bench.folder, 'marks');
  const capabilities = [markingMedia(steps, { ms: 3_000 })];
  const internalHosts = [postsHost(file)];
  await bench.worker({ capabilities, internalHosts });

  // one is done; one has posted and works; one posts after the backup; one sleeps
  const done = await bench.start(
    graphOf(['numbers { "count": 1, "prefix": "done " }', 'post'], ['numbers.items > post.text']),
  );
  await bench.ended(done);
  const works = await bench.start(
    graphOf(
      ['numbers { "count": 1, "prefix": "early " }', 'post', 'work { "label": "works" }'],
      ['numbers.items > post.text', 'post.url > work.text'],
    ),
  );
  const later = await bench.start(
    graphOf(
      ['numbers { "count": 2, "prefix": "late " }', 'work { "label": "later" }', 'post'],
      ['numbers.items > work.text', 'work.text > post.text'],
    ),
  );
  const sleeps = await bench.start(
    graphOf(
      ['numbers { "count": 1, "prefix": "slept " }', 'nap:flow.delay {"amount":0.09}', 'post'],
      ['numbers.items > nap.item', 'nap.item > post.text'],
    ),
  );
  const all = [done, works, later, sleeps];
  for (
    let waited = 0;
    marks(steps).filter((line) => line.startsWith('begin')).length < 2 && waited < 20_000;
    waited += 10
  )
    await sleep(10);
  await bench.until(sleeps, ({ nodes }) => nodes.some(({ state }) => state === 'waiting'));
  expect(posts(file).map(({ text }) => text)).toEqual(['done 1', 'early 1']);

  const backup = path.join(bench.folder, 'all.backup');
  const taken = await spliceboardWith({ DATABASE_URL: bench.database.url }, bench.folder, 'backup', backup);
  expect(taken.err + taken.out).toContain('all.backup');
  expect(taken.code).toBe(0);
  expect(statSync(backup).mode & 0o777).toBe(0o600);

  // the old place goes on for a while: its late posts are sent, and the restored place cannot know
  await bench.ended(later, 30_000);
  expect(posts(file).filter(({ text }) => text.startsWith('late'))).toHaveLength(2);
  for (const worker of bench.workers()) await bench.stop(worker, 100);

  const elsewhere = path.join(bench.folder, 'elsewhere');
  const restored = await spliceboardWith({ DATABASE_URL: target.url }, elsewhere, 'restore', backup);
  expect(restored.err).toContain('Restored into the database of DATABASE_URL');
  expect(restored.code).toBe(0);
  const look = (runId: string) =>
    inWorkspace(target.db('app'), bench.workspaceId, (tx) => runSnapshot(tx, runId)).then((found) => found!);
  expect((await look(done)).run.state).toBe('succeeded');
  expect((await look(works)).run.state).toBe('running');
  expect((await look(sleeps)).nodes.find(({ nodeId }) => nodeId === 'nap')!.state).toBe('waiting');

  const fetcher = createFetcher();
  const worker = await startWorker({
    url: target.url,
    assetsDir: path.join(elsewhere, 'assets'),
    sandbox: bench.sandbox,
    catalogue: bench.catalogue,
    capabilities: new Map(
      [markingMedia(steps, { ms: 20 }), httpCapability({ fetcher })].map((each) => [each.name, each]),
    ),
    internalHosts: new Map(internalHosts.map((each) => [each.host, each])),
    fetcher,
    faults: NO_FAULTS,
    log: () => {},
  });
  try {
    for (const runId of all) {
      for (let waited = 0; (await look(runId)).run.state === 'running' && waited < 40_000; waited += 50)
        await sleep(50);
      expect((await look(runId)).run.state).toBe('succeeded');
    }
  } finally {
    await worker.stop(500);
  }
  const texts = posts(file).map(({ text }) => text);
  expect(texts.map((text) => text.replace(/ #.*/, '')).sort()).toEqual([
    'done 1',
    'early 1',
    'late 1',
    'late 2',
    'slept 1',
  ]);
  const { rows } = await target.admin.query(
    `select count(*)::int as n from effect where evidence ->> 'lookedUp' like 'https%'`,
  );
  expect(rows[0].n).toBeGreaterThanOrEqual(2); // the late ones were found, not sent
}, 120_000);

test('a running installation moves to another folder, and to a server with an S3-compatible store', async () => {
  const backup = path.join(folder, 'product.backup');
  const note = path.join(folder, 'notes.md');
  writeFileSync(note, `# Notes\n\n${'Things we learned. '.repeat(50)}\n`);
  const graph = {
    format: 1,
    nodes: [
      { id: 'ingest', type: 'media.ingest', version: '1.0.0', name: 'Ingest', position: { x: 0, y: 0 }, config: {} },
    ],
    edges: [],
    inputs: [{ name: 'recording', title: 'Recording', node: 'ingest', field: 'recording' }],
    sections: [],
    notes: [],
  };
  const pipeline = path.join(folder, 'only.json');
  writeFileSync(pipeline, JSON.stringify({ spliceboard: 1, name: 'Only ingest', graph }));
  let asset: string;
  let key: string;
  {
    await using product = await startProduct({ sample: false });
    expect(await spliceboard(product.data, 'import', pipeline)).toMatchObject({ code: 0 });
    const ran = await spliceboard(
      product.data,
      'run',
      'Only ingest',
      '--input',
      `recording=@${note}`,
      '--wait',
      '--json',
    );
    expect(ran.code).toBe(0);
    asset = createHash('sha256').update(readFileSync(note)).digest('hex');
    key = readFileSync(path.join(product.data, 'seal.key'), 'utf8');
    expect(await spliceboard(product.data, 'backup', backup)).toMatchObject({ code: 0 });
    // not into a folder that runs
    expect((await spliceboard(product.data, 'restore', backup)).err).toContain('Spliceboard runs on');
  }

  const data = freshFolder();
  try {
    const restored = await spliceboard(data, 'restore', backup);
    expect(restored.err).toContain('Restored into');
    expect(restored.code).toBe(0);
    expect((await spliceboard(data, 'restore', backup)).err).toContain('holds data already');
    expect(readFileSync(path.join(data, 'seal.key'), 'utf8')).toBe(key);
    await using product = await startProduct({ data });
    expect((await spliceboard(data, 'runs')).out).toContain('Only ingest');
    const again = await spliceboard(
      data,
      'run',
      'Only ingest',
      '--input',
      `recording=@${note}`,
      '--out',
      path.join(folder, 'out'),
      '--json',
    );
    expect(again).toMatchObject({ code: 0 });
    expect(again.json()).toMatchObject({ run: { number: 2, state: 'succeeded' } });
    expect(product.output()).not.toContain('sample');
  } finally {
    removeFolder(data);
  }

  await using store = await startS3();
  await using stack = new AsyncDisposableStack();
  const target = stack.adopt(await testDatabase({ empty: true }), (open) => open.close());
  const settings = { DATABASE_URL: target.url, ...store.environment };
  const moved = await spliceboardWith(settings, path.join(folder, 'server'), 'restore', backup);
  expect(moved.err).toContain('Restored into');
  expect((await store.objects()).map(({ key: name }) => name)).toContainEqual(expect.stringContaining(asset));
  const { rows } = await target.admin.query<{ id: string }>('select id from workspace');
  const read = assetStore(
    await objectsFrom(path.join(folder, 'other-host'), store.environment),
    assetRows(target.db('app'), rows[0]!.id),
  );
  expect(readFileSync(await read.path(asset), 'utf8')).toBe(readFileSync(note, 'utf8'));
  // every table is guarded as before
  const { rows: open } = await target.admin.query(
    `select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and relrowsecurity and not relforcerowsecurity and relkind = 'r'`,
  );
  expect(open).toEqual([]);
  expect((await spliceboardWith(settings, path.join(folder, 'server-2'), 'restore', backup)).err).toContain(
    'holds data already',
  );

  // what is not whole, or was changed, is refused and leaves nothing
  const cut = path.join(folder, 'cut.backup');
  copyFileSync(backup, cut);
  truncateSync(cut, statSync(cut).size - 5_000);
  const damaged = path.join(folder, 'damaged.backup');
  const bytes = readFileSync(backup);
  const at = bytes.indexOf('Things we learned');
  copyFileSync(backup, damaged);
  const handle = openSync(damaged, 'r+');
  writeSync(handle, 'Thongs', at);
  closeSync(handle);
  const refusals = [
    [cut, 'not whole'],
    [damaged, 'not what its name says'],
    [note, 'not a backup'],
  ] as const;
  await Promise.all(
    refusals.map(async ([broken, says], index) => {
      const empty = stack.adopt(await testDatabase({ empty: true }), (opened) => opened.close());
      const into = path.join(folder, `refused-${index}`);
      const refused = await spliceboardWith({ DATABASE_URL: empty.url }, into, 'restore', broken);
      expect(refused.err).toContain(says);
      expect(refused.code).toBe(1);
      expect(existsSync(path.join(into, 'assets', 'objects'))).toBe(false);
      const tables = await empty.admin.query(`select to_regclass('workspace') is null as bare`);
      if (!tables.rows[0].bare) expect((await empty.admin.query('select from workspace')).rowCount).toBe(0);
    }),
  );
}, 180_000);
