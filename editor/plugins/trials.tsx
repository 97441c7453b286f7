/** What a plugin in the making did lately, for who writes it: each execution with its figures, lines and calls. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client, type Outputs } from '../api.ts';
import { clock, exact } from '../shell/dates.ts';
import { ErrorOf } from '../ui/error-card.tsx';
import { bytes, milliseconds } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Empty } from '../ui/parts.tsx';

type Trial = Outputs['plugins']['trials'][number];
const SHOWN = 20;

export function Trials({ workspaceId, name }: { workspaceId: string; name: string }) {
  const trials = useQuery({
    queryKey: ['trials', workspaceId, name],
    queryFn: () => client.plugins.trials.query({ workspaceId, name, after: null, limit: SHOWN }),
    refetchInterval: 2_000,
  });
  if (trials.error) return <ErrorOf error={trials.error} onRetry={() => trials.refetch()} />;
  if (!trials.data) return null;
  if (trials.data.length === 0) {
    return (
      <Empty
        icon="terminal"
        title="Nothing ran yet"
        text="Run a pipeline with one of its nodes: it is shown here at once."
      />
    );
  }
  return (
    <ul className="card trials" aria-label="Executions">
      {trials.data.toReversed().map((trial) => (
        <li key={trial.id}>
          <One workspaceId={workspaceId} trial={trial} />
        </li>
      ))}
    </ul>
  );
}

function One({ workspaceId, trial }: { workspaceId: string; trial: Trial }) {
  const { said, error } = trial;
  const calls = said.filter((each) => each.kind === 'call');
  const sum = (of: 'sentBytes' | 'receivedBytes') => calls.reduce((whole, call) => whole + call[of], 0);
  return (
    <details>
      <summary>
        <Icon name="chevron-right" size={14} />
        <time className="muted t-12" dateTime={trial.beganAt} title={exact(trial.beganAt)}>
          {clock(trial.beganAt)}
        </time>
        <b>{trial.type.slice(trial.type.indexOf('.') + 1)}</b>
        {trial.entry !== 'run' && <Badge>{trial.entry}</Badge>}
        {error && <Badge tone="bad">{error.code}</Badge>}
        <span className="trial-figures t-12 muted">
          <span>{milliseconds(trial.ms)}</span>
          {trial.cpuMs !== null && <span>{milliseconds(trial.cpuMs)} CPU</span>}
          {trial.heapBytes !== null && <span>{bytes(trial.heapBytes)} heap</span>}
          {calls.length > 0 && (
            <span>
              {bytes(sum('sentBytes'))} out, {bytes(sum('receivedBytes'))} in
            </span>
          )}
        </span>
      </summary>
      <ol className="trial-said mono t-12">
        {said.map((each, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: what was said never moves
          <li key={index}>
            {each.kind === 'log' ? (
              each.line
            ) : (
              <>
                <span className={each.code ? 'trial-refused' : 'trial-call'}>{each.what}</span>{' '}
                {each.code ?? each.status ?? 'answered'}, {milliseconds(each.ms)}, {bytes(each.receivedBytes)}
              </>
            )}
          </li>
        ))}
        {said.length === 0 && <li className="muted">It said nothing and asked for nothing.</li>}
      </ol>
      {error && (
        <p className="trial-error">
          {error.message} {error.hint}
        </p>
      )}
      <Link className="link t-12" to="/w/$workspaceId/runs/$runId" params={{ workspaceId, runId: trial.runId }}>
        Run {trial.run}
        {trial.attempt > 1 && `, attempt ${trial.attempt}`}
      </Link>
    </details>
  );
}
