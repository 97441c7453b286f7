/** What is kept and what goes: runs by their workspace's retention, files that nothing kept refers to, and nothing else. */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { REFERRERS, referrersOf, setRetention, takeSweep } from '../../db/storage.ts';
import { localObjects, type Objects } from '../../runtime/assets.ts';
import { removeGone, sweepWorkspace } from '../../runtime/sweep.ts';
import { workspaceStores } from '../../runtime/values.ts';
import { roomIn } from '../../server/disk.ts';
import { type Bench, graphOf, openBench } from '../runtime/bench.ts';
import { startTestServer } from '../support/server.ts';
import { call } from '../tenancy/world.ts';

let bench: Bench;
let objects: Objects;
const signal = new AbortController().signal;
const quiet = { log: () => {} };
beforeAll(async () => {
  bench = await openBench({ own: true });
  objects = localObjects(path.join(bench.folder, 'assets'));
});
afterAll(() => bench?.close());
beforeEach(() => bench.inside((tx) => setRetention(tx, { runDays: null, runsPerPipeline: null })));

const query = (text: string, values: unknown[] = []) => bench.database.admin.query(text, values);
const sweep = () => sweepWorkspace({ db: bench.database.db('app'), objects, ...quiet }, bench.workspaceId, signal);
const stores = () => workspaceStores(objects, bench.database.db('app'), bench.workspaceId);
const grow = async (runId: string, days: number) => {
  await query(
    `update run set started_at = started_at - $2 * interval '1 day', ended_at = ended_at - $2 * interval '1 day' where id = $1`,
    [runId, days],
  );
};
/** As if everything had been stored two days ago. */
const age = () =>
  query(`update asset set touched_at = now() - interval '2 days', created_at = now() - interval '2 days'`);
const runsLeft = async () =>
  (await query('select id, pruned_at is not null as hollow from run order by number')).rows as {
    id: string;
    hollow: boolean;
  }[];
const ONE = graphOf(['numbers { "count": 2 }'], []);
const ended = async (pipelineId?: string) => {
  const id = await bench.start(ONE, { nonce: randomUUID(), ...(pipelineId ? { pipelineId } : {}) });
  await bench.ended(id);
  return id;
};
const file = (text: string, madeFrom: string[] = []) =>
  stores().assets.putBytes(
    Buffer.from(`${text} ${randomUUID()}`),
    { kind: 'text', mime: 'text/plain', name: text },
    madeFrom,
  );
const isThere = async (sha256: string) => (await query('select from asset where sha256 = $1', [sha256])).rowCount === 1;

test('runs older than their workspace keeps go in batches; young ones, waiting ones and the newest stay', async () => {
  const old = [];
  for (let count = 0; count < 25; count++) old.push(await ended());
  for (const id of old) await grow(id, 40);
  const asleep = await bench.start(
    graphOf(['numbers { "count": 1 }', 'nap:flow.delay {"amount":60}'], ['numbers.items > nap.item']),
    { nonce: randomUUID() },
  );
  await bench.until(asleep, ({ nodes }) => nodes.some(({ state }) => state === 'waiting'));
  await grow(asleep, 400);
  const young = await ended();
  expect(await sweep()).toMatchObject({ runs: 0 }); // nothing is set: all is kept
  await bench.inside((tx) => setRetention(tx, { runDays: 30, runsPerPipeline: null }));
  expect(await sweep()).toMatchObject({ runs: 25 });
  expect((await runsLeft()).map(({ id }) => id)).toEqual([asleep, young]);
  await grow(young, 40);
  expect(await sweep()).toMatchObject({ runs: 1 });
  expect(await runsLeft()).toEqual([
    { id: asleep, hollow: false },
    { id: young, hollow: true }, // its number is not given again
  ]);
  expect(await bench.steps(young, 'numbers')).toEqual([]);
  const { run } = await bench.look(await ended());
  expect(run.number).toBe(28);
});

