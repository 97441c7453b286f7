/**
 * What an expression can reach from a node, what kind of value it gives as far as that is known before a run, and what
 * is wrong with it there. Pure; used while it is typed and before a run.
 */
import * as z from 'zod';
import { type ManifestJson, PORT_TYPES, type PortJson, type PortType } from '../../nodes/contract.ts';
import {
  asReference,
  type ExpressionError,
  parseExpression,
  type Reference,
  type StoredExpression,
  type Tree,
  usesOf,
} from './expression.ts';
import { FUNCTIONS } from './expression-functions.ts';
import { downstreamOf, upstreamOf } from './flow.ts';
import { type Frames, listOrigin } from './frames.ts';
import { ERROR_PORT, type Graph } from './graph.ts';

export type Kind = 'text' | 'number' | 'boolean' | 'list' | 'record' | 'null' | 'any';
/** A kind of value. `fields` of a record that has no others; `items` of a list. */
export type Shape = { kind: Kind; fields?: Readonly<Record<string, Shape>>; items?: Shape; optional?: boolean };

const ANY: Shape = { kind: 'any' };
const SPOKEN: Record<Kind, string> = {
  text: 'text',
  number: 'a number',
  boolean: 'yes or no',
  list: 'a list',
  record: 'a record',
  null: 'nothing',
  any: 'data',
};
export function spokenShape({ kind, items }: Shape): string {
  return kind === 'list' && items && items.kind !== 'any'
    ? `a list of ${{ text: 'texts', number: 'numbers', record: 'records', list: 'lists', boolean: 'yes or no', null: 'nothing', any: 'data' }[items.kind]}`
    : SPOKEN[kind];
}

// ---------------------------------------------------------------- shapes of data

type JsonSchema = { readonly [key: string]: unknown };
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const portShapes = new Map<PortType, Shape>();

export function shapeOfPort(port: PortJson): Shape {
  let shape = portShapes.get(port.type);
  if (!shape) {
    const isOpen = port.type === 'json' || port.type === 'any';
    shape = isOpen ? ANY : shapeOfSchema(z.toJSONSchema(PORT_TYPES[port.type], { io: 'output' }) as JsonSchema);
    portShapes.set(port.type, shape);
  }
  return port.list ? { kind: 'list', items: shape } : shape;
}

export function shapeOfSchema(schema: JsonSchema, depth = 0): Shape {
  if (depth > 12) return ANY;
  const options = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(options)) {
    const shapes = options.filter(isRecord).map((option) => shapeOfSchema(option, depth + 1));
    const solid = shapes.filter((shape) => shape.kind !== 'null');
    const optional = solid.length < shapes.length ? { optional: true } : {};
    return solid.length > 0 ? { ...solid.reduce(joined), ...optional } : { kind: 'null' };
  }
  if (Array.isArray(schema.allOf)) return ANY;
  const values = Array.isArray(schema.enum) ? schema.enum : 'const' in schema ? [schema.const] : undefined;
  if (values) return values.map(shapeOfValue).reduce(joined, shapeOfValue(values[0]));
  switch (schema.type) {
    case 'string':
      return { kind: 'text' };
    case 'number':
    case 'integer':
      return { kind: 'number' };
    case 'boolean':
      return { kind: 'boolean' };
    case 'null':
      return { kind: 'null' };
    case 'array':
      return { kind: 'list', items: isRecord(schema.items) ? shapeOfSchema(schema.items, depth + 1) : ANY };
    case 'object': {
      if (!isRecord(schema.properties)) return { kind: 'record' };
      const required = Array.isArray(schema.required) ? schema.required : [];
      return {
        kind: 'record',
        fields: Object.fromEntries(
          Object.entries(schema.properties)
            .filter((entry): entry is [string, JsonSchema] => isRecord(entry[1]))
            .map(([name, part]) => [
              name,
              { ...shapeOfSchema(part, depth + 1), ...(required.includes(name) ? {} : { optional: true }) },
            ]),
        ),
      };
    }
    default:
      return ANY;
  }
}

export function shapeOfValue(value: unknown): Shape {
  if (value === null || value === undefined) return { kind: 'null' };
  if (typeof value === 'string') return { kind: 'text' };
  if (typeof value === 'number') return { kind: 'number' };
  if (typeof value === 'boolean') return { kind: 'boolean' };
  if (Array.isArray(value))
    return { kind: 'list', items: value.length > 0 ? value.map(shapeOfValue).reduce(joined) : ANY };
  return { kind: 'record' };
}

