/**
 * What a node made in the run on show: the item, the reason, the value large enough to read, and corrections. A saved
 * correction is an override: what follows is made again from it, nothing else.
 */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { ManifestJson, PortType } from '../../nodes/contract.ts';
import { client, trpc } from '../api.ts';
import { portLabel } from '../canvas/ports.ts';
import { useEditor, useEditorStore } from '../canvas/store.ts';
import { CORRECTABLE, ValueView, type ValueViewProps } from '../media/value-view.tsx';
import { problemOf } from '../problem.ts';
import type { RunView, StepView } from '../run-view.ts';
import { useSource } from '../runs/source.ts';
import { refreshRun } from '../runs/stream.ts';
import { Button } from '../ui/button.tsx';
import { ErrorCard, ErrorOf } from '../ui/error-card.tsx';
import { bytes, duration } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Loading, PortGlyph, Skeleton } from '../ui/parts.tsx';
import { Bar } from '../ui/progress.tsx';
import { toast } from '../ui/toast.tsx';
import type { Json } from './form-schema.ts';

/** The steps of one node in a run; read again when the node's counts change. */
export function useSteps(node: string) {
  const workspaceId = useEditor((state) => state.workspaceId);
  const runId = useEditor((state) => state.run?.id);
  const stamp = useEditor((state) => {
    const view = state.views.get(node);
    return view ? `${view.state}/${view.counts.done}/${view.counts.failed}/${view.counts.total}/${view.elapsedMs}` : '';
  });
  const queries = useQueryClient();
  const options = trpc.runs.steps.queryOptions({ workspaceId, runId: runId ?? '', nodeId: node });
  const query = useQuery({ ...options, enabled: runId !== undefined && stamp !== '' });
  useEffect(() => {
    // The run's stream says only that something changed; the steps are read anew.
    if (stamp !== '')
      void queries.invalidateQueries({
        queryKey: trpc.runs.steps.queryKey({ workspaceId, runId: runId ?? '', nodeId: node }),
      });
  }, [stamp, queries, workspaceId, runId, node]);
  return query;
}

export function Output({ node, manifest, large }: { node: string; manifest: ManifestJson; large?: boolean }) {
  const run = useEditor((state) => state.run);
  const view = useEditor((state) => state.views.get(node));
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
      <StepOutput key={`${run.id}/${keyOf(chosen)}`} node={node} manifest={manifest} step={chosen} runId={run.id} />
    </>
  );
}

/** The title of what an item made, for its button. */
function titleOf(step: StepView): string | null {
  for (const output of Object.values(step.outputs)) {
    const value: unknown = output.value;
    if (typeof value !== 'object' || value === null) continue;
    const { title, segment, name } = value as { title?: unknown; segment?: { title?: unknown }; name?: unknown };
    const found = title ?? segment?.title ?? name;
    if (typeof found === 'string') return found;
  }
  return null;
}

type StepOutputProps = { node: string; manifest: ManifestJson; step: StepView; runId: string };

