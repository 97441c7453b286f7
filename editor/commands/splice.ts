/** Puts a node into a wire: the wire ends at it and goes on from it, and what lies to the right makes room. */
import type { Catalogue } from '../../runtime/graph/flow.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import type { Size } from '../../runtime/graph/layout.ts';
import { applyAll, type Operation } from '../../runtime/graph/operations.ts';
import { resolveNodes } from '../../runtime/graph/resolve.ts';
import { checkWire } from '../../runtime/graph/wires.ts';
import { type Command, newId } from './command.ts';

type Args = { node: string; edge: string; catalogue: Catalogue; sizeOf: (node: string) => Size; ids?: () => string };

const ACROSS = 46;

/** The two wires that would take the place of `edge`, or undefined where the node's ports do not fit. */
function halves(graph: Graph, { node: id, edge: edgeId, catalogue, ids = newId }: Args): Operation[] | undefined {
  const edge = graph.edges.find((other) => other.id === edgeId);
  const node = graph.nodes.find((other) => other.id === id);
  const manifest = resolveNodes(graph, catalogue).get(id);
  if (!edge || !node || !manifest || edge.from.node === id || edge.to.node === id) return undefined;
  const index = graph.edges.indexOf(edge);
  const cut: Operation = { op: 'disconnect', edge: edgeId };
  const open = applyAll(graph, [cut]);
  for (const input of Object.keys(manifest.inputs)) {
    const first: Operation = {
      op: 'connect',
      edge: { id: ids(), from: edge.from, to: { node: id, port: input } },
      index,
    };
    if (!checkWire(open, catalogue, edge.from, { node: id, port: input }).ok) continue;
    const half = applyAll(open, [first]);
    for (const output of Object.keys(manifest.outputs)) {
      const from = { node: id, port: output };
      if (!checkWire(half, catalogue, from, edge.to).ok) continue;
      const leaveOut = edge.leaveOutFailed ? { leaveOutFailed: true } : {};
      return [cut, first, { op: 'connect', edge: { id: ids(), from, to: edge.to, ...leaveOut } }];
    }
  }
  return undefined;
}

/** Whether letting the node go on the wire would splice it in. Only nodes without wires of their own are. */
export function canSplice(graph: Graph, args: Args): boolean {
  const wired = graph.edges.some((edge) => edge.from.node === args.node || edge.to.node === args.node);
  return !wired && halves(graph, args) !== undefined;
}

export const splice: Command<Args> = {
  label: 'Put into the wire',
  perform(graph, args) {
    const wires = halves(graph, args);
    const edge = graph.edges.find((other) => other.id === args.edge);
    const node = graph.nodes.find((other) => other.id === args.node);
    const source = graph.nodes.find((other) => other.id === edge?.from.node);
    const target = graph.nodes.find((other) => other.id === edge?.to.node);
    if (!wires || !node || !source || !target) return [];
    const { width } = args.sizeOf(node.id);
    const left = source.position.x + args.sizeOf(source.id).width + ACROSS;
    const shift = left + width + ACROSS - target.position.x;
    // Only a wire that goes to the right has room to open; one that goes back leaves everything where it is.
    if (target.position.x <= source.position.x) return wires;
    const positions = Object.fromEntries(
      graph.nodes
        .filter((other) => shift > 0 && other.id !== node.id && other.position.x >= target.position.x)
        .map((other) => [other.id, { x: other.position.x + shift, y: other.position.y }]),
    );
    positions[node.id] = { x: shift > 0 ? left : node.position.x, y: source.position.y };
    return [...wires, { op: 'moveNodes', positions }];
  },
};
