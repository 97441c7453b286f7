/**
 * A light diarizer without any model: who speaks when, told apart by the sound of voice and channel.
 *
 * The classical way (Chen and Gopalakrishnan, 1998; LIUM, 2010): mel cepstra of the speech, pieces of about two and a
 * half seconds, the two pieces that one Gaussian explains best are joined until the Bayesian information criterion says that
 * two explain better, then each frame goes to the voice that explains it (Viterbi, with a cost for changing). It cannot
 * hear two people at once, and voices that sound alike become one: a model does better, and the result says so.
 *
 * Pure: samples (16 kHz, one channel) and speech in, turns out. Seconds.
 */
import type { Turn } from '../../nodes/contract.ts';

const RATE = 16_000;
const HOP = 160;
const FRAME = 400;
const FFT = 512;
const MELS = 26;
/** Cepstra 1 to 16: the shape of the vocal tract and of the channel, not the loudness. */
const SIZE = 16;
const FRAMES_A_SECOND = RATE / HOP;
const PIECE = Math.round(2.5 * FRAMES_A_SECOND);
/** Pieces at most; longer recordings get longer pieces. */
const MOST_PIECES = 1600;
/**
 * Penalty weight of the criterion: higher joins more. Set on the three recordings of this repository (2026-11), where 2.2
 * to 2.6 find the right number of people in each; other recordings will do worse.
 */
const LAMBDA = 2.4;
/** Cost of changing the voice, in log-likelihood; about a second of clear evidence. */
const CHANGE_COST = 150;
const MOST_SPEAKERS = 12;

export type BasicOptions = { speakers?: number; onProgress?(fraction: number): void };

export function diarizeBasic(samples: Float32Array, speech: Turn[], options: BasicOptions = {}): Turn[] {
  const runs = frameRuns(speech, samples.length);
  const frames = runs.reduce((sum, run) => sum + run.to - run.from, 0);
  if (frames === 0) return [];
  const features = cepstra(samples, runs, options.onProgress);
  const clusters = cluster(
    features,
    piecesOf(runs, Math.max(PIECE, Math.ceil(frames / MOST_PIECES))),
    options.speakers,
  );
  options.onProgress?.(0.9);
  let labels: Int16Array = assign(features, clusters);
  // once more with what the first round found: the pieces' borders were arbitrary
  const again = regroup(features, labels, clusters.length);
  if (again.length > 0) labels = assign(features, again);
  return turnsOf(runs, labels);
}

// ---------------------------------------------------------------- frames

type Run = { from: number; to: number; at: number };

/** Speech as runs of frames; `at` is where a run's features begin. */
function frameRuns(speech: Turn[], sampleCount: number): Run[] {
  const last = Math.floor((sampleCount - FRAME) / HOP);
  const runs: Run[] = [];
  let at = 0;
  for (const turn of [...speech].sort((a, b) => a.start - b.start)) {
    const from = Math.max(runs.at(-1)?.to ?? 0, Math.round(turn.start * FRAMES_A_SECOND));
    const to = Math.min(last, Math.round(turn.end * FRAMES_A_SECOND));
    if (to - from < 10) continue;
    runs.push({ from, to, at });
    at += to - from;
  }
  return runs;
}

type Features = { values: Float64Array; count: number };

function cepstra(samples: Float32Array, runs: Run[], onProgress?: (fraction: number) => void): Features {
  const count = runs.reduce((sum, run) => sum + run.to - run.from, 0);
  const values = new Float64Array(count * SIZE);
  const window = Float64Array.from(
    { length: FRAME },
    (_, index) => 0.54 - 0.46 * Math.cos((2 * Math.PI * index) / (FRAME - 1)),
  );
  const filters = melFilters();
  const real = new Float64Array(FFT);
  const imaginary = new Float64Array(FFT);
  const power = new Float64Array(FFT / 2 + 1);
  const logs = new Float64Array(MELS);
  for (const run of runs) {
    for (let frame = run.from; frame < run.to; frame++) {
      real.fill(0);
      imaginary.fill(0);
      const start = frame * HOP;
      for (let index = 0; index < FRAME; index++) {
        const before = start + index > 0 ? samples[start + index - 1]! : 0;
        real[index] = (samples[start + index]! - 0.97 * before) * window[index]!;
      }
      transform(real, imaginary);
      for (let bin = 0; bin <= FFT / 2; bin++) power[bin] = real[bin]! ** 2 + imaginary[bin]! ** 2;
      for (const [mel, filter] of filters.entries()) {
        let sum = 1e-10;
        for (const [index, weight] of filter.weights.entries()) sum += weight * power[filter.first + index]!;
        logs[mel] = Math.log(sum);
      }
      const to = (run.at + frame - run.from) * SIZE;
      for (let order = 1; order <= SIZE; order++) {
        let sum = 0;
        for (let mel = 0; mel < MELS; mel++) sum += logs[mel]! * Math.cos((Math.PI * order * (mel + 0.5)) / MELS);
        values[to + order - 1] = sum;
      }
    }
    onProgress?.((0.6 * (run.at + run.to - run.from)) / count);
  }
  return { values, count };
}

