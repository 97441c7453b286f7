/** The videos that a node made for the items of a list: the clips of a run. Pure. */
import type { NodeView } from '../run-view.ts';

export type MadeVideo = { asset: string; title: string; duration: number | null; wide: boolean };

export function madeVideos(view: NodeView | undefined): MadeVideo[] {
  if (!view?.preview || (view.counts.total ?? 0) < 2 || !['video', 'list'].includes(view.preview.kind)) return [];
  return view.preview.items.flatMap(({ asset, mime, title, duration, width, height }) =>
    asset && mime?.startsWith('video/')
      ? [{ asset, title: title ?? '', duration: duration ?? null, wide: (width ?? 16) > (height ?? 9) }]
      : [],
  );
}
