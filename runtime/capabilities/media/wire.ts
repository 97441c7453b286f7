/**
 * Messages between the host and its engine children: a JSON header and raw bytes, both with their length in front.
 *
 *   u32 length of the header · u32 length of the bytes · header (UTF-8 JSON) · bytes
 *
 * Little endian. Both sides refuse lengths above their limit, so a broken child cannot make the host allocate.
 */
import type { Duplex } from 'node:stream';

export type Message = { header: unknown; bytes: Buffer };
export const HEADER_BYTES = 8 * 1024 * 1024;
export const BODY_BYTES = 96 * 1024 * 1024;

export function send(socket: Duplex, header: unknown, bytes: Uint8Array = Buffer.alloc(0)): boolean {
  const text = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeUInt32LE(text.length, 0);
  head.writeUInt32LE(bytes.length, 4);
  socket.write(head);
  socket.write(text);
  return bytes.length === 0 || socket.write(bytes);
}

/** Calls back once a message; throws into `onBroken` where a length is beyond its limit or the header is no JSON. */
export function receive(socket: Duplex, onMessage: (message: Message) => void, onBroken: (error: Error) => void): void {
  let waiting: Buffer[] = [];
  let have = 0;
  let want = 8;
  let lengths: [number, number] | null = null;
  socket.on('data', (chunk: Buffer) => {
    waiting.push(chunk);
    have += chunk.length;
    while (have >= want) {
      const all = waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting);
      if (!lengths) {
        lengths = [all.readUInt32LE(0), all.readUInt32LE(4)];
        if (lengths[0] > HEADER_BYTES || lengths[1] > BODY_BYTES) {
          onBroken(new Error('A message was longer than is allowed.'));
          socket.destroy();
          return;
        }
        waiting = [all.subarray(8)];
        have = all.length - 8;
        want = lengths[0] + lengths[1];
        continue;
      }
      const [header, body] = lengths;
      waiting = [all.subarray(header + body)];
      have = all.length - header - body;
      want = 8;
      lengths = null;
      try {
        onMessage({ header: JSON.parse(all.toString('utf8', 0, header)), bytes: all.subarray(header, header + body) });
      } catch (error) {
        onBroken(error as Error);
        return;
      }
    }
  });
}
