/** Lays out the selected nodes, or everything where fewer than two are selected. */
import { layout, type PortOffset, type Size } from '../../runtime/graph/layout.ts';
import { type Command, pick, type Selection } from './command.ts';
import { move } from './move.ts';

type Args = { selection: Selection; sizeOf: (node: string) => Size; portOffset?: PortOffset };

export const tidy: Command<Args> = {
  label: 'Tidied up',
  perform(graph, { selection, sizeOf, portOffset }) {
    const { nodes } = pick(selection);
    const { positions, sections } = layout(graph, sizeOf, {
      ...(nodes.length > 1 ? { only: new Set(nodes) } : {}),
      ...(portOffset ? { portOffset } : {}),
    });
    return [
      ...move.perform(graph, { places: new Map(Object.entries(positions)) }),
      ...Object.entries(sections).map(([id, place]) => ({ op: 'setSection' as const, id, ...place })),
    ];
  },
};
