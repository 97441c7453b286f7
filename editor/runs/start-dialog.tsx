/**
 * Starts a run away from the canvas: of which version, from which node, with or without publishing; or goes on with a run
 * from what failed in it. Shows first what is reused, what is made and what that takes.
 */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { Budget } from '../../runtime/graph/graph.ts';
import { client, trpc } from '../api.ts';
import { BudgetFields } from '../triggers/budget-fields.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Segmented, Select } from '../ui/field.tsx';
import { AheadView, useAhead } from './ahead.tsx';
import { offerToNotify } from './notify.ts';
import { refreshRun } from './stream.ts';
import { TakesFrom } from './takes-from.tsx';

type StartDialogProps = {
  workspaceId: string;
  pipelineId: string;
  pipelineName: string;
  brandId: string;
  /** The run whose inputs it takes, its version, and its nodes. */
  again?: { runId: string; number: number; version: number | null; nodes: { id: string; name: string }[] };
  onClose: () => void;
};

export function StartDialog({ workspaceId, pipelineId, pipelineName, brandId, again, onClose }: StartDialogProps) {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const pipeline = useQuery(trpc.pipelines.get.queryOptions({ workspaceId, pipelineId }));
  const newest = pipeline.data?.publishedVersion ?? null;
  const [chosen, setChosen] = useState<string | null>(null);
  const [begin, setBegin] = useState('changed');
  const [takes, setTakes] = useState('yes');
  const [publishes, setPublishes] = useState('yes');
  const version = chosen ?? String((again ? again.version : newest) ?? 'draft');
  const [how, node] = begin.split(' ');
  const wanted = {
    workspaceId,
    pipelineId,
    brandId,
    version: version === 'draft' ? ('draft' as const) : Number(version),
    dryRun: publishes === 'no',
    ...(again ? { again: again.runId } : {}),
    ...(node ? { from: node } : {}),
    ...(node && how === 'only' ? { only: node } : {}),
    ...(node && takes === 'yes' ? { carryOver: true } : {}),
  };
  const ahead = useAhead(pipeline.data ? wanted : null);
  const start = useMutation({
    mutationFn: () => client.runs.start.mutate(wanted),
    onSuccess: ({ runId }) => {
      offerToNotify();
      onClose();
      void cache.invalidateQueries({ queryKey: ['runs', workspaceId] });
      void navigate({ to: '/w/$workspaceId/runs/$runId', params: { workspaceId, runId }, search: {} });
    },
  });
  const versions: { number: number; note: string | null }[] = pipeline.data?.versions ?? [];
  return (
    <Dialog
      open={true}
      onClose={onClose}
      title={again ? `Run ${again.number} again` : `Run ${pipelineName}`}
      lead={again ? 'With the inputs and the event it was started with.' : undefined}
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Not now
          </Button>
          <Button
            look="main"
            icon="play"
            autoFocus={true}
            busy={start.isPending}
            disabled={ahead.error !== null || !ahead.data}
            onClick={() => start.mutate()}
          >
            {publishes === 'no' ? 'Run without publishing' : 'Run'}
          </Button>
        </>
      }
    >
      <div className="grid gap-4 mt-3">
        <Field label="Version">
          {({ id }) => (
            <Select
              id={id}
              label="Version"
              value={version}
              onChange={setChosen}
              options={[
                { value: 'draft', label: 'The draft as it stands' },
                ...versions.map(({ number, note }) => ({
                  value: String(number),
                  label: versionWords(number, note, again?.version === number, number === newest),
                })),
              ]}
            />
          )}
        </Field>
        {again && (
          <Field label="Make again">
            {({ id }) => (
              <Select
                id={id}
                label="Make again"
                value={begin}
                onChange={setBegin}
                options={[
                  { value: 'changed', label: 'What has changed' },
                  ...again.nodes.map(({ id: each, name }) => ({
                    value: `from ${each}`,
                    label: `${name} and all after it`,
                  })),
                  ...again.nodes.map(({ id: each, name }) => ({ value: `only ${each}`, label: `Only ${name}` })),
                ]}
              />
            )}
          </Field>
        )}
        {again && node && <TakesFrom number={again.number} takes={takes} onChange={setTakes} />}
        <Segmented
          className="justify-self-start"
          label="Publishing"
          value={publishes}
          options={[
            { value: 'yes', label: 'Publish' },
            { value: 'no', label: 'Without publishing' },
          ]}
          onChange={setPublishes}
        />
        <AheadView ahead={ahead} />
        {start.error && <ErrorOf error={start.error} />}
      </div>
    </Dialog>
  );
}

function versionWords(number: number, note: string | null, isOwn: boolean, isNewest: boolean): string {
  const which = isOwn ? ', as it was' : isNewest ? ', the newest' : '';
  return `v${number}${which}${note ? `: ${note}` : ''}`;
}

type ContinueDialogProps = {
  workspaceId: string;
  runId: string;
  number: number;
  /** The run's own, where it has one: it can be raised here. */
  budget?: Budget | undefined;
  onClose: () => void;
};

/** The same run goes on from what failed. */
export function ContinueDialog({ workspaceId, runId, number, budget, onClose }: ContinueDialogProps) {
  const [raised, setRaised] = useState(budget ?? {});
  const cache = useQueryClient();
  const ahead = useAhead({ workspaceId, retry: runId });
  const retry = useMutation({
    mutationFn: () => client.runs.retry.mutate({ workspaceId, runId, ...(budget ? { budget: raised } : {}) }),
    onSuccess: () => {
      refreshRun(workspaceId, runId);
      void cache.invalidateQueries({ queryKey: ['runs', workspaceId] });
      onClose();
    },
  });
  return (
    <Dialog
      open={true}
      onClose={onClose}
      title={`Continue run ${number}`}
      lead="What failed is tried again, and what follows it. What is done stays, and nothing is sent twice."
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Not now
          </Button>
          <Button look="main" icon="rotate-ccw" autoFocus={true} busy={retry.isPending} onClick={() => retry.mutate()}>
            Continue
          </Button>
        </>
      }
    >
      <div className="grid gap-4 mt-3">
        {budget && (
          <BudgetFields
            budget={raised}
            currency={budget.money?.currency ?? null}
            disabled={false}
            onChange={setRaised}
          />
        )}
        <AheadView ahead={ahead} />
        {retry.error && <ErrorOf error={retry.error} />}
      </div>
    </Dialog>
  );
}
