/**
 * What is wrong with a graph, beside the node, wire or field it concerns. `error` stops a publish and a run;
 * `warning` is shown and stops nothing. Pure; executes nothing.
 */
import type { ManifestJson } from '../../nodes/contract.ts';
import { callProblems } from './calls.ts';
import { resolveConfig } from './config.ts';
import { expressionsIn } from './expression.ts';
import { checkExpression, schemaAt, takesExpressions } from './expression-types.ts';
import { type Catalogue, linksOf } from './flow.ts';
import { analyseFrames, type Frames } from './frames.ts';
import type { Graph, GraphEdge, GraphNode, Problem } from './graph.ts';
import { holds } from './pins.ts';
import { inputPort, type NodeManifests, outputPort } from './resolve.ts';
import { conversionBetween, spoken } from './wires.ts';

/** `ready: true` asks for a run: a field that a pipeline input fills must have its value by now. */
export function problems(graph: Graph, catalogue: Catalogue, options: { ready?: boolean } = {}): Problem[] {
  const frames = analyseFrames(graph, catalogue);
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const manifestOf = (id: string) => frames.manifests.get(id);
  return [
    ...nodeProblems(graph, frames.manifests, options.ready === true),
    ...graph.edges.flatMap((edge) => edgeProblems(edge, nodes, manifestOf)),
    ...occupiedProblems(graph, nodes, manifestOf),
    ...listProblems(graph, frames, nodes),
    ...inputProblems(graph, nodes, manifestOf),
    ...callProblems(graph, frames),
    ...graph.nodes.flatMap((node) => expressionProblems(graph, frames, node)),
  ];
}

function nodeProblems(graph: Graph, manifests: NodeManifests, ready: boolean): Problem[] {
  const found: Problem[] = [];
  const names = new Map<string, number>();
  const ids = new Set<string>();
  const links = linksOf(graph);
  for (const node of graph.nodes) {
    names.set(node.name.toLowerCase(), (names.get(node.name.toLowerCase()) ?? 0) + 1);
    if (ids.has(node.id)) {
      found.push({
        severity: 'error',
        code: 'NODE_ID_TWICE',
        message: `Two nodes share the id ${node.id}.`,
        hint: null,
        node: node.id,
      });
    }
    ids.add(node.id);
  }
  for (const node of graph.nodes) {
    if (names.get(node.name.toLowerCase())! > 1) {
      found.push({
        severity: 'error',
        code: 'NODE_NAME_TWICE',
        message: `Two nodes are called ${node.name}.`,
        hint: 'Give one of them another name.',
        node: node.id,
      });
    }
    const manifest = manifests.get(node.id);
    if (!manifest) {
      found.push({
        severity: 'error',
        code: 'NODE_TYPE_UNKNOWN',
        message: `${node.name} is of the type ${node.type}, which is not installed.`,
        hint: 'Install the plugin, or take the node away.',
        node: node.id,
      });
      continue;
    }
    if (node.pin && !holds(node.pin, manifest)) {
      found.push({
        severity: 'warning',
        code: 'PIN_STALE',
        message: `The pin of ${node.name} is not used: what the node gives has changed since.`,
        hint: 'Pin what it gives now, or take the pin away.',
        node: node.id,
      });
    }
    found.push(...versionProblems(node, manifest), ...configProblems(graph, node, manifest, ready));
    const wired = new Set(graph.edges.filter((edge) => edge.to.node === node.id).map((edge) => edge.to.port));
    for (const [name, port] of Object.entries(manifest.inputs)) {
      if (port.optional || wired.has(name)) continue;
      found.push({
        severity: 'error',
        code: 'INPUT_MISSING',
        message: `${node.name} needs ${spoken(port.type, port.list)}.`,
        hint: `Draw a wire to its ${port.title ?? name} port.`,
        node: node.id,
        port: name,
      });
    }
    const isAlone = !links.some(({ from, to }) => from === node.id || to === node.id);
    if (isAlone && graph.nodes.length > 1) {
      found.push({
        severity: 'warning',
        code: 'NODE_UNWIRED',
        message: `${node.name} is not connected to anything.`,
        hint: null,
        node: node.id,
      });
    }
  }
  return found;
}

function versionProblems(node: GraphNode, manifest: ManifestJson): Problem[] {
  if (node.version.split('.')[0] === manifest.version.split('.')[0]) return [];
  return [
    {
      severity: 'error',
      code: 'NODE_VERSION_CHANGED',
      message: `${node.name} was made with version ${node.version}; ${manifest.version} is installed and works differently.`,
      hint: 'Take the node away and put it in again.',
      node: node.id,
    },
  ];
}

function configProblems(graph: Graph, node: GraphNode, manifest: ManifestJson, ready: boolean): Problem[] {
  const promoted = new Set(graph.inputs.filter((input) => input.node === node.id).map((input) => input.field));
  return resolveConfig(manifest.config, node.config, { later: true }).problems.flatMap(
    ({ field, message }): Problem[] => {
      const isLaterGiven = !ready && promoted.has(field) && node.config[field] === undefined;
      if (isLaterGiven) return [];
      const title = fieldTitle(manifest, field);
      return [
        {
          severity: 'error',
          code: 'CONFIG_INVALID',
          message: `${node.name}: ${title} ${message.charAt(0).toLowerCase()}${message.slice(1)}`,
          hint: null,
          node: node.id,
          field,
        },
      ];
    },
  );
}

