/** The videos that a node made for the items of a list: the clips of a run. Pure. */
import type { NodeView } from '../run-view.ts';

export type MadeVideo = { asset: string; title: string; duration: number | null; wide: boolean };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Read leniently: a preview is a hint, never trusted to be whole. An asset is its hash, or a whole one. */
export function madeVideos(view: NodeView | undefined): MadeVideo[] {
  if (!view?.preview || (view.counts.total ?? 0) < 2 || !['video', 'list'].includes(view.preview.kind)) return [];
  const items: readonly unknown[] = view.preview.items;
  return items.flatMap((item) => {
    if (!isObject(item)) return [];
    const whole = isObject(item.asset) ? item.asset : item;
    const asset = isObject(item.asset) ? item.asset.asset : item.asset;
    const isVideo = whole.kind === 'video' || (typeof whole.mime === 'string' && whole.mime.startsWith('video/'));
    if (typeof asset !== 'string' || !isVideo) return [];
    const title = typeof item.title === 'string' ? item.title : typeof whole.name === 'string' ? whole.name : '';
    const duration = typeof item.duration === 'number' ? item.duration : null;
    return [{ asset, title, duration, wide: Number(whole.width ?? 16) > Number(whole.height ?? 9) }];
  });
}
