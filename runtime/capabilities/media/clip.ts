/**
 * Makes a finished short out of a piece of a recording: exact cut, reframed picture, captions burned in, sound at its
 * target. One analysis pass (loudness, and how bright the picture is behind the text) and one encoding pass.
 *
 * H.264 High, yuv420p, Rec. 709, closed groups of pictures of at most 2 s, constant frame rate up to 60, AAC-LC 48 kHz
 * stereo, index at the front. A recording without picture gets a drawn one: its waveform on the ink colour.
 * All times in the input are seconds from `start`, but `start` and `end` themselves.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { ClipInput, ClipResult, CropKey, Loudness } from '../../../nodes/contract.ts';
import { undrawable } from '../../fonts.ts';
import { CapabilityError, type StepScope } from '../capability.ts';
import { AssFile, addCaptions, rectangle, type Shade, shadeBand, textBand } from './ass.ts';
import { lightEnough, parseColour, type Rgb, shadeFor, WHITE } from './colour.ts';
import { buildArguments, type Ffmpeg, type Job, openJob, runFfmpeg, seconds } from './ffmpeg.ts';
import { type Facts, probeJob } from './probe.ts';
import { gainFor, meterFile, readMeter, SILENCE } from './sound.ts';

const CRF = 20;
const FADE_SECONDS = 0.012;
const SHORTEST = 0.2;
/** Measured as it will be heard: the same voice in two channels is 3 LU louder than in one. */
const STEREO = 'aformat=channel_layouts=stereo,aresample=48000';

/** 29.97 as 30000/1001, so that constant stays constant. */
export function exactRate(rate: number): string {
  const capped = Math.min(60, Math.max(1, rate));
  const whole = Math.round(capped);
  if (Math.abs(capped - whole) < 0.005) return String(whole);
  if (Math.abs(capped - (whole * 1000) / 1001) < 0.01) return `${whole * 1000}/1001`;
  return capped.toFixed(3);
}

/** One coordinate of the crop's centre as an ffmpeg expression of `t`. A move between two rests is eased. */
export function keyExpression(keys: CropKey[], axis: 'x' | 'y'): string {
  const sorted = [...keys].sort((a, b) => a.time - b.time);
  const parts = sorted.map((key, index) => {
    const next = sorted[index + 1];
    const from = index === 0 ? null : `gte(t,${(key.time - 0.0005).toFixed(4)})`;
    const to = next ? `lt(t,${(next.time - 0.0005).toFixed(4)})` : null;
    const when = [from, to].filter(Boolean).join('*') || '1';
    const value = key[axis].toFixed(2);
    if (!next || key.ease === 'hold' || next.time <= key.time || next[axis] === key[axis]) return `${when}*${value}`;
    const share = `clip((t-${key.time.toFixed(4)})/${(next.time - key.time).toFixed(4)},0,1)`;
    const alone =
      next.ease === 'hold' &&
      (index === 0 || sorted[index - 1]!.ease === 'hold' || sorted[index - 1]![axis] === key[axis]);
    const eased = alone ? `(pow(${share},2)*(3-2*${share}))` : share;
    return `${when}*(${value}+(${(next[axis] - key[axis]).toFixed(2)})*${eased})`;
  });
  return parts.join('+');
}

const even = (value: number) => Math.max(2, Math.round(value / 2) * 2);

/** From [in] to the clip's picture. */
function pictureChain(input: ClipInput, facts: Facts, rate: string): string {
  const { width, height } = input;
  const source = facts.video!;
  const square = facts.stretch === 1 ? '' : `scale=${even(source.width)}:${even(source.height)},`;
  const base = `fps=${rate},${square}setsar=1`;
  if (!input.crop) {
    const [small, low] = [even(width / 8), even(height / 8)];
    return [
      `${base},split=2[far][near]`,
      `[far]scale=${small}:${low}:force_original_aspect_ratio=increase:flags=area,crop=${small}:${low},boxblur=6:2,lutyuv=y=16+(val-16)*0.62,scale=${width}:${height}:flags=bilinear[ground]`,
      `[near]scale=${width}:${height}:force_original_aspect_ratio=decrease:flags=bicubic[figure]`,
      '[ground][figure]overlay=(W-w)/2:(H-h)/2:shortest=1,setsar=1',
    ].join(';');
  }
  const [wide, high] = [Math.min(source.width, input.crop.width), Math.min(source.height, input.crop.height)];
  const keys =
    input.crop.keys.length > 0
      ? input.crop.keys
      : [{ time: 0, x: source.width / 2, y: source.height / 2, ease: 'hold' as const }];
  const left = `clip(${keyExpression(keys, 'x')}-${(wide / 2).toFixed(2)},0,${source.width - wide})`;
  const top = `clip(${keyExpression(keys, 'y')}-${(high / 2).toFixed(2)},0,${source.height - high})`;
  const moves = keys.some((key) => key.ease === 'linear');
  if (!moves)
    return `${base},crop=${even(wide)}:${even(high)}:'${left}':'${top}',scale=${width}:${height}:flags=bicubic,setsar=1`;
  // Cropping counts in steps of two source pixels, which shows when the window glides. So a window a little too large
  // is cut in whole steps, scaled, and the rest of the way is cut in the pixels of the clip.
  const [wider, higher] = [Math.min(even(source.width), even(wide) + 4), Math.min(even(source.height), even(high) + 4)];
  const coarse = (edge: string, room: number) => `min(floor((${edge})/2)*2,${room})`;
  const coarseLeft = coarse(left, source.width - wider);
  const coarseTop = coarse(top, source.height - higher);
  const [scaleX, scaleY] = [width / wide, height / high];
  return [
    `${base},crop=${wider}:${higher}:'${coarseLeft}':'${coarseTop}'`,
    `scale=${Math.max(width, even(wider * scaleX))}:${Math.max(height, even(higher * scaleY))}:flags=bicubic`,
    `crop=${width}:${height}:'((${left})-(${coarseLeft}))*${scaleX.toFixed(5)}':'((${top})-(${coarseTop}))*${scaleY.toFixed(5)}'`,
    'setsar=1',
  ].join(',');
}

