/** What has failed for good in all runs: what, where, why and when; tried again one by one, chosen ones together, or all. */
import '../outbox/outbox.css';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { atLeast, useRole } from '../session/session.ts';
import { dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Checkbox, Select } from '../ui/field.tsx';
import { plural } from '../ui/format.ts';
import { BrandMark, Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';

type Failure = Outputs['failures']['list']['items'][number];
const keyOf = ({ runId, nodeId }: Failure) => `${runId} ${nodeId}`;
const ALL = 'all';

export function FailuresPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const role = useRole(workspaceId);
  const cache = useQueryClient();
  const { brands } = useCurrentBrand(workspaceId);
  const [brandId, setBrandId] = useState(ALL);
  const [pipelineId, setPipelineId] = useState(ALL);
  const [code, setCode] = useState(ALL);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const filter = {
    workspaceId,
    ...(brandId === ALL ? {} : { brandId }),
    ...(pipelineId === ALL ? {} : { pipelineId }),
    ...(code === ALL ? {} : { code }),
  };
  const found = useInfiniteQuery({
    queryKey: ['failures', workspaceId, brandId, pipelineId, code],
    initialPageParam: null as number | null,
    queryFn: ({ pageParam }) => client.failures.list.query({ ...filter, ...(pageParam ? { cursor: pageParam } : {}) }),
    getNextPageParam: ({ next }) => next,
    refetchInterval: 10_000,
  });
  const rows: Failure[] = found.data?.pages.flatMap((page) => page.items) ?? [];
  const picked = rows.filter((row) => chosen.has(keyOf(row)));
  const isFiltered = brandId !== ALL || pipelineId !== ALL || code !== ALL;
  const mayAct = atLeast(role, 'editor');
  const refresh = () => {
    setChosen(new Set());
    void cache.invalidateQueries({ queryKey: ['failures', workspaceId] });
    void cache.invalidateQueries({ queryKey: ['runs', workspaceId] });
  };
  const retry = useMutation({
    /** Null: everything that the filter finds. */
    mutationFn: (items: Failure[] | null) =>
      client.failures.retry.mutate({
        ...filter,
        ...(items ? { items: items.map(({ runId, nodeId }) => ({ runId, nodeId })) } : {}),
      }),
    onSuccess: ({ retried, more }) => {
      toast({
        title: retried === 0 ? 'Nothing was left to try again' : `${plural(retried, 'step')} tried again`,
        text: more ? 'There are more: try all again once these have ended.' : undefined,
        tone: retried === 0 ? 'warning' : 'success',
      });
      refresh();
    },
    onError: sayProblem,
  });
  const aside = useMutation({
    mutationFn: (items: Failure[]) =>
      client.failures.putAside.mutate({ workspaceId, runIds: [...new Set(items.map(({ runId }) => runId))] }),
    onSuccess: refresh,
    onError: sayProblem,
  });
  const busy = retry.isPending || aside.isPending;
  const toggle = (row: Failure, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(keyOf(row));
    else next.delete(keyOf(row));
    setChosen(next);
  };
  const pipelines = new Map(rows.map((row) => [row.pipelineId, row.pipelineName]));
  const codes = [...new Set(rows.map(({ error }) => error.code))].sort();
  return (
    <Page
      title="Failed"
      lead="What failed for good. Tried again, a run goes on from there: what is done stays, and nothing is sent twice."
    >
      {(rows.length > 0 || isFiltered) && (
        <div className="row flex-wrap mb-3">
          <Select
            label="Brand"
            dense={true}
            className="w-44!"
            value={brandId}
            onChange={setBrandId}
            options={[
              { value: ALL, label: 'All brands' },
              ...brands.map(({ id, name }) => ({ value: id, label: name })),
            ]}
          />
          <Select
            label="Pipeline"
            dense={true}
            className="w-44!"
            value={pipelineId}
            onChange={setPipelineId}
            options={[
              { value: ALL, label: 'All pipelines' },
              ...[...pipelines].map(([id, name]) => ({ value: id, label: name })),
            ]}
          />
          <Select
            label="Error"
            dense={true}
            className="w-44!"
            value={code}
            onChange={setCode}
            options={[{ value: ALL, label: 'All errors' }, ...codes.map((each) => ({ value: each, label: each }))]}
          />
        </div>
      )}
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={200} className="rounded-3" />
        </Loading>
      )}
      {found.data && rows.length === 0 && (
        <Empty
          icon="check"
          title={isFiltered ? 'Nothing like this' : 'Nothing has failed'}
          text={
            isFiltered
              ? 'No failed step fits the filter.'
              : 'Steps that fail for good appear here, from all pipelines, and can be tried again together.'
          }
        />
      )}
      {mayAct && rows.length > 0 && (
        <div className="row flex-wrap mb-2">
          <Checkbox
            id="failures-all"
            label="Choose all shown"
            checked={picked.length === rows.length}
            onChange={(on) => setChosen(on ? new Set(rows.map(keyOf)) : new Set())}
          />
          <label htmlFor="failures-all" className="muted t-12">
            {picked.length > 0 ? `${picked.length} chosen` : 'Choose all shown'}
          </label>
          <span className="grow" />
          {picked.length > 0 ? (
            <>
              <Button size="sm" look="quiet" disabled={busy} onClick={() => aside.mutate(picked)}>
                Put aside
              </Button>
              <Button size="sm" look="main" icon="rotate-ccw" busy={busy} onClick={() => retry.mutate(picked)}>
                Try {picked.length} again
              </Button>
            </>
          ) : (
            <Button size="sm" icon="rotate-ccw" busy={busy} onClick={() => retry.mutate(null)}>
              {isFiltered ? 'Try all of these again' : 'Try all again'}
            </Button>
          )}
        </div>
      )}
      <ul className="acts-list" aria-label="Failed steps">
        {rows.map((row) => (
          <li key={keyOf(row)} className="card act">
            <div className="row items-start!">
              {mayAct && (
                <Checkbox
                  id={`failure-${row.runId}-${row.nodeId}`}
                  label={`Choose ${row.nodeName} of run ${row.number}`}
                  checked={chosen.has(keyOf(row))}
                  onChange={(on) => toggle(row, on)}
                />
              )}
              <div className="act-what grow">
                <div className="row flex-wrap">
                  <b>{row.nodeName}</b>
                  {row.count > 1 && <span className="muted t-12">{plural(row.count, 'item')}</span>}
                  <span className="grow" />
                  <time className="muted t-12" dateTime={row.at} title={exact(row.at)}>
                    {dateTime(row.at)}
                  </time>
                </div>
                <p className="break">{row.error.message}</p>
                {row.error.hint && <p className="muted t-12 break">{row.error.hint}</p>}
                <div className="row flex-wrap t-12 muted">
                  <Where row={row} brands={brands} />
                  <Link
                    to="/w/$workspaceId/runs/$runId"
                    params={{ workspaceId, runId: row.runId }}
                    search={{ node: row.nodeId }}
                    className="link"
                  >
                    {row.pipelineName}, run {row.number}
                  </Link>
                  <span className="mono">{row.error.code}</span>
                  <span className="grow" />
                  {mayAct && (
                    <Button size="xs" icon="rotate-ccw" disabled={busy} onClick={() => retry.mutate([row])}>
                      Try again
                    </Button>
                  )}
                </div>
              </div>
            </div>
          </li>
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

type WhereProps = { row: Failure; brands: ReturnType<typeof useCurrentBrand>['brands'] };

function Where({ row, brands }: WhereProps) {
  const brand = brands.find(({ id }) => id === row.brandId);
  return brand ? <BrandMark name={brand.name} color={brand.kit.colors.primary} size="xs" /> : null;
}
