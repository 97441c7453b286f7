/**
 * Runs as they were left by an earlier version, in the middle of their lives: all rows and files of a workspace. A database of the
 * schema they were recorded with is filled, brought to today's schema, and today's worker carries each run to the end that the
 * version which recorded it came to. Once as after a restored backup, and once as after an update of an installation that had lost
 * its power: there every row is as it was, an act that was being sent among them.
 *
 * `SPLICEBOARD_RECORD=1 npx vitest run tests/runtime/recorded-runs.test.ts` records those of today beside them, named by the
 * newest migration. A recording that is there is never written anew: it is what people have.
 */
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AdvanceRules, retrySteps } from '../../db/again.ts';
import { type BackupTable, beginRestore, openSnapshot } from '../../db/backup.ts';
import { childrenOf } from '../../db/children.ts';
import { migrate, migrations } from '../../db/migrate.ts';
import { publishPipeline } from '../../db/pipelines.ts';
import { answerWait } from '../../db/waits.ts';
import type { InternalHost } from '../../runtime/broker.ts';
import type { FaultName } from '../../runtime/faults.ts';
import { dependentsOf, isTrouble, rebuild } from '../../runtime/graph/advance.ts';
import type { Graph, Policy } from '../../runtime/graph/graph.ts';
import type { Plan } from '../../runtime/graph/plan.ts';
import { freePath, recordingsIn } from '../../scripts/recordings.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { markingMedia, marks, posts, postsHost } from './marks.ts';

const FOLDER = path.resolve(import.meta.dirname, '../fixtures/recorded/runs');
const RULES = { dependentsOf, rebuild, isTrouble } as AdvanceRules<Plan>;
const SCENES = [
  ...(['begun', 'in a map', 'asleep', 'sending', 'failed', 'calling', 'ended'] as const),
  // since 0069
  ...(['busy', 'sent', 'waiting for a call', 'asking', 'measuring'] as const),
];
type Scene = (typeof SCENES)[number];
/** What a step came to, in words; of the first recording its state and digests. */
type StepEnd = string | [state: string, digests: string[]];
type Ends = Partial<Record<Scene, { state: string; nodes: Record<string, Record<string, StepEnd>> }>>;
type Runs = Partial<Record<Scene, string>>;
type Recording = {
  migrations: number[];
  tables: BackupTable[];
  rows: Record<string, string[]>;
  /** Path → base64. */
  files: Record<string, string>;
  workspaceId: string;
  brandId: string;
  runs: Runs;
  ends: Ends;
};

const json = (value: unknown) => JSON.stringify(value);
const TEXT = (name: string) => ({ name, title: name, type: 'text' });
const LONG = 'A sentence of a long talk. '.repeat(600);
const review = (edits: Record<string, string> = {}) => ({ outcome: 'approved', edits, comment: '' });

/** The service outside: what was posted to it, and what it was asked. */
function outside(folder: string): InternalHost {
  const platform = postsHost(path.join(folder, 'posts'));
  return {
    host: platform.host,
    async handle(scope, request) {
      if (request.query?.text) appendFileSync(path.join(folder, 'asked'), `${request.query.text}\n`);
      return platform.handle(scope, request);
    },
  };
}
const machine = (folder: string) => [markingMedia(path.join(folder, 'marks'), { ms: 5 })];

/** What each scene is asked or done once it goes on. */
async function wake(bench: Bench, runs: Runs): Promise<void> {
  const answer = (runId: string, node: string, name: string, kind: 'person' | 'hook', value: unknown) =>
    bench.inside((tx) => answerWait(tx, { runId, node, path: [] }, { name, kind, by: null, value }));
  await answer(runs.asleep!, 'ask', 'review', 'person', review());
  const [child] = await bench.inside((tx) => childrenOf(tx, runs.calling!, 'sub'));
  await answer(child!.runId, 'ask', 'review', 'person', review());
  await bench.inside((tx) => retrySteps(tx, { runId: runs.failed! }, RULES));
  const called = runs['waiting for a call'];
  if (called) await answer(called, 'called', 'call', 'hook', { paid: true });
}

