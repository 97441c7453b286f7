/** Webhooks as senders meet them: on the wire, with a worker behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAcceptor } from '../../db/triggers.ts';
import { bucket } from '../../server/hooks.ts';
import { graphOf } from '../runtime/bench.ts';
import { freePort } from '../support/product.ts';
import { openScene, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  process.env.SPLICEBOARD_HOOK_WAIT_SECONDS = '4';
  scene = await openScene();
});
const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await scene?.[Symbol.asyncDispose]();
});

type Sent = { method?: string; headers?: Record<string, string>; body?: string | Uint8Array; url?: string };
const json = { 'content-type': 'application/json' };
const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) });
const send = (url: string, { method = 'POST', headers = {}, body }: Sent) =>
  fetch(url, { method, headers, ...(body === undefined ? {} : { body: body as BodyInit }) });
const codeOf = async (reply: Response) => ((await reply.json()) as { problem: { code: string } }).problem.code;
type Told = { runId: string; number: number; isNew: boolean };

/** A webhook with these settings, wired to a Respond. */
async function hook(settings: object = {}, wires = ['hook.body > respond.body'], respond: object = {}) {
  const graph = graphOf(
    [`hook:trigger.webhook ${JSON.stringify(settings)}`, `respond:flow.respond ${JSON.stringify(respond)}`],
    wires,
  );
  const { pipelineId, status } = await scene.on(graph);
  const { id, url } = status.triggers[0]!;
  return { pipelineId, id, url: url!, runs: () => scene.runs(pipelineId) };
}

