/**
 * A transcript to read, follow and correct.
 *
 *   click on a word         plays from there
 *   double click, or Enter  edits the word; Enter keeps it, Escape leaves it, Tab goes to the next one
 *   arrows                  walk over the words; Space plays from the word or pauses
 *   a speaker's name        renames the speaker everywhere, or gives the paragraph to another one
 *   Ctrl+Z, Ctrl+Shift+Z    undo and redo corrections
 *
 * `onChange` is called after each correction; keeping them is the caller's business.
 */
import './media.css';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { Asset, Transcript } from '../../nodes/contract.ts';
import { IconButton } from '../ui/button.tsx';
import { Input } from '../ui/field.tsx';
import { announce } from '../ui/live.tsx';
import { AudioPlayer } from './audio-player.tsx';
import { type Playback, usePlayback } from './playback.ts';
import { editWord, lanes, paragraphs, renameSpeaker, speakerColor, UNSURE } from './transcript-edit.ts';
import { ParagraphView } from './transcript-paragraph.tsx';
import { useHistory } from './use-history.ts';
import { VideoPlayer } from './video-player.tsx';
import { Windowed } from './windowed.tsx';

type TranscriptViewProps = {
  workspaceId: string;
  value: Transcript;
  editable?: boolean;
  onChange?: (value: Transcript) => void;
  /** What was transcribed: drawn as a player above the words. */
  recording?: Asset | null;
  /** A playhead of a player that stands elsewhere. */
  playback?: Playback;
};

export function TranscriptView({ workspaceId, value, editable = false, onChange, ...rest }: TranscriptViewProps) {
  const playback = usePlayback(rest.playback);
  const history = useHistory(value, onChange);
  const [query, setQuery] = useState('');
  const parts = useMemo(() => paragraphs(value.words), [value.words]);
  const [current, setCurrent] = useState(0);
  const [editing, setEditing] = useState<number | null>(null);
  const box = useRef<HTMLElement>(null);
  const focusWanted = useRef<number | null>(null);
  const { recording } = rest;
  const canPlay = recording !== undefined && recording !== null ? true : rest.playback !== undefined;
  const unsure = useMemo(() => value.words.filter((word) => (word.confidence ?? 1) < UNSURE).length, [value.words]);
  const hits = useMemo(() => {
    const wanted = query.trim().toLowerCase();
    if (wanted === '') return null;
    return value.words.flatMap((word, index) => (word.text.toLowerCase().includes(wanted) ? [index] : []));
  }, [query, value.words]);
  const partOf = (index: number) => parts.findIndex((part) => index < part.to);

  // Moving the focus needs the word on the screen first, which may be a redraw away.
  useEffect(() => {
    const wanted = focusWanted.current;
    if (wanted === null) return;
    const element = box.current?.querySelector<HTMLElement>(`[data-word="${wanted}"]`);
    if (!element) return;
    focusWanted.current = null;
    element.focus();
    element.scrollIntoView({ block: 'nearest' });
  });

  const goTo = (index: number) => {
    const next = Math.min(value.words.length - 1, Math.max(0, index));
    focusWanted.current = next;
    setCurrent(next);
  };
  const seekTo = (index: number) => {
    const word = value.words[index];
    if (word) playback.seek(word.start);
  };
  const finishEdit = (index: number, text: string | null, then: 'stay' | 'next') => {
    setEditing(null);
    if (text !== null) {
      const next = editWord(value, index, text);
      if (next !== value) {
        history.change(next);
        announce(text.trim() === '' ? 'Word removed.' : `Changed to ${text.trim()}.`);
      }
    }
    if (then === 'next' && index + 1 < value.words.length) {
      setCurrent(index + 1);
      setEditing(index + 1);
    } else goTo(index);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === 'z' && editable && editing === null) {
      event.preventDefault();
      event.stopPropagation();
      if (event.shiftKey) history.redo();
      else history.undo();
      return;
    }
    if (command || event.altKey || !(event.target instanceof HTMLElement) || !event.target.dataset.word) return;
    const index = Number(event.target.dataset.word);
    const part = parts[partOf(index)];
    const acts: Record<string, () => void> = {
      ArrowRight: () => goTo(index + 1),
      ArrowLeft: () => goTo(index - 1),
      ArrowDown: () => goTo(part?.to ?? index),
      ArrowUp: () => goTo(index === part?.from ? (parts[partOf(index) - 1]?.from ?? 0) : (part?.from ?? 0)),
      Home: () => goTo(0),
      End: () => goTo(value.words.length - 1),
      Enter: () => (editable ? setEditing(index) : seekTo(index)),
      F2: () => editable && setEditing(index),
      ' ': () => {
        if (playback.playing()) playback.pause();
        else {
          seekTo(index);
          playback.play();
        }
      },
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };

  return (
    <section ref={box} className="talk nowheel" aria-label="Transcript" onKeyDown={onKeyDown}>
      {recording &&
        (recording.kind === 'video' ? (
          <VideoPlayer workspaceId={workspaceId} asset={recording} playback={playback} maxHeight="32vh" />
        ) : (
          <AudioPlayer workspaceId={workspaceId} asset={recording} playback={playback} />
        ))}
      <Lanes
        value={value}
        editable={editable}
        onRename={(id, name) => history.change(renameSpeaker(value, id, name))}
        onSeek={(seconds) => playback.seek(seconds)}
      />
      <p className="t-12 faint">
        {value.engine.label}
        {value.engine.note ? `. ${value.engine.note}` : ''}
        {unsure > 0 && editable ? ` ${unsure} unsure ${unsure === 1 ? 'word is' : 'words are'} underlined.` : ''}
      </p>
      <div className="row justify-end empty:hidden">
        {value.words.length > 150 && (
          <Input
            dense={true}
            icon="search"
            type="search"
            placeholder="Find"
            aria-label="Find in the transcript"
            className="grow min-w-0"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || !hits || hits.length === 0) return;
              event.preventDefault();
              goTo(hits.find((hit) => hit > current) ?? hits[0] ?? 0);
            }}
            end={hits && <span className="faint t-12">{hits.length}</span>}
          />
        )}
        {editable && (
          <span className="inline-flex">
            <IconButton icon="undo-2" label="Undo" keys="mod+z" disabled={!history.canUndo} onClick={history.undo} />
            <IconButton
              icon="redo-2"
              label="Redo"
              keys="mod+shift+z"
              disabled={!history.canRedo}
              onClick={history.redo}
            />
          </span>
        )}
      </div>
      {value.words.length === 0 ? (
        <p className="muted">
          No words. {value.speech.length > 0 && 'Where somebody speaks is known; what is said is not.'}
        </p>
      ) : (
        <div>
          <Windowed count={parts.length} estimate={86} near={partOf(editing ?? current)}>
            {(place) => {
              const part = parts[place];
              if (!part) return null;
              return (
                <ParagraphView
                  key={part.from}
                  part={part}
                  value={value}
                  editable={editable}
                  canPlay={canPlay}
                  playback={playback}
                  current={current >= part.from && current < part.to ? current : null}
                  editing={editing !== null && editing >= part.from && editing < part.to ? editing : null}
                  hits={hits}
                  onWord={(index) => {
                    setCurrent(index);
                    seekTo(index);
                  }}
                  onEdit={(index) => {
                    setCurrent(index);
                    setEditing(index);
                  }}
                  onFinish={finishEdit}
                  onChange={history.change}
                />
              );
            }}
          </Windowed>
        </div>
      )}
    </section>
  );
}

