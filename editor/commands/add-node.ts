/** Adds a node of a type, and where it was asked for from a wire's end, connects it with the first port that fits. */
import type { ManifestJson } from '../../nodes/contract.ts';
import type { Catalogue } from '../../runtime/graph/flow.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { apply, type Operation } from '../../runtime/graph/operations.ts';
import { checkWire, type End } from '../../runtime/graph/wires.ts';
import { type Command, freeName, namesOf, newId, snapped } from './command.ts';

/** The loose end of a wire: its source where `side` is `out`, its target where it is `in`. */
export type LooseEnd = End & { side: 'in' | 'out' };

type Args = {
  manifest: ManifestJson;
  position: { x: number; y: number };
  id?: string;
  from?: LooseEnd | undefined;
  catalogue: Catalogue;
};

/** The port of `manifest` that a loose end fits best: the same type without conversion first, then manifest order. */
export function fittingPort(
  graph: Graph,
  catalogue: Catalogue,
  manifest: ManifestJson,
  end: LooseEnd,
): { port: string; converts: boolean } | undefined {
  const trial = '__trial__';
  const withNode = apply(graph, {
    op: 'addNode',
    node: {
      id: trial,
      type: manifest.id,
      version: manifest.version,
      name: trial,
      position: { x: 0, y: 0 },
      config: {},
    },
  });
  const ports = Object.entries(end.side === 'out' ? manifest.inputs : manifest.outputs);
  const fits = ports.flatMap(([port]) => {
    const here = { node: trial, port };
    const there = { node: end.node, port: end.port };
    const check =
      end.side === 'out' ? checkWire(withNode, catalogue, there, here) : checkWire(withNode, catalogue, here, there);
    return check.ok ? [{ port, converts: check.conversion !== null }] : [];
  });
  return fits.find((fit) => !fit.converts) ?? fits[0];
}

export const addNode: Command<Args> = {
  label: 'Node added',
  perform(graph, { manifest, position, id = newId(), from, catalogue }) {
    const node = {
      id,
      type: manifest.id,
      version: manifest.version,
      name: freeName(manifest.title, namesOf(graph)),
      position: snapped(position),
      config: {},
    };
    const operations: Operation[] = [{ op: 'addNode', node }];
    const fit = from && fittingPort(graph, catalogue, manifest, from);
    if (from && fit) {
      const here = { node: id, port: fit.port };
      const there = { node: from.node, port: from.port };
      operations.push({
        op: 'connect',
        edge: { id: newId(), ...(from.side === 'out' ? { from: there, to: here } : { from: here, to: there }) },
      });
    }
    return operations;
  },
};
