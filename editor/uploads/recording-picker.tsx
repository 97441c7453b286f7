/**
 * Which recording: upload one, take one that is stored, or give its address. The value is what Ingest's field
 * `recording` holds: `{ asset }` with a SHA-256, or `{ url }`.
 */
import './uploads.css';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import { client } from '../api.ts';
import { AudioPlayer } from '../media/audio-player.tsx';
import { assetFacts } from '../media/facts.tsx';
import { VideoPlayer } from '../media/video-player.tsx';
import { problemOf } from '../problem.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input, Segmented } from '../ui/field.tsx';
import { timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Loading, Skeleton } from '../ui/parts.tsx';
import { takeFiles, useFileChooser } from './drop-anywhere.tsx';
import { ACCEPT, TAKES } from './plan.ts';
import { isRecording, recordingsPage } from './recordings.ts';
import { Still } from './still.tsx';
import { UploadCard } from './upload-card.tsx';
import { uploaded, useUploads } from './uploads.ts';

export type RecordingValue = { asset: string } | { url: string };
type RecordingPickerProps = {
  value: RecordingValue | null | undefined;
  onChange: (value: RecordingValue | null) => void;
  workspaceId: string;
  id?: string;
  describedBy?: string | undefined;
  /** Where files are taken care of outside, so that an upload outlives the picker: how, and the one on its way. */
  outside?: { take: (files: File[]) => void; uploadId: string | null };
};

export function RecordingPicker({ value, onChange, workspaceId, id, describedBy, outside }: RecordingPickerProps) {
  const [way, setWay] = useState('upload');
  const [ownUpload, setOwnUpload] = useState<string | null>(null);
  const uploadId = outside ? outside.uploadId : ownUpload;
  const upload = useUploads((state) => state.uploads.find((each) => each.id === uploadId));
  const done = upload?.state === 'done';

  const take = async (files: File[]) => {
    const [first] = takeFiles(workspaceId, files);
    if (!first) return;
    setOwnUpload(first);
    try {
      const { asset } = await uploaded(first);
      onChange({ asset });
      setOwnUpload(null);
    } catch {
      // The card of the upload says what happened.
    }
  };

  return (
    <fieldset id={id} aria-describedby={describedBy} className="grid gap-2 min-w-0 nodrag">
      {value && !(upload && !done) ? (
        <Chosen value={value} workspaceId={workspaceId} onClear={() => onChange(null)} />
      ) : (
        <>
          <Segmented
            dense={true}
            label="Where the recording comes from"
            value={way}
            onChange={setWay}
            options={[
              { value: 'upload', label: 'Upload' },
              { value: 'stored', label: 'Stored' },
              { value: 'url', label: 'Address' },
            ]}
          />
          {upload && !done ? (
            <div className="rounded-3 bg-well">
              {upload.state !== 'failed' && upload.kind !== 'text' && (
                <div className="p-2 pb-0">
                  <Local name={upload.name} kind={upload.kind} source={upload.preview} workspaceId={workspaceId} />
                </div>
              )}
              <UploadCard upload={upload} />
            </div>
          ) : (
            way === 'upload' && <DropArea onFiles={outside?.take ?? take} />
          )}
          {way === 'stored' && <Stored workspaceId={workspaceId} onChoose={(asset) => onChange({ asset })} />}
          {way === 'url' && <Address onChoose={(url) => onChange({ url })} />}
        </>
      )}
    </fieldset>
  );
}

/** The recording as this browser has it, while it is still being sent. */
function Local({
  name,
  kind,
  source,
  workspaceId,
}: {
  name: string;
  kind: 'video' | 'audio';
  source: string;
  workspaceId: string;
}) {
  const asset = { asset: '', name };
  return kind === 'video' ? (
    <VideoPlayer workspaceId={workspaceId} asset={asset} source={source} maxHeight="200px" />
  ) : (
    <AudioPlayer workspaceId={workspaceId} asset={asset} source={source} />
  );
}

