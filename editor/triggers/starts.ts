/** What of the pipeline on the canvas starts by itself, for the chosen brand, and the switch for it. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type Outputs, trpc } from '../api.ts';
import { useEditor, useEditorStore } from '../canvas/store.ts';

export type Starts = Outputs['triggers']['get'];
export type TriggerView = Starts['triggers'][number];

const LOOK_MS = 30_000;

export function useStarts() {
  const store = useEditorStore();
  const { workspaceId, pipelineId } = store.getState();
  const brandId = useEditor((state) => state.brandId);
  const queries = useQueryClient();
  const of = { workspaceId, pipelineId, brandId: brandId ?? '' };
  const key = trpc.triggers.get.queryKey(of);
  const query = useQuery({
    ...trpc.triggers.get.queryOptions(of),
    enabled: brandId !== null,
    refetchInterval: LOOK_MS,
  });
  const keep = { onSuccess: (now: Starts) => queries.setQueryData(key, now) };
  const on = useMutation(trpc.triggers.turnOn.mutationOptions(keep));
  const off = useMutation(trpc.triggers.turnOff.mutationOptions(keep));
  return {
    starts: query.data,
    loadError: query.error,
    busy: on.isPending || off.isPending,
    error: on.error ?? off.error,
    turn(next: boolean) {
      on.reset();
      off.reset();
      (next ? on : off).mutate(of);
    },
    again: () => void queries.invalidateQueries({ queryKey: key }),
  };
}
