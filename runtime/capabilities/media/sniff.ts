/**
 * Says what a file is from its first bytes, never from its name or from what a browser claimed.
 *
 * The answer decides which demuxer ffmpeg is forced to use, so a playlist that calls itself `talk.mp4` is refused
 * before any decoder sees it. Knows the containers the product accepts and no others.
 */
import { open } from 'node:fs/promises';

export type Sniffed = {
  /** The demuxer ffmpeg is told to use. */
  demuxer: 'mov' | 'matroska' | 'wav' | 'flac' | 'ogg' | 'mp3' | 'aac';
  mime: string;
};

const HEAD_BYTES = 4096;
const ascii = (bytes: Uint8Array, from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('latin1');

/** Atoms an ISO or QuickTime file may begin with. */
const MOV_ATOMS = new Set(['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip', 'pnot']);

/** An MPEG audio frame header: sync, a layer, a bit rate and a sample rate that exist. */
function isMpegAudio(bytes: Uint8Array, at: number): boolean {
  const [a, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
  if (a === undefined || b === undefined || c === undefined) return false;
  return (
    a === 0xff && (b & 0xe0) === 0xe0 && (b & 0x18) !== 0x08 && (b & 0x06) !== 0 && c >> 4 !== 15 && (c & 0x0c) !== 0x0c
  );
}

const isAdts = (bytes: Uint8Array, at: number) => bytes[at] === 0xff && ((bytes[at + 1] ?? 0) & 0xf6) === 0xf0;

/** What these first bytes begin, or null where it is nothing the product takes. `after` are the bytes behind an ID3 tag. */
export function sniffBytes(head: Uint8Array, after?: Uint8Array): Sniffed | null {
  if (head.length < 12) return null;
  const four = ascii(head, 0, 4);
  if (MOV_ATOMS.has(ascii(head, 4, 8))) {
    const brand = ascii(head, 8, 12);
    const mime = brand === 'qt  ' ? 'video/quicktime' : /^M4A|^M4B/.test(brand) ? 'audio/mp4' : 'video/mp4';
    return { demuxer: 'mov', mime };
  }
  if (head[0] === 0x1a && head[1] === 0x45 && head[2] === 0xdf && head[3] === 0xa3) {
    const webm = ascii(head, 0, 64).includes('webm');
    return { demuxer: 'matroska', mime: webm ? 'video/webm' : 'video/x-matroska' };
  }
  if ((four === 'RIFF' || four === 'RF64') && ascii(head, 8, 12) === 'WAVE')
    return { demuxer: 'wav', mime: 'audio/wav' };
  if (four === 'fLaC') return { demuxer: 'flac', mime: 'audio/flac' };
  if (four === 'OggS') return { demuxer: 'ogg', mime: 'audio/ogg' };
  if (four.startsWith('ID3')) {
    if (after && ascii(after, 0, 4) === 'fLaC') return { demuxer: 'flac', mime: 'audio/flac' };
    if (after && isAdts(after, 0)) return { demuxer: 'aac', mime: 'audio/aac' };
    return { demuxer: 'mp3', mime: 'audio/mpeg' };
  }
  if (isAdts(head, 0)) return { demuxer: 'aac', mime: 'audio/aac' };
  if (isMpegAudio(head, 0)) return { demuxer: 'mp3', mime: 'audio/mpeg' };
  return null;
}

/** The same for a file; reads at most 8 KB. */
export async function sniffFile(file: string): Promise<Sniffed | null> {
  const handle = await open(file, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0);
    const bytes = head.subarray(0, bytesRead);
    if (bytes.length < 12 || ascii(bytes, 0, 3) !== 'ID3') return sniffBytes(bytes);
    // an ID3v2 tag tells its length in four bytes of seven bits each
    const size = [6, 7, 8, 9].reduce((sum, at) => (sum << 7) | ((bytes[at] ?? 0) & 0x7f), 0);
    const after = Buffer.alloc(16);
    const { bytesRead: more } = await handle.read(after, 0, 16, 10 + size);
    return sniffBytes(bytes, after.subarray(0, more));
  } finally {
    await handle.close();
  }
}
