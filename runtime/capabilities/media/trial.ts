/**
 * A store in a folder and a step scope without a database: for tests and benches of the capabilities, and for scripts
 * that run one operation on one file.
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Asset, BrandKit, ManifestJson } from '../../../nodes/contract.ts';
import { type AssetRows, type AssetStore, localStore } from '../../assets.ts';
import { NO_TURNS } from '../../turns.ts';
import type { Capability, StepScope } from '../capability.ts';

export const TRIAL_BRAND: BrandKit = {
  name: 'Otto Bikes',
  colors: { primary: '#b8541a', light: '#ffb480', ink: '#1d1a16', paper: '#f4ebe2' },
  fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
  logo: null,
  voice: '',
  captions: { style: 'marker' },
  links: [],
};

export type Trial = {
  assets: AssetStore;
  scope: StepScope;
  folder: string;
  /** Copies a file into the store; its facts are what the caller says of it. */
  add(file: string, facts?: Partial<Asset>): Promise<string>;
  /** Calls one method of a capability as the broker would, schema included. */
  call<T>(capability: Capability, method: string, input: unknown): Promise<T>;
  controller: AbortController;
} & AsyncDisposable;

export async function openTrial(brand: BrandKit = TRIAL_BRAND): Promise<Trial> {
  const folder = await mkdtemp(path.join(tmpdir(), 'spliceboard-trial-'));
  const known = new Map<string, { storageKey: string; asset: Asset }>();
  const rows: AssetRows = {
    find: async (sha256) => known.get(sha256),
    again: async (sha256) => known.get(sha256),
    add: async ({ storageKey, asset }) => {
      const row = known.get(asset.asset) ?? { storageKey, asset };
      known.set(asset.asset, row);
      return row;
    },
  };
  const assets = localStore(folder, rows);
  const controller = new AbortController();
  const scope: StepScope = {
    workspaceId: 'workspace',
    brandId: 'brand',
    runId: 'run',
    stepId: 'step',
    nodeId: 'node',
    path: [],
    attempt: 1,
    now: '2026-01-15T09:00:00.000Z',
    manifest: { id: 'trial.run', capabilities: {} } as unknown as ManifestJson,
    brand,
    assets,
    signal: controller.signal,
    turns: NO_TURNS,
    progress() {},
    log() {},
  };
  return {
    assets,
    scope,
    folder,
    controller,
    async add(file, facts = {}) {
      const copy = path.join(folder, `add-${known.size}-${path.basename(file)}`);
      await copyFile(file, copy);
      const asset = await assets.putFile(copy, {
        kind: 'video',
        mime: 'video/mp4',
        name: path.basename(file),
        ...facts,
      });
      return asset.asset;
    },
    async call<T>(capability: Capability, name: string, input: unknown) {
      const method = capability.methods[name];
      if (!method) throw new Error(`${capability.name} has no method ${name}.`);
      return (await method.act(scope, method.input.parse(input))) as T;
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}
