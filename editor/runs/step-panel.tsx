/**
 * One node of a run: its state and reason, its error with Retry, its items, and all that came out of the chosen one.
 */
import './runs.css';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { type ManifestJson, PORT_LOOK, type PortType } from '../../nodes/contract.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { client } from '../api.ts';
import { headState } from '../canvas/node-state.ts';
import type { NodeView, OutputView, RunView, StepView } from '../run-view.ts';
import { clock, exact } from '../shell/dates.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { ErrorCard, ErrorOf } from '../ui/error-card.tsx';
import { bytes, duration, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Loading, PortGlyph, Skeleton } from '../ui/parts.tsx';
import { StepWait } from '../waits/step-wait.tsx';
import { Explained, isTelling } from './explained.tsx';
import { RetryButton } from './retry-button.tsx';
import { runLook } from './run-state.ts';
import { stepsKey, useFreshSteps } from './run-timeline.tsx';
import { Corrected, OutputValue, outputsOf, type StepOf, titleOf, useOutputValue } from './step-output.tsx';

type StepPanelProps = {
  workspaceId: string;
  run: RunView;
  node: GraphNode;
  view: NodeView | undefined;
  manifest: ManifestJson | undefined;
  onClose: () => void;
};

export function StepPanel({ workspaceId, run, node, view, manifest, onClose }: StepPanelProps) {
  const [place, setPlace] = useState(0);
  const box = useRef<HTMLElement>(null);
  // It opens below what was clicked, often out of sight.
  useEffect(() => {
    box.current?.scrollIntoView({ block: 'nearest', behavior: scrolling() }); // gives a promise in newer browsers
  }, []);
  const key = stepsKey(workspaceId, run.id, node.id);
  useFreshSteps(key, view);
  const found = useInfiniteQuery({
    queryKey: [...key, 'all'],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      client.runs.steps.query({
        workspaceId,
        runId: run.id,
        nodeId: node.id,
        ...(pageParam ? { cursor: pageParam } : {}),
      }),
    getNextPageParam: ({ next }) => next,
  });
  const steps: StepView[] = found.data?.pages.flatMap((page) => page.items) ?? [];
  const step = steps[Math.min(place, steps.length - 1)];
  const head = headState(view, 0);
  return (
    <section ref={box} className="card p-4 grid gap-4 stepbox" aria-label={`Step ${node.name}`}>
      <header className="row flex-wrap">
        <Icon name={manifest?.icon ?? 'puzzle'} className="text-muted" />
        <h3 className="h-16">{node.name}</h3>
        {head && <span className="muted">{head.word}</span>}
        <span className="grow" />
        {steps.some(({ outputs }) => Object.keys(outputs).length > 0) && (
          <a
            className="btn sm"
            href={`/api/runs/${run.id}/outputs.zip?workspaceId=${workspaceId}&node=${node.id}`}
            download={true}
          >
            <Icon name="download" size={14} />
            Download
          </a>
        )}
        <IconButton icon="x" label="Close the step" onClick={onClose} />
      </header>
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={120} />
        </Loading>
      )}
      {found.data && steps.length === 0 && view && <Explained workspaceId={workspaceId} of={view.explanation} />}
      {steps.length > 1 && (
        <nav className="stepnav" aria-label={`Items of ${node.name}`}>
          {steps.map((each, index) => (
            <button
              type="button"
              key={each.path.join('.')}
              aria-pressed={index === Math.min(place, steps.length - 1)}
              onClick={() => setPlace(index)}
            >
              <StepMark step={each} />
              <span className="cut">{titleOf(each) ?? `Item ${index + 1}`}</span>
            </button>
          ))}
          {found.hasNextPage && (
            <Button size="sm" look="quiet" busy={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
              Show more
            </Button>
          )}
        </nav>
      )}
      {step && (
        <StepDetail key={step.path.join('.')} workspaceId={workspaceId} run={run} nodeId={node.id} step={step} />
      )}
    </section>
  );
}