function melFilters(): { first: number; weights: number[] }[] {
  const mel = (hertz: number) => 2595 * Math.log10(1 + hertz / 700);
  const hertz = (value: number) => 700 * (10 ** (value / 2595) - 1);
  const [low, high] = [mel(60), mel(7600)];
  const points = Array.from(
    { length: MELS + 2 },
    (_, index) => (hertz(low + ((high - low) * index) / (MELS + 1)) * FFT) / RATE,
  );
  return Array.from({ length: MELS }, (_, index) => {
    const [left, middle, right] = [points[index]!, points[index + 1]!, points[index + 2]!];
    const first = Math.ceil(left);
    const weights: number[] = [];
    for (let bin = first; bin <= right; bin++) {
      weights.push(Math.max(0, bin < middle ? (bin - left) / (middle - left) : (right - bin) / (right - middle)));
    }
    return { first, weights };
  });
}

/** In place, radix 2. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const size = real.length;
  for (let index = 1, reversed = 0; index < size; index++) {
    let bit = size >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (index < reversed) {
      [real[index], real[reversed]] = [real[reversed]!, real[index]!];
      [imaginary[index], imaginary[reversed]] = [imaginary[reversed]!, imaginary[index]!];
    }
  }
  for (let length = 2; length <= size; length <<= 1) {
    const angle = (-2 * Math.PI) / length;
    for (let step = 0; step < length / 2; step++) {
      const [cosine, sine] = [Math.cos(angle * step), Math.sin(angle * step)];
      for (let start = step; start < size; start += length) {
        const other = start + length / 2;
        const re = real[other]! * cosine - imaginary[other]! * sine;
        const im = real[other]! * sine + imaginary[other]! * cosine;
        real[other] = real[start]! - re;
        imaginary[other] = imaginary[start]! - im;
        real[start] = real[start]! + re;
        imaginary[start] = imaginary[start]! + im;
      }
    }
  }
}

// ---------------------------------------------------------------- voices

/** Sums from which mean and covariance follow; those of two voices add up. */
type Voice = { count: number; sum: Float64Array; products: Float64Array };

const emptyVoice = (): Voice => ({ count: 0, sum: new Float64Array(SIZE), products: new Float64Array(SIZE * SIZE) });

function addFrame(voice: Voice, features: Features, frame: number): void {
  const at = frame * SIZE;
  voice.count++;
  for (let i = 0; i < SIZE; i++) {
    const value = features.values[at + i]!;
    voice.sum[i]! += value;
    for (let j = 0; j <= i; j++) voice.products[i * SIZE + j]! += value * features.values[at + j]!;
  }
}

function joined(a: Voice, b: Voice): Voice {
  return {
    count: a.count + b.count,
    sum: a.sum.map((value, index) => value + b.sum[index]!),
    products: a.products.map((value, index) => value + b.products[index]!),
  };
}

/** Cholesky factor (lower triangle) of the covariance, floored so that a short voice has one too. */
function factorOf(voice: Voice): Float64Array {
  const factor = new Float64Array(SIZE * SIZE);
  const mean = voice.sum.map((value) => value / voice.count);
  for (let i = 0; i < SIZE; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = voice.products[i * SIZE + j]! / voice.count - mean[i]! * mean[j]! + (i === j ? 0.05 : 0);
      for (let k = 0; k < j; k++) sum -= factor[i * SIZE + k]! * factor[j * SIZE + k]!;
      factor[i * SIZE + j] = i === j ? Math.sqrt(Math.max(sum, 1e-6)) : sum / factor[j * SIZE + j]!;
    }
  }
  return factor;
}

function logDeterminant(voice: Voice): number {
  const factor = factorOf(voice);
  let sum = 0;
  for (let i = 0; i < SIZE; i++) sum += 2 * Math.log(factor[i * SIZE + i]!);
  return sum;
}

const PENALTY = 0.5 * (SIZE + (SIZE * (SIZE + 1)) / 2);

function piecesOf(runs: Run[], length: number): { from: number; to: number }[] {
  return runs.flatMap((run) => {
    const size = run.to - run.from;
    const parts = Math.max(1, Math.round(size / length));
    return Array.from({ length: parts }, (_, part) => ({
      from: run.at + Math.round((part * size) / parts),
      to: run.at + Math.round(((part + 1) * size) / parts),
    }));
  });
}

