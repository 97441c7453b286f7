/** The stored recordings of a workspace: what people put in, not what runs made of it. */
import { infiniteQueryOptions } from '@tanstack/react-query';
import type { Asset } from '../../nodes/contract.ts';
import { client } from '../api.ts';
import { attributionOf } from './sample.ts';

/** What a run made names what it was made from. */
export function isRecording(asset: Asset | null | undefined): asset is Asset {
  if (asset == null || asset.of !== undefined) return false;
  // Captions and transcripts go along with a recording; they are none themselves.
  if (asset.kind === 'text') return !/\.(srt|vtt|ttml|json)$/i.test(asset.name ?? '');
  return asset.kind === 'video' || asset.kind === 'audio';
}

export type StoredRecording = { asset: Asset; createdAt: string; attribution: string | null };

export const recordingsPage = (workspaceId: string, query: string) =>
  infiniteQueryOptions({
    queryKey: ['recordings', workspaceId, query],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam }): Promise<{ items: StoredRecording[]; next: string | null }> => {
      const page = await client.assets.list.query({
        workspaceId,
        given: true,
        ...(query === '' ? {} : { query }),
        ...(pageParam ? { cursor: pageParam } : {}),
      });
      return {
        ...page,
        items: page.items
          .filter(({ asset }) => isRecording(asset))
          .map((item) => ({ ...item, attribution: attributionOf(item) })),
      };
    },
    getNextPageParam: ({ next }) => next,
  });
