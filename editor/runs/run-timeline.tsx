/** When each step of a run worked, as bars on one axis, with the reason beside them. A row opens its step. */
import './runs.css';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import type { ManifestJson } from '../../nodes/contract.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { client } from '../api.ts';
import { headState } from '../canvas/node-state.ts';
import type { NodeView, RunView, StepView } from '../run-view.ts';
import { useClock } from '../shell/clock.ts';
import { timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { pack, ticks } from './timeline.ts';

export type RunNode = { node: GraphNode; view: NodeView | undefined; manifest: ManifestJson | undefined };

type RunTimelineProps = {
  workspaceId: string;
  run: RunView;
  nodes: RunNode[];
  chosen: string | null;
  onShow: (node: string | null) => void;
};

export const stepsKey = (workspaceId: string, runId: string, nodeId: string) => [
  'run-steps',
  workspaceId,
  runId,
  nodeId,
];

/** Steps are read anew when their node says something new; while they load the former ones stay on the screen. */
export function useFreshSteps(key: readonly unknown[], view: NodeView | undefined): void {
  const cache = useQueryClient();
  const said = view ? `${view.state} ${Object.values(view.counts).join(' ')}` : '';
  const before = useRef(said);
  useEffect(() => {
    if (before.current === said) return;
    before.current = said;
    void cache.invalidateQueries({ queryKey: [...key] });
  });
}

export function RunTimeline({ workspaceId, run, nodes, chosen, onShow }: RunTimelineProps) {
  const now = useClock(run.state === 'running', 500);
  const begin = new Date(run.startedAt).getTime();
  const end = Math.max(run.endedAt ? new Date(run.endedAt).getTime() : now, begin + 1000);
  // A little air at the right for the words of the last bars.
  const length = (end - begin) * 1.06;
  const marks = ticks(length);
  return (
    <section className="card gantt" aria-label="Timeline">
      <div aria-hidden="true">
        <span className="eyebrow">Step</span>
        <span />
        <div className="ax">
          {marks.map((second) => (
            <span key={second} style={{ left: `${((second * 1000) / length) * 100}%` }}>
              {timecode(second)}
            </span>
          ))}
        </div>
      </div>
      {nodes.map(({ node, view, manifest }) => (
        <Row
          key={node.id}
          node={node}
          view={view}
          icon={manifest?.icon ?? 'puzzle'}
          workspaceId={workspaceId}
          runId={run.id}
          begin={begin}
          now={Math.min(now, end)}
          length={length}
          marks={marks}
          chosen={node.id === chosen}
          onShow={() => onShow(node.id === chosen ? null : node.id)}
        />
      ))}
    </section>
  );
}

type RowProps = {
  node: GraphNode;
  view: NodeView | undefined;
  icon: string;
  workspaceId: string;
  runId: string;
  begin: number;
  now: number;
  length: number;
  marks: number[];
  chosen: boolean;
  onShow: () => void;
};

function Row(props: RowProps) {
  const { node, view, icon, workspaceId, runId, begin, now, length, marks, chosen, onShow } = props;
  const key = stepsKey(workspaceId, runId, node.id);
  useFreshSteps(key, view);
  const { data } = useQuery({
    queryKey: [...key, 'first'],
    queryFn: () => client.runs.steps.query({ workspaceId, runId, nodeId: node.id }),
    enabled: view !== undefined && view.state !== 'idle',
  });
  const steps: StepView[] = data?.items ?? NONE;
  const worked = steps.filter((step) => step.startedAt && !step.reused);
  const spans = pack(
    worked.map((step) => ({
      start: new Date(step.startedAt ?? begin).getTime() - begin,
      end: (step.endedAt ? new Date(step.endedAt).getTime() : now) - begin,
    })),
  );
  const rows = Math.max(1, ...spans.map(({ row }) => row + 1));
  const height = Math.max(32, rows * 14 + 16);
  const reused = steps.length > 0 && steps.every((step) => step.reused);
  const reusedAt = reused && steps[0]?.startedAt ? new Date(steps[0].startedAt).getTime() - begin : null;
  const last = Math.max(0, ...spans.map(({ end }) => end), reusedAt === null ? 0 : reusedAt + length * 0.008);
  const words = view?.error?.message ?? view?.reason ?? view?.note ?? null;
  const share = (ms: number) => `${Math.max(0, Math.min(100, (ms / length) * 100))}%`;
  const first = Math.min(...spans.map(({ start }) => start), last);
  // The words stand on the side that has room for them.
  const left = last / length > 0.55 && first > length - last;
  return (
    <button
      type="button"
      className={chosen ? 'sel' : ''}
      style={{ minHeight: height }}
      aria-expanded={chosen}
      onClick={onShow}
    >
      <span className="name">
        <Icon name={icon} />
        <b className="cut">{node.name}</b>
        {view?.state === 'failed' && <Icon name="circle-x" size={14} className="text-danger!" />}
      </span>
      <span className="num">{short(view)}</span>
      <div className="tk" style={{ minHeight: height }}>
        {marks.map((second) => (
          <i key={second} style={{ left: share(second * 1000) }} />
        ))}
        {spans.map(({ start, end, row }, place) => {
          const step = worked[place];
          return (
            <span
              key={step?.path.join('.') ?? place}
              className={`gb ${step?.state === 'failed' ? 'bad' : step?.state === 'waiting' ? 'wait' : ''}`}
              style={{
                left: share(start),
                width: share(end - start),
                top: height / 2 - (rows * 14) / 2 + row * 14 + 2,
              }}
            />
          );
        })}
        {reused && reusedAt !== null && <span className="gz" style={{ left: share(reusedAt), top: height / 2 - 5 }} />}
        {words && (
          <em
            className={left ? 'left' : ''}
            style={{ '--at': share(left ? first : last) } as React.CSSProperties}
            title={words}
          >
            <span className={view?.error ? 'text-danger' : ''}>{words}</span>
          </em>
        )}
      </div>
    </button>
  );
}

const NONE: StepView[] = [];

function short(view: NodeView | undefined): string {
  if (!view || view.state === 'idle') return '';
  const { counts } = view;
  if (counts.total !== null && counts.total > 1) return `${counts.done + counts.reused} of ${counts.total}`;
  const head = headState(view, 0);
  return head?.word ?? '';
}
