/** Which results may be used again, and for how long: what a manifest says about it. Pure. */
import type { ManifestJson } from '../../nodes/contract.ts';

/** Whether steps of this node type are ever reused. */
export function isReused(manifest: ManifestJson): boolean {
  if (manifest.cheap && manifest.effect === 'pure') return false;
  return manifest.effect !== 'writes-external' && manifest.capabilities.store !== true && !manifest.connection;
}

/** Seconds for which another run may use the result; null: for ever. */
export function reuseForSeconds(manifest: ManifestJson): number | null {
  return manifest.effect === 'pure' ? null : manifest.reuseForSeconds;
}
