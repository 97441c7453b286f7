/**
 * The key under which a step's result may be used again: the digest of everything the result depends on.
 * Two keys are equal exactly where node type, behaviour, settings, inputs, the declared parts of the brand kit, the
 * engines that would do the work and the choices on its wires are equal; moving or renaming a node changes nothing.
 */
import { digestOf } from '../db/values.ts';
import type { BrandKit, ManifestJson } from '../nodes/contract.ts';
import type { PlanNode } from './graph/plan.ts';
import { isReused } from './graph/reusable.ts';

export type KeyParts = {
  manifest: ManifestJson;
  behaviourDigest: string;
  config: unknown;
  /** port → digests of what arrives, in order */
  inputs: Record<string, string[]>;
  node: PlanNode;
  kit: BrandKit;
  /** `capability.method` → identity of what does the work */
  engines: Record<string, string>;
  nonce: string | null;
};

/** Null: a step of this node type is never reused. */
export function reuseKey(parts: KeyParts): string | null {
  const { manifest, node } = parts;
  if (!isReused(manifest)) return null;
  return digestOf({
    type: manifest.id,
    behaviour: parts.behaviourDigest,
    config: parts.config,
    inputs: parts.inputs,
    leftOut: node.inputs
      .filter((input) => input.sources.some((source) => source.leaveOutFailed))
      .map((input) => input.port)
      .sort(),
    brand: Object.fromEntries((manifest.capabilities.brand ?? []).map((part) => [part, parts.kit[part]])),
    engines: parts.engines,
    nonce: parts.nonce,
  });
}

const NOTHING: BrandKit = {
  name: '',
  colors: { primary: '#000000', light: '#ffffff', ink: '#000000', paper: '#ffffff' },
  fonts: { display: 'Instrument Sans', text: 'Instrument Sans' },
  logo: null,
  voice: '',
  captions: { style: 'plain' },
  links: [],
};

/** The kit with only the declared parts filled: what is not declared is not there to be read. */
export function declaredKit(manifest: ManifestJson, kit: BrandKit): BrandKit {
  const parts = manifest.capabilities.brand ?? [];
  return { ...NOTHING, ...Object.fromEntries(parts.map((part) => [part, kit[part] ?? NOTHING[part]])) };
}
