/** What can be put into an expression here: values of the nodes before, of the brand and the run, and functions. */
import { useMemo, useState } from 'react';
import { ROOTS, writtenKey } from '../../runtime/graph/expression.ts';
import { FUNCTIONS } from '../../runtime/graph/expression-functions.ts';
import { reachFrom, SCOPES, type Shape, spokenShape } from '../../runtime/graph/expression-types.ts';
import { portLabel } from '../canvas/ports.ts';
import { framesOnce, useEditor } from '../canvas/store.ts';
import { Input } from '../ui/field.tsx';

type Entry = { group: string; label: string; note: string; text: string };

const DEEPEST = 2;
const MOST = 60;

/** A value, and what is in it. */
function entriesOf(group: string, label: string, text: string, shape: Shape, depth = 0): Entry[] {
  const inner = depth < DEEPEST ? Object.entries(shape.fields ?? {}) : [];
  return [
    { group, label, note: spokenShape(shape), text },
    ...inner.flatMap(([key, part]) => entriesOf(group, `${label} › ${key}`, text + writtenKey(key), part, depth + 1)),
  ];
}

function useEntries(node: string): Entry[] {
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  return useMemo(() => {
    const names = new Map(graph.nodes.map((each) => [each.id, each.name]));
    const frames = framesOnce(graph, catalogue);
    const values = reachFrom(graph, frames, node).flatMap(({ from, node: id, port, shape, declared }) => {
      const name = names.get(id) ?? id;
      const label = from === 'each' ? `${portLabel(port, declared)}, this item` : portLabel(port, declared);
      return entriesOf(name, label, `${from}${writtenKey(name)}${writtenKey(port)}`, shape);
    });
    const isInList = (frames.nodes.get(node)?.length ?? 0) > 0;
    const scopes = (['brand', 'item', 'run'] as const)
      .filter((scope) => scope !== 'item' || isInList)
      .flatMap((scope) => {
        const group = { brand: 'Brand', item: 'This item', run: 'Run' }[scope];
        return Object.entries(SCOPES[scope].fields!).flatMap(([key, shape]) =>
          entriesOf(group, key, `${scope}.${key}`, shape, 1),
        );
      });
    const functions = Object.values(FUNCTIONS).map(
      ({ form, help }): Entry => ({ group: 'Functions', label: form, note: help, text: form.replace(/, …/, '') }),
    );
    return [...values, ...scopes, ...functions];
  }, [graph, catalogue, node]);
}

type Props = { node: string; onPick: (text: string) => void; onClose: () => void };

export function ExpressionPicker({ node, onPick, onClose }: Props) {
  const [wanted, setWanted] = useState('');
  const entries = useEntries(node);
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter(({ group, label, note }) => {
    const text = `${group} ${label} ${note}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const groups = [...new Set(found.slice(0, MOST).map(({ group }) => group))];
  const hasNodes = entries.some(({ text }) => text.startsWith(ROOTS[0]) || text.startsWith(ROOTS[1]));
  return (
    <search
      className="fx-pick"
      aria-label="Values to insert"
      onKeyDown={(event) => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          onClose();
        }
        if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
        const stops = [...event.currentTarget.querySelectorAll<HTMLElement>('input, button')];
        const at = stops.indexOf(document.activeElement as HTMLElement);
        stops[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
        event.preventDefault();
      }}
    >
      <Input
        icon="search"
        dense={true}
        autoFocus={true}
        aria-label="Find a value or a function"
        placeholder="Find a value or a function"
        value={wanted}
        onChange={(event) => setWanted(event.target.value)}
      />
      {!hasNodes && <p className="muted t-12">Wire a node in, and what it gives appears here.</p>}
      <div className="fx-list">
        {groups.map((group) => (
          <section key={group} aria-label={group}>
            <h4 className="eyebrow">{group}</h4>
            {found
              .slice(0, MOST)
              .filter((entry) => entry.group === group)
              .map((entry) => (
                <button key={entry.text} type="button" onClick={() => onPick(entry.text)}>
                  <span>{entry.label}</span>
                  <span className="faint">{entry.note}</span>
                </button>
              ))}
          </section>
        ))}
        {found.length === 0 && <p className="muted t-12">Nothing is called that.</p>}
        {found.length > MOST && <p className="faint t-12">{found.length - MOST} more: type to find them.</p>}
      </div>
    </search>
  );
}