// ---------------------------------------------------------------- looking and listening first

type Analysis = {
  before: Loudness /** The brightest the picture gets where text lies; null where nobody looked. */;
  bright: Rgb | null;
};

/** The small picture that brightness is measured on. */
const LOOK_SIDE = 96;

async function analyse(
  tools: Ffmpeg,
  job: Job,
  scope: StepScope,
  input: ClipInput,
  facts: Facts,
  duration: number,
  onProgress: (fraction: number) => void,
): Promise<Analysis> {
  const filters: string[] = [];
  const outputs: { file: string; options: string[] }[] = [];
  const { captions } = input;
  const looks = facts.video !== null && captions !== null && captions.style !== 'box' && captions.cues.length > 0;
  const [wide, high] = [
    even((LOOK_SIDE * input.width) / Math.max(input.width, input.height)),
    even((LOOK_SIDE * input.height) / Math.max(input.width, input.height)),
  ];
  if (looks) {
    filters.push(
      `[0:v:0]${pictureChain({ ...input, width: wide * 2, height: high * 2 }, facts, '2')},scale=${wide}:${high}:flags=area,format=rgb24[look]`,
    );
    outputs.push({ file: 'pipe:1', options: ['-map', '[look]', '-f', 'rawvideo'] });
  }
  if (facts.audio) {
    filters.push(`[0:a:0]${STEREO},ebur128=peak=true:framelog=verbose[heard]`);
    outputs.push({ file: '-', options: ['-map', '[heard]', '-f', 'null'] });
  }
  if (outputs.length === 0) return { before: SILENCE, bright: null };
  // bins of brightness over all pixels behind the text, in all frames
  const bins = new Uint32Array(256);
  const rows = looks ? textBand(captions, wide * 2, high * 2) : { left: 0, right: 0, top: 0, bottom: 0 };
  const args = buildArguments({ start: input.start, duration, filter: filters.join(';'), outputs }, job.sniffed);
  const { stderr } = await runFfmpeg(tools, {
    job,
    args,
    signal: scope.signal,
    expected: duration,
    onProgress,
    async onStdout(stream: Readable) {
      const frameBytes = wide * high * 3;
      let waiting = Buffer.alloc(0);
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        waiting = Buffer.concat([waiting, chunk]);
        while (waiting.length >= frameBytes) {
          for (let y = Math.max(0, Math.floor(rows.top / 2)); y < Math.min(high, Math.ceil(rows.bottom / 2)); y++) {
            for (let x = Math.max(0, Math.floor(rows.left / 2)); x < Math.min(wide, Math.ceil(rows.right / 2)); x++) {
              const at = (y * wide + x) * 3;
              const level = Math.round(0.2126 * waiting[at]! + 0.7152 * waiting[at + 1]! + 0.0722 * waiting[at + 2]!);
              bins[level] = bins[level]! + 1;
            }
          }
          waiting = waiting.subarray(frameBytes);
        }
      }
    },
  });
  const total = bins.reduce((sum, count) => sum + count, 0);
  let level = 255;
  for (let above = 0; level > 0 && above + bins[level]! <= total * 0.02; level--) above += bins[level]!;
  return {
    before: facts.audio ? readMeter(stderr) : SILENCE,
    bright: looks && total > 0 ? [level, level, level] : null,
  };
}

