/** Each limit of one call at its edge: what is allowed passes, a little more ends with the limit's own code, and the next call is answered. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf } from '../../runtime/bundle.ts';
import { LIMITS } from '../../runtime/sandbox/bridge.ts';
import { createSandbox, type Sandbox, type SandboxRun } from '../../runtime/sandbox/sandbox.ts';
import { CACHE } from '../triggers/scene.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await createSandbox({ cacheDir: CACHE });
});
afterAll(() => sandbox?.[Symbol.asyncDispose]());

let heard = 0;
async function codeOf(body: string, limits: Partial<SandboxRun['limits']> = {}): Promise<string> {
  heard = 0;
  const code = `var plugin = { run: ${body} };`;
  const result = await sandbox.run({
    workspaceId: 'limits',
    contextKey: digestOf(code),
    plugin: { digest: digestOf(code), code },
    entry: 'run',
    ctx: { config: {}, now: '2026-01-15T09:00:00.000Z', seed: 's', brand: {}, connection: null },
    inputs: {},
    limits: { wallMs: 20_000, cpuMs: 10_000, memoryMb: 128, ...limits },
    onCall: async ({ args }) => {
      await sleep((args as { key: number }).key);
      return null;
    },
    onEvent: (event) => {
      if (event.kind === 'log') heard++;
    },
  });
  return result.ok ? 'ok' : result.error.code;
}
const text = (length: number) => `() => 'x'.repeat(${length - 2})`;
const deep = (depth: number) => `() => { let v = 1; for (let i = 0; i < ${depth}; i++) v = [v]; return v; }`;
const lines = (count: number) => `(ctx) => { for (let i = 0; i < ${count}; i++) ctx.log('x'); return 1; }`;
const waits = (ms: number) => `async (ctx) => { await ctx.store.get(${ms}); return 1; }`;
const holds = (megabytes: number) =>
  `() => { const all = []; for (let i = 0; i < ${megabytes}; i++) all.push(new Array(131072).fill(i + 0.5)); return all.length; }`;

test.each<[string, string, string, string, Partial<SandboxRun['limits']>?]>([
  ['output', text(LIMITS.OUTPUT_LENGTH), text(LIMITS.OUTPUT_LENGTH + 1), 'SANDBOX_OUTPUT'],
  ['depth of an output', deep(LIMITS.DEPTH), deep(LIMITS.DEPTH + 1), 'SANDBOX_OUTPUT'],
  ['log', lines(LIMITS.LOG_CALLS), lines(LIMITS.LOG_CALLS + 1), 'SANDBOX_LOG'],
  ['wall clock', waits(100), waits(1_500), 'SANDBOX_TIME', { wallMs: 700 }],
  ['heap', holds(8), holds(60), 'SANDBOX_MEMORY', { memoryMb: 32 }],
])('the limit of %s', async (_what, within, beyond, code, limits) => {
  expect(await codeOf(within, limits)).toBe('ok');
  expect(await codeOf(beyond, limits)).toBe(code);
  expect(await codeOf('() => 1')).toBe('ok');
});

test('the limit of computing counts what a node computes, not how long it waits for the host', async () => {
  const spins = (rounds: number) =>
    `() => { let v = 0; for (let i = 0; i < ${rounds}; i++) v = (v * 31 + i) | 0; return v; }`;
  expect(await codeOf(spins(1e6), { cpuMs: 1_000 })).toBe('ok');
  expect(await codeOf(waits(1_500), { cpuMs: 500 })).toBe('ok');
  expect(await codeOf(spins(1e12), { cpuMs: 500 })).toBe('SANDBOX_CPU');
});

test('of a log of ten thousand lines the first thousand are kept, and that more were written', async () => {
  expect(await codeOf(lines(10_000))).toBe('ok');
  expect(heard).toBe(LIMITS.LOG_LINES + 1);
});
