/**
 * Reads the PNG files resvg writes (8 bits, RGB or RGBA, not interlaced) into RGBA, for tests that look at pixels.
 */
import { inflateSync } from 'node:zlib';

export type Pixels = { width: number; height: number; data: Uint8Array };

export function readPng(file: Buffer): Pixels {
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  const channels = file[25] === 6 ? 4 : 3;
  const chunks: Buffer[] = [];
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    if (file.toString('latin1', at + 4, at + 8) === 'IDAT') chunks.push(file.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  const raw = inflateSync(Buffer.concat(chunks));
  const stride = width * channels;
  const data = new Uint8Array(width * height * 4);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]!;
    const row = new Uint8Array(raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1)));
    for (let x = 0; x < stride; x++) {
      const left = x >= channels ? row[x - channels]! : 0;
      const up = above[x]!;
      const corner = x >= channels ? above[x - channels]! : 0;
      if (filter === 1) row[x] = row[x]! + left;
      else if (filter === 2) row[x] = row[x]! + up;
      else if (filter === 3) row[x] = row[x]! + ((left + up) >> 1);
      else if (filter === 4) {
        const guess = left + up - corner;
        const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
        row[x] = row[x]! + (a <= b && a <= c ? left : b <= c ? up : corner);
      }
    }
    for (let x = 0; x < width; x++) {
      for (let part = 0; part < 3; part++) data[(y * width + x) * 4 + part] = row[x * channels + part]!;
      data[(y * width + x) * 4 + 3] = channels === 4 ? row[x * channels + 3]! : 255;
    }
    above = row;
  }
  return { width, height, data };
}

/** WCAG relative luminance of one pixel. */
export function luminanceAt({ data, width }: Pixels, x: number, y: number): number {
  const part = (offset: number) => {
    const value = data[(y * width + x) * 4 + offset]! / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2);
}