describe('accepting', () => {
  test('a request starts one run of the published version, and its parts come out of the trigger', async () => {
    const { url, runs } = await hook();
    const reply = await post(
      `${url}?page=2`,
      { title: 'Episode 12' },
      { 'x-kind': 'new', authorization: 'Bearer secret' },
    );
    expect(reply.status).toBe(202);
    const { runId, number, isNew } = (await reply.json()) as Told;
    expect(isNew).toBe(true);
    expect((await runs()).map((run) => [run.id, run.number])).toEqual([[runId, number]]);
    expect(await scene.ended(runId)).toBe('succeeded');
    const { outputs } = (await scene.step(runId, 'hook'))!;
    expect(outputs).toMatchObject({
      body: { title: 'Episode 12' },
      query: { page: '2' },
      headers: { 'x-kind': 'new' },
    });
    expect(outputs.headers).not.toHaveProperty('authorization');
    expect((await scene.step(runId, 'respond'))!.outputs.answer).toMatchObject({ body: { title: 'Episode 12' } });
    const listed = await scene.call<{ items: { id: string; startedBy: string | null }[] }>('runs.list', 'query', {});
    expect(listed.items.find((run) => run.id === runId)?.startedBy).toBe('a webhook');
  });

  test('what comes at the same moment is accepted together, each once, and what is wrong with one is its own matter', async () => {
    const { pipelineId, runs } = await hook();
    const { rows } = await scene.admin.query(
      `select t.id, t.workspace_id, t.version, r.graph, r.plan, r.pins from pipeline_trigger t
         cross join lateral (select graph, '{"order":[],"nodes":{}}'::jsonb as plan, '{}'::jsonb as pins
                               from pipeline_version v where v.pipeline_id = t.pipeline_id and v.number = t.version) r
        where t.pipeline_id = $1`,
      [pipelineId],
    );
    const { id, workspace_id: workspaceId, version, graph, plan, pins } = rows[0];
    const run = JSON.stringify({ key: 'k', trigger: { node: 'hook', kind: 'webhook' }, graph, plan, pins, first: [] });
    let asked = 0;
    const pool = scene.server.services.appPool;
    const accept = createAcceptor({
      query: ((...query: Parameters<typeof pool.query>) => {
        asked += 1;
        return pool.query(...query);
      }) as typeof pool.query,
    });
    const event = (key: string, more: object = {}) =>
      accept({ workspaceId, triggerId: id, version, key, run, ...more }).catch((error: Error) => error);
    const many = await Promise.all(Array.from({ length: 40 }, (_, at) => event(`many ${at % 30}`)));
    expect(asked).toBeLessThan(5);
    const told = many.map((answer) => (answer instanceof Error ? null : answer));
    expect(told.filter((answer) => answer?.isNew)).toHaveLength(30);
    for (let at = 30; at < 40; at++) expect(told[at]!.runId).toBe(told[at - 30]!.runId);
    const numbers = told.slice(0, 30).map((answer) => answer!.number!);
    expect(numbers).toEqual(numbers.map((_, at) => numbers[0]! + at));

    const mixed = await Promise.all([
      event('first'),
      event('second'),
      event('third', { run: 'no JSON' }),
      event('fourth', { version: 99 }),
      event('fifth'),
    ]);
    expect(mixed[2]).toBeInstanceOf(Error);
    expect(mixed[3]).toBeUndefined();
    for (const at of [0, 1, 4]) expect(mixed[at]).toMatchObject({ isNew: true });
    expect(await runs()).toHaveLength(33);
  });

  test('a key in the header or in the body starts one run however often it comes, and gives that run', async () => {
    const { url, runs } = await hook({ keyField: 'event.id' });
    const first = (await (await post(url, { a: 1 }, { 'idempotency-key': 'k1' })).json()) as Told;
    const again = await post(url, { a: 2 }, { 'idempotency-key': 'k1' });
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual({ ...first, isNew: false });
    const inBody = await Promise.all([1, 2, 3, 4, 5].map(() => post(url, { event: { id: 77 } })));
    const told = (await Promise.all(inBody.map((reply) => reply.json()))) as Told[];
    expect(inBody.map((reply) => reply.status).sort()).toEqual([200, 200, 200, 200, 202]);
    expect(new Set(told.map((each) => each.runId)).size).toBe(1);
    expect(await runs()).toHaveLength(2);
  });

  test('text, forms and what no JSON column takes arrive; the bytes are kept as they came', async () => {
    const { id, url } = await hook({ method: 'any' });
    const ask = async (sent: Sent) => {
      const { runId } = (await (await send(url, sent)).json()) as Told;
      await scene.ended(runId);
      return (await scene.step(runId, 'hook'))!.outputs;
    };
    expect(await ask({ headers: { 'content-type': 'text/plain' }, body: 'Hello' })).toMatchObject({
      body: 'Hello',
      text: 'Hello',
    });
    const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=1&b=x+y&a=2' };
    expect(await ask(form)).toMatchObject({ body: { a: '1, 2', b: 'x y' } });
    const odd = '{"zero":"a\\u0000b","half":"\\ud800"}';
    expect(await ask({ headers: json, body: odd })).toMatchObject({ body: { zero: 'a\ufffdb', half: '\ufffd' } });
    expect(await ask({ method: 'GET' })).not.toHaveProperty('body');
    const { rows } = await scene.admin.query(
      'select body from trigger_event where trigger_id = $1 order by accepted_at',
      [id],
    );
    expect(rows.map((row) => row.body?.toString() ?? null)).toEqual(['Hello', 'a=1&b=x+y&a=2', odd, null]);
  });

  test('a long body and one that is no text travel as files, byte for byte', async () => {
    const { url } = await hook({ answer: 'when done' });
    const long = { words: Array.from({ length: 20_000 }, (_, index) => `word ${index}`) };
    expect(await (await post(url, long)).json()).toEqual(long);
    const raw = await hook({ answer: 'when done' }, ['hook.raw > respond.body'], { as: 'file' });
    const bytes = Uint8Array.from({ length: 5_000 }, (_, index) => (index * 7) % 256);
    const reply = await send(raw.url, { headers: { 'content-type': 'application/x-thing' }, body: bytes });
    expect(reply.status).toBe(200);
    expect(new Uint8Array(await reply.arrayBuffer())).toEqual(bytes);
    const text = await send(raw.url, { headers: json, body: '{ "spaced" : 1 }' });
    expect(await text.text()).toBe('{ "spaced" : 1 }');
    const recordings = await scene.call<{ items: unknown[] }>('assets.list', 'query', { given: true });
    expect(recordings.items).toEqual([]);
  });
});

