/**
 * Checks a packed plugin before anybody is asked to allow it anything: reads it (packed.ts), evaluates its manifests in an
 * isolate that may ask for nothing, holds them to the contract, and writes down its node types, and how drafts that use them, or
 * what they replace, would be carried over. What does not pass is kept as refused, with the reason; nothing of it is ever run
 * outside of an isolate.
 *
 * Errors: those of packed.ts; PLUGIN_TYPE_TWICE, PLUGIN_CHECK_FAILED.
 */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import * as z from 'zod';
import type { Database } from '../db/connect.ts';
import {
  addPackage,
  draftsWith,
  getPackage,
  getRegistry,
  keepCarries,
  packageFile,
  settlePackage,
} from '../db/plugins.ts';
import { inWorkspace } from '../db/workspace.ts';
import { type ErrorJson, type ManifestJson, NodeError, type PackedPlugin } from '../nodes/contract.ts';
import { digestOf } from './bundle.ts';
import { evaluateManifest, ManifestRefused } from './catalogue.ts';
import { FetchError, type Fetcher } from './fetch.ts';
import {
  type Carried,
  carryOperations,
  renamedConfig,
  reviewOf,
  typesConcerned,
  type Use,
  usesToCarry,
} from './graph/carry-over.ts';
import { Graph } from './graph/graph.ts';
import { invertAll } from './graph/operations.ts';
import { asErrorJson, checkForeignManifest, readPacked } from './packed.ts';
import { fetchPacked } from './registry.ts';
import type { Json, Sandbox } from './sandbox/sandbox.ts';
import { type SealKey, unseal } from './seal.ts';

type Checked = { type: string; version: string; behaviour: string; place: number; manifest: ManifestJson };

export type PluginHost = {
  db: Database;
  sandbox: Sandbox;
  fetcher: Fetcher;
  sealKey: SealKey;
  /** Where plugins are fetched from, where the workspace names no registry of its own. */
  registry(): Promise<string>;
};

const Asked = z.union([
  z.strictObject({ digest: z.string().regex(/^[0-9a-f]{64}$/) }),
  z.strictObject({ npm: z.strictObject({ name: z.string(), version: z.string().nullable() }) }),
]);

/** Where a registry's token is sealed to: `server/plugins.ts` seals it there. */
export const registryPlace = (workspace: string) => ({ row: 'plugin_registry', workspace });

/** One that was sent is checked; one that is asked for by name is fetched first. Its digest. */
export async function tryPlugin(
  host: PluginHost,
  workspaceId: string,
  input: unknown,
  givenUp: { workers: number } | null,
): Promise<string> {
  const asked = Asked.parse(input);
  const digest = 'digest' in asked ? asked.digest : await fetchOne(host, workspaceId, asked.npm);
  await checkPackage(host, workspaceId, digest, givenUp);
  return digest;
}

async function fetchOne(
  { db, fetcher, sealKey, registry }: PluginHost,
  workspaceId: string,
  wanted: { name: string; version: string | null },
): Promise<string> {
  const own = await inWorkspace(db, workspaceId, (tx) => getRegistry(tx));
  const url = own?.url ?? (await registry());
  const token = own?.sealed ? unseal(sealKey, own.sealed, registryPlace(workspaceId)) : null;
  const { text, name, version, integrity } = await fetchPacked(fetcher, { url, token }, wanted).catch(
    (error: unknown) => {
      if (!(error instanceof FetchError)) throw error;
      throw new NodeError('PLUGIN_REGISTRY', `The registry cannot be reached: ${error.message}`, {
        hint: 'One on a private address has to be mapped by the operator under egress.',
        retry: 'later',
      });
    },
  );
  const digest = createHash('sha256').update(text).digest('hex');
  const source = { kind: 'npm' as const, registry: new URL(url).origin, integrity };
  await inWorkspace(db, workspaceId, (tx) => addPackage(tx, { digest, name, version, source, file: text, by: null }));
  return digest;
}

