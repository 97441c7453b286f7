/** Where the bytes of an asset are served. */

let link: string | undefined;
/** On a page that was opened by a signed link, media are asked for with it. */
export function openedByLink(token: string | undefined): void {
  link = token;
}
const asked = (...parts: string[]): string => {
  const all = link === undefined ? parts : [...parts, `link=${encodeURIComponent(link)}`];
  return all.length === 0 ? '' : `?${all.join('&')}`;
};

const place = (workspaceId: string, asset: string): string => `/media/${workspaceId}/${asset}`;
export const mediaAddress = (workspaceId: string, asset: string): string => place(workspaceId, asset) + asked();

/** Saved by the browser under `name` instead of being shown. */
export const downloadAddress = (workspaceId: string, asset: string, name: string): string =>
  place(workspaceId, asset) + asked(`download=${encodeURIComponent(name)}`);

export const peaksAddress = (workspaceId: string, asset: string, bins: number): string =>
  `${place(workspaceId, asset)}/peaks${asked(`bins=${bins}`)}`;

/** A file name for what has none: "Ask what you can do.mp4". */
export function fileName(asset: { name?: string | undefined; mime: string }, title?: string): string {
  const ending = asset.name?.match(/\.[A-Za-z0-9]{1,5}$/)?.[0] ?? ENDINGS[asset.mime] ?? '';
  const stem = title?.replace(/[\\/:*?"<>|\p{Cc}]+/gu, ' ').trim() || asset.name?.replace(/\.[^.]*$/, '') || 'file';
  return `${stem}${ending}`;
}
const ENDINGS: Record<string, string> = {
  'video/mp4': '.mp4',
  'video/quicktime': '.mov',
  'video/webm': '.webm',
  'video/x-matroska': '.mkv',
  'audio/mpeg': '.mp3',
  'audio/wav': '.wav',
  'audio/mp4': '.m4a',
  'audio/flac': '.flac',
  'audio/ogg': '.ogg',
  'image/png': '.png',
  'image/jpeg': '.jpg',
  'text/plain': '.txt',
  'text/vtt': '.vtt',
};
