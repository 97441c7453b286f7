/**
 * The bridge's frames, fuzzed from the far side: a child that was taken over says whatever it likes. However it lies, each run comes
 * to one answer of a known shape, the host throws nothing, nobody's prototype is touched, and the next run of the workspace is
 * answered. `SPLICEBOARD_FUZZ=5000` makes it a campaign; a seed that fails is a whole counterexample.
 */
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ErrorJson } from '../../nodes/contract.ts';
import { createSandbox, type Json, type Sandbox, type SandboxRun } from '../../runtime/sandbox/sandbox.ts';
import { CACHE } from '../triggers/scene.ts';

const SEEDS = Number(process.env.SPLICEBOARD_FUZZ ?? 150);
const WALL_MS = 250;
const thrown: unknown[] = [];
const keep = (error: unknown) => void thrown.push(error);
let calls: string[] = [];
let sandbox: Sandbox;
beforeAll(async () => {
  process.on('unhandledRejection', keep);
  process.on('uncaughtException', keep);
  sandbox = await createSandbox({ cacheDir: CACHE, program: path.join(import.meta.dirname, 'taken-over.cjs') });
});
afterAll(async () => {
  await sandbox?.[Symbol.asyncDispose]();
  process.off('unhandledRejection', keep);
  process.off('uncaughtException', keep);
});

const runOf = (workspaceId: string, seed: number): SandboxRun => ({
  workspaceId,
  contextKey: `run ${seed}`,
  plugin: { digest: 'a'.repeat(64), code: 'var plugin = {};' },
  entry: 'run',
  ctx: { config: {}, now: '2026-01-15T09:00:00.000Z', seed: 's', brand: {}, connection: null },
  inputs: { seed } as Json,
  limits: { wallMs: WALL_MS, cpuMs: WALL_MS, memoryMb: 32 },
  onCall: async ({ capability, method }) => {
    calls.push(`${capability}.${method}`);
    return { answered: true };
  },
  onEvent: () => {},
  onUsage: () => {},
});

test(`${SEEDS} children that were taken over lie to the host, and nothing but their own run comes to harm`, async () => {
  const codes = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    calls = [];
    const from = performance.now();
    const result = await sandbox.run(runOf('taken over', seed));
    const what = `seed ${seed}: ${JSON.stringify(result).slice(0, 300)}`;
    expect(performance.now() - from, what).toBeLessThan(8_000);
    if (result.ok) JSON.stringify(result.value);
    else expect(ErrorJson.safeParse(result.error).success, what).toBe(true);
    const code = result.ok ? 'ok' : result.error.code;
    codes.set(code, (codes.get(code) ?? 0) + 1);
    expect(thrown, what).toEqual([]);
    expect(Object.hasOwn(Object.prototype, 'polluted'), what).toBe(false);
    for (const call of calls) expect(call, what).toMatch(/^[a-z][A-Za-z]*\.[a-z][A-Za-z]*$/);
    if (seed % 10 === 0) {
      expect(await sandbox.run(runOf('another workspace', 0)), what).toEqual({ ok: true, value: { seed: 0 } });
    }
  }
  // a fuzz that only ever meets one way out tests nothing
  expect(codes.size, JSON.stringify([...codes])).toBeGreaterThanOrEqual(4);
  let well = await sandbox.run(runOf('taken over', 0));
  for (let tries = 0; !well.ok && tries < 3; tries++) well = await sandbox.run(runOf('taken over', 0));
  expect(well).toEqual({ ok: true, value: { seed: 0 } });
}, 300_000);
