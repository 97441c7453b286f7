/**
 * Whether a wire may be drawn, and what it would do; where not, the reason in one sentence for the person dragging it.
 * Pure: shared by the editor (while dragging), the server (before saving) and the runtime.
 */
import { CONVERSIONS, PORT_LOOK, type PortJson, type PortType } from '../../nodes/contract.ts';
import { type Catalogue, downstreamOf } from './flow.ts';
import { analyseFrames, type How, howOf } from './frames.ts';
import type { Graph, GraphEdge } from './graph.ts';
import { inputPort, type NodeManifests, outputPort } from './resolve.ts';

export type End = { node: string; port: string };
export type Conversion = (typeof CONVERSIONS)[number];
export type WireCheck = { ok: true; how: How; conversion: Conversion | null } | { ok: false; reason: string };

const UNCOUNTED: ReadonlySet<PortType> = new Set(['text', 'captions', 'metrics', 'json', 'audio']);

/** `a clip`, `an image`, `text`; `several clips` where a list is meant. */
export function spoken(type: PortType, list = false): string {
  const { label } = PORT_LOOK[type];
  if (list) return UNCOUNTED.has(type) || label.endsWith('s') ? `a list of ${label}` : `a list of ${plural(label)}`;
  if (UNCOUNTED.has(type)) return label;
  return `${/^[aeiou]/.test(label) ? 'an' : 'a'} ${label}`;
}

function plural(label: string): string {
  return label === 'yes or no' ? 'answers' : `${label}s`;
}

/** The safe conversion between two types, or null where none is needed; undefined where they do not fit. */
export function conversionBetween(from: PortType, to: PortType): Conversion | null | undefined {
  if (from === to || from === 'any' || to === 'any') return null;
  return CONVERSIONS.find((conversion) => conversion.from === from && conversion.to === to);
}

const refuse = (reason: string): WireCheck => ({ ok: false, reason });

/** To move an existing wire, ask with a graph that no longer has it. */
export function checkWire(graph: Graph, catalogue: Catalogue, from: End, to: End): WireCheck {
  const frames = analyseFrames(graph, catalogue);
  const { manifests } = frames;
  const source = graph.nodes.find((node) => node.id === from.node);
  const target = graph.nodes.find((node) => node.id === to.node);
  if (!source || !target) return refuse('One end of this wire is gone.');
  const output = outputPort(manifests.get(source.id), from.port);
  const input = inputPort(manifests.get(target.id), to.port);
  if (!output) return refuse(`${source.name} has no output of that name.`);
  if (!input) return refuse(`${target.name} has no input of that name.`);
  if (source === target) return refuse(`${source.name} cannot feed itself.`);

  const conversion = conversionBetween(output.type, input.type);
  if (conversion === undefined) {
    const given = spoken(output.type, output.list);
    return refuse(`${target.name} needs ${spoken(input.type)}, this is ${given}.`);
  }
  if (downstreamOf(graph, target.id).has(source.id)) {
    return refuse(`${target.name} already feeds ${source.name}; that would be a circle.`);
  }
  const occupied = checkOccupied(graph, manifests, source.id, from, to, input, target.name);
  if (occupied) return refuse(occupied);

  const wire: GraphEdge = { id: '__wire__', from, to };
  const drawn = { ...graph, edges: [...graph.edges, wire] };
  const after = analyseFrames(drawn, catalogue);
  const before = new Set(frames.conflicts.map((conflict) => conflict.node));
  const conflict = after.conflicts.find(({ node }) => !before.has(node));
  if (conflict) {
    const at = graph.nodes.find((node) => node.id === conflict.node)!;
    const other = conflict.edges
      .map((id) => graph.edges.find((edge) => edge.id === id))
      .find((edge) => edge !== undefined);
    const otherName = graph.nodes.find((node) => node.id === other?.from.node)?.name;
    return refuse(
      conflict.node === target.id && otherName
        ? `This and what ${otherName} gives come from different lists: use Pair.`
        : `${at.name} would get items from different lists: use Pair.`,
    );
  }
  // a wire into a port of any type gives the node's outputs a type, which must suit what they feed
  const wasMisfit = new Set(misfits(graph, manifests).map(({ id }) => id));
  const misfit = misfits(drawn, after.manifests).find(({ id }) => !wasMisfit.has(id));
  if (misfit) {
    const at = graph.nodes.find((node) => node.id === misfit.to.node)!;
    const needed = spoken(inputPort(after.manifests.get(at.id), misfit.to.port)!.type);
    return refuse(`${at.name}, which follows, needs ${needed}; this is ${spoken(output.type, output.list)}.`);
  }
  return { ok: true, how: howOf(output, input), conversion };
}

/** Wires between ports whose types do not fit. */
export function misfits(graph: Graph, manifests: NodeManifests): GraphEdge[] {
  return graph.edges.filter((edge) => {
    const output = outputPort(manifests.get(edge.from.node), edge.from.port);
    const input = inputPort(manifests.get(edge.to.node), edge.to.port);
    return output && input && conversionBetween(output.type, input.type) === undefined;
  });
}

/** Why the port takes no further wire, or undefined. List ports take several; single ones only a Route's branches. */
function checkOccupied(
  graph: Graph,
  manifests: NodeManifests,
  sourceId: string,
  from: End,
  to: End,
  input: PortJson,
  targetName: string,
): string | undefined {
  const present = graph.edges.filter((edge) => edge.to.node === to.node && edge.to.port === to.port);
  if (present.some((edge) => edge.from.node === from.node && edge.from.port === from.port)) {
    return 'These two are connected already.';
  }
  if (present.length === 0 || input.list) return undefined;
  const areBranches =
    manifests.get(sourceId)?.shape === 'route' && present.every((edge) => edge.from.node === sourceId);
  return areBranches ? undefined : `${targetName} already has ${spoken(input.type)} here. Take that wire away first.`;
}
