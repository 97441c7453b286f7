/** Which node types there are for a workspace: the product's own and those of its plugins. Pure; shared by server and runtime. */
import { ManifestJson } from '../../nodes/contract.ts';
import type { InstalledTypes } from './triggers.ts';

/** A node type as the database holds it. */
export type TypeRow = { type: string; behaviour: string; manifest: unknown };

/**
 * Later rows stand before earlier ones, the product's own before all. One whose manifest this version cannot read is left
 * out: its nodes are drawn as unknown and keep what they hold.
 */
export function withPlugins(own: InstalledTypes, rows: readonly TypeRow[]): InstalledTypes {
  if (rows.length === 0) return own;
  const all = new Map<string, { manifest: ManifestJson; behaviour: string }>();
  for (const { type, behaviour, manifest } of rows) {
    const read = ManifestJson.safeParse(manifest);
    if (read.success) all.set(type, { manifest: read.data, behaviour });
  }
  for (const [type, known] of own) all.set(type, known);
  return all;
}

/** What is pinned otherwise than it is installed: these have to be found as they were. */
export function pinnedOtherwise(types: InstalledTypes, own: InstalledTypes, pins: unknown): TypePin[] {
  return Object.entries((pins ?? {}) as Record<string, string>).flatMap(([type, behaviour]) =>
    own.has(type) || types.get(type)?.behaviour === behaviour ? [] : [{ type, behaviour }],
  );
}
export type TypePin = { type: string; behaviour: string };

export const manifestsIn = (types: InstalledTypes): ManifestJson[] =>
  [...types.values()].map(({ manifest }) => manifest);
