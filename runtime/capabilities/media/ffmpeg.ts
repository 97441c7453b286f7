/**
 * Finds ffmpeg and ffprobe, learns what they can do, and runs them on files that nobody trusts.
 *
 * Order: FFMPEG_PATH and FFPROBE_PATH, then PATH where the version is 5 or newer, then the packages
 * `@ffmpeg-installer/ffmpeg` and `@ffprobe-installer/ffprobe`. Which one it is, with its whole build configuration,
 * is the engine identity of every result made with it.
 *
 * Every run has: an argument list built by code, one input called `in.bin` in a fresh folder, a demuxer forced by our
 * own look at its first bytes, allow-lists for demuxers and protocols, an empty environment, limits on memory, file
 * size and time, a process group of its own, and an end when nothing has moved for 30 s or the step is aborted.
 * Units: seconds for media, milliseconds for waiting, bytes. Throws `MEDIA_…` and `DISK_FULL` as CapabilityError.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, constants, copyFile, link, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import ffmpegCommand from 'fluent-ffmpeg';
import { spawnConfined, takeBack } from '../../sandbox/spawn.ts';
import { type SniffedMedia, sniffMedia } from '../../sniff.ts';
import { CapabilityError, type StepScope } from '../capability.ts';

const require = createRequire(import.meta.url);

export type Ffmpeg = {
  ffmpeg: string;
  ffprobe: string;
  /** As the program names itself: `5.1.9-0+deb12u1`, `N-47683-g0e8eb07980-static`. */
  version: string;
  /** Where it was found: `FFMPEG_PATH`, `PATH` or the package's name. */
  from: string;
  filters: ReadonlySet<string>;
  /** Options that came with later versions. */
  options: ReadonlySet<string>;
  /** 16 hex digits of both programs' version and build text: part of every reuse key. */
  identity: string;
};

/** Filters the operations cannot do without, and what is lost where one is absent. */
export const NEEDED_FILTERS: Record<string, string> = {
  afftdn: 'denoising in Clean audio',
  agate: 'the gate in Clean audio',
  alimiter: 'loudness of pieces with high peaks',
  ass: 'captions burned into clips',
  crop: 'reframing',
  ebur128: 'measuring loudness',
  highpass: 'the high-pass in Clean audio',
  loudnorm: 'loudness in Clean audio',
  metadata: 'finding cuts',
  overlay: 'the blurred fill',
  select: 'finding cuts and stills',
  silencedetect: 'trimming silence',
};

const QUIET_MS = 30_000;
const STDERR_BYTES = 512 * 1024;
const STDOUT_BYTES = 64 * 1024 * 1024;
const ADDRESS_SPACE_BYTES = 12 * 1024 ** 3;
const FILE_BYTES = 16 * 1024 ** 3;
const NICE = 5;
/** Demuxers that read one file and nothing else. No hls, dash, concat, sdp, image2. */
const DEMUXERS = 'mov,matroska,wav,flac,ogg,mp3,aac';
const WHITELIST = ['-protocol_whitelist', 'file,pipe', '-format_whitelist', DEMUXERS];
const BOUNDS = [
  '-max_streams',
  '16',
  '-probesize',
  '5000000',
  '-analyzeduration',
  '5000000',
  '-max_pixels',
  '50000000',
];

// ---------------------------------------------------------------- finding it

function capture(program: string, args: string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env: {}, stdio: ['ignore', 'pipe', 'ignore'], timeout: 20_000 });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', () => resolve(null));
    child.on('close', (code) => resolve(code === 0 ? Buffer.concat(chunks).toString('utf8') : null));
  });
}

const versionOf = (text: string) => /^ff\w+ version (\S+)/.exec(text)?.[1] ?? 'unknown';
/** The leading number of a release; 0 for builds named after a commit. */
const majorOf = (text: string) => Number(/version n?(\d+)\./.exec(text)?.[1] ?? 0);

async function inPath(name: string, PATH: string): Promise<string | null> {
  for (const folder of PATH.split(path.delimiter)) {
    if (!path.isAbsolute(folder)) continue;
    const file = path.join(folder, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // next folder
    }
  }
  return null;
}

/** A program from its npm package; the executable bit is set where an unpacked archive has lost it. */
async function fromPackage(name: string): Promise<string | null> {
  try {
    const file = (require(name) as { path: string }).path;
    await access(file, constants.X_OK).catch(() => chmod(file, 0o755));
    return file;
  } catch {
    return null;
  }
}

