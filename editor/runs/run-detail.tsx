/** One run: what it made, when each step worked, why, what failed and what can be done about it. Live while it runs. */
import './runs.css';
import '../canvas/node.css';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { flowOrder } from '../../runtime/graph/flow.ts';
import { client } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { mediaAddress } from '../media/address.ts';
import { problemOf } from '../problem.ts';
import type { NodeView, RunView } from '../run-view.ts';
import { atLeast, useRole } from '../session/session.ts';
import { useClock } from '../shell/clock.ts';
import { dateTime, exact } from '../shell/dates.ts';
import { useTitle } from '../shell/page.tsx';
import { Button } from '../ui/button.tsx';
import { ErrorCard } from '../ui/error-card.tsx';
import { Segmented } from '../ui/field.tsx';
import { duration, timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Loading, Skeleton } from '../ui/parts.tsx';
import { Bar } from '../ui/progress.tsx';
import { toast } from '../ui/toast.tsx';
import { madeVideos } from './made-videos.ts';
import { NodeCards } from './node-cards.tsx';
import { RetryButton } from './retry-button.tsx';
import { runLook } from './run-state.ts';
import { RunTimeline } from './run-timeline.tsx';
import { catalogueQuery } from './source.ts';
import { ContinueDialog, StartDialog } from './start-dialog.tsx';
import { StepPanel } from './step-panel.tsx';
import { refreshRun, useRunWatch } from './stream.ts';
import { takenWords } from './taken-words.ts';
import { useRunNews } from './use-run-news.ts';

type RunDetailProps = { workspaceId: string; runId: string; nodeId: string | null };

export function RunDetail({ workspaceId, runId, nodeId }: RunDetailProps) {
  const { run, status, problem } = useRunWatch(workspaceId, runId);
  const navigate = useNavigate();
  useTitle(run ? `Run ${run.number}, ${run.pipelineName}` : 'Run');
  useRunNews(workspaceId, run);
  if (!run)
    return (
      <main className="rundetail" id="content" tabIndex={-1}>
        {status === 'refused' && problem ? (
          <ErrorCard
            problem={problem}
            actions={
              <Button size="xs" icon="rotate-ccw" onClick={() => refreshRun(workspaceId, runId)}>
                Try again
              </Button>
            }
          />
        ) : (
          <Loading>
            <div className="grid gap-4">
              <Skeleton width={240} height={20} />
              <Skeleton height={110} />
              <Skeleton height={280} />
            </div>
          </Loading>
        )}
      </main>
    );
  const show = (node: string | null) =>
    void navigate({
      to: '.',
      search: (before: Record<string, unknown>) => ({ ...before, node: node ?? undefined }),
      replace: true,
    });
  return <Shown workspaceId={workspaceId} run={run} status={status} nodeId={nodeId} onShow={show} />;
}

type ShownProps = {
  workspaceId: string;
  run: RunView;
  status: string;
  nodeId: string | null;
  onShow: (node: string | null) => void;
};

