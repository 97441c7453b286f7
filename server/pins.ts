/** Pins as they come from a draft's editor: made from what a run gave or a person wrote, and held to what they say. */
import * as z from 'zod';
import { hasAssets } from '../db/assets.ts';
import { runSnapshot } from '../db/run-view.ts';
import { runScope } from '../db/runs.ts';
import { getStep } from '../db/steps.ts';
import { canonicalJson, digestOf, LONGEST_VALUE_BYTES, loadValue, type StoredValue, storeValue } from '../db/values.ts';
import type { WorkspaceTx } from '../db/workspace.ts';
import { type ManifestJson, PORT_TYPES, type PortType } from '../nodes/contract.ts';
import { Graph, type Pin } from '../runtime/graph/graph.ts';
import type { Operation } from '../runtime/graph/operations.ts';
import { pinnedPorts } from '../runtime/graph/pins.ts';
import { resolveNodes } from '../runtime/graph/resolve.ts';
import type { Services } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import { bytesOf, manifestsOf } from './run-start.ts';
import { type Member, requireBrand } from './trpc.ts';

export const PinSource = z.union([
  z.strictObject({ runId: z.uuid(), path: z.array(z.number().int().nonnegative()).max(8) }),
  z.strictObject({ values: z.record(z.string().max(40), z.json()) }),
]);
type PinWanted = { workspaceId: string; pipelineId: string; node: string; source: z.infer<typeof PinSource> };

/** The files that this JSON speaks of, wherever they stand in it. */
export function filesIn(json: string): string[] {
  return [...json.matchAll(/"asset":"([0-9a-f]{64})"/g)].map((match) => match[1]!);
}

/** A pin for the node as the draft has it. Nothing is changed by it: the editor saves it as an operation. */
export async function makePin(
  services: Services,
  tx: WorkspaceTx,
  member: Member,
  draft: Graph,
  wanted: PinWanted,
): Promise<Pin> {
  const manifests = await manifestsOf(services, tx);
  const manifest = resolveNodes(draft, manifests).get(wanted.node);
  if (!manifest) throw notFound('This node');
  const { source } = wanted;
  const ports = pinnedPorts(manifest);
  const outputs =
    'values' in source
      ? await written(services, wanted.workspaceId, manifest, source.values)
      : await made(tx, member, wanted, source, (graph) => {
          const before = resolveNodes(graph, manifests).get(wanted.node);
          return before !== undefined && canonicalJson(pinnedPorts(before)) === canonicalJson(ports);
        });
  return { ports, outputs: outputs as Pin['outputs'] };
}

async function made(
  tx: WorkspaceTx,
  member: Member,
  { pipelineId, node }: PinWanted,
  at: { runId: string; path: number[] },
  isAlike: (graph: Graph) => boolean,
): Promise<Record<string, StoredValue>> {
  const scope = await runScope(tx, at.runId);
  if (scope?.pipelineId !== pipelineId) throw notFound('This run');
  requireBrand(member, scope.brandId);
  const step = await getStep(tx, at.runId, node, at.path);
  if (!step || (step.state !== 'done' && step.state !== 'reused')) {
    throw new Problem('CONFLICT', 'PIN_NOT_MADE', 'This node gave nothing here that could be pinned.', {
      hint: 'Run it first, or write the outputs by hand.',
    });
  }
  const snapshot = (await runSnapshot(tx, at.runId))!;
  if (!isAlike(Graph.parse(snapshot.run.graph))) {
    throw new Problem(
      'CONFLICT',
      'PIN_STALE',
      `The node gives something else now than in run ${snapshot.run.number}.`,
      {
        hint: 'Run it again, then pin what it gives.',
      },
    );
  }
  return step.outputs;
}

async function written(
  services: Services,
  workspaceId: string,
  manifest: ManifestJson,
  values: Record<string, unknown>,
): Promise<Record<string, StoredValue>> {
  const refuse = (message: string) =>
    new Problem('BAD_REQUEST', 'PIN_INVALID', message.slice(0, 500), { hint: 'Look at what the port takes.' });
  for (const name of Object.keys(values))
    if (!Object.hasOwn(manifest.outputs, name)) throw refuse(`This node has no output called ${name}.`);
  const outputs: Record<string, StoredValue> = {};
  for (const [name, port] of Object.entries(manifest.outputs)) {
    const given = values[name];
    if (given === undefined || given === null) {
      if (port.optional) continue;
      throw refuse(`The output ${name} is missing.`);
    }
    const value = schemaOf(port).safeParse(given);
    if (!value.success) throw refuse(`${name} does not fit: ${z.prettifyError(value.error)}`);
    const store = services.storeFor(workspaceId, { internal: true });
    outputs[name] = await storeValue(value.data, port.list, async (bytes) => {
      if (bytes.byteLength > LONGEST_VALUE_BYTES)
        throw new Problem('PAYLOAD_TOO_LARGE', 'VALUE_TOO_LARGE', 'This is too long.');
      return (await store.putBytes(bytes, { kind: 'file', mime: 'application/gzip' })).asset;
    });
  }
  return outputs;
}

function schemaOf({ type, list }: { type: PortType; list: boolean }): z.ZodType {
  return list ? z.array(PORT_TYPES[type]) : PORT_TYPES[type];
}

/** Throws where a pin among these operations is not what it says, or speaks of a file that is not this workspace's. */
export async function checkPins(
  services: Services,
  tx: WorkspaceTx,
  workspaceId: string,
  operations: readonly Operation[],
): Promise<void> {
  for (const operation of operations) {
    const pin = operation.op === 'setPin' ? operation.pin : operation.op === 'addNode' ? operation.node.pin : null;
    for (const [port, stored] of Object.entries(pin?.outputs ?? {})) {
      if (!(await isTrue(services, tx, workspaceId, pin!.ports[port], stored as StoredValue))) {
        throw new Problem('BAD_REQUEST', 'PIN_INVALID', `What is pinned as ${port} is not here, or not what it says.`, {
          hint: 'Run the node and pin what it gives.',
        });
      }
    }
  }
}

async function isTrue(
  services: Services,
  tx: WorkspaceTx,
  workspaceId: string,
  port: Pin['ports'][string] | undefined,
  stored: StoredValue,
): Promise<boolean> {
  if (!port || !Object.hasOwn(PORT_TYPES, port.type)) return false;
  if (stored.asset !== undefined && !(await hasAssets(tx, [stored.asset]))) return false;
  const value = await loadValue(stored, (sha256) => bytesOf(services, workspaceId, sha256)).catch(() => undefined);
  if (value === undefined) return false;
  const json = canonicalJson(value);
  return (
    digestOf(value) === stored.digest &&
    Buffer.byteLength(json) === stored.bytes &&
    stored.count === (port.list && Array.isArray(value) ? value.length : null) &&
    schemaOf({ type: port.type as PortType, list: port.list }).safeParse(value).success &&
    (await hasAssets(tx, filesIn(json)))
  );
}
