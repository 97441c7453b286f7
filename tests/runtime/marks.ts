/**
 * Capabilities that leave a mark in a file for every call that really acts: what is counted outside the product.
 * `waveform` takes `ms` to answer; its marks are lines `begin <asset>` and `end <asset>`.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import type { HttpReply } from '../../nodes/contract.ts';
import type { InternalHost } from '../../runtime/broker.ts';
import { type Capability, CapabilityError, method } from '../../runtime/capabilities/capability.ts';

export function markingMedia(file: string, options: { ms: number; engine?: string; failOnce?: string }): Capability {
  return {
    name: 'media',
    declared: (manifest, name) => (manifest.capabilities.media ?? []).includes(name),
    methods: {
      waveform: method({
        input: z.strictObject({ asset: z.string(), bins: z.number() }),
        record: 'memo',
        engine: () => options.engine ?? 'marks@1',
        async act(scope, { asset }) {
          appendFileSync(file, `begin ${asset}\n`);
          scope.progress(0.5, 'half');
          await sleep(options.ms, undefined, { signal: scope.signal });
          if (options.failOnce && asset.includes(options.failOnce) && !marks(file).includes(`failed ${asset}`)) {
            appendFileSync(file, `failed ${asset}\n`);
            throw new CapabilityError('BUSY', 'The machine was busy.', { retry: 'later' });
          }
          appendFileSync(file, `end ${asset}\n`);
          return [1];
        },
      }),
    },
  };
}

/** Kept in a file too, so that it outlives a killed worker. */
export function postsHost(file: string, options: { loseAnswers?: number } = {}): InternalHost {
  let lost = 0;
  return {
    host: 'posts.test',
    async handle(_scope, request): Promise<HttpReply> {
      if (request.method === 'GET') return { status: 200, headers: {}, body: posts(file) };
      const { text } = request.json as { text: string };
      const id = String(posts(file).length + 1);
      appendFileSync(file, `${JSON.stringify({ id, url: `https://posts.test/${id}`, text })}\n`);
      if (lost < (options.loseAnswers ?? 0)) {
        lost++;
        throw new Error('socket hang up');
      }
      return { status: 200, headers: {}, body: posts(file).at(-1)! };
    },
  };
}

export function posts(file: string): { id: string; url: string; text: string }[] {
  return marks(file).map((line) => JSON.parse(line) as { id: string; url: string; text: string });
}

export function marks(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}
