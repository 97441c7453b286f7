/**
 * Lets things glide from where they were to where the graph has them, wires along with them. Only what the person or a
 * command moved; with reduced motion it is there at once.
 */
import type { EditorStore } from './store.ts';

export type Places = Readonly<Record<string, { x: number; y: number }>>;

/** Where everything is now, by selection key; what the hand holds where it is held. */
export function placesIn(store: EditorStore): Record<string, { x: number; y: number }> {
  const { graph, live } = store.getState();
  return {
    ...Object.fromEntries([
      ...graph.nodes.map((node) => [node.id, node.position] as const),
      ...graph.sections.map((section) => [`section:${section.id}`, section.position] as const),
      ...graph.notes.map((note) => [`note:${note.id}`, note.position] as const),
    ]),
    ...live,
  };
}

const easeOut = (t: number) => 1 - (1 - t) ** 3;
/** 3 % overshoot: only for what the hand let go of. */
const settle = (t: number) => 1 + 1.7 * (t - 1) ** 3 + 0.7 * (t - 1) ** 2;

const frames = new WeakMap<EditorStore, number>();

/** From `before` to the graph's positions in `ms`. A second glide takes over from the first. */
export function glide(store: EditorStore, before: Places, ms: number, dropped = false): void {
  const running = frames.get(store);
  if (running !== undefined) cancelAnimationFrame(running);
  const { set } = store.getState();
  set({ live: {} });
  const now = placesIn(store);
  const moving = Object.entries(before).filter(([key, from]) => {
    const to = now[key];
    return to !== undefined && (to.x !== from.x || to.y !== from.y);
  });
  if (moving.length === 0 || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const started = performance.now();
  const ease = dropped ? settle : easeOut;
  const frame = (at: number) => {
    const t = Math.min(1, Math.max(0, (at - started) / ms));
    if (t >= 1) {
      frames.delete(store);
      set({ live: {} });
      return;
    }
    const share = ease(t);
    set({
      live: Object.fromEntries(
        moving.map(([key, from]) => {
          const to = now[key] ?? from;
          return [key, { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share }];
        }),
      ),
    });
    frames.set(store, requestAnimationFrame(frame));
  };
  set({ live: Object.fromEntries(moving) });
  frames.set(store, requestAnimationFrame(frame));
}