/** `givenUp`: so many workers have ended over it. */
async function checkPackage(
  { db, sandbox }: Pick<PluginHost, 'db' | 'sandbox'>,
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
  if ('error' in found) return inside((tx) => settlePackage(tx, digest, found));
  const drafts = await inside((tx) => draftsWith(tx, typesConcerned(found.types.map(({ manifest }) => manifest))));
  const carries: Carry[] = [];
  for (const draft of drafts) carries.push(...(await carryOf(sandbox, workspaceId, found, draft)));
  await inside(async (tx) => {
    await settlePackage(tx, digest, found);
    await keepCarries(tx, digest, carries);
  });
}

type Carry = Parameters<typeof keepCarries>[2][number];

/** How a draft is carried over to what is in the package. */
async function carryOf(
  sandbox: Sandbox,
  workspaceId: string,
  { types, packed }: { types: Checked[]; packed: PackedPlugin },
  { id, revision, draft }: { id: string; revision: number; draft: unknown },
): Promise<Carry[]> {
  const graph = Graph.parse(draft);
  const uses = usesToCarry(
    graph,
    types.map(({ manifest }) => manifest),
  );
  if (uses.length === 0) return [];
  const carried: Carried[] = [];
  const failed = new Map<string, string>();
  for (const use of uses) {
    const { node, manifest, replaces } = use;
    const place = types.find(({ type }) => type === manifest.id)!.place;
    const way = manifest.exports.includes('migrateConfig') ? packed.nodes[place]!.run : null;
    const moved = way === null ? renamedConfig(node.config, replaces) : await migrated(sandbox, workspaceId, way, use);
    if (typeof moved === 'string') failed.set(node.id, moved);
    carried.push({ ...use, config: typeof moved === 'string' ? node.config : moved });
  }
  const operations = carryOperations(graph, carried);
  const review = carried.map(reviewOf).map((each) => ({ ...each, problem: failed.get(each.node) ?? each.problem }));
  return [{ pipelineId: id, revision, operations, inverse: invertAll(graph, operations), review }];
}

/** The settings as the plugin makes them, or why it could not. It may ask for nothing. */
async function migrated(
  sandbox: Sandbox,
  workspaceId: string,
  code: string,
  { node }: Carried | Use,
): Promise<Record<string, unknown> | string> {
  const from = { type: node.type, version: node.version };
  const result = await sandbox.run({
    workspaceId,
    contextKey: `carry ${digestOf(code)}`,
    plugin: { digest: digestOf(code), code },
    entry: 'migrateConfig',
    ctx: { config: {}, now: new Date(0).toISOString(), seed: node.id, brand: null, connection: null },
    inputs: [node.config, from] as Json,
    limits: { wallMs: 10_000, cpuMs: 2_000, memoryMb: 64 },
    onCall: () => Promise.reject(new NodeError('CAPABILITY_NOT_DECLARED', 'It may not ask for anything.')),
  });
  if (!result.ok) return `Its settings could not be carried over: ${result.error.message}`;
  const config = z.record(z.string().max(60), z.json()).safeParse(result.value);
  return config.success ? config.data : 'Its settings could not be carried over: the plugin gave none.';
}

async function check(
  sandbox: Sandbox,
  workspaceId: string,
  text: string,
  digest: string,
): Promise<{ types: Checked[]; packed: PackedPlugin } | { error: ErrorJson }> {
  try {
    const { packed, digest: own } = await readPacked(text);
    if (own !== digest) throw new NodeError('PACK_UNREADABLE', 'The file is not the one that was sent.');
    return { types: await manifestsOf(sandbox, workspaceId, packed), packed };
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
    // what a node is said to be is part of what it does: the same script under another version, or with other rights, is another
    const behaviour = digestOf(canonicalize([manifest, node.run])!);
    types.push({ type: manifest.id, version: manifest.version, behaviour, place, manifest });
  }
  return types;
}

const FAILED: ErrorJson = {
  code: 'PLUGIN_CHECK_FAILED',
  message: 'This plugin could not be checked.',
  hint: 'Send it again; if that fails too, its author has to look at it.',
  retry: 'person',
};
