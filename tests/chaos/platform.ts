/**
 * The platform that a campaign posts to, and its record, which is all that is believed of what happened. It knows the key of
 * a request in half of the runs only, lists a post up to 10 s late, and loses some of its replies after the act.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dice } from '../runtime/graphs.ts';

export type Post = { id: string; text: string; at: number; listedAt: number };
export type Platform = {
  origin: string;
  posts: Post[];
  /** Replies that were lost on purpose. */
  lost(): number;
  /** The next act's reply is lost. */
  loseNext(): void;
  close(): void;
};

const LATE_MS = 10_000;
const LOSES = 0.05;

export async function openPlatform(seed: number): Promise<Platform> {
  const die = dice(seed);
  const posts: Post[] = [];
  let lost = 0;
  let toLose = 0;
  const heeds = (key: string) => createHash('sha256').update(key).digest()[0]! % 2 === 0;
  const shown = ({ id, text }: Post) => ({ id, text, url: `https://posts.test/${id}` });

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url!, 'http://posts.test');
      const say = (body: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
      if (request.method === 'GET') {
        const wanted = url.searchParams.get('text');
        return say(posts.filter(({ text, listedAt }) => text === wanted && listedAt <= performance.now()).map(shown));
      }
      const { text } = JSON.parse(Buffer.concat(chunks).toString()) as { text: string };
      const key = String(request.headers['idempotency-key']);
      let post = heeds(key) ? posts.find((each) => each.text === text) : undefined;
      if (!post) {
        const at = performance.now();
        post = { id: String(posts.length + 1), text, at, listedAt: at + die.next() * LATE_MS };
        posts.push(post);
      }
      if (toLose > 0 || die.chance(LOSES)) {
        toLose = Math.max(0, toLose - 1);
        lost += 1;
        return void response.destroy();
      }
      return say(shown(post));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posts,
    lost: () => lost,
    loseNext() {
      toLose += 1;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
