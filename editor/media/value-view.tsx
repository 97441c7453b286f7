/**
 * Any value a wire can carry, drawn as what it is. With `onSave` a person may correct transcripts, segments and texts:
 * corrections are gathered and saved together, because each save makes again what follows.
 */
import './media.css';
import { useEffect, useState } from 'react';
import type * as z from 'zod';
import {
  type Asset,
  PORT_LOOK,
  PORT_TYPES,
  type PortType,
  type Segment,
  type Transcript,
} from '../../nodes/contract.ts';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { TextArea } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { downloadAddress, fileName } from './address.ts';
import { AudioPlayer } from './audio-player.tsx';
import { CaptionsView } from './captions-view.tsx';
import { ClipView } from './clip-view.tsx';
import { AssetFacts } from './facts.tsx';
import { ImageView } from './image-view.tsx';
import { JsonView } from './json-view.tsx';
import type { Playback } from './playback.ts';
import { PostView } from './post-view.tsx';
import { faultsOf } from './segment-edit.ts';
import { SegmentsTable } from './segments-table.tsx';
import { TranscriptView } from './transcript-view.tsx';
import { VideoPlayer } from './video-player.tsx';

type Typed = { [T in PortType]: z.infer<(typeof PORT_TYPES)[T]> };

export type ValueViewProps = {
  workspaceId: string;
  type: PortType;
  /** Whether `value` is a list of that type. */
  list?: boolean;
  /** The whole value, as `runs.value` gives it. */
  value: unknown;
  /** What the times refer to: gives transcripts and segments a player. */
  recording?: Asset | null;
  /** Borders of sentences for segments. */
  transcript?: Transcript | null;
  playback?: Playback;
  /** Saves a correction of the whole value (`runs.override`). Absent: nothing can be changed. */
  onSave?: (value: unknown) => Promise<unknown>;
};

/** Types a person may correct. */
export const CORRECTABLE: ReadonlySet<PortType> = new Set(['transcript', 'segment', 'text']);

export function ValueView(props: ValueViewProps) {
  const { value, onSave, type } = props;
  const [draft, setDraft] = useState<unknown>(value);
  const [touched, setTouched] = useState(0);
  const [saving, setSaving] = useState(false);
  const [error, setError] = useState<unknown>(null);
  // Another value arrived (the run went on, another item was chosen): what was typed belongs to the old one.
  useEffect(() => {
    setDraft(value);
    setTouched(0);
    setError(null);
  }, [value]);
  const editable = onSave !== undefined && CORRECTABLE.has(type);
  if (!editable) return <Drawn {...props} />;
  const fault = faultIn(props, draft);
  const save = async () => {
    setSaving(true);
    setError(null);
    try {
      await onSave(draft);
      setTouched(0);
    } catch (refused) {
      setError(refused);
    } finally {
      setSaving(false);
    }
  };
  return (
    <div className="grid gap-3">
      <Drawn
        {...props}
        value={draft}
        onChange={(next) => {
          setDraft(next);
          setTouched(next === value ? 0 : touched + 1);
        }}
      />
      {error !== null && <ErrorOf error={error} onRetry={save} />}
      {touched > 0 && (
        <section className="savebar" aria-label="Corrections">
          <span className="grow t-12 min-w-40">
            {fault ?? 'Saving makes again what follows from this, nothing else.'}
          </span>
          <Button
            size="sm"
            look="quiet"
            onClick={() => {
              setDraft(value);
              setTouched(0);
            }}
          >
            Discard
          </Button>
          <Button size="sm" look="main" busy={saving} disabled={fault !== null} onClick={save}>
            {saving ? 'Saving' : 'Save correction'}
          </Button>
        </section>
      )}
    </div>
  );
}

function faultIn({ type, list, recording, transcript }: ValueViewProps, draft: unknown): string | null {
  if (type !== 'segment') return null;
  const segments = (list ? draft : [draft]) as Segment[];
  const length = recording?.duration ?? transcript?.duration ?? null;
  for (const segment of segments) {
    const [fault] = faultsOf(segment, length);
    if (fault) return `“${segment.title || 'Untitled'}”: ${fault.message}`;
  }
  return null;
}

type DrawnProps = ValueViewProps & { onChange?: (value: unknown) => void };

