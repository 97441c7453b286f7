/**
 * The palette: node types by family, found by title or alias. A click or Enter adds one beside the selection or in the
 * middle; dragging puts it where it is let go, also into a wire.
 */
import { useMemo, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { useReactFlow } from 'reactflow';
import type { Family, ManifestJson } from '../../nodes/contract.ts';
import { Input } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Keys } from '../ui/keys.tsx';
import { PortGlyph } from '../ui/parts.tsx';
import { Tip } from '../ui/tooltip.tsx';
import { useActs } from './acts.ts';
import { candidates } from './rank.ts';
import { useEditor, useEditorStore } from './store.ts';

export const FAMILY_NAMES: Record<Family, string> = {
  source: 'Source',
  sound: 'Sound and speech',
  shape: 'Shape',
  flow: 'Flow',
  publish: 'Publish',
  other: 'Other',
};
const ORDER: Family[] = ['source', 'sound', 'shape', 'flow', 'publish', 'other'];

export function Palette({ floating }: { floating: boolean }) {
  const store = useEditorStore();
  const acts = useActs();
  const catalogue = useEditor((state) => state.catalogue);
  const graph = useEditor((state) => state.graph);
  const recent = useEditor((state) => state.recent);
  const [words, setWords] = useState('');
  const [index, setIndex] = useState(0);

  const found = useMemo(
    () => (words.trim() === '' ? null : candidates(graph, catalogue, words, null).map(({ manifest }) => manifest)),
    [graph, catalogue, words],
  );
  const groups = useMemo(() => {
    const all = [...catalogue.values()];
    const byFamily = ORDER.map((family) => ({
      name: FAMILY_NAMES[family],
      list: all.filter((manifest) => manifest.family === family),
    }));
    const recents = recent.flatMap((id) => catalogue.get(id) ?? []);
    return [...(recents.length > 0 ? [{ name: 'Recent', list: recents }] : []), ...byFamily].filter(
      (group) => group.list.length > 0,
    );
  }, [catalogue, recent]);

  const add = (manifest: ManifestJson) => {
    acts.add(manifest);
    if (floating) store.getState().set({ paletteOpen: false });
  };
  return (
    <aside className={`pal ${floating ? 'floating' : ''}`} aria-label="Nodes">
      <Input
        dense={true}
        icon="search"
        id="palette-search"
        placeholder="Add a node"
        aria-label="Search nodes"
        type="search"
        autoFocus={floating}
        end={words === '' ? <Keys keys="/" /> : undefined}
        value={words}
        onChange={(event) => {
          setWords(event.target.value);
          setIndex(0);
        }}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === 'Escape') {
            setWords('');
            event.currentTarget.blur();
            if (floating) store.getState().set({ paletteOpen: false });
          }
          if (!found) return;
          if (event.key === 'ArrowDown') setIndex((current) => Math.min(found.length - 1, current + 1));
          if (event.key === 'ArrowUp') setIndex((current) => Math.max(0, current - 1));
          const chosen = found[index];
          if (event.key === 'Enter' && chosen) {
            add(chosen);
            setWords('');
          }
          if (['ArrowDown', 'ArrowUp', 'Enter'].includes(event.key)) event.preventDefault();
        }}
      />
      {found ? (
        <>
          <ul className="mt-2">
            {found.map((manifest, at) => (
              <Entry key={manifest.id} manifest={manifest} active={at === index} onAdd={add} />
            ))}
          </ul>
          {found.length === 0 && (
            <p className="none">No node is called that. Try what it makes, such as “subtitles”.</p>
          )}
        </>
      ) : (
        groups.map((group) => (
          <section key={group.name} aria-label={group.name}>
            <h3 className="eyebrow">{group.name}</h3>
            <ul>
              {group.list.map((manifest) => (
                <Entry key={manifest.id} manifest={manifest} active={false} onAdd={add} />
              ))}
            </ul>
          </section>
        ))
      )}
    </aside>
  );
}

type EntryProps = { manifest: ManifestJson; active: boolean; onAdd: (manifest: ManifestJson) => void };

function Entry({ manifest, active, onAdd }: EntryProps) {
  const acts = useActs();
  const flow = useReactFlow();
  const start = useRef<{ x: number; y: number } | null>(null);
  const [at, setAt] = useState<{ x: number; y: number } | null>(null);
  const [output] = Object.values(manifest.outputs);
  const end = () => {
    start.current = null;
    setAt(null);
  };
  return (
    <li>
      <Tip text={manifest.help} side="right">
        <button
          type="button"
          className={`entry ${active ? 'on' : ''}`}
          onClick={() => onAdd(manifest)}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            start.current = { x: event.clientX, y: event.clientY };
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={(event) => {
            const from = start.current;
            if (!from) return;
            if (at || Math.hypot(event.clientX - from.x, event.clientY - from.y) > 6)
              setAt({ x: event.clientX, y: event.clientY });
          }}
          onPointerUp={(event) => {
            const dragged = at;
            end();
            if (!dragged) return;
            // The click that follows a drag adds nothing more.
            event.currentTarget.addEventListener('click', (click) => click.stopPropagation(), {
              once: true,
              capture: true,
            });
            const under = document.elementFromPoint(event.clientX, event.clientY);
            if (!under?.closest('.canvas .react-flow')) return;
            const zoom = flow.getZoom();
            acts.add(
              manifest,
              flow.screenToFlowPosition({ x: event.clientX - 92 * zoom, y: event.clientY - 18 * zoom }),
            );
          }}
          onPointerCancel={end}
        >
          <Icon name={manifest.icon} />
          <span className="grow cut">{manifest.title}</span>
          {output && <PortGlyph type={output.type} size={8} />}
        </button>
      </Tip>
      {at &&
        createPortal(
          <div className="ghost" style={{ left: at.x - 92, top: at.y - 18 }}>
            <div className="hd">
              <Icon name={manifest.icon} />
              {manifest.title}
            </div>
          </div>,
          document.body,
        )}
    </li>
  );
}
