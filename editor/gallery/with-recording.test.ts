/** Tests that every template of the product takes the sample recording where it says it does. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { EMPTY_GRAPH, Graph } from '../../runtime/graph/graph.ts';
import { SAMPLE } from '../uploads/sample.ts';
import { withRecording } from './with-recording.ts';

const folder = path.resolve(import.meta.dirname, '../../templates');
const Template = z.object({ sampleIncluded: z.boolean(), graph: Graph });
const templates = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({ name, ...Template.parse(JSON.parse(readFileSync(path.join(folder, name), 'utf8'))) }));

test('each template that shows the sample well has a place for it', () => {
  const wanting = templates.filter(({ sampleIncluded }) => sampleIncluded);
  expect(wanting.length).toBeGreaterThan(0);
  for (const { name, graph } of wanting) {
    const filled = withRecording(graph, SAMPLE.sha256);
    expect(JSON.stringify(filled), name).toContain(SAMPLE.sha256);
    expect(Graph.safeParse(filled).success, name).toBe(true);
    expect(JSON.stringify(graph), name).not.toContain(SAMPLE.sha256);
  }
});

test('without a recording or a place for one the graph stays as it is', () => {
  expect(withRecording(EMPTY_GRAPH, SAMPLE.sha256)).toBe(EMPTY_GRAPH);
  const [first] = templates;
  if (!first) throw new Error('no template');
  expect(withRecording(first.graph, null)).toBe(first.graph);
});
