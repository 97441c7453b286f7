/**
 * The second run of the template on the same recording with nothing changed, against the first. Both are timed from
 * outside: from the call that starts the run to the answer that says it has ended. Every step must say that it was reused,
 * except Ingest, which looks for captions that were added since, and publishing.
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, connect } from '../scripts/client.ts';
import { sendRecording } from '../scripts/runs.ts';
import { startProduct } from '../tests/support/product.ts';
import type { Bench } from './main.ts';

const SAMPLE = path.join(path.dirname(import.meta.dirname), 'templates/sample/talk.mp4');
/** What looks at the world each time. */
const NEVER_REUSED = ['media.ingest', 'publish.showcase'];
const LIMIT_PERCENT = 2;
const RUNS = 5;

type Start = Parameters<Client['api']['runs']['start']['mutate']>[0];

async function timed({ api, workspaceId }: Client, start: Start): Promise<{ seconds: number; runId: string }> {
  const from = performance.now();
  const { runId } = await api.runs.start.mutate(start);
  for (;;) {
    const run = await api.runs.get.query({ workspaceId, runId });
    if (run.state === 'succeeded') return { seconds: (performance.now() - from) / 1000, runId };
    if (run.state !== 'running') throw new Error(`The run ended with ${run.state}: ${run.summary}`);
    await sleep(20);
  }
}

export const bench: Bench = {
  title: 'A second run with nothing changed, against the first',
  async run({ say }) {
    await using product = await startProduct({ sample: false });
    const client = await connect({ data: product.data });
    const { api, workspaceId } = client;
    const [template] = await api.templates.list.query({ workspaceId });
    const [brand] = await api.brands.list.query({ workspaceId });
    const recording = await sendRecording(client, SAMPLE);
    const { id } = await api.pipelines.create.mutate({ workspaceId, name: 'Reuse', templateId: template!.id });
    const start: Start = { workspaceId, pipelineId: id, brandId: brand!.id, version: 'draft', inputs: { recording } };
    const first = await timed(client, start);
    say(`first run: ${first.seconds.toFixed(1)} s`);
    const again: number[] = [];
    const made = new Set<string>();
    for (let run = 0; run < RUNS; run++) {
      const { seconds, runId } = await timed(client, start);
      again.push(seconds);
      say(`again: ${seconds.toFixed(2)} s`);
      const { nodes, graph } = await api.runs.get.query({ workspaceId, runId });
      for (const node of nodes) {
        const type = graph.nodes.find((each) => each.id === node.nodeId)?.type ?? '';
        if (node.state !== 'reused' && !NEVER_REUSED.includes(type)) made.add(type);
      }
    }
    const median = [...again].sort((a, b) => a - b)[Math.floor(RUNS / 2)]!;
    const percent = (median / first.seconds) * 100;
    return {
      figures: [
        { name: 'first run', unit: 's', values: [first.seconds] },
        { name: 'second run', unit: 's', values: again },
      ],
      limits: [{ name: 'second of first, %', value: percent, limit: LIMIT_PERCENT, ok: percent <= LIMIT_PERCENT }],
      notes: made.size > 0 ? [`Made again although nothing had changed: ${[...made].join(', ')}`] : [],
      ok: made.size === 0,
    };
  },
};
