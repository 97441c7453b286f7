/** Forms: what a node's zod config becomes, as its manifest's JSON Schema carries it. */
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { formFields, humanize, newRow, parseNumber, shownValue } from './form-schema.ts';

const fieldsOf = (schema: z.ZodType) => formFields(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
const one = (schema: z.ZodType) => fieldsOf(z.strictObject({ field: schema }))[0]!;

describe('each type has its control', () => {
  test('a short enum is a row of buttons, a long one a list, with the words the manifest gives', () => {
    expect(one(z.enum(['9:16', '1:1', '16:9']).default('9:16'))).toMatchObject({
      kind: 'choice',
      segmented: true,
      default: '9:16',
    });
    const engine = one(
      z
        .enum(['auto', 'local', 'assemblyai'])
        .default('auto')
        .meta({ title: 'Engine', labels: { auto: 'Best available', assemblyai: 'AssemblyAI' } }),
    );
    expect(engine).toMatchObject({ kind: 'choice', segmented: false, title: 'Engine' });
    expect(shownValue(engine, undefined)).toBe('Best available');
    expect(shownValue(engine, 'local')).toBe('Local');
  });

  test('a number has its unit, range, step and slider; integers are not given the bounds of safe integers', () => {
    expect(one(z.number().min(0).max(300).default(80).meta({ unit: 'Hz', slider: true }))).toMatchObject({
      kind: 'number',
      unit: 'Hz',
      min: 0,
      max: 300,
      slider: true,
      integer: false,
    });
    expect(one(z.number().int())).toMatchObject({ kind: 'number', integer: true, min: null, max: null, step: 1 });
    expect(one(z.number().min(0).max(1))).toMatchObject({ step: 0.05 });
    expect(one(z.number().min(1).meta({ slider: true }))).toMatchObject({ slider: false });
  });

  test('what may be null can be switched off', () => {
    const gate = one(z.number().min(-80).max(-20).nullable().default(null).meta({ title: 'Gate', unit: 'dBFS' }));
    expect(gate).toMatchObject({
      kind: 'number',
      nullable: true,
      default: null,
      min: -80,
      max: -20,
      title: 'Gate',
      unit: 'dBFS',
    });
    expect(shownValue(gate, undefined)).toBe('Off');
    expect(shownValue(gate, -45)).toBe('−45\u00a0dBFS');
  });

  test('texts, lists, colours, recordings, switches and objects', () => {
    expect(one(z.string().max(500).meta({ 'x-widget': 'textarea' }))).toMatchObject({
      kind: 'text',
      long: true,
      maxLength: 500,
    });
    expect(one(z.string().meta({ 'x-widget': 'color' })).kind).toBe('color');
    expect(one(z.array(z.string()).default([]))).toMatchObject({ kind: 'words', items: 'text' });
    expect(one(z.array(z.enum(['a', 'b'])))).toMatchObject({ kind: 'words', items: 'choice' });
    expect(one(z.boolean().default(true)).kind).toBe('switch');
    expect(one(z.object({ width: z.number(), on: z.boolean() }))).toMatchObject({
      kind: 'object',
      fields: [{ name: 'width' }, { name: 'on' }],
    });
    expect(one(z.union([z.literal(1), z.literal(2)]))).toMatchObject({
      kind: 'choice',
      options: [{ value: 1 }, { value: 2 }],
    });
    const recording = one(
      z
        .union([z.strictObject({ asset: z.string() }), z.strictObject({ url: z.url() })])
        .optional()
        .meta({ 'x-widget': 'recording' }),
    );
    expect(recording.kind).toBe('recording');
    expect(shownValue(recording, { url: 'https://example.com/a.mp4' })).toBe('example.com/a.mp4');
  });

  test('a list of objects is rows; a row that is a port of the node gets a name nobody else has', () => {
    const rows = one(
      z.array(z.object({ name: z.string().meta({ 'x-widget': 'port' }), title: z.string().default('New') })).min(1),
    );
    if (rows.kind !== 'rows') throw new Error(rows.kind);
    expect(rows).toMatchObject({ port: 'name', least: 1, most: null, fields: [{ name: 'title', kind: 'text' }] });
    expect(newRow(rows, [])).toEqual({ name: 'way1', title: 'New' });
    expect(newRow(rows, [{ name: 'way1' }, { name: 'approved' }])).toEqual({ name: 'way2', title: 'New' });
  });

  test('what no control fits is edited as JSON rather than lost', () => {
    expect(one(z.record(z.string(), z.number())).kind).toBe('json');
    expect(one(z.array(z.array(z.string()))).kind).toBe('json');
    expect(one(z.any()).kind).toBe('json');
  });
});

test('titles come from the name where the manifest gives none, help from either key', () => {
  expect(one(z.string().meta({ help: 'Short.' }))).toMatchObject({ title: 'Field', help: 'Short.' });
  expect(one(z.string().describe('Longer.'))).toMatchObject({ help: 'Longer.' });
  expect(humanize('highPass')).toBe('High pass');
  expect(humanize('line-length')).toBe('Line length');
});

test('anything that is no schema gives no fields', () => {
  for (const schema of [null, 3, [], {}, { properties: [] }, { properties: { a: 1 } }])
    expect(formFields(schema)).toEqual([]);
});

test('numbers are read as people write them', () => {
  expect(parseNumber('−14,5')).toBe(-14.5);
  expect(parseNumber(' 7 ')).toBe(7);
  expect(parseNumber('.5')).toBe(0.5);
  for (const text of ['', 'x', '1e9', '1.2.3', '-']) expect(parseNumber(text)).toBeUndefined();
});
