/**
 * What a recording is: container, duration, picture, sound, subtitle tracks. ffprobe's answer, parsed and bounded.
 *
 * Width and height are as people see the picture: after rotation and with square pixels. Cover art is no picture track.
 * Seconds, frames per second, pixels. Throws MEDIA_NOT_RECORDING, MEDIA_TOO_LARGE, MEDIA_FAILED.
 */
import * as z from 'zod';
import type { MediaFacts } from '../../../nodes/contract.ts';
import { CapabilityError, type StepScope } from '../capability.ts';
import { buildArguments, type Ffmpeg, type Job, openJob, runConfined, runFfmpeg } from './ffmpeg.ts';

/** Longest recording taken, seconds. */
const LONGEST = 24 * 3600;
const LARGEST_SIDE = 8192;

const Stream = z.object({
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  avg_frame_rate: z.string().optional(),
  r_frame_rate: z.string().optional(),
  sample_aspect_ratio: z.string().optional(),
  sample_rate: z.string().optional(),
  channels: z.number().optional(),
  duration: z.string().optional(),
  pix_fmt: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  disposition: z.record(z.string(), z.number()).optional(),
  side_data_list: z.array(z.looseObject({ rotation: z.number().optional() })).optional(),
});
const Probe = z.object({
  format: z.object({ format_name: z.string(), duration: z.string().optional() }),
  streams: z.array(Stream).max(64),
});

export type Facts = MediaFacts & {
  /** Languages of the subtitle tracks that are text, with their place among the subtitle tracks. */
  texts: { index: number; language: string }[];
  /** Pixels are not square: the picture has to be stretched by this much sideways. */
  stretch: number;
};

const ratio = (text: string | undefined, separator: string): number | undefined => {
  const [over, under] = (text ?? '').split(separator).map(Number);
  return over && under ? over / under : undefined;
};
const positive = (text: string | undefined): number | undefined => {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : undefined;
};

const TEXT_SUBTITLES = new Set(['subrip', 'ass', 'ssa', 'mov_text', 'webvtt', 'text']);

export async function probeJob(tools: Ffmpeg, job: Job, signal: AbortSignal): Promise<Facts> {
  const args = [
    ...['-v', 'error', '-hide_banner', '-print_format', 'json', '-show_format', '-show_streams'],
    ...['-protocol_whitelist', 'file,pipe', '-format_whitelist', job.sniffed.demuxer, '-max_streams', '16'],
    ...['-probesize', '5000000', '-analyzeduration', '5000000', '-f', job.sniffed.demuxer, 'file:in.bin'],
  ];
  const { stdout } = await runConfined(tools.ffprobe, { job, args, signal });
  const { format, streams } = Probe.parse(JSON.parse(stdout.toString('utf8')));
  const video = streams.find(
    (stream) => stream.codec_type === 'video' && !stream.disposition?.attached_pic && stream.width,
  );
  const audio = streams.find((stream) => stream.codec_type === 'audio' && stream.channels);
  if (!video && !audio) {
    throw new CapabilityError('MEDIA_NOT_RECORDING', 'This file has neither a picture track nor a sound track.', {
      hint: 'Takes MP4, MOV, MKV, WebM, MP3, WAV, M4A, FLAC and OGG.',
    });
  }
  const duration =
    positive(format.duration) ??
    positive(video?.duration) ??
    positive(audio?.duration) ??
    (await measureDuration(tools, job, signal));
  if (duration > LONGEST) {
    throw new CapabilityError(
      'MEDIA_TOO_LARGE',
      `This recording is ${Math.round(duration / 3600)} hours long; up to 24 are taken.`,
      {
        hint: 'Cut it into parts.',
      },
    );
  }
  const texts = streams
    .filter((stream) => stream.codec_type === 'subtitle')
    .map((stream, index) => ({
      index,
      language: (stream.tags?.language ?? 'und').slice(0, 35),
      codec: stream.codec_name ?? '',
    }))
    .filter((track) => TEXT_SUBTITLES.has(track.codec))
    .map(({ index, language }) => ({ index, language }));

  let picture: MediaFacts['video'] = null;
  let stretch = 1;
  if (video?.width && video.height) {
    const side = video.side_data_list?.find((data) => data.rotation !== undefined)?.rotation;
    const rotation = (((Math.round(side ?? -Number(video.tags?.rotate ?? 0)) % 360) + 360) % 360) as number;
    const square = ratio(video.sample_aspect_ratio, ':');
    if (square && square > 0.2 && square < 5) stretch = square;
    const [wide, high] = [Math.round(video.width * stretch), video.height];
    const turned = rotation % 180 === 90;
    if (Math.max(wide, high) > LARGEST_SIDE) {
      throw new CapabilityError(
        'MEDIA_TOO_LARGE',
        `The picture is ${wide} × ${high}; up to ${LARGEST_SIDE} pixels a side are taken.`,
      );
    }
    const rate = ratio(video.avg_frame_rate, '/') ?? ratio(video.r_frame_rate, '/') ?? 25;
    picture = {
      codec: video.codec_name ?? 'unknown',
      width: turned ? high : wide,
      height: turned ? wide : high,
      rate: Math.min(240, Math.round(rate * 1000) / 1000),
      rotation,
    };
  }
  return {
    kind: picture ? 'video' : 'audio',
    format: job.sniffed.demuxer,
    duration,
    bytes: job.bytes,
    video: picture,
    audio: audio
      ? {
          codec: audio.codec_name ?? 'unknown',
          channels: audio.channels ?? 1,
          sampleRate: Number(audio.sample_rate ?? 0),
        }
      : null,
    subtitles: texts.length,
    texts,
    stretch,
  };
}

/** For files whose header tells no duration (recordings by a browser): reads through once. */
async function measureDuration(tools: Ffmpeg, job: Job, signal: AbortSignal): Promise<number> {
  const args = buildArguments(
    { outputs: [{ file: '-', options: ['-map', '0:v:0?', '-map', '0:a:0?', '-c', 'copy', '-f', 'null'] }] },
    job.sniffed,
  );
  const { stderr } = await runFfmpeg(tools, { job, args, signal });
  const [, hours, minutes, rest] = [...stderr.matchAll(/time=(\d+):(\d+):([\d.]+)/g)].at(-1) ?? [];
  const duration = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(rest ?? 0);
  if (duration > 0) return duration;
  throw new CapabilityError('MEDIA_NOT_RECORDING', 'This recording has no length: there is nothing in it.');
}

export async function probe(tools: Ffmpeg, scope: StepScope, asset: string): Promise<Facts> {
  await using job = await openJob(scope, asset);
  return await probeJob(tools, job, scope.signal); // awaited here: the folder goes when this returns
}

/** Text subtitle tracks inside the file, as WebVTT. */
export async function subtitles(
  tools: Ffmpeg,
  scope: StepScope,
  asset: string,
): Promise<{ language: string; vtt: string }[]> {
  await using job = await openJob(scope, asset);
  const { texts } = await probeJob(tools, job, scope.signal);
  const found: { language: string; vtt: string }[] = [];
  for (const { index, language } of texts.slice(0, 8)) {
    const plan = {
      outputs: [
        { file: 'pipe:1', options: ['-map', `0:s:${index}`, '-c:s', 'webvtt', '-f', 'webvtt', '-fs', '4000000'] },
      ],
    };
    const { stdout } = await runFfmpeg(tools, { job, args: buildArguments(plan, job.sniffed), signal: scope.signal });
    const vtt = stdout.toString('utf8');
    if (vtt.includes('-->')) found.push({ language, vtt });
  }
  return found;
}
