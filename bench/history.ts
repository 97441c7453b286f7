/**
 * A long history as people look at it: 1,000,000 steps in 100 workspaces, 300,000 of them in one, PostgreSQL just
 * restarted. Run list (first and later pages), run page, step page and search of the large workspace, each as a request
 * with the owner's token, so as the role `app` under row-level security; from the request to the whole answer.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { createDatabase, createPool } from '../db/connect.ts';
import { migrate } from '../db/migrate.ts';
import { prepareRun } from '../runtime/graph/prepare.ts';
import { connect } from '../scripts/client.ts';
import { clusterFolder, startPostgres } from '../scripts/postgres.ts';
import { TEST_KIT } from '../tests/support/database.ts';
import type { Bench } from './main.ts';
import { chainOf, saveOwnNodes } from './shared/ground.ts';
import { startServer } from './shared/hook.ts';

const WORKSPACES = 100;
const NODES = 29; // and the webhook: 30 steps a run
const STEPS = 1_000_000;
const LARGE = 300_000;
const ASKED = 200;
const LIMIT_MS = 50;

export const bench: Bench = {
  title: 'Requests into a history of 1,000,000 steps, PostgreSQL just restarted',
  async run({ say }) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-bench-'));
    await chmod(folder, 0o755);
    const cluster = path.join(folder, 'cluster');
    let postgres = await startPostgres(cluster, { untilWeEnd: true });
    try {
      await migrate(postgres.url);
      const pool = createPool(postgres.url, 'app', { max: 2, name: 'bench' });
      const manifests = await saveOwnNodes(createDatabase(pool), path.join(folder, 'packed'));
      await pool.end();
      const graph = chainOf(NODES);
      const prepared = prepareRun(graph, manifests);
      if (!prepared.ok) throw new Error('The pipeline of the bench is not ready.');
      const first = await startServer({ folder, postgres }); // makes the owner, a workspace and a brand
      const { workspaceId } = await connect({ url: first.url, data: first.data });
      await first.end();
      const asAdmin = async <T extends pg.QueryResultRow>(text: string, values: unknown[] = []) => {
        const url = Object.assign(new URL(postgres.adminUrl), { pathname: new URL(postgres.url).pathname }).href;
        const client = new pg.Client({ connectionString: url });
        await client.connect();
        try {
          return (await client.query<T>(text, values)).rows;
        } finally {
          await client.end();
        }
      };
      say('writing the history');
      await asAdmin(
        `insert into workspace (id, name) select gen_random_uuid(), 'Workspace ' || i from generate_series(2, $1) i`,
        [WORKSPACES],
      );
      await asAdmin(
        `insert into brand (workspace_id, name, slug, kit)
         select w.id, 'Brand', 'brand-' || w.id, $1 from workspace w where not exists (select from brand b where b.workspace_id = w.id)`,
        [JSON.stringify(TEST_KIT)],
      );
      await asAdmin(
        `insert into pipeline (workspace_id, name, draft)
         select w.id, case i when 1 then 'Podcast to shorts' when 2 then 'Weekly newsletter' else 'Pipeline ' || i end, $1
           from workspace w cross join generate_series(1, 10) i`,
        [JSON.stringify(prepared.graph)],
      );
      const perRun = NODES + 1;
      await asAdmin(
        `insert into run (workspace_id, number, pipeline_id, brand_id, state, graph, plan, pins, kit, started_at, ended_at)
         select w.id, n.i, p.ids[1 + n.i % 10], b.id, case when n.i % 50 = 0 then 'problems' else 'succeeded' end, $1, $2, '{}', b.kit,
                now() - n.i * interval '1 minute', now() - n.i * interval '1 minute' + interval '20 seconds'
           from workspace w
           join lateral (select * from brand where workspace_id = w.id limit 1) b on true
           join lateral (select array_agg(id) as ids from pipeline where workspace_id = w.id) p on true
           cross join lateral generate_series(1, case when w.id = $3 then $4::int else $5::int end) n (i)`,
        [
          JSON.stringify(prepared.graph),
          JSON.stringify(prepared.plan),
          workspaceId,
          LARGE / perRun,
          Math.ceil((STEPS - LARGE) / perRun / (WORKSPACES - 1)),
        ],
      );
      await asAdmin(
        `insert into step (workspace_id, run_id, node, path, state, attempt, inputs, outputs, error, began_at, ended_at)
         select r.workspace_id, r.id, n ->> 'id', '{}', case when r.state = 'problems' and n ->> 'id' = 'c7' then 'failed' else 'done' end, 1,
                jsonb_build_object('input', jsonb_build_array(jsonb_build_object('digest', md5(r.id::text || (n ->> 'id'))))),
                jsonb_build_object('result', jsonb_build_object('digest', md5((n ->> 'id') || r.id::text), 'bytes', 80, 'count', null,
                  'value', jsonb_build_object('nonce', r.id, 'at', r.number, 'fib', 55))),
                case when r.state = 'problems' and n ->> 'id' = 'c7'
                     then jsonb_build_object('code', 'CODE_THREW', 'message', 'TypeError: guest ' || r.number || ' has no name', 'hint', null, 'retry', 'never') end,
                r.started_at, r.ended_at
           from run r cross join lateral jsonb_array_elements(r.graph -> 'nodes') n`,
      );
      const [counted] = await asAdmin<{ steps: number; large: number; workspaces: number }>(
        `select count(*)::int as steps, count(*) filter (where workspace_id = $1)::int as large, count(distinct workspace_id)::int as workspaces from step`,
        [workspaceId],
      );
      const runs = await asAdmin<{ id: string; number: number }>('select id, number from run where workspace_id = $1', [
        workspaceId,
      ]);
      await asAdmin('vacuum analyze');
      say(
        `${counted!.steps} steps in ${counted!.workspaces} workspaces, ${counted!.large} in one; restarting PostgreSQL`,
      );
      await postgres.stop();
      postgres = await startPostgres(cluster, { untilWeEnd: true });
      const server = await startServer({ folder, postgres });
      const { api } = await connect({ url: server.url, data: server.data });
      let turn = 0;
      const some = () => runs[(turn++ * 7919) % runs.length]!;
      const requests: Record<string, () => Promise<unknown>> = {
        'run list': () => api.runs.list.query({ workspaceId }),
        'later page': () => api.runs.list.query({ workspaceId, cursor: String(some().number) }),
        'run page': () => api.runs.get.query({ workspaceId, runId: some().id }),
        'step page': () => api.runs.steps.query({ workspaceId, runId: some().id, nodeId: 'c9' }),
        'search, pipeline': () => api.runs.list.query({ workspaceId, text: turn++ % 2 ? 'shorts' : 'newsletter' }),
        'search, error': () => api.runs.list.query({ workspaceId, text: `guest ${1 + (some().number % 9)}` }),
      };
      const figures = [];
      for (const [name, ask] of Object.entries(requests)) {
        const values: number[] = [];
        for (let count = 0; count < ASKED; count++) {
          const from = performance.now();
          await ask();
          values.push(performance.now() - from);
        }
        figures.push({ name, unit: 'ms', values });
      }
      await server.end();
      return {
        figures,
        limits: figures.map(({ name, values }) => {
          const p95 = [...values].sort((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1]!;
          return { name: `${name}, p95 ms`, value: p95, limit: LIMIT_MS, ok: p95 <= LIMIT_MS };
        }),
        notes: [`${ASKED} requests each, the first ones after the restart among them.`],
      };
    } finally {
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
      rmSync(clusterFolder(cluster), { recursive: true, force: true });
    }
  },
};
