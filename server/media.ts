/** A workspace's files for its members: bytes with ranges, the wave of a recording, and a run's outputs as one ZIP. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { findAsset } from '../db/assets.ts';
import { latestErrand, sendErrand, waveOf } from '../db/errands.ts';
import { runScope } from '../db/runs.ts';
import { finishedSteps } from '../db/steps.ts';
import { loadValue, type StoredValue } from '../db/values.ts';
import { inWorkspace } from '../db/workspace.ts';
import { Asset, Captions, Clip } from '../nodes/contract.ts';
import { Graph } from '../runtime/graph/graph.ts';
import type { Authorize, Services } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import { disposition, sendAsset } from './send-asset.ts';
import { requireBrand } from './trpc.ts';
import { linkShows } from './waits.ts';
import { type ZipEntry, zipStream } from './zip.ts';

/** A request for a wave waits this long for it: an hour of sound is measured in about that time. */
const WAVE_MS = 8_000;
const WAVE_LOOK_MS = 200;

const OfAsset = z.object({ workspaceId: z.uuid(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const Outputs = z.object({
  workspaceId: z.uuid(),
  node: z.string().max(40).optional(),
  path: z
    .string()
    .regex(/^[\d.]*$/)
    .max(60)
    .optional(),
  port: z.string().max(40).optional(),
});

export function registerMedia(app: FastifyInstance, services: Services, authorize: Authorize): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/media/:workspaceId/:sha256',
    async handler(request, reply) {
      const at = OfAsset.safeParse(request.params);
      if (!at.success) throw notFound('This file');
      const { workspaceId, sha256 } = at.data;
      const { download, link } = request.query as { download?: string; link?: string };
      const isShown = link !== undefined && (await linkShows(services, link, workspaceId, sha256));
      if (!isShown) await authorize(request, { workspaceId, role: 'sponsor-viewer' });
      const found = await inWorkspace(services.db, workspaceId, (tx) => findAsset(tx, sha256));
      if (!found) throw notFound('This file');
      return sendAsset(request, reply, services.storeFor(workspaceId), found.asset, {
        ...(download === undefined ? {} : { download: download || (found.asset.name ?? sha256) }),
      });
    },
  });

  app.get('/media/:workspaceId/:sha256/peaks', async (request, reply) => {
    const at = OfAsset.safeParse(request.params);
    if (!at.success) throw notFound('This file');
    const { workspaceId, sha256 } = at.data;
    await authorize(request, { workspaceId, role: 'sponsor-viewer' });
    const bins = z.coerce
      .number()
      .int()
      .min(8)
      .max(2000)
      .catch(200)
      .parse((request.query as { bins?: string }).bins);
    const wave = await waveWithin(WAVE_MS, services.db, workspaceId, sha256, () => request.raw.destroyed);
    if (wave === undefined) throw notFound('The wave of this recording');
    if (wave === 'measuring') {
      throw new Problem('SERVICE_UNAVAILABLE', 'WAVE_MEASURING', 'The wave of this recording is being measured.', {
        hint: 'Ask again in a moment.',
        retry: 'later',
      });
    }
    return reply.header('cache-control', 'private, max-age=86400').send({ peaks: resampled(wave, bins) });
  });

  app.get('/api/runs/:runId/outputs.zip', async (request, reply) => {
    const runId = z.uuid().safeParse((request.params as { runId: string }).runId);
    const wanted = Outputs.safeParse(request.query);
    if (!runId.success || !wanted.success) throw notFound('This run');
    const { workspaceId, node, path, port } = wanted.data;
    const member = await authorize(request, { workspaceId, role: 'sponsor-viewer' });
    const read = await inWorkspace(services.db, workspaceId, async (tx) => {
      const scope = await runScope(tx, runId.data);
      if (!scope) return undefined;
      requireBrand(member, scope.brandId);
      const run = await tx
        .selectFrom('run')
        .select(['graph', 'number'])
        .where('id', '=', runId.data)
        .executeTakeFirst();
      return { run: run!, steps: await finishedSteps(tx, runId.data, node) };
    });
    if (!read) throw notFound('This run');
    const names = new Map(Graph.parse(read.run.graph).nodes.map((each) => [each.id, each.name]));
    const steps = read.steps.filter((step) => path === undefined || step.path.join('.') === path);
    const entries = filesOf(services, workspaceId, steps, names, port);
    const first = await entries.next();
    if (first.done) {
      throw new Problem('NOT_FOUND', 'NO_OUTPUTS', 'There is nothing to download yet.', {
        hint: 'Wait for the first finished step.',
      });
    }
    const title =
      node === undefined ? `run-${read.run.number}` : `run-${read.run.number}-${slug(names.get(node) ?? node)}`;
    reply
      .header('content-disposition', disposition(`${title}.zip`))
      .type('application/zip')
      .header('x-content-type-options', 'nosniff');
    return reply.send(
      zipStream(
        (async function* () {
          yield first.value;
          yield* entries;
        })(),
      ),
    );
  });
}

