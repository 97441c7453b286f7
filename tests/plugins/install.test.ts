/**
 * From a packed file to a step of a run: sent, checked by a worker, allowed by a person, used, upgraded, taken back. What it may
 * do is held against the rights of the moment.
 */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REGISTRY_ORIGIN, type RegistryEmulator, startRegistry } from '../../emulators/registry.ts';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import { type Errands, startErrands } from '../../runtime/errands.ts';
import { createFetcher, type Fetcher } from '../../runtime/fetch.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import type { Client } from '../../scripts/client.ts';
import { CACHE, openScene, type Scene } from '../triggers/scene.ts';
import { manifest, packed } from './packed.ts';

let scene: Scene;
let sandbox: Sandbox;
let errands: Errands;
let registry: RegistryEmulator;
let fetcher: Fetcher;
let admin: string;
let asked: string[] = [];
/** What the far side does with a request; answers at once where absent. */
let hold: ((reply: http.ServerResponse) => void) | null = null;
const closed: string[] = [];
const far = http.createServer((request, reply) => {
  asked.push(`${request.method} ${request.url}`);
  request.on('close', () => {
    if (!reply.writableFinished) closed.push(request.url!);
  });
  const answer = () => reply.setHeader('content-type', 'application/json').end('{"word":"far"}');
  if (hold) hold(reply);
  else answer();
});

beforeAll(async () => {
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
  const { port } = far.address() as AddressInfo;
  scene = await openScene({
    egress: new Map([['https://words.example.com', `http://127.0.0.1:${port}`]]),
    capabilities: (fetcher) => [httpCapability({ fetcher })],
  });
  sandbox = await createSandbox({ cacheDir: CACHE });
  registry = await startRegistry();
  fetcher = createFetcher({ egress: new Map([[REGISTRY_ORIGIN, registry.origin]]) });
  errands = await startErrands({
    url: scene.server.database.url,
    db: scene.db,
    assetsDir: scene.server.dataDir,
    capabilities: new Map(),
    kinds: ['plugin'],
    plugins: { sandbox, fetcher, sealKey: scene.server.services.sealKey, registry: async () => REGISTRY_ORIGIN },
    log: (line, details) => scene.log.push(`${line} ${JSON.stringify(details)}`),
  });
  admin = (await scene.server.member(scene.workspaceId, 'admin')).token;
});
afterAll(async () => {
  await errands?.stop();
  await fetcher?.close();
  await registry?.close();
  await sandbox?.[Symbol.asyncDispose]();
  await scene?.[Symbol.asyncDispose]();
  far.closeAllConnections();
  far.close();
});

type Looked = {
  state: string;
  error: { code: string; message: string } | null;
  rights: { id: string; title: string; why: string[]; isAllowed: boolean }[];
  dropped: string[];
  replaces: string | null;
};

async function api<T>(name: string, type: 'query' | 'mutation', input: object, token = admin): Promise<T> {
  const whole = { workspaceId: scene.workspaceId, ...input };
  const address = `${scene.server.url}/api/trpc/${name}`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const reply =
    type === 'query'
      ? await fetch(`${address}?${new URLSearchParams({ input: JSON.stringify(whole) })}`, { headers })
      : await fetch(address, { method: 'POST', headers, body: JSON.stringify(whole) });
  const answer = (await reply.json()) as {
    result?: { data: T };
    error?: { data: { problem: { code: string; message: string } } };
  };
  if (answer.result) return answer.result.data;
  const { code, message } = answer.error!.data.problem;
  throw Object.assign(new Error(`${code}: ${message}`), { code });
}

