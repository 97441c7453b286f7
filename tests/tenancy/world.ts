/**
 * Two workspaces with everything in them, and a way to call the API as anybody. What belongs to a place carries the
 * place's mark, so that an answer can be searched for it.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { audit, createInvitation, createToken, type MemberRole, ROLES, setKey, sha256 } from '../../db/accounts.ts';
import { addSidecar } from '../../db/assets.ts';
import { createBrand } from '../../db/brands.ts';
import { beginConnecting, keepConnection, setApp, setHook, takeUnits } from '../../db/connections.ts';
import { keepInspection, sendErrand } from '../../db/errands.ts';
import { tell } from '../../db/notices.ts';
import { createPipeline, publishPipeline } from '../../db/pipelines.ts';
import { addPackage, addPluginUse, keepCarries, setRegistry, settlePackage, usePackage } from '../../db/plugins.ts';
import { keepEvent, keepPost, listPosts } from '../../db/posts.ts';
import { startRun } from '../../db/runs.ts';
import { publishPage } from '../../db/showcase.ts';
import { setRetention } from '../../db/storage.ts';
import { keepTrial } from '../../db/trials.ts';
import { announceArrival } from '../../db/triggers.ts';
import { setRate, takeTurn } from '../../db/turns.ts';
import { beginUpload } from '../../db/uploads.ts';
import { digestOf } from '../../db/values.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import { firstSteps } from '../../runtime/graph/advance.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { planOf } from '../../runtime/graph/plan.ts';
import { hookPlace } from '../../runtime/graph/sealed.ts';
import { seal } from '../../runtime/seal.ts';
import { manifest, packed } from '../plugins/packed.ts';
import { TEST_KIT } from '../support/database.ts';
import { BEGIN, SAY, startTestServer, type TestServer } from '../support/server.ts';

export const WEAKEST_LAST = ROLES;

export type Place = { workspaceId: string; brandId: string; mark: string };
export type Person = { userId: string; email: string; token: string; tokenId: string };
export type Workspace = {
  id: string;
  mark: string;
  /** Two brands, each with its own mark. */
  brands: [Place, Place];
  people: Record<MemberRole, Person>;
  /** An editor of the first brand only. */
  partial: Person;
};
export type World = { server: TestServer; alpha: Workspace; beta: Workspace };

export async function makeWorld(options: { publicUrl?: string } = {}): Promise<World> {
  const server = await startTestServer(options);
  return { server, alpha: await makeWorkspace(server, 'alpha'), beta: await makeWorkspace(server, 'beta') };
}

async function makeWorkspace(server: TestServer, name: string): Promise<Workspace> {
  const mark = `mark-${name}`;
  const { workspaceId } = await server.database.workspace(mark);
  const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(server.services.db, workspaceId, work);
  const place = (which: string) =>
    inside(async (tx) => {
      const brand = await createBrand(tx, {
        name: `${mark}-${which}`,
        kit: { ...TEST_KIT, name: `${mark}-${which}` },
        timeZone: 'UTC',
      });
      return { workspaceId, brandId: brand.id, mark: `${mark}-${which}` };
    });
  const brands: [Place, Place] = [await place('first'), await place('second')];
  const people = {} as Record<MemberRole, Person>;
  for (const role of ROLES) people[role] = await server.member(workspaceId, role);
  const partial = await server.member(workspaceId, 'editor', [brands[0].brandId]);
  const workspace = { id: workspaceId, mark, brands, people, partial };
  for (const brand of brands) await fill(server, brand, people.editor.userId);
  return workspace;
}

