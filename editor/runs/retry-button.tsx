/** Retry of a failed step: the same run goes on from there. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { client } from '../api.ts';
import { problemOf } from '../problem.ts';
import { atLeast, useRole } from '../session/session.ts';
import { Button } from '../ui/button.tsx';
import { toast } from '../ui/toast.tsx';
import { refreshRun } from './stream.ts';

type RetryButtonProps = { workspaceId: string; runId: string; nodeId: string; path?: number[]; label?: string };

/** The same run goes on from the failed step. */
export function RetryButton({ workspaceId, runId, nodeId, path, label = 'Retry' }: RetryButtonProps) {
  const role = useRole(workspaceId);
  const cache = useQueryClient();
  const retry = useMutation({
    mutationFn: () => client.runs.retry.mutate({ workspaceId, runId, nodeId, ...(path ? { path } : {}) }),
    onSuccess: () => {
      refreshRun(workspaceId, runId);
      void cache.invalidateQueries({ queryKey: ['runs', workspaceId] });
    },
    onError: (error) =>
      toast({ title: problemOf(error).message, text: problemOf(error).hint ?? undefined, tone: 'danger' }),
  });
  if (!atLeast(role, 'editor')) return null;
  return (
    <Button size="xs" icon="rotate-ccw" busy={retry.isPending} onClick={() => retry.mutate()}>
      {label}
    </Button>
  );
}