/** What both are. */
function joined(a: Shape, b: Shape): Shape {
  if (a.kind === 'null') return { ...b, optional: true };
  if (b.kind === 'null') return { ...a, optional: true };
  if (a.kind !== b.kind) return ANY;
  if (a.kind === 'list') return { kind: 'list', items: joined(a.items ?? ANY, b.items ?? ANY) };
  return a.kind === 'record' ? (a === b ? a : { kind: 'record' }) : a;
}

const BRAND: Shape = {
  kind: 'record',
  fields: {
    name: { kind: 'text' },
    voice: { kind: 'text' },
    colors: {
      kind: 'record',
      fields: Object.fromEntries(['primary', 'light', 'ink', 'paper'].map((name) => [name, { kind: 'text' } as const])),
    },
    fonts: { kind: 'record', fields: { display: { kind: 'text' }, text: { kind: 'text' } } },
    logo: { kind: 'record', optional: true },
    captions: { kind: 'record', fields: { style: { kind: 'text' } } },
    links: {
      kind: 'list',
      items: { kind: 'record', fields: { label: { kind: 'text' }, url: { kind: 'text' } } },
    },
  },
};
export const SCOPES: Readonly<Record<'brand' | 'run' | 'item', Shape>> = {
  brand: BRAND,
  run: { kind: 'record', fields: { now: { kind: 'text' } } },
  item: {
    kind: 'record',
    fields: {
      index: { kind: 'number', optional: true },
      number: { kind: 'number', optional: true },
      path: { kind: 'list', items: { kind: 'number' } },
    },
  },
};

// ---------------------------------------------------------------- what can be reached

export type Reach = Reference & { shape: Shape; port: string; declared: PortJson };

/** Everything that does not wait for a node and lies in the lists around it; what is before it, nearest first. */
export function reachFrom(graph: Graph, frames: Frames, nodeId: string): Reach[] {
  const own = frames.nodes.get(nodeId);
  if (!own) return [];
  const later = downstreamOf(graph, nodeId);
  const others = graph.nodes.map(({ id }) => id).filter((id) => id !== nodeId && !later.has(id));
  return [...new Set([...upstreamOf(graph, nodeId), ...others])].flatMap((id) => {
    const frame = frames.nodes.get(id);
    const manifest = frames.manifests.get(id);
    if (!frame || !manifest || !frame.every((origin, depth) => origin === own[depth])) return [];
    return Object.entries(manifest.outputs).flatMap(([port, declared]): Reach[] => {
      const shape = shapeOfPort(declared);
      const whole: Reach = { from: 'nodes', node: id, port, shape, declared };
      const isAround = declared.list && own[frame.length] === listOrigin(manifest, id, port);
      return isAround ? [{ ...whole, from: 'each', shape: shape.items ?? ANY }, whole] : [whole];
    });
  });
}

function refused(reference: Reference & { at: number }, graph: Graph, frames: Frames, nodeId: string): ExpressionError {
  const { from, node, port, at } = reference;
  const say = (code: string, message: string, hint: string | null): ExpressionError => ({ code, message, hint, at });
  const other = graph.nodes.find((each) => each.id === node);
  const own = graph.nodes.find((each) => each.id === nodeId);
  if (!other)
    return say(
      'EXPRESSION_NODE',
      `There is no node “${node}” in this pipeline.`,
      'It may have been deleted. Insert another value.',
    );
  const manifest = frames.manifests.get(node);
  if (!manifest || !Object.hasOwn(manifest.outputs, port)) {
    const outputs = Object.keys(manifest?.outputs ?? {}).join(', ');
    return say(
      'EXPRESSION_PORT',
      `${other.name} has no output called ${port}.`,
      port === ERROR_PORT ? 'Draw a wire from its error output instead.' : outputs === '' ? null : `It has ${outputs}.`,
    );
  }
  if (node === nodeId) return say('EXPRESSION_CIRCLE', 'A node cannot take a value from itself.', null);
  if (downstreamOf(graph, nodeId).has(node)) {
    return say(
      'EXPRESSION_CIRCLE',
      `${other.name} comes after ${own?.name ?? 'this node'}: each would wait for the other.`,
      'Take the value from a node before.',
    );
  }
  const [inner, outer] = [frames.nodes.get(node) ?? [], frames.nodes.get(nodeId) ?? []];
  if (!inner.every((origin, depth) => origin === outer[depth])) {
    return say(
      'EXPRESSION_OTHER_LIST',
      `${other.name} lies within a list that ${own?.name ?? 'this node'} is not in.`,
      'Bring its values together with Collect or Pair, and wire them in.',
    );
  }
  return say(
    'EXPRESSION_NOT_EACH',
    `${own?.name ?? 'This node'} does not run once for each item of this list.`,
    `Take the whole list: ${from === 'each' ? 'nodes' : from}.…`,
  );
}

