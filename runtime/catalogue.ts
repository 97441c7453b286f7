/**
 * Which node types there are. Finds `nodes/<family>/<verb>.ts`, packs each (with its parts in `nodes/<family>/<verb>/`)
 * into its two bundles, evaluates the manifest inside an isolate and checks it. Everything else knows a node type only as the JSON that comes out here.
 *
 * What was packed is kept below `cacheDir` under the digest of its sources, so a warm start neither packs nor
 * evaluates (measured 2026-11: 9 nodes in under 30 ms warm).
 *
 * A file that cannot be loaded is left out and named in `broken`: one bad node must not keep the others from working.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { type ErrorJson, ManifestJson } from '../nodes/contract.ts';
import { digestOf, isNodeFile, packedNode } from './bundle.ts';
import type { InstalledTypes } from './graph/triggers.ts';
import { checkPlatform } from './packed.ts';
import type { Sandbox } from './sandbox/sandbox.ts';

export type Plugin = {
  manifest: ManifestJson;
  /** sha-256 of `code` */
  digest: string;
  /** The run bundle: a script that leaves run, simulate and lookup in a global named `plugin`. */
  code: string;
  /** Part of every reuse key. `id@version` for built-in nodes. */
  behaviourDigest: string;
};

export type Catalogue = {
  manifests: ManifestJson[];
  plugin(id: string): Plugin | undefined;
  broken: { file: string; error: ErrorJson }[];
};

export type CatalogueOptions = {
  sandbox: Sandbox;
  /** The folder of node families. Default: the product's own. */
  dir?: string;
  cacheDir: string;
};

const OWN_NODES = path.resolve(import.meta.dirname, '../nodes');
/** Generous: a machine that starts is a busy machine. */
const EVALUATE = { wallMs: 20_000, cpuMs: 5_000, memoryMb: 128 };

async function nodeFiles(dir: string): Promise<string[]> {
  const files: string[] = [];
  for (const family of await readdir(dir, { withFileTypes: true })) {
    if (!family.isDirectory()) continue;
    for (const name of await readdir(path.join(dir, family.name))) {
      if (isNodeFile(name)) files.push(path.join(dir, family.name, name)); // a folder holds a node's parts
    }
  }
  return files.sort();
}

export class ManifestRefused extends Error {
  readonly error: ErrorJson;
  constructor(error: ErrorJson) {
    super(error.message);
    this.error = error;
  }
}
const refused = (message: string, hint: string | null = null) =>
  new ManifestRefused({ code: 'MANIFEST_REFUSED', message: message.slice(0, 2_000), hint, retry: 'never' });

/** Runs a manifest bundle in an isolate that may ask for nothing. */
export async function evaluateManifest(sandbox: Sandbox, code: string, workspaceId = 'manifests'): Promise<string> {
  const digest = digestOf(code);
  const result = await sandbox.run({
    workspaceId,
    contextKey: digest,
    plugin: { digest, code },
    entry: 'manifest',
    ctx: { config: {}, now: '1970-01-01T00:00:00.000Z', seed: digest, brand: null, connection: null },
    inputs: null,
    limits: EVALUATE,
    onCall: () => Promise.reject(refused('A manifest may not ask for anything.')),
  });
  sandbox.forget(digest);
  if (!result.ok) throw new ManifestRefused(result.error);
  return JSON.stringify(result.value);
}

function checkManifest(text: string): ManifestJson {
  const parsed = ManifestJson.safeParse(JSON.parse(text));
  if (!parsed.success) throw refused(`The manifest does not fit the contract: ${z.prettifyError(parsed.error)}`);
  const manifest = parsed.data;
  const exports = new Set<string>(manifest.exports);
  const wants = manifest.effect === 'writes-external' ? ['run', 'simulate', 'lookup'] : ['run'];
  for (const name of wants) {
    if (!exports.has(name) && (name !== 'run' || manifest.shape === 'step')) {
      throw refused(`${manifest.id} exports no ${name}.`, `A node of effect "${manifest.effect}" has to.`);
    }
  }
  try {
    checkPlatform(manifest);
  } catch (error) {
    throw refused((error as Error).message);
  }
  return manifest;
}

export async function loadCatalogue({ sandbox, dir = OWN_NODES, cacheDir }: CatalogueOptions): Promise<Catalogue> {
  const plugins = new Map<string, Plugin>();
  const broken: Catalogue['broken'] = [];
  const loaded = await Promise.all(
    (await nodeFiles(dir)).map(async (file) => {
      try {
        const packed = await packedNode(file, cacheDir, (code) => evaluateManifest(sandbox, code));
        return { file, manifest: checkManifest(packed.manifest), code: packed.code };
      } catch (error) {
        const known = error instanceof ManifestRefused ? error.error : undefined;
        const { code = 'NODE_BROKEN' } = error as { code?: string };
        const message = error instanceof Error ? error.message.slice(0, 2_000) : 'It cannot be loaded.';
        broken.push({ file, error: known ?? { code, message, hint: null, retry: 'never' } });
        return undefined;
      }
    }),
  );
  for (const node of loaded) {
    if (!node) continue;
    const { file, manifest, code } = node;
    if (plugins.has(manifest.id)) {
      const error = refused(`There are two nodes with the id ${manifest.id}.`).error;
      broken.push({ file, error });
      continue;
    }
    plugins.set(manifest.id, {
      manifest,
      digest: digestOf(code),
      code,
      behaviourDigest: `${manifest.id}@${manifest.version}`,
    });
  }
  return {
    manifests: [...plugins.values()].map(({ manifest }) => manifest),
    plugin: (id) => plugins.get(id),
    broken,
  };
}

/** As those see it who plan runs. */
export function installedTypes(catalogue: Catalogue): InstalledTypes {
  return new Map(
    catalogue.manifests.map((manifest) => [
      manifest.id,
      { manifest, behaviour: catalogue.plugin(manifest.id)!.behaviourDigest },
    ]),
  );
}
