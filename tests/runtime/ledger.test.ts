/**
 * The ledger's functions against the oracle: random worlds, several workers at once, each step written by the database's
 * own claim and settle. What the pure rules say in memory must come to the same in rows, whoever settles first.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { retrySteps } from '../../db/again.ts';
import { type Claimed, createLedger, type SettledRow } from '../../db/ledger.ts';
import { createPipeline } from '../../db/pipelines.ts';
import { startRun } from '../../db/runs.ts';
import { digestOf, type StoredValue } from '../../db/values.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import * as advance from '../../runtime/graph/advance.ts';
import { type Plan, planOf } from '../../runtime/graph/plan.ts';
import { strandsOf } from '../../runtime/graph/strands.ts';
import { TEST_KIT, type TestDatabase, testDatabase } from '../support/database.ts';
import { dice, randomWorld } from './graphs.ts';
import { judge, type World } from './oracle.ts';

const { decide, firstSteps, isTrouble, stepKey, tokensOf } = advance;

let database: TestDatabase;
let home: { workspaceId: string; brandId: string };
beforeAll(async () => {
  database = await testDatabase();
  home = await database.workspace();
});
afterAll(() => database.close());

const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(database.db('app'), home.workspaceId, work);

function stored(value: string | string[]): StoredValue {
  return { digest: digestOf(value), bytes: 1, count: Array.isArray(value) ? value.length : null, value };
}

async function begin(world: World): Promise<{ runId: string; plan: Plan }> {
  const plan = planOf(world.graph, world.catalogue);
  const pipeline = await inside((tx) => createPipeline(tx, { name: 'World', graph: world.graph }));
  const { runId } = await inside((tx) =>
    startRun(tx, {
      pipelineId: pipeline.id,
      version: null,
      brandId: home.brandId,
      graph: world.graph,
      plan,
      pins: {},
      kit: TEST_KIT,
      first: firstSteps(plan),
      startedBy: null,
    }),
  );
  return { runId, plan };
}

async function addWorker(): Promise<string> {
  const id = randomUUID();
  await database
    .pool('app')
    .query(`insert into worker (id, lock_id, name) values ($1, nextval('worker_lock')::int, 'test')`, [id]);
  return id;
}

/** Claims and settles as a worker does, without a sandbox: the world itself answers. Until nothing is left. */
async function drain(world: World, plan: Plan, runId: string, worker: string, seed: number): Promise<void> {
  const ledger = createLedger(database.pool('app'));
  const die = dice(seed);
  for (let idle = 0; idle < 20; ) {
    let [claimed] = await ledger.claim('light', worker, 1, die.chance(0.5) ? [runId] : []);
    if (!claimed) {
      idle++;
      await new Promise((resolve) => setTimeout(resolve, 2));
      continue;
    }
    idle = 0;
    while (claimed) claimed = (await carry(world, plan, claimed, worker, die)) ?? undefined;
  }

  async function carry(
    _world: World,
    _plan: Plan,
    claimed: Claimed,
    holder: string,
    random: ReturnType<typeof dice>,
  ): Promise<Claimed | null> {
    const { strand } = claimed;
    const lease = { workspaceId: home.workspaceId, strand: strand.id, worker: holder, token: strand.token };
    const steps = new Map(claimed.inputs.map((step) => [stepKey(step.node, step.path), step]));
    const lookup = (node: string, path: readonly number[]) => {
      const step = steps.get(stepKey(node, path));
      if (!step || step.state === 'cancelled') return undefined;
      const outputs = Object.fromEntries(Object.entries(step.outputs).map(([port, value]) => [port, value.count]));
      return { state: step.state, cause: step.cause, outputs };
    };
    const paths =
      strand.lo === null
        ? [strand.prefix]
        : Array.from({ length: strand.hi! - strand.lo + 1 }, (_, index) => [...strand.prefix, strand.lo! + index]);
    let rows: SettledRow[] = [];
    let tokens: advance.Token[] = [];
    let troubles = 0;
    for (const [index, path] of paths.entries()) {
      const decision = decide(plan, strand.node, path, lookup);
      let row: SettledRow = {
        node: strand.node,
        path,
        state: decision.kind === 'block' ? 'blocked' : 'skipped',
        attempt: 1,
      };
      if (decision.kind === 'block') row.cause = decision.cause;
      if (decision.kind === 'run') {
        const inputs: Record<string, string | string[]> = {};
        for (const input of plan.nodes[strand.node]!.inputs) {
          const parts = decision.inputs[input.port];
          if (!parts) continue;
          const values = parts.flatMap((part) => {
            const from = steps.get(stepKey(part.node, part.path))!;
            if (from.state === 'failed') return [`error of ${stepKey(part.node, part.path)}`];
            const value = from.outputs[part.port]!.value as string | string[];
            return part.index === null ? value : [(value as string[])[part.index]!];
          });
          inputs[input.port] = input.list ? values : values[0]!;
        }
        const outcome = world.outcome(strand.node, path, inputs);
        row = {
          ...row,
          state: outcome.kind === 'ok' ? 'done' : 'failed',
          outputs:
            outcome.kind === 'ok'
              ? Object.fromEntries(Object.entries(outcome.outputs).map(([port, value]) => [port, stored(value)]))
              : {},
          error: outcome.kind === 'ok' ? null : { code: 'WORLD', message: 'It fails.', hint: null, retry: 'never' },
          reason: JSON.stringify(inputs), // what it was given, for the comparison
        };
      }
      const settled: advance.Settled = {
        state: row.state,
        cause: row.cause ?? null,
        outputs: Object.fromEntries(Object.entries(row.outputs ?? {}).map(([port, value]) => [port, value.count])),
      };
      rows.push(row);
      tokens.push(...tokensOf(plan, strand.node, path, settled));
      if (isTrouble(plan.nodes[strand.node]!, row.state)) troubles++;
      const isLast = index === paths.length - 1;
      if (!isLast && !random.chance(0.3)) continue;
      const settlement = {
        steps: rows,
        tokens,
        made: [],
        troubles,
        goOn: isLast ? null : paths[index + 1]!.at(-1)!,
        chain: random.chance(0.7),
        known: [],
      };
      const begun = strandsOf(plan, tokens);
      // both ways to settle, side by side, as while an earlier version of a worker is still alive
      const answer = random.chance(0.3)
        ? await ledger.settle(lease, settlement)
        : await ledger.advance(lease, runId, {
            ...settlement,
            strands: begun.strands,
            tokens: begun.counted,
            room: { light: random.chance(0.5) ? 0 : 9 },
            loads: true,
          });
      expect(answer).not.toBeNull();
      [rows, tokens, troubles] = [[], [], 0];
      if (isLast) return answer!.chained as Claimed | null;
    }
    return null;
  }
}

