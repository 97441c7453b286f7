/** What takes up the space of a workspace, how long runs are kept, and taking away single files that nothing needs. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { problemOf } from '../problem.ts';
import { date, dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input } from '../ui/field.tsx';
import { bytes, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';

type Storage = Outputs['storage']['get'];
type Item = Storage['biggest'][number];

export function StoragePage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const found = useQuery({
    queryKey: ['storage', workspaceId],
    queryFn: () => client.storage.get.query({ workspaceId }),
  });
  return (
    <Page title="Storage" lead="What takes up space, and for how long it is kept." narrow={true}>
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={220} className="rounded-3" />
        </Loading>
      )}
      {found.data && (
        <>
          <Kinds all={found.data} />
          <Keep key={JSON.stringify(found.data.retention)} workspaceId={workspaceId} all={found.data} />
          <Biggest workspaceId={workspaceId} items={found.data.biggest} />
        </>
      )}
    </Page>
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

const FROM: Record<Item['from'], string> = {
  given: 'Brought in',
  made: 'Made by runs',
  values: 'Long results of steps',
};
const KINDS: Record<string, string> = {
  video: 'video',
  audio: 'sound',
  image: 'pictures',
  text: 'text',
  file: 'files',
};

function Kinds({ all: { kinds, runs } }: { all: Storage }) {
  const total = kinds.reduce((sum, row) => sum + row.bytes, 0);
  const oldest = runs.oldest
    ? `, the oldest of ${date(runs.oldest).replace(/^[TY]/, (letter) => letter.toLowerCase())}`
    : '';
  return (
    <Block
      title={`${bytes(total)} in files`}
      lead={`${plural(runs.count, 'run')} with ${plural(runs.steps, 'step')} are kept${oldest}.`}
    >
      {kinds.length > 0 && (
        <ul className="card rows" aria-label="By kind">
          {kinds.map((row) => (
            <li key={`${row.from} ${row.kind}`}>
              <div className="grow min-w-0">
                <span className="font-[550]">{FROM[row.from]}</span>{' '}
                {row.from !== 'values' && <span className="muted">{KINDS[row.kind] ?? row.kind}</span>}
                <span className="block bg-sunken rounded-full h-1.5 mt-1.5 overflow-hidden">
                  <span
                    className="block h-full bg-accent rounded-full"
                    style={{ width: `${Math.max(1, total > 0 ? (row.bytes / total) * 100 : 0)}%` }}
                  />
                </span>
              </div>
              <span className="muted w-12 text-right whitespace-nowrap">{row.count.toLocaleString('en')}</span>
              <span className="w-20 text-right whitespace-nowrap">{bytes(row.bytes)}</span>
            </li>
          ))}
        </ul>
      )}
    </Block>
  );
}

/** An empty field means no end; anything but a whole number in range is not accepted. */
function numberIn(text: string, most: number): number | null | undefined {
  if (text.trim() === '') return null;
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= most ? value : undefined;
}

function Keep({ workspaceId, all: { retention, swept } }: { workspaceId: string; all: Storage }) {
  const cache = useQueryClient();
  const [days, setDays] = useState(retention.runDays?.toString() ?? '');
  const [count, setCount] = useState(retention.runsPerPipeline?.toString() ?? '');
  const [runDays, runsPerPipeline] = [numberIn(days, 3650), numberIn(count, 100_000)];
  const save = useMutation({
    mutationFn: (input: Storage['retention']) => client.storage.setRetention.mutate({ workspaceId, ...input }),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: ['storage', workspaceId] });
      toast({ title: 'Kept as set', text: 'What is over goes within minutes.', tone: 'success' });
    },
    onError: (error) => toast({ title: problemOf(error).message, tone: 'danger' }),
  });
  const isNew = runDays !== retention.runDays || runsPerPipeline !== retention.runsPerPipeline;
  const isReady = runDays !== undefined && runsPerPipeline !== undefined && isNew;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isReady) save.mutate({ runDays, runsPerPipeline });
  };
  return (
    <Block
      title="How long runs are kept"
      lead="Runs that go on or wait are never removed, nor what was sent and its evidence. Files that runs made go a day after the last run that needs them; what people brought in stays."
    >
      <form onSubmit={submit} className="flex gap-3 items-end flex-wrap">
        <Field label="Days">
          {({ id }) => (
            <Input
              id={id}
              className="w-28"
              inputMode="numeric"
              placeholder="For ever"
              value={days}
              onChange={(event) => setDays(event.target.value)}
            />
          )}
        </Field>
        <Field label="Runs of each pipeline, at most">
          {({ id }) => (
            <Input
              id={id}
              className="w-44"
              inputMode="numeric"
              placeholder="Any number"
              value={count}
              onChange={(event) => setCount(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" busy={save.isPending} disabled={!isReady}>
          Save
        </Button>
      </form>
      {swept && (
        <p className="t-12 muted mt-2">
          Looked through{' '}
          <time dateTime={swept.at} title={exact(swept.at)}>
            {dateTime(swept.at)}
          </time>
          : {plural(swept.runs, 'run')} and {plural(swept.assets, 'file')} removed, {bytes(swept.bytes)} freed.
        </p>
      )}
    </Block>
  );
}

function Biggest({ workspaceId, items }: { workspaceId: string; items: Item[] }) {
  const cache = useQueryClient();
  const [leaving, setLeaving] = useState<Item | null>(null);
  const remove = useMutation({
    mutationFn: (item: Item) => client.storage.remove.mutate({ workspaceId, asset: item.asset.asset }),
    onSuccess: () => cache.invalidateQueries({ queryKey: ['storage', workspaceId] }),
    onError: (error) =>
      toast({ title: problemOf(error).message, text: problemOf(error).hint ?? undefined, tone: 'danger' }),
  });
  if (items.length === 0) return null;
  const nameOf = ({ asset }: Item) => asset.name ?? KINDS[asset.kind] ?? asset.kind;
  return (
    <Block title="Largest files" lead="A file that a brand, a pipeline, a page or a run needs is not removed.">
      <ul className="card rows" aria-label="Largest files">
        {items.map((item) => (
          <li key={item.asset.asset}>
            <Icon name={iconOf(item.asset.kind)} className="text-muted" />
            <div className="grow min-w-0">
              <div className="cut font-[550]">{nameOf(item)}</div>
              <div className="t-12 muted">
                {KINDS[item.asset.kind] ?? item.asset.kind}, {dateTime(item.createdAt)}
              </div>
            </div>
            {item.from === 'given' && <Badge>{FROM.given}</Badge>}
            <span className="whitespace-nowrap">{bytes(item.asset.bytes)}</span>
            <IconButton icon="trash-2" label={`Remove ${nameOf(item)}`} onClick={() => setLeaving(item)} />
          </li>
        ))}
      </ul>
      <Confirm
        open={leaving !== null}
        onClose={() => setLeaving(null)}
        title={`Remove ${leaving ? nameOf(leaving) : 'this file'}?`}
        lead="It is removed only if nothing needs it. This cannot be undone."
        act="Remove file"
        danger={true}
        onAct={() => leaving && remove.mutateAsync(leaving).catch(() => {})}
      />
    </Block>
  );
}

function iconOf(kind: string): string {
  switch (kind) {
    case 'video':
      return 'file-video';
    case 'audio':
      return 'file-audio';
    case 'image':
      return 'image';
    default:
      return 'file-text';
  }
}