/** Joins what sounds alike until the criterion, or the number of speakers, says stop. */
function cluster(features: Features, pieces: { from: number; to: number }[], wanted: number | undefined): Voice[] {
  type Node = { voice: Voice; determinant: number };
  const nodes: (Node | null)[] = pieces.map(({ from, to }) => {
    const voice = emptyVoice();
    for (let frame = from; frame < to; frame++) addFrame(voice, features, frame);
    return { voice, determinant: logDeterminant(voice) };
  });
  const penalty = (a: Node, b: Node) => LAMBDA * PENALTY * Math.log(a.voice.count + b.voice.count);
  const gain = (a: Node, b: Node) => {
    const together = joined(a.voice, b.voice);
    return (
      0.5 * (together.count * logDeterminant(together) - a.voice.count * a.determinant - b.voice.count * b.determinant)
    );
  };
  const count = nodes.length;
  const costs = new Float64Array(count * count).fill(Number.POSITIVE_INFINITY);
  const nearest = new Int32Array(count).fill(-1);
  const findNearest = (i: number) => {
    nearest[i] = -1;
    for (let j = 0; j < i; j++) {
      if (nodes[j] && (nearest[i]! < 0 || costs[i * count + j]! < costs[i * count + nearest[i]!]!)) nearest[i] = j;
    }
  };
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) costs[i * count + j] = gain(nodes[i]!, nodes[j]!);
    findNearest(i);
  }
  let left = count;
  while (left > 1) {
    let best = -1;
    for (let i = 0; i < count; i++) {
      if (!nodes[i] || nearest[i]! < 0) continue;
      if (best < 0 || costs[i * count + nearest[i]!]! < costs[best * count + nearest[best]!]!) best = i;
    }
    const [a, b] = [best, nearest[best]!];
    const cost = costs[a * count + b]!;
    if (wanted ? left <= wanted : cost > penalty(nodes[a]!, nodes[b]!) && left <= MOST_SPEAKERS) break;
    const voice = joined(nodes[a]!.voice, nodes[b]!.voice);
    nodes[b] = { voice, determinant: logDeterminant(voice) };
    nodes[a] = null;
    left--;
    for (let i = 0; i < count; i++) {
      if (!nodes[i] || i === b) continue;
      const cell = i > b ? i * count + b : b * count + i;
      costs[cell] = gain(nodes[i]!, nodes[b]!);
    }
    for (let i = 0; i < count; i++)
      if (nodes[i] && (i === b || i > b || nearest[i] === a || nearest[i] === b)) findNearest(i);
  }
  return nodes.filter((node) => node !== null).map((node) => node.voice);
}

/** The likeliest voice of each frame, where changing the voice costs. */
function assign(features: Features, voices: Voice[]): Int16Array {
  const count = voices.length;
  const models = voices.map((voice) => ({
    mean: voice.sum.map((value) => value / voice.count),
    factor: factorOf(voice),
    constant: -0.5 * logDeterminant(voice),
  }));
  const labels = new Int16Array(features.count);
  let scores = new Float64Array(count);
  const back: Int16Array = new Int16Array(features.count * count);
  const rest = new Float64Array(SIZE);
  for (let frame = 0; frame < features.count; frame++) {
    let top = 0;
    for (let voice = 1; voice < count; voice++) if (scores[voice]! > scores[top]!) top = voice;
    const next = new Float64Array(count);
    for (const [voice, model] of models.entries()) {
      const stays = scores[voice]! >= scores[top]! - CHANGE_COST;
      back[frame * count + voice] = stays ? voice : top;
      let distance = 0;
      for (let i = 0; i < SIZE; i++) {
        let value = features.values[frame * SIZE + i]! - model.mean[i]!;
        for (let k = 0; k < i; k++) value -= model.factor[i * SIZE + k]! * rest[k]!;
        rest[i] = value / model.factor[i * SIZE + i]!;
        distance += rest[i]! ** 2;
      }
      next[voice] = (stays ? scores[voice]! : scores[top]! - CHANGE_COST) + model.constant - 0.5 * distance;
    }
    scores = next;
  }
  let voice = 0;
  for (let other = 1; other < count; other++) if (scores[other]! > scores[voice]!) voice = other;
  for (let frame = features.count - 1; frame >= 0; frame--) {
    labels[frame] = voice;
    voice = back[frame * count + voice]!;
  }
  return labels;
}

/** Voices made anew from the frames that were given to them; one with less than half a second is dropped. */
function regroup(features: Features, labels: Int16Array, count: number): Voice[] {
  const voices = Array.from({ length: count }, emptyVoice);
  for (let frame = 0; frame < features.count; frame++) addFrame(voices[labels[frame]!]!, features, frame);
  return voices.filter((voice) => voice.count >= FRAMES_A_SECOND / 2);
}

/** Speakers are numbered in the order in which they first speak. */
function turnsOf(runs: Run[], labels: Int16Array): Turn[] {
  const names = new Map<number, string>();
  const turns: Turn[] = [];
  for (const run of runs) {
    let start = run.from;
    for (let frame = run.from; frame < run.to; frame++) {
      const label = labels[run.at + frame - run.from]!;
      const next = frame + 1 < run.to ? labels[run.at + frame + 1 - run.from]! : -1;
      if (next === label) continue;
      if (!names.has(label)) names.set(label, `s${names.size + 1}`);
      turns.push({ start: start / FRAMES_A_SECOND, end: (frame + 1) / FRAMES_A_SECOND, speaker: names.get(label)! });
      start = frame + 1;
    }
  }
  return turns;
}
