/**
 * A node's config against the JSON Schema of its manifest: fills defaults and says what is wrong, field by field, in
 * words for the person at the form. Covers what `z.toJSONSchema` makes of the types a config may use; a keyword it
 * does not know constrains nothing (the plugin's own schema inside the isolate is stricter). Two keywords are our own:
 * a number's `meta` names another number beside it with `notBelow` or `above`.
 */
import { isExpression } from './expression.ts';

type Schema = { readonly [key: string]: unknown };
export type FieldProblem = { field: string; message: string };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The config with its defaults, and the problems by top-level field (`''` = the whole config). `later`: expressions are
 * let pass as they are, because their values are known in the run only.
 */
export function resolveConfig(
  schema: Schema,
  config: Record<string, unknown>,
  options: { later?: boolean } = {},
): { config: Record<string, unknown>; problems: FieldProblem[] } {
  const problems: FieldProblem[] = [];
  const root: Root = { schema, later: options.later === true };
  const resolved = check(root, schema, config, [], (path, message) => {
    problems.push({ field: String(path[0] ?? ''), message });
  });
  return { config: isObject(resolved) ? resolved : {}, problems };
}

/** What a number's `meta` may say of another beside it, and how that is told. */
const COMPARED = [
  ['notBelow', 'Must not be below'],
  ['above', 'Must be more than'],
] as const;

type Root = { schema: Schema; later: boolean };
type Report = (path: (string | number)[], message: string) => void;

function check(root: Root, schema: Schema, value: unknown, path: (string | number)[], report: Report): unknown {
  if (root.later && isExpression(value)) return value;
  if (typeof schema.$ref === 'string') {
    const target = schema.$ref
      .replace(/^#\//, '')
      .split('/')
      .reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), root.schema);
    const resolved = schema.$ref === '#' ? root.schema : target;
    return isObject(resolved) ? check(root, resolved, value, path, report) : value;
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(options)) return checkOptions(root, options as Schema[], value, path, report);
  if (Array.isArray(schema.allOf)) {
    return (schema.allOf as Schema[]).reduce<unknown>(
      (current, part) => check(root, part, current, path, report),
      value,
    );
  }
  if ('const' in schema && !equal(schema.const, value)) {
    report(path, `Must be ${JSON.stringify(schema.const)}.`);
    return value;
  }
  if (Array.isArray(schema.enum) && !schema.enum.some((option) => equal(option, value))) {
    report(path, `Must be one of ${schema.enum.map(String).join(', ')}.`);
    return value;
  }
  switch (schema.type) {
    case 'object':
      return checkObject(root, schema, value, path, report);
    case 'array':
      return checkArray(root, schema, value, path, report);
    case 'string':
      return checkString(schema, value, path, report);
    case 'number':
    case 'integer':
      return checkNumber(schema, value, path, report);
    case 'boolean':
      if (typeof value !== 'boolean') report(path, 'Must be yes or no.');
      return value;
    case 'null':
      if (value !== null) report(path, 'Must be empty.');
      return value;
    default:
      return value;
  }
}

/** The first option that fits; otherwise the complaint of the option that came closest. */
function checkOptions(
  root: Root,
  options: Schema[],
  value: unknown,
  path: (string | number)[],
  report: Report,
): unknown {
  let best: { depth: number; complaints: [(string | number)[], string][] } | undefined;
  for (const option of options) {
    const complaints: [(string | number)[], string][] = [];
    const resolved = check(root, option, value, path, (at, message) => complaints.push([at, message]));
    if (complaints.length === 0) return resolved;
    const depth = Math.max(...complaints.map(([at]) => at.length));
    if (!best || depth > best.depth || (depth === best.depth && complaints.length < best.complaints.length))
      best = { depth, complaints };
  }
  for (const [at, message] of best?.complaints.slice(0, 1) ?? []) report(at, message);
  return value;
}