function expressionProblems(graph: Graph, frames: Frames, node: GraphNode): Problem[] {
  const manifest = frames.manifests.get(node.id);
  if (!manifest) return [];
  return Object.entries(node.config).flatMap(([field, value]) =>
    expressionsIn(value).flatMap(({ path, stored }): Problem[] => {
      const title = fieldTitle(manifest, field);
      const say = (code: string, message: string, hint: string | null): Problem => ({
        severity: 'error',
        code,
        message: `${node.name}: ${title}: ${message}`,
        hint,
        node: node.id,
        field,
      });
      const place = [field, ...path];
      if (!takesExpressions(manifest, place)) {
        return [say('EXPRESSION_NOT_HERE', 'Only a fixed value can stand here.', 'Turn the expression off.')];
      }
      const { faults } = checkExpression(stored, {
        graph,
        frames,
        node: node.id,
        field: schemaAt(manifest, place),
      });
      return faults.slice(0, 1).map(({ code, message, hint }) => say(code, message, hint));
    }),
  );
}

function fieldTitle(manifest: ManifestJson, field: string): string {
  const properties = manifest.config.properties;
  if (field === '' || typeof properties !== 'object' || properties === null || Array.isArray(properties))
    return field || 'settings';
  const part = Object.hasOwn(properties, field) ? properties[field] : undefined;
  const title = typeof part === 'object' && part !== null && !Array.isArray(part) ? part.title : undefined;
  return typeof title === 'string' ? title : field;
}

function edgeProblems(
  edge: GraphEdge,
  nodes: ReadonlyMap<string, GraphNode>,
  manifestOf: (id: string) => ManifestJson | undefined,
): Problem[] {
  const say = (code: string, message: string): Problem[] => [
    { severity: 'error', code, message, hint: 'Take the wire away.', edge: edge.id },
  ];
  const source = nodes.get(edge.from.node);
  const target = nodes.get(edge.to.node);
  if (!source || !target) return say('WIRE_LOOSE', 'One end of this wire is gone.');
  const from = manifestOf(source.id);
  const to = manifestOf(target.id);
  if (!from || !to) return []; // named beside the node
  const output = outputPort(from, edge.from.port);
  const input = inputPort(to, edge.to.port);
  if (!output) return say('WIRE_LOOSE', `${source.name} has no output called ${edge.from.port}.`);
  if (!input) return say('WIRE_LOOSE', `${target.name} has no input called ${edge.to.port}.`);
  if (conversionBetween(output.type, input.type) === undefined) {
    return say(
      'WIRE_MISFIT',
      `${target.name} needs ${spoken(input.type)}, ${source.name} gives ${spoken(output.type, output.list)}.`,
    );
  }
  return [];
}

function occupiedProblems(
  graph: Graph,
  nodes: ReadonlyMap<string, GraphNode>,
  manifestOf: (id: string) => ManifestJson | undefined,
): Problem[] {
  const first = new Map<string, GraphEdge>();
  return graph.edges.flatMap((edge): Problem[] => {
    const at = `${edge.to.node}.${edge.to.port}`;
    const earlier = first.get(at);
    if (!earlier) {
      first.set(at, edge);
      return [];
    }
    if (inputPort(manifestOf(edge.to.node), edge.to.port)?.list !== false) return [];
    if (earlier.from.node === edge.from.node && manifestOf(edge.from.node)?.shape === 'route') return [];
    return [
      {
        severity: 'error',
        code: 'INPUT_OCCUPIED',
        message: `${nodes.get(edge.to.node)?.name ?? 'A node'} gets two values where it takes one.`,
        hint: 'Take one of the wires away.',
        node: edge.to.node,
        port: edge.to.port,
        edge: edge.id,
      },
    ];
  });
}

function listProblems(graph: Graph, frames: Frames, nodes: ReadonlyMap<string, GraphNode>): Problem[] {
  const circling = graph.nodes.filter((node) => !frames.nodes.has(node.id));
  return [
    ...frames.conflicts.map(
      ({ node, edges }): Problem => ({
        severity: 'error',
        code: 'LISTS_DIFFER',
        message: `${nodes.get(node)?.name ?? node} gets items from different lists.`,
        hint: 'Use Pair to bring the lists together.',
        node,
        edge: edges[1],
      }),
    ),
    ...circling.slice(0, 1).map(
      (node): Problem => ({
        severity: 'error',
        code: 'CIRCLE',
        message: `${node.name} waits for itself: its wires form a circle.`,
        hint: 'Take one of the wires away.',
        node: node.id,
      }),
    ),
  ];
}

function inputProblems(
  graph: Graph,
  nodes: ReadonlyMap<string, GraphNode>,
  manifestOf: (id: string) => ManifestJson | undefined,
): Problem[] {
  const names = new Set<string>();
  return graph.inputs.flatMap((input): Problem[] => {
    const say = (code: string, message: string): Problem[] => [
      { severity: 'error', code, message, hint: 'Correct it under Inputs.', node: input.node, field: input.field },
    ];
    const isRepeated = names.has(input.name);
    names.add(input.name);
    if (isRepeated) return say('PIPELINE_INPUT_TWICE', `Two inputs are called ${input.name}.`);
    if (!nodes.has(input.node))
      return say('PIPELINE_INPUT_LOOSE', `The input ${input.title} fills a node that is gone.`);
    const properties = manifestOf(input.node)?.config.properties;
    if (typeof properties === 'object' && properties !== null && !Object.hasOwn(properties, input.field)) {
      return say(
        'PIPELINE_INPUT_LOOSE',
        `The input ${input.title} fills ${input.field}, which ${nodes.get(input.node)!.name} does not have.`,
      );
    }
    return [];
  });
}