const scrolling = (): ScrollBehavior => (matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth');

const MARKS: Record<string, { icon: string; color: string }> = {
  done: { icon: 'check', color: 'text-faint' },
  reused: { icon: 'history', color: 'text-faint' },
  failed: { icon: 'circle-x', color: 'text-danger' },
  running: { icon: 'play', color: 'text-accent-text' },
  waiting: { icon: 'clock', color: 'text-muted' },
  queued: { icon: 'clock', color: 'text-faint' },
  skipped: { icon: 'skip-forward', color: 'text-faint' },
  blocked: { icon: 'unplug', color: 'text-faint' },
  cancelled: { icon: 'ban', color: 'text-faint' },
};

function StepMark({ step }: { step: StepView }) {
  const mark = MARKS[step.reused ? 'reused' : step.state] ?? { icon: 'circle-help', color: 'text-faint' };
  return <Icon name={mark.icon} size={14} className={mark.color} label={step.state} />;
}

function StepDetail(of: StepOf) {
  const { workspaceId, run, nodeId, step } = of;
  return (
    <div className="grid gap-4">
      <p className="facts">
        {step.startedAt && (
          <span title={exact(step.startedAt)}>
            {clock(step.startedAt)}
            {step.endedAt ? ` to ${clock(step.endedAt)}` : ''}
          </span>
        )}
        {step.startedAt && step.endedAt && (
          <span>{duration((new Date(step.endedAt).getTime() - new Date(step.startedAt).getTime()) / 1000)}</span>
        )}
        {step.attempt > 1 && <span>attempt {step.attempt}</span>}
        {step.facts.map(({ name, value }: { name: string; value: string }) => (
          <span key={name}>
            {name} {value}
          </span>
        ))}
      </p>
      {step.child && <CalledRun workspaceId={workspaceId} child={step.child} />}
      {step.note && step.state === 'running' && <p className="muted">{step.note}</p>}
      {(isTelling(step.explanation) || step.explanation.act) && (
        <Explained workspaceId={workspaceId} of={step.explanation} />
      )}
      {step.error && (
        <ErrorCard
          problem={step.error}
          actions={<RetryButton workspaceId={workspaceId} runId={run.id} nodeId={nodeId} path={step.path} />}
        />
      )}
      <StepWait {...of} />
      <Corrected {...of} />
      <div className="outs">
        {outputsOf(step).map(([port, output]) => (
          <OutputBox key={port} {...of} port={port} output={output} />
        ))}
      </div>
    </div>
  );
}

/** The run that the step has called, with how it stands. */
function CalledRun({ workspaceId, child }: { workspaceId: string; child: NonNullable<StepView['child']> }) {
  const look = runLook(child.state);
  return (
    <Link
      className="btn justify-self-start"
      to="/w/$workspaceId/runs/$runId"
      params={{ workspaceId, runId: child.runId }}
      search={{}}
    >
      <Icon name="workflow" size={14} />
      Run {child.number} of {child.pipelineName}
      <Badge tone={look.tone}>{look.word}</Badge>
    </Link>
  );
}

type OutputBoxProps = StepOf & { port: string; output: OutputView };

/** One output with its name, size and a way to save it. */
function OutputBox(props: OutputBoxProps) {
  const { workspaceId, run, nodeId, step, port, output } = props;
  const type = output.type as PortType;
  const { value } = useOutputValue(props);
  const zip = `/api/runs/${run.id}/outputs.zip?workspaceId=${workspaceId}&node=${nodeId}&path=${step.path.join('.')}&port=${port}`;
  const count = output.list && Array.isArray(value) ? value.length : null;
  return (
    <section aria-label={`Output ${port}`}>
      <header>
        <PortGlyph type={type} />
        <h4 className="label">{port}</h4>
        <span className="faint t-12">
          {count === null ? PORT_LOOK[type].label : plural(count, PORT_LOOK[type].label)}, {bytes(output.bytes)}
        </span>
        <span className="grow" />
        <a className="btn quiet icon sm" href={zip} download={true} aria-label={`Download ${port}`}>
          <Icon name="download" />
        </a>
      </header>
      <OutputValue {...props} />
    </section>
  );
}
