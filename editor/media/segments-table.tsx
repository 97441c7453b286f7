/**
 * Segments with their titles and edges. An edge is typed ("1:02.5"), nudged by 0.1 s (buttons, or arrow keys in the
 * field; with Shift by a second), or moved to the next border of a sentence. Each piece can be played.
 */
import './media.css';
import { type KeyboardEvent, useEffect, useMemo, useState } from 'react';
import type { Asset, Segment, Transcript } from '../../nodes/contract.ts';
import { afterPress } from '../ui/after-press.ts';
import { IconButton } from '../ui/button.tsx';
import { Input } from '../ui/field.tsx';
import { duration as lengthOf, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { AudioPlayer } from './audio-player.tsx';
import { type Playback, usePlayback, usePlayhead } from './playback.ts';
import { faultsOf, nudge, nudgeToBorder, overlaps, setSegment } from './segment-edit.ts';
import { parseTime, tenths, toTenth } from './time.ts';
import { sentenceBorders } from './transcript-edit.ts';
import { useHistory } from './use-history.ts';
import { VideoPlayer } from './video-player.tsx';

type SegmentsTableProps = {
  workspaceId: string;
  value: readonly Segment[];
  editable?: boolean;
  onChange?: (value: Segment[]) => void;
  recording?: Asset | null;
  /** Where the borders of sentences come from. */
  transcript?: Transcript | null;
  playback?: Playback;
};

export function SegmentsTable(props: SegmentsTableProps) {
  const { workspaceId, value, editable = false, onChange, recording, transcript } = props;
  const playback = usePlayback(props.playback);
  const history = useHistory([...value], onChange);
  const borders = useMemo(() => (transcript ? sentenceBorders(transcript.words) : []), [transcript]);
  const shared = useMemo(() => overlaps(value), [value]);
  const length = recording?.duration ?? transcript?.duration ?? null;
  const canPlay = Boolean(recording) || props.playback !== undefined;
  const total = value.reduce((sum, segment) => sum + Math.max(0, segment.end - segment.start), 0);
  return (
    <section
      className="grid gap-2"
      aria-label="Segments"
      onKeyDown={(event) => {
        if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z' || !editable) return;
        if (event.target instanceof HTMLInputElement) return;
        event.preventDefault();
        event.stopPropagation();
        if (event.shiftKey) history.redo();
        else history.undo();
      }}
    >
      {recording &&
        (recording.kind === 'video' ? (
          <VideoPlayer workspaceId={workspaceId} asset={recording} playback={playback} maxHeight="32vh" />
        ) : (
          <AudioPlayer workspaceId={workspaceId} asset={recording} playback={playback} />
        ))}
      <div className="row">
        <span className="t-12 muted grow">
          {plural(value.length, 'segment')}, {lengthOf(total)} in all
        </span>
        {editable && (
          <span className="inline-flex">
            <IconButton icon="undo-2" label="Undo" disabled={!history.canUndo} onClick={history.undo} />
            <IconButton icon="redo-2" label="Redo" disabled={!history.canRedo} onClick={history.redo} />
          </span>
        )}
      </div>
      <ol className="pieces">
        {value.map((segment, place) => {
          const others = shared
            .filter((pair) => pair.includes(place))
            .map(([one, other]) => value[one === place ? other : one]?.title ?? '');
          return (
            <Row
              key={segment.id}
              segment={segment}
              editable={editable}
              canPlay={canPlay}
              playback={playback}
              borders={borders}
              length={length}
              overlapsWith={others}
              onChange={(next) => history.change(setSegment(value, place, next))}
            />
          );
        })}
      </ol>
    </section>
  );
}

type RowProps = {
  segment: Segment;
  editable: boolean;
  canPlay: boolean;
  playback: Playback;
  borders: number[];
  length: number | null;
  overlapsWith: string[];
  onChange: (segment: Segment) => void;
};

function Row(props: RowProps) {
  const { segment, editable, canPlay, playback, borders, length, overlapsWith, onChange } = props;
  const faults = faultsOf(segment, length);
  const playing = usePlayhead(
    playback,
    (head) => head.playing() && head.piece()?.start === segment.start && head.piece()?.end === segment.end,
  );
  const play = () => {
    if (playing) playback.pause();
    else playback.playPiece(segment.start, segment.end);
  };
  const edge = (side: 'start' | 'end') => (
    <Edge
      segment={segment}
      side={side}
      editable={editable}
      bad={faults.some(({ field }) => field === side)}
      borders={borders}
      length={length}
      onChange={onChange}
    />
  );
  return (
    <li className={playing ? 'on' : ''}>
      <span className="pt-0.5">
        {canPlay ? (
          <IconButton
            icon={playing ? 'pause' : 'play'}
            label={playing ? 'Pause' : `Play ${segment.title}`}
            onClick={play}
          />
        ) : (
          <Icon name="scissors" className="text-faint" />
        )}
      </span>
      {editable ? (
        <TitleInput
          value={segment.title}
          bad={faults.some(({ field }) => field === 'title')}
          onChange={(title) => onChange({ ...segment, title })}
        />
      ) : (
        <b className="font-[550] leading-8 cut">{segment.title}</b>
      )}
      <span className="muted leading-8 whitespace-nowrap">{lengthOf(segment.end - segment.start)}</span>
      <div className="edges">
        {edge('start')}
        {edge('end')}
        <span className="t-12 faint" title={segment.why}>
          score {segment.score.toFixed(2)}
        </span>
      </div>
      {faults.map(({ field, message }) => (
        <p className="fault" key={field + message} role="alert">
          <Icon name="circle-alert" size={12} />
          {message}
        </p>
      ))}
      {overlapsWith.length > 0 && (
        <p className="why row">
          <Icon name="info" size={12} />
          Shares time with {overlapsWith.map((title) => `“${title}”`).join(' and ')}.
        </p>
      )}
      {(segment.summary || segment.why) && <p className="why">{segment.summary || segment.why}</p>}
    </li>
  );
}

function TitleInput({ value, bad, onChange }: { value: string; bad: boolean; onChange: (value: string) => void }) {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  const commit = () => draft !== value && onChange(draft.trim() === '' ? draft : draft.trim());
  return (
    <Input
      aria-label="Title"
      maxLength={200}
      bad={bad}
      value={draft}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={() => afterPress(commit)}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === 'Enter') commit();
        if (event.key === 'Escape') setDraft(value);
      }}
    />
  );
}

