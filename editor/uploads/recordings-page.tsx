/** The recordings of a workspace: upload, play, see where they come from, delete. */
import './uploads.css';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { client } from '../api.ts';
import { downloadAddress, fileName } from '../media/address.ts';
import { assetFacts } from '../media/facts.tsx';
import { Recording } from '../media/value-view.tsx';
import { problemOf } from '../problem.ts';
import { dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Input } from '../ui/field.tsx';
import { bytes, timecode } from '../ui/format.ts';
import { Menu } from '../ui/menu.tsx';
import { Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { takeFiles, useFileChooser } from './drop-anywhere.tsx';
import { ACCEPT, TAKES } from './plan.ts';
import { recordingsPage, type StoredRecording } from './recordings.ts';
import { Still } from './still.tsx';
import { forgetUnfinished, unfinishedUploads, useUploads } from './uploads.ts';

export function RecordingsPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const cache = useQueryClient();
  const [query, setQuery] = useState('');
  const [asked, setAsked] = useState('');
  const [shown, setShown] = useState<StoredRecording | null>(null);
  const [leaving, setLeaving] = useState<StoredRecording | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(query.trim()), 200);
    return () => clearTimeout(timer);
  }, [query]);
  const found = useInfiniteQuery(recordingsPage(workspaceId, asked));
  const finished = useUploads((state) => state.uploads.filter((upload) => upload.state === 'done').length);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a finished upload is a new recording
  useEffect(() => {
    void cache.invalidateQueries({ queryKey: ['recordings', workspaceId] });
  }, [finished, workspaceId]);
  const choose = useFileChooser(ACCEPT, true, (files) => takeFiles(workspaceId, files));
  const remove = useMutation({
    mutationFn: (item: StoredRecording) => client.assets.remove.mutate({ workspaceId, asset: item.asset.asset }),
    onSuccess: (_nothing, { asset }) => {
      toast({ title: `${asset.name ?? 'The recording'} is deleted`, icon: 'trash-2' });
      void cache.invalidateQueries({ queryKey: ['recordings', workspaceId] });
    },
    onError: (error) =>
      toast({ title: problemOf(error).message, text: problemOf(error).hint ?? undefined, tone: 'danger' }),
  });
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page
      title="Recordings"
      actions={
        <>
          <Input
            icon="search"
            type="search"
            placeholder="Find by name"
            aria-label="Find a recording"
            className="w-[220px] max-sm:grow"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
          <Button look="main" icon="upload" onClick={choose}>
            Upload
          </Button>
        </>
      }
    >
      <UnfinishedUploads workspaceId={workspaceId} onChoose={choose} />
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} className="mb-4" />}
      {found.isPending && (
        <Loading>
          <div className="grid gap-4 grid-cols-[repeat(auto-fill,minmax(220px,1fr))]">
            {['a', 'b', 'c', 'd'].map((key) => (
              <div key={key} className="grid gap-2">
                <Skeleton height={140} />
                <Skeleton width="60%" />
              </div>
            ))}
          </div>
        </Loading>
      )}
      {found.data && items.length === 0 && (
        <Empty
          icon="film"
          title={asked === '' ? 'No recordings yet' : `Nothing is named “${asked}”`}
          text={asked === '' ? `Drop one anywhere, or choose it here. ${TAKES}.` : 'Try another word of its name.'}
          action={
            asked === '' && (
              <Button look="main" icon="upload" onClick={choose}>
                Upload a recording
              </Button>
            )
          }
        />
      )}
      <ul className="grid gap-4 grid-cols-[repeat(auto-fill,minmax(220px,1fr))]">
        {items.map((item) => (
          <li key={item.asset.asset} className="card overflow-hidden grid content-start">
            <div className="relative p-1">
              <Still workspaceId={workspaceId} asset={item.asset} big={true} />
              {item.asset.duration !== undefined && (
                <span className="absolute right-2.5 bottom-2.5 px-[5px] rounded-1 bg-[rgb(18_16_14/.72)] text-white text-[11px] leading-4">
                  {timecode(item.asset.duration)}
                </span>
              )}
              <button
                type="button"
                className="absolute inset-1 rounded-2 border-0 bg-transparent"
                aria-label={`Play ${item.asset.name ?? 'recording'}`}
                onClick={() => setShown(item)}
              />
            </div>
            <div className="px-3 pt-1 pb-2.5">
              <div className="row">
                <b className="cut grow font-[550]" title={item.asset.name}>
                  {item.asset.name ?? 'Recording'}
                </b>
                <Menu
                  align="end"
                  trigger={
                    <IconButton icon="ellipsis" size="xs" label={`More for ${item.asset.name ?? 'recording'}`} />
                  }
                  items={[
                    { label: 'Play', icon: 'play', onSelect: () => setShown(item) },
                    {
                      label: 'Download',
                      icon: 'download',
                      onSelect: () =>
                        location.assign(downloadAddress(workspaceId, item.asset.asset, fileName(item.asset))),
                    },
                    'line',
                    { label: 'Delete', icon: 'trash-2', danger: true, onSelect: () => setLeaving(item) },
                  ]}
                />
              </div>
              <p className="t-12 muted cut" title={exact(item.createdAt)}>
                {[bytes(item.asset.bytes), dateTime(item.createdAt)].join(' · ')}
              </p>
              {item.attribution && (
                <p className="t-12 faint mt-1 line-clamp-2" title={item.attribution}>
                  {item.attribution}
                </p>
              )}
            </div>
          </li>
        ))}
      </ul>
      {found.hasNextPage && (
        <Button className="mt-4" busy={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
          Show more
        </Button>
      )}
      <Dialog
        open={shown !== null}
        onClose={() => setShown(null)}
        title={shown?.asset.name ?? 'Recording'}
        large={true}
      >
        {shown && (
          <div className="grid gap-3 pt-2">
            <Recording workspaceId={workspaceId} asset={shown.asset} />
            {shown.attribution && <p className="t-12 muted">{shown.attribution}</p>}
          </div>
        )}
      </Dialog>
      <Confirm
        open={leaving !== null}
        onClose={() => setLeaving(null)}
        title={`Delete ${leaving?.asset.name ?? 'this recording'}?`}
        lead={`${leaving ? assetFacts(leaving.asset).join(', ') : ''}. Pipelines that start from it ask for another one; what runs already made stays.`}
        act="Delete recording"
        danger={true}
        onAct={() => leaving && remove.mutateAsync(leaving).catch(() => {})}
      />
    </Page>
  );
}

