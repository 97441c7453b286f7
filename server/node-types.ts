/** The node types as the workers found them, kept in memory and read again when somebody asks after a while. */
import * as z from 'zod';
import { readCatalogue } from '../db/catalogue.ts';
import type { Database } from '../db/connect.ts';
import { ManifestJson } from '../nodes/contract.ts';

export type NodeTypes = {
  /** By id. Empty until the first worker of this installation has loaded its plugins. */
  all(): Promise<ReadonlyMap<string, { manifest: ManifestJson; digest: string; behaviour: string }>>;
  manifests(): Promise<ManifestJson[]>;
};

const FRESH_MS = 5_000;

export function nodeTypes(db: Database): NodeTypes {
  type Known = Awaited<ReturnType<NodeTypes['all']>>;
  let known: { at: number; types: Promise<Known> } | undefined;
  const read = async (): Promise<Known> => {
    const types = new Map<string, { manifest: ManifestJson; digest: string; behaviour: string }>();
    for (const row of await readCatalogue(db)) {
      const manifest = z.safeParse(ManifestJson, row.manifest);
      if (manifest.success)
        types.set(row.id, { manifest: manifest.data, digest: row.digest, behaviour: row.behaviour });
    }
    return types;
  };
  const all = () => {
    if (!known || Date.now() - known.at > FRESH_MS) {
      const types = read();
      known = { at: Date.now(), types };
      const forget = () => {
        known = undefined;
      };
      types.then((found) => (found.size === 0 ? forget() : undefined), forget);
    }
    return known.types;
  };
  return { all, manifests: async () => [...(await all()).values()].map((type) => type.manifest) };
}
