/**
 * Runs as they were left by an earlier version, in the middle of their lives: all rows and files of a workspace, kept as a backup
 * keeps them. A database of the schema they were recorded with is filled, brought to today's schema, and today's worker carries
 * each run to the end that the version which recorded it came to.
 *
 * `SPLICEBOARD_RECORD=1 npx vitest run tests/runtime/recorded-runs.test.ts` records those of today beside them, named by the
 * newest migration. A recording that is there is never written anew: it is what people have.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
import { dependentsOf, isTrouble, rebuild } from '../../runtime/graph/advance.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import type { Plan } from '../../runtime/graph/plan.ts';
import { testDatabase } from '../support/database.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { posts, postsHost } from './marks.ts';

const FOLDER = path.resolve(import.meta.dirname, '../fixtures/recorded/runs');
const RULES = { dependentsOf, rebuild, isTrouble } as AdvanceRules<Plan>;
const SCENES = ['begun', 'in a map', 'asleep', 'sending', 'failed', 'calling', 'ended'] as const;
type Scene = (typeof SCENES)[number];
type Ends = Record<Scene, { state: string; nodes: Record<string, Record<string, unknown>> }>;
type Recording = {
  migrations: number[];
  tables: BackupTable[];
  rows: Record<string, string[]>;
  /** Path → base64. */
  files: Record<string, string>;
  workspaceId: string;
  brandId: string;
  runs: Record<Scene, string>;
  ends: Ends;
};

const json = (value: unknown) => JSON.stringify(value);
const TEXT = (name: string) => ({ name, title: name, type: 'text' });
const LONG = 'A sentence of a long talk. '.repeat(600);
const review = (edits: Record<string, string> = {}) => ({ outcome: 'approved', edits, comment: '' });

/** What each scene is asked or done once it goes on. */
async function wake(bench: Bench, runs: Record<Scene, string>): Promise<void> {
  const answer = (runId: string, node: string, name = 'review') =>
    bench.inside((tx) =>
      answerWait(tx, { runId, node, path: [] }, { name, kind: 'person', by: null, value: review() }),
    );
  await answer(runs.asleep, 'ask');
  const [child] = await bench.inside((tx) => childrenOf(tx, runs.calling, 'sub'));
  await answer(child!.runId, 'ask');
  await bench.inside((tx) => retrySteps(tx, { runId: runs.failed }, RULES));
}

/** State of the run, and what each node gave, item by item. */
async function endOf(bench: Bench, runId: string): Promise<Ends[Scene]> {
  const { run, nodes } = await bench.ended(runId, 30_000);
  const made: Record<string, Record<string, unknown>> = {};
  for (const { nodeId } of nodes) {
    made[nodeId] = {};
    for (const step of await bench.steps(runId, nodeId))
      made[nodeId][step.path.join('.')] = [step.state, Object.values(step.outputs).map(({ digest }) => digest)];
  }
  return { state: run.state, nodes: made };
}

const names = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith('.json')) : [];

describe.each(names)('%s', (name) => {
  const recording = JSON.parse(readFileSync(path.join(FOLDER, name), 'utf8')) as Recording;
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
    const restore = await beginRestore(database.url, recording.tables);
    for (const table of recording.tables) await restore.insert(table, recording.rows[table.name] ?? []);
    await restore.finish();
    await migrate(database.url);
    const { workspaceId, brandId } = recording;
    bench = await openBench({
      ...{ own: true, idle: true, at: { database, workspaceId, brandId, folder } },
      internalHosts: [postsHost(path.join(folder, 'posts'))],
    });
    const { rows } = await database.admin.query(`select node from wait where state = 'open' order by node`);
    expect(rows.map(({ node }) => node)).toEqual(['ask', 'ask', 'nap']);
    await wake(bench, recording.runs);
    await bench.worker();
  }, 60_000);
  afterAll(async () => {
    await bench?.close();
  });

  test.each(SCENES)('the run that was %s comes to the same end', async (scene) => {
    expect(await endOf(bench, recording.runs[scene])).toEqual(recording.ends[scene]);
  });

  test('what was being sent arrived once', () => {
    const texts = posts(path.join(folder, 'posts')).map(({ text }) => text);
    expect([...texts].sort()).toEqual([...new Set(texts)].sort());
    expect(texts).toContain('sent once');
  });

  test('what it made is used again by a run of today', async () => {
    const { graph } = await bench.inside((tx) =>
      tx.selectFrom('run').select('graph').where('id', '=', recording.runs.ended).executeTakeFirstOrThrow(),
    );
    const id = await bench.start(graph as Graph);
    await bench.ended(id);
    expect((await bench.steps(id, 'shout')).every(({ reused }) => reused !== null)).toBe(true);
  });
});

