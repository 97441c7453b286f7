/** Runs of this pipeline; choosing one shows it on the canvas. */
import { useQuery } from '@tanstack/react-query';
import { trpc } from '../api.ts';
import { useEditor, useEditorStore } from '../canvas/store.ts';
import { runLook } from '../runs/run-state.ts';
import { ErrorOf } from '../ui/error-card.tsx';
import { ago, duration } from '../ui/format.ts';
import { Badge, Empty, Loading, Skeleton } from '../ui/parts.tsx';

export function HistoryTab() {
  const store = useEditorStore();
  const { workspaceId, pipelineId } = store.getState();
  const shown = useEditor((state) => state.run?.id);
  const runs = useQuery(trpc.runs.list.queryOptions({ workspaceId, pipelineId }));
  if (runs.error) return <ErrorOf error={runs.error} onRetry={() => void runs.refetch()} className="m-4" />;
  if (!runs.data) {
    return (
      <div className="p-4">
        <Loading>
          <Skeleton height={28} className="mb-2" />
          <Skeleton height={28} className="mb-2" />
          <Skeleton height={28} />
        </Loading>
      </div>
    );
  }
  if (runs.data.items.length === 0) {
    return (
      <Empty
        icon="list-video"
        title="No runs yet"
        text="Press Run to make the first one; the sample takes about two minutes and costs nothing."
      />
    );
  }
  return (
    <ul className="p-2">
      {runs.data.items.map(
        (run: {
          id: string;
          number: number;
          state: string;
          startedAt: string | null;
          endedAt: string | null;
          version: number | null;
        }) => {
          const look = runLook(run.state);
          const took =
            run.startedAt && run.endedAt
              ? duration((Date.parse(run.endedAt) - Date.parse(run.startedAt)) / 1000)
              : null;
          return (
            <li key={run.id}>
              <button
                type="button"
                className={`btn quiet w-full justify-start! ${run.id === shown ? 'on' : ''}`}
                aria-pressed={run.id === shown}
                onClick={() => store.getState().set({ runId: run.id })}
              >
                <span>Run {run.number}</span>
                <span className="faint font-normal">{run.version === null ? 'draft' : `v${run.version}`}</span>
                <span className="grow" />
                <span className="faint font-normal t-12">
                  {[took, run.startedAt && ago(run.startedAt)].filter(Boolean).join(', ')}
                </span>
                <Badge tone={look.tone}>{look.word}</Badge>
              </button>
            </li>
          );
        },
      )}
    </ul>
  );
}
