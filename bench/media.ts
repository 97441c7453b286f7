/**
 * The media work of "Podcast to shorts" on the sample through the product, against `media-bare.sh`: the same outputs by
 * ffmpeg commands written by hand. Both sides take the same segments and the same captions, and are timed by turns.
 *
 * Product: from the moment the first step that works with media starts until the last has ended, without the time in
 * which other nodes alone were at work (Chunk reads the transcript); what the runtime takes between two steps counts.
 * Overlap: the time of all media steps together, against that.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clip } from '../nodes/contract.ts';
import { layCaptions, lineLength } from '../nodes/video/clip/cues.ts';
import { AssFile, addCaptions } from '../runtime/capabilities/media/ass.ts';
import { findFfmpeg } from '../runtime/capabilities/media/ffmpeg.ts';
import { type Client, connect } from '../scripts/client.ts';
import { type RunView, sendRecording } from '../scripts/runs.ts';
import { startProduct } from '../tests/support/product.ts';
import type { Bench } from './main.ts';
import { summary } from './shared/figures.ts';

const SAMPLE = path.join(path.dirname(import.meta.dirname), 'templates/sample/talk.mp4');
const WITH_MEDIA = new Set(['media.ingest', 'sound.clean', 'video.clip', 'image.thumbnail']);
const SIZE = { width: 1080, height: 1920 };
const LIMIT = 1.1;
const ROUNDS = 3;

type Span = { start: number; end: number };
const lengthOf = (spans: Span[]) => spans.reduce((sum, span) => sum + span.end - span.start, 0);

/** Spans that touch or overlap become one, in order. */
function joined(spans: Span[]): Span[] {
  const result: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else result.push({ ...span });
  }
  return result;
}

/** What of `spans` no span of `others` covers. */
function without(spans: Span[], others: Span[]): Span[] {
  return joined(others).reduce(
    (rest, other) =>
      rest
        .flatMap((span) => [
          { start: span.start, end: Math.min(span.end, other.start) },
          { start: Math.max(span.start, other.end), end: span.end },
        ])
        .filter((span) => span.end > span.start),
    joined(spans),
  );
}

async function spansOf({ api, workspaceId }: Client, run: RunView): Promise<{ media: Span[]; others: Span[] }> {
  const [media, others]: [Span[], Span[]] = [[], []];
  for (const node of run.graph.nodes) {
    const { items } = await api.runs.steps.query({ workspaceId, runId: run.id, nodeId: node.id });
    for (const { startedAt, endedAt } of items) {
      if (startedAt === null || endedAt === null) continue;
      (WITH_MEDIA.has(node.type) ? media : others).push({ start: Date.parse(startedAt), end: Date.parse(endedAt) });
    }
  }
  return { media, others };
}

async function clipsOf({ api, workspaceId }: Client, run: RunView): Promise<Clip[]> {
  const { id } = run.graph.nodes.find((node) => node.type === 'video.clip')!;
  const { items } = await api.runs.steps.query({ workspaceId, runId: run.id, nodeId: id });
  return Promise.all(
    items.map(async ({ path: at }) => {
      const { value } = await api.runs.value.query({ workspaceId, runId: run.id, nodeId: id, path: at, port: 'clip' });
      return value as unknown as Clip;
    }),
  );
}

/** Writes what the bare side reads: the list of clips, their captions and fonts. */
async function prepare(folder: string, clips: Clip[], kit: { primary: string; light: string; ink: string }) {
  await mkdir(path.join(folder, 'fonts'), { recursive: true });
  const lines: string[] = [];
  for (const [index, clip] of clips.entries()) {
    const file = new AssFile(SIZE.width, SIZE.height);
    const { start, end } = clip.segment;
    addCaptions(
      file,
      {
        style: 'marker',
        cues: layCaptions(clip.words, lineLength('marker', 'medium', '9:16'), end - start),
        colors: kit,
        fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
        highlight: true,
      },
      SIZE,
    );
    await writeFile(path.join(folder, `${index}.ass`), file.toString());
    for (const [number, face] of [...file.faces.values()].entries())
      await writeFile(path.join(folder, 'fonts', `${number}.ttf`), face.bytes);
    await writeFile(path.join(folder, 'title.ttf'), [...file.faces.values()].at(-1)!.bytes);
    lines.push(`${index} ${start.toFixed(3)} ${(end - start).toFixed(3)}`);
  }
  await writeFile(path.join(folder, 'clips.txt'), `${lines.join('\n')}\n`);
}

