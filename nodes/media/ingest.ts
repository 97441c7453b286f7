/**
 * Takes a recording in: one that was uploaded, one that is already stored, or one behind a public address. Captions or a
 * transcript uploaded with it (same name), or subtitles inside it, come out as `attached`; TXT and MD come out as text.
 */
import * as z from 'zod';
import {
  type Asset,
  type Ctx,
  defineManifest,
  MediaAsset,
  NodeError,
  port,
  type Run,
  type Transcript,
} from '../contract.ts';

const GB = 1024 ** 3;

export const manifest = defineManifest({
  id: 'media.ingest',
  version: '1.0.0',
  title: 'Ingest',
  help: 'Takes in a recording or a text: an upload, something already stored, or a public address. MP4, MOV, MKV, WebM, MP3, WAV, M4A, FLAC, OGG; TXT and MD as text. Captions with the same file name come along.',
  icon: 'file-input',
  family: 'source',
  aliases: ['upload', 'import', 'file', 'url', 'recording', 'video', 'audio', 'source', 'podcast'],
  shape: 'step',
  effect: 'reads-external',
  reuseForSeconds: 0, // looked at anew each time: captions may have been added; a download itself is remembered
  inputs: {},
  outputs: {
    recording: port.media.optional({ title: 'Recording' }),
    attached: port.transcript.optional({ title: 'Captions', help: 'What came with the recording, as a transcript.' }),
    text: port.text.optional({ title: 'Text' }),
  },
  config: z.strictObject({
    recording: z
      .union([
        z.strictObject({ asset: z.string().regex(/^[0-9a-f]{64}$/, 'Choose a stored file.') }),
        z.strictObject({
          url: z
            .string()
            .max(4096)
            .regex(/^https?:\/\/\S+$/, 'Write the whole address, with https://'),
        }),
      ])
      .optional()
      .meta({
        title: 'Recording',
        help: 'Upload a file, choose a stored one, or paste an address.',
        'x-widget': 'recording',
      }),
    maxSize: z
      .number()
      .min(0.01)
      .max(100)
      .default(10)
      .meta({ title: 'Largest file', help: 'Anything larger is refused.', unit: 'GB', group: 'Limits' }),
    captions: z
      .boolean()
      .default(true)
      .meta({ title: 'Use captions that come along', help: 'Files with the same name, or subtitles inside the file.' }),
  }),
  capabilities: { assets: ['read', 'fetch'], media: ['subtitles'], ai: ['parse'] },
  fields: ['recording'],
  example: {
    config: { recording: { asset: 'a'.repeat(64) } },
    inputs: {},
    replies: [
      {
        asset: {
          asset: 'a'.repeat(64),
          kind: 'video',
          mime: 'video/mp4',
          bytes: 8_806_838,
          name: 'talk.mp4',
          width: 1280,
          height: 720,
          duration: 147.7,
          hasSound: true,
        },
        sidecars: [],
      },
      [],
    ],
    outputs: {
      recording: {
        asset: 'a'.repeat(64),
        kind: 'video',
        mime: 'video/mp4',
        bytes: 8_806_838,
        name: 'talk.mp4',
        width: 1280,
        height: 720,
        duration: 147.7,
        hasSound: true,
      },
    },
  },
});

/** Best first: words with times, then captions. */
const SIDECARS = ['application/json', 'text/vtt', 'application/x-subrip', 'application/ttml+xml'];

export const run: Run<typeof manifest> = async (ctx) => {
  const source = ctx.config.recording;
  if (!source) {
    throw new NodeError('RECORDING_MISSING', 'No recording has been chosen.', {
      hint: 'Upload a file, choose a stored one or paste an address in the node.',
      retry: 'person',
    });
  }
  const id = 'url' in source ? (await ctx.assets.fetch(source.url)).asset : source.asset;
  const { asset, sidecars } = await ctx.assets.inspect(id);
  const name = asset.name ?? 'The file';
  if (asset.bytes > ctx.config.maxSize * GB) {
    throw new NodeError(
      'RECORDING_TOO_LARGE',
      `${name} has ${size(asset.bytes)}, the limit is ${ctx.config.maxSize} GB.`,
      {
        hint: 'Raise "Largest file" in the node, or make the file smaller.',
      },
    );
  }
  if (asset.kind === 'text') {
    const text = await ctx.assets.readText(asset);
    ctx.fact('Text', `${text.trim().split(/\s+/).length} words`);
    return { text };
  }
  const recording = MediaAsset.safeParse(asset);
  if (!recording.success) {
    throw new NodeError('NOT_MEDIA', `${name} is neither a video nor a sound nor a text (${asset.mime}).`, {
      hint: 'Use MP4, MOV, MKV, WebM, MP3, WAV, M4A, FLAC, OGG, TXT or MD.',
    });
  }
  if (!recording.data.duration) {
    throw new NodeError('NOT_MEDIA', `${name} has no length: it is empty or damaged.`, {
      hint: 'Export it again and upload the new file.',
    });
  }
  ctx.fact('Length', clock(recording.data.duration));
  ctx.fact('Size', size(asset.bytes));
  const attached = ctx.config.captions ? await attachedTo(ctx, recording.data, sidecars) : undefined;
  if (attached) ctx.fact('Captions', `${attached.words.length} words`);
  return attached ? { recording: recording.data, attached } : { recording: recording.data };
};

/** Captions of the same name, else the first subtitle track. One that cannot be read is named in the log and left out. */
async function attachedTo(ctx: Ctx, recording: MediaAsset, sidecars: Asset[]): Promise<Transcript | undefined> {
  const duration = recording.duration ?? 0;
  const readable = sidecars
    .filter((sidecar) => SIDECARS.includes(sidecar.mime))
    .sort((a, b) => SIDECARS.indexOf(a.mime) - SIDECARS.indexOf(b.mime));
  const sources = readable.map((sidecar) => async () => ({
    text: await ctx.assets.readText(sidecar),
    name: sidecar.name ?? 'captions',
  }));
  for (const read of sources) {
    const parsed = await parsedOrNote(ctx, read, duration);
    if (parsed) return parsed;
  }
  if (recording.kind !== 'video') return undefined;
  const [track] = await ctx.media.subtitles({ asset: recording.asset });
  if (!track) return undefined;
  const { vtt, language } = track;
  return parsedOrNote(ctx, async () => ({ text: vtt, name: 'The subtitle track', language }), duration);
}

async function parsedOrNote(
  ctx: Ctx,
  read: () => Promise<{ text: string; name: string; language?: string }>,
  duration: number,
): Promise<Transcript | undefined> {
  try {
    return await ctx.ai.parse({ ...(await read()), duration });
  } catch (error) {
    const { code, message } = error as Partial<NodeError>;
    if (code !== 'ATTACHED_UNREADABLE' && code !== 'ASSET_NOT_TEXT') throw error;
    ctx.log(`Left out: ${message}`);
    ctx.fact('Captions', 'could not be read');
    return undefined;
  }
}

const size = (bytes: number) =>
  bytes >= GB ? `${(bytes / GB).toFixed(1)} GB` : `${(bytes / 1024 ** 2).toFixed(1)} MB`;

/** 147.7 → `2:27`, 3725 → `1:02:05` */
function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
