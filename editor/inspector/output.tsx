/**
 * What a node made in the run on show: the item, the reason, and the value large enough to read and to correct.
 */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ManifestJson, PortType } from '../../nodes/contract.ts';
import { client } from '../api.ts';
import { portLabel } from '../canvas/ports.ts';
import { useEditor } from '../canvas/store.ts';
import { usePin } from '../canvas/use-pin.ts';
import type { RunView, StepView } from '../run-view.ts';
import { isTelling } from '../runs/explained.tsx';
import { RetryButton } from '../runs/retry-button.tsx';
import { stepsKey, useFreshSteps } from '../runs/run-timeline.tsx';
import { Corrected, OutputValue, titleOf } from '../runs/step-output.tsx';
import { Button } from '../ui/button.tsx';
import { ErrorCard, ErrorOf } from '../ui/error-card.tsx';
import { bytes, duration } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Loading, PortGlyph, Skeleton } from '../ui/parts.tsx';
import { Bar } from '../ui/progress.tsx';
import { StepWait } from '../waits/step-wait.tsx';

/** The steps of one node in the run on show; read again when the node's counts change. */
function useSteps(node: string) {
  const workspaceId = useEditor((state) => state.workspaceId);
  const runId = useEditor((state) => state.run?.id ?? '');
  const view = useEditor((state) => state.views.get(node));
  const key = stepsKey(workspaceId, runId, node);
  useFreshSteps(key, view);
  return useQuery({
    queryKey: [...key, 'first'],
    queryFn: () => client.runs.steps.query({ workspaceId, runId, nodeId: node }),
    enabled: runId !== '' && view !== undefined,
  });
}

export function Output({ node, manifest, large }: { node: string; manifest: ManifestJson; large?: boolean }) {
  const run = useEditor((state) => state.run);
  const view = useEditor((state) => state.views.get(node));
  const { canPin, pinning, pin } = usePin();
  const isPinned = useEditor((state) => state.graph.nodes.some((other) => other.id === node && other.pin));
  const steps = useSteps(node);
  const [path, setPath] = useState<string | null>(null);
  if (!run) {
    return <p className="muted t-12">Nothing has run yet. Press Run, and what this node makes appears here.</p>;
  }
  if (!view || view.state === 'idle') return <p className="muted t-12">Run {run.number} did not come to this node.</p>;
  if (steps.error) return <ErrorOf error={steps.error} onRetry={() => void steps.refetch()} />;
  const items: readonly StepView[] = steps.data?.items ?? [];
  const keyOf = (step: StepView) => step.path.join('.');
  const chosen =
    items.find((step) => keyOf(step) === path) ??
    items.find((step) => step.state === 'failed') ??
    items.find((step) => Object.keys(step.outputs).length > 0) ??
    items[0];
  if (!chosen) {
    return (
      <Loading>
        <Skeleton height={96} className="rounded-2" />
      </Loading>
    );
  }
  return (
    <>
      {(items.length > 1 || chosen.path.length > 0) && (
        <fieldset className="insp-items" aria-label="Items">
          {items.map((step, index) => (
            <button
              key={keyOf(step)}
              type="button"
              aria-pressed={step === chosen}
              className={step.state === 'failed' ? 'bad' : ''}
              onClick={() => setPath(keyOf(step))}
              title={titleOf(step) ?? undefined}
            >
              {step.state === 'failed' && <Icon name="circle-x" size={12} label="failed" />}
              {(step.state === 'running' || step.state === 'queued' || step.state === 'waiting') && (
                <Icon name="clock" size={12} label="not done yet" />
              )}
              <span className="cut">{large ? (titleOf(step) ?? index + 1) : index + 1}</span>
            </button>
          ))}
        </fieldset>
      )}
      <StepOutput key={`${run.id}/${keyOf(chosen)}`} node={node} manifest={manifest} step={chosen} run={run} />
      {canPin && !isPinned && Object.keys(chosen.outputs).length > 0 && (
        <Button size="xs" icon="pin" busy={pinning} onClick={() => pin({ node, path: chosen.path })}>
          Pin this output
        </Button>
      )}
    </>
  );
}

type StepOutputProps = { node: string; manifest: ManifestJson; step: StepView; run: RunView };

function StepOutput({ node, manifest, step, run }: StepOutputProps) {
  const workspaceId = useEditor((state) => state.workspaceId);
  const of = { workspaceId, run, nodeId: node, step };
  const outputs = Object.entries(manifest.outputs).flatMap(([port, declared]) => {
    const output = step.outputs[port];
    return output ? [{ port, declared, output }] : [];
  });
  return (
    <>
      {step.error ? (
        <ErrorCard
          className="mb-3"
          problem={step.error}
          actions={
            step.state === 'failed' && (
              <RetryButton workspaceId={workspaceId} runId={run.id} nodeId={node} path={step.path} />
            )
          }
        />
      ) : (
        <Why step={step} />
      )}
      {step.state === 'running' && step.progress !== null && (
        <div className="grid gap-1.5 mb-3">
          <div className="row t-12">
            <span className="grow cut">{step.note ?? 'Working'}</span>
            {step.etaMs !== null && <span className="muted">{duration(step.etaMs / 1000)} left</span>}
          </div>
          <Bar value={step.progress} label="Progress" of={step.startedAt} />
        </div>
      )}
      {step.facts.length > 0 && (
        <dl className="insp-facts mb-3">
          {step.facts.map((fact) => (
            <Fact key={fact.name} name={fact.name} value={fact.value} />
          ))}
        </dl>
      )}
      <StepWait {...of} />
      <div className="mb-3 empty:hidden">
        <Corrected {...of} />
      </div>
      {outputs.map(({ port, declared, output }) => (
        <section key={port} className="mb-4" aria-label={portLabel(port, declared)}>
          {outputs.length > 1 && (
            <h4 className="row label mb-2">
              <PortGlyph type={output.type as PortType} />
              <span className="grow">{portLabel(port, declared)}</span>
              <span className="faint font-normal">{bytes(output.bytes)}</span>
            </h4>
          )}
          <OutputValue {...of} port={port} output={output} />
        </section>
      ))}
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name.charAt(0).toUpperCase() + name.slice(1)}</dt>
      <dd>{value}</dd>
    </>
  );
}

const MARKS: Record<string, string> = {
  done: 'check',
  reused: 'history',
  queued: 'clock',
  waiting: 'clock',
  skipped: 'skip-forward',
  blocked: 'unplug',
  cancelled: 'ban',
};

/** Why it came to this: where it was reused from, which engine, what it waits for. */
function Why({ step }: { step: StepView }) {
  const made =
    step.startedAt && step.endedAt
      ? `Made in ${duration((Date.parse(step.endedAt) - Date.parse(step.startedAt)) / 1000)}.`
      : null;
  const words = isTelling(step.explanation) ? (step.note ?? step.explanation.text) : made;
  const icon = MARKS[step.state];
  if (!words) return null;
  return (
    <div className="insp-why">
      {icon && <Icon name={icon} size={14} />}
      <span>{words}</span>
    </div>
  );
}
