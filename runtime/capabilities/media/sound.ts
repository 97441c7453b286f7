/**
 * Measures and treats sound: loudness after EBU R 128, the clean-up of Clean audio, peak envelopes.
 *
 * Loudness takes two passes: measure, then one gain for all wherever true peak and loudness range allow it (what
 * loudnorm calls linear; a plain gain does the same without its way through 192 kHz: 12 s became 4 for talk.mp4,
 * measured 2026-11-23). Where they do not, loudnorm's dynamic mode is used and checked; if that misses the target by more than
 * 0.4 LU, a gain with a true-peak limiter brings it there. The result says which.
 * Source: EBU R 128, ITU-R BS.1770; loudnorm ends at 192 kHz, so every chain ends with a way back to 48 kHz.
 * LUFS, dBTP, LU, seconds.
 */
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { CleanInput, CleanResult, Loudness } from '../../../nodes/contract.ts';
import { CapabilityError, type StepScope } from '../capability.ts';
import { buildArguments, type Ffmpeg, type Job, openJob, type Plan, runFfmpeg } from './ffmpeg.ts';
import { type Facts, probeJob } from './probe.ts';

export const TOLERANCE_LU = 0.5;
/** A limiter works on samples; the reconstructed wave and the encoder overshoot a little. */
const LIMITER_MARGIN_DB = 0.6;
const METER = 'ebur128=peak=true:framelog=verbose';

export const SILENCE: Loudness = { integrated: null, truePeak: null, range: null };
type Target = { integrated: number; truePeak: number; range: number };

const finite = (text: string | undefined): number | null => {
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) ? value : null;
};

/** The summary ebur128 prints at the end. Below −70 LUFS there was nothing to hear. */
export function readMeter(stderr: string): Loudness {
  const at = stderr.lastIndexOf('Summary:');
  if (at < 0) return SILENCE;
  const text = stderr.slice(at);
  const integrated = finite(/I:\s+(\S+) LUFS/.exec(text)?.[1]);
  if (integrated === null || integrated <= -69.9) return SILENCE;
  return {
    integrated,
    range: finite(/LRA:\s+(\S+) LU/.exec(text)?.[1]),
    truePeak: finite(/Peak:\s+(\S+) dBFS/.exec(text)?.[1]),
  };
}

/** The figures of loudnorm's first pass, as it printed them, or null for silence. */
function readLoudnorm(stderr: string): Record<string, string> | null {
  const from = stderr.lastIndexOf('{', stderr.lastIndexOf('"input_i"'));
  const to = stderr.indexOf('}', from);
  if (from < 0 || to < 0) return null;
  const figures = JSON.parse(stderr.slice(from, to + 1)) as Record<string, string>;
  return finite(figures.input_i) === null || Number(figures.input_i) <= -69.9 ? null : figures;
}

const noSound = () =>
  new CapabilityError('MEDIA_NO_SOUND', 'This recording has no sound.', {
    hint: 'Choose a recording with a sound track.',
  });

async function meter(
  tools: Ffmpeg,
  job: Job,
  signal: AbortSignal,
  plan: Pick<Plan, 'start' | 'duration'>,
  file?: string,
): Promise<Loudness> {
  const input = file ? { ...job.sniffed, demuxer: 'mov' as const } : job.sniffed;
  const args = buildArguments(
    { ...plan, outputs: [{ file: '-', options: ['-map', '0:a:0', '-vn', '-af', METER, '-f', 'null'] }] },
    input,
  );
  if (file) args[args.indexOf('file:in.bin')] = `file:${file}`;
  return readMeter((await runFfmpeg(tools, { job, args, signal })).stderr);
}

/** Loudness of a recording or a piece of it. */
export async function loudness(
  tools: Ffmpeg,
  scope: StepScope,
  input: { asset: string; start?: number; end?: number },
): Promise<Loudness> {
  await using job = await openJob(scope, input.asset);
  const facts = await probeJob(tools, job, scope.signal);
  if (!facts.audio) return SILENCE;
  const start = Math.min(input.start ?? 0, facts.duration);
  return await meter(tools, job, scope.signal, {
    start,
    duration: Math.max(0.1, (input.end ?? facts.duration) - start),
  });
}

/** Measures a finished MP4 in the job's folder. */
export const meterFile = (tools: Ffmpeg, job: Job, signal: AbortSignal, file: string) =>
  meter(tools, job, signal, {}, file);