/** A row in every table, directly where only a worker would write it. */
async function fill(server: TestServer, place: Place, userId: string): Promise<void> {
  const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(server.services.db, place.workspaceId, work);
  const { runId, pipelineId } = await makeRun(server, place);
  const recording = await makeAsset(server, place);
  const sidecar = await makeAsset(server, place);
  await makePage(server, place);
  await makeUpload(server, place, userId);
  const { name, digest: plugin } = await makePlugin(server, place);
  await inside((tx) =>
    keepTrial(tx, {
      ...{ plugin: name, runId, type: 'own.one', step: 'it', entry: 'run', attempt: 1, items: 1, beganAt: new Date() },
      ...{ ms: 1, cpuMs: 1, heapBytes: 1, error: null, said: [{ at: 0, kind: 'log' as const, line: place.mark }] },
    }),
  );
  await makeAccount(server, place);
  await inside((tx) => keepCarries(tx, plugin, [{ pipelineId, revision: 0, operations: [], inverse: [], review: [] }]));
  await inside(async (tx) => {
    await setRegistry(tx, { url: `https://${place.mark}.example`, sealed: 'sealed' });
    await setRetention(tx, { runDays: 365, runsPerPipeline: null });
    await addSidecar(tx, recording, sidecar, `${place.mark}.srt`);
    await keepInspection(tx, recording, { facts: {}, peaks: [0.5] });
    await sendErrand(tx, place.workspaceId, { kind: 'inspect', input: { asset: recording }, by: userId });
    await createInvitation(tx, { email: `${place.mark}@example.org`, role: 'editor', brands: null, by: userId });
    await setKey(tx, { name: 'openai', sealed: `sealed-${place.mark}`, baseUrl: null });
    await audit(tx, userId, 'test', { mark: place.mark });
    await publishPipeline(tx, { pipelineId, revision: 0, pins: {}, by: userId, note: place.mark });
    const { brandId, mark } = place;
    const digest = digestOf(mark);
    await sql`insert into pipeline_operation (pipeline_id, revision, operations, client_id) values (${pipelineId}, 1, '[]', ${mark})`.execute(
      tx,
    );
    const { id: triggerId } = await tx
      .insertInto('pipeline_trigger')
      .values({ pipeline_id: pipelineId, brand_id: brandId, node: 'say', kind: 'webhook', version: 1, config: '{}' })
      .returning('id')
      .executeTakeFirstOrThrow();
    await tx.insertInto('trigger_event').values({ trigger_id: triggerId, key: mark, run_id: runId }).execute();
    await announceArrival(tx, { sha256: recording, brandId, by: userId });
    await sql`insert into counter (run_id, kind, node, path, "left") values (${runId}, 's', ${mark}, '{}', 1)`.execute(
      tx,
    );
    await sql`insert into reuse (key, state, run_id, run_number, brand_id, node, path) values (${`${mark}-${runId}`}, 'made', ${runId}, 1, ${brandId}, 'say', '{}')`.execute(
      tx,
    );
    await sql`insert into memo (key, reply) values (${`${mark}-${runId}`}, '{}')`.execute(tx);
    await sql`insert into override (pipeline_id, brand_id, node, path, port, source_digest, value) values (${pipelineId}, ${brandId}, 'say', '{}', 'text', ${digest}, to_jsonb(${mark}::text))`.execute(
      tx,
    );
    await sql`insert into node_store (pipeline_id, brand_id, node, key, value) values (${pipelineId}, ${brandId}, 'say', 'k', to_jsonb(${mark}::text))`.execute(
      tx,
    );
    await sql`insert into wait (run_id, node, path, name, kind, request) values (${runId}, 'say', '{}', ${mark}, 'hook', to_jsonb(${mark}::text))`.execute(
      tx,
    );
    await setRate(tx, `${mark}.test`, 60);
    const far = { requests: 1, seconds: 20 };
    for (const holder of ['first', 'second']) {
      await takeTurn(tx, { connection: { name: `${mark} slow` }, runId, holder, limit: far });
    }
    const { rows: waits } = await sql<{ id: string }>`select id from wait where run_id = ${runId}`.execute(tx);
    await tell(tx, { waitId: waits[0]!.id, kind: 'asked', people: [userId], again: null });
    await sql`insert into call (run_id, node, path, key, request_digest, state) values (${runId}, 'say', '{}', ${mark}, ${digest}, 'open')`.execute(
      tx,
    );
    await sql`insert into effect (key, brand_id, run_id, node, path, name, kind, request, content_digest)
      values (${`${mark}-${runId}`}, ${brandId}, ${runId}, 'say', '{}', 'page', 'test.say', '{}', ${digest})`.execute(
      tx,
    );
  });
}

