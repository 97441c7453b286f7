/** Moves things to where they were let go, or by a step of the grid. A section takes along what lies in it. */
import type { Graph } from '../../runtime/graph/graph.ts';
import type { Operation } from '../../runtime/graph/operations.ts';
import { type Command, noteKey, pick, type Selection, sectionKey } from './command.ts';

type Places = ReadonlyMap<string, { x: number; y: number }>;

/** `places`: selection key → new position. What did not move gives no operation. */
export const move: Command<{ places: Places }> = {
  label: 'Moved',
  perform(graph, { places }) {
    const operations: Operation[] = [];
    const changed = (from: { x: number; y: number }, to: { x: number; y: number } | undefined) =>
      to && (from.x !== to.x || from.y !== to.y) ? to : undefined;
    const positions = Object.fromEntries(
      graph.nodes.flatMap((node) => {
        const to = changed(node.position, places.get(node.id));
        return to ? [[node.id, to] as const] : [];
      }),
    );
    if (Object.keys(positions).length > 0) operations.push({ op: 'moveNodes', positions });
    for (const section of graph.sections) {
      const position = changed(section.position, places.get(sectionKey(section.id)));
      if (position) operations.push({ op: 'setSection', id: section.id, position });
    }
    for (const note of graph.notes) {
      const position = changed(note.position, places.get(noteKey(note.id)));
      if (position) operations.push({ op: 'setNote', id: note.id, position });
    }
    return operations;
  },
};

/** Keys of the nodes and notes whose upper left corner lies in the section. */
export function insideSection(graph: Graph, id: string): string[] {
  const section = graph.sections.find((other) => other.id === id);
  if (!section) return [];
  const { position, size } = section;
  const within = ({ x, y }: { x: number; y: number }) =>
    x >= position.x && y >= position.y && x < position.x + size.width && y < position.y + size.height;
  return [
    ...graph.nodes.filter((node) => within(node.position)).map((node) => node.id),
    ...graph.notes.filter((note) => within(note.position)).map((note) => noteKey(note.id)),
  ];
}

export const nudge: Command<{ selection: Selection; dx: number; dy: number }> = {
  label: 'Moved',
  perform(graph, { selection, dx, dy }) {
    const keys = new Set([...selection, ...pick(selection).sections.flatMap((id) => insideSection(graph, id))]);
    const places = new Map(
      [
        ...graph.nodes.map((node) => [node.id, node.position] as const),
        ...graph.sections.map((section) => [sectionKey(section.id), section.position] as const),
        ...graph.notes.map((note) => [noteKey(note.id), note.position] as const),
      ]
        .filter(([key]) => keys.has(key))
        .map(([key, { x, y }]) => [key, { x: x + dx, y: y + dy }] as const),
    );
    return move.perform(graph, { places });
  },
};
