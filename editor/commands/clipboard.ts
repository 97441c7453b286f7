/**
 * Copy and paste as JSON text: the selected nodes, the wires between them, notes and sections, so that a part of a
 * pipeline travels through any chat or file. Pasting gives new ids and free names; nothing is executed.
 */
import { replaceExpressions, storedExpression, withNodes } from '../../runtime/graph/expression.ts';
import { EMPTY_GRAPH, Graph } from '../../runtime/graph/graph.ts';
import type { Operation } from '../../runtime/graph/operations.ts';
import { withoutPin, withoutPins } from '../../runtime/graph/pins.ts';
import { type Command, freeName, namesOf, newId, pick, type Selection, snapped } from './command.ts';

const KIND = 'spliceboard/graph';

/** The selection as text, or null where nothing that can be copied is selected. */
export function copyText(graph: Graph, selection: Selection): string | null {
  const picked = pick(selection);
  const nodes = graph.nodes.filter((node) => picked.nodes.includes(node.id));
  const inside = new Set(nodes.map((node) => node.id));
  const part: Graph = {
    ...EMPTY_GRAPH,
    nodes: nodes.map(withoutPin),
    edges: graph.edges.filter((edge) => inside.has(edge.from.node) && inside.has(edge.to.node)),
    sections: graph.sections.filter((section) => picked.sections.includes(section.id)),
    notes: graph.notes.filter((note) => picked.notes.includes(note.id)),
  };
  if (part.nodes.length + part.sections.length + part.notes.length === 0) return null;
  return JSON.stringify({ kind: KIND, graph: part }, null, 2);
}

/** The part of a pipeline that a text holds; a whole exported pipeline too. Null for any other text. */
export function readClipboard(text: string): Graph | null {
  if (text.length > 5_000_000 || !text.trimStart().startsWith('{')) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const holder = value as { kind?: unknown; graph?: unknown };
  const parsed = Graph.safeParse(holder.graph ?? value);
  return parsed.success ? withoutPins(parsed.data) : null;
}

type PasteArgs = {
  part: Graph;
  /** Upper left corner of what is pasted; 32 right and down of where it was, where absent. */
  at?: { x: number; y: number } | undefined;
  ids?: () => string;
};

export const paste: Command<PasteArgs> = {
  label: 'Pasted',
  perform(graph, { part, at, ids = newId }) {
    const places = [...part.nodes, ...part.notes, ...part.sections].map((thing) => thing.position);
    if (places.length === 0) return [];
    const left = Math.min(...places.map((place) => place.x));
    const top = Math.min(...places.map((place) => place.y));
    const move = ({ x, y }: { x: number; y: number }) =>
      snapped(at ? { x: x - left + at.x, y: y - top + at.y } : { x: x + 32, y: y + 32 });
    const taken = namesOf(graph);
    const renamed = new Map<string, string>();
    const operations: Operation[] = [];
    for (const section of part.sections) {
      operations.push({ op: 'addSection', section: { ...section, id: ids(), position: move(section.position) } });
    }
    for (const node of part.nodes) renamed.set(node.id, ids());
    for (const node of part.nodes) {
      const name = freeName(node.name, taken);
      taken.add(name);
      // expressions speak of what was pasted with them
      const config = replaceExpressions(node.config, ({ $expression }) =>
        storedExpression(withNodes($expression.text, (old) => renamed.get(old))),
      ) as typeof node.config;
      const pasted = { ...node, config, id: renamed.get(node.id)!, name, position: move(node.position) };
      operations.push({ op: 'addNode', node: pasted });
    }
    for (const edge of part.edges) {
      const from = renamed.get(edge.from.node);
      const to = renamed.get(edge.to.node);
      if (!from || !to) continue;
      operations.push({
        op: 'connect',
        edge: { ...edge, id: ids(), from: { ...edge.from, node: from }, to: { ...edge.to, node: to } },
      });
    }
    for (const note of part.notes) {
      operations.push({ op: 'addNote', note: { ...note, id: ids(), position: move(note.position) } });
    }
    return operations;
  },
};

/** The keys of what a list of operations added, to select it afterwards. */
export function addedKeys(operations: readonly Operation[]): Set<string> {
  return new Set(
    operations.flatMap((operation) =>
      operation.op === 'addNode'
        ? [operation.node.id]
        : operation.op === 'addNote'
          ? [`note:${operation.note.id}`]
          : operation.op === 'addSection'
            ? [`section:${operation.section.id}`]
            : [],
    ),
  );
}

export const duplicate: Command<{ selection: Selection; ids?: () => string }> = {
  label: 'Duplicated',
  perform(graph, { selection, ids = newId }) {
    const text = copyText(graph, selection);
    const part = text === null ? null : readClipboard(text);
    return part ? paste.perform(graph, { part, ids }) : [];
  },
};