function Shown({ workspaceId, run, status, nodeId, onShow }: ShownProps) {
  const [way, setWay] = useState('time');
  const { data: catalogue } = useQuery(catalogueQuery(workspaceId));
  const order = flowOrder(run.graph);
  const nodes = order.flatMap((id) => {
    const node = run.graph.nodes.find((each) => each.id === id);
    const view = run.nodes.find((each: NodeView) => each.nodeId === id);
    const manifest = catalogue?.find((each) => each.id === node?.type);
    return node ? [{ node, view, manifest }] : [];
  });
  const failed = nodes.filter(({ view }) => view?.error);
  const chosen = nodes.find(({ node }) => node.id === nodeId);
  return (
    <main className="rundetail" id="content" tabIndex={-1}>
      <Head workspaceId={workspaceId} run={run} status={status} />
      {failed
        .filter(({ node }) => node.id !== nodeId)
        .slice(0, 3)
        .map(({ node, view }) =>
          view?.error ? (
            <ErrorCard
              key={node.id}
              problem={{ ...view.error, message: `${node.name}: ${view.error.message}` }}
              actions={
                <>
                  <RetryButton workspaceId={workspaceId} runId={run.id} nodeId={node.id} />
                  <Button size="xs" look="quiet" onClick={() => onShow(node.id)}>
                    Show the step
                  </Button>
                </>
              }
            />
          ) : null,
        )}
      <Strip workspaceId={workspaceId} run={run} onShow={onShow} />
      <div className="row">
        <Segmented
          dense={true}
          label="How the steps are shown"
          value={way}
          onChange={setWay}
          options={[
            { value: 'time', label: 'Timeline' },
            { value: 'cards', label: 'Nodes' },
          ]}
        />
      </div>
      {way === 'time' ? (
        <RunTimeline workspaceId={workspaceId} run={run} nodes={nodes} chosen={nodeId} onShow={onShow} />
      ) : (
        <NodeCards workspaceId={workspaceId} nodes={nodes} chosen={nodeId} onShow={onShow} />
      )}
      {chosen && (
        <StepPanel
          key={chosen.node.id}
          workspaceId={workspaceId}
          run={run}
          node={chosen.node}
          view={chosen.view}
          manifest={chosen.manifest}
          onClose={() => onShow(null)}
        />
      )}
    </main>
  );
}

