/** The runs of a workspace, newest first, and beside them the one that is open. On phones one after the other. */
import './runs.css';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { type Brand, useCurrentBrand } from '../brands/current-brand.ts';
import { FailuresLink } from '../failures/failures-link.tsx';
import { dateTime, exact } from '../shell/dates.ts';
import { useTitle } from '../shell/page.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Input } from '../ui/field.tsx';
import { ago } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { BrandMark, Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { RunDetail } from './run-detail.tsx';
import { runLook, STATE_FILTERS } from './run-state.ts';

export type RunRow = Outputs['runs']['list']['items'][number];

export function RunsPage() {
  const { workspaceId, runId } = useParams({ strict: false }) as { workspaceId: string; runId?: string };
  const search = useSearch({ strict: false }) as { state?: string; pipeline?: string; node?: string };
  const navigate = useNavigate();
  const { brands } = useCurrentBrand(workspaceId);
  const [brandId, setBrandId] = useState<string | null>(null);
  const [typed, setTyped] = useState('');
  const text = useDeferredValue(typed.trim());
  useTitle('Runs');
  const found = useInfiniteQuery({
    queryKey: ['runs', workspaceId, search.state ?? null, search.pipeline ?? null, brandId, text],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      client.runs.list.query({
        workspaceId,
        ...(search.state ? { state: search.state as RunRow['state'] } : {}),
        ...(search.pipeline ? { pipelineId: search.pipeline } : {}),
        ...(brandId ? { brandId } : {}),
        ...(text ? { text } : {}),
        ...(pageParam ? { cursor: pageParam } : {}),
      }),
    getNextPageParam: ({ next }) => next,
    refetchInterval: ({ state }) =>
      state.data?.pages[0]?.items.some((row: RunRow) => row.state === 'running') ? 3000 : 20_000,
  });
  const rows: RunRow[] = found.data?.pages.flatMap((page) => page.items) ?? [];
  const open = runId ?? null;
  const brandName = brands.find(({ id }) => id === brandId)?.name;
  const filtered = search.state !== undefined || search.pipeline !== undefined || brandId !== null || text !== '';
  const stateLabel = STATE_FILTERS.find(({ value }) => value === (search.state ?? 'all'))?.label;
  const go = (state: string | null) =>
    void navigate({
      to: '.',
      search: (before: Record<string, unknown>) => ({ ...before, state: state ?? undefined }),
      replace: true,
    });
  return (
    <div className="runs" data-open={open ? '' : undefined}>
      <aside aria-label="Runs">
        <header>
          <h1 className="h-16 grow">Runs</h1>
          <Link to="/w/$workspaceId/outbox" params={{ workspaceId }} className="btn sm">
            <Icon name="send" size={14} />
            Outbox
          </Link>
          <FailuresLink workspaceId={workspaceId} />
          <span className="basis-full" />
          <Menu
            align="end"
            trigger={
              <Button size="sm">
                <span className="cut max-w-24">{brandName ?? 'All brands'}</span>
                <Icon name="chevron-down" size={12} />
              </Button>
            }
            items={[
              { label: 'All brands', checked: brandId === null, onSelect: () => setBrandId(null) },
              ...brands.map(({ id, name }: Brand) => ({
                label: name,
                checked: id === brandId,
                onSelect: () => setBrandId(id),
              })),
            ]}
          />
          <Menu
            align="end"
            trigger={
              <Button size="sm" aria-label={`State: ${stateLabel ?? 'All'}`}>
                {stateLabel}
                <Icon name="chevron-down" size={12} />
              </Button>
            }
            items={STATE_FILTERS.map(({ value, label }) => ({
              label,
              checked: value === (search.state ?? 'all'),
              onSelect: () => go(value === 'all' ? null : value),
            }))}
          />
        </header>
        <div className="px-3 pb-2">
          <Input
            icon="search"
            type="search"
            dense={true}
            maxLength={120}
            placeholder="Number, pipeline or error"
            aria-label="Find runs"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </div>
        {search.pipeline && (
          <div className="row px-3 pb-2">
            <span className="chip">
              {rows[0]?.pipelineName ?? 'One pipeline'}
              <IconButton
                icon="x"
                size="xs"
                label="Runs of all pipelines"
                onClick={() =>
                  void navigate({
                    to: '.',
                    search: (before: Record<string, unknown>) => ({ ...before, pipeline: undefined }),
                    replace: true,
                  })
                }
              />
            </span>
          </div>
        )}
        <div className="scroll">
          {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} className="m-1" />}
          {found.isPending && (
            <Loading>
              <div className="grid gap-4 p-3">
                {['a', 'b', 'c', 'd', 'e'].map((key) => (
                  <div key={key} className="grid gap-2">
                    <Skeleton width="70%" />
                    <Skeleton width="40%" />
                  </div>
                ))}
              </div>
            </Loading>
          )}
          {found.data && rows.length === 0 && (
            <Empty
              icon="list-video"
              title={filtered ? 'No run is like this' : 'No runs yet'}
              text={
                filtered
                  ? 'Look for a number, a pipeline or the words of an error, or choose another state or brand.'
                  : 'Press Run on a pipeline to make the first one. The sample recording takes about two minutes and costs nothing.'
              }
              action={
                !filtered && (
                  <Link to="/w/$workspaceId" params={{ workspaceId }} className="btn main">
                    Pipelines
                  </Link>
                )
              }
            />
          )}
          <ul className="runlist">
            {rows.map((row) => (
              <li key={row.id}>
                <RunLink row={row} on={row.id === open} workspaceId={workspaceId} brands={brands} />
              </li>
            ))}
          </ul>
          {found.hasNextPage && (
            <Button size="sm" className="m-2" busy={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
              Show more
            </Button>
          )}
        </div>
      </aside>
      {open ? (
        <RunDetail key={open} workspaceId={workspaceId} runId={open} nodeId={search.node ?? null} />
      ) : (
        <main className="rundetail" id="content" tabIndex={-1}>
          {rows.length > 0 && <Empty icon="list-video" title="Choose a run" text="It opens here with all its steps." />}
        </main>
      )}
    </div>
  );
}

type RunLinkProps = { row: RunRow; on: boolean; workspaceId: string; brands: Brand[] };

function RunLink({ row, on, workspaceId, brands }: RunLinkProps) {
  const look = runLook(row.state);
  const brand = brands.find(({ id }) => id === row.brandId);
  return (
    <Link
      to="/w/$workspaceId/runs/$runId"
      params={{ workspaceId, runId: row.id }}
      search={(before: Record<string, unknown>) => ({ ...before, node: undefined })}
      className={on ? 'on' : ''}
      aria-current={on ? 'true' : undefined}
    >
      {brand && <BrandMark name={brand.name} color={brand.kit.colors.primary} />}
      <div className="grow">
        <div className="row">
          <b className="cut grow">{row.pipelineName}</b>
          <span className="faint t-12">{row.number}</span>
        </div>
        <div className="row t-12 muted gap-[5px]">
          <Icon name={look.icon} size={14} className={look.color} />
          <span className={`grow cut ${look.tone === 'plain' ? '' : look.color}`}>
            {look.word}
            {row.dryRun ? ', rehearsal' : ''}
          </span>
          <time className="faint" dateTime={row.startedAt} title={exact(row.startedAt)}>
            {Date.now() - new Date(row.startedAt).getTime() < 3_600_000 ? ago(row.startedAt) : dateTime(row.startedAt)}
          </time>
        </div>
      </div>
    </Link>
  );
}
