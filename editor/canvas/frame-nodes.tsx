/** Sections and notes: what people draw around and beside the nodes. */
import { memo, useRef } from 'react';
import type { Node, NodeProps } from 'reactflow';
import type { Graph } from '../../runtime/graph/graph.ts';
import { noteKey, sectionKey, snap } from '../commands/command.ts';
import { setBox, setNoteText, setSectionTitle } from '../commands/edit.ts';
import { Markdown } from './markdown.tsx';
import { NameInput } from './name-input.tsx';
import { useEditor, useEditorStore } from './store.ts';

export type SectionNode = Node<{ section: Graph['sections'][number] }, 'section'>;
export type NoteNode = Node<{ note: Graph['notes'][number] }, 'note'>;

export const SectionFrame = memo(function SectionFrame({ data: { section } }: NodeProps<SectionNode>) {
  const store = useEditorStore();
  const key = sectionKey(section.id);
  const renaming = useEditor((state) => state.renaming === key);
  const done = (title: string | null) => {
    const { act, graph, set } = store.getState();
    set({ renaming: null });
    if (title !== null) act(setSectionTitle.label, setSectionTitle.perform(graph, { section: section.id, title }));
  };
  return (
    <section className="section" aria-label={`Section ${section.title}`}>
      {renaming ? (
        <NameInput className="name" label="Name of this section" name={section.title} onDone={done} />
      ) : (
        // biome-ignore lint/a11y/noStaticElementInteractions: F2 and the menu do the same from the keyboard
        <span
          className="name cut"
          onDoubleClick={() => !store.getState().readOnly && store.getState().set({ renaming: key })}
        >
          {section.title}
        </span>
      )}
      <Corner boxKey={key} position={section.position} size={section.size} least={{ width: 160, height: 96 }} />
    </section>
  );
});

export const NoteCard = memo(function NoteCard({ data: { note } }: NodeProps<NoteNode>) {
  const store = useEditorStore();
  const key = noteKey(note.id);
  const writing = useEditor((state) => state.renaming === key);
  const done = (text: string) => {
    const { act, graph, set } = store.getState();
    set({ renaming: null });
    act(setNoteText.label, setNoteText.perform(graph, { note: note.id, text }));
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: F2 and the menu do the same from the keyboard
    <div className="note" onDoubleClick={() => !store.getState().readOnly && store.getState().set({ renaming: key })}>
      {writing ? (
        <textarea
          className="nodrag nowheel nokey"
          aria-label="Text of this note"
          defaultValue={note.text}
          maxLength={4000}
          ref={(element) => element?.focus()}
          onBlur={(event) => done(event.target.value)}
          onKeyDown={(event) => {
            event.stopPropagation();
            if (event.key === 'Escape' || (event.key === 'Enter' && (event.ctrlKey || event.metaKey)))
              done(event.currentTarget.value);
          }}
        />
      ) : note.text.trim() === '' ? (
        <span className="opacity-70">Double-click to write</span>
      ) : (
        <Markdown text={note.text} />
      )}
      <Corner boxKey={key} position={note.position} size={note.size} least={{ width: 112, height: 40 }} />
    </div>
  );
});

type CornerProps = {
  boxKey: string;
  position: { x: number; y: number };
  size: { width: number; height: number };
  least: { width: number; height: number };
};

/** The lower right corner: drag to resize. */
function Corner({ boxKey, position, size, least }: CornerProps) {
  const store = useEditorStore();
  const start = useRef<{ x: number; y: number; zoom: number; width: number; height: number } | null>(null);
  return (
    <div
      className="corner nodrag"
      aria-hidden="true"
      onPointerDown={(event) => {
        if (store.getState().readOnly || event.button !== 0) return;
        event.stopPropagation();
        event.currentTarget.setPointerCapture(event.pointerId);
        const box = event.currentTarget.parentElement!;
        start.current = {
          x: event.clientX,
          y: event.clientY,
          zoom: box.getBoundingClientRect().width / box.offsetWidth,
          ...size,
        };
      }}
      onPointerMove={(event) => {
        const from = start.current;
        if (!from) return;
        const width = Math.max(least.width, snap(from.width + (event.clientX - from.x) / from.zoom));
        const height = Math.max(least.height, snap(from.height + (event.clientY - from.y) / from.zoom));
        if (width === size.width && height === size.height) return;
        const { act, graph } = store.getState();
        act(setBox.label, setBox.perform(graph, { key: boxKey, position, size: { width, height } }), {
          key: `box ${boxKey}`,
        });
      }}
      onPointerUp={() => {
        start.current = null;
      }}
    />
  );
}