/** Looks on this machine, with the environment given. */
export async function lookForFfmpeg(env: NodeJS.ProcessEnv): Promise<Ffmpeg> {
  const candidates: { from: string; ffmpeg: string | null; ffprobe: string | null; lowest: number }[] = [
    { from: 'FFMPEG_PATH', ffmpeg: env.FFMPEG_PATH || null, ffprobe: env.FFPROBE_PATH || null, lowest: 0 },
    {
      from: 'PATH',
      ffmpeg: await inPath('ffmpeg', env.PATH ?? ''),
      ffprobe: await inPath('ffprobe', env.PATH ?? ''),
      lowest: 5,
    },
    {
      from: '@ffmpeg-installer/ffmpeg',
      ffmpeg: await fromPackage('@ffmpeg-installer/ffmpeg'),
      ffprobe: await fromPackage('@ffprobe-installer/ffprobe'),
      lowest: 0,
    },
  ];
  const bundled = candidates[2]!;
  for (const { from, lowest, ffmpeg, ffprobe: found } of candidates) {
    if (!ffmpeg) continue;
    const ffprobe = found ?? (from === 'PATH' ? null : bundled.ffprobe);
    if (!ffprobe) continue;
    const [own, probes] = await Promise.all([capture(ffmpeg, ['-version']), capture(ffprobe, ['-version'])]);
    if (own === null || probes === null) {
      if (from !== 'FFMPEG_PATH') continue;
      throw new CapabilityError(
        'MEDIA_NO_FFMPEG',
        `FFMPEG_PATH or FFPROBE_PATH names no program that runs (${ffmpeg}).`,
        {
          hint: 'Correct them, or unset them to use the bundled ffmpeg.',
        },
      );
    }
    if (majorOf(own) < lowest) continue;
    const [filters, help] = await Promise.all([
      capture(ffmpeg, ['-hide_banner', '-filters']),
      capture(ffmpeg, ['-hide_banner', '-h', 'full']),
    ]);
    return {
      ffmpeg,
      ffprobe,
      from,
      version: versionOf(own),
      filters: new Set([...(filters ?? '').matchAll(/^ [.TSC|]{2,4}\s+(\w+)\s+\S+->\S+/gm)].map((match) => match[1]!)),
      options: new Set([...(help ?? '').matchAll(/^ *-(\w+)\s/gm)].map((match) => match[1]!)),
      identity: createHash('sha256').update(own).update(probes).digest('hex').slice(0, 16),
    };
  }
  throw new CapabilityError('MEDIA_NO_FFMPEG', 'No ffmpeg was found on this machine.', {
    hint: 'Install ffmpeg 5 or newer, or set FFMPEG_PATH and FFPROBE_PATH.',
  });
}

let found: Promise<Ffmpeg> | undefined;
/** Looked for once per process. */
export function findFfmpeg(): Promise<Ffmpeg> {
  found ??= lookForFfmpeg(process.env).catch((error: unknown) => {
    found = undefined;
    throw error;
  });
  return found;
}

// ---------------------------------------------------------------- the input

/** A recording made ready for ffmpeg: in a fresh folder, under a name of ours, with its demuxer decided. */
export type Job = { folder: string; sniffed: SniffedMedia; bytes: number } & AsyncDisposable;

