/**
 * The operations a draft is edited by. Pure: the editor applies them at once and undoes them by their inverse, the
 * server applies them to its numbered revision, and a stale one is rebased per field or refused with a reason.
 *
 *   apply     graph before → graph after; throws OperationRefused where the operation makes no sense there
 *   invert    the operations that lead back, given the graph before
 *   rebase    the operation as it reads after others were applied first, or why it cannot be
 *
 * Laws (operations.test.ts): applying an operation and then its inverse gives the same graph, array order included;
 * removals of what is already gone change nothing; rebasing over nothing changes nothing.
 */
import * as z from 'zod';
import { type Graph, GraphEdge, GraphInput, GraphNode, GraphNote, GraphSection, Limits, Pin, Policy } from './graph.ts';

const Id = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/);
const Position = z.strictObject({ x: z.number(), y: z.number() });
const Size = z.strictObject({ width: z.number().positive(), height: z.number().positive() });
/** Where in its array a thing goes back to; at the end where absent. */
const Index = z.number().int().nonnegative().optional();

export const Operation = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('addNode'), node: GraphNode, index: Index }),
  /** Takes the node's edges and promoted inputs with it. */
  z.strictObject({ op: z.literal('removeNode'), id: Id }),
  z.strictObject({ op: z.literal('moveNodes'), positions: z.record(Id, Position) }),
  /** `value` absent: back to the field's default. */
  z.strictObject({
    op: z.literal('setConfig'),
    node: Id,
    field: z.string().min(1).max(60),
    value: z.json().optional(),
  }),
  z.strictObject({ op: z.literal('renameNode'), node: Id, name: z.string().min(1).max(80) }),
  /** Another node type, or version of it, in the place of the one it is: its settings and wires are others' to change. */
  z.strictObject({
    op: z.literal('setType'),
    node: Id,
    type: z.string().min(1).max(80),
    version: z.string().min(1).max(30),
  }),
  /** `width` null: back to the standard width. */
  z.strictObject({ op: z.literal('resizeNode'), node: Id, width: z.number().min(124).max(800).nullable() }),
  /** `policy` null: the node type's own. */
  z.strictObject({ op: z.literal('setPolicy'), node: Id, policy: Policy.nullable() }),
  /** `pin` null: the node runs. */
  z.strictObject({ op: z.literal('setPin'), node: Id, pin: Pin.nullable() }),
  z.strictObject({ op: z.literal('connect'), edge: GraphEdge, index: Index }),
  z.strictObject({ op: z.literal('disconnect'), edge: Id }),
  z.strictObject({ op: z.literal('setEdge'), edge: Id, leaveOutFailed: z.boolean() }),
  /** `limits` null: none. */
  z.strictObject({ op: z.literal('setLimits'), limits: Limits.nullable() }),
  z.strictObject({ op: z.literal('setInputs'), inputs: z.array(GraphInput).max(50) }),
  z.strictObject({ op: z.literal('addSection'), section: GraphSection, index: Index }),
  z.strictObject({ op: z.literal('removeSection'), id: Id }),
  z.strictObject({
    op: z.literal('setSection'),
    id: Id,
    title: z.string().max(80).optional(),
    position: Position.optional(),
    size: Size.optional(),
  }),
  z.strictObject({ op: z.literal('addNote'), note: GraphNote, index: Index }),
  z.strictObject({ op: z.literal('removeNote'), id: Id }),
  z.strictObject({
    op: z.literal('setNote'),
    id: Id,
    text: z.string().max(4000).optional(),
    position: Position.optional(),
    size: Size.optional(),
  }),
]);
export type Operation = z.infer<typeof Operation>;

/** The operation makes no sense on this graph: what it concerns is gone, or its name or id is taken. */
export class OperationRefused extends Error {
  override name = 'OperationRefused';
  readonly code = 'OPERATION_REFUSED';
}

export type Refusal = { refused: Operation; reason: string };
export function isRefusal(result: Operation | Refusal): result is Refusal {
  return 'refused' in result;
}

// ---------------------------------------------------------------- apply

const without = <T extends { id: string }>(list: readonly T[], id: string) => list.filter((thing) => thing.id !== id);

function inserted<T>(list: readonly T[], thing: T, index: number | undefined): T[] {
  const at = Math.min(index ?? list.length, list.length);
  return [...list.slice(0, at), thing, ...list.slice(at)];
}

function found<T extends { id: string }>(list: readonly T[], id: string, what: string): T {
  const thing = list.find((other) => other.id === id);
  if (!thing) throw new OperationRefused(`This ${what} is not there any more.`);
  return thing;
}

