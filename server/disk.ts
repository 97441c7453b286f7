/** How much room the data folder's disk has, and from when on uploads are warned of and refused. Pure but for the look. */
import { statfs } from 'node:fs/promises';

export type Disk = { freeBytes: number; totalBytes: number };
export type Room = Disk & {
  state: 'ok' | 'low' | 'full';
  /** Never given to uploads: the database on the same disk must not stand still. */
  spareBytes: number;
};

const MB = 1024 ** 2;
const GB = 1024 ** 3;
/** 3 % of the disk, but at least 512 MB and at most 5 GB. */
const spareOf = (totalBytes: number) => Math.min(5 * GB, Math.max(512 * MB, totalBytes * 0.03));
const LOW_BYTES = 5 * GB;

export async function diskOf(folder: string): Promise<Disk> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

export function roomIn(disk: Disk): Room {
  const spareBytes = spareOf(disk.totalBytes);
  const state = disk.freeBytes <= spareBytes ? 'full' : disk.freeBytes < spareBytes + LOW_BYTES ? 'low' : 'ok';
  return { ...disk, state, spareBytes };
}