function StepOutput({ node, manifest, step, runId }: StepOutputProps) {
  const store = useEditorStore();
  const workspaceId = store.getState().workspaceId;
  const mayRun = useEditor((state) => state.mayRun);
  const queries = useQueryClient();
  const tell = (error: unknown) => {
    const problem = problemOf(error);
    toast({ title: problem.message, text: problem.hint ?? undefined, tone: 'danger' });
  };
  const retry = useMutation(trpc.runs.retry.mutationOptions({ onError: tell }));
  const override = useMutation(
    trpc.runs.override.mutationOptions({
      onSuccess: () =>
        toast({ title: 'Correction saved', text: 'What follows is made again from it.', tone: 'success' }),
    }),
  );
  const clear = useMutation(trpc.runs.clearOverride.mutationOptions({ onError: tell }));
  // A retry or a correction may wake a run whose stream has ended.
  const after = () => {
    refreshRun(workspaceId, runId);
    return queries.invalidateQueries({ queryKey: trpc.runs.steps.queryKey({ workspaceId, runId, nodeId: node }) });
  };
  const outputs = Object.entries(manifest.outputs).filter(([port]) => step.outputs[port]);
  const [onlyPort] = outputs.map(([port]) => port);
  return (
    <>
      {step.error ? (
        <ErrorCard
          className="mb-3"
          problem={step.error}
          actions={
            mayRun &&
            step.state === 'failed' && (
              <Button
                size="xs"
                icon="rotate-ccw"
                busy={retry.isPending}
                onClick={() =>
                  retry.mutate({ workspaceId, runId, nodeId: node, path: step.path }, { onSuccess: () => void after() })
                }
              >
                Retry
              </Button>
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
      {step.overridden && (
        <div className="row mb-3">
          <span className="badge info">Corrected by hand</span>
          <span className="grow" />
          {mayRun &&
            onlyPort &&
            outputs.map(([port]) => (
              <Button
                key={port}
                size="xs"
                look="quiet"
                busy={clear.isPending}
                onClick={() =>
                  clear.mutate(
                    { workspaceId, runId, nodeId: node, path: step.path, port },
                    { onSuccess: () => void after() },
                  )
                }
              >
                Back to what was made
              </Button>
            ))}
        </div>
      )}
      {outputs.map(([port, declared]) => (
        <PortValue
          key={port}
          node={node}
          runId={runId}
          step={step}
          port={port}
          label={outputs.length > 1 ? portLabel(port, declared) : null}
          {...(mayRun && CORRECTABLE.has(declared.type)
            ? {
                onSave: async (value: Json) => {
                  await override.mutateAsync({ workspaceId, runId, nodeId: node, path: step.path, port, value });
                  await after();
                },
              }
            : {})}
        />
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
  const words =
    step.reason ??
    step.note ??
    (step.state === 'done'
      ? step.startedAt && step.endedAt
        ? `Made in ${duration((Date.parse(step.endedAt) - Date.parse(step.startedAt)) / 1000)}.`
        : null
      : step.state === 'reused'
        ? step.reused?.runNumber
          ? `Same as run ${step.reused.runNumber}, so reused.`
          : 'Nothing changed, so reused.'
        : null);
  const icon = MARKS[step.state];
  if (!words) return null;
  return (
    <div className="insp-why">
      {icon && <Icon name={icon} size={14} />}
      <span>{words}</span>
    </div>
  );
}

type PortValueProps = {
  node: string;
  runId: string;
  step: StepView;
  port: string;
  label: string | null;
  onSave?: (value: Json) => Promise<unknown>;
};

function PortValue({ node, runId, step, port, label, onSave }: PortValueProps) {
  const workspaceId = useEditor((state) => state.workspaceId);
  const output = step.outputs[port]!;
  const cut = output.truncated || output.value === null;
  const whole = useQuery({
    // The digest names the value: another value is another question.
    queryKey: ['run-value', workspaceId, runId, node, step.path, port, output.digest],
    queryFn: () => client.runs.value.query({ workspaceId, runId, nodeId: node, path: step.path, port }),
    enabled: cut,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const value: unknown = cut ? whole.data?.value : output.value;
  const run = useEditor((state) => state.run);
  return (
    <section className="mb-4" aria-label={label ?? 'Value'}>
      {label && (
        <h4 className="row label mb-2">
          <PortGlyph type={output.type as PortType} />
          <span className="grow">{label}</span>
          <span className="faint font-normal">{bytes(output.bytes)}</span>
        </h4>
      )}
      {whole.error ? (
        <ErrorOf error={whole.error} onRetry={() => void whole.refetch()} />
      ) : value === undefined ? (
        <Loading>
          <Skeleton height={96} className="rounded-2" />
        </Loading>
      ) : (
        run && (
          <Value
            run={run}
            node={node}
            path={step.path}
            type={output.type as PortType}
            list={output.list}
            value={value}
            {...(onSave ? { onSave: onSave as (value: unknown) => Promise<unknown> } : {})}
          />
        )
      )}
    </section>
  );
}

type ValueProps = Pick<ValueViewProps, 'type' | 'list' | 'value' | 'onSave'> & {
  run: RunView;
  node: string;
  path: number[];
};

/** The value with the recording and the words that its times refer to. */
function Value({ run, node, path, ...rest }: ValueProps) {
  const workspaceId = useEditor((state) => state.workspaceId);
  const source = useSource(workspaceId, run, node, path);
  return <ValueView workspaceId={workspaceId} {...source} {...rest} />;
}
