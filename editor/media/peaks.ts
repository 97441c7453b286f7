/** The envelope of a recording's sound as the server measured it, in [0, 1]. Fails where there is none, or none yet. */
import { useQuery } from '@tanstack/react-query';
import * as z from 'zod';
import { peaksAddress } from './address.ts';

const Peaks = z.object({ peaks: z.array(z.number()) });

export function usePeaks(workspaceId: string, asset: string | null, bins: number) {
  return useQuery({
    queryKey: ['peaks', workspaceId, asset, bins],
    enabled: asset !== null,
    staleTime: Number.POSITIVE_INFINITY,
    retry: 1,
    queryFn: async ({ signal }) => {
      const reply = await fetch(peaksAddress(workspaceId, asset ?? '', bins), { signal });
      if (!reply.ok) throw new Error(`The waveform answered with ${reply.status}.`);
      return Peaks.parse(await reply.json()).peaks;
    },
  });
}
