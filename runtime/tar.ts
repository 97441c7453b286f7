/**
 * A tar archive written and read as a stream (POSIX ustar; sizes over 8 GB as base-256, as GNU tar writes them), so that
 * a backup can be looked into with `tar -tf`.
 */
import type { Readable } from 'node:stream';

const BLOCK = 512;

/** The head of one entry; its bytes follow, then `paddingOf(bytes)`. */
export function headOf(name: string, bytes: number): Buffer {
  const head = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > 100) throw new Error(`The name ${name} is too long for tar.`);
  head.write(name, 0);
  head.write('0000600\0', 100);
  head.write('0000000\0', 108);
  head.write('0000000\0', 116);
  if (bytes < 8 ** 11) head.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  else {
    head.writeBigUInt64BE(BigInt(bytes), 128);
    head[124] = 0x80;
  }
  head.write('00000000000\0', 136);
  head.write('        ', 148);
  head.write('0', 156);
  head.write('ustar\0' + '00', 257);
  head.write(`${sumOf(head).toString(8).padStart(6, '0')}\0 `, 148);
  return head;
}

export const paddingOf = (bytes: number): Buffer => Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
export const END = Buffer.alloc(2 * BLOCK);

function sumOf(head: Buffer): number {
  return head.reduce((sum, byte) => sum + byte, 0);
}

/** `message` goes on from the file's name. */
export class TarError extends Error {
  override name = 'TarError';
}

/** `isFile`: not a link, a folder or a header of its own. */
export type TarEntry = { name: string; bytes: number; isFile: boolean; read(): AsyncGenerator<Buffer> };

/** Entries in order. What an entry's `read` leaves is passed over. Throws where the archive ends early or is damaged. */
export async function* entriesOf(stream: Readable): AsyncGenerator<TarEntry> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let left: Buffer = Buffer.alloc(0);
  async function some(most: number): Promise<Buffer> {
    if (left.length === 0) {
      const { value, done } = await chunks.next();
      if (done) throw new TarError('is not whole: it ends in the middle');
      left = value;
    }
    const part = left.subarray(0, most);
    left = left.subarray(part.length);
    return part;
  }
  async function exactly(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = bytes; missing > 0; missing -= parts.at(-1)!.length) parts.push(await some(missing));
    return Buffer.concat(parts);
  }
  for (;;) {
    const head = await exactly(BLOCK);
    if (head.every((byte) => byte === 0)) return;
    const sum = Number.parseInt(head.toString('latin1', 148, 154), 8);
    head.fill(' ', 148, 156);
    if (head.toString('latin1', 257, 262) !== 'ustar' || sumOf(head) !== sum) throw new TarError('is not a backup');
    const name = head.toString('utf8', 0, 100).replace(/\0.*$/s, '');
    const bytes =
      head[124] === 0x80 ? Number(head.readBigUInt64BE(128)) : Number.parseInt(head.toString('latin1', 124, 135), 8);
    let missing = bytes;
    const read = async function* () {
      while (missing > 0) {
        const part = await some(missing);
        missing -= part.length;
        yield part;
      }
    };
    const kind = head.toString('latin1', 156, 157);
    yield { name, bytes, isFile: kind === '0' || kind === '\0', read };
    for await (const _ of read()); // whatever nobody wanted
    await exactly(paddingOf(bytes).length);
  }
}