/** Links (or copies) the asset into a fresh folder. Throws MEDIA_NOT_RECORDING where its first bytes are of no kind we take. */
export async function openJob(scope: Pick<StepScope, 'assets'>, asset: string): Promise<Job> {
  const source = await scope.assets.path(asset);
  const sniffed = await sniffMedia(source);
  if (!sniffed) {
    throw new CapabilityError(
      'MEDIA_NOT_RECORDING',
      'This file is not a recording: its content is of no known audio or video format.',
      {
        hint: 'Takes MP4, MOV, MKV, WebM, MP3, WAV, M4A, FLAC and OGG.',
      },
    );
  }
  const folder = await scope.assets.jobFolder();
  try {
    const { mode, size } = await stat(source);
    await lendFile(source, path.join(folder.path, 'in.bin'), mode);
    return {
      folder: folder.path,
      sniffed,
      bytes: size,
      async [Symbol.asyncDispose]() {
        await takeBack(folder.path).catch(() => {});
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** A hard link where a confined uid may read it, else a copy of its own. */
async function lendFile(source: string, target: string, mode: number): Promise<void> {
  if ((mode & 0o004) !== 0) {
    try {
      await link(source, target);
      return;
    } catch {
      // another file system, or one without links
    }
  }
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  await chmod(target, 0o644);
}

// ---------------------------------------------------------------- arguments

export type Output = { file: string; options: string[] };
export type Plan = {
  /** Seconds into the input, before decoding (exact: frames before it are decoded and dropped). */
  start?: number;
  /** Seconds of the input that are read. */
  duration?: number;
  /** Options of the input besides the safety ones. */
  inputOptions?: string[];
  /** Pictures drawn by ffmpeg itself, as lavfi sources, behind the recording. */
  sources?: string[];
  filter?: string;
  outputs: Output[];
};

/** The whole argument list. fluent-ffmpeg orders it; nothing in it comes from a user as text. */
export function buildArguments(plan: Plan, sniffed: SniffedMedia): string[] {
  const command = ffmpegCommand();
  command
    .input('file:in.bin')
    .inputOptions('-f', sniffed.demuxer, ...WHITELIST, ...BOUNDS, ...(plan.inputOptions ?? []));
  if (plan.start) command.inputOptions('-ss', seconds(plan.start));
  if (plan.duration !== undefined) command.inputOptions('-t', seconds(plan.duration));
  for (const source of plan.sources ?? []) command.input(source).inputOptions('-f', 'lavfi');
  if (plan.filter) command.complexFilter(plan.filter);
  for (const output of plan.outputs)
    command.output(output.file).outputOptions('-dn', ...['-map_chapters', '-1'], ...output.options);
  const args = (command as unknown as { _getArguments(): string[] })._getArguments();
  return ['-nostdin', '-hide_banner', '-max_alloc', '2000000000', '-progress', 'pipe:3', ...args];
}

/** Decimal seconds, without exponent. */
export const seconds = (value: number) => value.toFixed(6);

// ---------------------------------------------------------------- running

export type RunOptions = {
  job: Pick<Job, 'folder'>;
  args: string[];
  signal: AbortSignal;
  /** The whole environment; empty where absent. */
  env?: Record<string, string>;
  /** Seconds of output expected: turns ffmpeg's report into a fraction. */
  expected?: number;
  onProgress?(fraction: number): void;
  /** Takes stdout as it comes; without it stdout is collected. */
  onStdout?(stream: Readable): Promise<void>;
};

export type Ran = { stderr: string; stdout: Buffer };

/** Runs ffmpeg in the job's folder. Resolves after it has ended well and its files are ours again. */
export async function runFfmpeg(tools: Ffmpeg, options: RunOptions): Promise<Ran> {
  return runConfined(tools.ffmpeg, options);
}

export async function runConfined(program: string, options: RunOptions): Promise<Ran> {
  const { job, signal } = options;
  const child = await spawnConfined(program, options.args, {
    cwd: job.folder,
    ownFolder: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    addressSpaceBytes: ADDRESS_SPACE_BYTES,
    fileSizeBytes: FILE_BYTES,
    nice: NICE,
    ...(options.env ? { env: options.env } : {}),
    signal,
  });
  let stalled = false;
  let timer: NodeJS.Timeout | undefined;
  const moved = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      stalled = true;
      child.kill();
    }, QUIET_MS);
  };
  moved();

  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_BYTES);
  });
  let last = '';
  const report = child.child.stdio[3] as Readable | null;
  report?.setEncoding('utf8').on('data', (text: string) => {
    const at = /(?:^|\n)(?:out_time_us|out_time_ms)=(-?\d+)/.exec(text)?.[1];
    const size = /(?:^|\n)total_size=(\d+)/.exec(text)?.[1];
    const frame = /(?:^|\n)frame=\s*(\d+)/.exec(text)?.[1];
    const mark = `${at} ${size} ${frame}`;
    if (mark === last) return;
    last = mark;
    moved();
    if (at && options.expected) options.onProgress?.(Math.min(1, Math.max(0, Number(at) / 1e6 / options.expected)));
  });

  const chunks: Buffer[] = [];
  let collected = 0;
  let overflow = false;
  let consumed: Promise<unknown> = Promise.resolve();
  if (child.stdout) {
    child.stdout.on('data', (chunk: Buffer) => {
      moved();
      if (options.onStdout) return;
      collected += chunk.length;
      if (collected > STDOUT_BYTES) {
        overflow = true;
        child.kill();
      } else chunks.push(chunk);
    });
    if (options.onStdout) {
      consumed = options.onStdout(child.stdout).catch((error: unknown) => {
        child.kill();
        throw error;
      });
      consumed.catch(() => {}); // awaited below, after the exit
    }
  }
  const closed = new Promise<void>((resolve) => child.child.once('close', () => resolve()));
  try {
    const exit = await child.exited;
    await closed;
    signal.throwIfAborted();
    if (stalled) {
      throw new CapabilityError('MEDIA_STALLED', 'The media program stood still for 30 s and was ended.', {
        hint: 'The file may be damaged. It is tried again once or twice by itself.',
        retry: 'later',
      });
    }
    if (overflow)
      throw new CapabilityError('MEDIA_TOO_LARGE', 'The media program answered with more than can be read.');
    if (exit.code !== 0) throw complaint(stderr, exit.code);
    await consumed;
    return { stderr, stdout: Buffer.concat(chunks) };
  } finally {
    clearTimeout(timer);
    child.kill();
    await takeBack(job.folder);
  }
}

