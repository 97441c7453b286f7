/** Everything that waits for a decision one may make, oldest first. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { client } from '../api.ts';
import { Page } from '../shell/page.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { QuestionCard } from './question-card.tsx';

const LOOK_MS = 10_000;

export const waitingQuery = (workspaceId: string) => ({
  queryKey: ['waits', workspaceId],
  queryFn: () => client.waits.list.query({ workspaceId }),
  refetchInterval: LOOK_MS,
});

export function WaitingPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const cache = useQueryClient();
  const found = useQuery(waitingQuery(workspaceId));
  const items = found.data?.items ?? [];
  return (
    <Page title="Approvals" lead="Runs that wait for somebody to look and decide.">
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={240} className="rounded-3" />
        </Loading>
      )}
      {found.data && items.length === 0 && (
        <Empty
          icon="user-check"
          title="Nothing waits for you"
          text="Put an Approve node before what should not go out by itself: its questions appear here."
          action={
            <Link to="/w/$workspaceId" params={{ workspaceId }} className="btn">
              To the pipelines
            </Link>
          }
        />
      )}
      <div className="questions">
        {items.map((question) => {
          const { runId, nodeId, path, name } = question;
          return (
            <QuestionCard
              key={`${runId}/${nodeId}/${path.join('.')}/${name}`}
              question={question}
              decide={(decision) => client.waits.decide.mutate({ workspaceId, runId, nodeId, path, name, decision })}
              onDecided={() => {
                // it stays on the page, answered, until one leaves or the list is read again
                void cache.invalidateQueries({ queryKey: ['runs', workspaceId] });
              }}
            />
          );
        })}
      </div>
    </Page>
  );
}
