/** Draws a wire, or moves an end of one. What may not be wired gives no operations; the reason is `checkWire`'s. */
import type { Catalogue } from '../../runtime/graph/flow.ts';
import { apply } from '../../runtime/graph/operations.ts';
import { checkWire, type End } from '../../runtime/graph/wires.ts';
import { type Command, newId } from './command.ts';

export const connect: Command<{ from: End; to: End; catalogue: Catalogue; id?: string }> = {
  label: 'Wire drawn',
  perform(graph, { from, to, catalogue, id = newId() }) {
    return checkWire(graph, catalogue, from, to).ok ? [{ op: 'connect', edge: { id, from, to } }] : [];
  },
};

export const reconnect: Command<{ edge: string; from: End; to: End; catalogue: Catalogue; id?: string }> = {
  label: 'Wire moved',
  perform(graph, { edge, from, to, catalogue, id = newId() }) {
    const without = apply(graph, { op: 'disconnect', edge });
    if (!checkWire(without, catalogue, from, to).ok) return [];
    const index = graph.edges.findIndex((other) => other.id === edge);
    return [
      { op: 'disconnect', edge },
      { op: 'connect', edge: { id, from, to }, index: Math.max(0, index) },
    ];
  },
};
