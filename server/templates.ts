/** The pipelines that come with the product: `templates/*.json`, read once at start. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { Graph } from '../runtime/graph/graph.ts';

const Template = z.strictObject({
  id: z.string().max(60),
  name: z.string().max(80),
  description: z.string().max(500),
  /** Whether the sample recording shows it well. */
  sampleIncluded: z.boolean(),
  order: z.number(),
  graph: Graph,
});
export type Template = z.infer<typeof Template>;

export function readTemplates(folder = path.resolve(import.meta.dirname, '../templates')): Template[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => Template.parse(JSON.parse(readFileSync(path.join(folder, name), 'utf8'))))
    .sort((a, b) => a.order - b.order);
}