/** State of the run, and what each node gave, item by item. */
async function endOf(bench: Bench, runId: string, isReadable = true): Promise<Ends[Scene]> {
  const { run, nodes } = await bench.ended(runId, 30_000);
  const made: Record<string, Record<string, StepEnd>> = {};
  for (const { nodeId } of nodes) {
    made[nodeId] = {};
    for (const { path: at, state, outputs, error } of await bench.steps(runId, nodeId)) {
      const digests = Object.values(outputs).map(({ digest }) => digest);
      const { code = null } = (error ?? {}) as { code?: string };
      const said = Object.entries(outputs).map(
        ([port, { value, digest }]) => `${port} ${shortened(json(value) ?? '')} ${digest}`,
      );
      made[nodeId][at.join('.')] = isReadable
        ? [state, ...(code ? [code] : []), ...said].join(' · ')
        : [state, digests];
    }
  }
  return { state: run.state, nodes: made };
}
const shortened = (text: string) => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

/** Rows of a table, each column as text. */
function rowsOf({ tables, rows }: Recording, name: string): Record<string, string | null>[] {
  const { columns } = tables.find((table) => table.name === name)!;
  return rows[name]!.map((line) => {
    const values = JSON.parse(line) as (string | null)[];
    return Object.fromEntries(columns.map((column, index) => [column.name, values[index]!]));
  });
}

/** By what a backup is restored with. */
async function restored(database: TestDatabase, recording: Recording): Promise<void> {
  const restore = await beginRestore(database.url, recording.tables);
  for (const table of recording.tables) await restore.insert(table, recording.rows[table.name] ?? []);
  await restore.finish();
}

/** Row by row as they were, by nothing of ours. */
async function inPlace(database: TestDatabase, recording: Recording): Promise<void> {
  const client = await database.admin.connect();
  try {
    await client.query('begin');
    await client.query('set local session_replication_role = replica'); // no trigger and no reference stands in the way
    for (const { name, columns } of recording.tables) {
      const [schema, table] = name.split('.');
      const at = `${schema}.${client.escapeIdentifier(table!)}`;
      const names = columns.map((column) => client.escapeIdentifier(column.name)).join(', ');
      const values = columns.map((_, index) => `$${index + 1}`).join(', ');
      for (const line of recording.rows[name] ?? [])
        await client.query(`insert into ${at} (${names}) overriding system value values (${values})`, JSON.parse(line));
      for (const { name: column } of columns) {
        const { rows } = await client.query('select pg_get_serial_sequence($1, $2) as sequence', [at, column]);
        const { sequence } = rows[0];
        if (sequence)
          await client.query(
            `select setval($1, coalesce((select max(${client.escapeIdentifier(column)}) from ${at}), 0) + 1, false)`,
            [sequence],
          );
      }
    }
    await client.query('commit');
  } finally {
    client.release();
  }
}

const WAYS = { 'restored from a backup': restored, 'updated in place': inPlace };
const CASES = recordingsIn(FOLDER).flatMap((name) =>
  Object.entries(WAYS).map(([way, load]) => ({ name, way: way as keyof typeof WAYS, load })),
);

test('there are recorded runs, with every scene among them', () => {
  const scenes = recordingsIn(FOLDER).flatMap((name) =>
    Object.keys((JSON.parse(readFileSync(path.join(FOLDER, name), 'utf8')) as Recording).runs),
  );
  expect(new Set(scenes)).toEqual(new Set(SCENES));
});