/** Brings sound to a target by one gain, and holds the peaks with a limiter on four times the samples. */
export function limiterChain(gainDb: number, truePeak: number): string {
  const limit = 10 ** ((truePeak - LIMITER_MARGIN_DB) / 20);
  return `volume=${gainDb.toFixed(3)}dB,aresample=192000,alimiter=limit=${limit.toFixed(6)}:attack=2:release=80:level=disabled,aresample=48000`;
}

export type Gain = { chain: string; linear: boolean };

/** What a piece of sound goes through before its gain; `start` and `duration` where it is not the whole recording. */
type Piece = { before: Loudness; chain: string[]; start?: number; duration?: number };

/** Above this the limiter has nothing left to give; dB over the plain gain. */
const MOST_PUSH_DB = 24;
const NEAR_LU = 0.15;

/**
 * What brings a piece of the open recording to its target: plain gain where its peaks allow it; otherwise gain and
 * limiter, the gain searched by measuring (the harder a limiter is pushed, the less each decibel adds).
 */
export async function gainFor(
  tools: Ffmpeg,
  job: Job,
  signal: AbortSignal,
  piece: Piece,
  target: Target,
): Promise<Gain> {
  const { before } = piece;
  if (before.integrated === null) return { chain: 'anull', linear: true };
  const plain = target.integrated - before.integrated;
  if ((before.truePeak ?? 0) + plain <= target.truePeak) return { chain: `volume=${plain.toFixed(3)}dB`, linear: true };
  const reached = async (gain: number) => {
    const filters = [...piece.chain, limiterChain(gain, target.truePeak), METER].join(',');
    const { start, duration } = piece;
    const plan = {
      start,
      duration,
      outputs: [{ file: '-', options: ['-map', '0:a:0', '-vn', '-af', filters, '-f', 'null'] }],
    };
    return readMeter((await runFfmpeg(tools, { job, args: buildArguments(plan, job.sniffed), signal })).stderr)
      .integrated;
  };
  let gain = plain;
  let slope = 0.7;
  let last: { gain: number; level: number } | null = null;
  for (let round = 0; round < 7; round++) {
    const level = await reached(gain);
    if (level === null) break;
    const missing = target.integrated - level;
    if (Math.abs(missing) <= NEAR_LU) break;
    if (last && Math.abs(gain - last.gain) > 0.01)
      slope = Math.min(1.2, Math.max(0.1, (level - last.level) / (gain - last.gain)));
    last = { gain, level };
    gain = Math.min(plain + MOST_PUSH_DB, Math.max(plain - 6, gain + missing / slope));
  }
  return { chain: limiterChain(gain, target.truePeak), linear: false };
}

// ---------------------------------------------------------------- Clean audio

const HIGH_BANDS_DB = 24;

/** The treatment before loudness. Order: rumble, noise, gate. */
function treatment(input: CleanInput, channels: number): string[] {
  const chain: string[] = channels > 2 ? ['aformat=channel_layouts=stereo'] : []; // what comes out is what is measured
  if (input.highPass > 0) chain.push(`highpass=f=${input.highPass.toFixed(1)}`);
  if (input.denoise > 0) chain.push(`afftdn=nr=${(input.denoise * HIGH_BANDS_DB).toFixed(2)}:nf=-40:tn=1`);
  if (input.gate !== null) {
    chain.push(`agate=threshold=${(10 ** (input.gate / 20)).toFixed(6)}:ratio=4:attack=10:release=250:range=0.06`);
  }
  return chain;
}

/** Pauses below −45 dBFS. Half of what is left of each stays on either side, so words keep their breath. */
const PAUSE_DB = -45;

/** Pieces to keep when pauses longer than `longest` are shortened to it. Seconds, in order, without overlap. */
export function keepPieces(
  pauses: { start: number; end: number }[],
  longest: number,
  duration: number,
): { start: number; end: number }[] {
  const pieces: { start: number; end: number }[] = [];
  let from = 0;
  for (const pause of pauses) {
    if (pause.end - pause.start <= longest) continue;
    const leaves = pause.start <= 0.01 ? 0 : pause.start + longest / 2;
    const returns = pause.end >= duration - 0.01 ? duration : pause.end - longest / 2;
    if (leaves > from) pieces.push({ start: from, end: leaves });
    from = returns;
  }
  if (from < duration) pieces.push({ start: from, end: duration });
  return pieces.length > 0 ? pieces : [{ start: 0, end: duration }];
}