/** How dark the ground behind the captions has to be made. */
function shadeOf(captions: NonNullable<ClipInput['captions']>, bright: Rgb | null): number | null {
  if (!bright || captions.style === 'box') return 0;
  const darkest =
    captions.style === 'stack' && captions.highlight ? lightEnough(parseColour(captions.colors.light)) : WHITE;
  return shadeFor(bright, darkest);
}

// ---------------------------------------------------------------- sound without picture

const BARS = 64;

async function peaksOf(tools: Ffmpeg, job: Job, scope: StepScope, start: number, duration: number): Promise<number[]> {
  const plan = {
    start,
    duration,
    outputs: [{ file: 'pipe:1', options: ['-map', '0:a:0', '-vn', '-ac', '1', '-ar', '4000', '-f', 's16le'] }],
  };
  const { stdout } = await runFfmpeg(tools, { job, args: buildArguments(plan, job.sniffed), signal: scope.signal });
  const samples = Math.floor(stdout.length / 2);
  const peaks = new Array<number>(BARS).fill(0);
  for (let at = 0; at < samples; at++) {
    const bar = Math.min(BARS - 1, Math.floor((at / samples) * BARS));
    peaks[bar] = Math.max(peaks[bar]!, Math.abs(stdout.readInt16LE(at * 2)) / 32768);
  }
  const highest = Math.max(0.05, ...peaks);
  return peaks.map((peak) => peak / highest);
}

const DEFAULT_COLORS = { primary: '#3b3bd6', light: '#c9cbff', ink: '#16161a' };

/** The waveform in bars, the played part in the brand's light tone. */
function addWaveform(
  file: AssFile,
  peaks: number[],
  size: { width: number; height: number },
  duration: number,
  tone: Rgb,
): void {
  const { width, height } = size;
  const [left, room] = [width * 0.1, width * 0.8];
  const middle = height * (height > width ? 0.4 : 0.42);
  const tallest = Math.min(height * 0.2, width * 0.28);
  const step = room / peaks.length;
  const bars = peaks
    .map((peak, index) => {
      const high = Math.max(step * 0.6, peak * tallest);
      return rectangle(left + index * step, middle - high / 2, step * 0.6, high, step * 0.3);
    })
    .join(' ');
  file.shape(0, 0, duration, bars, WHITE, 0.28);
  const [top, bottom] = [Math.floor(middle - tallest), Math.ceil(middle + tallest)];
  const from = `\\clip(0,${top},${Math.floor(left)},${bottom})`;
  const to = `\\t(0,${Math.round(duration * 1000)},\\clip(0,${top},${Math.ceil(left + room)},${bottom}))`;
  file.shape(1, 0, duration, bars, tone, 1, `${from}${to}`);
}

// ---------------------------------------------------------------- the clip

/** One frame of black that comes in from above; overlay repeats it. Drawn by libass in strips it cost 9 ms a frame. */
function shadeSource({ from, solid, opacity }: Shade, { width, height }: { width: number; height: number }): string {
  const share = `min(1,Y/${Math.max(1, solid - from)})`;
  const alpha = `255*${opacity.toFixed(3)}*pow(${share},2)*(3-2*${share})`;
  return `color=c=black:s=${width}x${height - from}:r=25:d=0.04,format=yuva420p,geq=lum=16:cb=128:cr=128:a='${alpha}'`;
}

/** No font of the machine is looked at: ffmpeg finds this instead of the system's configuration. */
const FONT_CONFIGURATION = '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>';

