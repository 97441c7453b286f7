/**
 * Errands of workspaces, outside of runs: a look at a recording, for its facts and its wave; the check of a packed plugin
 * (plugin-check.ts); what is done with accounts (connections/errand.ts). One at a time; a look that fails leaves the file as it is (Ingest then says what is wrong with it). A queue job is only a wake-up: what a killed
 * worker had in hand is taken by another, or by the next, within 8 s, and given up after three workers ended over it.
 * Errors: ERRAND_GIVEN_UP, and those of the media operations.
 */
import * as z from 'zod';
import { assetRows } from '../db/assets.ts';
import type { Database } from '../db/connect.ts';
import { createPool } from '../db/connect.ts';
import {
  type ErrandKind,
  type ErrandLease,
  endErrand,
  getErrand,
  keepInspection,
  releaseErrand,
  takeErrand,
  touchErrand,
} from '../db/errands.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { BrandKit, MediaFacts } from '../nodes/contract.ts';
import { type AssetStore, assetStore, localObjects, type Objects } from './assets.ts';
import { factsOf } from './capabilities/assets.ts';
import { type Capability, CapabilityError, type StepScope } from './capabilities/capability.ts';
import { type ConnectionHost, carryConnection } from './connections/errand.ts';
import { asErrorJson } from './packed.ts';
import { type PluginHost, tryPlugin } from './plugin-check.ts';
import { listenToQueue } from './queue.ts';
import { NO_TURNS } from './turns.ts';

export type ErrandsOptions = {
  url: string;
  db: Database;
  assetsDir: string;
  /** Where assets lie; in `assetsDir` where absent. */
  objects?: Objects;
  /** Capabilities by name; `media` does the looking. */
  capabilities: ReadonlyMap<string, Capability>;
  /** Which it takes. */
  kinds: readonly ErrandKind[];
  /** For plugins. */
  plugins?: Omit<PluginHost, 'db'>;
  /** For accounts. */
  connections?: Omit<ConnectionHost, 'db'>;
  log(line: string, details: Record<string, unknown>): void;
};
export type Errands = { stop(): Promise<void> };

const BINS = 800;
const WITHIN_MS = 15 * 60_000;
/** Untouched for 5 s it is anybody's (0015_errand_leases.sql). */
const TOUCH_MS = 1_000;
const LOOK_MS = 2_000;
const ATTEMPTS = 3;
const FAILED: Record<ErrandKind, string> = {
  inspect: 'The file could not be looked at.',
  plugin: 'The plugin could not be looked at.',
  connection: 'What was asked of the account could not be done.',
};
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
  let current: Promise<void> = Promise.resolve();
  let isBusy = false;
  let isWanted = false;

  async function drain(): Promise<void> {
    while (!stopping.signal.aborted) {
      isWanted = false;
      const lease = await takeErrand(options.db, options.kinds);
      if (lease) await carryErrand(options, lease, stopping.signal);
      else if (!isWanted) return;
    }
  }
  function poke(): void {
    isWanted = true;
    if (isBusy || stopping.signal.aborted) return;
    isBusy = true;
    current = drain()
      .catch((error: unknown) => options.log('Errands stood still.', { err: error })) // looked at again soon
      .finally(() => {
        isBusy = false;
      });
  }
  const queue = await listenToQueue({
    pool,
    tasks: { errand: async () => poke() },
    pollMs: LOOK_MS,
    log: options.log,
  });
  const timer = setInterval(poke, LOOK_MS);
  poke();
  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await queue.stop();
      await current;
      await pool.end();
    },
  };
}

/** Carries one to its end; gives it back where `stopping` comes first, and lets go of it where somebody else has it. */
export async function carryErrand(
  options: Pick<ErrandsOptions, 'db' | 'assetsDir' | 'objects' | 'capabilities' | 'plugins' | 'connections' | 'log'>,
  lease: ErrandLease,
  stopping: AbortSignal,
): Promise<void> {
  const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(options.db, lease.workspaceId, work);
  const errand = await inside((tx) => getErrand(tx, lease.errandId));
  if (!errand) return;
  const taken = new AbortController();
  const touching = setInterval(() => {
    inside((tx) => touchErrand(tx, lease)).then(
      (isOurs) => isOurs || taken.abort(),
      () => {}, // the next one tells
    );
  }, TOUCH_MS);
  try {
    if (errand.kind === 'plugin') {
      const givenUp = lease.attempt > ATTEMPTS ? { workers: ATTEMPTS } : null;
      const host = { ...options.plugins!, db: options.db };
      const digest = await tryPlugin(host, lease.workspaceId, errand.input, givenUp);
      await inside((tx) => endErrand(tx, lease, { state: 'done', result: { digest } }));
      return;
    }
    const assets = assetStore(
      options.objects ?? localObjects(options.assetsDir),
      assetRows(options.db, lease.workspaceId),
    );
    const signal = AbortSignal.any([stopping, taken.signal, AbortSignal.timeout(WITHIN_MS)]);
    if (errand.kind === 'connection') {
      const { workspaceId } = lease;
      const about = { workspaceId, input: errand.input, assets, signal, givenUp: lease.attempt > ATTEMPTS };
      await carryConnection({ ...options.connections!, db: options.db }, about);
      await inside((tx) => endErrand(tx, lease, { state: 'done' }));
      return;
    }
    if (lease.attempt > ATTEMPTS) {
      throw new CapabilityError('ERRAND_GIVEN_UP', `${ATTEMPTS} workers ended while looking at this file.`, {
        hint: 'The file can be used as it is; its wave is not drawn.',
        retry: 'never',
      });
    }
    const { asset } = Inspect.parse(errand.input);
    const found = await inspect(options.capabilities, scopeOf(lease.workspaceId, assets, signal), asset);
    await inside(async (tx) => {
      const isOurs = await endErrand(tx, lease, { state: 'done' });
      if (isOurs && found) await keepInspection(tx, asset, found);
    });
  } catch (error) {
    if (taken.signal.aborted) return;
    if (stopping.aborted) return inside((tx) => releaseErrand(tx, lease));
    const told =
      error instanceof CapabilityError
        ? error.error
        : (asErrorJson(error) ?? {
            code: 'INTERNAL',
            message: FAILED[errand.kind],
            hint: null,
            retry: 'never',
          });
    if (told.code === 'INTERNAL') options.log('An errand failed.', { err: error });
    await inside((tx) => endErrand(tx, lease, { state: 'failed', error: told }));
  } finally {
    clearInterval(touching);
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
    turns: NO_TURNS,
    progress: nothing,
    log: nothing,
  };
}