/** Moves cuts onto whole video frames, so that picture and sound lose exactly the same. */
export function onFrames(pieces: { start: number; end: number }[], rate: number): { start: number; end: number }[] {
  const grid = (value: number) => Math.round(value * rate) / rate;
  return pieces
    .map(({ start, end }) => ({ start: grid(start), end: grid(end) }))
    .filter(({ start, end }) => end > start);
}

async function findPauses(tools: Ffmpeg, job: Job, signal: AbortSignal, chain: string[], shortest: number) {
  const filters = [...chain, `silencedetect=noise=${PAUSE_DB}dB:d=${shortest.toFixed(3)}`];
  const args = buildArguments(
    { outputs: [{ file: '-', options: ['-map', '0:a:0', '-vn', '-af', filters.join(','), '-f', 'null'] }] },
    job.sniffed,
  );
  const { stderr } = await runFfmpeg(tools, { job, args, signal });
  const pauses: { start: number; end: number }[] = [];
  for (const match of stderr.matchAll(/silence_(start|end): (-?[\d.]+)/g)) {
    const at = Math.max(0, Number(match[2]));
    if (match[1] === 'start') pauses.push({ start: at, end: Number.POSITIVE_INFINITY });
    else if (pauses.length > 0) pauses.at(-1)!.end = at;
  }
  return pauses;
}

const between = (pieces: { start: number; end: number }[], slack: number) =>
  pieces.map(({ start, end }) => `between(t,${(start - slack).toFixed(6)},${(end - slack).toFixed(6)})`).join('+');

type Container = { file: string; video: string[]; audio: string[]; mime: string; kind: 'video' | 'audio' };

/** Where the treated copy lies: the picture is copied, so the container must be able to hold it. */
function containerFor(facts: Facts): Container {
  if (!facts.video) {
    const lossless = /^(pcm_|flac|alac)/.test(facts.audio?.codec ?? '');
    return lossless
      ? {
          file: 'out.flac',
          video: [],
          audio: ['-c:a', 'flac', '-sample_fmt', 's16'],
          mime: 'audio/flac',
          kind: 'audio',
        }
      : {
          file: 'out.m4a',
          video: [],
          audio: ['-c:a', 'aac', '-b:a', '192k', '-movflags', '+faststart'],
          mime: 'audio/mp4',
          kind: 'audio',
        };
  }
  const audio = ['-c:a', 'aac', '-b:a', '192k'];
  const mp4 = ['h264', 'hevc', 'mpeg4'].includes(facts.video.codec);
  return mp4
    ? { file: 'out.mp4', video: ['-c:v', 'copy', '-movflags', '+faststart'], audio, mime: 'video/mp4', kind: 'video' }
    : { file: 'out.mkv', video: ['-c:v', 'copy'], audio, mime: 'video/x-matroska', kind: 'video' };
}

/**
 * A copy of the recording with its sound treated. The picture is copied untouched, except where pauses are shortened:
 * then it loses the same frames as the sound and is encoded again, so lips stay with words.
 */