export async function clip(tools: Ffmpeg, scope: StepScope, input: ClipInput): Promise<ClipResult> {
  await using job = await openJob(scope, input.asset);
  const { signal } = scope;
  const facts = await probeJob(tools, job, signal);
  const duration = Math.min(input.end, facts.duration) - input.start;
  if (duration < SHORTEST) {
    throw new CapabilityError(
      'MEDIA_OUT_OF_RANGE',
      `The piece from ${input.start.toFixed(1)} s to ${input.end.toFixed(1)} s lies outside the recording (${facts.duration.toFixed(1)} s).`,
      {
        hint: 'Move its start or end.',
      },
    );
  }
  const size = { width: even(input.width), height: even(input.height) };
  const piece: ClipInput = { ...input, ...size };
  const missing = input.captions
    ? [
        ...new Set(
          input.captions.cues.flatMap((cue) =>
            cue.lines.flat().flatMap((word) => undrawable(word.text, input.captions!.fonts.text, 600)),
          ),
        ),
      ]
    : [];
  if (missing.length > 0) {
    throw new CapabilityError(
      'FONT_MISSING',
      `No font here can draw ${missing
        .slice(0, 5)
        .map((sign) => `“${sign}”`)
        .join(', ')}, so the captions cannot be burned in.`,
      {
        hint: 'Set the captions of this node to none; the Captions node still makes the files.',
      },
    );
  }

  const analysis = await analyse(tools, job, scope, piece, facts, duration, (fraction) =>
    scope.progress(fraction * 0.15, 'Measuring'),
  );
  let gain = { chain: 'anull', linear: true };
  const target = input.loudness;
  const fades = `afade=t=in:d=${FADE_SECONDS},afade=t=out:st=${seconds(Math.max(0, duration - FADE_SECONDS))}:d=${FADE_SECONDS}`;
  if (facts.audio && target) {
    gain = await gainFor(
      tools,
      job,
      signal,
      { start: input.start, duration, before: analysis.before, chain: [STEREO] },
      target,
    );
  }

  const rate = facts.video ? exactRate(facts.video.rate) : '30';
  const file = new AssFile(size.width, size.height);
  const colors = input.captions?.colors ?? DEFAULT_COLORS;
  if (!facts.video) {
    addWaveform(
      file,
      await peaksOf(tools, job, scope, input.start, duration),
      size,
      duration,
      lightEnough(parseColour(colors.light)),
    );
  }
  let band: Shade | null = null;
  if (input.captions) {
    const shade = shadeOf(input.captions, analysis.bright);
    const captions = shade === null ? { ...input.captions, style: 'box' as const } : input.captions;
    if (shade === null) scope.log('The picture is too bright for this caption style: Box is used.');
    addCaptions(file, captions, size);
    if (facts.video) band = shadeBand(captions, size, shade ?? 0);
  }
  await writeFile(path.join(job.folder, 'captions.ass'), file.toString(), { mode: 0o644 });
  await writeFile(path.join(job.folder, 'fonts.conf'), FONT_CONFIGURATION, { mode: 0o644 });
  const fonts = path.join(job.folder, 'fonts');
  await mkdir(fonts, { mode: 0o755 });
  for (const [index, face] of [...file.faces.values()].entries())
    await writeFile(path.join(fonts, `${index}.ttf`), face.bytes, { mode: 0o644 });

  const [red, green, blue] = parseColour(colors.ink);
  const ground = `color=c=0x${[red, green, blue].map((part) => part.toString(16).padStart(2, '0')).join('')}:s=${size.width}x${size.height}:r=30`;
  const picture = facts.video ? `[0:v:0]${pictureChain(piece, facts, rate)}` : '[1:v]setsar=1';
  const drawn = 'ass=captions.ass:fontsdir=fonts,format=yuv420p[picture]';
  const filters = band
    ? [`${picture},format=yuv420p[bare]`, `[bare][1:v]overlay=0:${band.from}:eof_action=repeat:format=yuv420,${drawn}`]
    : [`${picture},${drawn}`];
  if (facts.audio) filters.push(`[0:a:0]${STEREO},${gain.chain},${fades}[sound]`);
  const group = String(Math.round(2 * (Number(rate) || Number(rate.split('/')[0]) / 1001)));
  const options = [
    ...['-map', '[picture]', ...(facts.audio ? ['-map', '[sound]'] : []), '-t', seconds(duration)],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', String(CRF), '-maxrate', '12M', '-bufsize', '24M'],
    ...['-profile:v', 'high', '-pix_fmt', 'yuv420p', '-g', group, '-flags:v', '+cgop+bitexact'],
    ...['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709'],
    ...(facts.audio ? ['-c:a', 'aac', '-b:a', '160k', '-ar', '48000', '-ac', '2', '-flags:a', '+bitexact'] : []),
    ...['-sn', '-map_metadata', '-1', '-fflags', '+bitexact', '-movflags', '+faststart'],
  ];
  await runFfmpeg(tools, {
    job,
    args: buildArguments(
      {
        start: input.start,
        duration,
        sources: facts.video ? (band ? [shadeSource(band, size)] : []) : [ground],
        filter: filters.join(';'),
        outputs: [{ file: 'out.mp4', options }],
      },
      job.sniffed,
    ),
    signal,
    env: { FONTCONFIG_PATH: '.', FONTCONFIG_FILE: 'fonts.conf' },
    expected: duration,
    onProgress: (fraction) => scope.progress(0.15 + fraction * 0.82, 'Encoding'),
  });
  const after = facts.audio ? await meterFile(tools, job, signal, 'out.mp4') : SILENCE;

  const source = await scope.assets.find(input.asset);
  const asset = await scope.assets.putFile(
    path.join(job.folder, 'out.mp4'),
    {
      kind: 'video',
      mime: 'video/mp4',
      name: `${(source?.name ?? 'clip').replace(/\.[^.]*$/, '').slice(0, 200)} ${input.start.toFixed(0)}-${input.end.toFixed(0)} s.mp4`,
      ...size,
      duration: Math.round(duration * 1000) / 1000,
      rate: facts.video ? Math.min(60, facts.video.rate) : 30,
      hasSound: facts.audio !== null,
    },
    [input.asset],
  );
  return { asset, loudness: facts.audio && target ? { before: analysis.before, after, linear: gain.linear } : null };
}