const graphOf = (mark: string): Graph => ({
  format: 1,
  nodes: [
    { id: 'say', type: SAY.id, version: SAY.version, name: mark, position: { x: 0, y: 0 }, config: { word: mark } },
    { id: 'other', type: SAY.id, version: SAY.version, name: `${mark} too`, position: { x: 0, y: 200 }, config: {} },
  ],
  edges: [],
  inputs: [],
  sections: [],
  notes: [],
});

export function makePipeline(server: TestServer, place: Place): Promise<string> {
  return inWorkspace(server.services.db, place.workspaceId, async (tx) => {
    const { id } = await createPipeline(tx, { name: place.mark, graph: graphOf(place.mark) });
    return id;
  });
}

/** A run with one finished step (`say`, which said the mark), one that failed (`other`), and a correction that can be taken back. */
export async function makeRun(server: TestServer, place: Place): Promise<{ runId: string; pipelineId: string }> {
  const pipelineId = await makePipeline(server, place);
  const graph = graphOf(place.mark);
  const plan = planOf(graph, [SAY]);
  const runId = await inWorkspace(server.services.db, place.workspaceId, async (tx) => {
    const started = await startRun(tx, {
      pipelineId,
      version: null,
      brandId: place.brandId,
      graph,
      plan,
      pins: {},
      kit: TEST_KIT,
      first: firstSteps(plan),
      startedBy: null,
    });
    const value = { digest: digestOf(place.mark), bytes: place.mark.length + 2, count: null, value: place.mark };
    const made = { text: { ...value, digest: digestOf('before'), value: 'before' } };
    await sql`insert into step (run_id, node, path, state, outputs, made, ended_at)
      values (${started.runId}, 'say', '{}', 'done', ${JSON.stringify({ text: value })}::jsonb, ${JSON.stringify(made)}::jsonb, now())`.execute(
      tx,
    );
    await sql`insert into step (run_id, node, path, state, error, ended_at)
      values (${started.runId}, 'other', '{}', 'failed', ${JSON.stringify({ code: 'X', message: place.mark, hint: null, retry: 'never' })}::jsonb, now())`.execute(
      tx,
    );
    await sql`delete from strand where run_id = ${started.runId} and node = 'say'`.execute(tx);
    return started.runId;
  });
  return { runId, pipelineId };
}

/** What a person is asked on the step that failed: the run's brand mark in all of it. */
export async function makeWait(server: TestServer, place: Place): Promise<{ runId: string }> {
  const { runId } = await makeRun(server, place);
  const request = {
    title: place.mark,
    message: place.mark,
    outcomes: [{ name: 'approved', title: 'Approve' }],
    fields: [{ name: 'title', title: 'title', value: place.mark }],
    reviewers: 'editor',
    item: { title: place.mark },
  };
  await inWorkspace(server.services.db, place.workspaceId, (tx) =>
    sql`insert into wait (run_id, node, path, name, kind, request)
      values (${runId}, 'other', '{}', 'review', 'person', ${JSON.stringify(request)}::jsonb)`.execute(tx),
  );
  return { runId };
}