export async function clean(tools: Ffmpeg, scope: StepScope, input: CleanInput): Promise<CleanResult> {
  await using job = await openJob(scope, input.asset);
  const { signal } = scope;
  const facts = await probeJob(tools, job, signal);
  if (!facts.audio) throw noSound();
  const share = (from: number, to: number) => (fraction: number) => scope.progress(from + (to - from) * fraction);
  const chain = treatment(input, facts.audio.channels);
  const container = containerFor(facts);

  let expected = facts.duration;
  const picture: string[] = [];
  if (input.trimSilence !== null) {
    const pauses = await findPauses(tools, job, signal, chain, input.trimSilence);
    let pieces = keepPieces(pauses, input.trimSilence, facts.duration);
    if (facts.video) pieces = onFrames(pieces, Math.min(facts.video.rate, 60));
    expected = pieces.reduce((sum, piece) => sum + piece.end - piece.start, 0);
    if (expected < facts.duration - 0.02) {
      // one-millisecond frames, so that thousands of cuts do not add up to a drift
      chain.push(
        'aresample=48000',
        'asetnsamples=n=48:p=0',
        `aselect='${between(pieces, 0.0005)}'`,
        'asetpts=N/SR/TB',
        'asetnsamples=n=1024:p=0',
      );
      if (facts.video) {
        const rate = Math.min(facts.video.rate, 60);
        picture.push(
          `fps=${rate}`,
          `select='${between(pieces, 0.5 / rate)}'`,
          `setpts=N/(${rate}*TB)`,
          'format=yuv420p',
        );
        container.video = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '18', '-movflags', '+faststart'];
        if (container.file === 'out.mkv') Object.assign(container, { file: 'out.mp4', mime: 'video/mp4' });
      }
    }
  }

  const target = input.loudness;
  // first pass: the source as it is, and after treatment, in one decode
  const [before, treated] = await measureBoth(tools, job, signal, chain, expected, share(0, 0.3));

  async function write(sound: string, from: number, to: number): Promise<{ after: Loudness }> {
    const filters = [`[0:a:0]${[...chain, sound, 'aresample=48000'].join(',')}[sound]`];
    if (picture.length > 0) filters.push(`[0:v:0]${picture.join(',')}[picture]`);
    const video =
      container.kind === 'video' ? ['-map', picture.length > 0 ? '[picture]' : '0:v:0', ...container.video] : ['-vn'];
    const options = [
      ...video,
      '-map',
      '[sound]',
      '-ac',
      facts.audio?.channels === 1 ? '1' : '2',
      '-ar',
      '48000',
      ...container.audio,
    ];
    const args = buildArguments(
      {
        filter: filters.join(';'),
        outputs: [{ file: container.file, options: [...options, '-sn', '-map_metadata', '-1'] }],
      },
      job.sniffed,
    );
    await rm(path.join(job.folder, container.file), { force: true }); // an earlier round's, of another uid
    await runFfmpeg(tools, { job, args, signal, expected, onProgress: share(from, to) });
    const demuxer = container.file.endsWith('.flac') ? 'flac' : container.file.endsWith('.mkv') ? 'matroska' : 'mov';
    const measure = buildArguments(
      { outputs: [{ file: '-', options: ['-map', '0:a:0', '-vn', '-af', METER, '-f', 'null'] }] },
      { ...job.sniffed, demuxer },
    );
    measure[measure.indexOf('file:in.bin')] = `file:${container.file}`;
    return { after: readMeter((await runFfmpeg(tools, { job, args: measure, signal })).stderr) };
  }

  let linear = true;
  let note: string | null = null;
  let after: Loudness;
  if (!target) ({ after } = await write('anull', 0.3, 1));
  else if (treated.integrated === null) {
    note = 'There is nothing to hear, so loudness was left as it is.';
    ({ after } = await write('anull', 0.3, 1));
  } else {
    const gain = target.integrated - treated.integrated;
    const why = whyDynamic(treated, gain, target);
    if (why === null) ({ after } = await write(`volume=${gain.toFixed(3)}dB`, 0.3, 1));
    else {
      linear = false;
      note = why;
      ({ after } = await write(await dynamicChain(tools, job, signal, chain, target), 0.3, 0.8));
    }
    if (after.integrated !== null && Math.abs(after.integrated - target.integrated) > TOLERANCE_LU - 0.1) {
      const held = await gainFor(tools, job, signal, { before: treated, chain }, target);
      linear = held.linear;
      if (!held.linear) note = [why, 'A limiter holds the peaks.'].filter(Boolean).join(' ');
      ({ after } = await write(held.chain, 0.8, 1));
    }
  }

  const name = path.join(job.folder, `clean-${container.file}`);
  await rename(path.join(job.folder, container.file), name);
  const source = await scope.assets.find(input.asset);
  const asset = await scope.assets.putFile(
    name,
    {
      kind: container.kind,
      mime: container.mime,
      name: cleanName(source?.name, container.file),
      duration: Math.round(expected * 1000) / 1000,
      ...(facts.video
        ? { width: facts.video.width, height: facts.video.height, rate: facts.video.rate, hasSound: true }
        : {}),
      ...(source?.of ? { of: source.of } : {}),
    },
    [input.asset],
  );
  return { asset: { ...asset, kind: container.kind }, before, after, linear, note };
}

/** Why one gain for all is not possible, or null where it is. */
function whyDynamic(treated: Loudness, gain: number, target: Target): string | null {
  const peak = (treated.truePeak ?? Number.NEGATIVE_INFINITY) + gain;
  if (peak > target.truePeak) {
    return `One gain for all was not possible: peaks would have reached ${peak.toFixed(1)} dBTP, ${target.truePeak} are allowed.`;
  }
  if ((treated.range ?? 0) > target.range) {
    return `One gain for all was not possible: the loudness range is ${treated.range?.toFixed(1)} LU, ${target.range} are allowed.`;
  }
  return null;
}

