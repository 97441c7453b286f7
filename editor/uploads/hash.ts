/** Starts the hashing worker for one file. */
import type { HashReply } from './hash-worker.ts';

export type Hashing = { sha256: Promise<string>; stop: () => void };

export function hashFile(file: File): Hashing {
  const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), { type: 'module' });
  const sha256 = new Promise<string>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<HashReply>) => {
      if ('sha256' in data) {
        resolve(data.sha256);
        worker.terminate();
      } else if ('error' in data) {
        reject(new Error(data.error));
        worker.terminate();
      }
    };
    worker.onerror = (event) => reject(new Error(event.message || 'The checksum could not be worked out.'));
  });
  // Read by whoever finishes the upload; a file that vanished earlier must not shout into the console.
  sha256.catch(() => {});
  worker.postMessage(file);
  return { sha256, stop: () => worker.terminate() };
}