/** An act of the run that nobody knows the end of. */
export async function makeEffect(server: TestServer, place: Place): Promise<{ runId: string; effectId: string }> {
  const { runId } = await makeRun(server, place);
  const { rows } = await inWorkspace(server.services.db, place.workspaceId, async (tx) => {
    const key = randomBytes(8).toString('hex');
    await sql`insert into effect (key, brand_id, run_id, node, path, name, kind, request, content_digest, state, token, send_by, sent_at)
      values (${key}, ${place.brandId}, ${runId}, 'other', '{}', ${place.mark}, 'test.say',
              ${JSON.stringify({ method: 'POST', host: 'api.example.com', path: '/posts' })}::jsonb, ${key}, 'sending', 1, now(), now())`.execute(
      tx,
    );
    return sql<{ id: string }>`update effect set state = 'unknown' where key = ${key} returning id`.execute(tx);
  });
  return { runId, effectId: rows[0]!.id };
}

export async function makeAsset(server: TestServer, place: Place): Promise<string> {
  const text = Buffer.from(`${place.mark} ${randomBytes(8).toString('hex')}`);
  const store = server.services.storeFor(place.workspaceId);
  return (await store.putBytes(text, { kind: 'text', mime: 'text/plain', name: `${place.mark}.txt` })).asset;
}

export async function makePage(
  server: TestServer,
  place: Place,
  options: { visibility?: 'public' | 'unlisted' } = {},
): Promise<{ pageId: string; slug: string; recording: string }> {
  const recording = await makeAsset(server, place);
  const key = randomBytes(6).toString('hex');
  const page = await inWorkspace(server.services.db, place.workspaceId, (tx) =>
    publishPage(tx, {
      brandId: place.brandId,
      key,
      slug: `page-${key}`,
      visibility: options.visibility ?? 'public',
      title: place.mark,
      content: {
        title: place.mark,
        summary: '',
        recording: { asset: recording, kind: 'audio', mime: 'audio/mpeg', bytes: 10 },
        clips: [],
      },
      assets: [recording],
    }),
  );
  return { pageId: page.id, slug: page.slug, recording };
}

export async function makeUpload(server: TestServer, place: Place, userId: string): Promise<string> {
  const id = randomBytes(16).toString('hex');
  await inWorkspace(server.services.db, place.workspaceId, (tx) =>
    beginUpload(tx, { id, userId, name: `${place.mark}.txt`, bytes: 5 }),
  );
  return id;
}

/** Published, and can be turned on. */
export function makePublished(server: TestServer, place: Place): Promise<string> {
  const graph = graphOf(place.mark);
  graph.nodes.push({
    id: 'begin',
    type: BEGIN.id,
    version: '1.0.0',
    name: 'begin',
    position: { x: 0, y: 0 },
    config: {},
  });
  return inWorkspace(server.services.db, place.workspaceId, async (tx) => {
    const { id } = await createPipeline(tx, { name: place.mark, graph });
    await publishPipeline(tx, { pipelineId: id, revision: 0, pins: {}, by: null, note: null });
    return id;
  });
}