function Head({ workspaceId, run, status }: { workspaceId: string; run: RunView; status: string }) {
  const role = useRole(workspaceId);
  const { brands } = useCurrentBrand(workspaceId);
  const look = runLook(run.state);
  const running = run.state === 'running';
  const brand = brands.find(({ id }) => id === run.brandId);
  const seconds = useElapsed(run);
  const mayRun = atLeast(role, 'editor');
  const cancel = useMutation({
    mutationFn: () => client.runs.cancel.mutate({ workspaceId, runId: run.id }),
    onSuccess: () => refreshRun(workspaceId, run.id),
    onError: (error) => toast({ title: problemOf(error).message, tone: 'danger' }),
  });
  const [dialog, setDialog] = useState<'again' | 'continue' | null>(null);
  const hasFailed = run.nodes.some(({ counts }: NodeView) => counts.failed + counts.cancelled > 0);
  const zip = `/api/runs/${run.id}/outputs.zip?workspaceId=${workspaceId}`;
  return (
    <header>
      <div className="grow">
        <div className="row gap-2.5 flex-wrap">
          <Link
            to="/w/$workspaceId/runs"
            params={{ workspaceId }}
            search={(before: Record<string, unknown>) => ({ ...before, node: undefined })}
            className="btn quiet icon sm md:hidden"
            aria-label="All runs"
          >
            <Icon name="arrow-left" />
          </Link>
          <h2 className="h-20">{run.pipelineName}</h2>
          <Badge tone={look.tone}>
            {!running && <Icon name={look.icon} size={12} />}
            {look.word}
          </Badge>
          {run.dryRun && <Badge tone="info">Rehearsal</Badge>}
          {status === 'connecting' && <span className="t-12 muted">Connecting again</span>}
        </div>
        <p className="muted mt-1">
          Run {run.number}
          {brand ? ` for ${brand.name}` : ''}, started{' '}
          <time dateTime={run.startedAt} title={exact(run.startedAt)}>
            {dateTime(run.startedAt)}
          </time>{' '}
          {run.caller ? (
            <>
              by{' '}
              <Link
                className="link"
                to="/w/$workspaceId/runs/$runId"
                params={{ workspaceId, runId: run.caller.runId }}
                search={{ node: run.caller.nodeId }}
              >
                run {run.caller.number} of {run.caller.pipelineName}
              </Link>{' '}
            </>
          ) : run.startedBy ? (
            `by ${run.startedBy} `
          ) : (
            ''
          )}
          from {run.version === null ? 'the draft' : `version ${run.version}`}. {duration(seconds)}
          {running ? ' so far' : ''}
          {running && run.etaMs ? `, about ${duration(run.etaMs / 1000)} left` : ''}.
          {run.summary ? ` ${run.summary}` : ''}
        </p>
        {!running && <Cost workspaceId={workspaceId} run={run} />}
        {running && <Bar value={run.progress} of={run.id} label="Progress of the run" className="mt-3 max-w-[480px]" />}
      </div>
      <div className="row flex-wrap">
        <Link
          to="/w/$workspaceId/p/$pipelineId"
          params={{ workspaceId, pipelineId: run.pipelineId }}
          search={{ run: run.id }}
          className="btn"
        >
          <Icon name="workflow" size={14} />
          Open on the canvas
        </Link>
        <a className="btn" href={zip} download={true}>
          <Icon name="download" size={14} />
          Download all
        </a>
        {mayRun &&
          (running ? (
            <Button icon="square" busy={cancel.isPending} onClick={() => cancel.mutate()}>
              {cancel.isPending ? 'Stopping' : 'Stop'}
            </Button>
          ) : (
            <>
              {hasFailed && (
                <Button icon="skip-forward" onClick={() => setDialog('continue')}>
                  Continue
                </Button>
              )}
              <Button icon="rotate-ccw" onClick={() => setDialog('again')}>
                Run again
              </Button>
            </>
          ))}
      </div>
      {dialog === 'continue' && (
        <ContinueDialog
          workspaceId={workspaceId}
          runId={run.id}
          number={run.number}
          budget={run.graph.limits?.budget}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === 'again' && (
        <StartDialog
          workspaceId={workspaceId}
          pipelineId={run.pipelineId}
          pipelineName={run.pipelineName}
          brandId={run.brandId}
          again={{ runId: run.id, number: run.number, version: run.version, nodes: run.graph.nodes }}
          onClose={() => setDialog(null)}
        />
      )}
    </header>
  );
}

/** What it took, beside what was expected when it began. */
function Cost({ workspaceId, run }: { workspaceId: string; run: RunView }) {
  const role = useRole(workspaceId);
  const { data } = useQuery({
    queryKey: ['cost', workspaceId, run.id, run.endedAt],
    enabled: atLeast(role, 'analyst'),
    queryFn: () => client.runs.cost.query({ workspaceId, runId: run.id }),
  });
  if (!data?.taken) return null;
  const expected = data.expected?.seconds == null ? null : data.expected;
  return (
    <p className="facts mt-1">
      <span>Worked for {takenWords(data.taken).join(', ')}</span>
      {expected && <span>Expected: {takenWords(expected, 'about ').join(', ')}</span>}
    </p>
  );
}

/** Seconds since the start, counting while it runs. */
function useElapsed(run: RunView): number {
  const now = useClock(run.state === 'running', 1000);
  const end = run.endedAt ? new Date(run.endedAt).getTime() : now;
  return Math.max(0, (end - new Date(run.startedAt).getTime()) / 1000);
}

/** The finished pieces, side by side: the clips where there are some, else what the last steps made. */
function Strip({ workspaceId, run, onShow }: { workspaceId: string; run: RunView; onShow: (node: string) => void }) {
  const made = flowOrder(run.graph)
    .map((id) => ({ id, videos: madeVideos(run.nodes.find((view: NodeView) => view.nodeId === id)) }))
    .findLast(({ videos }) => videos.length > 0);
  if (!made) return null;
  return (
    <div className="strip">
      {made.videos.map((video) => (
        <button type="button" key={video.asset} onClick={() => onShow(made.id)}>
          <span className={`pic ${video.wide ? 'wide' : ''}`}>
            <video
              src={`${mediaAddress(workspaceId, video.asset)}#t=0.5`}
              preload="metadata"
              muted={true}
              playsInline={true}
              tabIndex={-1}
            />
          </span>
          <span className="min-w-0">
            <b className="line-clamp-3">{video.title || 'Clip'}</b>
            <span>{video.duration !== null ? timecode(video.duration) : ''}</span>
          </span>
        </button>
      ))}
    </div>
  );
}
