/** `npm start` as a person meets it: first start, second start, Ctrl-C, kill -9, on real processes and folders. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../scripts/client.ts';
import {
  freePort,
  freshFolder,
  type Product,
  refusedStart,
  removeFolder,
  startProduct,
  stillAlive,
} from '../support/product.ts';

describe('a start', () => {
  const data = freshFolder();
  let product: Product;

  beforeAll(async () => {
    product = await startProduct({ data, sample: false });
  });
  afterAll(async () => {
    await product[Symbol.asyncDispose]();
    removeFolder(data);
  });

  test('is healthy: database, a worker, and a sandbox that names its layers', async () => {
    const reply = await fetch(`${product.url}/healthz`);
    expect(reply.status).toBe(200);
    expect(await reply.json()).toMatchObject({
      ok: true,
      version: expect.any(String),
      workers: 1,
      sandbox: { layers: expect.any(Array) },
      pids: expect.any(Object),
    });
  });

  test('serves the editor and lets the owner in once by the printed link', async () => {
    const page = await fetch(product.url);
    expect(page.headers.get('content-type')).toContain('text/html');
    const first = await fetch(product.ownerLink, { redirect: 'manual' });
    expect(first.status).toBeGreaterThanOrEqual(300);
    expect(first.headers.get('set-cookie')).toBeTruthy();
    const second = await fetch(product.ownerLink, { redirect: 'manual' });
    expect(second.headers.get('set-cookie')).toBeNull();
  });

  test('says where it runs when it is started a second time', async () => {
    const second = await refusedStart({ data, sample: false });
    expect(second).toMatchObject({ code: 0 });
    expect(second.output).toContain(`already running at ${product.url}`);
    expect((await fetch(`${product.url}/healthz`)).status).toBe(200);
  });

  test('refuses a port that is in use, with the way out', async () => {
    const other = freshFolder();
    try {
      const refused = await refusedStart({ data: other, port: product.port, sample: false });
      expect(refused.code).toBe(1);
      expect(refused.output).toContain(`Port ${product.port} is in use by another program.`);
    } finally {
      removeFolder(other);
    }
  });

  test('keeps what was made over Ctrl-C, which leaves no process within 8 s', async () => {
    const client = await connect({ data });
    const { id } = await client.api.pipelines.create.mutate({
      workspaceId: client.workspaceId,
      name: 'Kept over Ctrl-C',
    });
    const all = product.processes();
    expect(all.length).toBeGreaterThanOrEqual(3); // start, worker, PostgreSQL
    const from = performance.now();
    expect(await product.stop()).toBe(0);
    expect(performance.now() - from).toBeLessThan(8_000);
    expect(await stillAlive(all, 1_000)).toEqual([]);
    product = await startProduct({ data });
    const again = await connect({ data });
    const rows = await again.api.pipelines.list.query({ workspaceId: again.workspaceId });
    expect(rows.map((row) => row.id)).toContain(id);
  });

  test('loses nothing over kill -9, whose children end by themselves within 10 s', async () => {
    const client = await connect({ data });
    const { id } = await client.api.pipelines.create.mutate({
      workspaceId: client.workspaceId,
      name: 'Kept over a kill',
    });
    const all = product.processes();
    await product.kill();
    expect(await stillAlive(all, 10_000)).toEqual([]);
    product = await startProduct({ data });
    const again = await connect({ data });
    const rows = await again.api.pipelines.list.query({ workspaceId: again.workspaceId });
    expect(rows.map((row) => row.id)).toContain(id);
  });

  test('restarts a worker that was killed, and is healthy again', async () => {
    const worker = product.processes().find((each) => each.command.includes('runtime/main.ts'));
    process.kill(worker!.pid, 'SIGKILL');
    await product.said(/The worker ended \(SIGKILL\)/);
    type Health = { ok: boolean; pids: { workers: number[] } };
    const health = async () => (await (await fetch(`${product.url}/healthz`)).json()) as Health;
    await expect
      .poll(async () => (await health()).pids.workers.filter((pid) => pid !== worker!.pid), { timeout: 30_000 })
      .toHaveLength(1);
    expect((await health()).ok).toBe(true);
  });
});

describe('a start that is killed on its first way up', () => {
  test.each([150, 600, 1500])('after %i ms is finished by the next one', async (afterMs) => {
    const data = freshFolder();
    try {
      await refusedStart({ data, sample: false, timeoutMs: afterMs, signal: 'SIGKILL' });
      await using product = await startProduct({ data, sample: false });
      expect((await fetch(`${product.url}/healthz`)).status).toBe(200);
    } finally {
      removeFolder(data);
    }
  });
});

describe('a start that cannot work says why in one sentence and how to go on', () => {
  const cases: {
    name: string;
    prepare(data: string): { data?: string; env?: Record<string, string>; args?: string[]; within?: string[] };
    says: RegExp;
  }[] = [
    {
      name: 'the folder is a file',
      prepare: (data) => {
        writeFileSync(path.join(data, 'file'), '');
        return { data: path.join(data, 'file') };
      },
      says: /is not a folder\. Choose another with --data DIR\.$/m,
    },
    {
      name: 'the folder cannot be written',
      prepare: () => ({ data: '/sys/spliceboard' }),
      says: /cannot be written\. Make it writable for this user, or choose another with --data DIR\.$/m,
    },
    {
      name: 'the disk is full',
      prepare: (data) => ({
        within: ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=20m none '${data}' && exec "$0" "$@"`],
      }),
      says: /has \d+ MB left and Spliceboard needs 400 MB to start\. Free some space/m,
    },
    {
      name: 'the folder holds other things',
      prepare: (data) => {
        writeFileSync(path.join(data, 'thesis.doc'), '');
        return {};
      },
      says: /holds other things \(thesis\.doc\)\. Choose an empty folder with --data DIR\.$/m,
    },
    {
      name: 'the folder belongs to a newer version',
      prepare: (data) => {
        writeFileSync(path.join(data, 'format.json'), JSON.stringify({ format: 99, version: '9.1.0' }));
        return {};
      },
      says: /was written by Spliceboard 9\.1\.0, which is newer than this one\. Start that version/m,
    },
    {
      name: 'DATABASE_URL leads nowhere',
      prepare: () => ({ env: { DATABASE_URL: 'postgres://nobody:wrong@127.0.0.1:1/none' } }),
      says: /DATABASE_URL .*Check address, name/m,
    },
    {
      name: 'DATABASE_URL is no address',
      prepare: () => ({ env: { DATABASE_URL: 'not an address' } }),
      says: /DATABASE_URL .*Check address, name/m,
    },
    {
      name: 'the port is no number',
      prepare: () => ({ args: ['--port', 'http'] }),
      says: /^http is no port\. Choose a number/m,
    },
    {
      name: 'an option is unknown',
      prepare: () => ({ args: ['--demo'] }),
      says: /npm start takes --port N, --data DIR and --no-sample/,
    },
  ];
  test.each(cases)('$name', async ({ prepare, says }) => {
    const data = freshFolder();
    try {
      const refused = await refusedStart({ sample: false, data, port: await freePort(), ...prepare(data) });
      expect(refused.output).toMatch(says);
      expect(refused.output).not.toMatch(/\n {4}at /); // no stack
      expect(refused.code).toBe(1);
    } finally {
      removeFolder(data);
    }
  });
});
