/**
 * The first start does the main job before anyone clicks: it puts the sample recording into the store, makes the
 * "Podcast to shorts" pipeline from its template and runs it, through the same API as everybody.
 * Nothing here is special about the sample; a failure is told and leaves the product running.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Client } from './client.ts';
import { follow, postsOf, sendRecording, stepsOf } from './runs.ts';

const SAMPLE = path.join(path.dirname(import.meta.dirname), 'templates/sample/talk.mp4');
const TEMPLATE = 'Podcast to shorts';

/**
 * Resolves when the run has ended, with the addresses of what it published. `begun` is called when the run is in the
 * database: from then on it goes on by itself, whatever happens to this process. A run that an earlier start had begun
 * before it was killed is followed to its end, and no other begins.
 */
export async function runSample(client: Client, say: (line: string) => void, begun: () => void): Promise<string[]> {
  const { api, workspaceId } = client;
  if (!existsSync(SAMPLE)) throw new Error(`The sample recording ${SAMPLE} is missing.`);
  const templates = await api.templates.list.query({ workspaceId });
  const template = templates.find((each) => each.name === TEMPLATE);
  if (!template) throw new Error(`The template ${TEMPLATE} is missing.`);
  const [brand] = await api.brands.list.query({ workspaceId });
  if (!brand) throw new Error('The workspace has no brand.');
  const made = (await api.pipelines.list.query({ workspaceId })).find((each) => each.name === TEMPLATE); // a killed start's
  const [known] = made
    ? (await api.runs.list.query({ workspaceId, pipelineId: made.id, brandId: brand.id, limit: 1 })).items
    : [];
  const { runId, number, pipelineId } =
    made && known
      ? { runId: known.id, number: known.number, pipelineId: made.id }
      : await beginRun(client, brand.id, template.id, made?.id);
  begun();
  say(
    `Run ${number} of ${TEMPLATE} on the sample recording: ${client.url}/w/${workspaceId}/p/${pipelineId}?run=${runId}`,
  );
  const ended = await follow(client, runId, process.stdout);
  if (ended.state !== 'succeeded') say(`The sample run ended with ${ended.state}: ${ended.summary}`);
  return postsOf(await stepsOf(client, ended));
}

async function beginRun(
  client: Client,
  brandId: string,
  templateId: string,
  made: string | undefined,
): Promise<{ runId: string; number: number; pipelineId: string }> {
  const { api, workspaceId } = client;
  const recording = await sendRecording(client, SAMPLE, process.stdout);
  const id = made ?? (await api.pipelines.create.mutate({ workspaceId, name: TEMPLATE, templateId })).id;
  const { graph } = await api.pipelines.get.query({ workspaceId, pipelineId: id });
  const input = graph.inputs.find((each) => each.name === 'recording');
  if (input) await keepRecording(client, id, input, recording);
  const { runId, number } = await api.runs.start.mutate({
    workspaceId,
    pipelineId: id,
    brandId,
    version: 'draft',
    inputs: {},
  });
  return { runId, number, pipelineId: id };
}

/** The recording is set in the draft itself, so that pressing Run in the editor needs nothing more. */
async function keepRecording(
  client: Client,
  pipelineId: string,
  input: { node: string; field: string },
  recording: { asset: string },
): Promise<void> {
  const { api, workspaceId } = client;
  const { revision } = await api.pipelines.get.query({ workspaceId, pipelineId });
  await api.pipelines.edit.mutate({
    workspaceId,
    pipelineId,
    baseRevision: revision,
    clientId: 'first-start',
    operations: [{ op: 'setConfig', node: input.node, field: input.field, value: recording }],
  });
}
