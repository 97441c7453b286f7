import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { confinement, spawnConfined, sweepLeftovers, takeBack, usageOf } from './spawn.ts';

const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || usageOf(pid) !== undefined; // not one whose exit code nobody fetched
  } catch {
    return false;
  }
};

async function runNode(script: string, options: Parameters<typeof spawnConfined>[2] = {}) {
  const child = await spawnConfined(process.execPath, ['-e', script], options);
  const output = await text(child.stdout!);
  await child.exited;
  return { output: output.trim(), uid: child.uid };
}

test('the environment of a confined process is empty', async () => {
  process.env.SPLICEBOARD_TEST_SECRET = 'seen';
  const { output } = await runNode('console.log(JSON.stringify(process.env))');
  expect(output).not.toContain('seen');
  expect(JSON.parse(output)).toEqual({});
});

test('what confinement() promises is what the process sees', async () => {
  const { layers, missing } = await confinement();
  expect([...layers, ...missing.map(({ layer }) => layer)].sort()).toEqual(
    [
      'no-capabilities',
      'no-network',
      'no-new-privileges',
      'own-uid',
      'parent-death',
      'private-filesystem',
      'resource-limits',
    ].sort(),
  );
  const { output, uid } = await runNode(
    `console.log(JSON.stringify({
      uid: process.getuid(),
      status: process.platform === 'linux' ? fs.readFileSync('/proc/self/status', 'utf8') : '',
      limits: process.platform === 'linux' ? fs.readFileSync('/proc/self/limits', 'utf8') : '',
      networks: Object.keys(os.networkInterfaces()),
    }))`,
    { cpuSeconds: 7 },
  );
  const seen = JSON.parse(output) as { uid: number; status: string; limits: string; networks: string[] };
  if (layers.includes('own-uid')) {
    expect(seen.uid).toBe(uid);
    expect(seen.uid).toBeGreaterThan(60_000);
    expect(seen.uid).not.toBe(65_534);
  }
  if (layers.includes('no-capabilities')) expect(seen.status).toMatch(/CapEff:\t0+\n/);
  if (layers.includes('no-new-privileges')) expect(seen.status).toMatch(/NoNewPrivs:\t1/);
  if (layers.includes('no-network')) expect(seen.networks).toEqual([]);
  if (layers.includes('resource-limits')) expect(seen.limits).toMatch(/Max cpu time +7 /);
});

test('killing ends the whole group, not only the process that was started', async () => {
  const child = await spawnConfined(process.execPath, [
    '-e',
    `const c = require('node:child_process').spawn('/bin/sleep', ['60']); console.log(c.pid); setTimeout(() => {}, 60000)`,
  ]);
  const grandchild = Number(await new Promise<string>((resolve) => child.stdout?.once('data', (d) => resolve(`${d}`))));
  expect(alive(grandchild)).toBe(true);
  child.kill();
  expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
  await expect.poll(() => alive(grandchild)).toBe(false);
});

test('an aborted signal ends the process', async () => {
  const controller = new AbortController();
  const child = await spawnConfined('/bin/sleep', ['60'], { signal: controller.signal });
  controller.abort();
  expect((await child.exited).signal).toBe('SIGKILL');
});

test('a lent folder can be written to, comes back as ours, and without its symbolic links', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'confined-')); // 0700 and ours
  try {
    await writeFile(path.join(folder, 'ours.txt'), 'ours');
    const child = await spawnConfined('/bin/sh', ['-c', 'echo made > made.txt; ln -s /etc/passwd link.txt'], {
      cwd: folder,
      ownFolder: true,
    });
    expect(await text(child.stderr!)).toBe('');
    expect(await child.exited).toEqual({ code: 0, signal: null });
    await takeBack(folder);
    expect(await readFile(path.join(folder, 'made.txt'), 'utf8')).toBe('made\n');
    await expect(readFile(path.join(folder, 'link.txt'))).rejects.toThrow('ENOENT');
    await symlink('x', path.join(folder, 'again')); // the folder is ours again
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a process dies with the one that started it, or is swept at the next start', async () => {
  const records = await mkdtemp(path.join(tmpdir(), 'records-'));
  try {
    const parent = await spawnConfined(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { spawnConfined } = await import(${JSON.stringify(new URL('./spawn.ts', import.meta.url).href)});
       const child = await spawnConfined('/bin/sleep', ['60'], { records: ${JSON.stringify(records)} });
       console.log(child.pid); setTimeout(() => {}, 60000);`,
      ],
      { uid: process.getuid?.() ?? 0 },
    );
    const pid = Number(await new Promise<string>((resolve) => parent.stdout?.once('data', (d) => resolve(`${d}`))));
    expect(alive(pid)).toBe(true);
    if (process.platform === 'linux') {
      await expect.poll(() => readFile(`/proc/${pid}/comm`, 'utf8')).toBe('sleep\n'); // all its layers are on
    }
    process.kill(parent.pid, 'SIGKILL'); // the parent alone; the child has a group of its own
    await parent.exited;
    const { layers } = await confinement();
    if (!layers.includes('parent-death')) expect(await sweepLeftovers(records)).toBe(1);
    await expect.poll(() => alive(pid)).toBe(false);
  } finally {
    await rm(records, { recursive: true });
  }
});

test('a swept record never ends another process that got the same number', async () => {
  const records = await mkdtemp(path.join(tmpdir(), 'records-'));
  const bystander = await spawnConfined('/bin/sleep', ['60'], {});
  try {
    await writeFile(path.join(records, 'a.json'), JSON.stringify({ pid: bystander.pid, started: 'another life' }));
    expect(await sweepLeftovers(records)).toBe(0);
    expect(alive(bystander.pid)).toBe(true);
  } finally {
    bystander.kill();
    await bystander.exited;
    await rm(records, { recursive: true });
  }
});

test('a program that is not there is an error that names it', async () => {
  await expect(spawnConfined('no-such-program', [])).rejects.toThrow('no-such-program was not found.');
});
