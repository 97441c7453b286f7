/** The page of those who run a workspace: what stands still and whose turn it is, and nothing of anybody else's. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, makeEffect, makeRun, makeWait, makeWorld, type World } from '../tenancy/world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world?.server.close());

type Operations = {
  queue: { lane: string; ready: number; asleep: number }[];
  slowest: { nodeName: string; count: number; p50Seconds: number; p95Seconds: number }[];
  stuck: {
    runId: string;
    nodeName: string;
    count: number;
    owner: { kind: string };
    explanation: { code: string; text: string };
  }[];
  workers: { name: string; places: { lane: string; count: number }[] }[];
  installation: { queue: { lane: string; ready: number }[]; unknownEffects: number; databaseBytes: number } | null;
};
async function operations(workspaceId: string, token: string): Promise<{ all: Operations; text: string }> {
  const answer = await call(world.server, 'operations.get', 'query', { workspaceId }, { token });
  expect(answer.code).toBeNull();
  return { all: (JSON.parse(answer.text) as { result: { data: Operations } }).result.data, text: answer.text };
}
const admin = (text: string, values: unknown[] = []) => world.server.database.admin.query(text, values);

test('a step that waits for a person, one that nobody takes and an act of unknown end stand there with their owner', async () => {
  const { alpha, server } = world;
  const [place] = alpha.brands;
  const waiting = await makeWait(server, place);
  await admin(
    `insert into strand (workspace_id, run_id, brand_id, node, prefix, lane, state, not_before, reason)
     select workspace_id, id, brand_id, 'other', '{}', 'light', 'waiting', 'infinity', 'Waits for a review.' from run where id = $1`,
    [waiting.runId],
  );
  const ready = await makeRun(server, place);
  await admin(
    `insert into strand (workspace_id, run_id, brand_id, node, prefix, lo, hi, lane, fair_at)
     select workspace_id, id, brand_id, 'other', '{}', 0, 63, 'gpu', now() - interval '1 hour' from run where id = $1`,
    [ready.runId],
  );
  await admin(`update run set state = 'running' where id = any ($1)`, [[waiting.runId, ready.runId]]);
  const unknown = await makeEffect(server, place);
  const { all } = await operations(alpha.id, alpha.people.owner.token);
  const of = (runId: string) => all.stuck.filter((each) => each.runId === runId);
  expect(of(waiting.runId)).toMatchObject([
    { owner: { kind: 'person' }, explanation: { code: 'wait-person', text: 'Waits for a review.' } },
  ]);
  expect(of(ready.runId)).toMatchObject([{ owner: { kind: 'worker' }, count: 64, explanation: { code: 'no-worker' } }]);
  expect(of(unknown.runId)).toMatchObject([{ owner: { kind: 'person' }, explanation: { code: 'effect-unknown' } }]);
  expect(all.queue.find(({ lane }) => lane === 'gpu')).toMatchObject({ ready: 64 });
});

test('what took longest in a day stands first; what was reused or waited is not counted', async () => {
  const { alpha, server } = world;
  const { runId } = await makeRun(server, alpha.brands[0]);
  await admin(`delete from step where run_id = $1`, [runId]);
  await admin(
    `insert into step (workspace_id, run_id, node, path, state, began_at, ended_at, reused_run)
     select workspace_id, id, 'say', array[i], 'done', now() - make_interval(secs => 1000 + i), now() - interval '1000 s',
            case when i > 20 then id end
       from run, generate_series(1, 40) i where id = $1`,
    [runId],
  );
  const { all } = await operations(alpha.id, alpha.people.owner.token);
  const [first] = all.slowest;
  expect(first).toMatchObject({ count: 20 });
  expect(first!.p50Seconds).toBeCloseTo(10.5, 0);
  expect(first!.p95Seconds).toBeCloseTo(19, 0);
});

test('an admin sees nothing of another workspace, and figures over all only the operator has', async () => {
  const { alpha, beta, server } = world;
  await admin(`update member set created_at = now() - interval '1 year' where workspace_id = $1`, [alpha.id]);
  const { runId } = await makeRun(server, alpha.brands[0]);
  await admin(
    `insert into strand (workspace_id, run_id, brand_id, node, prefix, lane, fair_at)
     select workspace_id, id, brand_id, 'other', array[i], 'secret-lane', now() - interval '1 hour' from run, generate_series(1, 9) i where id = $1`,
    [runId],
  );
  const operator = await operations(alpha.id, alpha.people.owner.token);
  expect(operator.all.installation!.databaseBytes).toBeGreaterThan(1e6);
  expect(operator.all.installation!.queue.find(({ lane }) => lane === 'secret-lane')).toMatchObject({ ready: 9 });
  expect((await operations(alpha.id, alpha.people.admin.token)).all.installation).toBeNull();
  const stranger = await operations(beta.id, beta.people.owner.token);
  expect(stranger.all.installation).toBeNull();
  expect(stranger.text).not.toContain(alpha.mark);
  expect(stranger.text).not.toContain('secret-lane');
  // the operator's own figures name no other workspace
  expect(operator.text).not.toContain(beta.mark);
  expect(operator.text).not.toContain(beta.id);
  expect((await operations(alpha.id, (await server.member(alpha.id, 'owner')).token)).all.installation).not.toBeNull();
});

test('an admin of one brand sees the steps of that brand', async () => {
  const { alpha, server } = world;
  const [one, two] = alpha.brands;
  const { token } = await server.member(alpha.id, 'admin', [one.brandId]);
  const { runId } = await makeRun(server, two);
  await admin(
    `insert into strand (workspace_id, run_id, brand_id, node, prefix, lane, state, not_before, reason, waits_for)
     select workspace_id, id, brand_id, 'other', '{}', 'light', 'waiting', 'infinity', $2, null from run where id = $1`,
    [runId, randomUUID()],
  );
  const { text } = await operations(alpha.id, token);
  expect(text).not.toContain(runId);
  expect(text).not.toContain(two.mark);
});
