/**
 * Everything the brands have sent or tried to send, newest first, and how it is known. What nobody can know stands on top
 * of its day with the three answers only a person can give.
 */
import './outbox.css';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { atLeast, useRole } from '../session/session.ts';
import { dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Segmented } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Badge, Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';

type Act = Outputs['effects']['list']['items'][number];
type Tone = 'plain' | 'ok' | 'warn' | 'bad' | 'info';

const LOOKS: Record<Act['state'], { word: string; tone: Tone }> = {
  intended: { word: 'Not sent yet', tone: 'plain' },
  sending: { word: 'Being sent', tone: 'info' },
  accepted: { word: 'Accepted', tone: 'ok' },
  confirmed: { word: 'Confirmed', tone: 'ok' },
  refused: { word: 'Refused', tone: 'bad' },
  unknown: { word: 'Not known', tone: 'warn' },
  absent: { word: 'Did not happen', tone: 'plain' },
};

export function OutboxPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const [open, setOpen] = useState(false);
  const found = useInfiniteQuery({
    queryKey: ['effects', workspaceId, open],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      client.effects.list.query({
        workspaceId,
        ...(open ? { state: 'unknown' as const } : {}),
        ...(pageParam ? { cursor: pageParam } : {}),
      }),
    getNextPageParam: ({ next }) => next,
    refetchInterval: 10_000,
  });
  const acts: Act[] = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page
      title="Outbox"
      lead="What went out, to whom, and how it is known."
      actions={
        <Segmented
          id="outbox-which"
          label="Which"
          value={open ? 'unknown' : 'all'}
          options={[
            { value: 'all', label: 'All' },
            { value: 'unknown', label: 'Not known' },
          ]}
          onChange={(which) => setOpen(which === 'unknown')}
        />
      }
    >
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={200} className="rounded-3" />
        </Loading>
      )}
      {found.data && acts.length === 0 && (
        <Empty
          icon="send"
          title={open ? 'Everything is accounted for' : 'Nothing was sent yet'}
          text={
            open
              ? 'No act is without an answer or evidence.'
              : 'What Publish nodes send appears here, with the evidence that it arrived.'
          }
        />
      )}
      <ul className="acts-list" aria-label="Acts">
        {acts.map((act) => (
          <ActRow key={act.id} workspaceId={workspaceId} act={act} />
        ))}
      </ul>
      {found.hasNextPage && (
        <Button busy={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
          Show more
        </Button>
      )}
    </Page>
  );
}

function ActRow({ workspaceId, act }: { workspaceId: string; act: Act }) {
  const role = useRole(workspaceId);
  const cache = useQueryClient();
  const decide = useMutation({
    mutationFn: (decision: 'happened' | 'again' | 'leave') =>
      client.effects.decide.mutate({ workspaceId, runId: act.runId, effectId: act.id, decision }),
    onSuccess: (_now, decision) => {
      void cache.invalidateQueries({ queryKey: ['effects', workspaceId] });
      toast({
        title: decision === 'happened' ? 'Noted: it happened' : 'Noted: it did not happen',
        text: decision === 'leave' ? undefined : 'Its run goes on.',
        tone: 'success',
      });
    },
    onError: sayProblem,
  });
  const look = LOOKS[act.state];
  return (
    <li className="card act">
      <div className="act-what">
        <div className="row flex-wrap">
          <b>{act.nodeName}</b>
          <Badge tone={look.tone}>{look.word}</Badge>
          <span className="grow" />
          <time className="muted t-12" dateTime={act.createdAt} title={exact(act.createdAt)}>
            {dateTime(act.createdAt)}
          </time>
        </div>
        <p className="muted t-12">
          <Link to="/w/$workspaceId/runs/$runId" params={{ workspaceId, runId: act.runId }} className="link">
            {act.pipelineName}, run {act.runNumber}
          </Link>
          {act.path.length > 0 && <>, item {act.path.map((index) => index + 1).join('.')}</>}
        </p>
        <p className="mono t-12 break">{act.request}</p>
        {(act.evidence || act.url) && (
          <p className="row flex-wrap t-12">
            {act.evidence && <span>{act.evidence}</span>}
            {act.decidedBy && <span className="muted">{act.decidedBy}</span>}
            {act.url && (
              <a className="link row" href={act.url} target="_blank" rel="noreferrer">
                Look at it <Icon name="external-link" size={12} />
              </a>
            )}
          </p>
        )}
        {act.nextCheckAt && <p className="muted t-12">Looked up again {dateTime(act.nextCheckAt)}.</p>}
      </div>
      {act.state === 'unknown' && atLeast(role, 'editor') && (
        <div className="act-ways">
          <p className="t-12">Look at the other side, then say what happened.</p>
          <div className="row flex-wrap">
            <Button size="sm" disabled={decide.isPending} onClick={() => decide.mutate('happened')}>
              It happened
            </Button>
            <Button size="sm" disabled={decide.isPending} onClick={() => decide.mutate('again')}>
              It did not: send it
            </Button>
            <Button size="sm" look="quiet" disabled={decide.isPending} onClick={() => decide.mutate('leave')}>
              It did not: leave it
            </Button>
          </div>
        </div>
      )}
    </li>
  );
}