describe.each(CASES)('$name $way', ({ name, way, load }) => {
  const recording = JSON.parse(readFileSync(path.join(FOLDER, name), 'utf8')) as Recording;
  const scenes = Object.keys(recording.runs) as Scene[];
  let folder: string;
  let bench: Bench;
  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'recorded-runs-'));
    for (const [file, bytes] of Object.entries(recording.files)) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), Buffer.from(bytes, 'base64'));
    }
    const database = await testDatabase({ empty: true });
    await migrate(database.url, { only: recording.migrations });
    await load(database, recording);
    await migrate(database.url);
    const { workspaceId, brandId } = recording;
    bench = await openBench({
      ...{ own: true, idle: true, at: { database, workspaceId, brandId, folder } },
      ...{ capabilities: machine(folder), internalHosts: [outside(folder)] },
    });
    const states = async (table: string) =>
      (await database.admin.query(`select id::text, state from ${table} order by id::text`)).rows;
    const were = (table: string) =>
      rowsOf(recording, `public.${table}`)
        .map(({ id, state }) => ({ id, state }))
        .sort((a, b) => (a.id! < b.id! ? -1 : 1));
    expect(were('wait').length).toBeGreaterThan(0);
    expect(await states('wait')).toEqual(were('wait'));
    if (way === 'updated in place')
      for (const table of ['effect', 'strand']) expect(await states(table)).toEqual(were(table));
    const { rows } = await database.admin.query(`select nextval(pg_get_serial_sequence('strand', 'id'))::int8 as next`);
    const highest = Math.max(...rowsOf(recording, 'public.strand').map(({ id }) => Number(id)));
    expect(Number(rows[0].next), 'a number that is in use is not given again').toBeGreaterThan(highest);
    await wake(bench, recording.runs);
    await bench.worker();
  }, 60_000);
  afterAll(async () => {
    await bench?.close();
  });

  test.each(scenes)('the run that was %s comes to the same end', { timeout: 40_000 }, async (scene) => {
    const end = recording.ends[scene]!;
    const isReadable = Object.values(end.nodes).some((items) =>
      Object.values(items).some((item) => !Array.isArray(item)),
    );
    expect(await endOf(bench, recording.runs[scene]!, isReadable)).toEqual(end);
  });

  test('what was sent or being sent arrived once, and what nobody had heard of was looked up', async () => {
    const texts = posts(path.join(folder, 'posts')).map(({ text }) => text);
    expect([...texts].sort()).toEqual([...new Set(texts)].sort());
    expect(texts).toContain('sent once');
    const effects = async (scene: Scene) => {
      const { rows } = await bench.database.admin.query(
        'select state, attempt, evidence from effect where run_id = $1',
        [recording.runs[scene]],
      );
      return rows;
    };
    const lookedUp = expect.stringContaining('https://posts.test/');
    expect(await effects('sending')).toMatchObject([{ state: 'confirmed', attempt: 1, evidence: { lookedUp } }]);
    if (!recording.runs.sent) return;
    expect(texts).toContain('heard of');
    expect(await effects('sent')).toMatchObject([
      { state: 'confirmed', attempt: 1, evidence: { reply: { status: 200 } } },
    ]);
    expect((await effects('sent'))[0].evidence.lookedUp).toBeUndefined();
    expect(texts).toContain('too many');
    expect(await effects('busy')).toMatchObject([{ state: 'confirmed', attempt: 2 }]);
  });

  test.runIf(recording.runs.asking)('what was answered or measured before is neither asked nor measured again', () => {
    expect(marks(path.join(folder, 'asked'))).toEqual(['a question']);
    const begun = marks(path.join(folder, 'marks')).filter((line) => line.startsWith('begin'));
    expect(begun).toEqual(['begin work/a length/0', 'begin work/a length/1']);
  });

  test('nothing went wrong on our side meanwhile', () => {
    expect(bench.log.filter((line) => line.includes('on our side'))).toEqual([]);
  });

  test('what it made is used again by a run of today', async () => {
    const { graph } = await bench.inside((tx) =>
      tx.selectFrom('run').select('graph').where('id', '=', recording.runs.ended!).executeTakeFirstOrThrow(),
    );
    const id = await bench.start(graph as Graph);
    await bench.ended(id);
    expect((await bench.steps(id, 'shout')).every(({ reused }) => reused !== null)).toBe(true);
  });
});

// ---------------------------------------------------------------- recording

