/**
 * Tells a person who looks elsewhere that a run ended: follows which runs are running, whatever page is open, and asks
 * for each that is not any more. Only where notifications are allowed; draws nothing.
 */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { client } from '../api.ts';
import { notifyOfRun, useNotifyState } from './notify.ts';
import { newsOf } from './run-state.ts';

const EVERY_MS = 5000;

export function RunNews({ workspaceId }: { workspaceId: string }) {
  const allowed = useNotifyState() === 'granted';
  const known = useRef<{ workspaceId: string; ids: Set<string> } | null>(null);
  const { data } = useQuery({
    queryKey: ['runs', workspaceId, 'running now'],
    enabled: allowed,
    queryFn: () => client.runs.list.query({ workspaceId, state: 'running' }),
    refetchInterval: EVERY_MS,
    refetchIntervalInBackground: true,
  });
  useEffect(() => {
    if (!data) return;
    const now = new Set(data.items.map(({ id }) => id));
    const before = known.current?.workspaceId === workspaceId ? known.current.ids : new Set<string>();
    known.current = { workspaceId, ids: now };
    for (const runId of before) {
      if (now.has(runId)) continue;
      // A run that cannot be read any more is no news.
      client.runs.get
        .query({ workspaceId, runId })
        .then((run) => {
          const news = newsOf(workspaceId, run);
          if (news) notifyOfRun(news);
        })
        .catch(() => {});
    }
  }, [data, workspaceId]);
  return null;
}
