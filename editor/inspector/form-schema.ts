/**
 * Reads the JSON Schema of a node's config into the fields of a form. Pure. Known hints: `title`, `description` or
 * `help`, `unit`, `slider`, `group`, `labels` (value → words), `placeholder`, `step`, and `x-widget`: `recording`, `pipeline`, `account`,
 * `color`, `textarea`, `code`, `segmented`, `list`, `port`. What is wrong with a config says runtime/graph, the same as at a run.
 */
import { resolveConfig } from '../../runtime/graph/config.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';

export type Json = GraphNode['config'][string];
type Schema = { readonly [key: string]: unknown };

type Common = {
  name: string;
  title: string;
  help: string | null;
  unit: string | null;
  group: string | null;
  /** May be switched off, which is null. */
  nullable: boolean;
  default: Json | undefined;
  placeholder: string | null;
};
export type FormField = Common &
  (
    | { kind: 'choice'; options: { value: string | number; label: string }[]; segmented: boolean }
    | { kind: 'number'; integer: boolean; min: number | null; max: number | null; step: number; slider: boolean }
    | { kind: 'switch' }
    | { kind: 'text'; long: boolean; code: boolean; maxLength: number | null }
    /** A list of the same few settings; `port` is the one that names a port of the node and is made, not typed. */
    | { kind: 'rows'; fields: FormField[]; port: string | null; most: number | null; least: number }
    | { kind: 'color' }
    | { kind: 'recording' }
    /** Another pipeline, with the version and the ports it had when it was chosen. */
    | { kind: 'pipeline' }
    /** One of the brand's accounts, by name. */
    | { kind: 'account' }
    | { kind: 'words'; items: 'text' | 'choice'; options: { value: string | number; label: string }[] }
    | { kind: 'object'; fields: FormField[] }
    | { kind: 'json' }
  );

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);

/** `highPass` → "High pass", `lufs` → "Lufs". */
export function humanize(name: string): string {
  const words = name
    .replace(/[-_]+/g, ' ')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .trim();
  return words === '' ? name : words[0]!.toUpperCase() + words.slice(1);
}

/** A row with its defaults; the port it makes gets the first free name of `way1`, `way2` … */
export function newRow(field: Extract<FormField, { kind: 'rows' }>, rows: readonly Json[]): { [name: string]: Json } {
  const row = Object.fromEntries(
    field.fields.flatMap((part) => (part.default === undefined ? [] : [[part.name, part.default]])),
  );
  if (field.port === null) return row;
  const port = field.port;
  const taken = new Set(rows.map((other) => (isObject(other) ? other[port] : undefined)));
  let count = 1;
  while (taken.has(`way${count}`)) count += 1;
  return { [port]: `way${count}`, ...row };
}

export function formFields(schema: unknown): FormField[] {
  if (!isObject(schema)) return [];
  return fieldsOf(schema, schema);
}

/** What is wrong with a config as it would be with what is being typed, by field. */
export function fieldFaults(schema: unknown, config: Record<string, unknown>): Map<string, string> {
  const { problems } = resolveConfig(isObject(schema) ? schema : {}, config, { later: true });
  return new Map(problems.map(({ field, message }) => [field, message]));
}

function fieldsOf(schema: Schema, root: Schema): FormField[] {
  const properties = isObject(schema.properties) ? schema.properties : {};
  return Object.entries(properties).flatMap(([name, property]) =>
    isObject(property) ? [fieldOf(name, property, root)] : [],
  );
}

function resolve(schema: Schema, root: Schema): Schema {
  if (typeof schema.$ref !== 'string') return schema;
  const target = schema.$ref
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), root);
  const { $ref: _ref, ...rest } = schema;
  return isObject(target) ? { ...target, ...rest } : rest;
}

