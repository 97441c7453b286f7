/** How fast an upload goes and how long it still takes, from what was sent lately. Pure. Bytes, milliseconds. */

export type Sample = { at: number; sent: number };
/** Long enough to level out single chunks, short enough to follow a changed line. */
const WINDOW_MS = 10_000;
const SHORTEST_MS = 800;

/** Samples with the new one; those that have left the window go, and all go when the upload went back or stood still. */
export function addSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const last = samples.at(-1);
  if (last && (sample.sent < last.sent || sample.at - last.at > WINDOW_MS)) return [sample];
  return [...samples.filter(({ at }) => sample.at - at <= WINDOW_MS), sample];
}

/** Bytes per second over the window; null until there is enough to judge. */
export function rateOf(samples: readonly Sample[]): number | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.at - first.at < SHORTEST_MS) return null;
  return ((last.sent - first.sent) * 1000) / (last.at - first.at);
}

/** Seconds until `total` bytes are sent; null where nobody can tell. */
export function secondsLeft(samples: readonly Sample[], total: number): number | null {
  const rate = rateOf(samples);
  const sent = samples.at(-1)?.sent ?? 0;
  if (rate === null || rate <= 0) return null;
  return Math.max(0, total - sent) / rate;
}