/**
 * The wave, measured now where nobody has asked for it yet: what a node made is measured when somebody looks at it.
 * Undefined where there is none: no such file, no sound, or it could not be measured.
 */
async function waveWithin(
  ms: number,
  db: Services['db'],
  workspaceId: string,
  sha256: string,
  isGone: () => boolean,
): Promise<number[] | 'measuring' | undefined> {
  const input = { asset: sha256 };
  for (const until = Date.now() + ms; ; await sleep(WAVE_LOOK_MS)) {
    const found = await inWorkspace(db, workspaceId, async (tx) => {
      // before the wave: one that has ended by now has left it
      const errand = await latestErrand(tx, 'inspect', input);
      const wave = await waveOf(tx, sha256);
      if (wave) return wave;
      const asset = (await findAsset(tx, sha256))?.asset;
      if (!asset || (asset.kind !== 'video' && asset.kind !== 'audio') || asset.hasSound === false) return undefined;
      if (errand?.state === 'failed' || errand?.state === 'done') return undefined;
      if (!errand) await sendErrand(tx, workspaceId, { kind: 'inspect', input, by: null });
      return 'measuring' as const;
    });
    if (found !== 'measuring' || isGone() || Date.now() > until) return found;
  }
}

/** The highest peak of each part. */
function resampled(wave: readonly number[], bins: number): number[] {
  if (wave.length <= bins) return [...wave];
  return Array.from({ length: bins }, (_, bin) => {
    const from = Math.floor((bin * wave.length) / bins);
    const to = Math.max(from + 1, Math.floor(((bin + 1) * wave.length) / bins));
    return Math.max(...wave.slice(from, to));
  });
}

const slug = (text: string) =>
  text
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .toLowerCase()
    .slice(0, 60) || 'file';

/** Every output as files: media as they are, captions as .srt and .vtt, words as .txt, anything as .json. */
async function* filesOf(
  services: Services,
  workspaceId: string,
  steps: readonly { nodeId: string; path: number[]; outputs: Record<string, StoredValue> }[],
  names: ReadonlyMap<string, string>,
  onlyPort: string | undefined,
): AsyncGenerator<ZipEntry> {
  const store = services.storeFor(workspaceId, { internal: true });
  const taken = new Set<string>();
  const unique = (folder: string, name: string) => {
    const dot = name.lastIndexOf('.');
    const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
    for (let n = 1; ; n++) {
      const full = `${folder}/${n === 1 ? stem : `${stem}-${n}`}${ending}`;
      if (taken.has(full)) continue;
      taken.add(full);
      return full;
    }
  };
  const bytesOf = async (sha256: string) => {
    const chunks: Buffer[] = [];
    for await (const chunk of await store.read(sha256)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  async function* media(folder: string, asset: Asset, name: string): AsyncGenerator<ZipEntry> {
    if (!(await store.find(asset.asset))) return;
    yield { name: unique(folder, name), open: () => store.read(asset.asset) };
  }
  const text = (folder: string, name: string, content: string): ZipEntry => ({
    name: unique(folder, name),
    open: async () => [Buffer.from(content)],
  });
  const ending = (asset: Asset) =>
    asset.mime.split('/')[1]!.replace('jpeg', 'jpg').replace('quicktime', 'mov').replace('mpeg', 'mp3');

  for (const step of steps) {
    const folder = slug(names.get(step.nodeId) ?? step.nodeId);
    const item = step.path.map((index) => String(index + 1).padStart(2, '0')).join('-');
    for (const [port, stored] of Object.entries(step.outputs)) {
      if (onlyPort !== undefined && port !== onlyPort) continue;
      const value = await loadValue(stored, bytesOf);
      const label = [item, port].filter(Boolean).join('-');
      for (const [index, one] of (Array.isArray(value) && stored.count !== null ? value : [value]).entries()) {
        const numbered = stored.count === null ? label : `${label}-${String(index + 1).padStart(2, '0')}`;
        const clip = Clip.safeParse(one);
        const captions = Captions.safeParse(one);
        const asset = Asset.safeParse(one);
        if (clip.success) {
          yield* media(
            folder,
            clip.data.video,
            `${[item, slug(clip.data.segment.title)].filter(Boolean).join('-')}.mp4`,
          );
        } else if (captions.success) {
          yield text(folder, `${numbered}.srt`, captions.data.srt);
          yield text(folder, `${numbered}.vtt`, captions.data.vtt);
        } else if (asset.success) {
          yield* media(folder, asset.data, asset.data.name ?? `${numbered}.${ending(asset.data)}`);
        } else if (typeof one === 'string') yield text(folder, `${numbered}.txt`, one);
        else yield text(folder, `${numbered}.json`, JSON.stringify(one, null, 2));
      }
    }
  }
}
