/**
 * The ports that each node of a graph really has: those of its type, those a person added in its settings
 * (`morePorts`), and for ports of type `any` the type of what is wired in. Pure and total: a broken graph gives what
 * can be said of it. Everything that asks for a node's ports asks here, never the catalogue.
 */
import { type ManifestJson, type MorePorts, PORT_TYPES, type PortJson, type PortType } from '../../nodes/contract.ts';
import { type Catalogue, flowOrder, manifestsById } from './flow.ts';
import { ERROR_PORT, type Graph, type GraphEdge, type GraphNode } from './graph.ts';

/** Node id → its manifest with its own ports. Nodes of an unknown type are missing. */
export type NodeManifests = ReadonlyMap<string, ManifestJson>;

const PORT_NAME = /^[a-z][A-Za-z0-9]{0,39}$/;
const MOST_ADDED = 24;

/** What every node's error output carries. */
export const ERROR_OUTPUT: PortJson = { type: 'json', list: false, optional: true, title: 'Error', help: null };

export function outputPort(manifest: ManifestJson | undefined, port: string): PortJson | undefined {
  if (!manifest) return undefined;
  if (port === ERROR_PORT) return ERROR_OUTPUT;
  return Object.hasOwn(manifest.outputs, port) ? manifest.outputs[port] : undefined;
}

export function inputPort(manifest: ManifestJson | undefined, port: string): PortJson | undefined {
  return manifest && Object.hasOwn(manifest.inputs, port) ? manifest.inputs[port] : undefined;
}

export function resolveNodes(graph: Graph, catalogue: Catalogue): NodeManifests {
  const types = manifestsById(catalogue);
  const into = new Map<string, GraphEdge[]>();
  for (const edge of graph.edges) {
    const known = into.get(edge.to.node);
    if (known) known.push(edge);
    else into.set(edge.to.node, [edge]);
  }
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const resolved = new Map<string, ManifestJson>();
  const order = flowOrder(graph);
  const onCircle = graph.nodes.map((node) => node.id).filter((id) => !order.includes(id));
  for (const id of [...order, ...onCircle]) {
    const type = types.get(nodes.get(id)!.type);
    if (!type) continue;
    const own = withAddedPorts(type, nodes.get(id)!);
    const arriving = (into.get(id) ?? []).map((edge) => ({
      port: edge.to.port,
      type: outputPort(resolved.get(edge.from.node), edge.from.port)?.type,
    }));
    resolved.set(id, withTypes(own, arriving));
  }
  return resolved;
}

/** The manifest of one node without its wires: what the palette and a form may ask. */
export function withAddedPorts(manifest: ManifestJson, node: Pick<GraphNode, 'config'>): ManifestJson {
  const { inputs: moreInputs, outputs: moreOutputs } = manifest.morePorts ?? {};
  if (!moreInputs && !moreOutputs) return manifest;
  return {
    ...manifest,
    inputs: { ...manifest.inputs, ...added(moreInputs, manifest, node, manifest.inputs) },
    outputs: { ...added(moreOutputs, manifest, node, manifest.outputs), ...manifest.outputs },
  };
}

function added(
  more: MorePorts | undefined,
  manifest: ManifestJson,
  node: Pick<GraphNode, 'config'>,
  taken: Record<string, PortJson>,
): Record<string, PortJson> {
  if (!more) return {};
  const stored = more.field.split('.').reduce(fieldOf, node.config as unknown);
  const listed = Array.isArray(stored) ? stored : defaultOf(manifest, more.field);
  const ports: Record<string, PortJson> = {};
  for (const entry of listed.slice(0, MOST_ADDED)) {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) continue;
    const { name, title, type, list, optional } = entry as Record<string, unknown>;
    if (typeof name !== 'string' || !PORT_NAME.test(name) || name === ERROR_PORT || Object.hasOwn(taken, name))
      continue;
    const isType = typeof type === 'string' && Object.hasOwn(PORT_TYPES, type);
    ports[name] = {
      type: isType ? (type as PortType) : more.type,
      list: list === true,
      optional: typeof optional === 'boolean' ? optional : more.optional,
      title: typeof title === 'string' && title !== '' ? title.slice(0, 60) : null,
      help: null,
      ...(more.same === undefined || isType ? {} : { same: more.same }),
    };
  }
  return ports;
}

function fieldOf(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null && Object.hasOwn(of, name)
    ? (of as Record<string, unknown>)[name]
    : undefined;
}

function defaultOf(manifest: ManifestJson, field: string): unknown[] {
  const { properties } = manifest.config as { properties?: Record<string, { default?: unknown }> };
  const given = properties && Object.hasOwn(properties, field) ? properties[field]?.default : undefined;
  return Array.isArray(given) ? given : [];
}

function withTypes(manifest: ManifestJson, arriving: { port: string; type: PortType | undefined }[]): ManifestJson {
  const ports = [...Object.values(manifest.inputs), ...Object.values(manifest.outputs)];
  if (!ports.some((port) => port.type === 'any')) return manifest;
  const bound = new Map<string, PortType>();
  for (const { port, type } of arriving) {
    const input = inputPort(manifest, port);
    if (input?.type !== 'any' || type === undefined || type === 'any') continue;
    const name = input.same ?? port;
    if (!bound.has(name)) bound.set(name, type);
  }
  const typed = (all: Record<string, PortJson>, isInput: boolean) =>
    Object.fromEntries(
      Object.entries(all).map(([name, port]) => {
        const type = port.type === 'any' ? bound.get(port.same ?? (isInput ? name : '')) : undefined;
        return [name, type === undefined ? port : { ...port, type }];
      }),
    );
  return { ...manifest, inputs: typed(manifest.inputs, true), outputs: typed(manifest.outputs, false) };
}
