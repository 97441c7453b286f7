/** Packed plugins for tests, made by hand: two scripts for each node, and nothing else. */
import canonicalize from 'canonicalize';
import type { ManifestJson } from '../../nodes/contract.ts';

export type PackedNode = {
  manifest: ManifestJson;
  /** The object with the plugin's entries, as JavaScript: `{ run: async (ctx, inputs) => … }`. */
  entries: string;
  /** A script as a bundler made it, with its map, in the place of `entries`. */
  bundled?: { run: string; map: string };
};

const text = { type: 'text', list: false, optional: false, title: null, help: null } as const;

/** Takes a text, gives a text. */
export function manifest(id: string, more: Partial<ManifestJson> = {}): ManifestJson {
  return {
    id,
    version: '1.0.0',
    publisher: 'Test Press',
    license: 'MIT',
    api: '^1.0',
    title: 'Shout',
    help: 'Makes a text loud.',
    icon: 'megaphone',
    family: 'other',
    aliases: [],
    shape: 'step',
    effect: 'pure',
    weight: 'light',
    reuseForSeconds: 0,
    inputs: { text },
    outputs: { text },
    config: { type: 'object', properties: {}, additionalProperties: false },
    capabilities: {},
    fields: [],
    example: {},
    exports: ['run'],
    ...more,
  };
}

export const manifestScript = (of: ManifestJson) =>
  `var plugin = { manifest: () => ${JSON.stringify(JSON.stringify(of))} };`;

export function packed(name: string, version: string, nodes: readonly PackedNode[]): string {
  return canonicalize({
    spliceboard: 1,
    name,
    version,
    nodes: nodes.map((node) => ({
      manifest: manifestScript(node.manifest),
      ...(node.bundled ?? { run: `var plugin = ${node.entries};` }),
    })),
  })!;
}
