import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NodeError } from '../../nodes/contract.ts';
import { digestOf } from '../bundle.ts';
import { CapabilityError } from '../capabilities/capability.ts';
import {
  createSandbox,
  type GuestItem,
  type Json,
  resultsOf,
  type Sandbox,
  type SandboxOptions,
  type SandboxRun,
} from './sandbox.ts';
import { childrenOf, usageOf } from './spawn.ts';

let cacheDir: string;
let shared: Sandbox;
beforeAll(async () => {
  cacheDir = await mkdtemp(path.join(tmpdir(), 'sandbox-'));
  shared = await createSandbox({ cacheDir });
});
afterAll(async () => {
  await shared[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

const own = (options: SandboxOptions = {}) => createSandbox({ cacheDir, spare: false, ...options });
const alive = (pid: number) => usageOf(pid) !== undefined;

function running(body: string, inputs: Json = {}, more: Partial<SandboxRun> = {}): SandboxRun {
  const code = `var plugin = { run: ${body} };`;
  return {
    workspaceId: 'workspace',
    contextKey: 'run-1',
    plugin: { digest: digestOf(code), code },
    entry: 'run',
    ctx: {
      config: { deep: { value: 1 } },
      now: '2026-01-15T09:00:00.000Z',
      seed: 'step-1',
      brand: { name: 'Brand' },
      connection: { id: 'c', name: 'Account', platform: 'p' },
    },
    inputs,
    limits: { wallMs: 10_000, cpuMs: 1_000, memoryMb: 32 },
    onCall: async (call) => call as unknown as Json,
    ...more,
  };
}
async function resultOf(run: SandboxRun, sandbox = shared): Promise<Json> {
  const result = await sandbox.run(run);
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}
async function errorOf(run: SandboxRun, sandbox = shared) {
  const result = await sandbox.run(run);
  if (result.ok) throw new Error(`It gave ${JSON.stringify(result.value)}.`);
  return { ...result.error, childLost: result.childLost };
}

// ---------------------------------------------------------------- what a node sees

test('every method of ctx crosses as capability, method and one named object', async () => {
  const calls = await resultOf(
    running(`async (ctx) => Promise.all([
      ctx.http({ method: 'GET', path: '/x' }), ctx.effect('post', { method: 'POST', path: '/y' }),
      ctx.media.probe({ asset: 'a' }), ctx.ai.engines({ task: 'json' }), ctx.render.image({ name: 'n' }),
      ctx.assets.readText({ asset: 'sha', kind: 'text' }), ctx.assets.writeText('t', { name: 'n', mime: 'm' }),
      ctx.assets.fetch('https://x.example/'), ctx.assets.inspect('sha'), ctx.store.get('k'), ctx.store.set('k', 5),
    ])`),
  );
  expect(calls).toEqual([
    { capability: 'http', method: 'request', args: { method: 'GET', path: '/x' } },
    { capability: 'effect', method: 'send', args: { name: 'post', request: { method: 'POST', path: '/y' } } },
    { capability: 'media', method: 'probe', args: { asset: 'a' } },
    { capability: 'ai', method: 'engines', args: { task: 'json' } },
    { capability: 'render', method: 'image', args: { name: 'n' } },
    { capability: 'assets', method: 'readText', args: { asset: 'sha' } },
    { capability: 'assets', method: 'writeText', args: { text: 't', name: 'n', mime: 'm' } },
    { capability: 'assets', method: 'fetch', args: { url: 'https://x.example/' } },
    { capability: 'assets', method: 'inspect', args: { asset: 'sha' } },
    { capability: 'store', method: 'get', args: { key: 'k' } },
    { capability: 'store', method: 'set', args: { key: 'k', value: 5 } },
  ]);
});

test('time stands still at the step, chance repeats with the seed, and both are kept apart in parallel runs', async () => {
  const body = `async (ctx) => {
    const first = [Date.now(), new Date().toISOString(), Math.random()];
    await ctx.media.probe({});
    return [...first, Date.now(), Math.random(), new Intl.DateTimeFormat('en', { timeZone: 'UTC' }).format()];
  }`;
  const at = (now: string, seed: string) =>
    resultOf(running(body, {}, { ctx: { ...running('').ctx, now, seed }, onCall: () => after(20, null) }));
  const [one, two, again] = (await Promise.all([
    at('2026-01-15T09:00:00.000Z', 'one'),
    at('1999-12-31T23:59:59.000Z', 'two'),
    at('2026-01-15T09:00:00.000Z', 'one'),
  ])) as [Json[], Json[], Json[]];
  expect(one).toEqual(again);
  expect(one[0]).toBe(Date.parse('2026-01-15T09:00:00.000Z'));
  expect(one[3]).toBe(one[0]);
  expect(one[5]).toBe('1/15/2026');
  expect(two[1]).toBe('1999-12-31T23:59:59.000Z');
  expect(two[3]).toBe(two[0]);
  expect(two[2]).not.toBe(one[2]);
  expect(one[4]).not.toBe(one[2]);
});

// ---------------------------------------------------------------- many items in one way there

const itemsOf = (count: number, inputs: (at: number) => Json = (at) => at): GuestItem[] =>
  Array.from({ length: count }, (_, at) => ({ config: { at }, seed: `seed ${at}`, inputs: inputs(at) }));

test('each of many items has its own settings, chance, words and result, as it has alone', async () => {
  const body = `async (ctx, item) => {
    ctx.fact('item', String(item)); console.log('at ' + item);
    if (item === 2) throw Object.assign(new Error('No.'), { name: 'NodeError', code: 'REFUSED', retry: 'later' });
    if (item === 3) return undefined;
    await null;
    return [ctx.config.at, Object.isFrozen(ctx.config), Math.random(), Date.now(), globalThis.latest = item];
  }`;
  const items = itemsOf(5);
  const results = resultsOf(await shared.run(running(body, null, { many: items })))!;
  expect(results.map(({ ok }) => ok)).toEqual([true, true, false, false, true]);
  for (const [at, result] of results.entries()) {
    expect(result.said).toEqual([
      { kind: 'fact', name: 'item', value: String(at) },
      { kind: 'log', line: `at ${at}` },
    ]);
    const { config, seed, inputs } = items[at]!;
    const ctx = { ...running('').ctx, config, seed };
    const alone = await shared.run(running(body, inputs, { ctx }));
    expect(result).toMatchObject(alone.ok ? { ok: true, value: alone.value } : { ok: false, error: alone.error });
  }
  expect(new Set(results.map((each) => (each.ok ? (each.value as Json[])[2] : null))).size).toBe(4);
});

test('what an item does after its end is not heard for another, nor for itself', async () => {
  const body = `async (ctx, item) => {
    globalThis.before?.();
    globalThis.before = () => { ctx.fact('late', String(item)); ctx.log('late'); };
    return item;
  }`;
  const results = resultsOf(await shared.run(running(body, null, { many: itemsOf(3) })))!;
  expect(results).toEqual([0, 1, 2].map((value) => ({ ok: true, value, said: [] })));
});

test('many items come to nothing as a whole where one is stuck, computes for ever, or gives back too much', async () => {
  const stuck = await errorOf(
    running('(ctx, item) => item === 1 ? new Promise(() => {}) : 1', null, { many: itemsOf(3) }),
  );
  expect(stuck.code).toBe('NODE_STUCK');
  const many = itemsOf(3);
  const limits = { wallMs: 10_000, cpuMs: 200, memoryMb: 32 };
  const busy = await errorOf(running('(ctx, item) => { while (item === 1); return 1; }', null, { many, limits }));
  expect(busy).toMatchObject({ code: 'SANDBOX_CPU', childLost: 'own' });
  const long = await errorOf(
    running(`() => 'x'.repeat(6e6)`, null, { many, limits: { ...limits, memoryMb: 128, cpuMs: 5_000 } }),
  );
  expect(long.code).toBe('SANDBOX_OUTPUT');
  expect(resultsOf({ ok: false, error: long })).toBeNull();
  expect(await resultOf(running('() => 7'))).toBe(7);
});

test('a guest that changes its realm cannot speak for more items than it was given, nor break what reads them', async () => {
  const body = `async (ctx, item) => {
    Array.prototype.push = () => 0; Array.prototype.join = () => 'x'; String.prototype.slice = () => '"ok":true';
    JSON.stringify = () => '[]'; Object.prototype.said = [1];
    return { item, ok: false, said: [{ kind: 'fact', name: 'a', value: 'b' }] };
  }`;
  const results = resultsOf(await shared.run(running(body, null, { many: itemsOf(3), contextKey: 'spoilt' })));
  const value = (item: number) => ({ item, ok: false, said: [{ kind: 'fact', name: 'a', value: 'b' }] });
  expect(results).toEqual([0, 1, 2].map((item) => ({ ok: true, value: value(item), said: [] })));
});

test('seeded chance is spread evenly', async () => {
  const mean = await resultOf(
    running('() => { let sum = 0; for (let i = 0; i < 1e5; i++) sum += Math.random(); return sum / 1e5; }'),
  );
  expect(mean).toBeGreaterThan(0.49);
  expect(mean).toBeLessThan(0.51);
});

test('ctx, config and brand cannot be changed', async () => {
  const outcome = await resultOf(
    running(`(ctx) => {
      'use strict';
      const tries = [() => { ctx.now = 'x'; }, () => { ctx.config.deep.value = 2; }, () => { ctx.brand.name = 'x'; },
        () => { ctx.extra = 1; }, () => { ctx.media.probe = 1; }];
      return tries.map((attempt) => { try { attempt(); return 'changed'; } catch (error) { return error.name; } });
    }`),
  );
  expect(outcome).toEqual(['TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError']);
});

test('what does not exist in a node says what to use instead', async () => {
  const said = await resultOf(
    running(`() => ['setTimeout', 'fetch', 'require'].map((name) => {
      try { globalThis[name](); } catch (error) { return [error.code, error.hint]; }
    })`),
  );
  expect(said).toEqual([
    ['NOT_IN_A_NODE', expect.stringContaining('retry "later"')],
    ['NOT_IN_A_NODE', expect.stringContaining('ctx.http')],
    ['NOT_IN_A_NODE', expect.stringContaining('one file')],
  ]);
  expect(
    await resultOf(
      running(
        `() => ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'process'].map((name) => typeof globalThis[name])`,
      ),
    ),
  ).toEqual(['undefined', 'undefined', 'undefined', 'undefined']);
});

test('progress, log lines and facts arrive in order, cut to their lengths', async () => {
  const events: unknown[] = [];
  await resultOf(
    running(
      `(ctx) => { ctx.progress(0.5, 'half'); ctx.progress(7); ctx.progress(NaN); ctx.log('l'.repeat(5000)); console.log('a', 1);
        ctx.fact('size', { odd: true }); return {}; }`,
      {},
      { onEvent: (event) => events.push(event) },
    ),
  );
  expect(events).toEqual([
    { kind: 'progress', fraction: 0.5, note: 'half' },
    { kind: 'progress', fraction: 1, note: null },
    { kind: 'log', line: 'l'.repeat(1000) },
    { kind: 'log', line: 'a 1' },
    { kind: 'fact', name: 'size', value: '{"odd":true}' },
  ]);
});

// ---------------------------------------------------------------- errors

test('a NodeError keeps code, hint, retry and time; anything else becomes NODE_THREW', async () => {
  expect(
    await errorOf(
      running(
        `() => { throw Object.assign(new Error('No room.'), { name: 'NodeError', code: 'QUOTA', hint: 'Wait.', retry: 'later', notBefore: '2026-01-16T00:00:00Z' }); }`,
      ),
    ),
  ).toEqual({
    code: 'QUOTA',
    message: 'No room.',
    hint: 'Wait.',
    retry: 'later',
    notBefore: '2026-01-16T00:00:00Z',
    childLost: undefined,
  });
  expect(await errorOf(running(`() => { null.x; }`))).toMatchObject({
    code: 'NODE_THREW',
    message: expect.stringMatching(/^TypeError: Cannot read/),
  });
});

test('a refusal by a capability can be caught by its code, and keeps it when it is not', async () => {
  const onCall = () =>
    Promise.reject(new CapabilityError('MEDIA_REFUSED', 'Not a video.', { hint: 'Use one.', retry: 'person' }));
  expect(
    await resultOf(
      running(
        `async (ctx) => { try { await ctx.media.probe({}); } catch (error) { return [error instanceof Error, error.code]; } }`,
        {},
        { onCall },
      ),
    ),
  ).toEqual([true, 'MEDIA_REFUSED']);
  expect(await errorOf(running('(ctx) => ctx.media.probe({})', {}, { onCall }))).toMatchObject({
    code: 'MEDIA_REFUSED',
    message: 'Not a video.',
    hint: 'Use one.',
    retry: 'person',
  });
  const nodeError = () => Promise.reject(new NodeError('OTHER', 'Other.'));
  expect(await errorOf(running('(ctx) => ctx.media.probe({})', {}, { onCall: nodeError }))).toMatchObject({
    code: 'OTHER',
  });
});

test('an error of the host itself tells the node nothing about the host', async () => {
  const faults: unknown[] = [];
  await using sandbox = await own({ onFault: (error) => faults.push(error) });
  const secret = Object.assign(new Error('password=hunter2 at /srv/secret.ts'), { code: 'ENOENT' });
  const error = await errorOf(
    running('(ctx) => ctx.media.probe({})', {}, { onCall: () => Promise.reject(secret) }),
    sandbox,
  );
  expect(error.code).toBe('CAPABILITY_FAILED');
  expect(JSON.stringify(error)).not.toMatch(/hunter2|secret/);
  expect(faults).toEqual([secret]);
});

test('a plugin that does not parse, or lacks the entry, is broken and says so', async () => {
  expect(await errorOf({ ...running(''), plugin: { digest: 'x1', code: 'var plugin = {' } })).toMatchObject({
    code: 'NODE_BROKEN',
    message: expect.stringContaining('SyntaxError'),
  });
  expect(await errorOf({ ...running('() => 1'), entry: 'lookup' })).toMatchObject({
    code: 'NODE_BROKEN',
    message: 'The plugin does not export lookup.',
  });
});

test('inputs that are too large are refused before they cross', async () => {
  expect(await errorOf(running('() => 1', 'x'.repeat(17 * 1024 * 1024)))).toMatchObject({ code: 'SANDBOX_INPUT' });
});

// ---------------------------------------------------------------- limits

test('waiting for the host costs no computing time, but ends with the wall clock', async () => {
  const limits = { wallMs: 10_000, cpuMs: 100, memoryMb: 32 };
  expect(
    await resultOf(
      running('async (ctx) => { await ctx.media.clip({}); return 1; }', {}, { limits, onCall: () => after(400, 1) }),
    ),
  ).toBe(1);
  let aborted: AbortSignal | undefined;
  const started = performance.now();
  const error = await errorOf(
    running(
      '(ctx) => ctx.media.clip({})',
      {},
      {
        limits: { ...limits, wallMs: 200 },
        onCall: (_call, signal) => {
          aborted = signal;
          return new Promise(() => {});
        },
      },
    ),
  );
  expect(error).toMatchObject({ code: 'SANDBOX_TIME', retry: 'later' });
  expect(performance.now() - started).toBeLessThan(1_000);
  expect(aborted?.aborted).toBe(true);
});

test('a cancelled run ends at once, its open call too, and the process lives on', async () => {
  await using sandbox = await own();
  await resultOf(running('() => 1'), sandbox);
  const pids = sandbox.pids();
  const controller = new AbortController();
  let aborted: AbortSignal | undefined;
  const run = errorOf(
    running(
      '(ctx) => ctx.media.clip({})',
      {},
      {
        signal: controller.signal,
        onCall: (_call, signal) => {
          aborted = signal;
          setTimeout(() => controller.abort(), 20);
          return new Promise(() => {});
        },
      },
    ),
    sandbox,
  );
  expect(await run).toMatchObject({ code: 'CANCELLED' });
  expect(aborted?.aborted).toBe(true);
  expect(await resultOf(running('() => 2'), sandbox)).toBe(2);
  expect(sandbox.pids()).toEqual(pids);
});

test('a loop in one run takes the runs of its plugin along, not those of others, and says whose fault it was', async () => {
  await using sandbox = await own();
  const body = '(ctx, inputs) => { if (inputs.bad) for (;;); return ctx.media.probe({}); }';
  const { promise: answered, resolve: answer } = Promise.withResolvers<string>();
  const [siblingWaits, otherWaits] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const waiting = (waits: { resolve: () => void }, reply: Promise<unknown>) => () => {
    waits.resolve();
    return reply;
  };
  const never = new Promise(() => {});
  const sibling = sandbox.run(running(body, { bad: false }, { onCall: waiting(siblingWaits, never) }));
  const asks = '(ctx) => ctx.media.probe({ other: 1 })';
  const other = sandbox.run(running(asks, {}, { onCall: waiting(otherWaits, answered) }));
  await Promise.all([siblingWaits.promise, otherWaits.promise]);
  const guilty = await sandbox.run(
    running(body, { bad: true }, { limits: { wallMs: 5_000, cpuMs: 150, memoryMb: 32 } }),
  );
  expect(guilty).toMatchObject({ ok: false, error: { code: 'SANDBOX_CPU', retry: 'never' }, childLost: 'own' });
  expect(await sibling).toMatchObject({
    ok: false,
    error: { code: 'SANDBOX_NEIGHBOUR', retry: 'later' },
    childLost: 'neighbour',
  });
  answer('well');
  expect(await other).toEqual({ ok: true, value: 'well' });
});

test('who is left in a process that lost an isolate is not blamed for how it ends', async () => {
  await using sandbox = await own();
  const waits = Promise.withResolvers<void>();
  const asks = '(ctx) => ctx.media.probe({ other: 2 })';
  const onCall = () => {
    waits.resolve();
    return new Promise(() => {});
  };
  const left = sandbox.run(running(asks, {}, { onCall }));
  await waits.promise;
  const [pid] = sandbox.pids();
  const limits = { wallMs: 5_000, cpuMs: 100, memoryMb: 32 };
  expect(await sandbox.run(running('() => { for (;;); }', {}, { limits }))).toMatchObject({ childLost: 'own' });
  process.kill(pid!, 'SIGKILL');
  expect(await left).toMatchObject({ ok: false, error: { code: 'SANDBOX_NEIGHBOUR' }, childLost: 'neighbour' });
});

test('who comes after a plugin that did not even stop when its isolate was taken away is not blamed for it', async () => {
  await using sandbox = await own();
  const limits = { wallMs: 5_000, cpuMs: 100, memoryMb: 32 };
  const deaf = '() => { Error.prepareStackTrace = () => { for (;;); }; throw new Error(); }';
  for (const body of [deaf, "() => { JSON.parse('[' + '[],'.repeat(2e7) + '[]]'); }"]) {
    const guilty = sandbox.run(running(body, {}, { limits }));
    expect(await guilty).toMatchObject({ ok: false, childLost: 'own' });
    expect(await resultOf(running('(ctx) => ctx.media.probe({})', {}, { onCall: () => after(600, 1) }), sandbox)).toBe(
      1,
    );
  }
});

// ---------------------------------------------------------------- contexts

test('a realm is kept for the runs of one key, and never seen by another key or after forget', async () => {
  const count = (contextKey: string) =>
    resultOf(running('() => (globalThis.n = (globalThis.n ?? 0) + 1)', {}, { contextKey }));
  expect(await count('kept')).toBe(1);
  expect(await count('kept')).toBe(2);
  expect(await count('other')).toBe(1);
  shared.forget('kept');
  expect(await count('kept')).toBe(1);
});

test('runs of one key at the same time do not share a realm', async () => {
  const body =
    'async (ctx) => { globalThis.n = (globalThis.n ?? 0) + 1; await ctx.media.probe({}); return globalThis.n; }';
  const runs = Array.from({ length: 40 }, () =>
    resultOf(running(body, {}, { contextKey: 'crowd', onCall: () => after(30, 1) })),
  );
  const seen = (await Promise.all(runs)) as number[];
  expect(seen).toHaveLength(40); // more than there may be realms: the last ones waited
  expect(Math.max(...seen)).toBe(2);
});

// ---------------------------------------------------------------- processes

test('a process belongs to one workspace and is never handed on', async () => {
  await using sandbox = await own({ mostChildren: 1 });
  await resultOf(running('() => 1', {}, { workspaceId: 'a' }), sandbox);
  const [first] = sandbox.pids();
  await resultOf(running('() => 1', {}, { workspaceId: 'b' }), sandbox);
  const [second] = sandbox.pids().filter((pid) => pid !== first);
  expect(second).not.toBe(first);
  await expect.poll(() => alive(first!)).toBe(false);
  await expect.poll(() => sandbox.pids()).toEqual([second]);
});

test('a workspace waits for a place while all others are busy', async () => {
  await using sandbox = await own({ mostChildren: 1 });
  const order: string[] = [];
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const onCall = () => {
    begin();
    return after(150, 1);
  };
  const slow = resultOf(running('(ctx) => ctx.media.probe({})', {}, { workspaceId: 'a', onCall }), sandbox);
  await begun;
  const next = resultOf(running('() => 1', {}, { workspaceId: 'b' }), sandbox);
  await Promise.all([slow.then(() => order.push('a')), next.then(() => order.push('b'))]);
  expect(order).toEqual(['a', 'b']);
});

test('a process that has done its share is replaced', async () => {
  await using sandbox = await own({ recycleAfterRuns: 2 });
  const seen = new Set<number>();
  for (let at = 0; at < 5; at++) {
    await resultOf(running('() => 1'), sandbox);
    for (const pid of sandbox.pids()) seen.add(pid);
  }
  expect(seen.size).toBe(3);
});

test('who was alone in a process that died is told it was him; where two were, both run alone the next time', async () => {
  await using sandbox = await own();
  const waits = (tag: string, onCall: () => Promise<unknown>) =>
    running(`(ctx) => ctx.media.probe({ tag: '${tag}' })`, {}, { onCall });
  /** Runs that wait for the host, and the moment when all of them do. */
  const started = async (tags: string[], answer: Promise<unknown>) => {
    let left = tags.length;
    const results: ReturnType<Sandbox['run']>[] = [];
    await new Promise<void>((resolve) => {
      for (const tag of tags) {
        const onCall = () => {
          left -= 1;
          if (left === 0) resolve();
          return answer;
        };
        results.push(sandbox.run(waits(tag, onCall)));
      }
    });
    return results;
  };
  const never = new Promise(() => {});

  const [alone] = await started(['a'], never);
  process.kill(sandbox.pids()[0]!, 'SIGKILL');
  expect(await alone).toMatchObject({
    ok: false,
    error: { code: 'SANDBOX_CRASHED', retry: 'later' },
    childLost: 'own',
  });

  const both = await started(['a', 'b'], never);
  expect(sandbox.pids()).toHaveLength(1);
  process.kill(sandbox.pids()[0]!, 'SIGKILL');
  for (const result of await Promise.all(both)) {
    expect(result).toMatchObject({ ok: false, error: { code: 'SANDBOX_NEIGHBOUR' }, childLost: 'neighbour' });
  }
  const { promise: answer, resolve } = Promise.withResolvers();
  const apart = await started(['a', 'b'], answer);
  expect(sandbox.pids()).toHaveLength(2);
  resolve(1);
  expect(await Promise.all(apart)).toEqual([
    { ok: true, value: 1 },
    { ok: true, value: 1 },
  ]);
});

test('the child sees no environment, no file and no network', async () => {
  // asked of the process itself, as an escaped plugin would find it
  let [pid] = shared.pids() as [number];
  for (let inner = childrenOf(pid)[0]; inner !== undefined; inner = childrenOf(inner)[0]) pid = inner; // bubblewrap's
  const { applied, missing } = shared.layers();
  expect(applied).toEqual(expect.arrayContaining(['own-process', 'isolate', 'empty-environment', 'node-permissions']));
  expect(applied.length + missing.length).toBe(11);
  if (process.platform !== 'linux') return;
  const { readFileSync, readlinkSync } = await import('node:fs');
  const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
  const names = environment.map((entry) => entry.split('=')[0]);
  expect(names.filter((name) => name !== 'TZ' && name !== 'UV_THREADPOOL_SIZE' && name !== 'PWD')).toEqual([]);
  if (applied.includes('no-network'))
    expect(readlinkSync(`/proc/${pid}/ns/net`)).not.toBe(readlinkSync('/proc/self/ns/net'));
  if (applied.includes('own-uid'))
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).not.toMatch(/^Uid:\s+(?:0|65534)\s/m);
});

test('a required layer that this machine lacks keeps plugins from running', async () => {
  const { missing } = shared.layers();
  if (missing.length === 0) return expect(shared.layers().applied).toHaveLength(11);
  const layer = missing[0]!.layer as 'own-uid';
  await expect(own({ require: [layer] })).rejects.toThrow(`"${layer}" is required`);
});

test('no child outlives the process that started it', async () => {
  const script = `
    const { createSandbox } = await import(${JSON.stringify(new URL('./sandbox.ts', import.meta.url).href)});
    const sandbox = await createSandbox({ cacheDir: ${JSON.stringify(cacheDir)} });
    console.log(JSON.stringify(sandbox.pids()));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pids = JSON.parse(
    await new Promise<string>((resolve) => parent.stdout.once('data', (data) => resolve(`${data}`))),
  ) as number[];
  expect(pids.map(alive)).toEqual([true]);
  parent.kill('SIGKILL');
  await expect.poll(() => pids.map(alive)).toEqual([false]);
});

test('disposing ends every process and answers every run', async () => {
  const sandbox = await own({ spare: true });
  const run = sandbox.run(running('(ctx) => ctx.media.probe({})', {}, { onCall: () => new Promise(() => {}) }));
  await after(250);
  const pids = sandbox.pids();
  expect(pids.length).toBeGreaterThan(0);
  await sandbox[Symbol.asyncDispose]();
  expect((await run).ok).toBe(false);
  expect(pids.map(alive)).toEqual(pids.map(() => false));
  expect(await errorOf(running('() => 1'), sandbox)).toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
});
