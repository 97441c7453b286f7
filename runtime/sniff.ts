/**
 * Says what a file is from its first bytes; names and declared types are never believed.
 *
 * `demuxer` is the ffmpeg demuxer to force: a playlist that calls itself mp4 has no magic number of a medium and so
 * never reaches ffmpeg at all. A container's kind is a first guess (an .m4a and an .mp4 may begin alike): the prober's
 * facts decide afterwards. Give the first 4,096 bytes, or the whole file where it is shorter.
 */
import { open } from 'node:fs/promises';

export type Sniffed = {
  kind: 'video' | 'audio' | 'image' | 'text' | 'file';
  mime: string;
  /** With its dot. */
  extension: string;
  /** ffmpeg's name for the container; null where ffmpeg has no business with it. */
  demuxer: string | null;
};

export const SNIFF_BYTES = 4096;

/** What ffmpeg may be given. */
export type SniffedMedia = Sniffed & { demuxer: string };

const media = (kind: 'video' | 'audio', mime: string, extension: string, demuxer: string): Sniffed => ({
  kind,
  mime,
  extension,
  demuxer,
});
const image = (mime: string, extension: string): Sniffed => ({ kind: 'image', mime, extension, demuxer: null });
const other = (kind: 'text' | 'file', mime: string, extension: string): Sniffed => ({
  kind,
  mime,
  extension,
  demuxer: null,
});

const ascii = (bytes: Uint8Array, from: number, to: number) =>
  String.fromCharCode(...bytes.subarray(from, Math.min(to, bytes.length)));
const startsWith = (bytes: Uint8Array, ...magic: number[]) => magic.every((byte, index) => bytes[index] === byte);

/** Undefined where it is nothing this product can use. `name` only tells kinds of plain text apart. */
export function sniff(bytes: Uint8Array, name = ''): Sniffed | undefined {
  return sniffIso(bytes) ?? sniffBinary(bytes) ?? sniffText(bytes, name);
}

/** MP4 and its family: a box length, then `ftyp` and a brand; very old QuickTime begins with another box. */
function sniffIso(bytes: Uint8Array): Sniffed | undefined {
  const box = ascii(bytes, 4, 8);
  if (box === 'ftyp') {
    const brand = ascii(bytes, 8, 12);
    if (/^M4[AB] $/.test(brand)) return media('audio', 'audio/mp4', '.m4a', 'mov');
    if (/^(avif|avis)$/.test(brand)) return image('image/avif', '.avif');
    if (/^(heic|heix|mif1|msf1)$/.test(brand)) return image('image/heic', '.heic');
    if (brand === 'qt  ') return media('video', 'video/quicktime', '.mov', 'mov');
    return media('video', 'video/mp4', '.mp4', 'mov');
  }
  if (/^(moov|mdat|wide|free|skip|pnot)$/.test(box) && bytes[0] === 0)
    return media('video', 'video/quicktime', '.mov', 'mov');
  return undefined;
}