test('of each pipeline the newest runs stay; one that has sent something keeps its evidence, an open one all', async () => {
  const pipelineId = await bench.pipeline(ONE);
  const runs: string[] = [];
  for (let count = 0; count < 6; count++) runs.push(await ended(pipelineId));
  const effect = (runId: string, state: string) =>
    query(
      `insert into effect (workspace_id, key, brand_id, run_id, node, path, name, kind, request, content_digest, state, handle, token, send_by)
       select workspace_id, gen_random_uuid(), brand_id, id, 'numbers', '{}', 'post', 'test', '{}', 'd', $2, 'h', 1, now() from run where id = $1`,
      [runId, state],
    );
  await effect(runs[0]!, 'confirmed');
  await effect(runs[1]!, 'unknown');
  const naps = graphOf(['numbers { "count": 1 }', 'nap:flow.delay {"amount":60}'], ['numbers.items > nap.item']);
  const napping = await bench.pipeline(naps);
  const asleep: string[] = [];
  for (let count = 0; count < 4; count++)
    asleep.push(await bench.start(naps, { nonce: randomUUID(), pipelineId: napping }));
  await bench.inside((tx) => setRetention(tx, { runDays: null, runsPerPipeline: 2 }));
  await sweep();
  expect((await runsLeft()).filter(({ id, hollow }) => asleep.includes(id) && !hollow)).toHaveLength(4);
  const left = (await runsLeft()).filter(({ id }) => runs.includes(id));
  expect(left).toEqual([
    { id: runs[0]!, hollow: true },
    { id: runs[1]!, hollow: false },
    { id: runs[4]!, hollow: false },
    { id: runs[5]!, hollow: false },
  ]);
  const { rows } = await query('select handle from effect where run_id = $1', [runs[0]]);
  expect(rows).toEqual([{ handle: 'h' }]);
  const look = await bench.look(runs[0]!);
  expect(look.nodes[0]!.reason).toBe('Removed with other old runs; what it sent is kept in the outbox.');
});

test('a file goes when nothing kept refers to it, a day after it was made, with its bytes; what people gave stays', async () => {
  const [orphan, young, given] = [await file('orphan'), await file('young'), await file('given')];
  const inRun = await file('of a run');
  // named at the very end: not in the preview that stands in the row
  const large = { list: [...Array.from({ length: 400 }, () => randomUUID()), { asset: inRun.asset }] };
  const runId = await ended();
  const stored = await stores().values.store(large, false);
  expect(stored.asset).toBeDefined();
  expect(JSON.stringify(stored)).not.toContain(inRun.asset);
  await query('update step set outputs = $2 where run_id = $1', [runId, { out: stored }]);
  const logo = await file('logo');
  const kit = `update brand set kit = jsonb_set(kit, '{logo}', $1)`;
  await query(kit, [JSON.stringify(logo)]);
  await age();
  await query('update asset set touched_at = now() where sha256 = $1', [young.asset]);
  await query('update asset set is_given = true where sha256 = $1', [given.asset]);
  const bytes = await stores().assets.path(orphan.asset);
  expect(await sweep()).toMatchObject({ assets: 1 });
  const there = await Promise.all([orphan, young, given, inRun, logo].map(({ asset }) => isThere(asset)));
  expect(there).toEqual([false, true, true, true, true]);
  await removeGone({ db: bench.database.db('app'), objects, ...quiet }, signal);
  expect(existsSync(bytes)).toBe(true); // a backup may be reading them
  await query(`update asset_gone set at = now() - interval '2 hours'`);
  await removeGone({ db: bench.database.db('app'), objects, ...quiet }, signal);
  expect(existsSync(bytes)).toBe(false);
  expect((await query('select from asset_gone')).rowCount).toBe(0);

  // the run goes, and with it the long value and what only that named
  const long = await stores().assets.path(stored.asset!);
  expect(gunzipSync(await import('node:fs').then((fs) => fs.readFileSync(long))).toString()).toContain(inRun.asset);
  await ended(); // the newest stays
  await grow(runId, 40);
  await bench.inside((tx) => setRetention(tx, { runDays: 30, runsPerPipeline: null }));
  await sweep();
  expect([await isThere(inRun.asset), await isThere(stored.asset!)]).toEqual([false, false]);
  await query(kit, ['null']);
});