test.runIf(process.env.SPLICEBOARD_RECORD === '1')('today is recorded', { timeout: 120_000 }, async () => {
  const numbers = migrations().map(({ number }) => number);
  const file = freePath(FOLDER);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'recording-'));
  const database = await testDatabase();
  const home = await database.workspace();
  let holds = true;
  /** Nothing moves any more: the worker is there, and does nothing. */
  let isStill = false;
  const { promise: goesOn, resolve: goOn } = Promise.withResolvers<void>();
  const sent = path.join(folder, 'posts');
  const platform = outside(folder);
  const faults = {
    at(fault: FaultName, node?: string) {
      if (!holds) return;
      if (fault === 'step.settled' && node === 'loud') isStill = true; // a part of the map is done
      const isHeld =
        (fault === 'effect.recorded' && node === 'heard') ||
        (fault === 'call.recorded' && (node === 'asked' || node === 'measured'));
      if (isStill || isHeld) return goesOn;
    },
  };
  const bench = await openBench({
    ...{ own: true, idle: true, at: { database, ...home, folder }, faults, capabilities: machine(folder) },
    internalHosts: [
      {
        host: platform.host,
        async handle(scope, request) {
          const said = json(request.json ?? '');
          if (holds && said.includes('refused')) return { status: 422, headers: {}, body: null };
          if (holds && said.includes('too many')) return { status: 429, headers: {}, body: null };
          const reply = await platform.handle(scope, request);
          if (!holds || !said.includes('sent once')) return reply;
          await sleep(600_000, undefined, { signal: scope.signal, ref: false }); // the answer never comes
          throw new Error('no answer');
        },
      },
    ],
  });
  const set = (value: string) => `set:flow.set ${json({ values: [{ name: 'word', type: 'text', value }] })}`;
  const inner = graphOf(
    [
      `called:trigger.called ${json({ values: [TEXT('text')] })}`,
      'ask:flow.approve {}',
      `ret:flow.return ${json({ values: [TEXT('said')] })}`,
    ],
    ['called.text > ask.item', 'ask.approved > ret.said'],
  );
  const innerId = await bench.pipeline(inner);
  await bench.inside((tx) => publishPipeline(tx, { pipelineId: innerId, revision: 0, pins: {}, by: null, note: null }));
  const call = { pipeline: innerId, name: 'Inner', version: 1, inputs: [TEXT('text')], outputs: [TEXT('said')] };
  const withPolicy = (graph: Graph, policy: Policy): Graph => ({
    ...graph,
    nodes: graph.nodes.map((node) => (node.id === 'post' ? { ...node, policy } : node)),
  });
  const after = (word: string, node: string, [into, out] = ['text', 'text']) =>
    graphOf(
      [set(word), node, 'after:shout'],
      [`set.word > ${/^\w+/.exec(node)![0]}.${into}`, `${/^\w+/.exec(node)![0]}.${out} > after.text`],
    );
  const graphs: Record<Exclude<Scene, 'begun' | 'in a map'>, Graph> = {
    sending: after('sent once', 'post', ['text', 'url']),
    sent: after('heard of', 'heard:post', ['text', 'url']),
    busy: withPolicy(after('too many', 'post', ['text', 'url']), { wait: 20, growth: 'same' }),
    failed: after('refused', 'post', ['text', 'url']),
    asking: after('a question', 'asked:ask'),
    measuring: after('a length', 'measured:work {"calls":2}'),
    asleep: graphOf(
      [set('a'), 'nap:flow.delay {"amount":0.05}', 'ask:flow.approve {}', 'after:shout'],
      ['set.word > nap.item', 'set.word > ask.item', 'nap.item > after.text'],
    ),
    'waiting for a call': after('c', 'called:flow.hook', ['item', 'item']),
    calling: after('b', `sub:flow.call ${json({ call })}`, ['text', 'said']),
    ended: graphOf(
      [
        'numbers {"count":3,"prefix":"e"}',
        'shout',
        'join',
        `long:flow.set ${json({ values: [{ name: 'word', type: 'text', value: LONG }] })}`,
      ],
      ['numbers.items > shout.text', 'shout.text > join.texts'],
    ),
  };
  const runs: Runs = {};
  const worker = await bench.worker();
  const settled = (runId: string, node: string, ...states: string[]) =>
    bench.until(runId, ({ nodes }) => nodes.some((each) => each.nodeId === node && states.includes(each.state)));
  const effectOf = async (scene: Scene) =>
    (await database.admin.query('select state from effect where run_id = $1', [runs[scene]])).rows[0]?.state;
  for (const [scene, graph] of Object.entries(graphs) as [Scene, Graph][]) {
    runs[scene] = await bench.start(graph);
    // one after the other: their numbers at the service are the same each time
    if (scene === 'sending') await expect.poll(() => posts(sent).length, { timeout: 10_000 }).toBe(1);
    if (scene === 'sent') await expect.poll(() => effectOf('sent'), { timeout: 10_000 }).toBe('confirmed');
  }
  await bench.ended(runs.failed!);
  await bench.ended(runs.ended!);
  await settled(runs.busy!, 'post', 'waiting');
  await settled(runs.asleep!, 'ask', 'waiting');
  await settled(runs['waiting for a call']!, 'called', 'waiting');
  await settled(runs.calling!, 'sub', 'waiting');
  const [child] = await bench.inside((tx) => childrenOf(tx, runs.calling!, 'sub'));
  await settled(child!.runId, 'ask', 'waiting');
  const kept = async (query: string) => (await database.admin.query(query)).rowCount;
  await expect.poll(() => kept(`select from call where node = 'asked' and state = 'answered'`)).toBe(1);
  await expect.poll(() => kept('select from memo')).toBe(1);
  const map = graphOf(
    ['numbers {"count":180,"prefix":"m"}', 'loud:shout {"mark":"."}', 'join'],
    ['numbers.items > loud.text', 'loud.text > join.texts'],
  );
  runs['in a map'] = await bench.start(map);
  await expect.poll(() => isStill, { timeout: 10_000 }).toBe(true);
  await sleep(300); // what was on its way to the database is there
  runs.begun = await bench.start(
    graphOf(
      ['numbers {"count":2,"prefix":"b"}', 'shout', 'join'],
      ['numbers.items > shout.text', 'shout.text > join.texts'],
    ),
  );

  const snapshot = await openSnapshot(database.url);
  const rows: Record<string, string[]> = {};
  for (const table of snapshot.tables) {
    rows[table.name] = [];
    for await (const line of snapshot.rows(table)) rows[table.name]!.push(line);
  }
  const { tables } = snapshot;
  await snapshot.end();
  const files: Record<string, string> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const at = path.join(entry.parentPath, entry.name);
    files[path.relative(folder, at)] = readFileSync(at).toString('base64');
  }
  const recording: Recording = { migrations: numbers, tables, rows, files, ...home, runs, ends: {} };
  const effects = new Map(rowsOf(recording, 'public.effect').map((row) => [row.run_id, row.state]));
  expect((['sending', 'sent', 'busy', 'failed'] as const).map((scene) => effects.get(runs[scene]!))).toEqual([
    ...['sending', 'confirmed', 'absent', 'refused'],
  ]);
  const strands = rowsOf(recording, 'public.strand').map(({ run_id, node, state }) => {
    const scene = Object.entries(runs).find(([, id]) => id === run_id)?.[0] ?? 'called';
    return `${scene}: ${node} ${state}`;
  });
  expect([...new Set(strands)].filter((line) => !line.startsWith('in a map')).sort()).toEqual([
    'asking: asked leased',
    'asleep: ask waiting',
    'asleep: nap waiting',
    'begun: numbers ready',
    'busy: post waiting',
    'called: ask waiting',
    'calling: sub waiting',
    'measuring: measured leased',
    'sending: post leased',
    'sent: heard leased',
    'waiting for a call: called waiting',
  ]);
  const counted = rowsOf(recording, 'public.counter').find(({ run_id }) => run_id === runs['in a map'])!;
  expect(Number(counted.left)).toBeGreaterThan(0);
  expect(Number(counted.left)).toBeLessThan(180);

  // and to its end, by the version that it is of
  holds = false;
  goOn();
  await bench.stop(worker, 0);
  await wake(bench, runs);
  await bench.worker();
  for (const scene of Object.keys(runs) as Scene[]) recording.ends[scene] = (await endOf(bench, runs[scene]!))!;
  await bench.close();
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(file, `${JSON.stringify(recording, null, 1)}\n`);
  rmSync(folder, { recursive: true, force: true });
});
