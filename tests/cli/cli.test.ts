/** The command line against a running product: what it prints, what it returns, and how it refuses. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spliceboard } from '../support/command.ts';
import { type Product, startProduct } from '../support/product.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-cli-'));
/** Takes a text in and nothing more: the shortest whole run there is. */
const GRAPH = {
  format: 1,
  nodes: [
    { id: 'ingest', type: 'media.ingest', version: '1.0.0', name: 'Ingest', position: { x: 0, y: 0 }, config: {} },
  ],
  edges: [],
  inputs: [{ name: 'recording', title: 'Recording', node: 'ingest', field: 'recording' }],
  sections: [],
  notes: [],
};
let product: Product;
const run = (...args: string[]) => spliceboard(product.data, ...args);

beforeAll(async () => {
  product = await startProduct({ sample: false });
  writeFileSync(path.join(folder, 'notes.md'), '# Notes\n\nThree things we learned.\n');
});
afterAll(async () => {
  await product?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe('pipelines travel as JSON', () => {
  test('an imported pipeline is listed, and exported unchanged', async () => {
    const file = path.join(folder, 'only-ingest.json');
    writeFileSync(file, JSON.stringify({ spliceboard: 1, name: 'Only ingest', graph: GRAPH }));
    const imported = await run('import', file, '--json');
    expect(imported).toMatchObject({ code: 0 });
    expect((await run('pipelines')).out).toContain('Only ingest');
    const out = path.join(folder, 'exported.json');
    expect(await run('export', 'Only ingest', '--out', out)).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({
      name: 'Only ingest',
      graph: { nodes: [{ id: 'ingest' }] },
    });
  });
});

describe('run', () => {
  test('ends with the run as JSON: each step with state, reason and outputs', async () => {
    const ran = await run(
      'run',
      'Only ingest',
      '--input',
      `recording=@${path.join(folder, 'notes.md')}`,
      '--wait',
      '--json',
    );
    expect(ran.err).toMatch(/Run \d+ of Only ingest started: http/);
    expect(ran.code).toBe(0);
    expect(ran.json()).toMatchObject({
      run: { pipeline: 'Only ingest', state: 'succeeded' },
      steps: [
        { node: 'Ingest', state: 'done', outputs: { text: expect.stringContaining('Three things we learned.') } },
      ],
    });
    expect((await run('runs')).out).toContain('Only ingest');
  });

  test('ends with code 1 and the reason where a step failed', async () => {
    const ran = await run(
      'run',
      'Only ingest',
      '--input',
      `recording={"asset":"${'0'.repeat(64)}"}`,
      '--wait',
      '--json',
    );
    expect(ran.code).toBe(1);
    const { steps } = ran.json() as { steps: { state: string; error: { message: string } }[] };
    expect(steps[0]).toMatchObject({
      state: 'failed',
      error: { code: expect.any(String), message: expect.any(String) },
    });
    expect(ran.err).toContain(steps[0]!.error.message);
  });

  test.each([
    ['a pipeline that is not there', ['run', 'Nothing'], /There is no pipeline named Nothing\. There are: /],
    [
      'a parameter it has not',
      ['run', 'Only ingest', '--input', 'sound=x'],
      /no parameter sound\. It has: recording\./,
    ],
    ['a brand that is not there', ['run', 'Only ingest', '--brand', 'Acme'], /There is no brand named Acme\./],
    [
      'a file that is not there',
      ['run', 'Only ingest', '--input', 'recording=@gone.mp4'],
      /There is no file .*gone\.mp4\./,
    ],
    [
      'a setting without a field',
      ['run', 'Only ingest', '--set', 'Ingest=1'],
      /names no field\. Write --set Node\.field=value\./,
    ],
    ['a version that is none', ['run', 'Only ingest', '--version', 'new'], /--version new is no version\./],
  ])('says what to do about %s', async (_, args, says) => {
    const ran = await run(...args);
    expect(ran).toMatchObject({ code: 1 });
    expect(ran.err).toMatch(says);
    expect(ran.err).not.toMatch(/\n {4}at /);
  });
});

test('doctor names every check with its state', async () => {
  const found = JSON.parse((await run('doctor', '--json')).out) as { name: string; state: string; detail: string }[];
  expect(found.length).toBeGreaterThanOrEqual(6);
  for (const each of found)
    expect(each).toMatchObject({ name: expect.any(String), state: expect.stringMatching(/^(ok|warning|missing)$/) });
});

test('speech lists engines, and what each that cannot be used needs', async () => {
  type Engine = { id: string; available: boolean; missing: string | null };
  const listed = async () => JSON.parse((await run('speech', '--json')).out) as Engine[];
  // a worker looks for its engines after it has begun
  await expect.poll(async () => (await listed()).map((engine) => engine.id), { timeout: 20_000 }).toContain('local');
  const engines = await listed();
  expect(engines.map((engine) => engine.id)).toEqual(expect.arrayContaining(['openai', 'assemblyai', 'draft']));
  const { out } = await run('speech');
  for (const { id, available, missing } of engines) {
    expect(out).toContain(`${available ? '✓' : '✗'} ${id}: `);
    if (!available) expect(out).toContain(missing!);
  }
});

test('token prints the owner’s token, and a wrong one is refused', async () => {
  expect((await run('token')).out.trim()).toBe(product.token);
  const refused = await run('pipelines', '--token', 'sb_wrong');
  expect(refused.code).toBe(1);
  expect(refused.err.trim()).not.toBe('');
});

test('an unknown verb shows the usage and ends with code 2', async () => {
  const ran = await run('publish');
  expect(ran).toMatchObject({ code: 2 });
  expect(ran.err).toContain('There is no verb publish.');
});

test('without a running product it says how to start one', async () => {
  const ran = await spliceboard(folder, 'pipelines');
  expect(ran).toMatchObject({ code: 1 });
  expect(ran.err).toContain('Start it with npm start');
});
