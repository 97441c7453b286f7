/**
 * Checks a packed plugin before anybody is asked to allow it anything: reads it (packed.ts), evaluates its manifests in an
 * isolate that may ask for nothing, holds them to the contract, and writes down its node types. What does not pass is kept as
 * refused, with the reason; nothing of it is ever run outside of an isolate.
 *
 * Errors: those of packed.ts; PLUGIN_TYPE_TWICE, PLUGIN_CHECK_FAILED.
 */
import type { Database } from '../db/connect.ts';
import { getPackage, packageFile, settlePackage } from '../db/plugins.ts';
import { inWorkspace } from '../db/workspace.ts';
import { type ErrorJson, type ManifestJson, NodeError, type PackedPlugin } from '../nodes/contract.ts';
import { digestOf } from './bundle.ts';
import { evaluateManifest, ManifestRefused } from './catalogue.ts';
import { asErrorJson, checkForeignManifest, readPacked } from './packed.ts';
import type { Sandbox } from './sandbox/sandbox.ts';

type Checked = { type: string; version: string; behaviour: string; place: number; manifest: ManifestJson };

/** `givenUp`: so many workers have ended over it. */
export async function checkPackage(
  { db, sandbox }: { db: Database; sandbox: Sandbox },
  workspaceId: string,
  digest: string,
  givenUp: { workers: number } | null = null,
): Promise<void> {
  const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(db, workspaceId, work);
  const text = await inside(async (tx) =>
    (await getPackage(tx, digest))?.state === 'checking' ? packageFile(tx, digest) : undefined,
  );
  if (text === undefined) return;
  const found = givenUp
    ? { error: { ...FAILED, message: `${givenUp.workers} workers ended while they checked this plugin.` } }
    : await check(sandbox, workspaceId, text, digest);
  await inside((tx) => settlePackage(tx, digest, found));
}

async function check(
  sandbox: Sandbox,
  workspaceId: string,
  text: string,
  digest: string,
): Promise<{ types: Checked[] } | { error: ErrorJson }> {
  try {
    const { packed, digest: own } = await readPacked(text);
    if (own !== digest) throw new NodeError('PACK_UNREADABLE', 'The file is not the one that was sent.');
    return { types: await manifestsOf(sandbox, workspaceId, packed) };
  } catch (error) {
    if (error instanceof ManifestRefused) return { error: error.error };
    const known = asErrorJson(error);
    if (known) return { error: known };
    throw error; // ours: the errand is tried again
  }
}

async function manifestsOf(sandbox: Sandbox, workspaceId: string, packed: PackedPlugin): Promise<Checked[]> {
  const types: Checked[] = [];
  for (const [place, node] of packed.nodes.entries()) {
    const manifest = checkForeignManifest(await evaluateManifest(sandbox, node.manifest, workspaceId));
    if (types.some(({ type }) => type === manifest.id)) {
      throw new NodeError('PLUGIN_TYPE_TWICE', `There are two nodes with the id ${manifest.id} in it.`, {
        hint: 'Give each its own id.',
      });
    }
    types.push({ type: manifest.id, version: manifest.version, behaviour: digestOf(node.run), place, manifest });
  }
  return types;
}

const FAILED: ErrorJson = {
  code: 'PLUGIN_CHECK_FAILED',
  message: 'This plugin could not be checked.',
  hint: 'Send it again; if that fails too, its author has to look at it.',
  retry: 'person',
};
