/** The public side of a brand: its address and feed, and the pages on it, each of which can be taken down. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { client, type Outputs } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { dateTime, exact } from '../shell/dates.ts';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Icon } from '../ui/icon.tsx';
import { Badge, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import type { Brand } from './current-brand.ts';

type PageRow = Outputs['showcase']['pages'][number];
type ShowcaseBoxProps = { workspaceId: string; brand: Brand; mayEdit: boolean };

export function ShowcaseBox({ workspaceId, brand, mayEdit }: ShowcaseBoxProps) {
  const cache = useQueryClient();
  const key = ['showcase', workspaceId, brand.id];
  const found = useQuery({
    queryKey: key,
    queryFn: () => client.showcase.pages.query({ workspaceId, brandId: brand.id }),
  });
  const refresh = () => cache.invalidateQueries({ queryKey: key });
  const republish = useMutation({
    mutationFn: (page: PageRow) =>
      client.showcase.republish.mutate({ workspaceId, brandId: brand.id, pageId: page.id }),
    onSuccess: refresh,
    onError: sayProblem,
  });
  const unpublish = useMutation({
    mutationFn: (page: PageRow) =>
      client.showcase.unpublish.mutate({ workspaceId, brandId: brand.id, pageId: page.id }),
    onSuccess: (_nothing, page) => {
      void refresh();
      toast({
        title: `${page.title} is offline`,
        text: 'Its address answers that it was taken down.',
        action: { label: 'Undo', onSelect: () => republish.mutate(page) },
      });
    },
    onError: sayProblem,
  });
  const address = `/b/${brand.slug}`;
  const pages: PageRow[] = found.data ?? [];
  return (
    <section className="blk" aria-label="Showcase">
      <header>
        <h3 className="h-16 grow">Showcase</h3>
        <a className="btn sm" href={address} target="_blank" rel="noreferrer">
          <Icon name="external-link" size={14} />
          Open {address}
        </a>
        <a className="btn sm" href={`${address}/feed.xml`} target="_blank" rel="noreferrer">
          <Icon name="rss" size={14} />
          Feed
        </a>
      </header>
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={104} />
        </Loading>
      )}
      {found.data && pages.length === 0 && (
        <p className="muted">Nothing is published yet. A pipeline that ends in Showcase puts its pages here.</p>
      )}
      {pages.length > 0 && (
        <ul className="card rows">
          {pages.map((page) => {
            const live = page.state !== 'unpublished';
            return (
              <li key={page.id}>
                <div className="grow">
                  <a
                    href={page.url}
                    target="_blank"
                    rel="noreferrer"
                    className="cut block font-[550] text-text no-underline"
                  >
                    {page.title}
                  </a>
                  <span className="t-12 muted" title={exact(page.publishedAt)}>
                    {dateTime(page.publishedAt)}
                  </span>
                </div>
                <Badge tone={live ? 'ok' : 'plain'}>{live ? 'Live' : 'Offline'}</Badge>
                {mayEdit && (
                  <Button
                    size="sm"
                    busy={
                      (unpublish.isPending && unpublish.variables.id === page.id) ||
                      (republish.isPending && republish.variables.id === page.id)
                    }
                    onClick={() => (live ? unpublish.mutate(page) : republish.mutate(page))}
                  >
                    {live ? 'Unpublish' : 'Publish again'}
                  </Button>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
