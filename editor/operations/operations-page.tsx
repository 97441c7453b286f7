/**
 * For those who run a workspace: what does not go on by itself and whose turn it is, what is queued, who works, what is slow.
 * The operator of the installation also sees the figures of all workspaces together.
 */
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { client, type Outputs } from '../api.ts';
import { Explained } from '../runs/explained.tsx';
import { dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { bytes, duration, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Empty, Loading, Skeleton } from '../ui/parts.tsx';

type Operations = Outputs['operations']['get'];
type Stuck = Operations['stuck'][number];
type Queue = Operations['queue'];

export function OperationsPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const found = useQuery({
    queryKey: ['operations', workspaceId],
    queryFn: () => client.operations.get.query({ workspaceId }),
    refetchInterval: 5_000,
  });
  return (
    <Page title="Operations" lead="What waits and for whom, what is queued, who works, and what is slow.">
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={220} className="rounded-3" />
        </Loading>
      )}
      {found.data && <Shown workspaceId={workspaceId} all={found.data} />}
    </Page>
  );
}

function Shown({ workspaceId, all }: { workspaceId: string; all: Operations }) {
  const { stuck, queue, slowest, installation } = all;
  return (
    <>
      <Block
        title="Not going on by itself"
        lead="Steps that wait, whose turn it is, and when they are looked at again."
      >
        {stuck.length === 0 ? (
          <Empty icon="check" title="Everything goes on by itself" text="No step waits for anybody or anything." />
        ) : (
          <ul className="card rows" aria-label="Steps that wait">
            {stuck.map((each) => (
              <StuckRow
                key={`${each.runId} ${each.nodeId} ${each.explanation.code}`}
                workspaceId={workspaceId}
                of={each}
              />
            ))}
          </ul>
        )}
      </Block>
      <Block title="Queue" lead="Steps of this workspace that are not done.">
        <QueueTable queue={queue} />
      </Block>
      <Block title="Workers" lead="Who takes steps, and how many at one time.">
        <Workers all={all} />
      </Block>
      <Block title="Slowest nodes" lead="Of the last 24 hours; what was reused or waited for somebody is left out.">
        <Slowest workspaceId={workspaceId} slowest={slowest} />
      </Block>
      {installation && (
        <Block title="All workspaces" lead="Only you see this: you look after the installation.">
          <p className="muted mb-2">
            The database takes {bytes(installation.databaseBytes)}.{' '}
            {installation.unknownEffects === 0
              ? 'Every act is accounted for.'
              : `${plural(installation.unknownEffects, 'act')} nobody knows the end of.`}
          </p>
          <QueueTable queue={installation.queue} />
        </Block>
      )}
    </>
  );
}

function Block({ title, lead, children }: { title: string; lead: string; children: ReactNode }) {
  return (
    <section className="blk" aria-label={title}>
      <header>
        <div className="grow">
          <h2 className="h-16">{title}</h2>
          <p className="muted">{lead}</p>
        </div>
      </header>
      {children}
    </section>
  );
}

const OWNERS: Record<Stuck['owner']['kind'], { icon: string; tone: 'plain' | 'warn' }> = {
  person: { icon: 'user-check', tone: 'warn' },
  worker: { icon: 'cpu', tone: 'plain' },
  pipeline: { icon: 'workflow', tone: 'plain' },
  run: { icon: 'history', tone: 'plain' },
  service: { icon: 'globe', tone: 'plain' },
  time: { icon: 'clock', tone: 'plain' },
};