function sniffBinary(bytes: Uint8Array): Sniffed | undefined {
  if (startsWith(bytes, 0x1a, 0x45, 0xdf, 0xa3)) {
    const webm = ascii(bytes, 0, 64).includes('webm');
    return webm
      ? media('video', 'video/webm', '.webm', 'matroska')
      : media('video', 'video/x-matroska', '.mkv', 'matroska');
  }
  if (ascii(bytes, 0, 4) === 'RIFF' || ascii(bytes, 0, 4) === 'RF64') {
    const form = ascii(bytes, 8, 12);
    if (form === 'WAVE') return media('audio', 'audio/wav', '.wav', 'wav');
    if (form === 'WEBP') return image('image/webp', '.webp');
    return other('file', 'application/octet-stream', '.riff');
  }
  if (ascii(bytes, 0, 4) === 'fLaC') return media('audio', 'audio/flac', '.flac', 'flac');
  if (ascii(bytes, 0, 4) === 'OggS') {
    const theora = ascii(bytes, 0, 256).includes('theora');
    return theora ? media('video', 'video/ogg', '.ogv', 'ogg') : media('audio', 'audio/ogg', '.ogg', 'ogg');
  }
  if (ascii(bytes, 0, 3) === 'ID3') return media('audio', 'audio/mpeg', '.mp3', 'mp3');
  if (startsWith(bytes, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return image('image/png', '.png');
  if (startsWith(bytes, 0xff, 0xd8, 0xff)) return image('image/jpeg', '.jpg');
  if (/^GIF8[79]a$/.test(ascii(bytes, 0, 6))) return image('image/gif', '.gif');
  if (ascii(bytes, 0, 5) === '%PDF-') return other('file', 'application/pdf', '.pdf');
  if (startsWith(bytes, 0x50, 0x4b, 0x03, 0x04)) return other('file', 'application/zip', '.zip');
  return sniffFrames(bytes);
}

/** Bare MPEG audio has no magic number, only sync words: two frames in a row at the right distance are believed. */
function sniffFrames(bytes: Uint8Array): Sniffed | undefined {
  if (bytes[0] !== 0xff || ((bytes[1] ?? 0) & 0xe0) !== 0xe0) return undefined;
  if (((bytes[1] ?? 0) & 0xf6) === 0xf0) return media('audio', 'audio/aac', '.aac', 'aac');
  const length = mp3FrameBytes(bytes, 0);
  if (length === undefined) return undefined;
  const next = mp3FrameBytes(bytes, length);
  return next === undefined && bytes.length > length + 4 ? undefined : media('audio', 'audio/mpeg', '.mp3', 'mp3');
}

const MP3_KBITS = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MP3_KBITS_V2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const MP3_RATES: Record<number, number[]> = {
  3: [44_100, 48_000, 32_000],
  2: [22_050, 24_000, 16_000],
  0: [11_025, 12_000, 8_000],
};

/** Length of the layer III frame at `at`, or undefined where there is none. */
function mp3FrameBytes(bytes: Uint8Array, at: number): number | undefined {
  const [first, second = 0, third = 0] = bytes.subarray(at, at + 3);
  if (first !== 0xff || (second & 0xe0) !== 0xe0 || ((second >> 1) & 3) !== 1) return undefined;
  const version = (second >> 3) & 3;
  const rate = MP3_RATES[version]?.[(third >> 2) & 3];
  const kbits = (version === 3 ? MP3_KBITS : MP3_KBITS_V2)[third >> 4];
  if (!rate || !kbits) return undefined;
  return Math.floor(((version === 3 ? 144 : 72) * kbits * 1000) / rate) + ((third >> 1) & 1);
}

/** Plain UTF-8 text without control characters; what it is for is told from its first words and its name. */
function sniffText(bytes: Uint8Array, name: string): Sniffed | undefined {
  if (bytes.length === 0) return undefined;
  let text: string;
  try {
    // `stream`: a character cut in two by the end of the sample is no error
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, SNIFF_BYTES), { stream: true });
  } catch {
    return undefined;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what makes it text
  if (/[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(text)) return undefined;
  const head = text.replace(/^\ufeff/, '').trimStart();
  const extension = /\.[a-z0-9]{1,8}$/i.exec(name)?.[0].toLowerCase() ?? '';
  if (/^WEBVTT\b/.test(head)) return other('text', 'text/vtt', '.vtt');
  if (/^\d+\r?\n\d{1,2}:\d\d:\d\d[,.]\d{1,3} --> /.test(head)) return other('text', 'application/x-subrip', '.srt');
  if (/^<(\?xml[^>]*>\s*(<!--[\s\S]*?-->\s*)?<)?(tt|tt:tt)[\s>]/.test(head)) {
    return other('text', 'application/ttml+xml', '.ttml');
  }
  if (/^(<!doctype html|<html)/i.test(head)) return other('file', 'text/html', '.html');
  if (/^(<\?xml|<svg|<!doctype svg)/i.test(head)) return other('file', 'application/xml', '.xml');
  if (/^[[{]/.test(head) && extension === '.json') return other('text', 'application/json', '.json');
  if (extension === '.md' || extension === '.markdown') return other('text', 'text/markdown', '.md');
  return other('text', 'text/plain', '.txt');
}

/** The same for a file that ffmpeg is to read, looking behind an ID3 tag; null where it has no business with it. */
export async function sniffMedia(file: string): Promise<SniffedMedia | null> {
  const handle = await open(file, 'r');
  try {
    const read = async (length: number, at: number) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at);
      return buffer.subarray(0, bytesRead);
    };
    const head = await read(SNIFF_BYTES, 0);
    let found = sniff(head);
    if (ascii(head, 0, 3) === 'ID3') {
      // the tag tells its length in four bytes of seven bits each
      const size = [6, 7, 8, 9].reduce((sum, at) => (sum << 7) | ((head[at] ?? 0) & 0x7f), 0);
      const behind = sniffBinary(await read(16, 10 + size));
      if (behind?.demuxer === 'flac' || behind?.demuxer === 'aac') found = behind;
    }
    return found && found.demuxer !== null ? { ...found, demuxer: found.demuxer } : null;
  } finally {
    await handle.close();
  }
}
