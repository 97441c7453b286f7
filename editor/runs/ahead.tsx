/** What a run that has not begun would reuse and make, and what that takes: looked up, and drawn. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { client, type Inputs, type Outputs } from '../api.ts';
import { ErrorOf } from '../ui/error-card.tsx';
import { Icon } from '../ui/icon.tsx';
import { Loading, Skeleton } from '../ui/parts.tsx';
import { type Taken, takenWords } from './taken-words.ts';

type RunAhead = Outputs['runs']['preview'];
/** A run to be started, or one to go on with; null: nothing to look at yet. */
export type Wanted = Inputs['runs']['preview'] | { workspaceId: string; retry: string } | null;

export function useAhead(wanted: Wanted) {
  return useQuery({
    queryKey: ['ahead', wanted],
    enabled: wanted !== null,
    queryFn: (): Promise<RunAhead> =>
      wanted && 'retry' in wanted
        ? client.runs.previewRetry.query({ workspaceId: wanted.workspaceId, runId: wanted.retry })
        : client.runs.preview.query(wanted as Inputs['runs']['preview']),
    placeholderData: keepPreviousData,
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });
}

export function AheadView({ ahead }: { ahead: ReturnType<typeof useAhead> }) {
  const { data, error, isPending, isFetching } = ahead;
  if (error) return <ErrorOf error={error} onRetry={() => void ahead.refetch()} />;
  if (isPending || !data)
    return (
      <Loading>
        <Skeleton height={120} />
      </Loading>
    );
  const nodes: RunAhead['nodes'] = data.nodes;
  const run = nodes.filter(({ runs, isPinned }) => runs !== 0 && !isPinned);
  const kept = nodes.filter(({ runs, reused }) => runs === 0 && reused > 0);
  const pinned = nodes.filter(({ isPinned }) => isPinned);
  const taken = kept.filter(({ takenFrom }) => takenFrom !== null);
  const reused = kept.filter(({ isPinned, takenFrom }) => !isPinned && takenFrom === null);
  const { estimate } = data;
  return (
    <div className={`grid gap-3 ${isFetching ? 'opacity-70' : ''}`} aria-busy={isFetching}>
      <p role="status">
        <b>{takenSentence(estimate)}</b>
        {estimate.basedOn > 0 && (
          <span className="muted">
            {' '}
            From {estimate.basedOn === 1 ? 'the last run' : `the last ${estimate.basedOn} runs`}.
          </span>
        )}
      </p>
      {estimate.basedOn > 0 && estimate.unknown.length > 0 && (
        <p className="t-12 muted">
          Not counted, as nothing is known of {estimate.unknown.length === 1 ? 'it' : 'them'} yet:{' '}
          {estimate.unknown.join(', ')}.
        </p>
      )}
      {data.dropped.length > 0 && (
        <p className="t-12 text-warning">This version has no input for what was given as {data.dropped.join(', ')}.</p>
      )}
      <Part title="Will run" icon="play" nodes={run} empty="Nothing: everything is there already." />
      {pinned.length > 0 && <Part title="Pinned, so not run" icon="pin" nodes={pinned} empty="" />}
      {taken.length > 0 && (
        <Part title={`Taken from run ${taken[0]!.takenFrom}`} icon="history" nodes={taken} empty="" />
      )}
      {reused.length > 0 && <Part title="Reused" icon="history" nodes={reused} empty="" />}
    </div>
  );
}

type PartProps = { title: string; icon: string; nodes: RunAhead['nodes']; empty: string };

function Part({ title, icon, nodes, empty }: PartProps) {
  return (
    <section aria-label={title}>
      <h3 className="label row gap-1.5">
        <Icon name={icon} size={14} className="text-faint" />
        {title}
        {nodes.length > 0 && <span className="faint font-normal">{nodes.length}</span>}
      </h3>
      {nodes.length === 0 && <p className="muted t-12">{empty}</p>}
      <ul className="ahead">
        {nodes.map((node) => (
          <li key={node.nodeId}>
            <span className="cut">{node.name}</span>
            <span className="faint t-12">{countWords(node)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function countWords({ runs, reused, isRehearsed, isCheap }: RunAhead['nodes'][number]): string {
  const words: string[] = [];
  if (runs === null) words.push('as often as its list is long');
  else if (runs > 1 || reused > 0)
    words.push(runs === 0 ? (reused > 1 ? `${reused} items` : '') : `${runs} of ${runs + reused}`);
  if (isRehearsed) words.push('only says what it would send');
  if (isCheap && runs !== 0) words.push('in no time');
  return words.filter(Boolean).join(', ');
}

function takenSentence(estimate: Taken & { basedOn: number }): string {
  if (estimate.basedOn === 0) return 'How long this takes is known after the first run.';
  return `${takenWords(estimate, 'About ').join(', ')}.`;
}
