/**
 * The pipeline that a node calls: chosen from those that can be called, kept with the version and the ports it has then. A
 * newer version is offered, never taken by itself.
 */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api.ts';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Select } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Loading, PortGlyph, Skeleton } from '../ui/parts.tsx';
import type { Json } from './form-schema.ts';

type Callable = Awaited<ReturnType<typeof client.pipelines.callable.query>>[number];
type PipelineFieldProps = {
  id: string;
  workspaceId: string;
  pipelineId: string;
  value: Json | undefined;
  disabled: boolean;
  onChange: (value: Json | undefined) => void;
};

export function PipelineField({ id, workspaceId, pipelineId, value, disabled, onChange }: PipelineFieldProps) {
  const found = useQuery({
    queryKey: ['callable', workspaceId, pipelineId],
    queryFn: () => client.pipelines.callable.query({ workspaceId, pipelineId }),
    refetchOnWindowFocus: true,
    staleTime: 0,
  });
  if (found.error) return <ErrorOf error={found.error} onRetry={() => found.refetch()} />;
  if (!found.data)
    return (
      <Loading>
        <Skeleton height={28} />
      </Loading>
    );
  const chosen = chosenIn(value);
  const now = chosen && found.data.find((each) => each.pipelineId === chosen.pipeline);
  const take = (callable: Callable | undefined) => {
    if (!callable || disabled) return;
    const { pipelineId: pipeline, ...rest } = callable;
    onChange({ pipeline, ...rest });
  };
  const options = found.data.map((each) => ({ value: each.pipelineId, label: each.name }));
  if (chosen && !now) options.unshift({ value: chosen.pipeline, label: chosen.name });
  if (options.length === 0)
    return (
      <p className="muted t-12">
        No other pipeline can be called yet. Put Called at the beginning of one and Return at its end, and publish it:
        then it is listed here.
      </p>
    );
  return (
    <div className="grid gap-2">
      <Select
        id={id}
        dense={true}
        label="Pipeline"
        value={chosen?.pipeline ?? ''}
        options={options}
        disabled={disabled}
        placeholder="Choose"
        onChange={(next) => take(found.data.find((each) => each.pipelineId === next))}
      />
      {chosen && (
        <p className="muted t-12 flex flex-wrap items-center gap-x-2 gap-y-1">
          <span>Version {chosen.version}</span>
          <Link
            className="link"
            to="/w/$workspaceId/p/$pipelineId"
            params={{ workspaceId, pipelineId: chosen.pipeline }}
            search={{}}
          >
            Open it
          </Link>
          {!now && <span className="text-danger">It is not here, or cannot be called any more.</span>}
        </p>
      )}
      {now && chosen && now.version > chosen.version && (
        <div className="flex flex-wrap items-center gap-2 t-12">
          <Icon name="info" size={14} className="text-info" />
          <span className="grow">Version {now.version} is published.</span>
          {!disabled && (
            <Button size="xs" onClick={() => take(now)}>
              Use version {now.version}
            </Button>
          )}
        </div>
      )}
      {chosen && <Ports title="Takes" ports={chosen.inputs} />}
      {chosen && <Ports title="Gives" ports={chosen.outputs} />}
    </div>
  );
}

function Ports({ title, ports }: { title: string; ports: Callable['inputs'] }) {
  if (ports.length === 0) return null;
  return (
    <p className="t-12 flex flex-wrap items-center gap-x-3 gap-y-1">
      <span className="muted">{title}</span>
      {ports.map((port) => (
        <span key={port.name} className="inline-flex items-center gap-1">
          <PortGlyph type={port.type} />
          {port.title || port.name}
        </span>
      ))}
    </p>
  );
}

/** A stored config may hold anything. */
function chosenIn(value: Json | undefined): {
  pipeline: string;
  name: string;
  version: number;
  inputs: Callable['inputs'];
  outputs: Callable['outputs'];
} | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { pipeline, name, version, inputs, outputs } = value;
  if (typeof pipeline !== 'string' || typeof version !== 'number') return null;
  const ports = (of: Json | undefined) => (Array.isArray(of) ? of : []) as unknown as Callable['inputs'];
  return {
    pipeline,
    version,
    name: typeof name === 'string' ? name : 'A pipeline',
    inputs: ports(inputs),
    outputs: ports(outputs),
  };
}
