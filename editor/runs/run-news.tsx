/**
 * Tells a person who looks elsewhere that a run ended: follows which runs are running, whatever page is open, and asks
 * for each that is not any more. A hidden tab tells by the browser where that is allowed, an open page by a toast;
 * nothing is said on a page that shows the run itself.
 */
import { useQuery } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { client } from '../api.ts';
import type { RunView } from '../run-view.ts';
import { toast } from '../ui/toast.tsx';
import { notifyOfRun, useNotifyState } from './notify.ts';
import { newsOf, runLook } from './run-state.ts';

const EVERY_MS = 5000;

const isOnScreen = ({ id, pipelineId }: RunView) =>
  location.pathname.includes(id) || location.pathname.endsWith(`/p/${pipelineId}`);

export function RunNews({ workspaceId }: { workspaceId: string }) {
  const allowed = useNotifyState() === 'granted';
  const { history } = useRouter();
  const known = useRef<{ workspaceId: string; ids: Set<string> } | null>(null);
  const { data } = useQuery({
    queryKey: ['runs', workspaceId, 'running now'],
    queryFn: () => client.runs.list.query({ workspaceId, state: 'running' }),
    refetchInterval: EVERY_MS,
    refetchIntervalInBackground: allowed,
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
          if (!news) return;
          notifyOfRun(news);
          if (document.visibilityState !== 'visible' || isOnScreen(run)) return;
          toast({
            id: `run-${run.id}`,
            title: `${run.pipelineName}, run ${run.number}: ${runLook(run.state).word.toLowerCase()}`,
            text: news.text,
            tone: news.kind === 'failed' ? 'warning' : 'success',
            action: { label: 'Open', onSelect: () => history.push(news.href) },
          });
        })
        .catch(() => {});
    }
  }, [data, workspaceId, history]);
  return null;
}