function StuckRow({ workspaceId, of }: { workspaceId: string; of: Stuck }) {
  const owner = OWNERS[of.owner.kind];
  return (
    <li className="items-start!">
      <Icon name={owner.icon} className="text-muted mt-0.5" />
      <div className="grow min-w-0">
        <div className="row flex-wrap gap-2">
          <Link
            className="link font-[550]"
            to="/w/$workspaceId/runs/$runId"
            params={{ workspaceId, runId: of.runId }}
            search={{ node: of.nodeId }}
          >
            {of.nodeName}
          </Link>
          <span className="muted">
            {of.count > 1 ? `${plural(of.count, 'step')}, ` : ''}
            {of.pipelineName}, run {of.runNumber}, {of.brandName}
          </span>
        </div>
        <Explained workspaceId={workspaceId} of={{ ...of.explanation, since: null }} isWhole={true} />
        <div className="t-12 faint">
          Since{' '}
          <time dateTime={of.since} title={exact(of.since)}>
            {dateTime(of.since)}
          </time>
        </div>
      </div>
      <Badge tone={owner.tone}>{of.owner.name}</Badge>
    </li>
  );
}

const LANES: Record<string, string> = { light: 'Light', media: 'Heavy' };
const laneName = (lane: string) => LANES[lane] ?? lane;

function QueueTable({ queue }: { queue: Queue }) {
  if (queue.length === 0) return <p className="muted">Nothing is queued.</p>;
  return (
    <div className="card overflow-x-auto">
      <table className="table">
        <thead>
          <tr>
            <th>Steps</th>
            <th className="num">Ready</th>
            <th className="num">At work</th>
            <th className="num">Asleep</th>
            <th className="num">Oldest ready</th>
          </tr>
        </thead>
        <tbody>
          {queue.map((row) => (
            <tr key={row.lane}>
              <td>{laneName(row.lane)}</td>
              <td className="num">{row.ready.toLocaleString('en')}</td>
              <td className="num">{row.working.toLocaleString('en')}</td>
              <td className="num">{row.asleep.toLocaleString('en')}</td>
              <td className="num">{row.lagSeconds === null || row.ready === 0 ? '' : duration(row.lagSeconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Workers({ all: { workers, installation } }: { all: Operations }) {
  if (workers.length === 0) return <p className="text-danger">No worker is running: nothing goes on.</p>;
  const taken = (worker: string, lane: string) =>
    installation?.taken.find((each) => each.worker === worker && each.lane === lane)?.count;
  return (
    <ul className="card rows" aria-label="Workers">
      {workers.map((worker) => (
        <li key={worker.name}>
          <Icon name="cpu" className="text-muted" />
          <div className="grow min-w-0">
            <div className="font-[550] cut">{worker.name}</div>
            <div className="t-12 muted">
              Since{' '}
              <time dateTime={worker.startedAt} title={exact(worker.startedAt)}>
                {dateTime(worker.startedAt)}
              </time>
            </div>
          </div>
          {worker.places.map(({ lane, count }) => {
            const used = taken(worker.name, lane);
            return (
              <span key={lane} className="muted whitespace-nowrap">
                {laneName(lane)} {used === undefined ? count : `${used} of ${count}`}
              </span>
            );
          })}
        </li>
      ))}
    </ul>
  );
}

function Slowest({ workspaceId, slowest }: { workspaceId: string; slowest: Operations['slowest'] }) {
  if (slowest.length === 0) return <p className="muted">Nothing was made within 24 hours.</p>;
  return (
    <div className="card overflow-x-auto">
      <table className="table">
        <thead>
          <tr>
            <th>Node</th>
            <th className="num">Steps</th>
            <th className="num">Half within</th>
            <th className="num">19 of 20 within</th>
          </tr>
        </thead>
        <tbody>
          {slowest.map((row) => (
            <tr key={`${row.pipelineId} ${row.nodeId}`}>
              <td className="py-2!">
                <Link
                  className="link"
                  to="/w/$workspaceId/runs/$runId"
                  params={{ workspaceId, runId: row.runId }}
                  search={{ node: row.nodeId }}
                >
                  {row.nodeName}
                </Link>
                <div className="t-12 muted">{row.pipelineName}</div>
              </td>
              <td className="num">{row.count.toLocaleString('en')}</td>
              <td className="num whitespace-nowrap">{duration(row.p50Seconds)}</td>
              <td className="num whitespace-nowrap">{duration(row.p95Seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
