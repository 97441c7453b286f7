/**
 * Where the crop of a clip lies over time: it rests while the person rests, glides along when they walk, and jumps only
 * where the picture cuts. Pure: decided from where the person was seen. Pixels of the recording, seconds of the clip.
 */
import type { CropKey, TrackResult, TrackSample } from '../../contract.ts';

/** A person who stays within this share of the width to either side is at rest. */
const REST = 0.035;
/** Seconds a person stays somewhere before that counts as rest. */
const REST_SECONDS = 1;
/** Simplification of a walk, as a share of the width. */
const SMOOTH = 0.012;
/** Seconds of a glide between two resting places. */
const GLIDE = 0.6;

export type CropPath = { keys: CropKey[]; moves: number; seen: number };
type Spot = { time: number; x: number };
type Piece = { from: number; to: number; x: number; rests: boolean };

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};

/** One wrong sight between two that agree is overruled by them. */
function withoutOutliers(spots: readonly Spot[]): Spot[] {
  return spots.map((spot, index) => {
    const [before, after] = [spots[index - 1], spots[index + 1]];
    return before && after ? { time: spot.time, x: median([before.x, spot.x, after.x]) } : spot;
  });
}

/** Rests as long as they can be, and single moving sights between them. */
function restsAndMoves(spots: readonly Spot[], width: number): Piece[] {
  const pieces: Piece[] = [];
  const room = 2 * REST * width;
  for (let at = 0; at < spots.length; ) {
    let [low, high] = [spots[at]!.x, spots[at]!.x];
    let end = at;
    while (end + 1 < spots.length) {
      const { x } = spots[end + 1]!;
      if (Math.max(high, x) - Math.min(low, x) > room) break;
      [low, high] = [Math.min(low, x), Math.max(high, x)];
      end++;
    }
    const isWhole = at === 0 && end === spots.length - 1;
    if (isWhole || spots[end]!.time - spots[at]!.time >= REST_SECONDS) {
      const middle = median(spots.slice(at, end + 1).map((spot) => spot.x));
      // the median, as long as nobody is farther from it than rest allows
      const x = Math.min(Math.max(middle, high - REST * width), low + REST * width);
      pieces.push({ from: spots[at]!.time, to: spots[end]!.time, x, rests: true });
      at = end + 1;
    } else {
      pieces.push({ from: spots[at]!.time, to: spots[at]!.time, x: spots[at]!.x, rests: false });
      at++;
    }
  }
  return pieces;
}

/** Drops sights of a walk that lie on the straight line between their neighbours (Ramer, Douglas and Peucker). */
function straighten(points: readonly Spot[], tolerance: number): Spot[] {
  if (points.length < 3) return [...points];
  const [first, last] = [points[0]!, points.at(-1)!];
  let worst = 0;
  let farthest = 0;
  for (let index = 1; index < points.length - 1; index++) {
    const point = points[index]!;
    const on = first.x + ((last.x - first.x) * (point.time - first.time)) / Math.max(1e-6, last.time - first.time);
    const off = Math.abs(point.x - on);
    if (off > farthest) [worst, farthest] = [index, off];
  }
  if (farthest <= tolerance) return [first, last];
  return [
    ...straighten(points.slice(0, worst + 1), tolerance).slice(0, -1),
    ...straighten(points.slice(worst), tolerance),
  ];
}

/** The path through one shot, which begins at `start` and ends before `end`. */
function shotKeys(
  spots: readonly Spot[],
  start: number,
  end: number,
  width: number,
): { keys: { time: number; x: number; ease: CropKey['ease'] }[]; moves: number } {
  const pieces = restsAndMoves(withoutOutliers(spots), width);
  const keys: { time: number; x: number; ease: CropKey['ease'] }[] = [];
  let moves = 0;
  for (let at = 0; at < pieces.length; at++) {
    const piece = pieces[at]!;
    const [before, after] = [pieces[at - 1], pieces[at + 1]];
    if (piece.rests) {
      // a glide between two rests lies around the moment the person went from one to the other
      const leave = after?.rests ? Math.max(piece.from, (piece.to + after.from) / 2 - GLIDE / 2) : piece.to;
      const arrive = before?.rests ? Math.min(piece.to, (before.to + piece.from) / 2 + GLIDE / 2) : piece.from;
      keys.push({ time: before ? arrive : start, x: piece.x, ease: 'hold' });
      if (after) {
        keys.push({ time: Math.max(leave, before ? arrive : start), x: piece.x, ease: 'linear' });
        moves++;
      }
      continue;
    }
    let last = at;
    while (pieces[last + 1] && !pieces[last + 1]!.rests) last++;
    const walk = pieces.slice(at, last + 1).map(({ from, x }) => ({ time: from, x }));
    const ends = [
      ...(before ? [{ time: before.to, x: before.x }] : []),
      ...walk,
      ...(pieces[last + 1] ? [{ time: pieces[last + 1]!.from, x: pieces[last + 1]!.x }] : []),
    ];
    const line = straighten(ends, SMOOTH * width).filter((point) => walk.some((each) => each.time === point.time));
    if (!before) {
      moves++;
      if (walk[0]!.time > start) keys.push({ time: start, x: walk[0]!.x, ease: 'hold' });
    }
    for (const point of line) keys.push({ ...point, ease: 'linear' });
    at = last;
  }
  const final = keys.at(-1);
  if (final) final.ease = 'hold'; // never glides across a cut
  const tidy = keys
    .filter((key, index) => index === 0 || key.time > keys[index - 1]!.time || key.ease === 'linear')
    .filter((key) => key.time < end);
  return { keys: tidy, moves };
}