// ---------------------------------------------------------------- recording

test.runIf(process.env.SPLICEBOARD_RECORD === '1')('today is recorded', { timeout: 120_000 }, async () => {
  const numbers = migrations().map(({ number }) => number);
  const file = path.join(FOLDER, `${String(numbers.at(-1)).padStart(4, '0')}.json`);
  if (existsSync(file)) return;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'recording-'));
  const database = await testDatabase();
  const home = await database.workspace();
  let holds = true;
  const sent = path.join(folder, 'posts');
  const platform = postsHost(sent);
  const bench = await openBench({
    ...{ own: true, idle: true, at: { database, ...home, folder } },
    internalHosts: [
      {
        host: platform.host,
        async handle(scope, request) {
          if (!holds) return platform.handle(scope, request);
          if (json(request.json ?? '').includes('refused')) return { status: 422, headers: {}, body: null };
          await platform.handle(scope, request);
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
  const graphs: Record<Exclude<Scene, 'begun' | 'in a map'>, Graph> = {
    asleep: graphOf(
      [set('a'), 'nap:flow.delay {"amount":0.05}', 'ask:flow.approve {}', 'after:shout'],
      ['set.word > nap.item', 'set.word > ask.item', 'nap.item > after.text'],
    ),
    sending: graphOf([set('sent once'), 'post', 'after:shout'], ['set.word > post.text', 'post.url > after.text']),
    failed: graphOf([set('refused'), 'post', 'after:shout'], ['set.word > post.text', 'post.url > after.text']),
    calling: graphOf(
      [set('b'), `sub:flow.call ${json({ call })}`, 'after:shout'],
      ['set.word > sub.text', 'sub.said > after.text'],
    ),
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
  const runs = {} as Record<Scene, string>;
  const worker = await bench.worker();
  for (const [scene, graph] of Object.entries(graphs)) runs[scene as Scene] = await bench.start(graph);
  const settled = (runId: string, node: string, ...states: string[]) =>
    bench.until(runId, ({ nodes }) => nodes.some((each) => each.nodeId === node && states.includes(each.state)));
  await bench.ended(runs.failed);
  await bench.ended(runs.ended);
  await settled(runs.asleep, 'ask', 'waiting');
  await settled(runs.calling, 'sub', 'waiting');
  const [child] = await bench.inside((tx) => childrenOf(tx, runs.calling, 'sub'));
  await settled(child!.runId, 'ask', 'waiting');
  await expect.poll(() => posts(sent).length, { timeout: 10_000 }).toBe(1);
  const map = graphOf(
    ['numbers {"count":400,"prefix":"m"}', 'shout {"mark":"."}', 'join'],
    ['numbers.items > shout.text', 'shout.text > join.texts'],
  );
  runs['in a map'] = await bench.start(map);
  await bench.until(runs['in a map'], ({ nodes }) =>
    nodes.some(({ nodeId, counts }) => nodeId === 'shout' && counts.done > 0),
  );
  await bench.stop(worker, 0);
  runs.begun = await bench.start(
    graphOf(
      ['numbers {"count":2,"prefix":"b"}', 'shout', 'join'],
      ['numbers.items > shout.text', 'shout.text > join.texts'],
    ),
  );
  const { nodes } = await bench.look(runs['in a map']);
  const { done, total } = nodes.find(({ nodeId }) => nodeId === 'shout')!.counts;
  expect(done).toBeGreaterThan(0);
  expect(done).toBeLessThan(total!);

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

  // and to its end, by the version that it is of
  holds = false;
  await wake(bench, runs);
  await bench.worker();
  const ends = {} as Ends;
  for (const scene of SCENES) ends[scene] = await endOf(bench, runs[scene]);
  await bench.close();
  mkdirSync(FOLDER, { recursive: true });
  const recording: Recording = { migrations: numbers, tables, rows, files, ...home, runs, ends };
  writeFileSync(file, `${JSON.stringify(recording, null, 1)}\n`);
  rmSync(folder, { recursive: true, force: true });
});