type EdgeProps = {
  segment: Segment;
  side: 'start' | 'end';
  editable: boolean;
  bad: boolean;
  borders: number[];
  length: number | null;
  onChange: (segment: Segment) => void;
};

function Edge({ segment, side, editable, bad, borders, length, onChange }: EdgeProps) {
  const shown = tenths(segment[side]);
  const [draft, setDraft] = useState(shown);
  useEffect(() => setDraft(shown), [shown]);
  const label = side === 'start' ? 'Start' : 'End';
  const unread = parseTime(draft) === null;
  const commit = () => {
    const seconds = parseTime(draft);
    if (seconds === null) setDraft(shown);
    else if (toTenth(seconds) !== toTenth(segment[side])) onChange({ ...segment, [side]: toTenth(seconds) });
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    event.stopPropagation();
    const direction = event.key === 'ArrowUp' ? 1 : event.key === 'ArrowDown' ? -1 : 0;
    if (direction !== 0) {
      event.preventDefault();
      onChange(nudge(segment, side, direction * (event.shiftKey ? 1 : 0.1), length));
    }
    if (event.key === 'Enter') commit();
    if (event.key === 'Escape') setDraft(shown);
  };
  if (!editable)
    return (
      <span className="edge">
        <span>{label}</span>
        {shown}
      </span>
    );
  return (
    <span className="edge">
      <span>{label}</span>
      {borders.length > 0 && (
        <IconButton
          icon="chevron-left"
          size="xs"
          label={`${label} at the sentence border before`}
          onClick={() => onChange(nudgeToBorder(segment, side, -1, borders, length))}
        />
      )}
      <IconButton
        icon="minus"
        size="xs"
        label={`${label} 0.1 s earlier`}
        onClick={() => onChange(nudge(segment, side, -0.1, length))}
      />
      <Input
        dense={true}
        inputMode="decimal"
        aria-label={`${label} of ${segment.title}`}
        bad={bad || unread}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => afterPress(commit)}
        onKeyDown={onKeyDown}
      />
      <IconButton
        icon="plus"
        size="xs"
        label={`${label} 0.1 s later`}
        onClick={() => onChange(nudge(segment, side, 0.1, length))}
      />
      {borders.length > 0 && (
        <IconButton
          icon="chevron-right"
          size="xs"
          label={`${label} at the next sentence border`}
          onClick={() => onChange(nudgeToBorder(segment, side, 1, borders, length))}
        />
      )}
    </span>
  );
}