// ---------------------------------------------------------------- what an expression gives

type Env = { reach: ReadonlyMap<string, Shape>; names: ReadonlyMap<string, Shape>; faults: ExpressionError[] };
const keyOf = ({ from, node, port }: Reference) => `${from} ${node} ${port}`;

function shapeOfTree(tree: Tree, env: Env): Shape {
  const [kind, at, first, second, third] = tree;
  const of = (part: unknown, more: Env = env) => shapeOfTree(part as Tree, more);
  switch (kind) {
    case 'value':
      return shapeOfValue(first);
    case 'template':
      for (const part of first as unknown[]) if (typeof part !== 'string') of(part);
      return { kind: 'text' };
    case 'ref': {
      const reference = asReference(tree);
      return (reference && env.reach.get(keyOf(reference))) ?? ANY;
    }
    case 'scope':
      return SCOPES[first as keyof typeof SCOPES] ?? ANY;
    case 'name':
      return env.names.get(String(first)) ?? ANY;
    case 'get':
      return memberOf(of(first), String(second), at, env);
    case 'index': {
      const target = of(first);
      of(second);
      return target.kind === 'list' ? { ...(target.items ?? ANY), optional: true } : ANY;
    }
    case 'not':
      of(first);
      return { kind: 'boolean' };
    case 'minus':
      of(first);
      return { kind: 'number' };
    case 'op': {
      const [left, right] = [of(second), of(third)];
      if (first === '??')
        return left.optional || left.kind === 'null' ? joined({ ...left, optional: false }, right) : left;
      if (first === '+') {
        if (left.kind === 'text' || right.kind === 'text') return { kind: 'text' };
        return left.kind === 'number' && right.kind === 'number' ? { kind: 'number' } : ANY;
      }
      return { kind: ['-', '*', '/', '%'].includes(String(first)) ? 'number' : 'boolean' };
    }
    case 'if':
      of(first);
      return joined(of(second), of(third));
    case 'list': {
      const items = (first as unknown[]).map((part) => of(part));
      return { kind: 'list', items: items.length > 0 ? items.reduce(joined) : ANY };
    }
    case 'record':
      return {
        kind: 'record',
        fields: Object.fromEntries((first as [string, unknown][]).map(([key, part]) => [key, of(part)])),
      };
    case 'call':
      return shapeOfCall(String(first), second as Tree[], env);
    default:
      return ANY;
  }
}

function memberOf(target: Shape, key: string, at: number, env: Env): Shape {
  if (key === 'length' && (target.kind === 'list' || target.kind === 'text')) return { kind: 'number' };
  const known = target.fields && Object.hasOwn(target.fields, key) ? target.fields[key] : undefined;
  if (known) return target.optional ? { ...known, optional: true } : known;
  if (target.kind === 'any' || (target.kind === 'record' && !target.fields)) return ANY;
  const names = Object.keys(target.fields ?? {});
  env.faults.push({
    code: 'EXPRESSION_ABSENT',
    message: target.kind === 'record' ? `There is no ${key} here.` : `There is no ${key} in ${spokenShape(target)}.`,
    hint:
      names.length > 0
        ? `There is ${names.slice(0, 12).join(', ')}.`
        : target.kind === 'list'
          ? 'Say of which item: [0], first(…), or map(…, item => …).'
          : null,
    at,
  });
  return ANY;
}

function shapeOfCall(name: string, given: readonly Tree[], env: Env): Shape {
  const list = given[0] && given[0][0] !== 'arrow' ? shapeOfTree(given[0], env) : ANY;
  const item = list.kind === 'list' ? (list.items ?? ANY) : ANY;
  const ruled = given.slice(1).map((part) => {
    if (part[0] !== 'arrow') return shapeOfTree(part, env);
    return shapeOfTree(part[3] as Tree, { ...env, names: new Map(env.names).set(String(part[2]), item) });
  });
  switch (name) {
    case 'first':
    case 'last':
    case 'find':
      return { ...item, optional: true };
    case 'map':
      return { kind: 'list', items: ruled[0] ?? ANY };
    case 'filter':
    case 'sort':
    case 'reverse':
    case 'unique':
      return { kind: 'list', items: item };
    case 'slice':
      return list;
    case 'split':
    case 'keys':
      return { kind: 'list', items: { kind: 'text' } };
    default:
      return Object.hasOwn(FUNCTIONS, name) ? { kind: FUNCTIONS[name]!.gives } : ANY;
  }
}

/** A setting as its form calls it. */
export function humanTitle(manifest: ManifestJson, field: string): string {
  const title = schemaAt(manifest, [field])?.title;
  return typeof title === 'string' ? title : field;
}