function replaced<T extends { id: string }>(
  list: readonly T[],
  id: string,
  what: string,
  change: (thing: T) => T,
): T[] {
  found(list, id, what);
  return list.map((thing) => (thing.id === id ? change(thing) : thing));
}

/** Adds to an array whose ids are unique. */
function added<T extends { id: string }>(list: readonly T[], thing: T, index: number | undefined, what: string): T[] {
  if (list.some((other) => other.id === thing.id)) throw new OperationRefused(`This ${what} is there already.`);
  return inserted(list, thing, index);
}

function requireFreeName(graph: Graph, name: string, but: string): void {
  if (graph.nodes.some((node) => node.name === name && node.id !== but)) {
    throw new OperationRefused(`Another node is called "${name}".`);
  }
}

const defined = <T extends object>(value: T): Partial<T> =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Partial<T>;

/** The graph after the operation. Shares what did not change. Throws `OperationRefused`. */
export function apply(graph: Graph, operation: Operation): Graph {
  switch (operation.op) {
    case 'addNode': {
      requireFreeName(graph, operation.node.name, operation.node.id);
      return { ...graph, nodes: added(graph.nodes, operation.node, operation.index, 'node') };
    }
    case 'removeNode': {
      const { id } = operation;
      if (!graph.nodes.some((node) => node.id === id)) return graph;
      return {
        ...graph,
        nodes: without(graph.nodes, id),
        edges: graph.edges.filter((edge) => edge.from.node !== id && edge.to.node !== id),
        inputs: graph.inputs.filter((input) => input.node !== id),
      };
    }
    case 'moveNodes':
      return {
        ...graph,
        nodes: graph.nodes.map((node) => {
          const position = Object.hasOwn(operation.positions, node.id) ? operation.positions[node.id] : undefined;
          return position ? { ...node, position } : node;
        }),
      };
    case 'setConfig': {
      const { node: id, field, value } = operation;
      return {
        ...graph,
        nodes: replaced(graph.nodes, id, 'node', (node) => {
          const { [field]: _before, ...config } = node.config;
          return { ...node, config: value === undefined ? config : { ...config, [field]: value } };
        }),
      };
    }
    case 'renameNode': {
      requireFreeName(graph, operation.name, operation.node);
      return {
        ...graph,
        nodes: replaced(graph.nodes, operation.node, 'node', (node) => ({ ...node, name: operation.name })),
      };
    }
    case 'setType': {
      const { node, type, version } = operation;
      return { ...graph, nodes: replaced(graph.nodes, node, 'node', (was) => ({ ...was, type, version })) };
    }
    case 'resizeNode':
      return {
        ...graph,
        nodes: replaced(graph.nodes, operation.node, 'node', ({ width: _before, ...node }) =>
          operation.width === null ? node : { ...node, width: operation.width },
        ),
      };
    case 'setPolicy':
      return {
        ...graph,
        nodes: replaced(graph.nodes, operation.node, 'node', ({ policy: _before, ...node }) =>
          operation.policy === null ? node : { ...node, policy: operation.policy },
        ),
      };
    case 'setPin':
      return {
        ...graph,
        nodes: replaced(graph.nodes, operation.node, 'node', ({ pin: _before, ...node }) =>
          operation.pin === null ? node : { ...node, pin: operation.pin },
        ),
      };
    case 'connect': {
      const { edge } = operation;
      found(graph.nodes, edge.from.node, 'node');
      found(graph.nodes, edge.to.node, 'node');
      if (graph.edges.some((other) => sameEnds(other, edge)))
        throw new OperationRefused('These are connected already.');
      return { ...graph, edges: added(graph.edges, edge, operation.index, 'wire') };
    }
    case 'disconnect':
      return graph.edges.some((edge) => edge.id === operation.edge)
        ? { ...graph, edges: without(graph.edges, operation.edge) }
        : graph;
    case 'setEdge':
      return {
        ...graph,
        edges: replaced(graph.edges, operation.edge, 'wire', ({ leaveOutFailed: _before, ...edge }) =>
          operation.leaveOutFailed ? { ...edge, leaveOutFailed: true } : edge,
        ),
      };
    case 'setInputs': {
      for (const input of operation.inputs) found(graph.nodes, input.node, 'node');
      if (new Set(operation.inputs.map((input) => input.name)).size !== operation.inputs.length) {
        throw new OperationRefused('Two inputs have the same name.');
      }
      return { ...graph, inputs: operation.inputs };
    }
    case 'setLimits': {
      const { limits: _before, ...rest } = graph;
      return operation.limits === null ? rest : { ...rest, limits: operation.limits };
    }
    case 'addSection':
      return { ...graph, sections: added(graph.sections, operation.section, operation.index, 'section') };
    case 'removeSection':
      return { ...graph, sections: without(graph.sections, operation.id) };
    case 'setSection': {
      const { op: _op, id, ...change } = operation;
      return {
        ...graph,
        sections: replaced(graph.sections, id, 'section', (section) => ({ ...section, ...defined(change) })),
      };
    }
    case 'addNote':
      return { ...graph, notes: added(graph.notes, operation.note, operation.index, 'note') };
    case 'removeNote':
      return { ...graph, notes: without(graph.notes, operation.id) };
    case 'setNote': {
      const { op: _op, id, ...change } = operation;
      return { ...graph, notes: replaced(graph.notes, id, 'note', (note) => ({ ...note, ...defined(change) })) };
    }
    default:
      return operation satisfies never;
  }
}

