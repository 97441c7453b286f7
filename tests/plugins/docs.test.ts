/** The pages for authors tell the truth: the reference is the contract's, and what they say of the isolate is so in the real one. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf } from '../../runtime/bundle.ts';
import { CALL_LIMITS } from '../../runtime/call-limits.ts';
import { LIMITS } from '../../runtime/sandbox/bridge.ts';
import { createSandbox, type Json, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { REFERENCE, reference } from '../../scripts/node/reference.ts';

let cacheDir: string;
let sandbox: Sandbox;
beforeAll(async () => {
  cacheDir = await mkdtemp(path.join(tmpdir(), 'docs-'));
  sandbox = await createSandbox({ cacheDir });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  await rm(cacheDir, { recursive: true });
});

async function evaluated(expression: string) {
  const code = `var plugin = { run: () => ${expression} };`;
  return sandbox.run({
    workspaceId: 'docs',
    contextKey: expression,
    plugin: { digest: digestOf(code), code },
    entry: 'run',
    ctx: { config: {}, now: '2026-01-15T09:00:00.000Z', seed: 's', brand: {}, connection: {} },
    inputs: {} as Json,
    limits: { wallMs: 5_000, cpuMs: 1_000, memoryMb: 32 },
    onCall: () => Promise.reject(new Error('nothing')),
  });
}

test('the reference is made from the contract as it is (node scripts/node/reference.ts)', async () => {
  expect(await readFile(REFERENCE, 'utf8')).toBe(reference());
});

test('what the page says of the isolate is so', async () => {
  const page = await readFile(path.join(path.dirname(REFERENCE), 'isolate.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (`.+`) \| (there|refused|absent) \|/gm)];
  const named = rows.flatMap(([, names, state]) =>
    [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => [name!, state!]),
  );
  expect(named.length).toBeGreaterThan(35);
  for (const [name, state] of named) {
    const found = await evaluated(`({ is: typeof ${name} })`);
    const type = found.ok ? (found.value as { is: string }).is : found.error.code;
    expect([name, type === 'undefined'], `${name} is ${type}`).toEqual([name, state === 'absent']);
    if (state === 'refused') {
      expect(await evaluated(`new Promise(() => ${name}(() => {}))`)).toMatchObject({
        error: { code: 'NOT_IN_A_NODE' },
      });
    }
  }
});

test.each(['process', 'Buffer', 'window', 'crypto'])(
  'a library that wants %s is told what to do instead',
  async (name) => {
    const result = await evaluated(`({ env: ${name}.env })`);
    expect(result).toMatchObject({ ok: false, error: { code: 'NOT_IN_A_NODE', hint: expect.stringMatching(/.{20}/) } });
  },
);

test('the limits are the ones that are held', async () => {
  const page = await readFile(path.join(path.dirname(REFERENCE), 'isolate.md'), 'utf8');
  const said = (what: string) =>
    Number(new RegExp(`^\\| ${what} \\| ([\\d,]+)`, 'm').exec(page)![1]!.replaceAll(',', ''));
  expect(said('inputs, settings and brand together')).toBe(LIMITS.INPUT_LENGTH);
  expect(said('outputs together')).toBe(LIMITS.OUTPUT_LENGTH);
  expect(said('arguments of one call')).toBe(LIMITS.CALL_LENGTH);
  expect(said('reply to one call')).toBe(LIMITS.REPLY_LENGTH);
  expect(said('calls of one step')).toBe(LIMITS.CALLS);
  expect(said('calls of one capability')).toBe(CALL_LIMITS.CALLS);
  expect(said('arguments to one capability together')).toBe(CALL_LIMITS.BYTES);
  expect(said('calls at one time')).toBe(CALL_LIMITS.AT_ONCE);
  expect(said('lines of log')).toBe(LIMITS.LOG_LINES);
  expect(said('facts on the node')).toBe(LIMITS.FACTS);
  expect(said('one script')).toBe(LIMITS.CODE_LENGTH);
});