/** Sends a packed file and waits for what the check says. */
async function sent(file: string, token = admin): Promise<{ digest: string; looked: Looked }> {
  const reply = await fetch(`${scene.server.url}/api/plugins?workspaceId=${scene.workspaceId}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: file,
  });
  const answer = (await reply.json()) as { digest?: string; problem?: { code: string } };
  if (!answer.digest) throw Object.assign(new Error(answer.problem!.code), { code: answer.problem!.code });
  for (const from = Date.now(); ; await sleep(20)) {
    const looked = await api<Looked>('plugins.look', 'query', { digest: answer.digest });
    if (looked.state !== 'checking') return { digest: answer.digest, looked };
    if (Date.now() - from > 20_000) throw new Error(`Still being checked.\n${scene.log.slice(-5).join('\n')}`);
  }
}

async function installed(file: string, rights?: string[], isDev = false): Promise<string> {
  const { digest, looked } = await sent(file);
  if (looked.state !== 'ready') throw new Error(JSON.stringify(looked.error));
  await api('plugins.install', 'mutation', { digest, rights: rights ?? looked.rights.map(({ id }) => id), isDev });
  return digest;
}

const graph = (type: string): Graph =>
  ({
    format: 1,
    nodes: [{ id: 'it', type, version: '1.0.0', name: 'It', position: { x: 0, y: 0 }, config: {} }],
    edges: [],
    inputs: [],
    sections: [],
    notes: [],
  }) as unknown as Graph;

async function ran(pipelineId: string, version: 'draft' | 'latest' = 'draft') {
  const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', {
    pipelineId,
    brandId: scene.brandId,
    version,
  });
  await scene.ended(runId);
  return (await scene.step(runId, 'it'))!;
}
const drawn = async (type: string) =>
  (await scene.call<{ id: string }>('pipelines.create', 'mutation', { name: type, graph: graph(type) })).id;

const silent = { inputs: {} };
const WORDS = {
  http: [{ method: 'GET' as const, host: 'words.example.com', path: '/word', why: 'to fetch a word' }],
};
const fetching = (id: string, version = '1.0.0') => ({
  manifest: manifest(id, { ...silent, version, effect: 'reads-external', capabilities: WORDS }),
  entries: `{ run: async (ctx) => ({ text: (await ctx.http({ method: 'GET', host: 'words.example.com', path: '/word' })).body.word }) }`,
});

describe('a plugin', () => {
  test('is sent, checked, allowed and runs; its digest is what the run is pinned to', async () => {
    const file = packed('shout', '1.0.0', [
      { manifest: manifest('shout.loud', silent), entries: `{ run: () => ({ text: 'LOUD' }) }` },
    ]);
    const { looked } = await sent(file);
    expect(looked).toMatchObject({ state: 'ready', rights: [], replaces: null });
    const pipelineId = await drawn('shout.loud');
    // drawn before it is there, it is kept and cannot run
    await expect(ran(pipelineId)).rejects.toMatchObject({ code: 'PIPELINE_NOT_READY' });
    await installed(file);
    expect(await ran(pipelineId)).toMatchObject({ state: 'done', outputs: { text: 'LOUD' } });
    expect(await api('plugins.get', 'query', { name: 'shout' })).toMatchObject({
      plugin: { publisher: 'Test Press', license: 'MIT', state: 'on' },
      uses: [{ pipelineId, inDraft: true, inPublished: false }],
    });
  });

  test('belongs to one workspace: others have neither its nodes nor its file', async () => {
    const digest = await installed(
      packed('ours', '1.0.0', [{ manifest: manifest('ours.only', silent), entries: `{ run: () => ({ text: 'x' }) }` }]),
    );
    const other = await scene.server.database.workspace('Elsewhere');
    const { token } = await scene.server.member(other.workspaceId, 'admin');
    const there = { workspaceId: other.workspaceId };
    await expect(api('plugins.look', 'query', { ...there, digest }, token)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(api('plugins.install', 'mutation', { ...there, digest, rights: [] }, token)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const theirs = await api<{ id: string }[]>('catalogue.list', 'query', there, token);
    expect(theirs.map(({ id }) => id)).not.toContain('ours.only');
    const mine = await api<{ id: string }[]>('catalogue.list', 'query', {});
    expect(mine.map(({ id }) => id)).toContain('ours.only');
  });

  test('is put in by admins only', async () => {
    const file = packed('mine', '1.0.0', [{ manifest: manifest('mine.one', silent), entries: '{ run: () => ({}) }' }]);
    await expect(sent(file, scene.token)).rejects.toMatchObject({ code: 'ROLE_TOO_LOW' });
  });
});

describe('what it may do', () => {
  test('is what it asked for and was allowed: with its reason, and refused without the right', async () => {
    const file = packed('words', '1.0.0', [fetching('words.fetch')]);
    const { digest, looked } = await sent(file);
    const right = 'http GET words.example.com /word';
    expect(looked.rights).toEqual([
      expect.objectContaining({ id: right, why: ['to fetch a word'], isAllowed: false, host: 'words.example.com' }),
    ]);
    await expect(
      api('plugins.install', 'mutation', { digest, rights: ['http GET evil.example.com /'] }),
    ).rejects.toMatchObject({ code: 'PLUGIN_RIGHTS' });
    await api('plugins.install', 'mutation', { digest, rights: [] });
    asked = [];
    const pipelineId = await drawn('words.fetch');
    expect(await ran(pipelineId)).toMatchObject({ state: 'failed', error: { code: 'GRANT_MISSING', retry: 'person' } });
    expect(asked).toEqual([]);
    await api('plugins.setRights', 'mutation', { name: 'words', rights: [right] });
    await sleep(1_100); // a worker has heard of it
    expect(await ran(pipelineId)).toMatchObject({ state: 'done', outputs: { text: 'far' } });
    expect(asked).toEqual(['GET /word']);
  });

  test('taken back while a call is on its way: the call is aborted and the step fails; a retry cannot use what was recorded', async () => {
    const right = 'http GET words.example.com /word';
    const node = {
      manifest: manifest('words2.twice', {
        ...silent,
        effect: 'reads-external',
        capabilities: { http: [...WORDS.http, { ...WORDS.http[0]!, path: '/other' }] },
      }),
      entries: `{ run: async (ctx) => {
        const ask = (path) => ctx.http({ method: 'GET', host: 'words.example.com', path });
        const first = await ask('/word');
        const second = await ask('/other').catch((error) => ({ body: { word: 'caught' } }));
        return { text: first.body.word + ' ' + second.body.word };
      } }`,
    };
    await installed(packed('words2', '1.0.0', [node]));
    const pipelineId = await drawn('words2.twice');
    asked = [];
    let came: (() => void) | null = null;
    const waiting = new Promise<void>((resolve) => {
      came = resolve;
    });
    hold = (reply) => {
      if (asked.length === 1) reply.setHeader('content-type', 'application/json').end('{"word":"first"}');
      else came!();
    };
    const { runId } = await scene.call<{ runId: string }>('runs.start', 'mutation', {
      pipelineId,
      brandId: scene.brandId,
      version: 'draft',
    });
    await waiting;
    const from = Date.now();
    await api('plugins.setRights', 'mutation', { name: 'words2', rights: [right] }); // the other path is taken back
    await scene.ended(runId);
    expect(await scene.step(runId, 'it')).toMatchObject({ state: 'failed', error: { code: 'GRANT_REVOKED' } });
    expect(Date.now() - from).toBeLessThan(10_000);
    expect(closed).toContain('/other');
    hold = null;
    // what was recorded of the first call is no way on once its right is gone too
    await api('plugins.setRights', 'mutation', { name: 'words2', rights: [] });
    await sleep(1_100);
    asked = [];
    await scene.call('runs.retry', 'mutation', { runId });
    await scene.ended(runId);
    expect(await scene.step(runId, 'it')).toMatchObject({ state: 'failed', error: { code: 'GRANT_MISSING' } });
    expect(asked).toEqual([]);
  });
});

describe('one in the making', () => {
  type Trials = Awaited<ReturnType<Client['api']['plugins']['trials']['query']>>;
  const trials = async (name: string, wanted: number): Promise<Trials> => {
    for (const from = Date.now(); ; await sleep(50)) {
      const found = await api<Trials>('plugins.trials', 'query', { name, after: null });
      if (found.length >= wanted) return found;
      if (Date.now() - from > 10_000) throw new Error(`Only ${found.length} trials are kept.`);
    }
  };
  /** Its script as an author's bundler makes it: on one line, with a map. */
  async function bundled(source: string): Promise<{ run: string; map: string }> {
    const stdin = { contents: source, loader: 'ts' as const, sourcefile: 'src/ask.ts' };
    const { outputFiles } = await build({
      ...{ stdin, bundle: true, minify: true, format: 'iife', globalName: 'plugin', platform: 'neutral' },
      ...{ sourcemap: 'external', outfile: 'run.js', write: false },
    });
    const [map, run] = ['.map', '.js'].map((end) => outputFiles.find(({ path }) => path.endsWith(end))!.text);
    return { run: run!, map: map! };
  }
  const SOURCE = `type Answer = { word: string | null };
export async function run(ctx: any, { text }: { text: string }) {
  ctx.log('asks for ' + text);
  const reply = await ctx.http({ method: 'GET', host: 'words.example.com', path: '/word', headers: { authorization: 'Bearer 0123456789abcdef' } });
  const answer = reply.body as Answer;
  if (String(text) === 'odd') return { text: (null as unknown as Answer).word };
  return { text: answer.word + text };
}`;

  test('is told what each execution said, asked for and took; a stack leads into its TypeScript; nobody else is', async () => {
    hold = null;
    const of = manifest('trial.ask', {
      effect: 'reads-external',
      capabilities: WORDS,
      inputs: { text: { type: 'text', list: false, optional: true, title: null, help: null } },
    });
    const file = async (version: string, odd: string) => {
      const made = await bundled(SOURCE.replace('odd', odd));
      return packed('trial', version, [{ manifest: { ...of, version }, entries: '', bundled: made }]);
    };
    await installed(await file('1.0.0', 'odd'), undefined, true);
    const pipelineId = await drawn('trial.ask');
    expect((await ran(pipelineId)).state).toBe('done');
    const [good] = await trials('trial', 1);
    expect(good).toMatchObject({
      ...{ type: 'trial.ask', step: 'it@', entry: 'run', attempt: 1, items: 1, pipelineId, error: null },
      said: [
        { kind: 'log', line: expect.stringContaining('asks for') },
        { kind: 'call', what: 'GET words.example.com/word', status: 200, reply: { body: { word: 'far' } } },
      ],
    });
    expect(good!.cpuMs).toBeGreaterThan(0);
    expect(good!.heapBytes).toBeGreaterThan(100_000);
    expect(good!.ms).toBeGreaterThanOrEqual(good!.cpuMs!);
    expect(JSON.stringify(good)).not.toContain('0123456789abcdef');

    // who sees this brand sees it, who sees others only does not
    for (const [brands, seen] of [
      [[scene.brandId], [good]],
      [[randomUUID()], []],
    ] as const) {
      const { token } = await scene.server.member(scene.workspaceId, 'editor', [...brands]);
      expect(await api<Trials>('plugins.trials', 'query', { name: 'trial', after: null }, token)).toEqual(seen);
    }

    // the same with an input that breaks it
    await installed(await file('1.0.1', 'undefined'), undefined, true);
    const failed = await ran(await drawn('trial.ask'));
    expect(failed.error).toMatchObject({ code: 'NODE_THREW' });
    const [, bad] = await trials('trial', 2);
    expect(bad!.error).toMatchObject({ code: 'NODE_THREW', message: expect.stringContaining('TypeError') });
    const lines = bad!.said.flatMap((each) => (each.kind === 'log' ? each.line : []));
    expect(lines.join('\n')).toMatch(/at .*src\/ask\.ts:6:\d+/);
    expect(lines.join('\n')).not.toMatch(/plugin:1:|prelude/);
    expect(await api<Trials>('plugins.trials', 'query', { name: 'trial', after: good!.id })).toEqual([bad]);

    // put in for good, it is a plugin as others are
    await installed(await file('1.0.2', 'odd'));
    await sleep(1_100); // rights are read anew each second
    expect(await ran(await drawn('trial.ask'))).toMatchObject({ state: 'done', error: null });
    await sleep(300);
    expect(await trials('trial', 2)).toHaveLength(2);
  });
});

test('it may ask for 64 things at one time: the next is refused, and a node that goes on after that has the others', async () => {
  const node = {
    manifest: manifest('crowd.ask', { ...silent, effect: 'reads-external', capabilities: WORDS }),
    entries: `{ run: async (ctx) => {
      const ask = () => ctx.http({ method: 'GET', host: 'words.example.com', path: '/word' }).then(() => 'came', (error) => error.code);
      const all = await Promise.all(Array.from({ length: 65 }, ask));
      return { text: all.filter((each) => each === 'came').length + ' ' + all.find((each) => each !== 'came') };
    } }`,
  };
  await installed(packed('crowd', '1.0.0', [node]));
  const pipelineId = await drawn('crowd.ask');
  // nobody is answered until all that may be there at one time are, and the one too many has had its refusal
  asked = [];
  const held: http.ServerResponse[] = [];
  hold = (reply) => {
    held.push(reply);
    if (held.length < 64) return;
    setTimeout(() => {
      for (const each of held) each.setHeader('content-type', 'application/json').end('{"word":"came"}');
    }, 500);
  };
  expect((await ran(pipelineId)).outputs).toEqual({ text: '64 SANDBOX_CONCURRENCY' });
  expect(asked.length).toBe(64);
  hold = null;
});

describe('versions', () => {
  const say = (version: string, text: string) =>
    packed('versions', version, [
      {
        manifest: manifest('versions.say', { ...silent, version }),
        entries: `{ run: () => ({ text: ${JSON.stringify(text)} }) }`,
      },
    ]);

  test('lie side by side: what is published stays as it was, a draft goes by the one in use, and one can go back', async () => {
    await installed(say('1.0.0', 'one'));
    const pipelineId = await drawn('versions.say');
    await scene.call('pipelines.publish', 'mutation', { pipelineId, revision: 0 });
    expect((await ran(pipelineId, 'latest')).outputs).toEqual({ text: 'one' });
    await installed(say('1.1.0', 'two'));
    expect((await ran(pipelineId, 'latest')).outputs).toEqual({ text: 'one' });
    expect((await ran(pipelineId, 'draft')).outputs).toEqual({ text: 'two' });
    await api('plugins.goBack', 'mutation', { name: 'versions' });
    expect((await ran(pipelineId, 'draft')).outputs).toEqual({ text: 'one' });
  });

  test('an upgrade says what it asks for beyond what it may, and what it gives up', async () => {
    await installed(packed('grows', '1.0.0', [fetching('grows.one')]));
    const more = manifest('grows.one', {
      ...silent,
      version: '1.1.0',
      capabilities: { store: true, why: { store: 'to remember' } },
    });
    const { looked } = await sent(packed('grows', '1.1.0', [{ manifest: more, entries: '{ run: () => ({}) }' }]));
    expect(looked).toMatchObject({
      replaces: '1.0.0',
      rights: [{ id: 'store', isAllowed: false, why: ['to remember'] }],
      dropped: ['http GET words.example.com /word'],
    });
  });

  test('what was refused stays refused with an upgrade, and is said to have been', async () => {
    await installed(packed('narrow', '1.0.0', [fetching('narrow.one')]), []);
    const { looked } = await sent(packed('narrow', '1.1.0', [fetching('narrow.one', '1.1.0')]));
    expect(looked.rights).toEqual([expect.objectContaining({ isAllowed: false, wasRefused: true })]);
  });

  test('removed: its nodes keep what they hold and cannot run, in what is published too', async () => {
    await installed(
      packed('leaving', '1.0.0', [
        { manifest: manifest('leaving.say', silent), entries: `{ run: () => ({ text: 'x' }) }` },
      ]),
    );
    const pipelineId = await drawn('leaving.say');
    await scene.call('pipelines.publish', 'mutation', { pipelineId, revision: 0 });
    await api('plugins.remove', 'mutation', { name: 'leaving' });
    await expect(ran(pipelineId, 'latest')).rejects.toMatchObject({ code: 'PIPELINE_NOT_READY' });
    const kept = await scene.call<{ graph: Graph }>('pipelines.get', 'query', { pipelineId });
    expect(kept.graph.nodes).toMatchObject([{ type: 'leaving.say', name: 'It' }]);
  });
});

describe('an upgrade of all uses', () => {
  const config = (field: string) => ({
    type: 'object',
    properties: { [field]: { type: 'string', default: '' } },
    additionalProperties: false,
  });
  const one = (more = {}) => ({ ...silent, config: config('word'), ...more });
  const entries = (
    field: string,
  ) => `{ run: (ctx) => ({ text: ctx.config.${field} }), migrateConfig: (config, from) => {
    if (config.word === 'bad') throw new Error('It is bad.');
    return { said: config.word + ' from ' + from.version };
  } }`;
  const major = (name: string) =>
    packed(name, '2.0.0', [
      {
        manifest: manifest(`${name}.say`, {
          ...one({ config: config('said'), version: '2.0.0', exports: ['run', 'migrateConfig'] }),
        }),
        entries: entries('said'),
      },
    ]);
  const minor = (name: string) =>
    packed(name, '1.0.0', [
      { manifest: manifest(`${name}.say`, one()), entries: `{ run: (ctx) => ({ text: ctx.config.word }) }` },
    ]);

  async function draftOf(type: string, word: string): Promise<string> {
    const id = await drawn(type);
    await scene.call('pipelines.edit', 'mutation', {
      pipelineId: id,
      baseRevision: 0,
      clientId: 'test',
      operations: [{ op: 'setConfig', node: 'it', field: 'word', value: word }],
    });
    return id;
  }
  const nodesOf = async (pipelineId: string) =>
    (await scene.call<{ graph: Graph }>('pipelines.get', 'query', { pipelineId })).graph.nodes;

  test('is read before it is done, is done to every draft at once, and can be undone', async () => {
    await installed(minor('carry'));
    const [first, second] = [await draftOf('carry.say', 'one'), await draftOf('carry.say', 'two')];
    await scene.call('pipelines.publish', 'mutation', { pipelineId: first, revision: 1 });
    const { digest, looked } = await sent(major('carry'));
    const { carries } = looked as unknown as { carries: { pipelineId: string; nodes: object[] }[] };
    expect(carries.map(({ pipelineId }) => pipelineId).sort()).toEqual([first, second].sort());
    expect(carries.find(({ pipelineId }) => pipelineId === first)!.nodes).toEqual([
      {
        node: 'it',
        name: 'It',
        from: 'carry.say 1.0.0',
        to: 'carry.say 2.0.0',
        fields: [
          { field: 'word', was: 'one' },
          { field: 'said', is: 'one from 1.0.0' },
        ],
        problem: null,
      },
    ]);
    expect(await nodesOf(first)).toMatchObject([{ version: '1.0.0', config: { word: 'one' } }]); // read, not done
    // what is changed meanwhile elsewhere in the draft is kept
    await scene.call('pipelines.edit', 'mutation', {
      pipelineId: second,
      baseRevision: 1,
      clientId: 'test',
      operations: [{ op: 'renameNode', node: 'it', name: 'Renamed' }],
    });
    expect(await api('plugins.install', 'mutation', { digest, rights: [] })).toMatchObject({ carried: 2 });
    expect(await nodesOf(second)).toMatchObject([
      { name: 'Renamed', version: '2.0.0', config: { said: 'two from 1.0.0' } },
    ]);
    expect((await ran(first)).outputs).toEqual({ text: 'one from 1.0.0' });
    expect((await ran(first, 'latest')).outputs).toEqual({ text: 'one' });
    expect(await api('plugins.goBack', 'mutation', { name: 'carry' })).toEqual({ version: '1.0.0', left: [] });
    expect(await nodesOf(first)).toMatchObject([{ version: '1.0.0', config: { word: 'one' } }]);
    expect(await nodesOf(second)).toMatchObject([{ name: 'Renamed', version: '1.0.0', config: { word: 'two' } }]);
  });

  test('settings that the plugin cannot carry over are said, and stay as they are', async () => {
    await installed(minor('careful'));
    const id = await draftOf('careful.say', 'bad');
    const { looked } = await sent(major('careful'));
    const { carries } = looked as unknown as { carries: { nodes: { problem: string }[] }[] };
    expect(carries[0]!.nodes[0]!.problem).toContain('It is bad.');
    expect(await nodesOf(id)).toMatchObject([{ config: { word: 'bad' } }]);
  });

  test('what was changed in the same place meanwhile is not overwritten: nothing is upgraded', async () => {
    await installed(minor('moved'));
    const [quiet, busy] = [await draftOf('moved.say', 'quiet'), await draftOf('moved.say', 'busy')];
    const { digest } = await sent(major('moved'));
    await scene.call('pipelines.edit', 'mutation', {
      pipelineId: busy,
      baseRevision: 1,
      clientId: 'test',
      operations: [{ op: 'setConfig', node: 'it', field: 'word', value: 'later' }],
    });
    await expect(api('plugins.install', 'mutation', { digest, rights: [] })).rejects.toMatchObject({
      code: 'PLUGIN_DRAFT_MOVED',
    });
    expect(await nodesOf(quiet)).toMatchObject([{ version: '1.0.0' }]);
    expect(await nodesOf(busy)).toMatchObject([{ version: '1.0.0', config: { word: 'later' } }]);
    expect(await api('plugins.get', 'query', { name: 'moved' })).toMatchObject({ plugin: { version: '1.0.0' } });
  });

  test('a node type that replaces another takes its place, with its wires and settings under their new names', async () => {
    await installed(
      packed('older', '1.0.0', [
        { manifest: manifest('older.say', one()), entries: `{ run: (ctx) => ({ text: ctx.config.word }) }` },
      ]),
    );
    const id = await draftOf('older.say', 'kept');
    await scene.call('pipelines.edit', 'mutation', {
      pipelineId: id,
      baseRevision: 1,
      clientId: 'test',
      operations: [
        {
          op: 'addNode',
          node: { id: 'end', type: 'flow.code', version: '1.0.0', name: 'End', position: { x: 300, y: 0 }, config: {} },
        },
        { op: 'connect', edge: { id: 'w', from: { node: 'it', port: 'text' }, to: { node: 'end', port: 'input' } } },
      ],
    });
    const newer = manifest('newer.say', {
      ...one({ config: config('said') }),
      outputs: { words: { type: 'text', list: false, optional: false, title: null, help: null } },
      replaces: [{ type: 'older.say', outputs: { text: 'words' }, config: { word: 'said' } }],
    });
    await installed(
      packed('newer', '1.0.0', [{ manifest: newer, entries: `{ run: (ctx) => ({ words: ctx.config.said }) }` }]),
    );
    const { graph } = await scene.call<{ graph: Graph }>('pipelines.get', 'query', { pipelineId: id });
    expect(graph.nodes[0]).toMatchObject({ type: 'newer.say', config: { said: 'kept' } });
    expect(graph.edges).toMatchObject([{ id: 'w', from: { node: 'it', port: 'words' } }]);
    expect((await ran(id)).outputs).toEqual({ words: 'kept' });
  });
});

describe('by name, from a registry', () => {
  const file = (name: string, version = '1.0.0') =>
    packed(name, version, [
      { manifest: manifest(`${name.split('/').at(-1)}.say`, { ...silent, version }), entries: '{ run: () => ({}) }' },
    ]);
  const files = (name: string, version = '1.0.0', about: object = {}) => ({
    'package.json': JSON.stringify({ name, version, ...about }, null, 2),
    'dist/it.plugin.json': file(name, version),
    'index.js': 'throw new Error("run")',
  });

  async function fetched(name: string, version: string | null = null) {
    const { errandId } = await api<{ errandId: string }>('plugins.fetch', 'mutation', { name, version });
    for (const from = Date.now(); ; await sleep(20)) {
      const errand = await api<{
        state: string;
        digest: string | null;
        error: { code: string; message: string } | null;
      }>('plugins.fetched', 'query', { errandId });
      if (errand.state === 'done' || errand.state === 'failed') return errand;
      if (Date.now() - from > 20_000) throw new Error(`Still on its way.\n${scene.log.slice(-5).join('\n')}`);
    }
  }

  test('its latest, or the version that was asked for, is there to be looked at', async () => {
    registry.publish('from-npm', '1.0.0', files('from-npm'));
    registry.publish('from-npm', '1.1.0', files('from-npm', '1.1.0'));
    for (const [version, comes] of [
      [null, '1.1.0'],
      ['1.0.0', '1.0.0'],
    ] as const) {
      const { digest } = await fetched('from-npm', version);
      expect(await api('plugins.look', 'query', { digest })).toMatchObject({ state: 'ready', version: comes });
      await api('plugins.install', 'mutation', { digest, rights: [] });
      expect(await api('plugins.get', 'query', { name: 'from-npm' })).toMatchObject({
        plugin: { source: 'npm', version: comes },
      });
    }
  });

  test('a private one is let in by the workspace’s token, which is sent nowhere else and never shown', async () => {
    registry.publish('@house/ours', '1.0.0', files('@house/ours'));
    registry.require('s3cret-token');
    expect((await fetched('@house/ours')).error).toMatchObject({ code: 'PLUGIN_REGISTRY' });
    await api('plugins.setRegistry', 'mutation', { url: REGISTRY_ORIGIN, token: 's3cret-token' });
    expect(await api('plugins.registry', 'query', {})).toEqual({ url: REGISTRY_ORIGIN, hasToken: true });
    registry.asked.length = 0;
    expect((await fetched('@house/ours')).state).toBe('done');
    expect(registry.asked.map(({ authorization }) => authorization)).toEqual([
      'Bearer s3cret-token',
      'Bearer s3cret-token',
    ]);
    const { rows } = await scene.admin.query('select url, sealed from plugin_registry');
    expect(JSON.stringify(rows)).not.toContain('s3cret');
    await api('plugins.setRegistry', 'mutation', { url: null, token: null });
    registry.require(null);
  });

  test.each<[string, string, Record<string, string>, { lies?: boolean }, string, RegExp]>([
    ['is not what the registry says', 'lying', files('lying'), { lies: true }, 'PLUGIN_INTEGRITY', /not what/],
    [
      'would run something',
      'running',
      files('running', '1.0.0', { scripts: { postinstall: 'touch /tmp/marker' } }),
      {},
      'PACK_SCRIPTS',
      /package\.json:5.*postinstall/,
    ],
    ['has a program', 'program', files('program', '1.0.0', { bin: { x: 'x.js' } }), {}, 'PACK_SCRIPTS', /bin/],
    [
      'is packed as another',
      'posing',
      { ...files('posing'), 'dist/it.plugin.json': file('else') },
      {},
      'PLUGIN_INTEGRITY',
      /something else/,
    ],
    [
      'has nothing packed',
      'empty',
      { 'package.json': '{"name":"empty","version":"1.0.0"}' },
      {},
      'PLUGIN_NOT_PACKED',
      /no packed/,
    ],
    [
      'has two packed',
      'double',
      { ...files('double'), 'dist/b.plugin.json': file('double') },
      {},
      'PLUGIN_NOT_PACKED',
      /2 packed/,
    ],
  ])('one that %s is refused, and nothing of it is kept', async (_what, name, inside, options, code, said) => {
    registry.publish(name, '1.0.0', inside, options);
    const { state, error } = await fetched(name);
    expect([state, error]).toEqual(['failed', expect.objectContaining({ code, message: expect.stringMatching(said) })]);
    const { rows } = await scene.admin.query('select 1 from plugin_package where name = $1', [name]);
    expect(rows).toEqual([]);
  });

  test('what is not there is said, with what is', async () => {
    expect((await fetched('nobody-made-it')).error).toMatchObject({ code: 'PLUGIN_NOT_FOUND' });
    const { error } = await fetched('from-npm', '9.0.0');
    expect(error).toMatchObject({ code: 'PLUGIN_NOT_FOUND', hint: 'Its latest is 1.1.0.' });
  });
});

describe('what is refused', () => {
  const node = (entries: string, more = {}) =>
    packed('refused', '1.0.0', [{ manifest: manifest('refused.one', { ...silent, ...more }), entries }]);

  test.each([
    ['an import that is left', node(`{ run: () => import('node:fs') }`), 'PACK_IMPORT', 'line 1'],
    ['a require that is left', node(`{ run: () => require('fs').readFileSync('/etc/passwd') }`), 'PACK_IMPORT', 'fs'],
    ['a source map beside it', node(`{ run: () => ({}) }\n//# sourceMappingURL=/etc/passwd\n`), 'PACK_MAP', 'line 2'],
    ['no script', node('{ run: ('), 'PACK_UNREADABLE', 'line 1'],
    [
      'a reason that is not said',
      node('{ run: () => ({}) }', { capabilities: { store: true } }),
      'MANIFEST_REFUSED',
      'store',
    ],
    [
      'an id of the product',
      packed('p', '1.0.0', [{ manifest: manifest('publish.one'), entries: '{}' }]),
      'MANIFEST_REFUSED',
      'publish.one',
    ],
    ['a later contract', node('{ run: () => ({}) }', { api: '^2.0' }), 'MANIFEST_REFUSED', '^2.0'],
    ['nobody who made it', node('{ run: () => ({}) }', { publisher: undefined }), 'MANIFEST_REFUSED', 'publisher'],
    [
      'a host of ours',
      node('{ run: () => ({}) }', {
        capabilities: { http: [{ method: 'POST', host: 'showcase.spliceboard.internal', path: '/pages', why: 'x' }] },
      }),
      'MANIFEST_REFUSED',
      'no public host',
    ],
    [
      'a write without a look-up',
      node('{ run: () => ({}) }', { effect: 'writes-external', exports: ['run', 'simulate'] }),
      'MANIFEST_REFUSED',
      'lookup',
    ],
  ])('%s', async (_what, file, code, said) => {
    const { looked, digest } = await sent(file);
    expect(looked).toMatchObject({ state: 'refused', error: { code } });
    expect(looked.error!.message).toContain(said);
    await expect(api('plugins.install', 'mutation', { digest, rights: [] })).rejects.toMatchObject({
      code: 'PLUGIN_REFUSED',
    });
  });

  test.each([
    ['computes for ever', 'var plugin = { manifest: () => { for (;;); } };', /SANDBOX_(CPU|TIME)/],
    ['asks for something', 'var plugin = { manifest: () => "1" }; for (;;);', /SANDBOX_(CPU|TIME)|NODE_BROKEN/],
    [
      'eats memory',
      'var plugin = { manifest: () => { const a = []; for (;;) a.push(new Array(1e6).fill(1)); } };',
      /SANDBOX_/,
    ],
    ['gives no manifest', 'var plugin = { manifest: () => "{}" };', /MANIFEST_REFUSED/],
  ])('a manifest that %s: the worker lives, and the next one is checked', async (_what, script, code) => {
    const whole = JSON.parse(node('{ run: () => ({}) }')) as { nodes: { manifest: string }[] };
    whole.nodes[0]!.manifest = script;
    const { looked } = await sent(JSON.stringify(whole));
    expect(looked.state).toBe('refused');
    expect(looked.error!.code).toMatch(code);
    const next = await sent(node(`{ run: () => ({ text: ${JSON.stringify(script.length.toString())} }) }`));
    expect(next.looked.state).toBe('ready');
  });

  test('a file that was changed after it was packed, or is none', async () => {
    const { looked } = await sent(`${node('{ run: () => ({}) }')} `);
    expect(looked).toMatchObject({ state: 'refused', error: { code: 'PACK_UNREADABLE' } });
    await expect(sent('{}')).rejects.toMatchObject({ code: 'PACK_UNREADABLE' });
  });

  test('a node type that another plugin has', async () => {
    const one = (name: string) =>
      packed(name, '1.0.0', [{ manifest: manifest('taken.one', silent), entries: '{ run: () => ({}) }' }]);
    await installed(one('first'));
    const { digest } = await sent(one('second'));
    await expect(api('plugins.install', 'mutation', { digest, rights: [] })).rejects.toMatchObject({
      code: 'PLUGIN_TYPE_TAKEN',
    });
  });
});