async function bareSeconds(folder: string): Promise<number> {
  const { ffmpeg, ffprobe } = await findFfmpeg();
  const from = performance.now();
  const child = spawn('sh', [path.join(import.meta.dirname, 'media-bare.sh'), SAMPLE, folder], {
    env: {
      PATH: process.env.PATH,
      FFMPEG: ffmpeg,
      FFPROBE: ffprobe,
      NODE: process.execPath,
      DETECT: path.join(import.meta.dirname, 'by-hand/detect.ts'),
      LC_ALL: 'C',
    },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`media-bare.sh ended with ${code}.`);
  return (performance.now() - from) / 1000;
}

export const bench: Bench = {
  title: 'The media work of the template through the product, against ffmpeg commands written by hand',
  async run({ say, args }) {
    const rounds = Number(args.find((arg) => arg.startsWith('--rounds='))?.slice(9) ?? ROUNDS);
    await using product = await startProduct({ sample: false });
    const client = await connect({ data: product.data });
    const { api, workspaceId } = client;
    const [template] = await api.templates.list.query({ workspaceId });
    const [brand] = await api.brands.list.query({ workspaceId });
    const recording = await sendRecording(client, SAMPLE);
    const { id } = await api.pipelines.create.mutate({ workspaceId, name: 'Media', templateId: template!.id });
    const folder = await mkdtemp(path.join(tmpdir(), 'spliceboard-bare-'));
    await using _ = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
    const [through, bare, whole, overlap]: [number[], number[], number[], number[]] = [[], [], [], []];
    for (let round = 0; round < rounds; round++) {
      const { runId } = await api.runs.start.mutate({
        workspaceId,
        pipelineId: id,
        brandId: brand!.id,
        version: 'draft',
        inputs: { recording },
        nonce: `media ${round}`,
      });
      let run = await api.runs.get.query({ workspaceId, runId });
      while (run.state === 'running') {
        await sleep(250);
        run = await api.runs.get.query({ workspaceId, runId });
      }
      if (run.state !== 'succeeded') throw new Error(`The run ended with ${run.state}: ${run.summary}`);
      if (run.nodes.some((node) => node.state === 'reused'))
        throw new Error('A node was reused: nothing was measured.');
      const { media, others } = await spansOf(client, run);
      const all = { start: Math.min(...media.map((s) => s.start)), end: Math.max(...media.map((s) => s.end)) };
      const aside = without(others, media).map((s) => ({
        start: Math.max(s.start, all.start),
        end: Math.min(s.end, all.end),
      }));
      const seconds = (lengthOf([all]) - lengthOf(aside.filter((s) => s.end > s.start))) / 1000;
      through.push(seconds);
      overlap.push(lengthOf(media) / 1000 / seconds);
      whole.push((Date.parse(run.endedAt!) - Date.parse(run.startedAt)) / 1000);
      if (round === 0)
        await prepare(folder, await clipsOf(client, run), { primary: '#2f46e6', light: '#aab4ff', ink: '#16161d' });
      bare.push(await bareSeconds(folder));
      say(`round ${round + 1}: ${seconds.toFixed(1)} s through the product, ${bare.at(-1)!.toFixed(1)} s bare`);
    }
    const middle = (values: number[]) => summary({ name: '', unit: 's', values }).median;
    const ratio = middle(through) / middle(bare);
    return {
      figures: [
        { name: 'media work through the product', unit: 's', values: through },
        { name: 'by hand', unit: 's', values: bare },
        { name: 'the whole run', unit: 's', values: whole },
        { name: 'overlap of media steps', unit: '×', values: overlap },
      ],
      limits: [{ name: 'product of bare', value: ratio, limit: LIMIT, ok: ratio <= LIMIT }],
      notes: [],
    };
  },
};
