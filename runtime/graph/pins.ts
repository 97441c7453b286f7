/**
 * Fixed outputs of a node in a draft: a run of the draft takes them in its place. They hold for the ports the node had
 * when it was pinned; once those have changed the pin is stale and the node runs. Pure.
 */
import type { ManifestJson } from '../../nodes/contract.ts';
import type { Graph, GraphNode, Pin } from './graph.ts';

/** What a pin says of the node it was made for. */
export function pinnedPorts(manifest: ManifestJson): Pin['ports'] {
  return Object.fromEntries(
    Object.entries(manifest.outputs).map(([name, { type, list }]) => [name, { type, list }] as const),
  );
}

/** Whether a run takes the outputs of this pin; false: the ports have changed since. */
export function holds(pin: Pin, manifest: ManifestJson): boolean {
  const now = pinnedPorts(manifest);
  const names = Object.keys(now);
  return (
    names.length === Object.keys(pin.ports).length &&
    names.every((name) => {
      const before = Object.hasOwn(pin.ports, name) ? pin.ports[name] : undefined;
      return before?.type === now[name]!.type && before.list === now[name]!.list;
    }) &&
    Object.entries(manifest.outputs).every(([name, port]) => port.optional || Object.hasOwn(pin.outputs, name))
  );
}

export function withoutPin({ pin: _pin, ...node }: GraphNode): GraphNode {
  return node;
}

/** As it is published, copied and exported: pins stay in the draft they were made in. */
export function withoutPins(graph: Graph): Graph {
  return graph.nodes.some((node) => node.pin) ? { ...graph, nodes: graph.nodes.map(withoutPin) } : graph;
}
