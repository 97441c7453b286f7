/** Which page a Showcase node publishes to, through the internal host and as visitors see it over HTTP. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPipeline } from '../../db/pipelines.ts';
import { startRun } from '../../db/runs.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import type { Clip, HttpReply } from '../../nodes/contract.ts';
import type { StepScope } from '../../runtime/capabilities/capability.ts';
import { showcaseSend } from '../../runtime/capabilities/showcase.ts';
import { EMPTY_GRAPH } from '../../runtime/graph/graph.ts';
import { planOf } from '../../runtime/graph/plan.ts';
import { TEST_KIT } from '../support/database.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let workspaceId: string;
let brandId: string;
let token: string;
let brandSlug: string;
beforeAll(async () => {
  server = await startTestServer();
  ({ workspaceId, brandId } = await server.database.workspace('Pages'));
  ({ token } = await server.member(workspaceId, 'editor'));
  const brand = (tx: WorkspaceTx) =>
    tx.selectFrom('brand').select('slug').where('id', '=', brandId).executeTakeFirstOrThrow();
  brandSlug = (await inside(brand)).slug;
});
afterAll(() => server?.close());

const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(server.services.db, workspaceId, work);

const pipeline = async () => (await inside((tx) => createPipeline(tx, { name: 'P', graph: EMPTY_GRAPH }))).id;
const run = async (pipelineId: string) =>
  (
    await inside((tx) =>
      startRun(tx, {
        pipelineId,
        version: null,
        brandId,
        graph: EMPTY_GRAPH,
        plan: planOf(EMPTY_GRAPH, new Map()),
        pins: {},
        kit: TEST_KIT,
        first: [],
        startedBy: null,
      }),
    )
  ).runId;

async function recording(): Promise<{ asset: string; kind: 'video'; mime: string; bytes: number }> {
  const store = server.services.storeFor(workspaceId);
  const made = await store.putBytes(Buffer.from(randomUUID()), { kind: 'video', mime: 'video/mp4' });
  return { asset: made.asset, kind: 'video', mime: 'video/mp4', bytes: made.bytes };
}

type Made = { id: string; url: string };
/** What the node sends: the key of a recording, and clips that begin at these seconds. */
async function publish(
  from: { pipelineId: string; nodeId?: string; path?: number[] },
  film: Awaited<ReturnType<typeof recording>>,
  starts: number[],
  title = 'A talk',
): Promise<Made> {
  const clips = starts.map((start) => {
    const id = `${start.toFixed(3)}-${(start + 10).toFixed(3)}`;
    const segment = { id, title, start, end: start + 10, summary: '', score: 0.5, why: '', quotes: [], topics: [] };
    const video = { ...film, width: 1080, height: 1920, duration: 10 };
    const looks = { aspect: '9:16', captions: 'marker', framing: '' } as const;
    const clip: Clip = { id, video, segment, language: 'en', words: [], speakers: [], ...looks };
    return { clip };
  });
  const { pipelineId, nodeId = 'showcase', path = [] } = from;
  const scope = { workspaceId, brandId, runId: await run(pipelineId), nodeId, path } as unknown as StepScope;
  const send = showcaseSend({ db: server.services.db, url: server.url });
  const request = { host: 'showcase.spliceboard.internal', path: `/pages/r-${film.asset.slice(0, 40)}` };
  const reply: HttpReply = await send(scope, { ...request, method: 'PUT', json: { title, recording: film, clips } });
  expect([reply.status, reply.body]).toMatchObject([200, { id: expect.any(String) }]);
  const look = await send(scope, { ...request, method: 'GET' });
  if (look.status === 200) expect(look.body).toMatchObject({ id: (reply.body as Made).id });
  return reply.body as Made;
}

const status = async (url: string) => (await fetch(url)).status;
const feed = async () => (await fetch(`${server.url}/b/${brandSlug}/feed.xml`)).text();
const change = async (procedure: 'unpublish' | 'republish', pageId: string) => {
  const reply = await fetch(`${server.url}/api/trpc/showcase.${procedure}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ workspaceId, brandId, pageId }),
  });
  expect([procedure, reply.status]).toEqual([procedure, 200]);
};

test('a pipeline that is run again renews its page, corrected cuts included', async () => {
  const film = await recording();
  const mine = { pipelineId: await pipeline() };
  const first = await publish(mine, film, [0, 20]);
  const second = await publish(mine, film, [1, 21], 'Another title');
  expect([second.id, second.url]).toEqual([first.id, first.url]);
  expect(await (await fetch(first.url)).text()).toContain('Another title');
});

test('another pipeline, node or item with other clips of the same recording has a page of its own', async () => {
  const film = await recording();
  const mine = { pipelineId: await pipeline() };
  const pages = [
    await publish(mine, film, [0]),
    await publish({ pipelineId: await pipeline() }, film, [30]),
    await publish({ ...mine, nodeId: 'second' }, film, [60]),
    await publish({ ...mine, path: [1] }, film, [90]),
  ];
  expect(new Set(pages.map((page) => page.id)).size).toBe(4);
  expect(new Set(pages.map((page) => page.url)).size).toBe(4);
  for (const page of pages) expect([page.url, await status(page.url)]).toEqual([page.url, 200]);
});

test('the same clips of the same recording are one page, also from a pipeline that was imported twice', async () => {
  const film = await recording();
  const first = await publish({ pipelineId: await pipeline() }, film, [0, 20]);
  const second = await publish({ pipelineId: await pipeline() }, film, [20, 0]);
  expect([second.id, second.url]).toEqual([first.id, first.url]);
});

test('taken down, a page is gone and out of the feed; put back, it is where it was; published again, it comes back too', async () => {
  const film = await recording();
  const mine = { pipelineId: await pipeline() };
  const page = await publish(mine, film, [0], 'Now you see me');
  const media = `${server.url}/b/media/${page.id}/recording.mp4`;
  expect([await status(page.url), await status(media)]).toEqual([200, 200]);
  expect(await feed()).toContain('Now you see me');
  for (const back of [() => change('republish', page.id), () => publish(mine, film, [0], 'Now you see me')]) {
    await change('unpublish', page.id);
    expect([await status(page.url), await status(media)]).toEqual([410, 410]);
    expect(await feed()).not.toContain('Now you see me');
    await back();
    expect([await status(page.url), await status(media)]).toEqual([200, 200]);
    expect(await feed()).toContain('Now you see me');
  }
  const again = await publish(mine, film, [0], 'Now you see me');
  expect([again.id, again.url]).toEqual([page.id, page.url]);
});
