/** The stored recordings of a workspace: what people put in, not what runs made of it. */
import { infiniteQueryOptions } from '@tanstack/react-query';
import type { Asset } from '../../nodes/contract.ts';
import { client } from '../api.ts';

/** What a run made names what it was made from. */
export function isRecording(asset: Asset | null | undefined): asset is Asset {
  return asset != null && KINDS.includes(asset.kind) && asset.of === undefined;
}
const KINDS: readonly string[] = ['video', 'audio', 'text'];

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
      return { ...page, items: page.items.filter(({ asset }: StoredRecording) => isRecording(asset)) };
    },
    getNextPageParam: ({ next }) => next,
  });
