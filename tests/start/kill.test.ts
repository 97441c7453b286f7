/**
 * The whole product killed with -9 at random moments of its first start, of its migration and of an upload: the next
 * start is healthy, nothing is lost and nothing is there twice. Every other kill takes all its processes at once,
 * PostgreSQL included, as a power cut does; the others take the start process alone. A kill of each kind by default;
 * SPLICEBOARD_KILLS=40 for five of each, and then the sample run is followed to its end.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { type Client, connect } from '../../scripts/client.ts';
import { dice } from '../runtime/graphs.ts';
import {
  freshFolder,
  type Product,
  type ProductOptions,
  removeFolder,
  startProduct,
  stillAlive,
} from '../support/product.ts';

const TALK = path.resolve(import.meta.dirname, '../../templates/sample/talk.mp4');
const ALL = Number(process.env.SPLICEBOARD_KILLS ?? 5);
const KILLS = Math.ceil(ALL / 8);
const IS_LONG = ALL >= 40;
const die = dice(Number(process.env.SPLICEBOARD_SEED ?? 41));
const TEMPLATE = 'Podcast to shorts';

const folders: string[] = [];
afterAll(() => folders.forEach(removeFolder));
function folder(): string {
  const made = freshFolder();
  folders.push(made);
  return made;
}

/** A start that tells its phases, given back as soon as it has said `until`. */
const begin = (data: string, until: RegExp, options: ProductOptions = {}) =>
  startProduct({ ...options, data, until, env: { SPLICEBOARD_TIMING: '1' } });

/** kill -9 of everything at once, or of the start process alone, whose children then end by themselves. */
async function kill(product: Product): Promise<void> {
  const all = product.processes();
  if (die.chance(0.5)) {
    for (const { pid } of all) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it ended with its parent
      }
    }
  }
  await product.kill();
  expect(await stillAlive(all, 15_000)).toEqual([]);
}

async function world(client: Client) {
  const { api, workspaceId } = client;
  const me = await api.session.me.query();
  const brands = await api.brands.list.query({ workspaceId });
  const pipelines = await api.pipelines.list.query({ workspaceId });
  const runs = (await api.runs.list.query({ workspaceId })).items;
  return {
    workspaces: me.workspaces.length,
    brands: brands.length,
    pipelines: pipelines.map((each) => each.name),
    runs,
  };
}

test('a first start that is killed again and again is finished by the next: one workspace, one sample run', async () => {
  const data = folder();
  for (let count = 0; count < KILLS; count++) {
    const product = await begin(data, /data folder taken/);
    await sleep(die.below(4_000));
    await kill(product);
  }
  // the worst moment: the run is begun, and nothing says so yet
  const product = await begin(data, new RegExp(`Run 1 of ${TEMPLATE}`));
  await kill(product);
  rmSync(path.join(data, 'sample'), { force: true });

  await using last = await startProduct({ data });
  await last.said(new RegExp(`Run 1 of ${TEMPLATE}`), 30_000);
  expect((await fetch(`${last.url}/healthz`)).status).toBe(200);
  const client = await connect({ data });
  const found = await world(client);
  expect(found).toMatchObject({ workspaces: 1, brands: 1, pipelines: [TEMPLATE] });
  expect(found.runs.map((run) => run.number)).toEqual([1]);
  const view = async () => client.api.runs.get.query({ workspaceId: client.workspaceId, runId: found.runs[0]!.id });
  // what was in hand goes on within 15 s
  const going = async () =>
    (await view()).nodes.filter((node) => ['running', 'done', 'reused'].includes(node.state)).length;
  await expect.poll(going, { timeout: 15_000 }).toBeGreaterThan(0);
  expect((await view()).nodes.filter((node) => ['failed', 'blocked'].includes(node.state))).toEqual([]);
  if (!IS_LONG) return;
  await last.said(/The sample is published: http/, 300_000);
  expect((await world(client)).runs.map((run) => [run.number, run.state])).toEqual([[1, 'succeeded']]);
  const pages = await client.api.showcase.pages.query({
    workspaceId: client.workspaceId,
    brandId: (await client.api.brands.list.query({ workspaceId: client.workspaceId }))[0]!.id,
  });
  expect(pages).toHaveLength(1);
}, 400_000);