/** Uploads of an earlier page: their file must be chosen again, then they go on where they stopped. */
function UnfinishedUploads({ workspaceId, onChoose }: { workspaceId: string; onChoose: () => void }) {
  const cache = useQueryClient();
  const running = useUploads((state) => state.uploads.length);
  const { data } = useQuery({
    queryKey: ['unfinished', workspaceId, running],
    queryFn: () => unfinishedUploads(workspaceId),
    staleTime: 0,
  });
  if (!data || data.length === 0) return null;
  return (
    <ul className="grid gap-2 mb-5">
      {data.map((one) => (
        <li key={one.key} className="card row flex-wrap p-3">
          <span className="grow min-w-48">
            <b className="font-[550]">{one.name}</b>
            <span className="muted">
              {' '}
              is uploaded to {one.bytes > 0 ? Math.floor((one.sent / one.bytes) * 100) : 0} %. Choose the same file
              again, and it goes on from there.
            </span>
          </span>
          <Button
            size="sm"
            look="quiet"
            onClick={async () => {
              await forgetUnfinished(one.key);
              await cache.invalidateQueries({ queryKey: ['unfinished', workspaceId] });
            }}
          >
            Forget it
          </Button>
          <Button size="sm" icon="upload" onClick={onChoose}>
            Choose the file
          </Button>
        </li>
      ))}
    </ul>
  );
}
