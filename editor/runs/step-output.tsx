/**
 * What one step gave, port by port, wherever it is looked at: beside the canvas or on the page of the run. What a person
 * corrects is an override: the run goes on from it and makes again what follows, nothing else.
 */
import './runs.css';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { PortType } from '../../nodes/contract.ts';
import { client, type Inputs } from '../api.ts';
import { CORRECTABLE, ValueView } from '../media/value-view.tsx';
import { problemOf } from '../problem.ts';
import type { OutputView, RunView, StepView } from '../run-view.ts';
import { atLeast, useRole } from '../session/session.ts';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Icon } from '../ui/icon.tsx';
import { Badge, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { useSource } from './source.ts';
import { refreshRun } from './stream.ts';

export type StepOf = { workspaceId: string; run: RunView; nodeId: string; step: StepView };

export const outputsOf = (step: StepView) => Object.entries(step.outputs) as [string, OutputView][];

/** The title that an output of the step carries, if one does: "Ask what you can do". */
export function titleOf(step: StepView): string | null {
  for (const [, output] of outputsOf(step)) {
    const value: unknown = output.value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    const { title, segment, name } = value as { title?: unknown; segment?: { title?: unknown } | null; name?: unknown };
    const found = title ?? segment?.title ?? name;
    if (typeof found === 'string') return found;
  }
  return null;
}

/** A correction may wake a run whose stream has ended, and changes what its steps and lists say. */
function useReadAnew({ workspaceId, run }: StepOf): () => Promise<void> {
  const cache = useQueryClient();
  return async () => {
    refreshRun(workspaceId, run.id);
    await Promise.all(
      [
        ['run-steps', workspaceId, run.id],
        ['run-value', workspaceId, run.id],
        ['runs', workspaceId],
      ].map((queryKey) => cache.invalidateQueries({ queryKey })),
    );
  };
}

/** Says that a person corrected the step, and takes it back. */
export function Corrected(props: StepOf) {
  const { workspaceId, run, nodeId, step } = props;
  const role = useRole(workspaceId);
  const readAnew = useReadAnew(props);
  const clear = useMutation({
    mutationFn: (port: string) =>
      client.runs.clearOverride.mutate({ workspaceId, runId: run.id, nodeId, path: step.path, port }),
    onSuccess: readAnew,
    onError: (error) =>
      toast({ title: problemOf(error).message, text: problemOf(error).hint ?? undefined, tone: 'danger' }),
  });
  if (!step.overridden) return null;
  return (
    <div className="row flex-wrap">
      <Badge tone="info">
        <Icon name="pencil" size={12} />
        Corrected by a person
      </Badge>
      {atLeast(role, 'editor') &&
        outputsOf(step)
          .filter(([, output]) => CORRECTABLE.has(output.type as PortType))
          .map(([port]) => (
            <Button key={port} size="xs" busy={clear.isPending} onClick={() => clear.mutate(port)}>
              Back to what the step made
            </Button>
          ))}
    </div>
  );
}

type OutputValueProps = StepOf & { port: string; output: OutputView };

/** The value of one output, whole: asked for where the step's view holds only its beginning. */
export function useOutputValue({ workspaceId, run, nodeId, step, port, output }: OutputValueProps) {
  const cut = output.truncated || output.value === null;
  const whole = useQuery({
    // The digest names the value: another value is another question.
    queryKey: ['run-value', workspaceId, run.id, nodeId, step.path, port, output.digest],
    enabled: cut,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => {
      const { value } = await client.runs.value.query({ workspaceId, runId: run.id, nodeId, path: step.path, port });
      return { value };
    },
  });
  return {
    value: (cut ? whole.data?.value : output.value) as unknown,
    isPending: cut && whole.isPending,
    error: whole.error,
    refetch: whole.refetch,
  };
}

/** One output as what it is, with the recording and the words its times refer to; corrected here by who may. */
export function OutputValue(props: OutputValueProps) {
  const { workspaceId, run, nodeId, step, port, output } = props;
  const type = output.type as PortType;
  const role = useRole(workspaceId);
  const source = useSource(workspaceId, run, nodeId, step.path);
  const readAnew = useReadAnew(props);
  const { value, isPending, error, refetch } = useOutputValue(props);
  const save = async (next: unknown) => {
    await client.runs.override.mutate({
      workspaceId,
      runId: run.id,
      nodeId,
      path: step.path,
      port,
      value: next as Inputs['runs']['override']['value'],
    });
    toast({ title: 'Correction saved', text: 'What follows is made again from it.', tone: 'success' });
    await readAnew();
  };
  if (error) return <ErrorOf error={error} onRetry={() => void refetch()} />;
  if (isPending)
    return (
      <Loading>
        <Skeleton height={96} className="rounded-2" />
      </Loading>
    );
  return (
    <ValueView
      workspaceId={workspaceId}
      type={type}
      list={output.list}
      value={value}
      recording={type === 'transcript' || type === 'segment' ? source.recording : null}
      transcript={source.transcript}
      {...(atLeast(role, 'editor') && CORRECTABLE.has(type) ? { onSave: save } : {})}
    />
  );
}