test(
  'a migration that is killed is finished by the next start, whole',
  async () => {
    let hits = 0;
    for (let tries = 0; hits < KILLS && tries < KILLS + 6; tries++) {
      const data = folder();
      const product = await begin(data, /PostgreSQL ready/, { sample: false });
      await sleep(die.below(400));
      await kill(product);
      if (/ms migrated/.test(product.output())) continue; // it was quicker than the kill
      hits += 1;
      await using next = await startProduct({ data, sample: false });
      expect((await fetch(`${next.url}/healthz`)).status).toBe(200);
      expect(await world(await connect({ data }))).toEqual({ workspaces: 1, brands: 1, pipelines: [], runs: [] });
    }
    expect(hits).toBe(KILLS);
  },
  60_000 + KILLS * 60_000,
);

test(
  'an upload goes on where it was when everything was killed, and what arrives is what was sent',
  async () => {
    const data = folder();
    const bytes = readFileSync(TALK);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    let product = await startProduct({ data, sample: false });
    const { workspaceId } = await connect({ data });
    const headers = (more: Record<string, string> = {}) => ({
      authorization: `Bearer ${product.token}`,
      'tus-resumable': '1.0.0',
      ...more,
    });
    const again = async () => {
      await kill(product);
      product = await startProduct({ data });
    };
    const metadata = `filename ${btoa('talk.mp4')},workspaceId ${btoa(workspaceId)}`;
    const made = await fetch(`${product.url}/api/uploads`, {
      method: 'POST',
      headers: headers({ 'upload-length': String(bytes.length), 'upload-metadata': metadata }),
    });
    const place = new URL(made.headers.get('location')!, product.url).pathname;
    const head = async () => {
      const reply = await fetch(product.url + place, { method: 'HEAD', headers: headers() });
      return Number(reply.headers.get('upload-offset'));
    };
    const patch = (offset: number, body: BodyInit) =>
      fetch(product.url + place, {
        method: 'PATCH',
        headers: headers({ 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' }),
        body,
        duplex: 'half',
      } as RequestInit);
    const finish = () =>
      fetch(`${product.url}${place}/finish`, {
        method: 'POST',
        headers: headers({ 'content-type': 'application/json' }),
        body: JSON.stringify({ sha256 }),
      });

    let offset = 0;
    try {
      for (let count = 0; count < KILLS; count++) {
        let sent = offset;
        const slowly = new ReadableStream<Uint8Array>({
          async pull(controller) {
            await sleep(15);
            const chunk = bytes.subarray(sent, sent + 16 * 1024); // slow enough that no kill finds the whole file sent
            sent += chunk.length;
            if (chunk.length === 0) return controller.close();
            controller.enqueue(chunk);
          },
        });
        const sending = patch(offset, slowly).catch(() => undefined); // its server is killed
        await sleep(300 + die.below(500));
        await again();
        await sending;
        const arrived = await head();
        expect(arrived).toBeGreaterThan(offset);
        expect(arrived).toBeLessThanOrEqual(sent);
        offset = arrived;
      }
      expect((await patch(offset, bytes.subarray(offset))).status).toBe(204);
      // killed while the file is checked, moved and named
      for (let count = 0; count < KILLS; count++) {
        const finishing = finish().catch(() => undefined);
        await sleep(die.below(120));
        await again();
        await finishing;
      }
      const reply = await finish();
      expect([reply.status, await reply.json()]).toMatchObject([200, { asset: { asset: sha256, kind: 'video' } }]);
      const client = await connect({ data });
      const copy = path.join(data, 'copy.mp4');
      await client.download(sha256, copy);
      expect(createHash('sha256').update(readFileSync(copy)).digest('hex')).toBe(sha256);
      const { items } = await client.api.assets.list.query({ workspaceId });
      expect(items.map(({ asset }) => asset.asset)).toEqual([sha256]);
      // the look at it was asked for with it, and was done or goes on
      const wave = async () =>
        (await fetch(`${product.url}/media/${workspaceId}/${sha256}/peaks`, { headers: headers() })).status;
      await expect.poll(wave, { timeout: 15_000 }).toBe(200);
      expect(existsSync(path.join(data, 'uploads', place.split('/').at(-1)!))).toBe(false);
    } finally {
      await product[Symbol.asyncDispose]();
    }
  },
  60_000 + KILLS * 60_000,
);
