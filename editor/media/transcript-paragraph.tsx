/** One paragraph of a transcript: who speaks, and its words to play, mark and correct. */
import './media.css';
import { memo, useRef, useState } from 'react';
import type { Transcript } from '../../nodes/contract.ts';
import { timecode } from '../ui/format.ts';
import { Menu } from '../ui/menu.tsx';
import { type Playback, usePlayhead } from './playback.ts';
import { addSpeaker, assignSpeaker, type Paragraph, speakerColor, UNSURE, wordAt } from './transcript-edit.ts';

type ParagraphProps = {
  part: Paragraph;
  value: Transcript;
  editable: boolean;
  canPlay: boolean;
  playback: Playback;
  current: number | null;
  editing: number | null;
  hits: number[] | null;
  onWord: (index: number) => void;
  onEdit: (index: number) => void;
  onFinish: (index: number, text: string | null, then: 'stay' | 'next') => void;
  onChange: (value: Transcript) => void;
};

export const ParagraphView = memo(
  function ParagraphView(props: ParagraphProps) {
    const { part, value, editable, canPlay, playback, current, editing, hits, onWord, onEdit, onFinish, onChange } =
      props;
    const spoken = usePlayhead(playback, (head) => {
      const index = head.attached() && head.time() > 0 ? wordAt(value.words, head.time()) : -1;
      return index >= part.from && index < part.to ? index : -1;
    });
    const speaker = value.speakers.find(({ id }) => id === part.speaker);
    return (
      <div className="para">
        {part.named && speaker && (
          <Who value={value} part={part} editable={editable} name={speaker.name} onChange={onChange} />
        )}
        <time>{timecode(part.start)}</time>
        <p>
          {value.words.slice(part.from, part.to).map((word, step) => {
            const index = part.from + step;
            if (editing === index)
              return <WordEdit key={index} text={word.text} onFinish={(text, then) => onFinish(index, text, then)} />;
            const unsure = (word.confidence ?? 1) < UNSURE;
            const overlap = word.speakers && word.speakers.length > 1;
            return (
              <span key={index}>
                {/* biome-ignore lint/a11y/useSemanticElements: a button element does not wrap with the text around it */}
                <span
                  role="button"
                  tabIndex={current === index ? 0 : -1}
                  data-word={index}
                  className={`w ${spoken === index ? 'now' : ''} ${unsure ? 'unsure' : ''} ${hits?.includes(index) ? 'hit' : ''}`}
                  title={
                    unsure
                      ? `Unsure: ${Math.round((word.confidence ?? 0) * 100)} %`
                      : overlap
                        ? 'Several people speak here'
                        : undefined
                  }
                  onClick={() => canPlay && onWord(index)}
                  onDoubleClick={() => editable && onEdit(index)}
                  onKeyDown={() => {}}
                >
                  {word.text}
                </span>{' '}
              </span>
            );
          })}
        </p>
      </div>
    );
  },
  (before, after) =>
    before.value === after.value &&
    before.part === after.part &&
    before.current === after.current &&
    before.editing === after.editing &&
    before.hits === after.hits &&
    before.editable === after.editable,
);

type WhoProps = {
  value: Transcript;
  part: Paragraph;
  editable: boolean;
  name: string;
  onChange: (value: Transcript) => void;
};

/** The name above a paragraph; where it may be corrected, a menu that gives the paragraph to somebody else. */
function Who({ value, part, editable, name, onChange }: WhoProps) {
  const color = speakerColor(value, part.speaker);
  if (!editable)
    return (
      <span className="who" style={{ color }}>
        {name}
      </span>
    );
  return (
    <Menu
      trigger={
        <button type="button" className="who" style={{ color }}>
          {name}
        </button>
      }
      items={[
        { caption: 'This was said by' },
        ...value.speakers.map((speaker) => ({
          label: speaker.name,
          checked: speaker.id === part.speaker,
          onSelect: () => onChange(assignSpeaker(value, part.from, part.to, speaker.id)),
        })),
        'line' as const,
        {
          label: 'Somebody else',
          icon: 'user-plus',
          onSelect: () => {
            const { transcript, speaker } = addSpeaker(value);
            onChange(assignSpeaker(transcript, part.from, part.to, speaker.id));
          },
        },
      ]}
    />
  );
}

function WordEdit({
  text,
  onFinish,
}: {
  text: string;
  onFinish: (text: string | null, then: 'stay' | 'next') => void;
}) {
  const [draft, setDraft] = useState(text);
  const done = useRef(false);
  const finish = (next: string | null, then: 'stay' | 'next' = 'stay') => {
    if (done.current) return;
    done.current = true;
    onFinish(next, then);
  };
  return (
    <>
      <input
        className="w-edit"
        // A person asked for the edit by double click or Enter; the focus belongs here.
        // biome-ignore lint/a11y/noAutofocus: see above
        autoFocus={true}
        aria-label={`Correct ${text}. Empty removes the word.`}
        value={draft}
        size={Math.max(2, draft.length)}
        onFocus={(event) => event.currentTarget.select()}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => finish(draft)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === 'Enter') finish(draft);
          if (event.key === 'Escape') finish(null);
          if (event.key === 'Tab' && !event.shiftKey) {
            event.preventDefault();
            finish(draft, 'next');
          }
        }}
      />{' '}
    </>
  );
}