async function measureBoth(
  tools: Ffmpeg,
  job: Job,
  signal: AbortSignal,
  chain: string[],
  expected: number,
  onProgress: (fraction: number) => void,
): Promise<[Loudness, Loudness]> {
  const run = async (filter: string) => {
    const plan = { filter, outputs: [{ file: '-', options: ['-map', '[out]', '-f', 'null'] }] };
    return (await runFfmpeg(tools, { job, args: buildArguments(plan, job.sniffed), signal, expected, onProgress }))
      .stderr;
  };
  if (chain.length === 0) {
    const level = readMeter(await run(`[0:a:0]${METER}[out]`));
    return [level, level];
  }
  const stderr = await run(
    `[0:a:0]asplit=2[source][work];[source]${METER},anullsink;[work]${[...chain, METER].join(',')}[out]`,
  );
  // each meter names itself; the one that was built first is the source's
  const names = [...new Set([...stderr.matchAll(/\[(Parsed_ebur128_\d+)/g)].map((match) => match[1]!))].sort(
    (a, b) => Number(a.split('_')[2]) - Number(b.split('_')[2]),
  );
  const ofMeter = (name: string | undefined) => {
    // the last: ffmpeg builds its graph twice when the sound format is settled late, and both report
    const at = [...stderr.matchAll(new RegExp(`\\[${name} @ [^\\]]*\\] Summary:`, 'g'))].at(-1)?.index;
    if (!name || at === undefined) return SILENCE;
    const next = stderr.indexOf('[Parsed_', at + 10);
    return readMeter(stderr.slice(at, next < 0 ? undefined : next));
  };
  return [ofMeter(names[0]), ofMeter(names[1])];
}

/** loudnorm in two passes, for sound that one gain cannot bring to its target. */
async function dynamicChain(
  tools: Ffmpeg,
  job: Job,
  signal: AbortSignal,
  chain: string[],
  target: Target,
): Promise<string> {
  const norm = `loudnorm=I=${target.integrated}:TP=${target.truePeak}:LRA=${target.range}`;
  const filters = [...chain, `${norm}:print_format=json`].join(',');
  const plan = { outputs: [{ file: '-', options: ['-map', '0:a:0', '-vn', '-af', filters, '-f', 'null'] }] };
  const { stderr } = await runFfmpeg(tools, { job, args: buildArguments(plan, job.sniffed), signal });
  const figures = readLoudnorm(stderr);
  if (!figures) return 'anull';
  const { input_i, input_tp, input_lra, input_thresh, target_offset } = figures;
  return `${norm}:measured_I=${input_i}:measured_TP=${input_tp}:measured_LRA=${input_lra}:measured_thresh=${input_thresh}:offset=${target_offset}:linear=true`;
}

const cleanName = (name: string | undefined, file: string) =>
  `${(name ?? 'recording').replace(/\.[^.]*$/, '').slice(0, 200)} (clean)${path.extname(file)}`;

// ---------------------------------------------------------------- envelopes

const ENVELOPE_RATE = 8000;

/** Peaks in [0, 1], `bins` of them, evenly over the recording. Silence and recordings without sound give zeros. */
export async function waveform(
  tools: Ffmpeg,
  scope: StepScope,
  input: { asset: string; bins: number },
): Promise<number[]> {
  await using job = await openJob(scope, input.asset);
  const facts = await probeJob(tools, job, scope.signal);
  const peaks = new Array<number>(input.bins).fill(0);
  if (!facts.audio) return peaks;
  const total = Math.max(1, Math.round(facts.duration * ENVELOPE_RATE));
  const plan = {
    outputs: [
      { file: 'pipe:1', options: ['-map', '0:a:0', '-vn', '-ac', '1', '-ar', String(ENVELOPE_RATE), '-f', 's16le'] },
    ],
  };
  let position = 0;
  let odd: number | undefined;
  await runFfmpeg(tools, {
    job,
    args: buildArguments(plan, job.sniffed),
    signal: scope.signal,
    expected: facts.duration,
    onProgress: (fraction) => scope.progress(fraction),
    async onStdout(stream) {
      for await (const piece of stream as AsyncIterable<Buffer>) {
        const chunk = odd === undefined ? piece : Buffer.concat([Buffer.of(odd), piece]);
        odd = chunk.length % 2 === 1 ? chunk[chunk.length - 1] : undefined;
        for (let at = 0; at + 1 < chunk.length; at += 2) {
          const bin = Math.min(input.bins - 1, Math.floor((position++ / total) * input.bins));
          const level = Math.abs(chunk.readInt16LE(at)) / 32768;
          if (level > peaks[bin]!) peaks[bin] = level;
        }
      }
    },
  });
  return peaks.map((peak) => Math.round(peak * 1000) / 1000);
}