async function compare(world: World, runId: string): Promise<void> {
  const verdict = judge(world);
  const { rows } = await database.admin.query<{
    node: string;
    path: number[];
    state: string;
    cause: string | null;
    reason: string | null;
  }>('select node, path, state, cause, reason from step where run_id = $1', [runId]);
  const got = new Map(rows.map((row) => [stepKey(row.node, row.path), row]));
  expect([...got.keys()].sort()).toEqual([...verdict.steps.keys()].sort());
  for (const [key, expected] of verdict.steps) {
    const row = got.get(key)!;
    expect([key, row.state]).toEqual([key, expected.state === 'succeeded' ? 'done' : expected.state]);
    if (expected.state === 'blocked') expect([key, row.cause]).toEqual([key, expected.cause]);
    if ('inputs' in expected) expect([key, JSON.parse(row.reason!)]).toEqual([key, expected.inputs]);
  }
  const { rows: left } = await database.admin.query(
    `select state, open, ended_at is not null as ended, (select count(*)::int from strand where run_id = run.id) as strands from run where id = $1`,
    [runId],
  );
  expect(left).toEqual([
    { state: verdict.run === 'succeeded' ? 'succeeded' : 'problems', open: 0, ended: true, strands: 0 },
  ]);
}

/**
 * A claim takes what is ready, of whatever run: a test that was given up would go on beside the next one and settle its
 * steps by the rules of another world. So on a machine that is busy with other things they take their time.
 */