export function DropArea({ onFiles }: { onFiles: (files: File[]) => void }) {
  const [over, setOver] = useState(false);
  const choose = useFileChooser(ACCEPT, true, onFiles);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same by keyboard
    <div
      className={`droparea ${over ? 'over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        onFiles([...event.dataTransfer.files]);
      }}
    >
      <Button icon="upload" onClick={choose}>
        Choose a recording
      </Button>
      <p className="t-12 muted">or drop it here. {TAKES}. Captions of the same name go along.</p>
    </div>
  );
}

function Chosen({ value, workspaceId, onClear }: { value: RecordingValue; workspaceId: string; onClear: () => void }) {
  const sha256 = 'asset' in value ? value.asset : '';
  const { data, error, refetch } = useQuery({
    queryKey: ['asset', workspaceId, sha256],
    queryFn: () => client.assets.get.query({ workspaceId, asset: sha256 }),
    enabled: sha256 !== '',
    staleTime: 60_000,
  });
  const asset = data?.asset ?? null;
  if ('url' in value)
    return (
      <div className="row rounded-2 bg-well p-2">
        <Icon name="link" size={14} className="text-muted" />
        <span className="cut grow" title={value.url}>
          {value.url}
        </span>
        <IconButton icon="x" size="xs" label="Choose another recording" onClick={onClear} />
      </div>
    );
  return (
    <div className="grid gap-2">
      <div className="row rounded-2 bg-well p-1.5">
        {isRecording(asset) ? (
          <>
            <Still workspaceId={workspaceId} asset={asset} />
            <span className="grow">
              <b className="cut block font-[550]">{asset.name ?? 'Recording'}</b>
              <span className="t-12 muted cut block">{assetFacts(asset).join(' · ')}</span>
            </span>
          </>
        ) : (
          <span className="grow muted p-1">{error ? 'This recording is not stored any more.' : 'Looks it up'}</span>
        )}
        <IconButton icon="x" size="xs" label="Choose another recording" onClick={onClear} />
      </div>
      {error !== null && problemOf(error).retry === 'later' && <ErrorOf error={error} onRetry={() => refetch()} />}
    </div>
  );
}

function Stored({ workspaceId, onChoose }: { workspaceId: string; onChoose: (asset: string) => void }) {
  const [query, setQuery] = useState('');
  const [asked, setAsked] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setAsked(query.trim()), 200);
    return () => clearTimeout(timer);
  }, [query]);
  const found = useInfiniteQuery(recordingsPage(workspaceId, asked));
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="grid gap-2">
      <Input
        dense={true}
        icon="search"
        type="search"
        placeholder="Find by name"
        aria-label="Find a stored recording"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <div className="grid gap-2">
            <Skeleton height={44} />
            <Skeleton height={44} />
          </div>
        </Loading>
      )}
      {found.data && items.length === 0 && (
        <p className="t-12 muted">
          {asked === '' ? 'No recording is stored yet.' : `No recording is named “${asked}”.`}
        </p>
      )}
      <div className="stored nowheel">
        {items.map(({ asset }) => (
          <button type="button" key={asset.asset} onClick={() => onChoose(asset.asset)}>
            <Still workspaceId={workspaceId} asset={asset} />
            <span className="grow">
              <span className="cut block font-[550]">{asset.name ?? 'Recording'}</span>
              <span className="t-12 muted">{asset.duration === undefined ? 'Text' : timecode(asset.duration)}</span>
            </span>
          </button>
        ))}
      </div>
      {found.hasNextPage && (
        <Button size="sm" busy={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
          Show more
        </Button>
      )}
    </div>
  );
}

function Address({ onChoose }: { onChoose: (url: string) => void }) {
  const [draft, setDraft] = useState('');
  const [fault, setFault] = useState<string | null>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    const address = URL.canParse(draft.trim()) ? new URL(draft.trim()) : null;
    if (!address || !['http:', 'https:'].includes(address.protocol))
      setFault('An address begins with https:// and names a file.');
    else onChoose(address.href);
  };
  return (
    <form onSubmit={submit} className="grid gap-2">
      <Field
        label="Address of the file"
        help="A public address of a recording, not of a page that shows one. It is fetched when the run begins."
        error={fault}
      >
        {({ id, describedBy, invalid }) => (
          <Input
            id={id}
            aria-describedby={describedBy}
            bad={invalid}
            type="url"
            inputMode="url"
            placeholder="https://example.com/talk.mp4"
            value={draft}
            onChange={(event) => {
              setDraft(event.target.value);
              setFault(null);
            }}
          />
        )}
      </Field>
      <Button type="submit" size="sm" className="justify-self-start" disabled={draft.trim() === ''}>
        Use this address
      </Button>
    </form>
  );
}
