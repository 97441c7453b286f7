/** What was published at platforms: where to look at it, its figures, and taking it away. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { dateTime, exact } from '../shell/dates.ts';
import { Button } from '../ui/button.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Icon } from '../ui/icon.tsx';
import { Badge } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';

type Published = Outputs['connections']['posts'][number];
const LOOK_MS = 5_000;
/** A worker has asked by then. */
const ASKED_MS = 1_500;

export function PostsList({
  workspaceId,
  brandId,
  mayEdit,
}: {
  workspaceId: string;
  brandId: string;
  mayEdit: boolean;
}) {
  const cache = useQueryClient();
  const [leaving, setLeaving] = useState<Published | null>(null);
  const key = ['published', workspaceId, brandId];
  const posts = useQuery({
    queryKey: key,
    queryFn: () => client.connections.posts.query({ workspaceId, brandId }),
    refetchInterval: LOOK_MS,
  });
  const refresh = useMutation({
    mutationFn: async () => {
      await client.connections.refresh.mutate({ workspaceId, brandId });
      await new Promise((resolve) => setTimeout(resolve, ASKED_MS));
    },
    onSuccess: () => cache.invalidateQueries({ queryKey: key }),
    onError: sayProblem,
  });
  const remove = useMutation({
    mutationFn: (post: Published) => client.connections.removePost.mutate({ workspaceId, id: post.id }),
    onSuccess: () => {
      toast({ title: 'The post is being deleted', tone: 'success' });
      void cache.invalidateQueries({ queryKey: key });
    },
    onError: sayProblem,
  });
  if (posts.error) return <ErrorOf error={posts.error} onRetry={() => posts.refetch()} />;
  if (!posts.data || posts.data.length === 0) return null;
  return (
    <section className="grid gap-2" aria-labelledby="published">
      <div className="row">
        <h2 className="h-16 grow" id="published">
          Published
        </h2>
        <Button size="sm" look="quiet" busy={refresh.isPending} onClick={() => refresh.mutate()}>
          Refresh figures
        </Button>
      </div>
      <ul className="card rows">
        {posts.data.map((post) => (
          <li key={post.id} className="flex-wrap">
            <div className="grow min-w-52">
              <div className="font-[550] break">
                {post.url && post.state !== 'removed' ? (
                  <a className="link" href={post.url} target="_blank" rel="noreferrer">
                    {post.title || 'Without a title'} <Icon name="external-link" size={12} />
                  </a>
                ) : (
                  post.title || 'Without a title'
                )}
              </div>
              <div className="t-12 muted">
                <time dateTime={post.publishedAt} title={exact(post.publishedAt)}>
                  {dateTime(post.publishedAt)}
                </time>
                {post.runId && (
                  <>
                    {', '}
                    <Link to="/w/$workspaceId/runs/$runId" params={{ workspaceId, runId: post.runId }} className="link">
                      its run
                    </Link>
                  </>
                )}
                {post.note && `. ${post.note}`}
              </div>
              {post.error && post.state === 'live' && <div className="t-12 text-danger">{post.error.message}</div>}
            </div>
            <dl className="figures" title={post.metricsAt ? `As of ${dateTime(post.metricsAt)}` : undefined}>
              {Object.entries(post.metrics).map(([name, value]) => (
                <div key={name}>
                  <dd>{value.toLocaleString('en')}</dd>
                  <dt>{name}</dt>
                </div>
              ))}
            </dl>
            {post.state !== 'live' && <Badge>{post.state === 'removing' ? 'Being deleted' : 'Deleted'}</Badge>}
            {post.state === 'live' && mayEdit && (
              <Button
                size="sm"
                look="quiet"
                onClick={() => setLeaving(post)}
                aria-label={`Delete ${post.title || 'this post'}`}
              >
                Delete
              </Button>
            )}
          </li>
        ))}
      </ul>
      <Confirm
        open={leaving !== null}
        onClose={() => setLeaving(null)}
        title={`Delete “${leaving?.title || 'this post'}”?`}
        lead="It is deleted at the platform. That cannot be undone, and who has seen it has seen it."
        act="Delete"
        danger
        onAct={() => (leaving ? remove.mutateAsync(leaving) : undefined)}
      />
    </section>
  );
}
