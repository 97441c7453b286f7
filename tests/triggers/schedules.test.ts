/** Schedules, uploads and feeds: what starts runs without anybody asking, however many workers look at once. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase } from '../../db/connect.ts';
import type { Pin } from '../../runtime/graph/graph.ts';
import { lookOnce } from '../../runtime/triggers/triggers.ts';
import { graphOf } from '../runtime/bench.ts';
import { openScene, type Scene } from './scene.ts';

let scene: Scene;
let feeds: http.Server;
/** What the feeds' server answers, and what it was asked. */
let answer: (request: http.IncomingMessage) => { status: number; headers?: Record<string, string>; body?: string };
let asked: http.IncomingMessage[] = [];
beforeAll(async () => {
  feeds = http.createServer((request, response) => {
    asked.push(request);
    const { status, headers = {}, body = '' } = answer(request);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => feeds.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(feeds.address() as AddressInfo).port}`;
  scene = await openScene({ egress: new Map([['https://feeds.example', origin]]) });
});
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  feeds?.close();
});
// each test looks at its own: what is on would be due in every look
beforeEach(async () => {
  asked = [];
  await scene.admin.query('update pipeline_trigger set is_on = false');
});

const daily = { when: 'every day at 09:00', zone: 'Europe/Berlin' };
const scheduled = (settings: object) =>
  graphOf(
    [`start:trigger.schedule ${JSON.stringify(settings)}`, 'respond:flow.respond'],
    ['start.local > respond.body'],
  );
const setNext = (pipelineId: string, instant: string) =>
  scene.admin.query('update pipeline_trigger set next_at = $2 where pipeline_id = $1', [pipelineId, instant]);
const planned = async (pipelineId: string) =>
  (await scene.runs(pipelineId)).map((run) => (run.trigger!.event as { at: string }).at.slice(0, 16));

describe('schedules', () => {
  test('what is pinned in the draft is in no run that starts by itself', async () => {
    const id = await scene.published(scheduled(daily));
    const wanted = { pipelineId: id, brandId: scene.brandId, version: 'draft' };
    const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', wanted);
    await scene.ended(runId);
    const { pin } = await scene.call<{ pin: Pin }>('pipelines.pin', 'mutation', {
      pipelineId: id,
      node: 'start',
      source: { runId, path: [] },
    });
    const operations = [{ op: 'setPin', node: 'start', pin }];
    await scene.call('pipelines.edit', 'mutation', { pipelineId: id, baseRevision: 0, clientId: 't', operations });
    await scene.call('pipelines.publish', 'mutation', { pipelineId: id, revision: 1 });
    await scene.turnOn(id);
    await setNext(id, '2026-03-29T07:00Z');
    await scene.look(new Date('2026-03-29T07:00:00.5Z'));
    const run = (await scene.runs(id)).at(-1)!;
    expect(run.id).not.toBe(runId);
    await scene.ended(run.id);
    expect(await scene.step(run.id, 'start')).toMatchObject({
      state: 'done',
      outputs: { local: expect.stringMatching(/^2026-03-29/) },
    });
    const draft = await scene.call<{ runId: string }>('runs.start', 'mutation', wanted);
    await scene.ended(draft.runId);
    expect((await scene.step(draft.runId, 'start'))!.reason).toBe('Pinned: not run.');
  });

  test('a time that has come starts one run, with its time in its zone, and the next is planned', async () => {
    const { pipelineId, status } = await scene.on(scheduled(daily));
    expect(status).toMatchObject({ isOn: true, version: 1 });
    expect(status.triggers[0]).toMatchObject({ words: 'every day at 09:00', zone: 'Europe/Berlin' });
    expect(status.triggers[0]!.next).toHaveLength(3);
    await setNext(pipelineId, '2026-03-29T07:00Z');
    await scene.look(new Date('2026-03-29T06:59:59Z'));
    expect(await scene.runs(pipelineId)).toEqual([]);
    await scene.look(new Date('2026-03-29T07:00:00.5Z'));
    await scene.look(new Date('2026-03-29T07:00:01.5Z'));
    const [run, ...more] = await scene.runs(pipelineId);
    expect(more).toEqual([]);
    expect(await scene.ended(run!.id)).toBe('succeeded');
    expect((await scene.step(run!.id, 'start'))!.outputs).toMatchObject({
      time: '2026-03-29T07:00:00.000Z',
      local: '2026-03-29T09:00',
      date: '2026-03-29',
      weekday: 'Sunday',
    });
    expect((await scene.status(pipelineId)).triggers[0]!.next[0]).toBe('2026-03-30T07:00:00.000Z');
  });

  test('an empty zone is the brand’s', async () => {
    await scene.admin.query(`update brand set time_zone = 'Asia/Kolkata' where id = $1`, [scene.brandId]);
    const { status } = await scene.on(scheduled({ when: 'every day at 09:00' }));
    expect(status.triggers[0]).toMatchObject({ zone: 'Asia/Kolkata' });
    expect(status.triggers[0]!.next[0]).toContain('T03:30');
  });

  test('eight workers that look at the same moment start one run', async () => {
    const { pipelineId } = await scene.on(scheduled(daily));
    await setNext(pipelineId, '2026-03-29T07:00Z');
    const now = () => new Date('2026-03-29T07:00:01Z');
    const db = createDatabase(scene.server.database.pool('app'));
    await Promise.all(
      Array.from({ length: 8 }, (_, index) => lookOnce({ ...scene.triggers, ...(index % 2 ? { db } : {}), now })),
    );
    expect(await planned(pipelineId)).toEqual(['2026-03-29T07:00']);
  });

  test('an instant that was started before is not started again, whatever the next time says', async () => {
    const { pipelineId } = await scene.on(scheduled(daily));
    for (let turn = 0; turn < 3; turn++) {
      await setNext(pipelineId, '2026-03-29T07:00Z');
      await scene.look(new Date('2026-03-29T07:00:01Z'));
    }
    expect(await planned(pipelineId)).toEqual(['2026-03-29T07:00']);
  });

  test.each([
    ['skip', [], /3 planned times .* were left out/],
    ['once', ['2026-03-29T07:00'], /2 planned times .* made up for by one run/],
    ['all', ['2026-03-27T08:00', '2026-03-28T08:00', '2026-03-29T07:00'], null],
  ])('after three days without a worker: %s', async (missed, expected, note) => {
    const { pipelineId } = await scene.on(scheduled({ ...daily, missed }));
    await setNext(pipelineId, '2026-03-27T08:00Z');
    await scene.look(new Date('2026-03-29T20:00Z'));
    expect(await planned(pipelineId)).toEqual(expected);
    const [trigger] = (await scene.status(pipelineId)).triggers;
    expect(trigger!.next[0]).toBe('2026-03-30T07:00:00.000Z');
    if (note) expect(trigger!.note).toMatch(note);
    else expect(trigger!.note).toBeNull();
  });

  test('off, nothing is planned; on again, what passed meanwhile is not made up for', async () => {
    const { pipelineId } = await scene.on(scheduled({ ...daily, missed: 'all' }));
    await setNext(pipelineId, '2026-03-27T08:00Z');
    expect(await scene.turnOff(pipelineId)).toMatchObject({ isOn: false, version: null, triggers: [] });
    await scene.look(new Date('2026-03-29T20:00Z'));
    const status = await scene.turnOn(pipelineId);
    expect(new Date(status.triggers[0]!.next[0]!).getTime()).toBeGreaterThan(Date.now());
    expect(await scene.runs(pipelineId)).toEqual([]);
  });

  test('a new version takes over where the pipeline is on, and one without a trigger turns it off', async () => {
    const { pipelineId } = await scene.on(scheduled(daily));
    const edit = (operations: object[], baseRevision: number) =>
      scene.call('pipelines.edit', 'mutation', { pipelineId, baseRevision, clientId: 'test', operations });
    const publish = (revision: number) => scene.call('pipelines.publish', 'mutation', { pipelineId, revision });
    await edit([{ op: 'setConfig', node: 'start', field: 'when', value: 'every hour' }], 0);
    await publish(1);
    const status = await scene.status(pipelineId);
    expect([status.version, status.triggers[0]!.words]).toEqual([2, 'every hour']);
    await setNext(pipelineId, '2026-03-29T07:00Z');
    await scene.look(new Date('2026-03-29T07:00:01Z'));
    const { rows } = await scene.admin.query('select version from run where pipeline_id = $1', [pipelineId]);
    expect(rows).toEqual([{ version: 2 }]);
    await edit([{ op: 'removeNode', id: 'start' }], 1);
    await publish(2);
    expect(await scene.status(pipelineId)).toMatchObject({ isOn: false, canTurnOn: false });
  });

  test('what cannot be turned on says why', async () => {
    const refusal = (graph: ReturnType<typeof graphOf>) =>
      scene.on(graph).then(
        () => 'on',
        (error: Error) => error.message,
      );
    expect(await refusal(scheduled({ when: 'every now and then' }))).toMatch(
      /^PIPELINE_NOT_READY: “every now and then” is not/,
    );
    expect(await refusal(scheduled({ ...daily, zone: 'Mars/Olympus' }))).toMatch(/no time zone called Mars/);
    expect(await refusal(graphOf(['respond:flow.respond'], []))).toMatch(/^NOTHING_TO_TURN_ON/);
    const { id } = await scene.call<{ id: string }>('pipelines.create', 'mutation', {
      name: 'Draft',
      graph: scheduled(daily),
    });
    await expect(scene.turnOn(id)).rejects.toThrow(/^NOT_PUBLISHED/);
  });

  test('a removed pipeline starts nothing any more, and brought back it is off', async () => {
    const { pipelineId } = await scene.on(scheduled(daily));
    await setNext(pipelineId, '2026-03-29T07:00Z');
    await scene.call('pipelines.remove', 'mutation', { pipelineId });
    await scene.look(new Date('2026-03-29T07:00:01Z'));
    expect(await scene.runs(pipelineId)).toEqual([]);
    await scene.call('pipelines.restore', 'mutation', { pipelineId });
    expect(await scene.status(pipelineId)).toMatchObject({ isOn: false, canTurnOn: true });
  });
});

describe('by hand', () => {
  const start = async (pipelineId: string, more: object = {}) => {
    const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', {
      pipelineId,
      brandId: scene.brandId,
      version: 'latest',
      ...more,
    });
    expect(await scene.ended(runId)).toBe('succeeded');
    return (await scene.step(runId, 'start'))!;
  };

  test('a pipeline with a trigger takes an example, then the last event that came, and says which', async () => {
    const { pipelineId } = await scene.on(scheduled(daily));
    expect(await start(pipelineId)).toMatchObject({
      reason: 'Started by hand, with an example: no event has come yet.',
      outputs: { date: '2026-03-02' },
    });
    await setNext(pipelineId, '2026-03-29T07:00Z');
    await scene.look(new Date('2026-03-29T07:00:01Z'));
    expect(await start(pipelineId)).toMatchObject({
      reason: 'Started by hand, with the last event that came.',
      outputs: { date: '2026-03-29' },
    });
  });

  test('of several triggers one gives its event, and the others say that they did not start it', async () => {
    const graph = graphOf(
      ['hand:trigger.manual', `start:trigger.schedule ${JSON.stringify(daily)}`, 'a:flow.respond', 'b:flow.respond'],
      ['hand.inputs > a.body', 'start.date > b.body'],
    );
    const { pipelineId } = await scene.on(graph);
    expect(await start(pipelineId)).toMatchObject({ state: 'skipped', reason: 'This run was started by hand.' });
    expect(await start(pipelineId, { trigger: 'start' })).toMatchObject({
      state: 'done',
      outputs: { date: '2026-03-02' },
    });
  });
});

describe('new recordings', () => {
  const begins = (settings: object = {}) =>
    graphOf([`start:trigger.asset ${JSON.stringify(settings)}`, 'respond:flow.respond'], ['start.name > respond.body']);

  async function upload(name: string, bytes: Uint8Array, more: object = {}, token = scene.token): Promise<void> {
    const headers = { authorization: `Bearer ${token}`, 'tus-resumable': '1.0.0' };
    const metadata = `filename ${btoa(name)},workspaceId ${btoa(scene.workspaceId)}`;
    const begun = await fetch(`${scene.server.url}/api/uploads`, {
      method: 'POST',
      headers: { ...headers, 'upload-length': String(bytes.length), 'upload-metadata': metadata },
    });
    const place = new URL(begun.headers.get('location')!, scene.server.url).href;
    await fetch(place, {
      method: 'PATCH',
      headers: { ...headers, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' },
      body: bytes as BodyInit,
    });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const done = await fetch(`${place}/finish`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ sha256, ...more }),
    });
    expect(done.status).toBe(200);
  }

  test('an upload starts each pipeline that waits for it, once, and what nodes make starts none', async () => {
    const sound = await readFile(path.resolve(import.meta.dirname, '../fixtures/jfk.flac'));
    const { pipelineId } = await scene.on(begins());
    const { pipelineId: videoOnly } = await scene.on(begins({ kind: 'video' }));
    const { pipelineId: named } = await scene.on(begins({ nameContains: 'SPEECH' }));
    await upload('My speech.flac', sound);
    await scene.store().putBytes(Uint8Array.from([...sound, 0]), { kind: 'audio', mime: 'audio/flac' }, ['made']);
    await Promise.all([scene.look(), scene.look(), scene.look()]);
    await upload('My speech.flac', sound);
    await scene.look();
    const [run, ...more] = await scene.runs(pipelineId);
    expect([more, (await scene.runs(videoOnly)).length, (await scene.runs(named)).length]).toEqual([[], 0, 1]);
    expect(await scene.ended(run!.id)).toBe('succeeded');
    expect((await scene.step(run!.id, 'start'))!.outputs).toMatchObject({
      name: 'My speech.flac',
      recording: { kind: 'audio', bytes: sound.length },
    });
    const { rows } = await scene.admin.query('select from asset_arrival');
    expect(rows).toEqual([]);
  });

  test('an upload for one brand starts that brand’s pipelines only', async () => {
    const other = await scene.admin.query(
      `insert into brand (workspace_id, name, slug, kit) select workspace_id, 'Other', 'other-brand', kit from brand where id = $1 returning id`,
      [scene.brandId],
    );
    const { pipelineId } = await scene.on(begins());
    await scene.turnOn(pipelineId, other.rows[0].id);
    await upload('one.wav', await readFile(path.resolve(import.meta.dirname, '../fixtures/two-speakers.wav')), {
      brandId: other.rows[0].id,
    });
    await scene.look();
    const brands = async () => {
      const { rows } = await scene.admin.query('select brand_id from run where pipeline_id = $1', [pipelineId]);
      return rows.map((row) => row.brand_id);
    };
    expect(await brands()).toEqual([other.rows[0].id]);

    // without a brand: for all that are theirs who uploaded it
    const partial = await scene.server.member(scene.workspaceId, 'editor', [other.rows[0].id]);
    const flac = await readFile(path.resolve(import.meta.dirname, '../fixtures/jfk.flac'));
    await upload('two.flac', flac, {}, partial.token);
    await scene.look();
    expect(await brands()).toEqual([other.rows[0].id, other.rows[0].id]);
  });
});

describe('feeds', () => {
  const item = (id: string, at: string) =>
    `<item><guid>${id}</guid><title>${id}</title><link>https://show.example/${id}</link><pubDate>${new Date(at).toUTCString()}</pubDate></item>`;
  const rss = (...items: string[]) => ({
    status: 200,
    headers: {
      'content-type': 'application/rss+xml',
      etag: `"${createHash('sha256').update(items.join()).digest('hex')}"`,
    },
    body: `<rss version="2.0"><channel><title>Show</title>${items.join('')}</channel></rss>`,
  });
  const one = item('one', '2026-03-01T10:00Z');
  const two = item('two', '2026-03-02T10:00Z');
  const three = item('three', '2026-03-03T10:00Z');
  const reading = (settings: object = {}) =>
    graphOf(
      [
        `start:trigger.feed ${JSON.stringify({ url: 'https://feeds.example/show.xml', ...settings })}`,
        'respond:flow.respond',
      ],
      ['start.title > respond.body'],
    );
  const titles = async (pipelineId: string) =>
    (await scene.runs(pipelineId)).map((run) => (run.trigger!.event as { item: { title: string } }).item.title);
  /** Looks as if the next look had come. */
  const later = async () => {
    await scene.admin.query('update pipeline_trigger set next_at = now() where is_on');
    await scene.look();
  };

  test('each new item once, oldest first, whatever the order and however often they come', async () => {
    answer = () => rss(one);
    const { pipelineId } = await scene.on(reading());
    await scene.look();
    expect(await titles(pipelineId)).toEqual([]); // from now on
    answer = () => rss(three, two, one);
    await later();
    expect(await titles(pipelineId)).toEqual(['two', 'three']);
    for (const order of [[one, three, two], [two], [three, three, one, two]]) {
      answer = () => rss(...order);
      await later();
    }
    expect(await titles(pipelineId)).toEqual(['two', 'three']);
    const [run] = await scene.runs(pipelineId);
    expect(await scene.ended(run!.id)).toBe('succeeded');
    expect((await scene.step(run!.id, 'start'))!.outputs).toMatchObject({
      title: 'two',
      link: 'https://show.example/two',
    });
  });

  test('the latest items can be had at once', async () => {
    answer = () => rss(one, three, two);
    const { pipelineId } = await scene.on(reading({ first: 'the latest', latest: 2 }));
    await scene.look();
    await later();
    expect(await titles(pipelineId)).toEqual(['two', 'three']);
  });

  test('it asks whether anything changed, and looks again when its time has come', async () => {
    answer = (request) => (request.headers['if-none-match'] ? { status: 304 } : rss(one));
    const { pipelineId } = await scene.on(reading({ everyMinutes: 30 }));
    await scene.look();
    const [trigger] = (await scene.status(pipelineId)).triggers;
    const ahead = new Date(trigger!.next[0]!).getTime() - Date.now();
    expect([ahead > 28 * 60_000, ahead <= 30 * 60_000]).toEqual([true, true]);
    await scene.look();
    expect(asked).toHaveLength(1);
    await later();
    expect(asked[1]!.headers['if-none-match']).toBe(rss(one).headers.etag);
    expect((await scene.status(pipelineId)).triggers[0]!.problem).toBeNull();
  });

  test('two workers ask once', async () => {
    answer = () => rss(one);
    await scene.on(reading());
    await Promise.all([scene.look(), scene.look(), scene.look()]);
    expect(asked).toHaveLength(1);
  });

  test('what is wrong with a feed is said, and gone when it is well again', async () => {
    answer = () => ({ status: 200, body: '<html><body>Moved</body></html>' });
    const { pipelineId } = await scene.on(reading());
    const problem = async () => (await scene.status(pipelineId)).triggers[0]!.problem?.code;
    await scene.look();
    expect(await problem()).toBe('FEED_UNREADABLE');
    answer = () => ({ status: 500 });
    await later();
    expect(await problem()).toBe('FEED_REFUSED');
    answer = () => rss(one);
    await later();
    expect(await problem()).toBeUndefined();
    expect(await titles(pipelineId)).toEqual([]); // the first look that succeeded is the beginning
  });

  test('an address inside our own network is not asked', async () => {
    const { pipelineId } = await scene.on(reading({ url: 'http://127.0.0.1:1/feed.xml' }));
    await scene.look();
    expect((await scene.status(pipelineId)).triggers[0]!.problem?.code).toBe('FETCH_REFUSED');
  });

  test('more items than one look takes come with the next', async () => {
    answer = () => rss(one);
    const { pipelineId } = await scene.on(reading());
    await scene.look();
    const many = Array.from({ length: 70 }, (_, index) =>
      item(`n${index}`, `2026-03-04T10:${String(index % 60).padStart(2, '0')}Z`),
    );
    answer = (request) => (request.headers['if-none-match'] ? { status: 304 } : rss(...many));
    await scene.admin.query(`update pipeline_trigger set cursor = cursor - 'etag' where is_on`);
    await later();
    expect(await titles(pipelineId)).toHaveLength(50);
    const soon = new Date((await scene.status(pipelineId)).triggers[0]!.next[0]!).getTime() - Date.now();
    expect(soon).toBeLessThan(61_000);
    await later();
    expect(new Set(await titles(pipelineId)).size).toBe(70);
  });
});