test('runs of one key of the event follow one another, those of another key do not wait', async () => {
  const graph = graphOf(
    ['hook:trigger.webhook', 'delay:flow.delay { "amount": 1, "unit": "hours" }'],
    ['hook.body > delay.item'],
  );
  const { status } = await scene.on({ ...graph, limits: { atOnce: 1, by: 'key', key: 'body.customer' } });
  const url = status.triggers[0]!.url!;
  const held = async (customer: string) => {
    const { runId } = (await (await post(url, { customer })).json()) as Told;
    return (await scene.admin.query<{ is_held: boolean }>('select is_held from run where id = $1', [runId])).rows[0]!
      .is_held;
  };
  expect([await held('a'), await held('a'), await held('b'), await held('a')]).toEqual([false, true, false, true]);
});

describe('refusing', () => {
  test('what is too large, unreadable, of another method or at no address starts nothing', async () => {
    const { url, runs } = await hook();
    const origin = url.slice(0, url.lastIndexOf('/'));
    const none = await post(`${origin}/${'x'.repeat(32)}`, {});
    expect([none.status, await codeOf(none)]).toEqual([404, 'HOOK_UNKNOWN']);
    expect((await post(`${origin}/short`, {})).status).toBe(404);
    const large = await send(url, {
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(11 * 1024 ** 2),
    });
    expect(large.status).toBe(413);
    const text = await send(url, { headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(5 * 1024 ** 2) });
    expect(text.status).toBe(413);
    for (const body of ['{"a":', `{"a":${'1'.repeat(70_000)}`]) {
      const broken = await send(url, { headers: json, body });
      expect([broken.status, await codeOf(broken)]).toEqual([400, 'HOOK_BODY']);
    }
    const put = await send(url, { method: 'PUT', headers: json, body: '{}' });
    expect([put.status, put.headers.get('allow'), await codeOf(put)]).toEqual([405, 'POST', 'HOOK_METHOD']);
    expect(await runs()).toEqual([]);
  });

  test('a pipeline that is off has no address, and on again has the same one; a renewed address ends the old one', async () => {
    const { pipelineId, id, url } = await hook();
    await scene.turnOff(pipelineId);
    expect((await post(url, {})).status).toBe(404);
    expect((await scene.turnOn(pipelineId)).triggers[0]!.url).toBe(url);
    expect((await post(url, {})).status).toBe(202);
    const renewed = await scene.call<{ url: string }>('triggers.renewAddress', 'mutation', { triggerId: id });
    expect((await post(url, {})).status).toBe(404);
    expect((await post(renewed.url, {})).status).toBe(202);
    const { rows } = await scene.admin.query('select path_sha256, path_sealed from pipeline_trigger where id = $1', [
      id,
    ]);
    expect(JSON.stringify(rows)).not.toContain(renewed.url.split('/').at(-1));
  });

  test('bearer: nobody without the secret, nobody at all while there is none', async () => {
    const { id, url, runs } = await hook({ auth: 'bearer' });
    const bearer = (secret: string) => post(url, {}, { authorization: `Bearer ${secret}` });
    for (const guess of ['', 'null', 'anything']) expect((await bearer(guess)).status).toBe(401);
    const unsigned = await hook({ auth: 'signature' });
    const signature = createHmac('sha256', '').update('{}').digest('hex');
    expect((await post(unsigned.url, {}, { 'x-signature-256': signature })).status).toBe(401);
    const { secret } = await scene.call<{ secret: string }>('triggers.setSecret', 'mutation', { triggerId: id });
    for (const wrong of [await post(url, {}), await bearer(`${secret}x`), await bearer(secret.slice(1))]) {
      expect([wrong.status, await codeOf(wrong)]).toEqual([401, 'HOOK_REFUSED']);
    }
    expect((await bearer(secret)).status).toBe(202);
    expect(await runs()).toHaveLength(1);
    const { rows } = await scene.admin.query('select secret_sealed, config from pipeline_trigger where id = $1', [id]);
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  test('a signature is that of the bytes as they came', async () => {
    const { id, url, runs } = await hook({ auth: 'signature', signatureHeader: 'X-Hub-Signature-256' });
    const secret = 'a secret of the sender';
    await scene.call('triggers.setSecret', 'mutation', { triggerId: id, secret });
    const body = '{ "a": 1 }';
    const sign = (text: string) => `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`;
    const signed = (text: string, signature: string) =>
      send(url, { headers: { ...json, 'x-hub-signature-256': signature }, body: text });
    expect((await signed(body, sign('{"a":1}'))).status).toBe(401);
    expect((await signed('{ "a": 2 }', sign(body))).status).toBe(401);
    expect((await signed(body, 'sha256=')).status).toBe(401);
    expect((await send(url, { headers: json, body })).status).toBe(401);
    expect((await signed(body, sign(body))).status).toBe(202);
    expect(await runs()).toHaveLength(1);
  });

  test('a signed time: an old request and one that was sent before start nothing, whatever key they carry', async () => {
    const { id, url, runs } = await hook({ auth: 'signature', timestampHeader: 'X-Time', toleranceSeconds: 60 });
    const secret = 'a secret of the sender';
    await scene.call('triggers.setSecret', 'mutation', { triggerId: id, secret });
    const signed = (at: number, key?: string) =>
      send(url, {
        headers: {
          ...json,
          'x-time': String(at),
          'x-signature-256': createHmac('sha256', secret).update(`${at}.{}`).digest('hex'),
          ...(key ? { 'idempotency-key': key } : {}),
        },
        body: '{}',
      });
    const now = Math.floor(Date.now() / 1000);
    for (const at of [now - 120, now + 120]) expect((await signed(at)).status).toBe(401);
    expect((await signed(now, 'one')).status).toBe(202);
    expect((await signed(now, 'one')).status).toBe(200); // the sender asks again
    for (const key of ['another', undefined]) {
      const replay = await signed(now, key);
      expect([replay.status, await codeOf(replay)]).toEqual([409, 'HOOK_REPLAYED']);
    }
    expect((await signed(now - 1, 'two')).status).toBe(202);
    expect(await runs()).toHaveLength(2);
  });

  test('more than a minute may have is told when to come again', async () => {
    const { url, runs } = await hook({ mostPerMinute: 3 });
    const replies = await Promise.all([1, 2, 3, 4, 5].map(() => post(url, {})));
    expect(replies.map((reply) => reply.status).sort()).toEqual([202, 202, 202, 429, 429]);
    expect(replies.find((reply) => reply.status === 429)!.headers.get('retry-after')).toBe('20');
    expect(await runs()).toHaveLength(3);
  });

  test('a bucket fills again with time', () => {
    let now = 0;
    const take = bucket(60, () => now);
    expect(Array.from({ length: 61 }, take).filter(Boolean)).toHaveLength(60);
    now = 2_000;
    expect([take(), take(), take()]).toEqual([true, true, false]);
  });
});

describe('answering when done', () => {
  test('Respond says status, headers and body', async () => {
    const { url } = await hook({ answer: 'when done' }, ['hook.body > respond.body'], {
      status: 201,
      headers: [{ name: 'X-Made', value: 'here' }],
    });
    const reply = await post(url, { n: 1 });
    expect([reply.status, reply.headers.get('x-made')]).toEqual([201, 'here']);
    expect(reply.headers.get('content-security-policy')).toContain('sandbox');
    expect(await reply.json()).toEqual({ n: 1 });
    const text = await hook({ answer: 'when done' }, ['hook.text > respond.body'], { as: 'text' });
    const said = await send(text.url, { headers: { 'content-type': 'text/html' }, body: '<b>hi</b>' });
    expect([said.headers.get('content-type'), await said.text()]).toEqual(['text/plain; charset=utf-8', '<b>hi</b>']);
  });

  test('one that is asked again gets the answer of the first run', async () => {
    const { url, runs } = await hook({ answer: 'when done' });
    const ask = async (n: number) => (await post(url, { n }, { 'idempotency-key': 'same' })).json();
    expect([await ask(1), await ask(2)]).toEqual([{ n: 1 }, { n: 1 }]);
    expect(await runs()).toHaveLength(1);
  });

  test('a run that ends without saying anything tells how it ended', async () => {
    const { url } = await hook({ answer: 'when done' }, ['hook.text > respond.body'], { as: 'file' });
    const reply = await send(url, { headers: { 'content-type': 'text/plain' }, body: 'no file' });
    expect([reply.status, ((await reply.json()) as { state: string }).state]).toEqual([200, 'problems']);
  });

  test('headers that speak for our own site cannot be set', async () => {
    const { url, runs } = await hook({ answer: 'when done' }, ['hook.body > respond.body'], {
      headers: [{ name: 'Set-Cookie', value: 'a=b' }],
    });
    const reply = await post(url, {});
    expect(reply.headers.get('set-cookie')).toBeNull();
    const [run] = await runs();
    expect((await scene.step(run!.id, 'respond'))!.error).toMatchObject({ code: 'RESPOND_HEADER' });
  });

  test('after the time limit the run is named and goes on', async () => {
    const { url, runs } = await hook({ answer: 'when done' });
    await scene.stopWorker();
    const reply = await post(url, { n: 1 });
    expect(reply.status).toBe(202);
    const { runId, state } = (await reply.json()) as { runId: string; state: string };
    expect([state, (await runs()).map((run) => run.id)]).toEqual(['running', [runId]]);
    await scene.startWorker();
    expect(await scene.ended(runId)).toBe('succeeded');
  });
});

test('a server that is killed between accepting and answering leaves one run, and asking again gives it', async () => {
  const { url, runs } = await hook({ answer: 'when done' });
  await scene.stopWorker();
  const port = await freePort();
  const there = url.replace(/:\d+/, `:${port}`);
  const ask = () => post(there, { n: 5 }, { 'idempotency-key': 'kept' });
  const killed = await serve(port);
  const lost = ask().then(
    () => 'answered',
    () => 'lost',
  );
  while ((await runs()).length === 0) await sleep(20);
  killed.child.kill('SIGKILL');
  expect(await lost).toBe('lost');

  const second = await serve(port);
  await scene.startWorker();
  expect(await (await ask()).json()).toEqual({ n: 5 });
  expect(await runs()).toHaveLength(1);

  // killed before the commit: nothing is there, and nothing is lost by asking again
  const client = await scene.admin.connect();
  await client.query('begin; lock table trigger_event in exclusive mode');
  const early = post(there, { n: 6 }, { 'idempotency-key': 'early' }).then(
    () => 'answered',
    () => 'lost',
  );
  await sleep(300);
  second.child.kill('SIGKILL');
  expect(await early).toBe('lost');
  await scene.admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where query like 'select accept_event%' and state = 'active'`,
  );
  await client.query('rollback');
  client.release();
  expect(await runs()).toHaveLength(1);
  expect(await (await post(url, { n: 6 }, { 'idempotency-key': 'early' })).json()).toEqual({ n: 6 });
  expect(await runs()).toHaveLength(2);
});

/** A server process of its own on the same database and data folder. */
async function serve(port: number) {
  const child = spawn(process.execPath, ['scripts/serve.ts'], {
    cwd: path.resolve(import.meta.dirname, '../..'),
    env: {
      ...process.env,
      DATABASE_URL: scene.server.database.url,
      SPLICEBOARD_DATA: scene.server.dataDir,
      SPLICEBOARD_PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (text: Buffer) => text.includes('listens at') && resolve());
    child.once('exit', (code) => reject(new Error(`The server ended with ${code}.`)));
  });
  return { child };
}