/** A webhook that is on, of a pipeline that says the mark. */
export async function makeTrigger(server: TestServer, place: Place): Promise<string> {
  const pipelineId = await makePipeline(server, place);
  return inWorkspace(server.services.db, place.workspaceId, async (tx) => {
    const { id } = await tx
      .insertInto('pipeline_trigger')
      .values({
        pipeline_id: pipelineId,
        brand_id: place.brandId,
        node: 'say',
        kind: 'webhook',
        version: 1,
        config: '{}',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    return id;
  });
}

export function makeToken(server: TestServer, place: Place, userId: string): Promise<string> {
  return inWorkspace(server.services.db, place.workspaceId, async (tx) => {
    const { id } = await createToken(tx, { name: place.mark, role: 'editor', userId });
    return id;
  });
}

export function makeInvitation(server: TestServer, place: Place, by: string): Promise<string> {
  return inWorkspace(server.services.db, place.workspaceId, async (tx) => {
    const { id } = await createInvitation(tx, { email: `${place.mark}@example.org`, role: 'editor', brands: null, by });
    return id;
  });
}

/** Somebody asked for a plugin by name. */
export async function makeFetch(server: TestServer, place: Place): Promise<{ errandId: string }> {
  const input = { npm: { name: `n-${randomUUID()}`, version: null } };
  return inWorkspace(server.services.db, place.workspaceId, async (tx) => ({
    errandId: await sendErrand(tx, place.workspaceId, { kind: 'plugin', input, by: null }),
  }));
}

/** A plugin in use after an upgrade, with one right; its `name` and the `digest` of what is in use. */
export async function makePlugin(server: TestServer, place: Place): Promise<{ name: string; digest: string }> {
  const name = `plugin-${randomUUID()}`;
  const type = `p${randomUUID().slice(0, 8)}.one`;
  const asks = manifest(type, { capabilities: { store: true, why: { store: place.mark } } });
  const source = { kind: 'file' as const };
  let digest = '';
  for (const version of ['1.0.0', '1.1.0']) {
    const file = packed(name, version, [{ manifest: { ...asks, version }, entries: '{ run: () => ({}) }' }]);
    digest = sha256(file);
    const types = [{ type, version, behaviour: digest, place: 0, manifest: { ...asks, version } }];
    await inWorkspace(server.services.db, place.workspaceId, async (tx) => {
      await addPackage(tx, { digest, name, version, source, file, by: null });
      await settlePackage(tx, digest, { types });
      await usePackage(tx, { name, digest, rights: ['store'], isDev: false, by: null });
      await addPluginUse(tx, [{ plugin: name, right: 'store', calls: 1, refused: 0, sentBytes: 2, receivedBytes: 3 }]);
    });
  }
  return { name, digest };
}

// ---------------------------------------------------------------- rows

/** Tables that hold a workspace's rows, and the column that says whose. */
export async function tenantTables(server: TestServer): Promise<{ table: string; column: string }[]> {
  const { rows } = await server.database.admin.query<{ table: string }>(
    `select c.table_name as table from information_schema.columns c
       join information_schema.tables t using (table_schema, table_name)
      where c.table_schema = 'public' and c.column_name = 'workspace_id' and t.table_type = 'BASE TABLE' order by 1`,
  );
  return [{ table: 'workspace', column: 'id' }, ...rows.map(({ table }) => ({ table, column: 'workspace_id' }))];
}

/** One digest of all rows of a workspace. When a token was last used is no change of anybody's data. */
export async function rowsOf(server: TestServer, workspaceId: string): Promise<string> {
  const tables = await tenantTables(server);
  const parts = tables.map(
    ({ table, column }) => `select '${table}' as name, md5(coalesce(string_agg(row, '|' order by row), '')) as digest
      from (select (to_jsonb(t) - 'last_used_at')::text as row from "${table}" t where "${column}" = $1) r`,
  );
  const { rows } = await server.database.admin.query<{ name: string; digest: string }>(parts.join(' union all '), [
    workspaceId,
  ]);
  return rows.map(({ name, digest }) => `${name} ${digest}`).join('\n');
}

// ---------------------------------------------------------------- calls

export type Answer = { status: number; code: string | null; text: string };

/** `Authorization` of a person; undefined is nobody. */
export const as = (person: { token: string } | undefined): Record<string, string> =>
  person ? { authorization: `Bearer ${person.token}` } : {};

const LISTEN_MS = 300;

export async function call(
  server: TestServer,
  procedure: string,
  type: 'query' | 'mutation' | 'subscription',
  input: unknown,
  person: { token: string } | undefined,
): Promise<Answer> {
  const address = `${server.url}/api/trpc/${procedure}`;
  if (type === 'mutation') {
    const reply = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...as(person) },
      body: JSON.stringify(input),
    });
    return told(reply.status, await reply.text());
  }
  const query = `${address}?${new URLSearchParams({ input: JSON.stringify(input) })}`;
  if (type === 'query') {
    const reply = await fetch(query, { headers: as(person) });
    return told(reply.status, await reply.text());
  }
  const stop = new AbortController();
  const reply = await fetch(query, { headers: { accept: 'text/event-stream', ...as(person) }, signal: stop.signal });
  let text = '';
  const timer = setTimeout(() => stop.abort(), LISTEN_MS);
  try {
    for await (const chunk of reply.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (/^event: serialized-error\n.*\n|^data: .*\n\n/m.test(text.replace(/^event: connected\n(.*\n)*?\n/m, '')))
        break;
    }
  } catch {
    // listened long enough
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  return told(text.includes('serialized-error') ? 400 : reply.status, text);
}

