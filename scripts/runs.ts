/**
 * What the command line and the first start do with runs, by the API: send a recording with what lies beside it, watch a
 * run to its end, read every step with its whole outputs.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Asset } from '../nodes/contract.ts';
import type { Graph } from '../runtime/graph/graph.ts';
import type { Client } from './client.ts';
import { bytesView, progressView } from './progress.ts';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What goes along with a recording when it lies beside it under the same stem, best first. */
const SIDECARS = ['.transcript.json', '.json', '.srt', '.vtt', '.ttml'];

/** Uploads a recording and the captions or transcript beside it. */
export async function sendRecording(
  client: Client,
  file: string,
  output: NodeJS.WriteStream = process.stderr,
): Promise<{ asset: string }> {
  const asset = await client.upload(file, { onProgress: bytesView(`Sending ${path.basename(file)}`, output) });
  const stem = path.join(path.dirname(file), path.basename(file, path.extname(file)));
  const beside = await readdir(path.dirname(file));
  const sidecar = SIDECARS.map((extension) => `${path.basename(stem)}${extension}`).find((name) =>
    beside.includes(name),
  );
  if (sidecar && sidecar !== path.basename(file)) {
    await client.upload(path.join(path.dirname(file), sidecar), { sidecarOf: asset.asset });
    output.write(`${sidecar} goes along with it.\n`);
  }
  return { asset: asset.asset };
}

export type RunView = Awaited<ReturnType<Client['api']['runs']['get']['query']>>;

/** Draws a run until it has ended. */
export async function follow(client: Client, runId: string, output: NodeJS.WriteStream): Promise<RunView> {
  const { api, workspaceId } = client;
  let run = await api.runs.get.query({ workspaceId, runId });
  const view = progressView(new Map(inFlowOrder(run.graph).map((node) => [node.id, node.name])), output);
  for (;;) {
    view.update(run.nodes);
    if (run.state !== 'running') break;
    await sleep(500);
    run = await api.runs.get.query({ workspaceId, runId });
  }
  view.end();
  return run;
}

/** Nodes before what they feed. */
function inFlowOrder(graph: Graph): Graph['nodes'] {
  const depth = new Map<string, number>();
  const depthOf = (id: string): number => {
    const known = depth.get(id);
    if (known !== undefined) return known;
    depth.set(id, 0); // a loop is refused by validation; here it only must not hang
    const found =
      Math.max(-1, ...graph.edges.filter((edge) => edge.to.node === id).map((edge) => depthOf(edge.from.node))) + 1;
    depth.set(id, found);
    return found;
  };
  return [...graph.nodes].sort((a, b) => depthOf(a.id) - depthOf(b.id) || a.position.y - b.position.y);
}

export type StepResult = {
  node: string;
  type: string;
  path: number[];
  state: string;
  reason: string | null;
  error: Json;
  facts: { name: string; value: string }[];
  outputs: Record<string, Json>;
};

/** Every step with its whole outputs, in the order of flow. */
export async function stepsOf(client: Client, run: RunView): Promise<StepResult[]> {
  const { api, workspaceId } = client;
  const runId = run.id;
  const results: StepResult[] = [];
  for (const { id, name, type } of inFlowOrder(run.graph)) {
    for (let cursor: string | undefined, more = true; more; ) {
      const page = await api.runs.steps.query({ workspaceId, runId, nodeId: id, ...(cursor ? { cursor } : {}) });
      for (const step of page.items) {
        const outputs: Record<string, Json> = {};
        for (const [port, output] of Object.entries(step.outputs)) {
          const whole = output.truncated
            ? (await api.runs.value.query({ workspaceId, runId, nodeId: id, path: step.path, port })).value
            : output.value;
          outputs[port] = whole as Json;
        }
        const { state, explanation, error, facts } = step;
        results.push({
          node: name,
          type,
          path: step.path,
          state,
          reason: explanation.text,
          error: error as Json,
          facts: facts as StepResult['facts'],
          outputs,
        });
      }
      cursor = page.next ?? undefined;
      more = cursor !== undefined;
    }
  }
  return results;
}

export function postsOf(steps: StepResult[]): string[] {
  return steps
    .filter((step) => step.type.startsWith('publish.'))
    .flatMap((step) => Object.values(step.outputs))
    .flatMap((value) => (isRecord(value) && typeof value.url === 'string' ? [value.url] : []));
}

/** Every asset inside a value, in order. */
export function assetsIn(value: Json): Asset[] {
  if (Array.isArray(value)) return value.flatMap(assetsIn);
  if (!isRecord(value)) return [];
  if (typeof value.asset === 'string' && /^[0-9a-f]{64}$/.test(value.asset)) return [value as unknown as Asset];
  return Object.values(value).flatMap(assetsIn);
}

export function isRecord(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