function Drawn(props: DrawnProps) {
  const { type, list, value } = props;
  if (value === null || value === undefined) return <p className="muted">Nothing came out here.</p>;
  if (!list) return <One {...props} />;
  if (!Array.isArray(value)) return <JsonView value={value} />;
  if (value.length === 0) return <p className="muted">An empty list: no {PORT_LOOK[type].label} came out.</p>;
  if (type === 'segment' && value.every((item) => PORT_TYPES.segment.safeParse(item).success))
    return (
      <SegmentsTable
        workspaceId={props.workspaceId}
        value={value as Segment[]}
        editable={props.onChange !== undefined}
        {...(props.onChange ? { onChange: props.onChange } : {})}
        recording={props.recording ?? null}
        transcript={props.transcript ?? null}
        {...(props.playback ? { playback: props.playback } : {})}
      />
    );
  const grid = type === 'clip' || type === 'image' || type === 'video';
  return (
    <ol className={grid ? 'grid gap-4 grid-cols-[repeat(auto-fill,minmax(200px,1fr))]' : 'grid gap-4'}>
      {value.map((item: unknown, place) => (
        // Items of a list are their places.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <li key={place}>
          <One {...props} list={false} value={item} {...(props.onChange ? { onChange: undefined } : {})} />
        </li>
      ))}
    </ol>
  );
}

/** One value. What does not fit its type is shown as data rather than refused. */
function One(props: DrawnProps) {
  const { workspaceId, type, value, recording, transcript, playback, onChange } = props;
  const parsed = PORT_TYPES[type].safeParse(value);
  if (!parsed.success) return <JsonView value={value} />;
  const head = playback ? { playback } : {};
  const of = <T extends PortType>(_type: T) => parsed.data as Typed[T];
  switch (type) {
    case 'media':
    case 'video':
    case 'audio': {
      const asset: Asset = of(type);
      return <Recording workspaceId={workspaceId} asset={asset} {...head} />;
    }
    case 'image': {
      const asset = of(type);
      return (
        <figure className="grid gap-2">
          <ImageView workspaceId={workspaceId} asset={asset} />
          <figcaption className="row">
            <AssetFacts asset={asset} className="grow" />
            <Save workspaceId={workspaceId} asset={asset} />
          </figcaption>
        </figure>
      );
    }
    case 'clip':
      return <ClipView workspaceId={workspaceId} value={of(type)} />;
    case 'transcript':
      return (
        <TranscriptView
          workspaceId={workspaceId}
          value={of(type)}
          editable={onChange !== undefined}
          {...(onChange ? { onChange } : {})}
          recording={recording ?? null}
          {...head}
        />
      );
    case 'segment':
      return (
        <SegmentsTable
          workspaceId={workspaceId}
          value={[of(type)]}
          editable={onChange !== undefined}
          {...(onChange ? { onChange: ([next]) => next && onChange(next) } : {})}
          recording={recording ?? null}
          transcript={transcript ?? null}
          {...head}
        />
      );
    case 'captions':
      return <CaptionsView value={of(type)} {...head} />;
    case 'post':
      return <PostView value={of(type)} />;
    case 'text':
      return onChange ? (
        <TextArea
          aria-label="Text"
          className="min-h-40"
          rows={10}
          value={of(type)}
          onChange={(event) => onChange(event.target.value)}
        />
      ) : (
        <p className="whitespace-pre-wrap text-[15px] leading-[23px]">{of(type)}</p>
      );
    case 'number':
      return <p className="h-20">{of(type).toLocaleString('en')}</p>;
    case 'boolean':
      return <p className="h-20">{of(type) ? 'Yes' : 'No'}</p>;
    case 'metrics':
      return (
        <table className="table">
          <tbody>
            {Object.entries(of(type)).map(([name, count]) => (
              <tr key={name}>
                <td>{name}</td>
                <td className="num">{count.toLocaleString('en')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      );
    case 'json':
    case 'any':
      return <JsonView value={value} />;
    default: {
      const never: never = type;
      return never;
    }
  }
}

/** A recording with its player, facts and a way to save it. */
export function Recording({
  workspaceId,
  asset,
  playback,
}: {
  workspaceId: string;
  asset: Asset;
  playback?: Playback;
}) {
  const head = playback ? { playback } : {};
  return (
    <div className="grid gap-2">
      {asset.kind === 'video' ? (
        <VideoPlayer workspaceId={workspaceId} asset={asset} {...head} />
      ) : (
        <AudioPlayer workspaceId={workspaceId} asset={asset} {...head} tall={true} />
      )}
      <div className="row">
        {asset.name && <span className="cut font-[550]">{asset.name}</span>}
        <AssetFacts asset={asset} className="grow" />
        <Save workspaceId={workspaceId} asset={asset} />
      </div>
    </div>
  );
}

function Save({ workspaceId, asset }: { workspaceId: string; asset: Asset }) {
  const name = fileName(asset);
  return (
    <a
      className="btn quiet icon sm"
      href={downloadAddress(workspaceId, asset.asset, name)}
      download={true}
      aria-label={`Download ${name}`}
    >
      <Icon name="download" />
    </a>
  );
}