test('what is stored again while it is being cleared away stays', async () => {
  const made = await file('again');
  await age();
  const { assets } = stores();
  const same = await (async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of await assets.read(made.asset)) chunks.push(chunk as Buffer);
    return assets.putBytes(Buffer.concat(chunks), { kind: 'text', mime: 'text/plain', name: 'again' });
  })();
  expect(same.asset).toBe(made.asset);
  await sweep();
  expect(await isThere(made.asset)).toBe(true);
});

test('one worker at a time sweeps a workspace, again after six hours or when its retention was changed', async () => {
  const db = bench.database.db('app');
  await bench.inside((tx) => setRetention(tx, { runDays: 10, runsPerPipeline: null }));
  const took = await Promise.all([takeSweep(db), takeSweep(db), takeSweep(db)]);
  expect(took.filter((each) => each === bench.workspaceId)).toHaveLength(1);
  expect(await takeSweep(db)).toBeUndefined();
  await query(`update retention set swept_at = now() - interval '7 hours'`);
  expect(await takeSweep(db)).toBe(bench.workspaceId);
});

test('a file says what needs it', async () => {
  const used = await file('used');
  expect(await bench.inside((tx) => referrersOf(tx, used.asset))).toEqual([]);
  const runId = await ended();
  await query('update step set outputs = $2 where run_id = $1', [runId, { out: { value: used } }]);
  const { run } = await bench.look(runId);
  expect(await bench.inside((tx) => referrersOf(tx, used.asset))).toEqual([{ kind: 'run', name: String(run.number) }]);
});

/** Columns that hold no digest of a file, or whose row goes with the file. */
const NO_FILES: Record<string, string> = {
  'run.estimate': 'figures',
  'asset.facts': 'the file itself',
  'asset.made_from': 'where it came from: kept for the record, not a use',
  'asset.names': 'followed from long values',
  'audit.about': 'a record of acts, not a use',
  'connecting.error': 'words',
  'connection.error': 'words',
  'connection.scopes': 'names',
  'platform_event.body': 'what a platform said',
  'platform_event.error': 'words',
  'platform_event.headers': 'what a platform said',
  'platform_post.error': 'words',
  'platform_post.metrics': 'figures',
  'platform_post.post': 'an address elsewhere, not a file',
  'effect.request': 'evidence of what was sent; the bytes went out',
  'effect.evidence': 'what the other side said',
  'errand.input': 'about a file of its own row, done within minutes',
  'errand.error': 'words',
  'errand.result': 'about a package, not a file',
  'notice.error': 'words',
  'plugin_package.source': 'where it came from',
  'plugin_package.error': 'words',
  'plugin_carry.operations': 'changes of settings that the draft has too',
  'plugin_carry.inverse': 'settings as the draft had them',
  'plugin_carry.review': 'words',
  'plugin_trial.error': 'words',
  'plugin_trial.said': 'what a plugin in the making said and was told; its assets are those of its run',
  'plugin_type.manifest': 'what a node type is, not what runs made',
  'retention.swept': 'counts',
  'reuse.facts': 'words',
  'reuse.ambient': 'digests of values',
  'step.error': 'words',
  'step.facts': 'words',
  'step.inputs': 'digests of values',
  'run.plan': 'made from the graph',
  'run.pins': 'node types',
  'run.afresh': 'node ids',
  'pipeline_version.pins': 'node types',
  'pipeline_trigger.problem': 'words',
  'pipeline_trigger.cursor': 'where a feed was read to',
  'member.brands': 'ids',
  'invitation.brands': 'ids',
};

