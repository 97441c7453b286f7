/**
 * Every capability a node may ask for, wired to what it needs. The one list: what is not in here does not exist.
 */
import { sidecarsOf } from '../../db/assets.ts';
import type { Database } from '../../db/connect.ts';
import { inWorkspace } from '../../db/workspace.ts';
import type { MediaFacts, Turn } from '../../nodes/contract.ts';
import type { InternalHost } from '../broker.ts';
import type { Fetcher } from '../fetch.ts';
import { loadSealKey } from '../seal.ts';
import { modelFolder } from '../speech/install.ts';
import { workspaceKeys } from '../speech/keys.ts';
import { type Ai, aiCapability } from './ai.ts';
import { assetsCapability } from './assets.ts';
import type { Capability } from './capability.ts';
import { httpCapability } from './http.ts';
import { mediaCapability } from './media/media.ts';
import { renderCapability } from './render/render.ts';
import { SHOWCASE_HOST, showcaseSend } from './showcase.ts';
import { storeCapability } from './store.ts';

export type CapabilitiesOptions = { db: Database; fetcher: Fetcher; dataDir: string; publicUrl: string };
export type Capabilities = {
  capabilities: ReadonlyMap<string, Capability>;
  internalHosts: ReadonlyMap<string, InternalHost>;
  /** For what looks at engines outside of a step. */
  ai: Ai;
  close(): Promise<void>;
};

export async function allCapabilities({ db, fetcher, dataDir, publicUrl }: CapabilitiesOptions): Promise<Capabilities> {
  const media = mediaCapability();
  const render = renderCapability();
  const ai = aiCapability({
    fetcher,
    keys: workspaceKeys({ db, sealKey: await loadSealKey(dataDir) }),
    models: modelFolder(dataDir),
    speech: (scope, asset) => media.methods.speech!.act(scope, { asset }) as Promise<Turn[]>,
  });
  const capabilities: Capability[] = [
    media,
    assetsCapability({
      fetcher,
      probe: (scope, asset) => media.methods.probe!.act(scope, { asset }) as Promise<MediaFacts>,
      sidecars: (workspaceId, asset) => inWorkspace(db, workspaceId, (tx) => sidecarsOf(tx, asset)),
    }),
    httpCapability({ fetcher }),
    storeCapability({ db }),
    ai,
    render,
  ];
  const hosts: InternalHost[] = [{ host: SHOWCASE_HOST, handle: showcaseSend({ db, url: publicUrl }) }];
  return {
    capabilities: new Map(capabilities.map((capability) => [capability.name, capability])),
    internalHosts: new Map(hosts.map((host) => [host.host, host])),
    ai,
    close: async () => render[Symbol.asyncDispose](),
  };
}
