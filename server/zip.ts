/**
 * A ZIP as a stream: entries stored as they are (media do not shrink), sizes after the bytes, names in UTF-8, and ZIP64
 * where something is larger than 4 GB. Source: PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5 (read 2026-11).
 */
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';

export type ZipEntry = {
  /** With forward slashes; no drive, no dots. */
  name: string;
  open(): Promise<AsyncIterable<Uint8Array> | Iterable<Uint8Array>>;
};

const BIG = 0xffffffff;
/** UTF-8 names; sizes and checksum follow the data. */
const FLAGS = 0x0808;

export function zipStream(entries: AsyncIterable<ZipEntry>): Readable {
  return Readable.from(parts(entries), { objectMode: false });
}

async function* parts(entries: AsyncIterable<ZipEntry>): AsyncGenerator<Buffer> {
  const directory: Buffer[] = [];
  let offset = 0n;
  const { time, date } = dosTime(new Date());
  for await (const entry of entries) {
    const name = Buffer.from(entry.name, 'utf8');
    const start = offset;
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(45, 4);
    head.writeUInt16LE(FLAGS, 6);
    head.writeUInt16LE(time, 10);
    head.writeUInt16LE(date, 12);
    head.writeUInt32LE(BIG, 18); // the sizes stand in the ZIP64 field: the descriptor then has 8 bytes each
    head.writeUInt32LE(BIG, 22);
    head.writeUInt16LE(name.length, 26);
    head.writeUInt16LE(20, 28);
    const extra = Buffer.alloc(20);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(16, 2);
    yield Buffer.concat([head, name, extra]);
    let checksum = 0;
    let size = 0n;
    for await (const chunk of await entry.open()) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      checksum = crc32(bytes, checksum);
      size += BigInt(bytes.length);
      yield bytes;
    }
    const descriptor = Buffer.alloc(24);
    descriptor.writeUInt32LE(0x08074b50, 0);
    descriptor.writeUInt32LE(checksum, 4);
    descriptor.writeBigUInt64LE(size, 8);
    descriptor.writeBigUInt64LE(size, 16);
    yield descriptor;
    offset += BigInt(30 + name.length + 20 + 24) + size;

    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(45, 4);
    central.writeUInt16LE(45, 6);
    central.writeUInt16LE(FLAGS, 8);
    central.writeUInt16LE(time, 12);
    central.writeUInt16LE(date, 14);
    central.writeUInt32LE(checksum, 16);
    central.writeUInt32LE(BIG, 20);
    central.writeUInt32LE(BIG, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt16LE(28, 30);
    central.writeUInt32LE(BIG, 42);
    const sizes = Buffer.alloc(28);
    sizes.writeUInt16LE(1, 0);
    sizes.writeUInt16LE(24, 2);
    sizes.writeBigUInt64LE(size, 4);
    sizes.writeBigUInt64LE(size, 12);
    sizes.writeBigUInt64LE(start, 20);
    directory.push(Buffer.concat([central, name, sizes]));
  }
  const listing = Buffer.concat(directory);
  yield listing;
  const count = BigInt(directory.length);
  const end64 = Buffer.alloc(56 + 20 + 22);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(45, 12);
  end64.writeUInt16LE(45, 14);
  end64.writeBigUInt64LE(count, 24);
  end64.writeBigUInt64LE(count, 32);
  end64.writeBigUInt64LE(BigInt(listing.length), 40);
  end64.writeBigUInt64LE(offset, 48);
  end64.writeUInt32LE(0x07064b50, 56);
  end64.writeBigUInt64LE(offset + BigInt(listing.length), 64);
  end64.writeUInt32LE(1, 72);
  end64.writeUInt32LE(0x06054b50, 76);
  end64.writeUInt16LE(0xffff, 84);
  end64.writeUInt16LE(0xffff, 86);
  end64.writeUInt32LE(BIG, 88);
  end64.writeUInt32LE(BIG, 92);
  yield end64;
}

function dosTime(at: Date): { time: number; date: number } {
  return {
    time: (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1),
    date: ((at.getFullYear() - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate(),
  };
}