const LONG_MS = 240_000;
const SEEDS = Array.from({ length: 50 }, (_, index) => 101 + index * 37);

test(
  'four workers at once come to what the oracle says, on fifty random graphs',
  async () => {
    const workers = await Promise.all([1, 2, 3, 4].map(addWorker));
    for (const seed of SEEDS) {
      const world = randomWorld(seed);
      const { runId, plan } = await begin(world);
      await Promise.all(workers.map((worker, index) => drain(world, plan, runId, worker, seed + index)));
      await compare(world, runId);
    }
  },
  LONG_MS,
);

test(
  'after all failures are retried, and fail again, the run comes to the same',
  async () => {
    const worker = await addWorker();
    let retried = 0;
    for (const seed of SEEDS.slice(0, 25)) {
      const world = randomWorld(seed);
      const { runId, plan } = await begin(world);
      await drain(world, plan, runId, worker, seed);
      const answer = await inside((tx) => retrySteps(tx, { runId }, advance));
      if (!answer.ok) continue;
      retried++;
      await drain(world, plan, runId, worker, seed + 1);
      await compare(world, runId);
    }
    expect(retried).toBeGreaterThan(5);
  },
  LONG_MS,
);

test('what a worker sends after its lease was taken over is refused and changes nothing', async () => {
  const world = randomWorld(7);
  const { runId, plan } = await begin(world);
  const first = await addWorker();
  const ledger = createLedger(database.pool('app'));
  const [held] = await ledger.claim('light', first, 1, []);
  await database.admin.query(`update worker set beat_at = now() - interval '10 s' where id = $1`, [first]);
  expect(await ledger.reap()).toContainEqual(expect.objectContaining({ run_id: runId }));
  const late = await ledger.settle(
    { workspaceId: home.workspaceId, strand: held!.strand.id, worker: first, token: held!.strand.token },
    { steps: [], tokens: [], made: [], troubles: 0, goOn: null, chain: false, known: [] },
  );
  expect(late).toBeNull();
  const advanced = await ledger.advance(
    { workspaceId: home.workspaceId, strand: held!.strand.id, worker: first, token: held!.strand.token },
    runId,
    { steps: [], tokens: [], made: [], troubles: 0, goOn: null, chain: false, strands: [], room: {}, loads: true },
  );
  expect(advanced).toBeNull();
  await drain(world, plan, runId, await addWorker(), 1);
  await compare(world, runId);
});

test('a lease whose answer was lost on the way is given back by its own worker', async () => {
  const world = randomWorld(11);
  const { runId, plan } = await begin(world);
  const worker = await addWorker();
  const ledger = createLedger(database.pool('app'));
  const [held] = await ledger.claim('light', worker, 1, []);
  expect(await ledger.disown(worker, [held!.strand.id])).toEqual([]);
  await database.admin.query(`update strand set leased_at = now() - interval '1 minute' where id = $1`, [
    held!.strand.id,
  ]);
  expect(await ledger.disown(worker, [held!.strand.id])).toEqual([]);
  expect(await ledger.disown(worker, [])).toMatchObject([{ run_id: runId }]);
  await drain(world, plan, runId, worker, 3);
  await compare(world, runId);
});

test('a claim takes no more than was asked for, even by a plan that was made for an empty table', async () => {
  const { runId } = await begin(randomWorld(1));
  await database.admin.query('delete from strand');
  await database.admin.query('vacuum analyze strand');
  const worker = await addWorker();
  const client = await database.pool('app').connect();
  try {
    const claim = {
      name: 'claim two',
      text: 'select * from door.claim($1, $2, $3, null)',
      values: ['light', worker, 2],
    };
    for (let time = 0; time < 12; time++) await client.query(claim); // PostgreSQL keeps its plan from now on
    await database.admin.query(
      `insert into strand (workspace_id, run_id, brand_id, node, prefix, lane)
       select $1, $2, $3, 'n0', array[i], 'light' from generate_series(1, 6) i`,
      [home.workspaceId, runId, home.brandId],
    );
    expect((await client.query(claim)).rows).toHaveLength(2);
  } finally {
    client.release();
  }
});
