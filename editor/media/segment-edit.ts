/** Corrections of segments and what may be wrong with them. Times are seconds of the recording. Pure. */
import type { Segment } from '../../nodes/contract.ts';
import { toTenth } from './time.ts';

/** Shorter pieces are slips: no platform takes them. */
export const SHORTEST = 1;

export type SegmentFault = { field: 'title' | 'start' | 'end'; message: string };

/** What keeps a segment from being cut. `duration` of the recording, null where it is not known. */
export function faultsOf(segment: Segment, duration: number | null): SegmentFault[] {
  const faults: SegmentFault[] = [];
  if (segment.title.trim() === '') faults.push({ field: 'title', message: 'A segment needs a title.' });
  if (segment.title.length > 200)
    faults.push({ field: 'title', message: `The title has ${segment.title.length} characters; 200 fit.` });
  if (segment.start < 0) faults.push({ field: 'start', message: 'Starts before the recording.' });
  if (segment.end <= segment.start) faults.push({ field: 'end', message: 'Ends before it starts.' });
  else if (segment.end - segment.start < SHORTEST)
    faults.push({ field: 'end', message: `Shorter than ${SHORTEST} second.` });
  if (duration !== null && segment.end > duration + 0.05)
    faults.push({ field: 'end', message: `Ends after the recording, which is ${toTenth(duration)} s long.` });
  return faults;
}

/** Segments that share time, as pairs of places in the list: allowed, but worth knowing. */
export function overlaps(segments: readonly Segment[]): [number, number][] {
  const found: [number, number][] = [];
  segments.forEach((one, place) => {
    segments.slice(place + 1).forEach((other, further) => {
      if (Math.min(one.end, other.end) - Math.max(one.start, other.start) > 0.05)
        found.push([place, place + 1 + further]);
    });
  });
  return found;
}

export function setSegment(segments: readonly Segment[], place: number, change: Partial<Segment>): Segment[] {
  return segments.map((segment, index) => (index === place ? { ...segment, ...change } : segment));
}

/** One edge moved by `seconds`, held inside the recording and away from the other edge. */
export function nudge(segment: Segment, edge: 'start' | 'end', seconds: number, duration: number | null): Segment {
  const wanted = toTenth(segment[edge] + seconds);
  return { ...segment, [edge]: hold(segment, edge, wanted, duration) };
}

/** One edge moved to the next border of a sentence in a direction; unchanged where there is none. */
export function nudgeToBorder(
  segment: Segment,
  edge: 'start' | 'end',
  direction: -1 | 1,
  borders: readonly number[],
  duration: number | null,
): Segment {
  const at = segment[edge];
  const next =
    direction > 0 ? borders.find((border) => border > at + 0.05) : borders.findLast((border) => border < at - 0.05);
  if (next === undefined || hold(segment, edge, next, duration) !== next) return segment;
  return { ...segment, [edge]: next };
}

function hold(segment: Segment, edge: 'start' | 'end', wanted: number, duration: number | null): number {
  if (edge === 'start') return Math.max(0, Math.min(wanted, segment.end - SHORTEST));
  return Math.min(Math.max(wanted, segment.start + SHORTEST), duration ?? Number.POSITIVE_INFINITY);
}