test('every column in which a file may stand is looked into', async () => {
  const { rows } = await query(
    `select table_name || '.' || column_name as name from information_schema.columns
      where table_schema = 'public' and (data_type = 'jsonb' or data_type = 'ARRAY') and udt_name not in ('_int4', '_float4')
        and table_name in (select table_name from information_schema.columns where table_schema = 'public' and column_name = 'workspace_id')`,
  );
  const known = new Set([...REFERRERS.map(([table, column]) => `${table}.${column}`), ...Object.keys(NO_FILES)]);
  expect(rows.map(({ name }) => name as string).filter((name) => !known.has(name))).toEqual([]);
  expect(readdirSync(path.join(bench.folder, 'assets')).length).toBeGreaterThan(0);
});

test('the page removes what nothing needs, and says what needs the rest', async () => {
  await using server = await startTestServer({ database: bench.database });
  const { workspaceId } = bench;
  const { token } = await server.member(workspaceId, 'admin');
  const [free, used] = [await file('free'), await file('used')];
  const runId = await ended();
  await query('update step set outputs = $2 where run_id = $1', [runId, { out: { value: used } }]);
  await query(`update brand set kit = jsonb_set(kit, '{logo}', $1), name = 'Acme'`, [JSON.stringify(used)]);
  const remove = (asset: string) => call(server, 'storage.remove', 'mutation', { workspaceId, asset }, { token });
  const { run } = await bench.look(runId);
  const refused = await remove(used.asset);
  expect(refused.code).toBe('FILE_IN_USE');
  expect(refused.text).toContain(`This file is needed by the brand kit of Acme and run ${run.number}.`);
  expect((await remove(free.asset)).code).toBeNull();
  expect([await isThere(free.asset), await isThere(used.asset)]).toEqual([false, true]);
  const got = await call(server, 'storage.get', 'query', { workspaceId }, { token });
  expect(got.text).toContain(used.asset);
  expect(got.text).not.toContain(free.asset);
  await query(`update brand set kit = jsonb_set(kit, '{logo}', 'null')`);
});

test('uploads stop before the disk is full, and are warned of before that', async () => {
  const GB = 1024 ** 3;
  const stateAt = (freeBytes: number, totalBytes: number) => roomIn({ freeBytes, totalBytes }).state;
  expect([stateAt(100 * GB, 500 * GB), stateAt(9 * GB, 500 * GB), stateAt(4 * GB, 500 * GB)]).toEqual([
    'ok',
    'low',
    'full',
  ]);
  expect([stateAt(7 * GB, 10 * GB), stateAt(1 * GB, 10 * GB), stateAt(0.5 * GB, 10 * GB)]).toEqual([
    'ok',
    'low',
    'full',
  ]);

  await using server = await startTestServer({ database: bench.database });
  const { workspaceId } = bench;
  const { token } = await server.member(workspaceId, 'editor');
  const begin = (length: number) =>
    fetch(`${server.url}/api/uploads`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'tus-resumable': '1.0.0',
        'upload-length': String(length),
        'upload-metadata': `filename ${btoa('a.mp4')},workspaceId ${btoa(workspaceId)}`,
      },
    });
  const room = async () => (await call(server, 'storage.room', 'query', { workspaceId }, { token })).text;
  const doctor = async () => (await call(server, 'health.doctor', 'query', { workspaceId }, { token })).text;
  server.services.disk = async () => ({ freeBytes: 7 * GB, totalBytes: 100 * GB });
  expect(await room()).toContain('"low"');
  expect(await doctor()).toContain('Long recordings may not fit.');
  expect((await begin(1 * GB)).status).toBe(201);
  expect((await begin(5 * GB)).status).toBe(412); // it would take what the database needs
  server.services.disk = async () => ({ freeBytes: 2 * GB, totalBytes: 100 * GB });
  expect(await room()).toContain('"full"');
  expect(await doctor()).toContain('New uploads are refused.');
  const refused = await begin(1000);
  expect(refused.status).toBe(412);
  expect(await refused.json()).toMatchObject({
    problem: { code: 'DISK_FULL', hint: 'Free some space under Settings, Storage, then try again.' },
  });
});
