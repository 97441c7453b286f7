/** Worker: the SHA-256 of a whole file, read in pieces, so that a 20 GB file costs no memory and no stutter. */
import { createSHA256 } from 'hash-wasm';

export type HashReply = { hashed: number } | { sha256: string } | { error: string };

const PIECE = 4 * 1024 * 1024;
/** A message for each piece would be thousands. */
const REPORT_MS = 250;

self.onmessage = async ({ data: file }: MessageEvent<File>) => {
  const reply = (message: HashReply) => self.postMessage(message);
  try {
    const hash = await createSHA256();
    hash.init();
    let reported = 0;
    for (let at = 0; at < file.size; at += PIECE) {
      hash.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
      if (performance.now() - reported > REPORT_MS) {
        reported = performance.now();
        reply({ hashed: Math.min(file.size, at + PIECE) });
      }
    }
    reply({ sha256: hash.digest('hex') });
  } catch (error) {
    reply({ error: error instanceof Error ? error.message : 'unknown' });
  }
};
