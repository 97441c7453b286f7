/**
 * Every hostile plugin first succeeds against a host without walls, else it is not counted; then it fails against ours
 * with one clear code, while another workspace's run goes on, and the sandbox answers the next call.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodeError } from '../../nodes/contract.ts';
import { digestOf } from '../../runtime/bundle.ts';
import { createSandbox, type Json, type Sandbox, type SandboxRun } from '../../runtime/sandbox/sandbox.ts';
import { usageOf } from '../../runtime/sandbox/spawn.ts';
import { type Case, CORPUS, type WeakMessage } from './corpus.ts';
import { ESCAPES } from './escapes.ts';

/** Hung: this much computing, or this long without any, and no answer. Computing, because the machine may be busy. */
const HANG_CPU_MS = 300;
const HANG_IDLE_MS = 600;
/** For attacks that show otherwise: long enough to show, then it is ended. */
const MOST_CPU_MS = 8_000;
const MOST_MS = 30_000;
const EATEN_BYTES = 300 * 1024 ** 2;

/** `ended` is the exit code or the signal. */
type WeakOutcome = {
  messages: WeakMessage[];
  hung: boolean;
  ate: boolean;
  died: boolean;
  ended: number | string | null;
};

/** Gives the attack to the weak host and ends it once the attack shows. */
function runWeakly({ code, inputs = '{}', weak }: Case): Promise<WeakOutcome> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ['--max-old-space-size=512', fileURLToPath(new URL('./weak-host.mjs', import.meta.url))],
      {
        stdio: ['pipe', 'pipe', 'ignore'],
        env: {},
      },
    );
    const chunks: Buffer[] = [];
    let [hung, ate, started, startCpuMs] = [false, false, 0, 0];
    const watch = setInterval(() => {
      const usage = usageOf(child.pid!) ?? { cpuMs: 0, residentBytes: 0 }; // unknown outside Linux: time alone counts
      if (usage.residentBytes > EATEN_BYTES) ate = true;
      if (started === 0) startCpuMs = usage.cpuMs;
      const [cpuMs, ms] = [usage.cpuMs - startCpuMs, started === 0 ? 0 : performance.now() - started];
      if (weak === 'hangs') hung ||= cpuMs > HANG_CPU_MS || (ms > HANG_IDLE_MS && cpuMs < HANG_CPU_MS / 3);
      if (hung || (ate && weak === 'eats') || cpuMs > MOST_CPU_MS || ms > MOST_MS) child.kill('SIGKILL');
    }, 10);
    child.stdout.on('data', (chunk: Buffer) => {
      if (started === 0) started = performance.now();
      chunks.push(chunk);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify({ code, inputs }));
    child.on('close', (exit, signal) => {
      clearInterval(watch);
      const lines = Buffer.concat(chunks).toString('utf8').split('\n').slice(0, -1);
      const messages = lines.map((line) => JSON.parse(line) as WeakMessage);
      const answered = messages.some((message) => 'result' in message || 'error' in message);
      const died = exit !== 0 && !answered && !hung && !ate;
      resolve({ messages, hung: hung && !answered, ate, died, ended: exit ?? signal });
    });
  });
}

const GOOD =
  'var plugin = { run: async (ctx, inputs) => ({ out: inputs.text, got: await ctx.media.probe({ asset: "a" }) }) };';

function asRun(workspaceId: string, code: string, inputs: Json, more: Partial<SandboxRun> = {}): SandboxRun {
  return {
    workspaceId,
    contextKey: 'run-1',
    plugin: { digest: digestOf(code), code },
    entry: 'run',
    ctx: { config: {}, now: '2026-01-15T09:00:00.000Z', seed: 'seed', brand: {}, connection: {} },
    inputs,
    limits: { wallMs: 5_000, cpuMs: 300, memoryMb: 32 },
    onCall: async () => 'answer',
    ...more,
  };
}

let cacheDir: string;
let sandbox: Sandbox;
beforeAll(async () => {
  cacheDir = await mkdtemp(path.join(tmpdir(), 'hostile-'));
  sandbox = await createSandbox({ cacheDir });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

/** What the broker does with what nobody declared. */
const broker: SandboxRun['onCall'] = async ({ capability, method }) => {
  if (capability === 'media' && method === 'probe') return 'answer';
  throw new NodeError('CAPABILITY_UNDECLARED', `${capability}.${method} is not declared.`);
};

describe.each([...CORPUS, ...ESCAPES].map((each) => [each.name, each] as const))(
  'a plugin that %s',
  (_name, hostile) => {
    const canBeSeen = hostile.weak !== 'eats' || process.platform === 'linux';
    test.runIf(canBeSeen)('succeeds against a host without walls', async () => {
      const outcome = await runWeakly(hostile);
      if (typeof hostile.weak === 'function') {
        expect(hostile.weak(outcome.messages), JSON.stringify(outcome).slice(0, 500)).toBe(true);
      } else {
        const shown = { hangs: outcome.hung, eats: outcome.ate || outcome.died, dies: outcome.died || outcome.ate };
        expect(shown[hostile.weak], JSON.stringify(outcome).slice(0, 500)).toBe(true);
      }
    });

    test('fails alone against ours, with a clear code', async () => {
      const { promise: released, resolve: release } = Promise.withResolvers<string>();
      const neighbour = sandbox.run(asRun('neighbour', GOOD, { text: 'theirs' }, { onCall: () => released }));
      let [logs, calls] = [0, 0];
      const inputs = JSON.parse(hostile.inputs ?? '{}') as Json;
      const started = performance.now();
      const result = await sandbox.run(
        asRun('attacker', hostile.code, inputs, {
          limits: { wallMs: 5_000, cpuMs: 300, memoryMb: hostile.memoryMb ?? 32 },
          onCall: (call, signal) => {
            calls++;
            return broker(call, signal);
          },
          onEvent: ({ kind }) => {
            if (kind === 'log') logs++;
          },
        }),
      );
      const took = performance.now() - started;
      if (hostile.fails === null || (result.ok && hostile.harmless)) {
        expect(result).toMatchObject({ ok: true });
        if (result.ok) expect(hostile.harmless?.(result.value, logs, calls), JSON.stringify(result.value)).toBe(true);
      } else {
        const codes = typeof hostile.fails === 'string' ? [hostile.fails] : hostile.fails;
        expect(result.ok, JSON.stringify(result).slice(0, 300)).toBe(false);
        if (!result.ok) {
          expect(codes, result.error.message).toContain(result.error.code);
          expect(result.error.message.length).toBeGreaterThan(10);
          if (!result.ok && result.childLost) expect(result.childLost).toBe('own');
        }
      }
      expect(took).toBeLessThan(5_000);
      expect(logs).toBeLessThan(1_100);
      expect(calls).toBeLessThanOrEqual(10_000);

      release('theirs');
      expect(await neighbour).toEqual({ ok: true, value: { out: 'theirs', got: 'theirs' } });
      const next = await sandbox.run(asRun('attacker', GOOD, { text: 'next' }));
      expect(next).toEqual({ ok: true, value: { out: 'next', got: 'answer' } });
    });
  },
);
