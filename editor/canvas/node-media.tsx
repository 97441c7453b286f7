/**
 * What a node made, drawn inside it: stills and videos, waves, pictures, words, rows, and cells of a list. The wide view
 * is the inspector's. Videos load only their facts and play muted after 300 ms under the pointer.
 */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { NodeView } from '../run-view.ts';
import { duration, timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { finished } from './node-state.ts';

type Preview = NonNullable<NodeView['preview']>;

/** One thing of a preview, read leniently: a preview is a hint, never trusted to be whole. */
type Item = {
  /** Its place in the list. */
  key: string;
  asset: {
    asset: string;
    kind: string;
    name: string | null;
    width: number;
    height: number;
    duration: number | null;
  } | null;
  title: string | null;
  text: string | null;
  duration: number | null;
  url: string | null;
  start: number | null;
  end: number | null;
  state: string | null;
  progress: number | null;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
const number = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : null);

export function readItem(value: unknown, index: number): Item {
  const item = isObject(value) ? value : {};
  const asset = isObject(item.asset) ? item.asset : null;
  const mime = text(asset?.mime) ?? text(item.mime) ?? '';
  const sha = asset ? text(asset.asset) : text(item.asset);
  const path = Array.isArray(item.path) ? item.path : [];
  return {
    key: `${path.join('.')}/${index}`,
    asset: sha
      ? {
          asset: sha,
          kind: text(asset?.kind) ?? mime.split('/')[0] ?? 'file',
          name: text(asset?.name),
          width: number(asset?.width) ?? number(item.width) ?? 16,
          height: number(asset?.height) ?? number(item.height) ?? 9,
          duration: number(asset?.duration),
        }
      : null,
    title: text(item.title),
    text: text(item.text),
    duration: number(item.duration) ?? number(asset?.duration),
    url: text(item.url),
    start: number(item.start),
    end: number(item.end),
    state: text(item.state),
    progress: number(item.progress),
  };
}

export const mediaUrl = (workspaceId: string, sha: string) => `/media/${workspaceId}/${sha}`;

/** A still that becomes a moving picture under the pointer; a click plays it with sound. */
function VideoCell({ workspaceId, item, controls }: { workspaceId: string; item: Item; controls: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const [playing, setPlaying] = useState(false);
  const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
  const rest = () => {
    clearTimeout(timer.current);
    const element = video.current;
    if (!element?.muted) return;
    element.pause();
    element.currentTime = Math.min(0.5, element.duration || 0.5);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  if (!item.asset) return null;
  return (
    <>
      <video
        ref={video}
        src={`${mediaUrl(workspaceId, item.asset.asset)}#t=0.5`}
        muted={true}
        playsInline={true}
        preload="metadata"
        loop={true}
        aria-label={item.title ?? item.asset.name ?? 'Video'}
        onPointerEnter={() => {
          if (!still()) timer.current = setTimeout(() => void video.current?.play().catch(() => undefined), 300);
        }}
        onPointerLeave={rest}
        onPlay={() => setPlaying(!video.current?.muted)}
        onPause={() => setPlaying(false)}
      />
      {controls && (
        <button
          type="button"
          className="play nodrag"
          aria-label={playing ? 'Pause' : 'Play with sound'}
          onClick={(event) => {
            event.stopPropagation();
            const element = video.current;
            if (!element) return;
            if (playing) {
              element.muted = true;
              element.pause();
              return;
            }
            element.muted = false;
            element.currentTime = 0;
            void element.play().catch(() => undefined);
          }}
        >
          <Icon name={playing ? 'pause' : 'play'} size={12} />
        </button>
      )}
      {controls && item.duration !== null && <span className="pvtag">{timecode(item.duration)}</span>}
    </>
  );
}

/** The envelope of a recording's sound as the server measured it. */
export function usePeaks(workspaceId: string, sha: string | undefined, bins: number) {
  return useQuery({
    queryKey: ['peaks', workspaceId, sha, bins],
    enabled: sha !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async (): Promise<number[]> => {
      const reply = await fetch(`/media/${workspaceId}/${sha}/peaks?bins=${bins}`);
      if (!reply.ok) throw new Error('The wave could not be loaded.');
      const body: unknown = await reply.json();
      const list = Array.isArray(body) ? body : isObject(body) ? body.peaks : [];
      return Array.isArray(list) ? list.map((value) => number(value) ?? 0) : [];
    },
  });
}

export function Wave({ peaks, played = 0 }: { peaks: readonly number[]; played?: number }) {
  const count = Math.max(1, peaks.length);
  return (
    <svg className="wave" viewBox={`0 0 ${count * 4} 72`} preserveAspectRatio="none" aria-hidden="true">
      {peaks.map((peak, index) => {
        const height = Math.max(2, Math.min(1, peak) * 64);
        return (
          <rect
            key={`bin-${index.toString()}`}
            className={(index + 0.5) / count < played ? 'past' : undefined}
            x={index * 4 + 1}
            y={36 - height / 2}
            width={2}
            height={height}
            rx={1}
          />
        );
      })}
    </svg>
  );
}

function AudioCell({ workspaceId, item }: { workspaceId: string; item: Item }) {
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [played, setPlayed] = useState(0);
  const { data: peaks, isError } = usePeaks(workspaceId, item.asset?.asset, 44);
  if (!item.asset) return null;
  // No wave was measured of this video: its picture says more than an empty frame.
  if (isError && item.asset.kind === 'video')
    return <VideoCell workspaceId={workspaceId} item={item} controls={true} />;
  return (
    <>
      <div className="wv">{peaks && <Wave peaks={peaks} played={played} />}</div>
      {/* biome-ignore lint/a11y/useMediaCaption: the words are the Transcribe node's work */}
      <audio
        ref={audio}
        src={mediaUrl(workspaceId, item.asset.asset)}
        preload="none"
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onTimeUpdate={(event) => setPlayed(event.currentTarget.currentTime / (event.currentTarget.duration || 1))}
        onEnded={() => setPlayed(0)}
      />
      <button
        type="button"
        className="play nodrag"
        aria-label={playing ? 'Pause' : 'Play'}
        onClick={(event) => {
          event.stopPropagation();
          if (playing) audio.current?.pause();
          else void audio.current?.play().catch(() => undefined);
        }}
      >
        <Icon name={playing ? 'pause' : 'play'} size={12} />
      </button>
      {item.duration !== null && <span className="pvtag">{timecode(item.duration)}</span>}
    </>
  );
}

function ImageCell({ workspaceId, items, total }: { workspaceId: string; items: readonly Item[]; total: number }) {
  const [index, setIndex] = useState(0);
  const item = items[Math.min(index, items.length - 1)];
  if (!item?.asset) return null;
  const step = (by: number) => setIndex((current) => (current + by + items.length) % items.length);
  return (
    <>
      <img
        src={mediaUrl(workspaceId, item.asset.asset)}
        alt={item.title ?? item.asset.name ?? 'Picture'}
        loading="lazy"
      />
      {items.length > 1 && (
        <>
          <button type="button" className="step back nodrag" aria-label="Previous picture" onClick={() => step(-1)}>
            <Icon name="chevron-left" size={12} />
          </button>
          <button type="button" className="step on nodrag" aria-label="Next picture" onClick={() => step(1)}>
            <Icon name="chevron-right" size={12} />
          </button>
          <span className="pvtag">
            {Math.min(index, items.length - 1) + 1}/{total}
          </span>
        </>
      )}
    </>
  );
}

type TilesProps = {
  workspaceId: string;
  items: readonly Item[];
  view: NodeView;
  more: number;
  wide: boolean;
  kind: string;
};

/** Up to eight cells of a list in order, failed ones marked, the last for the count. */
function Tiles({ workspaceId, items, view, more, wide, kind }: TilesProps) {
  const total = Math.max(view.counts.total ?? 0, items.length + more);
  const working = view.state === 'running' || view.state === 'queued' || view.state === 'waiting';
  const columns = wide
    ? Math.min(8, Math.max(4, total))
    : items.length + (working ? total - items.length : 0) <= 2
      ? 2
      : 3;
  const shown = items.slice(0, wide ? 8 : working || total > 6 ? 5 : 6);
  const missing = working ? Math.max(0, Math.min((wide ? 8 : 5) - shown.length, total - shown.length)) : 0;
  const hidden = total - shown.length - missing;
  const tall =
    shown.some((item) => item.asset && item.asset.height > item.asset.width) ||
    (kind === 'video' && shown.length === 0);
  const height = wide ? 68 : tall ? 112 : 56;
  const summary = !wide && (working || hidden > 0);
  return (
    <div className="tiles" style={{ gridTemplateColumns: `repeat(${columns}, 1fr)`, gridAutoRows: height }}>
      {shown.map((item) => {
        const failed = item.state === 'failed';
        const pending = item.state === 'queued' || item.state === 'waiting' || item.state === 'running';
        return (
          <div className={`t ${pending ? 'q' : ''}`} key={item.key} title={item.title ?? undefined}>
            {item.asset &&
              (kind === 'image' || item.asset.kind === 'image' ? (
                <img src={mediaUrl(workspaceId, item.asset.asset)} alt={item.title ?? ''} loading="lazy" />
              ) : (
                <VideoCell workspaceId={workspaceId} item={item} controls={false} />
              ))}
            {failed && (
              <span className="fl" role="img" aria-label="failed">
                <Icon name="x" size={12} />
              </span>
            )}
            {item.state === 'running' && (
              <span className="tv">
                <i style={{ '--v': `${(item.progress ?? 0.1) * 100}%` } as React.CSSProperties} />
              </span>
            )}
            {(item.state === 'queued' || item.state === 'waiting') && (
              <span className="tq">
                <Icon name="clock" size={12} />
              </span>
            )}
          </div>
        );
      })}
      {Array.from({ length: missing }, (_none, place) => `missing ${place}`).map((key) => (
        <div className="t" key={key}>
          <span className="tq">
            <Icon name="clock" size={12} />
          </span>
        </div>
      ))}
      {summary && (
        <div className="sum">
          {working ? (
            <>
              <b>
                {finished(view)}
                <small>/{total}</small>
              </b>
              {view.counts.running > 0 && <span>{view.counts.running} at once</span>}
            </>
          ) : (
            <b>+{hidden}</b>
          )}
        </div>
      )}
    </div>
  );
}

/** The first words of a caption track under the time they stand. */
function Cue({ item }: { item: Item }) {
  const time =
    item.title ?? (item.start !== null && item.end !== null ? `${cueTime(item.start)} – ${cueTime(item.end)}` : null);
  return (
    <p className="lines">
      {time && <span className="faint block">{time}</span>}
      <span className="cl" style={{ '--n': time ? 1 : 2 } as React.CSSProperties}>
        {item.text ?? ''}
      </span>
    </p>
  );
}

/** `5.1` → "00:05.1" */
const cueTime = (seconds: number) =>
  `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${(seconds % 60).toFixed(1).padStart(4, '0')}`;

const SPEAKER_COLORS = ['var(--speaker-2)', 'var(--speaker-1)', 'var(--speaker-3)', 'var(--speaker-4)'];

/** Who speaks when, a lane each; drawn where the items carry turns. */
function Lanes({ turns, length }: { turns: { start: number; end: number; speaker: string }[]; length: number }) {
  const speakers = [...new Set(turns.map((turn) => turn.speaker))].slice(0, 4);
  const lane = 30 / Math.max(1, speakers.length);
  return (
    <div className="lanes">
      <svg viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
        {turns.map((turn) => {
          const index = speakers.indexOf(turn.speaker);
          if (index < 0) return null;
          return (
            <rect
              key={`${turn.start}-${turn.speaker}`}
              x={(turn.start / length) * 100}
              y={index * lane + lane * 0.15}
              width={Math.max(0.5, ((turn.end - turn.start) / length) * 100)}
              height={lane * 0.7}
              fill={SPEAKER_COLORS[index]}
            />
          );
        })}
      </svg>
      <p>
        {speakers.map((speaker, index) => (
          <span key={speaker}>
            <i style={{ background: SPEAKER_COLORS[index] }} />
            {speaker}
          </span>
        ))}
      </p>
    </div>
  );
}

/** Turns by the speakers' names, where more than one speaks. */
function readTurns({ turns = [], speakers = [] }: Preview) {
  const names = new Map(speakers.map((speaker) => [speaker.id, speaker.name]));
  const named = turns.flatMap(({ start, end, speaker }) =>
    end > start && speaker !== undefined ? [{ start, end, speaker: names.get(speaker) ?? speaker }] : [],
  );
  return new Set(named.map((turn) => turn.speaker)).size > 1 ? named : [];
}

function Rows({ items, more, limit }: { items: readonly Item[]; more: number; limit: number }) {
  const shown = items.slice(0, limit);
  const rest = items.length - shown.length + more;
  return (
    <ol className="segs">
      {shown.map((item, index) => (
        <li key={item.key}>
          <span className="cut">{item.title ?? item.text ?? `Item ${index + 1}`}</span>
          {item.state === 'failed' ? (
            <Icon name="circle-x" size={12} className="bad" label="failed" />
          ) : item.duration !== null ? (
            <time>{duration(item.duration)}</time>
          ) : (
            item.title && item.text && <span className="num cut max-w-[50%] flex-none">{item.text}</span>
          )}
        </li>
      ))}
      {rest > 0 && (
        <li>
          <span className="faint">+{rest}</span>
        </li>
      )}
    </ol>
  );
}

/** `sound`: the node is about what is heard, so a video shows its wave. */
type MediaProps = { workspaceId: string; view: NodeView; preview: Preview; wide: boolean; sound: boolean };

/** The picture of a node's last output. */
export function NodeMedia({ workspaceId, view, preview, wide, sound }: MediaProps) {
  const raw: readonly unknown[] = preview.items;
  const items = raw.map(readItem);
  const [first] = items;
  const many = items.length + preview.more > 1 || (view.counts.total ?? 0) > 1;
  const pv = (children: React.ReactNode, height = 104) => (
    <div className="pv" style={{ height }}>
      {children}
      {view.state === 'running' && view.progress !== null && !many && (
        <span className="pbar">
          <i style={{ '--v': `${view.progress * 100}%` } as React.CSSProperties} />
        </span>
      )}
    </div>
  );
  switch (preview.kind) {
    case 'video':
    case 'image': {
      if (sound && preview.kind === 'video' && !many && first)
        return pv(<AudioCell workspaceId={workspaceId} item={first} />);
      const mapped = (view.counts.total ?? 0) > 1;
      if (preview.kind === 'image' && !wide && first?.asset && view.state !== 'running') {
        return pv(
          <ImageCell
            workspaceId={workspaceId}
            items={items.filter((item) => item.asset)}
            total={items.length + preview.more}
          />,
        );
      }
      if (many && (mapped || items.length > 1)) {
        return (
          <div className="pv">
            <Tiles
              workspaceId={workspaceId}
              items={items}
              view={view}
              more={preview.more}
              wide={wide}
              kind={preview.kind}
            />
          </div>
        );
      }
      return first ? pv(<VideoOrImage workspaceId={workspaceId} item={first} />, wide ? 148 : 104) : null;
    }
    case 'audio':
      return first ? pv(<AudioCell workspaceId={workspaceId} item={first} />) : null;
    case 'text':
    case 'transcript': {
      const turns = readTurns(preview);
      if (turns.length > 0) {
        return pv(<Lanes turns={turns} length={Math.max(...turns.map((turn) => turn.end))} />);
      }
      const words = items
        .map((item) => item.text ?? item.title ?? '')
        .join(' ')
        .trim();
      return words === ''
        ? null
        : pv(
            <p className="lines">
              <span className="cl">{words}</span>
            </p>,
          );
    }
    case 'captions':
      return first ? pv(<Cue item={first} />, 56) : null;
    case 'post':
      return first
        ? pv(
            <div className="await">
              <p className="min-w-0">
                <b className="cut block">{first.title ?? 'Published'}</b>
                {first.url && (
                  <a className="nodrag cut block" href={first.url} target="_blank" rel="noreferrer">
                    Open the page
                  </a>
                )}
              </p>
            </div>,
            64,
          )
        : null;
    case 'table':
    case 'list': {
      if (!first) return null;
      if (first.asset?.kind === 'image' && !wide && view.state !== 'running') {
        return pv(
          <ImageCell
            workspaceId={workspaceId}
            items={items.filter((item) => item.asset)}
            total={items.length + preview.more}
          />,
        );
      }
      if (first.asset && (first.asset.kind === 'video' || first.asset.kind === 'image')) {
        return (
          <div className="pv">
            <Tiles
              workspaceId={workspaceId}
              items={items}
              view={view}
              more={preview.more}
              wide={wide}
              kind={first.asset.kind}
            />
          </div>
        );
      }
      if (!first.title && first.text) return pv(<Cue item={first} />, 56);
      return <Rows items={items} more={preview.more} limit={5} />;
    }
    default:
      return null;
  }
}

function VideoOrImage({ workspaceId, item }: { workspaceId: string; item: Item }) {
  if (item.asset?.kind === 'audio') return <AudioCell workspaceId={workspaceId} item={item} />;
  if (item.asset?.kind === 'image') return <ImageCell workspaceId={workspaceId} items={[item]} total={1} />;
  return <VideoCell workspaceId={workspaceId} item={item} controls={true} />;
}
