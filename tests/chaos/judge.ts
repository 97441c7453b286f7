/**
 * What became of the accepted triggers, from the platform's record alone: nothing of the product's tables is read. `unknown`
 * are the texts whose post the product asks a person about: it says that it does not know, so neither answer is held against it.
 */
import type { Post } from './platform.ts';

/** `runId` as the answer to the request named it. */
export type Accepted = { text: string; runId: string; at: number };
export type Judgement = {
  runs: number;
  effects: number;
  lost: string[];
  doubled: string[];
  unknown: string[];
  recoveryP95Seconds: number;
};

export function judge(
  accepted: readonly Accepted[],
  posts: readonly Pick<Post, 'text' | 'at'>[],
  unknown: ReadonlySet<string>,
  faults: readonly number[],
): Judgement {
  const times = new Map<string, number>();
  for (const { text } of posts) times.set(text, (times.get(text) ?? 0) + 1);
  const texts = new Set(accepted.map(({ text }) => text));
  return {
    runs: texts.size,
    effects: posts.length,
    lost: [...texts].filter((text) => !times.has(text) && !unknown.has(text)),
    // a post that nobody asked for is one too many as well
    doubled: [...times].filter(([text, count]) => count > 1 || !texts.has(text)).map(([text]) => text),
    unknown: [...unknown],
    recoveryP95Seconds: recovery(accepted, posts, faults),
  };
}

/** From a fault to the next post of a run that was accepted before it. */
function recovery(
  accepted: readonly Accepted[],
  posts: readonly Pick<Post, 'text' | 'at'>[],
  faults: readonly number[],
): number {
  const acceptedAt = new Map(accepted.map(({ text, at }) => [text, at]));
  const inOrder = [...posts].sort((a, b) => a.at - b.at);
  const seconds = faults.flatMap((fault) => {
    const next = inOrder.find(({ text, at }) => at > fault && (acceptedAt.get(text) ?? Infinity) < fault);
    return next ? [(next.at - fault) / 1000] : [];
  });
  seconds.sort((a, b) => a - b);
  return seconds[Math.max(0, Math.ceil(seconds.length * 0.95) - 1)] ?? 0;
}