export function applyAll(graph: Graph, operations: readonly Operation[]): Graph {
  return operations.reduce(apply, graph);
}

const sameEnds = (one: GraphEdge, other: GraphEdge) =>
  one.from.node === other.from.node &&
  one.from.port === other.from.port &&
  one.to.node === other.to.node &&
  one.to.port === other.to.port;

// ---------------------------------------------------------------- invert

/** The operations that undo `operation`, in the order to apply them. `graph` is the one before it. */
export function invert(graph: Graph, operation: Operation): Operation[] {
  switch (operation.op) {
    case 'addNode':
      return [{ op: 'removeNode', id: operation.node.id }];
    case 'removeNode': {
      const { id } = operation;
      const index = graph.nodes.findIndex((node) => node.id === id);
      const node = graph.nodes[index];
      if (!node) return [];
      const edges = graph.edges.flatMap((edge, at): Operation[] =>
        edge.from.node === id || edge.to.node === id ? [{ op: 'connect', edge, index: at }] : [],
      );
      const promoted = graph.inputs.some((input) => input.node === id);
      return [
        { op: 'addNode', node, index },
        ...edges,
        ...(promoted ? [{ op: 'setInputs' as const, inputs: graph.inputs }] : []),
      ];
    }
    case 'moveNodes': {
      const moved = graph.nodes.filter((node) => Object.hasOwn(operation.positions, node.id));
      if (moved.length === 0) return [];
      return [{ op: 'moveNodes', positions: Object.fromEntries(moved.map((node) => [node.id, node.position])) }];
    }
    case 'setConfig': {
      const { node, field } = operation;
      const { config } = found(graph.nodes, node, 'node');
      const value = Object.hasOwn(config, field) ? config[field] : undefined;
      return [{ op: 'setConfig', node, field, ...(value === undefined ? {} : { value }) }];
    }
    case 'renameNode':
      return [{ op: 'renameNode', node: operation.node, name: found(graph.nodes, operation.node, 'node').name }];
    case 'setType': {
      const { type, version } = found(graph.nodes, operation.node, 'node');
      return [{ op: 'setType', node: operation.node, type, version }];
    }
    case 'resizeNode': {
      const { width } = found(graph.nodes, operation.node, 'node');
      return [{ op: 'resizeNode', node: operation.node, width: width ?? null }];
    }
    case 'setPolicy': {
      const { policy } = found(graph.nodes, operation.node, 'node');
      return [{ op: 'setPolicy', node: operation.node, policy: policy ?? null }];
    }
    case 'setPin': {
      const { pin } = found(graph.nodes, operation.node, 'node');
      return [{ op: 'setPin', node: operation.node, pin: pin ?? null }];
    }
    case 'connect':
      return [{ op: 'disconnect', edge: operation.edge.id }];
    case 'disconnect': {
      const index = graph.edges.findIndex((edge) => edge.id === operation.edge);
      const edge = graph.edges[index];
      return edge ? [{ op: 'connect', edge, index }] : [];
    }
    case 'setEdge': {
      const edge = found(graph.edges, operation.edge, 'wire');
      return [{ op: 'setEdge', edge: operation.edge, leaveOutFailed: edge.leaveOutFailed ?? false }];
    }
    case 'setInputs':
      return [{ op: 'setInputs', inputs: graph.inputs }];
    case 'setLimits':
      return [{ op: 'setLimits', limits: graph.limits ?? null }];
    case 'addSection':
      return [{ op: 'removeSection', id: operation.section.id }];
    case 'removeSection': {
      const index = graph.sections.findIndex((section) => section.id === operation.id);
      const section = graph.sections[index];
      return section ? [{ op: 'addSection', section, index }] : [];
    }
    case 'setSection': {
      const { title, position, size } = found(graph.sections, operation.id, 'section');
      return [{ op: 'setSection', id: operation.id, title, position, size }];
    }
    case 'addNote':
      return [{ op: 'removeNote', id: operation.note.id }];
    case 'removeNote': {
      const index = graph.notes.findIndex((note) => note.id === operation.id);
      const note = graph.notes[index];
      return note ? [{ op: 'addNote', note, index }] : [];
    }
    case 'setNote': {
      const { text, position, size } = found(graph.notes, operation.id, 'note');
      return [{ op: 'setNote', id: operation.id, text, position, size }];
    }
    default:
      return operation satisfies never;
  }
}