function told(status: number, text: string): Answer {
  const code = /"problem":\{"code":"([A-Z_0-9]+)"/.exec(text)?.[1] ?? null;
  return { status: code === null ? status : Math.max(status, 400), code, text };
}

/** A plugin that connects to a service, an account there, an attempt to connect another, and a post. */
export async function makeAccount(
  server: TestServer,
  place: Place,
): Promise<{ type: string; connection: string; connecting: string; post: string }> {
  const name = `platform-${randomUUID()}`;
  const type = `p${randomBytes(6).toString('hex')}.publish`;
  const platform = 'somewhere';
  const own = manifest(type, {
    connection: { platform, scopes: [] },
    platform: {
      title: place.mark,
      server: { kind: 'fixed', hosts: ['api.example.com'] },
      connect: {
        ...{ kind: 'oauth2', client: 'body', refresh: 'none' },
        authorize: { path: '/authorize' },
        token: { path: '/token' },
        app: { from: 'admin', help: '' },
      },
      webhooks: { header: 'x-signature', id: { field: 'id' }, secret: 'connection' },
    },
  });
  const { id: connecting } = { id: randomUUID() };
  const { sealKey } = server.services;
  const { runId } = await makeRun(server, place);
  const text = packed(name, '1.0.0', [{ manifest: own, entries: '{ run: () => ({}) }' }]);
  return inWorkspace(server.services.db, place.workspaceId, async (tx) => {
    const digest = sha256(text);
    await addPackage(tx, { digest, name, version: '1.0.0', source: { kind: 'file' }, file: text, by: null });
    const types = [{ type, version: '1.0.0', behaviour: digestOf(text), place: 0, manifest: own }];
    await settlePackage(tx, digest, { types });
    await usePackage(tx, { digest, name, rights: [], isDev: false, by: null });
    const { brandId, mark, workspaceId } = place;
    const connection = await keepConnection(tx, {
      ...{ id: randomUUID(), plugin: name, platform, brandId, title: mark, server: 'api.example.com', account: mark },
      ...{ name: mark, url: null, scopes: [], sealed: () => 'sealed', expiresAt: null, by: null },
    });
    const hook = JSON.stringify({ path: randomBytes(32).toString('base64url'), secret: mark });
    const sealed = seal(sealKey, hook, hookPlace(workspaceId, connection));
    await setHook(tx, connection, { sha256: sha256(connection), sealed });
    const { rows } = await sql<{ user_id: string }>`select user_id from member limit 1`.execute(tx);
    const by = rows[0]!.user_id;
    const attempt = { id: connecting, brandId, type, server: 'api.example.com', sealed: null, by };
    await beginConnecting(tx, { ...attempt, redirectUri: 'http://localhost/connections/callback' });
    const app = { plugin: name, platform, server: 'api.example.com', redirectUri: '' };
    await setApp(tx, app, { clientId: mark, sealed: 'sealed', by: null });
    const about = { platform, url: 'https://example.com', title: mark, publishedAt: new Date().toISOString() };
    await keepPost(tx, { brandId, connectionId: connection, runId, node: 'say', type, post: { id: mark, ...about } });
    await keepEvent(tx, { connectionId: connection, event: mark, headers: {}, body: mark });
    await takeUnits(tx, { of: connection, name: 'units', startsAt: new Date(), units: 1, most: 10 });
    const post = (await listPosts(tx, [brandId])).find(({ connectionId }) => connectionId === connection)!.id;
    return { type, connection, connecting, post };
  });
}
