/** One thing of a preview, read leniently: a preview is a hint, never trusted to be whole. */
export type Item = {
  /** Its place in the list. */
  key: string;
  asset: {
    asset: string;
    kind: string;
    name: string | null;
    width: number;
    height: number;
    duration: number | null;
  } | null;
  title: string | null;
  text: string | null;
  duration: number | null;
  url: string | null;
  start: number | null;
  end: number | null;
  state: string | null;
  progress: number | null;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);

const number = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : null);

export function readItem(value: unknown, index: number): Item {
  const item = isObject(value) ? value : {};
  const asset = isObject(item.asset) ? item.asset : null;
  const mime = text(asset?.mime) ?? text(item.mime) ?? '';
  const sha = asset ? text(asset.asset) : text(item.asset);
  const path = Array.isArray(item.path) ? item.path : [];
  return {
    key: `${path.join('.')}/${index}`,
    asset: sha
      ? {
          asset: sha,
          kind: text(asset?.kind) ?? mime.split('/')[0] ?? 'file',
          name: text(asset?.name),
          width: number(asset?.width) ?? number(item.width) ?? 16,
          height: number(asset?.height) ?? number(item.height) ?? 9,
          duration: number(asset?.duration),
        }
      : null,
    title: text(item.title),
    text: text(item.text),
    duration: number(item.duration) ?? number(asset?.duration),
    url: text(item.url),
    start: number(item.start),
    end: number(item.end),
    state: text(item.state),
    progress: number(item.progress),
  };
}
