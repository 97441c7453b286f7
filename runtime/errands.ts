/**
 * Errands of workspaces, outside of runs: a look at a recording that was uploaded, for its facts and its wave. One at a
 * time and at low priority; a look that fails leaves the file as it is (Ingest then says what is wrong with it).
 */
import { Logger, type Runner, run as startRunner } from 'graphile-worker';
import * as z from 'zod';
import { assetRows } from '../db/assets.ts';
import type { Database } from '../db/connect.ts';
import { createPool } from '../db/connect.ts';
import { getErrand, keepInspection, updateErrand } from '../db/errands.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { BrandKit, MediaFacts } from '../nodes/contract.ts';
import { type AssetStore, localStore } from './assets.ts';
import { factsOf } from './capabilities/assets.ts';
import { type Capability, CapabilityError, type StepScope } from './capabilities/capability.ts';

export type ErrandsOptions = {
  url: string;
  db: Database;
  assetsDir: string;
  /** Capabilities by name; `media` does the looking. */
  capabilities: ReadonlyMap<string, Capability>;
  log(line: string, details: Record<string, unknown>): void;
};
export type Errands = { stop(): Promise<void> };

const BINS = 800;
const WITHIN_MS = 15 * 60_000;
const Job = z.object({ workspaceId: z.uuid(), errandId: z.uuid() });
const Inspect = z.object({ asset: z.string().regex(/^[0-9a-f]{64}$/) });
const NO_BRAND: BrandKit = {
  name: '',
  colors: { primary: '#000000', light: '#ffffff', ink: '#000000', paper: '#ffffff' },
  fonts: { display: '', text: '' },
  logo: null,
  voice: '',
  captions: { style: 'plain' },
  links: [],
};

export async function startErrands(options: ErrandsOptions): Promise<Errands> {
  const pool = createPool(options.url, 'owner', { max: 2, name: 'errands' });
  pool.on('connect', (client) => client.on('error', () => {})); // reported by the query that meets it
  const stopping = new AbortController();
  const runner: Runner = await startRunner({
    pgPool: pool,
    logger: new Logger(() => () => {}),
    concurrency: 1,
    noHandleSignals: true,
    pollInterval: 2_000,
    taskList: {
      errand: async (payload) => {
        const job = Job.parse(payload);
        await carryErrand(options, job, AbortSignal.any([stopping.signal, AbortSignal.timeout(WITHIN_MS)]));
      },
    },
  });
  return {
    async stop() {
      stopping.abort();
      await runner.stop().catch(() => {}); // the queue gives the job to whoever starts next
      await pool.end();
    },
  };
}

/** Throws only where trying again can help. */
export async function carryErrand(
  options: Pick<ErrandsOptions, 'db' | 'assetsDir' | 'capabilities' | 'log'>,
  job: { workspaceId: string; errandId: string },
  signal: AbortSignal,
): Promise<void> {
  const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(options.db, job.workspaceId, work);
  const errand = await inside(async (tx) => {
    const found = await getErrand(tx, job.errandId);
    if (!found || found.state === 'done' || found.state === 'failed') return undefined;
    await updateErrand(tx, found.id, { state: 'running' });
    return found;
  });
  if (!errand) return;
  try {
    const assets = localStore(options.assetsDir, assetRows(options.db, job.workspaceId));
    const { asset } = Inspect.parse(errand.input);
    const found = await inspect(options.capabilities, scopeOf(job.workspaceId, assets, signal), asset);
    await inside(async (tx) => {
      if (found) await keepInspection(tx, asset, found);
      await updateErrand(tx, errand.id, { state: 'done' });
    });
  } catch (error) {
    if (signal.aborted && !(error instanceof CapabilityError && error.error.retry === 'never')) throw error;
    const told =
      error instanceof CapabilityError
        ? error.error
        : { code: 'INTERNAL', message: 'The file could not be looked at.', hint: null, retry: 'never' };
    if (!(error instanceof CapabilityError)) options.log('An errand failed.', { error: String(error) });
    await inside((tx) => updateErrand(tx, errand.id, { state: 'failed', error: told }));
  }
}

async function inspect(
  capabilities: ErrandsOptions['capabilities'],
  scope: StepScope,
  id: string,
): Promise<{ facts: Record<string, unknown>; peaks: number[] } | undefined> {
  const media = capabilities.get('media');
  const asset = await scope.assets.find(id);
  if (!media || !asset || (asset.kind !== 'video' && asset.kind !== 'audio')) return undefined;
  const facts = (await media.methods.probe!.act(scope, { asset: id })) as MediaFacts;
  const peaks = facts.audio
    ? ((await media.methods.waveform!.act(scope, { asset: id, bins: BINS })) as number[]).map(
        (peak) => Math.round(peak * 1000) / 1000,
      )
    : [];
  return { facts: factsOf(facts), peaks };
}

/** What the media operations read of a step: its workspace's store and when to stop. */
function scopeOf(workspaceId: string, assets: AssetStore, signal: AbortSignal): StepScope {
  const nothing = () => {};
  return {
    workspaceId,
    brandId: '',
    runId: '',
    stepId: 'errand',
    nodeId: '',
    path: [],
    attempt: 1,
    now: new Date().toISOString(),
    manifest: {
      id: 'errand.inspect',
      version: '1.0.0',
      title: 'Inspect',
      help: '',
      icon: 'search',
      family: 'other',
      aliases: [],
      shape: 'step',
      effect: 'pure',
      weight: 'heavy',
      reuseForSeconds: 0,
      inputs: {},
      outputs: {},
      config: {},
      capabilities: { media: ['probe', 'waveform'] },
      fields: [],
      example: {},
      exports: [],
    },
    brand: NO_BRAND,
    assets,
    signal,
    progress: nothing,
    log: nothing,
    ambient: nothing,
  };
}
