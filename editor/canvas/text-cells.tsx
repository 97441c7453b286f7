/** Words in a card: rows of a list, the first cue of a track, who speaks when. */
import { duration } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import type { Item } from './preview-item.ts';

/** The first words of a caption track under the time they stand. */
export function Cue({ item }: { item: Item }) {
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
export function Lanes({ turns, length }: { turns: { start: number; end: number; speaker: string }[]; length: number }) {
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

export function Rows({ items, more, limit }: { items: readonly Item[]; more: number; limit: number }) {
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