type LanesProps = {
  value: Transcript;
  editable: boolean;
  onRename: (id: string, name: string) => void;
  onSeek: (seconds: number) => void;
};

/** Who speaks when, a lane each; click in a lane seeks. */
function Lanes({ value, editable, onRename, onSeek }: LanesProps) {
  const found = useMemo(() => lanes(value), [value]);
  if (found.length === 0) return null;
  const length = value.duration || value.words.at(-1)?.end || 1;
  return (
    <div className="voices">
      {found.map(({ speaker, turns, share }) => (
        <div className="lane" key={speaker.id}>
          <SpeakerName
            name={speaker.name}
            color={speakerColor(value, speaker.id)}
            editable={editable}
            onRename={(name) => onRename(speaker.id, name)}
          />
          {/* biome-ignore lint/a11y/noStaticElementInteractions: a shortcut for the pointer; player and words seek by keyboard */}
          <svg
            viewBox={`0 0 ${length} 10`}
            preserveAspectRatio="none"
            role="presentation"
            onClick={(event) => {
              const area = event.currentTarget.getBoundingClientRect();
              onSeek(((event.clientX - area.left) / area.width) * length);
            }}
          >
            {turns.map((turn) => (
              <rect
                key={turn.start}
                x={turn.start}
                width={Math.max(length / 400, turn.end - turn.start)}
                height="10"
                fill={speakerColor(value, speaker.id)}
              />
            ))}
          </svg>
          <span className="share">{Math.round(share * 100)} %</span>
        </div>
      ))}
    </div>
  );
}

type SpeakerNameProps = { name: string; color: string; editable: boolean; onRename: (name: string) => void };

function SpeakerName({ name, color, editable, onRename }: SpeakerNameProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const dot = <span className="dot" style={{ color }} />;
  if (draft !== null)
    return (
      <Input
        dense={true}
        autoFocus={true}
        aria-label={`New name for ${name}`}
        value={draft}
        maxLength={120}
        onFocus={(event) => event.currentTarget.select()}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => {
          onRename(draft);
          setDraft(null);
        }}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === 'Enter') event.currentTarget.blur();
          if (event.key === 'Escape') setDraft(null);
        }}
      />
    );
  if (!editable)
    return (
      <span className="who">
        {dot}
        <span className="cut">{name}</span>
      </span>
    );
  return (
    <button type="button" className="who" title={`Rename ${name} everywhere`} onClick={() => setDraft(name)}>
      {dot}
      <span className="cut">{name}</span>
    </button>
  );
}
