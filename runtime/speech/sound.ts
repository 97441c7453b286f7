/**
 * The sound of a recording as speech engines want it: one channel, 16 kHz, as a small file for a service, as WAV for a
 * program, or as samples for a child process. Seconds; `start` and `end` count from the recording's start.
 */
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { StepScope } from '../capabilities/capability.ts';
import { buildArguments, findFfmpeg, openJob, runFfmpeg } from '../capabilities/media/ffmpeg.ts';

export const RATE = 16_000;
export type Stretch = { start?: number | undefined; end?: number | undefined };
export type SoundFile = { path: string; folder: string } & AsyncDisposable;

const ENCODERS = {
  /** 48 kbit/s AAC: 0.36 MB a minute, every ffmpeg has it, every service takes it. */
  m4a: { name: 'sound.m4a', options: ['-c:a', 'aac', '-b:a', '48k', '-movflags', '+faststart', '-f', 'mp4'] },
  wav: { name: 'sound.wav', options: ['-c:a', 'pcm_s16le', '-f', 'wav'] },
} as const;
const ONE_CHANNEL = ['-map', '0:a:0', '-vn', '-sn', '-map_metadata', '-1', '-ac', '1', '-ar', String(RATE)];

const cut = ({ start, end }: Stretch) => ({
  ...(start === undefined ? {} : { start }),
  ...(end === undefined ? {} : { duration: end - (start ?? 0) }),
});

/** The file lives until it is disposed of. */
export async function soundFile(
  scope: StepScope,
  asset: string,
  kind: 'm4a' | 'wav',
  stretch: Stretch = {},
): Promise<SoundFile> {
  const tools = await findFfmpeg();
  const job = await openJob(scope, asset);
  try {
    const { name, options } = ENCODERS[kind];
    await runFfmpeg(tools, {
      job,
      args: buildArguments(
        { ...cut(stretch), outputs: [{ file: name, options: [...ONE_CHANNEL, ...options] }] },
        job.sniffed,
      ),
      signal: scope.signal,
    });
    return {
      path: path.join(job.folder, name),
      folder: job.folder,
      [Symbol.asyncDispose]: () => job[Symbol.asyncDispose](),
    };
  } catch (error) {
    await job[Symbol.asyncDispose]();
    throw error;
  }
}

/** Hands over 32-bit float samples in pieces of at most `seconds`. */
export async function eachSamples(
  scope: StepScope,
  asset: string,
  take: (bytes: Buffer) => Promise<void>,
  stretch: Stretch = {},
  seconds = 30,
): Promise<void> {
  const tools = await findFfmpeg();
  await using job = await openJob(scope, asset);
  const piece = seconds * RATE * 4;
  await runFfmpeg(tools, {
    job,
    args: buildArguments(
      { ...cut(stretch), outputs: [{ file: 'pipe:1', options: [...ONE_CHANNEL, '-f', 'f32le'] }] },
      job.sniffed,
    ),
    signal: scope.signal,
    async onStdout(stream: Readable) {
      let waiting: Buffer[] = [];
      let size = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        waiting.push(chunk);
        size += chunk.length;
        if (size < piece) continue;
        const all = Buffer.concat(waiting);
        const whole = all.length - (all.length % piece);
        for (let at = 0; at < whole; at += piece) await take(all.subarray(at, at + piece));
        waiting = [all.subarray(whole)];
        size = all.length - whole;
      }
      const rest = Buffer.concat(waiting);
      if (rest.length >= 4) await take(rest.subarray(0, rest.length - (rest.length % 4)));
    },
  });
}