/** The operations that undo a list of them, last first. `graph` is the one before the first. */
export function invertAll(graph: Graph, operations: readonly Operation[]): Operation[] {
  let current = graph;
  let inverse: Operation[] = [];
  for (const operation of operations) {
    inverse = [...invert(current, operation), ...inverse];
    current = apply(current, operation);
  }
  return inverse;
}

// ---------------------------------------------------------------- rebase

/** JSON equality, key order ignored. */
function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && same(Reflect.get(one, key), Reflect.get(other, key)))
  );
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  const stem = name.replace(/ \d+$/, '').slice(0, 74);
  for (let number = 2; ; number += 1) {
    const candidate = `${stem} ${number}`;
    if (!taken.has(candidate)) return candidate;
  }
}

/** Names that the operations gave, and did not take away again. */
function namesGiven(over: readonly Operation[]): Set<string> {
  return new Set(
    over.flatMap((other) =>
      other.op === 'addNode' ? [other.node.name] : other.op === 'renameNode' ? [other.name] : [],
    ),
  );
}

/**
 * `operation` as it reads once `over` has been applied before it. Different fields of one thing both stand; the same
 * field, a removed thing, or the removal of what somebody just changed is refused. Positions and sizes: the later wins.
 */
export function rebase(operation: Operation, over: readonly Operation[]): Operation | Refusal {
  const refuse = (reason: string): Refusal => ({ refused: operation, reason });
  // A thing removed and added again (an undo) is there.
  const gone = new Set<string>();
  for (const other of over) {
    if (other.op === 'removeNode' || other.op === 'removeSection' || other.op === 'removeNote') gone.add(other.id);
    if (other.op === 'disconnect') gone.add(other.edge);
    if (other.op === 'addNode') gone.delete(other.node.id);
    if (other.op === 'addSection') gone.delete(other.section.id);
    if (other.op === 'addNote') gone.delete(other.note.id);
    if (other.op === 'connect') gone.delete(other.edge.id);
  }
  switch (operation.op) {
    case 'addNode': {
      const name = freeName(operation.node.name, namesGiven(over));
      return name === operation.node.name ? operation : { ...operation, node: { ...operation.node, name } };
    }
    case 'removeNode': {
      if (gone.has(operation.id)) return operation;
      const touched = over.some(
        (other) =>
          ((other.op === 'setConfig' || other.op === 'renameNode' || other.op === 'setType') &&
            other.node === operation.id) ||
          (other.op === 'connect' && (other.edge.from.node === operation.id || other.edge.to.node === operation.id)),
      );
      return touched ? refuse('This node was changed meanwhile, so it was not deleted.') : operation;
    }
    case 'moveNodes': {
      const positions = Object.fromEntries(Object.entries(operation.positions).filter(([id]) => !gone.has(id)));
      return Object.keys(positions).length === Object.keys(operation.positions).length
        ? operation
        : { op: 'moveNodes', positions };
    }
    case 'setConfig': {
      if (gone.has(operation.node)) return refuse('This node was deleted meanwhile.');
      const last = over.findLast(
        (other) => other.op === 'setConfig' && other.node === operation.node && other.field === operation.field,
      );
      if (last?.op === 'setConfig' && !same(last.value, operation.value)) {
        return refuse(`"${operation.field}" was set to something else meanwhile.`);
      }
      return operation;
    }
    case 'renameNode': {
      if (gone.has(operation.node)) return refuse('This node was deleted meanwhile.');
      const last = over.findLast((other) => other.op === 'renameNode' && other.node === operation.node);
      if (last?.op === 'renameNode') {
        return last.name === operation.name ? operation : refuse(`This node was renamed to "${last.name}" meanwhile.`);
      }
      const name = freeName(operation.name, namesGiven(over));
      return name === operation.name ? operation : { ...operation, name };
    }
    case 'setType': {
      if (gone.has(operation.node)) return refuse('This node was deleted meanwhile.');
      const last = over.findLast((other) => other.op === 'setType' && other.node === operation.node);
      return last?.op === 'setType' && (last.type !== operation.type || last.version !== operation.version)
        ? refuse('This node was made into another meanwhile.')
        : operation;
    }
    case 'setPolicy': {
      if (gone.has(operation.node)) return refuse('This node was deleted meanwhile.');
      const last = over.findLast((other) => other.op === 'setPolicy' && other.node === operation.node);
      return last?.op === 'setPolicy' && !same(last.policy, operation.policy)
        ? refuse('Its retries and limits were changed meanwhile.')
        : operation;
    }
    case 'setPin': {
      if (gone.has(operation.node)) return refuse('This node was deleted meanwhile.');
      const last = over.findLast((other) => other.op === 'setPin' && other.node === operation.node);
      return last?.op === 'setPin' && !same(last.pin, operation.pin)
        ? refuse('Its pin was changed meanwhile.')
        : operation;
    }
    case 'resizeNode':
      return gone.has(operation.node) ? refuse('This node was deleted meanwhile.') : operation;
    case 'connect': {
      const { from, to } = operation.edge;
      if (gone.has(from.node) || gone.has(to.node)) return refuse('One end of this wire was deleted meanwhile.');
      if (
        over.some((other) => other.op === 'connect' && sameEnds(other.edge, operation.edge) && !gone.has(other.edge.id))
      ) {
        return refuse('These were connected meanwhile.');
      }
      return operation;
    }
    case 'disconnect':
      return operation;
    case 'setEdge':
      return gone.has(operation.edge) ? refuse('This wire was deleted meanwhile.') : operation;
    case 'setInputs': {
      const last = over.findLast((other) => other.op === 'setInputs');
      if (last?.op === 'setInputs' && !same(last.inputs, operation.inputs)) {
        return refuse('The inputs of this pipeline were changed meanwhile.');
      }
      const inputs = operation.inputs.filter((input) => !gone.has(input.node));
      return inputs.length === operation.inputs.length ? operation : { ...operation, inputs };
    }
    case 'setLimits': {
      const last = over.findLast((other) => other.op === 'setLimits');
      return last?.op === 'setLimits' && !same(last.limits, operation.limits)
        ? refuse('The limits of this pipeline were changed meanwhile.')
        : operation;
    }
    case 'addSection':
    case 'addNote':
    case 'removeSection':
      return operation;
    case 'removeNote': {
      const rewritten = over.some(
        (other) => other.op === 'setNote' && other.id === operation.id && other.text !== undefined,
      );
      return rewritten ? refuse('This note was rewritten meanwhile, so it was not deleted.') : operation;
    }
    case 'setSection': {
      if (gone.has(operation.id)) return refuse('This section was deleted meanwhile.');
      const last = over.findLast(
        (other) => other.op === 'setSection' && other.id === operation.id && other.title !== undefined,
      );
      if (last?.op === 'setSection' && operation.title !== undefined && last.title !== operation.title) {
        return refuse(`This section was renamed to "${last.title}" meanwhile.`);
      }
      return operation;
    }
    case 'setNote': {
      if (gone.has(operation.id)) return refuse('This note was deleted meanwhile.');
      const last = over.findLast(
        (other) => other.op === 'setNote' && other.id === operation.id && other.text !== undefined,
      );
      if (last?.op === 'setNote' && operation.text !== undefined && last.text !== operation.text) {
        return refuse('This note was rewritten meanwhile.');
      }
      return operation;
    }
    default:
      return operation satisfies never;
  }
}

/** Rebases a list, later ones over what of the earlier ones was refused too: an edge of a refused node is refused. */
export function rebaseAll(
  operations: readonly Operation[],
  over: readonly Operation[],
): { operations: Operation[]; refused: Refusal[] } {
  const kept: Operation[] = [];
  const refused: Refusal[] = [];
  const missing: Operation[] = [];
  for (const operation of operations) {
    const result = rebase(operation, [...over, ...missing]);
    if (isRefusal(result)) {
      refused.push(result);
      if (operation.op === 'addNode') missing.push({ op: 'removeNode', id: operation.node.id });
      if (operation.op === 'connect') missing.push({ op: 'disconnect', edge: operation.edge.id });
    } else kept.push(result);
  }
  return { operations: kept, refused };
}
