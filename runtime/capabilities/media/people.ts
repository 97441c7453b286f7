/**
 * Where people are in a recording, where its picture cuts, and which stills show it best.
 *
 * One pass of ffmpeg at small size picks frames with their true times: three a second, and the first after every cut
 * (ffmpeg's scene score). A child process finds the main person in each (detector-child.ts). Times are seconds from
 * `start`; positions are in [0, 1] of the picture as people see it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { FrameCandidate, TrackResult, TrackSample } from '../../../nodes/contract.ts';
import { CapabilityError, type StepScope } from '../capability.ts';
import type { FaceBox, Point, Seen } from './detector-child.ts';
import { type Engine, startEngine } from './engine.ts';
import { buildArguments, type Ffmpeg, type Job, openJob, type Plan, runFfmpeg } from './ffmpeg.ts';
import { type Facts, probeJob } from './probe.ts';

const require = createRequire(import.meta.url);

export const DETECTOR = 'MoveNet Lightning and BlazeFace (@vladmandic/human 3.3.6)';
const SAMPLE_SECONDS = 0.33;
/**
 * A cut is a frame whose scene score (ffmpeg's measure of change, in [0, 1]) stands out: above this, and three times the
 * highest of the moments before, which fades by 15 % a frame. In the sample recordings real cuts score 0.13 to 0.68 and
 * people moving up to 0.12, but never all at once (measured 2026-11-23).
 */
const CUT_SCORE = 0.1;
const STANDS_OUT = 3;
const FADES = 0.85;
const IS_CUT = `gt(scene,max(${CUT_SCORE},${STANDS_OUT}*ld(0)))+0*st(0,max(scene,${FADES}*ld(0)))`;
const SCORES = 'scores.txt';

/** The times of the cuts, from the scores of all frames in order. */
export function cutsOf(scores: readonly { time: number; score: number }[]): number[] {
  let before = 0;
  const cuts: number[] = [];
  for (const { time, score } of scores) {
    if (time > 0.01 && score > Math.max(CUT_SCORE, STANDS_OUT * before)) cuts.push(Math.round(time * 1000) / 1000);
    before = Math.max(score, FADES * before);
  }
  return cuts;
}

const SMALL_WIDTH = 384;
const DETECTOR_BYTES = 900 * 1024 ** 2;
const DETECTOR_TIMEOUT_MS = 60_000;

/** The package exports its code only; its models lie beside it. */
const modelFolder = () => path.join(path.dirname(require.resolve('@vladmandic/human')), '..', 'models');

let weights: string | undefined;
/** Digest of the weights: part of the reuse key of all that rests on them. */
export function detectorIdentity(): string {
  if (!weights) {
    const hash = createHash('sha256');
    const folder = modelFolder();
    for (const file of ['movenet-lightning.bin', 'blazeface.bin']) hash.update(readFileSync(path.join(folder, file)));
    weights = hash.digest('hex').slice(0, 16);
  }
  return weights;
}

/** A detector with its weights loaded. It takes `{ frame: true, width, height, faces }` with RGB bytes, one at a time. */
export async function startDetector(faces: boolean): Promise<Engine> {
  const models = modelFolder();
  const wasm = path.join(path.dirname(require.resolve('@energetic-ai/core')), 'tfjs-backend-wasm-simd.wasm');
  const engine = await startEngine({
    entry: new URL('./detector-child.ts', import.meta.url),
    memoryBytes: DETECTOR_BYTES,
    timeoutMs: DETECTOR_TIMEOUT_MS,
  });
  try {
    await engine.request({ load: 'wasm' }, await readFile(wasm));
    for (const [load, file] of [
      ['movenet', 'movenet-lightning'],
      ['blazeface', 'blazeface'],
    ] as const) {
      if (load === 'blazeface' && !faces) continue;
      const topology: unknown = JSON.parse(await readFile(path.join(models, `${file}.json`), 'utf8'));
      await engine.request({ load, topology }, await readFile(path.join(models, `${file}.bin`)));
    }
    return engine;
  } catch (error) {
    engine.close();
    throw error;
  }
}

// ---------------------------------------------------------------- small frames

type Small = { width: number; height: number };

function smallSize(facts: Facts): Small {
  const { width, height } = facts.video!;
  const scale = Math.min(1, SMALL_WIDTH / Math.max(width, height));
  return {
    width: Math.max(2, Math.round((width * scale) / 2) * 2),
    height: Math.max(2, Math.round((height * scale) / 2) * 2),
  };
}

const passthrough = (tools: Ffmpeg) => (tools.options.has('fps_mode') ? ['-fps_mode', 'passthrough'] : ['-vsync', '0']);

