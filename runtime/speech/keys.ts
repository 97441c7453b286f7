/**
 * The services' keys of a workspace, opened: its own where it has one, else those of the installation (environment).
 * A key that does not open (another sealing key, a row that was moved) is an error with its remedy, never silently absent.
 */
import { listKeys } from '../../db/accounts.ts';
import type { Database } from '../../db/connect.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { CapabilityError } from '../capabilities/capability.ts';
import { SealError, type SealKey, unseal } from '../seal.ts';
import type { ServiceKeys } from './service.ts';

/** Where a key is sealed to: `server/settings.ts` seals it there. */
export const keyPlace = (workspace: string, name: string) => ({ row: `service_key/${name}`, workspace });

/** Keys of the whole installation. */
export function keysFromEnvironment(environment: Record<string, string | undefined> = process.env): ServiceKeys {
  const { OPENAI_API_KEY, OPENAI_BASE_URL, ASSEMBLYAI_API_KEY, ASSEMBLYAI_BASE_URL } = environment;
  const based = (baseUrl: string | undefined) => (baseUrl ? { baseUrl } : {});
  return {
    ...(OPENAI_API_KEY ? { openai: { key: OPENAI_API_KEY, shared: true, ...based(OPENAI_BASE_URL) } } : {}),
    ...(ASSEMBLYAI_API_KEY
      ? { assemblyai: { key: ASSEMBLYAI_API_KEY, shared: true, ...based(ASSEMBLYAI_BASE_URL) } }
      : {}),
  };
}

export function workspaceKeys(options: { db: Database; sealKey: SealKey; environment?: NodeJS.ProcessEnv }) {
  const usual = keysFromEnvironment(options.environment);
  return async (workspaceId: string): Promise<ServiceKeys> => {
    const rows = await inWorkspace(options.db, workspaceId, (tx) => listKeys(tx));
    const keys: ServiceKeys = { ...usual };
    for (const { name, sealed, baseUrl } of rows) {
      keys[name] = { key: opened(options.sealKey, sealed, workspaceId, name), ...(baseUrl ? { baseUrl } : {}) };
    }
    return keys;
  };
}

function opened(sealKey: SealKey, sealed: string, workspaceId: string, name: string): string {
  try {
    return unseal(sealKey, sealed, keyPlace(workspaceId, name));
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    throw new CapabilityError(error.code, `The stored key for ${name} does not open: ${error.message}`, {
      hint: error.hint,
      retry: 'person',
      cause: error,
    });
  }
}
