/** What opens where a wire is let go on empty canvas, and on a double click: a search over what fits, best first. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { ManifestJson } from '../../nodes/contract.ts';
import { spoken } from '../../runtime/graph/wires.ts';
import { Input } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { PortGlyph } from '../ui/parts.tsx';
import { useActs } from './acts.ts';
import { portOf } from './ports.ts';
import { candidates } from './rank.ts';
import { manifestIn, useEditor, useEditorStore } from './store.ts';

export function QuickAddMenu() {
  const store = useEditorStore();
  const acts = useActs();
  const quickAdd = useEditor((state) => state.quickAdd);
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const [words, setWords] = useState('');
  const [index, setIndex] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const close = useCallback(() => {
    store.getState().set({ quickAdd: null });
    setWords('');
    setIndex(0);
  }, [store]);

  useEffect(() => {
    if (!quickAdd) return;
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Element)) close();
    };
    addEventListener('pointerdown', outside, true);
    return () => removeEventListener('pointerdown', outside, true);
  }, [quickAdd, close]);

  const list = useMemo(
    () => (quickAdd ? candidates(graph, catalogue, words, quickAdd.from) : []),
    [quickAdd, graph, catalogue, words],
  );
  if (!quickAdd) return null;
  const { from } = quickAdd;
  const type = from && portOf(manifestIn({ graph, catalogue }, from.node), from.port, from.side)?.type;
  const question = type ? `What ${from.side === 'out' ? 'takes' : 'gives'} ${spoken(type)}` : 'Add a node';
  const left = Math.min(quickAdd.screen.x, innerWidth - 280);
  const top = Math.min(quickAdd.screen.y, innerHeight - 360);
  const choose = (at: number) => {
    const candidate = list[at];
    if (!candidate) return;
    const offset = from?.side === 'in' ? -184 : 0;
    acts.add(candidate.manifest, { x: quickAdd.flow.x + offset, y: quickAdd.flow.y - 18 }, from ?? undefined);
    close();
  };
  const current = Math.min(index, list.length - 1);
  return (
    <div
      ref={box}
      className="menu quick"
      style={{ position: 'fixed', left, top }}
      role="dialog"
      aria-label={question}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === 'Escape') close();
        if (event.key === 'ArrowDown') setIndex(Math.min(list.length - 1, current + 1));
        if (event.key === 'ArrowUp') setIndex(Math.max(0, current - 1));
        if (event.key === 'Enter') choose(current);
        if (['Escape', 'ArrowDown', 'ArrowUp', 'Enter'].includes(event.key)) event.preventDefault();
      }}
    >
      <Input
        dense={true}
        icon="search"
        autoFocus={true}
        placeholder={question}
        aria-label="Search nodes"
        role="combobox"
        aria-expanded={true}
        aria-controls="quick-list"
        aria-activedescendant={current >= 0 ? `quick-${current}` : undefined}
        value={words}
        onChange={(event) => {
          setWords(event.target.value);
          setIndex(0);
        }}
      />
      <div className="list" id="quick-list" role="listbox" aria-label="Nodes">
        {list.length === 0 && (
          <p className="muted t-12 p-2">
            {words ? 'Nothing that fits is called that.' : 'No installed node fits here.'}
          </p>
        )}
        {list.map(({ manifest, port, converts }, at) => (
          <div
            key={manifest.id}
            id={`quick-${at}`}
            role="option"
            aria-selected={at === current}
            tabIndex={-1}
            className={`it ${at === current ? 'on' : ''}`}
            ref={at === current ? (element) => element?.scrollIntoView({ block: 'nearest' }) : undefined}
            onPointerMove={() => setIndex(at)}
            onClick={() => choose(at)}
            onKeyDown={undefined}
          >
            <Icon name={manifest.icon} />
            <span className="cut grow">{manifest.title}</span>
            {converts && port && <span className="faint t-12">converts</span>}
            {firstOutput(manifest.outputs) && <PortGlyph {...firstOutput(manifest.outputs)!} size={8} />}
          </div>
        ))}
      </div>
    </div>
  );
}

function firstOutput(outputs: ManifestJson['outputs']) {
  const [first] = Object.values(outputs);
  return first ? { type: first.type } : null;
}