/** Decodes once and hands over the frames `choose` picks, in order, with their times. */
async function eachFrame(
  tools: Ffmpeg,
  job: Job,
  scope: StepScope,
  piece: Pick<Plan, 'start' | 'duration' | 'inputOptions'>,
  size: Small,
  choose: string,
  onFrame: (pixels: Buffer, index: number) => Promise<void>,
  onProgress?: (fraction: number) => void,
): Promise<number[]> {
  const frameBytes = size.width * size.height * 3;
  // the scene score is asked for even where it decides nothing: frames without metadata are not printed
  const scores = `select='gte(scene,0)',metadata=print:file=${SCORES}`;
  const small = `scale=${size.width}:${size.height}:flags=area,setsar=1`;
  const filter = `${small},${scores},select='gt(scene,2)+(${choose})',metadata=print,format=rgb24`;
  const options = ['-map', '0:v:0', '-an', '-vf', filter, ...passthrough(tools), '-f', 'rawvideo'];
  let index = 0;
  await rm(path.join(job.folder, SCORES), { force: true });
  const { stderr } = await runFfmpeg(tools, {
    job,
    args: buildArguments({ ...piece, outputs: [{ file: 'pipe:1', options }] }, job.sniffed),
    signal: scope.signal,
    expected: piece.duration,
    onProgress,
    async onStdout(stream: Readable) {
      let waiting: Buffer[] = [];
      let have = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        waiting.push(chunk);
        have += chunk.length;
        while (have >= frameBytes) {
          const all = Buffer.concat(waiting);
          await onFrame(all.subarray(0, frameBytes), index++);
          waiting = [all.subarray(frameBytes)];
          have -= frameBytes;
        }
      }
    },
  });
  const marks = [...stderr.matchAll(/pts_time:(-?[\d.]+)/g)];
  return marks.slice(0, index).map((mark) => Math.max(0, Number(mark[1])));
}

/** What the first filter wrote down about every frame. */
async function scoresOf(job: Job): Promise<{ time: number; score: number }[]> {
  const text = await readFile(path.join(job.folder, SCORES), 'utf8');
  return [...text.matchAll(/pts_time:(-?[\d.]+)[^\n]*\n(?:lavfi\.scene_score=([\d.]+))?/g)].map((match) => ({
    time: Math.max(0, Number(match[1])),
    score: Number(match[2] ?? 0),
  }));
}

// ---------------------------------------------------------------- the main person

const HEAD = [0, 1, 2, 3, 4];
const SHOULDERS = [5, 6];
const HIPS = [11, 12];
const SURE = 0.25;

function middle(points: Point[], which: number[]): { x: number; y: number; score: number } | null {
  const sure = which.map((index) => points[index]!).filter((point) => point.score >= SURE);
  if (sure.length === 0) return null;
  const total = sure.reduce((sum, point) => sum + point.score, 0);
  return {
    x: sure.reduce((sum, point) => sum + point.x * point.score, 0) / total,
    y: sure.reduce((sum, point) => sum + point.y * point.score, 0) / total,
    score: total / which.length,
  };
}

/** The person's middle (between head and shoulders) and height, or null where nobody is sure enough. */
export function personAt(points: Point[]): Omit<TrackSample, 'time'> | null {
  if (points.length < 17) return null;
  const [head, shoulders, hips] = [middle(points, HEAD), middle(points, SHOULDERS), middle(points, HIPS)];
  const anchor = head ?? shoulders;
  if (!anchor) return null;
  const confidence = Math.max(head?.score ?? 0, shoulders?.score ?? 0);
  const trunk = (shoulders?.score ?? 0) + (hips?.score ?? 0);
  if (confidence < 0.3 || (trunk < 0.4 && confidence < 0.5)) return null;
  const sure = points.filter((point) => point.score >= SURE);
  const [top, bottom] = [Math.min(...sure.map((point) => point.y)), Math.max(...sure.map((point) => point.y))];
  const x = head && shoulders ? (head.x + shoulders.x) / 2 : anchor.x;
  const round = (value: number) => Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
  return { x: round(x), y: round(anchor.y), size: round(bottom - top), confidence: round(confidence) };
}