function checkObject(root: Root, schema: Schema, value: unknown, path: (string | number)[], report: Report): unknown {
  if (!isObject(value)) {
    report(path, value === undefined ? 'Is missing.' : 'Has the wrong form.');
    return value;
  }
  const properties = isObject(schema.properties) ? schema.properties : {};
  const resolved: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(properties) as [string, Schema][]) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined;
    if (given !== undefined) resolved[name] = check(root, part, given, [...path, name], report);
    else if ('default' in part) resolved[name] = structuredCloneJson(part.default);
    else if (Array.isArray(schema.required) && schema.required.includes(name)) report([...path, name], 'Is missing.');
  }
  for (const [name, given] of Object.entries(value)) {
    if (Object.hasOwn(properties, name)) continue;
    if (schema.additionalProperties === false) report([...path, name], 'Is not a setting of this node.');
    else {
      resolved[name] = isObject(schema.additionalProperties)
        ? check(root, schema.additionalProperties, given, [...path, name], report)
        : given;
    }
  }
  for (const [name, part] of Object.entries(properties) as [string, Schema][]) {
    const own = resolved[name];
    if (typeof own !== 'number') continue;
    for (const [key, words] of COMPARED) {
      const other = part[key];
      const bound = typeof other === 'string' ? resolved[other] : undefined;
      if (typeof bound !== 'number' || (key === 'notBelow' ? own >= bound : own > bound)) continue;
      const title = (properties as Record<string, Schema>)[String(other)]?.title ?? other;
      report([...path, name], `${words} “${title}”.`);
    }
  }
  return resolved;
}

function checkArray(root: Root, schema: Schema, value: unknown, path: (string | number)[], report: Report): unknown {
  if (!Array.isArray(value)) {
    report(path, 'Must be a list.');
    return value;
  }
  if (typeof schema.minItems === 'number' && value.length < schema.minItems)
    report(path, `Needs at least ${schema.minItems}.`);
  if (typeof schema.maxItems === 'number' && value.length > schema.maxItems)
    report(path, `Takes at most ${schema.maxItems}.`);
  const prefix = Array.isArray(schema.prefixItems) ? (schema.prefixItems as Schema[]) : [];
  return value.map((item, index) => {
    const part = prefix[index] ?? (isObject(schema.items) ? schema.items : undefined);
    return part ? check(root, part, item, [...path, index], report) : item;
  });
}

function checkString(schema: Schema, value: unknown, path: (string | number)[], report: Report): unknown {
  if (typeof value !== 'string') {
    report(path, 'Must be text.');
    return value;
  }
  if (typeof schema.minLength === 'number' && value.length < schema.minLength) {
    report(path, schema.minLength === 1 ? 'Must not be empty.' : `Needs at least ${schema.minLength} characters.`);
  }
  if (typeof schema.maxLength === 'number' && value.length > schema.maxLength)
    report(path, `Takes at most ${schema.maxLength} characters.`);
  if (typeof schema.pattern === 'string' && !new RegExp(schema.pattern, 'u').test(value))
    report(path, 'Has the wrong form.');
  if (schema.format === 'uri' && !/^[a-z][a-z0-9+.-]*:\/\/\S+$/i.test(value))
    report(path, 'Must be an address such as https://example.com.');
  return value;
}

function checkNumber(schema: Schema, value: unknown, path: (string | number)[], report: Report): unknown {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    report(path, 'Must be a number.');
    return value;
  }
  if (schema.type === 'integer' && !Number.isInteger(value)) report(path, 'Must be a whole number.');
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (typeof minimum === 'number' && value < minimum) report(path, `Must be at least ${minimum}.`);
  if (typeof maximum === 'number' && value > maximum) report(path, `Must be at most ${maximum}.`);
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum)
    report(path, `Must be more than ${exclusiveMinimum}.`);
  if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum)
    report(path, `Must be less than ${exclusiveMaximum}.`);
  if (typeof multipleOf === 'number' && Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9) {
    report(path, `Must be a multiple of ${multipleOf}.`);
  }
  return value;
}

function structuredCloneJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function equal(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