/**
 * Where the middle of the crop is over time, or null where nobody was seen. Sideways the crop follows; up and down it
 * takes one place a shot. It never leaves the picture.
 */
export function cropPath(
  track: TrackResult,
  crop: { width: number; height: number },
  duration: number,
): CropPath | null {
  const { width, height } = track;
  if (track.samples.length === 0) return null;
  const cuts = track.cuts.filter(
    (cut, index) => cut > 0.05 && cut < duration - 0.05 && (index === 0 || cut - track.cuts[index - 1]! > 0.08),
  );
  const borders = [0, ...cuts, duration];
  const insideX = (x: number) => Math.min(width - crop.width / 2, Math.max(crop.width / 2, x));
  const insideY = (y: number) => Math.min(height - crop.height / 2, Math.max(crop.height / 2, y));
  const shots = borders.slice(0, -1).map((start, index) => {
    const end = borders[index + 1]!;
    return { start, end, samples: track.samples.filter(({ time }) => time >= start - 0.01 && time < end - 0.01) };
  });
  // heads belong in the upper third
  const upright = (samples: readonly TrackSample[]) =>
    insideY(median(samples.map(({ y }) => y * height)) + crop.height * 0.17);
  const keys: CropKey[] = [];
  let moves = 0;
  let last: { x: number; y: number } | null = null;
  for (const { start, end, samples } of shots) {
    if (samples.length === 0) {
      const next = shots.find((shot) => shot.start > start && shot.samples.length > 0)?.samples[0];
      const place =
        last ?? (next ? { x: insideX(next.x * width), y: upright([next]) } : { x: width / 2, y: height / 2 });
      keys.push({ time: start, ...place, ease: 'hold' });
      continue;
    }
    const y = upright(samples);
    const shot = shotKeys(
      samples.map((sample) => ({ time: sample.time, x: sample.x * width })),
      start,
      end,
      width,
    );
    for (const key of shot.keys) keys.push({ time: key.time, x: insideX(key.x), y, ease: key.ease });
    moves += shot.moves;
    last = { x: keys.at(-1)!.x, y };
  }
  const round = (value: number) => Math.round(value * 100) / 100;
  return {
    keys: keys.map((key) => ({
      time: Math.round(key.time * 1000) / 1000,
      x: round(key.x),
      y: round(key.y),
      ease: key.ease,
    })),
    moves,
    seen: track.samples.length,
  };
}

/** The crop's middle at one moment: what the picture shows (a glide is a little softer at its ends). */
export function cropAt(keys: readonly CropKey[], time: number): { x: number; y: number } {
  let at = 0;
  while (at + 1 < keys.length && keys[at + 1]!.time <= time + 0.0005) at++;
  const [key, next] = [keys[at]!, keys[at + 1]];
  if (!next || key.ease === 'hold' || next.time <= key.time) return { x: key.x, y: key.y };
  const share = Math.min(1, Math.max(0, (time - key.time) / (next.time - key.time)));
  return { x: key.x + (next.x - key.x) * share, y: key.y + (next.y - key.y) * share };
}

/** The largest window of the wanted shape inside the picture, in whole even pixels. */
export function cropSize(
  source: { width: number; height: number },
  target: { width: number; height: number },
): { width: number; height: number } {
  const shape = target.width / target.height;
  const even = (value: number) => Math.max(16, Math.floor(value / 2) * 2);
  return source.width / source.height > shape
    ? { width: even(source.height * shape), height: even(source.height) }
    : { width: even(source.width), height: even(source.width / shape) };
}
