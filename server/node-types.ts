/**
 * The node types of a workspace: the product's own, as the workers found them (kept in memory and read again when somebody
 * asks after a while), and those of the plugins it has put in.
 */
import * as z from 'zod';
import { readCatalogue } from '../db/catalogue.ts';
import type { Database } from '../db/connect.ts';
import { pinnedTypes, typesInUse } from '../db/plugins.ts';
import type { WorkspaceTx } from '../db/workspace.ts';
import { ManifestJson } from '../nodes/contract.ts';
import type { InstalledTypes } from '../runtime/graph/triggers.ts';
import { pinnedOtherwise, withPlugins } from '../runtime/graph/types.ts';

export type NodeTypes = {
  /** The product's own, by id. Empty until the first worker of this installation has loaded them. */
  own(): Promise<InstalledTypes>;
  /** A workspace's, by id. `pins` (of a published version: node type → behaviour) stand before what is installed now. */
  of(tx: WorkspaceTx, pins?: unknown): Promise<InstalledTypes>;
};

const FRESH_MS = 5_000;

export function nodeTypes(db: Database): NodeTypes {
  let known: { at: number; types: Promise<InstalledTypes> } | undefined;
  const read = async (): Promise<InstalledTypes> => {
    const types = new Map<string, { manifest: ManifestJson; behaviour: string }>();
    for (const row of await readCatalogue(db)) {
      const manifest = z.safeParse(ManifestJson, row.manifest);
      if (manifest.success) types.set(row.id, { manifest: manifest.data, behaviour: row.behaviour });
    }
    return types;
  };
  const own = () => {
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
  return {
    own,
    async of(tx, pins) {
      const ours = await own();
      const inUse = await typesInUse(tx);
      const types = withPlugins(ours, inUse);
      const others = pinnedOtherwise(types, ours, pins);
      return others.length === 0 ? types : withPlugins(ours, [...inUse, ...(await pinnedTypes(tx, others))]);
    },
  };
}