/** What decides on a port in a row of `morePorts`. */
const PORT_FACTS = ['name', 'title', 'type', 'list', 'optional'];

/**
 * Whether an expression may stand at a place in a config. Not where the shape of the graph hangs on it, nor where runs
 * are started, nor in code: data must not become code.
 */
export function takesExpressions(manifest: ManifestJson, path: readonly (string | number)[]): boolean {
  const { shape, morePorts } = manifest;
  if (shape === 'trigger' || shape === 'call-pipeline') return false;
  const makesPorts = morePorts?.inputs?.field === path[0] || morePorts?.outputs?.field === path[0];
  if (makesPorts && (path.length < 3 || PORT_FACTS.includes(String(path[2])))) return false;
  const schema = schemaAt(manifest, path);
  return schema !== undefined && schema['x-widget'] !== 'code' && schema['x-language'] === undefined;
}

/** The part of the config's schema that says what stands at a place, as far as it can be followed. */
export function schemaAt(manifest: ManifestJson, path: readonly (string | number)[]): JsonSchema | undefined {
  let schema: JsonSchema | undefined = manifest.config;
  for (const key of path) {
    const solid: JsonSchema | undefined = Array.isArray(schema?.anyOf)
      ? schema.anyOf.filter(isRecord).find((option) => option.type !== 'null')
      : schema;
    const part: unknown =
      typeof key === 'number'
        ? solid?.items
        : isRecord(solid?.properties) && Object.hasOwn(solid.properties, key)
          ? solid.properties[key]
          : undefined;
    if (!isRecord(part)) return undefined;
    schema = part;
  }
  return schema;
}

/** Kinds that a setting takes, by its JSON Schema. Undefined: any. */
export function kindsTaken(schema: JsonSchema | undefined): ReadonlySet<Kind> | undefined {
  if (!schema || '$ref' in schema || Array.isArray(schema.allOf)) return undefined;
  const options = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(options)) {
    const all = new Set<Kind>();
    for (const option of options) {
      const taken = isRecord(option) ? kindsTaken(option) : undefined;
      if (!taken) return undefined;
      for (const kind of taken) all.add(kind);
    }
    return all;
  }
  const values = Array.isArray(schema.enum) ? schema.enum : 'const' in schema ? [schema.const] : undefined;
  if (values) return new Set(values.map((value) => shapeOfValue(value).kind));
  const { kind } = shapeOfSchema(schema);
  return kind === 'any' ? undefined : new Set([kind]);
}

export type Checked = { tree: Tree | null; shape: Shape; faults: ExpressionError[] };

/** What is wrong with an expression in a setting of a node, and what it gives there. */
export function checkExpression(
  stored: StoredExpression,
  at: { graph: Graph; frames: Frames; node: string; field: JsonSchema | undefined },
): Checked {
  const { text, tree } = stored.$expression;
  const reading = parseExpression(text);
  if (!reading.ok) return { tree: null, shape: ANY, faults: [reading.error] };
  if (tree && JSON.stringify(tree) !== JSON.stringify(reading.tree)) {
    const message = 'This expression was not stored as it should be.';
    return {
      tree: null,
      shape: ANY,
      faults: [{ code: 'EXPRESSION_BROKEN', message, hint: 'Open it and save it again.', at: 0 }],
    };
  }
  const reach = new Map(reachFrom(at.graph, at.frames, at.node).map((each) => [keyOf(each), each.shape]));
  const faults = usesOf(reading.tree)
    .filter((use) => !reach.has(keyOf(use)))
    .map((use) => refused(use, at.graph, at.frames, at.node));
  const shape = shapeOfTree(reading.tree, { reach, names: new Map(), faults });
  const taken = kindsTaken(at.field);
  if (faults.length === 0 && taken && shape.kind !== 'any' && !taken.has(shape.kind)) {
    const wanted = [...taken].filter((kind) => kind !== 'null').map((kind) => SPOKEN[kind]);
    const cure: Partial<Record<Kind, string>> = {
      text: 'Put it into a text: {{ … }}, or take text(…).',
      number: 'Make it a number: number(…), length(…) or round(…).',
    };
    faults.push({
      code: 'EXPRESSION_MISMATCH',
      message: `This gives ${spokenShape(shape)}; ${wanted.join(' or ') || 'nothing'} is needed.`,
      hint:
        taken.has('text') && (shape.kind === 'list' || shape.kind === 'record')
          ? 'Name the part of it that you want.'
          : taken.has('text')
            ? cure.text!
            : taken.has('number')
              ? cure.number!
              : null,
      at: 0,
    });
  }
  return { tree: reading.tree, shape, faults };
}