export async function track(
  tools: Ffmpeg,
  scope: StepScope,
  input: { asset: string; start: number; end: number },
): Promise<TrackResult> {
  await using job = await openJob(scope, input.asset);
  const facts = await probeJob(tools, job, scope.signal);
  if (!facts.video) throw noPicture();
  const size = smallSize(facts);
  const piece = { start: input.start, duration: Math.max(0.05, Math.min(input.end, facts.duration) - input.start) };
  const detector = await startDetector(false);
  try {
    const people: (Omit<TrackSample, 'time'> | null)[] = [];
    const times = await eachFrame(
      tools,
      job,
      scope,
      piece,
      size,
      `${IS_CUT}+isnan(prev_selected_t)+gte(t-prev_selected_t,${SAMPLE_SECONDS})`,
      async (pixels) => {
        const { header } = await detector.request({ frame: true, ...size, faces: false }, pixels, scope.signal);
        people.push(personAt((header as Seen).points));
      },
      (fraction) => scope.progress(fraction, 'Finding the person'),
    );
    const samples = times.flatMap((time, index) => {
      const person = people[index];
      return person ? [{ time: Math.round(time * 1000) / 1000, ...person }] : [];
    });
    const cuts = cutsOf(await scoresOf(job));
    return { width: facts.video.width, height: facts.video.height, samples, cuts, detector: DETECTOR };
  } finally {
    detector.close();
  }
}

// ---------------------------------------------------------------- stills

const CANDIDATES = 24;
/** Pieces longer than this are first looked at by their key frames alone. */
const LONG_SECONDS = 90;

/** Variance of the Laplacian of the brightness: high where edges are sharp. */
export function sharpnessOf(gray: Float32Array, width: number, height: number): number {
  let sum = 0;
  let squares = 0;
  let count = 0;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x;
      const value = 4 * gray[at]! - gray[at - 1]! - gray[at + 1]! - gray[at - width]! - gray[at + width]!;
      sum += value;
      squares += value * value;
      count++;
    }
  }
  return count === 0 ? 0 : squares / count - (sum / count) ** 2;
}

/** 1 for a picture of middle brightness that uses its range; less where it is dark, blown out or flat. */
export function exposureOf(gray: Float32Array): number {
  let sum = 0;
  let clipped = 0;
  for (const value of gray) {
    sum += value;
    if (value < 0.02 || value > 0.98) clipped++;
  }
  const mean = sum / gray.length;
  let spread = 0;
  for (const value of gray) spread += (value - mean) ** 2;
  const contrast = Math.min(1, Math.sqrt(spread / gray.length) / 0.2);
  return Math.max(0, (1 - Math.abs(mean - 0.5) * 1.6) * (1 - (clipped / gray.length) * 1.5)) * (0.4 + 0.6 * contrast);
}

function grayOf(pixels: Buffer): Float32Array {
  const gray = new Float32Array(pixels.length / 3);
  for (let at = 0; at < gray.length; at++) {
    gray[at] = (0.2126 * pixels[at * 3]! + 0.7152 * pixels[at * 3 + 1]! + 0.0722 * pixels[at * 3 + 2]!) / 255;
  }
  return gray;
}

/** Faces as found, and the head of the main person where the face finder saw none (seen from behind, far away). */
function headsOf(seen: Seen, size: Small): FaceBox[] {
  const clamp = (box: FaceBox): FaceBox => {
    const [x, y] = [Math.max(0, box.x), Math.max(0, box.y)];
    return {
      ...box,
      x,
      y,
      width: Math.min(1 - x, box.width + box.x - x),
      height: Math.min(1 - y, box.height + box.y - y),
    };
  };
  const faces = seen.faces.map((face) => {
    // BlazeFace boxes reach from brow to chin: hair belongs to what stays free
    return clamp({ ...face, y: face.y - face.height * 0.25, height: face.height * 1.3 });
  });
  const points = seen.points;
  const person = personAt(points);
  const head = points.length >= 17 ? middle(points, HEAD) : null;
  if (person && head && !faces.some((face) => Math.abs(face.x + face.width / 2 - head.x) < face.width)) {
    const shoulders = [points[5]!, points[6]!].every((point) => point.score >= SURE)
      ? Math.abs(points[5]!.x - points[6]!.x)
      : 0;
    const width = Math.max(0.04, shoulders * 0.55, person.size * 0.14 * (size.height / size.width));
    const height = width * 1.35 * (size.width / size.height);
    faces.push(clamp({ x: head.x - width / 2, y: head.y - height * 0.6, width, height, confidence: head.score * 0.6 }));
  }
  return faces
    .filter((face) => face.width > 0.01 && face.height > 0.01)
    .sort((a, b) => b.width * b.height - a.width * a.height);
}

type Judged = { time: number; sharpness: number; exposure: number; faces: FaceBox[]; score: number };