function fieldOf(name: string, given: Schema, root: Schema): FormField {
  const outer = resolve(given, root);
  const branches = [outer.anyOf, outer.oneOf]
    .find(Array.isArray)
    ?.filter(isObject)
    .map((part) => resolve(part, root));
  const solid = branches?.filter((branch) => branch.type !== 'null');
  const types = Array.isArray(outer.type) ? outer.type : [outer.type];
  const nullable =
    types.includes('null') || (branches !== undefined && solid !== undefined && solid.length < branches.length);
  const single = solid?.length === 1 ? solid[0]! : null;
  const schema: Schema = single
    ? { ...single, ...outer, anyOf: undefined, oneOf: undefined, type: single.type }
    : outer;
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== 'null') : schema.type;

  const common: Common = {
    name,
    title: text(schema.title) ?? humanize(name),
    help: text(schema.help) ?? text(schema.description),
    unit: text(schema.unit),
    group: text(schema.group),
    nullable,
    default: schema.default as Json | undefined,
    placeholder: text(schema.placeholder),
  };
  const labels = isObject(schema.labels) ? schema.labels : {};
  const optionsOf = (values: readonly unknown[]) =>
    values.flatMap((value) =>
      typeof value === 'string' || typeof value === 'number'
        ? [
            {
              value,
              label: text(labels[String(value)]) ?? (typeof value === 'number' ? String(value) : humanizeOption(value)),
            },
          ]
        : [],
    );
  const widget = text(schema['x-widget']);
  if (widget === 'recording') return { ...common, kind: 'recording' };
  if (widget === 'pipeline') return { ...common, kind: 'pipeline' };
  if (widget === 'account') return { ...common, kind: 'account' };
  if (widget === 'color') return { ...common, kind: 'color' };

  const constants = solid && solid.length > 1 && solid.every((branch) => 'const' in branch);
  const values = Array.isArray(schema.enum)
    ? schema.enum
    : constants
      ? solid.map((branch) => branch.const)
      : 'const' in schema
        ? [schema.const]
        : null;
  if (values) {
    const options = optionsOf(values);
    const short = options.length <= 4 && options.reduce((sum, option) => sum + option.label.length, 0) <= 16;
    return { ...common, kind: 'choice', options, segmented: widget === 'segmented' || (widget === null && short) };
  }
  switch (type) {
    case 'boolean':
      return { ...common, kind: 'switch' };
    case 'integer':
    case 'number': {
      const min = number(schema.minimum) ?? number(schema.exclusiveMinimum);
      const max = number(schema.maximum) ?? number(schema.exclusiveMaximum);
      const bounded = min !== null && max !== null && Math.abs(min) < 1e12 && Math.abs(max) < 1e12;
      const integer = type === 'integer';
      const span = bounded ? max - min : null;
      const step =
        number(schema.step) ??
        number(schema.multipleOf) ??
        (integer ? 1 : span !== null && span <= 2 ? 0.05 : span !== null && span <= 20 ? 0.1 : 0.5);
      return {
        ...common,
        kind: 'number',
        integer,
        // zod writes its safe integers down as bounds; those bound nothing for a person.
        min: min !== null && min > -9e15 ? min : null,
        max: max !== null && max < 9e15 ? max : null,
        step,
        slider: schema.slider === true && bounded,
      };
    }
    case 'string':
      return {
        ...common,
        kind: 'text',
        long: widget === 'textarea' || widget === 'code' || schema.multiline === true,
        code: widget === 'code',
        maxLength: number(schema.maxLength),
      };
    case 'array': {
      const items = isObject(schema.items) ? resolve(schema.items, root) : {};
      if (Array.isArray(items.enum))
        return { ...common, kind: 'words', items: 'choice', options: optionsOf(items.enum) };
      if (items.type === 'string') return { ...common, kind: 'words', items: 'text', options: [] };
      if (items.type === 'object' && isObject(items.properties)) {
        const properties = Object.entries(items.properties);
        const port = properties.find(([, part]) => isObject(part) && part['x-widget'] === 'port')?.[0] ?? null;
        return {
          ...common,
          kind: 'rows',
          fields: fieldsOf(items, root).filter((field) => field.name !== port),
          port,
          most: number(schema.maxItems),
          least: number(schema.minItems) ?? 0,
        };
      }
      return { ...common, kind: 'json' };
    }
    case 'object':
      return isObject(schema.properties)
        ? { ...common, kind: 'object', fields: fieldsOf(schema, root) }
        : { ...common, kind: 'json' };
    default:
      return { ...common, kind: 'json' };
  }
}

/** "9:16" stays, "bestAvailable" → "Best available", "en-GB" stays. */
function humanizeOption(value: string): string {
  if (/[^A-Za-z]/.test(value) && !/^[a-z]+(-[a-z]+)+$/.test(value)) return value;
  if (/^[A-Z0-9]+$/.test(value)) return value;
  return humanize(value);
}

/** A value in one short line, as a node's field or the outline shows it. */
export function shownValue(field: FormField, value: Json | undefined): string {
  const present = value === undefined ? field.default : value;
  if (present === undefined || present === null) return field.nullable || present === null ? 'Off' : 'Not set';
  if (field.kind === 'choice')
    return field.options.find((option) => option.value === present)?.label ?? String(present);
  if (field.kind === 'switch') return present === true ? 'On' : 'Off';
  if (field.kind === 'number') return `${String(present).replace(/^-/, '−')}${field.unit ? `\u00a0${field.unit}` : ''}`;
  if (field.kind === 'recording') {
    if (isObject(present)) {
      const { url, name } = present;
      return text(name) ?? (typeof url === 'string' ? url.replace(/^https?:\/\//, '') : 'From the library');
    }
    return 'Not set';
  }
  if (field.kind === 'pipeline') return isObject(present) ? (text(present.name) ?? 'A pipeline') : 'Not set';
  if (Array.isArray(present)) return present.length === 0 ? 'None' : present.map(String).join(', ');
  return typeof present === 'object' ? JSON.stringify(present) : String(present) || 'Not set';
}

/** The text of a number field as a number; undefined where it is none. A comma is a decimal point, a minus is a minus. */
export function parseNumber(input: string): number | undefined {
  const cleaned = input.trim().replace('−', '-').replace(',', '.');
  if (cleaned === '' || !/^-?(\d+\.?\d*|\.\d+)$/.test(cleaned)) return undefined;
  return Number(cleaned);
}
