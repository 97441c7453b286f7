/** Deletes what is selected: wires first, so that undo brings everything back in its order. */
import { type Command, pick, type Selection } from './command.ts';

export const remove: Command<{ selection: Selection }> = {
  label: 'Deleted',
  perform(graph, { selection }) {
    const picked = pick(selection);
    const has = (list: readonly { id: string }[], id: string) => list.some((thing) => thing.id === id);
    return [
      ...picked.edges.filter((id) => has(graph.edges, id)).map((edge) => ({ op: 'disconnect' as const, edge })),
      ...picked.nodes.filter((id) => has(graph.nodes, id)).map((id) => ({ op: 'removeNode' as const, id })),
      ...picked.notes.filter((id) => has(graph.notes, id)).map((id) => ({ op: 'removeNote' as const, id })),
      ...picked.sections.filter((id) => has(graph.sections, id)).map((id) => ({ op: 'removeSection' as const, id })),
    ];
  },
};