/** ffmpeg's own last words, with the paths and addresses cut off, as an error people can use. */
function complaint(stderr: string, code: number | null): CapabilityError {
  if (/No space left on device/i.test(stderr)) {
    return new CapabilityError('DISK_FULL', 'The disk is full, so this file could not be written.', {
      hint: 'Free some space, then retry. What was finished is kept.',
      retry: 'later',
    });
  }
  const lines = stderr
    .split('\n')
    .map((line) =>
      line
        .replace(/^\[[^\]]*\]\s*/, '')
        .replace(/0x[0-9a-f]+/gi, '')
        .replace(/file:in\.bin|in\.bin/g, 'the recording')
        .trim(),
    )
    .filter((line) =>
      /error|invalid|unknown|could not|cannot|not found|failed|unsupported|no such|denied|moov/i.test(line),
    );
  const words = (lines.at(-1) ?? `it ended with code ${code ?? 'none'}`).slice(0, 300);
  return new CapabilityError('MEDIA_FAILED', `The recording could not be processed: ${words}`, {
    hint: 'Play the file to see whether it is whole. If it plays, export it again as MP4.',
  });
}

// ---------------------------------------------------------------- the self-test

/**
 * Proves on this machine, with this build, that a playlist which poses as a recording reads nothing else: first by our
 * own look at it, then, with that look switched off, by ffmpeg's allow-lists. Throws MEDIA_UNSAFE where one lets it pass.
 */
export async function refusesPlaylists(tools: Ffmpeg): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'spliceboard-media-'));
  try {
    const playlist = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:secret.wav\n#EXT-X-ENDLIST\n';
    const silence = Buffer.alloc(44 + 16_000);
    silence.write('RIFF', 0);
    silence.writeUInt32LE(36 + 16_000, 4);
    silence.write('WAVEfmt ', 8);
    silence.writeUInt32LE(16, 16);
    for (const [at, value] of [
      [20, 1],
      [22, 1],
      [32, 2],
      [34, 16],
    ] as const)
      silence.writeUInt16LE(value, at);
    silence.writeUInt32LE(8000, 24);
    silence.writeUInt32LE(16_000, 28);
    silence.write('data', 36);
    silence.writeUInt32LE(16_000, 40);
    const refused = (why: string) =>
      new CapabilityError('MEDIA_UNSAFE', `ffmpeg ${tools.version} ${why}: nothing is decoded with it.`, {
        hint: 'Use another build of ffmpeg.',
      });
    await writeFile(path.join(folder, 'in.bin'), playlist);
    await writeFile(path.join(folder, 'secret.wav'), silence);
    if (await sniffMedia(path.join(folder, 'in.bin'))) throw refused('was offered a playlist as a recording');
    const signal = AbortSignal.timeout(20_000);
    for (const demuxer of ['hls', 'mov']) {
      const args = ['-nostdin', '-v', 'error', '-f', demuxer, ...WHITELIST, '-i', 'file:in.bin', '-f', 'null', '-'];
      const passed = await runConfined(tools.ffmpeg, { job: { folder }, args, signal }).then(
        () => true,
        () => false,
      );
      if (passed) throw refused('read a playlist that posed as a recording');
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
