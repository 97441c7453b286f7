/** On a step that waits: the question for a person with its link, or the address that another service has to call. */
import { useMutation, useQuery } from '@tanstack/react-query';
import { client } from '../api.ts';
import { CopyField } from '../members/copy-field.tsx';
import type { StepOf } from '../runs/step-output.tsx';
import { atLeast, useRole } from '../session/session.ts';
import { dateTime, exact } from '../shell/dates.ts';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { type Question, QuestionCard } from './question-card.tsx';

/** The names under which the nodes of these types wait. */
const WAITS: Record<string, { kind: 'person' | 'hook'; name: string; ask: string; label: string }> = {
  'flow.approve': { kind: 'person', name: 'review', ask: 'Make a link', label: 'Link for somebody without an account' },
  'flow.hook': { kind: 'hook', name: 'call', ask: 'Show the address', label: 'Address to call (POST)' },
};

export function StepWait({ workspaceId, run, nodeId, step }: StepOf) {
  const role = useRole(workspaceId);
  const type = run.graph.nodes.find((node) => node.id === nodeId)?.type ?? '';
  const wait = WAITS[type];
  const isOpen = step.state === 'waiting' && wait !== undefined && atLeast(role, 'editor');
  const at = { workspaceId, runId: run.id, nodeId, path: step.path, name: wait?.name ?? '' };
  const question = useQuery({
    queryKey: ['wait', workspaceId, run.id, nodeId, step.path],
    enabled: isOpen && wait?.kind === 'person',
    queryFn: () => client.waits.get.query(at),
  });
  const link = useMutation({
    mutationFn: (kind: 'person' | 'hook') => client.waits.link.mutate({ ...at, kind }),
  });
  if (!isOpen) return null;
  return (
    <div className="grid gap-3 mb-3">
      {question.error && <ErrorOf error={question.error} onRetry={() => question.refetch()} />}
      {question.data && (
        <QuestionCard question={question.data} decide={(decision) => client.waits.decide.mutate({ ...at, decision })} />
      )}
      {question.data?.state === 'open' && <Told question={question.data} />}
      {link.error && <ErrorOf error={link.error} />}
      {link.data ? (
        <CopyField label={wait.label} value={link.data.url} />
      ) : (
        <span>
          <Button size="sm" icon="link" busy={link.isPending} onClick={() => link.mutate(wait.kind)}>
            {wait.ask}
          </Button>
        </span>
      )}
    </div>
  );
}

/** Who knows of it, and when they are told again. */
function Told({ question: { told, remindAt } }: { question: Question }) {
  if (told === null) {
    return <p className="t-12 muted">Nobody is told by mail here: send the link to whoever should decide.</p>;
  }
  const isAhead = remindAt !== null && new Date(remindAt) > new Date();
  return (
    <div className="t-12 muted grid gap-0.5">
      {told.length === 0 && <p>Those who may decide are told by mail in a moment.</p>}
      {told.map(({ name, kind, state, at, problem }) => (
        <p key={`${name} ${kind}`} className={state === 'failed' ? 'text-warning' : ''}>
          {name}: {toldWords[state]}
          {kind === 'reminder' && ', as a reminder'}
          {at && `, ${dateTime(at)}`}
          {problem && `. ${problem}`}
        </p>
      ))}
      {isAhead && <p title={exact(remindAt)}>Who has not answered is reminded {dateTime(remindAt)}.</p>}
    </div>
  );
}

const toldWords = {
  due: 'mail goes out soon',
  sending: 'mail is on its way',
  sent: 'told by mail',
  failed: 'could not be told',
  dropped: 'no mail was needed',
} as const;