/** Best first, no two closer together than a fair share of the piece. */
export function bestStills(judged: Judged[], count: number, duration: number): Judged[] {
  const sharpest = Math.max(1e-9, ...judged.map((each) => each.sharpness));
  const scored = judged.map((each) => {
    const face = each.faces[0];
    const seen = face ? face.confidence * Math.min(1, 0.5 + face.height * 2) : 0;
    const sharpness = Math.sqrt(each.sharpness / sharpest);
    return { ...each, sharpness, score: 0.35 * sharpness + 0.25 * each.exposure + 0.4 * seen };
  });
  const ranked = scored.sort((a, b) => b.score - a.score || a.time - b.time);
  const apart = duration / (count * 2);
  const chosen: Judged[] = [];
  for (const still of ranked) {
    if (chosen.length < count && chosen.every((other) => Math.abs(other.time - still.time) >= apart))
      chosen.push(still);
  }
  for (const still of ranked) if (chosen.length < count && !chosen.includes(still)) chosen.push(still);
  return chosen;
}

export async function frames(
  tools: Ffmpeg,
  scope: StepScope,
  input: { asset: string; start?: number; end?: number; count: number },
): Promise<FrameCandidate[]> {
  await using job = await openJob(scope, input.asset);
  const facts = await probeJob(tools, job, scope.signal);
  if (!facts.video) throw noPicture();
  const size = smallSize(facts);
  const start = Math.min(input.start ?? 0, Math.max(0, facts.duration - 0.1));
  const duration = Math.max(0.05, Math.min(input.end ?? facts.duration, facts.duration) - start);
  const detector = await startDetector(true);
  try {
    const judge = async (choose: string, inputOptions: string[]) => {
      const judged: Omit<Judged, 'time'>[] = [];
      const found = await eachFrame(
        tools,
        job,
        scope,
        { start, duration, inputOptions },
        size,
        choose,
        async (pixels) => {
          const gray = grayOf(pixels);
          const { header } = await detector.request({ frame: true, ...size, faces: true }, pixels, scope.signal);
          judged.push({
            sharpness: sharpnessOf(gray, size.width, size.height),
            exposure: exposureOf(gray),
            faces: headsOf(header as Seen, size),
            score: 0,
          });
        },
        (fraction) => scope.progress(fraction * 0.8, 'Looking at stills'),
      );
      return found.map((time, index) => ({ ...judged[index]!, time })).filter((each) => each.exposure !== undefined);
    };
    const step = (duration / CANDIDATES).toFixed(3);
    const every = `isnan(prev_selected_t)+gte(t-prev_selected_t,${step})`;
    // the first frames of a shot may still be half of the one before: start a little in
    const choose = `gte(t,${Math.min(0.1, duration / 4).toFixed(3)})*(${every})`;
    // key frames alone are quick to decode, but a short piece seldom has enough of them
    let judged = duration > LONG_SECONDS ? await judge(choose, ['-skip_frame', 'nokey']) : [];
    if (judged.length < Math.min(12, CANDIDATES / 2)) judged = await judge(choose, []);
    const chosen = bestStills(judged, input.count, duration);
    const results: FrameCandidate[] = [];
    for (const [index, still] of chosen.entries()) {
      const file = `still-${index}.jpg`;
      const { width, height } = facts.video;
      const plan = {
        start: start + still.time,
        outputs: [
          {
            file,
            options: [
              ...['-map', '0:v:0', '-an', '-frames:v', '1', '-vf', `scale=${width}:${height},setsar=1`],
              ...['-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', '-q:v', '2', '-map_metadata', '-1', '-f', 'mjpeg'],
            ],
          },
        ],
      };
      await runFfmpeg(tools, { job, args: buildArguments(plan, job.sniffed), signal: scope.signal });
      const asset = await scope.assets.putFile(
        path.join(job.folder, file),
        { kind: 'image', mime: 'image/jpeg', name: `still at ${(start + still.time).toFixed(1)} s.jpg`, width, height },
        [input.asset],
      );
      const round = (value: number) => Math.round(value * 1000) / 1000;
      results.push({
        asset,
        time: round(start + still.time),
        sharpness: round(Math.min(1, still.sharpness)),
        exposure: round(Math.min(1, still.exposure)),
        faces: still.faces.map(({ x, y, width: wide, height: high, confidence }) => ({
          x: round(x),
          y: round(y),
          width: round(wide),
          height: round(high),
          confidence: round(confidence),
        })),
        score: round(still.score),
      });
      scope.progress(0.8 + (0.2 * (index + 1)) / chosen.length);
    }
    return results;
  } finally {
    detector.close();
  }
}

function noPicture(): CapabilityError {
  return new CapabilityError('MEDIA_NO_PICTURE', 'This recording has no picture.', {
    hint: 'Choose a recording with a picture track.',
  });
}
