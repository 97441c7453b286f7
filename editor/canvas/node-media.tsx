/**
 * What a node made, drawn inside it: stills and videos, waves, pictures, words, rows, and cells of a list. The large view
 * is the inspector's.
 */
import { mediaAddress } from '../media/address.ts';
import type { NodeView } from '../run-view.ts';
import { Icon } from '../ui/icon.tsx';
import { AudioCell, ImageCell, VideoCell } from './media-cells.tsx';
import { finished } from './node-state.ts';
import { type Item, readItem } from './preview-item.ts';
import { Cue, Lanes, Rows } from './text-cells.tsx';

type Preview = NonNullable<NodeView['preview']>;

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
                <img src={mediaAddress(workspaceId, item.asset.asset)} alt={item.title ?? ''} loading="lazy" />
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

/** Turns by the speakers' names, where more than one speaks. */
function readTurns({ turns = [], speakers = [] }: Preview) {
  const names = new Map(speakers.map((speaker) => [speaker.id, speaker.name]));
  const named = turns.flatMap(({ start, end, speaker }) =>
    end > start && speaker !== undefined ? [{ start, end, speaker: names.get(speaker) ?? speaker }] : [],
  );
  return new Set(named.map((turn) => turn.speaker)).size > 1 ? named : [];
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
  const pictures = () =>
    pv(
      <ImageCell
        workspaceId={workspaceId}
        items={items.filter((item) => item.asset)}
        total={items.length + preview.more}
      />,
    );
  const tiles = (kind: string) => (
    <div className="pv">
      <Tiles workspaceId={workspaceId} items={items} view={view} more={preview.more} wide={wide} kind={kind} />
    </div>
  );
  switch (preview.kind) {
    case 'video':
    case 'image': {
      if (sound && preview.kind === 'video' && !many && first)
        return pv(<AudioCell workspaceId={workspaceId} item={first} />);
      const mapped = (view.counts.total ?? 0) > 1;
      if (preview.kind === 'image' && !wide && first?.asset && view.state !== 'running') {
        return pictures();
      }
      if (many && (mapped || items.length > 1)) {
        return tiles(preview.kind);
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
        return pictures();
      }
      if (first.asset && (first.asset.kind === 'video' || first.asset.kind === 'image')) {
        return tiles(first.asset.kind);
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
